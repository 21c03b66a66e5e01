//! Cutting first-level children out of a stanza: those that only we may speak (delay, stanza-id,
//! occupant-id... in our name) and that a peer has forged.
//!
//! Invariants: works on the spans of the scan and parses nothing; every child for which the predicate
//! holds is gone, and everything else of the body means what it meant. Its bytes stay as they are but for two
//! cases, where the texts on both sides of a cut would join to something else: `]]>` is illegal in text, so
//! the last bracket before the cut becomes a reference; and two line ends must not become one.

use super::frame::{Child, Stanza};
use super::scan::Scanner;

/// The body of a stanza after a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut<'a> {
    /// Nothing was cut: the body as it came, which the caller may share.
    Whole(&'a str),
    /// A new body without the children in question.
    Rebuilt(Vec<u8>),
}

impl Cut<'_> {
    /// The body's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Cut::Whole(body) => body.as_bytes(),
            Cut::Rebuilt(body) => body,
        }
    }
}

/// Removes from the stanza that `scanner` gave last every first-level child for which `forged` holds.
pub fn cut<'a>(stanza: &Stanza<'a>, scanner: &Scanner, mut forged: impl FnMut(&Child<'a>) -> bool) -> Cut<'a> {
    let raw = stanza.raw.as_bytes();
    let mut rebuilt: Option<Vec<u8>> = None;
    let mut copied = stanza.head_end;
    for child in scanner.children(stanza) {
        if forged(&child) {
            let body = rebuilt.get_or_insert_with(|| Vec::with_capacity(stanza.body().len()));
            join(body, &raw[copied..child.range.start]);
            copied = child.range.end;
        }
    }
    match rebuilt {
        None => Cut::Whole(stanza.body()),
        Some(mut body) => {
            join(&mut body, &raw[copied..stanza.body_end]);
            Cut::Rebuilt(body)
        }
    }
}

/// Appends the next piece of the body.
fn join(body: &mut Vec<u8>, piece: &[u8]) {
    // A body that ends with a bracket ends with text: tags and CDATA sections end with `>`.
    if body.last() == Some(&b']') && matches!(piece.first(), Some(b']' | b'>')) {
        body.pop();
        body.extend_from_slice(b"&#93;");
    }
    if body.last() == Some(&b'\r') && piece.first() == Some(&b'\n') {
        body.pop();
        body.push(b'\n');
    }
    body.extend_from_slice(piece);
}
