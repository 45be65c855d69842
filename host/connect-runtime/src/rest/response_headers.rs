//! `response.http.headers.config`: headers that every answer gets, in the syntax of Jetty's
//! `HeaderFilter`, which Kafka Connect takes over (KIP-577).

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use connect_api::{Error, Result};

const OPTION: &str = "response.http.headers.config";

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(HeaderValue),
    /// A date, as time from now.
    FromNow(Duration),
}

/// Whether other headers of the name stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Set,
    Add,
}

/// One header of every answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRule {
    action: Action,
    name: HeaderName,
    value: Value,
}

impl HeaderRule {
    /// Reads the option: rules separated by commas; one in double quotes may hold commas.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] that quotes the rule which is not understood.
    pub fn parse_all(text: &str) -> Result<Vec<Self>> {
        let rules = split(text)?;
        let rules = rules.iter().map(|rule| rule.trim());
        let rules = rules.filter(|rule| !rule.is_empty()).map(Self::parse);
        rules.collect()
    }

    fn parse(rule: &str) -> Result<Self> {
        let invalid = |why: &str| {
            Error::config(format!(
                "{OPTION}: \"{rule}\": {why}; as in: set X-Frame-Options: DENY"
            ))
        };
        let (action, rest) = rule
            .split_once(char::is_whitespace)
            .ok_or_else(|| invalid("an action, a name and a value are expected"))?;
        let (name, value) = rest
            .split_once(':')
            .ok_or_else(|| invalid("there is no colon after the name"))?;
        let (action, is_date) = match action.to_ascii_lowercase().as_str() {
            "set" => (Action::Set, false),
            "add" => (Action::Add, false),
            "setdate" => (Action::Set, true),
            "adddate" => (Action::Add, true),
            _ => return Err(invalid("the actions are set, add, setDate and addDate")),
        };
        let name = HeaderName::from_bytes(name.trim().as_bytes())
            .map_err(|_| invalid("this is no name of a header"))?;
        let value = value.trim();
        let value = if is_date {
            let millis = value.parse::<u64>();
            let from_now = millis.map_err(|_| invalid("a date is milliseconds from now"))?;
            Value::FromNow(Duration::from_millis(from_now))
        } else {
            let value = HeaderValue::from_str(value);
            Value::Text(value.map_err(|_| invalid("this is no value of a header"))?)
        };
        Ok(Self {
            action,
            name,
            value,
        })
    }

    /// Adds the header to those of an answer.
    pub fn apply(&self, headers: &mut HeaderMap) {
        let value = match &self.value {
            Value::Text(value) => value.clone(),
            Value::FromNow(from_now) => match date(*from_now) {
                Some(value) => value,
                None => return,
            },
        };
        match self.action {
            Action::Set => headers.insert(self.name.clone(), value).is_some(),
            Action::Add => headers.append(self.name.clone(), value),
        };
    }
}

fn date(from_now: Duration) -> Option<HeaderValue> {
    // Years of four digits: what is further away is as good as never.
    let most = Duration::from_secs(100 * 365 * 24 * 3600);
    let at = SystemTime::now().checked_add(from_now.min(most))?;
    HeaderValue::from_str(&httpdate::fmt_http_date(at)).ok()
}

/// Splits at commas that are not within double quotes, and drops the quotes.
fn split(text: &str) -> Result<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => parts.push(String::new()),
            c => {
                if let Some(part) = parts.last_mut() {
                    part.push(c);
                }
            }
        }
    }
    match quoted {
        true => Err(Error::config(format!("{OPTION}: a quote is not closed"))),
        false => Ok(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_syntax_is_jettys() {
        let rules = HeaderRule::parse_all(
            "set X-Frame-Options: DENY, \"add Cache-Control: no-cache, no-store\", add x-a: b:c,\
             setDate Expires: 31540000000",
        );
        let mut headers = HeaderMap::new();
        headers.insert("x-frame-options", HeaderValue::from_static("SAMEORIGIN"));
        headers.insert("cache-control", HeaderValue::from_static("private"));
        for rule in rules.unwrap() {
            rule.apply(&mut headers);
        }
        let all = |name: &str| -> Vec<String> {
            let values = headers.get_all(name).iter();
            values.map(|v| v.to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(all("x-frame-options"), ["DENY"]);
        assert_eq!(all("cache-control"), ["private", "no-cache, no-store"]);
        assert_eq!(all("x-a"), ["b:c"]);
        let expires = httpdate::parse_http_date(&all("expires")[0]).unwrap();
        assert!(expires > SystemTime::now() + Duration::from_secs(31_000_000));
        assert_eq!(HeaderRule::parse_all("").unwrap(), []);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for (text, part) in [
            ("X-Frame-Options: DENY", "no colon"),
            ("set X-Frame-Options", "no colon"),
            ("set", "an action"),
            ("put a: b", "the actions are"),
            ("set a b: c", "no name of a header"),
            ("set a: b\u{1}", "no value of a header"),
            ("setDate Expires: soon", "milliseconds"),
            ("\"set a: b", "not closed"),
        ] {
            let error = HeaderRule::parse_all(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
