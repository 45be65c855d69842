//! Topics and their configs, through an admin client.

use rdkafka::admin::{AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::consumer::CommitMode;
use rdkafka::error::RDKafkaErrorCode;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn topics_keep_their_partitions_and_configs() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "configs", 3).await?;
    let again = NewTopic::new("configs", 3, TopicReplication::Fixed(1));
    let again = admin(&kafka)?
        .create_topics([&again], &AdminOptions::new())
        .await?;
    assert_eq!(
        again,
        [Err((
            "configs".to_owned(),
            RDKafkaErrorCode::TopicAlreadyExists
        ))]
    );

    let resource = [ResourceSpecifier::Topic("configs")];
    let described = admin(&kafka)?
        .describe_configs(&resource, &AdminOptions::new())
        .await?;
    let resource = described
        .into_iter()
        .next()
        .ok_or("a resource")?
        .map_err(|code: RDKafkaErrorCode| format!("{code}"))?;
    let policy = resource
        .get("cleanup.policy")
        .and_then(|entry| entry.value.as_deref());
    assert_eq!(policy, Some("compact"));

    let consumer: BaseConsumer = client(&kafka, &[]).create()?;
    let metadata = consumer.fetch_metadata(Some("configs"), LIMIT)?;
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
    let all = consumer.fetch_metadata(None, LIMIT)?;
    assert!(all.topics().iter().any(|topic| topic.name() == "configs"));
    assert_eq!(all.brokers().len(), 1);
    assert_eq!(
        i32::from(
            kafka
                .bootstrap()
                .ends_with(&all.brokers()[0].port().to_string())
        ),
        1
    );

    admin(&kafka)?
        .delete_topics(&["configs"], &AdminOptions::new())
        .await?[0]
        .as_ref()
        .map_err(|(_, code)| code.to_string())?;
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_added_and_records_are_deleted() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "grows", 1).await?;
    produce(&producer(&kafka, &[])?, "grows", 0, 10).await?;
    let admin = admin(&kafka)?;
    let options = AdminOptions::new();
    let more = NewPartitions::new("grows", 3);
    let grown = admin.create_partitions([&more], &options).await?;
    assert_eq!(grown, [Ok("grows".to_owned())]);
    let again = admin.create_partitions([&more], &options).await?;
    let refused = RDKafkaErrorCode::InvalidPartitions;
    assert_eq!(again, [Err(("grows".to_owned(), refused))]);

    let mut before = TopicPartitionList::new();
    before.add_partition_offset("grows", 0, Offset::Offset(4))?;
    admin.delete_records(&before, &options).await?;
    let consumer = from_beginning(&kafka, "grows", 3, &[])?;
    assert_eq!(consumer.fetch_watermarks("grows", 0, LIMIT)?, (4, 10));
    assert_eq!(offsets(&read(&consumer, 6)?), [4, 5, 6, 7, 8, 9]);
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn configs_are_altered() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "altered", 1).await?;
    let admin = admin(&kafka)?;
    let options = AdminOptions::new();
    let specifier = ResourceSpecifier::Topic("altered");
    let alter = |key: &'static str, value: &'static str| {
        AlterConfig::new(ResourceSpecifier::Topic("altered")).set(key, value)
    };
    let altered = alter("retention.bytes", "1000");
    let outcome = admin.alter_configs([&altered], &options).await?;
    assert!(outcome.iter().all(Result::is_ok), "{outcome:?}");
    // The client keeps this answer's error to itself; that nothing is altered shows below.
    let refused = alter("no.such.config", "1");
    admin.alter_configs([&refused], &options).await?;

    let described = admin.describe_configs([&specifier], &options).await?;
    let resource = described.into_iter().next().ok_or("a resource")?;
    let resource = resource.map_err(|code| format!("{code}"))?;
    let value = |key| resource.get(key).and_then(|entry| entry.value.as_deref());
    assert_eq!(value("retention.bytes"), Some("1000"));
    // AlterConfigs takes back what it does not name.
    assert_eq!(value("cleanup.policy"), Some("delete"));
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_is_gone_with_its_records_and_offsets() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "again", 1).await?;
    produce(&producer(&kafka, &[])?, "again", 0, 3).await?;
    let settings = [("group.id", "keeps")];
    let consumer: BaseConsumer = client(&kafka, &settings).create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("again", 0, Offset::Offset(2))?;
    consumer.commit(&list, CommitMode::Sync)?;
    let asked = || -> Result<_, KafkaError> {
        let committed = consumer.committed_offsets(list.clone(), LIMIT)?;
        Ok(committed.elements()[0].offset())
    };
    assert_eq!(asked()?, Offset::Offset(2));
    let admin = admin(&kafka)?;
    admin
        .delete_topics(&["again"], &AdminOptions::new())
        .await?;
    create_topic(&kafka, "again", 1).await?;
    assert_eq!(asked()?, Offset::Invalid);
    assert_eq!(consumer.fetch_watermarks("again", 0, LIMIT)?, (0, 0));
    kafka.stop().await;
    Ok(())
}
