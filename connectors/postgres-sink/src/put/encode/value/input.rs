//! Types without a binary form: the value as the text that the type's input function reads.

use std::io::Write as _;

use connect_api::Value;

use super::{Fit, Misfit, measured, text};

/// pgvector's vector and halfvec: an array of numbers, or its text.
pub(super) fn vector(value: &Value, out: &mut Vec<u8>) -> Fit {
    let items = match value {
        Value::String(text) => return text::input(text, out),
        // An array of numbers as JSON is pgvector's own text.
        Value::Json(text) if text.starts_with('[') => return text::input(text, out),
        Value::Array(items) => items,
        _ => return Err(Misfit::of_type(value)),
    };
    measured(out, |out| {
        let mut separator = b'[';
        for item in items {
            out.push(separator);
            number(item, out)?;
            separator = b',';
        }
        if items.is_empty() {
            out.push(separator);
        }
        out.push(b']');
        Ok(())
    })
}

/// pgvector's sparsevec: `{1:0.5,3:2}/5`. Debezium takes the numbers of the dimensions from there.
pub(super) fn sparse(dimensions: &Value, entries: &Value, out: &mut Vec<u8>) -> Fit {
    let (Value::Int(dimensions), Value::Map(entries)) = (dimensions, entries) else {
        return Err(Misfit::new("cannot take a vector without its parts"));
    };
    measured(out, |out| {
        let mut separator = b'{';
        for (dimension, value) in entries {
            out.push(separator);
            let Value::Int(dimension) = dimension else {
                return Err(Misfit::of_type(dimension));
            };
            push(out, format_args!("{dimension}:"));
            number(value, out)?;
            separator = b',';
        }
        if entries.is_empty() {
            out.push(separator);
        }
        push(out, format_args!("}}/{dimensions}"));
        Ok(())
    })
}

pub(super) fn point(x: &Value, y: &Value, out: &mut Vec<u8>) -> Fit {
    measured(out, |out| {
        out.push(b'(');
        number(x, out)?;
        out.push(b',');
        number(y, out)?;
        out.push(b')');
        Ok(())
    })
}

/// PostGIS's bytes in hexadecimal digits, after the number of their system.
pub(super) fn geometry(bytes: &Value, system: Option<&Value>, out: &mut Vec<u8>) -> Fit {
    let Value::Bytes(bytes) = bytes else {
        return Err(Misfit::new("cannot take a geometry without its bytes"));
    };
    measured(out, |out| {
        if let Some(Value::Int(system)) = system {
            push(out, format_args!("SRID={system};"));
        }
        for byte in bytes {
            push(out, format_args!("{byte:02x}"));
        }
        Ok(())
    })
}

fn number(value: &Value, out: &mut Vec<u8>) -> Fit {
    match value {
        Value::Int(number) => push(out, number),
        // The shortest text that reads back as the same float; Postgres knows NaN and inf.
        Value::Float(number) => push(out, number),
        Value::Decimal(number) => {
            let text = number.to_plain();
            let text = text.map_err(|error| Misfit::new(error.to_string()))?;
            out.extend_from_slice(text.as_bytes());
        }
        _ => return Err(Misfit::of_type(value)),
    }
    Ok(())
}

fn push(out: &mut Vec<u8>, what: impl std::fmt::Display) {
    // Writing to a Vec never fails.
    let _ = write!(out, "{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>) -> Fit) -> Result<String, String> {
        let mut out = Vec::new();
        write(&mut out).map_err(|misfit| misfit.0.into_owned())?;
        Ok(String::from_utf8(out[4..].to_vec()).unwrap())
    }

    #[test]
    fn vectors_are_as_pgvector_reads_them() {
        let items = Value::Array(vec![Value::Float(0.5), Value::Int(-2)]);
        assert_eq!(
            written(|out| vector(&items, out)).as_deref(),
            Ok("[0.5,-2]")
        );
        let none = Value::Array(Vec::new());
        assert_eq!(written(|out| vector(&none, out)).as_deref(), Ok("[]"));
        let wrong = Value::Array(vec![Value::from("x")]);
        assert!(written(|out| vector(&wrong, out)).is_err());
        let entries = Value::Map(vec![
            (Value::Int(1), Value::Float(1.5)),
            (Value::Int(5), Value::Int(2)),
        ]);
        let text = written(|out| sparse(&Value::Int(5), &entries, out));
        assert_eq!(text.as_deref(), Ok("{1:1.5,5:2}/5"));
        let text = written(|out| sparse(&Value::Int(5), &Value::Map(Vec::new()), out));
        assert_eq!(text.as_deref(), Ok("{}/5"));
    }

    #[test]
    fn geometries_are_as_postgis_reads_them() {
        let bytes = Value::Bytes(vec![1, 0xab].into());
        let text = written(|out| geometry(&bytes, Some(&Value::Int(4326)), out));
        assert_eq!(text.as_deref(), Ok("SRID=4326;01ab"));
        let text = written(|out| geometry(&bytes, Some(&Value::Null), out));
        assert_eq!(text.as_deref(), Ok("01ab"));
        assert!(written(|out| geometry(&Value::Null, None, out)).is_err());
    }
}
