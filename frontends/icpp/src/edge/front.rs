//! The front of the front-end role, as one shard holds it: who is at which slot of which trunk, and what comes of it.
//!
//! Invariant: a client in `clients` is at its slot of its trunk, and at no other. `trunks.rs` has the trunks themselves.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crosspoint_engine::envelope::{Codec, Condition, Envelope};
use crosspoint_engine::relay::{Parcel, RelayHost};
use crosspoint_engine::service::{Cipher, CipherFault, CipherState, Frontend, Host};
use crosspoint_engine::session::{Context, Peer, Session, TlsFacts};
use crosspoint_engine::shard::SessionId;

use crate::codec::elsewhere::{Reason, Redirect};
use crate::codec::{Code, Flags, Frame, Header, Refusal, Scan, Verb, scan, write_frame};
use crate::redirect::{self, Balance, Home, Verdict};
use crate::trunk::{TRUNK_FRAME_BYTES_MAX, push};

use super::client::Arrival;
use super::drain::Drain;
use super::neighbours::Neighbours;
use super::trunks::{Phase, Trunks, Way};
use super::{BackEnd, CLIENT_RETRY_MS, EdgeConfig, EdgeSession, EdgeTrunk, label};

/// The front-end role on one shard.
pub struct EdgeFront {
    pub(super) config: Arc<EdgeConfig>,
    pub(super) trunks: Trunks,
    pub(super) clients: HashMap<SessionId, Place>,
    /// The front-ends that each back-end has told of.
    pub(super) neighbours: Vec<Neighbours>,
    pub(super) balance: Balance,
    pub(super) drain: Option<Drain>,
    pub(super) told_ms: u64,
    /// Bytes that wait for this shard's clients, as last counted.
    pub(super) waiting_bytes: u32,
    /// Bytes from and to back-ends since that was last told.
    pub(super) carried: (u64, u64),
}

/// Where a client is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) trunk: Way,
    pub(super) slot: u16,
}

impl EdgeFront {
    /// Of one shard.
    #[must_use]
    pub fn new(config: Arc<EdgeConfig>) -> EdgeFront {
        let back_ends = config.back_ends.len();
        let front = EdgeFront {
            config,
            trunks: Trunks::of(back_ends),
            clients: HashMap::new(),
            neighbours: vec![Neighbours::default(); back_ends],
            balance: Balance::default(),
            drain: None,
            told_ms: 0,
            waiting_bytes: 0,
            carried: (0, 0),
        };
        (0..back_ends).for_each(|back_end| front.count_wanted(back_end, 1));
        front
    }

    /// Where the account of this slot lives, if that is known here.
    fn back_end_of(&self, slot: u16) -> Option<usize> {
        let here = |back_end: &BackEnd| (back_end.first..=back_end.last).contains(&slot);
        self.config.back_ends.iter().position(here)
    }

    /// A client has said HELLO.
    fn arrived(&mut self, id: SessionId, bytes: &[u8], host: &mut dyn RelayHost) {
        let Ok(arrival) = Arrival::read(bytes) else {
            return self.refuse(id, Code::Internal, host);
        };
        let slot = arrival.judged.slot;
        if self.drain.is_some() {
            let refuges = self.back_end_of(slot).map(|back_end| self.refuges(back_end));
            let refuges = refuges.unwrap_or_default();
            let other = refuges
                .iter()
                .find(|other| arrival.judged.came_from != Some(&other.node));
            return match other.filter(|_| arrival.judged.hops < redirect::HOPS_MAX) {
                Some(other) => self.send_away(id, slot, &other.node, Reason::Drain, host),
                None => self.refuse(id, Code::Shutdown, host),
            };
        }
        match self.judge(&arrival, host) {
            Verdict::Loop => {
                self.config.figures.loops.fetch_add(1, Relaxed);
                self.refuse(id, Code::RedirectLoop, host);
            }
            Verdict::Go(node, reason) => self.send_away(id, slot, &node, reason, host),
            Verdict::Stay => self.admit(id, &arrival, host),
        }
    }

    fn judge(&mut self, arrival: &Arrival<'_>, host: &dyn RelayHost) -> Verdict {
        let back_end = self.back_end_of(arrival.judged.slot);
        let (config, balance, now_ms) = (&self.config, &mut self.balance, host.now().ms);
        let shed = || balance.shed(now_ms, &config.load, config.shards).map(str::to_owned);
        let known = back_end.and_then(|back_end| self.neighbours.get(back_end));
        let nodes = known.map_or(&[][..], Neighbours::nodes);
        redirect::judge(arrival.judged, &config.node, &config.homes, nodes, shed)
    }

    /// Before its login a client is told where to go, and the connection ends.
    fn send_away(&mut self, id: SessionId, slot: u16, node: &str, reason: Reason, host: &mut dyn RelayHost) {
        let told = self.back_end_of(slot).and_then(|back_end| self.urls_of(back_end, node));
        let home = Home::of(&self.config.homes, slot).filter(|home| home.node == node);
        let urls = told
            .or_else(|| home.map(|home| home.urls.join(" ")))
            .unwrap_or_default();
        self.config.figures.redirects.count(reason);
        host.write(id, &mut |out| {
            write_frame(out, Header::push(Verb::Redirect, 0), |out| {
                Redirect::to(node, reason, &self.config.node).write(out, urls.split(' '));
            });
        });
        host.tell(id, Parcel::bare(label::DISMISSED));
    }

    pub(super) fn urls_of(&self, back_end: usize, node: &str) -> Option<String> {
        self.neighbours.get(back_end)?.urls_of(node).map(str::to_owned)
    }

    /// A client gets a slot of the trunk to its account's home.
    fn admit(&mut self, id: SessionId, arrival: &Arrival<'_>, host: &mut dyn RelayHost) {
        let slot = arrival.judged.slot;
        let way = self
            .back_end_of(slot)
            .map(|back_end| self.trunks.way_to(back_end, slot));
        let up = way.and_then(|way| self.trunks.get_mut(way).filter(|trunk| trunk.phase == Phase::Up));
        let to = up.and_then(|trunk| trunk.session.map(|session| (trunk, session)));
        let (Some((trunk, session)), Some(way)) = (to, way) else {
            self.config.figures.back_end_lost.fetch_add(1, Relaxed);
            return self.refuse(id, Code::BackEndLost, host);
        };
        let Some(slot) = trunk.rows.take(id) else {
            return self.refuse(id, Code::TooMany, host);
        };
        self.clients.insert(id, Place { trunk: way, slot });
        self.config.figures.sessions.fetch_add(1, Relaxed);
        host.write(session, &mut |out| {
            write_frame(out, push(Verb::Open, slot), |out| out.extend_from_slice(arrival.open));
            patched(out, arrival.hello, slot);
        });
        host.tell(
            id,
            Parcel {
                label: label::ADMITTED,
                bytes: bytes::Bytes::copy_from_slice(&slot.to_le_bytes()),
            },
        );
    }

    /// A client is not let in: it is told why, and its connection ends.
    fn refuse(&mut self, id: SessionId, code: Code, host: &mut dyn RelayHost) {
        self.config.figures.faults.count(code);
        parting_words(id, code, None, host);
        host.tell(id, Parcel::bare(label::DISMISSED));
    }

    /// A client's frames, with its slot in them.
    fn said(&mut self, id: SessionId, bytes: &[u8], host: &mut dyn RelayHost) {
        let Some(Place { trunk, slot }) = self.clients.get(&id).copied() else {
            return;
        };
        let trunk = &mut self.trunks[trunk];
        let Some(session) = trunk.session else { return };
        self.carried.1 += bytes.len() as u64;
        host.write(session, &mut |out| out.extend_from_slice(bytes));
        if host.is_slow(session)
            && let Some(row) = trunk.rows.get(slot)
            && !std::mem::replace(&mut row.stalled, true)
        {
            trunk.stalled.push(slot);
            host.pause(id, true);
        }
    }

    /// A client is gone; with a code, it is to be told why.
    fn left(&mut self, id: SessionId, bytes: &[u8], host: &mut dyn RelayHost) {
        let Some(Place { trunk, slot }) = self.clients.remove(&id) else {
            return;
        };
        self.config.figures.sessions.fetch_sub(1, Relaxed);
        let trunk = &mut self.trunks[trunk];
        let Some(row) = trunk.rows.get(slot) else { return };
        row.closing = true;
        let online = row.online.then_some(row.ack);
        if let Some(session) = trunk.session {
            host.write(session, &mut |out| write_frame(out, push(Verb::Close, slot), |_| {}));
        }
        if let [low, high] = *bytes {
            let code = Code::from_number(u16::from_le_bytes([low, high])).unwrap_or(Code::Internal);
            parting_words(id, code, online, host);
        }
    }

    /// A client that was told of as slow has caught up.
    fn reads(&mut self, id: SessionId, host: &mut dyn RelayHost) {
        let Some(Place { trunk, slot }) = self.clients.get(&id).copied() else {
            return;
        };
        let trunk = &mut self.trunks[trunk];
        if let Some(row) = trunk.rows.get(slot)
            && std::mem::replace(&mut row.slow, false)
            && let Some(session) = trunk.session
        {
            hold(session, slot, false, host);
        }
    }

    /// Frames of a trunk for its clients.
    fn heard(&mut self, id: SessionId, mut bytes: &[u8], host: &mut dyn RelayHost) {
        let Some(place) = self.trunks.find(id) else { return };
        self.carried.0 += bytes.len() as u64;
        while let Ok(Scan::Frame(frame)) = scan(bytes, TRUNK_FRAME_BYTES_MAX) {
            let (whole, rest) = bytes.split_at(frame.len());
            bytes = rest;
            self.for_client(place, id, &frame, whole, host);
        }
    }

    fn for_client(
        &mut self,
        place: Way,
        trunk_id: SessionId,
        frame: &Frame<'_>,
        whole: &[u8],
        host: &mut dyn RelayHost,
    ) {
        let slot = frame.header.slot;
        let rows = &mut self.trunks[place].rows;
        match Verb::from_number(frame.header.verb) {
            Some(Verb::Close) => {
                if let Some(row) = rows.release(slot)
                    && !row.closing
                {
                    self.forget(row.session);
                    host.tell(row.session, Parcel::bare(label::DISMISSED));
                }
                return;
            }
            Some(Verb::Hold) => {
                if let Some(row) = rows.get(slot).filter(|row| !row.closing) {
                    row.held = frame.body == [1];
                    if !row.stalled {
                        host.pause(row.session, row.held);
                    }
                }
                return;
            }
            // Words that the ends of a trunk have for each other, about nobody: not for clients.
            Some(Verb::Open | Verb::Topology) => return,
            verb => {
                let Some(row) = rows.get(slot).filter(|row| !row.closing) else {
                    return;
                };
                let login = matches!(verb, Some(Verb::Authed | Verb::Resumed));
                if login && frame.header.flags.has(Flags::RESP) && !std::mem::replace(&mut row.online, true) {
                    host.authenticated(row.session);
                    host.tell(row.session, Parcel::bare(label::ONLINE));
                }
                row.ack = frame.header.ack;
            }
        }
        self.pass_on(place, trunk_id, slot, whole, host);
    }

    fn pass_on(&mut self, place: Way, trunk_id: SessionId, slot: u16, whole: &[u8], host: &mut dyn RelayHost) {
        let Some(row) = self.trunks[place].rows.get(slot) else {
            return;
        };
        let session = row.session;
        if !host.write(session, &mut |out| patched(out, whole, 0)) {
            // It has ended without a word.
            return self.left(session, &[], host);
        }
        if host.is_slow(session) && !std::mem::replace(&mut row.slow, true) {
            hold(trunk_id, slot, true, host);
        }
    }

    pub(super) fn forget(&mut self, id: SessionId) {
        if self.clients.remove(&id).is_some() {
            self.config.figures.sessions.fetch_sub(1, Relaxed);
        }
    }
}

/// Why a client's connection ends. `online`: what was acknowledged last to one that is logged in: its session goes on at home,
/// for as long as it does, and the client is told so by how it is said.
pub(super) fn parting_words(id: SessionId, code: Code, online: Option<u32>, host: &mut dyn RelayHost) {
    let again = matches!(code, Code::BackEndLost | Code::TooMany | Code::Shutdown);
    let mut jitter = [0; 4];
    host.random().fill(&mut jitter);
    let retry_after_ms = match code {
        Code::BackEndLost | Code::TooMany => CLIENT_RETRY_MS + u32::from_le_bytes(jitter) % CLIENT_RETRY_MS,
        _ => 0,
    };
    let refusal = Refusal {
        temporary: again,
        retry_after_ms,
        ..Refusal::fatal(code)
    };
    let (verb, ack) = online.map_or((Verb::Error, 0), |ack| (Verb::Bye, ack));
    host.write(id, &mut |out| {
        if code == Code::Shutdown && online.is_some() {
            Drain::write(out, ack, 2, 0);
        }
        write_frame(out, Header::push(verb, ack), |out| refusal.write(out));
    });
}

/// Tells the back-end whether a client reads.
fn hold(trunk: SessionId, slot: u16, held: bool, host: &mut dyn RelayHost) {
    host.write(trunk, &mut |out| {
        write_frame(out, push(Verb::Hold, slot), |out| out.push(u8::from(held)));
    });
}

/// Appends a frame under another slot.
fn patched(out: &mut Vec<u8>, whole: &[u8], slot: u16) {
    let at = out.len();
    out.extend_from_slice(whole);
    if let Some(field) = out.get_mut(at + 6..at + 8) {
        field.copy_from_slice(&slot.to_le_bytes());
    }
}

/// Where the cipher that there should be cannot be made: the handshake fails.
struct Refusing;

impl Cipher for Refusing {
    fn open(&mut self, _: &mut Vec<u8>, _: &mut Vec<u8>, _: &mut Vec<u8>) -> Result<CipherState, CipherFault> {
        Err(CipherFault("no TLS session can be made".to_owned()))
    }

    fn seal(&mut self, _plain: &[u8], _output: &mut Vec<u8>) {}

    fn close(&mut self, _output: &mut Vec<u8>) {}

    fn facts(&mut self) -> Option<TlsFacts> {
        None
    }
}

impl Frontend for EdgeFront {
    fn codec(&self) -> Codec {
        Codec::Icpp
    }

    fn open(&mut self, peer: &Peer, cx: &mut Context<'_>) -> Box<dyn Session> {
        let listener = self.config.listeners.get(peer.listener);
        let private = listener.is_some_and(|listener| listener.private);
        Box::new(EdgeSession::open(peer, private, self.config.figures.faults.clone(), cx))
    }

    fn cipher(&mut self, listener: usize) -> Option<Box<dyn Cipher>> {
        let make = self.config.listeners.get(listener)?.cipher.as_ref()?;
        make()
    }

    fn handshake_first(&self, listener: usize) -> bool {
        let listener = self.config.listeners.get(listener);
        listener.is_some_and(|listener| listener.cipher.is_some())
    }

    /// No users live here, so nobody asks.
    fn on_query(&mut self, query: Envelope, host: &mut dyn Host) {
        host.refuse(query, Condition::ServiceUnavailable);
    }

    fn cipher_towards(&mut self, _key: u32) -> Option<Box<dyn Cipher>> {
        let make = self.config.trunk_cipher.as_ref()?;
        // Without a cipher nothing may be said at all.
        make().or_else(|| Some(Box::new(Refusing)))
    }

    fn connected(&mut self, key: u32, id: SessionId, cx: &mut Context<'_>) -> Option<Box<dyn Session>> {
        let way = Way::from_key(key);
        let trunk = self.trunks.get_mut(way)?;
        if self.drain.is_some() || trunk.phase != Phase::Coming {
            return None;
        }
        trunk.session = Some(id);
        Some(Box::new(EdgeTrunk::open(self.config.clone(), way.shard, cx)))
    }

    fn connect_failed(&mut self, key: u32, host: &mut dyn RelayHost) {
        let way = Way::from_key(key);
        if self
            .trunks
            .get_mut(way)
            .is_some_and(|trunk| trunk.phase == Phase::Coming)
        {
            self.down(way, host);
        }
    }

    fn on_relay(&mut self, from: SessionId, parcel: Parcel, host: &mut dyn RelayHost) {
        let Parcel { label, bytes } = parcel;
        match label {
            label::ARRIVED => self.arrived(from, &bytes, host),
            label::SAID => self.said(from, &bytes, host),
            label::LEFT => self.left(from, &bytes, host),
            label::READS => self.reads(from, host),
            label::WELCOMED => self.welcomed(from, &bytes, host),
            label::UP => self.up(from),
            label::DOWN => {
                if let Some(way) = self.trunks.find(from) {
                    self.down(way, host);
                }
            }
            label::NODES => self.learn(from, &bytes),
            label::HEARD => self.heard(from, &bytes, host),
            label::ROOM => self.has_room(from, host),
            _ => {}
        }
    }

    fn on_tick(&mut self, host: &mut dyn RelayHost) {
        self.mend(host);
        self.tell(host);
        self.go_on_draining(host);
    }

    fn on_drain(&mut self, host: &mut dyn RelayHost) -> Option<u64> {
        self.begin_drain(host)
    }
}
