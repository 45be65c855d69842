@echo off
rem Creates connectors on a worker, or updates them, by PowerShell alone.
rem
rem   deploy-connector.bat [FILE ...]     postgres-telescope-data-sink.json beside it without one
rem
rem CONNECT_URL names the worker, http://localhost:8083 without it. A FILE is what POST /connectors
rem takes: {"name": ..., "config": {...}}. `ferrule deploy FILE` does the same on any system.
setlocal
if "%CONNECT_URL%"=="" set "CONNECT_URL=http://localhost:8083"
set FILES=%*
if "%~1"=="" set FILES="%~dp0postgres-telescope-data-sink.json"
for %%F in (%FILES%) do (
  set "FILE=%%~fF"
  powershell -NoProfile -Command ^
    "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue';" ^
    "$url = $env:CONNECT_URL.TrimEnd('/');" ^
    "$sink = Get-Content -Raw -Encoding UTF8 -LiteralPath $env:FILE | ConvertFrom-Json;" ^
    "if (-not $sink.name -or -not $sink.config) { throw ($env:FILE + ': a name and a config are expected') };" ^
    "for ($try = 1; ; $try++) {" ^
    "  try { $null = Invoke-WebRequest -UseBasicParsing -Uri ($url + '/'); break }" ^
    "  catch { if ($try -ge 30) { throw ('no worker answers at ' + $url + ': start it, or name another by CONNECT_URL') } };" ^
    "  Start-Sleep -Seconds 1" ^
    "};" ^
    "$text = ConvertTo-Json -InputObject $sink.config -Depth 20;" ^
    "$body = [Text.Encoding]::UTF8.GetBytes($text);" ^
    "$at = $url + '/connectors/' + [Uri]::EscapeDataString($sink.name);" ^
    "try { $answer = Invoke-WebRequest -UseBasicParsing -Method Put -Uri ($at + '/config') -ContentType 'application/json' -Body $body }" ^
    "catch {" ^
    "  $why = $_.ErrorDetails.Message; if (-not $why) { $why = $_.Exception.Message };" ^
    "  [Console]::Error.WriteLine($sink.name + ': ' + $why); exit 1" ^
    "};" ^
    "if ($answer.StatusCode -eq 201) { 'created ' + $sink.name } else { 'updated ' + $sink.name };" ^
    "'  curl ' + $at + '/status'"
  if errorlevel 1 exit /b 1
)
