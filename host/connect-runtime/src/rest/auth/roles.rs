//! Who may do what with which connectors, from a file:
//!
//! ```text
//! # principal    role      connectors
//! ann            admin     *
//! ci             edit      orders-*, payments
//! "CN=ops,O=x"   operate   *
//! *              view      public-*
//! ```
//!
//! A principal is a user, the name of a token, the subject of a client certificate as Java prints
//! it (RFC 2253), `ANONYMOUS` where nobody is asked who they are, or `*` for all of them. A star in
//! the name of a connector stands for any characters. Each role has those in front of it: view,
//! operate, edit, admin.

use connect_api::{Error, Result};

use connect_http::watched::text;

/// What one may do. Each has those in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// See configs, statuses, offsets.
    View,
    /// Restart, pause, resume and stop.
    Operate,
    /// Create, change and delete; alter offsets; see the state of plugins.
    Edit,
    /// Change the worker: the levels of its log.
    Admin,
}

impl Role {
    const ALL: [Self; 4] = [Self::View, Self::Operate, Self::Edit, Self::Admin];

    /// The word in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Operate => "operate",
            Self::Edit => "edit",
            Self::Admin => "admin",
        }
    }
}

#[derive(Debug)]
struct Grant {
    principal: String,
    role: Role,
    connectors: Vec<String>,
}

/// The lines of the file.
#[derive(Debug)]
pub struct Roles(Vec<Grant>);

impl Roles {
    /// Reads the file.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] that names the line.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self> {
        let mut grants = Vec::new();
        for (number, line) in text(bytes, file)?.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let grant = grant(line);
            let at = |why| Error::config(format!("{file}: line {}: {why}", number + 1));
            grants.push(grant.map_err(at)?);
        }
        match grants.is_empty() {
            true => Err(Error::config(format!("{file} gives nobody a role"))),
            false => Ok(Self(grants)),
        }
    }

    fn of<'a>(&'a self, principal: &'a str, role: Role) -> impl Iterator<Item = &'a str> {
        let own = self.0.iter().filter(move |grant| {
            grant.role >= role && (grant.principal == "*" || grant.principal == principal)
        });
        own.flat_map(|grant| grant.connectors.iter().map(String::as_str))
    }

    /// Whether a principal has a role on a connector.
    pub fn allow(&self, principal: &str, role: Role, connector: &str) -> bool {
        let mut patterns = self.of(principal, role);
        patterns.any(|pattern| is_like(connector, pattern))
    }

    /// Whether a principal has a role on all connectors.
    pub fn allow_everywhere(&self, principal: &str, role: Role) -> bool {
        self.of(principal, role).any(|pattern| pattern == "*")
    }

    /// Whether a principal has a role on any connector.
    pub fn allow_somewhere(&self, principal: &str, role: Role) -> bool {
        self.of(principal, role).next().is_some()
    }
}

fn grant(line: &str) -> std::result::Result<Grant, &'static str> {
    let (principal, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
        None => line
            .split_once(char::is_whitespace)
            .ok_or("a principal, a role and connectors are expected")?,
    };
    if principal.is_empty() {
        return Err("the principal is empty");
    }
    let (role, connectors) = rest
        .trim()
        .split_once(char::is_whitespace)
        .ok_or("a role and connectors are expected after the principal")?;
    let role = Role::ALL
        .into_iter()
        .find(|known| known.name() == role)
        .ok_or("the roles are view, operate, edit and admin")?;
    let connectors = connectors.split(',').map(|name| name.trim().to_owned());
    let connectors: Vec<String> = connectors.collect();
    if connectors.iter().any(String::is_empty) {
        return Err("a name of a connector is empty");
    }
    Ok(Grant {
        principal: principal.to_owned(),
        role,
        connectors,
    })
}

/// Whether a name is like a pattern in which stars stand for any characters. Of the stars only the
/// last one passed is gone back to, so it takes no more than the product of the lengths.
fn is_like(name: &str, pattern: &str) -> bool {
    let (name, pattern) = (name.as_bytes(), pattern.as_bytes());
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        match pattern.get(seen) {
            Some(b'*') => {
                star = Some((seen, at));
                seen += 1;
            }
            Some(byte) if *byte == name[at] => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((pattern_at, name_at)) => {
                    star = Some((pattern_at, name_at + 1));
                    at = name_at + 1;
                    seen = pattern_at + 1;
                }
                None => return false,
            },
        }
    }
    pattern[seen..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles() -> Roles {
        let file = "# who\nann admin *\nci  edit  orders-*, payments\n\
                    \"CN=ops, O=x\" operate *-eu\n* view public-*\n";
        Roles::parse(file.as_bytes(), "f").unwrap()
    }

    #[test]
    fn a_role_has_those_in_front_of_it_on_its_connectors() {
        for (principal, role, connector, expect) in [
            ("ann", Role::Admin, "anything", true),
            ("ann", Role::View, "anything", true),
            ("ci", Role::Edit, "orders-1", true),
            ("ci", Role::Operate, "payments", true),
            ("ci", Role::Admin, "payments", false),
            ("ci", Role::View, "payments2", false),
            ("ci", Role::View, "my-orders-1", false),
            ("CN=ops, O=x", Role::Operate, "orders-eu", true),
            ("CN=ops, O=x", Role::Edit, "orders-eu", false),
            ("CN=ops", Role::View, "orders-eu", false),
            ("ANONYMOUS", Role::View, "public-a", true),
            ("ANONYMOUS", Role::View, "private", false),
            ("ANONYMOUS", Role::Operate, "public-a", false),
            ("", Role::View, "private", false),
            ("*", Role::View, "private", false),
        ] {
            let allowed = roles().allow(principal, role, connector);
            assert_eq!(allowed, expect, "{principal} {role:?} {connector}");
        }
        assert!(roles().allow_everywhere("ann", Role::Admin));
        assert!(!roles().allow_everywhere("ci", Role::View));
        assert!(roles().allow_somewhere("ci", Role::Edit));
        assert!(!roles().allow_somewhere("eve", Role::Edit));
    }

    #[test]
    fn stars_are_found_without_trying_every_way() {
        for (name, pattern, expect) in [
            ("", "*", true),
            ("abc", "a*c", true),
            ("abcabc", "*abc", true),
            ("ab", "a*b*", true),
            ("a", "", false),
            ("ünï", "*ï", true),
        ] {
            assert_eq!(is_like(name, pattern), expect, "{name} {pattern}");
        }
        let many = "*a".repeat(200);
        assert!(!is_like(&"a".repeat(2000), &format!("{many}b")));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (file, part) in [
            ("", "nobody"),
            ("# x\n", "nobody"),
            ("ann admin *\nbob\n", "line 2"),
            ("ann owner *", "the roles are"),
            ("ann view", "a role and connectors"),
            ("ann view a,,b", "empty"),
            ("\"ann view *", "not closed"),
        ] {
            let error = Roles::parse(file.as_bytes(), "f").unwrap_err().to_string();
            assert!(error.contains(part), "{file}: {error}");
        }
    }
}
