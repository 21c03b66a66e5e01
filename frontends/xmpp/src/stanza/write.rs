//! Attributes, numbers and small answers, written into an outbox without allocating.
//!
//! Invariant: whatever comes in, the output is well-formed: what is not plain goes through the codec's escaping.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;

use crate::codec;

use super::condition;

/// Appends ` name="value"`, escaped where needed.
#[inline]
pub(crate) fn attribute(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if !is_plain(value) {
        return codec::write::attribute(out, name, &String::from_utf8_lossy(value));
    }
    plain_attribute(out, name, value);
}

/// Appends a value without its quotes, escaped where needed.
#[inline]
pub(crate) fn value(out: &mut Vec<u8>, value: &[u8]) {
    if !is_plain(value) {
        return codec::write::value(out, &String::from_utf8_lossy(value));
    }
    out.extend_from_slice(value);
}

/// Appends an address as a value without its quotes. Only the resource may hold what needs escaping: RFC 6122 appendix A.5
/// keeps the characters that XML gives a meaning, and those that XML does not know, out of nodes and domains.
#[inline]
pub(crate) fn address(out: &mut Vec<u8>, address: &Jid) {
    let text = address.as_str().as_bytes();
    if !is_plain(&text[address.bare_str().len()..]) {
        return codec::write::value(out, address.as_str());
    }
    out.extend_from_slice(text);
}

/// Appends ` name="value"` with a value that is known to be plain.
fn plain_attribute(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    out.extend_from_slice(value);
    out.push(b'"');
}

/// Whether UTF-8 may stand in an attribute as it is. Without an early exit: values are short, and nearly always plain.
#[inline]
fn is_plain(value: &[u8]) -> bool {
    value.iter().fold(0, |special, &byte| special | SPECIAL[byte as usize]) == 0
}

/// Bytes that may not stand in an attribute as they are: 1. Of the multi-byte characters only those that can encode
/// U+FFFE and U+FFFF need a second look.
static SPECIAL: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8, 0..0x20 | b'&' | b'<' | b'>' | b'"' | b'\'' | 0x7f | 0xef) as u8;
        byte += 1;
    }
    table
};

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
    fn addresses_are_escaped_in_their_resources_and_never_need_it_elsewhere() {
        for (address, expected) in [
            ("juliet@c.lit/balcony", "juliet@c.lit/balcony"),
            ("juliet@c.lit/a<b>&'\"", "juliet@c.lit/a&lt;b&gt;&amp;&apos;&quot;"),
            ("c.lit", "c.lit"),
        ] {
            let mut out = Vec::new();
            super::address(&mut out, &address.parse().unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        for c in (0..=0x7f).chain([0xfffe, 0xffff]).filter_map(char::from_u32) {
            let mut bytes = [0; 4];
            if !is_plain(c.encode_utf8(&mut bytes).as_bytes()) {
                for text in [format!("a{c}b@c.lit"), format!("a@c{c}d.lit")] {
                    let address = Jid::from_parts(
                        text.split_once("@c.lit").map(|(node, _)| node),
                        text.split_once('@').map_or("", |(_, domain)| domain),
                        None,
                    );
                    assert!(address.is_err(), "{text:?}");
                }
            }
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
