//! Just enough of Rust's grammar: what is code, what is a comment or a literal, where functions
//! begin and end.

/// A source file without what is not code.
#[derive(Debug)]
pub struct Code {
    /// The text with comments and the contents of literals blanked; every byte and line stands
    /// where it stood.
    pub text: String,
    /// Whether a string or a part of one is on the line, by the line's index.
    pub has_string: Vec<bool>,
}

/// A function, from the line of `fn` to that of its closing brace, counted from one.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of `fn`.
    pub first: usize,
    /// The line of the brace that closes it.
    pub last: usize,
}

impl Function {
    /// How many lines it has, signature, comments and blank lines included.
    pub fn lines(&self) -> usize {
        self.last - self.first + 1
    }
}

impl Code {
    /// Blanks comments and literals.
    pub fn new(source: &str) -> Self {
        let mut blanker = Blanker {
            source: source.as_bytes(),
            code: source.as_bytes().to_vec(),
            has_string: vec![false; source.lines().count() + 1],
            line: 0,
            at: 0,
        };
        blanker.run();
        Self {
            text: String::from_utf8_lossy(&blanker.code).into_owned(),
            has_string: blanker.has_string,
        }
    }

    /// All functions that have a body, an inner one after the one that it is in.
    pub fn functions(&self) -> Vec<Function> {
        let bytes = self.text.as_bytes();
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = self.word("fn", from) {
            from = at + 2;
            let name = self.text[from..].trim_start();
            let name: String = name.chars().take_while(|c| is_ident(*c)).collect();
            // Without a name it is a pointer's type.
            let Some(open) = body(bytes, from).filter(|_| !name.is_empty()) else {
                continue;
            };
            found.push(Function {
                name,
                first: self.line(at),
                last: self.line(closing(bytes, open)),
            });
        }
        found
    }

    /// Where a word stands by itself, at or after `from`.
    pub fn word(&self, word: &str, from: usize) -> Option<usize> {
        let places = self.text.get(from..)?.match_indices(word);
        places.map(|(at, _)| from + at).find(|at| {
            let before = self.text[..*at].chars().next_back();
            let after = self.text[at + word.len()..].chars().next();
            !before.is_some_and(is_ident) && !after.is_some_and(is_ident)
        })
    }

    /// The lines, counted from one, on which a foreign crate is named: at the start of a path, or
    /// in a `use`.
    pub fn names(&self, library: &str) -> Vec<usize> {
        let mut lines = Vec::new();
        let mut from = 0;
        while let Some(at) = self.word(library, from) {
            from = at + library.len();
            let before = self.text[..at].trim_end();
            let after = self.text[from..].trim_start();
            // `crate::url::parse` and `self.url` are not the crate `url`; `::url::parse` is.
            let is_part = before
                .strip_suffix("::")
                .is_some_and(|path| path.ends_with(|c: char| is_ident(c) || c == '>'))
                || before.ends_with('.');
            let is_used = before.ends_with("use") && after.starts_with([';', ' ', 'a']);
            if !is_part && (after.starts_with("::") || is_used) {
                lines.push(self.line(at));
            }
        }
        lines.dedup();
        lines
    }

    /// The line, counted from one, of a place in the text.
    pub fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes()[..at]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
    }
}

/// Whether a character can be a part of a name.
pub fn is_ident(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The brace that opens a function's body, or none when a semicolon stands in its place.
fn body(code: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The brace that closes the one at `open`.
fn closing(code: &[u8], open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len() - 1
}

struct Blanker<'a> {
    source: &'a [u8],
    code: Vec<u8>,
    has_string: Vec<bool>,
    line: usize,
    at: usize,
}

impl Blanker<'_> {
    fn run(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'/' if self.peek(1) == Some(b'/') => {
                    while self.peek(0).is_some_and(|b| b != b'\n') {
                        self.blank();
                    }
                }
                b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
                b'"' => self.string(),
                b'\'' => self.quote(),
                b'r' if !self.follows_ident() || self.follows_prefix() => self.raw(),
                _ => self.keep(),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.get(self.at + ahead).copied()
    }

    fn follows_ident(&self) -> bool {
        let before = self.at.checked_sub(1).map(|at| char::from(self.source[at]));
        before.is_some_and(is_ident)
    }

    /// Whether this is the `r` of `br"…"` or `cr"…"`.
    fn follows_prefix(&self) -> bool {
        let [.., before, prefix] = &self.source[..self.at] else {
            return self.at == 1 && matches!(self.source[0], b'b' | b'c');
        };
        matches!(prefix, b'b' | b'c') && !is_ident(char::from(*before))
    }

    fn keep(&mut self) {
        if self.source[self.at] == b'\n' {
            self.line += 1;
        }
        self.at += 1;
    }

    fn blank(&mut self) {
        if self.source[self.at] != b'\n' {
            self.code[self.at] = b' ';
        }
        self.keep();
    }

    fn blank_in_string(&mut self) {
        self.has_string[self.line] = true;
        self.blank();
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.source.len() {
            let step = match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => 1,
                (Some(b'*'), Some(b'/')) => -1,
                _ => 0,
            };
            depth += step;
            self.blank();
            if step != 0 {
                self.blank();
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.blank_in_string();
        while let Some(byte) = self.peek(0) {
            self.blank_in_string();
            match byte {
                b'"' => return,
                b'\\' if self.peek(0).is_some() => self.blank_in_string(),
                _ => {}
            }
        }
    }

    /// A raw string, or a name that begins with `r`.
    fn raw(&mut self) {
        let hashes = self.source[self.at + 1..]
            .iter()
            .take_while(|b| **b == b'#');
        let hashes = hashes.count();
        if self.peek(1 + hashes) != Some(b'"') {
            return self.keep();
        }
        let end = [&b"\""[..], &vec![b'#'; hashes]].concat();
        for _ in 0..hashes + 2 {
            self.blank_in_string();
        }
        while self.at < self.source.len() && !self.source[self.at..].starts_with(&end) {
            self.blank_in_string();
        }
        for _ in 0..end.len().min(self.source.len() - self.at) {
            self.blank_in_string();
        }
    }

    /// A character, or a lifetime.
    fn quote(&mut self) {
        let rest = &self.source[self.at + 1..];
        let length = if rest.first() == Some(&b'\\') {
            // What is escaped may be a quote.
            rest.iter()
                .skip(2)
                .position(|b| *b == b'\'')
                .map(|at| at + 2)
        } else {
            let character = String::from_utf8_lossy(&rest[..rest.len().min(4)]);
            let width = character.chars().next().map_or(0, char::len_utf8);
            (rest.get(width) == Some(&b'\'')).then_some(width)
        };
        self.keep();
        for _ in 0..length.map_or(0, |length| length + 1) {
            self.blank();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blanked(source: &str) -> String {
        let text = Code::new(source).text;
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        for (source, code) in [
            ("a // fn b() {\nc", "a c"),
            ("a /* b /* { */ c */ d", "a d"),
            (r#"f("{ \" // ", x)"#, "f( , x)"),
            ("f(r#\"\" { \"#, br\"}\", 1)", "f( , b , 1)"),
            ("let r = b\"{\"; r", "let r = b ; r"),
            (
                "('{', '\\'', '\\u{7b}', b'}', 'ä')",
                "(' , ' , ' , b' , ' )",
            ),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("r#type { }", "r#type { }"),
        ] {
            assert_eq!(blanked(source), code, "{source}");
        }
    }

    #[test]
    fn lines_stay_where_they_are_and_tell_of_strings() {
        let code = Code::new("a\n\"b\nc\"\nd // e\n");
        assert_eq!(code.text, "a\n  \n  \nd     \n");
        assert_eq!(code.has_string, [false, true, true, false, false]);
    }

    #[test]
    fn functions_are_measured_to_their_last_brace() {
        let source = "trait T {\n    fn a(&self) -> [u8; 2];\n    fn b() where\n        Self: Sized,\n\
                      {\n        // }\n        fn c() {}\n        let p: fn(u8) = x;\n    }\n}\n";
        let found = Code::new(source).functions();
        let found: Vec<_> = found
            .iter()
            .map(|f| (f.name.as_str(), f.first, f.last, f.lines()))
            .collect();
        assert_eq!(found, [("b", 3, 9, 7), ("c", 7, 7, 1)]);
    }

    #[test]
    fn a_crate_is_named_by_the_start_of_a_path_alone() {
        let source = "use url::Url;\ncrate::url::parse();\nself.url::<u8>();\nurl::form();\n\
                      use ::url::x;\nuse url as u;\n\"url::x\";\nlet url = 1;\nmod url;\n\
                      <T as url::U>::f();\n";
        assert_eq!(Code::new(source).names("url"), [1, 4, 5, 6, 10]);
    }
}
