#!/usr/bin/env bash
# Runs the benchmark against a release build of the worker. `make bench` calls it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
FERRULE_BIN=$target/release/ferrule exec cargo bench --locked -p connect-tests --bench drain -- "$@"
