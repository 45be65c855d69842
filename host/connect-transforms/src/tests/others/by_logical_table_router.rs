//! Debezium's `ByLogicalTableRouter`, with the example of its documentation.

use super::*;

const CLASS: &str = "io.debezium.transforms.ByLogicalTableRouter";
const REGEX: (&str, &str) = ("topic.regex", "(.*)customers_shard(.*)");
const REPLACEMENT: (&str, &str) = ("topic.replacement", "$1customers_all_shards");

fn shard(topic: &str) -> Record {
    let key = row(vec![("id", required(Kind::Int32), Value::Int(1))]);
    let field = Field::new("id", required(Kind::Int32));
    let value = Schema::optional(Kind::Struct(vec![field])).named("shard.Value");
    let value = Arc::new(value);
    let fields = vec![
        Field::new("before", Arc::clone(&value)),
        Field::new("after", Arc::clone(&value)),
        Field::new("op", required(Kind::String)),
    ];
    let schema = Schema::new(Kind::Struct(fields)).named("shard.Envelope");
    let after = Struct::new(value, vec![Value::Int(1)]);
    let values = vec![Value::Null, Value::Struct(Box::new(after)), "c".into()];
    let event = Datum::row(Struct::new(Arc::new(schema), values));
    Record {
        topic: topic.into(),
        ..record(key, event)
    }
}

#[test]
fn shards_share_a_topic_and_their_keys_tell_the_table() {
    let event = "my-db.customers_all_shards.Envelope: before Struct? null, after \
                 {my-db.customers_all_shards.Value: id Int32 1}, op String \"c\"";
    let key = "my-db.customers_all_shards.Key: id Int32 1";
    let record = shard("my-db.customers_shard2");
    for (options, field) in [
        (
            &[] as &[_],
            ", __dbz__physicalTableIdentifier String \"my-db.customers_shard2\"",
        ),
        (&[("key.enforce.uniqueness", "false")], ""),
        (
            &[
                ("key.field.name", "shard_id"),
                ("key.field.regex", "(.*)customers_shard(.*)"),
                ("key.field.replacement", "$2"),
            ],
            ", shard_id String \"2\"",
        ),
    ] {
        let options = [&[REGEX, REPLACEMENT], options].concat();
        let expect = format!("{event} | key {key}{field} | to my-db.customers_all_shards");
        assert_eq!(told(CLASS, &options, &record), expect);
    }
    let other = shard("my-db.orders");
    assert!(!told(CLASS, &[REGEX, REPLACEMENT], &other).contains(" | "));
    let tombstone = Record {
        value: Datum::NULL,
        ..shard("customers_shard2")
    };
    let told_of = told(CLASS, &[REGEX, REPLACEMENT], &tombstone);
    assert!(told_of.starts_with("null | key customers_all_shards.Key: id Int32 1, __dbz__"));
}

#[test]
fn names_of_schemas_are_adjusted_and_options_are_checked() {
    let avro = ("schema.name.adjustment.mode", "avro");
    let told_of = told(
        CLASS,
        &[REGEX, REPLACEMENT, avro],
        &shard("my-db.customers_shard2"),
    );
    assert!(
        told_of.starts_with("my_db.customers_all_shards.Envelope: "),
        "{told_of}"
    );
    let now = "io.debezium.transforms.ToLogicalTopicRouter";
    let told_of = told(now, &[REGEX, REPLACEMENT], &shard("customers_shard2"));
    assert!(told_of.contains("__dbz__sourceIdentifier"), "{told_of}");
    let record = shard("customers_shard2");
    for (options, key) in [
        (&[REGEX] as &[_], "topic.replacement"),
        (&[("topic.regex", "("), REPLACEMENT], "topic.regex"),
        (
            &[REGEX, REPLACEMENT, ("key.field.regex", "(.*)")],
            "key.field.replacement",
        ),
        (
            &[
                REGEX,
                REPLACEMENT,
                ("schema.name.adjustment.mode", "unicode"),
            ],
            "schema.name.adjustment.mode",
        ),
    ] {
        let error = told(CLASS, options, &record);
        assert!(
            error.starts_with("error: ") && error.contains(key),
            "{error}"
        );
    }
}
