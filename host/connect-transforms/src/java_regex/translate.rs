//! Java's syntax of regular expressions in the words of the fancy-regex crate, where the two give
//! one thing different names, or one name different things.

/// The names of Java's classes (`\p{Alpha}`), and what they are here.
const CLASSES: &[(&str, &str)] = &[
    ("ASCII", "ascii"),
    ("Alnum", "alnum"),
    ("Alpha", "alpha"),
    ("Blank", "blank"),
    ("Cntrl", "cntrl"),
    ("Digit", "digit"),
    ("Graph", "graph"),
    ("Lower", "lower"),
    ("Print", "print"),
    ("Punct", "punct"),
    ("Space", "space"),
    ("Upper", "upper"),
    ("XDigit", "xdigit"),
];

/// What ends a line in Java.
const LINE_ENDS: &str = r"\n\r\x{85}\x{2028}\x{2029}";
const HORIZONTAL: &str = r" \t\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}";
const VERTICAL: &str = r"\n\x0B\f\r\x{85}\x{2028}\x{2029}";

/// The same pattern for the crate.
///
/// # Errors
/// What Java refuses and the crate would take as something else.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator {
        rest: pattern,
        text: String::with_capacity(pattern.len()),
        classes: 0,
        dot_all: vec![false],
    };
    while let Some(c) = translator.take() {
        translator.one(c)?;
    }
    Ok(translator.text)
}

struct Translator<'a> {
    rest: &'a str,
    text: String,
    /// How many brackets of classes are open.
    classes: usize,
    /// Whether a dot stands for ends of lines too (`(?s)`), of each group that is open.
    dot_all: Vec<bool>,
}

impl Translator<'_> {
    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    fn take_if(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn is_dot_all(&mut self) -> Option<&mut bool> {
        self.dot_all.last_mut()
    }

    fn one(&mut self, c: char) -> Result<(), String> {
        match c {
            '\\' => return self.escape(),
            '[' => {
                self.classes += 1;
                self.text.push('[');
                // A class of the crate's own syntax, `[:alpha:]`, is some characters to Java.
                if self.classes > 1 && self.take_if(":") {
                    self.text.push_str(r"\:");
                }
            }
            ']' => {
                self.classes = self.classes.saturating_sub(1);
                self.text.push(']');
            }
            // The crate's differences of classes.
            '-' | '~' if self.classes > 0 && self.rest.starts_with(c) => {
                self.rest = &self.rest[1..];
                self.text.push_str(&format!("\\{c}\\{c}"));
            }
            _ if self.classes > 0 => self.text.push(c),
            '.' if self.dot_all.last() != Some(&true) => {
                self.text.push_str(&format!("[^{LINE_ENDS}]"));
            }
            '(' => return self.group(),
            ')' => {
                if self.dot_all.len() > 1 {
                    self.dot_all.pop();
                }
                self.text.push(')');
            }
            _ => self.text.push(c),
        }
        Ok(())
    }

    /// What follows an opening bracket.
    fn group(&mut self) -> Result<(), String> {
        let outer = self.dot_all.last() == Some(&true);
        self.text.push('(');
        if !self.take_if("?") {
            self.dot_all.push(outer);
            return Ok(());
        }
        for known in [":", "=", "!", ">", "<=", "<!", "<"] {
            if self.take_if(known) {
                self.text.push('?');
                self.text.push_str(known);
                self.dot_all.push(outer);
                return Ok(());
            }
        }
        let length = self.rest.find([':', ')']);
        let flags = length.map_or("", |length| &self.rest[..length]);
        if flags.is_empty() || !flags.chars().all(|c| "imsxu-".contains(c)) {
            return Err(match flags.chars().find(|c| matches!(c, 'd' | 'U')) {
                Some(flag) => format!("the flag {flag} is not supported"),
                None => "Unknown group type".to_owned(),
            });
        }
        self.rest = &self.rest[flags.len()..];
        let (on, off) = flags.split_once('-').unwrap_or((flags, ""));
        let dot_all = (outer || on.contains('s')) && !off.contains('s');
        // Without its flag `u`, Java folds the case of ASCII alone; here it is always that of all
        // letters.
        let flags = flags.replace('u', "");
        let flags = flags.strip_suffix('-').unwrap_or(&flags);
        let scoped = self.take_if(":");
        if scoped {
            self.text.push_str(&format!("?{flags}:"));
            self.dot_all.push(dot_all);
            return Ok(());
        }
        self.take();
        if let Some(inner) = self.is_dot_all() {
            *inner = dot_all;
        }
        match flags.is_empty() {
            true => drop(self.text.pop()),
            false => self.text.push_str(&format!("?{flags})")),
        }
        Ok(())
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<(), String> {
        let Some(c) = self.take() else {
            return Err("Unexpected internal error".into());
        };
        let class = |text: &str| Ok(format!("[{text}]"));
        let other_class = |text: &str| Ok(format!("[^{text}]"));
        let text = match c {
            'Q' => {
                let (quoted, after) = self.rest.split_once(r"\E").unwrap_or((self.rest, ""));
                self.rest = after;
                Ok(quoted.chars().map(literal).collect())
            }
            // Of ASCII alone.
            'd' => class("0-9"),
            'D' => other_class("0-9"),
            'w' => class("a-zA-Z_0-9"),
            'W' => other_class("a-zA-Z_0-9"),
            's' => class(r" \t\n\x0B\f\r"),
            'S' => other_class(r" \t\n\x0B\f\r"),
            'h' => class(HORIZONTAL),
            'H' => other_class(HORIZONTAL),
            'v' => class(VERTICAL),
            'V' => other_class(VERTICAL),
            'R' if self.classes == 0 => Ok(format!(r"(?:\r\n|[{VERTICAL}])")),
            'p' | 'P' => Ok(self.property(c == 'P')),
            'e' => Ok(r"\x1B".to_owned()),
            'c' => match self.take() {
                Some(c) if c.is_ascii() => Ok(format!(r"\x{{{:X}}}", u32::from(c) ^ 64)),
                _ => Err("Illegal control escape sequence".into()),
            },
            '0' => self.octal(),
            'u' => self.unit(),
            'a' | 'f' | 'n' | 'r' | 't' | 'x' => Ok(format!("\\{c}")),
            'b' | 'B' | 'A' | 'G' | 'Z' | 'z' | 'k' | '1'..='9' if self.classes == 0 => {
                Ok(format!("\\{c}"))
            }
            c if c.is_ascii_alphanumeric() => {
                Err(format!("Illegal/unsupported escape sequence \\{c}"))
            }
            c => Ok(literal(c)),
        };
        self.text.push_str(&text?);
        Ok(())
    }

    /// `\p{…}`, or `\pL`.
    fn property(&mut self, is_negated: bool) -> String {
        let p = if is_negated { 'P' } else { 'p' };
        let named = self
            .rest
            .strip_prefix('{')
            .and_then(|it| it.split_once('}'));
        let Some((name, after)) = named else {
            return format!("\\{p}");
        };
        self.rest = after;
        if let Some((_, class)) = CLASSES.iter().find(|(java, _)| *java == name) {
            let not = if is_negated { "^" } else { "" };
            return format!("[[:{not}{class}:]]");
        }
        format!("\\{p}{{{}}}", name.strip_prefix("Is").unwrap_or(name))
    }

    /// `\0n`, `\0nn` or `\0mnn`.
    fn octal(&mut self) -> Result<String, String> {
        let mut value = 0;
        let mut digits = 0;
        while let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(8)) {
            if digits == 3 || value * 8 + digit > 0o377 {
                break;
            }
            (value, digits) = (value * 8 + digit, digits + 1);
            self.rest = &self.rest[1..];
        }
        match digits {
            0 => Err("Illegal octal escape sequence".into()),
            _ => Ok(format!(r"\x{{{value:X}}}")),
        }
    }

    /// `\uXXXX`, a unit of UTF-16: two of them may be one character.
    fn unit(&mut self) -> Result<String, String> {
        let illegal = || "Illegal Unicode escape sequence".to_owned();
        let first = self.hex4().ok_or_else(illegal)?;
        let mut units = vec![first];
        if (0xD800..0xDC00).contains(&first) && self.take_if(r"\u") {
            units.push(self.hex4().ok_or_else(illegal)?);
        }
        let decoded: Result<Vec<char>, _> = char::decode_utf16(units).collect();
        match decoded.as_deref() {
            Ok([c]) => Ok(format!(r"\x{{{:X}}}", u32::from(*c))),
            _ => Err(illegal()),
        }
    }

    fn hex4(&mut self) -> Option<u16> {
        let digits = self.rest.get(..4)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = &self.rest[4..];
        u16::from_str_radix(digits, 16).ok()
    }
}

/// A character that stands for itself.
fn literal(c: char) -> String {
    match c {
        c if c.is_ascii_alphanumeric() || c == '_' => c.to_string(),
        '.' | '-' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' | '|'
        | '\\' | '&' | '~' | '#' => format!("\\{c}"),
        c => format!(r"\x{{{:X}}}", u32::from(c)),
    }
}
