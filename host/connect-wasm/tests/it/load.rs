//! From the plugin path to a configured transform.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use connect_api::{ConfigDef, ErrorKind, Properties};
use connect_wasm::{TransformContext, WasmOptions, WasmPlugins, host_config_def};

use crate::{LIMITS, apply, build, commands, config, dist, plugins, plugins_in};

fn names(plugins: &WasmPlugins) -> Vec<String> {
    plugins
        .list()
        .iter()
        .map(|info| info.name.clone())
        .collect()
}

fn install(from: &str, to: &Path) {
    fs::copy(dist().join(from), to).unwrap();
}

#[test]
fn the_example_plugins_are_found_and_described() {
    let all = names(plugins());
    for name in [
        "activity-event",
        "iot-measurement",
        "telescope-data",
        "test-guest",
    ] {
        assert!(all.iter().any(|n| n == name), "{name} is not in {all:?}");
    }
    let info = plugins().find("test-guest").unwrap();
    assert_eq!(info.sha256.len(), 64);
    assert!(info.documentation.contains("tests of the host"));
    let keys: Vec<_> = info.config_def.keys().iter().map(|k| &*k.name).collect();
    assert_eq!(
        keys,
        [
            "configure.panic",
            "configure.error",
            "tick.emit",
            "secret",
            "note"
        ]
    );
    assert!(plugins().find("nobody").is_none());
}

#[test]
fn a_new_or_changed_file_is_found_without_a_restart() {
    let path = tempfile::tempdir().unwrap();
    let plugins = plugins_in(path.path());
    assert!(plugins.find("test-guest").is_none());
    fs::create_dir(path.path().join("sub")).unwrap();
    let file = path.path().join("sub/guest.wasm");
    install("test-guest.wasm", &file);
    assert_eq!(plugins.find("test-guest").unwrap().path, file);
    install("telescope-data.wasm", &file);
    assert!(plugins.find("test-guest").is_none());
    assert_eq!(names(&plugins), ["telescope-data"]);
    fs::remove_file(&file).unwrap();
    assert!(names(&plugins).is_empty());
}

#[test]
fn connectors_share_one_compiled_copy() {
    let path = tempfile::tempdir().unwrap();
    install("test-guest.wasm", &path.path().join("a.wasm"));
    let plugins = plugins_in(path.path());
    let one = plugins.find("test-guest").unwrap();
    let mut transforms: Vec<_> = (0..2)
        .map(|_| build(&plugins, "test-guest", &[]).unwrap())
        .collect();
    // A second file of the same digest is the same copy, also when the first one goes.
    install("test-guest.wasm", &path.path().join("b.wasm"));
    fs::remove_file(path.path().join("a.wasm")).unwrap();
    plugins.list();
    assert!(Arc::ptr_eq(&one, &plugins.find("test-guest").unwrap()));
    for transform in &mut transforms {
        assert_eq!(apply(transform, &commands(&["keep"])).len(), 1);
    }
}

#[test]
fn compiled_code_is_kept_on_disk() {
    let cache = tempfile::tempdir().unwrap();
    let start = || {
        WasmPlugins::new(WasmOptions {
            plugin_path: vec![dist()],
            cache_dir: Some(cache.path().to_owned()),
            limits: LIMITS,
            ..WasmOptions::default()
        })
        .unwrap()
    };
    assert!(start().find("test-guest").is_some());
    let files = |path: &Path| fs::read_dir(path).unwrap().count();
    assert!(files(cache.path()) > 1);
    assert!(start().find("test-guest").is_some());
}

#[test]
fn what_is_no_plugin_is_left_out_and_the_rest_is_loaded() {
    let path = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(path.path().join(name), bytes).unwrap();
    write("garbage.wasm", b"not wasm at all");
    write("empty.wasm", b"");
    write(
        "core.wasm",
        &wat::parse_str("(module (import \"env\" \"f\" (func)))").unwrap(),
    );
    write("component.wasm", &wat::parse_str("(component)").unwrap());
    let foreign = "(component (import \"wasi:clocks/wall-clock@0.2.0\" (instance)))";
    write("clock.wasm", &wat::parse_str(foreign).unwrap());
    install("test-guest.wasm", &path.path().join("good.wasm"));
    let plugins = plugins_in(path.path());
    assert_eq!(names(&plugins), ["test-guest"]);
}

#[test]
fn a_task_takes_what_is_on_disk_and_tells_what_is_wrong_with_it() {
    let path = tempfile::tempdir().unwrap();
    let file = path.path().join("guest.wasm");
    install("test-guest.wasm", &file);
    let plugins = plugins_in(path.path());
    let mut running = build(&plugins, "test-guest", &[]).unwrap();
    let first = running.provenance().unwrap();
    assert!(
        first.starts_with("plugin test-guest 0.1.0 (sha256 "),
        "{first}"
    );

    // A custom section: other bytes, which do the same. The file has its former time and, for the
    // second one, its former size.
    let good = fs::read(&file).unwrap();
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    let mut provenances = vec![first];
    for text in [b'a', b'b'] {
        let bytes = [&*good, &[0, 3, 1, b'v', text]].concat();
        fs::write(&file, bytes).unwrap();
        let handle = fs::File::options().append(true).open(&file).unwrap();
        handle.set_modified(modified).unwrap();
        let other = build(&plugins, "test-guest", &[]).unwrap();
        provenances.push(other.provenance().unwrap());
    }
    provenances.dedup();
    assert_eq!(provenances.len(), 3, "{provenances:?}");

    fs::write(&file, &good[..good.len() / 2]).unwrap();
    assert!(plugins.find("test-guest").is_none());
    let message = plugins.missing("test-guest", None).to_string();
    let expect = format!("{} is no more the WASM plugin test-guest: ", file.display());
    assert!(message.starts_with(&expect), "{message}");
    // What runs goes on with what it was started with.
    assert_eq!(apply(&mut running, &commands(&["trap", "keep"])).len(), 2);
    fs::write(&file, &good).unwrap();
    build(&plugins, "test-guest", &[]).unwrap();
}

#[test]
fn limits_can_only_be_lowered() {
    let context = TransformContext {
        connector: "c".into(),
        task: 0,
        transform: "t".into(),
        secrets: Vec::new(),
    };
    let given = [
        ("memory.max.bytes", "999999999"),
        ("call.timeout.ms", "999999"),
    ];
    let config = config(plugins(), "test-guest", &given);
    let error = plugins()
        .build("test-guest", &config, &context)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let message = error.to_string();
    assert!(
        message.contains("memory.max.bytes: Value must be no more than 16777216"),
        "{message}"
    );
    assert!(
        message.contains("call.timeout.ms: Value must be no more than 300"),
        "{message}"
    );
}

#[test]
fn a_memory_limit_below_what_an_instance_needs_is_an_error_of_the_configuration() {
    let error = build(plugins(), "test-guest", &[("memory.max.bytes", "1000")]);
    let error = error.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("could not be configured"),
        "{error}"
    );
}

#[test]
fn a_pin_accepts_its_file_only() {
    let digest = plugins().find("test-guest").unwrap().sha256.to_uppercase();
    build(plugins(), "test-guest", &[("sha256", &digest)]).unwrap();
    let other = "0".repeat(64);
    let error = build(plugins(), "test-guest", &[("sha256", &other)])
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let message = error.to_string();
    let both = message.contains(&other) && message.contains(&digest.to_lowercase());
    assert!(both, "{message}");
    let properties = Properties::from([("sha256".into(), "abc".into())]);
    let error = ConfigDef::new(host_config_def().keys().to_vec())
        .parse(&properties)
        .unwrap_err();
    assert!(
        error.to_string().contains("64 hexadecimal digits"),
        "{error}"
    );
}

#[test]
fn a_refused_configuration_names_its_keys() {
    let error = build(plugins(), "test-guest", &[("configure.error", "true")]);
    let error = error.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error
            .to_string()
            .contains("configuration configure.error: is true"),
        "{error}"
    );
}

#[test]
fn a_trap_in_configure_is_an_error_of_the_configuration() {
    let error = build(plugins(), "test-guest", &[("configure.panic", "true")]);
    let error = error.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("configure.panic is true"),
        "{error}"
    );
}

#[test]
fn the_example_plugins_refuse_what_is_no_row() {
    for name in ["activity-event", "iot-measurement", "telescope-data"] {
        let mut transform = build(plugins(), name, &[]).unwrap();
        let outcomes = apply(&mut transform, &commands(&["neither row nor bytes of one"]));
        let message = crate::failure(&outcomes[0]).to_string();
        assert!(message.starts_with(&format!("plugin {name} ")), "{message}");
        assert!(!message.contains("trapped"), "{message}");
        assert!(
            !message.contains("neither row"),
            "a value is told: {message}"
        );
    }
}
