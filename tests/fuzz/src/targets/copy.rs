//! The fields of COPY that values become.

use arbitrary::Unstructured;
use postgres_sink::fuzzing::{columns, field, rules};

use crate::{Target, any_value};

pub(super) const TARGET: Target = Target {
    name: "copy",
    about: "Any value for a column of any type is refused, or written with the length that it says; \
            `tests/server.rs` gives what is written to a server",
    memory: 4096,
    run: |data| {
        let mut u = Unstructured::new(data);
        let Ok(rules) = rules(&mut u) else { return };
        let Ok(value) = any_value(&mut u) else { return };
        for column in columns() {
            if let Some(field) = field(&column, &value, rules) {
                assert!(is_whole(&field), "{column:?} of {value:?}");
            }
        }
    },
};

fn is_whole(field: &[u8]) -> bool {
    let Some((length, value)) = field.split_first_chunk() else {
        return false;
    };
    match i32::from_be_bytes(*length) {
        -1 => value.is_empty(),
        length => usize::try_from(length) == Ok(value.len()),
    }
}
