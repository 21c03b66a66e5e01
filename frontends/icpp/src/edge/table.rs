//! Who is at which slot of a trunk.
//!
//! Invariant: a slot is given away again only when CLOSE has come for it (SPEC.md section 11.3), and the one that has been
//! free for longest first.

use std::collections::VecDeque;

use crosspoint_engine::shard::SessionId;

/// A client at its slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) session: SessionId,
    /// The `ack` of the last frame that went to it: what we say ourselves must not step back behind it.
    pub(super) ack: u32,
    /// It is logged in.
    pub(super) online: bool,
    /// CLOSE has been sent and has to come.
    pub(super) closing: bool,
    /// The back-end has asked it to wait.
    pub(super) held: bool,
    /// It waits for room in the trunk.
    pub(super) stalled: bool,
    /// The back-end has been told that it does not read.
    pub(super) slow: bool,
    /// It has been sent elsewhere.
    pub(super) sent: bool,
}

/// The slots of a trunk, from 1.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: Vec<Option<Row>>,
    free: VecDeque<u16>,
}

impl Rows {
    /// Gives a client a slot; `None`: there is none left.
    pub(super) fn take(&mut self, session: SessionId) -> Option<u16> {
        let slot = match self.free.pop_front() {
            Some(slot) => slot,
            None => u16::try_from(self.rows.len() + 1).ok()?,
        };
        let place = usize::from(slot) - 1;
        if self.rows.len() <= place {
            self.rows.resize(place + 1, None);
        }
        self.rows[place] = Some(Row {
            session,
            ack: 0,
            online: false,
            closing: false,
            held: false,
            stalled: false,
            slow: false,
            sent: false,
        });
        Some(slot)
    }

    pub(super) fn get(&mut self, slot: u16) -> Option<&mut Row> {
        self.rows.get_mut(usize::from(slot).checked_sub(1)?)?.as_mut()
    }

    /// CLOSE has come.
    pub(super) fn release(&mut self, slot: u16) -> Option<Row> {
        let row = self.rows.get_mut(usize::from(slot).checked_sub(1)?)?.take()?;
        self.free.push_back(slot);
        Some(row)
    }

    /// Everybody, with the slots; the trunk is empty then.
    pub(super) fn clear(&mut self) -> Vec<Row> {
        self.free.clear();
        std::mem::take(&mut self.rows).into_iter().flatten().collect()
    }

    /// Everybody who is there.
    pub(super) fn iter(&mut self) -> impl Iterator<Item = (u16, &mut Row)> {
        let rows = self.rows.iter_mut().enumerate();
        rows.filter_map(|(place, row)| Some((place as u16 + 1, row.as_mut()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(index: u32) -> SessionId {
        SessionId { index, generation: 1 }
    }

    #[test]
    fn the_slot_that_was_free_for_longest_is_given_away_first() {
        let mut rows = Rows::default();
        let taken: Vec<_> = (0..3).map(|index| rows.take(session(index))).collect();
        assert_eq!(taken, [Some(1), Some(2), Some(3)]);
        assert_eq!(rows.release(2).map(|row| row.session), Some(session(1)));
        rows.release(1);
        assert!(rows.release(1).is_none() && rows.get(1).is_none() && rows.get(0).is_none());
        assert_eq!((rows.take(session(7)), rows.take(session(8))), (Some(2), Some(1)));
        assert_eq!(rows.take(session(9)), Some(4));
        assert_eq!(rows.clear().len(), 4);
        assert_eq!(rows.take(session(1)), Some(1));
    }

    #[test]
    fn there_are_65535() {
        let mut rows = Rows::default();
        let count = (0..).take_while(|index| rows.take(session(*index)).is_some()).count();
        assert_eq!(count, 65_535);
    }
}
