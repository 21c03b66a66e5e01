//! Where the tags of XML begin and end, in bytes that come in pieces.
//!
//! Invariant: nothing is kept but where the last piece has ended. What is no XML gives some answer, and is found out by
//! whoever reads it.

use memchr::{memchr, memchr3};

/// What follows `<!` of a CDATA section.
const CDATA: &[u8] = b"[CDATA[";

/// What has been read to its `>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Start,
    /// `<a/>`
    Empty,
    End,
    /// A CDATA section, which is text.
    Text,
    /// A declaration, a comment, a processing instruction.
    Other,
}

/// Goes from tag to tag.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tags(State);

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Between,
    /// After `<`.
    Opened,
    /// Within a start tag, in quotes if these are not 0; whether the last byte was a slash.
    Start {
        quote: u8,
        slash: bool,
    },
    End,
    /// After `<!` and so many bytes of [`CDATA`].
    Section(u8),
    /// Within a CDATA section, after so many brackets (at most 2).
    Cdata(u8),
    Other,
}

impl Tags {
    /// Whether no tag is under way.
    pub(super) fn is_between(self) -> bool {
        matches!(self.0, State::Between)
    }

    /// Reads on from `at` to the end of a tag, and leaves `at` behind it; `None` at the end of the piece.
    pub(super) fn next(&mut self, bytes: &[u8], at: &mut usize) -> Option<Tag> {
        while *at < bytes.len() {
            let rest = &bytes[*at..];
            let (taken, state, tag) = step(self.0, rest);
            *at += taken;
            self.0 = state;
            if tag.is_some() {
                return tag;
            }
        }
        None
    }
}

/// Bytes taken from `rest`, which is not empty; what follows; and the tag that has ended.
fn step(state: State, rest: &[u8]) -> (usize, State, Option<Tag>) {
    match state {
        State::Between => match memchr(b'<', rest) {
            Some(place) => (place + 1, State::Opened, None),
            None => (rest.len(), State::Between, None),
        },
        State::Opened => match rest[0] {
            b'/' => (1, State::End, None),
            b'!' => (1, State::Section(0), None),
            b'?' => (1, State::Other, None),
            _ => (0, State::Start { quote: 0, slash: false }, None),
        },
        State::Start { quote: 0, slash } => start(slash, rest),
        State::Start { quote, .. } => match memchr(quote, rest) {
            Some(place) => (place + 1, State::Start { quote: 0, slash: false }, None),
            None => (rest.len(), state, None),
        },
        State::End => to_bracket(state, rest, Tag::End),
        State::Other => to_bracket(state, rest, Tag::Other),
        State::Section(matched) if rest[0] == CDATA[usize::from(matched)] => match usize::from(matched) + 1 {
            length if length == CDATA.len() => (1, State::Cdata(0), None),
            _ => (1, State::Section(matched + 1), None),
        },
        State::Section(_) => (0, State::Other, None),
        State::Cdata(brackets) => cdata(brackets, rest),
    }
}

fn start(slash: bool, rest: &[u8]) -> (usize, State, Option<Tag>) {
    let Some(place) = memchr3(b'>', b'"', b'\'', rest) else {
        let slash = rest.ends_with(b"/");
        return (rest.len(), State::Start { quote: 0, slash }, None);
    };
    if rest[place] != b'>' {
        let quote = rest[place];
        return (place + 1, State::Start { quote, slash: false }, None);
    }
    let slash = rest[..place].last().map_or(slash, |last| *last == b'/');
    let tag = if slash { Tag::Empty } else { Tag::Start };
    (place + 1, State::Between, Some(tag))
}

fn to_bracket(state: State, rest: &[u8], tag: Tag) -> (usize, State, Option<Tag>) {
    match memchr(b'>', rest) {
        Some(place) => (place + 1, State::Between, Some(tag)),
        None => (rest.len(), state, None),
    }
}

fn cdata(brackets: u8, rest: &[u8]) -> (usize, State, Option<Tag>) {
    match (rest[0], brackets) {
        (b']', brackets) => (1, State::Cdata((brackets + 1).min(2)), None),
        (b'>', 2) => (1, State::Between, Some(Tag::Text)),
        _ => (memchr(b']', rest).unwrap_or(rest.len()), State::Cdata(0), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pieces: &[&[u8]]) -> Vec<Tag> {
        let mut tags = Tags::default();
        let mut found = Vec::new();
        for piece in pieces {
            let mut at = 0;
            while let Some(tag) = tags.next(piece, &mut at) {
                found.push(tag);
            }
        }
        found
    }

    #[test]
    fn tags_are_the_same_however_bytes_are_cut() {
        let bytes = b"<?xml version='1.0'?><a b='x>/' c=\"'>\"><d/><e f='/'/>text<![CDATA[<x>]]]>]]><g />\
            <!-- no --></a>";
        let expected = [
            Tag::Other,
            Tag::Start,
            Tag::Empty,
            Tag::Empty,
            Tag::Text,
            Tag::Empty,
            Tag::Other,
            Tag::End,
        ];
        assert_eq!(tags(&[bytes]), expected);
        for one in 0..bytes.len() {
            for other in one..bytes.len() {
                let pieces = [&bytes[..one], &bytes[one..other], &bytes[other..]];
                assert_eq!(tags(&pieces), expected, "{one} {other}");
            }
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(tags(&single), expected);
    }
}
