//! The files that the AWS CLI and the SDKs share: `~/.aws/credentials` and `~/.aws/config`.

use std::collections::BTreeMap;

use connect_api::{Error, Result};

use crate::http::read;
use crate::sts::Role;
use crate::{Credentials, Environment};

const DEFAULT: &str = "default";
/// Profiles that lead to each other by `source_profile`.
const MOST_LINKS: usize = 8;

/// The settings of profiles, by their names.
#[derive(Default)]
pub(crate) struct Profiles(BTreeMap<String, BTreeMap<String, String>>);

/// What a profile says of credentials.
pub(crate) struct Found {
    /// What there is without a role.
    pub(crate) base: Base,
    /// The roles to take, one after the other.
    pub(crate) roles: Vec<Role>,
}

/// The credentials that a profile begins with.
pub(crate) enum Base {
    /// A key in the file.
    Keys(Credentials),
    /// The token in a file, shown for the role.
    WebIdentity { token_file: String, role: Role },
    /// `credential_source`.
    Environment,
    /// `credential_source`.
    Container,
    /// `credential_source`.
    Machine,
}

impl Profiles {
    /// Reads both files, where they are there.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for a file that is named and cannot be read.
    pub(crate) async fn read(environment: &Environment) -> Result<Self> {
        let mut profiles = Self::default();
        let home = environment.get("HOME");
        for (key, name) in [
            ("AWS_CONFIG_FILE", "config"),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ] {
            let named = environment.get(key);
            let default = || home.as_ref().map(|home| format!("{home}/.aws/{name}"));
            let Some(path) = named.clone().or_else(default) else {
                continue;
            };
            match read(&path).await {
                Ok(text) => profiles.add(&text, name == "config"),
                Err(error) if named.is_some() => return Err(error.context(key)),
                // Most machines have no such files.
                Err(_) => {}
            }
        }
        Ok(profiles)
    }

    /// What a later file says goes before: keys in `credentials` win.
    pub(crate) fn add(&mut self, text: &str, is_config: bool) {
        let mut section = None;
        for line in text.lines() {
            let is_part = line.starts_with([' ', '\t']);
            let line = line.trim();
            if line.starts_with(['#', ';']) || line.is_empty() {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                let name = name.split(']').next().unwrap_or_default().trim();
                let of_profile = name.strip_prefix("profile ").map(str::trim);
                section = match of_profile {
                    Some(name) if is_config => Some(name),
                    None if !is_config || name == DEFAULT => Some(name),
                    _ => None,
                };
                continue;
            }
            let pair = line.split_once('=').filter(|_| !is_part);
            if let (Some(section), Some((key, value))) = (section, pair) {
                let end = [" #", " ;", "\t#", "\t;"]
                    .iter()
                    .filter_map(|mark| value.find(mark));
                let value = &value[..end.min().unwrap_or(value.len())];
                let profile = self.0.entry(section.to_owned()).or_default();
                profile.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
            }
        }
    }

    /// A setting of a profile.
    pub(crate) fn get(&self, profile: &str, key: &str) -> Option<&str> {
        let value = self.0.get(profile)?.get(key)?.as_str();
        (!value.is_empty()).then_some(value)
    }

    /// The credentials of a profile; none when it says nothing of them.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for settings that lead nowhere, or are not followed.
    pub(crate) fn credentials(&self, named: &str) -> Result<Option<Found>> {
        let mut roles = Vec::new();
        let mut profile = named.to_owned();
        for _ in 0..MOST_LINKS {
            let get = |key: &str| self.get(&profile, key);
            let wrong = |why: String| Error::config(format!("profile {profile}: {why}"));
            // A role may be reached from the keys beside it, which name no role of their own.
            let own_role = get("role_arn").filter(|_| roles.is_empty() || profile != named);
            let Some(arn) = own_role else {
                let Some(base) = self.keys(&profile).map_err(wrong)? else {
                    return match roles.is_empty() {
                        true => Ok(None),
                        false => Err(wrong("it has no aws_access_key_id".into())),
                    };
                };
                roles.reverse();
                return Ok(Some(Found { base, roles }));
            };
            let role = Role {
                arn: arn.to_owned(),
                session_name: get("role_session_name").map(str::to_owned),
                external_id: get("external_id").map(str::to_owned),
            };
            if get("mfa_serial").is_some() {
                return Err(wrong("mfa_serial: nobody is there to be asked".into()));
            }
            if let Some(file) = get("web_identity_token_file") {
                let token_file = file.to_owned();
                roles.reverse();
                let base = Base::WebIdentity { token_file, role };
                return Ok(Some(Found { base, roles }));
            }
            roles.push(role);
            if let Some(source) = get("source_profile") {
                profile = source.to_owned();
                continue;
            }
            let base = match get("credential_source") {
                Some("Environment") => Base::Environment,
                Some("EcsContainer") => Base::Container,
                Some("Ec2InstanceMetadata") => Base::Machine,
                Some(other) => {
                    return Err(wrong(format!("credential_source {other} is not known")));
                }
                None => {
                    let why = "role_arn needs source_profile, credential_source or \
                               web_identity_token_file";
                    return Err(wrong(why.into()));
                }
            };
            roles.reverse();
            return Ok(Some(Found { base, roles }));
        }
        Err(Error::config(format!(
            "profile {named}: source_profile leads over more than {MOST_LINKS} profiles"
        )))
    }

    /// Whether there is a profile of a name.
    pub(crate) fn has(&self, profile: &str) -> bool {
        self.0.contains_key(profile)
    }

    fn keys(&self, profile: &str) -> std::result::Result<Option<Base>, String> {
        let get = |key: &str| self.get(profile, key);
        if let (Some(id), Some(secret)) = (get("aws_access_key_id"), get("aws_secret_access_key")) {
            let mut credentials = Credentials::new(id, secret);
            if let Some(token) = get("aws_session_token") {
                credentials = credentials.with_session_token(token);
            }
            return Ok(Some(Base::Keys(credentials)));
        }
        for key in ["credential_process", "sso_session", "sso_start_url"] {
            if get(key).is_some() {
                return Err(format!(
                    "{key} is not followed: no program is run and nobody logs in here; name keys, \
                     a role or a web identity token"
                ));
            }
        }
        match get("aws_access_key_id") {
            Some(_) => Err("aws_secret_access_key is missing".into()),
            None => Ok(None),
        }
    }
}

/// The profile that is meant: a name that is given, else that of the environment.
pub(crate) fn name(given: Option<&str>, environment: &Environment) -> String {
    let named = given.map(str::to_owned);
    let named = named.or_else(|| environment.get("AWS_PROFILE"));
    named.unwrap_or_else(|| DEFAULT.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(config: &str, credentials: &str) -> Profiles {
        let mut profiles = Profiles::default();
        profiles.add(config, true);
        profiles.add(credentials, false);
        profiles
    }

    fn said(profiles: &Profiles, name: &str) -> String {
        let found = match profiles.credentials(name) {
            Ok(Some(found)) => found,
            Ok(None) => return "none".into(),
            Err(error) => return error.to_string(),
        };
        let base = match found.base {
            Base::Keys(keys) => keys.access_key_id().to_owned(),
            Base::WebIdentity { token_file, role } => format!("{token_file}>{}", role.arn),
            Base::Environment => "environment".into(),
            Base::Container => "container".into(),
            Base::Machine => "machine".into(),
        };
        let roles = found.roles.into_iter().map(|role| role.arn);
        [base]
            .into_iter()
            .chain(roles)
            .collect::<Vec<_>>()
            .join(">")
    }

    const CONFIG: &str = "
# comment
[default]
region = eu-west-1 # here
s3 =
  addressing_style = path
[profile app]
role_arn = arn:app
source_profile = hub
[profile hub]
role_arn = arn:hub
source_profile=keys
[profile itself]
role_arn = arn:itself
source_profile = itself
aws_access_key_id = OWN
aws_secret_access_key = own#secret
[profile pod]
role_arn = arn:pod
web_identity_token_file = /token
[profile ec2]
role_arn = arn:ec2
credential_source = Ec2InstanceMetadata
[profile ring]
role_arn = arn:ring
source_profile = ring2
[profile ring2]
role_arn = arn:ring2
source_profile = ring
[profile sso]
sso_start_url = https://example.com
[profile bare]
role_arn = arn:bare
[stray]
aws_access_key_id = NO
aws_secret_access_key = no
";
    const CREDENTIALS: &str = "
[keys]
aws_access_key_id = KEY
aws_secret_access_key = very/secret+key=
[half]
aws_access_key_id = KEY
";

    #[test]
    fn profiles_lead_to_keys_and_roles() {
        let profiles = profiles(CONFIG, CREDENTIALS);
        assert_eq!(profiles.get("default", "region"), Some("eu-west-1"));
        for (name, expect) in [
            ("default", "none"),
            ("keys", "KEY"),
            ("app", "KEY>arn:hub>arn:app"),
            ("pod", "/token>arn:pod"),
            ("ec2", "machine>arn:ec2"),
            ("itself", "OWN>arn:itself"),
            ("stray", "none"),
            ("half", "profile half: aws_secret_access_key is missing"),
        ] {
            assert_eq!(said(&profiles, name), expect, "{name}");
        }
        for (name, part) in [
            ("sso", "sso_start_url is not followed"),
            ("bare", "role_arn needs source_profile"),
            ("ring", "aws_access_key_id"),
        ] {
            assert!(
                said(&profiles, name).contains(part),
                "{}",
                said(&profiles, name)
            );
        }
    }
}
