//! The leaves of the scanner: names, references, whitespace and character ranges over a byte window.
//!
//! Invariant: `Ok(None)` means that the window ends before the token does, and only that; a fault is
//! reported as soon as the bytes at hand prove it, so that the split of the input cannot change it.

use super::fault::{Fault, Flaw, Limit};
use super::limits::REFERENCE_DIGITS_MAX;

/// A qualified name: `end` is the offset after it, `colon` the length of its prefix (0: none).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameEnd {
    pub end: usize,
    pub colon: u16,
}

/// XML's white space (production S).
#[inline]
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The offset of the first byte at or after `from` that is no white space.
#[inline]
pub(super) fn skip_space(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() && is_space(bytes[at]) {
        at += 1;
    }
    at
}

/// Reads a QName (Namespaces in XML 1.0, production 7) at `from`.
#[inline(always)]
pub(super) fn name(bytes: &[u8], from: usize, max: u32) -> Result<Option<NameEnd>, Fault> {
    let end = ascii_part(bytes, from);
    let found = match bytes.get(end) {
        Some(b':') if end > from => NameEnd {
            end: ascii_part(bytes, end + 1),
            colon: (end - from).min(0xFFFF) as u16,
        },
        _ => NameEnd { end, colon: 0 },
    };
    // What is usual ends here; errors, cut names and other scripts are for the careful reader.
    let part = from + found.colon as usize + usize::from(found.colon > 0);
    match bytes.get(found.end) {
        Some(&next) if next < 0x80 && next != b':' => {
            let usual = found.end > part && found.end - from <= max as usize;
            if usual {
                Ok(Some(found))
            } else {
                any_name(bytes, from, max)
            }
        }
        _ => any_name(bytes, from, max),
    }
}

/// The end of the ASCII NCName at `from`; `from` itself if there is none.
#[inline(always)]
pub(super) fn ascii_part(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    if at < bytes.len() && CLASS[bytes[at] as usize] & START != 0 {
        at += 1;
        while at < bytes.len() && CLASS[bytes[at] as usize] & NAME != 0 {
            at += 1;
        }
    }
    at
}

/// [`name`] for every case.
#[cold]
fn any_name(bytes: &[u8], from: usize, max: u32) -> Result<Option<NameEnd>, Fault> {
    let mut at = from;
    let mut part = from;
    let mut colon = 0;
    while let Some(&byte) = bytes.get(at) {
        let class = CLASS[byte as usize];
        if class & NAME != 0 && (at > part || class & START != 0) {
            at += 1;
        } else if byte == b':' && colon == 0 && at > from {
            colon = (at - from).min(u16::MAX as usize) as u16;
            at += 1;
            part = at;
        } else if byte >= 0x80 {
            match wide(bytes, at, at == part)? {
                Some(end) => at = end,
                None => return Ok(None),
            }
        } else if at == part || byte == b':' {
            return Err(Flaw::Name.into());
        } else {
            return Ok(Some(NameEnd { end: at, colon }));
        }
        // At each character, so that of two faults the first in the stream is told, however it is split.
        if at - from > max as usize {
            return Err(Limit::NameBytes.into());
        }
    }
    Ok(None)
}

/// The end of the non-ASCII name character at `at`; `None` if the window cuts it.
#[cold]
fn wide(bytes: &[u8], at: usize, start: bool) -> Result<Option<usize>, Fault> {
    let window = &bytes[at..bytes.len().min(at + 4)];
    let text = match std::str::from_utf8(window) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => {
            std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(error) if error.error_len().is_none() => return Ok(None),
        Err(_) => return Err(Fault::UnsupportedEncoding),
    };
    match text.chars().next() {
        Some(c) if is_name_start(c) || (!start && is_name_char(c)) => Ok(Some(at + c.len_utf8())),
        _ => Err(Flaw::Name.into()),
    }
}

/// Checks the reference whose `&` stands at `at`; gives the offset after its `;`.
///
/// Only the five predefined entities and references to XML characters pass (RFC 6120 section 11.1).
#[cold]
pub(super) fn reference(bytes: &[u8], at: usize) -> Result<Option<usize>, Fault> {
    let rest = &bytes[at + 1..];
    match rest {
        [] => Ok(None),
        [b'#'] => Ok(None),
        [b'#', b'x', digits @ ..] => Ok(number(digits, 16)?.map(|len| at + 3 + len)),
        [b'#', digits @ ..] => Ok(number(digits, 10)?.map(|len| at + 2 + len)),
        _ => Ok(entity(rest)?.map(|len| at + 1 + len)),
    }
}

/// The length of `digits;` when it names an XML character.
fn number(digits: &[u8], radix: u32) -> Result<Option<usize>, Fault> {
    let mut value = 0u32;
    for (index, &byte) in digits.iter().enumerate() {
        if byte == b';' && index > 0 {
            let legal = char::from_u32(value).is_some_and(is_xml_char);
            return if legal {
                Ok(Some(index + 1))
            } else {
                Err(Flaw::Reference.into())
            };
        }
        let digit = (byte as char).to_digit(radix).ok_or(Flaw::Reference)?;
        if index == REFERENCE_DIGITS_MAX {
            return Err(Limit::ReferenceDigits.into());
        }
        value = value.saturating_mul(radix).saturating_add(digit);
    }
    Ok(None)
}

/// The length of `name;` when it is a predefined entity.
fn entity(rest: &[u8]) -> Result<Option<usize>, Fault> {
    const KNOWN: [&[u8]; 5] = [b"amp;", b"lt;", b"gt;", b"quot;", b"apos;"];
    if let Some(known) = KNOWN.iter().find(|known| rest.starts_with(known)) {
        return Ok(Some(known.len()));
    }
    if KNOWN.iter().any(|known| known.starts_with(rest)) {
        return Ok(None);
    }
    // The first byte decides: what could begin an entity's name is an undefined entity.
    if CLASS[rest[0] as usize] & START != 0 || rest[0] >= 0x80 || rest[0] == b':' {
        return Err(Fault::RestrictedXml);
    }
    Err(Flaw::Reference.into())
}

/// The window as text, if it is UTF-8 and has none but XML's characters (production Char); and whether none of them is
/// white space other than a space.
#[inline]
pub(super) fn text(bytes: &[u8]) -> Result<(&str, bool), Fault> {
    let (controls, wide) = glance(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::UnsupportedEncoding)?;
    // White space is rare enough to be looked at again.
    if (controls && has_control(bytes)) || (wide && has_noncharacter(bytes)) {
        return Err(Flaw::Character.into());
    }
    Ok((text, !controls))
}

/// Whether some byte is below the space, and whether some byte is not ASCII.
#[inline]
fn glance(bytes: &[u8]) -> (bool, bool) {
    const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    // Eight bytes a step, which the compiler makes sixteen and more. What a byte below the space borrows can only be seen
    // above it.
    let (mut below, mut union) = (0, 0);
    let mut look = |block: [u8; 8]| {
        let block = u64::from_ne_bytes(block);
        below |= block.wrapping_sub(SPACES) & !block;
        union |= block;
    };
    let (blocks, rest) = bytes.as_chunks();
    for block in blocks {
        look(*block);
    }
    match bytes.last_chunk() {
        // Some of it a second time, instead of its end byte by byte.
        Some(last) => look(*last),
        None => rest.iter().for_each(|byte| look([*byte; 8])),
    }
    (below & TOPS != 0, union & TOPS != 0)
}

/// Whether there is a control character other than XML's white space.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |any, &byte| {
        any | ((byte < b' ') & (byte != b'\t') & (byte != b'\n') & (byte != b'\r'))
    })
}

/// Whether U+FFFE or U+FFFF (EF BF BE, EF BF BF) stands in valid UTF-8.
fn has_noncharacter(bytes: &[u8]) -> bool {
    memchr::memchr_iter(0xEF, bytes).any(|at| matches!(bytes.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF])))
}

/// XML 1.0 production 2.
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// XML 1.0 fifth edition production 4, without the colon and ASCII.
fn is_name_start(c: char) -> bool {
    matches!(c,
        '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}'
        | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

/// XML 1.0 fifth edition production 4a, without the colon and ASCII.
fn is_name_char(c: char) -> bool {
    is_name_start(c) || matches!(c, '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

const START: u8 = 1;
const NAME: u8 = 2;

/// ASCII name classes; the colon and everything from 0x80 are decided elsewhere.
static CLASS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut byte = 0usize;
    while byte < 128 {
        let b = byte as u8;
        if b.is_ascii_alphabetic() || b == b'_' {
            table[byte] = START | NAME;
        } else if b.is_ascii_digit() || b == b'-' || b == b'.' {
            table[byte] = NAME;
        }
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glance_sees_what_a_look_at_each_byte_sees() {
        for length in 1..40 {
            for place in 0..length {
                for byte in 0..=0xff {
                    let mut bytes = vec![b' '; length];
                    bytes[place] = byte;
                    let expected = (byte < b' ', byte >= 0x80);
                    assert_eq!(glance(&bytes), expected, "{byte} at {place} of {length}");
                }
            }
        }
        assert_eq!(glance(&[0xff; 20]), (false, true));
        assert_eq!(glance(b""), (false, false));
    }
}
