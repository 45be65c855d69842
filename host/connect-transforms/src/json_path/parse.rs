//! The text of a JSON path.

use connect_api::Value;

use super::{Expression, Operand, Operator, Step};
use crate::java_regex::JavaRegex;

/// Predicates within predicates.
const MAX_DEPTH: usize = 32;

/// The steps of a whole path.
pub(super) fn path(text: &str) -> Result<Vec<Step>, String> {
    let mut parser = Parser {
        rest: text.trim(),
        depth: 0,
    };
    // Confluent's own examples leave the root out at times.
    if !parser.take("$") {
        return Err("a JSON path begins with $".into());
    }
    let steps = parser.steps()?;
    match parser.rest {
        "" => Ok(steps),
        rest => Err(format!(
            "{rest:?} is no step of a JSON path that is supported"
        )),
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn need(&mut self, token: &str) -> Result<(), String> {
        self.blank();
        match self.take(token) {
            true => Ok(()),
            false => Err(format!("{token:?} is missing before {:?}", self.rest)),
        }
    }

    fn steps(&mut self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        loop {
            if self.rest.starts_with("..") {
                return Err("the deep scan .. is not supported".into());
            }
            if self.take(".") {
                if self.take("*") {
                    steps.push(Step::All);
                    continue;
                }
                let name = self.name();
                if name.is_empty() {
                    return Err(format!("a name is missing before {:?}", self.rest));
                }
                if self.rest.starts_with('(') {
                    return Err(format!("the function {name}() is not supported"));
                }
                steps.push(Step::Name(name.to_owned()));
            } else if self.take("[") {
                steps.push(self.bracket()?);
            } else {
                return Ok(steps);
            }
        }
    }

    fn name(&mut self) -> &'a str {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
        let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name
    }

    fn bracket(&mut self) -> Result<Step, String> {
        self.blank();
        let step = if self.take("*") {
            Step::All
        } else if self.take("?") {
            self.need("(")?;
            let expression = self.or()?;
            self.need(")")?;
            Step::Filter(expression)
        } else if self.rest.starts_with(['\'', '"']) {
            Step::Name(self.quoted()?)
        } else {
            let is_digit = |c: char| c.is_ascii_digit() || c == '-';
            let end = self.rest.find(|c| !is_digit(c)).unwrap_or(self.rest.len());
            let (digits, rest) = self.rest.split_at(end);
            self.rest = rest;
            let wrong = |_| format!("[{digits}{rest} is no place, name or predicate");
            Step::Index(digits.parse().map_err(wrong)?)
        };
        self.need("]")?;
        Ok(step)
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut chars = self.rest.char_indices();
        let quote = chars.next().map(|(_, quote)| quote);
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            if c == '\\' {
                text.extend(chars.next().map(|(_, c)| c));
            } else if Some(c) == quote {
                self.rest = &self.rest[at + c.len_utf8()..];
                return Ok(text);
            } else {
                text.push(c);
            }
        }
        Err(format!("{:?} has no end", self.rest))
    }

    fn or(&mut self) -> Result<Expression, String> {
        let mut expression = self.and()?;
        loop {
            self.blank();
            if !self.take("||") {
                return Ok(expression);
            }
            expression = Expression::Or(Box::new(expression), Box::new(self.and()?));
        }
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut expression = self.unary()?;
        loop {
            self.blank();
            if !self.take("&&") {
                return Ok(expression);
            }
            expression = Expression::And(Box::new(expression), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("the predicate is nested too deeply".into());
        }
        self.blank();
        let expression = if self.take("!") {
            Expression::Not(Box::new(self.unary()?))
        } else if self.take("(") {
            let expression = self.or()?;
            self.need(")")?;
            expression
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let one = self.operand()?;
        self.blank();
        if self.take("=~") {
            self.blank();
            let regex = self.regex()?;
            return Ok(Expression::Matches(one, regex));
        }
        for (token, operator) in [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ] {
            if self.take(token) {
                return Ok(Expression::Compare(one, operator, self.operand()?));
            }
        }
        match one {
            Operand::Path(steps)
                if self.rest.starts_with(')')
                    || self.rest.starts_with("&&")
                    || self.rest.starts_with("||") =>
            {
                Ok(Expression::Exists(steps))
            }
            _ => Err(format!(
                "{:?} is no comparison that is supported",
                self.rest
            )),
        }
    }

    /// Of Java's syntax, from its start to its end.
    fn regex(&mut self) -> Result<JavaRegex, String> {
        let rest = self
            .rest
            .strip_prefix('/')
            .ok_or("=~ takes a pattern between slashes")?;
        let mut is_escaped = false;
        let end = rest.find(|c: char| {
            let is_end = c == '/' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        });
        let end = end.ok_or("the pattern has no end")?;
        let (pattern, rest) = (&rest[..end], &rest[end + 1..]);
        let (pattern, rest) = match rest.strip_prefix('i') {
            Some(rest) => (format!("(?i){pattern}"), rest),
            None => (pattern.to_owned(), rest),
        };
        self.rest = rest;
        JavaRegex::whole(&pattern)
    }

    fn operand(&mut self) -> Result<Operand, String> {
        self.blank();
        if self.take("@") {
            return Ok(Operand::Path(self.steps()?));
        }
        if self.rest.starts_with('$') {
            return Err("a path from the root within a predicate is not supported".into());
        }
        if self.rest.starts_with(['\'', '"']) {
            return Ok(Operand::Literal(Value::from(&*self.quoted()?)));
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let number = || {
            let int = word.parse().map(Value::Int).ok();
            int.or_else(|| word.parse().map(Value::Float).ok())
        };
        let literal = match word {
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            "null" => Some(Value::Null),
            _ if word.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)) => number(),
            _ => None,
        };
        literal.map(Operand::Literal).ok_or_else(|| {
            format!(
                "{:?} is no value that is supported",
                format!("{word}{rest}")
            )
        })
    }
}
