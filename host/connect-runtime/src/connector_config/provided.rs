//! The values of a config as they are given, as config providers fill them in, and as answers show
//! them.

use connect_api::{ConfigKey, ConfigType, HIDDEN, Properties, mask};

use super::overrides::Refusal;
use super::{ConfigInfos, GivenConfig, Section, bounds, invalid, naming};
use crate::config::WorkerConfig;

/// A config beyond the bounds is not even looked at.
pub(super) fn check_bounds(given: &GivenConfig, plain: &Properties) -> Result<(), String> {
    let nulls = given.iter().filter(|(_, value)| value.is_none());
    let mut all = plain.clone();
    all.extend(nulls.map(|(key, _)| (key.clone(), String::new())));
    let refused = bounds::refusals(&all);
    let told = refused.iter().map(|Refusal { key, why }| invalid(key, why));
    match refused.is_empty() {
        true => Ok(()),
        false => Err(told.take(10).collect::<Vec<_>>().join("\n")),
    }
}

/// The values with what config providers gave, but for those that are names.
pub(super) fn resolved_values(
    worker: &WorkerConfig,
    plain: &Properties,
    names: &[Refusal],
) -> Result<Properties, String> {
    let mut asked = plain.clone();
    asked.retain(|key, _| !names.iter().any(|name| name.key == *key));
    let told = |error: connect_api::Error| mask(error.chain()).into_owned();
    let mut config = worker.providers().resolve(&asked).map_err(told)?;
    for Refusal { key, .. } in names {
        config.extend(plain.get(key).map(|value| (key.clone(), value.clone())));
    }
    let refused = bounds::refusals(&config);
    match refused.first() {
        Some(Refusal { key, why }) => Err(invalid(key, why)),
        None => Ok(config),
    }
}

/// A masked value that came back is told at its option.
pub(super) fn check_masks(sections: &mut [&mut Section], given: &Properties) {
    let of_password = |key: &&ConfigKey| key.kind == ConfigType::Password;
    let keys = sections.iter().flat_map(|section| &section.keys);
    let passwords: Vec<String> = keys
        .filter(of_password)
        .map(|k| k.name.to_string())
        .collect();
    let passwords: Vec<&str> = passwords.iter().map(String::as_str).collect();
    for Refusal { key, why } in naming::masks(given, &passwords) {
        let declares = |section: &Section| section.keys.iter().any(|k| k.name == *key);
        let at = sections.iter().position(|section| declares(section));
        let last = sections.len() - 1;
        if let Some(section) = sections.get_mut(at.unwrap_or(last)) {
            section.values.add(&key, invalid(&key, &why));
        }
    }
}

/// Where a config provider gave the value, the placeholder is shown, and no text tells what it gave
/// (Invariant 9).
pub(super) fn hide_provided(infos: &mut ConfigInfos, given: &Properties, resolved: &Properties) {
    for config in &mut infos.configs {
        let value = &mut config.value;
        if let (Some(given), Some(resolved)) = (given.get(&value.name), resolved.get(&value.name))
            && given != resolved
            && value.value.as_deref() != Some(HIDDEN)
        {
            value.value = Some(given.clone());
        }
        for error in &mut value.errors {
            *error = mask(std::mem::take(error)).into_owned();
        }
    }
}
