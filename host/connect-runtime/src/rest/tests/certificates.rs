//! Authorities and certificates that are made for a test.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::symm::Cipher;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

/// A certificate with its key.
pub struct Certificate {
    pub certificate: X509,
    pub key: PKey<Private>,
}

impl Certificate {
    /// One that signs others.
    pub fn authority(name: &str) -> Self {
        make(&[("CN", name)], None)
    }

    /// One of `localhost` or a client, with this subject, from the most general part on.
    pub fn signed(&self, subject: &[(&str, &str)]) -> Self {
        make(subject, Some(self))
    }

    pub fn pem(&self) -> String {
        String::from_utf8(self.certificate.to_pem().unwrap()).unwrap()
    }

    pub fn key_pem(&self) -> String {
        String::from_utf8(self.key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    pub fn encrypted_key_pem(&self, password: &str) -> String {
        let cipher = Cipher::aes_256_cbc();
        let key = self
            .key
            .private_key_to_pem_pkcs8_passphrase(cipher, password.as_bytes());
        String::from_utf8(key.unwrap()).unwrap()
    }

    pub fn pkcs12(&self, password: &str) -> Vec<u8> {
        let mut builder = Pkcs12::builder();
        builder
            .pkey(&self.key)
            .cert(&self.certificate)
            .name("worker");
        builder.build2(password).unwrap().to_der().unwrap()
    }

    pub fn key_der(&self) -> Vec<u8> {
        self.key.private_key_to_pkcs8().unwrap()
    }

    pub fn der(&self) -> Vec<u8> {
        self.certificate.to_der().unwrap()
    }
}

fn make(subject: &[(&str, &str)], signer: Option<&Certificate>) -> Certificate {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    for (kind, value) in subject {
        name.append_entry_by_text(kind, value).unwrap();
    }
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial
        .rand(120, openssl::bn::MsbOption::MAYBE_ZERO, false)
        .unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&name).unwrap();
    let issuer = signer.map_or(&*name, |signer| signer.certificate.subject_name());
    builder.set_issuer_name(issuer).unwrap();
    builder.set_pubkey(&key).unwrap();
    let (from, to) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(9));
    builder.set_not_before(&from.unwrap()).unwrap();
    builder.set_not_after(&to.unwrap()).unwrap();
    if signer.is_none() {
        let constraints = BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(constraints).unwrap();
    } else {
        let context = builder.x509v3_context(None, None);
        let names = SubjectAlternativeName::new()
            .dns("localhost")
            .build(&context);
        builder.append_extension(names.unwrap()).unwrap();
    }
    let signing = signer.map_or(&key, |signer| &signer.key);
    builder.sign(signing, MessageDigest::sha256()).unwrap();
    Certificate {
        certificate: builder.build(),
        key,
    }
}
