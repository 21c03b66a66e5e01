//! What a scan gives: borrowed frames, their addressing and their spans.
//!
//! Invariants: every `&str` here is a slice of the bytes that were scanned, and they passed every check;
//! offsets are in bytes from the start of [`Stanza::raw`].

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use super::value::Value;

/// The outcome of one scan.
#[derive(Debug)]
// It lives for one frame, on the stack; a box would be an allocation for each stanza.
#[allow(clippy::large_enum_variant)]
pub enum Scan<'a> {
    /// The window ends within a frame. Give the same bytes again with more after them.
    Partial,
    /// A complete frame; the next window starts `consumed` bytes later.
    Frame {
        /// What was read.
        frame: Frame<'a>,
        /// How many bytes of the window it took.
        consumed: usize,
    },
}

/// A complete unit of an XML stream.
#[derive(Debug)]
pub enum Frame<'a> {
    /// The stream header: the root's start tag.
    Header(Header<'a>),
    /// A first-level element, whatever its namespace: stanza, SASL, stream management...
    Stanza(Stanza<'a>),
    /// White space between first-level elements, or the XML declaration: nothing to act on.
    Space,
    /// The root's end tag.
    End,
}

/// A stream header (RFC 6120 section 4.7).
#[derive(Clone, Debug)]
pub struct Header<'a> {
    /// The whole start tag.
    pub raw: &'a str,
    /// The prefix of the root, if it has one; usually `stream`.
    pub prefix: Option<&'a str>,
    /// The default namespace: `jabber:client` or `jabber:server`, unless stanzas are to be prefixed.
    pub default_namespace: Cow<'a, str>,
    /// The peer's idea of our name.
    pub to: Option<Value<'a>>,
    /// The peer's own name.
    pub from: Option<Value<'a>>,
    /// The stream's identifier; only a receiving entity sends one.
    pub id: Option<Value<'a>>,
    /// The protocol version, `1.0` in practice.
    pub version: Option<Value<'a>>,
    /// The default language of the stream's content.
    pub lang: Option<Value<'a>>,
}

/// A first-level element that is complete and valid.
#[derive(Clone, Debug)]
pub struct Stanza<'a> {
    /// All of it, from `<` to `>`.
    pub raw: &'a str,
    /// The local part of its name.
    pub name: &'a str,
    /// The prefix of its name.
    pub prefix: Option<&'a str>,
    /// Its namespace, resolved; empty if none.
    pub namespace: Cow<'a, str>,
    /// The `to` attribute.
    pub to: Option<Value<'a>>,
    /// The `from` attribute.
    pub from: Option<Value<'a>>,
    /// The `type` attribute.
    pub kind: Option<Value<'a>>,
    /// The `id` attribute.
    pub id: Option<Value<'a>>,
    /// The `xml:lang` attribute. (The header's, if any, is the default: RFC 6120 section 8.1.5.)
    pub lang: Option<Value<'a>>,
    /// Offset after the start tag.
    pub head_end: usize,
    /// Offset of the end tag; equal to `head_end`, and to the length of `raw`, if self-closing.
    pub body_end: usize,
    /// Whether it is one empty-element tag, `<presence/>`.
    pub self_closing: bool,
    /// Whether the body may be copied into another stream as it is: the stanza is an unprefixed element
    /// of the content namespace, whose content has that same default namespace, and nothing in it uses a
    /// prefix of the stream header. Otherwise see [`reserialise`](super::reserialise).
    pub verbatim: bool,
    /// Some attribute is neither one of the five above nor `xmlns`.
    pub(super) has_rest: bool,
}

impl<'a> Stanza<'a> {
    /// The start tag.
    pub fn head(&self) -> &'a str {
        &self.raw[..self.head_end]
    }

    /// What is between start and end tag; empty if self-closing.
    pub fn body(&self) -> &'a str {
        &self.raw[self.head_end..self.body_end]
    }

    /// Where the body stands in `raw`.
    pub fn body_range(&self) -> Range<usize> {
        self.head_end..self.body_end
    }

    /// Whether it has this local name and namespace.
    pub fn is(&self, name: &str, namespace: &str) -> bool {
        self.name == name && self.namespace == namespace
    }

    /// All attributes as written, declarations included.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::of_head(self.head())
    }

    /// The attributes and prefix declarations that are neither addressing nor `xmlns`: what a rewritten
    /// start tag must carry on.
    pub fn rest(&self) -> Rest<'a> {
        Rest(if self.has_rest { self.head() } else { "" })
    }
}

/// A namespace and a local name; see [`Scanner::names`](super::Scanner::names).
pub type Name<'a> = (&'a [u8], &'a [u8]);

/// A first-level child of a stanza; see [`Scanner::children`](super::Scanner::children).
#[derive(Clone, Debug)]
pub struct Child<'a> {
    /// All of it, from `<` to `>`.
    pub raw: &'a str,
    /// The local part of its name.
    pub name: &'a str,
    /// The prefix of its name.
    pub prefix: Option<&'a str>,
    /// Its namespace, resolved; empty if none.
    pub namespace: Cow<'a, str>,
    /// Where it stands in the stanza.
    pub range: Range<usize>,
    /// Offset in the stanza after its start tag.
    pub head_end: usize,
    /// Offset in the stanza of its end tag; the end of the child if it is self-closing.
    pub inner_end: usize,
    /// Whether its own start tag declares a default namespace.
    pub(super) own_default: bool,
}

impl<'a> Child<'a> {
    /// Whether it has this local name and namespace.
    pub fn is(&self, name: &str, namespace: &str) -> bool {
        self.name == name && self.namespace == namespace
    }

    /// What is between its start and end tag.
    pub fn inner(&self) -> &'a str {
        let start = self.range.start;
        &self.raw[self.head_end - start..self.inner_end - start]
    }

    /// Its attributes as written, declarations included.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::of_head(&self.raw[..self.head_end - self.range.start])
    }

    /// The value of the attribute with this qualified name.
    pub fn attr(&self, name: &str) -> Option<Value<'a>> {
        self.attributes().find(|a| a.name == name).map(|a| a.value)
    }
}

/// An attribute of a scanned start tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The qualified name.
    pub name: &'a str,
    /// The value.
    pub value: Value<'a>,
    /// Name, equals sign, quotes and value as written.
    pub raw: &'a str,
}

/// Iterates over the attributes of a scanned start tag; it trusts the scan and checks nothing.
#[derive(Clone, Debug)]
pub struct Attributes<'a>(&'a str);

impl<'a> Attributes<'a> {
    /// `head` is a scanned start tag with its brackets, or nothing.
    pub(crate) fn of_head(head: &'a str) -> Attributes<'a> {
        let name = head.find([' ', '\t', '\n', '\r', '/', '>']).unwrap_or(head.len());
        Attributes(&head[name..])
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let rest = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
        let equals = memchr(b'=', rest.as_bytes())?;
        let open = equals + 1 + rest[equals + 1..].find(['"', '\''])?;
        let close = open + 1 + memchr(rest.as_bytes()[open], &rest.as_bytes()[open + 1..])?;
        self.0 = &rest[close + 1..];
        Some(Attribute {
            name: rest[..equals].trim_end_matches([' ', '\t', '\n', '\r']),
            value: Value::from_raw(&rest[open + 1..close]),
            raw: &rest[..=close],
        })
    }
}

/// The part of a start tag that is neither addressing nor `xmlns`; see [`Stanza::rest`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Nothing: what a stanza that we make ourselves has.
    pub const EMPTY: Rest<'static> = Rest("");

    /// Whether there is nothing to carry on.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attributes to carry on, in their order.
    pub fn attributes(self) -> impl Iterator<Item = Attribute<'a>> {
        const KNOWN: [&str; 6] = ["to", "from", "type", "id", "xml:lang", "xmlns"];
        Attributes::of_head(self.0).filter(|a| !KNOWN.contains(&a.name))
    }

    /// Appends them as written, each with a space before it.
    pub fn write(self, out: &mut Vec<u8>) {
        for attribute in self.attributes() {
            out.push(b' ');
            out.extend_from_slice(attribute.raw.as_bytes());
        }
    }
}
