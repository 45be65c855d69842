//! Hostile Avro: schemas that a few bytes are many values of, and such bytes.

use harness::avro::Avro;
use harness::record::Record;

use super::dice::Dice;

/// Schemas that are registered.
pub const SCHEMAS: [&str; 7] = [
    r#"{"type":"record","name":"Nulls","fields":[{"name":"t","type":"string"},
        {"name":"j","type":{"type":"array","items":"null"}}]}"#,
    r#"{"type":"record","name":"Empties","fields":[{"name":"t","type":"string"},{"name":"j",
        "type":{"type":"array","items":{"type":"record","name":"Nothing","fields":[]}}}]}"#,
    r#"{"type":"record","name":"Scaled","fields":[{"name":"amount","type":{"type":"bytes",
        "connect.name":"org.apache.kafka.connect.data.Decimal",
        "connect.parameters":{"scale":"-2147483648"}}},{"name":"j","type":{"type":"array",
        "items":{"type":"bytes","connect.name":"org.apache.kafka.connect.data.Decimal",
        "connect.parameters":{"scale":"-131000"}}}}]}"#,
    r#"{"type":"record","name":"Node","fields":[{"name":"n","type":"long"},
        {"name":"j","type":["null","Node"]}]}"#,
    r#"{"type":"record","name":"Bytes","fields":[{"name":"n","type":"long"},
        {"name":"big","type":{"type":"bytes",
        "connect.name":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"3"}}},
        {"name":"f","type":{"type":"bytes",
        "connect.name":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"9"}}}
        ]}"#,
    r#"{"type":"record","name":"Wide","fields":[{"name":"n","type":"long"},{"name":"j",
        "type":{"type":"map","values":["null","boolean","long","double","string","bytes"]}}]}"#,
    r#"{"type":"record","name":"Fixed","fields":[{"name":"raw",
        "type":{"type":"fixed","name":"Huge","size":1048576}}]}"#,
];

/// A union of so many enums: each item of an array of them is a value for each.
pub fn union_of_enums(count: usize) -> String {
    let enums =
        (0..count).map(|at| format!(r#"{{"type":"enum","name":"E{at}","symbols":["S{at}"]}}"#));
    let enums: Vec<_> = enums.collect();
    format!(
        r#"{{"type":"record","name":"Enums","fields":[{{"name":"t","type":"string"}},
            {{"name":"j","type":{{"type":"array","items":[{}]}}}}]}}"#,
        enums.join(",")
    )
}

/// A record of one of the schemas, whose ids these are; the union's is the last.
pub fn record(dice: &mut Dice, ids: &[u32]) -> Record {
    let at = dice.below(ids.len() + 1);
    let Some(id) = ids.get(at) else {
        let length = dice.size(1_000);
        return Record::of(dice.bytes(length));
    };
    let framed = Avro::framed(*id);
    let count = dice.of(&[
        0,
        1,
        1_000,
        60_000,
        1_000_000,
        57_000_000,
        i64::MAX,
        i64::MIN,
        -1,
    ]);
    let padding = "\0".repeat(dice.size(900_000));
    let avro = match at {
        0 | 1 => framed.text(&padding).long(count).long(0),
        2 => {
            let items = dice.size(100_000);
            let framed = framed.bytes(&[1]).long(i64::try_from(items).unwrap_or(0));
            let framed = (0..items).fold(framed, |framed, _| framed.bytes(&[1]));
            framed.long(0)
        }
        3 => {
            let depth = dice.of(&[1, 100, 255, 256, 257, 5_000, 100_000]);
            (0..depth).fold(framed, |framed, n| framed.long(n).long(1))
        }
        4 => {
            let (first, second) = (dice.size(400_000), dice.size(400_000));
            let digits = [dice.bytes(first), dice.bytes(second)];
            framed.long(1).bytes(&digits[0]).bytes(&digits[1])
        }
        5 => {
            let entries = dice.size(50_000);
            let framed = framed.long(1).long(i64::try_from(entries).unwrap_or(0));
            let framed = (0..entries).fold(framed, |framed, _| framed.text("").long(0));
            framed.long(0)
        }
        6 => framed.fixed(padding.as_bytes()),
        _ => {
            let items = dice.size(300_000);
            let framed = framed.text("").long(i64::try_from(items).unwrap_or(0));
            let framed = (0..items).fold(framed, |framed, _| framed.long(0).long(0));
            framed.long(0)
        }
    };
    let mut bytes = Vec::from(avro);
    if dice.below(10) == 0 && bytes.len() > 6 {
        let at = 5 + dice.below(bytes.len() - 5);
        bytes[at] = dice.bytes(1)[0];
    }
    Record::of(bytes)
}
