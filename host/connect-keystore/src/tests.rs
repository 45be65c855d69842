//! Stores that `keytool` of Java 17 has made: an authority's certificate, and a client's with its
//! key. Their password is `changeit`; the key in `key.jks` has another one.

use connect_api::Secret;

use super::{Passwords, StoreFormat, certificates, identity, to_pem};

const KEY_JKS: &[u8] = include_bytes!("tests/key.jks");
const KEY_PKCS12: &[u8] = include_bytes!("tests/key.pkcs12");
/// As Java before 8u301 made it (`keystore.pkcs12.legacy`).
const LEGACY_PKCS12: &[u8] = include_bytes!("tests/legacy.pkcs12");
const TRUST_JKS: &[u8] = include_bytes!("tests/trust.jks");
const TRUST_PKCS12: &[u8] = include_bytes!("tests/trust.pkcs12");

/// What reading a store with these passwords gives: how many certificates its key has, or why
/// there is none.
fn chain(bytes: &[u8], store: &str, key: Option<&str>) -> Result<usize, String> {
    let (store, key) = (Secret::new(store), key.map(Secret::new));
    let passwords = Passwords {
        store: Some(&store),
        key: key.as_ref(),
    };
    identity(bytes, None, passwords).map(|identity| identity.chain.len())
}

fn trusted(bytes: &[u8], password: Option<&str>) -> Result<Vec<String>, String> {
    let password = password.map(Secret::new);
    let passwords = Passwords {
        store: password.as_ref(),
        key: None,
    };
    let found = certificates(bytes, None, passwords)?;
    let names = found.iter().map(|it| format!("{:?}", it.subject_name()));
    let mut names: Vec<_> = names.collect();
    names.sort();
    Ok(names)
}

#[test]
fn keys_come_with_their_certificates() {
    assert_eq!(chain(KEY_JKS, "changeit", Some("other-password")), Ok(2));
    assert_eq!(chain(KEY_PKCS12, "changeit", None), Ok(2));
    assert_eq!(chain(LEGACY_PKCS12, "changeit", None), Ok(1));
    // As PEM, it is the same identity.
    let store = Secret::new("changeit");
    let passwords = Passwords {
        store: Some(&store),
        key: None,
    };
    let own = identity(KEY_PKCS12, Some(StoreFormat::Pkcs12), passwords).unwrap();
    let pem = to_pem(&own.chain).unwrap() + own.key_pem().unwrap().expose();
    let again = identity(pem.as_bytes(), None, Passwords::default()).unwrap();
    assert!(again.key.public_eq(&own.key));
    assert_eq!(to_pem(&again.chain), to_pem(&own.chain));
}

/// Java leaves the public half of a key out, and rustls takes none without.
#[test]
fn a_key_has_its_public_half() {
    let (store, other) = (Secret::new("changeit"), Secret::new("other-password"));
    for (bytes, key) in [(KEY_JKS, Some(&other)), (KEY_PKCS12, None)] {
        let passwords = Passwords {
            store: Some(&store),
            key,
        };
        let own = identity(bytes, None, passwords).unwrap();
        let public = own.chain[0]
            .public_key()
            .unwrap()
            .public_key_to_der()
            .unwrap();
        // The point, uncompressed.
        let point = &public[public.len() - 65..];
        let der = own.key.private_key_to_pkcs8().unwrap();
        assert!(der.windows(point.len()).any(|window| window == point));
    }
}

#[test]
fn truststores_are_read_with_and_without_a_password() {
    for (bytes, password) in [
        (TRUST_JKS, Some("changeit")),
        (TRUST_JKS, None),
        (KEY_JKS, Some("changeit")),
        (TRUST_PKCS12, Some("changeit")),
    ] {
        let names = trusted(bytes, password).unwrap();
        assert_eq!(names.len(), 2);
        assert!(
            names[0].contains("authority") && names[1].contains("client"),
            "{names:?}"
        );
    }
}

#[test]
fn what_is_wrong_is_said_without_the_password() {
    for (found, expect) in [
        (chain(KEY_JKS, "canary", None), "that the password opens"),
        (
            chain(KEY_JKS, "changeit", None),
            "that the password does not open",
        ),
        (chain(KEY_PKCS12, "canary", None), "that the password opens"),
        (
            chain(LEGACY_PKCS12, "canary", None),
            "that the password opens",
        ),
        (chain(TRUST_JKS, "changeit", None), "has no private key"),
        (chain(TRUST_PKCS12, "changeit", None), "has no private key"),
        (chain(b"canary", "", None), "has no private key"),
        (chain(&KEY_JKS[..100], "", None), "cut short"),
        (chain(KEY_JKS, "a\0b", None), "NUL"),
        (chain(b"\xce\xce\xce\xce", "", None), "JCEKS"),
    ] {
        let why = found.unwrap_err();
        assert!(why.contains(expect) && !why.contains("canary"), "{why}");
    }
    assert_eq!(trusted(b"", None), Err("has no certificate".into()));
    let changed = KEY_JKS.iter().enumerate();
    let changed: Vec<u8> = changed
        .map(|(at, byte)| byte ^ u8::from(at == 300))
        .collect();
    assert!(chain(&changed, "changeit", Some("other-password")).is_err());
}

#[test]
fn a_store_that_is_cut_short_or_damaged_is_refused() {
    for store in [KEY_JKS, TRUST_JKS] {
        for length in 0..store.len() {
            assert!(
                trusted(&store[..length], Some("changeit")).is_err(),
                "{length}"
            );
            // Without the password, only that it ends is known.
            let _ = trusted(&store[..length], None);
            let mut damaged = store.to_vec();
            damaged[length] ^= 0x81;
            let _ = trusted(&damaged, None);
            let _ = chain(&damaged, "", Some("other-password"));
        }
    }
}
