//! `ReplaceField`: keeps, drops or renames fields.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use connect_api::json::Shapes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Field, Importance, Record,
    RecordPart, RecordTransformation, Result, Schema, Str, Validator,
};

use crate::plans::Plans;
use crate::rows::{self, Defaults, Row};

pub(crate) struct ReplaceField {
    part: RecordPart,
    exclude: HashSet<Str>,
    include: HashSet<Str>,
    renames: HashMap<Str, Str>,
    replace_null: bool,
    plans: Plans<Plan>,
    shapes: Shapes,
}

struct Plan {
    schema: Arc<Schema>,
    defaults: Defaults,
    /// Which fields stay. None: all.
    keep: Option<Vec<bool>>,
}

/// What `exclude` and `include` were called before Kafka 2.6 (KIP-629). Kafka 4 ignores these
/// names, and writes the fields that a config drops.
const BLACKLIST: &str = "blacklist";
const WHITELIST: &str = "whitelist";

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::new(
            "exclude",
            ConfigType::List,
            "",
            "Fields to exclude. This takes precedence over the fields to include.",
        ),
        ConfigKey::new(
            "include",
            ConfigType::List,
            "",
            "Fields to include. If specified, only these fields will be used.",
        ),
        ConfigKey::new("renames", ConfigType::List, "", "Field rename mappings.")
            .validator(Validator::Check(check_renames)),
        ConfigKey::new(
            BLACKLIST,
            ConfigType::List,
            "",
            "Deprecated. The name of exclude before Kafka 2.6 (KIP-629); exclude goes before it.",
        )
        .importance(Importance::Low),
        ConfigKey::new(
            WHITELIST,
            ConfigType::List,
            "",
            "Deprecated. The name of include before Kafka 2.6 (KIP-629); include goes before it.",
        )
        .importance(Importance::Low),
        rows::replace_null_with_default(),
    ])
}

fn check_renames(text: &str) -> std::result::Result<(), String> {
    let mut mappings = text.split(',').filter(|_| !text.is_empty());
    match mappings.find(|mapping| rename(mapping).is_none()) {
        Some(mapping) => Err(format!("Invalid rename mapping: {mapping}")),
        None => Ok(()),
    }
}

fn rename(mapping: &str) -> Option<(&str, &str)> {
    let (old, new) = mapping.split_once(':')?;
    (!new.is_empty() && !new.contains(':')).then_some((old, new))
}

impl ReplaceField {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        // Where both are given the new name counts, as in Kafka up to 3.9.
        let set = |name, former| {
            let given = config.list(name);
            let fields = if given.is_empty() {
                config.list(former)
            } else {
                given
            };
            let named = fields.iter().filter(|field| !field.is_empty());
            named.map(Str::from).collect()
        };
        let mut renames = HashMap::new();
        for mapping in config.list("renames") {
            let (old, new) = rename(mapping)
                .ok_or_else(|| Error::config(format!("Invalid rename mapping: {mapping}")))?;
            renames.insert(old.into(), new.into());
        }
        Ok(Self {
            part,
            exclude: set("exclude", BLACKLIST),
            include: set("include", WHITELIST),
            renames,
            replace_null: config.flag(rows::REPLACE_NULL),
            plans: Plans::default(),
            shapes: Shapes::default(),
        })
    }
}

impl RecordTransformation for ReplaceField {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = rows::datum(record, self.part);
        if datum.value.is_null() {
            return Ok(Disposition::Keep);
        }
        let mut row = Row::take(datum, &mut self.shapes, "field replacement")?;
        let (exclude, include, renames) = (&self.exclude, &self.include, &self.renames);
        let (schemaless, replace_null) = (row.schemaless, self.replace_null);
        let plan = self.plans.plan(&row.schema, |schema| {
            let filter =
                |name| !exclude.contains(name) && (include.is_empty() || include.contains(name));
            let fields = rows::fields(schema);
            let mut keep: Vec<bool> = fields.iter().map(|f| filter(&f.name)).collect();
            let renamed = |i: usize| renames.get(&fields[i].name).unwrap_or(&fields[i].name);
            if schemaless {
                // The last of two fields of one name wins, as in a map.
                let mut names = HashSet::with_capacity(keep.len());
                for i in (0..keep.len()).rev() {
                    keep[i] = keep[i] && names.insert(renamed(i));
                }
            }
            let kept = (0..keep.len()).filter(|i| keep[*i]);
            let kept = kept.map(|i| Field::new(renamed(i).clone(), Arc::clone(&fields[i].schema)));
            Ok(Plan {
                schema: rows::with_fields(schema, kept.collect())?,
                defaults: Defaults::of(schema, replace_null),
                keep: keep.contains(&false).then_some(keep),
            })
        })?;
        plan.defaults.fill(&mut row.values)?;
        if let Some(keep) = &plan.keep {
            let mut keep = keep.iter();
            row.values.retain(|_| keep.next() == Some(&true));
        }
        row.put(datum, &plan.schema);
        Ok(Disposition::Keep)
    }
}
