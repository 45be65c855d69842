//! What the elements of a JSON array are. The worker gives valid JSON only, so that it is enough to
//! look at where each element begins and ends.

/// Whether the JSON text is an array of text.
pub(crate) fn are_text(json: &str) -> bool {
    all(json, |element| element.starts_with('"'))
}

/// Whether the JSON text is an array of integers of 64 bits.
pub(crate) fn are_integers(json: &str) -> bool {
    all(json, |element| element.parse::<i64>().is_ok())
}

/// Whether the JSON text is an array whose elements all fit. What is nested is seen up to its first
/// comma or bracket only, and must not fit.
fn all(json: &str, fits: impl Fn(&str) -> bool) -> bool {
    let Some(mut rest) = json.trim_ascii().strip_prefix('[') else {
        return false;
    };
    if rest.trim_ascii() == "]" {
        return true;
    }
    loop {
        rest = rest.trim_ascii_start();
        let length = match rest.as_bytes().first() {
            Some(b'"') => text(rest),
            _ => rest.bytes().position(|byte| matches!(byte, b',' | b']')),
        };
        let Some((element, after)) = length.and_then(|length| rest.split_at_checked(length)) else {
            return false;
        };
        if !fits(element.trim_ascii_end()) {
            return false;
        }
        match after.trim_ascii_start().strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.trim_ascii() == "]",
        }
    }
}

/// The bytes of the text that the JSON begins with, with its quotes.
fn text(json: &str) -> Option<usize> {
    let mut escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    // The quotes before it and at it.
    end.map(|end| end + 2)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn elements() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            any::<String>().prop_map(Value::from),
            "[\\\\\",\\[\\] ]{0,6}".prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(|number| json!(number)),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        scalar.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(Value::from),
                inner.prop_map(|inner| json!({ "a": inner })),
            ]
        })
    }

    /// Arrays of one kind more often than chance would have them, compact or spread over lines.
    fn arrays() -> impl Strategy<Value = (Value, String)> {
        let array = prop_oneof![
            vec(any::<String>().prop_map(Value::from), 0..4),
            vec(any::<i64>().prop_map(Value::from), 0..4),
            vec(elements(), 0..4),
        ];
        let json = prop_oneof![array.prop_map(Value::from), elements()];
        (json, any::<bool>()).prop_map(|(json, spread)| {
            let text = match spread {
                true => format!(" {json:#}\n"),
                false => json.to_string(),
            };
            (json, text)
        })
    }

    proptest! {
        #[test]
        fn elements_are_what_a_parser_says((json, text) in arrays()) {
            let all = |is: fn(&Value) -> bool| json.as_array().is_some_and(|it| it.iter().all(is));
            prop_assert_eq!(are_text(&text), all(Value::is_string), "{}", text);
            prop_assert_eq!(are_integers(&text), all(Value::is_i64), "{}", text);
        }

        #[test]
        fn what_is_no_json_ends_too(text in any::<String>(), array in "\\[[\\[\\]\",\\\\0-9 a-]{0,20}") {
            are_text(&text);
            are_integers(&array);
            are_text(&array);
        }
    }
}
