//! The checks of the battery, each with a target of its own. [`crate::battery!`] makes tests of
//! them.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Result, ensure};
use connect_api::{Offset, RecordBatch, SinkRecord, Tolerance};

use crate::{Landed, LandedRecord, SinkUnderTest, TestWorker, batch, record};

/// Records of consecutive offsets, whose values are the numbers of their offsets.
fn numbered<S: SinkUnderTest>(sink: &S, partition: i32, offsets: Range<i64>) -> RecordBatch {
    let records = offsets
        .clone()
        .map(|n| record(partition, n, sink.value(partition, n)));
    batch(partition, offsets, records.collect())
}

/// What is to be there of a partition.
fn expected(partition: i32, numbers: impl IntoIterator<Item = i64>) -> Vec<LandedRecord> {
    let landed = |number| LandedRecord { partition, number };
    numbers.into_iter().map(landed).collect()
}

/// How often a record may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
}

impl Guarantee {
    /// What a sink is held to where a put was repeated.
    fn of(worker: &mut TestWorker) -> Self {
        match worker.keeps_offsets() {
            true => Self::ExactlyOnce,
            false => Self::AtLeastOnce,
        }
    }
}

/// Checks what a partition has: all of it, in order.
async fn check_landed<S: SinkUnderTest>(
    sink: &mut S,
    guarantee: Guarantee,
    partition: i32,
    numbers: impl IntoIterator<Item = i64>,
) -> Result<()> {
    let Landed::Records(mut landed) = sink.landed().await? else {
        return Ok(());
    };
    landed.retain(|record| record.partition == partition);
    if guarantee == Guarantee::AtLeastOnce {
        // Order is that of the first time: a repetition comes again as a whole.
        let mut seen = BTreeSet::new();
        landed.retain(|record| seen.insert(record.number));
    }
    let expected = expected(partition, numbers);
    ensure!(
        landed == expected,
        "{guarantee:?}: the target has {landed:?}, and not {expected:?}"
    );
    Ok(())
}

/// What `put` has answered `Ok` to is there.
///
/// # Errors
/// When it is not, as for all checks.
pub async fn delivery<S: SinkUnderTest>() -> Result<()> {
    let mut sink = S::new().await?;
    let mut worker = TestWorker::new(sink.task().await?);
    ensure!(worker.open(&[0, 1]).await? == [Offset(0), Offset(0)]);
    let batches = [numbered(&sink, 0, 0..3), numbered(&sink, 1, 0..2)];
    worker.put(&batches).await?;
    // The task still runs: what is there does not wait for its end.
    check_landed(&mut sink, Guarantee::ExactlyOnce, 0, 0..3).await?;
    check_landed(&mut sink, Guarantee::ExactlyOnce, 1, 0..2).await?;
    ensure!(
        worker.reports.offsets.is_empty(),
        "a good record was reported"
    );
    worker.stop().await;
    Ok(())
}

/// Records of a partition are in the order of their offsets, over many puts.
///
/// # Errors
/// When they are not.
pub async fn order<S: SinkUnderTest>() -> Result<()> {
    let mut sink = S::new().await?;
    let mut worker = TestWorker::new(sink.task().await?);
    worker.open(&[0, 1]).await?;
    for first in (0..60).step_by(20) {
        let batches = [
            numbered(&sink, 1, first..first + 20),
            numbered(&sink, 0, first..first + 20),
        ];
        worker.put(&batches).await?;
    }
    check_landed(&mut sink, Guarantee::ExactlyOnce, 0, 0..60).await?;
    check_landed(&mut sink, Guarantee::ExactlyOnce, 1, 0..60).await?;
    worker.stop().await;
    Ok(())
}

/// Ten records, of which 3 and 7 are errant. None where every value is taken.
fn with_errant<S: SinkUnderTest>(sink: &S, first: i64) -> Option<RecordBatch> {
    let errant = sink.errant_value()?;
    let mut given = numbered(sink, 0, first..first + 10);
    for position in [3, 7] {
        given.records[position].record.value = errant.clone();
    }
    Some(given)
}

fn without_errant(first: i64) -> impl Iterator<Item = i64> {
    (first..first + 10).filter(|n| ![3, 7].contains(&(n % 10)))
}

/// An errant record is reported once, and the good ones around it land in order.
///
/// # Errors
/// When they do not.
pub async fn errant_records<S: SinkUnderTest>() -> Result<()> {
    let mut sink = S::new().await?;
    let mut worker = TestWorker::new(sink.task().await?);
    worker.open(&[0]).await?;
    let Some(given) = with_errant(&sink, 0) else {
        return Ok(());
    };
    worker.put(&[given]).await?;
    ensure!(
        worker.reports.offsets == [3, 7],
        "reported {:?}",
        worker.reports.offsets
    );
    let next = numbered(&sink, 0, 10..12);
    worker.put(&[next]).await?;
    let all = without_errant(0).chain(10..12);
    check_landed(&mut sink, Guarantee::ExactlyOnce, 0, all).await?;
    worker.stop().await;
    Ok(())
}

/// Where errant records are not tolerated, the put fails with what the reporter says, and nothing
/// behind the record has landed.
///
/// # Errors
/// When it does not.
pub async fn intolerable_records<S: SinkUnderTest>() -> Result<()> {
    let mut sink = S::new().await?;
    let mut worker = TestWorker::with_tolerance(sink.task().await?, Tolerance::None);
    worker.open(&[0]).await?;
    let Some(given) = with_errant(&sink, 0) else {
        return Ok(());
    };
    let Err(error) = worker.put(&[given]).await else {
        anyhow::bail!("the put succeeds although the reporter refuses record 3");
    };
    ensure!(
        error.chain().contains("Tolerance exceeded"),
        "it is not the reporter's error: {}",
        error.chain()
    );
    if let Landed::Records(landed) = sink.landed().await? {
        let numbers: Vec<_> = landed.iter().map(|record| record.number).collect();
        let before: Vec<_> = (0..3).take(numbers.len()).collect();
        ensure!(numbers == before, "the target has {numbers:?}");
    }
    worker.stop().await;
    Ok(())
}

/// Several records of one offset, as a transform makes them, are all there.
///
/// # Errors
/// When they are not.
pub async fn records_of_one_offset<S: SinkUnderTest>() -> Result<()> {
    let mut sink = S::new().await?;
    let mut worker = TestWorker::new(sink.task().await?);
    worker.open(&[0]).await?;
    let numbered = [(0, 0), (1, 1), (1, 2), (1, 3), (2, 4)];
    let of = |(offset, number): (i64, i64)| record(0, offset, sink.value(0, number));
    let records: Vec<SinkRecord> = numbered.map(of).into();
    worker.put(&[batch(0, 0..3, records)]).await?;
    check_landed(&mut sink, Guarantee::ExactlyOnce, 0, 0..5).await?;
    worker.stop().await;
    Ok(())
}

/// A batch moves the offset over records that were dropped, also when it has no others.
///
/// # Errors
/// When it does not.
pub async fn offsets_without_records<S: SinkUnderTest>() -> Result<()> {
    let mut sink = S::new().await?;
    let mut worker = TestWorker::new(sink.task().await?);
    worker.open(&[0]).await?;
    worker.put(&[batch(0, 0..5, Vec::new())]).await?;
    let records = vec![record(0, 7, sink.value(0, 7))];
    worker.put(&[batch(0, 5..9, records)]).await?;
    check_landed(&mut sink, Guarantee::ExactlyOnce, 0, [7]).await?;
    let keeps_offsets = worker.keeps_offsets();
    worker.stop().await;
    let mut next = TestWorker::new(sink.task().await?);
    let starts = next.open(&[0]).await?;
    if keeps_offsets {
        ensure!(starts == [Offset(9)], "it goes on at {starts:?}");
    }
    next.stop().await;
    Ok(())
}

/// A batch that is put again, as when the sink's answer was lost, loses nothing, and doubles
/// nothing where the sink keeps offsets.
///
/// # Errors
/// When it does.
pub async fn repetition<S: SinkUnderTest>() -> Result<()> {
    let mut sink = S::new().await?;
    let mut worker = TestWorker::new(sink.task().await?);
    worker.open(&[0]).await?;
    let guarantee = Guarantee::of(&mut worker);
    for first in (0..9).step_by(3) {
        let given = [numbered(&sink, 0, first..first + 3)];
        worker.put(&given).await?;
        worker.put(&given).await?;
    }
    check_landed(&mut sink, guarantee, 0, 0..9).await?;
    worker.stop().await;
    Ok(())
}

/// A target that fails in passing loses nothing, and an errant record is still reported once.
///
/// # Errors
/// When it does, or the record is reported again.
pub async fn disturbance<S: SinkUnderTest>() -> Result<()> {
    let mut sink = S::new().await?;
    let mut worker = TestWorker::new(sink.task().await?);
    worker.open(&[0]).await?;
    let guarantee = Guarantee::of(&mut worker);
    let mut all = Vec::new();
    let mut errant = Vec::new();
    for first in (0..30).step_by(10) {
        sink.disturb().await?;
        match with_errant(&sink, first) {
            Some(given) => {
                worker.put(&[given]).await?;
                all.extend(without_errant(first));
                errant.extend([first + 3, first + 7]);
            }
            None => {
                worker.put(&[numbered(&sink, 0, first..first + 10)]).await?;
                all.extend(first..first + 10);
            }
        }
    }
    let reported = &worker.reports.offsets;
    ensure!(*reported == errant, "reported {reported:?}, not {errant:?}");
    check_landed(&mut sink, guarantee, 0, all).await?;
    worker.stop().await;
    Ok(())
}

/// A task that follows a stopped one goes on, and so does one that follows a task that was dropped.
///
/// # Errors
/// When it does not.
pub async fn restart<S: SinkUnderTest>() -> Result<()> {
    let mut sink = S::new().await?;
    let mut first = TestWorker::new(sink.task().await?);
    first.open(&[0]).await?;
    first.put(&[numbered(&sink, 0, 0..3)]).await?;
    first.stop().await;
    let mut second = TestWorker::new(sink.task().await?);
    let starts = second.open(&[0]).await?;
    if second.keeps_offsets() {
        ensure!(starts == [Offset(3)], "it goes on at {starts:?}");
    }
    second.put(&[numbered(&sink, 0, 3..6)]).await?;
    drop(second);
    let mut third = TestWorker::new(sink.task().await?);
    third.open(&[0]).await?;
    third.put(&[numbered(&sink, 0, 6..9)]).await?;
    check_landed(&mut sink, Guarantee::ExactlyOnce, 0, 0..9).await?;
    third.stop().await;
    Ok(())
}
