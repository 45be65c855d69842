//! Stage 5: the sink, on a thread of its own, so that the next batches are converted and
//! transformed while the target commits the last ones.

mod durable;
mod reporter;
mod retry;
mod target;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

use connect_api::{
    Error, ErrorKind, Offset, OffsetScope, OpenedPartition, PartitionStates, RawRecord,
    RecordBatch, Result, TopicPartition,
};
use connect_kafka::{GroupMembership, TaskSink};
pub use durable::Durable;
use reporter::PutReporter;
use retry::Retry;
pub use target::Target;
use tracing::{debug, warn};

use crate::errors::{ErrorReporter, delivered};
use crate::metrics::TaskMetrics;
use crate::sink_task_loop::batch::TaskBatch;
use crate::task_control::Reports;

/// The first and the longest pause between two tries of a call that may succeed later.
/// A target that is back, or a standby that was promoted, is found within the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// What the task's loop asks of the sink. Served in order.
pub enum Request {
    /// Take these partitions over, whose offsets are those of the scope.
    Open(Vec<TopicPartition>, OffsetScope),
    /// Drop the offsets of these partitions, which are opened again.
    Forget(Vec<TopicPartition>),
    /// Set the offsets of partitions that had none.
    StartAt(Vec<(TopicPartition, Offset)>),
    /// Write these batches in one transaction, unless the generation is over. The membership is
    /// that under which they were read, for a sink that asks for it.
    Put(u64, Vec<TaskBatch>, Option<GroupMembership>),
    /// Compare what the target has with what was durable, unless the generation is over.
    Verify(u64),
    /// Give these partitions up.
    Close(Vec<TopicPartition>),
}

/// What the sink answers.
pub enum Response {
    /// To `Open`.
    Opened(Opened),
    /// To `Forget`.
    Forgotten,
    /// To `StartAt`.
    Started(Started),
    /// To `Put`.
    Durable(Durable),
    /// To `Put` and `Verify`: another task owns a partition, or the target has lost offsets.
    /// Nothing of this generation is written any more.
    Rewind(Error),
    /// To `Put` and `Verify`: its generation had ended, and nothing was written.
    Discarded,
    /// To `Verify`: the target has what was durable.
    Verified,
    /// To `Verify`: the target is away.
    NotVerified,
    /// To `Close`.
    Closed,
    /// To `Open`, `Forget` and `StartAt`: it was given up before the target had taken it.
    GivenUp,
    /// To `Open`, `Forget` and `StartAt`: another task took a partition over meanwhile, or the
    /// target has lost it again.
    Fenced(Error),
    /// To any: the task cannot go on.
    Failed(Error),
}

/// Partitions that were taken over, as the sink has them.
pub struct Opened {
    /// Where the sink says that they are to go on.
    pub partitions: Vec<OpenedPartition>,
    /// What it keeps of the state of transforms for them.
    pub states: PartitionStates,
    /// The offsets that the target has.
    pub durable: Durable,
    /// Which target it is, if it keeps the offsets.
    pub target: Option<Target>,
}

/// First offsets that were set. Nothing in front of them is the task's to write.
pub struct Started {
    /// Those that the target has.
    pub in_target: Durable,
    /// All of them.
    pub starts: Durable,
}

/// What the writing thread is made of.
pub struct WriterParts {
    /// The sink.
    pub sink: TaskSink,
    /// Whether the sink keeps the state of transforms.
    pub keeps_state: bool,
    /// Its class, for reports.
    pub class: String,
    /// What happens to errant records.
    pub errors: Arc<ErrorReporter>,
    /// Where numbers go.
    pub metrics: Arc<TaskMetrics>,
    /// Where states go.
    pub reports: Reports,
}

/// The loop's end of the writing thread.
pub struct Writer {
    requests: Option<Sender<Request>>,
    responses: Receiver<Response>,
    generation: Arc<AtomicU64>,
    ending: Arc<AtomicBool>,
    giving_up: Arc<AtomicBool>,
    outstanding: usize,
    /// How many of these are batches. What else is outstanding when a task ends, nobody waits for.
    batches: usize,
    commits_offsets: bool,
    keeps_offsets: bool,
    /// Whether what is outstanding is a comparison, which nobody has to wait for.
    verifies: bool,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(mut parts: WriterParts, runtime: tokio::runtime::Handle) -> Result<Self> {
        // The loop hands over a transaction when nothing is being written, and makes the next one
        // meanwhile: what waits here is small.
        let (requests, inbox) = std::sync::mpsc::channel();
        let (outbox, responses) = std::sync::mpsc::channel();
        let generation = Arc::new(AtomicU64::new(0));
        let ending = Arc::new(AtomicBool::new(false));
        let giving_up = Arc::new(AtomicBool::new(false));
        let commits_offsets = parts.sink.group_transaction().is_some();
        let keeps_offsets = parts.sink.task().offsets().is_some();
        let mut thread = WriteThread {
            parts,
            generation: Arc::clone(&generation),
            ending: Arc::clone(&ending),
            giving_up: Arc::clone(&giving_up),
            rewound: None,
            waiting: None,
        };
        let span = tracing::Span::current();
        let thread = std::thread::Builder::new()
            .name("sink-write".into())
            .spawn(move || {
                let _span = span.entered();
                // It is the answer to the first request, whatever that is.
                let mut failed = runtime.block_on(thread.start()).err();
                while let Ok(request) = inbox.recv() {
                    let response = match failed.take() {
                        Some(error) => Response::Failed(error),
                        None => runtime.block_on(thread.serve(request)),
                    };
                    if outbox.send(response).is_err() {
                        break;
                    }
                }
                runtime.block_on(thread.parts.sink.task().stop());
            })
            .map_err(|e| Error::retriable("cannot start a thread").with_source(e))?;
        let requests = Some(requests);
        Ok(Self {
            requests,
            responses,
            generation,
            ending,
            giving_up,
            outstanding: 0,
            batches: 0,
            commits_offsets,
            keeps_offsets,
            verifies: false,
            thread: Some(thread),
        })
    }

    /// Hands a request over. It is served after those before it.
    ///
    /// # Errors
    /// When the thread has died.
    pub fn send(&mut self, request: Request) -> Result<()> {
        let verifies = matches!(request, Request::Verify(_));
        let batches = usize::from(matches!(request, Request::Put(..)));
        let sent = self.requests.as_ref().map(|to| to.send(request));
        let Some(Ok(())) = sent else {
            return Err(gone());
        };
        self.outstanding += 1;
        self.batches += batches;
        self.verifies = verifies;
        Ok(())
    }

    /// Whether the sink moves the offsets of the group itself.
    pub fn commits_offsets(&self) -> bool {
        self.commits_offsets
    }

    /// Whether the sink keeps offsets that can be compared with what was durable.
    pub fn keeps_offsets(&self) -> bool {
        self.keeps_offsets
    }

    /// Gives a comparison up that is being made: its answer comes soon then.
    pub fn stop_verifying(&mut self) {
        if std::mem::take(&mut self.verifies) {
            self.abandon();
        }
    }

    /// Whether nothing is being written or waits.
    pub fn is_idle(&self) -> bool {
        self.outstanding == 0
    }

    /// Whether no batch is being written or waits.
    pub fn has_no_batch(&self) -> bool {
        self.batches == 0
    }

    /// The next answer, if it comes within `wait`.
    ///
    /// # Errors
    /// When the thread has died.
    pub fn response(&mut self, wait: Duration) -> Result<Option<Response>> {
        if self.outstanding == 0 {
            return Ok(None);
        }
        let response = if wait.is_zero() {
            self.responses
                .try_recv()
                .map_err(|e| e == TryRecvError::Disconnected)
        } else {
            let received = self.responses.recv_timeout(wait);
            received.map_err(|e| e == RecvTimeoutError::Disconnected)
        };
        match response {
            Ok(response) => {
                self.outstanding -= 1;
                if self.outstanding == 0 || answers_a_batch(&response) {
                    self.batches = self.batches.saturating_sub(1);
                }
                self.verifies &= self.outstanding > 0;
                if answers_a_takeover(&response) {
                    self.giving_up.store(false, Ordering::Release);
                }
                Ok(Some(response))
            }
            Err(true) => Err(gone()),
            Err(false) => Ok(None),
        }
    }

    /// The generation of batches that are made now.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Ends the generation: what waits is not written, and no call is repeated any more. What is
    /// being written may still become durable.
    pub fn abandon(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Gives the taking over of partitions up that was asked for last: its answer comes once the
    /// batches in front of it are done or given up. Whether that is new.
    pub fn give_up_takeover(&self) -> bool {
        !self.giving_up.swap(true, Ordering::AcqRel)
    }

    /// Ends the thread, which lets go of the target first. No call is repeated any more.
    pub fn stop(mut self) {
        self.ending.store(true, Ordering::Release);
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the writing thread panicked");
        }
    }
}

fn answers_a_batch(response: &Response) -> bool {
    matches!(
        response,
        Response::Durable(_) | Response::Rewind(_) | Response::Discarded | Response::Failed(_)
    )
}

fn answers_a_takeover(response: &Response) -> bool {
    matches!(
        response,
        Response::Opened(_)
            | Response::Forgotten
            | Response::Started(_)
            | Response::GivenUp
            | Response::Fenced(_)
    )
}

fn gone() -> Error {
    Error::fatal("the writing thread has died")
}

struct WriteThread {
    parts: WriterParts,
    generation: Arc<AtomicU64>,
    /// Whether the task ends: then nothing is waited for.
    ending: Arc<AtomicBool>,
    /// Whether the group waits for another answer than that of the taking over in hand.
    giving_up: Arc<AtomicBool>,
    /// The generation that a rewind has ended, until the loop begins the next one.
    rewound: Option<u64>,
    /// What it waits for: the last failure that was told of.
    waiting: Option<String>,
}

impl WriteThread {
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    async fn serve(&mut self, request: Request) -> Response {
        let answer = match request {
            Request::Open(partitions, scope) => {
                if let Some(offsets) = self.parts.sink.task().offsets() {
                    offsets.set_scope(&scope);
                }
                let opened = self.open(&partitions).await;
                opened.map(|it| it.map_or(Response::GivenUp, Response::Opened))
            }
            Request::Forget(partitions) => {
                let forgotten = self.forget(&partitions).await;
                forgotten.map(|it| it.map_or(Response::GivenUp, |()| Response::Forgotten))
            }
            Request::StartAt(starts) => {
                let started = self.start_at(&starts).await;
                started.map(|it| it.map_or(Response::GivenUp, Response::Started))
            }
            Request::Verify(generation) => self.verify(generation).await,
            Request::Put(generation, batches, membership) => {
                if let Some(membership) = membership
                    && let Some(group) = self.parts.sink.group_transaction()
                {
                    group.read_under(membership);
                }
                self.put(generation, batches).await
            }
            Request::Close(partitions) => {
                if let Some(offsets) = self.parts.sink.task().offsets() {
                    offsets.close(&partitions).await;
                }
                Ok(Response::Closed)
            }
        };
        answer.unwrap_or_else(|error| match error.kind() {
            ErrorKind::Fenced | ErrorKind::OffsetsLost => Response::Fenced(error),
            _ => Response::Failed(error),
        })
    }

    /// Ends what a former life of the task has left open in Kafka, whichever task has its
    /// partitions now.
    async fn start(&mut self) -> Result<()> {
        let ended = self.repeat(async |parts| match parts.sink.group_transaction() {
            Some(group) => group.end_open_transactions().await,
            None => Ok(()),
        });
        ended.await.map(|_| ())
    }

    /// Takes partitions over, by what the sink keeps of them. None when that is given up.
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Option<Opened>> {
        self.repeat(async |parts| {
            // The group is asked where to go on next: its answer has to be final.
            if let Some(group) = parts.sink.group_transaction() {
                group.end_open_transactions().await?;
            }
            let opened = match parts.sink.task().offsets() {
                Some(offsets) => offsets.open(partitions).await?,
                None => {
                    let unknown = partitions.iter().cloned().map(OpenedPartition::unknown);
                    unknown.collect()
                }
            };
            let states = match parts.sink.task().state() {
                Some(state) if parts.keeps_state => state.load(partitions).await?,
                _ => PartitionStates::new(),
            };
            let durable = Durable::stored(&opened);
            let target = parts.sink.task().offsets().and_then(|o| Target::of(&*o));
            Ok(Opened {
                partitions: opened,
                states,
                durable,
                target,
            })
        })
        .await
    }

    /// Drops offsets that are no more where a task goes on.
    async fn forget(&mut self, partitions: &[TopicPartition]) -> Result<Option<()>> {
        self.repeat(async |parts| match parts.sink.task().offsets() {
            Some(offsets) => offsets.forget(partitions).await,
            None => Ok(()),
        })
        .await
    }

    /// Stores first offsets. Where they are in the target, the group is told of them too: its mark
    /// then says that the target had them, whatever becomes of it.
    async fn start_at(&mut self, starts: &[(TopicPartition, Offset)]) -> Result<Option<Started>> {
        self.repeat(async |parts| {
            let mut in_target = Durable::default();
            if let Some(offsets) = parts.sink.task().offsets() {
                offsets.start_at(starts).await?;
                if offsets.target().is_some() {
                    in_target = Durable::started(starts.iter());
                }
            }
            Ok(Started {
                in_target,
                starts: Durable::started(starts.iter()),
            })
        })
        .await
    }

    async fn put(&mut self, generation: u64, mut batches: Vec<TaskBatch>) -> Result<Response> {
        let is_over = |thread: &Self| thread.generation() != generation;
        if is_over(self) || self.rewound == Some(generation) {
            return Ok(Response::Discarded);
        }
        // Invariant 3: what was reported counts as done, so the report has to be durable first.
        for batch in &mut batches {
            delivered(std::mem::take(&mut batch.deliveries)).await?;
        }
        let (mut written, raws): (Vec<RecordBatch>, Vec<Vec<RawRecord>>) =
            batches.into_iter().map(|b| (b.batch, b.raw)).unzip();
        let mut retry = Retry::default();
        let started = Instant::now();
        loop {
            let mut reporter =
                PutReporter::new(&self.parts.errors, &self.parts.class, &written, &raws);
            let outcome = self.parts.sink.task().put(&written, &mut reporter).await;
            let reported = reporter.into_reported();
            match outcome {
                Ok(()) => break,
                Err(error)
                    if matches!(error.kind(), ErrorKind::Fenced | ErrorKind::OffsetsLost) =>
                {
                    self.rewound = Some(generation);
                    return Ok(Response::Rewind(error));
                }
                Err(error) => {
                    if !self.again(error, is_over, &mut retry).await? {
                        return Ok(Response::Discarded);
                    }
                    // Invariant 3: what was reported is done, and is not given to the sink again.
                    reported.take_out_of(&mut written);
                }
            }
        }
        self.recovered();
        let records: usize = written.iter().map(|b| b.records.len()).sum();
        self.parts.metrics.put_time.took(started.elapsed());
        self.parts.metrics.common.batch_size.record(records as f64);
        debug!(records, batches = written.len(), "durable");
        // Invariant 1: the one place where offsets become durable.
        Ok(Response::Durable(Durable::written(written)))
    }
}
