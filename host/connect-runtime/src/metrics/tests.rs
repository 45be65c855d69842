//! What a scrape of a scripted worker says: each name of the dashboards, the format, the values,
//! and how large it is.

mod dashboards;
mod page;
mod scrape;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connect_kafka::{ClientMeter, ClientNumbers, Measured, NodeNumbers, Spread, TopicNumbers};

use super::*;
use scrape::Scrape;

/// What a client has done after so many seconds.
fn numbers(id: &str, seconds: u64) -> ClientNumbers {
    let count = seconds as f64;
    let spread = Some(Spread {
        average: 2.0,
        max: 4.0,
    });
    let topic = TopicNumbers {
        records_sent: count,
        bytes_sent: 10.0 * count,
        records_received: count,
        bytes_received: 10.0 * count,
        lag: BTreeMap::from([(0, 3.0), (1, 7.0)]),
    };
    let node = NodeNumbers {
        bytes_sent: count,
        bytes_received: count,
        requests: count,
        responses: count,
    };
    ClientNumbers {
        client_id: id.to_owned(),
        age: Duration::from_secs(seconds),
        connections: 2.0,
        requests: count,
        bytes_received: 100.0 * count,
        latency: spread,
        queued: spread,
        throttled: spread,
        batch: spread,
        kinds: BTreeMap::from([("Fetch".to_owned(), count)]),
        nodes: BTreeMap::from([(1, node)]),
        topics: BTreeMap::from([("t".to_owned(), topic)]),
        ..ClientNumbers::default()
    }
}

fn measured(id: &str) -> Measured {
    Measured {
        now: numbers(id, 30),
        before: Some((numbers(id, 20), Duration::from_secs(10))),
    }
}

/// A task with a client, which lives as long as what is returned.
fn task(connector: &str, task: u32, meters: TaskMeters) -> (TaskSeries, Arc<ClientMeter>) {
    let (kind, id) = match &meters {
        TaskMeters::Sink(_) => (ClientKind::Consumer, "connector-consumer"),
        TaskMeters::Source(_) => (ClientKind::Producer, "connector-producer"),
    };
    let client = measured(&format!("{id}-{connector}-{task}"));
    let client = Arc::new(ClientMeter::from(client));
    meters.common().show_client(kind, &client);
    meters.common().enter(State::Running);
    let series = TaskSeries {
        connector: connector.to_owned(),
        task,
        state: State::Running,
        meters,
        restarts: RestartSeries::default(),
    };
    (series, client)
}

fn connector(name: &str, state: State, kind: &'static str) -> ConnectorSeries {
    ConnectorSeries {
        name: name.to_owned(),
        state,
        class: "org.example.Connector".to_owned(),
        kind,
        version: "1".to_owned(),
    }
}

/// A worker that leads, with a sink that runs, another that has failed, and a source.
fn worker() -> (Snapshot, Vec<Arc<ClientMeter>>) {
    let (sink, of_sink) = task("sink", 0, TaskMeters::sink());
    let (source, of_source) = task("source", 0, TaskMeters::source());
    let (mut failed, of_failed) = task("failed", 0, TaskMeters::sink());
    failed.state = State::Failed;
    failed.restarts = RestartSeries {
        count: 3,
        exhausted: true,
    };
    let snapshot = Snapshot {
        connectors: vec![
            connector("sink", State::Running, "sink"),
            connector("source", State::Paused, "source"),
            connector("failed", State::Failed, "sink"),
            connector("stopped", State::Stopped, "sink"),
        ],
        tasks: vec![sink, source, failed],
        rebalances: RebalanceSeries {
            since_last: Some(Duration::from_secs(5)),
            leader: Some("a:8083".to_owned()),
            ..RebalanceSeries::default()
        },
        group: GroupSeries {
            client_id: "connect-a:8083".to_owned(),
            assigned_tasks: 3,
            version: "4.1.0",
            commit: "ferrule",
            client: Some(measured("a")),
        },
        ..Snapshot::default()
    };
    (snapshot, vec![of_sink, of_source, of_failed])
}

fn scrape(snapshot: &Snapshot) -> Scrape {
    Scrape::parse(&exposition(Some(snapshot), Names::All))
}

#[test]
fn each_metric_is_described_once_and_each_series_is_there_once() {
    let (snapshot, _clients) = worker();
    // The parser fails on anything else.
    let scrape = scrape(&snapshot);
    assert!(scrape.series.len() > 400, "{}", scrape.series.len());
    for (name, kind) in &scrape.types {
        let expected = match name.ends_with("_total") {
            true => "counter",
            false if name.ends_with("_seconds") && *kind == "summary" => "summary",
            false => "gauge",
        };
        assert_eq!(kind, expected, "{name}");
    }
}

#[test]
fn what_tasks_have_counted_is_shown_under_both_names() {
    let (snapshot, _clients) = worker();
    let TaskMeters::Sink(sink) = &snapshot.tasks[0].meters else {
        panic!("a sink comes first");
    };
    sink.read.increment(40);
    sink.read.increment(20);
    sink.sent.increment(50);
    sink.active.set(60.0);
    sink.active.set(10.0);
    sink.put_time.took(Duration::from_millis(500));
    sink.common.committed(Duration::from_millis(4));
    sink.common.commits.fail();
    sink.common.record_failed();
    let scrape = scrape(&snapshot);
    let labels = [("connector", "sink"), ("task", "0")];
    let same = |tail: &str, group: &str| {
        let short = scrape.value(&format!("kafka_connect_{group}_{tail}"), &labels);
        let full = scrape.value(&format!("kafka_connect_{group}_metrics_{tail}"), &labels);
        assert_eq!(short, full, "{tail}");
        short.unwrap()
    };
    for (tail, value) in [
        ("sink_record_read_total", 60.0),
        ("sink_record_send_total", 50.0),
        ("sink_record_active_count", 10.0),
        ("sink_record_active_count_max", 60.0),
        ("sink_record_active_count_avg", 35.0),
        ("put_batch_max_time_ms", 500.0),
        ("offset_commit_completion_total", 1.0),
    ] {
        assert_eq!(same(tail, "sink_task"), value, "{tail}");
    }
    assert!(same("sink_record_read_rate", "sink_task") > 1.0);
    assert_eq!(
        same("offset_commit_success_percentage", "connector_task"),
        0.5
    );
    assert_eq!(same("total_record_failures", "task_error"), 1.0);
    assert!(same("last_error_timestamp", "task_error") > 1e12);
    let seconds = "kafka_connect_sink_task_put_batch_seconds_sum";
    assert_eq!(scrape.value(seconds, &labels), Some(0.5));
    // A sink has nothing of a source.
    let polled = "kafka_connect_source_task_source_record_poll_total";
    assert_eq!(scrape.value(polled, &labels), None);
    let source = [("connector", "source"), ("task", "0")];
    assert_eq!(scrape.value(polled, &source), Some(0.0));
}

#[test]
fn tasks_are_counted_by_their_states() {
    let (snapshot, _clients) = worker();
    let scrape = scrape(&snapshot);
    let count = |of: &str, state: &str| {
        let name = format!("kafka_connect_worker_connector_{state}_task_count");
        scrape.value(&name, &[("connector", of)]).unwrap()
    };
    assert_eq!(
        (count("sink", "running"), count("sink", "failed")),
        (1.0, 0.0)
    );
    assert_eq!(
        (count("failed", "running"), count("failed", "failed")),
        (0.0, 1.0)
    );
    assert_eq!(
        (count("sink", "total"), count("sink", "destroyed")),
        (1.0, 0.0)
    );
    assert_eq!(
        scrape.value("kafka_connect_worker_task_count", &[]),
        Some(3.0)
    );
    let status = |connector: &str, status: &str| {
        let labels = [("connector", connector), ("status", status)];
        scrape.value("kafka_connect_connector_status", &labels)
    };
    assert_eq!(status("source", "paused"), Some(1.0));
    assert_eq!(status("source", "running"), None);
    let exhausted = [("connector", "failed"), ("task", "0")];
    let name = "ferrule_task_restart_exhausted";
    assert_eq!(scrape.value(name, &exhausted), Some(1.0));
}

#[test]
fn clients_are_shown_for_as_long_as_they_are_there() {
    let (snapshot, mut clients) = worker();
    let id = "connector-consumer-sink-0";
    let lag = |scrape: &Scrape| {
        let place = [
            ("clientid", id),
            ("client_id", id),
            ("topic", "t"),
            ("partition", "1"),
        ];
        scrape.value("kafka_consumer_fetch_manager_records_lag", &place)
    };
    let before = scrape(&snapshot);
    assert_eq!(lag(&before), Some(7.0));
    let full = [("client_type", "consumer"), ("client_id", id)];
    let name = "kafka_consumer_consumer_fetch_manager_metrics_records_lag_max";
    assert_eq!(before.value(name, &full), Some(7.0));
    let name = "kafka_consumer_consumer_metrics_incoming_byte_rate";
    assert_eq!(before.value(name, &full), Some(100.0));
    clients.remove(0);
    let after = scrape(&snapshot);
    assert_eq!(lag(&after), None);
    assert_eq!(after.value(name, &full), None);
}

#[test]
fn a_name_may_be_anything() {
    let (mut snapshot, _clients) = worker();
    let odd = "a\"b\\c\nd ü{},=";
    snapshot.tasks[0].connector = odd.to_owned();
    snapshot.connectors[0].name = odd.to_owned();
    let scrape = scrape(&snapshot);
    let name = "kafka_connect_sink_task_partition_count";
    assert_eq!(
        scrape.value(name, &[("connector", odd), ("task", "0")]),
        Some(0.0)
    );
    let status = [("connector", odd), ("status", "running")];
    assert_eq!(
        scrape.value("kafka_connect_connector_status", &status),
        Some(1.0)
    );
}

#[test]
fn a_scrape_may_ask_for_one_kind_of_names() {
    let (snapshot, _clients) = worker();
    let scrape = |names| Scrape::parse(&exposition(Some(&snapshot), names));
    let [all, short, full] = [Names::All, Names::Short, Names::Full].map(scrape);
    let labels = [("connector", "sink"), ("task", "0")];
    let of = |scrape: &Scrape| {
        let names = [
            "kafka_connect_sink_task_partition_count",
            "kafka_connect_sink_task_metrics_partition_count",
            "ferrule_task_target_unavailable",
        ];
        names.map(|name| scrape.value(name, &labels).is_some())
    };
    assert_eq!(of(&all), [true, true, true]);
    assert_eq!(of(&short), [true, false, true]);
    assert_eq!(of(&full), [false, true, true]);
    let both = short.series.len() + full.series.len();
    assert!(
        both < all.series.len() * 5 / 4,
        "{both} of {}",
        all.series.len()
    );
}

#[test]
fn without_the_herder_the_process_is_left() {
    let scrape = Scrape::parse(&exposition(None, Names::All));
    assert_eq!(scrape.value("kafka_connect_worker_task_count", &[]), None);
    if cfg!(target_os = "linux") {
        assert!(scrape.value("process_cpu_seconds_total", &[]).is_some());
    }
}

#[test]
fn the_size_of_a_scrape_goes_with_the_tasks() {
    let with = |tasks: u32| {
        let numbers = 0..tasks;
        let (tasks, _clients): (Vec<_>, Vec<_>) = numbers
            .map(|number| {
                task(
                    &format!("connector-{}", number / 6),
                    number % 6,
                    TaskMeters::sink(),
                )
            })
            .unzip();
        let snapshot = Snapshot {
            tasks,
            ..Snapshot::default()
        };
        let begin = Instant::now();
        let text = exposition(Some(&snapshot), Names::All);
        println!("{} bytes in {:?}", text.len(), begin.elapsed());
        text.len()
    };
    let (few, many) = (with(60), with(600));
    let per_task = (many - few) / 540;
    println!("{per_task} bytes a task");
    assert!(per_task < 16_000, "{per_task} bytes a task");
    assert!(many < 11 * few, "{few} bytes for 60 tasks, {many} for 600");
}

#[test]
fn ratios_are_parts_of_a_life() {
    let times = StateTimes::default();
    let start = Instant::now();
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    assert_eq!(times.part(State::Running, at(0)), 0.0);
    times.enter(State::Unassigned, at(0));
    times.enter(State::Running, at(2));
    times.enter(State::Paused, at(6));
    times.enter(State::Running, at(7));
    let part = |state| times.part(state, at(10));
    assert_eq!((part(State::Running), part(State::Paused)), (0.7, 0.1));
}
