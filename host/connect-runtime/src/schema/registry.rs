//! `ferrule schema register` and `check`: the declarations beside what a Schema Registry has.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use connect_api::{Error, Properties, mask};
use connect_converters::{Compatibility, RegistryClient, SchemaFormat, SchemaText};
use connect_runtime::config::parse_properties;
use serde_json::Value as Json;
use tokio::runtime::Handle;

use super::breaking::{Breaking, unreadable};
use super::declarations::{self, Declaration};
use super::json_schema::json_schema;
use crate::plugin::say::say;

const URL: &str = "schema.registry.url";

/// What stands below the options.
pub const REGISTER_HELP: &str = "\
The subject is the name of the file, TOPIC-value or TOPIC-key, as of TopicNameStrategy.

  ferrule schema register --registry http://localhost:8081
  ferrule schema register connectors/schemas/telescope.data-value.json --registry https://r:8443 \\
      -D basic.auth.credentials.source=USER_INFO -D basic.auth.user.info=me:secret

The exit code is 0 when all are registered, 1 when the registry refuses one, 2 when it could not be
tried.";

/// What stands below the options.
pub const CHECK_HELP: &str = "\
Nothing is registered. A subject that the registry does not have is compatible.

  ferrule schema check --registry http://localhost:8081

The exit code is 0 when the registry would take all, 1 when not, 2 when it could not be tried.";

/// Where the Schema Registry is.
#[derive(Args, Clone, Debug)]
pub struct RegistryArgs {
    /// Where the Schema Registry is; several with commas between.
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// A properties file of options of the Avro converter: basic.auth.user.info,
    /// schema.registry.ssl.truststore.location and so on.
    #[arg(long, value_name = "FILE")]
    registry_config: Option<PathBuf>,
}

impl RegistryArgs {
    /// The options of the Avro converter that are given.
    pub fn options(&self) -> Result<Properties> {
        let mut options = Properties::new();
        if let Some(file) = &self.registry_config {
            let name = || format!("--registry-config {}", file.display());
            let text = std::fs::read_to_string(file).with_context(name)?;
            options = parse_properties(&text).with_context(name)?;
        }
        if let Some(url) = &self.registry {
            options.insert(URL.into(), url.clone());
        }
        Ok(options)
    }
}

/// A client of the registry of these options of the Avro converter.
pub fn client(options: &Properties) -> Result<RegistryClient> {
    if !options.contains_key(URL) {
        bail!("which Schema Registry? Name it with --registry URL, such as http://localhost:8081");
    }
    let known = RegistryClient::option_names();
    if let Some(unknown) = options.keys().find(|key| !known.contains(key)) {
        bail!(
            "{unknown} is no option of a Schema Registry; there are: {}",
            known.join(", ")
        );
    }
    RegistryClient::new(options).map_err(|error| told(&error))
}

fn told(error: &Error) -> anyhow::Error {
    anyhow!("{}", mask(error.chain()))
}

#[derive(Args)]
struct Wanted {
    /// Declarations, or folders of them.
    #[arg(value_name = "FILE", default_value = "connectors/schemas")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
    /// An option of the Avro converter, as in --registry-config.
    #[arg(short = 'D', value_name = "KEY=VALUE", value_parser = crate::property)]
    properties: Vec<(String, String)>,
    /// As what the registry gets them.
    #[arg(long = "type", value_enum, default_value_t = Type::Avro)]
    format: Type,
}

/// A kind of schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Type {
    /// Avro.
    Avro,
    /// JSON Schema.
    Json,
}

#[derive(Args)]
pub struct RegisterArgs {
    #[command(flatten)]
    wanted: Wanted,
}

#[derive(Args)]
pub struct CheckArgs {
    #[command(flatten)]
    wanted: Wanted,
}

/// A schema to register.
struct Given {
    declaration: Declaration,
    text: String,
}

impl Wanted {
    fn open(&self) -> Result<(Vec<Given>, RegistryClient)> {
        let mut options = self.registry.options()?;
        options.extend(self.properties.iter().cloned());
        let client = client(&options)?;
        let declared = declarations::read(&self.files)?;
        let given = declared.into_iter().map(|declaration| {
            let text = match self.format {
                Type::Avro => declaration.avro()?,
                Type::Json => json_schema(&declaration.subject, &declaration.schema).to_string(),
            };
            // Registries compare texts: without line breaks, as the converters register them.
            let json: Json = serde_json::from_str(&text)?;
            let text = json.to_string();
            Ok(Given { declaration, text })
        });
        Ok((given.collect::<Result<_>>()?, client))
    }

    fn format(&self) -> SchemaFormat {
        match self.format {
            Type::Avro => SchemaFormat::Avro,
            Type::Json => SchemaFormat::Json,
        }
    }

    fn schema<'a>(&self, given: &'a Given) -> SchemaText<'a> {
        SchemaText {
            format: self.format(),
            text: &given.text,
        }
    }
}

/// Registers what is not registered; whether all are in the end.
pub fn register(args: &RegisterArgs, runtime: &Handle) -> Result<bool> {
    let wanted = &args.wanted;
    let (given, client) = wanted.open()?;
    let mut all = true;
    for given in &given {
        let subject = &given.declaration.subject;
        let schema = wanted.schema(given);
        let known = runtime.block_on(client.find(subject, schema));
        if let Some(known) = known.map_err(|error| told(&error))? {
            say!(
                "unchanged   {subject}  version {}, id {}",
                known.version,
                known.id
            );
            continue;
        }
        match runtime.block_on(client.register(subject, schema)) {
            Ok(id) => say!("registered  {subject}  id {id}"),
            Err(error) if error.kind() == connect_api::ErrorKind::Data => {
                all = false;
                say!("REFUSED     {subject}  {}", error.chain());
                for line in causes(&client, subject, schema, runtime)? {
                    say!("              {line}");
                }
            }
            Err(error) => return Err(told(&error)),
        }
    }
    Ok(all)
}

/// Asks whether the registry would take the schemas.
pub fn check(args: &CheckArgs, runtime: &Handle) -> Result<bool> {
    let wanted = &args.wanted;
    let (given, client) = wanted.open()?;
    let mut all = true;
    for given in &given {
        let subject = &given.declaration.subject;
        let schema = wanted.schema(given);
        // Some registries call a schema compatible with a subject that they do not have.
        let latest = runtime.block_on(client.latest(subject));
        if latest.map_err(|error| told(&error))?.is_none() {
            say!("new           {subject}");
            continue;
        }
        let answer = runtime.block_on(client.compatibility(subject, schema));
        match answer.map_err(|error| told(&error))? {
            Compatibility::NoVersion => say!("new           {subject}"),
            Compatibility::Compatible => say!("compatible    {subject}"),
            Compatibility::Incompatible(messages) => {
                all = false;
                say!("INCOMPATIBLE  {subject}");
                for message in &messages {
                    say!("                the registry says: {message}");
                }
                for line in causes(&client, subject, schema, runtime)? {
                    say!("                {line}");
                }
            }
        }
    }
    Ok(all)
}

/// The fields that the last version of a subject and a schema do not agree about.
fn causes(
    client: &RegistryClient,
    subject: &str,
    schema: SchemaText<'_>,
    runtime: &Handle,
) -> Result<Vec<String>> {
    let latest = runtime.block_on(client.latest(subject));
    let Some(latest) = latest.map_err(|error| told(&error))? else {
        return Ok(Vec::new());
    };
    if latest.format != schema.format.word() {
        return Ok(vec![format!(
            "version {} is of type {}, and this is {}: see --type",
            latest.version,
            latest.format,
            schema.format.word()
        )]);
    }
    if schema.format != SchemaFormat::Avro {
        return Ok(Vec::new());
    }
    let new: Json = serde_json::from_str(schema.text)?;
    let old: Json = serde_json::from_str(&latest.text).unwrap_or_default();
    let told = |whose: &str, breaking: &Breaking| {
        let field = match &*breaking.field {
            "" => "the record itself",
            field => field,
        };
        format!("field {field}: {} ({whose})", breaking.why)
    };
    let backward = unreadable(&new, &old);
    let forward = unreadable(&old, &new);
    let version = latest.version;
    let backward = backward.iter();
    let backward = backward.map(|it| {
        told(
            &format!("to read what was written with version {version}"),
            it,
        )
    });
    let forward = forward.iter();
    let forward = forward.map(|it| told(&format!("for those who read with version {version}"), it));
    Ok(backward.chain(forward).collect())
}
