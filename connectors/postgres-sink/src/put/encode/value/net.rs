//! Addresses: of networks, of hosts in them, and of hardware.

use std::net::IpAddr;

use super::{Fit, Misfit, fixed};

/// The numbers that Postgres gives the families on every system.
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 3;

/// The types, as the binary form numbers them.
#[derive(Clone, Copy)]
enum Kind {
    Inet = 0,
    Cidr = 1,
}

pub(super) fn inet(text: &str, out: &mut Vec<u8>) -> Fit {
    let (address, bits) = parse(text)?;
    append(address, bits, Kind::Inet, out)
}

pub(super) fn cidr(text: &str, out: &mut Vec<u8>) -> Fit {
    let (address, bits) = parse(text)?;
    let (number, width) = match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let host = u32::from(width - bits);
    let host_bits = if host == 128 {
        u128::MAX
    } else {
        (1 << host) - 1
    };
    if number & host_bits != 0 {
        return Err(Misfit::new(
            "cannot take a network with bits to the right of its mask",
        ));
    }
    append(address, bits, Kind::Cidr, out)
}

fn parse(text: &str) -> Result<(IpAddr, u8), Misfit> {
    let misfit = || Misfit::new("cannot take a text that is not a network address");
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().map_err(|_| misfit())?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    if !text.contains('/') {
        return Ok((address, width));
    }
    match bits.parse() {
        Ok(bits) if bits <= width && !bits_signed(text) => Ok((address, bits)),
        _ => Err(misfit()),
    }
}

/// Rust reads `+8` as a number, Postgres does not.
fn bits_signed(text: &str) -> bool {
    text.contains("/+")
}

fn append(address: IpAddr, bits: u8, kind: Kind, out: &mut Vec<u8>) -> Fit {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [FAMILY_V4, bits, kind as u8, 4, 0, 0, 0, 0];
            bytes[4..].copy_from_slice(&address.octets());
            fixed(out, bytes)
        }
        IpAddr::V6(address) => {
            let mut bytes = [0; 20];
            bytes[..4].copy_from_slice(&[FAMILY_V6, bits, kind as u8, 16]);
            bytes[4..].copy_from_slice(&address.octets());
            fixed(out, bytes)
        }
    }
}

/// Six pairs of hexadecimal digits, with colons or hyphens between them.
pub(super) fn macaddr(text: &str) -> Result<[u8; 6], Misfit> {
    hardware(text)
}

/// Eight pairs; six are not filled up.
pub(super) fn macaddr8(text: &str) -> Result<[u8; 8], Misfit> {
    hardware(text)
}

fn hardware<const N: usize>(text: &str) -> Result<[u8; N], Misfit> {
    let misfit = || Misfit::new("cannot take a text that is not a hardware address");
    let text = text.as_bytes();
    if text.len() != N * 3 - 1 {
        return Err(misfit());
    }
    let mut bytes = [0; N];
    for (byte, part) in bytes.iter_mut().zip(text.chunks(3)) {
        let separated = part
            .get(2)
            .is_none_or(|&s| s == text[2] && matches!(s, b':' | b'-'));
        let digit = |at: usize| char::from(part[at]).to_digit(16);
        let value = digit(0).zip(digit(1)).filter(|_| separated);
        let (high, low) = value.ok_or_else(misfit)?;
        *byte = u8::try_from(high << 4 | low).map_err(|_| misfit())?;
    }
    Ok(bytes)
}
