//! Partitions come and go: taken over through the sink, which fences their former owners, given up
//! after a drain, and taken back to what is durable.

use std::time::{Duration, Instant};

use connect_api::{Error, ErrorKind, Offset, OpenedPartition, Result, TopicPartition};
use tracing::{debug, warn};

use super::consume::{Consumer, Rebalance};
use super::write::{Opened, Request, Response};
use super::{Held, IDLE, PATIENCE, WorkerSinkTask};

/// How long a revoked partition's batches may take to become durable before they are given up.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a fenced task waits for its group's word: a little more than a heartbeat.
const REWIND_PAUSE: Duration = Duration::from_secs(4);

impl WorkerSinkTask {
    /// Asks the sink, and waits for its answer; the group is kept alive meanwhile. None when the
    /// task is told to stop first.
    fn ask(&mut self, request: Request) -> Result<Option<Response>> {
        let asked = Instant::now();
        self.parts.writer.send(request)?;
        while !self.parts.control.stopping() {
            match self.parts.writer.response(IDLE)? {
                Some(answer @ (Response::Opened(..) | Response::Started | Response::Closed)) => {
                    return Ok(Some(answer));
                }
                Some(Response::Fenced(error)) => return Err(error),
                Some(other) => self.answered(other)?,
                None => self.keep_alive(asked)?,
            }
        }
        Ok(None)
    }

    /// Goes on polling, with nothing read, when an answer takes long: a member that does not poll
    /// is put out of its group.
    fn keep_alive(&mut self, since: Instant) -> Result<()> {
        if since.elapsed() < PATIENCE {
            return Ok(());
        }
        if !self.paused {
            self.parts.consumer.pause(true)?;
            self.paused = true;
        }
        self.parts.consumer.idle(Duration::ZERO)
    }

    pub(super) fn rebalance(&mut self, change: Rebalance) -> Result<()> {
        match change {
            Rebalance::Assign(partitions) => {
                for partition in &partitions {
                    self.parts.chain.forget(partition);
                }
                if let Some(starts) = self.open(&partitions)? {
                    self.parts.consumer.assign(&starts, self.paused)?;
                }
            }
            Rebalance::Revoke { partitions, lost } => self.revoke(&partitions, lost)?,
        }
        self.parts
            .metrics
            .partitions
            .set(self.parts.consumer.owned().len() as f64);
        Ok(())
    }

    /// Takes partitions over, and again if another task does so meanwhile: the group has not told
    /// that these are another's. None when the task is told to stop first.
    pub(super) fn open(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Option<Vec<(TopicPartition, Offset)>>> {
        loop {
            match self.take_over(partitions) {
                Err(error) if error.kind() == ErrorKind::Fenced => {
                    warn!(error = %error.chain(), "taking the partitions over anew");
                    let since = Instant::now();
                    while since.elapsed() < REWIND_PAUSE && !self.parts.control.stopping() {
                        std::thread::sleep(IDLE);
                        self.keep_alive(since)?;
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// The sink fences the former owner of partitions and says where to go on. None when the task
    /// is told to stop first.
    fn take_over(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Option<Vec<(TopicPartition, Offset)>>> {
        let Some(Response::Opened(opened)) = self.ask(Request::Open(partitions.to_vec()))? else {
            return Ok(None);
        };
        let Opened {
            partitions: opened,
            mut states,
            durable,
        } = opened;
        self.add_durable(&durable);
        for OpenedPartition {
            topic_partition, ..
        } in &opened
        {
            let state = states.remove(topic_partition).unwrap_or_default();
            self.parts.chain.restore(topic_partition, state);
        }
        let stored = |o: &OpenedPartition| o.next_offset.map(|at| (o.topic_partition.clone(), at));
        let unknown = |o: &&OpenedPartition| o.next_offset.is_none();
        let new: Vec<_> = opened
            .iter()
            .filter(unknown)
            .map(|o| o.topic_partition.clone())
            .collect();
        let mut starts: Vec<_> = opened.iter().filter_map(stored).collect();
        if let Some(known) = self.patiently(|consumer| consumer.check_stored(&opened))? {
            self.parts.consumer.expect(known);
        }
        if !new.is_empty() {
            let Some(mut found) = self.patiently(|consumer| consumer.starts(&new))? else {
                return Ok(None);
            };
            if self.ask(Request::StartAt(found.clone()))?.is_none() {
                return Ok(None);
            }
            starts.append(&mut found);
        }
        Ok(Some(starts))
    }

    /// Repeats a question to Kafka until it is answered; none when the task is told to stop.
    fn patiently<T>(&mut self, ask: impl Fn(&Consumer) -> Result<T>) -> Result<Option<T>> {
        while !self.parts.control.stopping() {
            match ask(&self.parts.consumer) {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) if error.kind() == ErrorKind::Retriable => {
                    warn!(error = %error.chain(), "asking again");
                    std::thread::sleep(IDLE);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Gives partitions up: what is being written becomes durable or is given up, what waits is
    /// dropped, and the group is told how far it came.
    fn revoke(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<()> {
        self.pending
            .retain(|p| !partitions.contains(&p.batch.topic_partition));
        let until = Instant::now() + if lost { Duration::ZERO } else { DRAIN };
        while !self.parts.writer.is_idle() && Instant::now() < until {
            self.settle(IDLE)?;
        }
        if self.parts.writer.is_idle() {
            self.ask(Request::Close(partitions.to_vec()))?;
        } else {
            warn!("the sink is busy; what it has of revoked partitions is given up");
            self.parts.writer.abandon();
        }
        if !lost {
            self.commits
                .flush(&self.parts.consumer, &self.parts.metrics);
        }
        // What Kafka would not hear, the next owner says when it takes the partition over.
        self.commits.forget(partitions);
        for partition in partitions {
            self.parts.chain.forget(partition);
        }
        let abandoned = !self.parts.writer.is_idle();
        self.parts.consumer.unassign(partitions)?;
        if abandoned {
            self.restart_partitions()
        } else {
            Ok(())
        }
    }

    /// The sink says that it no longer owns what it was to write, or that the target has lost
    /// offsets: everything ahead of it is void. If the group has given the partitions to another
    /// task, it will say so before the pause is over; else they are opened anew. Without the
    /// pause two tasks would fence each other in turns.
    pub(super) fn rewind(&mut self, error: &Error) {
        warn!(error = %error.chain(), "going back to what the target has");
        self.parts.writer.abandon();
        self.pending.clear();
        self.held = Some((Instant::now() + REWIND_PAUSE, Held::Rewind));
    }

    /// Opens all partitions anew and reads from where the sink says.
    pub(super) fn restart_partitions(&mut self) -> Result<()> {
        self.pending.clear();
        let owned = self.parts.consumer.owned();
        if owned.is_empty() {
            return Ok(());
        }
        for partition in &owned {
            self.parts.chain.forget(partition);
        }
        if let Some(starts) = self.open(&owned)? {
            for (partition, offset) in &starts {
                debug!(%partition, offset = offset.0, "reading again");
            }
            self.parts.consumer.seek(&starts)?;
        }
        Ok(())
    }
}
