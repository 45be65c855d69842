//! Rows that are made of the record's own.

use ferrule_plugin::bindings::ferrule::transform::data;
use ferrule_plugin::testing::{Answer, Input, Runner};
use ferrule_plugin::{
    Config, ConfigErrors, Description, Kind, OutRecord, Outcome, Parts, Payload, Record, RowShape,
    Transform, Value, ValueRef,
};

struct Edit {
    shape: RowShape,
}

impl Transform for Edit {
    fn describe() -> Description {
        Description::new("edit", "1", "Edits.")
            .reading(Parts::KEY | Parts::VALUE)
            .reading_fields(&["cmd", "c"])
    }

    fn configure(_: &Config) -> Result<Self, ConfigErrors> {
        let shape = RowShape::new("out")
            .required("c", Kind::Int64)
            .optional("new", Kind::Text)
            .required("a", Kind::Any);
        Ok(Edit { shape })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        self.edited(record, record)
    }

    fn apply_batch(&mut self, records: &[Record<'_>]) -> Vec<ferrule_plugin::Result> {
        let each = |record: &Record<'_>| self.edited(*record, records[0]);
        records.iter().map(each).collect()
    }
}

impl Edit {
    fn edited(&self, record: Record<'_>, first: Record<'_>) -> ferrule_plugin::Result {
        let row = record.row()?;
        Ok(Outcome::replace(match row.required("cmd")? {
            "with" => row.with([
                ("c", 1i64.into()),
                ("a", "first".into()),
                ("c", 2i64.into()),
            ])?,
            "reshaped" => row.reshaped(&self.shape, [])?,
            "enriched" => row.reshaped(&self.shape, [("new", "x".into())])?,
            "unknown" => row.reshaped(&self.shape, [("b", "x".into())])?,
            // Null, because it is not among the fields that are read.
            "unread" if row.value("a") != Some(ValueRef::Null) => return Ok(Outcome::Drop),
            "unread" => return Ok(Outcome::Keep),
            "foreign" => first.row()?.with([])?,
            _ => {
                let key = match record.key() {
                    Payload::Row(key) => key.with([("id", 2i64.into())])?,
                    Payload::Scalar(_) => row.with([])?,
                };
                return Ok(Outcome::replace(OutRecord::of_input().key(key)));
            }
        }))
    }
}

ferrule_plugin::export!(Edit);

fn runner() -> Runner<Edit> {
    Runner::new(&[]).unwrap()
}

fn row(command: &str) -> [(&'static str, Value); 4] {
    [
        ("cmd", command.into()),
        ("a", Value::Json("[1]".into())),
        ("b", Value::Null),
        ("c", 7i64.into()),
    ]
}

#[test]
fn what_is_set_is_set_and_the_rest_stays() {
    let [cmd, _, b, _] = row("with");
    let made = runner().row(row("with")).record();
    assert_eq!(
        made.value,
        [cmd, ("a", "first".into()), b, ("c", 2i64.into())].into()
    );
}

#[test]
fn another_shape_takes_what_has_its_names() {
    let [_, a, _, c] = row("");
    let made = |command| runner().row(row(command)).record().value;
    let expect = |new: Value| [c.clone(), ("new", new), a.clone()].into();
    assert_eq!(made("reshaped"), expect(Value::Null));
    assert_eq!(made("enriched"), expect("x".into()));
}

#[test]
fn each_row_of_a_batch_is_edited_in_its_way() {
    let commands = ["with", "with", "reshaped", "with", "enriched", "enriched"];
    let answers = runner().batch(commands.map(|command| row(command).into()));
    for (command, answer) in commands.into_iter().zip(answers) {
        assert_eq!(answer, runner().row(row(command)), "{command}");
    }
}

#[test]
fn a_field_that_is_not_read_is_null() {
    assert_eq!(runner().row(row("unread")), Answer::Keep);
}

#[test]
fn a_field_that_is_not_there_is_a_failure_that_names_it() {
    let answer = runner().row(row("unknown"));
    let reason = "is not a field of the shape".to_owned();
    assert_eq!(answer.failure(), (Some("b".into()), reason));
    let answer = runner().row([("cmd", "reshaped".into()), ("c", 1i64.into())]);
    assert_eq!(answer.failure(), (Some("a".into()), "is required".into()));
}

#[test]
fn a_key_is_edited_as_a_key() {
    let input = Input::of(row("key")).key([("id", 1i64.into()), ("tenant", "t".into())]);
    let mut delivered = runner().deliver([input]);
    let Answer::Replace(made) = delivered.answers.remove(0) else {
        panic!("not replaced");
    };
    let key = [("id", 2i64.into()), ("tenant", "t".into())];
    assert_eq!(made[0].key, Some(key.into()));
    assert_eq!(made[0].value, row("key").into());
}

#[test]
#[should_panic(expected = "the row is of another record or part")]
fn a_value_is_not_edited_as_a_key() {
    runner().row(row("key"));
}

#[test]
#[should_panic(expected = "the row is of another record or part")]
fn the_row_of_another_record_is_refused() {
    runner().batch([row("with").into(), row("foreign").into()]);
}

#[test]
#[should_panic(expected = "the row is of another record or part")]
fn the_row_of_another_record_of_the_same_offset_is_refused() {
    let field = |name: &str| data::Field {
        name: name.to_owned(),
        kind: Kind::Any,
        optional: true,
    };
    let mut pool = data::Pool {
        shapes: vec![data::Shape {
            name: None,
            fields: vec![field("cmd")],
        }],
        ..data::Pool::EMPTY
    };
    let mut record = |command: &str| data::InRecord {
        offset: 7,
        timestamp: None,
        key: data::Payload::Scalar(data::Value::Null),
        value: data::Payload::Row(data::Row {
            shape: 0,
            first: pool.add_row([ValueRef::Text(command)]),
        }),
        headers: data::Span::of(0, 0),
    };
    let batch = data::Batch {
        topic: "topic".to_owned(),
        partition: 0,
        records: vec![record("unread"), record("foreign")],
        pool,
    };
    let shape = RowShape::new("out");
    ferrule_plugin::glue::apply(&mut Edit { shape }, &batch);
}
