//! A plugin written by hand, which the SDK would not let be written: it lies about itself, and its
//! texts are none.

use std::fs;
use std::path::Path;

use connect_api::Outcome;
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::{apply, build, commands, failure, plugins_in};

/// What the plugin says of itself, and does.
struct Lie<'a> {
    name: &'a str,
    /// Names of its keys, all of type int.
    keys: &'a [&'a str],
    /// The default of all of them.
    default: &'a str,
    stateful: u8,
    /// What `apply` does first.
    body: &'a str,
    /// Why it fails the record: the bytes of a text, as WAT writes them.
    reason: &'a str,
}

const HONEST: Lie<'_> = Lie {
    name: "liar",
    keys: &["key"],
    default: "1",
    stateful: 0,
    body: "",
    reason: "because",
};
const GET: &str = "(call $get (i32.const 4096) (i32.const 1) (i32.const 8192))";

fn bytes(words: &[u32]) -> String {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    bytes.map(|byte| format!("\\{byte:02x}")).collect()
}

/// The canonical ABI by hand: results are pointers to what lies in the data.
fn module(lie: &Lie<'_>) -> Vec<u8> {
    let length = |text: &str| u32::try_from(text.len()).unwrap();
    let reason_length = length(&lie.reason.replace("\\ff", "x"));
    let (mut keys, mut names) = (String::new(), String::new());
    for key in lie.keys {
        let at = 4096 + length(&names);
        names.push_str(key);
        // Name, kind int and a default, whose validator is "between 1 and 5"; 64 bytes in all.
        keys += &bytes(&[at, length(key), 2, 1, 3072, length(lie.default), 3, 0]);
        keys += &format!("{}{}", bytes(&[0, 0x3ff0_0000]), bytes(&[0, 0x4014_0000]));
        keys += &bytes(&[0, 0, 0, 0]);
    }
    let flags = 2 + (u32::from(lie.stateful) << 16);
    let count = u32::try_from(lie.keys.len()).unwrap();
    let description = bytes(&[
        2048,
        length(lie.name),
        2048,
        0,
        2048,
        0,
        16384,
        count,
        flags,
    ]);
    // One outcome: fail, without a field, for the reason. Nothing else, which is all zeros.
    let reply = bytes(&[1280, 1]);
    let outcome = bytes(&[3, 0, 0, 0, 3584, reason_length]);
    let (name, default, reason, body) = (lie.name, lie.default, lie.reason, lie.body);
    let text = format!(
        r#"(module
  (import "ferrule:transform/state@0.4.0" "get" (func $get (param i32 i32 i32)))
  (memory (export "memory") 4)
  (global $free (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "ferrule:transform/plugin@0.4.0#describe") (result i32) (i32.const 1024))
  (func (export "ferrule:transform/plugin@0.4.0#configure") (param i32 i32) (result i32)
    (i32.const 1536))
  (func (export "ferrule:transform/plugin@0.4.0#apply")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) {body} (i32.const 1152))
  (func (export "ferrule:transform/plugin@0.4.0#tick") (param i32 i32 i32 i64) (result i32)
    (i32.const 1536))
  (data (i32.const 1024) "{description}")
  (data (i32.const 1152) "{reply}")
  (data (i32.const 1280) "{outcome}")
  (data (i32.const 2048) "{name}")
  (data (i32.const 3072) "{default}")
  (data (i32.const 3584) "{reason}")
  (data (i32.const 4096) "{names}")
  (data (i32.const 16384) "{keys}"))"#
    );
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    let wit = Path::new("../../wit");
    let (package, _) = resolve.push_dir(wit).unwrap();
    let world = resolve.select_world(&[package], Some("transform")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

/// Loads the plugin: why there is none, or what becomes of a record.
fn told(lie: &Lie<'_>) -> Result<Outcome, String> {
    let path = tempfile::tempdir().unwrap();
    let file = path.path().join("liar.wasm");
    // An honest one was there before, so that the host knows whose file it is.
    fs::write(&file, module(&HONEST)).unwrap();
    let plugins = plugins_in(path.path());
    assert!(
        plugins.find("liar").is_some(),
        "{}",
        plugins.missing("liar", None)
    );
    fs::write(&file, module(lie)).unwrap();
    plugins.list();
    if plugins.find("liar").is_none() {
        return Err(plugins.missing("liar", None).to_string());
    }
    let mut liar = build(&plugins, "liar", &[]).unwrap();
    let mut outcomes = apply(&mut liar, &commands(&["any"]));
    assert_eq!(outcomes.len(), 1);
    Ok(outcomes.remove(0))
}

#[track_caller]
fn assert_fails(lie: &Lie<'_>, expect: &str) {
    let outcome = told(lie).unwrap();
    let message = failure(&outcome).to_string();
    assert!(message.contains(expect), "{message}");
}

#[test]
fn what_is_written_by_hand_is_a_plugin() {
    assert_fails(&HONEST, "because");
}

#[test]
fn text_that_is_none_costs_its_record() {
    let lie = Lie {
        reason: "\\ff\\ff",
        ..HONEST
    };
    assert_fails(&lie, "utf-8");
}

#[test]
fn a_call_of_state_that_was_not_announced_costs_its_record() {
    let lie = Lie {
        body: GET,
        ..HONEST
    };
    assert_fails(&lie, "it calls state");
    let honest = Lie { stateful: 1, ..lie };
    assert_fails(&honest, "because");
}

#[test]
fn a_description_that_cannot_be_is_refused() {
    let long = "n".repeat(129);
    for (lie, expect) in [
        (
            Lie {
                name: &long,
                ..HONEST
            },
            "its name is not 1 to 128",
        ),
        (
            Lie {
                name: "a b",
                ..HONEST
            },
            "its name is not 1 to 128",
        ),
        (
            Lie {
                name: "\\ff",
                ..HONEST
            },
            "utf-8",
        ),
        (
            Lie {
                keys: &["a", "a"],
                ..HONEST
            },
            "its key \"a\" is empty, given twice",
        ),
        (
            Lie {
                keys: &["sha256"],
                ..HONEST
            },
            "one of the worker's",
        ),
        (
            Lie {
                default: "9",
                ..HONEST
            },
            "the default of its key \"key\"",
        ),
        (
            Lie {
                default: "x",
                ..HONEST
            },
            "the default of its key \"key\"",
        ),
    ] {
        let why = told(&lie).map(|_| ()).unwrap_err();
        assert!(why.contains(expect), "{why}");
    }
}
