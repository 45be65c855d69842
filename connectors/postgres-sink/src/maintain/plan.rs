//! What is to be done, from what there is. Pure.

use std::fmt;

use connect_api::{Error, Result};

/// A moment, as a number to compare and as the text of Postgres, both in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Microseconds since 1970.
    pub micros: i64,
    pub text: String,
}

/// From a moment to the next, which is not part of it. None: without a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    pub(super) from: Option<Moment>,
    pub(super) to: Option<Moment>,
}

/// The type of the column that a table is partitioned by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeKind {
    Timestamptz,
    Timestamp,
    Date,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    /// In quotes.
    pub quoted: String,
    pub kind: TimeKind,
}

/// A partitioned table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub oid: i64,
    /// Schema and name, as a person writes them.
    pub shown: String,
    pub schema: String,
    pub name: String,
    pub column: Column,
    /// The default partition, in quotes.
    pub default: Option<String>,
    /// Whether the server can detach a partition concurrently, but for a default one: from 14 on.
    pub is_recent: bool,
}

impl Table {
    /// Schema and name in quotes.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

/// A name in quotes. It comes of the catalog, so that Postgres can hold it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A partition with bounds.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    /// Schema and name in quotes.
    pub quoted: String,
    pub range: Range,
    /// Whether it is being detached since a run that was interrupted.
    pub is_pending: bool,
    /// Whether it is on another server.
    pub is_foreign: bool,
    pub bytes: i64,
}

/// The times that a schedule comes to.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    /// Where partitions begin and end, in order.
    pub edges: Vec<Moment>,
    /// What is older is past its time.
    pub cutoff: Option<Moment>,
}

/// What is to be done for a table.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) table: Table,
    /// In the order in which it is done.
    pub steps: Vec<Step>,
    /// How many partitions stay as they are.
    pub kept: usize,
    /// What keeps a part of it from being done, for people.
    pub warnings: Vec<String>,
    pub(super) cutoff: Option<Moment>,
}

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    /// Make a partition.
    Create {
        /// Its name, without the schema.
        name: String,
        /// Its bounds.
        range: Range,
    },
    /// Drop a partition.
    Drop(Drop),
}

/// A partition that is past its time.
#[derive(Clone, Debug)]
pub struct Drop {
    /// Schema and name in quotes.
    pub quoted: String,
    /// Its bounds; none of one that is detached already.
    pub range: Option<Range>,
    /// How many bytes it takes, with its indexes.
    pub bytes: i64,
    pub(super) is_pending: bool,
}

impl fmt::Display for Range {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |moment: &Option<Moment>, none: &str| {
            let text = moment.as_ref().map(|moment| moment.text.clone());
            text.unwrap_or_else(|| none.to_owned())
        };
        let (from, to) = (text(&self.from, "the beginning"), text(&self.to, "the end"));
        write!(out, "{from} to {to}")
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { name, range } => write!(out, "create {name}: {range}"),
            Self::Drop(Drop {
                quoted,
                range: Some(range),
                bytes,
                ..
            }) => write!(out, "drop {quoted}: {range}, {bytes} bytes"),
            Self::Drop(Drop { quoted, bytes, .. }) => write!(
                out,
                "drop {quoted}: detached by a run that was interrupted, {bytes} bytes"
            ),
        }
    }
}

/// What is to be done.
///
/// # Errors
/// When a name for a partition cannot be made.
pub(super) fn of(
    table: Table,
    calendar: &Calendar,
    partitions: Vec<Partition>,
    leftovers: Vec<Drop>,
) -> Result<Plan> {
    let mut warnings = Vec::new();
    let mut steps = creations(&table, calendar, &partitions)?;
    let mut kept = 0;
    for partition in partitions {
        let Partition { quoted, range, .. } = partition;
        if !is_past(&range, calendar.cutoff.as_ref()) {
            kept += 1;
            if partition.is_pending {
                warnings.push(format!(
                    "{quoted} is being detached, by whom is not known: ALTER TABLE {} DETACH \
                     PARTITION {quoted} FINALIZE ends that",
                    table.quoted()
                ));
            }
            continue;
        }
        if partition.is_foreign {
            kept += 1;
            warnings.push(format!(
                "{quoted} is past its time, but on another server: drop it by hand"
            ));
            continue;
        }
        steps.push(Step::Drop(Drop {
            quoted,
            range: Some(range),
            bytes: partition.bytes,
            is_pending: partition.is_pending,
        }));
    }
    steps.extend(leftovers.into_iter().map(Step::Drop));
    Ok(Plan {
        table,
        steps,
        kept,
        warnings,
        cutoff: calendar.cutoff.clone(),
    })
}

/// Whether no row of the range can be of the cutoff or newer.
fn is_past(range: &Range, cutoff: Option<&Moment>) -> bool {
    let (Some(to), Some(cutoff)) = (&range.to, cutoff) else {
        return false;
    };
    to.micros <= cutoff.micros
}

/// A partition for each part of the calendar that has none. What is past its time gets none.
fn creations(table: &Table, calendar: &Calendar, partitions: &[Partition]) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for cell in calendar.edges.windows(2) {
        let [from, to] = cell else { continue };
        let mut rest = vec![(from.clone(), to.clone())];
        for taken in partitions {
            let parts = rest
                .into_iter()
                .flat_map(|part| without(part, &taken.range));
            rest = parts.collect();
        }
        for (from, to) in rest {
            let range = Range {
                from: Some(from.clone()),
                to: Some(to),
            };
            if is_past(&range, calendar.cutoff.as_ref()) {
                continue;
            }
            let name = name(&table.name, &from, table.column.kind)?;
            steps.push(Step::Create { name, range });
        }
    }
    Ok(steps)
}

/// What is left of a part beside a range.
fn without((from, to): (Moment, Moment), range: &Range) -> Vec<(Moment, Moment)> {
    let begins = range.from.as_ref().map_or(i64::MIN, |from| from.micros);
    let ends = range.to.as_ref().map_or(i64::MAX, |to| to.micros);
    if ends <= from.micros || to.micros <= begins {
        return vec![(from, to)];
    }
    let mut left = Vec::new();
    if let Some(begin) = &range.from
        && from.micros < begin.micros
    {
        left.push((from, begin.clone()));
    }
    if let Some(end) = &range.to
        && end.micros < to.micros
    {
        left.push((end.clone(), to));
    }
    left
}

/// Names longer than this are cut by Postgres.
const MAX_NAME: usize = 63;

/// The name of a partition: the table's, and where it begins.
fn name(table: &str, from: &Moment, kind: TimeKind) -> Result<String> {
    let digits: String = from.text.chars().filter(char::is_ascii_digit).collect();
    let (day, time) = digits
        .split_at_checked(8)
        .ok_or_else(|| Error::fatal("a moment has no date"))?;
    let mut suffix = format!("_p{day}");
    let time = time.trim_end_matches('0');
    if kind != TimeKind::Date && !time.is_empty() {
        suffix.push_str(&format!("_{time:0<6}"));
    }
    let mut stem = table;
    while stem.len() + suffix.len() > MAX_NAME {
        let last = stem.char_indices().next_back().map_or(0, |(at, _)| at);
        stem = &stem[..last];
    }
    Ok(format!("{stem}{suffix}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn moment(hours: i64) -> Moment {
        let (day, hour) = (hours.div_euclid(24) + 1, hours.rem_euclid(24));
        Moment {
            micros: hours * HOUR,
            text: format!("1970-01-{day:02} {hour:02}:00:00"),
        }
    }

    fn range(from: i64, to: i64) -> Range {
        Range {
            from: Some(moment(from)),
            to: Some(moment(to)),
        }
    }

    fn table() -> Table {
        Table {
            oid: 1,
            shown: "events".into(),
            schema: "public".into(),
            name: "events".into(),
            column: Column {
                quoted: "\"at\"".into(),
                kind: TimeKind::Timestamptz,
            },
            default: None,
            is_recent: true,
        }
    }

    fn partition(range: Range) -> Partition {
        Partition {
            quoted: format!("p {range}"),
            range,
            is_pending: false,
            is_foreign: false,
            bytes: 0,
        }
    }

    fn planned(edges: &[i64], cutoff: Option<i64>, there: Vec<Range>) -> Plan {
        let calendar = Calendar {
            edges: edges.iter().copied().map(moment).collect(),
            cutoff: cutoff.map(moment),
        };
        let there = there.into_iter().map(partition).collect();
        of(table(), &calendar, there, Vec::new()).unwrap()
    }

    fn created(plan: &Plan) -> Vec<(i64, i64)> {
        let ranges = plan.steps.iter().filter_map(|step| match step {
            Step::Create { range, .. } => Some(range),
            Step::Drop(_) => None,
        });
        let hours = |moment: &Option<Moment>| moment.as_ref().unwrap().micros / HOUR;
        ranges
            .map(|range| (hours(&range.from), hours(&range.to)))
            .collect()
    }

    #[test]
    fn what_is_there_is_not_made_again_and_gaps_are_filled() {
        let plan = planned(&[0, 10, 20, 30], None, vec![range(12, 15), range(20, 40)]);
        assert_eq!(created(&plan), [(0, 10), (10, 12), (15, 20)]);
        assert_eq!(plan.kept, 2);
        let unbounded = Range {
            from: Some(moment(5)),
            to: None,
        };
        assert_eq!(
            created(&planned(&[0, 10, 20], None, vec![unbounded])),
            [(0, 5)]
        );
    }

    #[test]
    fn a_partition_goes_when_its_end_is_past() {
        let open = Range {
            from: None,
            to: Some(moment(10)),
        };
        let there = vec![open, range(10, 20), range(20, 30)];
        let plan = planned(&[0, 10], Some(19), there.clone());
        assert_eq!(plan.steps.len(), 1, "{:?}", plan.steps);
        assert_eq!(plan.kept, 2);
        let plan = planned(&[0, 10], Some(20), there);
        assert_eq!(plan.steps.len(), 2, "{:?}", plan.steps);
        assert_eq!(
            created(&planned(&[0, 10, 20], Some(10), vec![])),
            [(10, 20)]
        );
    }

    #[test]
    fn names_tell_where_a_partition_begins_and_fit() {
        let of = |table: &str, hours, kind| name(table, &moment(hours), kind).unwrap();
        assert_eq!(of("e", 0, TimeKind::Timestamptz), "e_p19700101");
        assert_eq!(of("e", 30, TimeKind::Timestamp), "e_p19700102_060000");
        assert_eq!(of("e", 24, TimeKind::Date), "e_p19700102");
        let long = of(&"é".repeat(31), 30, TimeKind::Timestamptz);
        assert!(
            long.len() <= MAX_NAME && long.ends_with("_p19700102_060000"),
            "{long}"
        );
    }

    proptest! {
        /// Whatever is there, afterwards each moment of the calendar that is not past its time has
        /// exactly one partition, and none was dropped that reaches beyond the cutoff.
        #[test]
        fn each_moment_has_one_partition(
            mut edges in proptest::collection::btree_set(0i64..200, 2..6),
            cuts in proptest::collection::btree_set(0i64..200, 0..8),
            cutoff in proptest::option::of(0i64..200),
        ) {
            let edges: Vec<_> = std::mem::take(&mut edges).into_iter().collect();
            let cuts: Vec<_> = cuts.into_iter().collect();
            let there: Vec<_> = cuts.chunks_exact(2).map(|c| range(c[0], c[1])).collect();
            let plan = planned(&edges, cutoff, there.clone());
            let made = created(&plan);
            for hour in edges[0]..edges[edges.len() - 1] {
                let holds = |(from, to): (i64, i64)| (from..to).contains(&hour);
                let before = cuts.chunks_exact(2).filter(|c| holds((c[0], c[1]))).count();
                let new = made.iter().filter(|range| holds(**range)).count();
                let is_past = cutoff.is_some_and(|cutoff| hour < cutoff);
                prop_assert!(before + new == 1 || is_past && before + new == 0, "{hour}");
            }
            for step in &plan.steps {
                let Step::Drop(Drop { range: Some(range), .. }) = step else { continue };
                prop_assert!(range.to.as_ref().unwrap().micros <= cutoff.unwrap() * HOUR);
            }
            let dropped = plan.steps.len() - made.len();
            prop_assert_eq!(plan.kept + dropped, there.len());
        }
    }
}
