//! Fan-out: what a room says, once for each shard, and how it reaches each occupant's session there.
//!
//! ```text
//!   room ──▶ Fan { contents by class, roll of this shard } ──one item──▶ shard' ──▶ session, session, session ...
//! ```
//! Invariants:
//! - A content is written once for each class that is in (codec, and whether real addresses are seen), whatever the number of
//!   occupants; the list of occupants is shared by all that is said until somebody comes or goes.
//! - It reaches exactly the sessions that are in: found by place, checked by address. One that was resumed is found by address, one
//!   that is gone is reported to the room.

use std::sync::Arc;

use bytes::Bytes;

use super::super::table::SessionId;
use super::super::{Item, Shard};
use super::RoomNews;
use crate::envelope::{Codec, Content, Envelope, Kind, PresenceKind};
use crate::jid::Jid;
use crate::metrics::protocol;
use crate::metrics::split::Stage;
use crate::rooms::{Place, Room, Seat};
use crate::session::{Delivery, Form};
use crate::slots::UserKey;

/// Who of a shard is in a room. Changes with the room's roll; never in place.
#[derive(Debug, Default)]
pub struct Roll {
    entries: Vec<Seated>,
    /// The classes that are among them.
    classes: u16,
}

/// An occupant, as its home needs to know it.
#[derive(Debug, Clone)]
pub(super) struct Seated {
    session: SessionId,
    place: Place,
    class: u8,
    address: Jid,
}

/// Bit of the class of those who write this codec and see real addresses or not.
pub(super) fn class(codec: Codec, sees_real: bool) -> u8 {
    codec as u8 * 2 + u8::from(sees_real)
}

impl Seated {
    pub(super) fn of(room: &Room, place: Place) -> Option<(u16, Seated)> {
        let occupant = room.occupants().get(place)?;
        let seated = Seated {
            session: occupant.seat.session,
            place,
            class: class(occupant.seat.codec, room.sees_real(occupant)),
            address: occupant.real.clone(),
        };
        Some((occupant.seat.shard, seated))
    }

    pub(super) fn class(&self) -> u8 {
        self.class
    }
}

/// The rolls of a room, by shard; made anew when somebody has come, gone or moved.
#[derive(Debug, Default)]
pub(super) struct Rolls {
    at: Option<u64>,
    rolls: Vec<(u16, Arc<Roll>)>,
}

impl Rolls {
    pub(super) fn of(&mut self, room: &Room) -> &[(u16, Arc<Roll>)] {
        if self.at != Some(room.roll()) {
            self.at = Some(room.roll());
            let mut rolls: Vec<(u16, Roll)> = Vec::new();
            for (place, _) in room.occupants().iter() {
                let Some((shard, seated)) = Seated::of(room, place) else {
                    continue;
                };
                let index = rolls.iter().position(|(other, _)| *other == shard).unwrap_or_else(|| {
                    rolls.push((shard, Roll::default()));
                    rolls.len() - 1
                });
                let roll = &mut rolls[index].1;
                roll.classes |= 1 << seated.class;
                roll.entries.push(seated);
            }
            self.rolls = rolls.into_iter().map(|(shard, roll)| (shard, Arc::new(roll))).collect();
        }
        &self.rolls
    }
}

impl Roll {
    pub(super) fn classes(&self) -> u16 {
        self.classes
    }
}

/// One thing that a room says to its occupants on one shard.
pub struct Fan {
    pub(super) room: Jid,
    /// Its head; the addressee and the content are filled in for each.
    pub(super) envelope: Envelope,
    pub(super) variants: Vec<Variant>,
    pub(super) targets: Targets,
    /// Its addressee is in from now on, or in no more.
    pub(super) own: Option<bool>,
}

/// What those of some classes get.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    pub(super) classes: u16,
    pub(super) id: Bytes,
    pub(super) content: Content,
}

/// Who gets it.
pub(super) enum Targets {
    /// All of a shard, but for these.
    Roll(Arc<Roll>, Vec<Place>),
    /// These.
    Some(Vec<Seated>),
}

impl Shard {
    /// Something that a room says to sessions here.
    pub(in super::super) fn fan_out(&mut self, fan: Fan) {
        let Fan {
            room,
            mut envelope,
            variants,
            targets,
            own,
        } = fan;
        for variant in variants {
            (envelope.id, envelope.content) = (variant.id, variant.content);
            let wanted = |seated: &Seated| variant.classes >> seated.class & 1 == 1;
            match &targets {
                Targets::Roll(roll, except) => {
                    for seated in roll.entries.iter().filter(|seated| wanted(seated)) {
                        if !except.contains(&seated.place) {
                            self.hand_to_occupant(&room, seated, &mut envelope, own);
                        }
                    }
                }
                Targets::Some(some) => {
                    for seated in some.iter().filter(|seated| wanted(seated)) {
                        self.hand_to_occupant(&room, seated, &mut envelope, own);
                    }
                }
            }
        }
    }

    fn hand_to_occupant(&mut self, room: &Jid, seated: &Seated, envelope: &mut Envelope, own: Option<bool>) {
        let known = self.sessions.get(seated.session);
        let known = known.is_some_and(|entry| !entry.closing && entry.address.as_ref() == Some(&seated.address));
        let session = match known {
            true => seated.session,
            false => match self.occupant_moved(room, seated) {
                Some(session) => session,
                None => {
                    // Whoever waits for an answer from there is told that there will be none.
                    if let Kind::Query(_) = envelope.kind {
                        envelope.to = seated.address.clone();
                        self.bounce(envelope.clone(), crate::envelope::Condition::ServiceUnavailable);
                    }
                    return;
                }
            },
        };
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let (frontend, user) = (entry.frontend, entry.user);
        if let Some(address) = &entry.address {
            envelope.to = address.clone();
        }
        if let Some(enters) = own {
            self.note_room(session, room, enters);
        }
        let blocks = user
            .and_then(|user| self.users.get(user)?.present())
            .is_some_and(|present| !present.blocks.is_empty() && present.blocks.blocks(&envelope.from));
        if blocks && envelope.kind != Kind::Presence(PresenceKind::Unavailable) {
            return;
        }
        self.metrics.room_deliveries.add(1);
        self.metrics.delivered.add(1);
        self.metrics.stanzas_out[protocol(frontend.into())].add(1);
        let delivery = Delivery {
            envelope,
            form: Form::Plain,
            record: None,
        };
        let stage = self.split.switch(Stage::Encode);
        self.call(session, |session, cx| session.on_deliver(&delivery, cx));
        self.split.switch(stage);
    }

    /// The session is not where the room believes it: another one has resumed it, or it is gone. Either way the room is told.
    fn occupant_moved(&mut self, room: &Jid, seated: &Seated) -> Option<SessionId> {
        let resource = seated.address.resource().unwrap_or_default();
        let session = self
            .user_at(&seated.address)
            .and_then(|user| user.resource(resource))
            .map(|resource| resource.session)
            .filter(|session| self.sessions.get(*session).is_some_and(|entry| !entry.closing));
        let seat = session.and_then(|session| self.seat_of(session));
        let news = RoomNews {
            room: room.clone(),
            address: seated.address.clone(),
            seat,
        };
        let home = self.home_of(UserKey::of(room));
        match home == self.id {
            true => self.room_news(news),
            false => self.outgoing.lanes[usize::from(home)].push(Item::RoomNews(Box::new(news))),
        }
        session
    }

    /// What a room needs to know to reach a session of this shard.
    pub(in super::super) fn seat_of(&self, session: SessionId) -> Option<Seat> {
        let entry = self.sessions.get(session)?;
        let (codec, _) = self.codecs.get(usize::from(entry.frontend))?;
        Some(Seat {
            shard: self.id,
            session,
            codec: *codec,
        })
    }
}
