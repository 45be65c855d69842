//! The options.

use std::sync::Arc;
use std::time::Duration;

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Error, Importance, ProvidedOptions, Result, Validator,
};
use connect_http::{ListenerSettings, PathTemplate, Protection};
use hyper::StatusCode;
use postgres_sink::client::ReadClient;

use crate::parameters::{Kind, Parameter};
use crate::pool::Pool;
use crate::statement::{LIMIT, OFFSET, Statement};

/// The options, parsed.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listener: ListenerSettings,
    pub(crate) protection: Arc<Protection>,
    pub(crate) paths: Vec<PathTemplate>,
    pub(crate) statement: Statement,
    pub(crate) client: ReadClient,
    pub(crate) limits: Limits,
}

/// What bounds answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Rows of a page that asks for no number.
    pub(crate) page: i64,
    pub(crate) most_rows: i64,
    pub(crate) most_bytes: i64,
    pub(crate) no_rows: StatusCode,
    pub(crate) connections: usize,
    pub(crate) wait: Duration,
    pub(crate) statement_time: Duration,
}

/// The declarations.
pub(crate) fn config_def() -> ConfigDef {
    let groups = [
        ("Query", query()),
        ("Answers", answers()),
        ("Postgres", postgres()),
    ];
    let mut keys = Vec::new();
    for (group, own) in groups {
        keys.extend(own.into_iter().map(|key| key.group(group)));
    }
    keys.extend(connect_http::keys());
    ConfigDef::new(keys)
}

fn query() -> Vec<ConfigKey> {
    vec![
        ConfigKey::required(
            "http.paths",
            ConfigType::List,
            "The paths that answer GET, with commas between them, such as \
             /api/activity/mmsi/{mmsi}. A name in braces is a parameter of the query.",
        )
        .importance(Importance::High),
        ConfigKey::required(
            "query",
            ConfigType::String,
            "One SELECT, with parameters as :name. A parameter that a request does not give is \
             null. It runs in a read-only transaction; parameters are bound, never spliced.",
        )
        .validator(Validator::NonEmpty)
        .importance(Importance::High),
        ConfigKey::new(
            "query.parameters",
            ConfigType::List,
            "",
            "The types of the parameters, as name:type: text, bigint, integer, double, boolean, \
             numeric, timestamptz, date or uuid. Those that stand in no path are taken from the \
             request's query. A name of a path that is not listed is text.",
        ),
    ]
}

fn answers() -> Vec<ConfigKey> {
    let number = |name: &'static str, default: &'static str, doc: &'static str| {
        ConfigKey::new(name, ConfigType::Int, default, doc).validator(Validator::AtLeast(1))
    };
    vec![
        number(
            "http.page.rows",
            "100",
            "Rows of an answer to a request without limit=….",
        ),
        number(
            "http.max.rows",
            "1000",
            "Rows of an answer at most, whatever limit says.",
        ),
        number(
            "http.max.answer.bytes",
            "8388608",
            "Bytes of an answer; beyond, the request is told to ask for fewer rows.",
        ),
        ConfigKey::new(
            "http.no.rows.status",
            ConfigType::Int,
            "200",
            "The status where there are no rows: 200 with an empty list, or 404.",
        )
        .validator(Validator::Check(|text| match text {
            "200" | "404" => Ok(()),
            _ => Err("200 or 404 is expected".into()),
        })),
    ]
}

fn postgres() -> Vec<ConfigKey> {
    let number = |name: &'static str, default: &'static str, doc: &'static str| {
        ConfigKey::new(name, ConfigType::Int, default, doc).validator(Validator::AtLeast(1))
    };
    vec![
        ConfigKey::required(
            "connection.url",
            ConfigType::String,
            "Where the database is: jdbc:postgresql://host:port/database or \
             postgres://host:port/database, with the parameters that the Postgres sink knows.",
        )
        .validator(Validator::Check(ReadClient::check_url))
        .importance(Importance::High),
        ConfigKey::nullable(
            "connection.user",
            ConfigType::String,
            "The role to connect as: one that may only read is best.",
        ),
        ConfigKey::nullable("connection.password", ConfigType::Password, "Its password."),
        number(
            "connection.timeout.ms",
            "5000",
            "How long one attempt to connect may take.",
        ),
        number(
            "statement.timeout.ms",
            "5000",
            "How long a statement may take before the server cancels it and the answer is 504.",
        ),
        number("pool.size", "5", "Connections at most."),
        number(
            "pool.timeout.ms",
            "1000",
            "How long a request waits for a connection before the answer is 503.",
        ),
    ]
}

/// The parameters: those of paths, and the others that are declared.
fn parameters(config: &Config, paths: &[PathTemplate]) -> Result<Vec<Parameter>> {
    let mut all: Vec<Parameter> = Vec::new();
    for text in config.list("query.parameters") {
        let parameter = Parameter::parse(text)?;
        if all.iter().any(|known| known.name == parameter.name) {
            let name = parameter.name;
            return Err(Error::config(format!(
                "query.parameters: {name} stands there twice"
            )));
        }
        all.push(parameter);
    }
    for name in paths.iter().flat_map(PathTemplate::names) {
        if !all.iter().any(|known| known.name == name) {
            all.push(Parameter {
                name: name.to_owned(),
                kind: Kind::Text,
            });
        }
    }
    match all
        .iter()
        .find(|one| [LIMIT, OFFSET].contains(&one.name.as_str()))
    {
        None => Ok(all),
        Some(Parameter { name, .. }) => Err(Error::config(format!(
            "query.parameters: {name} is paging's own name"
        ))),
    }
}

impl Settings {
    /// Of a parsed config. What `provided` gives of it is asked for at each connect.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] that names the option at fault.
    pub(crate) fn new(config: &Config, provided: Option<ProvidedOptions>) -> Result<Self> {
        let paths = config.list("http.paths").iter();
        let paths = paths.map(|path| PathTemplate::parse("http.paths", path));
        let paths = paths.collect::<Result<Vec<_>>>()?;
        if paths.is_empty() {
            return Err(Error::config("http.paths: no path is in it"));
        }
        let parameters = parameters(config, &paths)?;
        let size = |key| usize::try_from(config.integer(key)).unwrap_or(1);
        let millis = |key| Duration::from_millis(config.integer(key).unsigned_abs());
        let most_rows = config.integer("http.max.rows");
        Ok(Self {
            listener: ListenerSettings::new(config)?,
            protection: Arc::new(Protection::new(config, &["GET"])?),
            statement: Statement::new(config.text("query"), &parameters)?,
            client: ReadClient::new(config, provided)?,
            limits: Limits {
                page: config.integer("http.page.rows").min(most_rows),
                most_rows,
                most_bytes: config.integer("http.max.answer.bytes"),
                no_rows: match config.integer("http.no.rows.status") {
                    404 => StatusCode::NOT_FOUND,
                    _ => StatusCode::OK,
                },
                connections: size("pool.size"),
                wait: millis("pool.timeout.ms"),
                statement_time: millis("statement.timeout.ms"),
            },
            paths,
        })
    }

    /// The connections that it asks for.
    pub(crate) fn pool(&self) -> Pool {
        let Limits {
            connections,
            wait,
            statement_time,
            ..
        } = self.limits;
        Pool::new(self.client.clone(), connections, wait, statement_time)
    }
}
