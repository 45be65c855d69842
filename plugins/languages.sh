#!/usr/bin/env bash
# One rule in three languages: builds it, checks it against the same records, prints a table.
#
#   plugins/languages.sh FERRULE
#
# Rust is built by build.sh before; wit-bindgen and componentize-py are on the PATH.
set -euo pipefail

ferrule=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"
records=sensor-reading/tests/records.jsonl
good=$(mktemp)
trap 'rm -f "$good"' EXIT
# What fails costs an error's text: the figures are for records that go through.
head -4 "$records" > "$good"

"$ferrule" plugin build sensor-reading-c --wit ../wit -o dist/sensor-reading-c.wasm
"$ferrule" plugin build sensor-reading-py --wit ../wit -o dist/sensor-reading-py.wasm

# What Python prints goes to the log.
"$ferrule" --log info plugin test dist/sensor-reading-py.wasm --input "$good" 2>&1 \
    | grep 'INFO .*readings above 85.0 are refused' > /dev/null

echo
echo '| language | bytes | loaded anew, ms | from the cache, ms | µs a record | memory, KiB |'
echo '|---|---|---|---|---|---|'
for plugin in Rust:sensor-reading C:sensor-reading-c Python:sensor-reading-py; do
    language=${plugin%%:*} name=${plugin#*:}
    file=dist/$name.wasm
    if ! told=$("$ferrule" plugin test "$file" --input "$records" \
        --expect sensor-reading/tests/expected.jsonl); then
        printf '%s\n' "$told" >&2
        exit 1
    fi
    "$ferrule" plugin bench "$file" --input "$good" --seconds "${SECONDS_EACH:-2}" | awk \
        -v language="$language" -v name="$name" -v size="$(wc -c < "$file")" '
        $1 == name && $2 + 0 == $2 { micros = $2 }
        /^identity/ { floor = $(NF - 2) }
        /^memory/ { memory = $(NF - 1) }
        /^loading/ { anew = $2; cached = $6 }
        END {
            printf "| %s | %d | %.0f | %.1f | %.1f | %d |\n",
                language, size, anew, cached, micros, memory
            if (language == "Python")
                printf "| (a plugin that keeps each) | | | | %.1f | |\n", floor
        }'
done
