//! The recorder of what plugins count: it goes when the task does.
//!
//! The exporter's recorder keeps each series for ever. Here each task has one of its own, found by
//! the labels `connector` and `task`, and all others share one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use connect_api::{Error, Result};
use connect_wasm::meters;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

/// Connector and task, as labels have them.
type TaskLabels = (String, String);

static INSTALLED: OnceLock<Recorders> = OnceLock::new();

/// Buckets of a histogram; others are summaries.
#[derive(Clone, Copy, Debug)]
pub struct Buckets {
    /// The metric.
    pub metric: &'static str,
    /// Their upper bounds, in the metric's unit.
    pub bounds: &'static [f64],
}

/// The recorders of all tasks, and the one of everything else.
#[derive(Clone)]
struct Recorders {
    buckets: Buckets,
    shared: Arc<PrometheusRecorder>,
    tasks: Arc<RwLock<BTreeMap<TaskLabels, Arc<PrometheusRecorder>>>>,
}

/// Begins to record what the process counts.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] for buckets that are none, [`connect_api::ErrorKind::Fatal`]
/// when something records already.
pub fn install(buckets: Buckets) -> Result<()> {
    let recorders = Recorders::new(buckets)?;
    metrics::set_global_recorder(recorders.clone())
        .map_err(|_| Error::fatal("metrics are recorded already"))?;
    INSTALLED.get_or_init(|| recorders);
    Ok(())
}

/// What was recorded, in Prometheus' text format; nothing when nothing records.
pub(super) fn render() -> String {
    INSTALLED.get().map(Recorders::render).unwrap_or_default()
}

/// Forgets what a task that is gone has counted. As with Kafka Connect, one that starts again
/// begins to count anew.
pub(crate) fn forget_task(connector: &str, task: u32) {
    if let Some(recorders) = INSTALLED.get() {
        recorders.forget(connector, &task.to_string());
    }
}

/// Forgets what others than these tasks have counted. A task that was given up may begin to count
/// after it was forgotten.
pub(super) fn prune(tasks: &BTreeSet<TaskLabels>) {
    if let Some(recorders) = INSTALLED.get() {
        recorders.prune(tasks);
    }
}

/// What the metric of a name is, for `# HELP`.
fn help(name: &str) -> &'static str {
    match name {
        meters::RECORDS_IN => "Records that the transform was given.",
        meters::RECORDS_OUT => "Records that the transform passed on.",
        meters::RECORDS_DROPPED => "Records that the transform dropped.",
        meters::RECORDS_FAILED => "Records that the transform failed, or that made it fail.",
        meters::TRAPS => "Calls of the plugin that ended without a result, by their reason.",
        meters::INSTANCES => "Instances of the plugin that were made.",
        meters::MEMORY_BYTES => "Bytes of memory that the plugin's instance has.",
        meters::STATE_KEYS => "Entries of the plugin's state, of all partitions of the task.",
        meters::STATE_BYTES => "Bytes of the plugin's state, of all partitions of the task.",
        meters::CALL_SECONDS => "Seconds of the calls into the plugin.",
        _ => "Counted by the plugin itself.",
    }
}

impl Recorders {
    fn new(buckets: Buckets) -> Result<Self> {
        Ok(Self {
            buckets,
            shared: Arc::new(recorder(buckets)?),
            tasks: Arc::default(),
        })
    }

    /// The recorder that a series belongs to.
    fn of(&self, key: &Key) -> Arc<PrometheusRecorder> {
        let label = |name| {
            let mut labels = key.labels().filter(|label| label.key() == name);
            labels.next().map(|label| label.value().to_owned())
        };
        let Some(labels) = label("connector").zip(label("task")) else {
            return Arc::clone(&self.shared);
        };
        let known = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(recorder) = known.get(&labels) {
            return Arc::clone(recorder);
        }
        drop(known);
        // The buckets were accepted once.
        let Ok(new) = recorder(self.buckets) else {
            return Arc::clone(&self.shared);
        };
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tasks.entry(labels).or_insert_with(|| Arc::new(new)))
    }

    fn forget(&self, connector: &str, task: &str) {
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        tasks.remove(&(connector.to_owned(), task.to_owned()));
    }

    fn prune(&self, tasks: &BTreeSet<TaskLabels>) {
        let mut known = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|labels, _| tasks.contains(labels));
    }

    /// Each metric once, with the series of all recorders under its `# TYPE`.
    fn render(&self) -> String {
        let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
        let tasks: Vec<_> = tasks.values().map(Arc::clone).collect();
        let mut metrics: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for recorder in tasks.iter().chain([&self.shared]) {
            let mut of = String::new();
            for line in recorder
                .handle()
                .render()
                .lines()
                .filter(|line| !line.is_empty())
            {
                if line.starts_with("# TYPE ") {
                    line.clone_into(&mut of);
                    metrics.entry(of.clone()).or_default();
                } else if let Some(series) = metrics.get_mut(&of).filter(|_| !line.starts_with('#'))
                {
                    series.push(line.to_owned());
                }
            }
        }
        let mut text = String::new();
        for (metric, series) in metrics {
            let name = metric.trim_start_matches("# TYPE ");
            let name = name.split_once(' ').map_or(name, |(name, _)| name);
            // Writing to a String never fails.
            let _ = writeln!(text, "# HELP {name} {}", help(name));
            let _ = writeln!(text, "{metric}\n{}", series.join("\n"));
        }
        text
    }
}

fn recorder(buckets: Buckets) -> Result<PrometheusRecorder> {
    let metric = Matcher::Full(buckets.metric.to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(metric, buckets.bounds);
    let builder = builder.map_err(|e| Error::config("buckets of metrics").with_source(e))?;
    Ok(builder.build_recorder())
}

impl Recorder for Recorders {
    // Nothing describes its metrics.
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.of(key).register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.of(key).register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.of(key).register_histogram(key, metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: &str = "ferrule_transform_call_seconds";

    /// Counts for a task, and gives what goes on counting.
    fn count(recorders: &Recorders, connector: &str, task: &str) -> Counter {
        metrics::with_local_recorder(recorders, || {
            let labels = [
                ("connector", connector.to_owned()),
                ("task", task.to_owned()),
            ];
            let counter = metrics::counter!(meters::RECORDS_IN, &labels);
            counter.increment(3);
            metrics::histogram!(SECONDS, &labels).record(0.5);
            metrics::counter!("requests_total").increment(1);
            counter
        })
    }

    fn recorders() -> Recorders {
        let bounds = &[0.1, 1.0];
        let metric = SECONDS;
        Recorders::new(Buckets { metric, bounds }).unwrap()
    }

    #[test]
    fn what_a_task_that_is_gone_has_counted_is_gone() {
        let recorders = recorders();
        for number in 0..100 {
            let connector = format!("c{number}");
            let counter = count(&recorders, &connector, "0");
            let _others = count(&recorders, "stays", "1");
            recorders.forget(&connector, "0");
            // A thread that has not heard of it counts for nobody.
            counter.increment(1);
        }
        let text = recorders.render();
        assert!(!text.contains("connector=\"c"), "{text}");
        let series = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        let name = meters::RECORDS_IN;
        assert_eq!(series(&format!("# TYPE {name} ")), 1, "{text}");
        assert_eq!(series(&format!("# HELP {name} Records")), 1, "{text}");
        assert_eq!(series(&format!("{name}{{")), 1);
        assert_eq!(series(&format!("{SECONDS}_bucket{{")), 3);
        assert_eq!(series("requests_total 200"), 1);
        let counted = format!("{name}{{connector=\"stays\",task=\"1\"}} 300");
        assert!(text.contains(&counted), "{text}");
        let _counter = count(&recorders, "stays", "2");
        let text = recorders.render();
        let types = text.lines().filter(|line| line.starts_with("# TYPE"));
        let mut types: Vec<_> = types.collect();
        let all = types.len();
        types.dedup();
        assert_eq!(types.len(), all, "a metric has one TYPE");
    }

    #[test]
    fn what_a_task_counts_after_it_was_forgotten_is_not_kept() {
        let recorders = recorders();
        let _counter = count(&recorders, "there", "0");
        recorders.forget("gone", "0");
        // It was given up while it was made, and comes to count late.
        let _counter = count(&recorders, "gone", "0");
        assert!(recorders.render().contains("gone"));
        recorders.prune(&BTreeSet::from([("there".to_owned(), "0".to_owned())]));
        let text = recorders.render();
        assert!(!text.contains("gone") && text.contains("there"), "{text}");
    }
}
