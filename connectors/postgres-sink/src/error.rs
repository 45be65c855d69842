//! What a failure of Postgres means: one match from SQLSTATE to policy, and texts without values.

use connect_api::Error;
use sqlx::postgres::PgDatabaseError;

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The connection is of no more use: connect anew, find out what became durable, repeat.
    Reconnect,
    /// The transaction was rolled back; the same one may succeed later.
    Retry,
    /// The transaction was too big: commit it in parts.
    Shrink,
    /// A record is at fault: find it.
    Record,
    /// The configuration or the schema of the target is at fault.
    Config,
    /// An error of this sink, or of the server's files.
    Fatal,
}

/// The policy for an SQLSTATE.
pub(crate) fn policy(code: &str) -> Policy {
    match code {
        // A session that was ended for idling, and a server that turned out to be a replica.
        "25P02" | "25P03" | "25006" => Policy::Reconnect,
        // A prepared statement is missing: something between here and the server swaps sessions.
        "26000" => Policy::Reconnect,
        "08P01" => Policy::Fatal,
        "40002" => Policy::Record,
        "40003" => Policy::Reconnect,
        // Two rows of one transaction hit one key although their bytes differ, as 1.0 and 1.00 do:
        // in parts, each lands.
        "21000" | "42804" | "42846" => Policy::Record,
        "53400" | "57014" => Policy::Shrink,
        "55P03" | "55006" => Policy::Retry,
        "57P01" | "57P02" | "57P03" | "57P05" | "58000" | "58030" => Policy::Reconnect,
        "57P04" => Policy::Config,
        _ => class_policy(code.get(..2).unwrap_or_default()),
    }
}

fn class_policy(class: &str) -> Policy {
    match class {
        // Connection exceptions; resources, which come back.
        "08" => Policy::Reconnect,
        "53" => Policy::Reconnect,
        "40" => Policy::Retry,
        // What a value, a constraint, or a trigger that looks at a row can raise.
        "09" | "20" | "22" | "23" | "27" | "38" | "39" | "44" | "54" | "72" | "P0" => {
            Policy::Record
        }
        // Features, authorisation, catalogs, schemas, names, settings, foreign data.
        "0A" | "0F" | "0L" | "0P" | "0Z" | "21" | "28" | "3D" | "3F" | "42" | "55" | "F0"
        | "HV" => Policy::Config,
        "57" | "58" => Policy::Reconnect,
        // States of transactions, cursors and statements that only this sink can have got wrong,
        // and what the server calls internal errors and damaged files.
        "00" | "01" | "02" | "03" | "0B" | "24" | "25" | "26" | "2B" | "2D" | "2F" | "34"
        | "3B" | "XX" => Policy::Fatal,
        _ => Policy::Fatal,
    }
}

/// The policy for any failure of the client.
pub(crate) fn policy_of(error: &sqlx::Error) -> Policy {
    match error {
        sqlx::Error::Database(_) => match database(error) {
            Some(error) => policy(error.code()),
            None => Policy::Fatal,
        },
        sqlx::Error::Configuration(_) | sqlx::Error::InvalidArgument(_) => Policy::Config,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
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
    if has_no_values(code) {
        text.push_str(": ");
        text.push_str(error.message());
    }
    text
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
        "23502" => "not_null_violation",
        "23503" => "foreign_key_violation",
        "23505" => "unique_violation",
        "23514" => "check_violation",
        "23P01" => "exclusion_violation",
        "44000" => "with_check_option_violation",
        "54000" => "program_limit_exceeded",
        "P0001" => "raise_exception",
        "XX000" => "internal_error",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// operations.md's table, and one code of every class that Postgres has.
    #[test]
    fn every_class_has_its_policy() {
        for (expect, codes) in [
            (
                Policy::Reconnect,
                "08000 08001 08003 08004 08006 08007 57P01 57P02 57P03 57P05 25P02 25P03 25006 \
                 58030 58000 40003 26000 53100 53200 53300 53000 57000",
            ),
            (Policy::Retry, "40001 40P01 40000 55P03 55006"),
            (Policy::Shrink, "53400 57014"),
            (
                Policy::Record,
                "22001 22003 22007 22008 22021 22P02 22P03 22P05 22023 23502 23503 23505 23514 \
                 23P01 21000 42804 42846 54000 54001 40002 09000 20000 27000 38000 39000 \
                 44000 P0001 72000",
            ),
            (
                Policy::Config,
                "42P01 42703 42501 42P10 42601 28000 28P01 3D000 3F000 0A000 0F000 0L000 0P000 \
                 0Z000 F0000 HV000 55000 21001 57P04",
            ),
            (
                Policy::Fatal,
                "08P01 XX000 XX001 00000 01000 02000 03000 0B000 24000 25000 25P01 2B000 2D000 \
                 2F000 34000 3B000 ZZ999",
            ),
        ] {
            for code in codes.split_whitespace() {
                assert_eq!(policy(code), expect, "{code}");
            }
        }
    }

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
