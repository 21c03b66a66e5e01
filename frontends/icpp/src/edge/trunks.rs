//! The trunks of the front-end role: made, mended, told how this front-end is, and what is learned from them.
//!
//! Invariants:
//! - A trunk to each shard of each back-end is up, or on its way; one that cannot be made is tried again, later each time.
//! - When a trunk is gone, all of its clients are told to try again, and none of them is at a slot any more.

use std::ops::{Index, IndexMut};
use std::sync::atomic::Ordering::Relaxed;

use crosspoint_engine::relay::{Parcel, RelayHost};
use crosspoint_engine::session::Farewell;
use crosspoint_engine::shard::SessionId;

use crate::codec::elsewhere::Node;
use crate::codec::{Code, Verb, write_frame};
use crate::redirect::{ACCOUNT_SLOTS, Figures};
use crate::trunk::nodes::Known;
use crate::trunk::{TICK_MS, push};

use super::front::{EdgeFront, parting_words};
use super::neighbours::{Neighbours, figures_of};
use super::table::{Row, Rows};
use super::{RETRY_MS, RETRY_MS_MAX, label};

/// To which shard of which back-end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) back_end: u16,
    pub(super) shard: u16,
}

impl Way {
    /// As the shard echoes it.
    pub(super) fn key(self) -> u32 {
        u32::from(self.back_end) << 16 | u32::from(self.shard)
    }

    pub(super) fn from_key(key: u32) -> Way {
        Way {
            back_end: (key >> 16) as u16,
            shard: key as u16,
        }
    }
}

/// All trunks of this shard, by back-end and by its shards: one until it has said how many there are.
pub(super) struct Trunks(Vec<Vec<Trunk>>);

impl Trunks {
    pub(super) fn of(back_ends: usize) -> Trunks {
        Trunks((0..back_ends).map(|_| vec![Trunk::default()]).collect())
    }

    /// To where the account of this slot lives (SPEC.md section 11.3).
    pub(super) fn way_to(&self, back_end: usize, slot: u16) -> Way {
        let shards = self.0.get(back_end).map_or(1, |trunks| trunks.len().max(1));
        Way {
            back_end: back_end as u16,
            shard: slot % shards as u16,
        }
    }

    pub(super) fn get_mut(&mut self, way: Way) -> Option<&mut Trunk> {
        self.0
            .get_mut(usize::from(way.back_end))?
            .get_mut(usize::from(way.shard))
    }

    pub(super) fn find(&self, session: SessionId) -> Option<Way> {
        self.iter()
            .find(|(_, trunk)| trunk.session == Some(session))
            .map(|(way, _)| way)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Way, &Trunk)> {
        self.0.iter().enumerate().flat_map(|(back_end, trunks)| {
            let trunks = trunks.iter().enumerate();
            trunks.map(move |(shard, trunk)| (way(back_end, shard), trunk))
        })
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Way, &mut Trunk)> {
        self.0.iter_mut().enumerate().flat_map(|(back_end, trunks)| {
            let trunks = trunks.iter_mut().enumerate();
            trunks.map(move |(shard, trunk)| (way(back_end, shard), trunk))
        })
    }
}

fn way(back_end: usize, shard: usize) -> Way {
    Way {
        back_end: back_end as u16,
        shard: shard as u16,
    }
}

impl Index<Way> for Trunks {
    type Output = Trunk;

    fn index(&self, way: Way) -> &Trunk {
        &self.0[usize::from(way.back_end)][usize::from(way.shard)]
    }
}

impl IndexMut<Way> for Trunks {
    fn index_mut(&mut self, way: Way) -> &mut Trunk {
        &mut self.0[usize::from(way.back_end)][usize::from(way.shard)]
    }
}

/// A trunk to one shard of a back-end.
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
        let Some(way) = self.trunks.find(id) else { return };
        let trunk = &mut self.trunks[way];
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
    pub(super) fn welcomed(&mut self, id: SessionId, bytes: &[u8], host: &mut dyn RelayHost) {
        let (&[low, high], Some(from)) = (bytes, self.trunks.find(id)) else {
            return;
        };
        let back_end = usize::from(from.back_end);
        let shards = usize::from(u16::from_le_bytes([low, high]).clamp(1, ACCOUNT_SLOTS));
        let before = self.trunks.0[back_end].len();
        for shard in (shards..before).rev() {
            let session = self.trunks.0[back_end][shard].session;
            self.down(way(back_end, shard), host);
            self.trunks.0[back_end].truncate(shard);
            if let Some(session) = session {
                host.dismiss(session, Farewell::Internal);
            }
        }
        if shards > before {
            self.trunks.0[back_end].resize_with(shards, Trunk::default);
        }
        self.count_wanted(back_end, shards as i64 - before as i64);
    }

    /// So many more trunks to a back-end should be there, or fewer.
    pub(super) fn count_wanted(&self, back_end: usize, more: i64) {
        let Some(figures) = self.config.figures.back_end(back_end) else {
            return;
        };
        let count = more.unsigned_abs() as u32;
        match more < 0 {
            true => figures.wanted.fetch_sub(count, Relaxed),
            false => figures.wanted.fetch_add(count, Relaxed),
        };
    }

    pub(super) fn up(&mut self, id: SessionId) {
        let Some(way) = self.trunks.find(id) else { return };
        let trunk = &mut self.trunks[way];
        (trunk.phase, trunk.attempts) = (Phase::Up, 0);
        if let Some(figures) = self.config.figures.back_end(way.back_end.into()) {
            figures.up.fetch_add(1, Relaxed);
        }
        self.told_ms = 0;
    }

    /// A trunk is gone, or could not be made.
    pub(super) fn down(&mut self, way: Way, host: &mut dyn RelayHost) {
        let trunk = &mut self.trunks[way];
        trunk.session = None;
        trunk.stalled.clear();
        if trunk.phase == Phase::Up
            && let Some(figures) = self.config.figures.back_end(way.back_end.into())
        {
            figures.up.fetch_sub(1, Relaxed);
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

    pub(super) fn learn(&mut self, id: SessionId, body: &[u8]) {
        if let Some(way) = self.trunks.find(id)
            && let Some(neighbours) = self.neighbours.get_mut(usize::from(way.back_end))
        {
            neighbours.learn(body);
        }
    }

    /// Connects trunks that are down.
    pub(super) fn mend(&mut self, host: &mut dyn RelayHost) {
        if self.drain.is_some() {
            return;
        }
        let now_ms = host.now().ms;
        for (way, trunk) in self.trunks.iter_mut() {
            if matches!(trunk.phase, Phase::Down(at) if at <= now_ms) {
                trunk.phase = Phase::Coming;
                host.connect(way.key(), self.config.back_ends[usize::from(way.back_end)].address);
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
        let (bytes_in, bytes_out) = std::mem::take(&mut self.carried);
        self.config.figures.bytes_in.fetch_add(bytes_in, Relaxed);
        self.config.figures.bytes_out.fetch_add(bytes_out, Relaxed);
        let known = self.known();
        let urls = self.config.urls.join(" ");
        let entry = Node {
            urls: &urls,
            ..known.entry(&self.config.node)
        };
        let mut lost = Vec::new();
        for (way, trunk) in self.trunks.iter() {
            let Some(session) = trunk.session.filter(|_| trunk.phase == Phase::Up) else {
                continue;
            };
            let told = host.write(session, &mut |out| {
                write_frame(out, push(Verb::Topology, 0), |out| entry.write(out));
            });
            if !told {
                lost.push(way);
            }
        }
        lost.into_iter().for_each(|way| self.down(way, host));
        let own = figures_of(&self.config.node, &known);
        let others = Neighbours::all(&self.neighbours);
        self.balance.update(now_ms, &own, &others, &self.config.load);
    }

    /// Only those who are behind have much waiting.
    fn count_waiting(&mut self, host: &dyn RelayHost) {
        let mut bytes = 0u32;
        for (_, trunk) in self.trunks.iter_mut() {
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

    /// The front-ends that a client of this back-end can be sent to in a drain.
    pub(super) fn refuges(&self, back_end: usize) -> Vec<Figures> {
        let known = self.neighbours.get(back_end).map_or(&[][..], Neighbours::nodes);
        known
            .iter()
            .filter(|figures| figures.serving && figures.weight > 0 && figures.node != self.config.node)
            .cloned()
            .collect()
    }
}
