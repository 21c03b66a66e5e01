//! The scanner's loop: from token to token through one stanza or stream header.
//!
//! Invariants: `pos` is the first byte that is not yet accepted, always between two tokens or inside a
//! value, text or CDATA section; `probe` is how far that run was searched in vain, so that a long run
//! that arrives in small pieces costs each of its bytes once. Nothing before `pos` is read again but
//! names that an end tag, a prefix or a duplicate check must compare.

use memchr::memchr;

use super::fault::{Fault, Flaw, Limit};
use super::find::Ends;
use super::limits::ScanLimits;
use super::state::{Cursor, Done, State, Step};
use super::token::{name, reference, skip_space};
use super::work::{Attribute, AttributeKind, Open, Span, Stream, Tag, Work};

/// One run over one window.
pub(super) struct Machine<'r> {
    pub input: &'r [u8],
    pub limits: &'r ScanLimits,
    /// The header's declarations; `None` while the header itself is read.
    pub stream: Option<&'r Stream>,
    pub work: &'r mut Work,
    pub at: Cursor,
}

impl Machine<'_> {
    /// Runs to the end of the stanza or header; `None` if the window ends before.
    pub fn run(&mut self) -> Result<Option<Done>, Fault> {
        loop {
            let step = match self.at.state {
                State::Content => match self.usual() {
                    Some(done) => return Ok(Some(done)),
                    None => self.content()?,
                },
                State::Attributes => self.attributes()?,
                State::Equals => self.equals()?,
                State::Quote => self.quote()?,
                State::Value(quote) => self.value(quote)?,
                State::Cdata => self.cdata()?,
                State::EndTag => self.end_tag_close()?,
            };
            match step {
                Step::Next => {}
                Step::More => return Ok(None),
                Step::Done(done) => return Ok(Some(done)),
            }
        }
    }

    #[inline(never)]
    fn content(&mut self) -> Result<Step, Fault> {
        if self.input.get(self.at.pos) != Some(&b'<') && !self.text()? {
            return Ok(Step::More);
        }
        match self.input.get(self.at.pos + 1) {
            None => Ok(Step::More),
            Some(b'/') => self.end_tag(),
            Some(b'!') => self.cdata_start(),
            Some(b'?') => Err(Fault::RestrictedXml),
            Some(_) => self.start_tag(),
        }
    }

    /// Accepts text up to the next `<`; false if the window ends before.
    #[inline]
    fn text(&mut self) -> Result<bool, Fault> {
        let (bytes, start) = (self.input, self.at.pos);
        let mut at = self.at.probe.max(start);
        while let Some(found) = Ends::TEXT.first(&bytes[at..]) {
            at += found;
            match bytes[at] {
                b'<' => {
                    self.at.pos = at;
                    return Ok(true);
                }
                b'&' => match reference(bytes, at)? {
                    Some(end) => at = end,
                    None => {
                        self.at.probe = at;
                        return Ok(false);
                    }
                },
                _ if bytes[start..at].ends_with(b"]]") => return Err(Flaw::CdataEnd.into()),
                _ => at += 1,
            }
        }
        self.at.probe = bytes.len();
        Ok(false)
    }

    fn cdata_start(&mut self) -> Result<Step, Fault> {
        const START: &[u8] = b"<![CDATA[";
        let rest = &self.input[self.at.pos..];
        if rest.starts_with(START) {
            if self.work.open.is_empty() {
                return Err(Fault::BadFormat);
            }
            self.at.pos += START.len();
            self.at.state = State::Cdata;
            return Ok(Step::Next);
        }
        match rest.get(2) {
            _ if START.starts_with(rest) => Ok(Step::More),
            Some(b'[') => Err(Flaw::Tag.into()),
            _ => Err(Fault::RestrictedXml),
        }
    }

    fn cdata(&mut self) -> Result<Step, Fault> {
        let (bytes, start) = (self.input, self.at.pos);
        let mut at = self.at.probe.max(start);
        while let Some(found) = memchr(b'>', &bytes[at..]) {
            at += found + 1;
            if bytes[start..at].ends_with(b"]]>") {
                self.at.pos = at;
                self.at.state = State::Content;
                return Ok(Step::Next);
            }
        }
        self.at.probe = bytes.len();
        Ok(Step::More)
    }

    #[inline(never)]
    fn start_tag(&mut self) -> Result<Step, Fault> {
        let start = self.at.pos;
        let Some(found) = name(self.input, start + 1, self.limits.name_bytes_max)? else {
            return Ok(Step::More);
        };
        if self.work.open.len() >= self.limits.depth_max as usize {
            return Err(Limit::Depth.into());
        }
        self.work.tag = Tag {
            start: start as u32,
            len: (found.end - start - 1) as u16,
            colon: found.colon,
            ..Tag::default()
        };
        self.work.attributes.clear();
        self.at.pos = found.end;
        self.at.state = State::Attributes;
        self.attributes()
    }

    #[inline]
    fn attributes(&mut self) -> Result<Step, Fault> {
        loop {
            let at = skip_space(self.input, self.at.pos);
            // One space stays unread: it is what separates the next attribute from the last.
            let spaced = at > self.at.pos;
            match (self.input.get(at), self.input.get(at + 1)) {
                (Some(b'>'), _) => return self.start_tag_end(at + 1, false),
                (Some(b'/'), Some(b'>')) => return self.start_tag_end(at + 2, true),
                (None, _) | (Some(b'/'), None) => {
                    self.at.pos = at - usize::from(spaced);
                    return Ok(Step::More);
                }
                (Some(b'/'), _) => return Err(Flaw::Tag.into()),
                _ if !spaced => return Err(Flaw::Tag.into()),
                _ => {}
            }
            if !self.attribute_name(at)? {
                self.at.pos = at - 1;
                return Ok(Step::More);
            }
            if !self.plain_value() {
                self.at.state = State::Equals;
                return Ok(Step::Next);
            }
        }
    }

    /// Takes `='value'` in one go when all of it is here and it holds no reference; false leaves everything
    /// to the careful states.
    #[inline(always)]
    fn plain_value(&mut self) -> bool {
        let (bytes, start) = (self.input, self.at.pos + 2);
        let quote = match bytes.get(self.at.pos..start) {
            Some(&[b'=', quote @ (b'"' | b'\'')]) => quote,
            _ => return false,
        };
        match (
            Ends::first_in_value(quote, &bytes[start..]),
            self.work.attributes.last_mut(),
        ) {
            (Some(len), Some(attribute)) if bytes[start + len] == quote => {
                attribute.value = Span::new(start, start + len);
                self.at.pos = start + len + 1;
                true
            }
            _ => false,
        }
    }

    #[inline(always)]
    fn attribute_name(&mut self, at: usize) -> Result<bool, Fault> {
        let Some(found) = name(self.input, at, self.limits.name_bytes_max)? else {
            return Ok(false);
        };
        if self.work.attributes.len() >= self.limits.attributes_max as usize {
            return Err(Limit::Attributes.into());
        }
        let kind = match (found.colon, &self.input[at..found.end]) {
            (0, b"xmlns") => AttributeKind::Default,
            (0, _) => AttributeKind::Plain,
            (5, name) if name.starts_with(b"xmlns") => AttributeKind::Binding,
            _ => AttributeKind::Prefixed,
        };
        match kind {
            AttributeKind::Plain => {}
            AttributeKind::Prefixed => self.work.tag.prefixed += 1,
            AttributeKind::Default | AttributeKind::Binding => self.work.tag.declares = true,
        }
        self.work.attributes.push(Attribute {
            start: at as u32,
            len: (found.end - at) as u16,
            colon: found.colon,
            value: Span::default(),
            kind,
            escaped: false,
        });
        self.at.pos = found.end;
        Ok(true)
    }

    fn equals(&mut self) -> Result<Step, Fault> {
        self.at.pos = skip_space(self.input, self.at.pos);
        match self.input.get(self.at.pos) {
            None => Ok(Step::More),
            Some(b'=') => {
                self.at.pos += 1;
                self.at.state = State::Quote;
                Ok(Step::Next)
            }
            Some(_) => Err(Flaw::Tag.into()),
        }
    }

    fn quote(&mut self) -> Result<Step, Fault> {
        self.at.pos = skip_space(self.input, self.at.pos);
        match self.input.get(self.at.pos) {
            None => Ok(Step::More),
            Some(&quote @ (b'"' | b'\'')) => {
                self.at.pos += 1;
                self.at.state = State::Value(quote);
                Ok(Step::Next)
            }
            Some(_) => Err(Flaw::Tag.into()),
        }
    }

    fn value(&mut self, quote: u8) -> Result<Step, Fault> {
        let (bytes, start) = (self.input, self.at.pos);
        let mut at = self.at.probe.max(start);
        while let Some(found) = Ends::first_in_value(quote, &bytes[at..]) {
            at += found;
            match bytes[at] {
                b'<' => return Err(Flaw::Tag.into()),
                b'&' => {
                    let Some(end) = self.reference_in_value(at)? else {
                        return Ok(Step::More);
                    };
                    at = end;
                }
                _ => {
                    if let Some(attribute) = self.work.attributes.last_mut() {
                        attribute.value = Span::new(start, at);
                    }
                    self.at.pos = at + 1;
                    self.at.state = State::Attributes;
                    return Ok(Step::Next);
                }
            }
        }
        self.at.probe = bytes.len();
        Ok(Step::More)
    }

    #[cold]
    fn reference_in_value(&mut self, at: usize) -> Result<Option<usize>, Fault> {
        self.at.probe = at;
        self.work.head.escaped = true;
        if let Some(attribute) = self.work.attributes.last_mut() {
            attribute.escaped = true;
        }
        reference(self.input, at)
    }

    /// After `>` or `/>`: resolves and records the tag.
    #[inline]
    fn start_tag_end(&mut self, end: usize, empty: bool) -> Result<Step, Fault> {
        self.at.pos = end;
        self.at.state = State::Content;
        let Some(stream) = self.stream else {
            super::header::record(self.work, self.input, self.limits, end, empty)?;
            return Ok(Step::Done(Done::Header));
        };
        let bindings = self.work.bindings.len() as u16;
        super::head::record(self.work, self.input, stream, self.limits, end)?;
        let tag = self.work.tag;
        self.work.open.push(Open {
            start: tag.start + 1,
            len: tag.len,
            bindings,
        });
        if empty {
            return Ok(self.element_end(end, end));
        }
        Ok(Step::Next)
    }

    #[inline]
    fn end_tag(&mut self) -> Result<Step, Fault> {
        let from = self.at.pos + 2;
        let rest = &self.input[from..];
        let expected = match (self.work.open.last(), self.stream) {
            (Some(open), _) => {
                let start = open.start as usize;
                &self.input[start..start + open.len as usize]
            }
            (None, Some(stream)) => stream.name.as_bytes(),
            (None, None) => return Err(Flaw::Outside.into()),
        };
        if rest.len() < expected.len() && expected.starts_with(rest) {
            return Ok(Step::More);
        }
        if !rest.starts_with(expected) || expected.is_empty() {
            return Err(Flaw::Mismatch.into());
        }
        self.at.probe = self.at.pos;
        self.at.pos = from + expected.len();
        self.at.state = State::EndTag;
        self.end_tag_close()
    }

    #[inline]
    fn end_tag_close(&mut self) -> Result<Step, Fault> {
        let at = skip_space(self.input, self.at.pos);
        match self.input.get(at) {
            None => {
                self.at.pos = at;
                Ok(Step::More)
            }
            Some(b'>') => {
                self.at.pos = at + 1;
                self.at.state = State::Content;
                // `probe` kept the offset of the end tag's `<`.
                Ok(self.element_end(self.at.probe, at + 1))
            }
            // The name goes on, so it is another one.
            Some(_) => Err(Flaw::Mismatch.into()),
        }
    }

    /// The innermost element is complete: its content ended at `inner_end`, it at `end`.
    #[inline]
    pub(super) fn element_end(&mut self, inner_end: usize, end: usize) -> Step {
        let Some(open) = self.work.open.pop() else {
            return Step::Done(Done::StreamEnd);
        };
        self.work.bindings.truncate(open.bindings as usize);
        match self.work.open.len() {
            0 => {
                self.work.head.body_end = inner_end as u32;
                return Step::Done(Done::Stanza);
            }
            1 => {
                if let Some(child) = self.work.children.last_mut() {
                    child.inner_end = inner_end as u32;
                    child.end = end as u32;
                }
            }
            _ => {}
        }
        Step::Next
    }
}
