//! Presence that is kept back from a client in the background, or away: of each contact's session the latest (SPEC.md section 7).
//!
//! Invariant: bounded in sessions and in bytes; beyond either the oldest is forgotten, and its contact's next presence tells.

use std::collections::{HashMap, VecDeque};

use crosspoint_engine::jid::Jid;

use crate::codec::presence::{Presence, Show};
use crate::limits::Limits;

/// The latest presences, in the order in which their sessions were first heard of.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    latest: HashMap<Jid, Shown>,
    order: VecDeque<Jid>,
    /// Of addresses and statuses.
    bytes: usize,
}

#[derive(Debug)]
struct Shown {
    show: Show,
    priority: i8,
    status: Box<str>,
}

impl Deferred {
    /// Keeps a presence.
    pub(super) fn keep(&mut self, from: &Jid, presence: &Presence<'_>, limits: &Limits) {
        let shown = Shown {
            show: presence.show,
            priority: presence.priority,
            status: presence.status.into(),
        };
        let from = from.detached();
        self.bytes += from.as_str().len() + shown.status.len();
        match self.latest.insert(from.clone(), shown) {
            Some(before) => self.bytes -= from.as_str().len() + before.status.len(),
            None => self.order.push_back(from),
        }
        while (self.order.len() > limits.deferred_presences || self.bytes > limits.deferred_bytes)
            && let Some(oldest) = self.order.pop_front()
        {
            let status = self.latest.remove(&oldest).map_or(0, |shown| shown.status.len());
            self.bytes -= oldest.as_str().len() + status;
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

    /// What is told of these, heard of in this order, within these bounds.
    fn told(heard: &[(&str, &str)], deferred_presences: usize, deferred_bytes: usize) -> Vec<(String, String)> {
        let limits = Limits {
            deferred_presences,
            deferred_bytes,
            ..Limits::DEFAULT
        };
        let mut deferred = Deferred::default();
        for (from, status) in heard {
            let presence = Presence {
                show: Show::Away,
                priority: 0,
                address: "",
                status,
            };
            deferred.keep(&from.parse().unwrap(), &presence, &limits);
        }
        let mut told = Vec::new();
        deferred.each(|presence| told.push((presence.address.to_owned(), presence.status.to_owned())));
        assert_eq!(
            deferred.bytes,
            told.iter()
                .map(|(from, status)| from.len() + status.len())
                .sum::<usize>()
        );
        told
    }

    fn owned(told: &[(&str, &str)]) -> Vec<(String, String)> {
        told.iter()
            .map(|(from, status)| ((*from).to_owned(), (*status).to_owned()))
            .collect()
    }

    #[test]
    fn the_latest_of_each_and_no_more_than_may_be() {
        let heard = [
            ("a@b.c/1", "one"),
            ("a@b.c/2", "two"),
            ("a@b.c/1", "three"),
            ("a@b.c/3", "four"),
        ];
        assert_eq!(
            told(&heard, 2, 1_000),
            owned(&[("a@b.c/2", "two"), ("a@b.c/3", "four")])
        );
    }

    /// Four kilobytes of status each, for a thousand sessions, were seven megabytes for every client that was away.
    #[test]
    fn long_words_of_many_are_bounded_together() {
        let heard = [("a@b.c/1", "12345"), ("a@b.c/2", "12345"), ("a@b.c/3", "12345678")];
        assert_eq!(told(&heard, 9, 27), owned(&heard[1..]));
        assert_eq!(told(&heard, 9, 26), owned(&heard[2..]));
        assert_eq!(told(&heard, 9, 14), owned(&[]));
        assert_eq!(
            told(&[("a@b.c/1", "long"), ("a@b.c/1", "x")], 9, 12),
            owned(&[("a@b.c/1", "x")])
        );
    }
}
