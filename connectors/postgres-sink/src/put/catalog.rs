//! The tables of the target as Postgres's catalog describes them: the types of their columns decide
//! how values are encoded.

mod types;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use connect_api::{Error, Result};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::error::to_error;
use crate::session::Session;
use crate::sql;
use types::Named;

pub(crate) use types::{Form, NumericLimits, Type};

/// No topic is written to Ferrule's own tables, whatever its name is.
const TABLE: &str = r"SELECT c.oid::int8 AS oid, c.relkind::text AS kind,
        c.relpersistence::text AS persistence, c.relhastriggers AS triggers,
        row_security_active(c.oid) AS policies
    FROM pg_class c WHERE c.oid = to_regclass($1)
        AND NOT (c.relnamespace::regnamespace::text = 'ferrule'
            AND c.relname IN ('offsets', 'state', 'stores'))";

/// Domains are followed down to their base type, and arrays to the type of their elements. The
/// length of a domain over varchar(10) is in the domain, the length of a column in the column.
const COLUMNS: &str = r"WITH RECURSIVE types AS (
        SELECT a.attnum, a.atttypid AS type, a.atttypmod AS typmod, false AS domain_default,
            0::oid AS element
        FROM pg_attribute a
        WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT types.attnum,
            CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END,
            CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE types.typmod END,
            types.domain_default OR types.element = 0 AND t.typdefault IS NOT NULL,
            CASE t.typtype WHEN 'd' THEN types.element ELSE t.typelem END
        FROM types JOIN pg_type t ON t.oid = types.type
        WHERE t.typtype = 'd' OR t.typcategory = 'A' AND types.element = 0)
    SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS shown,
        a.attnotnull AS required, a.attgenerated <> '' AS generated,
        a.attidentity = 'a' AS fixed,
        EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary
            AND a.attnum = ANY (i.indkey)) AS in_key,
        a.atthasdef OR a.attidentity <> '' OR types.domain_default AS has_default,
        t.oid::int8 AS type, types.typmod, t.typname::text AS type_name, t.typtype::text AS kind,
        types.element::int8 AS element
    FROM types JOIN pg_attribute a ON a.attrelid = $1::int8::oid AND a.attnum = types.attnum
    JOIN pg_type t ON t.oid = types.type
        AND t.typtype <> 'd' AND (t.typcategory <> 'A' OR types.element <> 0)
    ORDER BY a.attnum";

const LABELS: &str = r"SELECT enumtypid::int8 AS type, enumlabel::text AS label
    FROM pg_enum WHERE enumtypid::int8 = ANY($1) ORDER BY enumtypid, enumsortorder";

/// The columns of some tables, as far as the encoding of rows depends on them, as one text; and
/// whether one of the tables would lose its rows in a crash. No join: it takes three times as long
/// to plan.
const FINGERPRINT: &str = r"SELECT coalesce(string_agg(
        concat_ws(':', attrelid, attnum, atttypid, atttypmod, attname), ','
        ORDER BY attrelid, attnum
    ), ''), EXISTS (SELECT FROM pg_class
        WHERE oid = ANY($1::int8[]::oid[]) AND relpersistence = 'u')
    FROM pg_attribute
    WHERE attrelid = ANY($1::int8[]::oid[]) AND attnum > 0 AND NOT attisdropped";

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub name: String,
    /// The name as it stands in statements.
    pub quoted: String,
    pub data_type: Type,
    /// The type as a person writes it.
    pub shown: String,
    pub required: bool,
    pub generated: bool,
    /// Whether only an INSERT may set it: GENERATED ALWAYS AS IDENTITY.
    pub fixed: bool,
    /// Whether it is in the table's primary key.
    pub in_key: bool,
    pub has_default: bool,
}

impl Column {
    /// Whether its values go to Postgres as text, because their binary form is not known here.
    pub fn is_input(&self) -> bool {
        matches!(self.data_type, Type::Input(_) | Type::Vector)
    }
}

/// A table that rows can be copied into.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// The name as it stands in statements.
    pub quoted: String,
    pub columns: Vec<Column>,
    /// Triggers may fill in what a record leaves out.
    pub has_triggers: bool,
    /// Whether row level security holds for the role.
    pub has_policies: bool,
    names: Names,
    oid: i64,
    /// What [`FINGERPRINT`] gave for this table.
    fingerprint: String,
}

impl Table {
    /// The position of the column for a field: the column of the same name, or else the only one
    /// whose name differs in case alone.
    pub fn column_for(&self, field: &str) -> Option<usize> {
        let names = self.names.0.get_or_init(|| ColumnNames::new(&self.columns));
        if let Some(&exact) = names.exact.get(field) {
            return Some(exact);
        }
        names.folded.get(&field.to_lowercase()).copied().flatten()
    }
}

/// The columns of a table by their names, made when one is looked for. They are as equal as the
/// columns are.
#[derive(Debug, Default)]
struct Names(OnceLock<ColumnNames>);

impl PartialEq for Names {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Names {}

#[derive(Debug)]
struct ColumnNames {
    exact: HashMap<String, usize>,
    /// In small letters; none where several are alike.
    folded: HashMap<String, Option<usize>>,
}

impl ColumnNames {
    fn new(columns: &[Column]) -> Self {
        let mut exact = HashMap::with_capacity(columns.len());
        let mut folded = HashMap::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            exact.entry(column.name.clone()).or_insert(at);
            let alike = folded.entry(column.name.to_lowercase());
            alike.and_modify(|at| *at = None).or_insert(Some(at));
        }
        Self { exact, folded }
    }
}

/// Whether a table is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Present,
    Missing,
}

/// Whether the columns of tables are still those that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    Unchanged,
    /// A column of a table has changed, or the table is gone.
    Changed,
}

/// The tables that were read, by the name that the configuration gives them.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    tables: HashMap<String, Arc<Table>>,
}

impl Catalog {
    /// A table that was read before.
    pub fn get(&self, name: &str) -> Option<&Arc<Table>> {
        self.tables.get(name)
    }

    /// Reads a table unless it was read before.
    pub async fn load(&mut self, session: &mut Session, name: &str) -> Result<Presence> {
        if !self.tables.contains_key(name) {
            let Some(table) = read(session, name).await? else {
                return Ok(Presence::Missing);
            };
            self.tables.insert(name.to_owned(), Arc::new(table));
        }
        Ok(Presence::Present)
    }

    /// Reads all tables again, and forgets those that are gone.
    pub async fn refresh(&mut self, session: &mut Session) -> Result<Columns> {
        let mut columns = Columns::Unchanged;
        let mut gone = Vec::new();
        for (name, table) in &mut self.tables {
            match read(session, name).await? {
                Some(now) if **table == now => {}
                Some(now) => {
                    *table = Arc::new(now);
                    columns = Columns::Changed;
                }
                None => gone.push(name.clone()),
            }
        }
        for name in gone {
            columns = Columns::Changed;
            self.tables.remove(&name);
        }
        Ok(columns)
    }

    /// Forgets all tables: they may have changed while the server was away.
    pub fn clear(&mut self) {
        self.tables.clear();
    }
}

async fn read(session: &mut Session, name: &str) -> Result<Option<Table>> {
    let failed = |error| to_error("cannot read the catalog", &error);
    let mut transaction = session.begin().await.map_err(failed)?;
    let table = read_with(&mut transaction, name).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(table)
}

async fn read_with(connection: &mut PgConnection, name: &str) -> Result<Option<Table>> {
    let quoted = sql::qualified(name).map_err(Error::config)?;
    let doing = format!("cannot read the columns of table {name}");
    let failed = |error: sqlx::Error| to_error(&doing, &error);
    let found = sqlx::query(TABLE)
        .persistent(false)
        .bind(&quoted)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let Some(row) = found else {
        return Ok(None);
    };
    let kind: String = row.try_get("kind").map_err(failed)?;
    let persistence: String = row.try_get("persistence").map_err(failed)?;
    check(name, &kind, &persistence).map_err(Error::transient)?;
    let oid: i64 = row.try_get("oid").map_err(failed)?;
    // Read first: a change in between is noticed, as the columns are then newer than the
    // fingerprint.
    let (fingerprint, _) = fingerprint(connection, &[oid], false)
        .await
        .map_err(failed)?;
    let rows = sqlx::query(COLUMNS)
        .persistent(false)
        .bind(oid)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let labels = labels(connection, &rows).await.map_err(failed)?;
    let columns: Result<Vec<_>> = rows
        .iter()
        .map(|row| {
            let column = column(row, &labels).map_err(failed)?;
            column.map_err(Error::config)
        })
        .collect();
    Ok(Some(Table {
        names: Names::default(),
        quoted,
        columns: columns?,
        has_triggers: row.try_get("triggers").map_err(failed)?,
        has_policies: row.try_get("policies").map_err(failed)?,
        oid,
        fingerprint,
    }))
}

/// Compares tables with their columns in the catalog. The caller has locked the tables, so that the
/// answer holds until its transaction ends.
///
/// Without this, a column whose type changed to another of the same width would take the bytes of
/// the old type silently.
///
/// # Errors
/// Whatever the server or the connection says.
pub(crate) async fn compare(session: &mut Session, tables: &[&Table]) -> sqlx::Result<Columns> {
    let mut tables = tables.to_vec();
    tables.sort_by_key(|table| table.oid);
    let oids: Vec<_> = tables.iter().map(|table| table.oid).collect();
    let known: Vec<_> = tables
        .iter()
        .map(|table| table.fingerprint.as_str())
        .collect();
    let (connection, persistent) = (&mut session.connection, !session.is_pooled);
    let (fingerprint, is_unlogged) = fingerprint(connection, &oids, persistent).await?;
    Ok(match !is_unlogged && fingerprint == known.join(",") {
        true => Columns::Unchanged,
        false => Columns::Changed,
    })
}

async fn fingerprint(
    connection: &mut PgConnection,
    oids: &[i64],
    persistent: bool,
) -> sqlx::Result<(String, bool)> {
    let query = sqlx::query_as(FINGERPRINT).persistent(persistent);
    query.bind(oids).fetch_one(connection).await
}

fn check(name: &str, kind: &str, persistence: &str) -> Result<()> {
    if persistence == "u" {
        // A crash empties it, but keeps the offsets, which say that its rows are there.
        return Err(Error::config(format!(
            "table {name} is UNLOGGED: its rows would not outlive a crash of the server, run ALTER \
             TABLE {name} SET LOGGED"
        )));
    }
    match kind {
        "r" | "p" => Ok(()),
        "v" | "m" => Err(Error::config(format!(
            "{name} is a view: rows are copied and merged into tables, INSTEAD OF triggers would \
             not see them; name the table"
        ))),
        _ => Err(Error::config(format!(
            "{name} is no table: rows cannot be copied into foreign tables"
        ))),
    }
}

type Labels = HashMap<i64, Arc<[String]>>;

async fn labels(connection: &mut PgConnection, columns: &[PgRow]) -> sqlx::Result<Labels> {
    let mut types = Vec::new();
    for row in columns {
        if row.try_get::<&str, _>("kind")? == "e" {
            types.push(row.try_get::<i64, _>("type")?);
        }
    }
    let mut labels: HashMap<i64, Vec<String>> = HashMap::new();
    if !types.is_empty() {
        let rows = sqlx::query(LABELS)
            .persistent(false)
            .bind(&types)
            .fetch_all(connection);
        for row in rows.await? {
            let own = labels.entry(row.try_get("type")?).or_default();
            own.push(row.try_get("label")?);
        }
    }
    let labels = labels.into_iter();
    Ok(labels.map(|(of, labels)| (of, labels.into())).collect())
}

fn column(row: &PgRow, labels: &Labels) -> sqlx::Result<std::result::Result<Column, String>> {
    let name: String = row.try_get("name")?;
    let typmod: i32 = row.try_get("typmod")?;
    let element: i64 = row.try_get("element")?;
    let number: i64 = row.try_get("type")?;
    let named = Named {
        name: row.try_get("type_name")?,
        kind: row.try_get("kind")?,
        number,
        typmod,
    };
    let of = Type::of(&named, labels.get(&number));
    let data_type = match (of, u32::try_from(element)) {
        (of, Ok(0)) => of,
        // The text of such an array would have to be made of the texts of its elements.
        (Type::Unsupported | Type::Input(_) | Type::Vector, _) | (_, Err(_)) => Type::Unsupported,
        (of, Ok(number)) => Type::Array(Box::new(of), number),
    };
    let quoted = match sql::quoted(&name) {
        Ok(quoted) => quoted,
        Err(why) => return Ok(Err(why)),
    };
    Ok(Ok(Column {
        quoted,
        name,
        data_type,
        shown: row.try_get("shown")?,
        required: row.try_get("required")?,
        generated: row.try_get("generated")?,
        fixed: row.try_get("fixed")?,
        in_key: row.try_get("in_key")?,
        has_default: row.try_get("has_default")?,
    }))
}
