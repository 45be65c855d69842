//! Records that are made up: which, how many, and as what bytes.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use chrono::DateTime;
use clap::{Args, ValueEnum};
use connect_api::{Properties, mask};
use connect_converters::{SchemaFormat, SchemaText};
use tokio::runtime::Handle;

use super::generate::{
    ACKNOWLEDGMENTS_TOPIC, ACTIONS_OF_AN_ALERT, ACTIONS_TOPIC, ACTIVITY, Alert, Bad,
    COMMANDS_TOPIC, DECLARATIONS, EPOCH_SECONDS, FRAMES_FOR_A_STOP, FRAMES_TOPIC, IOT, MAGIC, Made,
    Plan, Sample, TELEMETRY, TELESCOPE, USER_ACTIVITY, activity_events, iot_measurements,
    operator_actions, raw_frames, raw_telemetry, telescope_commands, telescope_data,
    telescope_schema, user_activity,
};
use super::input::{Encoder, Outgoing};
use super::{alerts, pace};
use crate::kafka_args::KafkaArgs;
use crate::schema::registry_client;

/// Vehicles that brake or commands that stay unanswered, unless the user says how many.
const PLANTED: usize = 3;

/// What is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Activity events of aircraft and ships, in JSON.
    Shark,
    /// Telemetry of vehicles, of which some brake, in JSON.
    Fleetops,
    /// What operators do about the alerts that are open, or those of --alerts, in JSON.
    FleetopsActions,
    /// What users of a site do, in JSON.
    Analytics,
    /// Observation data of a telescope, in Avro.
    Telescope,
    /// Commands to telescopes and their acknowledgments, of which some are missing, in Avro.
    TelescopeCommands,
    /// Decoded measurements of devices, in JSON.
    Iot,
    /// Frames of devices as they come, binary and in JSON, of two measurements each.
    IotFrames,
}

impl Name {
    /// The topic of the system.
    pub fn topic(self) -> &'static str {
        match self {
            Self::Shark => ACTIVITY.topic,
            Self::Fleetops => TELEMETRY.topic,
            Self::FleetopsActions => ACTIONS_TOPIC,
            Self::Analytics => USER_ACTIVITY.topic,
            Self::TelescopeCommands => COMMANDS_TOPIC,
            Self::Telescope => TELESCOPE.topic,
            Self::Iot => IOT.topic,
            Self::IotFrames => FRAMES_TOPIC,
        }
    }

    /// The topics that it writes to, unless another one is named.
    pub fn topics(self) -> Vec<&'static str> {
        match self {
            Self::TelescopeCommands => vec![COMMANDS_TOPIC, ACKNOWLEDGMENTS_TOPIC],
            one => vec![one.topic()],
        }
    }

    /// The name of the system's file of topics.
    pub fn system(self) -> &'static str {
        match self {
            Self::Shark => "shark",
            Self::Fleetops | Self::FleetopsActions => "fleetops",
            Self::Analytics => "analytics",
            Self::Telescope | Self::TelescopeCommands => "telescope",
            Self::Iot | Self::IotFrames => "iot",
        }
    }
}

/// Records to make.
pub struct Order<'a> {
    /// Of which kind.
    pub name: Name,
    /// How many, and how.
    pub plan: Plan,
    /// What fleetops-actions are about.
    pub alerts: Vec<Alert>,
    /// Where they go instead of the system's own topic.
    pub topic: Option<&'a str>,
}

#[derive(Args)]
pub struct MadeArgs {
    /// Make records up instead of reading a file.
    #[arg(long, value_name = "NAME", value_enum)]
    pub generate: Option<Name>,
    /// For how long, at --rate.
    #[arg(long, value_name = "TIME", value_parser = pace::duration, requires = "rate")]
    duration: Option<Duration>,
    /// How many records, instead of --duration.
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "duration",
        requires = "generate"
    )]
    count: Option<usize>,
    /// Other records for another number.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The time of the first record in its data: ISO 8601, or now. 2026-01-01T00:00:00Z without it.
    #[arg(long, value_name = "TIME", value_parser = start)]
    start: Option<i64>,
    /// How many of the records are malformed.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "generate")]
    bad: usize,
    /// How many vehicles of fleetops brake, each once, or how many of telescope-commands stay
    /// unanswered. 3 without it.
    #[arg(long, value_name = "N", requires = "generate")]
    anomalies: Option<usize>,
    /// The alerts of fleetops-actions, a line of JSON each with alert_id and vehicle_id. Without
    /// it those of topic operator_alerts that are open.
    #[arg(long, value_name = "FILE", requires = "generate")]
    alerts: Option<PathBuf>,
    /// A file to write to, in JSON, what was planted in the records.
    #[arg(long, value_name = "FILE", requires = "generate")]
    pub planted: Option<PathBuf>,
}

/// Seconds since 1970.
fn start(text: &str) -> Result<i64, String> {
    if text == "now" {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_err(|_| "the clock is before 1970")?;
        return i64::try_from(now.as_secs()).map_err(|error| error.to_string());
    }
    let time = DateTime::parse_from_rfc3339(text);
    time.map(|time| time.timestamp())
        .map_err(|_| "a time such as 2026-01-01T00:00:00Z, or now, is expected".into())
}

impl MadeArgs {
    /// The records to make at this rate.
    pub fn plan(&self, name: Name, alerts: &[Alert], rate: Option<f64>) -> Result<Plan> {
        let records = match (self.count, self.duration, rate) {
            _ if name == Name::FleetopsActions => alerts.len() * ACTIONS_OF_AN_ALERT + self.bad,
            (Some(count), ..) => count,
            (None, Some(duration), Some(rate)) => (duration.as_secs_f64() * rate).round() as usize,
            _ => bail!("how many records? Say --count N, or --rate N and --duration TIME"),
        };
        ensure!(
            self.bad <= records,
            "--bad {} of {records} records is not possible",
            self.bad
        );
        ensure!(
            self.bad == 0 || name != Name::TelescopeCommands,
            "telescope-commands has no malformed records: leave out --bad"
        );
        ensure!(
            self.anomalies.is_none() || matches!(name, Name::Fleetops | Name::TelescopeCommands),
            "--anomalies is for fleetops and telescope-commands alone"
        );
        let braking = match self.anomalies {
            Some(braking) => braking,
            None => PLANTED.min((records - self.bad) / FRAMES_FOR_A_STOP),
        };
        let needed = braking * FRAMES_FOR_A_STOP + self.bad;
        ensure!(
            name != Name::Fleetops || records >= needed,
            "{braking} vehicles that brake need {needed} records at least, {FRAMES_FOR_A_STOP} \
             frames each and the malformed ones, and there are {records}"
        );
        Ok(Plan {
            seed: self.seed,
            start_seconds: self.start.unwrap_or(EPOCH_SECONDS),
            bad: Bad::Of(self.bad),
            braking,
            ..Plan::demo(records)
        })
    }

    /// How many commands stay unanswered.
    fn unanswered(&self, plan: Plan) -> usize {
        self.anomalies.unwrap_or(PLANTED).min(plan.records)
    }

    /// How many records a plan comes to.
    pub fn total(&self, name: Name, plan: Plan) -> u64 {
        let records = match name {
            Name::TelescopeCommands => 2 * plan.records - self.unanswered(plan),
            _ => plan.records,
        };
        records as u64
    }

    /// What fleetops-actions are about; nothing for others.
    pub fn alerts(&self, name: Name, kafka: &KafkaArgs) -> Result<Vec<Alert>> {
        match &self.alerts {
            Some(file) if name == Name::FleetopsActions => alerts::of_file(file),
            Some(_) => bail!("--alerts is for fleetops-actions alone"),
            None if name == Name::FleetopsActions => alerts::of_topic(&kafka.settings()?),
            None => Ok(Vec::new()),
        }
    }

    /// Makes them.
    pub fn records(
        &self,
        order: Order<'_>,
        registry: &Properties,
        runtime: &Handle,
    ) -> Result<Box<dyn Iterator<Item = Result<Outgoing>>>> {
        let Order {
            name,
            plan,
            alerts,
            topic,
        } = order;
        let samples: Box<dyn Iterator<Item = Sample>> = match name {
            Name::Shark => Box::new(activity_events(plan)),
            Name::Fleetops => Box::new(raw_telemetry(plan)),
            Name::FleetopsActions => Box::new(operator_actions(plan, alerts)),
            Name::Analytics => Box::new(user_activity(plan)),
            Name::Iot => Box::new(iot_measurements(plan)),
            Name::IotFrames => Box::new(raw_frames(plan)),
            Name::TelescopeCommands => Box::new(telescope_commands(plan, self.unanswered(plan))),
            Name::Telescope => {
                let id = schema_id(topic.unwrap_or(TELESCOPE.topic), registry, runtime)?;
                Box::new(telescope_data(plan, id))
            }
        };
        let mut encoders = match name {
            Name::TelescopeCommands => encoders(DECLARATIONS, registry, runtime)?,
            _ => Vec::new(),
        };
        let topic = topic.map(str::to_owned);
        Ok(Box::new(samples.map(move |sample| {
            let encoder = encoders.iter_mut().find(|(of, _)| *of == sample.topic);
            let is_json = name != Name::Telescope && !sample.value.starts_with(&MAGIC);
            let json = is_json.then(|| sample.value.clone());
            let value = match encoder {
                Some((of, encoder)) => {
                    encoder.value(of, &String::from_utf8_lossy(&sample.value))?
                }
                None => Some(sample.value),
            };
            Ok(Outgoing {
                topic: topic.clone().unwrap_or_else(|| sample.topic.to_owned()),
                key: Some(sample.key.into_bytes()),
                json,
                value,
                made: Some(Made {
                    expect: sample.expect,
                    planted: sample.planted,
                }),
                ..Outgoing::default()
            })
        })))
    }
}

/// What makes Avro of JSON, by the declarations of topics.
pub fn encoders(
    declarations: impl IntoIterator<Item = (&'static str, &'static str)>,
    registry: &Properties,
    runtime: &Handle,
) -> Result<Vec<(&'static str, Encoder)>> {
    // It says what is missing or misspelt.
    registry_client(registry)?;
    let mut properties = Properties::from([
        ("key.converter".to_owned(), "StringConverter".to_owned()),
        ("value.converter".to_owned(), "AvroConverter".to_owned()),
    ]);
    let options = registry.iter();
    properties
        .extend(options.map(|(key, value)| (format!("value.converter.{key}"), value.clone())));
    let made = declarations.into_iter().map(|(topic, declaration)| {
        Ok((
            topic,
            Encoder::new(&properties, Some(declaration), runtime)?,
        ))
    });
    made.collect()
}

/// Registers the schema of the telescope's data, and gives its id.
pub fn schema_id(topic: &str, registry: &Properties, runtime: &Handle) -> Result<i32> {
    let client = registry_client(registry)?;
    let text = telescope_schema().map_err(|error| anyhow!("{}", error.chain()))?;
    let schema = SchemaText {
        format: SchemaFormat::Avro,
        text: &text,
    };
    let subject = format!("{topic}-value");
    let id = runtime.block_on(client.register(&subject, schema));
    let id = id.map_err(|error| anyhow!("subject {subject}: {}", mask(error.chain())))?;
    i32::try_from(id).context("the registry's id of the schema is too large")
}
