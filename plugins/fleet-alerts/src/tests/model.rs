//! Actions on three partitions, which are read in any order and portions, beside a plain model that
//! takes them by their time: the same alerts, and the same refusals.

use std::collections::{BTreeMap, BTreeSet};

use ferrule_plugin::Value;
use ferrule_plugin::testing::Input;
use proptest::prelude::*;
use uuid::Uuid;

use super::{AT, Chain, action, anomaly, of_topic};
use crate::alert;

const KINDS: [&str; 4] = ["ACKNOWLEDGE", "RESOLVE", "DISMISS", "INTERVENE"];

/// What an alert becomes by an action, if it may.
fn model(status: &'static str, action: &str) -> Option<&'static str> {
    match (status, action) {
        ("OPEN", "ACKNOWLEDGE") => Some("ACKNOWLEDGED"),
        ("OPEN" | "ACKNOWLEDGED", "RESOLVE") => Some("RESOLVED"),
        ("OPEN" | "ACKNOWLEDGED", "DISMISS") => Some("DISMISSED"),
        ("OPEN" | "ACKNOWLEDGED", "INTERVENE") => Some(status),
        _ => None,
    }
}

/// The n-th action: on which alert, what, and on which partition.
type Step = (u128, usize, usize);

proptest! {
    #[test]
    fn alerts_go_the_way_of_the_model(
        steps in prop::collection::vec((0u128..3, 0usize..4, 0usize..3), 0..40),
        reads in prop::collection::vec((0usize..3, 1usize..5, any::<bool>()), 0..60),
    ) {
        let steps: Vec<Step> = steps;
        let mut chain = Chain::new(&[]);
        let anomalies = (0..3).map(|n| anomaly(Uuid::from_u128(n), "INFO")).collect();
        chain.pass("anomalies", 0, anomalies);
        chain.quiet(AT);
        let mut partitions: [Vec<Input>; 3] = Default::default();
        for (n, (alert, kind, partition)) in (1..).zip(&steps) {
            let id = alert::id(Uuid::from_u128(*alert));
            partitions[*partition].push(action(n as u128, id, KINDS[*kind], 10 * n));
        }
        let mut told = Vec::new();
        let all = (0..3).map(|partition| (partition, usize::MAX, false));
        for (partition, count, restart) in reads.into_iter().chain(all) {
            let left = &mut partitions[partition];
            let records: Vec<_> = left.drain(..count.min(left.len())).collect();
            told.extend(chain.pass("operator_actions", partition as i32, records));
            if restart {
                chain.rekey.restart();
                chain.alerts.restart();
            }
        }
        told.extend(chain.quiet(AT + 1_000_000));

        let mut statuses = BTreeMap::new();
        let (mut taken, mut refused) = (Vec::new(), BTreeSet::new());
        for (n, (alert, kind, _)) in (1..).zip(&steps) {
            let status = statuses.entry(*alert).or_insert("OPEN");
            match model(status, KINDS[*kind]) {
                Some(next) => {
                    *status = next;
                    taken.push(n);
                }
                None => drop(refused.insert(n)),
            }
        }
        let number = |value: &Value| match value {
            Value::Text(text) => Uuid::parse_str(text).unwrap().as_u128(),
            other => panic!("{other:?}"),
        };
        let history = of_topic(&told, "operator_alert_history");
        let mut entries: Vec<_> = history.iter().map(|it| number(it.field("action_id"))).collect();
        entries.sort_unstable();
        prop_assert_eq!(entries, taken);
        let letters = of_topic(&told, "operator_actions-dlq");
        let letters: BTreeSet<_> = letters.iter().map(|it| number(it.field("action_id"))).collect();
        prop_assert_eq!(letters, refused);
        let mut last = BTreeMap::new();
        for message in of_topic(&told, "operator_alerts") {
            let status = message.field("alert_status").clone();
            last.insert(number(message.field("alert_id")), status);
        }
        for (alert, status) in last {
            let known = statuses.iter().find(|(n, _)| {
                alert::id(Uuid::from_u128(**n)).as_u128() == alert
            });
            prop_assert_eq!(status, Value::from(*known.unwrap().1));
        }
    }
}
