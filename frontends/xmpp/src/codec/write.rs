//! Writing XML into an output buffer: escaping, rewritten start tags, small elements.
//!
//! Invariants: whatever strings come in, the output is well-formed and none of RFC 6120 section 11.1's
//! forbidden constructs: text and values are escaped, and characters outside of XML's range become
//! U+FFFD. Only names, and what is explicitly called raw, are trusted; those come from the code or from a
//! scanned stanza, never from other input.

use memchr::memchr;

use super::frame::Rest;
use super::token::is_xml_char;
use super::value::Value;

/// A value to write: as a peer wrote it, or plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attr<'a> {
    /// Taken from a scanned stanza, written as it is.
    Raw(Value<'a>),
    /// Plain text, to be escaped.
    Text(&'a str),
}

impl<'a> From<Value<'a>> for Attr<'a> {
    fn from(value: Value<'a>) -> Self {
        Attr::Raw(value)
    }
}

impl<'a> From<&'a str> for Attr<'a> {
    fn from(text: &'a str) -> Self {
        Attr::Text(text)
    }
}

/// The attributes of a stanza's start tag when we write it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attrs<'a> {
    /// `from`, stamped by us.
    pub from: Option<Attr<'a>>,
    /// `to`.
    pub to: Option<Attr<'a>>,
    /// `type`.
    pub kind: Option<Attr<'a>>,
    /// `id`.
    pub id: Option<Attr<'a>>,
    /// `xml:lang`; the stream's default language if the stanza has none (RFC 6120 section 8.1.5).
    pub lang: Option<Attr<'a>>,
    /// What else the peer's start tag had.
    pub rest: Rest<'a>,
}

/// Writes `<name from=.. to=.. type=.. id=.. xml:lang=.. rest>`, or with `/>` if `empty`.
pub fn write_head(out: &mut Vec<u8>, name: &str, attrs: &Attrs<'_>, empty: bool) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    let known = [
        ("from", attrs.from),
        ("to", attrs.to),
        ("type", attrs.kind),
        ("id", attrs.id),
        ("xml:lang", attrs.lang),
    ];
    for (name, value) in known {
        match value {
            Some(Attr::Raw(value)) => raw_attribute(out, name, value),
            Some(Attr::Text(text)) => attribute(out, name, text),
            None => {}
        }
    }
    attrs.rest.write(out);
    out.extend_from_slice(if empty { b"/>" } else { b">" });
}

/// Writes `</name>`.
pub fn write_tail(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

/// Writes ` name="value"`, escaping the value.
pub fn attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    escape(out, value, true);
    out.push(b'"');
}

/// Writes a value without its quotes, escaped for either kind of them.
pub fn value(out: &mut Vec<u8>, value: &str) {
    escape(out, value, true);
}

/// Writes ` name="value"` with a value that is escaped already, in quotes that it does not hold.
pub fn raw_attribute(out: &mut Vec<u8>, name: &str, value: Value<'_>) {
    let raw = value.raw().as_bytes();
    let quote = if memchr(b'"', raw).is_some() { b'\'' } else { b'"' };
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&[b'=', quote]);
    out.extend_from_slice(raw);
    out.push(quote);
}

/// Writes character data, escaped.
pub fn text(out: &mut Vec<u8>, text: &str) {
    escape(out, text, false);
}

fn escape(out: &mut Vec<u8>, text: &str, attribute: bool) {
    let mut copied = 0;
    for (at, c) in text.char_indices() {
        let written: &[u8] = match c {
            '&' => b"&amp;",
            '<' => b"&lt;",
            // Not only after `]]`: simpler, and never wrong.
            '>' => b"&gt;",
            '"' if attribute => b"&quot;",
            '\'' if attribute => b"&apos;",
            // A parser would normalise these away.
            '\t' if attribute => b"&#9;",
            '\n' if attribute => b"&#10;",
            '\r' => b"&#13;",
            c if is_xml_char(c) => continue,
            _ => "\u{FFFD}".as_bytes(),
        };
        out.extend_from_slice(&text.as_bytes()[copied..at]);
        out.extend_from_slice(written);
        copied = at + c.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[copied..]);
}

/// Builds small elements in place: `el.open("query").attr("xmlns", ns).text("hi").close()`.
///
/// An element that is closed without content becomes an empty-element tag. What is still open when the
/// builder is dropped is closed then.
#[derive(Debug)]
pub struct Builder<'o, 'n> {
    out: &'o mut Vec<u8>,
    open: Vec<&'n str>,
    in_head: bool,
}

impl<'o, 'n> Builder<'o, 'n> {
    /// Appends to `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Builder {
            out,
            open: Vec::new(),
            in_head: false,
        }
    }

    /// Continues an element whose start tag is written, `write_head(.., false)`: its end tag is written
    /// at the end.
    pub fn within(out: &'o mut Vec<u8>, name: &'n str) -> Self {
        Builder {
            out,
            open: vec![name],
            in_head: false,
        }
    }

    /// Opens an element inside the current one.
    pub fn open(&mut self, name: &'n str) -> &mut Self {
        self.end_head();
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        self.open.push(name);
        self.in_head = true;
        self
    }

    /// Adds an attribute to the element just opened. Only before its content.
    pub fn attr<'v>(&mut self, name: &str, value: impl Into<Attr<'v>>) -> &mut Self {
        debug_assert!(self.in_head, "attribute {name} after the start tag");
        if self.in_head {
            match value.into() {
                Attr::Raw(value) => raw_attribute(self.out, name, value),
                Attr::Text(text) => attribute(self.out, name, text),
            }
        }
        self
    }

    /// Adds an attribute if there is a value.
    pub fn attr_opt<'v>(&mut self, name: &str, value: Option<impl Into<Attr<'v>>>) -> &mut Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// Adds character data.
    pub fn text(&mut self, plain: &str) -> &mut Self {
        if !plain.is_empty() {
            self.end_head();
            text(self.out, plain);
        }
        self
    }

    /// Adds markup out of a scanned stanza as it is.
    pub fn raw(&mut self, markup: &[u8]) -> &mut Self {
        if !markup.is_empty() {
            self.end_head();
            self.out.extend_from_slice(markup);
        }
        self
    }

    /// Adds `<name xmlns="namespace"/>`.
    pub fn empty(&mut self, name: &'n str, namespace: &str) -> &mut Self {
        self.open(name).attr("xmlns", namespace).close()
    }

    /// Closes the current element.
    pub fn close(&mut self) -> &mut Self {
        match self.open.pop() {
            Some(_) if self.in_head => self.out.extend_from_slice(b"/>"),
            Some(name) => write_tail(self.out, name),
            None => debug_assert!(false, "close without open"),
        }
        self.in_head = false;
        self
    }

    /// Closes everything that is open.
    pub fn finish(mut self) {
        self.close_all();
    }

    fn close_all(&mut self) {
        while !self.open.is_empty() {
            self.close();
        }
    }

    fn end_head(&mut self) {
        if self.in_head {
            self.out.push(b'>');
            self.in_head = false;
        }
    }
}

impl Drop for Builder<'_, '_> {
    fn drop(&mut self) {
        self.close_all();
    }
}
