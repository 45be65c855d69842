//! What the manifests and the lock file say of packages and of what they depend on.

use std::collections::{BTreeMap, BTreeSet};

use crate::{paths, read};

/// A `Cargo.toml`.
#[derive(Debug, Default)]
pub struct Manifest {
    /// Its path from the root.
    pub path: String,
    /// The package's name; none for the root of a workspace.
    pub package: Option<String>,
    /// All that it depends on, in any way, and that a workspace offers to its members.
    pub dependencies: Vec<Dependency>,
}

/// A line of a section of dependencies.
#[derive(Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// The line of the manifest, counted from one.
    pub line: usize,
    /// Which section it stands in.
    pub section: Section,
    /// Whether a feature of the package chooses it.
    pub optional: bool,
}

/// A section of dependencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `[dependencies]` and `[build-dependencies]`.
    Normal,
    /// `[dev-dependencies]`.
    Dev,
    /// `[workspace.dependencies]`.
    Workspace,
}

impl Manifest {
    /// All manifests of the repository, those of `plugins/` too.
    pub fn all() -> Vec<Self> {
        let manifests = paths().into_iter();
        manifests
            .filter(|path| path == "Cargo.toml" || path.ends_with("/Cargo.toml"))
            .map(|path| Self::parse(&read(&path), path))
            .collect()
    }

    /// Reads the subset of TOML that manifests are written in: a key a line, in a section.
    fn parse(text: &str, path: String) -> Self {
        let mut manifest = Self {
            path,
            ..Self::default()
        };
        let mut section = "";
        // Of brackets: a value may go over several lines.
        let mut depth = 0;
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(name) = line.strip_prefix('[').filter(|_| depth == 0) {
                section = name.trim_matches(['[', ']']);
                continue;
            }
            let is_key = depth == 0;
            for c in line.chars() {
                match c {
                    '[' | '{' => depth += 1,
                    ']' | '}' => depth -= 1,
                    _ => {}
                }
            }
            let Some((key, value)) = line.split_once('=').filter(|_| is_key) else {
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            if section == "package" && key == "name" {
                manifest.package = Some(value.trim_matches('"').to_owned());
            }
            let Some(section) = Section::of(section) else {
                continue;
            };
            manifest.dependencies.push(Dependency {
                name: key.trim_end_matches(".workspace").to_owned(),
                line: index + 1,
                section,
                optional: value.replace(' ', "").contains("optional=true"),
            });
        }
        manifest
    }

    /// The folder that it is in, from the root; empty for the root itself.
    pub fn folder(&self) -> &str {
        self.path
            .trim_end_matches("Cargo.toml")
            .trim_end_matches('/')
    }

    /// Whether the package depends on another, in any way.
    pub fn depends_on(&self, name: &str) -> bool {
        let mut own = self.dependencies.iter();
        own.any(|d| d.name == name && d.section != Section::Workspace)
    }
}

impl Section {
    fn of(section: &str) -> Option<Self> {
        let last = section.rsplit('.').next().unwrap_or(section);
        match (section, last) {
            ("workspace.dependencies", _) => Some(Self::Workspace),
            (_, "dependencies" | "build-dependencies") => Some(Self::Normal),
            (_, "dev-dependencies") => Some(Self::Dev),
            _ => None,
        }
    }
}

/// How a package's name is written in code.
pub fn ident(package: &str) -> String {
    package.replace('-', "_")
}

/// Who depends on whom by a lock file: for each `name` or `name version`, the packages of its list.
/// A member's list has its dev-dependencies, too.
#[derive(Debug)]
pub struct Lock(BTreeMap<String, Vec<String>>);

impl Lock {
    /// Reads a lock file.
    pub fn read(path: &str) -> Self {
        Self::parse(&read(path))
    }

    fn parse(text: &str) -> Self {
        let mut packages = BTreeMap::new();
        for package in text.split("[[package]]").skip(1) {
            let value = |key: &str| {
                let lines = package.lines();
                let mut values = lines.filter_map(|line| line.strip_prefix(&format!("{key} = ")));
                values.next().unwrap_or_default().trim_matches('"')
            };
            let list = package
                .split_once("dependencies = [")
                .map_or("", |(_, list)| list);
            let list: Vec<String> = list
                .lines()
                .map(|line| line.trim().trim_matches([',', '"']).to_owned())
                .take_while(|line| line != "]")
                .filter(|line| !line.is_empty())
                .collect();
            let (name, version) = (value("name"), value("version"));
            packages.insert(format!("{name} {version}"), list.clone());
            packages.insert(name.to_owned(), list);
        }
        Self(packages)
    }

    /// How a package comes to another one: the names from the first to the second, or none when it
    /// does not.
    pub fn way(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut seen = BTreeSet::new();
        let mut ways = vec![vec![from.to_owned()]];
        while let Some(way) = ways.pop() {
            let here = way.last()?;
            if here.split(' ').next() == Some(to) {
                return Some(way);
            }
            for next in self.0.get(here).into_iter().flatten() {
                if seen.insert(next) {
                    ways.push([way.as_slice(), std::slice::from_ref(next)].concat());
                }
            }
        }
        None
    }

    /// Whether it names a package.
    pub fn has(&self, package: &str) -> bool {
        self.0.contains_key(package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_by_its_sections() {
        let text = "[package]\nname = \"a-b\"\n[features]\nx = [\n  \"dep:c\",\n]\n\
                    [dependencies]\nserde.workspace = true # d = 1\nc = { version = \"1\", optional = true }\n\
                    e = { version = \"1\", features = [\n  \"f\",\n] }\n\
                    [target.'cfg(unix)'.dev-dependencies]\ng = \"1\"\n[[test]]\nname = \"t\"\n";
        let manifest = Manifest::parse(text, "x/a-b/Cargo.toml".to_owned());
        assert_eq!(manifest.package.as_deref(), Some("a-b"));
        assert_eq!(manifest.folder(), "x/a-b");
        let found: Vec<_> = manifest
            .dependencies
            .iter()
            .map(|d| (d.name.as_str(), d.line, d.section, d.optional))
            .collect();
        assert_eq!(
            found,
            [
                ("serde", 8, Section::Normal, false),
                ("c", 9, Section::Normal, true),
                ("e", 10, Section::Normal, false),
                ("g", 14, Section::Dev, false),
            ]
        );
    }

    #[test]
    fn a_lock_file_tells_how_packages_hang_together() {
        let package = |name: &str, list: &str| {
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\ndependencies = [\n{list}]\n"
            )
        };
        let text = package("a", " \"b\",\n \"c 1.0.0\",\n")
            + &package("b", " \"a\",\n")
            + &package("c", " \"d\",\n")
            + "[[package]]\nname = \"d\"\nversion = \"1.0.0\"\n";
        let lock = Lock::parse(&text);
        let way = lock.way("a", "d").map(|way| way.join(" > "));
        assert_eq!(way.as_deref(), Some("a > c 1.0.0 > d"));
        assert_eq!(lock.way("c", "b"), None);
        assert!(lock.has("d") && !lock.has("e"));
    }
}
