//! Counting both ways (SPEC.md section 6): which of the client's frames are safe, and what the client has not acknowledged.
//!
//! ```text
//!   inbound    safe .. received     open[i] says whether frame safe+1+i is safe; its first is not, so `safe` is what we acknowledge
//!   outbound   acked .. sent        `frames` and `text` hold exactly those between the two
//! ```
//! Invariants:
//! - `safe` never covers a frame that could still be lost.
//! - Counters are kept in 64 bits and compared modulo 2^32.
//! - What is kept is bounded: beyond its bound the session takes nothing that the log can keep ([`Outbound::is_full`]).

use std::collections::VecDeque;

use crosspoint_engine::envelope::Envelope;
use crosspoint_engine::store::RecordId;

use crate::limits::Limits;

/// Frames of the client's.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    safe: u64,
    open: VecDeque<bool>,
}

impl Inbound {
    /// A reliable frame has arrived that is safe already, or will be: gives its number.
    pub(super) fn receive(&mut self, safe: bool) -> u64 {
        if safe && self.open.is_empty() {
            self.safe += 1;
            return self.safe;
        }
        self.open.push_back(safe);
        self.safe + self.open.len() as u64
    }

    /// These are safe.
    pub(super) fn accept(&mut self, numbers: &[u64]) {
        for number in numbers {
            let index = number.checked_sub(self.safe + 1).map(|index| index as usize);
            if let Some(open) = index.and_then(|index| self.open.get_mut(index)) {
                *open = true;
            }
        }
        while self.open.front() == Some(&true) {
            self.open.pop_front();
            self.safe += 1;
        }
        if self.open.is_empty() && self.open.capacity() > 64 {
            self.open = VecDeque::new();
        }
    }

    /// How many are safe without a gap: `ack`, as we say it.
    pub(super) fn ack(&self) -> u32 {
        self.safe as u32
    }

    /// How many are not.
    pub(super) fn outstanding(&self) -> usize {
        self.open.len()
    }
}

/// The client acknowledges what was not sent, or takes back what it said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AckInvalid;

/// Frames to the client.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    acked: u64,
    frames: VecDeque<Sent>,
    /// The frames' bytes, one after the other.
    text: VecDeque<u8>,
}

#[derive(Debug)]
struct Sent {
    bytes: u32,
    /// Its number in the log; 0 if it is not there.
    record: RecordId,
    /// What goes elsewhere if the client does not take it, if it is worth that.
    envelope: Option<Box<Envelope>>,
}

/// What goes elsewhere when a session ends.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    pub(super) records: Vec<RecordId>,
    pub(super) envelopes: Vec<Envelope>,
}

impl Outbound {
    /// A reliable frame is sent: it is kept until the client has it.
    pub(super) fn keep(&mut self, frame: &[u8], record: Option<RecordId>, envelope: Option<Box<Envelope>>) {
        self.text.extend(frame);
        self.frames.push_back(Sent {
            bytes: frame.len() as u32,
            record: record.unwrap_or(0),
            envelope,
        });
    }

    /// The client says how many it has. Appends the log's numbers of those that it did not have before.
    pub(super) fn acknowledge(&mut self, ack: u32, records: &mut Vec<RecordId>) -> Result<(), AckInvalid> {
        let newly = ack.wrapping_sub(self.acked as u32) as usize;
        if newly > self.frames.len() {
            return Err(AckInvalid);
        }
        if newly == 0 {
            return Ok(());
        }
        let mut bytes = 0;
        for sent in self.frames.drain(..newly) {
            bytes += sent.bytes as usize;
            if sent.record != 0 {
                records.push(sent.record);
            }
        }
        self.text.drain(..bytes);
        self.acked += newly as u64;
        Ok(())
    }

    /// Whether it has memory that it does not need now.
    pub(super) fn is_restless(&self) -> bool {
        self.frames.is_empty() && self.text.capacity() > 0
    }

    /// Gives that back.
    pub(super) fn rest(&mut self) {
        if self.frames.is_empty() {
            (self.frames, self.text) = (VecDeque::new(), VecDeque::new());
        }
    }

    /// Whether the client is to acknowledge before it gets more of what the log can keep.
    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        self.frames.len() >= limits.unacked_frames as usize || self.text.len() >= limits.unacked_bytes as usize
    }

    /// Whether there is much room again.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        self.frames.len() <= limits.unacked_frames as usize / 2 && self.text.len() <= limits.unacked_bytes as usize / 2
    }

    /// Whether even what no log keeps is too much.
    pub(super) fn overflows(&self, limits: &Limits) -> bool {
        let times = limits.unacked_excess as usize;
        self.frames.len() > times * limits.unacked_frames as usize
            || self.text.len() > times * limits.unacked_bytes as usize
    }

    /// Writes all again, as from this slot and with this acknowledgement.
    pub(super) fn write_again(&mut self, out: &mut Vec<u8>, slot: u16, ack: u32) {
        let mut rest: &[u8] = self.text.make_contiguous();
        for sent in &self.frames {
            let (frame, tail) = rest.split_at(sent.bytes as usize);
            out.extend_from_slice(&frame[..6]);
            out.extend_from_slice(&slot.to_le_bytes());
            out.extend_from_slice(&frame[8..12]);
            out.extend_from_slice(&ack.to_le_bytes());
            out.extend_from_slice(&frame[16..]);
            rest = tail;
        }
    }

    /// The session ends: what the client does not have.
    pub(super) fn leftovers(&mut self) -> Leftovers {
        let mut leftovers = Leftovers::default();
        for sent in self.frames.drain(..) {
            match (sent.record, sent.envelope) {
                (0, None) => {}
                (0, Some(envelope)) => leftovers.envelopes.push(*envelope),
                (record, _) => leftovers.records.push(record),
            }
        }
        self.text = VecDeque::new();
        leftovers
    }

    /// Bytes that it occupies on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.text.capacity() + self.frames.capacity() * size_of::<Sent>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ack_stops_before_the_first_frame_that_is_not_safe() {
        let mut inbound = Inbound::default();
        let numbers: Vec<u64> = [true, false, true, false].map(|safe| inbound.receive(safe)).into();
        assert_eq!((numbers.as_slice(), inbound.ack()), (&[1, 2, 3, 4][..], 1));
        inbound.accept(&[4]);
        assert_eq!(inbound.ack(), 1);
        inbound.accept(&[2]);
        assert_eq!((inbound.ack(), inbound.outstanding()), (4, 0));
        inbound.accept(&[2, 9]);
        assert_eq!(
            (inbound.ack(), inbound.receive(true)),
            (4, 5),
            "what is not open is nobody's business"
        );
    }

    #[test]
    fn nobody_acknowledges_what_was_not_sent_or_takes_it_back() {
        let mut outbound = Outbound::default();
        let mut records = Vec::new();
        outbound.keep(&[0; 16], Some(7), None);
        outbound.keep(&[1; 16], None, None);
        assert_eq!(outbound.acknowledge(3, &mut records), Err(AckInvalid));
        assert_eq!(outbound.acknowledge(1, &mut records), Ok(()));
        assert_eq!(outbound.acknowledge(0, &mut records), Err(AckInvalid));
        assert_eq!(outbound.acknowledge(2, &mut records), Ok(()));
        assert_eq!(records, [7]);
    }

    #[test]
    fn counters_wrap() {
        let mut outbound = Outbound {
            acked: (1 << 32) - 1,
            ..Outbound::default()
        };
        outbound.keep(&[0; 16], None, None);
        assert_eq!(outbound.acknowledge(0, &mut Vec::new()), Ok(()));
        let mut inbound = Inbound {
            safe: (1 << 32) - 1,
            ..Inbound::default()
        };
        inbound.receive(true);
        assert_eq!(inbound.ack(), 0);
    }

    #[test]
    fn what_is_written_again_has_its_new_place_and_acknowledgement() {
        let mut outbound = Outbound::default();
        let frame: Vec<u8> = (0..20).collect();
        outbound.keep(&frame, None, None);
        let mut out = Vec::new();
        outbound.write_again(&mut out, 0x0a0b, 0x01020304);
        assert_eq!(
            out,
            [0, 1, 2, 3, 4, 5, 0x0b, 0x0a, 8, 9, 10, 11, 4, 3, 2, 1, 16, 17, 18, 19]
        );
    }
}
