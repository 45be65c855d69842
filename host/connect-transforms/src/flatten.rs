//! `Flatten`: fields of nested rows become fields of the row itself.

use std::borrow::Cow;
use std::sync::Arc;

use connect_api::json::{self, FieldNames, Shapes};
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Field, Kind, Record, RecordPart,
    RecordTransformation, Result, Schema, Str, Struct, Value, memory,
};

use crate::plans::Plans;
use crate::rows::{self, Defaults, Row};

const PURPOSE: &str = "flattening";

/// Levels of nesting; each is read on the stack of the level before, and keeps its text.
const MAX_DEPTH: usize = 128;

pub(crate) struct Flatten {
    part: RecordPart,
    delimiter: String,
    plans: Plans<Plan>,
    shapes: Shapes,
    /// The shape of the schemaless record before: the next one mostly has it too.
    last: Option<Arc<Schema>>,
}

struct Plan {
    schema: Arc<Schema>,
    steps: Vec<Step>,
    defaults: Defaults,
}

/// What a field gives: one value, or those of a nested row.
enum Step {
    Leaf,
    Nested { steps: Vec<Step>, leaves: usize },
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![ConfigKey::new(
        "delimiter",
        ConfigType::String,
        ".",
        "Delimiter to insert between field names from the input record when generating field \
         names for the output record",
    )])
}

impl Flatten {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        Ok(Self {
            part,
            delimiter: config.text("delimiter").to_owned(),
            plans: Plans::default(),
            shapes: Shapes::default(),
            last: None,
        })
    }

    fn flatten_map(&mut self, row: Row) -> Result<Struct> {
        let last = self.last.take();
        let expected = last.as_deref().map(rows::fields).unwrap_or_default();
        let mut out = Flat {
            delimiter: &self.delimiter,
            expected,
            names: None,
            places: FieldNames::default(),
            values: Vec::with_capacity(expected.len()),
            depth: 0,
        };
        let mut prefix = String::new();
        for (field, value) in rows::fields(&row.schema).iter().zip(row.values) {
            out.add(&mut prefix, &field.name, value)?;
        }
        let (names, values) = (out.names, out.values);
        let shape = match (names, last) {
            (None, Some(shape)) if rows::fields(&shape).len() == values.len() => shape,
            (None, shape) => {
                let all = shape.as_deref().map(rows::fields).unwrap_or_default();
                let names = all[..values.len()].iter().map(|f| f.name.clone());
                self.shapes.intern(names.collect())
            }
            (Some(names), _) => self.shapes.intern(names),
        };
        self.last = Some(Arc::clone(&shape));
        Ok(Struct::new(shape, values))
    }
}

impl RecordTransformation for Flatten {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = rows::datum(record, self.part);
        if datum.value.is_null() {
            return Ok(Disposition::Keep);
        }
        let mut row = Row::take(datum, &mut self.shapes, PURPOSE)?;
        if row.schemaless {
            let row = self.flatten_map(row)?;
            datum.value = Value::Struct(Box::new(row));
            return Ok(Disposition::Keep);
        }
        let delimiter = &self.delimiter;
        let plan = self.plans.plan(&row.schema, |s| Plan::new(s, delimiter))?;
        if plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::Nested { .. }))
        {
            // A null in place of a nested row becomes one for each of its fields.
            let leaves = rows::fields(&plan.schema).len();
            memory::charge_values(leaves)?;
            let mut out = Vec::with_capacity(leaves);
            take_leaves(row.values, &plan.steps, &mut out)?;
            row.values = out;
        }
        plan.defaults.fill(&mut row.values)?;
        row.put(datum, &plan.schema);
        Ok(Disposition::Keep)
    }
}

fn take_leaves(values: Vec<Value>, steps: &[Step], out: &mut Vec<Value>) -> Result<()> {
    if values.len() != steps.len() {
        return Err(Error::data("a nested row has other fields than its schema"));
    }
    for (value, step) in values.into_iter().zip(steps) {
        match (step, value) {
            (Step::Leaf, value) => out.push(value),
            (Step::Nested { steps, .. }, Value::Struct(row)) => {
                take_leaves(row.into_parts().1, steps, out)?;
            }
            (Step::Nested { leaves, .. }, _) => {
                out.extend(std::iter::repeat_n(Value::Null, *leaves));
            }
        }
    }
    Ok(())
}

/// What a nested row has from those around it.
struct Parent<'a> {
    prefix: &'a str,
    optional: bool,
    default: Option<&'a Struct>,
}

impl Plan {
    fn new(schema: &Arc<Schema>, delimiter: &str) -> Result<Self> {
        let mut fields = Vec::new();
        let root = Parent {
            prefix: "",
            optional: schema.optional,
            default: schema.default.as_ref().and_then(Value::as_struct),
        };
        let steps = steps(schema, delimiter, &root, &mut fields)?;
        let schema = rows::with_fields(schema, fields)?;
        let defaults = Defaults::of(&schema, true);
        Ok(Self {
            schema,
            steps,
            defaults,
        })
    }
}

fn steps(
    schema: &Schema,
    delimiter: &str,
    parent: &Parent<'_>,
    out: &mut Vec<Field>,
) -> Result<Vec<Step>> {
    let mut all = Vec::new();
    for field in rows::fields(schema) {
        let name = match parent.prefix {
            "" => Str::from(&*field.name),
            prefix => format!("{prefix}{delimiter}{}", field.name).into(),
        };
        let optional = parent.optional || field.schema.optional;
        let inherited = || parent.default?.get(&field.name).filter(|v| !v.is_null());
        let default = field.schema.default.as_ref().or_else(inherited);
        all.push(match field.schema.kind {
            Kind::Struct(_) => {
                let before = out.len();
                let inner = Parent {
                    prefix: &name,
                    optional,
                    default: default.and_then(Value::as_struct),
                };
                let steps = steps(&field.schema, delimiter, &inner, out)?;
                let leaves = out.len() - before;
                Step::Nested { steps, leaves }
            }
            Kind::Map(..) => {
                return Err(Error::data(format!(
                    "Flatten transformation does not support MAP for record with schemas (for \
                     field {name})."
                )));
            }
            _ => {
                let schema = Schema {
                    optional,
                    default: default.cloned(),
                    ..Schema::clone(&field.schema)
                };
                memory::charge(name.len() + size_of::<Field>() + schema.memory())?;
                out.push(Field::new(name, schema));
                Step::Leaf
            }
        });
    }
    Ok(all)
}

/// A schemaless row being flattened. Names are stored only where they are not the expected ones.
struct Flat<'a> {
    delimiter: &'a str,
    expected: &'a [Field],
    names: Option<Vec<Str>>,
    places: FieldNames,
    values: Vec<Value>,
    depth: usize,
}

impl Flat<'_> {
    fn add(&mut self, prefix: &mut String, name: &str, value: Value) -> Result<()> {
        if self.depth == MAX_DEPTH {
            let why = format!("the value is nested more than {MAX_DEPTH} levels deep");
            return Err(Error::data(why));
        }
        self.depth += 1;
        let length = prefix.len();
        if length > 0 {
            prefix.push_str(self.delimiter);
        }
        prefix.push_str(name);
        match value {
            Value::Json(text) if text.starts_with('{') => self.open(prefix, &text)?,
            Value::Struct(row) => {
                let (schema, values) = row.into_parts();
                for (field, value) in rows::fields(&schema).iter().zip(values) {
                    self.add(prefix, &field.name, value)?;
                }
            }
            Value::Map(entries) => {
                for (key, value) in entries {
                    let name = key
                        .as_str()
                        .ok_or_else(|| Error::data("a map has keys that are no strings"))?;
                    self.add(prefix, name, value)?;
                }
            }
            value => self.leaf(prefix, value)?,
        }
        prefix.truncate(length);
        self.depth -= 1;
        Ok(())
    }

    /// Only what becomes a field is read; arrays stay text.
    fn open(&mut self, prefix: &mut String, text: &str) -> Result<()> {
        json::entries(text.as_bytes(), |name: Cow<'_, str>, raw| {
            let value = match raw.as_bytes().first() {
                Some(b'{' | b'[') => {
                    // The text that it is a part of is still there.
                    memory::charge(raw.len())?;
                    Value::Json(raw.into())
                }
                _ => json::parse(raw)?,
            };
            self.add(prefix, &name, value)
        })
    }

    fn leaf(&mut self, name: &str, value: Value) -> Result<()> {
        let at = self.values.len();
        let Some(names) = &mut self.names else {
            if self
                .expected
                .get(at)
                .is_some_and(|field| field.name == name)
            {
                return memory::push(&mut self.values, value);
            }
            let seen = self.expected[..at].iter().map(|f| f.name.clone());
            let seen: Vec<Str> = seen.collect();
            for name in &seen {
                self.places.find_or_add(name, |at| &seen[at]);
            }
            self.names = Some(seen);
            return self.leaf(name, value);
        };
        // The last of two fields of one name wins, as in a map.
        if let Some(known) = self.places.find_or_add(name, |at| &names[at]) {
            self.values[known] = value;
            return Ok(());
        }
        // Each leaf has the names of all that it is in, and the shape has them once more.
        memory::charge(2 * (name.len() + size_of::<Str>() + size_of::<Field>()))?;
        names.push(name.into());
        memory::push(&mut self.values, value)
    }
}
