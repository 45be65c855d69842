//! Logins by Kerberos, of settings in Java's names. None of it needs Kerberos' libraries.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use connect_api::Properties;
use rdkafka::config::ClientConfig;

use super::{TicketSource, Tickets, carry};

const MODULE: &str = "com.sun.security.auth.module.Krb5LoginModule required";
const SERVICE: (&str, &str) = ("sasl.kerberos.service.name", "kafka");

/// A process has one login.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn properties(options: &str, more: &[(&str, &str)]) -> Properties {
    let jaas = ("sasl.jaas.config", format!("{MODULE} {options};"));
    let more = more.iter().map(|(key, value)| (*key, (*value).to_owned()));
    let all = more.chain([jaas]);
    all.map(|(key, value)| (key.to_owned(), value)).collect()
}

fn arguments(options: &str) -> Vec<String> {
    let source = TicketSource::new(&properties(options, &[SERVICE])).unwrap();
    let arguments = source.arguments().into_iter();
    arguments.map(|it| it.into_string().unwrap()).collect()
}

#[test]
fn the_login_module_says_how_tickets_are_had() {
    let keytab = tempfile::NamedTempFile::new().unwrap();
    let path = keytab.path().display().to_string();
    for keytab in [path.clone(), format!("FILE:{path}")] {
        assert_eq!(
            arguments(&format!(
                "useKeyTab=true storeKey=true doNotPrompt=true keyTab=\"{keytab}\" \
                 principal=\"connect/host@EXAMPLE.COM\""
            )),
            ["-k", "-t", &path, "connect/host@EXAMPLE.COM"]
        );
    }
    assert_eq!(
        arguments("useKeyTab=true principal=\"connect\""),
        ["-k", "connect"],
        "the keytab that krb5.conf names"
    );
    assert_eq!(
        arguments("useTicketCache=true renewTicket=true useKeyTab=false"),
        ["-R"]
    );
}

#[test]
fn what_is_missing_or_not_followed_is_refused_by_its_name() {
    for (options, more, expect) in [
        ("useKeyTab=true", vec![SERVICE], "principal is missing"),
        (
            "useKeyTab=true principal=\"-X\"",
            vec![SERVICE],
            "principal is not one",
        ),
        (
            "useKeyTab=true keyTab=\"/no/such.keytab\" principal=p",
            vec![SERVICE],
            "/no/such.keytab",
        ),
        ("principal=p", vec![SERVICE], "useKeyTab or useTicketCache"),
        ("useKeyTab=maybe", vec![SERVICE], "useKeyTab"),
        (
            "useTicketCache=true ticketCache=\"/tmp/x\"",
            vec![SERVICE],
            "KRB5CCNAME",
        ),
        (
            "useTicketCache=true isInitiator=false",
            vec![SERVICE],
            "isInitiator",
        ),
        ("useTicketCache=true keytab=x", vec![SERVICE], "keytab"),
        (
            "useTicketCache=true",
            vec![],
            "sasl.kerberos.service.name is missing",
        ),
        (
            "useTicketCache=true serviceName=\"other\"",
            vec![SERVICE],
            "not the same",
        ),
        (
            "useTicketCache=true",
            vec![SERVICE, ("sasl.kerberos.min.time.before.relogin", "0")],
            "sasl.kerberos.min.time.before.relogin",
        ),
    ] {
        let mut config = ClientConfig::new();
        let refused = carry(&mut config, &properties(options, &more));
        let told = refused.map_err(|error| error.chain());
        assert!(
            told.as_ref().is_err_and(|why| why.contains(expect)),
            "{options}: {told:?}"
        );
    }
    let none = carry(&mut ClientConfig::new(), &Properties::new());
    assert!(none.is_err_and(|error| error.chain().contains("Krb5LoginModule")));
}

#[test]
fn the_client_library_runs_no_command() {
    let mut config = ClientConfig::new();
    let options = "useTicketCache=true principal=\"connect\" serviceName=\"broker\"";
    carry(&mut config, &properties(options, &[])).unwrap();
    let of = |name: &str| config.get(&format!("sasl.kerberos.{name}"));
    assert_eq!(of("min.time.before.relogin"), Some("0"));
    assert_eq!(of("service.name"), Some("broker"));
    assert_eq!(of("principal"), Some("connect"));
}

/// A program in place of `kinit`, which writes its arguments down and does as `then` says.
fn program(folder: &Path, then: &str) -> PathBuf {
    let path = folder.join("kinit");
    let called = folder.join("called").display().to_string();
    std::fs::write(
        &path,
        format!("#!/bin/sh\necho \"$*\" >> {called}\n{then}\n"),
    )
    .unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn source(kinit: &Path, principal: &str) -> TicketSource {
    let options = format!("useKeyTab=true principal=\"{principal}\"");
    let kinit = kinit.display().to_string();
    let more = [
        SERVICE,
        ("sasl.kerberos.kinit.cmd", &kinit),
        ("sasl.kerberos.min.time.before.relogin", "20"),
    ];
    TicketSource::new(&properties(&options, &more)).unwrap()
}

fn calls(folder: &Path) -> usize {
    let called = std::fs::read_to_string(folder.join("called"));
    called.map_or(0, |text| text.lines().count())
}

#[test]
fn clients_share_a_login_that_is_renewed_and_ends_with_the_last_of_them() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for then in ["exit 0", "echo no >&2; exit 1"] {
        let folder = tempfile::tempdir().unwrap();
        let kinit = program(folder.path(), then);
        let first = Tickets::of(source(&kinit, "connect")).unwrap();
        assert!(calls(folder.path()) > 0, "the first client has waited");
        let second = Tickets::of(source(&kinit, "connect")).unwrap();
        let other = Tickets::of(source(&kinit, "another")).map(drop);
        let told = other.unwrap_err().chain();
        assert!(told.contains("one cache of tickets"), "{told}");
        drop(first);
        while calls(folder.path()) < 3 {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(second);
        // Another may log in now.
        drop(Tickets::of(source(&kinit, "another")).unwrap());
    }
}

#[test]
fn a_connector_cannot_log_in_as_another() {
    let jaas = format!("{MODULE} useTicketCache=true;");
    for (setting, value) in [
        ("sasl.jaas.config", &*jaas),
        ("sasl.kerberos.kinit.cmd", "/bin/sh"),
        ("sasl.kerberos.keytab", "/etc/krb5.keytab"),
    ] {
        let refused = crate::setting_refusal(crate::GivenBy::Connector, setting, Some(value));
        assert!(refused.is_some(), "{setting}");
    }
}

#[cfg(not(feature = "gssapi"))]
#[test]
fn a_build_without_kerberos_names_the_nearest() {
    let jaas = format!("{MODULE} keyTab=canary;");
    for (setting, value) in [
        ("sasl.mechanism", "GSSAPI"),
        ("sasl.jaas.config", &*jaas),
        ("sasl.kerberos.service.name", "kafka"),
    ] {
        let properties = [("security.protocol", "SASL_PLAINTEXT"), (setting, value)];
        let properties: Properties = properties
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect();
        let told = crate::client_config(&properties).map(drop).unwrap_err();
        let told = told.chain();
        assert!(
            told.contains("GSSAPI needs") && told.contains("SCRAM-SHA-512"),
            "{told}"
        );
        assert!(!told.contains("canary"), "{told}");
    }
}
