//! The schemas of the records that are read, by their ids: each is asked for once, and compiled.

use std::collections::HashMap;
use std::time::Instant;

use connect_api::memory::{KeptBytes, Room};
use connect_api::{Error, ErrorKind, Result};

use super::subjects::SchemaFormat;
use super::unknown::Unknown;
use super::{BlockingRegistry, Lookup, Registered};

/// Ids of schemas that cannot be read which are kept: garbage may hold any number.
const MAX_UNUSABLE: usize = 1024;
/// Characters that are kept of what is wrong with one.
const MAX_WHY: usize = 500;

/// A schema that is ready to read with.
pub(crate) trait Readable {
    /// About how many bytes of memory it takes.
    fn memory(&self) -> usize;
}

/// Schemas by their ids.
pub(crate) struct Schemas<C> {
    format: SchemaFormat,
    /// The id of the record before, which mostly is the next one's.
    last: Option<(u32, C)>,
    /// All others. An id never gets another schema.
    known: HashMap<u32, C>,
    kept: KeptBytes,
    /// Nor does one whose schema cannot be used become usable.
    unusable: HashMap<u32, String>,
    unknown: Unknown<u32>,
}

impl<C: Readable> Schemas<C> {
    pub(crate) fn new(format: SchemaFormat) -> Self {
        Self {
            format,
            last: None,
            known: HashMap::new(),
            kept: KeptBytes::default(),
            unusable: HashMap::new(),
            unknown: Unknown::default(),
        }
    }

    /// The schema of an id.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] when there is none or it cannot be used, [`ErrorKind::Retriable`] when
    /// the registry does not answer, [`ErrorKind::Config`] when it refuses to.
    pub(crate) fn get(
        &mut self,
        registry: &BlockingRegistry,
        id: u32,
        compile: impl FnOnce(&Registered) -> Result<C>,
    ) -> Result<&mut C> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != id) {
            let compiled = match self.known.remove(&id) {
                Some(compiled) => compiled,
                None => self.fetch(registry, id, compile)?,
            };
            if let Some((before, compiled)) = self.last.replace((id, compiled)) {
                self.known.insert(before, compiled);
            }
        }
        match &mut self.last {
            Some((_, compiled)) => Ok(compiled),
            None => Err(Error::fatal("the schema that was just fetched is gone")),
        }
    }

    fn fetch(
        &mut self,
        registry: &BlockingRegistry,
        id: u32,
        compile: impl FnOnce(&Registered) -> Result<C>,
    ) -> Result<C> {
        let named = |error: Error| error.context(format!("schema id {id}"));
        if let Some(why) = self.unusable.get(&id) {
            return Err(Error::data(why.clone()));
        }
        if self.unknown.holds(&id, Instant::now()) {
            return Err(named(super::unknown()));
        }
        let fetched = match registry.schema(id, self.format).map_err(named) {
            Ok(Lookup::Found(fetched)) => fetched,
            Ok(Lookup::Unknown(why)) => {
                return Err(self.unknown.missing(id, named(why), Instant::now()));
            }
            Err(error) => return Err(self.remember_unusable(id, error)),
        };
        self.unknown.found(&id);
        match compile(&fetched).map_err(named) {
            Ok(compiled) => {
                if self.kept.add(compiled.memory()) == Room::AfterClearing {
                    self.known.clear();
                }
                Ok(compiled)
            }
            Err(error) => Err(self.remember_unusable(id, error)),
        }
    }

    /// What is wrong with a schema stays so: it is not asked for again.
    fn remember_unusable(&mut self, id: u32, error: Error) -> Error {
        if error.kind() == ErrorKind::Data {
            if self.unusable.len() >= MAX_UNUSABLE {
                self.unusable.clear();
            }
            // It may quote a name, which may be as long as a schema.
            let why = error.to_string().chars().take(MAX_WHY).collect();
            self.unusable.insert(id, why);
        }
        error
    }
}
