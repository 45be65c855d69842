//! The rules: what they measure in the last frames of a vehicle, and how bad it is.

use ferrule_plugin::state::Ring;
use uuid::Uuid;

use crate::config::Settings;
use crate::frame::Sample;
use crate::vehicle::FRAMES;

/// How far a threshold is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Info,
    Warning,
    Critical,
}

/// What a rule found at a frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) event_id: Uuid,
    /// The event of the frame with which the anomaly began.
    pub(crate) began_with: Uuid,
    pub(crate) received: i64,
    pub(crate) severity: Severity,
    pub(crate) kind: Kind,
    /// The frames that it rests on, the one that broke the rule last.
    pub(crate) evidence: Vec<Sample>,
}

/// The rule that was broken, and what it measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    SuddenDeceleration {
        velocity_delta: f64,
        deceleration: f64,
    },
    PerceptionInstability {
        probability_delta: Option<f64>,
        yaw_rate_delta: Option<f64>,
        /// Whether the probability passed its threshold by more than the yaw rate did.
        by_probability: bool,
    },
}

/// What the rules find at the newest frame of the history.
pub(crate) fn check(
    settings: &Settings,
    history: &Ring<Sample, FRAMES>,
    event_id: Uuid,
    received: i64,
) -> impl Iterator<Item = Finding> {
    let found = [
        sudden_deceleration(settings, history),
        perception_instability(settings, history),
    ];
    let found = found.into_iter().flatten();
    found.map(move |(severity, kind, evidence)| Finding {
        event_id,
        began_with: event_id,
        received,
        severity,
        kind,
        evidence,
    })
}

type Found = Option<(Severity, Kind, Vec<Sample>)>;

/// Both measures must pass their thresholds; the one that does so by less tells the severity.
fn sudden_deceleration(settings: &Settings, history: &Ring<Sample, FRAMES>) -> Found {
    let current = history.last()?;
    let deceleration = -current.along();
    if deceleration <= settings.deceleration {
        return None;
    }
    // The evidence begins where the vehicle was fastest.
    let fastest = window(settings, history).reduce(|fastest, sample| {
        match sample.velocity > fastest.velocity {
            true => sample,
            false => fastest,
        }
    })?;
    let loss = fastest.velocity - current.velocity;
    if loss <= settings.velocity_delta {
        return None;
    }
    let ratio = (deceleration / settings.deceleration).min(loss / settings.velocity_delta);
    let kind = Kind::SuddenDeceleration {
        velocity_delta: -loss,
        deceleration,
    };
    let evidence = window(settings, history).skip_while(|sample| sample.index < fastest.index);
    Some((severity(settings, ratio), kind, evidence.copied().collect()))
}

/// One measure is enough; the one that passes its threshold by more tells the severity.
fn perception_instability(settings: &Settings, history: &Ring<Sample, FRAMES>) -> Found {
    let current = history.last()?;
    let before = window(settings, history).rev().nth(1)?;
    let delta = |of: fn(&Sample) -> Option<f64>| Some(of(current)? - of(before)?);
    let probability_delta = delta(|sample| sample.label_probability);
    let yaw_rate_delta = delta(|sample| sample.yaw_rate);
    let ratio = |delta: Option<f64>, threshold: f64| delta.map_or(0.0, |it| it.abs() / threshold);
    let by_probability = ratio(probability_delta, settings.probability_jump);
    let by_yaw_rate = ratio(yaw_rate_delta, settings.yaw_rate_jump);
    let ratio = by_probability.max(by_yaw_rate);
    if ratio <= 1.0 {
        return None;
    }
    let kind = Kind::PerceptionInstability {
        probability_delta,
        yaw_rate_delta,
        by_probability: by_probability >= by_yaw_rate,
    };
    let evidence = window(settings, history).copied().collect();
    Some((severity(settings, ratio), kind, evidence))
}

/// The frames of the window, oldest first; the newest is always of them.
fn window<'a>(
    settings: &Settings,
    history: &'a Ring<Sample, FRAMES>,
) -> impl DoubleEndedIterator<Item = &'a Sample> + use<'a> {
    let now = history.last().map_or(0, |sample| sample.event_time);
    let since = now.saturating_sub(settings.window_ms.saturating_mul(1000));
    history
        .iter()
        .filter(move |sample| sample.event_time >= since)
}

fn severity(settings: &Settings, ratio: f64) -> Severity {
    if ratio >= settings.critical_ratio {
        Severity::Critical
    } else if ratio >= settings.warning_ratio {
        Severity::Warning
    } else {
        Severity::Info
    }
}
