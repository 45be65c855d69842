@echo off
rem Creates a connector on a worker, or updates it, by curl and PowerShell alone.
rem
rem   deploy-connector.bat [FILE]     postgres-telescope-data-sink.json beside it without one
rem
rem CONNECT_URL names the worker, http://localhost:8083 without it. A FILE is what POST /connectors
rem takes. `ferrule deploy FILE` does the same on any system.
setlocal
set "URL=%CONNECT_URL%"
if "%URL%"=="" set "URL=http://localhost:8083"
set "FILE=%~1"
if "%FILE%"=="" set "FILE=%~dp0postgres-telescope-data-sink.json"
powershell -NoProfile -Command ^
  "$ErrorActionPreference = 'Stop';" ^
  "$sink = Get-Content -Raw -Encoding UTF8 $env:FILE | ConvertFrom-Json;" ^
  "$sink.config | ConvertTo-Json -Depth 20 | Set-Content -Encoding UTF8 ($env:TEMP + '\connector-config.json');" ^
  "Set-Content -Encoding ASCII ($env:TEMP + '\connector-name.txt') $sink.name"
if errorlevel 1 exit /b 1
set /p NAME=<"%TEMP%\connector-name.txt"
curl -f -X PUT -H "Content-Type: application/json" --data-binary "@%TEMP%\connector-config.json" "%URL%/connectors/%NAME%/config"
if errorlevel 1 (
  echo the worker at %URL% does not take %FILE% 1>&2
  exit /b 1
)
echo.
echo curl %URL%/connectors/%NAME%/status
