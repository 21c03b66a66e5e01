//! The rooms whose home this shard is: from an envelope to what a room says.
//!
//! ```text
//!   send, dispatch ─▶ room's home ─▶ hall: loading? written? ── parked, in order
//!                                       └▶ read ─▶ Room ─▶ rows ─commit─▶ fans, answers
//! ```
//! Read in this order: `mod.rs` (how a request is carried out), `hall.rs` (rooms in memory), `loading.rs` (from book and log),
//! `performance.rs` (what a room says), `fan.rs` (how that reaches its occupants), `archive.rs` (what was said), `directory.rs` (the list of rooms).
//!
//! Invariants:
//! - While a change of a room is being written, its requests wait in order: nobody sees what a crash could take back.
//! - A room is never entered again while it is at work: what arrives meanwhile queues.

mod archive;
mod directory;
mod fan;
mod hall;
mod loading;
mod outside;
mod performance;
mod recent;

use outside::is_outside;
use std::collections::VecDeque;

pub use directory::Listing;
pub use fan::Fan;

use super::table::SessionId;
use super::user::UserId;
use super::{Item, Routed, Shard};
use crate::envelope::{Condition, Content, Envelope, Kind, MessageKind, PresenceKind, QueryKind};
use crate::jid::Jid;
use crate::rooms::{ConfigChange, Head, Notice, Room, RoomConfig, RoomQuery, RoomRequest, Seat, Viewer, rows};
use crate::slots::UserKey;

use archive::Moderation;
pub(super) use directory::Directory;
use hall::{Hall, Halls, RoomId, State};
use performance::{Out, Performance};

/// Rooms of a switch.
#[derive(Debug, Clone)]
pub struct RoomsSetup {
    /// Where they are: `name@` this.
    pub domain: Jid,
    /// Those that the installation's configuration makes: their names, and how they differ from others.
    pub system: Vec<(String, Vec<ConfigChange>)>,
}

/// What a room hears of an occupant's session from its home.
#[derive(Debug)]
pub struct RoomNews {
    pub(super) room: Jid,
    pub(super) address: Jid,
    /// Where it is now; nowhere.
    pub(super) seat: Option<Seat>,
}

/// Something for a room.
enum Errand {
    Envelope(Routed, Seat),
    News(RoomNews),
}

impl Errand {
    fn room(&self) -> &Jid {
        match self {
            Errand::Envelope(routed, _) => &routed.envelope.to,
            Errand::News(news) => &news.room,
        }
    }
}

/// All that a shard knows of rooms.
#[derive(Default)]
pub(super) struct Rooms {
    halls: Halls,
    pub(super) directory: Directory,
    /// Arrived while a room was at work.
    backlog: VecDeque<Errand>,
    at_work: bool,
}

impl Shard {
    /// Whether an address is a room's, or an occupant's.
    pub(super) fn is_room(&self, address: &Jid) -> bool {
        address.has_node() && self.is_rooms_domain(address)
    }

    pub(super) fn is_rooms_domain(&self, address: &Jid) -> bool {
        let rooms = self.setup.rooms.as_ref();
        rooms.is_some_and(|rooms| rooms.domain.same_domain(address))
    }

    /// A bound session addresses a room.
    pub(super) fn room_from(&mut self, id: SessionId, uid: UserId, routed: Routed) {
        let Some(user) = self.users.get(uid) else { return };
        let to = &routed.envelope.to;
        if user.present().is_some_and(|present| present.blocks.blocks(to))
            && routed.envelope.kind != Kind::Presence(PresenceKind::Unavailable)
        {
            return self.refuse_session(id, routed, Condition::NotAcceptable);
        }
        if let Kind::Presence(kind) = routed.envelope.kind {
            match kind {
                PresenceKind::Available if !self.note_room(id, &to.to_bare(), true) => {
                    return self.refuse_presence(routed, Condition::ResourceConstraint);
                }
                PresenceKind::Available | PresenceKind::Unavailable | PresenceKind::Error => {}
                _ => return self.accept(routed.ticket),
            }
        }
        let seat = self.seat_of(id);
        self.send_to_room(routed, seat);
    }

    /// The session is in a room, or is no more: when it ends, the room is told. False if it is in too many.
    pub(super) fn note_room(&mut self, id: SessionId, room: &Jid, enters: bool) -> bool {
        let max = self.setup.limits.directed_per_session;
        let Some(uid) = self.sessions.get(id).and_then(|entry| entry.user) else {
            return false;
        };
        let Some(resource) = self.users.get_mut(uid).and_then(|user| user.resource_of_mut(id)) else {
            return false;
        };
        let known = resource.directed.as_slice().contains(room);
        match (enters, known) {
            (true, false) if resource.directed.as_slice().len() >= max => return false,
            (true, false) => resource.directed.add(room.detached()),
            (false, true) => resource.directed.remove(room),
            _ => {}
        }
        true
    }

    /// An envelope to a room, or to the rooms' domain, on its way.
    pub(super) fn send_to_room(&mut self, routed: Routed, seat: Option<Seat>) {
        if routed.envelope.to.node().is_none() {
            return self.arrive_at_server(routed);
        }
        let from = &routed.envelope.from;
        let seat = seat.unwrap_or_else(|| Seat {
            shard: self.home_of(UserKey::of(from)),
            // Nobody's: the session is looked up by its address.
            session: SessionId {
                index: u32::MAX,
                generation: 0,
            },
            codec: routed.envelope.content.codec,
        });
        let home = self.home_of(UserKey::of(&routed.envelope.to));
        match home == self.id {
            true => self.room_arrived(routed, seat),
            false => self.outgoing.lanes[usize::from(home)].push(Item::Room(Box::new((routed, seat)))),
        }
    }

    /// An envelope whose room lives here.
    pub(super) fn room_arrived(&mut self, routed: Routed, seat: Seat) {
        self.run_errand(Errand::Envelope(routed, seat));
    }

    /// A session that a room believes to be in is elsewhere, or nowhere.
    pub(super) fn room_news(&mut self, news: RoomNews) {
        self.run_errand(Errand::News(news));
    }

    fn run_errand(&mut self, errand: Errand) {
        self.rooms.backlog.push_back(errand);
        self.at_rooms(|_| ());
    }

    /// Works in rooms; what comes up for rooms meanwhile is done afterwards.
    fn at_rooms(&mut self, work: impl FnOnce(&mut Shard)) {
        if std::mem::replace(&mut self.rooms.at_work, true) {
            return work(self);
        }
        work(self);
        while let Some(errand) = self.rooms.backlog.pop_front() {
            self.room_errand(errand);
        }
        self.rooms.at_work = false;
    }

    /// To the hall of its room, which is opened if it must be.
    fn room_errand(&mut self, errand: Errand) {
        let key = UserKey::of(errand.room());
        let found = self.rooms.halls.find(key, errand.room());
        let id = match (found, &errand) {
            (Some(id), _) => id,
            // Who is not in memory has no occupants.
            (None, Errand::News(_)) => return,
            (None, Errand::Envelope(routed, _)) => {
                if self.rooms.halls.len() >= self.setup.limits.rooms_per_shard {
                    let Errand::Envelope(routed, _) = errand else { return };
                    return self.refuse_by_room(routed, Condition::ResourceConstraint);
                }
                let address = routed.envelope.to.to_bare().detached();
                self.load_room(key, address)
            }
        };
        self.errand_in(id, errand);
    }

    fn errand_in(&mut self, id: RoomId, errand: Errand) {
        let parked_max = self.setup.limits.parked_per_room;
        let Some(hall) = self.rooms.halls.get_mut(id) else {
            return;
        };
        if !hall.is_free() {
            match errand {
                Errand::Envelope(routed, _) if hall.parked.len() >= parked_max => {
                    self.refuse_by_room(routed, Condition::ResourceConstraint);
                }
                Errand::Envelope(mut routed, seat) => {
                    routed.envelope.compact();
                    hall.parked.push_back(Errand::Envelope(routed, seat));
                }
                // What is not heard now is told again with the next thing that the room says.
                Errand::News(_) if hall.parked.len() >= parked_max => {}
                Errand::News(_) => hall.parked.push_back(errand),
            }
            return;
        }
        let Some(mut hall) = self.rooms.halls.take(id) else {
            return;
        };
        hall.last_used_ms = self.now.ms;
        match errand {
            Errand::Envelope(routed, seat) => self.visit(id, &mut hall, routed, seat),
            Errand::News(news) => self.hear(id, &mut hall, news),
        }
        self.close_hall(id, hall);
    }

    /// What waited goes on, until something has to wait again.
    fn unpark(&mut self, id: RoomId) {
        loop {
            let Some(hall) = self.rooms.halls.get_mut(id) else {
                return;
            };
            if !hall.is_free() {
                return;
            }
            let Some(errand) = hall.parked.pop_front() else { return };
            self.errand_in(id, errand);
        }
    }

    fn hear(&mut self, id: RoomId, hall: &mut Hall, news: RoomNews) {
        match news.seat {
            Some(seat) => {
                if let Some(room) = hall.room_mut() {
                    room.moved(&news.address, seat);
                }
            }
            None => {
                let nothing = Envelope::neutral(
                    news.address.clone(),
                    news.room,
                    Kind::Presence(PresenceKind::Unavailable),
                );
                let _ = self.perform_in(id, hall, &nothing, None, &mut None, |room, stage| {
                    room.lost(&news.address, stage);
                    Ok(())
                });
            }
        }
    }

    /// Reads what an envelope asks for, and has the room do it.
    fn visit(&mut self, id: RoomId, hall: &mut Hall, routed: Routed, seat: Seat) {
        let request = match self.understood(&routed.envelope) {
            Ok(request) => request,
            Err(condition) => return self.refuse_by_room(routed, condition),
        };
        let knocks = match (&request, hall.room()) {
            (RoomRequest::Leave | RoomRequest::Undelivered, None) => return self.accept(routed.ticket),
            (RoomRequest::Join(_), room) => is_outside(room, &routed.envelope.from),
            (RoomRequest::Show, room) if is_outside(room, &routed.envelope.from) => return self.put_out(routed),
            (_, None) => return self.refuse_by_room(routed, Condition::ItemNotFound),
            _ => false,
        };
        let routed = match self.must_wait(id, hall, routed, seat, &request, knocks) {
            Some(routed) => routed,
            None => return,
        };
        if knocks && let Err(condition) = self.may_knock(hall, &routed.envelope.from) {
            return self.refuse_by_room(routed, condition);
        }
        if matches!(request, RoomRequest::Say { .. })
            && self.log_failed
            && hall.room().is_some_and(|room| room.config().archived)
        {
            return self.refuse_by_room(routed, Condition::InternalServerError);
        }
        let Routed { envelope, mut ticket } = routed;
        let query = match &request {
            RoomRequest::Query(query) => Some(query.clone()),
            _ => None,
        };
        let done = self.perform_in(id, hall, &envelope, query.as_ref(), &mut ticket, |room, stage| {
            room.request(request, &envelope, seat, stage)
        });
        match done {
            Ok(()) => self.accept(ticket),
            Err(condition) => self.refuse_by_room(Routed { envelope, ticket }, condition),
        }
    }

    /// What the envelope means. Nobody asks a front-end what the end of a session means.
    fn understood(&self, envelope: &Envelope) -> Result<RoomRequest, Condition> {
        match envelope.kind {
            Kind::Presence(PresenceKind::Unavailable) => Ok(RoomRequest::Leave),
            Kind::Presence(PresenceKind::Available | PresenceKind::Error) | Kind::Message(_) | Kind::Query(_) => {
                let speech = self.speech(envelope.content.codec);
                (speech.ok_or(Condition::ServiceUnavailable)?.read)(envelope)
            }
            Kind::Presence(_) => Err(Condition::BadRequest),
        }
    }

    /// Some requests need something from the disk first. `None`: it waits for that.
    fn must_wait(
        &mut self,
        id: RoomId,
        hall: &mut Hall,
        routed: Routed,
        seat: Seat,
        request: &RoomRequest,
        knocks: bool,
    ) -> Option<Routed> {
        if knocks && hall.room().is_some() && !hall.recent.loaded {
            if self.load_recent(id, hall) {
                hall.parked.push_front(Errand::Envelope(routed, seat));
                return None;
            }
            return Some(routed);
        }
        let stays = match request {
            RoomRequest::Query(RoomQuery::SetConfig(changes)) => changes.contains(&ConfigChange::Persistent(true)),
            _ => false,
        };
        let allowed = std::mem::take(&mut hall.may_stay);
        if stays && !allowed && hall.room().is_some_and(Room::is_temporary) {
            self.ask_whether_it_may_stay(id, hall, routed, seat);
            return None;
        }
        Some(routed)
    }

    /// Whoever enters again and again makes work for all who are in; whoever makes rooms, for all.
    fn may_knock(&mut self, hall: &mut Hall, from: &Jid) -> Result<(), Condition> {
        let now = self.now.ms;
        let taken = self
            .rooms
            .halls
            .knocks(&self.setup.limits)
            .take(from.bare_str(), 1, now);
        taken.map_err(|_| Condition::ResourceConstraint)?;
        if hall.room().is_some() {
            return Ok(());
        }
        if self.draining {
            return Err(Condition::ServiceUnavailable);
        }
        if self.rooms.halls.founded_by(from) >= self.setup.limits.rooms_per_owner {
            return Err(Condition::ResourceConstraint);
        }
        let config = RoomConfig::new(&self.setup.limits, self.setup.archive);
        // What was said in another room of this name is nobody's business.
        self.forget_room_history(&hall.address);
        hall.open(Room::founded(hall.address.clone(), from, config));
        hall.recent.loaded = true;
        self.rooms.halls.note_founder(hall, from);
        Ok(())
    }

    /// Has a room do something; what it says leaves when what it must not forget is written.
    fn perform_in(
        &mut self,
        id: RoomId,
        hall: &mut Hall,
        envelope: &Envelope,
        query: Option<&RoomQuery>,
        ticket: &mut Option<super::Ticket>,
        act: impl FnOnce(&mut Room, &mut Performance<'_>) -> Result<(), Condition>,
    ) -> Result<(), Condition> {
        let Hall {
            state: State::Open(room),
            rolls,
            recent,
            ..
        } = hall
        else {
            return Err(Condition::ItemNotFound);
        };
        let before = room.occupants().len();
        let mut performance = Performance {
            shard: self,
            rolls: rolls.get_or_insert_default(),
            recent,
            envelope,
            query,
            ticket,
            outs: Vec::new(),
            moderation: None,
        };
        act(room, &mut performance)?;
        let (outs, moderation) = (performance.outs, performance.moderation);
        let (before, after) = (before as u64, room.occupants().len() as u64);
        let figure = &self.metrics.room_occupants;
        figure.set((figure.get() + after).saturating_sub(before));
        let address = room.address().clone();
        if let Some(moderation) = moderation {
            hall.writing = true;
            self.moderate_in(id, address, moderation, outs);
            return Ok(());
        }
        let batch = rows::unsaved(room);
        self.list_room(id, hall);
        if batch.is_empty() {
            self.carry_out_all(&address, outs);
            return Ok(());
        }
        hall.writing = true;
        self.commit_here(batch, move |shard, written| {
            shard.at_rooms(|shard| shard.room_written(id, &address, outs, written));
        });
        Ok(())
    }

    /// A moderator's request: the room says nothing more until it is known whether there is such a message, and it is hidden.
    fn moderate_in(&mut self, id: RoomId, room: Jid, moderation: Moderation, outs: Vec<Out>) {
        let (query, address) = (moderation.query.clone(), room.clone());
        self.moderate(&room, moderation, move |shard, done| {
            let outs = if done.is_ok() { outs } else { Vec::new() };
            shard.at_rooms(|shard| shard.room_written(id, &address, outs, Ok(())));
            if let Err(condition) = done {
                shard.bounce(query, condition);
            }
        });
    }

    fn carry_out_all(&mut self, room: &Jid, outs: Vec<Out>) {
        for out in outs {
            match out {
                Out::Fan(shard, fan) if shard == self.id => self.fan_out(fan),
                Out::Fan(shard, fan) => self.outgoing.lanes[usize::from(shard)].push(Item::Fan(Box::new(fan))),
                Out::Send(envelope) => self.dispatch_free(envelope),
                Out::Serve(envelope) => self.serve(envelope),
                Out::Avatar(query) => self.show_avatar(room, query),
                Out::Hide(record, by) => self.hide_own(room, record, by),
            }
        }
    }

    /// A refusal that the room says. Presence is answered, unlike elsewhere: who wants to enter has to know.
    fn refuse_by_room(&mut self, routed: Routed, condition: Condition) {
        match routed.envelope.kind {
            Kind::Presence(PresenceKind::Available) => {
                let Routed { envelope, ticket } = routed;
                self.accept(ticket);
                let codec = envelope.content.codec;
                let head = Head {
                    from: &envelope.to,
                    kind: Kind::Presence(PresenceKind::Error),
                    id: &envelope.id,
                };
                let content = self
                    .speech(codec)
                    .and_then(|speech| (speech.write)(&Notice::Refused, Viewer::default()))
                    .unwrap_or_default();
                let answer = Envelope {
                    id: head.id.clone(),
                    content,
                    error: Some(condition),
                    ..Envelope::neutral(envelope.to.clone(), envelope.from.clone(), head.kind)
                };
                self.metrics.bounced.add(1);
                self.dispatch_free(answer);
            }
            Kind::Presence(_)
            | Kind::Message(MessageKind::Error)
            | Kind::Query(QueryKind::Result | QueryKind::Error) => self.accept(routed.ticket),
            _ => self.refuse_routed(routed, condition),
        }
    }

    /// A room that is in memory, and not at work.
    fn room_at(&self, key: UserKey, address: &Jid) -> Option<&Room> {
        let id = self.rooms.halls.find(key, address)?;
        self.rooms.halls.get(id)?.room()
    }

    /// The service ends: whoever is in is told.
    pub(super) fn drain_rooms(&mut self) {
        self.at_rooms(Shard::shut_rooms);
    }

    fn shut_rooms(&mut self) {
        for id in self.rooms.halls.ids() {
            let Some(mut hall) = self.rooms.halls.take(id) else {
                continue;
            };
            let nobody = Envelope::neutral(
                hall.address.clone(),
                hall.address.clone(),
                Kind::Presence(PresenceKind::Unavailable),
            );
            // A room whose change is being written says so no more; its occupants' sessions end all the same.
            if hall.is_free() {
                let _ = self.perform_in(id, &mut hall, &nobody, None, &mut None, |room, stage| {
                    room.shut_down(stage);
                    Ok(())
                });
            }
            self.close_hall(id, hall);
        }
    }
}

/// An answer without content.
fn nothing(codec: crate::envelope::Codec) -> Content {
    Content {
        codec,
        ..Content::default()
    }
}
