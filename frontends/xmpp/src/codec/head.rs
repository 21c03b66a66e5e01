//! The end of a start tag: duplicate attributes, namespace declarations, prefixes; and what of a stanza's
//! and a first-level child's start tag is recorded for routing.
//!
//! Invariant: when [`record`] returns, every prefix of the tag is bound, and no two of its attributes
//! have the same expanded name (Namespaces in XML 1.0, section 6.3).

use std::borrow::Cow;

use super::fault::{Fault, Flaw, Limit};
use super::limits::ScanLimits;
use super::value::normalised;
use super::work::{Attribute, Binding, ChildRecord, Head, NamespaceRef, Span, Stream, Work};
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
    let mut default = None;
    if work.tag.qualified {
        default = declare(work, input, limits)?;
        unique_expanded(work, input, Some(stream))?;
    }
    let namespace = match work.tag.colon {
        0 => None,
        _ => Some(prefix_of_tag(work, input, Some(stream))?),
    };
    match work.open.len() {
        0 => stanza(work, input, end, default, namespace),
        1 => child(work, limits, end, default, namespace)?,
        _ => {}
    }
    Ok(())
}

fn stanza(
    work: &mut Work,
    input: &[u8],
    end: usize,
    default: Option<NamespaceRef>,
    namespace: Option<NamespaceRef>,
) {
    let default = default.unwrap_or(NamespaceRef::StreamDefault);
    let inherited = work.head.inherited;
    work.head = Head {
        tag: work.tag,
        head_end: end as u32,
        default,
        namespace: namespace.unwrap_or(default),
        inherited,
        ..Head::default()
    };
    addressing(&mut work.head, &work.attributes, input);
}

/// Notes the attributes that routing reads.
pub(super) fn addressing(head: &mut Head, attributes: &[Attribute], input: &[u8]) {
    for attribute in attributes {
        match attribute.name(input) {
            b"to" => head.to = Some(attribute.value),
            b"from" => head.from = Some(attribute.value),
            b"type" => head.kind = Some(attribute.value),
            b"id" => head.id = Some(attribute.value),
            b"xml:lang" => head.lang = Some(attribute.value),
            b"xmlns" => {}
            _ => head.rest = true,
        }
    }
}

fn child(
    work: &mut Work,
    limits: &ScanLimits,
    end: usize,
    default: Option<NamespaceRef>,
    namespace: Option<NamespaceRef>,
) -> Result<(), Fault> {
    if work.children.len() >= limits.children_max as usize {
        return Err(Limit::Children.into());
    }
    work.children.push(ChildRecord {
        start: work.tag.start,
        head_end: end as u32,
        len: work.tag.len,
        colon: work.tag.colon,
        own_default: default.is_some(),
        namespace: namespace.or(default).unwrap_or(work.head.default),
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
            if earlier.len == attribute.len && earlier.name(input) == name {
                return Err(Flaw::DuplicateAttribute.into());
            }
        }
    }
    Ok(())
}

/// Brings the tag's declarations into scope; gives its default declaration, if it has one.
pub(super) fn declare(
    work: &mut Work,
    input: &[u8],
    limits: &ScanLimits,
) -> Result<Option<NamespaceRef>, Fault> {
    let mut default = None;
    for attribute in &work.attributes {
        let value = attribute.value.of(input);
        match (attribute.prefix(input), attribute.local(input)) {
            (b"", b"xmlns") => {
                reserved(b"", value)?;
                default = Some(match attribute.value {
                    span if span.start == span.end => NamespaceRef::None,
                    span => NamespaceRef::Stanza(span),
                });
            }
            (b"xmlns", prefix) => {
                reserved(prefix, value)?;
                if work.bindings.len() >= limits.prefixes_max as usize {
                    return Err(Limit::Prefixes.into());
                }
                work.bindings.push(Binding {
                    start: attribute.start + u32::from(attribute.colon) + 1,
                    len: prefix.len() as u16,
                    value: attribute.value,
                });
            }
            _ => {}
        }
    }
    Ok(default)
}

/// Namespaces in XML 1.0 section 3: what `xml`, `xmlns` and their names may be bound to.
fn reserved(prefix: &[u8], value: &[u8]) -> Result<(), Fault> {
    let value = normalised(value);
    let legal = match prefix {
        b"xmlns" => false,
        b"xml" => *value == *XML.as_bytes(),
        b"" => *value != *XML.as_bytes() && *value != *XMLNS.as_bytes(),
        _ if value.is_empty() => return Err(Flaw::EmptyPrefix.into()),
        _ => *value != *XML.as_bytes() && *value != *XMLNS.as_bytes(),
    };
    if legal {
        Ok(())
    } else {
        Err(Flaw::ReservedPrefix.into())
    }
}

/// No two attributes may have the same local part in the same namespace.
pub(super) fn unique_expanded(
    work: &mut Work,
    input: &[u8],
    stream: Option<&Stream>,
) -> Result<(), Fault> {
    for index in 0..work.attributes.len() {
        let attribute = work.attributes[index];
        if attribute.colon == 0 || attribute.prefix(input) == b"xmlns" {
            continue;
        }
        let found = resolve(work, input, stream, attribute.prefix(input))?;
        for earlier in 0..index {
            let other = work.attributes[earlier];
            if other.colon > 0
                && other.prefix(input) != b"xmlns"
                && other.local(input) == attribute.local(input)
            {
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
pub(super) fn prefix_of_tag(
    work: &mut Work,
    input: &[u8],
    stream: Option<&Stream>,
) -> Result<NamespaceRef, Fault> {
    let start = work.tag.start as usize + 1;
    let prefix = &input[start..start + work.tag.colon as usize];
    if prefix == b"xmlns" {
        return Err(Flaw::ReservedPrefix.into());
    }
    resolve(work, input, stream, prefix)
}

/// What `prefix` stands for here; notes it if the answer comes from the stream header.
fn resolve(
    work: &mut Work,
    input: &[u8],
    stream: Option<&Stream>,
    prefix: &[u8],
) -> Result<NamespaceRef, Fault> {
    if prefix == b"xml" {
        return Ok(NamespaceRef::Xml);
    }
    let span = |b: &Binding| Span {
        start: b.start,
        end: b.start + u32::from(b.len),
    };
    if let Some(found) = work
        .bindings
        .iter()
        .rev()
        .find(|b| span(b).of(input) == prefix)
    {
        return Ok(NamespaceRef::Stanza(found.value));
    }
    let inherited = stream.map_or(&[][..], |stream| &stream.prefixes);
    match inherited
        .iter()
        .position(|(known, _)| known.as_bytes() == prefix)
    {
        Some(index) => {
            work.head.inherited |= 1 << index;
            Ok(NamespaceRef::StreamPrefix(index as u8))
        }
        None => Err(Flaw::UndeclaredPrefix.into()),
    }
}

/// The normalised namespace name that `reference` stands for.
pub(super) fn name_of<'i>(
    reference: NamespaceRef,
    input: &'i [u8],
    stream: Option<&'i Stream>,
) -> Cow<'i, [u8]> {
    let borrowed: &str = match (reference, stream) {
        (NamespaceRef::Stanza(span), _) => return normalised(span.of(input)),
        (NamespaceRef::Xml, _) => XML,
        (NamespaceRef::StreamDefault, Some(stream)) => &stream.default,
        (NamespaceRef::StreamPrefix(index), Some(stream)) => stream
            .prefixes
            .get(index as usize)
            .map_or("", |(_, name)| name),
        _ => "",
    };
    Cow::Borrowed(borrowed.as_bytes())
}
