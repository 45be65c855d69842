#!/bin/sh
# Creates connectors on a worker, or updates them, by curl alone.
#
#   deploy-connector.sh [FILE…]      postgres-telescope-data-sink.json beside this script without one
#
# CONNECT_URL names the worker, http://localhost:8083 without it. A FILE is what POST /connectors
# takes: {"name": …, "config": {…}}. `ferrule deploy` does the same and shows what fails.
set -eu

url=${CONNECT_URL:-http://localhost:8083}
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- "$here/postgres-telescope-data-sink.json"

tries=0
until curl -sf "$url/" >/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -ge 30 ]; then
        echo "no worker answers at $url: start it, or name another by CONNECT_URL" >&2
        exit 1
    fi
    sleep 1
done

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
for file in "$@"; do
    # The name is the first one of the file, and the config all between its braces.
    text=$(tr -d '\r' <"$file" | tr '\n' ' ')
    name=$(printf '%s' "$text" | sed -n 's/^[^"]*"name"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p')
    config=$(printf '%s' "$text" | sed -n 's/^.*"config"[[:space:]]*:[[:space:]]*\({.*}\)[[:space:]]*}[[:space:]]*$/\1/p')
    if [ -z "$name" ] || [ -z "$config" ]; then
        echo "$file: {\"name\": …, \"config\": {…}} is expected, in this order" >&2
        exit 1
    fi
    code=$(printf '%s' "$config" | curl -s -o "$answer" -w '%{http_code}' -X PUT \
        -H 'Content-Type: application/json' --data-binary @- "$url/connectors/$name/config")
    case $code in
    200) echo "updated $name" ;;
    201) echo "created $name" ;;
    *)
        echo "$name: HTTP $code: $(cat "$answer")" >&2
        exit 1
        ;;
    esac
    echo "  curl $url/connectors/$name/status"
done
