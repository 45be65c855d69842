//! A plain model, which keeps everything and looks through all of it, and the plugin beside it:
//! the same anomalies, however the records are cut into batches and the plugin is restarted.

use std::collections::BTreeMap;

use ferrule_plugin::Value;
use ferrule_plugin::testing::{Made, Runner, reset};
use proptest::prelude::*;

use super::{Shot, counter};
use crate::FleetAnomalies;

/// The time within which what a rule finds is the same anomaly.
const COOLDOWN: i64 = 1_500;

/// What an anomaly is told by: its event and its id, its rule, its severity, and its frames.
type Told = (String, String, String, String);

#[derive(Default)]
struct Model {
    clock: i64,
    duplicate: u64,
    late: u64,
    vehicles: BTreeMap<String, Kept>,
}

#[derive(Default)]
struct Kept {
    events: Vec<(u128, i64)>,
    seen: i64,
    session: u8,
    ordered: Vec<Shot>,
    /// With the time at which each came.
    waiting: Vec<(i64, Shot)>,
    newest: Option<i64>,
    told: Vec<Told>,
    former: Vec<u8>,
    /// Of each rule's kind: the event it began with, the last time, the gravest severity.
    episodes: BTreeMap<&'static str, (u128, i64, u8)>,
}

impl Model {
    fn take(&mut self, shot: &Shot) {
        self.clock = self.clock.max(shot.at);
        let now = self.clock;
        let kept = self.vehicles.entry(shot.vehicle.clone()).or_default();
        if kept
            .events
            .iter()
            .any(|(id, at)| *id == shot.event && now - at < 60_000)
        {
            self.duplicate += 1;
            return;
        }
        kept.events.push((shot.event, now));
        kept.release_due(now);
        let silent = now - kept.seen > 60_000;
        let other = kept.session != shot.session;
        if other && !silent && kept.former.contains(&shot.session) {
            self.late += 1;
            return;
        }
        if kept.newest.is_some() && (silent || other) {
            kept.former.push(kept.session);
            if silent {
                kept.former.clear();
            }
            let over = kept.former.len().saturating_sub(4);
            kept.former.drain(..over);
            kept.waiting.sort_by_key(|(_, shot)| shot.index);
            for (_, shot) in std::mem::take(&mut kept.waiting) {
                kept.order(shot);
            }
            kept.ordered.clear();
            kept.episodes.clear();
            kept.newest = None;
        }
        (kept.seen, kept.session) = (now, shot.session);
        let newest = kept.newest.unwrap_or(shot.index).max(shot.index);
        let there = kept.waiting.iter().any(|(_, it)| it.index == shot.index);
        let passed = kept.ordered.last().is_some_and(|it| shot.index <= it.index);
        if there || passed || shot.index < newest - 2 {
            self.late += 1;
            return;
        }
        kept.newest = Some(newest);
        kept.waiting.push((now, shot.clone()));
        while let Some(at) = kept.next() {
            let (_, shot) = kept.waiting.remove(at);
            kept.order(shot);
        }
    }
}

impl Kept {
    /// The waiting frame that may go now.
    fn next(&self) -> Option<usize> {
        let (at, (_, shot)) = self
            .waiting
            .iter()
            .enumerate()
            .min_by_key(|(_, (_, shot))| shot.index)?;
        let follows = self.ordered.last().map(|last| last.index + 1) == Some(shot.index);
        (follows || shot.index <= self.newest? - 2).then_some(at)
    }

    fn release_due(&mut self, now: i64) {
        let due = self.waiting.iter().filter(|(since, _)| now - since >= 1000);
        let Some(upto) = due.map(|(_, shot)| shot.index).max() else {
            return;
        };
        self.waiting.sort_by_key(|(_, shot)| shot.index);
        while self
            .waiting
            .first()
            .is_some_and(|(_, shot)| shot.index <= upto)
        {
            let (_, shot) = self.waiting.remove(0);
            self.order(shot);
        }
    }

    fn order(&mut self, shot: Shot) {
        self.ordered.push(shot.clone());
        let last = &self.ordered[self.ordered.len().saturating_sub(10)..];
        let since = shot.event_time() - 500_000;
        let window: Vec<_> = last.iter().filter(|it| it.event_time() >= since).collect();
        let episodes = &mut self.episodes;
        let mut told = |rule: &str, kind: &'static str, ratio: f64, frames: &[&Shot]| {
            let (rank, severity) = match ratio {
                ratio if ratio >= 2.0 => (2, "CRITICAL"),
                ratio if ratio >= 1.25 => (1, "WARNING"),
                _ => (0, "INFO"),
            };
            let at = shot.event_time() / 1000;
            let going_on = episodes
                .get(kind)
                .copied()
                .filter(|(_, last, _)| (at - last).abs() <= COOLDOWN);
            let (began, last, gravest) = going_on.unwrap_or((shot.event, at, rank));
            episodes.insert(kind, (began, last.max(at), gravest.max(rank)));
            if going_on.is_some() && rank <= gravest {
                return None;
            }
            let frames: Vec<_> = frames.iter().map(|it| it.index).collect();
            let event = uuid::Uuid::from_u128(shot.event);
            let id = crate::anomaly::id(&shot.vehicle, uuid::Uuid::from_u128(began), kind);
            let named = format!("{event} {id}");
            Some((named, rule.into(), severity.into(), format!("{frames:?}")))
        };
        let mut fastest = 0;
        for (at, frame) in window.iter().enumerate() {
            if frame.velocity > window[fastest].velocity {
                fastest = at;
            }
        }
        let loss = window[fastest].velocity - shot.velocity;
        let deceleration = -(shot.velocity * shot.acceleration) / shot.velocity;
        if deceleration > 3.0 && loss > 5.0 {
            let ratio = (deceleration / 3.0).min(loss / 5.0);
            let frames = &window[fastest..];
            let kind = "sudden_deceleration";
            self.told
                .extend(told("decel_threshold_exceeded", kind, ratio, frames));
        }
        if let [.., before, now] = &window[..] {
            let probability = (now.probability - before.probability).abs() / 0.3;
            let yaw_rate = (now.yaw_rate - before.yaw_rate).abs() / 0.5;
            let rule = match probability >= yaw_rate {
                true => "label_probability_jump_exceeded",
                false => "yaw_rate_jump_exceeded",
            };
            if probability.max(yaw_rate) > 1.0 {
                let ratio = probability.max(yaw_rate);
                self.told
                    .extend(told(rule, "perception_instability", ratio, &window));
            }
        }
    }
}

fn told(made: &Made) -> (String, Told) {
    let text = |field: &str| match made.field(field) {
        Value::Text(text) => text.clone(),
        other => panic!("{field} is {other:?}"),
    };
    let frames = super::nested(made, "evidence")["frame_indices"].to_string();
    let told = (
        format!("{} {}", text("event_id"), text("anomaly_id")),
        text("triggered_rule"),
        text("severity"),
        frames.replace(',', ", "),
    );
    (text("vehicle_id"), told)
}

/// A walk over frame indices, that goes on, jumps, comes back, and repeats.
fn shots() -> impl Strategy<Value = Vec<(Shot, bool, bool)>> {
    let step = (
        (
            0u8..2,
            -3i64..4,
            prop::sample::select(vec![0, 50, 250, 900, 61_000]),
        ),
        (1.0..20.0f64, -8.0..2.0f64, 0.0..1.0f64, -1.0..1.0f64),
        (0u8..20, any::<bool>(), prop::bool::weighted(0.1)),
    );
    prop::collection::vec(step, 0..80).prop_map(|steps| {
        let (mut at, mut index, mut session) = (0, [20i64; 2], 0);
        let mut shots: Vec<(Shot, bool, bool)> = Vec::new();
        for (event, ((vehicle, by, after), measured, (luck, cut, restart))) in (0..).zip(steps) {
            at += if after == 61_000 && luck > 2 {
                100
            } else {
                after
            };
            let place = &mut index[usize::from(vehicle)];
            // Mostly on by one.
            *place = (*place + if luck < 12 { 1 } else { by }).max(0);
            // Another replay begins, or a frame of one that was comes late.
            session = match luck {
                19 => session + 1,
                18 if session > 0 => session - 1,
                _ => session,
            };
            let (velocity, acceleration, probability, yaw_rate) = measured;
            let again = shots.len().checked_sub(usize::from(luck));
            let event = match (luck, again.and_then(|at| shots.get(at))) {
                (13..17, Some((shot, ..))) => shot.event,
                _ => event,
            };
            let shot = Shot {
                vehicle: format!("v{vehicle}"),
                event,
                at,
                session,
                index: *place,
                velocity,
                acceleration,
                probability,
                yaw_rate,
            };
            shots.push((shot, cut, restart));
        }
        shots
    })
}

proptest! {
    #[test]
    fn it_finds_what_the_model_finds(shots in shots()) {
        let mut model = Model::default();
        shots.iter().for_each(|(shot, ..)| model.take(shot));
        model.vehicles.values_mut().for_each(|kept| kept.release_due(i64::MAX / 2));

        reset();
        let mut runner = Runner::<FleetAnomalies>::new(&[("cooldown.ms", "1500")]).unwrap();
        let (mut batch, mut made) = (Vec::new(), Vec::new());
        for (shot, cut, restart) in &shots {
            batch.push(shot.input());
            if *cut {
                made.extend(runner.deliver(batch.drain(..)).made());
            }
            if *restart {
                runner.restart();
            }
        }
        made.extend(runner.deliver(batch).made());
        made.extend(runner.tick(i64::MAX / 2));

        let mut found: BTreeMap<String, Vec<Told>> = BTreeMap::new();
        for (vehicle, told) in made.iter().map(told) {
            found.entry(vehicle).or_default().push(told);
        }
        let wanted = model.vehicles.into_iter().map(|(name, kept)| (name, kept.told));
        let wanted: BTreeMap<_, _> = wanted.filter(|(_, told)| !told.is_empty()).collect();
        prop_assert_eq!(found, wanted);
        prop_assert_eq!(counter("events_duplicate"), model.duplicate);
        prop_assert_eq!(counter("frames_late"), model.late);
    }
}
