//! What a record can order: a word, for some with a number after a colon. What follows after a
//! blank is weight.

use std::str::FromStr;

use ferrule_plugin::Failure;

/// An order to the guest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Command {
    /// `keep`
    Keep,
    /// `drop`
    Drop,
    /// `fail` or `fail:N`: with so many bytes more of reason.
    Fail(u64),
    /// `replace`: by the record itself.
    Replace,
    /// `same`: by a row that takes all of the record's own.
    Same,
    /// `pick:N`: by a row of the field `picked` that takes this field of the record.
    Pick(u64),
    /// `picks:N`: by that many rows of the field `picked` that take the first field.
    Picks(u64),
    /// `repeat:N`: by that many records that give no part.
    Repeat(u64),
    /// `copies:N`: that many of the record itself.
    Copies(u64),
    /// `topic`: the record itself, to the topic `elsewhere`.
    Topic,
    /// `count`: a counter in the state, one row of the field `count`.
    Count,
    /// `remember`: adds one to the counter in the state, and keeps the record.
    Remember,
    /// `metric` or `metric:N`: adds to the counter `commands`.
    Metric(u64),
    /// `gauge` or `gauge:N`: sets the gauge `level`.
    Gauge(u64),
    /// `deep-json` or `deep-json:N`: as many arrays in one another, 100,000 without a number.
    DeepJson(u64),
    /// `one-outcome-less`: than there are records.
    OneOutcomeLess,
    /// `one-outcome-more`: than there are records.
    OneOutcomeMore,
    /// To take more than its share.
    Harm(Harm),
    /// To tell what must not be told.
    Secret(Secret),
    /// To answer what the contract forbids.
    Bad(Bad),
}

/// Ways to take more than a guest's share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Harm {
    /// `loop`: without end.
    Loop,
    /// `allocate`: without end.
    Allocate,
    /// `recurse`: without end.
    Recurse,
    /// `trap`: by a panic.
    Trap,
    /// `huge` or `huge:N`: bytes of output, 256 MiB without a number.
    Huge(u64),
    /// `hoard` or `hoard:N`: bytes that are never given back, 1 MiB without a number; else `keep`.
    Hoard(u64),
    /// `echo:N`: that many records whose value is the same 64 KiB of text.
    Echo(u64),
    /// `wide:N`: that many rows of 1024 fields that have their sources in common.
    Wide(u64),
    /// `state`: writes until it is full.
    State,
    /// `state-forever`: writes without end, full or not.
    StateForever,
    /// `log` or `log:N`: lines of 2 KiB, 100,000 without a number.
    Log(u64),
}

/// Ways to tell the configuration's secret.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Secret {
    /// `secret`: backwards, in a record.
    Backwards,
    /// `secret-panic`: a panic that quotes it.
    Panic,
    /// `secret-fail`: a failure whose reason and field it is.
    Fail,
    /// `secret-field`: a row that is not as its shape says, whose field has its name.
    Field,
}

/// Answers that the contract forbids.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bad {
    /// `bad-json`: a json value that is none.
    Json,
    /// `bad-shape`: an index past all shapes.
    Shape,
    /// `bad-source`: takes a field that there is not.
    Source,
    /// `bad-width`: fewer values than the shape has fields.
    Width,
    /// `bad-kind`: text in a field of integers.
    Kind,
    /// `bad-span`: a text past all bytes.
    Span,
    /// `bad-text`: one that ends within a character.
    Text,
    /// `bad-order`: two of the record itself, the values of the second before those of the first.
    Order,
    /// `one-record-less`: than the outcome names.
    OneRecordLess,
}

impl FromStr for Command {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Command, Failure> {
        let text = text.split(' ').next().unwrap_or(text);
        let (word, number) = match text.split_once(':') {
            Some((word, number)) => match number.parse() {
                Ok(number) => (word, Some(number)),
                Err(_) => return Err(Failure::at("cmd", "must have a number after the colon")),
            },
            None => (text, None),
        };
        Ok(match word {
            "keep" => Command::Keep,
            "drop" => Command::Drop,
            "fail" => Command::Fail(number.unwrap_or(0)),
            "replace" => Command::Replace,
            "same" => Command::Same,
            "pick" => Command::Pick(number.unwrap_or(0)),
            "picks" => Command::Picks(number.unwrap_or(2)),
            "repeat" => Command::Repeat(number.unwrap_or(2)),
            "copies" => Command::Copies(number.unwrap_or(2)),
            "count" => Command::Count,
            "remember" => Command::Remember,
            "topic" => Command::Topic,
            "loop" => Command::Harm(Harm::Loop),
            "allocate" => Command::Harm(Harm::Allocate),
            "recurse" => Command::Harm(Harm::Recurse),
            "trap" => Command::Harm(Harm::Trap),
            "one-outcome-less" => Command::OneOutcomeLess,
            "one-outcome-more" => Command::OneOutcomeMore,
            "huge" => Command::Harm(Harm::Huge(number.unwrap_or(256 << 20))),
            "hoard" => Command::Harm(Harm::Hoard(number.unwrap_or(1 << 20))),
            "bad-json" => Command::Bad(Bad::Json),
            "deep-json" => Command::DeepJson(number.unwrap_or(100_000)),
            "metric" => Command::Metric(number.unwrap_or(1)),
            "gauge" => Command::Gauge(number.unwrap_or(1)),
            "secret" => Command::Secret(Secret::Backwards),
            "secret-panic" => Command::Secret(Secret::Panic),
            "secret-fail" => Command::Secret(Secret::Fail),
            "secret-field" => Command::Secret(Secret::Field),
            "bad-shape" => Command::Bad(Bad::Shape),
            "bad-source" => Command::Bad(Bad::Source),
            "bad-width" => Command::Bad(Bad::Width),
            "bad-kind" => Command::Bad(Bad::Kind),
            "bad-span" => Command::Bad(Bad::Span),
            "bad-text" => Command::Bad(Bad::Text),
            "bad-order" => Command::Bad(Bad::Order),
            "one-record-less" => Command::Bad(Bad::OneRecordLess),
            "echo" => Command::Harm(Harm::Echo(number.unwrap_or(2))),
            "wide" => Command::Harm(Harm::Wide(number.unwrap_or(2))),
            "state" => Command::Harm(Harm::State),
            "state-forever" => Command::Harm(Harm::StateForever),
            "log" => Command::Harm(Harm::Log(number.unwrap_or(100_000))),
            _ => return Err(Failure::at("cmd", "is not a command")),
        })
    }
}
