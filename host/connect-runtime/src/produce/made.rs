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
    ACTIVITY, Bad, Braking, EPOCH_SECONDS, FRAMES_FOR_A_STOP, IOT, Made, Plan, Sample, TELEMETRY,
    TELESCOPE, USER_ACTIVITY, activity_events, iot_measurements, raw_telemetry, telescope_data,
    telescope_schema, user_activity,
};
use super::input::Outgoing;
use super::pace;
use crate::schema::registry_client;

/// Vehicles that brake, unless the user says how many.
const BRAKING: usize = 3;

/// What is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Activity events of aircraft and ships, in JSON.
    Shark,
    /// Telemetry of vehicles, of which some brake, in JSON.
    Fleetops,
    /// What users of a site do, in JSON.
    Analytics,
    /// Observation data of a telescope, in Avro.
    Telescope,
    /// Decoded measurements of devices, in JSON.
    Iot,
}

impl Name {
    /// The topic of the system.
    pub fn topic(self) -> &'static str {
        match self {
            Self::Shark => ACTIVITY.topic,
            Self::Fleetops => TELEMETRY.topic,
            Self::Analytics => USER_ACTIVITY.topic,
            Self::Telescope => TELESCOPE.topic,
            Self::Iot => IOT.topic,
        }
    }

    /// The name of the system's file of topics.
    pub fn system(self) -> &'static str {
        match self {
            Self::Shark => "shark",
            Self::Fleetops => "fleetops",
            Self::Analytics => "analytics",
            Self::Telescope => "telescope",
            Self::Iot => "iot",
        }
    }
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
    /// How many vehicles of fleetops brake, each once. 3 without it.
    #[arg(long, value_name = "N", requires = "generate")]
    anomalies: Option<usize>,
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
    pub fn plan(&self, name: Name, rate: Option<f64>) -> Result<Plan> {
        let records = match (self.count, self.duration, rate) {
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
            self.anomalies.is_none() || name == Name::Fleetops,
            "--anomalies is for fleetops alone"
        );
        let braking = match self.anomalies {
            Some(braking) => braking,
            None => BRAKING.min((records - self.bad) / FRAMES_FOR_A_STOP),
        };
        let needed = braking * FRAMES_FOR_A_STOP + self.bad;
        ensure!(
            name != Name::Fleetops || records >= needed,
            "{braking} vehicles that brake need {needed} records at least, {FRAMES_FOR_A_STOP} \
             frames each and the malformed ones, and there are {records}"
        );
        Ok(Plan {
            records,
            seed: self.seed,
            start_seconds: self.start.unwrap_or(EPOCH_SECONDS),
            bad: Bad::Of(self.bad),
            braking: Braking::Vehicles(braking),
        })
    }

    /// Makes them, for a topic.
    pub fn records(
        &self,
        name: Name,
        plan: Plan,
        topic: &str,
        registry: &Properties,
        runtime: &Handle,
    ) -> Result<Box<dyn Iterator<Item = Result<Outgoing>>>> {
        let samples: Box<dyn Iterator<Item = Sample>> = match name {
            Name::Shark => Box::new(activity_events(plan)),
            Name::Fleetops => Box::new(raw_telemetry(plan)),
            Name::Analytics => Box::new(user_activity(plan)),
            Name::Iot => Box::new(iot_measurements(plan)),
            Name::Telescope => {
                let id = schema_id(topic, registry, runtime)?;
                Box::new(telescope_data(plan, id))
            }
        };
        let topic = topic.to_owned();
        Ok(Box::new(samples.map(move |sample| {
            Ok(Outgoing {
                topic: topic.clone(),
                key: Some(sample.key.into_bytes()),
                json: (name != Name::Telescope).then(|| sample.value.clone()),
                value: Some(sample.value),
                made: Some(Made {
                    expect: sample.expect,
                    planted: sample.planted,
                }),
                ..Outgoing::default()
            })
        })))
    }
}

/// Registers the schema of the telescope's data, and gives its id.
fn schema_id(topic: &str, registry: &Properties, runtime: &Handle) -> Result<i32> {
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
