//! The example systems of `ferrule dev`: what each is called, and what belongs to it.

use super::produce::Produced;
use crate::produce::generate::{
    ACTIVITY, ANOMALIES_PARTITIONS, ANOMALIES_TOPIC, IOT, Split, System, TELEMETRY, TELESCOPE,
    USER_ACTIVITY,
};

/// An example system.
#[derive(Debug)]
pub struct ExampleSystem {
    /// As `--only` takes it.
    pub name: &'static str,
    /// The statements that make its tables.
    pub tables: &'static [&'static str],
    /// What the demo deploys, in this order.
    pub connectors: &'static [Connector],
}

/// Where a connector of the demo writes.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// A table of Postgres.
    Table(&'static str),
    /// A topic of so many partitions, by transactions of Kafka.
    Topic(&'static str, i32),
}

/// A connector of the demo. The file that is POSTed has its name.
#[derive(Clone, Copy, Debug)]
pub struct Connector {
    /// As its config names it.
    pub name: &'static str,
    /// The records that it reads.
    pub input: System,
    /// Where they go.
    pub target: Target,
}

impl Connector {
    const fn to_postgres(name: &'static str, input: System) -> Self {
        Self {
            name,
            input,
            target: Target::Table(input.table),
        }
    }

    /// What must become of its records.
    pub fn expected(&self, produced: &Produced) -> Split {
        let mut systems = produced.systems.iter();
        let found = systems.find(|(it, _)| it.topic == self.input.topic);
        found.map_or(Split::default(), |(_, split)| *split)
    }
}

/// All of them. The anomalies of vehicles go both to Postgres and to Kafka.
pub const SYSTEMS: [ExampleSystem; 5] = [
    ExampleSystem {
        name: "shark",
        tables: &[include_str!("../../../../sql/002_track_activity_log.sql")],
        connectors: &[Connector::to_postgres("activity-events-sink", ACTIVITY)],
    },
    ExampleSystem {
        name: "telescope",
        tables: &[
            include_str!("../../../../sql/003_telescope_data_raw.sql"),
            include_str!("../../../../sql/003b_telescope_topics.sql"),
            include_str!("../../../../sql/003c_telescope_command_status.sql"),
        ],
        connectors: &[Connector::to_postgres(
            "postgres-telescope-data-sink",
            TELESCOPE,
        )],
    },
    ExampleSystem {
        name: "iot",
        tables: &[include_str!("../../../../sql/004_iot_measurements.sql")],
        connectors: &[Connector::to_postgres("iot-measurements-sink", IOT)],
    },
    ExampleSystem {
        name: "fleetops",
        tables: &[include_str!("../../../../sql/005_fleet.sql")],
        connectors: &[
            Connector::to_postgres("fleet-anomalies-sink", TELEMETRY),
            Connector {
                name: "fleet-anomalies",
                input: TELEMETRY,
                target: Target::Topic(ANOMALIES_TOPIC, ANOMALIES_PARTITIONS),
            },
        ],
    },
    ExampleSystem {
        name: "analytics",
        tables: &[include_str!(
            "../../../../sql/006_user_activity_metrics.sql"
        )],
        connectors: &[Connector::to_postgres(
            "user-activity-metrics-sink",
            USER_ACTIVITY,
        )],
    },
];

/// The system of a name.
///
/// # Errors
/// What names there are.
pub fn system(name: &str) -> Result<&'static ExampleSystem, String> {
    const ALL: &[ExampleSystem] = &SYSTEMS;
    ALL.iter()
        .find(|system| system.name == name)
        .ok_or_else(|| {
            let known: Vec<&str> = ALL.iter().map(|system| system.name).collect();
            format!("there is {}", known.join(", "))
        })
}
