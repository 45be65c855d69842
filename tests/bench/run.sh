#!/usr/bin/env bash
# Runs a part of the benchmark against a release build of the worker: drain, peers or scale.
# `make bench`, `make bench-peers` and `make bench-scale` call it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
export FERRULE_BIN=$target/release/ferrule
exec cargo bench --locked -p connect-tests --bench drain -- "$@"
