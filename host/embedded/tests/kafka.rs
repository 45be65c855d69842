//! What librdkafka, the worker's client, finds in the embedded broker, and what it does not.

use std::time::Duration;

use embedded::{Error, Kafka, Registry, demo};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};

type TestResult = Result<(), Box<dyn std::error::Error>>;

const PATIENCE: Duration = Duration::from_secs(20);

async fn start() -> embedded::Result<Kafka> {
    Kafka::start(([127, 0, 0, 1], 0).into()).await
}

fn client(kafka: &Kafka, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.bootstrap());
    settings.iter().for_each(|(key, value)| {
        config.set(*key, *value);
    });
    config
}

fn producer(kafka: &Kafka, settings: &[(&str, &str)]) -> Result<FutureProducer, KafkaError> {
    client(
        kafka,
        &[&[("message.timeout.ms", "20000")], settings].concat(),
    )
    .create()
}

fn admin(kafka: &Kafka) -> Result<AdminClient<DefaultClientContext>, KafkaError> {
    client(kafka, &[]).create()
}

async fn create_topic(kafka: &Kafka, name: &str, partitions: i32) -> TestResult {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact");
    let made = admin(kafka)?
        .create_topics([&topic], &AdminOptions::new())
        .await?;
    assert_eq!(made, [Ok(name.to_owned())]);
    Ok(())
}

async fn produce(producer: &FutureProducer, topic: &str, partition: i32, n: usize) -> TestResult {
    let sends: Vec<_> = (0..n)
        .map(|i| {
            let (key, value) = (format!("k{i}"), format!("v{i}"));
            let record = FutureRecord::to(topic)
                .partition(partition)
                .key(&key)
                .payload(&value);
            producer.send_result(record).map_err(|(error, _)| error)
        })
        .collect::<Result<_, _>>()?;
    for sent in sends {
        sent.await?.map_err(|(error, _)| error)?;
    }
    Ok(())
}

/// Reads `n` records, in the order they come.
fn read(
    consumer: &BaseConsumer,
    n: usize,
) -> Result<Vec<OwnedMessage>, Box<dyn std::error::Error>> {
    let mut seen = Vec::new();
    let deadline = std::time::Instant::now() + PATIENCE;
    while seen.len() < n {
        if std::time::Instant::now() > deadline {
            return Err(format!("{} of {n} records", seen.len()).into());
        }
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            seen.push(message?.detach());
        }
    }
    Ok(seen)
}

fn offsets(records: &[OwnedMessage]) -> Vec<i64> {
    records.iter().map(Message::offset).collect()
}

fn from_beginning(
    kafka: &Kafka,
    topic: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> Result<BaseConsumer, KafkaError> {
    let consumer: BaseConsumer =
        client(kafka, &[&[("group.id", "reader")], settings].concat()).create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    Ok(consumer)
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_keep_their_partitions_and_configs() -> TestResult {
    let kafka = start().await?;
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
        .map_err(|e| e.to_string())?;
    let policy = resource
        .get("cleanup.policy")
        .and_then(|entry| entry.value.as_deref());
    assert_eq!(policy, Some("compact"));

    let consumer: BaseConsumer = client(&kafka, &[]).create()?;
    let metadata = consumer.fetch_metadata(Some("configs"), PATIENCE)?;
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
    let all = consumer.fetch_metadata(None, PATIENCE)?;
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
async fn records_come_back_as_they_went() -> TestResult {
    let kafka = start().await?;
    for codec in ["none", "snappy", "lz4", "gzip", "zstd"] {
        let topic = format!("codec-{codec}");
        create_topic(&kafka, &topic, 1).await?;
        let settings = [("compression.type", codec), ("linger.ms", "50")];
        let producer = producer(&kafka, &settings)?;
        let headers = OwnedHeaders::new()
            .insert(Header {
                key: "h",
                value: Some(&[0_u8, 255][..]),
            })
            .insert(Header {
                key: "empty",
                value: None::<&[u8]>,
            });
        let long = "x".repeat(10_000);
        let full = FutureRecord::to(&topic)
            .key("key")
            .payload(&long)
            .headers(headers)
            .timestamp(1_700_000_000_123);
        let sent = producer
            .send(full, Timeout::After(PATIENCE))
            .await
            .map_err(|(e, _)| e)?;
        assert_eq!((sent.partition, sent.offset), (0, 0));
        let tombstone: FutureRecord<'_, str, str> = FutureRecord::to(&topic).key("key");
        producer
            .send(tombstone, Timeout::After(PATIENCE))
            .await
            .map_err(|(e, _)| e)?;

        let consumer = from_beginning(&kafka, &topic, 1, &[])?;
        let seen = read(&consumer, 2)?;
        assert_eq!(seen[0].key(), Some(&b"key"[..]), "{codec}");
        assert_eq!(seen[0].payload(), Some(long.as_bytes()), "{codec}");
        assert_eq!(seen[0].timestamp().to_millis(), Some(1_700_000_000_123));
        let headers = seen[0].headers().ok_or("headers")?;
        assert_eq!(
            headers.get(0),
            Header {
                key: "h",
                value: Some(&[0, 255][..])
            }
        );
        assert_eq!(
            headers.get(1),
            Header {
                key: "empty",
                value: None
            }
        );
        assert_eq!((seen[1].payload(), seen[1].offset()), (None, 1), "{codec}");
        assert_eq!(
            consumer.fetch_watermarks(&topic, 0, PATIENCE)?,
            (0, 2),
            "{codec}"
        );
    }
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotent_producer_writes_once_and_in_order() -> TestResult {
    let kafka = start().await?;
    create_topic(&kafka, "idempotent", 3).await?;
    let producer = producer(&kafka, &[("enable.idempotence", "true"), ("acks", "all")])?;
    for partition in 0..3 {
        produce(&producer, "idempotent", partition, 5_000).await?;
    }
    for partition in 0..3 {
        let marks = producer
            .client()
            .fetch_watermarks("idempotent", partition, PATIENCE)?;
        assert_eq!(marks, (0, 5_000));
    }
    let consumer = from_beginning(&kafka, "idempotent", 1, &[])?;
    let seen = read(&consumer, 5_000)?;
    let in_order = (0..).zip(&seen).all(|(i, record)| {
        record.key() == Some(format!("k{i}").as_bytes()) && record.offset() == i
    });
    assert!(in_order, "order or content changed");
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_resumes_where_it_committed() -> TestResult {
    let kafka = start().await?;
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
        let committed = first.committed(PATIENCE)?.elements()[0].offset();
        assert_eq!(committed, Offset::Offset(4));
        // A list of its partitions that is still alive would make the client wait for ever.
        drop(first);

        let second: BaseConsumer = client(&kafka, &settings).create()?;
        second.subscribe(&["resumed"])?;
        assert_eq!(offsets(&read(&second, 1)?), [4], "{strategy}");
        let listed = second.fetch_group_list(Some(&group), PATIENCE)?;
        assert_eq!(listed.groups().len(), 1, "{strategy}");
    }
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_and_inherit_partitions() -> TestResult {
    let kafka = start().await?;
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
    let deadline = std::time::Instant::now() + PATIENCE * 2;
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
        if std::time::Instant::now() > deadline {
            return Err(format!("assigned {counts:?}").into());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_starts_in_the_middle_of_a_batch() -> TestResult {
    let kafka = start().await?;
    for codec in ["none", "snappy", "lz4", "gzip", "zstd"] {
        let topic = format!("middle-{codec}");
        create_topic(&kafka, &topic, 1).await?;
        let settings = [("compression.type", codec), ("linger.ms", "200")];
        produce(&producer(&kafka, &settings)?, &topic, 0, 100).await?;
        let consumer: BaseConsumer = client(&kafka, &[("group.id", "middle")]).create()?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(37))?;
        consumer.assign(&list)?;
        let seen = read(&consumer, 63)?;
        assert_eq!(offsets(&seen), (37..100).collect::<Vec<_>>(), "{codec}");
        assert_eq!(seen[0].payload(), Some(&b"v37"[..]), "{codec}");
        assert_eq!(
            consumer.fetch_watermarks(&topic, 0, PATIENCE)?,
            (0, 100),
            "{codec}"
        );
    }
    kafka.stop().await;
    Ok(())
}

/// The broker's known gaps. When one of these fails, tansu has learnt something: say so in the
/// README and drop the line.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_and_the_new_group_protocol_are_refused() -> TestResult {
    let kafka = start().await?;
    create_topic(&kafka, "gaps", 1).await?;
    let transactional = producer(&kafka, &[("transactional.id", "t")])?;
    transactional.init_transactions(PATIENCE)?;
    transactional.begin_transaction()?;
    produce(&transactional, "gaps", 0, 1).await?;
    let committed = transactional.commit_transaction(Duration::from_secs(5));
    println!("commit_transaction: {committed:?}");
    assert!(committed.is_err(), "transactions commit now");

    let settings = [("group.id", "new"), ("group.protocol", "consumer")];
    let consumer: BaseConsumer = client(&kafka, &settings).create()?;
    consumer.subscribe(&["gaps"])?;
    let error = (0..50).find_map(|_| consumer.poll(Duration::from_millis(100))?.err());
    println!("group.protocol=consumer: {error:?}");
    assert!(
        error.is_some() || consumer.assignment()?.count() == 0,
        "KIP-848 groups work now"
    );
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_records_are_produced_whole() -> TestResult {
    let kafka = start().await?;
    let registry = Registry::start(([127, 0, 0, 1], 0).into()).await?;
    let n = 2_000;
    let produced = demo::produce(&kafka.bootstrap(), &registry.url(), n).await?;
    // Again: what is there is used, and more records follow.
    demo::produce(&kafka.bootstrap(), &registry.url(), n).await?;
    for (system, split) in produced.systems {
        assert_eq!(split.records(), n);
        let consumer = from_beginning(&kafka, system.topic, system.partitions, &[])?;
        assert_eq!(read(&consumer, 2 * n)?.len(), 2 * n, "{}", system.topic);
    }
    println!("{} sample records in {:?}", 5 * n, produced.elapsed);
    registry.stop().await;
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_broker_on_the_port_is_refused() -> TestResult {
    let kafka = start().await?;
    let addr = kafka.bootstrap().parse()?;
    let second = Kafka::start(addr).await;
    assert!(matches!(second, Err(Error::Bind { .. })), "{second:?}");
    kafka.stop().await;
    Kafka::start(addr).await?.stop().await;
    Ok(())
}
