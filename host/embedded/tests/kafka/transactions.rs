//! Transactions: committed records are seen, aborted ones are not, and offsets are part of them.

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer;

use super::*;

fn transactional(kafka: &Kafka, id: &str) -> Result<FutureProducer, KafkaError> {
    let producer = producer(kafka, &[("transactional.id", id)])?;
    producer.init_transactions(LIMIT)?;
    Ok(producer)
}

fn reader(kafka: &Kafka, topic: &str, isolation: &str) -> Result<BaseConsumer, KafkaError> {
    let settings = [
        ("isolation.level", isolation),
        ("enable.partition.eof", "true"),
    ];
    from_beginning(kafka, topic, 1, &settings)
}

/// All offsets that a reader gets before it is at the end.
fn until_the_end(consumer: &BaseConsumer) -> Result<Vec<i64>, Box<dyn std::error::Error>> {
    let deadline = Instant::now() + LIMIT;
    let mut seen = Vec::new();
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => seen.push(message.offset()),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(seen),
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
    }
    Err(format!("no end after {} records", seen.len()).into())
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_records_are_seen_and_aborted_ones_are_not() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "mixed", 1).await?;
    let producer = transactional(&kafka, "t")?;
    for commits in [true, false, true] {
        producer.begin_transaction()?;
        produce(&producer, "mixed", 0, 3).await?;
        if commits {
            producer.commit_transaction(LIMIT)?;
        } else {
            producer.abort_transaction(LIMIT)?;
        }
    }
    // Each transaction of three records ends in a marker, which takes an offset.
    let committed = reader(&kafka, "mixed", "read_committed")?;
    assert_eq!(until_the_end(&committed)?, [0, 1, 2, 8, 9, 10]);
    let all = reader(&kafka, "mixed", "read_uncommitted")?;
    assert_eq!(until_the_end(&all)?, [0, 1, 2, 4, 5, 6, 8, 9, 10]);
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_holds_back_who_reads_committed() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "open", 1).await?;
    let transactional = transactional(&kafka, "t")?;
    transactional.begin_transaction()?;
    produce(&transactional, "open", 0, 2).await?;
    produce(&producer(&kafka, &[])?, "open", 0, 1).await?;

    let committed = reader(&kafka, "open", "read_committed")?;
    assert_eq!(until_the_end(&committed)?, [0; 0]);
    assert_eq!(committed.fetch_watermarks("open", 0, LIMIT)?, (0, 0));
    let all = reader(&kafka, "open", "read_uncommitted")?;
    assert_eq!(until_the_end(&all)?, [0, 1, 2]);

    transactional.commit_transaction(LIMIT)?;
    assert_eq!(offsets(&records(&committed, 3)?), [0, 1, 2]);
    kafka.stop().await;
    Ok(())
}

/// Reads records and passes over the ends of partitions.
fn records(
    consumer: &BaseConsumer,
    n: usize,
) -> Result<Vec<OwnedMessage>, Box<dyn std::error::Error>> {
    let deadline = Instant::now() + LIMIT;
    let mut seen = Vec::new();
    while seen.len() < n && Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => seen.push(message.detach()),
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) => return Err(error.into()),
        }
    }
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_part_of_the_transaction() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "in", 1).await?;
    create_topic(&kafka, "out", 1).await?;
    produce(&producer(&kafka, &[])?, "in", 0, 10).await?;
    let settings = [
        ("group.id", "pipe"),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("isolation.level", "read_committed"),
    ];
    let consumer: BaseConsumer = client(&kafka, &settings).create()?;
    consumer.subscribe(&["in"])?;
    read(&consumer, 10)?;
    let at = |offset| -> Result<_, KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("in", 0, Offset::Offset(offset))?;
        Ok(list)
    };
    let committed =
        || -> Result<_, KafkaError> { Ok(consumer.committed(LIMIT)?.elements()[0].offset()) };
    let group = || consumer.group_metadata().ok_or("a member of the group");
    let producer = transactional(&kafka, "pipe")?;

    producer.begin_transaction()?;
    produce(&producer, "out", 0, 4).await?;
    producer.send_offsets_to_transaction(&at(4)?, &group()?, LIMIT)?;
    producer.abort_transaction(LIMIT)?;
    assert_eq!(committed()?, Offset::Invalid);

    producer.begin_transaction()?;
    produce(&producer, "out", 0, 7).await?;
    producer.send_offsets_to_transaction(&at(7)?, &group()?, LIMIT)?;
    producer.commit_transaction(LIMIT)?;
    assert_eq!(committed()?, Offset::Offset(7));
    let out = reader(&kafka, "out", "read_committed")?;
    assert_eq!(until_the_end(&out)?.len(), 7);

    // A member that is of the group no more is refused (KIP-447).
    let former = group()?;
    drop(consumer);
    producer.begin_transaction()?;
    let refused = producer.send_offsets_to_transaction(&at(9)?, &former, LIMIT);
    assert!(refused.is_err(), "the member has left");
    producer.abort_transaction(LIMIT)?;
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_producer_of_the_same_id_fences_the_first() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "fenced", 1).await?;
    let first = transactional(&kafka, "same")?;
    first.begin_transaction()?;
    produce(&first, "fenced", 0, 2).await?;

    let second = transactional(&kafka, "same")?;
    second.begin_transaction()?;
    produce(&second, "fenced", 0, 1).await?;
    second.commit_transaction(LIMIT)?;
    let late = first.commit_transaction(LIMIT);
    let code = late.err().as_ref().and_then(KafkaError::rdkafka_error_code);
    let fenced = [
        RDKafkaErrorCode::Fenced,
        RDKafkaErrorCode::ProducerFenced,
        RDKafkaErrorCode::InvalidProducerEpoch,
    ];
    assert!(code.is_some_and(|code| fenced.contains(&code)), "{code:?}");

    // Two records and their marker of abortion, then the second's record.
    let committed = reader(&kafka, "fenced", "read_committed")?;
    assert_eq!(until_the_end(&committed)?, [3]);
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_without_an_end_is_aborted() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "late", 1).await?;
    let settings = [
        ("transactional.id", "late"),
        ("transaction.timeout.ms", "1000"),
        ("message.timeout.ms", "1000"),
    ];
    let producer: FutureProducer = client(&kafka, &settings).create()?;
    producer.init_transactions(LIMIT)?;
    producer.begin_transaction()?;
    produce(&producer, "late", 0, 2).await?;
    let committed = reader(&kafka, "late", "read_committed")?;
    let deadline = Instant::now() + LIMIT;
    while committed.fetch_watermarks("late", 0, LIMIT)?.1 < 3 {
        assert!(Instant::now() < deadline, "it is still open");
    }
    assert!(
        producer.commit_transaction(LIMIT).is_err(),
        "it came too late"
    );
    assert_eq!(until_the_end(&committed)?, [0; 0]);
    kafka.stop().await;
    Ok(())
}
