//! `--ports`: where the services of `ferrule dev` listen.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use super::say;

/// A service, its name in `--ports`, and its usual port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Kafka,
    Registry,
    Rest,
    Postgres,
    Http,
}

const SERVICES: [(Service, &str, u16); 5] = [
    (Service::Kafka, "kafka", 9092),
    (Service::Registry, "registry", 8081),
    (Service::Rest, "rest", 8083),
    (Service::Postgres, "postgres", 5432),
    (Service::Http, "http", 8080),
];

/// The ports that were asked for, in the order of the services; none: the usual one, or another
/// where that is taken. 0 is any free port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports([Option<u16>; 5]);

impl FromStr for Ports {
    type Err = String;

    /// Five ports, or four without the last, or `name=port` for some of them, or one 0 for all.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let port = |text: &str| {
            let parsed = text.parse::<u16>();
            parsed
                .map_err(|_| format!("{text:?} is no port: a number up to 65535, 0 for a free one"))
        };
        if parts == ["0"] {
            return Ok(Self([Some(0); 5]));
        }
        let mut ports = Self::default();
        if matches!(parts.len(), 4 | 5) && !text.contains('=') {
            for (asked, text) in ports.0.iter_mut().zip(parts) {
                *asked = Some(port(text)?);
            }
            return Ok(ports);
        }
        for part in parts {
            let Some((name, text)) = part.split_once('=') else {
                return Err(
                    "KAFKA,REGISTRY,REST,POSTGRES,HTTP is expected, or NAME=PORT for some of them, \
                            as kafka=19092,rest=0, or 0 for any free ports"
                        .into(),
                );
            };
            let at = SERVICES
                .iter()
                .position(|(_, known, _)| *known == name.trim());
            let Some(at) = at else {
                let known = SERVICES.map(|(_, name, _)| name);
                return Err(format!("{name:?} is not known: {}", known.join(", ")));
            };
            ports.0[at] = Some(port(text.trim())?);
        }
        Ok(ports)
    }
}

impl Ports {
    /// The address of a service: the port that was asked for, or the usual one, or a free one where
    /// something listens there already.
    pub fn address(self, service: Service) -> Result<SocketAddr> {
        let at = SERVICES.iter().position(|(known, ..)| *known == service);
        let (_, name, usual) = SERVICES[at.unwrap_or_default()];
        let asked = self.0[at.unwrap_or_default()];
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match asked {
            Some(0) => {}
            Some(port) => match TcpListener::bind(local(port)) {
                Ok(_) => return Ok(local(port)),
                Err(cause) => bail!(
                    "port {port} for {name} cannot be used ({cause}); give another one with --ports \
                     {name}=PORT"
                ),
            },
            None if TcpListener::bind(local(usual)).is_ok() => return Ok(local(usual)),
            None => {}
        }
        let other = TcpListener::bind(local(0)).context("no free port")?;
        let other = other.local_addr().context("no free port")?;
        if asked.is_none() {
            say(&format!(
                "port {usual} for {name} is taken; using {} (see --ports)",
                other.port()
            ));
        }
        Ok(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_given_in_order_or_by_name() {
        let ports = |text: &str| text.parse::<Ports>();
        assert_eq!(
            ports("1,2,3,0"),
            Ok(Ports([Some(1), Some(2), Some(3), Some(0), None]))
        );
        assert_eq!(
            ports("1,2,3,0,5"),
            Ok(Ports([Some(1), Some(2), Some(3), Some(0), Some(5)]))
        );
        assert_eq!(ports("0"), Ok(Ports([Some(0); 5])));
        let named = Ports([Some(9), None, Some(0), None, None]);
        assert_eq!(ports("rest=0, kafka=9"), Ok(named));
        for wrong in [
            "",
            "1",
            "1,2",
            "kafka=x",
            "kafka=70000",
            "zookeeper=1",
            "1,2,3,x",
        ] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_named_and_another_one_is_not_used() -> Result<()> {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = taken.local_addr()?.port();
        let mut ports = Ports::default();
        ports.0[0] = Some(port);
        let refusal = ports.address(Service::Kafka).unwrap_err().to_string();
        assert!(
            refusal.contains(&format!("port {port} for kafka")),
            "{refusal}"
        );
        ports.0[0] = Some(0);
        assert_ne!(ports.address(Service::Kafka)?.port(), port);
        Ok(())
    }
}
