#!/bin/sh
# Builds WASM plugins to plugins/dist/<name>.wasm.
#
#   plugins/build.sh [--check] [NAME…]    every plugin, or those named
#
# --check also makes each a component and lists what it imports. A toolchain that can build for
# wasm32-unknown-unknown is found, or set up: rustup's, else Debian's.
set -eu

cd "$(dirname "$0")"
target=wasm32-unknown-unknown
debian="rustc-web cargo-web rust-web-src lld-19"
# Always this one, so that a build with Debian's toolchain compiles std once for all plugins.
CARGO_TARGET_DIR="$PWD/target"
export CARGO_TARGET_DIR

check=false
if [ "${1:-}" = --check ]; then
    check=true
    shift
fi
if [ $# -eq 0 ]; then
    # Every crate that is built as a library for WASM is a plugin.
    for manifest in $(grep -l cdylib ./*/Cargo.toml); do
        set -- "$@" "$(basename "$(dirname "$manifest")")"
    done
fi

has_target() {
    libdir=$(rustc --print target-libdir --target $target 2>/dev/null) && [ -d "$libdir" ]
}

debian_can() {
    [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] && command -v wasm-ld-19 >/dev/null &&
        [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library" ]
}

install_debian() {
    command -v apt-get >/dev/null || return 1
    echo "plugins: installing Debian's $debian" >&2
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    # shellcheck disable=SC2086  # a list of words
    { $as_root apt-get update -qq && $as_root apt-get install -y -qq $debian; } >&2
}

add_target() {
    command -v rustup >/dev/null || return 1
    echo "plugins: adding rustup's target $target" >&2
    rustup target add $target >&2
}

packages=
for name in "$@"; do
    if ! [ -f "$name/Cargo.toml" ]; then
        echo "plugins: no plugin is named $name" >&2
        exit 2
    fi
    packages="$packages -p $name"
done

# shellcheck disable=SC2086  # $packages is a list of words
if has_target || { ! debian_can && add_target && has_target; }; then
    cargo build --release --locked --target $target $packages
elif debian_can || { install_debian && debian_can; }; then
    PATH=/usr/bin:$PATH RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19 \
        /usr/bin/cargo build --release --locked --target $target \
        -Zbuild-std=std,panic_abort $packages
else
    echo "plugins: no Rust toolchain here can build for $target;" >&2
    echo "plugins: run 'rustup target add $target', or install Debian's $debian" >&2
    exit 1
fi

mkdir -p dist
built=
for name in "$@"; do
    from=target/$target/release/$(echo "$name" | tr - _).wasm
    to=dist/$name.wasm
    # An unchanged file keeps its time, and the worker its compiled copy.
    cmp -s "$from" "$to" || { cp "$from" "$to.new" && mv "$to.new" "$to"; }
    built="$built $to"
done

if $check; then
    # shellcheck disable=SC2086  # a list of words
    cargo run --quiet --locked -p check -- $built
fi
