//! Usual text and usual tags, read in one go: names in ASCII without prefixes, one space before each attribute,
//! `name='value'`, no reference, no CDATA section.
//!
//! Invariant: a tag is taken only when all of it is in the window and the careful reading (`machine.rs`, `head.rs`) would
//! take it, with the same records; everything else, be it unusual, cut off or wrong, is left to that untouched. The splits
//! of `tests/codec_split.rs` compare the two: a tag that arrives in pieces is read carefully.

use super::find::{Ends, block, small_letters};
use super::limits::ScanLimits;
use super::machine::Machine;
use super::state::{Done, Step};
use super::token::ascii_part;
use super::work::{ChildRecord, NamespaceRef, Open, Span, Tag};
use super::{XML, XMLNS};

/// The attributes that are known by name, and where their values are noted.
const TO: usize = 0;
const FROM: usize = 1;
const TYPE: usize = 2;
const ID: usize = 3;
const LANG: usize = 4;
const DEFAULT: usize = 5;
/// Any other.
const OTHER: usize = 6;
const KNOWN: usize = 6;
/// Bytes of the longest of their names, `xml:lang`.
const KNOWN_NAME_BYTES_MAX: u32 = 8;
/// Other attributes of one tag that are told apart here.
const OTHERS_MAX: usize = 8;

/// Names of attributes that are not known.
type Others<'i> = [&'i [u8]; OTHERS_MAX];

/// The attributes of a start tag that were read in one go.
struct UsualAttributes<'i> {
    /// What follows the tag.
    behind: &'i [u8],
    empty: bool,
    /// The values of the known attributes.
    known: [Span; KNOWN],
    /// There are other attributes.
    rest: bool,
}

impl Machine<'_> {
    /// Reads on for as long as text and tags are usual; when that ends before the stanza does, `pos` stands before what is
    /// not usual.
    #[inline]
    pub(super) fn usual(&mut self) -> Option<Done> {
        // What was searched in vain is not searched again.
        if self.stream.is_none() || self.at.probe > self.at.pos || self.limits.name_bytes_max < KNOWN_NAME_BYTES_MAX {
            return None;
        }
        let mut rest = self.input.get(self.at.pos..)?;
        loop {
            if rest.first() != Some(&b'<') {
                let len = Ends::TEXT.first(rest)?;
                rest = &rest[len..];
                if rest.first() != Some(&b'<') {
                    return None;
                }
                self.at.pos = self.input.len() - rest.len();
            }
            let after = &rest[1..];
            let next = block(after);
            let step = match next as u8 {
                b'/' => self.usual_end_tag(&mut rest)?,
                _ => self.usual_start_tag(after, next, &mut rest)?,
            };
            if let Step::Done(done) = step {
                return Some(done);
            }
        }
    }

    /// Takes the end tag at the front of `rest` if it is of the innermost element and has no white space.
    #[inline(always)]
    fn usual_end_tag(&mut self, rest: &mut &[u8]) -> Option<Step> {
        let open = self.work.open.last()?;
        let (name, len) = (self.input.get(open.start as usize..)?, usize::from(open.len));
        let found = rest.get(2..)?;
        let same = match len {
            1..=8 => (block(name) ^ block(found)) << (64 - 8 * len) == 0,
            _ => found.starts_with(name.get(..len)?),
        };
        let after = found.get(len..)?;
        if !same || after.first() != Some(&b'>') {
            return None;
        }
        let inner_end = self.at.pos;
        *rest = &after[1..];
        self.at.pos = inner_end + len + 3;
        Some(self.element_end(inner_end, inner_end + len + 3))
    }

    /// Takes the start tag at `pos` if it is a usual one. What follows its `<` is `after`, which begins with `next`.
    #[inline(always)]
    fn usual_start_tag<'i>(&mut self, after: &'i [u8], next: u64, rest: &mut &'i [u8]) -> Option<Step> {
        let depth = self.work.open.len();
        let full = depth >= self.limits.depth_max as usize
            || (depth == 1 && self.work.children.len() >= self.limits.children_max as usize);
        if full {
            return None;
        }
        let name_bytes = name_bytes(after, next, self.limits)?;
        let behind = after.get(name_bytes..)?;
        if depth > 0 && behind.first() == Some(&b'>') {
            *rest = &behind[1..];
            self.note(depth, name_bytes, Span::NONE, self.input.len() - rest.len());
            return Some(Step::Next);
        }
        let found = usual_attributes(self.input.len(), behind, self.limits)?;
        *rest = found.behind;
        let end = self.input.len() - rest.len();
        if depth == 0 {
            self.note_addressing(&found);
        }
        self.note(depth, name_bytes, found.known[DEFAULT], end);
        Some(match found.empty {
            true => self.element_end(end, end),
            false => Step::Next,
        })
    }

    /// What `head::record` would note of a stanza's attributes.
    #[inline(always)]
    fn note_addressing(&mut self, found: &UsualAttributes<'_>) {
        let head = &mut self.work.head;
        (head.to, head.from, head.kind) = (found.known[TO], found.known[FROM], found.known[TYPE]);
        (head.id, head.lang, head.rest) = (found.known[ID], found.known[LANG], found.rest);
    }

    /// What `head::record` would note of the start tag at `pos`, which ends before `end` and declares this default namespace;
    /// the element is open then.
    #[inline(always)]
    fn note(&mut self, depth: usize, name_bytes: usize, own: Span, end: usize) {
        let (start, len) = (self.at.pos as u32, name_bytes as u16);
        let work = &mut *self.work;
        let own_default = own.start != Span::NONE.start;
        let namespace = match (own_default, depth) {
            (true, _) => NamespaceRef::declared(own),
            (false, 0) => NamespaceRef::STREAM_DEFAULT,
            (false, _) => work.head.default,
        };
        match depth {
            0 => {
                work.head.tag = Tag {
                    start,
                    len,
                    own_default,
                    ..Tag::default()
                };
                (work.head.default, work.head.namespace) = (namespace, namespace);
                work.head.head_end = end as u32;
            }
            1 => work.children.push(ChildRecord {
                start,
                head_end: end as u32,
                len,
                own_default,
                namespace,
                ..ChildRecord::default()
            }),
            _ => {}
        }
        work.open.push(Open {
            start: start + 1,
            len,
            bindings: work.bindings.len() as u16,
        });
        self.at.pos = end;
    }
}

/// Reads from behind the name to the end of a start tag, in a window of `window` bytes. `None` if something is not usual,
/// whatever else it may be.
#[inline(always)]
fn usual_attributes<'i>(window: usize, behind: &'i [u8], limits: &ScanLimits) -> Option<UsualAttributes<'i>> {
    let mut found = UsualAttributes {
        behind,
        empty: false,
        known: [Span::NONE; KNOWN],
        rest: false,
    };
    let mut others = None;
    let mut rest = behind;
    let mut count = 0;
    loop {
        let next = block(rest);
        let (place, quote, prefix) = match next as u8 {
            b' ' => attribute(rest, next, limits, &mut others)?,
            b'>' => {
                rest = &rest[1..];
                break;
            }
            b'/' if (next >> 8) as u8 == b'>' => {
                found.empty = true;
                rest = rest.get(2..)?;
                break;
            }
            _ => return None,
        };
        if quote != b'"' && quote != b'\'' {
            return None;
        }
        rest = rest.get(prefix..)?;
        let start = window - rest.len();
        let len = Ends::first_in_value(quote, rest)?;
        rest = &rest[len..];
        if rest.first() != Some(&quote) {
            return None;
        }
        rest = &rest[1..];
        count += 1;
        match found.known.get_mut(place) {
            Some(known) if known.start == Span::NONE.start => *known = Span::new(start, start + len),
            Some(_) => return None,
            None => found.rest = true,
        }
    }
    found.behind = rest;
    (count <= limits.attributes_max && !is_reserved(found.known[DEFAULT])).then_some(found)
}

/// The length of the ASCII name without a prefix at the front of `rest`, which begins with `next`.
#[inline(always)]
fn name_bytes(rest: &[u8], next: u64, limits: &ScanLimits) -> Option<usize> {
    let letters = small_letters(next);
    let len = match letters {
        1..8 if matches!((next >> (8 * letters)) as u8, b' ' | b'>' | b'/' | b'=') => letters,
        // It may go on by a letter that is not small, by a digit, or behind the block.
        _ => ascii_part(rest, 0),
    };
    (len > 0 && len <= limits.name_bytes_max as usize).then_some(len)
}

/// The place of the attribute that follows the space at the front of `rest`, which begins with `next`; its quote; and how
/// many bytes stand before its value.
#[inline(always)]
fn attribute<'i>(
    rest: &'i [u8],
    next: u64,
    limits: &ScanLimits,
    others: &mut Option<Others<'i>>,
) -> Option<(usize, u8, usize)> {
    const fn four(text: &[u8; 4]) -> u32 {
        u32::from_le_bytes(*text)
    }
    const TO_WORD: u32 = four(b" to=");
    const ID_WORD: u32 = four(b" id=");
    const TYPE_WORD: u32 = four(b" typ");
    const FROM_WORD: u32 = four(b" fro");
    const XML_WORD: u32 = four(b" xml");
    let high = (next >> 32) as u32;
    match next as u32 {
        TO_WORD => Some((TO, high as u8, 5)),
        ID_WORD => Some((ID, high as u8, 5)),
        TYPE_WORD if high as u16 == u16::from_le_bytes(*b"e=") => Some((TYPE, (high >> 16) as u8, 7)),
        FROM_WORD if high as u16 == u16::from_le_bytes(*b"m=") => Some((FROM, (high >> 16) as u8, 7)),
        XML_WORD if high & 0x00ff_ffff == four(b"ns=\0") => Some((DEFAULT, (high >> 24) as u8, 8)),
        XML_WORD if rest.starts_with(b" xml:lang=") => Some((LANG, *rest.get(10)?, 11)),
        _ => other_attribute(rest, limits, others),
    }
}

/// As [`attribute`], for one whose name is not known, and which none before it has had.
#[inline(never)]
fn other_attribute<'i>(
    rest: &'i [u8],
    limits: &ScanLimits,
    others: &mut Option<Others<'i>>,
) -> Option<(usize, u8, usize)> {
    let after = rest.get(1..)?;
    let len = name_bytes(after, block(after), limits)?;
    let &[b'=', quote, ..] = after.get(len..)? else {
        return None;
    };
    let name = &after[..len];
    // The unused places have no name.
    for earlier in others.get_or_insert_default() {
        if earlier.is_empty() {
            *earlier = name;
            return Some((OTHER, quote, len + 3));
        }
        if *earlier == name {
            return None;
        }
    }
    None
}

/// Whether a default declaration may be of a name that must not be declared (Namespaces in XML 1.0 section 3).
#[inline(always)]
fn is_reserved(value: Span) -> bool {
    let len = value.end.wrapping_sub(value.start) as usize;
    len == XML.len() || len == XMLNS.len()
}
