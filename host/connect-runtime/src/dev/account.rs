//! What must become of the demo's records, connector by connector, and what has become of them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::http::Posts;
use super::produce::{Actions, Produced};
use super::progress::Watch;
use super::systems::{Connector, ExampleSystem};
use super::topics::Seen;

use crate::produce::generate::{
    ACKNOWLEDGMENTS_TOPIC, ACTIONS_TOPIC, ACTIVITY, COMMANDS_TOPIC, FRAMES_TOPIC, IOT,
    POINTS_OF_A_FRAME, STATUS_TOPIC, Split, TELEMETRY, TELESCOPE, USER_ACTIVITY,
};

/// The topic that gets records as long as its connector runs, which tell how far the clock is.
pub const CLOCKED: &str = "operator_alert_events";
/// How long an interval of users and page views is.
const INTERVAL_MILLIS: i64 = 30_000;

/// Something that is counted, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is counted.
    pub what: &'static str,
    /// How many there are.
    pub found: u64,
    /// How many there must be.
    pub expected: u64,
}

/// What is known of the records.
#[derive(Debug, Default)]
pub struct Facts {
    /// What was produced.
    pub produced: Produced,
    /// What became of the records that were POSTed, by their topics.
    pub posts: BTreeMap<&'static str, Posts>,
    /// What operators did, once there were alerts.
    pub actions: Option<Actions>,
    /// The alert whose history is asked for, once there is one.
    pub alert: Option<String>,
    /// How much each connector has answered that was asked, once it was.
    pub answers: BTreeMap<&'static str, u64>,
}

impl Facts {
    /// How many records of a topic came of a connector: all but those that the demo produced.
    pub fn landed(&self, topic: &str, seen: &Seen) -> u64 {
        if topic == CLOCKED {
            return seen.events("anomaly") + seen.events("action");
        }
        let direct = self.produced.split(topic).records() as u64;
        seen.records(topic).saturating_sub(direct)
    }

    /// How much a connector has answered.
    pub fn answered(&self, connector: &str) -> u64 {
        self.answers.get(connector).copied().unwrap_or(0)
    }

    /// What must become of all records of a topic that also takes records by HTTP.
    fn with_posts(&self, topic: &'static str) -> (u64, u64) {
        let Split {
            landed,
            remembered,
            refused,
        } = self.produced.split(topic);
        let posts = self.posts.get(topic).copied().unwrap_or_default();
        let good = (landed + remembered) as u64 + posts.accepted;
        (good, refused as u64 + posts.passed)
    }

    fn posts(&self, topic: &'static str, seen: &Seen) -> Vec<Check> {
        let posts = self.posts.get(topic).copied().unwrap_or_default();
        let wanted = self.produced.posts.get(topic).map_or(0, Vec::len) as u64;
        vec![
            Check {
                what: "records in the topic, one for each request that was answered 202",
                found: self.landed(topic, seen),
                expected: posts.accepted + posts.passed,
            },
            Check {
                what: "requests answered as they must be: 202, or 400 for what is malformed",
                found: posts.accepted + posts.passed + posts.refused,
                expected: wanted,
            },
        ]
    }
}

/// The dead letter queue of a connector: none for those that have none.
fn queue(connector: &str) -> Option<&'static str> {
    Some(match connector {
        "activity-events-sink" => "activity-events-dlq",
        "fleet-anomalies-sink" | "fleet-anomalies" => "raw_telemetry-dlq",
        "fleet-alerts-rekey" => "operator_actions-dlq",
        "fleet-alerts-topic" => "operator_alert_events-dlq",
        "fleet-alerts-sink" => "operator_alerts-dlq",
        "user-activity-merge" | "user-activity-metrics-sink" => "incoming.user_activity-dlq",
        "postgres-telescope-data-sink" => "telescope.data-dlq",
        "telescope-commands-sink" | "telescope-correlation-sink" => "telescope.commands-dlq",
        "telescope-acknowledgments-sink" => "telescope.acknowledgments-dlq",
        "telescope-status-sink" => "telescope.status-dlq",
        "iot-decode" => "raw_iot_data-dlq",
        "iot-measurements-sink" => "decoded_iot_data-dlq",
        _ => return None,
    })
}

/// Where actions go that are not taken.
const REFUSED_ACTIONS: &str = "operator_actions-dlq";

/// Why records of a connector were refused, and how many for each reason.
pub fn reasons(connector: &Connector, seen: &Seen) -> Vec<(String, usize)> {
    let own = queue(connector.name);
    let mut reasons = own.map_or_else(Vec::new, |queue| seen.letters(queue, Some(connector.name)));
    if connector.name == "fleet-alerts-topic" {
        reasons.extend(seen.letters(REFUSED_ACTIONS, None));
    }
    reasons
}

/// What must become of the records of a connector, and what has become of them.
pub async fn checks(
    system: &ExampleSystem,
    connector: &Connector,
    watch: &mut Watch,
) -> Result<Vec<Check>> {
    let mut checks = match system.name {
        "shark" => shark(connector.name, watch).await?,
        "fleetops" => fleetops(connector.name, watch).await?,
        "analytics" => analytics(connector.name, watch).await?,
        "telescope" => telescope(connector.name, watch).await?,
        _ => iot(connector.name, watch).await?,
    };
    if queue(connector.name).is_some() {
        let reasons = reasons(connector, &watch.topics.seen);
        let found: usize = reasons.iter().map(|(_, count)| count).sum();
        checks.push(Check {
            what: "records refused",
            found: found as u64,
            expected: refusals(connector.name, &watch.facts),
        });
    }
    Ok(checks)
}

/// How many records of a connector must be refused.
fn refusals(connector: &str, facts: &Facts) -> u64 {
    let refused = |topic: &str| facts.produced.split(topic).refused as u64;
    match connector {
        "activity-events-sink" => facts.with_posts(ACTIVITY.topic).1,
        "user-activity-metrics-sink" => facts.with_posts(USER_ACTIVITY.topic).1,
        "fleet-anomalies-sink" | "fleet-anomalies" => refused(TELEMETRY.topic),
        "fleet-alerts-rekey" => facts.actions.map_or(0, |actions| actions.malformed),
        "fleet-alerts-topic" => facts.actions.map_or(0, |actions| actions.illegal),
        "postgres-telescope-data-sink" => refused(TELESCOPE.topic),
        "iot-decode" => refused(FRAMES_TOPIC),
        "iot-measurements-sink" => refused(IOT.topic),
        _ => 0,
    }
}

async fn count(watch: &mut Watch, system: &str, table: &'static str) -> Result<u64> {
    let rows = watch.databases.of(system)?.count(table).await?;
    Ok(rows.unwrap_or(0))
}

async fn shark(connector: &str, watch: &mut Watch) -> Result<Vec<Check>> {
    Ok(match connector {
        "activity-events-http" => watch.facts.posts(ACTIVITY.topic, &watch.topics.seen),
        "activity-history-query" => vec![Check {
            what: "events of a ship, read back by GET",
            found: watch.facts.answered(connector),
            expected: watch.facts.produced.ship.as_ref().map_or(0, |it| it.events),
        }],
        _ => vec![Check {
            what: "rows, one for each well-formed event",
            found: count(watch, "shark", "track_activity_log").await?,
            expected: watch.facts.with_posts(ACTIVITY.topic).0,
        }],
    })
}

/// The steps of the first alert by its id, which is the one that is asked for.
const STEPS: &str = "SELECT count(*) FROM operator_alert_history WHERE alert_id::text = \
                     (SELECT min(alert_id::text) FROM operator_alerts)";

/// What those of fleetops have answered that listen.
async fn fleetops_http(connector: &str, watch: &mut Watch) -> Result<Vec<Check>> {
    let (what, expected) = match connector {
        "fleet-actions-http" => {
            return Ok(watch.facts.posts(ACTIONS_TOPIC, &watch.topics.seen));
        }
        "fleet-alerts-query" => {
            let stops = watch.facts.produced.split(TELEMETRY.topic).landed;
            ("alerts, read back by GET", stops as u64)
        }
        _ => {
            let steps = watch.databases.of("fleetops")?.number(STEPS).await?;
            ("steps of an alert, read back by GET", steps)
        }
    };
    let found = watch.facts.answered(connector);
    Ok(vec![Check {
        what,
        found,
        expected,
    }])
}

async fn fleetops(connector: &str, watch: &mut Watch) -> Result<Vec<Check>> {
    let stops = watch.facts.produced.split(TELEMETRY.topic).landed as u64;
    let (legal, well_formed) = match watch.facts.actions {
        Some(actions) => (actions.legal, actions.legal + actions.illegal),
        None => (0, 0),
    };
    let check = |what, found, expected| Check {
        what,
        found,
        expected,
    };
    let seen = &watch.topics.seen;
    Ok(match connector {
        "fleet-anomalies-sink" => {
            let rows = count(watch, "fleetops", "anomalies").await?;
            vec![check("rows, one for each stop of a vehicle", rows, stops)]
        }
        "fleet-anomalies" => vec![check(
            "anomalies in the topic, one for each stop of a vehicle",
            seen.distinct("anomalies"),
            stops,
        )],
        "fleet-alerts-rekey" => vec![
            check(
                "anomalies brought along, each as often as it was told",
                seen.events("anomaly"),
                seen.records("anomalies"),
            ),
            check(
                "well-formed actions brought along",
                seen.events("action"),
                well_formed,
            ),
        ],
        "fleet-alerts-topic" => vec![
            check(
                "alerts, one for each anomaly",
                seen.distinct("operator_alerts"),
                stops,
            ),
            check(
                "actions taken",
                seen.distinct("operator_alert_history"),
                legal,
            ),
        ],
        "fleet-alerts-sink" => {
            // The opening of each alert, each rise of a severity, each action that was taken.
            let steps = seen.records("anomalies") + legal;
            let alerts = count(watch, "fleetops", "operator_alerts").await?;
            let history = count(watch, "fleetops", "operator_alert_history").await?;
            let over = "SELECT count(*) FROM operator_alerts \
                        WHERE alert_status IN ('RESOLVED', 'DISMISSED')";
            let over = watch.databases.of("fleetops")?.number(over).await?;
            vec![
                check("alerts", alerts, stops),
                check("of them resolved or dismissed", over, stops),
                check("steps of their history", history, steps),
            ]
        }
        _ => fleetops_http(connector, watch).await?,
    })
}

/// The rows of the intervals, as the model has them: beginning, users, page views.
const INTERVALS: &str = "SELECT ARRAY[(extract(EPOCH FROM timestamp) * 1000)::bigint::text, \
                         unique_users::text, page_view_count::text] FROM user_activity_metrics";

async fn analytics(connector: &str, watch: &mut Watch) -> Result<Vec<Check>> {
    let (good, refused) = watch.facts.with_posts(USER_ACTIVITY.topic);
    match connector {
        "user-activity-http" => {
            return Ok(watch.facts.posts(USER_ACTIVITY.topic, &watch.topics.seen));
        }
        "user-activity-merge" => {
            return Ok(vec![Check {
                what: "records brought together, all that there are",
                found: watch.topics.seen.records("user_activity_merged"),
                expected: good + refused,
            }]);
        }
        _ => {}
    }
    let rows = watch.databases.of("analytics")?.texts(INTERVALS).await?;
    let model = &watch.topics.seen.intervals;
    let (mut right, mut views) = (0, 0);
    for row in &rows {
        let numbers: Vec<i64> = row.iter().filter_map(|text| text.parse().ok()).collect();
        let [start, users, page_views] = numbers[..] else {
            continue;
        };
        views += u64::try_from(page_views).context("page views below 0")?;
        let is_right = model.get(&start).is_some_and(|interval| {
            interval.users.len() as i64 == users && interval.page_views as i64 == page_views
        });
        right += u64::from(is_right);
    }
    Ok(vec![
        Check {
            what: "rows, one for each 30 seconds",
            found: rows.len() as u64,
            expected: model.len() as u64,
        },
        Check {
            what: "of them with the users and page views of all partitions",
            found: right,
            expected: model.len() as u64,
        },
        Check {
            what: "page views in all rows",
            found: views,
            expected: watch.facts.produced.page_views,
        },
    ])
}

async fn telescope(connector: &str, watch: &mut Watch) -> Result<Vec<Check>> {
    let landed = |topic: &str| watch.facts.produced.split(topic).landed as u64;
    let commands = landed(COMMANDS_TOPIC);
    let (table, expected) = match connector {
        "postgres-telescope-data-sink" => ("telescope_data_raw", landed(TELESCOPE.topic)),
        "telescope-commands-sink" => ("telescope_commands", commands),
        "telescope-acknowledgments-sink" => {
            ("telescope_acknowledgments", landed(ACKNOWLEDGMENTS_TOPIC))
        }
        "telescope-status-sink" => ("telescope_status", landed(STATUS_TOPIC)),
        _ => ("telescope_command_status", commands),
    };
    let (answered, unanswered) = (
        landed(ACKNOWLEDGMENTS_TOPIC),
        watch.facts.produced.unanswered,
    );
    let mut checks = vec![Check {
        what: "rows",
        found: count(watch, "telescope", table).await?,
        expected,
    }];
    if connector == "telescope-correlation-sink" {
        let database = watch.databases.of("telescope")?;
        for (what, query, expected) in [
            (
                "commands acknowledged in time",
                "SELECT count(*) FROM telescope_command_status WHERE state = 'acknowledged'",
                answered,
            ),
            (
                "commands that timed out",
                "SELECT count(*) FROM telescope_command_status WHERE state = 'timed_out'",
                unanswered,
            ),
        ] {
            checks.push(Check {
                what,
                found: database.number(query).await?,
                expected,
            });
        }
    }
    Ok(checks)
}

async fn iot(connector: &str, watch: &mut Watch) -> Result<Vec<Check>> {
    let frames = watch.facts.produced.split(FRAMES_TOPIC).landed;
    let points = (frames * POINTS_OF_A_FRAME) as u64;
    Ok(match connector {
        "iot-decode" => vec![Check {
            what: "measurements, two for each frame that is whole",
            found: watch.facts.landed(IOT.topic, &watch.topics.seen),
            expected: points,
        }],
        _ => vec![Check {
            what: "rows, one for each well-formed measurement",
            found: count(watch, "iot", "iot_measurements").await?,
            expected: watch.facts.produced.split(IOT.topic).landed as u64 + points,
        }],
    })
}

/// When an interval begins, in milliseconds since 1970.
pub fn interval_of(at: i64) -> i64 {
    at - at.rem_euclid(INTERVAL_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_begins_at_a_half_minute() {
        assert_eq!(interval_of(1_719_835_259_999), 1_719_835_230_000);
        assert_eq!(interval_of(1_719_835_260_000), 1_719_835_260_000);
        assert_eq!(interval_of(-1), -30_000);
    }

    #[test]
    fn records_that_were_posted_count_by_their_answers() {
        let direct = Split {
            landed: 90,
            remembered: 5,
            refused: 4,
        };
        let posts = Posts {
            accepted: 9,
            passed: 1,
            refused: 2,
            wrong: 0,
        };
        let facts = Facts {
            produced: Produced {
                direct: BTreeMap::from([(ACTIVITY.topic, direct)]),
                ..Produced::default()
            },
            posts: BTreeMap::from([(ACTIVITY.topic, posts)]),
            ..Facts::default()
        };
        assert_eq!(facts.with_posts(ACTIVITY.topic), (104, 5));
        assert_eq!(facts.with_posts(USER_ACTIVITY.topic), (0, 0));
    }
}
