//! Consumer groups: members, rebalances and offsets.

use rdkafka::consumer::CommitMode;
use rdkafka::error::RDKafkaErrorCode;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_group_resumes_where_it_committed() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "resumed", 1).await?;
    produce(&producer(&kafka, &[])?, "resumed", 0, 10).await?;
    for strategy in ["range", "cooperative-sticky"] {
        let group = format!("resuming-{strategy}");
        let settings = [
            ("group.id", group.as_str()),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
            ("isolation.level", "read_committed"),
            ("partition.assignment.strategy", strategy),
        ];
        let first: BaseConsumer = client(&kafka, &settings).create()?;
        first.subscribe(&["resumed"])?;
        let seen = offsets(&read(&first, 10)?);
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        let mut done = TopicPartitionList::new();
        done.add_partition_offset("resumed", 0, Offset::Offset(4))?;
        first.commit(&done, CommitMode::Sync)?;
        let committed = first.committed(LIMIT)?.elements()[0].offset();
        assert_eq!(committed, Offset::Offset(4));
        // A list of its partitions that is still alive would make the client wait for ever.
        drop(first);

        let second: BaseConsumer = client(&kafka, &settings).create()?;
        second.subscribe(&["resumed"])?;
        assert_eq!(offsets(&read(&second, 1)?), [4], "{strategy}");
        let listed = second.fetch_group_list(Some(&group), LIMIT)?;
        assert_eq!(listed.groups().len(), 1, "{strategy}");
    }
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_and_inherit_partitions() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "shared", 4).await?;
    let settings = [
        ("group.id", "sharing"),
        ("auto.offset.reset", "earliest"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "500"),
    ];
    let first: BaseConsumer = client(&kafka, &settings).create()?;
    first.subscribe(&["shared"])?;
    wait_for_assignment(&[(&first, 4)])?;
    let second: BaseConsumer = client(&kafka, &settings).create()?;
    second.subscribe(&["shared"])?;
    wait_for_assignment(&[(&first, 2), (&second, 2)])?;
    drop(first);
    wait_for_assignment(&[(&second, 4)])?;
    kafka.stop().await;
    Ok(())
}

fn wait_for_assignment(wanted: &[(&BaseConsumer, usize)]) -> TestResult {
    let deadline = Instant::now() + LIMIT * 2;
    loop {
        let mut counts = Vec::new();
        for (consumer, _) in wanted {
            if let Some(message) = consumer.poll(Duration::from_millis(50)) {
                message?;
            }
            counts.push(consumer.assignment()?.count());
        }
        if counts
            .iter()
            .zip(wanted)
            .all(|(count, (_, wanted))| count == wanted)
        {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("assigned {counts:?}").into());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_dies_is_missed_after_its_session() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "inherited", 4).await?;
    let settings = [
        ("group.id", "inheriting"),
        ("session.timeout.ms", "1500"),
        ("heartbeat.interval.ms", "300"),
        ("max.poll.interval.ms", "2000"),
    ];
    let first: BaseConsumer = client(&kafka, &settings).create()?;
    let second: BaseConsumer = client(&kafka, &settings).create()?;
    first.subscribe(&["inherited"])?;
    second.subscribe(&["inherited"])?;
    wait_for_assignment(&[(&first, 2), (&second, 2)])?;
    // Nobody polls the first one any more.
    wait_for_assignment(&[(&second, 4)])?;
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_listed_and_deleted_when_they_are_empty() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "grouped", 1).await?;
    let consumer: BaseConsumer = client(&kafka, &[("group.id", "seen")]).create()?;
    consumer.subscribe(&["grouped"])?;
    wait_for_assignment(&[(&consumer, 1)])?;
    let listed = consumer.fetch_group_list(Some("seen"), LIMIT)?;
    let group = &listed.groups()[0];
    assert_eq!((group.state(), group.protocol()), ("Stable", "range"));
    assert_eq!(group.members().len(), 1);

    let admin = admin(&kafka)?;
    let options = AdminOptions::new();
    let in_use = admin.delete_groups(&["seen"], &options).await?;
    let code = RDKafkaErrorCode::NonEmptyGroup;
    assert_eq!(in_use, [Err(("seen".to_owned(), code))]);
    drop(consumer);
    assert_eq!(
        admin.delete_groups(&["seen"], &options).await?,
        [Ok("seen".to_owned())]
    );
    let gone = admin.delete_groups(&["seen"], &options).await?;
    let code = RDKafkaErrorCode::GroupIdNotFound;
    assert_eq!(gone, [Err(("seen".to_owned(), code))]);
    kafka.stop().await;
    Ok(())
}

/// A known gap: when it fails, say so in the README.
#[tokio::test(flavor = "multi_thread")]
async fn the_new_group_protocol_is_refused() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "gaps", 1).await?;
    let settings = [("group.id", "new"), ("group.protocol", "consumer")];
    let consumer: BaseConsumer = client(&kafka, &settings).create()?;
    consumer.subscribe(&["gaps"])?;
    let error = (0..50).find_map(|_| consumer.poll(Duration::from_millis(100))?.err());
    let assigned = consumer.assignment()?.count();
    assert!(error.is_some() || assigned == 0, "KIP-848 groups work now");
    kafka.stop().await;
    Ok(())
}
