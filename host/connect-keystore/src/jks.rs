//! JKS: entries of private keys and of certificates, and a hash over all of them. All numbers are
//! big endian, texts are UTF-8 with a length of two bytes in front.

use sha1::{Digest as _, Sha1};

const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

/// Sun's own way to encrypt a key: 1.3.6.1.4.1.42.2.17.1.1, as DER has it.
const KEY_PROTECTOR: [u8; 12] = [
    0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x2a, 0x02, 0x11, 0x01, 0x01,
];
/// What the hash over the whole begins with, behind the password.
const WHITENER: &[u8] = b"Mighty Aphrodite";
const HASH: usize = 20;

/// A store that was read.
#[derive(Default)]
pub(super) struct Store {
    keys: Vec<KeyEntry>,
    /// As DER.
    certificates: Vec<Vec<u8>>,
}

/// A private key.
pub(super) struct KeyEntry {
    /// Encrypted, as DER (RFC 5958, `EncryptedPrivateKeyInfo`).
    protected: Vec<u8>,
    /// Its certificates, as DER, its own first.
    pub(super) chain: Vec<Vec<u8>>,
}

impl Store {
    /// A store's content. Without a password the hash is not looked at, as Java does with
    /// truststores.
    ///
    /// # Errors
    /// A fragment that says what is wrong with the file.
    pub(super) fn read(bytes: &[u8], password: &str) -> Result<Self, String> {
        let (body, hash) = bytes.split_last_chunk::<HASH>().ok_or_else(cut_short)?;
        if !password.is_empty() {
            let mut whole = hash_of(password);
            whole.update(WHITENER);
            whole.update(body);
            if whole.finalize()[..] != hash[..] {
                return Err("is no JKS file that the password opens, or is damaged".into());
            }
        }
        let mut reader = Reader(body);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err("is no JKS file".into());
        }
        let version = reader.number()?;
        if !matches!(version, 1 | 2) {
            return Err("is of a version of JKS that is not known".into());
        }
        let mut store = Self::default();
        for _ in 0..reader.number()? {
            let kind = reader.number()?;
            reader.text()?;
            // When it was made.
            reader.take(8)?;
            match kind {
                1 => {
                    let protected = reader.bytes()?.to_vec();
                    let mut chain = Vec::new();
                    for _ in 0..reader.number()? {
                        chain.push(reader.certificate(version)?);
                    }
                    store.keys.push(KeyEntry { protected, chain });
                }
                2 => store.certificates.push(reader.certificate(version)?),
                _ => return Err("has an entry of a kind that is not known".into()),
            }
        }
        Ok(store)
    }

    /// The certificates that are trusted, as DER: those that stand alone, and, as in Java, those of
    /// keys without what vouches for them.
    pub(super) fn trusted(&self) -> Vec<Vec<u8>> {
        let of_keys = self.keys.iter().filter_map(|key| key.chain.first());
        self.certificates.iter().chain(of_keys).cloned().collect()
    }

    /// The private key, of which there is one.
    pub(super) fn key(&self) -> Result<&KeyEntry, String> {
        match self.keys.as_slice() {
            [key] => Ok(key),
            [] => Err("has no private key".into()),
            _ => Err("has several private keys, and nothing says which is meant".into()),
        }
    }
}

impl KeyEntry {
    /// The key as DER (PKCS8).
    pub(super) fn decrypt(&self, password: &str) -> Result<Vec<u8>, String> {
        let at = self.protected.windows(KEY_PROTECTOR.len());
        let mut at = at.take(64);
        if at.position(|window| window == KEY_PROTECTOR).is_none() {
            return Err("has a private key that is encrypted in a way that is not known".into());
        }
        let protected = octets(&self.protected).ok_or("has an odd private key")?;
        let (salt, rest) = protected
            .split_first_chunk::<HASH>()
            .ok_or_else(cut_short)?;
        let (encrypted, check) = rest.split_last_chunk::<HASH>().ok_or_else(cut_short)?;
        // Each block is encrypted with the hash of the password and the block of keys before it.
        let mut block = salt.to_vec();
        let mut key = Vec::with_capacity(encrypted.len());
        for part in encrypted.chunks(HASH) {
            let mut next = hash_of(password);
            next.update(&block);
            block = next.finalize().to_vec();
            key.extend(part.iter().zip(&block).map(|(one, other)| one ^ other));
        }
        let mut whole = hash_of(password);
        whole.update(&key);
        match whole.finalize()[..] == check[..] {
            true => Ok(key),
            false => Err("has a private key that the password does not open".into()),
        }
    }
}

/// The hash of a password, in UTF-16, which more is to be added to.
fn hash_of(password: &str) -> Sha1 {
    let mut hash = Sha1::new();
    for unit in password.encode_utf16() {
        hash.update(unit.to_be_bytes());
    }
    hash
}

/// The `OCTET STRING` at the end of an `EncryptedPrivateKeyInfo`.
fn octets(der: &[u8]) -> Option<&[u8]> {
    let (_, inner, _) = element(der)?;
    let (_, _, rest) = element(inner)?;
    let (tag, octets, _) = element(rest)?;
    (tag == 0x04).then_some(octets)
}

/// The tag of the first element of DER, its content, and what comes behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let digits = digits.iter();
            (
                digits.fold(0, |all, digit| all << 8 | usize::from(*digit)),
                rest,
            )
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(cut_short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, String> {
        let (number, rest) = self.0.split_first_chunk::<4>().ok_or_else(cut_short)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*number))
    }

    fn bytes(&mut self) -> Result<&'a [u8], String> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| cut_short())?)
    }

    fn text(&mut self) -> Result<&'a [u8], String> {
        let (length, rest) = self.0.split_first_chunk::<2>().ok_or_else(cut_short)?;
        self.0 = rest;
        self.take(usize::from(u16::from_be_bytes(*length)))
    }

    fn certificate(&mut self, version: u32) -> Result<Vec<u8>, String> {
        if version == 2 && self.text()? != b"X.509" {
            return Err("has a certificate that is not one of X.509".into());
        }
        Ok(self.bytes()?.to_vec())
    }
}

fn cut_short() -> String {
    "is a JKS file that is cut short".to_owned()
}
