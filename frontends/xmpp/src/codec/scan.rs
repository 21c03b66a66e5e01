//! The streaming scanner: bytes of an XML stream in, complete and validated frames out.
//!
//! Invariants: pure, no I/O and no clock; a byte is looked at a constant number of times however the
//! input is split; a stanza leaves only when all of it passed every check of RFC 6120 section 11, XML 1.0
//! and Namespaces in XML 1.0; the frames and faults do not depend on the split. After a fault the scanner
//! repeats it until [`Scanner::reset`].

use std::borrow::Cow;
use std::sync::Arc;

use super::fault::{Fault, Flaw, Limit};
use super::frame::{Child, Frame, Header, Name, Scan, Stanza};
use super::limits::ScanLimits;
use super::machine::Machine;
use super::state::{Cursor, Done};
use super::token::{is_space, skip_space, text};
use super::value::Value;
use super::work::{ChildRecord, Head, NamespaceRef, Place, Span, Stream, Tag, Work};
use super::{XML, header};

/// The scanner of one direction of one stream.
///
/// Idle, once [`Scanner::rest`] has been called, it holds its limits, its position and, if the stream header declared
/// something unusual, that.
#[derive(Debug)]
pub struct Scanner {
    limits: ScanLimits,
    stage: Stage,
    at: Cursor,
    fault: Option<Fault>,
    stream: Option<Arc<Stream>>,
    work: Option<Box<Work>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// An XML declaration may come, then the header.
    Prolog,
    /// The header must come.
    Header,
    /// First-level elements.
    Content,
    /// The root was closed.
    Closed,
}

/// What a call has found before the frame is made of it.
enum Advance {
    Partial,
    Space(usize),
    Done(Done, usize),
}

impl Scanner {
    /// A scanner that expects a stream header.
    pub fn new(limits: ScanLimits) -> Scanner {
        Scanner {
            limits: limits.clamped(),
            stage: Stage::Prolog,
            at: Cursor::default(),
            fault: None,
            stream: None,
            work: None,
        }
    }

    /// A scanner that expects stanzas at once, as if after a header whose default namespace is
    /// `jabber:client` and which declares no prefix: for stanzas out of storage, WebSocket frames
    /// (RFC 7395), and the output of [`reserialise`](super::reserialise).
    pub fn for_stanzas(limits: ScanLimits) -> Scanner {
        let stream = Some(Arc::new(Stream::plain()));
        Scanner {
            stage: Stage::Content,
            stream,
            ..Scanner::new(limits)
        }
    }

    /// Changes the limits, usually after authentication. Call it between two frames.
    pub fn set_limits(&mut self, limits: ScanLimits) {
        self.limits = limits.clamped();
    }

    /// Forgets the stream: a new header must come (stream restart, RFC 6120 section 4.3.3). Drop the
    /// bytes of an incomplete frame, too.
    pub fn reset(&mut self) {
        *self = Scanner {
            work: self.work.take(),
            ..Scanner::new(self.limits)
        };
    }

    /// Frees the buffers that are kept for speed between stanzas. Call it when the connection goes idle;
    /// does nothing within an incomplete frame. The next stanza allocates them again (four small vectors).
    pub fn rest(&mut self) {
        if self.at.pos == 0 {
            self.work = None;
        }
    }

    /// Bytes that this scanner occupies, its heap included: for metrics and the tests of the limit.
    pub fn memory_bytes(&self) -> usize {
        let stream = self
            .stream
            .as_ref()
            .filter(|stream| !stream.is_usual())
            .map_or(0, |stream| {
                size_of::<Stream>()
                    + stream.name.len()
                    + stream
                        .prefixes
                        .iter()
                        .map(|(p, _)| size_of_val(&**p) + 40)
                        .sum::<usize>()
            });
        let work = self.work.as_ref().map_or(0, |work| {
            size_of::<Work>()
                + work.open.capacity() * 8
                + work.bindings.capacity() * 16
                + work.attributes.capacity() * 20
                + work.children.capacity() * size_of::<ChildRecord>()
        });
        size_of::<Scanner>() + stream + work
    }

    /// Reads one frame from the front of `input`.
    ///
    /// `input` starts with the bytes that the previous call did not consume, unchanged. After
    /// [`Scan::Partial`] the scan resumes where it stopped.
    pub fn scan<'a>(&mut self, input: &'a [u8]) -> Result<Scan<'a>, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        match self.advance(input) {
            Ok(Advance::Partial) => Ok(Scan::Partial),
            Ok(Advance::Space(consumed)) => Ok(Scan::Frame {
                frame: Frame::Space,
                consumed,
            }),
            Ok(Advance::Done(done, consumed)) => self.complete(done, &input[..consumed]),
            Err(fault) => Err(self.fault(fault)),
        }
    }

    /// The children of the stanza that the last scan gave. (Those of an older one are forgotten.)
    pub fn children<'s, 'a: 's>(&'s self, stanza: &Stanza<'a>) -> impl Iterator<Item = Child<'a>> + use<'s, 'a> {
        let raw = stanza.raw;
        let records = self.work.as_ref().map_or(&[][..], |work| &work.children);
        records.iter().map(move |record| self.child(raw, record))
    }

    /// Namespace and local name of each child, for who wants no more of most of them than [`Scanner::children`] has in these
    /// two; `None` for one whose namespace is not written as it is meant.
    pub fn names<'s, 'a: 's>(&'s self, stanza: &Stanza<'a>) -> impl Iterator<Item = Option<Name<'s>>> + use<'s, 'a> {
        let raw = stanza.raw.as_bytes();
        let records = self.work.as_ref().map_or(&[][..], |work| &work.children);
        records.iter().map(move |record| self.name(raw, record))
    }

    /// The prefixes that the stream header declared, with their namespaces.
    pub fn stream_prefixes(&self) -> impl Iterator<Item = (&str, &str)> {
        let prefixes = self.stream.as_ref().map_or(&[][..], |stream| &stream.prefixes);
        prefixes.iter().map(|(prefix, namespace)| (&**prefix, &**namespace))
    }

    /// The default namespace that the stream header declared; empty if none.
    pub fn stream_default(&self) -> &str {
        self.stream.as_ref().map_or("", |stream| &stream.default)
    }

    /// The content namespace of the stream, `jabber:client` or `jabber:server`.
    pub fn content_namespace(&self) -> &'static str {
        self.stream.as_ref().map_or(super::CLIENT, |stream| stream.content)
    }

    /// The stream prefixes that the last stanza uses.
    pub(super) fn inherited(&self) -> impl Iterator<Item = (&str, &str)> {
        let used = self.work.as_ref().map_or(0, |work| work.head.inherited);
        self.stream_prefixes()
            .enumerate()
            .filter(move |(i, _)| used & (1 << i) != 0)
            .map(|(_, p)| p)
    }

    /// The default namespace of the last stanza's content.
    pub(super) fn default_inside<'a>(&self, raw: &'a str) -> Cow<'a, str> {
        self.work
            .as_ref()
            .map_or(Cow::Borrowed(""), |work| self.namespace(work.head.default, raw))
    }

    /// At the first byte of a frame: white space, a declaration, or the start of an element.
    fn advance(&mut self, input: &[u8]) -> Result<Advance, Fault> {
        if self.at.pos > 0 {
            return self.element(input);
        }
        match input.first() {
            None => return Ok(Advance::Partial),
            Some(&byte) if is_space(byte) => return Ok(Advance::Space(skip_space(input, 0))),
            Some(b'<') if self.stage != Stage::Closed => {}
            Some(_) if self.stage == Stage::Content => return Err(Fault::BadFormat),
            Some(_) => return Err(Flaw::Outside.into()),
        }
        if self.stage == Stage::Prolog && input.get(1) == Some(&b'?') {
            let Some(consumed) = header::declaration(input)? else {
                return Ok(Advance::Partial);
            };
            self.stage = Stage::Header;
            return Ok(Advance::Space(consumed));
        }
        if let Some(work) = &mut self.work {
            work.clear();
        }
        self.element(input)
    }

    #[inline]
    fn element(&mut self, input: &[u8]) -> Result<Advance, Fault> {
        let max = self.limits.stanza_bytes_max as usize;
        let mut machine = Machine {
            input: &input[..input.len().min(max)],
            limits: &self.limits,
            stream: self.stream.as_deref(),
            work: self.work.get_or_insert_default(),
            at: self.at,
        };
        let done = machine.run()?;
        self.at = machine.at;
        match done {
            Some(done) => Ok(Advance::Done(done, std::mem::take(&mut self.at).pos)),
            // What does not end within the limit is beyond it.
            None if input.len() >= max => Err(Limit::StanzaBytes.into()),
            None => Ok(Advance::Partial),
        }
    }

    #[inline]
    fn complete<'a>(&mut self, done: Done, bytes: &'a [u8]) -> Result<Scan<'a>, Fault> {
        let (raw, one_line) = match text(bytes) {
            Ok(checked) => checked,
            Err(fault) => return Err(self.fault(fault)),
        };
        if let Some(work) = &mut self.work {
            work.head.plain = one_line && !work.head.escaped;
        }
        let frame = match (done, &self.work) {
            (Done::Stanza, Some(work)) => Frame::Stanza(self.stanza(&work.head, raw)),
            (Done::Header, Some(work)) => {
                self.stream = Some(header::stream(work, raw).shared());
                self.stage = Stage::Content;
                Frame::Header(self.header(&work.head, raw))
            }
            _ => {
                self.stage = Stage::Closed;
                Frame::End
            }
        };
        Ok(Scan::Frame {
            frame,
            consumed: bytes.len(),
        })
    }

    #[cold]
    fn fault(&mut self, fault: Fault) -> Fault {
        self.fault = Some(fault);
        fault
    }

    fn header<'a>(&self, head: &Head, raw: &'a str) -> Header<'a> {
        Header {
            raw,
            prefix: prefix_and_local(head.tag, raw).0,
            default_namespace: self.namespace(head.default, raw),
            to: value(head.to, raw),
            from: value(head.from, raw),
            id: value(head.id, raw),
            version: value(head.version, raw),
            lang: value(head.lang, raw),
        }
    }

    #[inline]
    fn stanza<'a>(&self, head: &Head, raw: &'a str) -> Stanza<'a> {
        let (prefix, name) = prefix_and_local(head.tag, raw);
        let value = |span: Span| (span != Span::NONE).then(|| Value::known(span.text(raw), head.plain));
        Stanza {
            raw,
            name,
            prefix,
            namespace: self.namespace(head.namespace, raw),
            to: value(head.to),
            from: value(head.from),
            kind: value(head.kind),
            id: value(head.id),
            lang: value(head.lang),
            head_end: head.head_end as usize,
            body_end: head.body_end as usize,
            self_closing: head.body_end as usize == raw.len(),
            verbatim: prefix.is_none() && head.inherited == 0 && self.is_content(head.default, raw),
            has_rest: head.rest,
        }
    }

    /// Whether it is the namespace that a verbatim stanza is in.
    #[inline]
    fn is_content(&self, reference: NamespaceRef, raw: &str) -> bool {
        match (&self.stream, reference) {
            (Some(stream), NamespaceRef::STREAM_DEFAULT) => stream.default_is_content,
            _ => self.namespace(reference, raw) == self.content_namespace(),
        }
    }

    #[inline]
    fn name<'s, 'a: 's>(&'s self, raw: &'a [u8], record: &ChildRecord) -> Option<Name<'s>> {
        let namespace = match (record.namespace.place(), &self.stream, &self.work) {
            (Place::Stanza(span), _, Some(work)) if work.head.plain => span.of(raw),
            (Place::StreamDefault, Some(stream), _) => stream.default.as_bytes(),
            _ => return None,
        };
        let start = record.start + 1 + u32::from(record.colon) + u32::from(record.colon > 0);
        let end = record.start + 1 + u32::from(record.len);
        Some((namespace, Span { start, end }.of(raw)))
    }

    #[inline]
    fn child<'a>(&self, raw: &'a str, record: &ChildRecord) -> Child<'a> {
        let tag = Tag {
            start: record.start,
            len: record.len,
            colon: record.colon,
            ..Tag::default()
        };
        let (prefix, name) = prefix_and_local(tag, raw);
        Child {
            raw: Span {
                start: record.start,
                end: record.end,
            }
            .text(raw),
            name,
            prefix,
            namespace: self.namespace(record.namespace, raw),
            range: record.start as usize..record.end as usize,
            head_end: record.head_end as usize,
            inner_end: record.inner_end as usize,
            own_default: record.own_default,
        }
    }

    #[inline]
    fn namespace<'a>(&self, reference: NamespaceRef, raw: &'a str) -> Cow<'a, str> {
        let inherited = match (reference.place(), &self.stream) {
            (Place::Stanza(span), _) => {
                let plain = self.work.as_ref().is_some_and(|work| work.head.plain);
                return Value::known(span.text(raw), plain).unescape();
            }
            (Place::Xml, _) => return Cow::Borrowed(XML),
            (Place::StreamDefault, Some(stream)) => &stream.default,
            (Place::StreamPrefix(index), Some(stream)) => match stream.prefixes.get(index) {
                Some((_, namespace)) => namespace,
                None => return Cow::Borrowed(""),
            },
            _ => return Cow::Borrowed(""),
        };
        match inherited {
            Cow::Borrowed(known) => Cow::Borrowed(known),
            Cow::Owned(name) => Cow::Owned(name.clone()),
        }
    }
}

fn value(span: Span, raw: &str) -> Option<Value<'_>> {
    (span != Span::NONE).then(|| Value::from_raw(span.text(raw)))
}

#[inline]
fn prefix_and_local(tag: Tag, raw: &str) -> (Option<&str>, &str) {
    let start = tag.start + 1;
    let name = Span {
        start,
        end: start + u32::from(tag.len),
    }
    .text(raw);
    match tag.colon {
        0 => (None, name),
        colon => (
            name.get(..colon as usize),
            name.get(colon as usize + 1..).unwrap_or_default(),
        ),
    }
}
