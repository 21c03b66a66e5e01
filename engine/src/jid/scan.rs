//! The fast path: recognises, in one pass, ASCII text that is a prepared address as it stands.
//!
//! It may say "no" to prepared text (the slow path then decides), but it must never say "yes" to text that
//! [`prep`](super::prep) would change or refuse. A property test holds the two together.

use super::PART_BYTES_MAX;

/// Where the parts of an address lie in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// 0, or one past the `@`.
    pub domain_start: usize,
    /// The index of the `/`, or the length of the text.
    pub bare_end: usize,
}

/// Most bytes of a domain's label, in its ASCII form (RFC 1035 section 2.3.4).
pub(super) const LABEL_BYTES_MAX: usize = 63;

const NODE: u8 = 1;
const DOMAIN: u8 = 2;
const RESOURCE: u8 = 4;

/// The parts in which each byte may stand as it is.
const ALLOWED: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0x20;
    while byte <= 0x7e_usize {
        table[byte] = class(byte as u8);
        byte += 1;
    }
    table
};

const fn class(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => NODE | DOMAIN | RESOURCE,
        b' ' | b'A'..=b'Z' => RESOURCE,
        b'"' | b'&' | b'\'' | b'/' | b':' | b'<' | b'>' | b'@' => RESOURCE,
        _ => NODE | RESOURCE,
    }
}

/// The bounds of `text` if it is a prepared address in plain ASCII, with a domain that is no address literal.
pub(super) fn prepared_ascii(text: &[u8]) -> Option<Bounds> {
    let bare_end = text.iter().position(|&byte| byte == b'/').unwrap_or(text.len());
    let bare = &text[..bare_end];
    let at = bare.iter().position(|&byte| byte == b'@');
    let domain_start = at.map_or(0, |at| at + 1);
    let node_fits = at.is_none_or(|at| part_fits(&bare[..at], NODE));
    let resource_fits = bare_end == text.len() || part_fits(&text[bare_end + 1..], RESOURCE);
    let fits = node_fits && resource_fits && domain_fits(&bare[domain_start..]);
    fits.then_some(Bounds { domain_start, bare_end })
}

/// Is this node prepared as it stands?
pub(super) fn node_fits(node: &[u8]) -> bool {
    part_fits(node, NODE)
}

/// Is this resource prepared as it stands?
pub(super) fn resource_fits(resource: &[u8]) -> bool {
    part_fits(resource, RESOURCE)
}

/// Is this domain prepared as it stands? Labels that begin with `xn--` are not: they are to be decoded.
pub(super) fn domain_fits(domain: &[u8]) -> bool {
    let mut label_start = 0;
    for (index, &byte) in domain.iter().enumerate() {
        if byte == b'.' {
            if !label_fits(&domain[label_start..index]) {
                return false;
            }
            label_start = index + 1;
        }
    }
    part_fits(domain, DOMAIN) && label_fits(&domain[label_start..])
}

/// May this ASCII byte stand in a domain at all?
pub(super) fn domain_byte(byte: u8) -> bool {
    ALLOWED[byte as usize] & DOMAIN != 0
}

fn part_fits(part: &[u8], class: u8) -> bool {
    // Without an early exit: parts are short, and nearly always fit.
    let common = part.iter().fold(class, |common, &byte| common & ALLOWED[byte as usize]);
    common != 0 && (1..=PART_BYTES_MAX).contains(&part.len())
}

fn label_fits(label: &[u8]) -> bool {
    match label {
        [] | [b'-', ..] | [.., b'-'] | [b'x', b'n', b'-', b'-', ..] => false,
        _ => label.len() <= LABEL_BYTES_MAX,
    }
}
