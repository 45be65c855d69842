//! Columns for schemas, as text: Confluent's types, with jsonb for what is nested.

use std::fmt::Write as _;

use connect_api::{Kind, Schema, Value, json};

use crate::config::{PostgresSinkConfig, Rules};
use crate::put::catalog::{Table, Type};
use crate::put::encode::WantedColumn;
use crate::put::encode::value::{self, Meaning};
use crate::sql;

/// `CREATE TABLE` of a quoted name.
///
/// # Errors
/// Which column cannot be, and why.
pub(super) fn create_table(
    table: &str,
    columns: &[WantedColumn],
    rules: Rules,
) -> Result<String, String> {
    if columns.is_empty() {
        return Err("the record has no field".to_owned());
    }
    let mut definitions = Vec::with_capacity(columns.len() + 1);
    let mut keys = Vec::new();
    for column in columns {
        definitions.push(definition(column, rules)?);
        if column.is_key {
            keys.push(sql::quoted(&column.name)?);
        }
    }
    if !keys.is_empty() {
        definitions.push(format!("PRIMARY KEY ({})", keys.join(", ")));
    }
    let definitions = definitions.join(", ");
    Ok(format!(
        "CREATE TABLE IF NOT EXISTS {table} ({definitions})"
    ))
}

/// `ALTER TABLE` of a quoted name.
///
/// # Errors
/// As [`create_table`]; also when rows that are there could not have a value.
pub(super) fn add_columns(
    table: &str,
    columns: &[WantedColumn],
    rules: Rules,
) -> Result<String, String> {
    let additions: Result<Vec<_>, String> = columns
        .iter()
        .map(|column| {
            let can_be_absent = column
                .schema
                .as_ref()
                .is_some_and(|schema| schema.optional || schema.default.is_some());
            if !can_be_absent {
                return Err(format!(
                    "the field {} is neither optional nor has it a default",
                    column.name
                ));
            }
            let definition = definition(column, rules)?;
            Ok(format!("ADD COLUMN IF NOT EXISTS {definition}"))
        })
        .collect();
    Ok(format!("ALTER TABLE {table} {}", additions?.join(", ")))
}

/// What has to change for a column to take all values of a schema, one statement each.
pub(super) fn changes(
    table: &Table,
    at: usize,
    schema: &Schema,
    config: &PostgresSinkConfig,
) -> Vec<String> {
    let column = &table.columns[at];
    let altered = |change: &str| {
        let (table, column) = (&table.quoted, &column.quoted);
        format!("ALTER TABLE {table} ALTER COLUMN {column} {change}")
    };
    let mut statements = Vec::new();
    let may_be_null = schema.optional && (schema.default.is_none() || !config.replace_nulls);
    if may_be_null && column.required && !column.in_key && !column.fixed {
        statements.push(altered("DROP NOT NULL"));
    }
    if let Some(wider) = wider(&column.data_type, schema).filter(|_| config.widens) {
        statements.push(altered(&format!("TYPE {wider}")));
    }
    statements
}

/// The type that has all values of the column's and all of the schema's.
fn wider(column: &Type, schema: &Schema) -> Option<String> {
    let length = || {
        let mut parameters = schema.parameters.iter();
        let (_, length) = parameters.find(|(name, _)| name == SOURCE_LENGTH)?;
        length.parse::<usize>().ok()
    };
    match (column, &schema.kind, &schema.name) {
        (Type::Int2, Kind::Int32, None) => Some("INTEGER".to_owned()),
        (Type::Int2 | Type::Int4, Kind::Int64, None) => Some("BIGINT".to_owned()),
        (Type::Float4, Kind::Float64, None) => Some("DOUBLE PRECISION".to_owned()),
        (Type::Text(Some(limit)), Kind::String, _) => {
            let length = length().filter(|length| length > limit)?;
            Some(format!("VARCHAR({length})"))
        }
        _ => None,
    }
}

/// Where Debezium says how long a text can be in the database that it comes from.
const SOURCE_LENGTH: &str = "__debezium.source.column.length";

fn definition(column: &WantedColumn, rules: Rules) -> Result<String, String> {
    let name = &column.name;
    let untyped = || format!("the field {name} has no schema that tells its type");
    let schema = column.schema.as_deref().ok_or_else(untyped)?;
    let data_type = column_type(schema).ok_or_else(untyped)?;
    let mut text = format!("{} {data_type}", sql::quoted(name)?);
    if column.is_key || !schema.optional {
        text.push_str(" NOT NULL");
    }
    if let Some(default) = &schema.default
        && !default.is_null()
    {
        let default = default_of(schema, &data_type, default, rules)
            .map_err(|why| format!("the default of the field {name} {why}"))?;
        text.push_str(" DEFAULT ");
        text.push_str(&default);
    }
    Ok(text)
}

/// None: the schema does not tell.
fn column_type(schema: &Schema) -> Option<String> {
    if let Some(semantic) = semantic(schema) {
        return Some(semantic);
    }
    match &schema.kind {
        Kind::Any => schema.name.as_ref().map(|_| "JSONB".to_owned()),
        Kind::Array(of) => {
            let element = semantic(of).or_else(|| scalar(&of.kind).map(str::to_owned));
            Some(match element {
                Some(element) => format!("{element}[]"),
                None => "JSONB".to_owned(),
            })
        }
        kind => Some(scalar(kind).unwrap_or("JSONB").to_owned()),
    }
}

/// The type that the schema's name stands for: Debezium's semantic types.
fn semantic(schema: &Schema) -> Option<String> {
    let name = schema.name.as_deref()?.strip_prefix("io.debezium.")?;
    let parameter = |name: &str| {
        let mut parameters = schema.parameters.iter();
        parameters
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    };
    let column = match (&schema.kind, name) {
        (Kind::Int32, "time.Date") | (Kind::String, "time.IsoDate") => "DATE",
        (Kind::Int32, "time.Time") | (Kind::Int64, "time.MicroTime" | "time.NanoTime") => "TIME",
        (Kind::String, "time.IsoTime") => "TIME",
        (Kind::String, "time.ZonedTime") => "TIMETZ",
        // All are without a time zone in the database that they come from.
        (Kind::Int64, "time.Timestamp" | "time.MicroTimestamp" | "time.NanoTimestamp") => {
            "TIMESTAMP"
        }
        (Kind::String, "time.ZonedTimestamp" | "time.IsoTimestamp") => "TIMESTAMPTZ",
        (Kind::Int64, "time.MicroDuration" | "time.NanoDuration") => "INTERVAL",
        (Kind::String, "time.Interval") => "INTERVAL",
        (Kind::String, "data.Json") => "JSONB",
        (Kind::String, "data.Uuid") => "UUID",
        (Kind::String, "data.Xml") => "XML",
        (Kind::String, "data.Ltree") => "LTREE",
        (Kind::String, "data.TsVector") => "TSVECTOR",
        (Kind::Struct(_), "data.VariableScaleDecimal") => "NUMERIC",
        (Kind::Struct(_), "data.geometry.Point") => "POINT",
        (Kind::Bytes, "data.Bits") => {
            let length = parameter("length").and_then(|length| length.parse::<u32>().ok());
            return Some(match length {
                Some(length @ 1..=MAX_BITS) => format!("BIT({length})"),
                _ => "BIT VARYING".to_owned(),
            });
        }
        _ => return None,
    };
    Some(column.to_owned())
}

/// The longest `bit(n)` that Postgres has.
const MAX_BITS: u32 = 83_886_080;

fn scalar(kind: &Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Int8 | Kind::Int16 => "SMALLINT",
        Kind::Int32 => "INTEGER",
        Kind::Int64 => "BIGINT",
        Kind::Float32 => "REAL",
        Kind::Float64 => "DOUBLE PRECISION",
        Kind::Boolean => "BOOLEAN",
        Kind::String => "TEXT",
        Kind::Bytes => "BYTEA",
        Kind::Decimal(_) => "NUMERIC",
        Kind::Date => "DATE",
        Kind::Time => "TIME",
        // A point in time: without a zone it would be read as one of the session's.
        Kind::Timestamp => "TIMESTAMPTZ",
        Kind::Any | Kind::Array(_) | Kind::Map(..) | Kind::Struct(_) => return None,
    })
}

fn default_of(
    schema: &Schema,
    data_type: &str,
    default: &Value,
    rules: Rules,
) -> Result<String, String> {
    let literal = |value: &Value| {
        let shown = value::shown(value, rules).map_err(|misfit| misfit.0.into_owned())?;
        literal(&shown)
    };
    let meant = Meaning::of(schema).map(|meaning| meaning.literal(default));
    match (default, meant) {
        (_, Some(Some(text))) => quoted(&text.map_err(|misfit| misfit.0.into_owned())?),
        (Value::Array(items), _) if data_type.ends_with("[]") => {
            let items: Result<Vec<_>, _> = items.iter().map(&literal).collect();
            Ok(format!("ARRAY[{}]::{data_type}", items?.join(", ")))
        }
        // A text that is JSON already.
        (Value::String(text), _) => quoted(text),
        _ if data_type == "JSONB" => quoted(&json_text(default)?),
        _ => literal(default),
    }
}

/// A value in quotes: Postgres reads it as the column's type.
fn literal(value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok("NULL".to_owned()),
        Value::String(text) => quoted(text),
        Value::Bytes(bytes) => {
            let mut text = "\\x".to_owned();
            for byte in bytes {
                // Writing to a String never fails.
                let _ = write!(text, "{byte:02x}");
            }
            quoted(&text)
        }
        // JSON has neither NaN nor infinities; Postgres reads both in Rust's spelling.
        Value::Float(number) => quoted(&number.to_string()),
        other => quoted(json_text(other)?.trim_matches('"')),
    }
}

fn json_text(value: &Value) -> Result<String, String> {
    let mut text = String::new();
    json::write(value, &mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// A text literal that ends where it should, whatever `standard_conforming_strings` is.
fn quoted(text: &str) -> Result<String, String> {
    if text.contains('\0') {
        return Err("holds a NUL character".to_owned());
    }
    let escaped = text.replace('\'', "''");
    if escaped.contains('\\') {
        return Ok(format!("E'{}'", escaped.replace('\\', "\\\\")));
    }
    Ok(format!("'{escaped}'"))
}

#[cfg(test)]
mod tests;
