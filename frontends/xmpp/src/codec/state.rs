//! Where the scanner's machine can stand, and what its steps say.
//!
//! Invariant: a [`Cursor`] is all that has to be kept of a stanza's reading between two windows, besides
//! the records in [`Work`](super::work::Work).

/// What comes next at `pos`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Text or a tag.
    #[default]
    Content,
    /// In a start tag: white space and an attribute, or the tag's end.
    Attributes,
    /// In a start tag after an attribute's name: `=`.
    Equals,
    /// In a start tag after `=`: a quote.
    Quote,
    /// In an attribute's value, which ends with this quote.
    Value(u8),
    /// In a CDATA section.
    Cdata,
    /// In an end tag after its name: white space and `>`.
    EndTag,
}

/// Where the scan stands between two windows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    pub state: State,
    pub pos: usize,
    pub probe: usize,
}

/// What a run of the machine completed; the cursor's `pos` is the end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Header,
    Stanza,
    StreamEnd,
}

/// What one step of the machine asks for.
pub(super) enum Step {
    Next,
    More,
    Done(Done),
}
