//! The front of the front-end role, as one shard holds it: who is at which slot of which trunk, and what comes of it.
//!
//! Invariant: a client in `clients` is at its slot of its trunk, and at no other. `trunks.rs` has the trunks themselves.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crosspoint_engine::envelope::{Codec, Condition, Envelope};
use crosspoint_engine::relay::{Parcel, RelayHost};
use crosspoint_engine::service::{Cipher, Frontend, Host};
use crosspoint_engine::session::{Context, Peer, Session};
use crosspoint_engine::shard::SessionId;

use crate::codec::elsewhere::{Reason, Redirect};
use crate::codec::{Code, Flags, Frame, Header, Refusal, Scan, Verb, scan, write_frame};
use crate::redirect::{self, ACCOUNT_SLOTS, Balance, Figures, Verdict};
use crate::trunk::{TRUNK_FRAME_BYTES_MAX, push};

use super::client::Arrival;
use super::drain::Drain;
use super::trunks::{Phase, Trunk};
use super::{CLIENT_RETRY_MS, EdgeConfig, EdgeSession, EdgeTrunk, label};

/// The front-end role on one shard.
pub struct EdgeFront {
    pub(super) config: Arc<EdgeConfig>,
    /// By shard of the back-end. One until it has said how many there are.
    pub(super) trunks: Vec<Trunk>,
    pub(super) clients: HashMap<SessionId, Place>,
    /// The front-ends that the back-end has told of...
    pub(super) nodes: Vec<Figures>,
    /// ...and where clients reach each of them.
    pub(super) urls: Vec<String>,
    pub(super) balance: Balance,
    pub(super) drain: Option<Drain>,
    pub(super) told_ms: u64,
    /// Bytes that wait for this shard's clients, as last counted.
    pub(super) waiting_bytes: u32,
}

/// Where a client is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) trunk: usize,
    pub(super) slot: u16,
}

impl EdgeFront {
    /// Of one shard.
    #[must_use]
    pub fn new(config: Arc<EdgeConfig>) -> EdgeFront {
        EdgeFront {
            config,
            trunks: vec![Trunk::default()],
            clients: HashMap::new(),
            nodes: Vec::new(),
            urls: Vec::new(),
            balance: Balance::default(),
            drain: None,
            told_ms: 0,
            waiting_bytes: 0,
        }
    }

    /// A client has said HELLO.
    fn arrived(&mut self, id: SessionId, bytes: &[u8], host: &mut dyn RelayHost) {
        let Ok(arrival) = Arrival::read(bytes) else {
            return self.refuse(id, Code::Internal, host);
        };
        if self.drain.is_some() {
            return match self.refuges().first() {
                Some(other) => self.send_away(id, &other.node, Reason::Drain, host),
                None => self.refuse(id, Code::Shutdown, host),
            };
        }
        match self.judge(&arrival, host) {
            Verdict::Loop => {
                self.config.figures.loops.fetch_add(1, Relaxed);
                self.refuse(id, Code::RedirectLoop, host);
            }
            Verdict::Go(node, reason) => self.send_away(id, &node, reason, host),
            Verdict::Stay => self.admit(id, &arrival, host),
        }
    }

    fn judge(&mut self, arrival: &Arrival<'_>, host: &dyn RelayHost) -> Verdict {
        let (config, balance, now_ms) = (&self.config, &mut self.balance, host.now().ms);
        let shed = || balance.shed(now_ms, &config.load, config.shards).map(str::to_owned);
        redirect::judge(arrival.judged, &config.node, &config.homes, &self.nodes, shed)
    }

    /// Before its login a client is told where to go, and the connection ends.
    fn send_away(&mut self, id: SessionId, node: &str, reason: Reason, host: &mut dyn RelayHost) {
        let urls = self.urls_of(node);
        self.config.figures.count_redirect(reason);
        host.write(id, &mut |out| {
            write_frame(out, Header::push(Verb::Redirect, 0), |out| {
                Redirect::to(node, reason, &self.config.node).write(out, urls.split(' '));
            });
        });
        host.tell(id, Parcel::bare(label::DISMISSED));
    }

    pub(super) fn urls_of(&self, node: &str) -> String {
        let place = self.nodes.iter().position(|figures| figures.node == node);
        place
            .and_then(|place| self.urls.get(place))
            .cloned()
            .unwrap_or_default()
    }

    /// A client gets a slot of the trunk to its account's home.
    fn admit(&mut self, id: SessionId, arrival: &Arrival<'_>, host: &mut dyn RelayHost) {
        let shard = usize::from(arrival.judged.slot) * self.trunks.len() / usize::from(ACCOUNT_SLOTS);
        let up = self.trunks.get_mut(shard).filter(|trunk| trunk.phase == Phase::Up);
        let Some((trunk, session)) = up.and_then(|trunk| trunk.session.map(|session| (trunk, session))) else {
            self.config.figures.back_end_lost.fetch_add(1, Relaxed);
            return self.refuse(id, Code::BackEndLost, host);
        };
        let Some(slot) = trunk.rows.take(id) else {
            return self.refuse(id, Code::TooMany, host);
        };
        self.clients.insert(id, Place { trunk: shard, slot });
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
        let Some(place) = self.trunks.iter().position(|trunk| trunk.session == Some(id)) else {
            return;
        };
        while let Ok(Scan::Frame(frame)) = scan(bytes, TRUNK_FRAME_BYTES_MAX) {
            let (whole, rest) = bytes.split_at(frame.len());
            bytes = rest;
            self.for_client(place, id, &frame, whole, host);
        }
    }

    fn for_client(
        &mut self,
        place: usize,
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

    fn pass_on(&mut self, place: usize, trunk_id: SessionId, slot: u16, whole: &[u8], host: &mut dyn RelayHost) {
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

    fn connected(&mut self, key: u32, id: SessionId, cx: &mut Context<'_>) -> Option<Box<dyn Session>> {
        let trunk = self.trunks.get_mut(key as usize)?;
        if self.drain.is_some() || trunk.phase != Phase::Coming {
            return None;
        }
        trunk.session = Some(id);
        Some(Box::new(EdgeTrunk::open(self.config.clone(), key as u16, cx)))
    }

    fn connect_failed(&mut self, key: u32, host: &mut dyn RelayHost) {
        if (key as usize) < self.trunks.len() {
            self.down(key as usize, host);
        }
    }

    fn on_relay(&mut self, from: SessionId, parcel: Parcel, host: &mut dyn RelayHost) {
        let Parcel { label, bytes } = parcel;
        match label {
            label::ARRIVED => self.arrived(from, &bytes, host),
            label::SAID => self.said(from, &bytes, host),
            label::LEFT => self.left(from, &bytes, host),
            label::READS => self.reads(from, host),
            label::WELCOMED => self.welcomed(&bytes, host),
            label::UP => self.up(from),
            label::DOWN => {
                if let Some(place) = self.trunks.iter().position(|trunk| trunk.session == Some(from)) {
                    self.down(place, host);
                }
            }
            label::NODES => self.learn(&bytes),
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
