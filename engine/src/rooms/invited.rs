//! Who was invited by whom lately: a refusal finds its inviter by it, even if he has left the room.
//!
//! Invariants: bounded, the oldest are forgotten first; an invitation is declined to the absent once.

use std::collections::VecDeque;

use crate::jid::Jid;

/// Invitations that were not declined yet, oldest first: who is invited, and by whom; bare. In most rooms there are none: boxed.
#[derive(Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "a pointer in each room that has none, in place of four words"
)]
pub(super) struct Invited(Option<Box<VecDeque<(Jid, Jid)>>>);

impl Invited {
    /// Notes an invitation; no more than `max` are kept.
    pub(super) fn note(&mut self, who: &Jid, by: &Jid, max: usize) {
        self.take(who, by);
        let open = self.0.get_or_insert_default();
        while open.len() >= max.max(1) {
            open.pop_front();
        }
        open.push_back((who.to_bare().detached(), by.to_bare().detached()));
    }

    /// Whether there was such an invitation. There is none any more.
    pub(super) fn take(&mut self, who: &Jid, by: &Jid) -> bool {
        let is = |(invited, inviter): &(Jid, Jid)| invited.same_bare(who) && inviter.same_bare(by);
        let Some(open) = &mut self.0 else { return false };
        let found = open.iter().position(is).and_then(|at| open.remove(at)).is_some();
        if open.is_empty() {
            self.0 = None;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_once_and_the_oldest_are_forgotten() {
        let open = |invited: &Invited| invited.0.as_ref().map_or(0, |open| open.len());
        let jid = |text: &str| text.parse::<Jid>().unwrap();
        let (romeo, juliet, nurse) = (jid("romeo@m.lit/o"), jid("juliet@c.lit"), jid("nurse@c.lit/x"));
        let mut invited = Invited::default();
        invited.note(&juliet, &romeo, 2);
        invited.note(&juliet, &romeo, 2);
        assert_eq!(open(&invited), 1);
        assert!(!invited.take(&romeo, &juliet), "the other way round");
        assert!(invited.take(&jid("juliet@c.lit/balcony"), &jid("romeo@m.lit")));
        assert!(!invited.take(&juliet, &romeo), "twice");
        for who in [&juliet, &nurse, &romeo] {
            invited.note(who, &romeo, 2);
        }
        assert_eq!((open(&invited), invited.take(&juliet, &romeo)), (2, false));
    }
}
