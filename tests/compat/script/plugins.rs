//! The lists of plugins, and their options.

use crate::call::Script;

use super::{SINK, SOURCE};

pub fn lists(script: &mut Script) {
    for (name, query) in [
        ("default", ""),
        ("connectors", "?connectorsOnly=true"),
        ("all", "?connectorsOnly=false"),
        ("all-capitals", "?connectorsOnly=FALSE"),
        ("odd", "?connectorsOnly=maybe"),
        ("empty", "?connectorsOnly="),
        ("unknown-query", "?sinksOnly=true"),
    ] {
        script.get(
            format!("plugins.{name}"),
            &format!("/connector-plugins{query}"),
        );
    }
}

/// Kafka's own classes whose options both tell.
const TRANSFORMS: &[&str] = &[
    "Cast$Key",
    "Cast$Value",
    "DropHeaders",
    "ExtractField$Key",
    "ExtractField$Value",
    "Filter",
    "Flatten$Value",
    "HeaderFrom$Key",
    "HoistField$Value",
    "InsertField$Value",
    "InsertHeader",
    "MaskField$Value",
    "RegexRouter",
    "ReplaceField$Value",
    "SetSchemaMetadata$Value",
    "TimestampConverter$Value",
    "TimestampRouter",
    "ValueToKey",
    "predicates.HasHeaderKey",
    "predicates.RecordIsTombstone",
    "predicates.TopicNameMatches",
];

const CONVERTERS: &[&str] = &[
    "json.JsonConverter",
    "storage.StringConverter",
    "storage.SimpleHeaderConverter",
    "converters.ByteArrayConverter",
    "converters.BooleanConverter",
    "converters.IntegerConverter",
    "converters.DoubleConverter",
];

pub fn configs(script: &mut Script) {
    let config = |class: &str| format!("/connector-plugins/{class}/config");
    script.get("plugin-config.source", &config(SOURCE));
    script.get(
        "plugin-config.source-simple",
        &config("FileStreamSourceConnector"),
    );
    script.get("plugin-config.source-alias", &config("FileStreamSource"));
    script.get(
        "plugin-config.source-slash",
        &format!("{}/", config("FileStreamSource")),
    );
    script.get("plugin-config.sink", &config(SINK));
    script.get("plugin-config.sink-alias", &config("JdbcSink"));
    for class in TRANSFORMS {
        let class = format!("org.apache.kafka.connect.transforms.{class}");
        let name = class.rsplit('.').next().unwrap_or_default();
        script.get(format!("plugin-config.{name}"), &config(&class));
    }
    for class in CONVERTERS {
        let class = format!("org.apache.kafka.connect.{class}");
        let name = class.rsplit('.').next().unwrap_or_default();
        script.get(format!("plugin-config.{name}"), &config(&class));
    }
    script.get("plugin-config.transform-simple", &config("RegexRouter"));
    script.get("plugin-config.converter-simple", &config("JsonConverter"));
    script.get("plugin-config.unknown", &config("org.example.Nothing"));
    script.get("plugin-config.unknown-simple", &config("Nothing"));
    script.get("plugin-config.not-plugin", &config("java.lang.String"));
    script.get("plugin-config.escaped", &config("org.example.%C3%A4"));
    let version = |class: &str, version: &str| format!("{}?version={version}", config(class));
    for (name, wanted) in [
        ("latest", "latest"),
        ("own", "@VERSION@"),
        ("range", "%5B1.0,%29"),
        ("missing", "99.0.0"),
        ("missing-range", "%5B99.0,%29"),
        ("bad", "%5B1.0"),
        ("empty", ""),
    ] {
        let class = "org.apache.kafka.connect.transforms.RegexRouter";
        script.get(
            format!("plugin-config.version-{name}"),
            &version(class, wanted),
        );
        script.get(
            format!("plugin-config.source-version-{name}"),
            &version("FileStreamSource", wanted),
        );
    }
    script.get("plugin-config.unknown-version", &version("Nothing", "1.0"));
}
