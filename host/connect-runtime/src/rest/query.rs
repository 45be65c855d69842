//! The queries of requests, as lenient as Kafka Connect's.

/// The parameters, in order; a name may come more than once.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses what follows the question mark.
    pub fn new(query: Option<&str>) -> Self {
        let pairs = query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(decoded.collect())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// `true` in any case is true, and anything else is false.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        let given = self.first(name).filter(|value| !value.is_empty());
        given.map_or(default, |value| value.eq_ignore_ascii_case("true"))
    }
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let rest = bytes.clone();
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => match (bytes.next().and_then(digit), bytes.next().and_then(digit)) {
                (Some(high), Some(low)) => decoded.push(high << 4 | low),
                _ => {
                    decoded.push(byte);
                    bytes = rest;
                }
            },
            byte => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_may_repeat_and_flags_are_lenient() {
        let query = Query::new(Some(
            "expand=info&expand=status&a=True&b=1&c=%e2%82%AC+%zz%4&d=",
        ));
        assert_eq!(query.all("expand").collect::<Vec<_>>(), ["info", "status"]);
        assert!(query.flag("a", false));
        assert!(!query.flag("b", true));
        assert!(query.flag("missing", true) && query.flag("d", true));
        assert_eq!(query.first("c"), Some("€ %zz%4"));
    }
}
