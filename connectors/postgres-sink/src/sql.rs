//! Identifiers and statements as text. Values never become part of a statement.

use std::fmt::Write as _;

/// Names longer than this are cut by Postgres, which would hit another table.
const MAX_IDENTIFIER: usize = 63;

/// An identifier in double quotes.
///
/// # Errors
/// When Postgres could not hold the name.
pub(crate) fn quoted(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("a name is empty".to_owned());
    }
    if name.contains('\0') {
        return Err("a name holds a NUL character".to_owned());
    }
    if name.len() > MAX_IDENTIFIER {
        return Err(format!(
            "the name {name} is longer than {MAX_IDENTIFIER} bytes"
        ));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

/// The parts of a dotted name; within double quotes a dot is part of the name.
///
/// # Errors
/// When there are more parts than catalog, schema and table, or Postgres could not hold one.
pub(crate) fn qualified(name: &str) -> Result<String, String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        let last = parts.len() - 1;
        match character {
            '"' if inside && characters.peek() == Some(&'"') => {
                characters.next();
                parts[last].push('"');
            }
            '"' => inside = !inside,
            '.' if !inside => parts.push(String::new()),
            _ => parts[last].push(character),
        }
    }
    if inside {
        return Err(format!("the table name {name} has an open quote"));
    }
    // A connection sees one catalog, so the first of three parts can only name that.
    if parts.len() > 3 {
        return Err(format!("the table name {name} has more than three parts"));
    }
    let skipped = usize::from(parts.len() == 3);
    let quoted: Result<Vec<_>, _> = parts[skipped..].iter().map(|part| quoted(part)).collect();
    Ok(quoted?.join("."))
}

/// `"a", "b"`, with a prefix for each.
pub(crate) fn list<'a>(prefix: &str, columns: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for column in columns {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(prefix);
        text.push_str(column);
    }
    text
}

/// The statement that takes rows. All names are quoted already.
pub(crate) fn copy<'a>(table: &str, columns: impl IntoIterator<Item = &'a str>) -> String {
    let columns = list("", columns);
    format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)")
}

/// Takes the lock of a writer, to go behind another statement. Without the partitions of a table:
/// they have the columns of the whole.
pub(crate) fn lock(table: &str) -> String {
    format!("; LOCK TABLE ONLY {table} IN ROW EXCLUSIVE MODE")
}

/// A session's own table of some columns of a table, without its constraints.
pub(crate) fn create_staging<'a>(
    staging: &str,
    table: &str,
    columns: impl IntoIterator<Item = &'a str>,
) -> String {
    let columns = list("", columns);
    format!(
        "CREATE TEMP TABLE {staging} AS \
         SELECT {columns} FROM {table} WITH NO DATA"
    )
}

/// What to select from a staging table whose columns are these expressions.
pub(crate) fn derived<'a>(staging: &str, expressions: impl IntoIterator<Item = &'a str>) -> String {
    let expressions = list("", expressions);
    format!("(SELECT ctid, {expressions} FROM {staging})")
}

/// How what was staged comes into a table. All names are quoted.
#[derive(Clone, Copy)]
pub(crate) struct Merge<'a> {
    pub staging: &'a str,
    pub table: &'a str,
    /// The columns of the primary key.
    pub keys: &'a [&'a str],
    /// The other columns of the rows.
    pub others: &'a [&'a str],
    /// Those of them that a row that is there can be given.
    pub settable: &'a [&'a str],
    /// The column that must be greater than that of the row that is there; whether equal is enough.
    pub newer: Option<(&'a str, bool)>,
    /// Whether a null leaves a column as it is.
    pub keeps_nulls: bool,
}

impl Merge<'_> {
    /// Inserts what was staged, in its order.
    pub fn insert(&self) -> String {
        let (all, table, staging) = (self.all(), self.table, self.staging);
        format!(
            "INSERT INTO {table} ({all}) OVERRIDING SYSTEM VALUE SELECT {all} FROM {staging} \
             AS staged"
        )
    }

    /// Inserts what was staged, or updates the rows that are there.
    ///
    /// The rows are taken in the order of their keys, so that two tasks that write the same keys
    /// wait for each other instead of running into a deadlock.
    pub fn upsert(&self) -> String {
        let Self { table, keys, .. } = *self;
        let conflict = list("", keys.iter().copied());
        let mut text = format!(
            "INSERT INTO {table} AS target ({}) OVERRIDING SYSTEM VALUE {} ON CONFLICT \
             ({conflict}) DO ",
            self.all(),
            self.ordered()
        );
        if self.settable.is_empty() {
            text.push_str("NOTHING");
        } else {
            text.push_str("UPDATE SET ");
            self.assign(&mut text, "EXCLUDED");
            if let Some(newer) = self.newer("EXCLUDED") {
                let _ = write!(text, " WHERE {newer}");
            }
        }
        text
    }

    /// Inserts what was staged, but for the rows that are there. Of several of a key the first is
    /// taken.
    pub fn insert_ignore(&self) -> String {
        let Self {
            staging,
            table,
            keys,
            ..
        } = *self;
        let all = self.all();
        let insert = format!("INSERT INTO {table} ({all}) OVERRIDING SYSTEM VALUE");
        if keys.is_empty() {
            return format!(
                "{insert} SELECT {all} FROM {staging} AS staged ON CONFLICT DO NOTHING"
            );
        }
        let keys = list("", keys.iter().copied());
        format!(
            "{insert} SELECT {all} FROM {staging} AS staged ORDER BY {keys}, ctid ON CONFLICT ({keys}) DO \
             NOTHING"
        )
    }

    /// Updates the rows that are there from what was staged.
    pub fn update(&self) -> String {
        let mut text = format!("UPDATE {} AS target SET ", self.table);
        self.assign(&mut text, "staged");
        let _ = match self.newer {
            None => write!(text, " FROM {} AS staged WHERE ", self.staging),
            Some(_) => write!(text, " FROM ({}) AS staged WHERE ", self.ordered()),
        };
        matching(&mut text, self.keys);
        if let Some(newer) = self.newer("staged") {
            let _ = write!(text, " AND {newer}");
        }
        text
    }

    /// Inserts what was staged, but for the rows that are there.
    pub fn insert_missing(&self) -> String {
        let (all, table) = (self.all(), self.table);
        let mut text = format!(
            "INSERT INTO {table} ({all}) OVERRIDING SYSTEM VALUE SELECT {all} FROM ({}) AS staged \
             WHERE NOT EXISTS (SELECT FROM {table} AS target WHERE ",
            self.ordered()
        );
        matching(&mut text, self.keys);
        text.push(')');
        text
    }

    fn all(&self) -> String {
        list("", self.keys.iter().chain(self.others).copied())
    }

    /// What was staged in the order of the keys; of several of a key the newest.
    fn ordered(&self) -> String {
        let (all, staging) = (self.all(), self.staging);
        let keys = list("", self.keys.iter().copied());
        match self.newer {
            None => format!("SELECT {all} FROM {staging} AS staged ORDER BY {keys}"),
            // The first of those that are equal, or the last: as if each had come alone.
            Some((newer, or_equal)) => {
                let last = if or_equal { " DESC" } else { "" };
                format!(
                    "SELECT DISTINCT ON ({keys}) {all} FROM {staging} AS staged \
                     ORDER BY {keys}, {newer} DESC, ctid{last}"
                )
            }
        }
    }

    // Writing to a String never fails.
    fn assign(&self, text: &mut String, from: &str) {
        for (i, column) in self.settable.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            let _ = match self.keeps_nulls {
                true => write!(
                    text,
                    "{comma}{column} = coalesce({from}.{column}, target.{column})"
                ),
                false => write!(text, "{comma}{column} = {from}.{column}"),
            };
        }
    }

    fn newer(&self, from: &str) -> Option<String> {
        let (column, or_equal) = self.newer?;
        let operator = if or_equal { ">=" } else { ">" };
        Some(format!(
            "(target.{column} IS NULL OR {from}.{column} {operator} target.{column})"
        ))
    }
}

/// Deletes the rows whose keys were staged.
pub(crate) fn delete(staging: &str, table: &str, keys: &[&str]) -> String {
    let mut text = format!("DELETE FROM {table} AS target USING {staging} AS staged WHERE ");
    matching(&mut text, keys);
    text
}

// Writing to a String never fails.
fn matching(text: &mut String, keys: &[&str]) {
    for (i, key) in keys.iter().enumerate() {
        let and = if i > 0 { " AND " } else { "" };
        let _ = write!(text, "{and}target.{key} = staged.{key}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_quoted_or_refused() {
        assert_eq!(quoted("a\"b").as_deref(), Ok("\"a\"\"b\""));
        assert!(quoted("").is_err());
        assert!(quoted("a\0b").is_err());
        assert!(quoted(&"ä".repeat(32)).is_err());
        assert!(quoted(&"a".repeat(63)).is_ok());
    }

    #[test]
    fn a_dotted_name_is_a_schema_and_a_table() {
        for (name, expect) in [
            ("t", Ok("\"t\"")),
            ("s.t", Ok("\"s\".\"t\"")),
            ("c.s.t", Ok("\"s\".\"t\"")),
            ("s.\"a.b\"", Ok("\"s\".\"a.b\"")),
            ("\"a\"\"b\"", Ok("\"a\"\"b\"")),
        ] {
            assert_eq!(qualified(name).as_deref(), expect, "{name}");
        }
        for name in ["", ".t", "a.b.c.d", "\"a", "a."] {
            assert!(qualified(name).is_err(), "{name}");
        }
    }

    #[test]
    fn statements_name_every_column() {
        let merge = Merge {
            staging: "s",
            table: "t",
            keys: &["\"k\"", "\"l\""],
            others: &["\"v\"", "\"w\""],
            settable: &["\"v\""],
            newer: None,
            keeps_nulls: false,
        };
        assert_eq!(
            merge.upsert(),
            "INSERT INTO t AS target (\"k\", \"l\", \"v\", \"w\") OVERRIDING SYSTEM VALUE \
             SELECT \"k\", \"l\", \"v\", \"w\" FROM s AS staged ORDER BY \"k\", \"l\" \
             ON CONFLICT (\"k\", \"l\") DO UPDATE SET \"v\" = EXCLUDED.\"v\""
        );
        let only_keys = Merge {
            settable: &[],
            ..merge
        };
        assert!(only_keys.upsert().ends_with("DO NOTHING"));
        assert_eq!(
            merge.update(),
            "UPDATE t AS target SET \"v\" = staged.\"v\" FROM s AS staged WHERE target.\"k\" = staged.\"k\" AND target.\"l\" = staged.\"l\""
        );
        let careful = Merge {
            keys: &["\"k\""],
            newer: Some(("\"v\"", false)),
            keeps_nulls: true,
            ..merge
        };
        assert_eq!(
            careful.upsert(),
            "INSERT INTO t AS target (\"k\", \"v\", \"w\") OVERRIDING SYSTEM VALUE \
             SELECT DISTINCT ON (\"k\") \"k\", \"v\", \"w\" FROM s AS staged \
             ORDER BY \"k\", \"v\" DESC, ctid ON CONFLICT (\"k\") DO UPDATE SET \
             \"v\" = coalesce(EXCLUDED.\"v\", target.\"v\") \
             WHERE (target.\"v\" IS NULL OR EXCLUDED.\"v\" > target.\"v\")"
        );
        assert_eq!(
            careful.insert_ignore(),
            "INSERT INTO t (\"k\", \"v\", \"w\") OVERRIDING SYSTEM VALUE \
             SELECT \"k\", \"v\", \"w\" FROM s AS staged ORDER BY \"k\", ctid \
             ON CONFLICT (\"k\") DO NOTHING"
        );
        assert_eq!(
            delete("s", "t", &["\"k\""]),
            "DELETE FROM t AS target USING s AS staged WHERE target.\"k\" = staged.\"k\""
        );
    }

    proptest! {
        #[test]
        fn a_quoted_name_ends_where_it_should(name in "[a-z\";. -]{1,60}") {
            let text = quoted(&name).unwrap();
            let inner = &text[1..text.len() - 1];
            prop_assert_eq!(inner.replace("\"\"", ""), name.replace('"', ""));
            prop_assert_eq!(inner.replace("\"\"", "\""), name);
        }
    }
}
