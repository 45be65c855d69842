//! `.proto` texts, parsed with what they import; and the messages that a record's indexes name.

use std::collections::HashMap;
use std::path::Path;

use connect_api::{Error, Result, memory};
use protox::Compiler;
use protox::file::{File, FileResolver, GoogleFileResolver};
use protox::prost_reflect::{
    DescriptorPool, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor,
};

use super::known;
use crate::registry::Registered;

/// What the text itself is called; those that it imports have the names of its references.
const OWN: &str = "default";
/// The parser works within itself for each bracket.
const MAX_BRACKETS: usize = 100;
/// Bytes of memory for a byte of text, about.
const TREE: usize = 32;
/// Characters that are told of what is wrong with a text.
const MAX_WHY: usize = 200;

struct Texts(HashMap<String, String>);

impl FileResolver for Texts {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        path.to_str().map(str::to_owned)
    }

    fn open_file(&self, name: &str) -> std::result::Result<File, protox::Error> {
        if let Some(text) = self.0.get(name) {
            return File::from_source(name, text);
        }
        match known::text(name) {
            Some(text) => File::from_source(name, &text),
            None => GoogleFileResolver::new().open_file(name),
        }
    }
}

/// A text with all that it imports.
pub(super) struct ProtoFile {
    pub pool: DescriptorPool,
    file: FileDescriptor,
}

impl ProtoFile {
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when it is no such text, or something is missing.
    pub(super) fn parse(registered: &Registered) -> Result<Self> {
        let mut texts = HashMap::new();
        for reference in &registered.references {
            check_text(&reference.text)?;
            texts.insert(reference.name.clone(), reference.text.clone());
        }
        check_text(&registered.text)?;
        texts.insert(OWN.to_owned(), registered.text.clone());
        let mut compiler = Compiler::with_file_resolver(Texts(texts));
        if let Err(error) = compiler.open_file(OWN) {
            let why: String = error.to_string().chars().take(MAX_WHY).collect();
            return Err(refused(&why));
        }
        let pool = compiler.descriptor_pool();
        let file = pool.get_file_by_name(OWN);
        let file = file.ok_or_else(|| refused("it is no .proto text"))?;
        Ok(Self { pool, file })
    }

    /// The message that indexes name: the first is its place in the text, each next one its place
    /// within the one before.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when there is none.
    pub(super) fn message(&self, indexes: &[usize]) -> Result<MessageDescriptor> {
        let missing = || Error::data("the message indexes name no message of the schema");
        let (first, rest) = indexes.split_first().ok_or_else(missing)?;
        let mut message = self.file.messages().nth(*first).ok_or_else(missing)?;
        for index in rest {
            message = children(&message).nth(*index).ok_or_else(missing)?;
        }
        Ok(message)
    }

    /// The indexes of the message of a full name.
    pub(super) fn indexes(&self, full_name: &str) -> Option<Vec<usize>> {
        find(self.file.messages(), full_name)
    }
}

fn find(messages: impl Iterator<Item = MessageDescriptor>, full_name: &str) -> Option<Vec<usize>> {
    for (at, message) in messages.enumerate() {
        if message.full_name() == full_name {
            return Some(vec![at]);
        }
        let within = full_name.strip_prefix(message.full_name());
        if within.is_some_and(|rest| rest.starts_with('.')) {
            let mut indexes = vec![at];
            indexes.extend(find(children(&message), full_name)?);
            return Some(indexes);
        }
    }
    None
}

/// The messages that stand within one: neither the entries of maps, which the parser makes, nor
/// groups.
fn children(message: &MessageDescriptor) -> impl Iterator<Item = MessageDescriptor> + use<> {
    let groups: Vec<String> = message
        .fields()
        .filter(FieldDescriptor::is_group)
        .filter_map(|field| match field.kind() {
            Kind::Message(group) => Some(group.full_name().to_owned()),
            _ => None,
        })
        .collect();
    let children: Vec<_> = message.child_messages().collect();
    children
        .into_iter()
        .filter(move |child| !child.is_map_entry())
        .filter(move |child| !groups.iter().any(|group| group == child.full_name()))
}

/// # Errors
/// [`connect_api::ErrorKind::Data`] when the text is nested deeper than the parser may go, or takes
/// more memory than a record may.
fn check_text(text: &str) -> Result<()> {
    memory::charge(text.len().saturating_mul(TREE))?;
    let mut open = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' | b'(' | b'<' => open += 1,
            b'}' | b']' | b')' | b'>' => open = open.saturating_sub(1),
            _ => continue,
        }
        if open > MAX_BRACKETS {
            return Err(refused("it is nested too deeply"));
        }
    }
    Ok(())
}

pub(super) fn refused(why: &str) -> Error {
    Error::data(format!("the Protobuf schema cannot be used: {why}"))
}
