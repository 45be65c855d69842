//! Partitions come and go: taken over through the sink, which fences their former owners, given up
//! after a drain, and read again from what is durable.

use std::time::{Duration, Instant};

use connect_api::{ErrorKind, Offset, Result, TopicPartition};
use tracing::{debug, warn};

use super::start::{Known, Start};
use super::state::SinkTaskState;
use crate::sink_task::consume::{Fetching, Ownership, Rebalance, TaskConsumer};
use crate::sink_task::write::{Durable, Opened, Request, Response};

/// How long Kafka may take to say what the group has committed.
const GROUP_TIMEOUT: Duration = Duration::from_secs(15);

/// Partitions, and from which offsets they are read.
pub type Starts = Vec<(TopicPartition, Offset)>;

impl SinkTaskState {
    /// Asks the sink, and waits for its answer; the group is kept alive meanwhile. None when the
    /// task is told to stop first. Where the group waits for another change of the assignment, the
    /// taking over of partitions is given up: other tasks have no part in a target that is away.
    fn ask(&mut self, request: Request) -> Result<Option<Response>> {
        self.parts.writer.stop_verifying();
        let asked = Instant::now();
        let takes_over = !matches!(request, Request::Close(_));
        let patience = match takes_over {
            true => self.timing.answer_group_after,
            false => self.timing.pause_consumer_after,
        };
        self.parts.writer.send(request)?;
        while !self.parts.control.stopping() {
            match self.parts.writer.response(self.timing.idle_wait)? {
                Some(
                    answer @ (Response::Opened(..)
                    | Response::Forgotten
                    | Response::Started(_)
                    | Response::Closed
                    | Response::GivenUp),
                ) => return Ok(Some(answer)),
                Some(Response::Fenced(error)) => return Err(error),
                Some(other) => self.take(other)?,
                None => {
                    self.keep_alive(asked + patience)?;
                    if takes_over && self.parts.consumer.rebalance_waits() {
                        self.give_up_takeover()?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Lets a change of the assignment be made in front of the taking over in hand. A batch that
    /// the target has not taken stands in front of both, and is read again later.
    fn give_up_takeover(&mut self) -> Result<()> {
        if self.parts.writer.give_up_takeover() && !self.parts.writer.has_no_batch() {
            self.parts.writer.abandon();
            self.restart_partitions();
        }
        self.set_fetching(Fetching::Paused)
    }

    /// Goes on polling, with nothing read, when an answer takes long: a member that does not poll
    /// is put out of its group, and one that does not say that it takes its partitions holds up all
    /// others.
    fn keep_alive(&mut self, from: Instant) -> Result<()> {
        if Instant::now() < from {
            return Ok(());
        }
        self.set_fetching(Fetching::Paused)?;
        self.parts.consumer.answer_assignment()?;
        self.parts.consumer.poll_paused(Duration::ZERO)
    }

    /// Makes a change of the assignment. What comes has to be taken over then.
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
                self.unopened.extend(partitions);
            }
            Rebalance::Revoke(partitions, ownership) => self.revoke(&partitions, ownership)?,
        }
        self.count_partitions();
        Ok(())
    }

    fn count_partitions(&self) {
        let count = self.parts.consumer.assignment().len();
        self.parts.metrics.partitions.set(count as f64);
    }

    /// Takes over what has to be, and reads it. When the group asks for another change first, that
    /// is left for later.
    ///
    /// # Errors
    /// As for `rebalance`.
    pub fn open_unopened(&mut self) -> Result<()> {
        if self.unopened.is_empty() {
            // A change may bring none.
            return self.parts.consumer.answer_assignment();
        }
        let partitions: Vec<_> = self.unopened.iter().cloned().collect();
        let Some(starts) = self.open(&partitions)? else {
            return Ok(());
        };
        self.unopened
            .retain(|partition| !partitions.contains(partition));
        let owned = self.parts.consumer.assignment();
        let is_owned = |(partition, _): &(TopicPartition, Offset)| owned.contains(partition);
        let (again, new): (Starts, Starts) = starts.into_iter().partition(is_owned);
        if !again.is_empty() {
            for (partition, offset) in &again {
                debug!(%partition, offset = offset.0, "reading from the stored offset");
            }
            self.parts.consumer.seek(&again)?;
        }
        match new.is_empty() {
            true => self.parts.consumer.answer_assignment()?,
            false => self.parts.consumer.assign(&new, self.fetching)?,
        }
        self.count_partitions();
        Ok(())
    }

    /// Takes partitions over, and again if another task does so meanwhile: the group has not said
    /// that they are another task's. None when the task is told to stop first, or the group asks
    /// for another change of the assignment.
    ///
    /// # Errors
    /// What the sink or Kafka failed with.
    pub fn open(&mut self, partitions: &[TopicPartition]) -> Result<Option<Starts>> {
        let began = Instant::now();
        let patience = self.timing.answer_group_after;
        loop {
            let pause = match self.take_over(partitions) {
                Err(error) if error.kind() == ErrorKind::OffsetsLost => {
                    warn!(error = %error.chain(), "the target has lost offsets meanwhile; opening the partitions again");
                    self.timing.idle_wait
                }
                Err(error) if error.kind() == ErrorKind::Fenced => {
                    warn!(error = %error.chain(), "another task took the partitions over; opening them again");
                    self.timing.rewind_pause
                }
                outcome => return outcome,
            };
            let since = Instant::now();
            while since.elapsed() < pause {
                std::thread::sleep(self.timing.idle_wait);
                self.keep_alive(began + patience)?;
                if self.parts.control.stopping() {
                    return Ok(None);
                }
                if self.parts.consumer.rebalance_waits() {
                    self.set_fetching(Fetching::Paused)?;
                    return Ok(None);
                }
            }
        }
    }

    /// The sink fences the former owner of partitions and says where to go on. None as for `open`.
    fn take_over(&mut self, partitions: &[TopicPartition]) -> Result<Option<Starts>> {
        let Some(scope) = self.ask_kafka(|consumer| consumer.offset_scope())? else {
            return Ok(None);
        };
        let open = Request::Open(partitions.to_vec(), scope);
        let Some(Response::Opened(opened)) = self.ask(open)? else {
            return Ok(None);
        };
        let Opened {
            partitions: opened,
            mut states,
            durable,
            target,
        } = opened;
        for topic_partition in opened.iter().map(|opened| &opened.topic_partition) {
            let state = states.remove(topic_partition).unwrap_or_default();
            self.parts.chain.restore(topic_partition, state);
        }
        let asked: Vec<_> = opened.iter().map(|o| &o.topic_partition).collect();
        let group = self.ask_kafka(|consumer| consumer.committed(&asked, GROUP_TIMEOUT))?;
        let Some(group) = group else { return Ok(None) };
        let known = opened.iter().map(|opened| Known {
            opened,
            group: group.get(&opened.topic_partition),
            target: target.as_ref(),
        });
        let known: Vec<_> = known.collect();
        let moved = known.iter().filter(|known| known.moved().is_some());
        let moved: Vec<_> = moved.map(|it| it.opened.topic_partition.clone()).collect();
        if !moved.is_empty() {
            self.tell(known.iter().filter_map(Known::moved));
            return match self.ask(Request::Forget(moved))? {
                // As partitions that the target never had, they go on where the group is.
                Some(Response::Forgotten) => self.take_over(partitions),
                _ => Ok(None),
            };
        }
        self.ask_kafka(|consumer| consumer.check_stored_offsets(&opened))?;
        self.tell(known.iter().filter_map(Known::difference));
        let Some(mut starts) = self.starts(&known)? else {
            return Ok(None);
        };
        let marks = known.iter().filter_map(|known| {
            let partition = &known.opened.topic_partition;
            let (_, start) = starts.iter().find(|(at, _)| at == partition)?;
            Some((partition.clone(), known.mark(*start)))
        });
        self.parts.consumer.mark_commits(marks.collect());
        let mut at_start = durable.clone();
        self.add_durable(durable);
        let is_new = |(partition, _): &&(TopicPartition, Offset)| {
            let mut opened = opened.iter();
            opened.any(|o| o.next_offset.is_none() && o.topic_partition == *partition)
        };
        let new: Vec<_> = starts.iter().filter(is_new).cloned().collect();
        if !new.is_empty() {
            let Some(Response::Started(started)) = self.ask(Request::StartAt(new))? else {
                return Ok(None);
            };
            at_start.extend(started.starts);
            self.add_durable(started.in_target);
        }
        if !self.mark_group(&known, &at_start) {
            return Ok(None);
        }
        self.open_attempts(&known, &mut starts, &at_start);
        Ok(Some(starts))
    }

    /// Where partitions go on. None when the task is told to stop first.
    fn starts(&mut self, known: &[Known<'_>]) -> Result<Option<Starts>> {
        let (mut starts, mut reset, mut earliest) = (Vec::new(), Vec::new(), Vec::new());
        for known in known {
            let partition = known.opened.topic_partition.clone();
            match known.start()? {
                Start::Stored(at) | Start::At(at) => starts.push((partition, at)),
                Start::Reset => reset.push(partition),
                Start::Earliest => earliest.push(partition),
            }
        }
        if !reset.is_empty() {
            let Some(found) = self.ask_kafka(|consumer| consumer.reset_offsets(&reset))? else {
                return Ok(None);
            };
            starts.extend(found);
        }
        if !earliest.is_empty() {
            let found = self.ask_kafka(|consumer| consumer.earliest_offsets(&earliest))?;
            let Some(found) = found else { return Ok(None) };
            starts.extend(found);
        }
        Ok(Some(starts))
    }

    /// Marks what someone else has committed, before a record is read: whatever is found without a
    /// mark later was set since. False when Kafka does not take it now: the group asks for another
    /// change of the assignment first, or is away.
    fn mark_group(&self, known: &[Known<'_>], at_start: &Durable) -> bool {
        let mut unmarked = at_start.clone();
        unmarked.retain(|partition, _| {
            let mut known = known.iter();
            known.any(|it| it.is_unmarked() && it.opened.topic_partition == *partition)
        });
        if unmarked.is_empty() {
            return true;
        }
        let committed = self.parts.consumer.commit_sync(&unmarked);
        if let Err(error) = &committed {
            warn!(error = %error.chain(), "Kafka does not take the offsets yet; opening the partitions again");
        }
        committed.is_ok()
    }

    /// Tells of offsets that are not what one expects, in the log and in the task's status.
    fn tell(&self, mut what: impl Iterator<Item = String>) {
        let Some(first) = what.next() else {
            return;
        };
        warn!("{first}");
        let others = what.inspect(|other| warn!("{other}")).count();
        self.parts.reports.note(match others {
            0 => first,
            others => format!("{first}; and so for {others} other partitions"),
        });
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
        self.parts.writer.stop_verifying();
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
            self.end_attempts(partitions);
            self.commits
                .flush(&*self.parts.consumer, &self.parts.metrics);
        }
        // What Kafka did not take, the next owner commits when it takes the partition over.
        self.commits.forget(partitions);
        for partition in partitions {
            self.parts.chain.forget(partition);
            self.unopened.remove(partition);
        }
        let abandoned = !self.parts.writer.is_idle();
        self.parts.consumer.unassign(partitions)?;
        if abandoned {
            self.restart_partitions();
        }
        Ok(())
    }

    /// All partitions are to be opened again, and read from the offsets that the sink has.
    pub fn restart_partitions(&mut self) {
        self.pending.clear();
        let owned = self.parts.consumer.assignment();
        for partition in &owned {
            self.parts.chain.forget(partition);
        }
        self.unopened.extend(owned);
    }
}
