//! The recorder of the worker: what a task counts goes when the task does.
//!
//! The exporter's recorder keeps each series for ever. Here each task has one of its own, found by
//! the labels `connector` and `task`, and all others share one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use connect_api::{Error, Result};
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

/// All metrics, in Prometheus' text format; nothing when none are recorded.
pub fn render() -> String {
    INSTALLED.get().map(Recorders::render).unwrap_or_default()
}

/// Forgets what a task that is gone has counted. As with Kafka Connect, one that starts again
/// begins to count anew.
pub(crate) fn forget_task(connector: &str, task: u32) {
    if let Some(recorders) = INSTALLED.get() {
        recorders.forget(connector, &task.to_string());
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
            // Writing to a String never fails.
            let _ = writeln!(text, "{metric}\n{}\n", series.join("\n"));
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
    use crate::metrics::TaskMetrics;

    #[test]
    fn what_a_task_that_is_gone_has_counted_is_gone() {
        let buckets = Buckets {
            metric: "kafka_connect_sink_task_put_batch_seconds",
            bounds: &[0.1, 1.0],
        };
        let recorders = Recorders::new(buckets).unwrap();
        let counted = |connector: &str, task| {
            metrics::with_local_recorder(&recorders, || {
                let metrics = TaskMetrics::new(connector, task);
                metrics.read.increment(3);
                metrics.put_seconds.record(0.5);
                metrics::counter!("requests_total").increment(1);
                metrics
            })
        };
        for number in 0..100 {
            let connector = format!("c{number}");
            let metrics = counted(&connector, 0);
            let _other = counted("stays", 1);
            recorders.forget(&connector, "0");
            // A thread that has not heard of it counts for nobody.
            metrics.read.increment(1);
        }
        let text = recorders.render();
        assert!(!text.contains("connector=\"c"), "{text}");
        let series = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(
            series("# TYPE kafka_connect_sink_task_sink_record_read_total "),
            1,
            "{text}"
        );
        assert_eq!(series("kafka_connect_sink_task_sink_record_read_total{"), 1);
        assert_eq!(
            series("kafka_connect_sink_task_put_batch_seconds_bucket{"),
            3
        );
        assert_eq!(series("requests_total 200"), 1);
        assert!(
            text.contains("read_total{connector=\"stays\",task=\"1\"} 300"),
            "{text}"
        );
        counted("stays", 2);
        let text = recorders.render();
        let types = text.lines().filter(|line| line.starts_with("# TYPE"));
        let mut types: Vec<_> = types.collect();
        let all = types.len();
        types.dedup();
        assert_eq!(types.len(), all, "a metric has one TYPE");
    }
}
