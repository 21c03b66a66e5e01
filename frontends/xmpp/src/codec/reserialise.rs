//! Making a stanza self-contained whose XML leans on the stream it came in (RFC 6120 section 4.8.5).
//!
//! Invariant: the output has the same expanded names, values and text, and scanned as a stanza of its own
//! ([`Scanner::for_stanzas`]) it is `verbatim`, provided that it is in the content namespace.

use super::frame::Stanza;
use super::scan::Scanner;
use super::write::attribute;

/// Appends to `out` an equivalent of the stanza that `scanner` gave last.
///
/// The element loses its prefix; stream prefixes that anything in it uses are declared on it; and a
/// default namespace of its content that differs from its own is declared on each first-level child.
pub fn reserialise(stanza: &Stanza<'_>, scanner: &Scanner, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(stanza.name.as_bytes());
    if stanza.namespace != scanner.content_namespace() {
        attribute(out, "xmlns", &stanza.namespace);
    }
    for written in stanza.attributes().filter(|a| a.name != "xmlns") {
        out.push(b' ');
        out.extend_from_slice(written.raw.as_bytes());
    }
    for (prefix, namespace) in scanner.inherited() {
        let name = ["xmlns:", prefix].concat();
        attribute(out, &name, namespace);
    }
    if stanza.self_closing {
        out.extend_from_slice(b"/>");
        return;
    }
    out.push(b'>');
    body(stanza, scanner, out);
    out.extend_from_slice(b"</");
    out.extend_from_slice(stanza.name.as_bytes());
    out.push(b'>');
}

fn body(stanza: &Stanza<'_>, scanner: &Scanner, out: &mut Vec<u8>) {
    let raw = stanza.raw.as_bytes();
    let default = scanner.default_inside(stanza.raw);
    let mut copied = stanza.head_end;
    if default != stanza.namespace {
        for child in scanner.children(stanza).filter(|child| !child.own_default) {
            let prefix = child.prefix.map_or(0, |prefix| prefix.len() + 1);
            let name_end = child.range.start + 1 + prefix + child.name.len();
            out.extend_from_slice(&raw[copied..name_end]);
            attribute(out, "xmlns", &default);
            copied = name_end;
        }
    }
    out.extend_from_slice(&raw[copied..stanza.body_end]);
}
