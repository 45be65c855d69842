#!/usr/bin/env bash
# Builds the targets with libFuzzer and runs them, two at a time.
#
#   run.sh [--seconds N] [--target NAME]... [--jobs N] [--fresh] [--reduce] [--list]
#
#   --seconds   how long each target runs: 60
#   --target    only this one; may be given again. Without it: all
#   --jobs      how many run at a time: 2
#   --fresh     start from the inputs of the repository alone
#   --reduce    keep of what earlier runs found only what reaches something of its own
#   --list      print the names of the targets
#
# What a run finds goes to $FERRULE_CACHE/fuzz (~/.cache/ferrule/fuzz), where the next run goes on:
# inputs that reach something new to corpus/TARGET, and those that fail to failures/TARGET-….
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

cache=${FERRULE_CACHE:-$HOME/.cache/ferrule}/fuzz
seconds=60 jobs=2 fresh='' reduce='' targets=()
names() { find "$here/corpus" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | LC_ALL=C sort; }
die() { printf 'error: %s\n' "$*" >&2; exit 2; }
while [ $# -gt 0 ]; do
    case $1 in
        --seconds) seconds=${2:?}; shift ;;
        --target) targets+=("${2:?}"); shift ;;
        --jobs) jobs=${2:?}; shift ;;
        --fresh) fresh=1 ;;
        --reduce) reduce=1 ;;
        --list) names; exit ;;
        *) die "unknown option '$1': see the top of $0" ;;
    esac
    shift
done
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(names)
for target in "${targets[@]}"; do
    [ -d "$here/corpus/$target" ] || die "no target is called '$target': --list prints their names"
done

# The crates of the workspace are compiled beside their usual form, under names of their own, and all
# others are the same: nothing that is built for the tests is built again. The path of the wrapper is
# a part of these names, so it is the same for every clone.
mkdir -p "$cache/failures"
cmp -s "$here/rustc.sh" "$cache/rustc.sh" || install -m 755 "$here/rustc.sh" "$cache/rustc.sh"
echo '==> building the targets with libFuzzer'
RUSTC_WORKSPACE_WRAPPER=$cache/rustc.sh ${CARGO:-cargo} build --locked --workspace --bin fuzz \
    --features fuzz-targets/engine --config profile.dev.opt-level=1
fuzz=${CARGO_TARGET_DIR:-target}/debug/fuzz

# Runs one target; what libFuzzer says is shown only when something does not hold.
run() {
    local target=$1 found=$cache/corpus/$1 log=$cache/$1.log began=$SECONDS
    [ -z "$fresh" ] || rm -rf "$found"
    mkdir -p "$found"
    if [ -n "$reduce" ]; then
        mkdir -p "$found.less"
        FERRULE_FUZZ_TARGET=$target "$fuzz" -merge=1 "$found.less" "$here/corpus/$target" "$found" \
            >"$log" 2>&1 && rm -rf "$found" && mv "$found.less" "$found"
    fi
    if FERRULE_FUZZ_TARGET=$target "$fuzz" "$found" "$here/corpus/$target" \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$cache/failures/$target-" >"$log" 2>&1; then
        awk -v target="$target" -v took="$((SECONDS - began))" '
            match($0, /cov: [0-9]+/) { cov = substr($0, RSTART + 5, RLENGTH - 5) }
            match($0, /corp: [0-9]+/) { corp = substr($0, RSTART + 6, RLENGTH - 6) }
            /number_of_executed_units/ { runs = $2 }
            END { printf "%-14s holds: %d inputs in %d s, %d places reached by %d\n", \
                target, runs, took, cov, corp }' "$log"
        return
    fi
    printf '%s does NOT hold:\n' "$target"
    sed -n '/panicked at/,/stack backtrace/p; /ERROR: libFuzzer/p' "$log" | cut -c -2000
    sed -n "s|.*Test unit written to \(.*\)|again: FERRULE_FUZZ_TARGET=$target $fuzz \1|p" "$log"
    return 1
}

failed=0
for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || failed=1; done
    run "$target" &
done
while [ -n "$(jobs -p)" ]; do wait -n || failed=1; done
exit "$failed"
