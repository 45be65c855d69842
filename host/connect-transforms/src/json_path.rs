//! A part of JSON path (github.com/json-path/JsonPath) on the values of records: names, places,
//! wildcards, and predicates of comparisons. What is not read is refused where a config is checked.

mod parse;

use std::borrow::Cow;
use std::cmp::Ordering;

use connect_api::{Result, Value, json, memory};

use crate::java_regex::JavaRegex;

/// Values that one path may look at in a record.
const MAX_VISITS: usize = 1_000_000;

/// A path.
#[derive(Debug)]
pub(crate) struct JsonPath(Vec<Step>);

#[derive(Debug)]
enum Step {
    Name(String),
    /// Behind zero, counted from the end.
    Index(i64),
    All,
    Filter(Expression),
}

#[derive(Debug)]
enum Expression {
    Or(Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Compare(Operand, Operator, Operand),
    Matches(Operand, JavaRegex),
    Exists(Vec<Step>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
enum Operand {
    /// From the value that is looked at.
    Path(Vec<Step>),
    Literal(Value),
}

/// What a path says of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matches {
    Yes,
    No,
    /// What it asks for is not there, or null.
    Missing,
}

/// Looks at a value; of nested values that are text, each is read once.
struct Search {
    visits: usize,
    /// A field that a predicate names was not there, or null.
    is_missing: bool,
}

impl JsonPath {
    /// # Errors
    /// What is not read, in words for whoever wrote it.
    pub(crate) fn parse(text: &str) -> std::result::Result<Self, String> {
        parse::path(text).map(Self)
    }

    /// The first value that the path finds.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when nested text is no JSON, or the record has no memory
    /// left.
    pub(crate) fn first(&self, value: &Value) -> Result<Option<Value>> {
        let mut search = Search::new();
        let found = search.all(&self.0, Cow::Borrowed(value))?;
        Ok(found.into_iter().next().map(Cow::into_owned))
    }

    /// Whether the path finds something.
    ///
    /// # Errors
    /// As for [`Self::first`].
    pub(crate) fn matches(&self, value: &Value) -> Result<Matches> {
        let mut search = Search::new();
        let found = search.all(&self.0, Cow::Borrowed(value))?;
        let has_predicate = self.0.iter().any(|step| matches!(step, Step::Filter(_)));
        Ok(match found.iter().any(|value| !value.is_null()) {
            true => Matches::Yes,
            false if search.is_missing || !has_predicate => Matches::Missing,
            false => Matches::No,
        })
    }
}

/// A field of a row or a map, whatever it is; nested text is read.
///
/// # Errors
/// As for [`JsonPath::first`].
pub(crate) fn field(value: &Value, name: &str) -> Result<Option<Value>> {
    let opened = opened(Cow::Borrowed(value))?;
    Ok(member(&opened, name).cloned())
}

/// Whether a value is a row or a map, perhaps still as text.
pub(crate) fn has_fields(value: &Value) -> bool {
    match value {
        Value::Struct(_) | Value::Map(_) => true,
        Value::Json(text) => text.starts_with('{'),
        _ => false,
    }
}

/// A field of a row, or the value of a map's key.
pub(crate) fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Struct(row) => row.get(name),
        Value::Map(entries) => {
            let mut entries = entries.iter();
            let found = entries.find(|(key, _)| key.as_str() == Some(name));
            found.map(|(_, value)| value)
        }
        _ => None,
    }
}

/// JSON that is still text is read.
///
/// # Errors
/// As for [`JsonPath::first`].
pub(crate) fn opened(value: Cow<'_, Value>) -> Result<Cow<'_, Value>> {
    if let Value::Json(text) = &*value {
        memory::charge(text.len().saturating_mul(4))?;
        return json::parse(text).map(Cow::Owned);
    }
    Ok(value)
}

impl Search {
    fn new() -> Self {
        Self {
            visits: MAX_VISITS,
            is_missing: false,
        }
    }

    fn all<'a>(&mut self, steps: &[Step], value: Cow<'a, Value>) -> Result<Vec<Cow<'a, Value>>> {
        let mut found = vec![opened(value)?];
        for step in steps {
            let mut next = Vec::new();
            for value in found {
                self.visits = self.visits.checked_sub(1).ok_or_else(|| {
                    connect_api::Error::data("the JSON path looks at too many values")
                })?;
                self.step(step, value, &mut next)?;
            }
            found = next;
        }
        Ok(found)
    }

    fn step<'a>(
        &mut self,
        step: &Step,
        value: Cow<'a, Value>,
        next: &mut Vec<Cow<'a, Value>>,
    ) -> Result<()> {
        match step {
            Step::Name(name) => {
                let found = match value {
                    Cow::Borrowed(value) => member(value, name).map(Cow::Borrowed),
                    Cow::Owned(value) => member(&value, name).cloned().map(Cow::Owned),
                };
                match found {
                    Some(found) => next.push(opened(found)?),
                    None => self.is_missing = true,
                }
            }
            Step::Index(at) => {
                let found = children(value).and_then(|items| {
                    let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
                    let at = if *at < 0 { count + at } else { *at };
                    let at = usize::try_from(at).ok()?;
                    items.into_iter().nth(at)
                });
                match found {
                    Some(found) => next.push(opened(found)?),
                    None => self.is_missing = true,
                }
            }
            Step::All => {
                let is_row = matches!(&*value, Value::Struct(_) | Value::Map(_));
                let items = match is_row {
                    true => members(value),
                    false => children(value).unwrap_or_default(),
                };
                for item in items {
                    memory::push(next, opened(item)?)?;
                }
            }
            // On an array it asks each item, on anything else that itself.
            Step::Filter(expression) => {
                let items = match &*value {
                    Value::Array(_) => children(value).unwrap_or_default(),
                    _ => vec![value],
                };
                for item in items {
                    let item = opened(item)?;
                    if self.holds(expression, &item)? {
                        memory::push(next, item)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn holds(&mut self, expression: &Expression, value: &Value) -> Result<bool> {
        Ok(match expression {
            Expression::Or(one, other) => self.holds(one, value)? || self.holds(other, value)?,
            Expression::And(one, other) => self.holds(one, value)? && self.holds(other, value)?,
            Expression::Not(inner) => !self.holds(inner, value)?,
            Expression::Exists(steps) => {
                let before = self.is_missing;
                let found = !self.all(steps, Cow::Borrowed(value))?.is_empty();
                // It asks for that: nothing is amiss where it is not there.
                self.is_missing = before;
                found
            }
            Expression::Matches(operand, regex) => match self.operand(operand, value)? {
                Some(Value::String(text)) => regex.is_match(&text)?,
                _ => false,
            },
            Expression::Compare(one, operator, other) => {
                let one = self.operand(one, value)?;
                let other = self.operand(other, value)?;
                match (one, other) {
                    (Some(one), Some(other)) => compare(&one, *operator, &other),
                    (None, None) => *operator == Operator::Equal,
                    _ => *operator == Operator::NotEqual,
                }
            }
        })
    }

    fn operand(&mut self, operand: &Operand, value: &Value) -> Result<Option<Value>> {
        match operand {
            Operand::Literal(literal) => Ok(Some(literal.clone())),
            Operand::Path(steps) => {
                let found = self.all(steps, Cow::Borrowed(value))?;
                let found = found.into_iter().next().map(Cow::into_owned);
                self.is_missing |= found.as_ref().is_some_and(Value::is_null);
                Ok(found)
            }
        }
    }
}

fn children(value: Cow<'_, Value>) -> Option<Vec<Cow<'_, Value>>> {
    match value {
        Cow::Borrowed(Value::Array(items)) => Some(items.iter().map(Cow::Borrowed).collect()),
        Cow::Owned(Value::Array(items)) => Some(items.into_iter().map(Cow::Owned).collect()),
        _ => None,
    }
}

fn members(value: Cow<'_, Value>) -> Vec<Cow<'_, Value>> {
    match value {
        Cow::Borrowed(Value::Struct(row)) => row.values().iter().map(Cow::Borrowed).collect(),
        Cow::Borrowed(Value::Map(entries)) => entries
            .iter()
            .map(|(_, value)| Cow::Borrowed(value))
            .collect(),
        Cow::Owned(Value::Struct(row)) => {
            let (_, values) = row.into_parts();
            values.into_iter().map(Cow::Owned).collect()
        }
        Cow::Owned(Value::Map(entries)) => entries
            .into_iter()
            .map(|(_, value)| Cow::Owned(value))
            .collect(),
        _ => Vec::new(),
    }
}

/// Numbers by their size, texts by their letters; what is of different kinds is not equal.
fn compare(one: &Value, operator: Operator, other: &Value) -> bool {
    let order = match (one, other) {
        (Value::Int(one), Value::Int(other)) => Some(one.cmp(other)),
        (Value::Int(one), Value::Float(other)) => (*one as f64).partial_cmp(other),
        (Value::Float(one), Value::Int(other)) => one.partial_cmp(&(*other as f64)),
        (Value::Float(one), Value::Float(other)) => one.partial_cmp(other),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Boolean(one), Value::Boolean(other)) if one == other => Some(Ordering::Equal),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => None,
    };
    match operator {
        Operator::Equal => order == Some(Ordering::Equal),
        Operator::NotEqual => order != Some(Ordering::Equal),
        Operator::Less => order == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => order == Some(Ordering::Greater),
        Operator::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

#[cfg(test)]
mod tests;
