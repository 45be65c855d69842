//! The `.proto` text of messages.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A message that is being defined.
#[derive(Debug, Default)]
pub(super) struct MessageText {
    pub name: String,
    /// Fields, each a line without indentation.
    pub fields: Vec<String>,
    pub oneofs: Vec<OneofText>,
    pub enums: Vec<EnumText>,
    pub messages: Vec<MessageText>,
}

#[derive(Debug)]
pub(super) struct OneofText {
    pub name: String,
    pub fields: Vec<String>,
}

#[derive(Debug)]
pub(super) struct EnumText {
    pub name: String,
    /// Each a line.
    pub values: Vec<String>,
}

impl MessageText {
    /// Whether a type within it, or a field, has this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.messages.iter().any(|message| message.name == name)
            || self.enums.iter().any(|symbols| symbols.name == name)
    }

    fn write(&self, level: usize, out: &mut String) {
        let indent = "  ".repeat(level);
        // Writing to a string does not fail.
        let _ = writeln!(out, "{indent}message {} {{", self.name);
        for field in &self.fields {
            let _ = writeln!(out, "{indent}  {field}");
        }
        for oneof in &self.oneofs {
            let _ = writeln!(out, "{indent}  oneof {} {{", oneof.name);
            for field in &oneof.fields {
                let _ = writeln!(out, "{indent}    {field}");
            }
            let _ = writeln!(out, "{indent}  }}");
        }
        for symbols in &self.enums {
            let _ = writeln!(out, "{indent}  enum {} {{", symbols.name);
            for value in &symbols.values {
                let _ = writeln!(out, "{indent}    {value}");
            }
            let _ = writeln!(out, "{indent}  }}");
        }
        for message in &self.messages {
            message.write(level + 1, out);
        }
        let _ = writeln!(out, "{indent}}}");
    }
}

/// The whole text of a message in a package.
pub(super) fn file(
    package: Option<&str>,
    imports: &BTreeSet<&'static str>,
    message: &MessageText,
) -> String {
    let mut out = String::from("syntax = \"proto3\";\n");
    if let Some(package) = package {
        let _ = writeln!(out, "package {package};");
    }
    out.push('\n');
    for import in imports {
        let _ = writeln!(out, "import \"{import}\";");
    }
    if !imports.is_empty() {
        out.push('\n');
    }
    message.write(0, &mut out);
    out
}

/// Google's wrappers, in the order of their file.
pub(super) const WRAPPERS: &[(&str, &str)] = &[
    ("DoubleValue", "double"),
    ("FloatValue", "float"),
    ("Int64Value", "int64"),
    ("UInt64Value", "uint64"),
    ("Int32Value", "int32"),
    ("UInt32Value", "uint32"),
    ("BoolValue", "bool"),
    ("StringValue", "string"),
    ("BytesValue", "bytes"),
];

/// The text of Google's file of wrappers.
pub(super) fn wrappers() -> String {
    let mut out = String::from("syntax = \"proto3\";\npackage google.protobuf;\n");
    for (name, kind) in WRAPPERS {
        let _ = write!(out, "\nmessage {name} {{\n  {kind} value = 1;\n}}\n");
    }
    out
}
