//! A plugin that keeps every record: what remains when it is measured is what crossing costs.
//!
//! It is written by hand in WebAssembly's text format, so that nobody has to build it.

use connect_api::{Error, Result};
use wit_component::StringEncoding;
use wit_parser::Resolve;

use crate::component::invalid;
use crate::plugins::Reads;

/// The contract, as one text.
const CONTRACT: &str = concat!(
    include_str!("../../../wit/world.wit"),
    include_str!("../../../wit/data.wit"),
    include_str!("../../../wit/plugin.wit"),
);
const WORLD: &str = "transform";
/// Where the list of fields stands.
const FIELDS: u32 = 1024;

/// The module. `PLUGIN` is the name of the interface, `READS` the end of the description from the
/// flags of `parts` on, `FIELDS` the list of fields, and `PAGES` those of memory that hold it.
///
/// By the canonical ABI, `keep` is an outcome of 24 zero bytes, and the reply, 64 bytes which name
/// the outcomes and are else zero, stands before them. Memory is a stack that starts anew after
/// each batch.
const MODULE: &str = r#"(module
  (memory (export "memory") PAGES)
  (global $free (mut i32) (i32.const 1024))
  (data (i32.const 16) "identity")
  (data (i32.const 32) "1.0.0")
  ;; The description: name, version, no documentation, no keys, what it reads.
  (data (i32.const 64) "\10\00\00\00\08\00\00\00\20\00\00\00\05\00\00\00")
  (data (i32.const 96) "READS")
  ;; Where batches come later, in another instance.
  (data (i32.const 1024) "FIELDS")
  (func $realloc (export "cabi_realloc") (param $old i32) (param $had i32) (param $align i32)
    (param $size i32) (result i32) (local $at i32) (local $end i32)
    (local.set $at (i32.and
      (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (global.set $free (local.get $end))
    (if (i32.gt_u (local.get $end) (i32.shl (memory.size) (i32.const 16)))
      (then (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u
          (i32.sub (local.get $end) (i32.shl (memory.size) (i32.const 16))) (i32.const 16)))))
        (then unreachable))))
    (memory.copy (local.get $at) (local.get $old) (local.get $had))
    (local.get $at))
  (func (export "PLUGIN#describe") (result i32) (i32.const 64))
  (func (export "PLUGIN#configure") (param i32 i32) (result i32)
    (global.set $free (i32.const 1024))
    (i32.const 256))
  (func (export "PLUGIN#apply") (param i32 i32 i32) (param $records i32) (param $n i32)
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (local $reply i32) (local $size i32)
    (local.set $size (i32.add (i32.const 64) (i32.mul (local.get $n) (i32.const 24))))
    (local.set $reply
      (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (local.get $size)))
    (memory.fill (local.get $reply) (i32.const 0) (local.get $size))
    (i32.store (local.get $reply) (i32.add (local.get $reply) (i32.const 64)))
    (i32.store offset=4 (local.get $reply) (local.get $n))
    (local.get $reply))
  (func (export "cabi_post_PLUGIN#apply") (param i32) (global.set $free (i32.const 1024)))
  (func (export "PLUGIN#tick") (param i32 i32 i32 i64) (result i32)
    (global.set $free (i32.const 1024))
    (i32.const 256)))"#;

/// The plugin `identity`, which is given these parts of each record and keeps it.
///
/// # Errors
/// [`connect_api::ErrorKind::Fatal`] when it no longer fits the contract, which a test finds first.
pub fn identity(reads: &Reads) -> Result<Vec<u8>> {
    let broken = |why: String| Error::fatal(format!("the plugin identity does not fit: {why}"));
    let mut resolve = Resolve::default();
    let package = resolve.push_str("ferrule.wit", CONTRACT);
    let package = package.map_err(|e| broken(e.to_string()))?;
    let world = resolve.select_world(&[package], Some(WORLD));
    let world = world.map_err(|e| broken(e.to_string()))?;
    let exports = resolve.worlds[world].exports.keys();
    let plugin = exports.map(|key| resolve.name_world_key(key)).next();
    let plugin = plugin.ok_or_else(|| broken("it exports nothing".into()))?;
    let flag = |bit: u8, set: bool| if set { bit } else { 0 };
    let flags = flag(1, reads.key) | flag(2, reads.value) | flag(4, reads.headers);
    let (count, fields) = list(FIELDS, reads.fields.iter().flatten());
    let mut end = vec![flags, 0, 0, 0, reads.fields.is_some().into(), 0, 0, 0];
    end.extend(FIELDS.to_le_bytes());
    end.extend(count.to_le_bytes());
    let text = MODULE
        .replace("PLUGIN", &plugin)
        .replace("READS", &escaped(&end))
        .replace("FIELDS", &escaped(&fields))
        .replace("PAGES", &(1 + (fields.len() >> 16)).to_string());
    let mut module = wat::parse_str(&text).map_err(|e| broken(e.to_string()))?;
    let utf8 = StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, utf8)
        .map_err(|e| invalid(&e))?;
    Ok(module)
}

/// A list of text at this place in memory, and what it points to behind it.
fn list<'a>(place: u32, texts: impl Iterator<Item = &'a String> + Clone) -> (u32, Vec<u8>) {
    // A description that crossed is far smaller than an u32 counts.
    let count = texts.clone().count() as u32;
    let mut at = place + 8 * count;
    let mut bytes = Vec::new();
    for text in texts.clone() {
        bytes.extend(at.to_le_bytes());
        bytes.extend((text.len() as u32).to_le_bytes());
        at += text.len() as u32;
    }
    bytes.extend(texts.flat_map(|text| text.bytes()));
    (count, bytes)
}

/// Bytes as WebAssembly's text format has them.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{WasmOptions, WasmPlugins};

    #[test]
    fn it_says_what_it_is_told_to_read() {
        let options = WasmOptions::default();
        let plugins = WasmPlugins::new(options).unwrap();
        let path = tempfile::tempdir().unwrap();
        let many = (0..5000).map(|at| format!("a field of number {at}"));
        let few = ["one", "", "ä"].map(str::to_owned);
        let lists = [
            None,
            Some(BTreeSet::new()),
            Some(few.into()),
            Some(many.collect()),
        ];
        for (at, fields) in lists.into_iter().enumerate() {
            let reads = Reads {
                key: at % 2 == 0,
                value: true,
                headers: at % 2 == 1,
                fields,
            };
            let file = path.path().join(format!("{at}.wasm"));
            std::fs::write(&file, identity(&reads).unwrap()).unwrap();
            assert_eq!(plugins.load(&file).unwrap().reads, reads);
        }
    }
}
