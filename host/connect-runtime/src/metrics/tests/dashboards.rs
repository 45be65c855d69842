//! The names of `dashboards.txt`: each is served, or absent for the reason that stands there.

use super::scrape::Scrape;

/// A dashboard or a set of alerts, and what it selects.
#[derive(Debug)]
pub(super) struct Dashboard {
    pub(super) name: &'static str,
    pub(super) selectors: Vec<Selector>,
}

/// What an expression selects.
#[derive(Debug)]
pub(super) struct Selector {
    /// With a `*` at its end, all that begin so.
    pub(super) metric: &'static str,
    /// With their value where the expression asks for one.
    pub(super) labels: Vec<(&'static str, Option<&'static str>)>,
    pub(super) here: Here,
}

/// What is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Here {
    Same,
    /// It is known to differ.
    Differs(&'static str),
    /// It is not, and why.
    Absent(&'static str),
}

/// What `dashboards.txt` says.
pub(super) fn dashboards() -> Vec<Dashboard> {
    let mut dashboards: Vec<Dashboard> = Vec::new();
    for line in include_str!("../dashboards.txt").lines() {
        if let Some(name) = line.strip_prefix("## ") {
            let selectors = Vec::new();
            dashboards.push(Dashboard { name, selectors });
        } else if !line.is_empty() && !line.starts_with('#') {
            let dashboard = dashboards.last_mut().expect("a dashboard comes first");
            dashboard.selectors.push(Selector::read(line));
        }
    }
    dashboards
}

impl Selector {
    fn read(line: &'static str) -> Self {
        let (what, note) = line.split_once(" | ").unwrap_or((line, ""));
        let here = match note.split_once(": ") {
            None => Here::Same,
            Some(("differs", how)) => Here::Differs(how),
            Some(("absent", why)) => Here::Absent(why),
            Some(_) => panic!("not understood: {line}"),
        };
        let (metric, labels) = what.split_once('{').unwrap_or((what, ""));
        let labels = labels.trim_end_matches('}').split(',');
        let labels = labels.filter(|label| !label.is_empty());
        let labels = labels.map(|label| match label.split_once('=') {
            Some((label, value)) => (label, Some(value.trim_matches('"'))),
            None => (label, None),
        });
        Self {
            metric,
            labels: labels.collect(),
            here,
        }
    }

    fn is_name_of(&self, name: &str) -> bool {
        match self.metric.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == self.metric,
        }
    }

    /// Whether a series has the name and the labels.
    fn selects_one_of(&self, scrape: &Scrape) -> bool {
        scrape.series.keys().any(|(name, labels)| {
            let has = |(label, value): &(&str, Option<&str>)| {
                let found = labels.get(*label).filter(|found| !found.is_empty());
                found.is_some_and(|found| value.is_none_or(|value| found == value))
            };
            self.is_name_of(name) && self.labels.iter().all(has)
        })
    }
}

#[test]
fn each_name_of_the_dashboards_is_served_or_absent_with_a_reason() {
    let (snapshot, _clients) = super::worker();
    let scrape = super::scrape(&snapshot);
    let dashboards = dashboards();
    let selectors: Vec<_> = dashboards.iter().flat_map(|it| &it.selectors).collect();
    assert!(selectors.len() > 250, "{} names", selectors.len());
    let mut wrong = Vec::new();
    for selector in selectors {
        match selector.here {
            Here::Same | Here::Differs(_) if !selector.selects_one_of(&scrape) => {
                wrong.push(format!("not served: {selector:?}"));
            }
            Here::Absent(_) if scrape.series.keys().any(|(it, _)| selector.is_name_of(it)) => {
                wrong.push(format!("served although said to be absent: {selector:?}"));
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
