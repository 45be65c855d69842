#!/usr/bin/env bash
# Builds and runs a part of the benchmark in release: drain, peers, scale, cluster, hostile, http or
# small, or host, which is what the host of the plugins costs.
# `make bench`, `make bench-peers`, `make bench-scale`, `make bench-cluster`, `make bench-hostile`,
# `make bench-http` and `make bench-small` call it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
# One selection for all builds: another would choose other features of the dependencies, and build
# most of them again.
packages=(--locked --no-default-features -p connect-runtime -p connect-tests -p connect-wasm)
if [ "$1" = host ]; then
    exec cargo bench "${packages[@]}" --bench host --bench fleet
fi
cargo build --release "${packages[@]}" --bin ferrule
FERRULE_BIN=$target/release/ferrule exec cargo bench "${packages[@]}" --bench drain -- "$@"
