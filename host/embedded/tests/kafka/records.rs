//! Records: they come back as they went, from any offset, in bounded memory.

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureRecord, Producer};
use rdkafka::util::Timeout;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn records_come_back_as_they_went() -> TestResult {
    let kafka = start()?;
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
            .send(full, Timeout::After(LIMIT))
            .await
            .map_err(|(e, _)| e)?;
        assert_eq!((sent.partition, sent.offset), (0, 0));
        let tombstone: FutureRecord<'_, str, str> = FutureRecord::to(&topic).key("key");
        producer
            .send(tombstone, Timeout::After(LIMIT))
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
            consumer.fetch_watermarks(&topic, 0, LIMIT)?,
            (0, 2),
            "{codec}"
        );
    }
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotent_producer_writes_once_and_in_order() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "idempotent", 3).await?;
    let producer = producer(&kafka, &[("enable.idempotence", "true"), ("acks", "all")])?;
    for partition in 0..3 {
        produce(&producer, "idempotent", partition, 5_000).await?;
    }
    for partition in 0..3 {
        let marks = producer
            .client()
            .fetch_watermarks("idempotent", partition, LIMIT)?;
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
async fn a_consumer_starts_in_the_middle_of_a_batch() -> TestResult {
    let kafka = start()?;
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
            consumer.fetch_watermarks(&topic, 0, LIMIT)?,
            (0, 100),
            "{codec}"
        );
    }
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_is_a_place_to_start() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "times", 1).await?;
    let producer = producer(&kafka, &[("linger.ms", "100")])?;
    let sends: Vec<_> = (0..10)
        .map(|i| {
            let record = FutureRecord::to("times").key("k").payload("v");
            let sent = producer.send_result(record.timestamp(1_000 + 1_000 * i));
            sent.map_err(|(error, _)| error)
        })
        .collect::<Result<_, _>>()?;
    for sent in sends {
        sent.await?.map_err(|(error, _)| error)?;
    }
    let consumer: BaseConsumer = client(&kafka, &[]).create()?;
    for (time, offset) in [
        (0, Offset::Offset(0)),
        (5_001, Offset::Offset(5)),
        (10_001, Offset::End),
    ] {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("times", 0, Offset::Offset(time))?;
        let found = consumer.offsets_for_times(list, LIMIT)?;
        assert_eq!(found.elements()[0].offset(), offset, "{time}");
    }
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_records_make_room() -> TestResult {
    let kafka = start()?;
    let topic =
        NewTopic::new("small", 1, TopicReplication::Fixed(1)).set("retention.bytes", "5000");
    let options = AdminOptions::new();
    let made = admin(&kafka)?.create_topics([&topic], &options).await?;
    assert_eq!(made, [Ok("small".to_owned())]);
    let settings = [("batch.num.messages", "10")];
    produce(&producer(&kafka, &settings)?, "small", 0, 1_000).await?;
    let consumer = from_beginning(&kafka, "small", 1, &[])?;
    let (low, high) = consumer.fetch_watermarks("small", 0, LIMIT)?;
    assert!(low > 0 && high == 1_000, "{low} to {high}");
    let left = usize::try_from(high - low)?;
    assert_eq!(
        offsets(&read(&consumer, left)?),
        (low..high).collect::<Vec<_>>()
    );
    kafka.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_waits_is_sent_at_once() -> TestResult {
    let kafka = start()?;
    create_topic(&kafka, "quick", 1).await?;
    let consumer = from_beginning(&kafka, "quick", 1, &[("fetch.wait.max.ms", "10000")])?;
    assert!(consumer.poll(Duration::from_millis(500)).is_none());
    let sent = Instant::now();
    produce(&producer(&kafka, &[("linger.ms", "0")])?, "quick", 0, 1).await?;
    assert_eq!(read(&consumer, 1)?.len(), 1);
    assert!(
        sent.elapsed() < Duration::from_secs(5),
        "{:?}",
        sent.elapsed()
    );
    kafka.stop().await;
    Ok(())
}
