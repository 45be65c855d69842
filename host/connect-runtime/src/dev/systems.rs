//! The example systems of `ferrule dev`: what each is called, and what belongs to it.

/// An example system.
#[derive(Debug)]
pub struct ExampleSystem {
    /// As `--only` takes it.
    pub name: &'static str,
    /// Its database.
    pub database: SystemDatabase,
    /// The statements that make its tables.
    pub tables: &'static [&'static str],
    /// The file of its topics.
    pub topics: &'static str,
    /// What the demo deploys, in this order.
    pub connectors: &'static [Connector],
}

/// The database of a system, as `sql/000_databases.sql` makes it.
#[derive(Clone, Copy, Debug)]
pub struct SystemDatabase {
    /// Its name.
    pub name: &'static str,
    /// Who owns it.
    pub user: &'static str,
    /// The password of that user.
    pub password: &'static str,
}

impl SystemDatabase {
    /// Where it is on a server.
    pub fn url(&self, server: std::net::SocketAddr) -> String {
        let Self {
            name,
            user,
            password,
        } = self;
        format!("postgres://{user}:{password}@{server}/{name}")
    }
}

/// Where a connector of the demo writes.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// Tables of its system's database.
    Tables(&'static [&'static str]),
    /// A topic, by transactions of Kafka or from HTTP.
    Topic(&'static str),
    /// Answers to whoever asks by HTTP.
    Answers(&'static str),
}

/// A connector of the demo. The file that is POSTed has its name.
#[derive(Clone, Copy, Debug)]
pub struct Connector {
    /// As its config names it.
    pub name: &'static str,
    /// The topics that it reads.
    pub inputs: &'static [&'static str],
    /// Where it writes.
    pub target: Target,
}

const fn table(
    name: &'static str,
    inputs: &'static [&'static str],
    tables: &'static [&'static str],
) -> Connector {
    Connector {
        name,
        inputs,
        target: Target::Tables(tables),
    }
}

const fn topic(
    name: &'static str,
    inputs: &'static [&'static str],
    topic: &'static str,
) -> Connector {
    Connector {
        name,
        inputs,
        target: Target::Topic(topic),
    }
}

const fn answers(name: &'static str, table: &'static str) -> Connector {
    Connector {
        name,
        inputs: &[],
        target: Target::Answers(table),
    }
}

const SHARK: ExampleSystem = ExampleSystem {
    name: "shark",
    database: SystemDatabase {
        name: "sharkdb",
        user: "shark",
        password: "sharkbakeoff",
    },
    tables: &[include_str!("../../../../sql/002_track_activity_log.sql")],
    topics: include_str!("../../../../connectors/topics/shark.json"),
    connectors: &[
        table(
            "activity-events-sink",
            &["activity-events"],
            &["track_activity_log"],
        ),
        topic("activity-events-http", &[], "activity-events"),
        answers("activity-history-query", "track_activity_log"),
    ],
};

const FLEETOPS: ExampleSystem = ExampleSystem {
    name: "fleetops",
    database: SystemDatabase {
        name: "fleetops",
        user: "fleetops",
        password: "fleetops",
    },
    tables: &[include_str!("../../../../sql/005_fleet.sql")],
    topics: include_str!("../../../../connectors/topics/fleetops.json"),
    connectors: &[
        table("fleet-anomalies-sink", &["raw_telemetry"], &["anomalies"]),
        topic("fleet-anomalies", &["raw_telemetry"], "anomalies"),
        topic(
            "fleet-alerts-rekey",
            &["anomalies", "operator_actions"],
            "operator_alert_events",
        ),
        topic(
            "fleet-alerts-topic",
            &["operator_alert_events"],
            "operator_alerts",
        ),
        table(
            "fleet-alerts-sink",
            &["operator_alerts", "operator_alert_history"],
            &["operator_alerts", "operator_alert_history"],
        ),
        topic("fleet-actions-http", &[], "operator_actions"),
        answers("fleet-alerts-query", "operator_alerts"),
        answers("fleet-alert-history-query", "operator_alert_history"),
    ],
};

const ANALYTICS: ExampleSystem = ExampleSystem {
    name: "analytics",
    database: SystemDatabase {
        name: "analytics",
        user: "postgres",
        password: "postgres",
    },
    tables: &[include_str!(
        "../../../../sql/006_user_activity_metrics.sql"
    )],
    topics: include_str!("../../../../connectors/topics/analytics.json"),
    connectors: &[
        topic("user-activity-http", &[], "incoming.user_activity"),
        topic(
            "user-activity-merge",
            &["incoming.user_activity"],
            "user_activity_merged",
        ),
        table(
            "user-activity-metrics-sink",
            &["user_activity_merged"],
            &["user_activity_metrics"],
        ),
    ],
};

const TELESCOPE: ExampleSystem = ExampleSystem {
    name: "telescope",
    database: SystemDatabase {
        name: "astro",
        user: "astro",
        password: "astro",
    },
    tables: &[
        include_str!("../../../../sql/003_telescope_data_raw.sql"),
        include_str!("../../../../sql/003b_telescope_topics.sql"),
        include_str!("../../../../sql/003c_telescope_command_status.sql"),
    ],
    topics: include_str!("../../../../connectors/topics/telescope.json"),
    connectors: &[
        table(
            "postgres-telescope-data-sink",
            &["telescope.data"],
            &["telescope_data_raw"],
        ),
        table(
            "telescope-commands-sink",
            &["telescope.commands"],
            &["telescope_commands"],
        ),
        table(
            "telescope-acknowledgments-sink",
            &["telescope.acknowledgments"],
            &["telescope_acknowledgments"],
        ),
        table(
            "telescope-status-sink",
            &["telescope.status"],
            &["telescope_status"],
        ),
        table(
            "telescope-correlation-sink",
            &["telescope.commands", "telescope.acknowledgments"],
            &["telescope_command_status"],
        ),
    ],
};

const IOT: ExampleSystem = ExampleSystem {
    name: "iot",
    database: SystemDatabase {
        name: "timeseries",
        user: "ts_user",
        password: "ts_password",
    },
    tables: &[include_str!("../../../../sql/004_iot_measurements.sql")],
    topics: include_str!("../../../../connectors/topics/iot.json"),
    connectors: &[
        topic("iot-decode", &["raw_iot_data"], "decoded_iot_data"),
        table(
            "iot-measurements-sink",
            &["decoded_iot_data"],
            &["iot_measurements"],
        ),
    ],
};

/// All of them.
pub const SYSTEMS: [ExampleSystem; 5] = [SHARK, FLEETOPS, ANALYTICS, TELESCOPE, IOT];

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::topics::file;

    fn config(name: &str) -> Value {
        let folder = Path::new("../../connectors");
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["name"], name);
        json["config"].clone()
    }

    #[test]
    fn the_files_of_connectors_name_the_same_databases_and_topics() {
        let databases = include_str!("../../../../sql/000_databases.sql");
        for system in SYSTEMS {
            let SystemDatabase {
                name,
                user,
                password,
            } = system.database;
            assert!(databases.contains(&format!("('{user}', '{password}')")));
            assert!(databases.contains(&format!("('{name}', '{user}')")));
            let topics = file::parse(system.topics).unwrap();
            let topics: BTreeSet<&str> = topics.iter().map(|topic| &*topic.name).collect();
            for connector in system.connectors {
                let config = config(connector.name);
                if let Some(url) = config.get("connection.url") {
                    assert_eq!(*url, format!("jdbc:postgresql://localhost:5432/{name}"));
                    assert_eq!(config["connection.user"], user);
                    assert_eq!(config["connection.password"], password);
                }
                if !connector.inputs.is_empty() {
                    assert_eq!(config["topics"], connector.inputs.join(","));
                }
                let letters = config.get("errors.deadletterqueue.topic.name");
                let letters = letters.map(|it| it.as_str().unwrap());
                let output = match connector.target {
                    Target::Topic(topic) => Some(topic),
                    _ => None,
                };
                for topic in connector
                    .inputs
                    .iter()
                    .copied()
                    .chain(letters)
                    .chain(output)
                {
                    assert!(topics.contains(topic), "{topic} of {}", connector.name);
                }
            }
        }
    }
}
