//! The statement: named parameters become those of the server, which are bound and never spliced.

use connect_api::{Error, Result};

use crate::parameters::{Kind, Parameter};

/// The names of paging, which no parameter has.
pub(crate) const LIMIT: &str = "limit";
pub(crate) const OFFSET: &str = "offset";

/// A statement with its parameters in the order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Parameter>,
}

impl Statement {
    /// Reads a query that names parameters as `:name`, outside of texts, names in quotes and
    /// comments.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for a name that is not declared, and for one that is
    /// declared and not used.
    pub(crate) fn new(query: &str, declared: &[Parameter]) -> Result<Self> {
        let query = query.trim().trim_end_matches(';').trim_end();
        let mut parameters: Vec<Parameter> = Vec::new();
        let mut own = String::with_capacity(query.len() + 64);
        let mut rest = query;
        while !rest.is_empty() {
            let quoted = quoted_length(rest);
            if quoted > 0 {
                let (text, behind) = rest.split_at(quoted);
                own.push_str(text);
                rest = behind;
            } else if let Some(cast) = rest.strip_prefix("::") {
                own.push_str("::");
                rest = cast;
            } else if let Some(name) = rest.strip_prefix(':').and_then(name_at_start) {
                let parameter = declared.iter().find(|one| one.name == name);
                let parameter = parameter.ok_or_else(|| {
                    Error::config(format!(
                        "query: :{name} stands in no path and not in query.parameters"
                    ))
                })?;
                own.push_str(&place(&mut parameters, parameter));
                rest = &rest[1 + name.len()..];
            } else {
                let length = rest.chars().next().map_or(0, char::len_utf8);
                own.push_str(&rest[..length]);
                rest = &rest[length..];
            }
        }
        if let Some(unused) = declared.iter().find(|one| !parameters.contains(one)) {
            return Err(Error::config(format!(
                "query: the parameter :{} is not used in it",
                unused.name
            )));
        }
        let [limit, offset, bytes] = [1, 2, 3].map(|more| parameters.len() + more);
        // The rows that come back are cut where they are too many bytes together, one behind it.
        let sql = format!(
            "SELECT row_text, total FROM (SELECT row_text, sum(octet_length(row_text)) OVER (ROWS \
             BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)::bigint AS total FROM (SELECT \
             row_to_json(own)::text AS row_text FROM (\n{own}\n) own LIMIT ${limit}::bigint OFFSET \
             ${offset}::bigint) page) summed WHERE total - octet_length(row_text) <= ${bytes}::bigint"
        );
        Ok(Self { sql, parameters })
    }
}

/// The text of a parameter in the statement.
fn place(parameters: &mut Vec<Parameter>, parameter: &Parameter) -> String {
    let at = parameters.iter().position(|known| known == parameter);
    let at = at.unwrap_or_else(|| {
        parameters.push(parameter.clone());
        parameters.len() - 1
    });
    let number = at + 1;
    let name = parameter.kind.sql_name();
    match parameter.kind {
        Kind::Text | Kind::Bigint | Kind::Integer | Kind::Double | Kind::Boolean => {
            format!("(${number}::{name})")
        }
        // Bound as text, which the server reads: its type has no form of its own here.
        Kind::Numeric | Kind::Timestamptz | Kind::Date | Kind::Uuid => {
            format!("(${number}::text::{name})")
        }
    }
}

/// The name that a text begins with.
fn name_at_start(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let name = &text[..end.unwrap_or(text.len())];
    let first = name.bytes().next()?;
    (first.is_ascii_alphabetic() || first == b'_').then_some(name)
}

/// How long the text in quotes or the comment is that a statement begins with; 0 where it begins
/// with neither.
fn quoted_length(sql: &str) -> usize {
    let to_end_of = |start: usize, end: &str| {
        let found = sql[start..].find(end);
        found.map_or(sql.len(), |at| start + at + end.len())
    };
    if sql.starts_with("--") {
        return to_end_of(2, "\n");
    }
    if sql.starts_with("/*") {
        return comment_length(sql);
    }
    if sql.starts_with('"') {
        return to_end_of(1, "\"");
    }
    if sql.starts_with('\'') {
        // A doubled quote is the end of one text and the start of another.
        return to_end_of(1, "'");
    }
    let escaped = sql
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("e'"));
    if escaped {
        return escaped_length(sql);
    }
    if let Some(rest) = sql.strip_prefix('$')
        && let Some(end) = rest.find('$')
        && (end == 0 || name_at_start(&rest[..end]) == Some(&rest[..end]))
    {
        let tag = &sql[..end + 2];
        return to_end_of(tag.len(), tag);
    }
    // The letters of a name are taken whole, so that no `e'` is found at the end of one.
    name_at_start(sql).map_or(0, str::len)
}

/// Comments stand in each other.
fn comment_length(sql: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    let bytes = sql.as_bytes();
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    sql.len()
}

fn escaped_length(sql: &str) -> usize {
    let bytes = sql.as_bytes();
    let mut at = 2;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    sql.len()
}
