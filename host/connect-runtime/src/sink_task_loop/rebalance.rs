//! Partitions come and go: taken over through the sink, which fences their former owners, given up
//! after a drain, and read again from what is durable.

use std::time::{Duration, Instant};

use connect_api::{ErrorKind, Offset, OpenedPartition, Result, TopicPartition};
use tracing::{debug, warn};

use super::state::SinkTaskState;
use crate::sink_task::consume::{Fetching, Ownership, Rebalance, TaskConsumer};
use crate::sink_task::write::{Opened, Request, Response};

/// Partitions, and from which offsets they are read.
pub type Starts = Vec<(TopicPartition, Offset)>;

impl SinkTaskState {
    /// Asks the sink, and waits for its answer; the group is kept alive meanwhile. None when the
    /// task is told to stop first.
    fn ask(&mut self, request: Request) -> Result<Option<Response>> {
        let asked = Instant::now();
        self.parts.writer.send(request)?;
        while !self.parts.control.stopping() {
            match self.parts.writer.response(self.timing.idle_wait)? {
                Some(answer @ (Response::Opened(..) | Response::Started | Response::Closed)) => {
                    return Ok(Some(answer));
                }
                Some(Response::Fenced(error)) => return Err(error),
                Some(other) => self.take(other)?,
                None => self.keep_alive(asked)?,
            }
        }
        Ok(None)
    }

    /// Goes on polling, with nothing read, when an answer takes long: a member that does not poll
    /// is put out of its group.
    fn keep_alive(&mut self, since: Instant) -> Result<()> {
        if since.elapsed() < self.timing.pause_consumer_after {
            return Ok(());
        }
        self.set_fetching(Fetching::Paused)?;
        self.parts.consumer.poll_paused(Duration::ZERO)
    }

    /// Makes a change of the assignment.
    ///
    /// # Errors
    /// What the sink, the client or Kafka failed with.
    pub fn rebalance(&mut self, change: Rebalance) -> Result<()> {
        match change {
            Rebalance::Assign(partitions) => {
                for partition in &partitions {
                    self.parts.chain.forget(partition);
                    self.record_errors.forget(partition);
                }
                if let Some(starts) = self.open(&partitions)? {
                    self.parts.consumer.assign(&starts, self.fetching)?;
                }
            }
            Rebalance::Revoke(partitions, ownership) => self.revoke(&partitions, ownership)?,
        }
        self.parts
            .metrics
            .partitions
            .set(self.parts.consumer.assignment().len() as f64);
        Ok(())
    }

    /// Takes partitions over, and again if another task does so meanwhile: the group has not said
    /// that they are another task's. None when the task is told to stop first.
    ///
    /// # Errors
    /// What the sink or Kafka failed with.
    pub fn open(&mut self, partitions: &[TopicPartition]) -> Result<Option<Starts>> {
        loop {
            match self.take_over(partitions) {
                Err(error) if error.kind() == ErrorKind::Fenced => {
                    warn!(error = %error.chain(), "another task took the partitions over; opening them again");
                    let since = Instant::now();
                    while since.elapsed() < self.timing.rewind_pause
                        && !self.parts.control.stopping()
                    {
                        std::thread::sleep(self.timing.idle_wait);
                        self.keep_alive(since)?;
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// The sink fences the former owner of partitions and says where to go on. None when the task
    /// is told to stop first.
    fn take_over(&mut self, partitions: &[TopicPartition]) -> Result<Option<Starts>> {
        let Some(Response::Opened(opened)) = self.ask(Request::Open(partitions.to_vec()))? else {
            return Ok(None);
        };
        let Opened {
            partitions: opened,
            mut states,
            durable,
        } = opened;
        self.add_durable(durable);
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
        self.ask_kafka(|consumer| consumer.check_stored_offsets(&opened))?;
        if !new.is_empty() {
            let Some(mut found) = self.ask_kafka(|consumer| consumer.start_offsets(&new))? else {
                return Ok(None);
            };
            if self.ask(Request::StartAt(found.clone()))?.is_none() {
                return Ok(None);
            }
            starts.append(&mut found);
        }
        Ok(Some(starts))
    }

    /// Repeats a request to Kafka until it is answered. None when the task is told to stop first.
    fn ask_kafka<T>(
        &mut self,
        request: impl Fn(&mut dyn TaskConsumer) -> Result<T>,
    ) -> Result<Option<T>> {
        while !self.parts.control.stopping() {
            match request(&mut *self.parts.consumer) {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) if error.kind() == ErrorKind::Retriable => {
                    warn!(error = %error.chain(), "Kafka did not answer; retrying");
                    std::thread::sleep(self.timing.idle_wait);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Gives partitions up: what is being written becomes durable or is given up, what waits is
    /// dropped, and the group is told how far it came.
    fn revoke(&mut self, partitions: &[TopicPartition], ownership: Ownership) -> Result<()> {
        self.pending
            .retain(|p| !partitions.contains(&p.batch.topic_partition));
        let drain = match ownership {
            Ownership::Kept => self.timing.revoke_drain_timeout,
            Ownership::Lost => Duration::ZERO,
        };
        let until = Instant::now() + drain;
        while !self.parts.writer.is_idle() && Instant::now() < until {
            self.take_responses(self.timing.idle_wait)?;
        }
        if self.parts.writer.is_idle() {
            self.ask(Request::Close(partitions.to_vec()))?;
        } else {
            warn!("the sink is busy; batches of revoked partitions are given up");
            self.parts.writer.abandon();
        }
        if ownership == Ownership::Kept {
            self.commits
                .flush(&*self.parts.consumer, &self.parts.metrics);
        }
        // What Kafka did not take, the next owner commits when it takes the partition over.
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

    /// Opens all partitions again, and reads them from the offsets that the sink has.
    ///
    /// # Errors
    /// As for `open`.
    pub fn restart_partitions(&mut self) -> Result<()> {
        self.pending.clear();
        let owned = self.parts.consumer.assignment();
        if owned.is_empty() {
            return Ok(());
        }
        for partition in &owned {
            self.parts.chain.forget(partition);
        }
        if let Some(starts) = self.open(&owned)? {
            for (partition, offset) in &starts {
                debug!(%partition, offset = offset.0, "reading from the stored offset");
            }
            self.parts.consumer.seek(&starts)?;
        }
        Ok(())
    }
}
