//! Changes of a connector's config.

use connect_api::Properties;

use super::command::{ConfigChange, ConnectorView};
use super::{Herder, HerderError, not_found};
use crate::connector_config::{self, GivenConfig};
use crate::storage::records;

impl Herder {
    /// Validates and stores a config; true when the connector is new. A config that is refused
    /// changes nothing.
    pub(super) async fn configure(
        &mut self,
        name: &str,
        change: ConfigChange,
    ) -> Result<(bool, ConnectorView), HerderError> {
        let old = self.state.config(name);
        let is_new = old.is_none();
        let (given, initial_state) = match (change, old) {
            (ConfigChange::Create(..), Some(_)) => {
                return Err(HerderError::AlreadyExists(name.to_owned()));
            }
            (ConfigChange::Create(config, state), None) => (config, state),
            (ConfigChange::Put(config), _) => (config, None),
            (ConfigChange::Patch(_), None) => return Err(not_found(name)),
            (ConfigChange::Patch(patch), Some(old)) => (patched(old, patch), None),
        };
        let config = self.validated(name, given)?;
        if let Some(state) = initial_state {
            // First: a reader that stops in between must not start it.
            self.write(records::target_state(name, state)).await?;
        }
        self.write(records::connector(name, &config)).await?;
        self.settle().await;
        let view = self.view(name).ok_or_else(|| not_found(name))?;
        Ok((is_new, view))
    }

    fn validated(&self, name: &str, mut given: GivenConfig) -> Result<Properties, HerderError> {
        given
            .entry("name".into())
            .or_insert_with(|| Some(name.to_owned()));
        let plugins = &self.shared.plugins;
        let infos = connector_config::validate(plugins, &self.shared.config, &given)
            .map_err(HerderError::BadRequest)?;
        if let Some(refusal) = infos.refusal() {
            return Err(HerderError::BadRequest(refusal));
        }
        let config = given
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        connector_config::warn_of_unknown(plugins, &config, &infos);
        Ok(config)
    }
}

fn patched(old: &Properties, patch: GivenConfig) -> GivenConfig {
    let mut config: GivenConfig = old
        .iter()
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .collect();
    for (key, value) in patch {
        match value {
            None => config.remove(&key),
            value => config.insert(key, value),
        };
    }
    config
}
