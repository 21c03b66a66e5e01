//! What the scanner remembers of the element that it is reading: compact records of offsets.
//!
//! Invariants: all offsets count from the first byte of the stanza (or header), which is the first byte
//! of every window until it is complete. The vectors are bounded by [`ScanLimits`](super::ScanLimits)
//! and reused from stanza to stanza.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

/// A run of bytes of the stanza.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// What an absent value has.
    pub const NONE: Span = Span {
        start: u32::MAX,
        end: u32::MAX,
    };

    pub fn new(start: usize, end: usize) -> Span {
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The bytes of `input` that the span covers.
    #[inline]
    pub fn of(self, input: &[u8]) -> &[u8] {
        &input[self.start as usize..self.end as usize]
    }

    /// The text that the span covers; spans of a scanned stanza always lie on character boundaries.
    #[inline]
    pub fn text(self, input: &str) -> &str {
        input.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Where a namespace name stands: packed into eight bytes, because it is copied a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NamespaceRef(Span);

/// What a [`NamespaceRef`] refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `xmlns=''`, or no default declared anywhere.
    None,
    /// The `xml` prefix.
    Xml,
    /// The stream header's default namespace.
    StreamDefault,
    /// The stream header's prefix of this index.
    StreamPrefix(usize),
    /// The raw value of a declaration within the stanza.
    Stanza(Span),
}

impl NamespaceRef {
    pub const NONE: NamespaceRef = NamespaceRef::special(0);
    pub const XML: NamespaceRef = NamespaceRef::special(1);
    pub const STREAM_DEFAULT: NamespaceRef = NamespaceRef::special(2);
    const FIRST_PREFIX: u32 = 3;

    const fn special(code: u32) -> NamespaceRef {
        NamespaceRef(Span {
            start: u32::MAX,
            end: code,
        })
    }

    pub fn stream_prefix(index: usize) -> NamespaceRef {
        NamespaceRef::special(NamespaceRef::FIRST_PREFIX + index as u32)
    }

    pub fn declared(value: Span) -> NamespaceRef {
        if value.start == value.end {
            NamespaceRef::NONE
        } else {
            NamespaceRef(value)
        }
    }

    #[inline]
    pub fn place(self) -> Place {
        match self {
            NamespaceRef(span) if span.start != u32::MAX => Place::Stanza(span),
            NamespaceRef::NONE => Place::None,
            NamespaceRef::XML => Place::Xml,
            NamespaceRef::STREAM_DEFAULT => Place::StreamDefault,
            NamespaceRef(span) => Place::StreamPrefix((span.end - NamespaceRef::FIRST_PREFIX) as usize),
        }
    }
}

impl Default for NamespaceRef {
    fn default() -> Self {
        NamespaceRef::NONE
    }
}

/// An element that is open: its qualified name, and how many bindings were in scope outside of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub start: u32,
    pub len: u16,
    pub bindings: u16,
}

/// A prefix declared within the stanza: `input[start..start + len]` bound to `value`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub start: u32,
    pub len: u16,
    pub value: Span,
}

/// What an attribute's name makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttributeKind {
    /// No prefix.
    Plain,
    /// A prefix other than `xmlns`.
    Prefixed,
    /// `xmlns`
    Default,
    /// `xmlns:prefix`
    Binding,
}

/// An attribute of the start tag being read; `colon` is the length of its prefix (0: none).
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    pub start: u32,
    pub len: u16,
    pub colon: u16,
    pub value: Span,
    pub kind: AttributeKind,
    /// The value holds a reference.
    pub escaped: bool,
}

impl Attribute {
    /// The qualified name.
    #[inline]
    pub fn name<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        &input[self.start as usize..self.start as usize + self.len as usize]
    }

    /// The prefix; empty if there is none.
    pub fn prefix<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        &self.name(input)[..self.colon as usize]
    }

    /// The name without prefix and colon.
    pub fn local<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        &self.name(input)[self.colon as usize + usize::from(self.colon > 0)..]
    }
}

/// The start tag being read: offset of its `<`, and its name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tag {
    pub start: u32,
    pub len: u16,
    pub colon: u16,
    /// Some attribute is a declaration.
    pub declares: bool,
    /// The tag has an `xmlns` attribute, whose value is `default`.
    pub own_default: bool,
    /// How many attributes have a prefix.
    pub prefixed: u16,
    pub default: NamespaceRef,
}

/// A first-level child of the stanza. Offsets: `<`, after the start tag, before the end tag, after it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChildRecord {
    pub start: u32,
    pub head_end: u32,
    pub inner_end: u32,
    pub end: u32,
    pub len: u16,
    pub colon: u16,
    pub own_default: bool,
    pub namespace: NamespaceRef,
}

/// What routing needs of the stanza's start tag, or of the stream header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub tag: Tag,
    pub to: Span,
    pub from: Span,
    pub kind: Span,
    pub id: Span,
    pub lang: Span,
    pub version: Span,
    pub head_end: u32,
    pub body_end: u32,
    pub namespace: NamespaceRef,
    /// The default namespace of the content.
    pub default: NamespaceRef,
    /// Attributes other than the five and `xmlns` exist.
    pub rest: bool,
    /// Some attribute's value, anywhere in the stanza, holds a reference.
    pub escaped: bool,
    /// Known once the stanza is complete: no value of it holds a reference, or white space other than spaces.
    pub plain: bool,
    /// Stream prefixes used anywhere in the stanza, by index.
    pub inherited: u64,
}

impl Default for Head {
    fn default() -> Self {
        Head {
            tag: Tag::default(),
            to: Span::NONE,
            from: Span::NONE,
            kind: Span::NONE,
            id: Span::NONE,
            lang: Span::NONE,
            version: Span::NONE,
            head_end: 0,
            body_end: 0,
            namespace: NamespaceRef::NONE,
            default: NamespaceRef::NONE,
            rest: false,
            escaped: false,
            plain: false,
            inherited: 0,
        }
    }
}

/// Everything remembered of one stanza.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub head: Head,
    pub tag: Tag,
    pub open: Vec<Open>,
    pub bindings: Vec<Binding>,
    pub attributes: Vec<Attribute>,
    pub children: Vec<ChildRecord>,
}

impl Work {
    /// Forgets the last stanza, and gives back what an unusual one had made the vectors grow to.
    pub fn clear(&mut self) {
        const KEPT: usize = 16;
        fn clear<T>(vec: &mut Vec<T>) {
            vec.clear();
            if vec.capacity() > 2 * KEPT {
                vec.shrink_to(KEPT);
            }
        }
        self.head = Head::default();
        clear(&mut self.open);
        clear(&mut self.bindings);
        clear(&mut self.attributes);
        clear(&mut self.children);
    }
}

/// What the stream header declared for everything after it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// The qualified name of the root, which its end tag must repeat.
    pub name: Box<str>,
    /// The default namespace of stanzas; empty if none was declared.
    pub default: Cow<'static, str>,
    /// The declared prefixes, without `xml`.
    pub prefixes: Box<[(Box<str>, Cow<'static, str>)]>,
    /// `jabber:client` or `jabber:server`: what a verbatim stanza is in.
    pub content: &'static str,
    /// The default namespace is that one.
    pub default_is_content: bool,
}

impl Stream {
    /// What clients' headers declare, up to their identifiers; all streams that do share one.
    fn usual() -> &'static Arc<Stream> {
        static USUAL: LazyLock<Arc<Stream>> = LazyLock::new(|| {
            Arc::new(Stream {
                name: "stream:stream".into(),
                prefixes: [("stream".into(), Cow::Borrowed(super::STREAMS))].into(),
                ..Stream::plain()
            })
        });
        &USUAL
    }

    /// For as long as the stream lives, and no memory of its own if it is as usual.
    pub fn shared(self) -> Arc<Stream> {
        let usual = Stream::usual();
        if self == **usual { usual.clone() } else { Arc::new(self) }
    }

    /// Whether it is the one that the usual streams share.
    pub fn is_usual(self: &Arc<Stream>) -> bool {
        Arc::ptr_eq(self, Stream::usual())
    }

    /// The stream that every forwarded stanza must be able to stand in: the content namespace as
    /// default, and no prefix.
    pub fn plain() -> Stream {
        Stream {
            name: "".into(),
            default: Cow::Borrowed(super::CLIENT),
            prefixes: Box::default(),
            content: super::CLIENT,
            default_is_content: true,
        }
    }
}
