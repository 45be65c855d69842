//! Rows as parameters of a statement, for a role that may make no temporary tables: slower than a
//! staging table, and the same in what it leaves.

use std::fmt::Write as _;

use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo};
use sqlx::{Arguments as _, Postgres, Type};

use crate::put::catalog::Table;
use crate::put::encode::{COPY_HEADER, COPY_TRAILER};
use crate::session::Session;
use crate::sql;

/// The most parameters of a statement in Postgres's protocol.
const MAX_PARAMETERS: usize = 65_535;
/// The most rows of a statement: more are not faster.
const MAX_ROWS: usize = 1000;
/// About how many bytes of rows a statement takes.
const MAX_BYTES: usize = 4 << 20;

/// A value in the binary form of a type that the statement names.
struct Raw<'a>(&'a [u8]);

impl Type<Postgres> for Raw<'_> {
    /// `unknown`: the server takes the type that the parameter is cast to.
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(705))
    }
}

impl<'q> Encode<'q, Postgres> for Raw<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0);
        Ok(IsNull::No)
    }
}

/// Runs a statement over the rows of a COPY, some after the others. The statement is made of what
/// stands for them, in the place of a staging table.
///
/// # Errors
/// Whatever the server or the connection says.
pub(super) async fn write(
    session: &mut Session,
    (table, columns): (&Table, &[usize]),
    data: &[u8],
    statement: impl Fn(&str) -> String,
) -> sqlx::Result<()> {
    let mut rest = data.strip_prefix(&COPY_HEADER[..]).unwrap_or(data);
    let most = MAX_ROWS.min(MAX_PARAMETERS / columns.len().max(1));
    while !rest.is_empty() && !rest.starts_with(&COPY_TRAILER) {
        let start = rest.len();
        let mut arguments = PgArguments::default();
        let mut rows = 0;
        while rows < most && start - rest.len() < MAX_BYTES {
            let Some(values) = row(&mut rest)? else { break };
            for value in values {
                arguments.add(value.map(Raw)).map_err(sqlx::Error::Encode)?;
            }
            rows += 1;
        }
        let statement = statement(&selection(table, columns, rows));
        sqlx::query_with(&statement, arguments)
            .persistent(false)
            .execute(&mut session.connection)
            .await?;
    }
    Ok(())
}

/// The values of the next row; none at the end.
fn row<'a>(rest: &mut &'a [u8]) -> sqlx::Result<Option<Vec<Option<&'a [u8]>>>> {
    let broken = || sqlx::Error::Protocol("a row is not in COPY's binary format".to_owned());
    let mut take = |length: usize| {
        let (taken, after) = rest.split_at_checked(length).ok_or_else(broken)?;
        *rest = after;
        Ok::<_, sqlx::Error>(taken)
    };
    let count = take(2)?;
    let count = i16::from_be_bytes([count[0], count[1]]);
    let Ok(count) = usize::try_from(count) else {
        *rest = &[];
        return Ok(None);
    };
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let length = take(4)?;
        let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        values.push(match usize::try_from(length) {
            Ok(length) => Some(take(length)?),
            Err(_) => None,
        });
    }
    Ok(Some(values))
}

/// `(SELECT … FROM (VALUES …))`: what stands for so many rows, in their order. Values that only
/// Postgres can read are texts first.
fn selection(table: &Table, columns: &[usize], rows: usize) -> String {
    let columns = || columns.iter().map(|&at| &table.columns[at]);
    let mut text = String::from("(VALUES ");
    let mut parameter = 0;
    for row in 0..rows {
        let comma = if row > 0 { ", " } else { "" };
        // Writing to a String never fails.
        let _ = write!(text, "{comma}({row}");
        for column in columns() {
            parameter += 1;
            let cast = if column.is_input() { "text::" } else { "" };
            let _ = write!(text, ", ${parameter}::{cast}{}", column.shown);
        }
        text.push(')');
    }
    let names = sql::list("", columns().map(|column| column.quoted.as_str()));
    format!("(SELECT * FROM {text}) AS given (ctid, {names}))")
}
