//! The end of a start tag: duplicate attributes, namespace declarations, prefixes; and what of a stanza's
//! and a first-level child's start tag is recorded for routing.
//!
//! Invariant: when [`record`] returns, every prefix of the tag is bound, and no two of its attributes
//! have the same expanded name (Namespaces in XML 1.0, section 6.3).

use std::borrow::Cow;

use super::fault::{Fault, Flaw, Limit};
use super::limits::ScanLimits;
use super::value::normalised;
use super::work::{Attribute, AttributeKind, Binding, ChildRecord, Head, NamespaceRef, Place, Span, Stream, Work};
use super::{XML, XMLNS};

/// Checks and records the tag in `work.tag` and `work.attributes`, which ends before `end`.
#[inline]
pub(super) fn record(
    work: &mut Work,
    input: &[u8],
    stream: &Stream,
    limits: &ScanLimits,
    end: usize,
) -> Result<(), Fault> {
    unique_names(&work.attributes, input)?;
    if work.tag.declares {
        declare(work, input, limits)?;
    }
    if work.tag.prefixed > 0 {
        unique_expanded(work, input, Some(stream))?;
    }
    let outer = match work.open.len() {
        0 => NamespaceRef::STREAM_DEFAULT,
        _ => work.head.default,
    };
    let default = if work.tag.own_default { work.tag.default } else { outer };
    let namespace = match work.tag.colon {
        0 => default,
        _ => prefix_of_tag(work, input, Some(stream))?,
    };
    match work.open.len() {
        0 => stanza(work, input, end, default, namespace),
        1 => child(work, limits, end, namespace)?,
        _ => {}
    }
    Ok(())
}

fn stanza(work: &mut Work, input: &[u8], end: usize, default: NamespaceRef, namespace: NamespaceRef) {
    let head = &mut work.head;
    (head.tag, head.head_end) = (work.tag, end as u32);
    (head.default, head.namespace) = (default, namespace);
    addressing(head, &work.attributes, input);
}

/// Notes the attributes that routing reads.
pub(super) fn addressing(head: &mut Head, attributes: &[Attribute], input: &[u8]) {
    for attribute in attributes {
        match attribute.name(input) {
            b"to" => head.to = attribute.value,
            b"from" => head.from = attribute.value,
            b"type" => head.kind = attribute.value,
            b"id" => head.id = attribute.value,
            b"xml:lang" => head.lang = attribute.value,
            b"xmlns" => {}
            _ => head.rest = true,
        }
    }
}

fn child(work: &mut Work, limits: &ScanLimits, end: usize, namespace: NamespaceRef) -> Result<(), Fault> {
    if work.children.len() >= limits.children_max as usize {
        return Err(Limit::Children.into());
    }
    work.children.push(ChildRecord {
        start: work.tag.start,
        head_end: end as u32,
        len: work.tag.len,
        colon: work.tag.colon,
        own_default: work.tag.own_default,
        namespace,
        ..ChildRecord::default()
    });
    Ok(())
}

/// No two attributes may be written with the same name.
#[inline]
pub(super) fn unique_names(attributes: &[Attribute], input: &[u8]) -> Result<(), Fault> {
    for (index, attribute) in attributes.iter().enumerate() {
        let name = attribute.name(input);
        for earlier in &attributes[..index] {
            // The first bytes differ nearly always, and then no names are compared.
            if earlier.len == attribute.len
                && input[earlier.start as usize] == input[attribute.start as usize]
                && earlier.name(input) == name
            {
                return Err(Flaw::DuplicateAttribute.into());
            }
        }
    }
    Ok(())
}

/// Brings the tag's declarations into scope, and notes its default declaration, if it has one.
pub(super) fn declare(work: &mut Work, input: &[u8], limits: &ScanLimits) -> Result<(), Fault> {
    for attribute in &work.attributes {
        match attribute.kind {
            AttributeKind::Plain | AttributeKind::Prefixed => {}
            AttributeKind::Default => {
                reserved(b"", attribute, input)?;
                work.tag.own_default = true;
                work.tag.default = NamespaceRef::declared(attribute.value);
            }
            AttributeKind::Binding => {
                let prefix = attribute.local(input);
                reserved(prefix, attribute, input)?;
                if work.bindings.len() >= limits.prefixes_max as usize {
                    return Err(Limit::Prefixes.into());
                }
                work.bindings.push(Binding {
                    start: attribute.start + u32::from(attribute.colon) + 1,
                    len: prefix.len() as u16,
                    value: attribute.value,
                });
            }
        }
    }
    Ok(())
}

/// Namespaces in XML 1.0 section 3: what `xml`, `xmlns` and their names may be bound to.
fn reserved(prefix: &[u8], attribute: &Attribute, input: &[u8]) -> Result<(), Fault> {
    // White space in it would only make it differ from the reserved names, normalised or not.
    let value = match attribute.escaped {
        false => Cow::Borrowed(attribute.value.of(input)),
        true => normalised(attribute.value.of(input)),
    };
    let (xml, xmlns) = (*value == *XML.as_bytes(), *value == *XMLNS.as_bytes());
    let legal = match prefix {
        b"xmlns" => false,
        b"xml" => xml,
        b"" => !xml && !xmlns,
        _ if value.is_empty() => return Err(Flaw::EmptyPrefix.into()),
        _ => !xml && !xmlns,
    };
    if legal {
        Ok(())
    } else {
        Err(Flaw::ReservedPrefix.into())
    }
}

/// No two attributes may have the same local part in the same namespace.
pub(super) fn unique_expanded(work: &mut Work, input: &[u8], stream: Option<&Stream>) -> Result<(), Fault> {
    for index in 0..work.attributes.len() {
        let attribute = work.attributes[index];
        if attribute.kind != AttributeKind::Prefixed {
            continue;
        }
        let found = resolve(work, input, stream, attribute.prefix(input))?;
        for earlier in 0..index {
            let other = work.attributes[earlier];
            if other.kind == AttributeKind::Prefixed && other.local(input) == attribute.local(input) {
                let reference = resolve(work, input, stream, other.prefix(input))?;
                if name_of(reference, input, stream) == name_of(found, input, stream) {
                    return Err(Flaw::DuplicateAttribute.into());
                }
            }
        }
    }
    Ok(())
}

/// What the tag's own prefix stands for.
pub(super) fn prefix_of_tag(work: &mut Work, input: &[u8], stream: Option<&Stream>) -> Result<NamespaceRef, Fault> {
    let start = work.tag.start as usize + 1;
    let prefix = &input[start..start + work.tag.colon as usize];
    if prefix == b"xmlns" {
        return Err(Flaw::ReservedPrefix.into());
    }
    resolve(work, input, stream, prefix)
}

/// What `prefix` stands for here; notes it if the answer comes from the stream header.
fn resolve(work: &mut Work, input: &[u8], stream: Option<&Stream>, prefix: &[u8]) -> Result<NamespaceRef, Fault> {
    if prefix == b"xml" {
        return Ok(NamespaceRef::XML);
    }
    let span = |b: &Binding| Span {
        start: b.start,
        end: b.start + u32::from(b.len),
    };
    if let Some(found) = work.bindings.iter().rev().find(|b| span(b).of(input) == prefix) {
        return Ok(NamespaceRef::declared(found.value));
    }
    let inherited = stream.map_or(&[][..], |stream| &stream.prefixes);
    match inherited.iter().position(|(known, _)| known.as_bytes() == prefix) {
        Some(index) => {
            work.head.inherited |= 1 << index;
            Ok(NamespaceRef::stream_prefix(index))
        }
        None => Err(Flaw::UndeclaredPrefix.into()),
    }
}

/// The normalised namespace name that `reference` stands for.
pub(super) fn name_of<'i>(reference: NamespaceRef, input: &'i [u8], stream: Option<&'i Stream>) -> Cow<'i, [u8]> {
    let borrowed: &str = match (reference.place(), stream) {
        (Place::Stanza(span), _) => return normalised(span.of(input)),
        (Place::Xml, _) => XML,
        (Place::StreamDefault, Some(stream)) => &stream.default,
        (Place::StreamPrefix(index), Some(stream)) => stream.prefixes.get(index).map_or("", |(_, name)| name),
        _ => "",
    };
    Cow::Borrowed(borrowed.as_bytes())
}
