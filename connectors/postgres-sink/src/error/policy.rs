//! What an SQLSTATE means: one table of its classes, and one of the codes that differ from theirs.

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The connection is lost or broken: reconnect, find out what became durable, repeat.
    Reconnect,
    /// The transaction was rolled back; the same one may succeed later.
    Retry,
    /// The transaction was too big: commit it in parts.
    Shrink,
    /// A record is errant: find it.
    Record,
    /// The configuration or the schema of the target is wrong.
    Config,
    /// An error of this sink, or of the server's files.
    Fatal,
}

/// Every class of the manual's Appendix A, and one of an extension that is often there. A session
/// is cheap, so where it is not certain that it is still good the policy is to reconnect, which
/// also finds out what became durable.
const CLASSES: &[(&str, Policy)] = &[
    // States of transactions, cursors and statements: an error of this sink.
    ("00", Policy::Fatal),
    ("01", Policy::Fatal),
    ("02", Policy::Fatal),
    ("03", Policy::Fatal),
    ("0B", Policy::Fatal),
    ("24", Policy::Fatal),
    ("25", Policy::Fatal),
    ("26", Policy::Fatal),
    ("2B", Policy::Fatal),
    ("2D", Policy::Fatal),
    ("2F", Policy::Fatal),
    ("34", Policy::Fatal),
    ("3B", Policy::Fatal),
    // Internal errors and damaged files.
    ("XX", Policy::Fatal),
    // Connections, operators, and the system under the server.
    ("08", Policy::Reconnect),
    ("57", Policy::Reconnect),
    ("58", Policy::Reconnect),
    // Resources, which come back: disk, memory, connections.
    ("53", Policy::Reconnect),
    // The server rolled the transaction back in favour of another.
    ("40", Policy::Retry),
    // Raised for a value, by a constraint, or by a trigger that looks at a row.
    ("09", Policy::Record),
    ("10", Policy::Record),
    ("20", Policy::Record),
    ("22", Policy::Record),
    ("23", Policy::Record),
    ("27", Policy::Record),
    ("38", Policy::Record),
    ("39", Policy::Record),
    ("44", Policy::Record),
    ("54", Policy::Record),
    ("72", Policy::Record),
    ("P0", Policy::Record),
    // Features, authorisation, catalogs, schemas, names, settings, foreign data.
    ("0A", Policy::Config),
    ("0F", Policy::Config),
    ("0L", Policy::Config),
    ("0P", Policy::Config),
    ("0Z", Policy::Config),
    ("21", Policy::Config),
    ("28", Policy::Config),
    ("3D", Policy::Config),
    ("3F", Policy::Config),
    ("42", Policy::Config),
    ("55", Policy::Config),
    ("F0", Policy::Config),
    ("HV", Policy::Config),
    // TimescaleDB's, of hypertables and their chunks.
    ("TS", Policy::Config),
];

/// The codes whose policy is not that of their class.
const CODES: &[(&str, Policy)] = &[
    ("08P01", Policy::Fatal),
    // Two rows of one transaction have the same key in different bytes, as 1.0 and 1.00: in parts,
    // each lands.
    ("21000", Policy::Record),
    // A server that turned out to be a replica.
    ("25006", Policy::Reconnect),
    ("25P02", Policy::Reconnect),
    // Sessions that the server ended because they idled, or a transaction took too long.
    ("25P03", Policy::Reconnect),
    ("25P04", Policy::Reconnect),
    // A prepared statement is missing: something between here and the server swaps sessions.
    ("26000", Policy::Reconnect),
    ("40002", Policy::Record),
    // Whether the statement was completed is unknown.
    ("40003", Policy::Reconnect),
    // Another session of a pooler has prepared a statement of this name.
    ("42P05", Policy::Reconnect),
    ("42804", Policy::Record),
    ("42846", Policy::Record),
    ("53400", Policy::Shrink),
    ("55006", Policy::Retry),
    ("55P03", Policy::Retry),
    // Cancelled, as a rule by statement_timeout.
    ("57014", Policy::Shrink),
    ("57P04", Policy::Config),
    // A file of the server, or of an extension's library, is missing.
    ("58P01", Policy::Fatal),
    ("58P02", Policy::Fatal),
];

/// The policy for an SQLSTATE. A class that is in no manual comes from an extension, which speaks
/// of its own objects, or from a trigger's `RAISE … USING ERRCODE`. Neither shows that a record is
/// errant, so the task fails rather than leaving records out.
pub(crate) fn policy(code: &str) -> Policy {
    find(CODES, code)
        .or_else(|| find(CLASSES, code.get(..2)?))
        .unwrap_or(Policy::Fatal)
}

fn find(table: &[(&str, Policy)], key: &str) -> Option<Policy> {
    let found = table.iter().find(|(known, _)| *known == key);
    found.map(|(_, policy)| *policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The classes of the manual's Appendix A ("PostgreSQL Error Codes"), those of later versions
    /// (10) and of earlier ones (72) included.
    const APPENDIX_A: &str = "00 Successful Completion
01 Warning
02 No Data
03 SQL Statement Not Yet Complete
08 Connection Exception
09 Triggered Action Exception
0A Feature Not Supported
0B Invalid Transaction Initiation
0F Locator Exception
0L Invalid Grantor
0P Invalid Role Specification
0Z Diagnostics Exception
10 XQuery Error
20 Case Not Found
21 Cardinality Violation
22 Data Exception
23 Integrity Constraint Violation
24 Invalid Cursor State
25 Invalid Transaction State
26 Invalid SQL Statement Name
27 Triggered Data Change Violation
28 Invalid Authorization Specification
2B Dependent Privilege Descriptors Still Exist
2D Invalid Transaction Termination
2F SQL Routine Exception
34 Invalid Cursor Name
38 External Routine Exception
39 External Routine Invocation Exception
3B Savepoint Exception
3D Invalid Catalog Name
3F Invalid Schema Name
40 Transaction Rollback
42 Syntax Error or Access Rule Violation
44 WITH CHECK OPTION Violation
53 Insufficient Resources
54 Program Limit Exceeded
55 Object Not In Prerequisite State
57 Operator Intervention
58 System Error
72 Snapshot Failure
F0 Configuration File Error
HV Foreign Data Wrapper Error
P0 PL/pgSQL Error
XX Internal Error
TS (none of the manual's but TimescaleDB's)";

    #[test]
    fn every_class_of_the_manual_has_one_policy() {
        for line in APPENDIX_A.lines() {
            let (class, title) = line.split_once(' ').unwrap_or((line, ""));
            let rows = CLASSES.iter().filter(|(known, _)| *known == class).count();
            assert_eq!(rows, 1, "class {class}, {title}");
        }
        assert_eq!(CLASSES.len(), APPENDIX_A.lines().count());
    }

    #[test]
    fn a_code_has_a_row_only_where_its_policy_differs() {
        for (index, (code, own)) in CODES.iter().enumerate() {
            let class = find(CLASSES, &code[..2]);
            assert!(class.is_some(), "{code} is of no known class");
            assert_ne!(class, Some(*own), "{code} has the policy of its class");
            let again = CODES[..index].iter().any(|(other, _)| other == code);
            assert!(!again, "{code} stands twice");
        }
    }

    /// What operators meet, one by one.
    #[test]
    fn what_operators_meet_has_the_policy_it_needs() {
        for (expect, codes) in [
            (
                Policy::Reconnect,
                "08000 08001 08003 08004 08006 08007 57P01 57P02 57P03 57P05 25P02 25P03 25P04 \
                 25006 58030 58000 40003 26000 42P05 53100 53200 53300 53000 57000",
            ),
            (Policy::Retry, "40001 40P01 40000 55P03 55006"),
            (Policy::Shrink, "53400 57014"),
            (
                Policy::Record,
                "22001 22003 22007 22008 22021 22P02 22P03 22P05 22023 23502 23503 23505 23514 \
                 23P01 21000 42804 42846 54000 54001 40002 P0001",
            ),
            (
                Policy::Config,
                "42P01 42703 42501 42P10 42601 28000 28P01 3D000 3F000 0A000 55000 21001 57P04 \
                 TS101",
            ),
            (
                Policy::Fatal,
                "08P01 XX000 XX001 25P01 58P01 ZZ999 \u{e4}1234 1",
            ),
        ] {
            for code in codes.split_whitespace() {
                assert_eq!(policy(code), expect, "{code}");
            }
        }
    }
}
