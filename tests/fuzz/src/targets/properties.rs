//! The worker's properties file: its syntax, and what it says.

use connect_api::ErrorKind;
use connect_runtime::config::{WorkerConfig, parse_properties};

use crate::Target;

pub(super) const FILE: Target = Target {
    name: "properties",
    about: "A properties file that is read is printed as Java prints it, and read again is the same",
    memory: 512,
    run: |data| {
        let Ok(text) = std::str::from_utf8(data) else {
            return;
        };
        let Ok(read) = parse_properties(text) else {
            return;
        };
        let lines = read.iter();
        let lines = lines.map(|(key, value)| format!("{}={}\n", escaped(key), escaped(value)));
        let printed: String = lines.collect();
        let again = parse_properties(&printed);
        assert!(again.is_ok_and(|again| again == read), "{printed}");
    },
};

pub(super) const WORKER: Target = Target {
    name: "worker",
    about: "The options of a worker are refused as a config, or they are one; the addresses that it \
            listens on are of a host and a port",
    memory: 4096,
    run: |data| {
        let Ok(text) = std::str::from_utf8(data) else {
            return;
        };
        let Ok(mut given) = parse_properties(text) else {
            return;
        };
        // They would read files of this machine.
        given.retain(|key, value| !key.starts_with("config.providers") && !value.contains("${"));
        for (key, value) in REQUIRED {
            given
                .entry((*key).to_owned())
                .or_insert((*value).to_owned());
        }
        match WorkerConfig::new(&given) {
            Ok(config) => check(&config),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Config, "{error}"),
        }
    },
};

const REQUIRED: &[(&str, &str)] = &[
    ("bootstrap.servers", "localhost:9092"),
    ("group.id", "connect"),
    ("config.storage.topic", "configs"),
    ("offset.storage.topic", "offsets"),
    ("status.storage.topic", "statuses"),
    (
        "key.converter",
        "org.apache.kafka.connect.json.JsonConverter",
    ),
    (
        "value.converter",
        "org.apache.kafka.connect.json.JsonConverter",
    ),
];

fn check(config: &WorkerConfig) {
    for listener in config.rest().listeners.iter().map(|it| &it.address) {
        let port = listener.rsplit_once(':').map(|(_, port)| port);
        assert!(
            port.is_some_and(|it| it.parse::<u16>().is_ok()),
            "{listener}"
        );
    }
    let topics = [
        config.config_topic(),
        config.status_topic(),
        config.offset_topic(),
    ];
    for topic in topics {
        assert_eq!(
            topic.settings.get("cleanup.policy").map(String::as_str),
            Some("compact")
        );
    }
    for prefix in ["producer.", "consumer.", "admin."] {
        config.client_properties(prefix);
    }
    config.offset_flush_interval();
    config.shutdown_timeout();
    config.task_buffer_bytes();
    config.plugin_limits();
}

/// As Java's `Properties.store` has it.
fn escaped(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".into(),
        '\t' => "\\t".into(),
        '\x0c' => "\\f".into(),
        ' ' | '=' | ':' | '#' | '!' | '\\' => format!("\\{letter}"),
        letter if letter.is_ascii() => letter.to_string(),
        letter => {
            let mut units = [0; 2];
            let units = letter.encode_utf16(&mut units).iter();
            units.map(|unit| format!("\\u{unit:04x}")).collect()
        }
    });
    letters.collect()
}
