//! Topics that a connector may write to.

/// Kafka's longest name of a topic.
const LONGEST: usize = 249;

/// Why a text cannot be the name of a topic, by Kafka's rule; none: it can.
pub fn topic_name_refusal(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "" => Some("a topic has a name".into()),
        "." | ".." => Some("a topic cannot be named . or ..".into()),
        _ if name.len() > LONGEST => Some(format!(
            "the name of a topic has {LONGEST} characters at most, and this one {}",
            name.chars().count()
        )),
        _ if !name.chars().all(legal) => {
            Some("the name of a topic is made of ASCII letters, digits, '.', '_' and '-'".into())
        }
        _ => None,
    }
}

/// Why a connector may not write to a topic; none: it may. `internal` are the worker's own topics.
///
/// Whoever writes to these makes connectors, with all that the worker may do. A record can name any
/// topic, so the name is looked at before the record is handed to a producer.
pub fn output_topic_refusal(name: &str, internal: &[String]) -> Option<String> {
    topic_name_refusal(name).or_else(|| {
        if name.starts_with("__") {
            return Some(format!(
                "topic {name} is Kafka's own: no connector writes to it"
            ));
        }
        let own = internal.iter().any(|topic| topic == name);
        own.then(|| format!("topic {name} is the worker's own: no connector writes to it"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        let long = "x".repeat(LONGEST + 1);
        for name in ["", ".", "..", "a b", "a\0", "a/b", "é", "a\n", &long] {
            assert!(topic_name_refusal(name).is_some(), "{name:?}");
        }
        for name in ["a", "...", "A-b_c.9", &long[1..]] {
            assert_eq!(topic_name_refusal(name), None, "{name}");
        }
    }

    #[test]
    fn topics_of_the_worker_and_of_kafka_are_not_written_to() {
        let own = ["configs".to_owned(), "status".to_owned()];
        for name in [
            "configs",
            "status",
            "__consumer_offsets",
            "__transaction_state",
            "__x",
        ] {
            assert!(output_topic_refusal(name, &own).is_some(), "{name}");
        }
        for name in ["configs-2", "_x", "x__", "Configs"] {
            assert_eq!(output_topic_refusal(name, &own), None, "{name}");
        }
    }
}
