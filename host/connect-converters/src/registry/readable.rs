//! Whether a reader of one schema can read what is written under another one:
//! `latest.compatibility.strict`.

use connect_api::{Error, Kind, Result, Schema};

/// # Errors
/// [`connect_api::ErrorKind::Data`] names the field that cannot be read.
pub(crate) fn check(reader: &Schema, writer: &Schema) -> Result<()> {
    if writer.optional && !reader.optional && reader.default.is_none() {
        return Err(refused(
            "it may be null where the last version asks for a value",
        ));
    }
    match (&reader.kind, &writer.kind) {
        (Kind::Any, _) => Ok(()),
        (Kind::Array(reader), Kind::Array(writer)) => check(reader, writer),
        (Kind::Map(key, value), Kind::Map(own_key, own_value)) => {
            check(key, own_key)?;
            check(value, own_value)
        }
        (Kind::Struct(fields), Kind::Struct(own)) => {
            for field in fields {
                let named = |error: Error| error.context(format!("field {}", field.name));
                let found = own.iter().find(|own| own.name == field.name);
                match found {
                    Some(own) => check(&field.schema, &own.schema).map_err(named)?,
                    None if field.schema.optional || field.schema.default.is_some() => {}
                    None => {
                        return Err(named(refused("the last version asks for it")));
                    }
                }
            }
            Ok(())
        }
        (reader, writer) if class(reader) == class(writer) => Ok(()),
        _ => Err(refused(&format!(
            "it is of type {}, and of type {} in the last version",
            writer.type_name(),
            reader.type_name()
        ))),
    }
}

/// Kinds of one class have one form.
fn class(kind: &Kind) -> u8 {
    match kind {
        Kind::Any => 0,
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => 1,
        Kind::Float32 | Kind::Float64 => 2,
        Kind::Boolean => 3,
        Kind::String => 4,
        Kind::Bytes => 5,
        Kind::Decimal(_) => 6,
        Kind::Date => 7,
        Kind::Time => 8,
        Kind::Timestamp => 9,
        Kind::Array(_) => 10,
        Kind::Map(..) => 11,
        Kind::Struct(_) => 12,
    }
}

fn refused(why: &str) -> Error {
    Error::data(format!(
        "the last version of the subject cannot read what is written: {why}; \
         latest.compatibility.strict=false writes it all the same"
    ))
}
