//! The converters of texts, bytes and numbers.

use std::sync::LazyLock;

use bytes::Bytes;
use connect_api::{Converter, Properties, RecordPart};
use connect_converters::{ConverterContext, build};
use tokio::runtime::{Builder, Runtime};

use crate::{Target, sound};

const CLASSES: [&str; 8] = [
    "StringConverter",
    "ByteArrayConverter",
    "BooleanConverter",
    "ShortConverter",
    "IntegerConverter",
    "LongConverter",
    "FloatConverter",
    "DoubleConverter",
];

pub(super) const TARGET: Target = Target {
    name: "primitive",
    about: "A digit for the converter, and bytes: what is read is of the converter's schema, is \
            written as bytes of the same length, and read again is the same",
    memory: 64,
    run: |data| {
        let Some((which, bytes)) = data.split_first() else {
            return;
        };
        let class = CLASSES[usize::from(which.wrapping_sub(b'0')) % CLASSES.len()];
        let mut converter = built(class, &[]);
        let bytes = Bytes::copy_from_slice(bytes);
        let Ok(datum) = converter.to_connect_data("topic", Some(&bytes)) else {
            return;
        };
        sound::check(&datum);
        let written = converter.from_connect_data("topic", &datum);
        let written = written.map(|bytes| bytes.map(|it| Bytes::copy_from_slice(&it)));
        let Ok(Some(written)) = written else {
            panic!("{class} cannot write {datum:?}: {written:?}");
        };
        assert_eq!(written.len(), bytes.len(), "{class}");
        let again = converter.to_connect_data("topic", Some(&written));
        assert!(
            again.is_ok_and(|again| sound::same(&datum.value, &again.value)),
            "{class} reads something else"
        );
    },
};

/// Converters ask the registry on it; none of these does.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().build();
    runtime.unwrap_or_else(|error| panic!("no runtime: {error}"))
});

/// The converter of values of a class.
pub(super) fn built(class: &str, options: &[(&str, &str)]) -> Box<dyn Converter> {
    let options: Properties = options
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let context = ConverterContext {
        runtime: RUNTIME.handle().clone(),
        part: RecordPart::Value,
    };
    build(class, &options, &context).unwrap_or_else(|error| panic!("{class}: {error}"))
}
