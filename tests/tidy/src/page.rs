//! What the pages for people name: paths in backticks, commands in blocks of code.

/// The text in backticks outside of blocks of code, with the line that it is on, counted from one.
pub fn quoted(page: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (line, text) in prose(page) {
        let spans = text.split('`').skip(1).step_by(2);
        found.extend(spans.map(|span| (line, span)));
    }
    found
}

/// The lines of blocks of code, each with its number, counted from one.
pub fn code(page: &str) -> Vec<(usize, &str)> {
    lines(page)
        .filter(|(.., is_code)| *is_code)
        .map(|(n, text, _)| (n, text))
        .collect()
}

fn prose(page: &str) -> impl Iterator<Item = (usize, &str)> {
    lines(page)
        .filter(|(.., is_code)| !is_code)
        .map(|(n, text, _)| (n, text))
}

fn lines(page: &str) -> impl Iterator<Item = (usize, &str, bool)> {
    let mut is_code = false;
    page.lines().enumerate().filter_map(move |(index, text)| {
        if text.starts_with("```") {
            is_code = !is_code;
            return None;
        }
        Some((index + 1, text, is_code))
    })
}

/// A section by its heading of the second level, up to the next one.
pub fn section<'a>(page: &'a str, heading: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n"))?;
    rest.split("\n## ").next()
}

/// Whether text in backticks is a path of this repository: it has a slash or a file's ending, and
/// is neither a command nor a path of the REST API.
pub fn is_path(text: &str) -> bool {
    const ENDINGS: [&str; 9] = [
        ".json", ".md", ".rs", ".sh", ".sql", ".toml", ".txt", ".wit", ".py",
    ];
    let may_be = text.contains('/') || ENDINGS.iter().any(|ending| text.ends_with(ending));
    may_be && !text.starts_with(['/', '~', '$', '.']) && !text.contains([' ', '<', '(', ':', '…'])
}

/// The files and folders that a path means: from the root, or as the end of a longer one, so that a
/// page may write `put/write.rs` where it is plain which crate it speaks of. A `*` is any name.
pub fn matching<'a>(path: &str, files: &'a [String]) -> Vec<&'a str> {
    let wanted: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let mut found: Vec<&str> = Vec::new();
    for file in files {
        let parts: Vec<&str> = file.split('/').collect();
        for (at, window) in parts.windows(wanted.len()).enumerate() {
            // Only a file's last part, or a folder, which is any part but the last.
            if window
                .iter()
                .zip(&wanted)
                .all(|(part, want)| is_like(part, want))
            {
                let end = parts[..at + wanted.len()].join("/").len();
                found.push(&file[..end]);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    // What stands at the root is meant, whatever else ends like it.
    match found
        .iter()
        .find(|found| **found == path.trim_end_matches('/'))
    {
        Some(exact) => vec![exact],
        None => found,
    }
}

fn is_like(part: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => part.starts_with(start) && part.ends_with(end),
        None => part == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A\n\n## One\n\n`a/b.rs` is `C`.\n\n```sh\nmake `x`\n```\n\n## Two\n`d`\n";

    #[test]
    fn prose_and_code_are_apart() {
        assert_eq!(quoted(PAGE), [(5, "a/b.rs"), (5, "C"), (12, "d")]);
        assert_eq!(code(PAGE), [(8, "make `x`")]);
        assert_eq!(section(PAGE, "Two"), Some("`d`\n"));
        assert_eq!(section(PAGE, "Three"), None);
    }

    #[test]
    fn a_path_is_told_from_a_command() {
        for (text, expected) in [
            ("host/connect-api", true),
            ("error/policy.rs", true),
            ("Makefile", false),
            ("cargo test -p a/b", false),
            ("/connectors", false),
            ("a::b/c", false),
        ] {
            assert_eq!(is_path(text), expected, "{text}");
        }
    }

    #[test]
    fn a_path_means_a_file_or_a_folder_by_its_end() {
        let files = ["a/src/put/w.rs", "b/src/w.rs", "c/x.json", "put/y"].map(String::from);
        assert_eq!(matching("put/w.rs", &files), ["a/src/put/w.rs"]);
        assert_eq!(matching("src/", &files), ["a/src", "b/src"]);
        assert_eq!(matching("put/", &files), ["put"]);
        assert_eq!(matching("c/*.json", &files), ["c/x.json"]);
        assert_eq!(matching("put/v.rs", &files), [""; 0]);
    }
}
