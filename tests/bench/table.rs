//! Markdown tables, printed row by row as the figures come.

use crate::drain::Measured;

/// Prints a title and the head of a table.
pub fn head(title: &str, columns: &[&str]) {
    println!("\n{title}\n\n| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
}

/// Prints one row.
pub fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

/// A number with so many digits after the point, or a dash.
pub fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}

/// The columns of a table of drains.
pub const DRAIN: [&str; 7] = [
    "case",
    "rows/s",
    "of the limit",
    "worker CPU s/M",
    "Postgres CPU s/M",
    "peak RSS MiB",
    "first row s",
];

/// Prints a row of a table of drains; `limit` is in rows a second.
pub fn drained(name: &str, measured: &Measured, limit: Option<f64>) {
    row(&[
        name.to_owned(),
        format!("{:.0}", measured.rows_per_second),
        number(limit.map(|limit| measured.rows_per_second / limit), 2),
        number(measured.worker_cpu, 2),
        number(Some(measured.postgres_cpu), 1),
        number(measured.peak_rss, 0),
        number(measured.first_row, 2),
    ]);
}
