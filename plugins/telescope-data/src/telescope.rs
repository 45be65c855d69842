//! The rules for telescope records. The lengths are those of the columns of `telescope_data_raw`.

use ferrule_plugin::{Failure, Result, Row, ValueRef, kind_of};

ferrule_plugin::fields! {
    /// What the rules look at.
    pub(crate) const FIELDS;
    DATA_ID = "data_id",
    OBSERVATION_ID = "observation_id",
    SEQUENCE_NUMBER = "sequence_number",
    TIMESTAMP = "timestamp",
    DATA = "data",
    PROCESSED = "processed",
    PIPELINE_VERSION = "processing_pipeline_version",
}

/// The limits that the configuration sets.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) timestamp_min: i64,
    pub(crate) timestamp_max: i64,
    pub(crate) max_payload_bytes: i64,
    /// Empty allows any.
    pub(crate) pipeline_versions: Vec<String>,
}

/// `Ok` if the record meets the rules.
pub(crate) fn check(rules: &Rules, row: Row<'_>) -> Result<()> {
    identifier("data_id", row.required(DATA_ID)?)?;
    identifier("observation_id", row.required(OBSERVATION_ID)?)?;
    sequence_number(row.required(SEQUENCE_NUMBER)?)?;
    timestamp(rules, row.value(TIMESTAMP))?;
    payload(rules, row.optional(DATA)?)?;
    let processed = row.optional(PROCESSED)?.unwrap_or(false);
    pipeline_version(rules, processed, row.optional(PIPELINE_VERSION)?)
}

fn identifier(field: &str, id: &str) -> Result<()> {
    if id.trim().is_empty() {
        return Err(Failure::at(field, "must not be empty"));
    }
    at_most(field, id, 255)
}

fn sequence_number(number: i64) -> Result<()> {
    if number < 0 {
        return Err(Failure::at("sequence_number", "must not be negative"));
    }
    if number > i64::from(i32::MAX) {
        return Err(Failure::at("sequence_number", "must fit into 32 bits"));
    }
    Ok(())
}

fn timestamp(rules: &Rules, timestamp: Option<ValueRef<'_>>) -> Result<()> {
    let fail = |reason: &dyn std::fmt::Display| Err(Failure::at("timestamp", reason));
    let at = match timestamp {
        None | Some(ValueRef::Null) => return fail(&"is required"),
        Some(ValueRef::Int(at)) => at,
        Some(ValueRef::Timestamp(micros)) => micros.div_euclid(1000),
        Some(other) => {
            return fail(&format_args!(
                "must be an integer or a timestamp, not {}",
                kind_of(other)
            ));
        }
    };
    if at < rules.timestamp_min {
        return fail(&format_args!("must be at least {}", rules.timestamp_min));
    }
    if at > rules.timestamp_max {
        return fail(&format_args!("must be at most {}", rules.timestamp_max));
    }
    Ok(())
}

fn payload(rules: &Rules, data: Option<&[u8]>) -> Result<()> {
    let size = data.map_or(0, <[u8]>::len);
    if i64::try_from(size).is_ok_and(|size| size <= rules.max_payload_bytes) {
        return Ok(());
    }
    let limit = rules.max_payload_bytes;
    Err(Failure::at(
        "data",
        format_args!("has {size} bytes; max.payload.bytes is {limit}"),
    ))
}

fn pipeline_version(rules: &Rules, processed: bool, version: Option<&str>) -> Result<()> {
    let field = PIPELINE_VERSION.name();
    let Some(version) = version else {
        if processed && !rules.pipeline_versions.is_empty() {
            return Err(Failure::at(field, "is required of a processed record"));
        }
        return Ok(());
    };
    at_most(field, version, 50)?;
    if rules.pipeline_versions.is_empty()
        || rules
            .pipeline_versions
            .iter()
            .any(|allowed| allowed == version)
    {
        return Ok(());
    }
    Err(Failure::at(field, "is not one of pipeline.versions"))
}

fn at_most(field: &str, text: &str, limit: usize) -> Result<()> {
    // No text has more characters than bytes.
    if text.len() > limit && text.chars().count() > limit {
        return Err(Failure::at(
            field,
            format_args!("must have at most {limit} characters"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ferrule_plugin::Value;
    use ferrule_plugin::testing::{Answer, Content, Runner};
    use proptest::prelude::*;

    use crate::TelescopeData;

    const CONFIG: &[(&str, &str)] = &[
        ("timestamp.min", "1000"),
        ("timestamp.max", "2000"),
        ("max.payload.bytes", "4"),
        ("pipeline.versions", "1.0, 1.1"),
    ];

    fn good() -> Vec<(String, Value)> {
        let fields: [(&str, Value); 7] = [
            ("data_id", "d-1".into()),
            ("observation_id", "o-1".into()),
            ("sequence_number", 0i64.into()),
            ("timestamp", 1000i64.into()),
            ("data", vec![1u8, 2, 3, 4].into()),
            ("processed", true.into()),
            ("processing_pipeline_version", "1.1".into()),
        ];
        fields.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn with(name: &str, value: impl Into<Value>) -> Content {
        let mut fields = good();
        fields
            .iter_mut()
            .find(|(field, _)| field == name)
            .unwrap()
            .1 = value.into();
        fields.into()
    }

    fn answer(value: impl Into<Content>) -> Answer {
        Runner::<TelescopeData>::new(CONFIG).unwrap().one(value)
    }

    #[test]
    fn good_records_are_kept() {
        assert_eq!(answer(good()), Answer::Keep);
        assert_eq!(
            answer(with("timestamp", Value::Timestamp(1_500_999))),
            Answer::Keep
        );
        assert_eq!(answer(with("data", Value::Null)), Answer::Keep);
        assert_eq!(answer(with("data_id", "é".repeat(255))), Answer::Keep);
        let mut raw = good();
        raw.truncate(5);
        assert_eq!(answer(raw), Answer::Keep, "not processed, no version");
    }

    #[test]
    fn each_rule_names_its_field() {
        let cases: [(&str, Value, &str); 15] = [
            ("data_id", "".into(), "must not be empty"),
            ("data_id", Value::Null, "is required"),
            ("data_id", 5i64.into(), "must be text, not an integer"),
            (
                "data_id",
                "é".repeat(256).into(),
                "must have at most 255 characters",
            ),
            ("observation_id", " ".into(), "must not be empty"),
            ("sequence_number", (-1i64).into(), "must not be negative"),
            (
                "sequence_number",
                (1i64 << 31).into(),
                "must fit into 32 bits",
            ),
            ("timestamp", 999i64.into(), "must be at least 1000"),
            ("timestamp", 2001i64.into(), "must be at most 2000"),
            (
                "timestamp",
                Value::Timestamp(999_999),
                "must be at least 1000",
            ),
            (
                "timestamp",
                "1500".into(),
                "must be an integer or a timestamp, not text",
            ),
            (
                "data",
                vec![0; 5].into(),
                "has 5 bytes; max.payload.bytes is 4",
            ),
            ("data", "text".into(), "must be bytes, not text"),
            (
                "processing_pipeline_version",
                "2.0".into(),
                "is not one of pipeline.versions",
            ),
            (
                "processing_pipeline_version",
                Value::Null,
                "is required of a processed record",
            ),
        ];
        for (field, value, reason) in cases {
            let failure = answer(with(field, value)).failure();
            assert_eq!(failure, (Some(field.to_owned()), reason.to_owned()));
        }
    }

    #[test]
    fn no_versions_allow_any_of_fifty_characters() {
        let mut plugin = Runner::<TelescopeData>::new(&[]).unwrap();
        assert_eq!(
            plugin.one(with("processing_pipeline_version", "x")),
            Answer::Keep
        );
        assert_eq!(
            plugin.one(with("processing_pipeline_version", Value::Null)),
            Answer::Keep
        );
        let failure = plugin
            .one(with("processing_pipeline_version", "x".repeat(51)))
            .failure();
        assert_eq!(failure.1, "must have at most 50 characters");
        assert_eq!(
            plugin.one(with("timestamp", 0i64)).failure().1,
            "must be at least 1"
        );
    }

    #[test]
    fn what_is_no_row_fails() {
        assert_eq!(answer(Value::Bytes(vec![0])).failure().0, None);
    }

    #[test]
    fn a_bad_configuration_names_its_keys() {
        let keys_of = |config: &[(&str, &str)]| {
            let errors = Runner::<TelescopeData>::new(config).err().unwrap().0;
            errors
                .into_iter()
                .map(|error| error.key)
                .collect::<Vec<_>>()
        };
        let unreadable = [("timestamp.min", "now"), ("max.payload.bytes", "1 MiB")];
        assert_eq!(keys_of(&unreadable), ["timestamp.min", "max.payload.bytes"]);
        let out_of_bounds = [
            ("timestamp.min", "0"),
            ("timestamp.max", "-1"),
            ("max.payload.bytes", "-1"),
        ];
        let keys = ["timestamp.min", "timestamp.max", "max.payload.bytes"];
        assert_eq!(keys_of(&out_of_bounds), keys);
    }

    proptest! {
        #[test]
        fn bounds_are_inclusive(at in 900i64..2100, size in 0usize..9, number in -3i64..3) {
            let mut fields = good();
            fields[2].1 = number.into();
            fields[3].1 = at.into();
            fields[4].1 = vec![0u8; size].into();
            let fits = (1000..=2000).contains(&at) && size <= 4 && number >= 0;
            prop_assert_eq!(answer(fields) == Answer::Keep, fits);
        }
    }
}
