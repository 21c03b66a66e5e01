//! What a trunk's session keeps of its slots, and how it hands frames to those who are at them.
//!
//! Invariant: frames are fed in the order in which they came; those in a row for one session together, and without a copy each.

use bytes::Bytes;
use crosspoint_engine::session::Action;

/// Which slots are open: a bit each.
#[derive(Default)]
pub(super) struct Slots(Vec<u64>);

impl Slots {
    pub(super) fn has(&self, slot: u16) -> bool {
        let word = self.0.get(usize::from(slot / 64)).copied().unwrap_or(0);
        word & (1 << (slot % 64)) != 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn set(&mut self, slot: u16, open: bool) {
        let word = usize::from(slot / 64);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        match open {
            true => self.0[word] |= 1 << (slot % 64),
            false => self.0[word] &= !(1 << (slot % 64)),
        }
    }
}

/// Frames in a row that are for the same session; fed to it together.
pub(super) struct Feeding<'a> {
    pub(super) input: &'a [u8],
    /// A copy that all runs share, made when it is first needed.
    shared: Option<Bytes>,
    run: Option<(u16, usize, usize)>,
}

impl<'a> Feeding<'a> {
    pub(super) fn of(input: &'a [u8]) -> Feeding<'a> {
        Feeding {
            input,
            shared: None,
            run: None,
        }
    }
}

impl Feeding<'_> {
    pub(super) fn add(&mut self, slot: u16, from: usize, to: usize, actions: &mut Vec<Action>) {
        match &mut self.run {
            Some((same, _, end)) if *same == slot => *end = to,
            _ => {
                self.flush(actions);
                self.run = Some((slot, from, to));
            }
        }
    }

    pub(super) fn flush(&mut self, actions: &mut Vec<Action>) {
        if let Some((key, from, to)) = self.run.take() {
            let shared = self.shared.get_or_insert_with(|| Bytes::copy_from_slice(self.input));
            let bytes = shared.slice(from..to);
            actions.push(Action::Feed { key, bytes });
        }
    }
}
