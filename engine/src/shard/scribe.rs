//! Writes the records of messages: many of them into one piece of memory, one after the other.
//!
//! A record is made by a shard and freed by the log's thread a moment later, so one request for memory each is one that no thread's cache
//! of free memory ever serves. Here it is one for some eighty.
//!
//! Invariant: a record keeps all of its piece alive, so this is for records that nobody holds for longer than a commit takes.

use bytes::{Bytes, BytesMut};

use crate::envelope::{Envelope, Hints};
use crate::store;

/// Bytes of a piece; a record that is larger has one of its own.
const PIECE_BYTES: usize = 16 * 1024;
/// The memory in which a record is made is kept for the next one if it is not larger.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

/// Where records are written.
#[derive(Default)]
pub(super) struct Scribe {
    scratch: Vec<u8>,
    piece: BytesMut,
}

impl Scribe {
    /// A record of a message, with these hints in place of its own.
    pub(super) fn write(&mut self, envelope: &Envelope, stamp_ms: u64, hints: Hints) -> Bytes {
        self.scratch = store::encode_in(std::mem::take(&mut self.scratch), envelope, stamp_ms, hints);
        let bytes = self.scratch.len();
        if self.piece.capacity() < bytes {
            self.piece = BytesMut::with_capacity(bytes.max(PIECE_BYTES));
        }
        self.piece.extend_from_slice(&self.scratch);
        if self.scratch.capacity() > SCRATCH_BYTES_MAX {
            self.scratch = Vec::new();
        }
        self.piece.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Kind, MessageKind};

    fn says(bytes: usize) -> Envelope {
        let address = |text: &str| text.parse().expect("an address");
        let mut envelope = Envelope::neutral(
            address("romeo@montague.lit/orchard"),
            address("juliet@capulet.lit"),
            Kind::Message(MessageKind::Chat),
        );
        envelope.content.body = Bytes::from(vec![b'a'; bytes]);
        envelope
    }

    #[test]
    fn records_that_share_memory_are_those_that_have_their_own() {
        let mut scribe = Scribe::default();
        let sizes = [0, 1, 100, PIECE_BYTES - 1, PIECE_BYTES + 1, SCRATCH_BYTES_MAX, 7];
        let written: Vec<Bytes> = sizes.map(|bytes| scribe.write(&says(bytes), 7, Hints::STORE)).into();
        for (bytes, record) in sizes.into_iter().zip(written) {
            let mut envelope = says(bytes);
            envelope.hints = Hints::STORE;
            assert_eq!(record, store::encode(&envelope, 7), "{bytes}");
        }
        assert!(scribe.scratch.capacity() <= SCRATCH_BYTES_MAX);
    }
}
