//! Attribute values and text as written, and as meant.
//!
//! Invariant: a [`Value`] comes from a scanned stanza (or from a caller who vouches for the same), so its
//! references are well-formed; what is unknown nevertheless stays as it is written.

use std::borrow::Cow;

use memchr::memchr;

/// An attribute's value as it was written, between its quotes and still escaped.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    raw: &'a str,
    /// Known to mean what it says: nothing needs to be searched for what would have to be replaced.
    plain: bool,
}

impl<'a> Value<'a> {
    /// Wraps the raw value of an attribute of a scanned stanza.
    pub(crate) fn from_raw(raw: &'a str) -> Value<'a> {
        Value { raw, plain: false }
    }

    /// As [`Value::from_raw`]; `plain` promises that it holds neither a reference nor white space other than spaces.
    pub(super) fn known(raw: &'a str, plain: bool) -> Value<'a> {
        debug_assert!(!plain || !needs_expansion(raw.as_bytes(), true));
        Value { raw, plain }
    }

    /// The value as written. May hold `"` or `'`, but not both; see [`write`](super::write).
    pub fn raw(self) -> &'a str {
        self.raw
    }

    /// The value as meant: references replaced, white space normalised to spaces (XML 1.0 section 3.3.3).
    /// Borrows unless there is something to replace.
    pub fn unescape(self) -> Cow<'a, str> {
        match self.plain {
            true => Cow::Borrowed(self.raw),
            false => expand(self.raw, true),
        }
    }
}

/// Values are compared as written.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Value<'_>) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Value<'_> {}

impl PartialEq<str> for Value<'_> {
    fn eq(&self, other: &str) -> bool {
        self.raw == other || *self.unescape() == *other
    }
}

impl PartialEq<&str> for Value<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

/// Text as meant: references replaced, line ends normalised to `\n` (XML 1.0 section 2.11).
/// The text must come from a scanned stanza and hold no CDATA section.
pub fn unescape_text(raw: &str) -> Cow<'_, str> {
    expand(raw, false)
}

/// A raw attribute value as meant, in bytes; for comparison of names before the UTF-8 check.
pub(super) fn normalised(raw: &[u8]) -> Cow<'_, [u8]> {
    if !needs_expansion(raw, true) {
        return Cow::Borrowed(raw);
    }
    match std::str::from_utf8(raw) {
        Ok(text) => Cow::Owned(expand(text, true).into_owned().into_bytes()),
        Err(_) => Cow::Borrowed(raw),
    }
}

/// Looks at every byte without leaving early, which the compiler turns into vector code.
fn needs_expansion(raw: &[u8], attribute: bool) -> bool {
    raw.iter().fold(false, |any, &b| {
        any | (b == b'&') | (b == b'\r') | (attribute & (b < 0x20))
    })
}

fn expand(raw: &str, attribute: bool) -> Cow<'_, str> {
    let special = |b: u8| b == b'&' || b == b'\r' || (attribute && (b == b'\n' || b == b'\t'));
    if !needs_expansion(raw.as_bytes(), attribute) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.bytes().position(special) {
        out.push_str(&rest[..at]);
        let (meant, len) = match rest.as_bytes()[at] {
            b'&' => referenced(&rest[at..]),
            b'\r' if rest.as_bytes().get(at + 1) == Some(&b'\n') => ('\n', 2),
            _ => ('\n', 1),
        };
        let reference = rest.as_bytes()[at] == b'&';
        out.push(if attribute && !reference { ' ' } else { meant });
        rest = &rest[at + len..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that the reference at the start of `text` stands for, and the reference's length.
fn referenced(text: &str) -> (char, usize) {
    let verbatim = ('&', 1);
    let Some(end) = memchr(b';', text.as_bytes()) else {
        return verbatim;
    };
    let meant = match &text[1..end] {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        name => match (name.strip_prefix("#x"), name.strip_prefix('#')) {
            (Some(hex), _) => u32::from_str_radix(hex, 16).ok().and_then(char::from_u32),
            (None, Some(decimal)) => decimal.parse().ok().and_then(char::from_u32),
            (None, None) => None,
        },
    };
    meant.map_or(verbatim, |c| (c, end + 1))
}
