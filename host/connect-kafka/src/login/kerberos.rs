//! Logins by Kerberos (SASL GSSAPI, RFC 4752), in a build with the feature `gssapi`.
//!
//! Cyrus SASL, by which librdkafka logs in, takes the tickets of the process's credential cache
//! (`KRB5CCNAME`). librdkafka would fill the cache by a shell, once a minute for each client. One
//! thread does it for all clients, by `kinit` alone. The cache holds the tickets of one principal,
//! so that a process has one such login.

mod tickets;

use std::path::PathBuf;
use std::time::Duration;

use connect_api::{Error, Properties, Result, check_config_file};
use connect_oauth::jaas::LoginModule;
use rdkafka::config::ClientConfig;

use super::settings::{JAAS, flag};
pub(super) use tickets::Tickets;

/// Whether this build has Kerberos' libraries.
pub(crate) const BUILT_IN: bool = cfg!(feature = "gssapi");

pub(crate) const MECHANISM: &str = "GSSAPI";

pub(crate) const KINIT: &str = "sasl.kerberos.kinit.cmd";
const SERVICE: &str = "sasl.kerberos.service.name";
const RENEWAL: &str = "sasl.kerberos.min.time.before.relogin";
const KEYTAB: &str = "sasl.kerberos.keytab";
const PRINCIPAL: &str = "sasl.kerberos.principal";

/// Kafka's defaults.
const DEFAULT_KINIT: &str = "/usr/bin/kinit";
const DEFAULT_RENEWAL: Duration = Duration::from_secs(60);

/// Options of `Krb5LoginModule` that change nothing here: no one is asked for a password, keys stay
/// in their file, and `krb5.conf` is read for each ticket.
const WITHOUT_EFFECT: &[&str] = &[
    "clearPass",
    "debug",
    "doNotPrompt",
    "refreshKrb5Config",
    "renewTGT",
    "renewTicket",
    "storeKey",
    "storePass",
    "tryFirstPass",
    "useFirstPass",
];

/// Where the tickets of a login come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TicketSource {
    /// Whose tickets they are; none: whoever's are in the cache.
    principal: Option<String>,
    keys: Keys,
    /// The program `kinit`.
    kinit: PathBuf,
    /// How long tickets are used until they are asked for again.
    renewal: Duration,
}

/// What a ticket is asked for with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Keys {
    /// A file of keys; none: the one that Kerberos' own settings name.
    Keytab(Option<PathBuf>),
    /// The tickets of the cache, which somebody else puts there. They are renewed where that is
    /// possible.
    TicketCache,
}

/// Adds a login by Kerberos to a client's settings, which `properties` in Java's names describe.
/// librdkafka's own settings carry it until the client is made.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] naming the setting that is missing or wrong.
pub(super) fn carry(config: &mut ClientConfig, properties: &Properties) -> Result<()> {
    let source = TicketSource::new(properties)?;
    config.set(SERVICE, service(properties)?);
    if let Some(principal) = &source.principal {
        config.set(PRINCIPAL, principal);
    }
    if let Keys::Keytab(Some(keytab)) = &source.keys {
        config.set(KEYTAB, keytab.display().to_string());
    }
    // librdkafka runs no command.
    config.set(RENEWAL, "0");
    Ok(())
}

/// The name that the brokers have in Kerberos, in front of their hosts'. By Kafka's rules.
fn service(properties: &Properties) -> Result<String> {
    let module = module(properties)?;
    let of_module = module.option("serviceName");
    let given = properties.get(SERVICE).map(|name| name.trim());
    match (of_module, given) {
        (Some(one), Some(other)) if one != other => Err(Error::config(format!(
            "{JAAS}: its serviceName and {SERVICE} are not the same"
        ))),
        (Some(name), _) | (None, Some(name)) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(Error::config(format!(
            "{SERVICE} is missing: it is the name of the brokers in Kerberos, kafka as a rule"
        ))),
    }
}

fn module(properties: &Properties) -> Result<LoginModule> {
    let jaas = properties.get(JAAS).ok_or_else(|| {
        Error::config(format!(
            "{JAAS} is missing: {MECHANISM} wants com.sun.security.auth.module.Krb5LoginModule, \
             with useKeyTab=true, keyTab and principal, or useTicketCache=true"
        ))
    })?;
    LoginModule::parse(jaas).map_err(|why| Error::config(format!("{JAAS}: {why}")))
}

impl TicketSource {
    /// That which settings in Java's names describe.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming the setting that is missing or wrong.
    pub(super) fn new(properties: &Properties) -> Result<Self> {
        let module = module(properties)?;
        let keys = Self::keys(&module).map_err(|why| why.context(JAAS))?;
        let principal = module.option("principal").map(str::to_owned);
        match (&principal, &keys) {
            (None, Keys::Keytab(_)) => {
                return Err(Error::config(format!("{JAAS}: principal is missing")));
            }
            // It is an argument of `kinit`, which must not take it for an option.
            (Some(name), _) if name.is_empty() || name.starts_with('-') => {
                return Err(Error::config(format!("{JAAS}: principal is not one")));
            }
            _ => {}
        }
        let kinit = properties.get(KINIT).map_or(DEFAULT_KINIT, |path| path);
        let renewal = match properties.get(RENEWAL) {
            Some(value) => renewal(value).map_err(|why| why.context(RENEWAL))?,
            None => DEFAULT_RENEWAL,
        };
        Ok(Self {
            principal,
            keys,
            kinit: kinit.into(),
            renewal,
        })
    }

    /// What the options of the login module say of it.
    fn keys(module: &LoginModule) -> Result<Keys> {
        let is_set = |name: &str| match module.option(name) {
            Some(value) => flag(value).map_err(|why| why.context(name)),
            None => Ok(false),
        };
        for (name, value) in module.options() {
            match name {
                "useKeyTab" | "useTicketCache" | "keyTab" | "principal" | "serviceName" => {}
                "isInitiator" if flag(value).is_ok_and(|is_set| is_set) => {}
                "ticketCache" => {
                    return Err(Error::config(
                        "ticketCache is not followed: KRB5CCNAME in the worker's environment names \
                         the cache",
                    ));
                }
                _ if WITHOUT_EFFECT.contains(&name) => {}
                _ => {
                    return Err(Error::config(format!(
                        "{name} is not an option of a login by Kerberos that is followed"
                    )));
                }
            }
        }
        if is_set("useKeyTab")? {
            let keytab = module.option("keyTab");
            // Java takes it with `FILE:` in front, too.
            let path = keytab.map(|path| PathBuf::from(path.strip_prefix("FILE:").unwrap_or(path)));
            if let Some(path) = &path {
                check_config_file(path).map_err(|cause| {
                    let why = format!("keyTab: the file {} cannot be used", path.display());
                    Error::config(why).with_source(cause)
                })?;
            }
            return Ok(Keys::Keytab(path));
        }
        match is_set("useTicketCache")? {
            true => Ok(Keys::TicketCache),
            false => Err(Error::config(
                "useKeyTab or useTicketCache must be true: nobody is asked for a password",
            )),
        }
    }

    /// The arguments of `kinit`.
    fn arguments(&self) -> Vec<std::ffi::OsString> {
        let mut arguments: Vec<std::ffi::OsString> = Vec::new();
        match &self.keys {
            Keys::Keytab(keytab) => {
                arguments.push("-k".into());
                if let Some(keytab) = keytab {
                    arguments.extend(["-t".into(), keytab.into()]);
                }
            }
            Keys::TicketCache => arguments.push("-R".into()),
        }
        arguments.extend(self.principal.iter().map(Into::into));
        arguments
    }
}

fn renewal(value: &str) -> Result<Duration> {
    let millis: Option<u64> = value.trim().parse().ok();
    let millis = millis.filter(|millis| *millis > 0);
    let millis = millis.ok_or_else(|| Error::config("it must be a positive number of ms"))?;
    Ok(Duration::from_millis(millis))
}

/// Whether a setting that logins by Kerberos are made of may have a value.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] without its name.
pub(super) fn check_value(setting: &str, value: &str) -> Result<()> {
    match setting {
        RENEWAL => renewal(value).map(drop),
        SERVICE => match value.trim().is_empty() {
            true => Err(Error::config("it must not be empty")),
            false => Ok(()),
        },
        KINIT => {
            let path = std::path::Path::new(value);
            match path.is_absolute() && path.is_file() {
                true => Ok(()),
                false => Err(Error::config(
                    "it must be the absolute path of the program kinit, without arguments",
                )),
            }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
