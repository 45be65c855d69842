//! Confluent's `Filter`: records that a JSON path finds something in, kept or dropped.

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Importance, Record,
    RecordPart, RecordTransformation, Result, Validator, WordCase,
};

use crate::json_path::{JsonPath, Matches};
use crate::rows;

/// `filter.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilterType {
    Include,
    Exclude,
}

impl Choice for FilterType {
    const WORDS: &'static [(&'static str, Self)] =
        &[("include", Self::Include), ("exclude", Self::Exclude)];
    const CASE: WordCase = WordCase::Any;
}

/// `missing.or.null.behavior`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Fail,
    Include,
    Exclude,
}

impl Choice for Missing {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("fail", Self::Fail),
        ("include", Self::Include),
        ("exclude", Self::Exclude),
    ];
    const CASE: WordCase = WordCase::Any;
}

pub(crate) struct Transform {
    part: RecordPart,
    condition: JsonPath,
    filter: FilterType,
    missing: Missing,
}

pub(crate) fn config_def() -> ConfigDef {
    let mut filter_type = ConfigKey::choice(
        "filter.type",
        FilterType::Include,
        "Specifies the action to perform with records that match the filter.condition predicate: \
         include passes all records that match and drops the others, exclude drops those that \
         match.",
    )
    .importance(Importance::High);
    filter_type.default = None;
    ConfigDef::new(vec![
        ConfigKey::required(
            "filter.condition",
            ConfigType::String,
            "Specifies the criteria used to match records to be included or excluded, in JSON path \
             notation: names, places and wildcards, and predicates of comparisons. Other functions \
             of JSON path are refused.",
        )
        .validator(Validator::Check(|text| JsonPath::parse(text).map(|_| ())))
        .importance(Importance::High),
        filter_type,
        ConfigKey::choice(
            "missing.or.null.behavior",
            Missing::Fail,
            "What to do with records that lack, or have null for, what the condition asks for: \
             fail, include or exclude.",
        )
        .importance(Importance::Medium),
    ])
}

impl Transform {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        let condition = JsonPath::parse(config.text("filter.condition"));
        Ok(Self {
            part,
            condition: condition.map_err(|why| Error::config(why).context("filter.condition"))?,
            filter: config.choice("filter.type"),
            missing: config.choice("missing.or.null.behavior"),
        })
    }
}

impl RecordTransformation for Transform {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = rows::datum(record, self.part);
        let keeps = match self.condition.matches(&datum.value)? {
            Matches::Yes => self.filter == FilterType::Include,
            Matches::No => self.filter == FilterType::Exclude,
            Matches::Missing => match self.missing {
                Missing::Include => true,
                Missing::Exclude => false,
                Missing::Fail => {
                    return Err(Error::data(
                        "what filter.condition asks for is missing or null, and \
                         missing.or.null.behavior is fail",
                    ));
                }
            },
        };
        Ok(match keeps {
            true => Disposition::Keep,
            false => Disposition::Drop,
        })
    }
}
