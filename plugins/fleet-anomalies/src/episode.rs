//! Episodes: what a rule finds in frame after frame is one anomaly.

use ferrule_plugin::state::Stored;
use uuid::Uuid;

use crate::config::Settings;
use crate::rules::{Finding, Kind, Severity};

/// The last episode of each kind of anomaly of a vehicle.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Episodes {
    sudden_deceleration: Option<Episode>,
    perception_instability: Option<Episode>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Episode {
    /// The event that began it, by which the anomaly is named.
    event_id: Uuid,
    /// The time of the last frame of it, in microseconds since 1970.
    last: i64,
    /// The gravest so far.
    severity: Severity,
}

impl Episodes {
    /// What is to be told of a finding: nothing, if it goes on with an episode and is no graver;
    /// the
    /// same anomaly again, if it is graver; else a new one.
    pub(crate) fn take(&mut self, settings: &Settings, mut finding: Finding) -> Option<Finding> {
        let episode = match finding.kind {
            Kind::SuddenDeceleration { .. } => &mut self.sudden_deceleration,
            Kind::PerceptionInstability { .. } => &mut self.perception_instability,
        };
        let at = finding.evidence.last().map_or(0, |last| last.event_time);
        let cooldown = settings.cooldown_ms.saturating_mul(1000).unsigned_abs();
        match episode {
            Some(episode) if cooldown > 0 && at.abs_diff(episode.last) <= cooldown => {
                episode.last = episode.last.max(at);
                if finding.severity <= episode.severity {
                    return None;
                }
                episode.severity = finding.severity;
                finding.began_with = episode.event_id;
                Some(finding)
            }
            _ => {
                *episode = Some(Episode {
                    event_id: finding.event_id,
                    last: at,
                    severity: finding.severity,
                });
                Some(finding)
            }
        }
    }
}

impl Stored for Episodes {
    fn write(&self, out: &mut Vec<u8>) {
        self.sudden_deceleration.write(out);
        self.perception_instability.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Episodes> {
        Some(Episodes {
            sudden_deceleration: Stored::read(bytes)?,
            perception_instability: Stored::read(bytes)?,
        })
    }
}

impl Stored for Episode {
    fn write(&self, out: &mut Vec<u8>) {
        self.event_id.as_u128().write(out);
        self.last.write(out);
        self.severity.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Episode> {
        Some(Episode {
            event_id: Uuid::from_u128(Stored::read(bytes)?),
            last: Stored::read(bytes)?,
            severity: Stored::read(bytes)?,
        })
    }
}

impl Stored for Severity {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Severity::Info => 0,
            Severity::Warning => 1,
            Severity::Critical => 2,
        });
    }

    fn read(bytes: &mut &[u8]) -> Option<Severity> {
        match u8::read(bytes)? {
            0 => Some(Severity::Info),
            1 => Some(Severity::Warning),
            2 => Some(Severity::Critical),
            _ => None,
        }
    }
}
