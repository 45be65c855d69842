//! The tables of `docs/metrics.md`: what dashboards select and what is here, and all metrics.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use super::dashboards::{Here, Selector, dashboards};
use super::scrape::Scrape;

const BEGIN: &str = "<!-- dashboards -->\n";
const END: &str = "<!-- end of dashboards -->\n";

/// One metric of a dashboard.
fn line(selector: &Selector) -> String {
    let labels = selector.labels.iter().map(|(label, value)| match value {
        Some(value) => format!("`{label}=\"{value}\"`"),
        None => format!("`{label}`"),
    });
    let labels = labels.collect::<Vec<_>>().join(", ");
    let here = match selector.here {
        Here::Same => "yes".to_owned(),
        Here::Differs(how) => format!("yes: {how}"),
        Here::Absent(why) => format!("**no**: {why}"),
    };
    format!("| `{}` | {labels} | {here} |", selector.metric)
}

fn tables() -> String {
    let mut text = String::new();
    let dashboards = dashboards();
    // Writing to a String never fails.
    let _ = writeln!(text, "| dashboard or alerts | names | served | absent |");
    let _ = writeln!(text, "|---|---|---|---|");
    for dashboard in &dashboards {
        let all = dashboard.selectors.len();
        let absent = dashboard.selectors.iter();
        let absent = absent
            .filter(|it| matches!(it.here, Here::Absent(_)))
            .count();
        let served = all - absent;
        let _ = writeln!(text, "| {} | {all} | {served} | {absent} |", dashboard.name);
    }
    for dashboard in &dashboards {
        let _ = writeln!(text, "\n### {}\n", dashboard.name);
        let _ = writeln!(text, "| metric | labels | here |\n|---|---|---|");
        for selector in &dashboard.selectors {
            let _ = writeln!(text, "{}", line(selector));
        }
    }
    text
}

#[test]
fn the_page_lists_what_dashboards_select() {
    let path = Path::new("../../docs/metrics.md");
    let page = fs::read_to_string(path).unwrap();
    let (front, rest) = page.split_once(BEGIN).expect(BEGIN);
    let (_, behind) = rest.split_once(END).expect(END);
    let current = format!("{front}{BEGIN}\n{}\n{END}{behind}", tables());
    if env::var_os("UPDATE_README").is_some() {
        fs::write(path, &current).unwrap();
    } else {
        assert!(
            page == current,
            "docs/metrics.md differs from the table: UPDATE_README=1 cargo test -p \
             connect-runtime page"
        );
    }
}

/// Each metric that an example of the page or of the alerts names is one of a scrape.
#[test]
fn the_alerts_name_series_that_are_there() {
    let (snapshot, _clients) = super::worker();
    let scrape: Scrape = super::scrape(&snapshot);
    let alerts = include_str!("../../../../../docs/examples/prometheus-alerts.yaml");
    let expressions = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "));
    let mut names = Vec::new();
    for expression in expressions {
        let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let metric = |word: &&str| word.starts_with("kafka_") || word.starts_with("ferrule_");
        let before = names.len();
        names.extend(words.filter(metric));
        assert!(names.len() > before, "no metric in {expression}");
    }
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        let is_there = scrape.series.keys().any(|(it, _)| it == name);
        assert!(is_there, "no series {name}");
    }
}
