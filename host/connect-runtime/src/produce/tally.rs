//! What was planted in records that were made up: so that a test can tell what must be found.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::generate::{Expect, POINTS_OF_A_FRAME, Planted};
use super::input::Outgoing;
use super::made::Name;

/// Planted things that are told one by one.
const MOST_LINES: usize = 20;

/// What was sent.
#[derive(Default)]
pub struct Tally {
    made: Option<(Name, u64)>,
    good: u64,
    bad: BTreeMap<String, u64>,
    planted: Vec<Planted>,
    users: BTreeSet<String>,
    page_views: u64,
}

impl Tally {
    /// Of what a generator makes.
    pub fn of(name: Name, seed: u64) -> Self {
        Self {
            made: Some((name, seed)),
            ..Self::default()
        }
    }

    /// Counts a record.
    pub fn add(&mut self, outgoing: &Outgoing) {
        let Some(made) = &outgoing.made else {
            return;
        };
        if let Expect::Refused(kind) = made.expect {
            *self.bad.entry(kind.to_string()).or_default() += 1;
            return;
        }
        self.good += 1;
        self.planted.extend(made.planted.clone());
        let is_analytics = matches!(self.made, Some((Name::Analytics, _)));
        if let Some(json) = outgoing.json.as_deref().filter(|_| is_analytics) {
            let json: Json = serde_json::from_slice(json).unwrap_or_default();
            if json["activity_type"] == "page_view" {
                self.page_views += 1;
            }
            if let Some(user) = json["user_id"].as_str() {
                self.users.insert(user.to_owned());
            }
        }
    }

    /// What the good ones of frames come to.
    fn measurements(&self) -> u64 {
        self.good * POINTS_OF_A_FRAME as u64
    }

    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let Some((name, seed)) = self.made else {
            return Vec::new();
        };
        let bad: u64 = self.bad.values().sum();
        let mut lines = vec![format!(
            "made of seed {seed}: {} good records, {bad} malformed",
            self.good
        )];
        let kinds = self.bad.iter();
        lines.extend(kinds.map(|(kind, count)| format!("  {count} with {kind}")));
        if let Name::Fleetops | Name::TelescopeCommands = name {
            let count = self.planted.len();
            lines.push(match name {
                Name::Fleetops => format!("{count} vehicles brake, and one alarm is due for each:"),
                _ => format!("{count} commands stay unanswered:"),
            });
            let planted = self.planted.iter().take(MOST_LINES);
            lines.extend(planted.map(|planted| {
                let Planted { key, details, .. } = planted;
                match details["event_time"].as_str() {
                    Some(time) => {
                        format!("  {key} from frame {} on, {time}", details["frame_index"])
                    }
                    None => format!("  {key}"),
                }
            }));
            if count > MOST_LINES {
                lines.push(format!("  and {} more: see --planted", count - MOST_LINES));
            }
        }
        if name == Name::IotFrames {
            lines.push(format!("{} measurements are due", self.measurements()));
        }
        if name == Name::Analytics {
            lines.push(format!(
                "{} unique users, {} page views",
                self.users.len(),
                self.page_views
            ));
        }
        lines
    }

    /// For programs.
    pub fn json(&self) -> Json {
        let planted = self.planted.iter().map(|planted| {
            let mut all = json!({ "what": planted.what, "key": planted.key });
            if let (Some(all), Some(details)) = (all.as_object_mut(), planted.details.as_object()) {
                all.extend(details.clone());
            }
            all
        });
        let mut all = json!({
            "seed": self.made.map(|(_, seed)| seed),
            "good": self.good,
            "malformed": self.bad,
            "planted": planted.collect::<Vec<_>>(),
        });
        if let Some((Name::IotFrames, _)) = self.made {
            all["measurements"] = json!(self.measurements());
        }
        if let Some((Name::Analytics, _)) = self.made {
            all["unique_users"] = json!(self.users.len());
            all["page_views"] = json!(self.page_views);
        }
        all
    }
}
