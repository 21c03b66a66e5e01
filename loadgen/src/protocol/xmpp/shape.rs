//! The common message, read without parsing it again.
//!
//! ```text
//! <message from="u1@localhost/lg" to="u0@localhost" type="chat" id="   mark   "><body>   text   </body></message>
//! |---------------------------- head -----------------------------|          |- middle -|          |--- tail ---|
//! ```
//!
//! A message that the codec has passed, and found to be ours, is kept as its shape: the bytes around mark and body. The
//! next one that has the same bytes there, a mark, and the very body that belongs to the mark, differs from one that was
//! validated only in hexadecimal digits and in text without markup: it is well formed, it means the same, and it is
//! intact. Anything else goes through the codec.
//!
//! Invariant: a shape is learnt from a validated stanza only, and used at the beginning of a frame only.

use super::{Filler, MARK_BYTES, Mark};

/// Longest shape that is worth keeping.
const SHAPE_BYTES_MAX: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub struct Shape {
    bytes: Vec<u8>,
    head: usize,
    middle: usize,
    room: bool,
}

impl Shape {
    /// Remembers a stanza by where its mark begins, where its body begins and ends, and whether a room sent it.
    pub fn learn(&mut self, raw: &[u8], mark: usize, body: usize, body_end: usize, room: bool) {
        let (Some(head), Some(middle), Some(tail)) =
            (raw.get(..mark), raw.get(mark + MARK_BYTES..body), raw.get(body_end..))
        else {
            return;
        };
        if head.len() + middle.len() + tail.len() > SHAPE_BYTES_MAX {
            return;
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(middle);
        self.bytes.extend_from_slice(tail);
        (self.head, self.middle, self.room) = (head.len(), middle.len(), room);
    }

    /// Whether messages of this shape come from a room.
    pub fn is_room(&self) -> bool {
        self.room
    }

    /// The mark of a message of this shape at the front of `input`, and its length; `None` if it is not one, or not all
    /// of one.
    #[inline]
    pub fn read(&self, input: &[u8], filler: &Filler) -> Option<(Mark, usize)> {
        let (head, rest) = self.bytes.split_at(self.head);
        let (middle, tail) = rest.split_at(self.middle);
        if head.is_empty() {
            return None;
        }
        let after_head = input.strip_prefix(head)?;
        let (digits, after_mark) = after_head.split_at_checked(MARK_BYTES)?;
        let mark = Mark::read(digits)?;
        let after_middle = after_mark.strip_prefix(middle)?;
        let after_body = after_middle.strip_prefix(filler.body(mark))?;
        let rest = after_body.strip_prefix(tail)?;
        Some((mark, input.len() - rest.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(mark: Mark, filler: &Filler) -> Vec<u8> {
        let mut raw = b"<message id='".to_vec();
        raw.extend(mark.digits());
        raw.extend(b"'><body>");
        raw.extend(filler.body(mark));
        raw.extend(b"</body></message>");
        raw
    }

    #[test]
    fn the_next_message_of_a_shape_is_read_and_every_other_is_left_alone() {
        let filler = Filler::new();
        let mark = |number, bytes| Mark {
            number,
            bytes,
            ..Mark::default()
        };
        let first = message(mark(0, 20), &filler);
        let mut shape = Shape::default();
        assert_eq!(shape.read(&first, &filler), None);
        shape.learn(&first, 13, 13 + MARK_BYTES + 8, 13 + MARK_BYTES + 28, false);
        let second = message(mark(1, 50), &filler);
        assert_eq!(shape.read(&second, &filler), Some((mark(1, 50), second.len())));
        for length in 0..second.len() {
            assert_eq!(shape.read(&second[..length], &filler), None);
        }
        for place in 0..second.len() {
            let mut other = second.clone();
            other[place] ^= 0x80;
            assert_eq!(shape.read(&other, &filler), None, "damaged at {place}");
        }
    }
}
