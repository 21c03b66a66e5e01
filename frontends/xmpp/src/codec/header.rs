//! The XML declaration and the stream header (RFC 6120 sections 4.7, 4.8 and 11.5).
//!
//! Invariant: a header that passes is `stream` in the stream namespace, under whatever prefix; what it
//! declares is kept in a [`Stream`], because stanzas may use it.

use std::borrow::Cow;

use super::fault::{Fault, Flaw, Limit};
use super::head::{addressing, declare, name_of, prefix_of_tag, unique_expanded, unique_names};
use super::limits::{DECLARATION_BYTES_MAX, ScanLimits};
use super::token::{is_space, skip_space};
use super::work::{Head, NamespaceRef, Span, Stream, Work};
use super::{CLIENT, COMPONENT, SERVER, STREAMS};

/// Reads `<?xml version='1.0' encoding='UTF-8'?>` at the start of `bytes`; gives its length.
pub(super) fn declaration(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    const START: &[u8] = b"<?xml";
    let known = bytes.len().min(START.len());
    if bytes[..known] != START[..known] {
        return Err(Fault::RestrictedXml);
    }
    match bytes.get(START.len()) {
        None => return Ok(None),
        Some(&byte) if !is_space(byte) => return Err(Fault::RestrictedXml),
        Some(_) => {}
    }
    let window = &bytes[..bytes.len().min(DECLARATION_BYTES_MAX)];
    let Some(end) = window.windows(2).position(|pair| pair == b"?>") else {
        let full = window.len() == DECLARATION_BYTES_MAX;
        return if full {
            Err(Limit::DeclarationBytes.into())
        } else {
            Ok(None)
        };
    };
    let mut rest = &window[START.len()..end];
    if pseudo_attribute(&mut rest, b"version")? != Some(b"1.0") {
        return Err(Flaw::Declaration.into());
    }
    match pseudo_attribute(&mut rest, b"encoding")? {
        Some(value) if !value.eq_ignore_ascii_case(b"utf-8") => {
            return Err(Fault::UnsupportedEncoding);
        }
        _ => {}
    }
    match pseudo_attribute(&mut rest, b"standalone")? {
        None | Some(b"yes") => {}
        Some(b"no") => return Err(Fault::RestrictedXml),
        Some(_) => return Err(Flaw::Declaration.into()),
    }
    if skip_space(rest, 0) < rest.len() {
        return Err(Flaw::Declaration.into());
    }
    Ok(Some(end + 2))
}

/// Takes `expected = 'value'` off the front of `rest`, if it stands there.
fn pseudo_attribute<'b>(rest: &mut &'b [u8], expected: &[u8]) -> Result<Option<&'b [u8]>, Fault> {
    let bytes = *rest;
    let start = skip_space(bytes, 0);
    if !bytes[start..].starts_with(expected) {
        return Ok(None);
    }
    let equals = skip_space(bytes, start + expected.len());
    if start == 0 || bytes.get(equals) != Some(&b'=') {
        return Err(Flaw::Declaration.into());
    }
    let open = skip_space(bytes, equals + 1);
    let quote = match bytes.get(open) {
        Some(&quote @ (b'\'' | b'"')) => quote,
        _ => return Err(Flaw::Declaration.into()),
    };
    let value = &bytes[open + 1..];
    let len = memchr::memchr(quote, value).ok_or(Flaw::Declaration)?;
    *rest = &value[len + 1..];
    Ok(Some(&value[..len]))
}

/// Checks and records the root's start tag, which ends before `end`.
pub(super) fn record(work: &mut Work, input: &[u8], limits: &ScanLimits, end: usize, empty: bool) -> Result<(), Fault> {
    unique_names(&work.attributes, input)?;
    declare(work, input, limits)?;
    let default = work.tag.default;
    unique_expanded(work, input, None)?;
    let namespace = match work.tag.colon {
        0 => default,
        _ => prefix_of_tag(work, input, None)?,
    };
    work.head = Head {
        tag: work.tag,
        head_end: end as u32,
        default,
        namespace,
        escaped: work.head.escaped,
        ..Head::default()
    };
    addressing(&mut work.head, &work.attributes, input);
    let version = work.attributes.iter().find(|a| a.name(input) == b"version");
    work.head.version = version.map_or(Span::NONE, |a| a.value);
    let start = work.tag.start as usize + 1;
    let local = &input[start..start + work.tag.len as usize];
    root(local, &name_of(namespace, input, None), work.tag.colon as usize)?;
    // `<stream:stream/>` opens and closes at once; nothing could ever be said on it.
    if empty { Err(Fault::BadFormat) } else { Ok(()) }
}

fn root(name: &[u8], namespace: &[u8], colon: usize) -> Result<(), Fault> {
    let local = &name[colon + usize::from(colon > 0)..];
    if namespace == STREAMS.as_bytes() {
        return if local == b"stream" {
            Ok(())
        } else {
            Err(Fault::BadFormat)
        };
    }
    match (local, colon) {
        (b"stream", 0) => Err(Fault::BadNamespacePrefix),
        (b"stream", _) => Err(Fault::InvalidNamespace),
        _ => Err(Fault::BadFormat),
    }
}

/// What the header in `work` declares for the rest of the stream.
pub(super) fn stream(work: &Work, header: &str) -> Stream {
    let input = header.as_bytes();
    let default = match interned(&text_of(work.head.default, input)) {
        // The same stanzas under another name.
        Cow::Owned(name) if name == COMPONENT => Cow::Borrowed(CLIENT),
        default => default,
    };
    let prefixes: Box<[_]> = work
        .bindings
        .iter()
        .map(|b| {
            Span {
                start: b.start,
                end: b.start + u32::from(b.len),
            }
            .text(header)
        })
        .zip(&work.bindings)
        .filter(|(prefix, _)| *prefix != "xml")
        .map(|(prefix, b)| {
            (
                Box::from(prefix),
                interned(&text_of(NamespaceRef::declared(b.value), input)),
            )
        })
        .collect();
    let server = default == SERVER || (default != CLIENT && prefixes.iter().any(|(_, namespace)| namespace == SERVER));
    let start = work.head.tag.start + 1;
    let name = Span {
        start,
        end: start + u32::from(work.head.tag.len),
    };
    let content = if server { SERVER } else { CLIENT };
    Stream {
        name: name.text(header).into(),
        default_is_content: default == content,
        default,
        prefixes,
        content,
    }
}

fn text_of(reference: NamespaceRef, input: &[u8]) -> String {
    String::from_utf8_lossy(&name_of(reference, input, None)).into_owned()
}

/// The usual names cost an idle stream nothing.
fn interned(name: &str) -> Cow<'static, str> {
    match [CLIENT, SERVER, STREAMS, ""].into_iter().find(|known| *known == name) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name.to_owned()),
    }
}
