//! What a failure of Postgres means: one table from SQLSTATE to policy, and texts without values.

mod policy;

use connect_api::Error;
use sqlx::postgres::PgDatabaseError;

pub(crate) use policy::Policy;
use policy::policy;

/// Whether the SQLSTATE shows that something between here and the server swaps sessions.
pub(crate) fn tells_of_pooler(code: &str) -> bool {
    matches!(code, "26000" | "42P05")
}

/// The policy for any failure of the client.
pub(crate) fn policy_of(error: &sqlx::Error) -> Policy {
    match error {
        sqlx::Error::Database(_) => match database(error) {
            Some(error) if is_syntax_of_value(error) || is_refused_by_policy(error) => {
                Policy::Record
            }
            Some(error) => policy(error.code()),
            None => Policy::Fatal,
        },
        sqlx::Error::Configuration(_) | sqlx::Error::InvalidArgument(_) => Policy::Config,
        // Nothing mends by itself what is wrong with a certificate.
        sqlx::Error::Tls(_) => Policy::Config,
        sqlx::Error::Io(error) if is_untrusted(error) => Policy::Config,
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::PoolClosed
        | sqlx::Error::PoolTimedOut => Policy::Reconnect,
        _ => Policy::Fatal,
    }
}

/// The failure as the worker knows it.
pub(crate) fn to_error(doing: &str, error: &sqlx::Error) -> Error {
    let text = format!("{doing}: {}", describe(error));
    match policy_of(error) {
        Policy::Reconnect | Policy::Retry | Policy::Shrink => Error::retriable(text),
        Policy::Record => Error::data(text),
        // What the server refuses, its administrator may mend.
        Policy::Config if database(error).is_some() => Error::config(text).transient(),
        Policy::Config => Error::config(text),
        Policy::Fatal => Error::fatal(text),
    }
}

/// What happened, without any value of a row (Invariant 6): the server's own texts quote values in
/// the classes of data errors, so of those only the names in the error's fields are used.
pub(crate) fn describe(error: &sqlx::Error) -> String {
    let Some(error) = database(error) else {
        return error.to_string();
    };
    let code = error.code();
    let mut text = format!("Postgres reports {code}");
    if let Some(condition) = condition(code) {
        text.push_str(" (");
        text.push_str(condition);
        text.push(')');
    }
    let named = [
        ("table", error.table()),
        ("column", error.column()),
        ("type", error.data_type()),
        ("constraint", error.constraint()),
    ];
    for (what, name) in named {
        if let Some(name) = name {
            text.push_str(&format!(", {what} {name}"));
        }
    }
    if has_no_values(code) && !is_syntax_of_value(error) {
        text.push_str(": ");
        text.push_str(error.message());
    }
    // The words are the server's; the row is in the detail, which is not told.
    if code == "23514" && error.message().starts_with("no partition of relation") {
        text.push_str(": no partition of the table takes the row; create one for it");
    }
    if let Some(hint) = hint(code) {
        text.push_str(hint);
    }
    text
}

/// What to do about what operators get wrong with this sink.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "42P10" => {
            "; the table needs a unique index on exactly the fields of the primary key, and that \
             of a partitioned table or a hypertable must have its partitioning columns: add them \
             to pk.fields"
        }
        _ => return None,
    })
}

/// The code of an error of the server.
pub(crate) fn sqlstate(error: &sqlx::Error) -> Option<&str> {
    Some(database(error)?.code())
}

fn is_untrusted(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData && error.to_string().contains("certificate")
}

/// What the server says, for whoever looks for a phrase: it may quote values. Empty for errors that
/// are not the server's.
pub(crate) fn server_message(error: &sqlx::Error) -> &str {
    database(error).map_or("", PgDatabaseError::message)
}

/// The column that a COPY stopped at.
pub(crate) fn copied_column(error: &sqlx::Error) -> Option<&str> {
    copied_column_of(database(error)?)
}

/// In COPY's context: there it stands only while the column's value is read.
fn copied_column_of(error: &PgDatabaseError) -> Option<&str> {
    let mut context = error.r#where()?.lines();
    let copy = context.find(|line| line.starts_with("COPY "))?;
    Some(copy.split_once(", column ")?.1)
}

/// Whether Postgres could not read a value.
pub(crate) fn is_data(error: &sqlx::Error) -> bool {
    database(error).is_some_and(|error| error.code().starts_with("22") || is_syntax_of_value(error))
}

/// ltree, tsvector and others have syntaxes of their own, and a syntax error for what is not of
/// them. That of a statement says where in the statement it is.
fn is_syntax_of_value(error: &PgDatabaseError) -> bool {
    error.code() == "42601" && error.position().is_none()
}

/// Row level security refuses the row, not the table: the check of a policy failed.
fn is_refused_by_policy(error: &PgDatabaseError) -> bool {
    error.code() == "42501" && error.routine() == Some("ExecWithCheckOptions")
}

fn database(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error
        .as_database_error()?
        .try_downcast_ref::<PgDatabaseError>()
}

/// Whether the server's message for the SQLSTATE names only objects and settings.
fn has_no_values(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    matches!(
        class,
        "08" | "0A" | "25" | "26" | "28" | "3D" | "3F" | "40" | "42" | "53" | "55" | "57" | "58"
    )
}

/// Postgres's name of the condition, for those whose message is not shown.
fn condition(code: &str) -> Option<&'static str> {
    Some(match code {
        "21000" => "cardinality_violation",
        "22000" => "data_exception",
        "22001" => "string_data_right_truncation",
        "22003" => "numeric_value_out_of_range",
        "22007" => "invalid_datetime_format",
        "22008" => "datetime_field_overflow",
        "22012" => "division_by_zero",
        "22021" => "character_not_in_repertoire",
        "22023" => "invalid_parameter_value",
        "22P02" => "invalid_text_representation",
        "22P03" => "invalid_binary_representation",
        "22P04" => "bad_copy_file_format",
        "22P05" => "untranslatable_character",
        "2200N" => "invalid_xml_content",
        "42601" => "syntax_error",
        "23502" => "not_null_violation",
        "23503" => "foreign_key_violation",
        "23505" => "unique_violation",
        "23514" => "check_violation",
        "23P01" => "exclusion_violation",
        "44000" => "with_check_option_violation",
        "54000" => "program_limit_exceeded",
        "P0001" => "raise_exception",
        "XX000" => "internal_error",
        "TS101" => "operation not supported by TimescaleDB",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_resolved() {
        let lost = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(policy_of(&lost), Policy::Reconnect);
    }

    #[test]
    fn data_errors_show_no_message() {
        for code in [
            "22P02", "23505", "23514", "P0001", "XX000", "54000", "44000",
        ] {
            assert!(!has_no_values(code), "{code}");
        }
    }
}
