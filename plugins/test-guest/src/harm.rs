//! Ways to harm a host. `black_box` keeps the optimizer from seeing that they are useless.

use std::hint::black_box;

use ferrule_plugin::log;
use ferrule_plugin::state::{self, Error};

/// Takes all the time there is.
pub(crate) fn loop_forever() -> ! {
    let mut turn = 0u64;
    loop {
        turn = black_box(turn.wrapping_add(1));
    }
}

/// Takes all the memory there is.
pub(crate) fn allocate() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1 << 20]));
    }
}

/// Takes memory for good.
pub(crate) fn hoard(count: u64) {
    std::mem::forget(black_box(bytes(count)));
}

/// JSON that is as deep as that.
pub(crate) fn deep_json(depth: u64) -> String {
    let depth = usize::try_from(depth).unwrap_or(usize::MAX);
    [vec!['['; depth], vec![']'; depth]]
        .concat()
        .iter()
        .collect()
}

/// Takes all the stack there is.
pub(crate) fn recurse() -> ! {
    fn deeper(depth: u64) -> u64 {
        let frame = black_box([depth; 32]);
        let below = if black_box(true) {
            deeper(depth + 1)
        } else {
            0
        };
        black_box(frame)[0] + below
    }
    panic!("the stack had no end: {}", deeper(0))
}

/// Bytes of output.
pub(crate) fn bytes(count: u64) -> Vec<u8> {
    vec![b'x'; usize::try_from(count).unwrap_or(usize::MAX)]
}

/// Writes state until the host refuses.
pub(crate) fn fill_state() -> Error {
    let value = vec![0; 64 << 10];
    let mut key = 0u64;
    loop {
        if let Err(error) = state::set(key.to_le_bytes(), &value) {
            return error;
        }
        key += 1;
    }
}

/// Writes state whatever the host says.
pub(crate) fn fill_state_forever() -> ! {
    let mut refused = 0u64;
    loop {
        fill_state();
        refused = black_box(refused + 1);
    }
}

/// Writes lines of 2 KiB to the log.
pub(crate) fn flood_log(lines: u64) {
    let line = "flood ".repeat(2048 / 6 + 1);
    for _ in 0..lines {
        log::info(&line);
    }
}
