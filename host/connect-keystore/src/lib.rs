//! Keystores and truststores as Java has them: PEM (RFC 7468), PKCS12 (RFC 7292) and JKS, the
//! format of `keytool` before Java 9.
//!
//! Errors are fragments that say what is wrong with a file, as `has no certificate`: whoever asked
//! knows its name. They quote nothing of it.

mod jks;

use connect_api::Secret;
use openssl::ec::EcKey;
use openssl::error::ErrorStack;
use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::pkey::{PKey, Private, Public};
use openssl::provider::Provider;
use openssl::x509::{X509, X509VerifyResult};

/// The format of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFormat {
    /// Texts: certificates, and for a keystore a private key.
    Pem,
    /// Java's default since 9.
    Pkcs12,
    /// Java's own.
    Jks,
}

impl StoreFormat {
    /// That of an option such as `ssl.keystore.type`; none: what the file is, the file tells. So it
    /// is with JKS, as which Java reads PKCS12 too.
    ///
    /// # Errors
    /// A fragment with the formats that are known.
    ///
    /// ```
    /// # use connect_keystore::StoreFormat;
    /// assert_eq!(StoreFormat::parse("pkcs12"), Ok(Some(StoreFormat::Pkcs12)));
    /// assert_eq!(StoreFormat::parse("JKS"), Ok(None));
    /// assert!(StoreFormat::parse("BCFKS").is_err());
    /// ```
    pub fn parse(name: &str) -> Result<Option<Self>, String> {
        match name.trim().to_ascii_uppercase().as_str() {
            "PEM" => Ok(Some(Self::Pem)),
            "PKCS12" => Ok(Some(Self::Pkcs12)),
            "JKS" => Ok(None),
            _ => Err("it is not known; it is PEM, PKCS12 or JKS".into()),
        }
    }

    /// What a file looks like.
    fn of(bytes: &[u8]) -> Result<Self, String> {
        match bytes {
            [0xfe, 0xed, 0xfe, 0xed, ..] => Ok(Self::Jks),
            [0xce, 0xce, 0xce, 0xce, ..] => Err(
                "is a JCEKS file, which is not read: keytool -importkeystore -srckeystore … \
                 -destkeystore … -deststoretype pkcs12 makes a PKCS12 file of it"
                    .into(),
            ),
            // The start of a DER sequence.
            [0x30, ..] => Ok(Self::Pkcs12),
            _ => Ok(Self::Pem),
        }
    }
}

/// What a store is opened with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passwords<'a> {
    /// That of the store.
    pub store: Option<&'a Secret>,
    /// That of its private key; none: that of the store.
    pub key: Option<&'a Secret>,
}

impl Passwords<'_> {
    fn of_store(&self) -> Result<&str, String> {
        let password = self.store.map(Secret::expose).unwrap_or_default();
        match password.contains('\0') {
            true => Err("has a password with a NUL character in it".into()),
            false => Ok(password),
        }
    }

    fn of_key(&self) -> &str {
        self.key
            .or(self.store)
            .map(Secret::expose)
            .unwrap_or_default()
    }
}

/// A private key, and the certificates that belong to it.
pub struct Identity {
    /// The certificates, the key's own first.
    pub chain: Vec<X509>,
    /// The key.
    pub key: PKey<Private>,
}

/// The private key of a keystore and its certificates.
///
/// # Errors
/// A fragment that says what is wrong with the file.
pub fn identity(
    bytes: &[u8],
    format: Option<StoreFormat>,
    passwords: Passwords<'_>,
) -> Result<Identity, String> {
    let (key, chain) = match format.map_or_else(|| StoreFormat::of(bytes), Ok)? {
        StoreFormat::Pem => {
            let password = passwords.of_key().as_bytes();
            let key = PKey::private_key_from_pem_passphrase(bytes, password);
            let key = key.map_err(|_| "has no private key that the password opens")?;
            (key, from_pem(bytes)?)
        }
        StoreFormat::Pkcs12 => {
            let ParsedPkcs12_2 { pkey, cert, ca } = pkcs12(bytes, passwords)?;
            let found = pkey.zip(cert);
            let (key, cert) = found.ok_or("has no private key with its certificate")?;
            (key, chain_of(cert, ca.into_iter().flatten().collect()))
        }
        StoreFormat::Jks => {
            let store = jks::Store::read(bytes, passwords.of_store()?)?;
            let entry = store.key()?;
            let der = entry.decrypt(passwords.of_key())?;
            let key = PKey::private_key_from_pkcs8(&der).map_err(|_| "has an odd private key")?;
            (key, from_der(&entry.chain)?)
        }
    };
    let own = chain.first().ok_or("has no certificate")?;
    let public = own.public_key().map_err(|_| "has an odd key")?;
    if !public.public_eq(&key) {
        return Err("has a private key that does not belong to its first certificate".into());
    }
    let key = whole(key, &public).map_err(|_| "has an odd private key")?;
    Ok(Identity { chain, key })
}

/// A key of an elliptic curve with its public half, which Java leaves out of its stores, and
/// without which rustls takes none.
fn whole(key: PKey<Private>, public: &PKey<Public>) -> Result<PKey<Private>, ErrorStack> {
    let Ok(private) = key.ec_key() else {
        return Ok(key);
    };
    let public = public.ec_key()?;
    let both =
        EcKey::from_private_components(private.group(), private.private_key(), public.public_key());
    PKey::from_ec_key(both?)
}

/// The certificates of a truststore.
///
/// # Errors
/// As [`identity`].
pub fn certificates(
    bytes: &[u8],
    format: Option<StoreFormat>,
    passwords: Passwords<'_>,
) -> Result<Vec<X509>, String> {
    let found = match format.map_or_else(|| StoreFormat::of(bytes), Ok)? {
        StoreFormat::Pem => from_pem(bytes)?,
        StoreFormat::Pkcs12 => {
            let ParsedPkcs12_2 { cert, ca, .. } = pkcs12(bytes, passwords)?;
            cert.into_iter().chain(ca.into_iter().flatten()).collect()
        }
        StoreFormat::Jks => from_der(&jks::Store::read(bytes, passwords.of_store()?)?.trusted())?,
    };
    match found.is_empty() {
        true => Err("has no certificate".into()),
        false => Ok(found),
    }
}

/// A certificate with those that vouch for it, one for the other, of all that a store has.
fn chain_of(own: X509, mut others: Vec<X509>) -> Vec<X509> {
    let mut chain = vec![own];
    while let Some(last) = chain.last() {
        let is_root = last.issued(last) == X509VerifyResult::OK;
        let vouches = |other: &X509| other.issued(last) == X509VerifyResult::OK;
        match others.iter().position(vouches) {
            Some(at) if !is_root => chain.push(others.swap_remove(at)),
            _ => break,
        }
    }
    chain
}

/// Certificates as PEM, one after the other.
///
/// # Errors
/// As [`identity`].
pub fn to_pem(certificates: &[X509]) -> Result<String, String> {
    let mut pem = String::new();
    for certificate in certificates {
        let text = certificate.to_pem().map_err(|_| ODD_CERTIFICATE)?;
        pem.push_str(&String::from_utf8_lossy(&text));
    }
    Ok(pem)
}

impl Identity {
    /// The key as PEM, not encrypted (PKCS8).
    ///
    /// # Errors
    /// As [`identity`].
    pub fn key_pem(&self) -> Result<Secret, String> {
        let pem = self.key.private_key_to_pem_pkcs8();
        let pem = pem.map_err(|_| "has an odd private key")?;
        Ok(Secret::new(String::from_utf8_lossy(&pem)))
    }
}

const ODD_CERTIFICATE: &str = "has a certificate that is not valid";

fn from_pem(bytes: &[u8]) -> Result<Vec<X509>, String> {
    X509::stack_from_pem(bytes).map_err(|_| ODD_CERTIFICATE.to_owned())
}

fn from_der(certificates: &[Vec<u8>]) -> Result<Vec<X509>, String> {
    let read = certificates.iter().map(|der| X509::from_der(der));
    let read: Result<_, _> = read.collect();
    read.map_err(|_| ODD_CERTIFICATE.to_owned())
}

fn pkcs12(bytes: &[u8], passwords: Passwords<'_>) -> Result<ParsedPkcs12_2, String> {
    let password = passwords.of_store()?;
    let parse = || Pkcs12::from_der(bytes).and_then(|store| store.parse2(password));
    let parsed = parse().or_else(|_| {
        // Java before 8u301 encrypts by RC2, which OpenSSL keeps apart; it is there meanwhile.
        let _legacy = Provider::try_load(None, "legacy", true)?;
        parse()
    });
    parsed.map_err(|_| "is no PKCS12 file that the password opens".to_owned())
}

#[cfg(test)]
mod tests;
