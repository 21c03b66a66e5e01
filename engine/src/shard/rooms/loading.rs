//! Rooms come from the book, what they show to who enters from the log.
//!
//! Invariants:
//! - A room that cannot be read is not made anew: whoever addresses it is told that something is wrong.
//! - A room whose change could not be written is forgotten with all who are in, and read again: it is what the book says.

use crosspoint_storage::seam::{BookRead, BookRequest, Direction, JournalRequest, Span, Table};

use super::super::Shard;
use super::super::ledger::Outcome;
use super::hall::{Hall, RoomId, State};
use super::performance::Out;
use super::{Errand, RoomsSetup, nothing};
use crate::envelope::{Condition, Envelope, Kind, PresenceKind};
use crate::jid::Jid;
use crate::rooms::{Room, RoomAnswer, RoomConfig, RoomQuery, Seat, rows};
use crate::service::Row;
use crate::shard::Routed;
use crate::slots::UserKey;
use crate::store;

impl Shard {
    /// Asks the book for a room. `address` is bare and has memory of its own.
    pub(super) fn load_room(&mut self, key: UserKey, address: Jid) -> RoomId {
        let id = self.rooms.halls.insert(key, address.clone());
        let reads = vec![
            BookRead::Get {
                table: Table::Room,
                key: rows::config_key(&address),
            },
            BookRead::Prefix {
                table: Table::Room,
                prefix: rows::accounts_prefix(&address),
                after: bytes::Bytes::new(),
                rows_max: u32::MAX,
            },
        ];
        let token = self.expect(move |shard, outcome| shard.at_rooms(|shard| shard.room_found(id, outcome)));
        self.outgoing.book.push(BookRequest::Read { token, reads });
        id
    }

    fn room_found(&mut self, id: RoomId, outcome: Outcome) {
        let Some(mut hall) = self.rooms.halls.take(id) else {
            return;
        };
        let found = match outcome {
            Outcome::Rows(results) => self.read_room(&hall.address, &results),
            _ => Err(()),
        };
        match found {
            Ok(Some(room)) => hall.open(room),
            Ok(None) => hall.state = State::Absent,
            Err(()) => {
                tracing::error!(room = %hall.address, "cannot be loaded: its rows in the book are unreadable");
                self.metrics.storage_failed.add(1);
                hall.state = State::Absent;
                for errand in std::mem::take(&mut hall.parked) {
                    if let Errand::Envelope(routed, _) = errand {
                        self.refuse_by_room(routed, Condition::InternalServerError);
                    }
                }
            }
        }
        self.list_room(id, &mut hall);
        self.resume_hall(id, hall);
    }

    /// What waited goes on.
    fn resume_hall(&mut self, id: RoomId, hall: Box<Hall>) {
        self.close_hall(id, hall);
        self.unpark(id);
    }

    fn read_room(&self, address: &Jid, results: &[Vec<Row>]) -> Result<Option<Room>, ()> {
        let [config, accounts] = results else { return Err(()) };
        let room = rows::read(address, config, accounts).map_err(|_| ())?;
        let system = self.setup.rooms.as_ref().and_then(|rooms| rooms.system_room(address));
        let Some(changes) = system else { return Ok(room) };
        let mut room = room.unwrap_or_else(|| {
            let config = RoomConfig {
                persistent: true,
                ..RoomConfig::new(&self.setup.limits, self.setup.archive)
            };
            Room::new(address.clone(), config)
        });
        room.make_system(changes, &self.setup.limits);
        Ok(Some(room))
    }

    /// Asks the log for what was said lately. False if there is nothing to ask.
    pub(super) fn load_recent(&mut self, id: RoomId, hall: &mut Hall) -> bool {
        let Some(room) = hall.room() else { return false };
        let count = room.config().history_messages;
        if count == 0 || !self.setup.archive {
            hall.recent.loaded = true;
            return false;
        }
        hall.writing = true;
        let token = self.expect(move |shard, outcome| shard.at_rooms(|shard| shard.recent_found(id, outcome)));
        self.outgoing.journal.push(JournalRequest::History {
            token,
            user: UserKey::of(&hall.address).0,
            span: Span::ALL,
            direction: Direction::Backward,
            records_max: count,
            bytes_max: u32::try_from(self.setup.limits.room_recent_bytes).unwrap_or(u32::MAX),
        });
        true
    }

    fn recent_found(&mut self, id: RoomId, outcome: Outcome) {
        let Some(mut hall) = self.rooms.halls.take(id) else {
            return;
        };
        hall.writing = false;
        hall.recent.forget();
        hall.recent.loaded = true;
        let count = hall.room().map_or(0, |room| room.config().history_messages);
        if let Outcome::Page { records, .. } = outcome {
            for record in records {
                let theirs = record.version == store::ENVELOPE_VERSION
                    && store::decode(record.version, &record.payload)
                        .is_ok_and(|said| said.from.same_bare(&hall.address) && said.from.is_full());
                if theirs {
                    hall.recent.push(record.id, record.payload, count, &self.setup.limits);
                }
            }
        }
        self.resume_hall(id, hall);
    }

    /// A room is to stay: has its owner fewer of those than he may have?
    pub(super) fn ask_whether_it_may_stay(&mut self, id: RoomId, hall: &mut Hall, routed: Routed, seat: Seat) {
        hall.writing = true;
        let max = self.setup.limits.rooms_per_owner;
        let reads = vec![BookRead::Prefix {
            table: Table::Room,
            prefix: rows::owned_prefix(&routed.envelope.from),
            after: bytes::Bytes::new(),
            rows_max: u32::try_from(max).unwrap_or(u32::MAX),
        }];
        let mut routed = routed;
        routed.envelope.compact();
        let token = self.expect(move |shard, outcome| {
            let few = matches!(outcome, Outcome::Rows(results) if results.first().is_some_and(|rows| rows.len() < max));
            shard.at_rooms(|shard| shard.may_stay(id, few, routed, seat));
        });
        self.outgoing.book.push(BookRequest::Read { token, reads });
    }

    fn may_stay(&mut self, id: RoomId, few: bool, routed: Routed, seat: Seat) {
        let Some(mut hall) = self.rooms.halls.take(id) else {
            return;
        };
        hall.writing = false;
        match few {
            true => {
                hall.may_stay = true;
                hall.parked.push_front(Errand::Envelope(routed, seat));
            }
            false => self.refuse_by_room(routed, Condition::ResourceConstraint),
        }
        self.resume_hall(id, hall);
    }

    /// What a room must not forget is written: what it said may leave.
    pub(super) fn room_written(&mut self, id: RoomId, room: &Jid, outs: Vec<Out>, written: Result<(), Condition>) {
        let Some(mut hall) = self.rooms.halls.take(id) else {
            return;
        };
        hall.writing = false;
        if written.is_err() {
            return self.room_unwritten(id, hall, outs);
        }
        self.carry_out_all(room, outs);
        if hall.room().is_some_and(Room::has_ended) {
            self.forget_room_history(room);
        }
        self.resume_hall(id, hall);
    }

    /// The book takes no more: whoever is in is out, and who asked is told.
    fn room_unwritten(&mut self, id: RoomId, mut hall: Box<Hall>, outs: Vec<Out>) {
        for out in outs {
            if let Out::Send(Envelope {
                kind: Kind::Query(_), ..
            }) = &out
                && let Out::Send(answer) = out
            {
                self.dispatch_free(Envelope {
                    kind: Kind::Query(crate::envelope::QueryKind::Error),
                    error: Some(Condition::InternalServerError),
                    content: nothing(answer.content.codec),
                    ..answer
                });
            }
        }
        let nobody = Envelope::neutral(
            hall.address.clone(),
            hall.address.clone(),
            Kind::Presence(PresenceKind::Unavailable),
        );
        let _ = self.perform_in(id, &mut hall, &nobody, None, &mut None, |room, stage| {
            room.give_up(stage);
            Ok(())
        });
        let waiting = std::mem::take(&mut hall.parked);
        self.close_hall(id, hall);
        waiting.into_iter().for_each(|errand| self.run_errand(errand));
    }

    pub(super) fn forget_room_history(&mut self, room: &Jid) {
        if self.setup.archive {
            let token = self.expect(|_, _| {});
            let user = UserKey::of(room).0;
            self.outgoing.journal.push(JournalRequest::Forget { token, user });
        }
    }

    /// The picture is in the book alone.
    pub(super) fn show_avatar(&mut self, room: &Jid, query: Envelope) {
        let reads = vec![BookRead::Get {
            table: Table::Room,
            key: rows::avatar_key(room),
        }];
        let token = self.expect(move |shard, outcome| {
            let Outcome::Rows(results) = outcome else {
                return shard.bounce(query, Condition::InternalServerError);
            };
            let row = results.first().and_then(|rows| rows.first());
            let card = row.map(|row| row.value.clone()).unwrap_or_default();
            let codec = query.content.codec;
            let content = shard
                .speech(codec)
                .and_then(|speech| (speech.answer)(&RoomQuery::GetAvatar, &RoomAnswer::Avatar(&card)));
            let answer = query.answer(content.unwrap_or_else(|| nothing(codec)));
            shard.dispatch_free(answer);
        });
        self.outgoing.book.push(BookRequest::Read { token, reads });
    }
}

impl RoomsSetup {
    /// How a room differs from others, if the installation's configuration makes it.
    pub(super) fn system_room(&self, address: &Jid) -> Option<&[crate::rooms::ConfigChange]> {
        let found = self.system.iter().find(|(name, _)| address.node() == Some(name));
        found.map(|(_, changes)| changes.as_slice())
    }
}
