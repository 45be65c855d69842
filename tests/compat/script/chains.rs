//! `validate` of transforms and predicates.

use super::{SOURCE, source};
use crate::call::Script;

/// A chain, as options that are parted by spaces; `@T@` is the package of Kafka's transforms.
const CHAINS: &[(&str, &str)] = &[
    (
        "transform",
        "transforms=r transforms.r.type=@T@RegexRouter transforms.r.regex=a \
         transforms.r.replacement=b",
    ),
    (
        "transform-no-type",
        "transforms=r transforms.r.regex=a transforms.r.replacement=b",
    ),
    (
        "transform-unknown",
        "transforms=r transforms.r.type=org.example.No",
    ),
    (
        "transform-not",
        "transforms=r transforms.r.type=java.lang.String",
    ),
    (
        "transform-missing-key",
        "transforms=r transforms.r.type=@T@RegexRouter transforms.r.regex=a",
    ),
    (
        "transform-bad-regex",
        "transforms=r transforms.r.type=@T@RegexRouter transforms.r.regex=( \
         transforms.r.replacement=b",
    ),
    (
        "transform-dup",
        "transforms=r,r transforms.r.type=@T@RegexRouter transforms.r.regex=a \
         transforms.r.replacement=b",
    ),
    (
        "transform-blank",
        "transforms=r, transforms.r.type=@T@RegexRouter transforms.r.regex=a \
         transforms.r.replacement=b",
    ),
    (
        "transform-not-listed",
        "transforms.r.type=@T@RegexRouter transforms.r.regex=a",
    ),
    (
        "transform-version",
        "transforms=r transforms.r.type=@T@RegexRouter transforms.r.regex=a \
         transforms.r.replacement=b transforms.r.plugin.version=@VERSION@",
    ),
    (
        "predicate",
        "transforms=r transforms.r.type=@T@Filter transforms.r.predicate=p predicates=p \
         predicates.p.type=@T@predicates.TopicNameMatches predicates.p.pattern=x.*",
    ),
    (
        "predicate-negated",
        "transforms=r transforms.r.type=@T@Filter transforms.r.predicate=p \
         transforms.r.negate=true predicates=p \
         predicates.p.type=@T@predicates.TopicNameMatches predicates.p.pattern=x.*",
    ),
    (
        "predicate-negate-word",
        "transforms=r transforms.r.type=@T@Filter transforms.r.predicate=p \
         transforms.r.negate=maybe predicates=p \
         predicates.p.type=@T@predicates.TopicNameMatches predicates.p.pattern=x.*",
    ),
    (
        "predicate-negate-alone",
        "transforms=r transforms.r.type=@T@Filter transforms.r.negate=true",
    ),
    (
        "predicate-undeclared",
        "transforms=r transforms.r.type=@T@Filter transforms.r.predicate=q",
    ),
    (
        "predicate-unknown",
        "predicates=p predicates.p.type=org.example.No",
    ),
    ("predicate-no-type", "predicates=p"),
    (
        "predicate-bad-pattern",
        "predicates=p predicates.p.type=@T@predicates.TopicNameMatches \
         predicates.p.pattern=(",
    ),
    (
        "predicate-dup",
        "predicates=p,p predicates.p.type=@T@predicates.RecordIsTombstone",
    ),
    (
        "predicate-version",
        "predicates=p predicates.p.type=@T@predicates.RecordIsTombstone \
         predicates.p.plugin.version=@VERSION@",
    ),
    (
        "cast-bad",
        "transforms=r transforms.r.type=@T@Cast$Value transforms.r.spec=a:int7",
    ),
    (
        "cast-good",
        "transforms=r transforms.r.type=@T@Cast$Value transforms.r.spec=a:int8",
    ),
    (
        "timestamp-target",
        "transforms=r transforms.r.type=@T@TimestampConverter$Value \
         transforms.r.target.type=later",
    ),
    (
        "insert-none",
        "transforms=r transforms.r.type=@T@InsertField$Value transforms.r.static.value=x",
    ),
    (
        "mask-fields",
        "transforms=r transforms.r.type=@T@MaskField$Value transforms.r.fields=",
    ),
    (
        "header-operation",
        "transforms=r transforms.r.type=@T@HeaderFrom$Value transforms.r.operation=swap",
    ),
    (
        "replace",
        "transforms=r transforms.r.type=@T@ReplaceField$Value transforms.r.exclude=a,b",
    ),
];

pub fn validate(script: &mut Script) {
    let path = format!("/connector-plugins/{SOURCE}/config/validate");
    for (name, chain) in CHAINS {
        let chain = chain.replace("@T@", "org.apache.kafka.connect.transforms.");
        let mut settings = vec![("name", "v")];
        settings.extend(chain.split(' ').filter_map(|option| option.split_once('=')));
        let config = source(&settings);
        script.put(format!("validate.{name}"), &path).json(&config);
    }
}
