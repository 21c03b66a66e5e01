//! Presence that is kept back from a client in the background, or away: of each contact's session the latest (SPEC.md section 7).
//!
//! Invariant: bounded; beyond its bound the oldest is forgotten, and its contact's next presence tells.

use std::collections::{HashMap, VecDeque};

use crosspoint_engine::jid::Jid;

use crate::codec::presence::{Presence, Show};

/// The latest presences, in the order in which their sessions were first heard of.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    latest: HashMap<Jid, Shown>,
    order: VecDeque<Jid>,
}

#[derive(Debug)]
struct Shown {
    show: Show,
    priority: i8,
    status: Box<str>,
}

impl Deferred {
    /// Keeps a presence.
    pub(super) fn keep(&mut self, from: &Jid, presence: &Presence<'_>, max: usize) {
        let shown = Shown {
            show: presence.show,
            priority: presence.priority,
            status: presence.status.into(),
        };
        let from = from.detached();
        if self.latest.insert(from.clone(), shown).is_some() {
            return;
        }
        self.order.push_back(from);
        if self.order.len() > max
            && let Some(oldest) = self.order.pop_front()
        {
            self.latest.remove(&oldest);
        }
    }

    /// Everything that was kept.
    pub(super) fn each(&self, mut tell: impl FnMut(&Presence<'_>)) {
        for from in &self.order {
            if let Some(shown) = self.latest.get(from) {
                tell(&Presence {
                    show: shown.show,
                    priority: shown.priority,
                    address: from.as_str(),
                    status: &shown.status,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_of_each_and_no_more_than_may_be() {
        let mut deferred = Deferred::default();
        let jid = |text: &str| text.parse::<Jid>().unwrap();
        let mut keep = |from: &str, status: &str| {
            let presence = Presence {
                show: Show::Away,
                priority: 0,
                address: "",
                status,
            };
            deferred.keep(&jid(from), &presence, 2);
        };
        keep("a@b.c/1", "one");
        keep("a@b.c/2", "two");
        keep("a@b.c/1", "three");
        keep("a@b.c/3", "four");
        let mut told = Vec::new();
        deferred.each(|presence| told.push((presence.address.to_owned(), presence.status.to_owned())));
        assert_eq!(
            told,
            [("a@b.c/2".into(), "two".into()), ("a@b.c/3".into(), "four".into())]
        );
    }
}
