//! "Did you mean": the known name that a misspelt one is closest to.

/// The known name that differs least, when it differs by few enough letters.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.len() / 5).clamp(1, 3);
    let distances = known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate));
    distances
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, leave out, change or swap (Damerau, restricted).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_key() {
        let known = ["insert.mode", "pk.mode", "pk.fields", "topics", "tasks.max"];
        for (typo, expect) in [
            ("insert.mdoe", Some("insert.mode")),
            ("pk.field", Some("pk.fields")),
            ("task.max", Some("tasks.max")),
            ("connection.url", None),
            ("", None),
        ] {
            assert_eq!(closest(typo, known), expect, "{typo}");
        }
    }
}
