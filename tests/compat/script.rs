//! The calls that both workers get, by what they are about. Their order matters: later ones look at
//! what earlier ones have made.

mod bodies;
mod chains;
mod configs;
mod create;
mod life;
mod loggers;
mod media;
mod offsets;
mod plugins;
mod routes;
mod validate;

use serde_json::{Map, Value, json};

use crate::call::{Script, Step};

/// All of it.
pub fn steps() -> Vec<Step> {
    let mut script = Script::default();
    routes::worker(&mut script);
    plugins::lists(&mut script);
    plugins::configs(&mut script);
    validate::classes(&mut script);
    validate::values(&mut script);
    chains::validate(&mut script);
    validate::overrides(&mut script);
    create::good(&mut script);
    create::refused(&mut script);
    bodies::broken(&mut script);
    create::odd(&mut script);
    configs::puts(&mut script);
    configs::patches(&mut script);
    life::reads(&mut script);
    life::topics(&mut script);
    life::orders(&mut script);
    life::restarts(&mut script);
    life::failing(&mut script);
    offsets::refused(&mut script);
    offsets::bodies(&mut script);
    offsets::changes(&mut script);
    loggers::levels(&mut script);
    media::types(&mut script);
    routes::unknown(&mut script);
    routes::methods(&mut script);
    routes::options(&mut script);
    life::deletes(&mut script);
    script.steps
}

/// The class of a source that both have.
const SOURCE: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";
/// The class of a sink that both have.
const SINK: &str = "io.debezium.connector.jdbc.JdbcSinkConnector";

/// The config of a source.
fn source(settings: &[(&str, &str)]) -> Value {
    let own = [
        ("connector.class", SOURCE),
        ("tasks.max", "1"),
        ("topic", "lines"),
        ("file", "@FILE@"),
    ];
    layered(&own, settings)
}

/// The config of a sink.
fn sink(settings: &[(&str, &str)]) -> Value {
    let own = [
        ("connector.class", SINK),
        ("tasks.max", "1"),
        ("topics", "rows"),
        ("connection.url", "@JDBC@"),
        ("connection.username", "ferrule"),
        ("connection.password", "ferrule"),
        ("schema.evolution", "basic"),
    ];
    layered(&own, settings)
}

/// Settings with others on top of them; `-` takes one away.
fn layered(own: &[(&str, &str)], settings: &[(&str, &str)]) -> Value {
    let mut config = Map::new();
    for (key, value) in own.iter().chain(settings) {
        match *value {
            "-" => config.remove(*key),
            value => config.insert((*key).to_owned(), json!(value)),
        };
    }
    config.into()
}

fn named(name: &str, config: &Value) -> Value {
    json!({ "name": name, "config": config })
}
