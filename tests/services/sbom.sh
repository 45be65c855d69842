#!/usr/bin/env bash
# Writes what the release build of the worker is made of, as CycloneDX, to the file that is named.
#
# cargo-cyclonedx lists what any member of the workspace makes cargo resolve, tests and the embedded
# default too; what cargo says of the worker alone is kept. The same commit gives the same list on
# every machine: the time is the commit's, and no path of this machine is in it.
set -euo pipefail
file=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

platform=x86_64-unknown-linux-gnu
made=ferrule.cdx.json
trap 'find docs host connectors tests -name "$made" -delete' EXIT

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
PATH=${FERRULE_CACHE:-$HOME/.cache/ferrule}/tools/bin:$PATH
cargo cyclonedx -q --format json --spec-version 1.5 --no-default-features --target "$platform" \
    --manifest-path host/connect-runtime/Cargo.toml --override-filename "${made%.json}"

linked=$(cargo tree --locked -p connect-runtime --no-default-features -e normal,build \
    --target "$platform" --prefix none --format '{p}' | awk '{ print $1 "@" substr($2, 2) }' | sort -u)
mkdir -p "$(dirname "$file")"
jq --arg linked "$linked" --arg here "path+file://$PWD" '
    ($linked | split("\n") | map({ key: ., value: true }) | from_entries) as $linked
    | ([.components[] | select($linked[.name + "@" + .version])]) as $kept
    | ($kept | map({ key: ."bom-ref", value: true }) | from_entries) as $refs
    | .metadata.component."bom-ref" as $worker
    | .components = $kept
    | .dependencies |= map(select($refs[.ref] or .ref == $worker) | .dependsOn |= ((. // []) | map(select($refs[.]))))
    | walk(if type == "string" then split($here) | join("path+file:///ferrule") else . end)
    | del(.serialNumber)
    ' "host/connect-runtime/$made" >"$file"
jq -e '.components | length > 0' "$file" >/dev/null
