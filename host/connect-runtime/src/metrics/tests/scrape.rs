//! Reads Prometheus' text format strictly, as a server of it does.

use std::collections::{BTreeMap, BTreeSet};

/// A series: its name and labels.
type Key = (String, BTreeMap<String, String>);

/// What a scrape says.
#[derive(Debug, Default)]
pub(super) struct Scrape {
    pub(super) series: BTreeMap<Key, f64>,
    pub(super) types: BTreeMap<String, String>,
    helped: BTreeSet<String>,
}

impl Scrape {
    /// Fails on a line that is not of the format, a series that is there twice, one whose metric
    /// has no HELP and TYPE in front of it, and on a metric that is described twice.
    pub(super) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut scrape = Self::default();
        let mut of = String::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect(line);
                assert!(!help.is_empty() && help.ends_with('.'), "{line}");
                assert!(scrape.helped.insert(name.to_owned()), "twice: {line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                assert!(scrape.helped.contains(name), "no HELP: {line}");
                let twice = scrape.types.insert(name.to_owned(), kind.to_owned());
                assert!(twice.is_none(), "twice: {line}");
                name.clone_into(&mut of);
            } else {
                scrape.read_series(&of, line);
            }
        }
        scrape
    }

    fn read_series(&mut self, of: &str, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect(line);
        let value: f64 = value.parse().expect(line);
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels_of(labels.strip_suffix('}').expect(line))),
            None => (series, BTreeMap::new()),
        };
        let tail = name.strip_prefix(of).expect(line);
        let summary = ["_sum", "_count"].contains(&tail) && self.types[of] == "summary";
        assert!(tail.is_empty() || summary, "not of {of}: {line}");
        let twice = self.series.insert((name.to_owned(), labels), value);
        assert!(twice.is_none(), "twice: {line}");
    }

    /// The value of the series that has these labels and no others.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter();
        let labels = labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let key = (name.to_owned(), labels.collect());
        self.series.get(&key).copied()
    }
}

fn labels_of(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").expect(text);
        let mut value = String::new();
        let mut letters = rest.char_indices();
        let end = loop {
            match letters.next().expect(rest) {
                (at, '"') => break at,
                (_, '\\') => match letters.next().expect(rest).1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{text}");
        text = &rest[end + 1..];
        text = text.strip_prefix(',').unwrap_or(text);
    }
    labels
}
