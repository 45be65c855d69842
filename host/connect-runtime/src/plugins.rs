//! What configs name by class: connectors, converters, transforms, predicates.

use std::sync::Arc;

use connect_api::{
    Config, ConfigDef, Converter, Error, Predicate, Properties, RecordPart, Result, SinkConnector,
};
use connect_converters::{ConverterContext, ConverterType};
use connect_wasm::{TransformContext, WasmPlugins};
use tokio::runtime::Handle;

use crate::config::{WorkerConfig, with_prefix};
use crate::config_provider::Provided;
use crate::task::{ChainStep, StepKind};

/// The version of Kafka Connect whose transforms, predicates and converters are built in.
pub const KAFKA_VERSION: &str = "4.1.0";

/// The header converters; they live in the task.
const HEADER_CONVERTERS: &[&str] = &[
    "org.apache.kafka.connect.converters.ByteArrayConverter",
    "org.apache.kafka.connect.storage.SimpleHeaderConverter",
    "org.apache.kafka.connect.storage.StringConverter",
];

/// One line of `GET /connector-plugins`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginDescription {
    /// Its class; a WASM plugin's name.
    pub class: String,
    /// `sink`, `transformation`, `predicate`, `converter` or `header_converter`.
    pub kind: &'static str,
    /// Its version.
    pub version: String,
}

/// Everything that a config can name.
pub struct Plugins {
    sinks: Vec<Arc<dyn SinkConnector>>,
    wasm: WasmPlugins,
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

impl Plugins {
    /// The given connectors, the given WASM plugins, and what is built in.
    pub fn new(sinks: Vec<Arc<dyn SinkConnector>>, wasm: WasmPlugins) -> Self {
        Self { sinks, wasm }
    }

    /// The sink of a class: its full name, its simple name, or that without `Connector`.
    pub fn sink(&self, class: &str) -> Option<&Arc<dyn SinkConnector>> {
        let named = |full: &&str| names(full, class);
        let full = self
            .sinks
            .iter()
            .find(|sink| sink.classes().contains(&class));
        full.or_else(|| {
            self.sinks
                .iter()
                .find(|sink| sink.classes().iter().any(&named))
        })
    }

    /// All sinks.
    pub fn sinks(&self) -> impl Iterator<Item = &Arc<dyn SinkConnector>> {
        self.sinks.iter()
    }

    /// The converter of a class.
    pub fn converter(class: &str) -> Option<&'static ConverterType> {
        connect_converters::converter(class).or_else(|| {
            let all = connect_converters::converters().iter();
            all.into_iter()
                .find(|c| c.classes.iter().any(|full| simple(full) == class))
        })
    }

    /// Whether there is a header converter of this class.
    pub fn is_header_converter(class: &str) -> bool {
        HEADER_CONVERTERS
            .iter()
            .any(|full| *full == class || simple(full) == class)
    }

    /// The options of a transform: a class or a WASM plugin's name.
    pub fn transform_config_def(&self, class: &str) -> Option<ConfigDef> {
        if let Some(built_in) = connect_transforms::transformation(class) {
            return Some((built_in.config_def)());
        }
        let plugin = self.wasm.find(class)?;
        let mut keys = plugin.config_def.keys().to_vec();
        for key in self.wasm.host_config_def().keys() {
            if !keys.iter().any(|known| known.name == key.name) {
                keys.push(key.clone());
            }
        }
        Some(ConfigDef::new(keys))
    }

    /// The options of a predicate.
    pub fn predicate_config_def(class: &str) -> Option<ConfigDef> {
        connect_transforms::predicate(class).map(|built_in| (built_in.config_def)())
    }

    /// The options of anything that a config can name, framework options of sinks included.
    pub fn config_def(&self, class: &str) -> Option<ConfigDef> {
        if let Some(sink) = self.sink(class) {
            let mut keys = sink.config_def().keys().to_vec();
            for key in crate::connector_config::sink_config_def().keys() {
                if !keys.iter().any(|known| known.name == key.name) {
                    keys.push(key.clone());
                }
            }
            return Some(ConfigDef::new(keys));
        }
        self.transform_config_def(class)
            .or_else(|| Self::predicate_config_def(class))
            .or_else(|| Self::converter(class).map(|converter| (converter.config_def)()))
            .or_else(|| Self::is_header_converter(class).then(ConfigDef::default))
    }

    /// All that a config can name: sinks first, as Kafka Connect lists them.
    pub fn list(&self) -> Vec<PluginDescription> {
        let built_in = |class: &str, kind| PluginDescription {
            class: class.to_owned(),
            kind,
            version: KAFKA_VERSION.to_owned(),
        };
        let mut list = Vec::new();
        for sink in &self.sinks {
            list.extend(sink.classes().iter().map(|class| PluginDescription {
                class: (*class).to_owned(),
                kind: "sink",
                version: sink.version().to_owned(),
            }));
        }
        for transformation in connect_transforms::transformations() {
            list.push(built_in(transformation.class, "transformation"));
        }
        list.extend(self.wasm.list().iter().map(|plugin| PluginDescription {
            class: plugin.name.clone(),
            kind: "transformation",
            version: plugin.version.clone(),
        }));
        for predicate in connect_transforms::predicates() {
            list.push(built_in(predicate.class, "predicate"));
        }
        for converter in connect_converters::converters() {
            list.extend(
                converter
                    .classes
                    .iter()
                    .map(|class| built_in(class, "converter")),
            );
        }
        list.extend(
            HEADER_CONVERTERS
                .iter()
                .map(|class| built_in(class, "header_converter")),
        );
        list
    }

    /// The chain of a task's transforms, of a config and what its providers gave.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming the transform that cannot be made.
    pub fn chain(
        &self,
        connector: &str,
        task: u32,
        (config, provided): (&Properties, &Provided),
    ) -> Result<Vec<ChainStep>> {
        let aliases = config.get("transforms").map_or("", String::as_str);
        let aliases = aliases
            .split(',')
            .map(str::trim)
            .filter(|alias| !alias.is_empty());
        let step = |alias: &str| {
            let prefix = format!("transforms.{alias}.");
            let own = provided.iter().filter(|(key, _)| key.starts_with(&prefix));
            let context = TransformContext {
                connector: connector.into(),
                task,
                transform: alias.into(),
                secrets: own.flat_map(|(_, given)| given.clone()).collect(),
            };
            self.step(context, config)
                .map_err(|e| e.context(format!("transforms.{alias}")))
        };
        aliases.map(step).collect()
    }

    fn step(&self, context: TransformContext, config: &Properties) -> Result<ChainStep> {
        let alias = context.transform.clone();
        let mut own = with_prefix(config, &format!("transforms.{alias}."));
        let class = own
            .remove("type")
            .ok_or_else(|| Error::config("type is missing"))?;
        let class = class.trim().to_owned();
        let negate = own
            .remove("negate")
            .is_some_and(|n| n.trim().eq_ignore_ascii_case("true"));
        let predicate = match own.remove("predicate") {
            None => None,
            Some(alias) => Some((predicate(alias.trim(), config)?, negate)),
        };
        let parsed = self
            .transform_config_def(&class)
            .ok_or_else(|| {
                self.wasm
                    .missing(&class, None)
                    .context(format!("class {class} could not be found"))
            })?
            .parse(&own)?;
        let transformation = self.transformation(&class, &parsed, &context)?;
        Ok(ChainStep {
            alias,
            class,
            predicate,
            transformation,
        })
    }

    fn transformation(
        &self,
        class: &str,
        config: &Config,
        context: &TransformContext,
    ) -> Result<StepKind> {
        match connect_transforms::transformation(class) {
            Some(built_in) => (built_in.build)(config).map(StepKind::Record),
            None => self.wasm.build(class, config, context).map(StepKind::Batch),
        }
    }

    /// The converters of a task's keys and values. The worker's options go with the worker's
    /// converter: a connector that names one starts from that converter's defaults.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming the converter that cannot be made.
    pub fn converters(
        &self,
        config: &Properties,
        worker: &WorkerConfig,
        runtime: Handle,
    ) -> Result<(Box<dyn Converter>, Box<dyn Converter>)> {
        let build = |key: &str, part| {
            let (class, options) = match config.get(key) {
                Some(class) => (class.as_str(), with_prefix(config, &format!("{key}."))),
                None => worker.converter(key),
            };
            let converter = Self::converter(class.trim())
                .ok_or_else(|| Error::config(format!("{key}: class {class} could not be found")))?;
            let context = ConverterContext {
                runtime: runtime.clone(),
                part,
            };
            let parsed = (converter.config_def)().parse(&options);
            let built = parsed.and_then(|parsed| (converter.build)(&parsed, &context));
            built.map_err(|e| e.context(key))
        };
        Ok((
            build("key.converter", RecordPart::Key)?,
            build("value.converter", RecordPart::Value)?,
        ))
    }
}

fn predicate(alias: &str, config: &Properties) -> Result<Arc<dyn Predicate>> {
    let mut own = with_prefix(config, &format!("predicates.{alias}."));
    let build = || {
        let class = own
            .remove("type")
            .ok_or_else(|| Error::config("type is missing"))?;
        let built_in = connect_transforms::predicate(class.trim())
            .ok_or_else(|| Error::config(format!("class {class} could not be found")))?;
        let parsed = (built_in.config_def)().parse(&own)?;
        (built_in.build)(&parsed)
    };
    let mut build = build;
    build()
        .map(Arc::from)
        .map_err(|e: Error| e.context(format!("predicates.{alias}")))
}

fn simple(class: &str) -> &str {
    class.rsplit('.').next().unwrap_or(class)
}

fn names(full: &str, given: &str) -> bool {
    let simple = simple(full);
    simple == given || simple.strip_suffix("Connector") == Some(given)
}
