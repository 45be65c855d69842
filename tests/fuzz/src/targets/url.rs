//! `connection.url`.

use postgres_sink::fuzzing::hosts;

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "url",
    about: "An address is refused, or names hosts; an address of these hosts names the same ones",
    memory: 512,
    run: |data| {
        let Ok(text) = std::str::from_utf8(data) else {
            return;
        };
        let Ok(found) = hosts(text) else { return };
        assert!(!found.is_empty(), "{text}");
        let plain = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        if found.iter().all(|(host, _)| plain(host)) {
            let list = found.iter().map(|(host, port)| format!("{host}:{port}"));
            let list: Vec<_> = list.collect();
            let again = hosts(&format!("jdbc:postgresql://{}/db", list.join(",")));
            // An empty name is the machine's own.
            let named = |(host, port): (String, u16)| match host.as_str() {
                "" => ("localhost".to_owned(), port),
                _ => (host, port),
            };
            let found: Vec<_> = found.into_iter().map(named).collect();
            assert_eq!(again, Ok(found), "{text}");
        }
    },
};
