//! What there is: the table, its partitions, and the times that a schedule comes to.

use connect_api::{Error, Result};
use sqlx::postgres::PgRow;
use sqlx::{Executor as _, Row};

use super::Schedule;
use super::plan::{
    Calendar, Column, Drop, Moment, Partition, Plan, Range, Step, Table, TimeKind, quoted,
};
use super::run::COMMENT;
use crate::error::to_error;
use crate::session::Session;
use crate::sql;

/// A table, and what it is partitioned by. The oid is a bigint, which no oid is too large for.
const TABLE: &str = "SELECT c.oid::bigint AS oid, n.nspname, c.relname, c.relkind::text AS kind, \
    p.partstrat::text AS strategy, p.partnatts::int AS columns, a.attname, \
    a.atttypid::regtype::text AS type, \
    d.relname AS default_name, dn.nspname AS default_schema, \
    current_setting('server_version_num')::int >= 140000 AS is_recent, \
    EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') AS has_timescale \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid \
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0] \
    LEFT JOIN pg_class d ON d.oid = nullif(p.partdefid, 0) \
    LEFT JOIN pg_namespace dn ON dn.oid = d.relnamespace \
    WHERE c.oid = to_regclass($1)";

/// The partitions with bounds, the oldest first. A bound is a literal, printed in UTC.
const PARTITIONS: &str = "SELECT nspname, relname, relkind::text AS kind, is_pending, bytes, \
    is_whole, CASE WHEN isfinite(low) THEN (extract(epoch FROM low) * 1000000)::bigint END AS low, \
    CASE WHEN isfinite(high) THEN (extract(epoch FROM high) * 1000000)::bigint END AS high, \
    low::text AS low_text, high::text AS high_text \
    FROM (SELECT n.nspname, c.relname, c.relkind, \
        coalesce((to_jsonb(i) ->> 'inhdetachpending')::boolean, false) AS is_pending, \
        pg_total_relation_size(c.oid) AS bytes, \
        pg_get_expr(c.relpartbound, c.oid) LIKE 'FOR VALUES FROM %' AS is_whole, \
        (regexp_match(pg_get_expr(c.relpartbound, c.oid), \
            'FROM \\(''([^'']+)''\\) TO'))[1]::timestamp AS low, \
        (regexp_match(pg_get_expr(c.relpartbound, c.oid), \
            'TO \\(''([^'']+)''\\)$'))[1]::timestamp AS high \
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
        JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE i.inhparent = $1::oid) AS partitions \
    WHERE is_whole ORDER BY low NULLS FIRST";

/// Tables that a run has detached and not dropped.
const LEFTOVERS: &str = "SELECT n.nspname, c.relname, pg_total_relation_size(c.oid) AS bytes \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass \
        AND d.objsubid = 0 \
    WHERE NOT c.relispartition AND c.relkind IN ('r', 'p') AND d.description = $1 \
    ORDER BY c.relname";

/// The times of a schedule, of which months are exact: where partitions begin and end, and what is
/// past its time. `$1` the interval, `$2` before, `$3` after the present one, `$4` the retention.
const CALENDAR: &str = "WITH given AS (SELECT $1::interval AS step, $4::interval AS retention, \
        now() AT TIME ZONE 'UTC' AS now), \
    split AS (SELECT given.*, \
        (extract(year FROM step) * 12 + extract(month FROM step))::int AS months, \
        extract(epoch FROM step - make_interval(months => \
            (extract(year FROM step) * 12 + extract(month FROM step))::int)) AS seconds \
        FROM given), \
    present AS (SELECT split.*, CASE \
        WHEN months > 0 AND seconds = 0 THEN timestamp '2001-01-01' + make_interval(months => \
            months * floor(((extract(year FROM now) - 2001) * 12 + extract(month FROM now) - 1) \
            / months)::int) \
        WHEN months = 0 AND seconds > 0 THEN timestamp '2001-01-01' + step * \
            floor(extract(epoch FROM now - timestamp '2001-01-01')::numeric / seconds)::int \
        END AS start FROM split) \
    SELECT months, seconds::double precision AS seconds, edge::text AS edge_text, \
        (extract(epoch FROM edge) * 1000000)::bigint AS edge, \
        (now - retention)::text AS cutoff_text, \
        (extract(epoch FROM now - retention) * 1000000)::bigint AS cutoff, \
        retention > interval '0' AS has_retention \
    FROM present LEFT JOIN generate_series(-$2, $3 + 1) AS n ON start IS NOT NULL \
    CROSS JOIN LATERAL (SELECT start + n * step AS edge) AS edges ORDER BY n";

/// No schedule comes to more partitions.
const MOST: u32 = 10_000;

pub(super) async fn table(session: &mut Session, name: &str) -> Result<Table> {
    let identifier = sql::qualified(name).map_err(Error::config)?;
    let row = sqlx::query(TABLE)
        .persistent(false)
        .bind(&identifier)
        .fetch_optional(&mut session.connection)
        .await
        .map_err(|error| to_error(&format!("cannot look for the table {name}"), &error))?;
    let row = row.ok_or_else(|| Error::config(format!("there is no table {name}")))?;
    table_of(name, &row).map_err(|error| to_error("cannot read the catalog", &error))?
}

fn table_of(shown: &str, row: &PgRow) -> sqlx::Result<Result<Table>> {
    let kind: String = row.try_get("kind")?;
    if kind != "p" {
        let hypertable = match row.try_get("has_timescale")? {
            true => {
                "; if it is a hypertable of TimescaleDB, add_retention_policy() drops its chunks"
            }
            false => "",
        };
        return Ok(Err(Error::config(format!(
            "{shown} is not a partitioned table: create it with PARTITION BY RANGE, as \
             sql/002b_track_activity_log_partitioned.sql does{hypertable}"
        ))));
    }
    let strategy: String = row.try_get("strategy")?;
    let columns: i32 = row.try_get("columns")?;
    let type_name: Option<String> = row.try_get("type")?;
    let kind = match type_name.as_deref() {
        Some("timestamp with time zone") => Some(TimeKind::Timestamptz),
        Some("timestamp without time zone") => Some(TimeKind::Timestamp),
        Some("date") => Some(TimeKind::Date),
        _ => None,
    };
    let column: Option<String> = row.try_get("attname")?;
    let (Some(kind), Some(column), "r", 1) = (kind, column, &*strategy, columns) else {
        return Ok(Err(Error::config(format!(
            "{shown} is not partitioned by the range of one column of type timestamptz, timestamp \
             or date"
        ))));
    };
    let default: Option<String> = row.try_get("default_name")?;
    let default_schema: Option<String> = row.try_get("default_schema")?;
    let default = default_schema.zip(default);
    Ok(Ok(Table {
        oid: row.try_get("oid")?,
        shown: shown.to_owned(),
        schema: row.try_get("nspname")?,
        name: row.try_get("relname")?,
        column: Column {
            quoted: quoted(&column),
            kind,
        },
        default: default.map(|(schema, name)| format!("{}.{}", quoted(&schema), quoted(&name))),
        is_recent: row.try_get("is_recent")?,
    }))
}

pub(super) async fn calendar(
    session: &mut Session,
    schedule: &Schedule,
    kind: TimeKind,
) -> Result<Calendar> {
    let Schedule {
        interval,
        retention,
        ahead,
        behind,
        ..
    } = schedule;
    if ahead.saturating_add(*behind) > MOST {
        let text = format!("more than {MOST} partitions ahead and behind are not made at once");
        return Err(Error::config(text));
    }
    let number = |count: &u32| i32::try_from(*count).unwrap_or(i32::MAX);
    let rows = sqlx::query(CALENDAR)
        .persistent(false)
        .bind(interval)
        .bind(number(behind))
        .bind(number(ahead))
        .bind(retention)
        .fetch_all(&mut session.connection)
        .await
        .map_err(|error| match crate::error::is_data(&error) {
            true => Error::config(format!(
                "{interval} or {} is no interval of Postgres, such as 1 month or 90 days",
                retention.as_deref().unwrap_or("none")
            )),
            false => to_error("cannot tell the times of the partitions", &error),
        })?;
    calendar_of(schedule, kind, &rows)
        .map_err(|error| to_error("cannot tell the times of the partitions", &error))?
}

fn calendar_of(
    schedule: &Schedule,
    kind: TimeKind,
    rows: &[PgRow],
) -> sqlx::Result<Result<Calendar>> {
    let interval = &schedule.interval;
    let Some(row) = rows.first() else {
        return Ok(Err(Error::fatal("no times of the partitions")));
    };
    let seconds: f64 = row.try_get("seconds")?;
    let edges = rows.iter().map(|row| moment(row, "edge", "edge_text"));
    let edges: Option<Vec<_>> = edges.collect::<sqlx::Result<_>>()?;
    let Some(edges) = edges else {
        return Ok(Err(Error::config(format!(
            "the interval {interval} must be of whole months, or of days and less, and not of both"
        ))));
    };
    let (least, what) = match kind {
        TimeKind::Date => (86_400.0, "a day"),
        _ => (60.0, "a minute"),
    };
    let is_whole = kind != TimeKind::Date || seconds % least == 0.0;
    if seconds != 0.0 && (seconds < least || !is_whole) {
        return Ok(Err(Error::config(format!(
            "the interval {interval} must be of at least {what}, and a partition of a date of \
             whole days"
        ))));
    }
    let has_retention: Option<bool> = row.try_get("has_retention")?;
    if has_retention == Some(false) {
        return Ok(Err(Error::config(
            "the retention must be greater than none",
        )));
    }
    Ok(Ok(Calendar {
        edges,
        cutoff: moment(row, "cutoff", "cutoff_text")?,
    }))
}

fn moment(row: &PgRow, micros: &str, text: &str) -> sqlx::Result<Option<Moment>> {
    let micros: Option<i64> = row.try_get(micros)?;
    let text: Option<String> = row.try_get(text)?;
    Ok(micros
        .zip(text)
        .map(|(micros, text)| Moment { micros, text }))
}

fn name_of(row: &PgRow) -> sqlx::Result<String> {
    let (schema, name): (String, String) = (row.try_get("nspname")?, row.try_get("relname")?);
    Ok(format!("{}.{}", quoted(&schema), quoted(&name)))
}

pub(super) async fn partitions(session: &mut Session, table: &Table) -> Result<Vec<Partition>> {
    let rows = sqlx::query(PARTITIONS)
        .persistent(false)
        .bind(table.oid)
        .fetch_all(&mut session.connection)
        .await;
    let partition = |row: &PgRow| {
        Ok(Partition {
            quoted: name_of(row)?,
            range: Range {
                from: moment(row, "low", "low_text")?,
                to: moment(row, "high", "high_text")?,
            },
            is_pending: row.try_get("is_pending")?,
            is_foreign: row.try_get::<String, _>("kind")? == "f",
            bytes: row.try_get("bytes")?,
        })
    };
    let partitions = rows.and_then(|rows| rows.iter().map(partition).collect());
    partitions.map_err(|error| {
        to_error(
            &format!("cannot read the partitions of {}", table.shown),
            &error,
        )
    })
}

pub(super) async fn leftovers(session: &mut Session, table: &Table) -> Result<Vec<Drop>> {
    let rows = sqlx::query(LEFTOVERS)
        .persistent(false)
        .bind(format!("{COMMENT}{}", table.quoted()))
        .fetch_all(&mut session.connection)
        .await;
    let leftover = |row: &PgRow| {
        Ok(Drop {
            quoted: name_of(row)?,
            range: None,
            bytes: row.try_get("bytes")?,
            is_pending: false,
        })
    };
    let leftovers = rows.and_then(|rows| rows.iter().map(leftover).collect());
    leftovers.map_err(|error| to_error("cannot look for tables that are left over", &error))
}

/// Takes partitions out of a plan whose rows are in the default partition, and says what to do.
pub(super) async fn conflicts(session: &mut Session, plan: &mut Plan) -> Result<()> {
    let Some(default) = plan.table.default.clone() else {
        return Ok(());
    };
    let column = &plan.table.column.quoted;
    let mut steps = Vec::new();
    for step in std::mem::take(&mut plan.steps) {
        let Step::Create { name, range } = &step else {
            steps.push(step);
            continue;
        };
        let (Some(from), Some(to)) = (&range.from, &range.to) else {
            steps.push(step);
            continue;
        };
        let query = format!(
            "SELECT EXISTS (SELECT FROM {default} WHERE {column} >= '{}' AND {column} < '{}')",
            from.text, to.text
        );
        let row = session.connection.fetch_one(&*query).await;
        let has_rows: bool = row
            .and_then(|row| row.try_get(0))
            .map_err(|error| to_error("cannot look into the default partition", &error))?;
        if has_rows {
            plan.warnings.push(format!(
                "{name} cannot be made: the default partition {default} has rows of {range}. Move \
                 them out of it in one transaction: detach it, make the partition, insert the rows \
                 into the table, delete them there, attach it again"
            ));
        } else {
            steps.push(step);
        }
    }
    plan.steps = steps;
    Ok(())
}
