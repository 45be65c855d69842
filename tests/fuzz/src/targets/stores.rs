//! Keystores and truststores of Java.

use connect_api::Secret;
use connect_keystore::{Passwords, StoreFormat, certificates, identity, to_pem};

use crate::Target;

/// The password of the stores in the corpus.
const PASSWORD: &str = "changeit";

pub(super) const TARGET: Target = Target {
    name: "stores",
    about: "A file of JKS, with its password and without: what is read of it can be written as PEM \
            and read again",
    memory: 8,
    run: |data| {
        let format = Some(StoreFormat::Jks);
        let password = Secret::new(PASSWORD);
        for store in [None, Some(&password)] {
            let passwords = Passwords { store, key: None };
            if let Ok(found) = certificates(data, format, passwords) {
                let Ok(pem) = to_pem(&found) else {
                    panic!("read, and not written");
                };
                let again = certificates(pem.as_bytes(), None, Passwords::default());
                assert_eq!(again.map(|again| again.len()), Ok(found.len()));
            }
            if let Err(why) = identity(data, format, passwords) {
                assert!(!why.contains(PASSWORD), "{why}");
            }
        }
    },
};
