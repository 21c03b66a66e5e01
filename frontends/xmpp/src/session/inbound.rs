//! From the read buffer to shared bytes: the one copy of a message's road.
//!
//! A call of `on_input` may carry many stanzas. When the first of them is routed, everything from its first byte to the
//! last `>` of the input is copied once; all envelopes of the call share that copy.
//!
//! Invariant: a [`Run`] never hands out bytes that were not in its input.

use std::borrow::Cow;

use bytes::Bytes;
use crosspoint_engine::envelope::{Condition, copy};
use crosspoint_engine::jid::Jid;
use memchr::memrchr;

use crate::codec::{Stanza, Value};

/// The input of one call, and its copy once there is one.
pub(crate) struct Run<'i> {
    input: &'i [u8],
    /// Offset in the input at which the copy begins, and the copy.
    shared: Option<(usize, Bytes)>,
    /// The last addressee: who writes several stanzas at once writes them to the same one, as a rule.
    last: Option<Jid>,
}

impl<'i> Run<'i> {
    /// Copies nothing yet.
    pub(crate) fn new(input: &'i [u8]) -> Run<'i> {
        Run {
            input,
            shared: None,
            last: None,
        }
    }

    /// Shared bytes of `part`, which must be a slice of the input at or after those shared before; anything else is
    /// copied on its own.
    pub(crate) fn share(&mut self, part: &[u8]) -> Bytes {
        if part.is_empty() {
            return Bytes::new();
        }
        let Some(offset) = self.offset(part) else {
            return Bytes::copy_from_slice(part);
        };
        let input = self.input;
        let (start, shared) = self.shared.get_or_insert_with(|| {
            let end = memrchr(b'>', input)
                .map_or(input.len(), |last| last + 1)
                .max(offset + part.len());
            (offset, copy(&input[offset..end]))
        });
        match offset.checked_sub(*start) {
            Some(from) if from + part.len() <= shared.len() => shared.slice(from..from + part.len()),
            _ => Bytes::copy_from_slice(part),
        }
    }

    /// Makes sure that the copy begins no later than this stanza.
    pub(crate) fn start(&mut self, stanza: &Stanza<'_>) {
        if self.shared.is_none() {
            self.share(stanza.raw.as_bytes());
        }
    }

    /// An attribute's value as meant, shared where it needs no unescaping.
    pub(crate) fn value(&mut self, value: Value<'_>) -> Bytes {
        match value.unescape() {
            Cow::Borrowed(text) => self.share(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text.into_bytes()),
        }
    }

    /// An attribute's value as an address.
    pub(crate) fn address(&mut self, value: Value<'_>) -> Result<Jid, Condition> {
        // An address in prepared form is what preparing it would give.
        if let (Some(last), Cow::Borrowed(text)) = (&self.last, value.unescape())
            && last.as_str() == text
        {
            return Ok(last.clone());
        }
        let address = Jid::parse_bytes(self.value(value)).map_err(|_| Condition::JidMalformed)?;
        self.last = Some(address.clone());
        Ok(address)
    }

    /// Where a slice of the input begins in it.
    fn offset(&self, part: &[u8]) -> Option<usize> {
        let offset = (part.as_ptr() as usize).checked_sub(self.input.as_ptr() as usize)?;
        (offset + part.len() <= self.input.len()).then_some(offset)
    }
}

/// What of a start tag is carried on beside addresses, type and id: language, prefixes, foreign attributes, each preceded
/// by white space. `default_lang` is the stream's language, for stanzas that name none (RFC 6120 section 8.1.5).
pub(crate) fn head(stanza: &Stanza<'_>, run: &mut Run<'_>, default_lang: Option<&Bytes>) -> Bytes {
    let rest = stanza.rest();
    match (stanza.lang, rest.is_empty()) {
        (None, true) => default_lang.cloned().unwrap_or_default(),
        (Some(_), true) => match stanza.attributes().find(|attribute| attribute.name == "xml:lang") {
            // As written, with the one white space that stands before every attribute.
            Some(attribute) => {
                let start = offset_in(stanza.raw, attribute.raw);
                run.share(&stanza.raw.as_bytes()[start.saturating_sub(1)..start + attribute.raw.len()])
            }
            None => Bytes::new(),
        },
        (lang, false) => {
            let mut head = Vec::with_capacity(stanza.head_end);
            match (lang, default_lang) {
                (Some(lang), _) => crate::codec::write::raw_attribute(&mut head, "xml:lang", lang),
                (None, Some(default)) => head.extend_from_slice(default),
                (None, None) => {}
            }
            rest.write(&mut head);
            Bytes::from(head)
        }
    }
}

fn offset_in(whole: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_shares_one_copy() {
        let input = b"<a>one</a><b>two</b><c>par";
        let mut run = Run::new(input);
        let one = run.share(&input[3..6]);
        let two = run.share(&input[13..16]);
        assert_eq!((&one[..], &two[..]), (&b"one"[..], &b"two"[..]));
        assert_eq!(two.as_ptr() as usize - one.as_ptr() as usize, 10);
    }

    #[test]
    fn an_address_that_looks_like_the_last_one_escaped_is_another() {
        let input = b"";
        let mut run = Run::new(input);
        let written = |text: &'static str| Value::from_raw(text);
        let one = run.address(written("b@c.lit/a&amp;amp;z")).unwrap();
        assert_eq!(one.as_str(), "b@c.lit/a&amp;z");
        let two = run.address(written("b@c.lit/a&amp;z")).unwrap();
        assert_eq!(two.as_str(), "b@c.lit/a&z");
    }

    #[test]
    fn what_is_not_of_the_input_is_copied_alone() {
        let input = b"<a>one</a>";
        let mut run = Run::new(input);
        assert_eq!(&run.share(b"elsewhere")[..], b"elsewhere");
        assert_eq!(&run.share(&input[3..6])[..], b"one");
        assert_eq!(&run.share(&input[0..2])[..], b"<a");
    }
}
