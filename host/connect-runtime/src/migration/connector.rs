//! One connector: validated, resolved and built as far as its tasks are before they open anything.

use std::collections::BTreeSet;

use connect_api::{Properties, mask};

use super::{Finding, Migration, Start, Weight, differences, nearest};
use crate::connector_config::{
    ConfigInfos, ConnectorConfig, GivenConfig, class_of, task_configs, validate,
};
use crate::connectors::RegisteredConnector;
use crate::plugins::converters;
use crate::storage::{State, TargetState};

/// What becomes of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It runs, and does what it did.
    Unchanged,
    /// It runs, and something of it has another effect.
    Differs,
    /// It fails, and says why.
    Refused,
}

impl Verdict {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Differs => "differs",
            Self::Refused => "refused",
        }
    }
}

/// What is to be said of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorReport {
    /// Its name.
    pub name: String,
    /// `connector.class` as it is given.
    pub class: String,
    /// `sink` or `source`; none: Ferrule has no such connector.
    pub kind: Option<&'static str>,
    /// What it is to do.
    pub target_state: TargetState,
    /// The worst state of it and its tasks that the status topic has.
    pub was: Option<State>,
    /// How many tasks it has in Kafka Connect.
    pub tasks: usize,
    /// How many tasks it will have; none: it is refused.
    pub tasks_to_be: Option<usize>,
    /// What is refused, what differs, and what is good to know.
    pub findings: Vec<Finding>,
    /// Classes that it names and Ferrule does not have.
    pub missing_classes: BTreeSet<String>,
    /// Where it goes on; none: it is not known.
    pub start: Option<Start>,
    pub(super) config: Option<Resolved>,
}

/// A config that its tasks could be started with.
#[derive(Clone)]
pub(super) struct Resolved(pub(super) ConnectorConfig);

impl std::fmt::Debug for Resolved {
    /// It holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolved")
    }
}

impl PartialEq for Resolved {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Resolved {}

impl ConnectorReport {
    /// What becomes of it.
    pub fn verdict(&self) -> Verdict {
        match self.findings.iter().map(|finding| finding.weight).max() {
            None | Some(Weight::Note) => Verdict::Unchanged,
            Some(Weight::Differs) => Verdict::Differs,
            Some(Weight::Refused) => Verdict::Refused,
        }
    }

    fn refuse(&mut self, key: &str, what: String) {
        self.findings.push(Finding::new(Weight::Refused, key, what));
    }
}

impl Migration<'_> {
    /// What becomes of a stored config.
    pub(super) fn connector(&self, name: &str, stored: &Properties) -> ConnectorReport {
        let class = class_of(stored);
        let registered = self.plugins.connector(class);
        let mut report = ConnectorReport {
            name: name.to_owned(),
            class: class.to_owned(),
            kind: registered.map(RegisteredConnector::type_name),
            target_state: TargetState::default(),
            was: None,
            tasks: 0,
            tasks_to_be: None,
            findings: Vec::new(),
            missing_classes: BTreeSet::new(),
            start: None,
            config: None,
        };
        if registered.is_none() {
            report.missing_classes.insert(class.to_owned());
            report.findings.push(Finding {
                nearest: Some(nearest::of_connector(class, self.plugins)),
                ..Finding::new(
                    Weight::Refused,
                    "connector.class",
                    format!("Ferrule has no {class}"),
                )
            });
            return report;
        }
        let mut given: GivenConfig = stored
            .iter()
            .map(|(key, value)| (key.clone(), Some(value.clone())))
            .collect();
        given
            .entry("name".into())
            .or_insert_with(|| Some(name.to_owned()));
        match validate(self.plugins, self.worker, &given) {
            Err(why) => report.refuse("", mask(why).into_owned()),
            Ok(infos) => self.take_in(&mut report, stored, &infos),
        }
        report
    }

    /// What the answer to the config says, and what its tasks would say.
    fn take_in(&self, report: &mut ConnectorReport, stored: &Properties, infos: &ConfigInfos) {
        let mut told = BTreeSet::new();
        for config in &infos.configs {
            for why in &config.value.errors {
                // What is wrong with two options together is an error of both.
                if told.insert(why.clone()) {
                    report.refuse(&config.value.name, why.clone());
                }
            }
        }
        if report.findings.is_empty() {
            self.build(report, stored);
        }
        for finding in &mut report.findings {
            let class = stored.get(&finding.key).map(|class| class.trim());
            finding.nearest = nearest::of_key(&finding.key, &finding.what, class);
            if let Some(class) = class.filter(|_| finding.what.contains("could not be found")) {
                report.missing_classes.insert(class.to_owned());
            }
        }
        let refused: Vec<String> = report.findings.iter().map(|it| it.key.clone()).collect();
        for warning in &infos.warnings {
            let (key, what) = warning.split_once(": ").unwrap_or(("", warning));
            // Of a part that there is not, no option is known.
            let mut parts = refused.iter().map(|key| key.trim_end_matches(".type"));
            let is_of = |part: &str| key.strip_prefix(part).is_some_and(|it| it.starts_with('.'));
            if !parts.any(is_of) {
                let differs = Finding::new(Weight::Differs, key, what);
                report.findings.push(differs);
            }
        }
        if let Some(registered) = self.plugins.connector(&report.class) {
            let own = differences::of(registered, stored);
            report.findings.extend(own);
        }
    }

    /// Does what a task does before it opens its clients.
    fn build(&self, report: &mut ConnectorReport, stored: &Properties) {
        let (plugins, worker, name) = (self.plugins, self.worker, report.name.clone());
        let config = match ConnectorConfig::resolve(plugins, worker, &name, stored) {
            Ok(config) => config,
            Err(error) => return report.refuse("", mask(error.chain()).into_owned()),
        };
        if let Err(error) = converters(&config.converters, &self.runtime) {
            let classes = &config.converters;
            let all = [&classes.key, &classes.value, &classes.header];
            let why = error.chain();
            let at = all.iter().find(|class| why.starts_with(&class.key));
            let key = at.map_or("", |class| class.key.as_str());
            if let Some(class) = at.filter(|_| why.contains("could not be found")) {
                report.missing_classes.insert(class.class.clone());
            }
            report.refuse(key, mask(why).into_owned());
        }
        if let Err(error) = plugins.chain(&config, 0) {
            report.refuse("transforms", mask(error.chain()).into_owned());
        }
        match task_configs(plugins, worker, &name, stored) {
            Ok(tasks) => report.tasks_to_be = Some(tasks.len()),
            Err(error) => report.refuse("tasks.max", mask(error.chain()).into_owned()),
        }
        report.config = Some(Resolved(config));
    }
}
