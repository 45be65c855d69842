#!/bin/sh
# What cargo calls in place of rustc for the crates of the workspace: libraries are compiled so that
# libFuzzer sees what they do, as cargo-fuzz has it, but with any toolchain. Build scripts and the
# fuzzer's own binary are not.
case " $* " in
*" --crate-type lib "*)
    exec "$@" -Cpasses=sancov-module \
        -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
esac
exec "$@"
