//! The end of a front-end: its clients are told, sent to others over the time that there is, and seen off.
//!
//! Invariant: a client is sent elsewhere once, by a ticket of the back-end's, and only if it is logged in.

use std::collections::VecDeque;

use crosspoint_engine::relay::RelayHost;
use crosspoint_engine::session::Farewell;

use crate::codec::elsewhere::{Drain as Body, Reason, Redirect};
use crate::codec::{Header, Verb, write_frame};
use crate::redirect;
use crate::trunk::push;

use super::front::EdgeFront;
use super::trunks::Way;

/// A drain under way.
pub(super) struct Drain {
    began_ms: u64,
    /// Clients when it began.
    all: usize,
    /// Those that have been sent elsewhere.
    sent: usize,
    /// Those that have not, by trunk and slot.
    waiting: VecDeque<(Way, u16)>,
    /// Whose turn it is among the nodes that take them.
    turn: usize,
}

impl Drain {
    /// Appends DRAIN.
    pub(super) fn write(out: &mut Vec<u8>, ack: u32, phase: u8, deadline_ms: u64) {
        let deadline_ms = u32::try_from(deadline_ms).unwrap_or(u32::MAX);
        write_frame(out, Header::push(Verb::Drain, ack), |out| {
            Body { phase, deadline_ms }.write(out)
        });
    }
}

impl EdgeFront {
    /// Everybody is told. `None`: there is nobody, so nothing takes time.
    pub(super) fn begin_drain(&mut self, host: &mut dyn RelayHost) -> Option<u64> {
        let deadline_ms = self.config.drain_ms;
        let mut waiting = VecDeque::new();
        for (place, trunk) in self.trunks.iter_mut() {
            for (slot, row) in trunk.rows.iter() {
                if row.closing {
                    continue;
                }
                let ack = row.ack;
                host.write(row.session, &mut |out| Drain::write(out, ack, 1, deadline_ms));
                waiting.push_back((place, slot));
            }
        }
        let patient = !waiting.is_empty() && deadline_ms > 0;
        self.drain = Some(Drain {
            began_ms: host.now().ms,
            all: waiting.len(),
            sent: 0,
            waiting,
            turn: 0,
        });
        patient.then_some(deadline_ms)
    }

    /// Some more are sent elsewhere; when all have gone, so do the trunks.
    pub(super) fn go_on_draining(&mut self, host: &mut dyn RelayHost) {
        let Some(drain) = &self.drain else { return };
        let elapsed_ms = host.now().ms.saturating_sub(drain.began_ms);
        let due = redirect::due(drain.all, elapsed_ms, self.config.drain_ms);
        while self.drain.as_ref().is_some_and(|drain| drain.sent < due) && self.send_next(host) {}
        if self.clients.is_empty() {
            for (_, trunk) in self.trunks.iter() {
                if let Some(session) = trunk.session {
                    host.dismiss(session, Farewell::Shutdown);
                }
            }
        }
    }

    /// The first who waits, is logged in, and has somewhere to go. Those who are not yet, or have not yet, wait on.
    fn next_to_send(&mut self) -> Option<(Way, u16)> {
        let back_ends = 0..self.neighbours.len();
        let open: Vec<bool> = back_ends.map(|back_end| !self.refuges(back_end).is_empty()).collect();
        let waiting = &mut self.drain.as_mut()?.waiting;
        let mut later = VecDeque::new();
        let mut found = None;
        while let Some((way, slot)) = waiting.pop_front() {
            let trunk = self.trunks.get_mut(way);
            let row = trunk.and_then(|trunk| trunk.rows.get(slot)).copied();
            match row.filter(|row| !row.closing && !row.sent) {
                None => {}
                Some(row) if row.online && open.get(usize::from(way.back_end)) == Some(&true) => {
                    found = Some((way, slot));
                    break;
                }
                Some(_) => later.push_back((way, slot)),
            }
        }
        waiting.append(&mut later);
        found
    }

    /// False when there is nobody left to send, or nowhere to send them.
    fn send_next(&mut self, host: &mut dyn RelayHost) -> bool {
        let Some((place, slot)) = self.next_to_send() else {
            return false;
        };
        let back_end = usize::from(place.back_end);
        let refuges = self.refuges(back_end);
        let Some(drain) = &mut self.drain else { return false };
        drain.sent += 1;
        // In turn, as often as their weights say: whoever has less to do has no time to say so.
        let weights: usize = refuges.iter().map(|node| usize::from(node.weight)).sum();
        let mut ticket = (drain.turn * STRIDE) % weights;
        drain.turn += 1;
        let chosen = refuges.iter().find(|node| {
            let weight = usize::from(node.weight);
            let here = ticket < weight;
            ticket = ticket.saturating_sub(weight);
            here
        });
        let Some(target) = chosen else { return true };
        let urls = self.urls_of(back_end, &target.node).unwrap_or_default();
        let trunk = &mut self.trunks[place];
        let (Some(session), Some(row)) = (trunk.session, trunk.rows.get(slot)) else {
            return true;
        };
        row.sent = true;
        self.config.figures.redirects.count(Reason::Drain);
        host.write(session, &mut |out| {
            write_frame(out, push(Verb::Redirect, slot), |out| {
                Redirect::to(&target.node, Reason::Drain, &self.config.node).write(out, urls.split(' '));
            });
        });
        true
    }
}

/// Strides through the weights; prime, so that it meets all of them.
const STRIDE: usize = 7_919;
