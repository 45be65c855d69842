//! How batches are cut into transactions.

use std::sync::Arc;

use connect_api::{Datum, ErrorKind, Origin, Record, StateChanges, StateDelta, TimestampType};

use super::*;

const PARTITIONS: i32 = 3;

fn batch(partition: i32, first: i64, offsets: &[i64], next: i64) -> RecordBatch {
    let topic_partition = Arc::new(TopicPartition::new("t", partition));
    let record = |&offset: &i64| SinkRecord {
        record: Record {
            topic: Arc::clone(&topic_partition.topic),
            partition: Some(partition),
            key: Datum::NULL,
            value: Datum::NULL,
            headers: Vec::new(),
            timestamp: None,
        },
        origin: Origin::new(&topic_partition, Offset(offset)),
        timestamp_type: TimestampType::None,
    };
    RecordBatch {
        records: offsets.iter().map(record).collect(),
        first_offset: Offset(first),
        next_offset: Offset(next),
        last_timestamp: None,
        dead_letters: Vec::new(),
        state: Vec::new(),
        topic_partition,
    }
}

fn with_state(mut batch: RecordBatch) -> RecordBatch {
    batch.state.push(StateDelta {
        transform: "counts".into(),
        changes: StateChanges::default(),
    });
    batch
}

/// The cut transactions: of each part the partition, the positions and the offset that it leads to.
type Cut = Vec<Vec<(i32, usize, usize, i64)>>;

struct Task {
    offsets: Offsets,
    begun_versions: BTreeMap<TopicPartition, i64>,
}

impl Task {
    /// A task that stands at an offset in each partition.
    fn at(stored: i64) -> Self {
        let mut offsets = Offsets::new("c");
        let partitions: Vec<_> = (0..PARTITIONS)
            .map(|n| TopicPartition::new("t", n))
            .collect();
        offsets.open_unfenced(&partitions);
        let starts = partitions.into_iter().map(|tp| (tp, Offset(stored)));
        offsets.remember_starts(&starts.collect::<Vec<_>>());
        Self {
            offsets,
            begun_versions: BTreeMap::new(),
        }
    }

    fn cut(&mut self, batches: &[RecordBatch], max_records: usize) -> Result<Cut> {
        let progress = Progress {
            offsets: &self.offsets,
            begun_versions: &mut self.begun_versions,
        };
        let shown = |part: &Part<'_>| {
            let partition = part.batch.topic_partition.partition;
            (partition, part.start, part.end, part.next_offset.0)
        };
        let transactions = transactions(batches, progress, max_records)?;
        let shown = transactions
            .iter()
            .map(|parts| parts.iter().map(shown).collect());
        Ok(shown.collect())
    }
}

#[test]
fn small_batches_share_a_transaction_in_the_order_of_their_partitions() {
    let batches = [batch(2, 0, &[0, 1], 2), batch(0, 0, &[0], 5)];
    let cut = Task::at(0).cut(&batches, 10).unwrap();
    assert_eq!(cut, [[(0, 0, 1, 5), (2, 0, 2, 2)]]);
}

#[test]
fn a_large_batch_is_cut_and_each_part_leads_to_the_next() {
    let batches = [batch(0, 0, &[0, 1, 2, 3, 4], 9)];
    let cut = Task::at(0).cut(&batches, 2).unwrap();
    assert_eq!(cut, [[(0, 0, 2, 2)], [(0, 2, 4, 4)], [(0, 4, 5, 9)]]);
}

#[test]
fn records_of_one_offset_are_not_cut() {
    let batches = [batch(0, 0, &[0, 1, 1, 1, 2], 3)];
    let cut = Task::at(0).cut(&batches, 2).unwrap();
    assert_eq!(cut, [[(0, 0, 1, 1)], [(0, 1, 4, 2)], [(0, 4, 5, 3)]]);
}

#[test]
fn a_batch_with_state_is_not_cut() {
    let batches = [
        batch(0, 0, &[0], 1),
        with_state(batch(1, 0, &[0, 1, 2], 3)),
        batch(2, 0, &[0], 1),
    ];
    let cut = Task::at(0).cut(&batches, 2).unwrap();
    assert_eq!(
        cut,
        [vec![(0, 0, 1, 1)], vec![(1, 0, 3, 3)], vec![(2, 0, 1, 1)]]
    );
}

#[test]
fn what_is_durable_of_a_repeated_batch_is_left_out() {
    let batches = [batch(0, 0, &[0, 1, 2, 3], 4)];
    assert_eq!(Task::at(2).cut(&batches, 10).unwrap(), [[(0, 2, 4, 4)]]);
    assert!(Task::at(4).cut(&batches, 10).unwrap().is_empty());
}

#[test]
fn a_stored_offset_outside_of_the_batch_fences() {
    let batches = [batch(0, 5, &[5], 6)];
    for stored in [4, 7] {
        let error = Task::at(stored).cut(&batches, 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fenced, "{stored}");
    }
    let not_open = [batch(PARTITIONS, 0, &[0], 1)];
    let error = Task::at(0).cut(&not_open, 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
}

#[test]
fn a_batch_that_moves_no_offset_is_durable_once_the_version_has_moved() {
    let batches = [with_state(batch(0, 7, &[], 7))];
    let mut task = Task::at(7);
    // The answer to its COMMIT may have been lost: until the version moves, it is put again.
    for _ in 0..2 {
        assert_eq!(task.cut(&batches, 10).unwrap(), [[(0, 0, 0, 7)]]);
    }
    let step = Step {
        topic_partition: &batches[0].topic_partition,
        from: Offset(7),
        to: Offset(7),
        last_timestamp: None,
    };
    task.offsets.remember_steps(&[step]);
    assert!(task.cut(&batches, 10).unwrap().is_empty());
}
