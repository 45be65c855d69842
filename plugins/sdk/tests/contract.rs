//! A plugin written with the SDK, run by its native bench: rows, shapes, state, ticks, failures.

use ferrule_plugin::testing::{Answer, Content, Runner, reset, world};
use ferrule_plugin::{
    Config, ConfigErrors, ConfigKey, Description, Failure, Kind, OutRecord, Outcome, Record,
    RowShape, Tick, Timestamp, Transform, Value, log, metrics, state,
};
use proptest::prelude::*;

ferrule_plugin::fields! {
    const FIELDS;
    ID = "id",
    SPEED = "speed",
}

/// Does what the field `id` says.
struct Everything {
    shape: RowShape,
    limit: f64,
}

impl Transform for Everything {
    const FIELDS: &'static [&'static str] = FIELDS;

    fn describe() -> Description {
        Description::new("everything", "1", "For tests.")
            .key(ConfigKey::float("limit", 10.0, "A limit."))
            .stateful()
            .ticking()
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let limit = errors.note(config.float("limit"));
        let shape = RowShape::new("out")
            .required("id", Kind::Text)
            .optional("n", Kind::Int64);
        errors.or(Everything { shape, limit })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let row = record.row()?;
        let id: &str = row.required(ID)?;
        match id {
            "drop" => return Ok(Outcome::Drop),
            "fail" => return Err(Failure::at("id", "is unwanted")),
            "edit" => {
                let row = row.with([("id", "edited".into())])?;
                return Ok(Outcome::replace(
                    OutRecord::new(row).topic("other").timestamp(7),
                ));
            }
            "none" => return Ok(Outcome::replace(row.with([("nothing", true.into())])?)),
            _ => {}
        }
        if row
            .optional::<f64>(SPEED)?
            .is_some_and(|speed| speed <= self.limit)
        {
            return Ok(Outcome::Keep);
        }
        let seen = state::get(id).map_or(0, |bytes| bytes.len() as i64) + 1;
        state::set_for(id, vec![0; seen as usize], 100)?;
        metrics::count("seen", 1);
        log::info("counted");
        Ok(Outcome::replace(self.shape.row([id.into(), seen.into()])))
    }

    fn tick(&mut self, tick: Tick<'_>) -> Vec<OutRecord> {
        let entries = state::scan("", None, 10);
        metrics::gauge("entries", entries.len() as f64);
        let row = |(key, _): (Vec<u8>, _)| {
            let id = String::from_utf8(key).unwrap();
            OutRecord::new(self.shape.row([id.into(), Value::Int(tick.now)]))
        };
        entries.into_iter().map(row).collect()
    }
}

ferrule_plugin::export!(Everything);

fn runner() -> Runner<Everything> {
    reset();
    Runner::new(&[]).unwrap()
}

#[test]
fn outcomes_stand_in_the_order_of_the_records() {
    let answers = runner().batch([
        [("id", "drop".into())].into(),
        [("speed", 9.5.into()), ("id", "x".into())].into(),
        Value::Null.into(),
        [("id", "fail".into())].into(),
        [("id", "edit".into()), ("other", 1i64.into())].into(),
    ]);
    assert_eq!(answers[..2], [Answer::Drop, Answer::Keep]);
    assert_eq!(
        answers[2].clone().failure(),
        (None, "the value is not a struct or a JSON object".into())
    );
    assert_eq!(
        answers[3].clone().failure(),
        (Some("id".into()), "is unwanted".into())
    );
    let edited = answers[4].clone().record();
    assert_eq!(
        (edited.topic.as_deref(), edited.timestamp),
        (Some("other"), Some(7))
    );
    assert_eq!(
        edited.value,
        [("id", "edited".into()), ("other", 1i64.into())].into()
    );
}

#[test]
fn a_field_of_another_kind_is_a_failure_that_names_it_and_not_its_value() {
    let failure = runner().row([("id", 4711i64.into())]).failure();
    assert_eq!(
        failure,
        (Some("id".into()), "must be text, not an integer".into())
    );
    let failure = runner().row([("id", Value::Null)]).failure();
    assert_eq!(failure, (Some("id".into()), "is required".into()));
    let failure = runner().row([("id", "none".into())]).failure();
    assert_eq!(
        failure,
        (
            Some("nothing".into()),
            "is not a field of the record".into()
        )
    );
}

#[test]
fn state_metrics_and_log_are_kept_between_records() {
    let mut runner = runner();
    for n in 1..=3i64 {
        let made = runner.row([("id", "a".into())]).record();
        assert_eq!(made.value, [("id", "a".into()), ("n", n.into())].into());
    }
    runner.row([("id", "b".into())]).record();
    assert_eq!(
        world(|world| (world.counters["seen"], world.lines.len())),
        (4, 4)
    );
    let ids: Vec<_> = runner
        .tick(50)
        .iter()
        .map(|made| made.field("id").clone())
        .collect();
    assert_eq!(ids, ["a".into(), "b".into()]);
    assert_eq!(world(|world| world.gauges["entries"]), 2.0);
    assert_eq!(runner.tick(103).len(), 2, "only records move the clock");
    world(|world| world.advance(103));
    assert!(runner.tick(103).is_empty(), "their time is over");
}

#[test]
fn a_full_state_is_a_failure() {
    let mut runner = runner();
    world(|world| world.state_limit = Some(3));
    runner.row([("id", "a".into())]).record();
    runner.row([("id", "a".into())]).record();
    let failure = runner.row([("id", "a".into())]).failure();
    assert_eq!(
        failure,
        (None, "the plugin's state is full (3 bytes)".into())
    );
}

#[test]
fn a_bad_configuration_names_the_key() {
    let errors = Runner::<Everything>::new(&[("limit", "fast")])
        .err()
        .unwrap();
    assert_eq!(errors.0[0].key, "limit");
}

#[test]
fn a_number_is_no_timestamp() {
    struct Times;
    impl Transform for Times {
        fn describe() -> Description {
            Description::new("times", "1", "For tests.")
        }
        fn configure(_: &Config) -> Result<Self, ConfigErrors> {
            Ok(Times)
        }
        fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
            let at: Option<Timestamp> = record.row()?.optional("at")?;
            Ok(at.map_or(Outcome::Drop, |_| Outcome::Keep))
        }
    }
    let mut runner = Runner::<Times>::new(&[]).unwrap();
    assert_eq!(runner.row([("at", Value::Timestamp(0))]), Answer::Keep);
    assert_eq!(runner.row([("at", Value::Null)]), Answer::Drop);
    let failure = runner.row([("at", Value::Int(0))]).failure();
    assert_eq!(failure.1, "must be a timestamp, not an integer");
}

proptest! {
    #[test]
    fn a_field_is_found_wherever_it_stands(
        before in proptest::collection::vec("[a-h]{2}", 0..6),
        after in proptest::collection::vec("[k-z]{2}", 0..6),
    ) {
        let mut names: Vec<String> = before.into_iter().chain(["id".into()]).chain(after).collect();
        names.retain({
            let mut seen = std::collections::BTreeSet::new();
            move |name| seen.insert(name.clone())
        });
        let value = |name: &String| if name == "id" { "edit".into() } else { Value::Null };
        let fields: Vec<_> = names.iter().map(|name| (name.clone(), value(name))).collect();
        let made = runner().one(fields.clone()).record();
        prop_assert_eq!(made.field("id"), &Value::from("edited"));
        let Content::Row(out) = made.value else { panic!("not a row") };
        prop_assert_eq!(out.len(), fields.len());
    }
}
