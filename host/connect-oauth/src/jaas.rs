//! `sasl.jaas.config`: the login module that Java's clients are given, read as Kafka's `JaasConfig`
//! reads it, by the tokens of Java's `StreamTokenizer`.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// A login module, with its options.
pub struct LoginModule {
    /// Its class.
    pub class: String,
    options: BTreeMap<String, String>,
}

impl LoginModule {
    /// The only login module of a text such as `….PlainLoginModule required username="ann" …;`.
    ///
    /// # Errors
    /// A fragment that says what is wrong. It quotes nothing of the text: any part of it may be a
    /// password, or one that is not quoted as it must be.
    pub fn parse(jaas: &str) -> Result<Self, String> {
        let mut tokens = Tokens::new(jaas);
        let module = entry(&mut tokens)?;
        match tokens.next() {
            Some(_) => Err("more than one login module is given".into()),
            None => Ok(module),
        }
    }

    /// The value of an option; none: it is not given.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// All options, by their names.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        let options = self.options.iter();
        options.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Who logs in, by SASL/PLAIN or SASL/SCRAM.
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: String,
}

impl Credentials {
    /// Those of a login module such as `….PlainLoginModule required username="ann" password="…";`.
    ///
    /// # Errors
    /// A fragment that says what is missing.
    pub fn of(module: &LoginModule) -> Result<Self, String> {
        match (module.option("username"), module.option("password")) {
            (Some(username), Some(password)) => Ok(Self {
                username: username.to_owned(),
                password: password.to_owned(),
            }),
            _ => Err("a username and a password are expected".into()),
        }
    }
}

/// `module flag key=value … ;`
fn entry(tokens: &mut Tokens<'_>) -> Result<LoginModule, String> {
    const FLAGS: [&str; 4] = ["required", "requisite", "sufficient", "optional"];
    let Some(Token::Text(class)) = tokens.next() else {
        return Err("no login module is given".into());
    };
    match tokens.next() {
        Some(Token::Text(flag)) if FLAGS.iter().any(|known| flag.eq_ignore_ascii_case(known)) => {}
        _ => {
            return Err(format!(
                "the login module must be followed by one of {}",
                FLAGS.join(", ")
            ));
        }
    }
    let mut options = BTreeMap::new();
    loop {
        let key = match tokens.next() {
            Some(Token::Symbol(';')) => return Ok(LoginModule { class, options }),
            Some(Token::Text(key)) => key,
            Some(Token::Symbol(_)) => return Err("the name of an option is expected".into()),
            None => return Err("the login module does not end with a semicolon".into()),
        };
        let (Some(Token::Symbol('=')), Some(Token::Text(value))) = (tokens.next(), tokens.next())
        else {
            return Err(
                "an option has no value: after its name stand = and a text, which must be in \
                 quotes unless it is a word that begins with a letter"
                    .into(),
            );
        };
        // The last one counts, as in Java's map of options.
        options.insert(key, value);
    }
}

/// What a text consists of, besides white space and comments.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A word, or a text in quotes without them.
    Text(String),
    /// Any other character, such as `=` and `;`. What begins a number is one too: to Java a number
    /// is no text, so it is neither a name nor a value.
    Symbol(char),
}

/// The tokens of a text, as `StreamTokenizer` with Kafka's settings gives them: `"` and `'` quote,
/// `-`, `_` and `$` are parts of words, and `//`, `/* */` and, by Java's default, a lone `/` begin
/// comments.
struct Tokens<'a> {
    rest: Peekable<Chars<'a>>,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars().peekable(),
        }
    }

    /// After the `/` of a comment.
    fn skip_comment(&mut self) {
        if self.rest.next_if_eq(&'*').is_none() {
            while self.rest.next_if(|c| !is_line_end(*c)).is_some() {}
            return;
        }
        while let Some(c) = self.rest.next() {
            if c == '*' && self.rest.next_if_eq(&'/').is_some() {
                return;
            }
        }
    }

    /// After the opening quote. A text also ends where its line does.
    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        while let Some(c) = self.rest.next_if(|c| !is_line_end(*c)) {
            if c == quote {
                break;
            }
            text.extend(if c == '\\' { self.escaped() } else { Some(c) });
        }
        text
    }

    /// After a backslash: a control character, up to three octal digits, or the character itself.
    fn escaped(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        Some(match c {
            '0'..='7' => {
                // Up to \377, which is the last of eight bits.
                let most = if c <= '3' { 2 } else { 1 };
                let mut code = c.to_digit(8)?;
                for _ in 0..most {
                    match self.rest.next_if(|c| c.is_digit(8)) {
                        Some(digit) => code = code * 8 + digit.to_digit(8)?,
                        None => break,
                    }
                }
                char::from_u32(code)?
            }
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            other => other,
        })
    }

    /// After the first letter.
    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        let is_part = |c: &char| is_letter(*c) || matches!(c, '0'..='9' | '.' | '-');
        while let Some(c) = self.rest.next_if(is_part) {
            word.push(c);
        }
        word
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let c = self.rest.next()?;
            return Some(match c {
                '\0'..=' ' => continue,
                '/' => {
                    self.skip_comment();
                    continue;
                }
                '"' | '\'' => Token::Text(self.quoted(c)),
                _ if is_letter(c) => Token::Text(self.word(c)),
                _ => Token::Symbol(c),
            });
        }
    }
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

/// What a word may begin with.
fn is_letter(c: char) -> bool {
    matches!(c, 'a'..='z' | 'A'..='Z' | '_' | '$' | '\u{a0}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";

    fn credentials(jaas: &str) -> Result<Credentials, String> {
        Credentials::of(&LoginModule::parse(jaas)?)
    }

    fn read(options: &str) -> Result<(String, String), String> {
        let read = credentials(&format!("{PLAIN} {options}"))?;
        Ok((read.username, read.password))
    }

    #[test]
    fn credentials_are_read_as_java_reads_them() {
        for (options, username, password) in [
            (r#"username="ann" password="a;b c";"#, "ann", "a;b c"),
            (r#"username='ann' password='a"b';"#, "ann", "a\"b"),
            ("username=ann-1_$ password=p.q;", "ann-1_$", "p.q"),
            ("password = \"p\"\n\tusername\r\n= \"u\" ;\n", "u", "p"),
            // Neither another option's name nor a value is taken for one of the two.
            (
                r#"oauth.username="x" username="ann" password="p" old.password="y";"#,
                "ann",
                "p",
            ),
            (
                r#"password="p username=bob password=q;" username="ann";"#,
                "ann",
                "p username=bob password=q;",
            ),
            (
                r#"username="u" // username="v"
                   password=/* "q" **/"p"; /user"#,
                "u",
                "p",
            ),
            (r#""username"="u" password="p" password="q";"#, "u", "q"),
            (
                r#"username="" password="//no/*comment";"#,
                "",
                "//no/*comment",
            ),
            (
                r#"username="ann@m\u00fcller" password="\x";"#,
                "ann@mu00fcller",
                "x",
            ),
            ("username=müller password=\"日本\";", "müller", "日本"),
        ] {
            let expect = Ok((username.to_owned(), password.to_owned()));
            assert_eq!(read(options), expect, "{options}");
        }
    }

    #[test]
    fn escapes_are_javas() {
        for (password, expect) in [
            (r#"a\"b"#, "a\"b"),
            (r"a\\b\'c", "a\\b'c"),
            (r"\a\b\f\n\r\t\v", "\u{7}\u{8}\u{c}\n\r\t\u{b}"),
            (r"\0\18\101\377\4771", "\0\u{1}8A\u{ff}\u{27}71"),
        ] {
            let options = format!("username=u password=\"{password}\";");
            let expect = Ok(("u".to_owned(), expect.to_owned()));
            assert_eq!(read(&options), expect, "{password}");
        }
    }

    #[test]
    fn what_kafka_refuses_is_refused_without_quoting_it() {
        for (options, expect) in [
            ("", "does not end with a semicolon"),
            (";", "a username and a password are expected"),
            ("username=\"canary\";", "a username and a password"),
            (
                "username=canary password=canary",
                "does not end with a semicolon",
            ),
            // A number has no text, and a text ends with its line.
            ("username=u password=123canary;", "an option has no value"),
            ("username=u password=-canary;", "an option has no value"),
            (
                "username=u password=\"canary\n\";",
                "an option has no value",
            ),
            ("username=u password=;", "an option has no value"),
            ("username password=canary;", "an option has no value"),
            (
                "username=u password=canary+canary;",
                "the name of an option",
            ),
            (
                "username=u password=p; canary required;",
                "more than one login module",
            ),
        ] {
            let error = read(options).unwrap_err();
            assert!(error.contains(expect), "{options}: {error}");
            assert!(!error.contains("canary"), "{options}: {error}");
        }
        for (jaas, expect) in [
            ("", "no login module is given"),
            ("// a comment", "no login module is given"),
            (
                "Module username=u password=p;",
                "must be followed by one of",
            ),
            ("Module", "must be followed by one of"),
            ("Module REQUIRED username=u;", "a username and a password"),
        ] {
            let error = credentials(jaas).map(drop).unwrap_err();
            assert!(error.contains(expect), "{jaas}: {error}");
        }
    }
}
