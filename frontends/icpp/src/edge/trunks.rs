//! The trunks of the front-end role: made, mended, told how this front-end is, and what is learned from them.
//!
//! Invariants:
//! - A trunk to each shard of the back-end is up, or on its way; one that cannot be made is tried again, later each time.
//! - When a trunk is gone, all of its clients are told to try again, and none of them is at a slot any more.

use std::sync::atomic::Ordering::Relaxed;

use crosspoint_engine::relay::{Parcel, RelayHost};
use crosspoint_engine::session::Farewell;
use crosspoint_engine::shard::SessionId;

use crate::codec::cursor::Cursor;
use crate::codec::elsewhere::Node;
use crate::codec::{Code, Verb, write_frame};
use crate::redirect::{ACCOUNT_SLOTS, Figures};
use crate::trunk::nodes::{Known, NODES_MAX};
use crate::trunk::{TICK_MS, push};

use super::front::{EdgeFront, parting_words};
use super::table::{Row, Rows};
use super::{RETRY_MS, RETRY_MS_MAX, label};

/// A trunk to one shard of the back-end.
#[derive(Default)]
pub(super) struct Trunk {
    pub(super) session: Option<SessionId>,
    pub(super) phase: Phase,
    attempts: u32,
    pub(super) rows: Rows,
    /// Clients that wait for room in it.
    pub(super) stalled: Vec<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Tried again at this time.
    Down(u64),
    /// On its way.
    Coming,
    Up,
}

impl Default for Phase {
    fn default() -> Phase {
        Phase::Down(0)
    }
}

impl EdgeFront {
    /// A trunk has room again: those who waited for it may go on.
    pub(super) fn has_room(&mut self, id: SessionId, host: &mut dyn RelayHost) {
        let Some(trunk) = self.trunks.iter_mut().find(|trunk| trunk.session == Some(id)) else {
            return;
        };
        for slot in std::mem::take(&mut trunk.stalled) {
            if let Some(row) = trunk.rows.get(slot)
                && std::mem::replace(&mut row.stalled, false)
                && !row.held
            {
                host.pause(row.session, false);
            }
        }
    }

    /// The back-end has said how many shards it has.
    pub(super) fn welcomed(&mut self, bytes: &[u8], host: &mut dyn RelayHost) {
        let &[low, high] = bytes else { return };
        let shards = usize::from(u16::from_le_bytes([low, high]).clamp(1, ACCOUNT_SLOTS));
        for place in (shards..self.trunks.len()).rev() {
            let session = self.trunks[place].session;
            self.down(place, host);
            self.trunks.truncate(place);
            if let Some(session) = session {
                host.dismiss(session, Farewell::Internal);
            }
        }
        if shards > self.trunks.len() {
            self.trunks.resize_with(shards, Trunk::default);
        }
    }

    pub(super) fn up(&mut self, id: SessionId) {
        if let Some(trunk) = self.trunks.iter_mut().find(|trunk| trunk.session == Some(id)) {
            (trunk.phase, trunk.attempts) = (Phase::Up, 0);
            self.config.figures.trunks.fetch_add(1, Relaxed);
            self.told_ms = 0;
        }
    }

    /// A trunk is gone, or could not be made.
    pub(super) fn down(&mut self, place: usize, host: &mut dyn RelayHost) {
        let trunk = &mut self.trunks[place];
        trunk.session = None;
        trunk.stalled.clear();
        if trunk.phase == Phase::Up {
            self.config.figures.trunks.fetch_sub(1, Relaxed);
        }
        trunk.attempts = trunk.attempts.saturating_add(1);
        let most_ms = (RETRY_MS << trunk.attempts.min(10)).min(RETRY_MS_MAX);
        let mut jitter = [0; 8];
        host.random().fill(&mut jitter);
        trunk.phase = Phase::Down(host.now().ms + u64::from_le_bytes(jitter) % most_ms);
        for row in trunk.rows.clear() {
            self.bereave(&row, host);
        }
    }

    fn bereave(&mut self, row: &Row, host: &mut dyn RelayHost) {
        if row.closing {
            return;
        }
        self.forget(row.session);
        self.config.figures.back_end_lost.fetch_add(1, Relaxed);
        self.config.figures.faults.count(Code::BackEndLost);
        parting_words(row.session, Code::BackEndLost, row.online.then_some(row.ack), host);
        host.tell(row.session, Parcel::bare(label::DISMISSED));
    }

    pub(super) fn learn(&mut self, body: &[u8]) {
        let mut cursor = Cursor::new(body);
        self.nodes.clear();
        self.urls.clear();
        while !cursor.is_empty() && self.nodes.len() < NODES_MAX {
            let Ok(node) = Node::read(&mut cursor) else { return };
            let known = Known::of(&node);
            self.nodes.push(figures_of(node.node, &known));
            self.urls.push(known.urls);
        }
    }

    /// Connects trunks that are down.
    pub(super) fn mend(&mut self, host: &mut dyn RelayHost) {
        if self.drain.is_some() {
            return;
        }
        let now_ms = host.now().ms;
        for (key, trunk) in self.trunks.iter_mut().enumerate() {
            if matches!(trunk.phase, Phase::Down(at) if at <= now_ms) {
                trunk.phase = Phase::Coming;
                host.connect(key as u32, self.config.back_end);
            }
        }
    }

    /// Tells the back-end how this front-end is, and looks whether it sheds load.
    pub(super) fn tell(&mut self, host: &mut dyn RelayHost) {
        let now_ms = host.now().ms;
        if now_ms < self.told_ms + TICK_MS && self.told_ms != 0 {
            return;
        }
        self.told_ms = now_ms.max(1);
        self.count_waiting(host);
        let known = self.known();
        let urls = self.config.urls.join(" ");
        let entry = Node {
            urls: &urls,
            ..known.entry(&self.config.node)
        };
        let mut lost = Vec::new();
        for (place, trunk) in self.trunks.iter().enumerate() {
            let Some(session) = trunk.session.filter(|_| trunk.phase == Phase::Up) else {
                continue;
            };
            let told = host.write(session, &mut |out| {
                write_frame(out, push(Verb::Topology, 0), |out| entry.write(out));
            });
            if !told {
                lost.push(place);
            }
        }
        lost.into_iter().for_each(|place| self.down(place, host));
        let own = figures_of(&self.config.node, &known);
        self.balance.update(now_ms, &own, &self.nodes, &self.config.load);
    }

    /// Only those who are behind have much waiting.
    fn count_waiting(&mut self, host: &dyn RelayHost) {
        let mut bytes = 0u32;
        for trunk in &mut self.trunks {
            let slow = trunk.rows.iter().filter(|(_, row)| row.slow);
            let waiting = slow.map(|(_, row)| host.waiting(row.session) as u32);
            bytes = waiting.fold(bytes, u32::saturating_add);
        }
        let total = &self.config.figures.outbox_bytes;
        total.fetch_add(bytes, Relaxed);
        total.fetch_sub(std::mem::replace(&mut self.waiting_bytes, bytes), Relaxed);
    }

    fn known(&self) -> Known {
        let figures = &self.config.figures;
        let state = match self.drain {
            Some(_) => Node::DRAINING,
            None => Node::SERVING,
        };
        let cpu_permille = figures.cpu_permille.load(Relaxed).min(1000) as u16;
        let (sessions, outbox_bytes) = (figures.sessions.load(Relaxed), figures.outbox_bytes.load(Relaxed));
        Known::own(sessions, cpu_permille, self.config.weight, outbox_bytes, state)
    }

    /// The front-ends that a client can be sent to in a drain.
    pub(super) fn refuges(&self) -> Vec<Figures> {
        self.nodes
            .iter()
            .filter(|figures| figures.serving && figures.weight > 0 && figures.node != self.config.node)
            .cloned()
            .collect()
    }
}

fn figures_of(node: &str, known: &Known) -> Figures {
    Figures {
        node: node.to_owned(),
        serving: known.state == Node::SERVING && !known.urls.is_empty(),
        sessions: known.sessions,
        cpu_permille: known.cpu_permille,
        outbox_bytes: known.outbox_bytes,
        weight: known.weight,
    }
}
