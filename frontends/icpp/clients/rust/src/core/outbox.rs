//! Reliable frames on their way to the server (SPEC.md section 6). They outlive connections and sessions.
//!
//! ```text
//!   base            base + sent
//!    |  outstanding  |  not sent in this session  |
//! ```
//! Invariants: order is kept; never more outstanding than the window when a frame is sent; bounded by frames and by bytes.

use std::collections::VecDeque;

use super::fault::Refused;
use super::kept::Queued;
use super::limits::{OUTBOX_BYTES_MAX, OUTBOX_FRAMES_MAX};

/// A frame, and whether it may have reached a server.
#[derive(Debug)]
struct Entry {
    frame: Queued,
    sent_before: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Outbox {
    entries: VecDeque<Entry>,
    bytes: usize,
    sent: usize,
    base: u32,
    window: u32,
}

impl Outbox {
    /// With what an earlier run of the program left: it may have been sent.
    pub fn new(kept: impl IntoIterator<Item = Queued>) -> Outbox {
        let mut outbox = Outbox::default();
        for frame in kept {
            outbox.bytes += frame.body.len();
            outbox.entries.push_back(Entry {
                frame,
                sent_before: true,
            });
        }
        outbox
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes one more.
    pub fn push(&mut self, frame: Queued) -> Result<(), Refused> {
        if self.entries.len() >= OUTBOX_FRAMES_MAX || self.bytes + frame.body.len() > OUTBOX_BYTES_MAX {
            return Err(Refused::Full);
        }
        self.bytes += frame.body.len();
        self.entries.push_back(Entry {
            frame,
            sent_before: false,
        });
        Ok(())
    }

    /// How many may be outstanding from now on.
    pub fn set_window(&mut self, window: u32) {
        self.window = window;
    }

    /// The next frame to be written, and whether it may have been before. The caller writes it.
    pub fn take_next(&mut self) -> Option<(&Queued, bool)> {
        if self.sent >= self.window as usize {
            return None;
        }
        let entry = self.entries.get_mut(self.sent)?;
        self.sent += 1;
        let sent_before = std::mem::replace(&mut entry.sent_before, true);
        Some((&entry.frame, sent_before))
    }

    /// The frame that [`Outbox::take_next`] has just given cannot be written: lets it go, and says where it stood.
    pub fn drop_last(&mut self) -> Option<(u32, Queued)> {
        self.sent = self.sent.checked_sub(1)?;
        let entry = self.entries.remove(self.sent)?;
        self.bytes -= entry.frame.body.len();
        Some((self.sent as u32, entry.frame))
    }

    /// The server has taken so many, all in all. Gives those that have become safe; `None` if it cannot be so.
    pub fn acknowledge(&mut self, ack: u32) -> Option<impl Iterator<Item = Queued> + '_> {
        let count = ack.wrapping_sub(self.base) as usize;
        if count > self.sent {
            return None;
        }
        self.base = ack;
        self.sent -= count;
        let bytes = &mut self.bytes;
        Some(self.entries.drain(..count).map(move |entry| {
            *bytes -= entry.frame.body.len();
            entry.frame
        }))
    }

    /// A new session: everything is to be sent, and counted from 0.
    pub fn begin(&mut self) {
        self.base = 0;
        self.sent = 0;
    }

    /// The session goes on, after [`Outbox::acknowledge`]: what is still here is sent again.
    pub fn rewind(&mut self) {
        self.sent = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crosspoint_icpp::codec::Verb;

    fn frame(byte: u8) -> Queued {
        Queued {
            verb: Verb::Send,
            nostore: false,
            id: None,
            body: vec![byte],
        }
    }

    #[test]
    fn the_window_holds_and_the_counter_turns_over() {
        let mut outbox = Outbox {
            base: u32::MAX,
            ..Outbox::default()
        };
        outbox.set_window(2);
        for byte in 0..3 {
            outbox.push(frame(byte)).unwrap();
        }
        assert_eq!(outbox.take_next().unwrap().0.body, [0]);
        assert_eq!(outbox.take_next().unwrap().0.body, [1]);
        assert!(outbox.take_next().is_none());
        assert!(outbox.acknowledge(2).is_none(), "three were not sent");
        assert!(outbox.acknowledge(u32::MAX - 1).is_none(), "a step back");
        assert_eq!(outbox.acknowledge(0).unwrap().count(), 1);
        assert_eq!(outbox.take_next().unwrap(), (&frame(2), false));
        outbox.rewind();
        assert_eq!(outbox.take_next().unwrap(), (&frame(1), true));
    }

    #[test]
    fn it_is_bounded() {
        let mut outbox = Outbox::default();
        for _ in 0..OUTBOX_FRAMES_MAX {
            outbox.push(frame(0)).unwrap();
        }
        assert_eq!(outbox.push(frame(0)), Err(Refused::Full));
        let mut outbox = Outbox::default();
        let big = Queued {
            body: vec![0; OUTBOX_BYTES_MAX / 2],
            ..frame(0)
        };
        outbox.push(big.clone()).unwrap();
        outbox.push(big.clone()).unwrap();
        assert_eq!(outbox.push(frame(0)), Err(Refused::Full));
    }
}
