//! The addresses that the REST API listens on, and the one that others are told.

use connect_api::{Config, Error, Result};

/// How a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The word in front of `://`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Where the REST API is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// How it speaks.
    pub scheme: Scheme,
    /// host:port.
    pub address: String,
}

impl Listener {
    /// Reads `http://host:port`. No host is all interfaces.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] that names the option.
    pub fn parse(option: &str, text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::config(format!("{option}: {text}: {why}"));
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| invalid("no http:// or https:// in it"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(invalid("only http and https are known")),
        };
        let rest = rest.trim_end_matches('/');
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| invalid("no port"))?;
        port.parse::<u16>().map_err(|_| invalid("not a port"))?;
        let address = match host {
            "" => format!("0.0.0.0:{port}"),
            host => format!("{host}:{port}"),
        };
        Ok(Self { scheme, address })
    }

    /// The host that it is bound to.
    pub fn host(&self) -> &str {
        let host = self.address.rsplit_once(':').map_or("", |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// host:port that others reach this worker by.
pub(super) fn advertised(config: &Config, listeners: &[Listener]) -> Result<String> {
    let wanted = config.optional_text("rest.advertised.listener");
    let wanted = wanted.map(str::to_ascii_lowercase);
    let found = match wanted.as_deref() {
        None | Some("") => listeners.first(),
        Some(scheme @ ("http" | "https")) => {
            let found = listeners.iter().find(|one| one.scheme.name() == scheme);
            let missing = || {
                let why = format!("rest.advertised.listener is {scheme}, and listeners has none");
                Error::config(why)
            };
            Some(found.ok_or_else(missing)?)
        }
        Some(_) => {
            return Err(Error::config(
                "rest.advertised.listener: http or https is expected",
            ));
        }
    };
    let first = found.ok_or_else(|| Error::config("listeners is empty"))?;
    let address = &first.address;
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "8083"));
    let host = match (config.optional_text("rest.advertised.host.name"), host) {
        (Some(host), _) => host.to_owned(),
        (None, "0.0.0.0" | "[::]") => host_name(),
        (None, host) => host.to_owned(),
    };
    let port = match config.optional_integer("rest.advertised.port") {
        Some(port) => port.to_string(),
        None => port.to_owned(),
    };
    Ok(format!("{host}:{port}"))
}

/// The address that the machine's default route begins at. No packet is sent.
fn host_name() -> String {
    let routed = || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.connect("192.0.2.1:9").ok()?;
        Some(socket.local_addr().ok()?.ip().to_string())
    };
    routed().unwrap_or_else(|| "127.0.0.1".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_addresses() {
        for (listener, expect) in [
            (
                "http://:8083",
                Ok((Scheme::Http, "0.0.0.0:8083", "0.0.0.0")),
            ),
            (
                "HTTP://localhost:1/",
                Ok((Scheme::Http, "localhost:1", "localhost")),
            ),
            ("http://[::1]:8083", Ok((Scheme::Http, "[::1]:8083", "::1"))),
            (
                "https://:8443",
                Ok((Scheme::Https, "0.0.0.0:8443", "0.0.0.0")),
            ),
            ("ftp://:8443", Err("only http and https")),
            ("localhost:8083", Err("no http://")),
            ("http://localhost", Err("no")),
            ("http://localhost:90000", Err("not a port")),
        ] {
            match (Listener::parse("listeners", listener), expect) {
                (Ok(found), Ok((scheme, address, host))) => {
                    assert_eq!((found.scheme, found.address.as_str()), (scheme, address));
                    assert_eq!(found.host(), host);
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, _) => panic!("{listener}: {found:?}"),
            }
        }
    }
}
