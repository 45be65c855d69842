//! What configs name by class: connectors, converters, transforms, predicates.

use std::sync::Arc;

use connect_api::{Config, ConfigDef, Error, Predicate, RecordPart, Result};
use connect_converters::{ConverterContext, converter, header_converter};
use connect_wasm::{TransformContext, WasmPlugins};
use tokio::runtime::Handle;

use crate::connector_config::{
    Applies, ClassConfig, ConnectorConfig, ConverterConfigs, TransformConfig, converter_config_def,
};
use crate::connectors::RegisteredConnector;
use crate::sink_task::{ChainStep, Converters, StepKind};

/// The version of Kafka Connect whose transforms, predicates and converters are built in, and whose
/// REST API this is: the one that `make test-compat` compares with.
pub const KAFKA_VERSION: &str = "4.4.0";

/// One line of `GET /connector-plugins`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginDescription {
    /// Its class; a WASM plugin's name.
    pub class: String,
    /// `sink`, `source`, `transformation`, `predicate`, `converter` or `header_converter`.
    pub kind: &'static str,
    /// Its version.
    pub version: String,
}

/// Everything that a config can name.
pub struct Plugins {
    connectors: Vec<RegisteredConnector>,
    wasm: WasmPlugins,
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

impl Plugins {
    /// The given connectors, the given WASM plugins, and what is built in.
    pub fn new(connectors: Vec<RegisteredConnector>, wasm: WasmPlugins) -> Self {
        Self { connectors, wasm }
    }

    /// The connector of a class: its full name, its simple name, or that without `Connector`.
    pub fn connector(&self, class: &str) -> Option<&RegisteredConnector> {
        let has = |connector: &&RegisteredConnector, same: &dyn Fn(&str) -> bool| {
            connector
                .connector()
                .classes()
                .iter()
                .any(|full| same(full))
        };
        let full = self
            .connectors
            .iter()
            .find(|c| has(c, &|full| full == class));
        full.or_else(|| {
            let mut all = self.connectors.iter();
            all.find(|c| has(c, &|full| names(full, class)))
        })
    }

    /// The full name of a connector's class, which may be given by its simple name.
    pub fn full_class<'a>(&'a self, class: &'a str) -> &'a str {
        let classes = self
            .connector(class)
            .map(|found| found.connector().classes());
        let classes = classes.unwrap_or_default();
        let is_full = classes.contains(&class);
        let mut full = classes.iter().filter(|full| names(full, class));
        full.next().filter(|_| !is_full).copied().unwrap_or(class)
    }

    /// All connectors.
    pub fn connectors(&self) -> impl Iterator<Item = &RegisteredConnector> {
        self.connectors.iter()
    }

    /// The options of a transform: a class or a WASM plugin's name.
    pub fn transform_config_def(&self, class: &str) -> Option<ConfigDef> {
        if let Some(built_in) = connect_transforms::transformation(class) {
            return Some((built_in.config_def)());
        }
        let plugin = self.wasm.find(class)?;
        let mut keys = plugin.config_def.keys().to_vec();
        for key in self.wasm.host_config_def(&plugin).keys() {
            if !keys.iter().any(|known| known.name == key.name) {
                keys.push(key.clone());
            }
        }
        Some(ConfigDef::new(keys))
    }

    /// The classes of a kind of plugin, as [`PluginDescription`] has it.
    pub fn classes(&self, kind: &str) -> Vec<String> {
        let all = self.list().into_iter().filter(|plugin| plugin.kind == kind);
        all.map(|plugin| plugin.class).collect()
    }

    /// The options of a predicate.
    pub fn predicate_config_def(class: &str) -> Option<ConfigDef> {
        connect_transforms::predicate(class).map(|built_in| (built_in.config_def)())
    }

    /// The options of a transform, a predicate, a converter or a header converter.
    pub fn part_config_def(&self, class: &str) -> Option<ConfigDef> {
        self.transform_config_def(class)
            .or_else(|| Self::predicate_config_def(class))
            .or_else(|| {
                let converter = converter(class).or_else(|| header_converter(class));
                converter.map(converter_config_def)
            })
    }

    /// The version of the transform of a class or of a WASM plugin; none when there is none.
    pub fn transform_version(&self, class: &str) -> Option<String> {
        match connect_transforms::transformation(class) {
            Some(_) => Some(KAFKA_VERSION.to_owned()),
            None => Some(self.wasm.find(class)?.version.clone()),
        }
    }

    /// The version of anything that a config can name.
    pub fn version(&self, class: &str) -> Option<String> {
        if let Some(registered) = self.connector(class) {
            return Some(registered.connector().version().to_owned());
        }
        let transform = self.transform_version(class);
        transform.or_else(|| {
            self.part_config_def(class)
                .map(|_| KAFKA_VERSION.to_owned())
        })
    }

    /// All that a config can name: connectors first, as Kafka Connect lists them.
    pub fn list(&self) -> Vec<PluginDescription> {
        let built_in = |class: &str, kind| PluginDescription {
            class: class.to_owned(),
            kind,
            version: KAFKA_VERSION.to_owned(),
        };
        let mut list = Vec::new();
        for registered in &self.connectors {
            let connector = registered.connector();
            list.extend(connector.classes().iter().map(|class| PluginDescription {
                class: (*class).to_owned(),
                kind: registered.type_name(),
                version: connector.version().to_owned(),
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
        let converters = || connect_converters::converters().iter();
        for converter in converters().filter(|known| known.build.is_some()) {
            list.push(built_in(converter.class, "converter"));
        }
        for converter in converters().filter(|known| known.build_header.is_some()) {
            list.push(built_in(converter.class, "header_converter"));
        }
        list
    }

    /// The chain of a task's transforms.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming the transform that cannot be made.
    pub fn chain(&self, config: &ConnectorConfig, task: u32) -> Result<Vec<ChainStep>> {
        let step = |transform: &TransformConfig| {
            let context = TransformContext {
                connector: config.name.clone(),
                task,
                transform: transform.alias.clone(),
                secrets: transform.secrets.clone(),
            };
            self.step(transform, &context)
                .map_err(|e| e.context(&transform.class.key))
        };
        config.transforms.iter().map(step).collect()
    }

    fn step(&self, transform: &TransformConfig, context: &TransformContext) -> Result<ChainStep> {
        let ClassConfig { class, options, .. } = &transform.class;
        let predicate = transform.predicate.as_ref().map(|config| {
            let negate = config.applies == Applies::WhereFalse;
            Ok((predicate(&config.class)?, negate))
        });
        let parsed = self
            .transform_config_def(class)
            .ok_or_else(|| {
                self.wasm
                    .missing(class, None)
                    .context(format!("class {class} could not be found"))
            })?
            .parse(options)?;
        Ok(ChainStep {
            alias: transform.alias.clone(),
            class: class.clone(),
            predicate: predicate.transpose()?,
            transformation: self.transformation(class, &parsed, context)?,
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
}

/// The converters that a config names.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] naming the key of the converter that cannot be made.
pub fn converters(configs: &ConverterConfigs, runtime: &Handle) -> Result<Converters> {
    let build = |config: &ClassConfig, part| {
        let runtime = runtime.clone();
        let context = ConverterContext { runtime, part };
        connect_converters::build(&config.class, &config.options, &context)
            .map_err(|e| e.context(&config.key))
    };
    let ConverterConfigs { key, value, header } = configs;
    Ok(Converters {
        key: build(key, RecordPart::Key)?,
        value: build(value, RecordPart::Value)?,
        header: connect_converters::build_header(&header.class, &header.options)
            .map_err(|e| e.context(&header.key))?,
    })
}

fn predicate(config: &ClassConfig) -> Result<Arc<dyn Predicate>> {
    let ClassConfig {
        key,
        class,
        options,
    } = config;
    let build = || {
        let built_in = connect_transforms::predicate(class)
            .ok_or_else(|| Error::config(format!("class {class} could not be found")))?;
        (built_in.build)(&(built_in.config_def)().parse(options)?)
    };
    build().map(Arc::from).map_err(|e: Error| e.context(key))
}

fn simple(class: &str) -> &str {
    class.rsplit('.').next().unwrap_or(class)
}

fn names(full: &str, given: &str) -> bool {
    let simple = simple(full);
    simple == given || simple.strip_suffix("Connector") == Some(given)
}

#[cfg(test)]
mod tests;
