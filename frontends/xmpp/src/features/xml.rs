//! Payloads in and out: reading a query's one child with the prefixes of its stanza, and writing an element so that it
//! stands on its own wherever it is put later.
//!
//! Invariant: what is stored is never the peer's bytes but what [`standalone`] wrote. The bytes of a payload may use
//! prefixes that are declared outside of it, and would be ill-formed in another stanza.

use bytes::Bytes;
use crosspoint_engine::envelope::{Condition, Content};

use crate::codec::tree::{Element, Node};
use crate::codec::{CLIENT, XML, write};

/// The stanza around a payload, so that the prefixes of its start tag are known.
pub(super) fn stanza(content: &Content) -> Result<String, Condition> {
    let head = str::from_utf8(&content.head).map_err(|_| Condition::BadRequest)?;
    let body = str::from_utf8(&content.body).map_err(|_| Condition::BadRequest)?;
    Ok(["<iq", head, ">", body, "</iq>"].concat())
}

/// The tree of a [`stanza`].
pub(super) fn parse(stanza: &str) -> Result<Element<'_>, Condition> {
    Element::parse(stanza, CLIENT).map_err(|_| Condition::BadRequest)
}

/// A `get` or `set` has exactly one child (RFC 6120 section 8.2.3).
pub(super) fn payload<'a>(stanza: &'a Element<'a>) -> Result<&'a Element<'a>, Condition> {
    let mut children = stanza.children();
    match (children.next(), children.next()) {
        (Some(payload), None) => Ok(payload),
        _ => Err(Condition::BadRequest),
    }
}

/// Writes an element with everything that it needs; `None` beyond `bytes_max`. Namespaces are declared where they change,
/// so that the output can be larger than the input was. The element itself must have a namespace.
pub(crate) fn standalone(element: &Element<'_>, bytes_max: usize) -> Option<Bytes> {
    let mut out = Vec::new();
    write_element(&mut out, element, "", bytes_max)?;
    Some(Bytes::from(out))
}

/// Writes an element for a place where this namespace is the default one. `None`: it would be larger than that.
pub(super) fn within(element: &Element<'_>, default: &str, bytes_max: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write_element(&mut out, element, default, bytes_max)?;
    Some(out)
}

/// Recursion is bounded by the depth that the tree was built with.
fn write_element(out: &mut Vec<u8>, element: &Element<'_>, default: &str, bytes_max: usize) -> Option<()> {
    out.push(b'<');
    out.extend_from_slice(element.name().as_bytes());
    if element.namespace() != default {
        write::attribute(out, "xmlns", element.namespace());
    }
    write_attributes(out, element);
    let nodes = element.nodes();
    out.extend_from_slice(if nodes.is_empty() { b"/>" } else { b">" });
    for node in nodes {
        match node {
            Node::Text(text) => write::text(out, text),
            Node::Element(child) => write_element(out, child, element.namespace(), bytes_max)?,
        }
    }
    if !nodes.is_empty() {
        write::write_tail(out, element.name());
    }
    (out.len() <= bytes_max).then_some(())
}

fn write_attributes(out: &mut Vec<u8>, element: &Element<'_>) {
    for (index, attribute) in element.attributes().iter().enumerate() {
        match &*attribute.namespace {
            "" => write::attribute(out, attribute.name, &attribute.value),
            XML => write::attribute(out, &["xml:", attribute.name].concat(), &attribute.value),
            namespace => {
                let prefix = format!("ns{index}");
                write::attribute(out, &["xmlns:", &prefix].concat(), namespace);
                write::attribute(out, &[&prefix, ":", attribute.name].concat(), &attribute.value);
            }
        }
    }
}
