//! Client state indication (XEP-0352): what an inactive client need not see yet.
//!
//! Of each sender only the latest presence is held, and of each sender only the latest chat state; all are delivered, in
//! the order of their arrival, before anything that matters, and when the client wakes up.
//!
//! Invariants:
//! - Only what is marked [`Hints::DEFER`](crosspoint_engine::envelope::Hints::DEFER) and is not in the log is ever held.
//! - At most [`Limits::held_stanzas`](crate::limits::Limits) are held, and [`Limits::held_bytes`](crate::limits::Limits) and one stanza more
//!   of their text; the caller flushes when [`Held::push`] says so.

use crosspoint_engine::envelope::{Kind, PresenceKind};

use crate::limits::Limits;

use super::kept::Kept;

/// What is held back, oldest first. Exists only while a client is inactive.
#[derive(Debug, Default)]
pub(crate) struct Held {
    envelopes: Vec<Kept>,
}

impl Held {
    /// Holds one back in place of what it makes obsolete; `true` when a bound is reached.
    pub(crate) fn push(&mut self, kept: Kept, limits: &Limits) -> bool {
        if replaceable(kept.kind()) {
            self.envelopes.retain(|earlier| {
                earlier.from() != kept.from()
                    || !replaceable(earlier.kind())
                    || is_presence(earlier.kind()) != is_presence(kept.kind())
            });
        }
        self.envelopes.push(kept);
        self.envelopes.len() >= limits.held_stanzas || self.weight() >= limits.held_bytes
    }

    fn weight(&self) -> usize {
        self.envelopes.iter().map(Kept::weight).sum()
    }

    /// Bytes that it occupies.
    pub(crate) fn memory_bytes(&self) -> usize {
        let unused = (self.envelopes.capacity() - self.envelopes.len()) * size_of::<Kept>();
        size_of::<Self>() + unused + self.weight()
    }

    /// Gives all of it up, oldest first.
    pub(crate) fn take(&mut self) -> Vec<Kept> {
        std::mem::take(&mut self.envelopes)
    }
}

fn is_presence(kind: Kind) -> bool {
    matches!(kind, Kind::Presence(_))
}

fn replaceable(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Message(_) | Kind::Presence(PresenceKind::Available | PresenceKind::Unavailable)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crosspoint_engine::envelope::{Envelope, MessageKind};
    use crosspoint_engine::session::Form;

    const LIMITS: Limits = Limits::DEFAULT;

    fn kept(from: &str, kind: Kind) -> Kept {
        let envelope = Envelope::neutral(from.parse().unwrap(), "juliet@c.lit/balcony".parse().unwrap(), kind);
        Kept::pack(&envelope, Form::Plain, None)
    }

    #[test]
    fn the_latest_presence_of_each_sender_is_held() {
        let mut held = Held::default();
        held.push(kept("romeo@m.lit/a", Kind::Presence(PresenceKind::Available)), &LIMITS);
        held.push(kept("romeo@m.lit/b", Kind::Presence(PresenceKind::Available)), &LIMITS);
        held.push(kept("romeo@m.lit/a", Kind::Message(MessageKind::Chat)), &LIMITS);
        held.push(
            kept("romeo@m.lit/a", Kind::Presence(PresenceKind::Unavailable)),
            &LIMITS,
        );
        let kinds: Vec<_> = held
            .take()
            .iter()
            .map(|kept| (String::from_utf8(kept.from().to_vec()).unwrap(), kept.kind()))
            .collect();
        assert_eq!(
            kinds,
            [
                ("romeo@m.lit/b".to_owned(), Kind::Presence(PresenceKind::Available)),
                ("romeo@m.lit/a".to_owned(), Kind::Message(MessageKind::Chat)),
                ("romeo@m.lit/a".to_owned(), Kind::Presence(PresenceKind::Unavailable)),
            ]
        );
    }

    #[test]
    fn the_bound_is_reported() {
        let two = Limits {
            held_stanzas: 2,
            ..LIMITS
        };
        let mut held = Held::default();
        assert!(!held.push(kept("a@m.lit", Kind::Presence(PresenceKind::Available)), &two));
        assert!(!held.push(kept("a@m.lit", Kind::Presence(PresenceKind::Available)), &two));
        assert!(held.push(kept("b@m.lit", Kind::Presence(PresenceKind::Available)), &two));
    }

    /// Found by flooding: 500 presences of a quarter of a megabyte each were held.
    #[test]
    fn large_ones_are_not_held_by_the_hundred() {
        let mut held = Held::default();
        let large = |from: &str| {
            let mut envelope = Envelope::neutral(
                from.parse().unwrap(),
                "juliet@c.lit/balcony".parse().unwrap(),
                Kind::Presence(PresenceKind::Available),
            );
            envelope.content.body = vec![b'a'; LIMITS.held_bytes / 3].into();
            Kept::pack(&envelope, Form::Plain, None)
        };
        let pushed = ["a@m.lit", "b@m.lit", "a@m.lit", "c@m.lit"].map(|from| held.push(large(from), &LIMITS));
        assert_eq!(pushed, [false, false, false, true]);
    }
}
