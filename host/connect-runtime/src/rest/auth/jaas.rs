//! The JAAS file of `BasicAuthSecurityRestExtension`: where the file of users is.
//!
//! ```text
//! KafkaConnect {
//!     org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule required
//!     file="/etc/connect/users.properties";
//! };
//! ```

use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Chars;

use connect_api::{Error, Result};

use connect_http::watched::{read_file, text};

const ENTRY: &str = "KafkaConnect";
const MODULE: &str = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
const FLAGS: [&str; 4] = ["required", "requisite", "sufficient", "optional"];

/// The file of users that a JAAS file names.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] that quotes no value of the file: entries of other programs
/// may hold passwords.
pub fn password_file(jaas: &Path) -> Result<PathBuf> {
    let name = jaas.display().to_string();
    let bytes = read_file(jaas)?;
    let found = users_of(text(&bytes, &name)?);
    found.map_err(|why| Error::config(format!("{name}: {why}")))
}

pub(super) fn users_of(text: &str) -> std::result::Result<PathBuf, String> {
    let mut tokens = Tokens(text.chars().peekable());
    let mut found = None;
    while let Some(token) = tokens.next() {
        let Token::Text(entry) = token else {
            return Err("the name of a login entry is expected".into());
        };
        tokens.expect('{')?;
        let modules = modules(&mut tokens)?;
        tokens.expect(';')?;
        if entry == ENTRY {
            found = Some(modules);
        }
    }
    let modules = found.ok_or_else(|| format!("there is no entry {ENTRY}"))?;
    let [module] = modules.as_slice() else {
        return Err(format!("the entry {ENTRY} must have one login module"));
    };
    if module.class != MODULE {
        return Err(format!(
            "the entry {ENTRY} must have the login module {MODULE}"
        ));
    }
    match &module.file {
        Some(file) => Ok(file.into()),
        None => Err(format!("the login module of {ENTRY} needs file=\"…\"")),
    }
}

struct Module {
    class: String,
    file: Option<String>,
}

/// The modules of an entry, to its closing brace.
fn modules(tokens: &mut Tokens<'_>) -> std::result::Result<Vec<Module>, String> {
    let mut modules = Vec::new();
    loop {
        let class = match tokens.next() {
            Some(Token::Symbol('}')) => return Ok(modules),
            Some(Token::Text(class)) => class,
            _ => return Err("a login module is expected".into()),
        };
        match tokens.next() {
            Some(Token::Text(flag)) if FLAGS.iter().any(|f| flag.eq_ignore_ascii_case(f)) => {}
            _ => {
                let flags = FLAGS.join(", ");
                return Err(format!("a login module must be followed by one of {flags}"));
            }
        }
        let mut file = None;
        loop {
            let option = match tokens.next() {
                Some(Token::Symbol(';')) => break,
                Some(Token::Text(option)) => option,
                _ => return Err("an option or a semicolon is expected".into()),
            };
            tokens.expect('=')?;
            let Some(Token::Text(value)) = tokens.next() else {
                return Err("an option has no value".into());
            };
            if option == "file" {
                file = Some(value);
            }
        }
        modules.push(Module { class, file });
    }
}

enum Token {
    Text(String),
    Symbol(char),
}

/// The tokens of Java's `ConfigFile`: words, texts in double quotes, and `{ } = ;`.
struct Tokens<'a>(Peekable<Chars<'a>>);

impl Tokens<'_> {
    fn expect(&mut self, symbol: char) -> std::result::Result<(), String> {
        match self.next() {
            Some(Token::Symbol(found)) if found == symbol => Ok(()),
            _ => Err(format!("{symbol} is expected")),
        }
    }

    fn skip_comment(&mut self) {
        if self.0.next_if_eq(&'*').is_none() {
            while self.0.next_if(|c| *c != '\n').is_some() {}
            return;
        }
        while let Some(c) = self.0.next() {
            if c == '*' && self.0.next_if_eq(&'/').is_some() {
                return;
            }
        }
    }

    fn quoted(&mut self) -> String {
        let mut text = String::new();
        while let Some(c) = self.0.next().filter(|c| *c != '"') {
            text.extend(if c == '\\' { self.0.next() } else { Some(c) });
        }
        text
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let c = self.0.next()?;
            let comment = c == '/' && matches!(self.0.peek(), Some('/' | '*'));
            return Some(match c {
                c if c.is_whitespace() => continue,
                '/' if comment => {
                    self.skip_comment();
                    continue;
                }
                '"' => Token::Text(self.quoted()),
                '{' | '}' | '=' | ';' => Token::Symbol(c),
                first => {
                    let mut word = String::from(first);
                    let is_part =
                        |c: &char| !c.is_whitespace() && !matches!(c, '{' | '}' | '=' | ';' | '"');
                    while let Some(c) = self.0.next_if(is_part) {
                        word.push(c);
                    }
                    Token::Text(word)
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_users_is_found() {
        let text = format!(
            "// Kafka's own\nKafkaClient {{ a.Plain required username=\"u\" password=\"}};\"; }};\n\
             /* ours */ KafkaConnect {{\n  {MODULE} required\n  debug=true file=\"/etc/u p\";\n}};\n"
        );
        assert_eq!(users_of(&text).unwrap(), Path::new("/etc/u p"));
        let bare = format!("KafkaConnect {{ {MODULE} Required file=/etc/users; }};");
        assert_eq!(users_of(&bare).unwrap(), Path::new("/etc/users"));
    }

    #[test]
    fn what_is_not_understood_is_refused_without_quoting_it() {
        for (text, part) in [
            (String::new(), "no entry KafkaConnect"),
            (
                format!("Other {{ {MODULE} required file=f; }};"),
                "no entry",
            ),
            ("KafkaConnect { };".into(), "one login module"),
            (
                "KafkaConnect { com.example.Ldap required url=canary; };".into(),
                "must have the login module",
            ),
            (
                format!("KafkaConnect {{ {MODULE} required canary=canary; }};"),
                "needs file",
            ),
            (format!("KafkaConnect {{ {MODULE} file=f; }};"), "one of"),
            (
                "KafkaClient { a.Plain required password=p;canary };".into(),
                "one of",
            ),
            (
                "KafkaClient { a.Plain required password=p canary=; };".into(),
                "no value",
            ),
            (
                format!("KafkaConnect {{ {MODULE} required file=f }};"),
                "option or",
            ),
            (
                format!("KafkaConnect {{ {MODULE} required file=f; {MODULE} required file=g; }};"),
                "one login module",
            ),
            (
                format!("KafkaConnect {{ {MODULE} required file=f; }}"),
                "; is",
            ),
        ] {
            let error = users_of(&text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
