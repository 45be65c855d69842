//! `oneOf`, `anyOf` and `allOf`, and types that are several.

use connect_api::{Field, Kind, Result, Schema};
use serde_json::{Map, Value as Json};

use super::{Compiler, refused, required, text, type_of};
use crate::json::payload::union::{ONE_OF, UNION};
use crate::json_schema::references::Place;

/// How schemas are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Criterion {
    /// `oneOf` or `anyOf`.
    One,
    /// `allOf`.
    All,
}

/// Schemas that are combined within one.
pub(super) struct Part<'a> {
    criterion: Criterion,
    of: Of<'a>,
}

enum Of<'a> {
    Schemas(&'a [Json]),
    /// Names of types, of which the rest of the schema is.
    Types(&'a [Json]),
}

impl Part<'_> {
    fn len(&self) -> usize {
        match self.of {
            Of::Schemas(all) | Of::Types(all) => all.len(),
        }
    }
}

/// What a schema combines; nothing where it is of one type.
pub(super) fn parts(all: &Map<String, Json>) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for (name, criterion) in [
        ("oneOf", Criterion::One),
        ("anyOf", Criterion::One),
        ("allOf", Criterion::All),
    ] {
        if let Some(schemas) = all.get(name).and_then(Json::as_array) {
            let of = Of::Schemas(schemas);
            parts.push(Part { criterion, of });
        }
    }
    match all.get("type").and_then(Json::as_array) {
        Some(types) if types.len() > 1 && parts.is_empty() => parts.push(Part {
            criterion: Criterion::One,
            of: Of::Types(types),
        }),
        _ => {}
    }
    parts
}

/// One of the schemas that are combined.
enum Member<'a> {
    Schema(&'a Json),
    Type(&'a str),
}

impl<'a> Compiler<'a> {
    pub(super) fn combined(
        &mut self,
        place: Place<'a>,
        all: &'a Map<String, Json>,
        parts: &[Part<'a>],
        is_optional: bool,
    ) -> Result<Schema> {
        let [part] = parts else {
            return self.all_of(place, is_optional);
        };
        // An object with properties beside what it combines has all of them.
        if part.criterion == Criterion::All || all.contains_key("properties") {
            return self.all_of(place, is_optional);
        }
        let mut schema = self.one_of(place, all, part, is_optional)?;
        if schema.is_union {
            self.attributes(&mut schema.schema, all)?;
            schema.schema.optional |= is_optional;
        }
        Ok(schema.schema)
    }

    fn one_of(
        &mut self,
        place: Place<'a>,
        all: &'a Map<String, Json>,
        part: &Part<'a>,
        is_optional: bool,
    ) -> Result<OneOf> {
        let members: Vec<Member<'a>> = match part.of {
            Of::Schemas(schemas) => schemas.iter().map(Member::Schema).collect(),
            Of::Types(types) => types
                .iter()
                .filter_map(Json::as_str)
                .map(Member::Type)
                .collect(),
        };
        let is_null = |member: &Member<'a>| match member {
            Member::Schema(json) => json.get("type").and_then(Json::as_str) == Some("null"),
            Member::Type(name) => *name == "null",
        };
        let has_null = members.iter().any(is_null);
        let mut members: Vec<_> = members.into_iter().filter(|m| !is_null(m)).collect();
        let alone = |schema| OneOf {
            schema,
            is_union: false,
        };
        if let ([member], true) = (&members[..], has_null && part.len() == 2) {
            return self.member(member, place, all, true).map(alone);
        }
        if let ([member], true) = (
            &members[..],
            self.settings.flatten_singletons && part.len() == 1,
        ) {
            return self.member(member, place, all, is_optional).map(alone);
        }
        // As the library that Confluent uses orders them: combined ones first.
        members.sort_by_key(|member| match member {
            Member::Schema(json) => json.as_object().is_none_or(|all| parts(all).is_empty()),
            Member::Type(_) => true,
        });
        let generalized = self.settings.generalized_sum_types;
        let name = match generalized {
            true => format!("connect_union_{}", self.unions),
            false => ONE_OF.to_owned(),
        };
        self.unions += 1;
        let mut fields = Vec::new();
        for (at, member) in members.iter().enumerate() {
            let field = match generalized {
                true => format!("connect_union_field_{at}"),
                false => format!("{name}.field.{at}"),
            };
            let schema = self.member(member, place, all, true)?;
            fields.push(Field::new(field, schema));
        }
        let mut schema = Schema::new(Kind::Struct(fields)).named(&*name);
        schema.optional = has_null;
        if generalized {
            schema.parameters.push((UNION.into(), name.into()));
        }
        Ok(OneOf {
            schema,
            is_union: true,
        })
    }

    fn member(
        &mut self,
        member: &Member<'a>,
        place: Place<'a>,
        all: &'a Map<String, Json>,
        is_optional: bool,
    ) -> Result<Schema> {
        match member {
            Member::Schema(json) => self.within(json, place, is_optional),
            Member::Type(name) => {
                let mut schema = self.simple(name, all, place)?;
                self.attributes(&mut schema, all)?;
                schema.optional |= is_optional;
                Ok(schema)
            }
        }
    }

    /// A schema of which all of several hold: a struct with the properties of all, or the one that
    /// tells the type.
    fn all_of(&mut self, place: Place<'a>, is_optional: bool) -> Result<Schema> {
        let mut properties = Vec::new();
        self.collect(place, &mut properties, 0)?;
        if !properties.is_empty() {
            let mut fields: Vec<Field> = Vec::new();
            for property in properties {
                let is_optional = self.settings.optional_for_nonrequired && !property.is_required;
                let schema = self.schema(property.place, is_optional);
                let schema =
                    schema.map_err(|e| e.context(format!("property {}", property.name)))?;
                let field = Field::new(property.name, schema);
                match fields.iter_mut().find(|known| known.name == field.name) {
                    Some(known) => *known = field,
                    None => fields.push(field),
                }
            }
            let mut schema = Schema::new(Kind::Struct(fields));
            schema.optional = is_optional;
            return Ok(schema);
        }
        let all = place.json.as_object();
        let own = all.map(parts).unwrap_or_default();
        let schemas = own.iter().flat_map(|part| match part.of {
            Of::Schemas(schemas) => schemas,
            Of::Types(_) => &[],
        });
        let schemas: Vec<&'a Json> = schemas.collect();
        let is_combined =
            |json: &&&Json| json.as_object().is_some_and(|all| !parts(all).is_empty());
        let is_typed = |json: &&&Json| json.as_object().is_some_and(|all| type_of(all).is_some());
        let named = |json: &&&Json| json.get("enum").is_some() || json.get("$ref").is_some();
        let found = schemas.iter().find(is_combined);
        let found = found.or_else(|| schemas.iter().find(named));
        let found = found.or_else(|| schemas.iter().find(is_typed));
        let found = found.ok_or_else(|| refused("an allOf that tells no type"))?;
        self.within(found, place, is_optional)
    }

    /// The properties of an object, and of all that hold with it.
    fn collect(
        &mut self,
        place: Place<'a>,
        into: &mut Vec<Property<'a>>,
        depth: usize,
    ) -> Result<()> {
        self.size += 1;
        if depth > super::MAX_DEPTH || self.size > super::MAX_SIZE {
            return Err(refused("it is nested too deeply, or too large"));
        }
        let Some(all) = place.json.as_object() else {
            return Ok(());
        };
        if let Some(reference) = text(all, "$ref") {
            let found = self.documents.find(reference, place.document)?;
            return self.collect(found, into, depth + 1);
        }
        if let Some(schemas) = all.get("allOf").and_then(Json::as_array) {
            for json in schemas {
                let document = place.document;
                self.collect(Place { json, document }, into, depth + 1)?;
            }
        }
        let required = required(all);
        let properties = all.get("properties").and_then(Json::as_object);
        for (name, json) in properties.into_iter().flatten() {
            into.push(Property {
                name,
                place: Place {
                    json,
                    document: place.document,
                },
                is_required: required.contains(&name.as_str()),
            });
        }
        Ok(())
    }
}

struct OneOf {
    schema: Schema,
    /// And not the only one of its schemas.
    is_union: bool,
}

struct Property<'a> {
    name: &'a str,
    place: Place<'a>,
    is_required: bool,
}
