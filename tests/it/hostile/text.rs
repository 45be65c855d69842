//! Hostile JSON, without schemas and with them.

use super::dice::Dice;

/// Columns of the table that all records go to.
const COLUMNS: [&str; 9] = ["n", "amount", "big", "f", "t", "j", "list", "at", "raw"];

const SCALES: [i64; 16] = [
    0,
    2,
    38,
    -1,
    -40,
    16_383,
    16_384,
    -131_071,
    -131_072,
    131_072,
    1_000_000,
    -1_000_000,
    -100_000_000,
    i32::MAX as i64,
    i32::MIN as i64,
    1 << 40,
];

/// A record's value without a schema.
pub fn schemaless(dice: &mut Dice) -> Vec<u8> {
    let text = match dice.below(12) {
        0 => wide(dice),
        1 => format!("{{\"{}\":1}}", "k".repeat(dice.size(300_000))),
        2 => value(dice),
        3 => return damaged(dice),
        4 => {
            // One name many times.
            let fields = format!("\"n\":{},", number(dice)).repeat(1 + dice.size(2_000));
            format!("{{{fields}\"t\":{}}}", value(dice))
        }
        _ => {
            let count = 1 + dice.below(4);
            let fields = (0..count).map(|_| format!("\"{}\":{}", dice.of(&COLUMNS), value(dice)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
    };
    cut(text)
}

/// No record is larger than what a broker takes.
fn cut(text: String) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    bytes.truncate(900_000);
    bytes
}

fn damaged(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = format!("{{\"n\":{},\"j\":{}}}", number(dice), value(dice)).into_bytes();
    bytes.truncate(900_000);
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(bytes.len());
        bytes[at] = dice.bytes(1)[0];
    }
    bytes
}

fn wide(dice: &mut Dice) -> String {
    let count = dice.of(&[10, 1_599, 1_600, 1_601, 5_000, 40_000]);
    let fields = (0..count).map(|at| format!("\"f{at}\":{at}"));
    format!("{{\"n\":1,{}}}", fields.collect::<Vec<_>>().join(","))
}

fn value(dice: &mut Dice) -> String {
    match dice.below(10) {
        0..3 => number(dice),
        3 => {
            let depth = dice.of(&[1, 7, 63, 64, 65, 127, 128, 129, 1_000, 20_000]);
            format!("{}{}", "[".repeat(depth), "]".repeat(depth))
        }
        4 => {
            let depth = dice.of(&[1, 64, 127, 128, 1_000]);
            format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth))
        }
        5 => {
            let item = dice.of(&["0", "[]", "{}", "null", "1e131000", "\"\"", "{\"a\":[]}"]);
            let items = format!("{item},").repeat(dice.size(100_000));
            format!("[{items}{item}]")
        }
        6 => {
            let entries = (0..dice.size(20_000)).map(|at| format!("\"{at}\":{{}},"));
            format!("{{{}\"\":null}}", entries.collect::<String>())
        }
        7 => {
            let piece = dice.of(&["\\u0000", "\\ud800", "\u{e9}", "\\\"", "\u{1F980}", "a"]);
            format!("\"{}\"", piece.repeat(dice.size(100_000)))
        }
        // A long name, and many leaves below it.
        8 => {
            let leaves = (0..dice.size(5_000)).map(|at| format!("\"{at}\":1,"));
            let name = "p".repeat(dice.size(100_000));
            format!("{{\"{name}\":{{{}\"z\":1}}}}", leaves.collect::<String>())
        }
        _ => dice
            .of(&["true", "null", "\"NaN\"", "\"2024-02-30\"", "\"1e99999\""])
            .to_owned(),
    }
}

fn number(dice: &mut Dice) -> String {
    let sign = dice.of(&["", "-"]);
    let lengths = [
        1, 17, 19, 40, 766, 768, 16_383, 16_384, 65_536, 70_000, 131_073, 200_000,
    ];
    let length = match dice.below(4) {
        0 => dice.of(&lengths),
        _ => 1 + dice.below(60),
    };
    let digits = dice.digits(length);
    match dice.below(4) {
        0 => format!("{sign}{digits}"),
        1 => format!("{sign}0.{digits}"),
        2 => {
            let exponent = dice.of(&[
                "5",
                "-5",
                "400",
                "-400",
                "16384",
                "-16384",
                "131071",
                "131072",
                "131073",
                "999999999",
                "-999999999",
                "99999999999999999999",
            ]);
            format!("{sign}{}.{digits}e{exponent}", dice.below(10))
        }
        _ => format!("{sign}{}.{digits}", dice.below(1_000)),
    }
}

/// A record's value in an envelope with its schema.
pub fn with_schema(dice: &mut Dice) -> Vec<u8> {
    if dice.below(20) == 0 {
        return damaged(dice);
    }
    let count = 1 + dice.below(3);
    let (mut fields, mut values) = (Vec::new(), Vec::new());
    for column in COLUMNS.iter().skip(dice.below(6)).take(count) {
        let (schema, value) = typed(dice, 0);
        fields.push(named(&schema, column));
        values.push(format!("\"{column}\":{value}"));
    }
    if dice.below(10) == 0 {
        let more = dice.of(&[100, 1_601, 5_000]);
        fields.extend(
            (0..more)
                .map(|at| format!("{{\"type\":\"int32\",\"optional\":true,\"field\":\"f{at}\"}}")),
        );
    }
    cut(format!(
        "{{\"schema\":{{\"type\":\"struct\",\"fields\":[{}]}},\"payload\":{{{}}}}}",
        fields.join(","),
        values.join(",")
    ))
}

fn named(schema: &str, name: &str) -> String {
    let rest = schema.strip_prefix('{').unwrap_or(schema);
    format!("{{\"field\":\"{name}\",{rest}")
}

/// A schema, and a value that may be of it.
fn typed(dice: &mut Dice, depth: usize) -> (String, String) {
    let kind = if depth > 40 { 0 } else { dice.below(8) };
    match kind {
        0 => decimal(dice),
        1 => {
            let name = dice.of(&[
                "int8", "int64", "float", "double", "string", "boolean", "bytes",
            ]);
            (
                format!("{{\"type\":\"{name}\",\"optional\":true}}"),
                number(dice),
            )
        }
        2 => {
            let (schema, value) = typed(dice, depth + 1);
            let values = format!("{value},").repeat(repeats(dice, &value));
            let schema = format!("{{\"type\":\"array\",\"items\":{schema}}}");
            (schema, format!("[{values}{value}]"))
        }
        3 => empty_rows(dice),
        4 => nulls(dice),
        5 => {
            let (schema, value) = typed(dice, depth + 1);
            let schema = format!(
                "{{\"type\":\"map\",\"keys\":{{\"type\":\"string\"}},\"values\":{schema}}}"
            );
            let entries = format!("\"k\":{value},").repeat(repeats(dice, &value));
            (schema, format!("{{{entries}\"\":{value}}}"))
        }
        6 => {
            let (mut schema, mut value) = typed(dice, depth + 1);
            for _ in 0..dice.of(&[1, 5, 30, 70, 200]) {
                schema = format!(
                    "{{\"type\":\"struct\",\"optional\":true,\"fields\":[{}]}}",
                    named(&schema, "a")
                );
                value = format!("{{\"a\":{value}}}");
            }
            (schema, value)
        }
        _ => debezium(dice),
    }
}

/// Items of no letters, each of which is as many values as the schema has fields.
fn empty_rows(dice: &mut Dice) -> (String, String) {
    let count = dice.size(2_000);
    let fields =
        (0..count).map(|at| format!("{{\"field\":\"{at}\",\"type\":\"int8\",\"optional\":true}}"));
    let fields: Vec<_> = fields.collect();
    let schema = format!(
        "{{\"type\":\"array\",\"items\":{{\"type\":\"struct\",\"fields\":[{}]}}}}",
        fields.join(",")
    );
    (
        schema,
        format!("[{}{{}}]", "{},".repeat(dice.size(100_000))),
    )
}

/// Nulls, for each of which stands a long default.
fn nulls(dice: &mut Dice) -> (String, String) {
    let default = "d".repeat(dice.size(100_000));
    let item = format!("{{\"type\":\"string\",\"optional\":true,\"default\":\"{default}\"}}");
    let nulls = "null,".repeat(dice.size(50_000));
    (
        format!("{{\"type\":\"array\",\"items\":{item}}}"),
        format!("[{nulls}null]"),
    )
}

/// Types that mean more than their bytes.
fn debezium(dice: &mut Dice) -> (String, String) {
    let name = dice.of(&[
        "io.debezium.data.Bits",
        "io.debezium.time.NanoTimestamp",
        "org.apache.kafka.connect.data.Timestamp",
    ]);
    let length = dice.of(&["1", "83886080", "2147483647", "-1"]);
    let of = dice.of(&["bytes", "int64"]);
    let schema = format!(
        "{{\"type\":\"{of}\",\"name\":\"{name}\",\"parameters\":{{\"length\":\"{length}\"}}}}"
    );
    (
        schema,
        dice.of(&["\"AQ==\"", "9223372036854775807", "-1"])
            .to_owned(),
    )
}

fn repeats(dice: &mut Dice, value: &str) -> usize {
    dice.size(20_000).min(400_000 / (value.len() + 5))
}

fn decimal(dice: &mut Dice) -> (String, String) {
    let scale = dice.of(&SCALES);
    let schema = format!(
        "{{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\
         \"parameters\":{{\"scale\":\"{scale}\"}},\"optional\":true}}"
    );
    let value = match dice.below(4) {
        0 => number(dice),
        // 3 bytes of digits for 4 letters.
        1 => format!("\"{}\"", "VVVV".repeat(1 + dice.size(150_000))),
        2 => "\"AQ==\"".to_owned(),
        _ => "\"gAAA\"".to_owned(),
    };
    (schema, value)
}
