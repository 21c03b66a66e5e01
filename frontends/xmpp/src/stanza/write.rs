//! Attributes, numbers and small answers, written into an outbox without allocating.
//!
//! Invariant: whatever comes in, the output is well-formed: what is not plain goes through the codec's escaping.

use crosspoint_engine::envelope::Condition;

use crate::codec;

use super::condition;

/// Appends ` name="value"`, escaped where needed.
#[inline]
pub(crate) fn attribute(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    // Without an early exit, so that the compiler makes vector code of it: values are short, and nearly always plain.
    if !value.iter().fold(true, |plain, &byte| plain & is_plain(byte)) {
        return codec::write::attribute(out, name, &String::from_utf8_lossy(value));
    }
    out.reserve(name.len() + value.len() + 4);
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    out.extend_from_slice(value);
    out.push(b'"');
}

/// Whether a byte of UTF-8 may stand in an attribute as it is. Of the multi-byte characters only those that can encode
/// U+FFFE and U+FFFF need a second look.
fn is_plain(byte: u8) -> bool {
    (byte >= 0x20)
        & (byte != b'&')
        & (byte != b'<')
        & (byte != b'>')
        & (byte != b'"')
        & (byte != b'\'')
        & (byte != 0x7f)
        & (byte != 0xef)
}

/// Appends a number in decimal.
pub(crate) fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends an `<iq/>` of ours: its start tag, the payload, its end tag.
pub(crate) fn iq(out: &mut Vec<u8>, kind: &str, id: &[u8], from: Option<&str>, to: Option<&str>, payload: &[u8]) {
    out.extend_from_slice(b"<iq");
    head(out, kind, id, from, to);
    if payload.is_empty() {
        return out.extend_from_slice(b"/>");
    }
    out.push(b'>');
    out.extend_from_slice(payload);
    out.extend_from_slice(b"</iq>");
}

/// Appends a stanza error without the payload that caused it (RFC 6120 section 8.3.1 leaves that open).
pub(crate) fn error(out: &mut Vec<u8>, name: &str, id: &[u8], from: Option<&str>, to: Option<&str>, reason: Condition) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    head(out, "error", id, from, to);
    out.push(b'>');
    condition::write(out, reason);
    codec::write_tail(out, name);
}

fn head(out: &mut Vec<u8>, kind: &str, id: &[u8], from: Option<&str>, to: Option<&str>) {
    attribute(out, "type", kind.as_bytes());
    if !id.is_empty() {
        attribute(out, "id", id);
    }
    if let Some(from) = from {
        attribute(out, "from", from.as_bytes());
    }
    if let Some(to) = to {
        attribute(out, "to", to.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_escaped_where_they_must_be() {
        for (value, expected) in [
            ("juliet@c.lit/balcony", " to=\"juliet@c.lit/balcony\""),
            ("d&apos'@<c>\"", " to=\"d&amp;apos&apos;@&lt;c&gt;&quot;\""),
            ("\u{e9}\u{ffee}", " to=\"\u{e9}\u{ffee}\""),
            ("\u{ffff}\t", " to=\"\u{fffd}&#9;\""),
        ] {
            let mut out = Vec::new();
            attribute(&mut out, "to", value.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn numbers() {
        for value in [0, 9, 10, 4_294_967_295, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
