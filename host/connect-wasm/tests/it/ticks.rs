//! When a plugin is ticked: in silence by default, and for the last time where it is told to flush.

use std::sync::Arc;
use std::time::Duration;

use connect_api::{
    ConfigDef, Datum, ErrorKind, Field, Kind, Offset, Properties, Record, Schema, SinkRecord,
    Struct, Tick, TickReason, Timestamp, Transformation, Value,
};

use crate::{apply, build, plugins, record, topic_partition};

fn activity(offset: i64) -> SinkRecord {
    let schema = Schema::new(Kind::Struct(vec![
        Field::new("user_id", Schema::new(Kind::String)),
        Field::new("activity_type", Schema::new(Kind::String)),
    ]));
    let values = vec!["a".into(), "page_view".into()];
    let row = Struct::new(Arc::new(schema), values);
    record(offset, Datum::schemaless(Value::Struct(Box::new(row))))
}

fn ticked(plugin: &mut Box<dyn Transformation>, reason: TickReason) -> Vec<Record> {
    let tick = Tick {
        next_offset: Offset(1),
        reason,
    };
    plugin.tick(&topic_partition(), tick).unwrap()
}

#[test]
fn a_plugin_that_ticks_is_ticked_in_silence_unless_that_is_turned_off() {
    let interval = |name: &str, given: &[(&str, &str)]| {
        let plugin = build(plugins(), name, given);
        plugin.map(|plugin| plugin.tick_interval())
    };
    let second = Some(Duration::from_secs(1));
    assert_eq!(interval("activity-metrics", &[]).unwrap(), second);
    assert_eq!(interval("fleet-anomalies", &[]).unwrap(), second);
    let off = [("tick.interval.ms", "0")];
    assert_eq!(interval("activity-metrics", &off).unwrap(), None);
    let given = [("tick.interval.ms", "250")];
    let quarter = Some(Duration::from_millis(250));
    assert_eq!(interval("activity-metrics", &given).unwrap(), quarter);
    // One that does not tick.
    assert_eq!(interval("activity-event", &[]).unwrap(), None);
    assert_eq!(interval("activity-event", &off).unwrap(), None);
    for given in [("tick.interval.ms", "250"), ("flush.on.stop", "true")] {
        let error = interval("activity-event", &[given]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("does not tick"), "{error}");
    }
}

#[test]
fn the_default_is_in_the_definition() {
    let definition = |name: &str| -> ConfigDef {
        let info = plugins().find(name).unwrap();
        plugins().host_config_def(&info)
    };
    let value = |name: &str, given: &[(&str, &str)]| {
        let given = given
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let parsed = definition(name).parse(&given.collect::<Properties>());
        parsed.map(|config| config.optional_integer("tick.interval.ms"))
    };
    assert_eq!(value("activity-metrics", &[]).unwrap(), Some(1000));
    assert_eq!(value("activity-event", &[]).unwrap(), None);
    for wrong in ["99", "-1", "soon"] {
        assert!(
            value("activity-metrics", &[("tick.interval.ms", wrong)]).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn a_flush_emits_what_waits_and_its_state_goes_along() {
    let given = [("flush.on.stop", "true")];
    let mut plugin = build(plugins(), "activity-metrics", &given).unwrap();
    assert!(plugin.flushes_on_stop());
    assert!(
        !build(plugins(), "activity-metrics", &[])
            .unwrap()
            .flushes_on_stop()
    );
    apply(&mut plugin, &[activity(0)]);
    plugin.state_changes(&topic_partition());
    let soon = Timestamp(1_500);
    assert!(ticked(&mut plugin, TickReason::Batch).is_empty());
    assert!(ticked(&mut plugin, TickReason::Quiet(soon)).is_empty());
    let made = ticked(&mut plugin, TickReason::Flush(soon));
    let [row] = &made[..] else { panic!("{made:?}") };
    let row = row.value.value.as_struct().unwrap();
    assert_eq!(row.get("page_view_count"), Some(&Value::Int(1)));
    let changes = plugin.state_changes(&topic_partition()).unwrap();
    assert!(
        changes.entries.values().all(Option::is_none),
        "the window is gone"
    );
    assert!(
        ticked(&mut plugin, TickReason::Flush(soon)).is_empty(),
        "once"
    );
    // The next tick is no flush.
    apply(&mut plugin, &[activity(1)]);
    assert!(ticked(&mut plugin, TickReason::Quiet(soon)).is_empty());
}
