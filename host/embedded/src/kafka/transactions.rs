//! The transactional producers: which epoch of each is the living one, and what its open
//! transaction has touched.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::batch::{Outcome, Producer};
use super::error_code::ErrorCode;
use super::topics::TopicPartition;

/// The longest that a transaction may stay open; Kafka's default.
const MAX_TIMEOUT: Duration = Duration::from_mins(15);

/// Epochs end below the largest number: the largest fences the last of them.
const LAST_EPOCH: i16 = i16::MAX - 1;

/// An open transaction.
#[derive(Debug)]
pub(super) struct Open {
    until: Instant,
    pub partitions: BTreeSet<TopicPartition>,
    pub groups: BTreeSet<String>,
}

/// A transaction to be ended: markers go to its partitions, under this producer's id and epoch, and
/// its groups' offsets count or are dropped.
#[derive(Debug)]
pub(super) struct Ended {
    pub producer: Producer,
    pub outcome: Outcome,
    pub open: Open,
}

#[derive(Debug)]
struct Transactional {
    producer: Producer,
    timeout: Duration,
    open: Option<Open>,
    /// How the last transaction ended: who did not get the answer asks again.
    last: Option<Outcome>,
}

/// All transactional producers by `transactional.id`, and the ids of idempotent ones.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    by_id: HashMap<String, Transactional>,
    next_producer: i64,
}

impl Transactions {
    /// The id of a producer without transactions.
    pub(super) fn idempotent(&mut self) -> Producer {
        let id = self.next_producer;
        self.next_producer += 1;
        Producer { id, epoch: 0 }
    }

    /// InitProducerId: a new epoch, which fences the one before. A transaction that is open is
    /// aborted. A producer that goes on (KIP-360) says who it is, and must be the living one.
    pub(super) fn init(
        &mut self,
        id: &str,
        timeout: Duration,
        current: Option<Producer>,
    ) -> Result<(Producer, Option<Ended>), ErrorCode> {
        if timeout.is_zero() || timeout > MAX_TIMEOUT {
            return Err(ErrorCode::InvalidTransactionTimeout);
        }
        let Some(known) = self.by_id.get_mut(id) else {
            let producer = self.idempotent();
            let new = Transactional {
                producer,
                timeout,
                open: None,
                last: None,
            };
            self.by_id.insert(id.to_owned(), new);
            return Ok((producer, None));
        };
        if current.is_some_and(|it| it != known.producer) {
            return Err(ErrorCode::ProducerFenced);
        }
        known.timeout = timeout;
        let ended = known.abort();
        if known.producer.epoch >= LAST_EPOCH {
            known.producer = Producer {
                id: self.next_producer,
                epoch: 0,
            };
            self.next_producer += 1;
        } else if ended.is_none() {
            known.producer.epoch += 1;
        }
        known.last = None;
        Ok((known.producer, ended))
    }

    fn living(&mut self, id: &str, producer: Producer) -> Result<&mut Transactional, ErrorCode> {
        let known = self.by_id.get_mut(id);
        let known = known.ok_or(ErrorCode::InvalidProducerIdMapping)?;
        if known.producer.id != producer.id {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if known.producer.epoch != producer.epoch {
            return Err(ErrorCode::ProducerFenced);
        }
        Ok(known)
    }

    /// The open transaction, which begins with the first partition or group that is added.
    fn open(&mut self, id: &str, producer: Producer, now: Instant) -> Result<&mut Open, ErrorCode> {
        let known = self.living(id, producer)?;
        let until = now + known.timeout;
        Ok(known.open.get_or_insert_with(|| Open {
            until,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
        }))
    }

    /// AddPartitionsToTxn.
    pub(super) fn add_partitions(
        &mut self,
        id: &str,
        producer: Producer,
        partitions: impl IntoIterator<Item = TopicPartition>,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        self.open(id, producer, now)?.partitions.extend(partitions);
        Ok(())
    }

    /// AddOffsetsToTxn.
    pub(super) fn add_group(
        &mut self,
        id: &str,
        producer: Producer,
        group: String,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        self.open(id, producer, now)?.groups.insert(group);
        Ok(())
    }

    /// Whether the producer may write to the partition: in an open transaction that it belongs to.
    pub(super) fn check_partition(
        &mut self,
        id: &str,
        producer: Producer,
        partition: &TopicPartition,
    ) -> Result<(), ErrorCode> {
        let known = self.living(id, producer).map_err(|error| match error {
            // What Produce says of a fenced producer.
            ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
            other => other,
        })?;
        match &known.open {
            Some(open) if open.partitions.contains(partition) => Ok(()),
            _ => Err(ErrorCode::InvalidTxnState),
        }
    }

    /// Whether the producer may commit offsets of the group in its transaction.
    pub(super) fn check_group(
        &mut self,
        id: &str,
        producer: Producer,
        group: &str,
    ) -> Result<(), ErrorCode> {
        match &self.living(id, producer)?.open {
            Some(open) if open.groups.contains(group) => Ok(()),
            _ => Err(ErrorCode::InvalidTxnState),
        }
    }

    /// EndTxn. `None` where it has ended so already.
    pub(super) fn end(
        &mut self,
        id: &str,
        producer: Producer,
        outcome: Outcome,
    ) -> Result<Option<Ended>, ErrorCode> {
        let known = self.living(id, producer)?;
        match known.open.take() {
            Some(open) => {
                known.last = Some(outcome);
                Ok(Some(Ended {
                    producer,
                    outcome,
                    open,
                }))
            }
            None if known.last == Some(outcome) => Ok(None),
            None => Err(ErrorCode::InvalidTxnState),
        }
    }

    /// Aborts the transactions that have been open for too long, and fences their producers.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Ended> {
        let late = |it: &&mut Transactional| it.open.as_ref().is_some_and(|it| it.until <= now);
        let late = self.by_id.values_mut().filter(late);
        late.filter_map(Transactional::abort).collect()
    }
}

impl Transactional {
    /// Aborts the open transaction under a new epoch, which fences the producer.
    fn abort(&mut self) -> Option<Ended> {
        let open = self.open.take()?;
        self.producer.epoch = self.producer.epoch.saturating_add(1);
        self.last = Some(Outcome::Abort);
        Some(Ended {
            producer: self.producer,
            outcome: Outcome::Abort,
            open,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);

    fn partition() -> TopicPartition {
        ("t".to_owned(), 0)
    }

    fn init(transactions: &mut Transactions) -> Producer {
        let made = transactions.init("id", TIMEOUT, None);
        made.expect("a producer").0
    }

    fn begin(transactions: &mut Transactions, producer: Producer) {
        let added = transactions.add_partitions("id", producer, [partition()], Instant::now());
        assert_eq!(added, Ok(()));
    }

    #[test]
    fn a_second_producer_of_the_id_fences_the_first() {
        let mut transactions = Transactions::default();
        let first = init(&mut transactions);
        begin(&mut transactions, first);
        let made = transactions.init("id", TIMEOUT, None);
        let (second, ended) = made.expect("a producer");
        assert_eq!(second, Producer { epoch: 1, ..first });
        let ended = ended.expect("the open transaction is aborted");
        assert_eq!((ended.producer, ended.outcome), (second, Outcome::Abort));
        assert_eq!(
            ended.open.partitions.into_iter().collect::<Vec<_>>(),
            [partition()]
        );

        let late = transactions.end("id", first, Outcome::Commit).map(|_| ());
        assert_eq!(late, Err(ErrorCode::ProducerFenced));
        let late = transactions.check_partition("id", first, &partition());
        assert_eq!(late, Err(ErrorCode::InvalidProducerEpoch));
        let late = transactions.init("id", TIMEOUT, Some(first)).map(|_| ());
        assert_eq!(late, Err(ErrorCode::ProducerFenced));
        let going_on = transactions.init("id", TIMEOUT, Some(second));
        assert_eq!(going_on.map(|it| it.0.epoch), Ok(2));
    }

    #[test]
    fn only_what_was_added_is_written_to() {
        let mut transactions = Transactions::default();
        let producer = init(&mut transactions);
        let closed = Err(ErrorCode::InvalidTxnState);
        assert_eq!(
            transactions.check_partition("id", producer, &partition()),
            closed
        );
        begin(&mut transactions, producer);
        assert_eq!(
            transactions.check_partition("id", producer, &partition()),
            Ok(())
        );
        let other = ("t".to_owned(), 1);
        assert_eq!(transactions.check_partition("id", producer, &other), closed);
        assert_eq!(transactions.check_group("id", producer, "g"), closed);
        let added = transactions.add_group("id", producer, "g".to_owned(), Instant::now());
        assert_eq!(added, Ok(()));
        assert_eq!(transactions.check_group("id", producer, "g"), Ok(()));
        let stranger = transactions.check_group("other", producer, "g");
        assert_eq!(stranger, Err(ErrorCode::InvalidProducerIdMapping));
    }

    #[test]
    fn the_end_may_be_asked_for_again() {
        let mut transactions = Transactions::default();
        let producer = init(&mut transactions);
        let mut end = |outcome| {
            let ended = transactions.end("id", producer, outcome);
            ended.as_ref().map(Option::is_some).map_err(|error| *error)
        };
        assert_eq!(end(Outcome::Commit), Err(ErrorCode::InvalidTxnState));
        begin(&mut transactions, producer);
        let mut end = |outcome| {
            let ended = transactions.end("id", producer, outcome);
            ended.as_ref().map(Option::is_some).map_err(|error| *error)
        };
        assert_eq!(end(Outcome::Commit), Ok(true));
        assert_eq!(end(Outcome::Commit), Ok(false));
        assert_eq!(end(Outcome::Abort), Err(ErrorCode::InvalidTxnState));
    }

    #[test]
    fn a_transaction_that_is_open_too_long_is_aborted() {
        let mut transactions = Transactions::default();
        let producer = init(&mut transactions);
        begin(&mut transactions, producer);
        let now = Instant::now();
        assert!(transactions.tick(now + TIMEOUT / 2).is_empty());
        let ended = transactions.tick(now + TIMEOUT * 2);
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].producer.epoch, producer.epoch + 1);
        let late = transactions.check_partition("id", producer, &partition());
        assert_eq!(late, Err(ErrorCode::InvalidProducerEpoch));
    }

    #[test]
    fn after_the_last_epoch_comes_a_new_id() {
        let mut transactions = Transactions::default();
        let first = init(&mut transactions);
        if let Some(known) = transactions.by_id.get_mut("id") {
            known.producer.epoch = LAST_EPOCH;
        }
        let last = Producer {
            epoch: LAST_EPOCH,
            ..first
        };
        begin(&mut transactions, last);
        let (next, ended) = transactions.init("id", TIMEOUT, None).expect("a producer");
        assert!(next.id != first.id && next.epoch == 0);
        assert_eq!(ended.map(|it| it.producer.epoch), Some(i16::MAX));
    }
}
