//! Rooms (SPEC.md section 14): what is said to them, and asked of them. What they say arrives as [`Incoming::Room`](super::Incoming::Room),
//! what is said in them as messages.

use crosspoint_icpp::codec::rooms::{Body, Member, op, tag, write_text};
use crosspoint_icpp::codec::{FRAME_BYTES, HEADER_BYTES, Verb, ext, message::ROOM_BYTES};

use super::Core;
use super::calls::checked;
use super::fault::Refused;
use super::kept::Queued;
use super::requests::{Pending, RequestId};
use super::room_settings::RoomSettings;
use super::room_words::RoomMember;

/// One frame to a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToRoom {
    verb: Verb,
    room: String,
    body: Vec<u8>,
}

impl ToRoom {
    /// A verb of SPEC.md section 14.1 or 14.3, to this room; empty for ROOMS.
    #[must_use]
    pub fn new(verb: Verb, room: &str) -> ToRoom {
        let mut body = Vec::new();
        if verb != Verb::Rooms {
            write_text(&mut body, tag::ROOM, room);
        }
        ToRoom {
            verb,
            room: room.to_owned(),
            body,
        }
    }

    /// Enters under a nickname.
    #[must_use]
    pub fn join(room: &str, nick: &str) -> ToRoom {
        ToRoom::new(Verb::Join, room).text(tag::NICK, nick)
    }

    /// Leaves.
    #[must_use]
    pub fn leave(room: &str) -> ToRoom {
        ToRoom::new(Verb::Leave, room)
    }

    /// Makes a room, and enters it. It is refused (`conflict`) if there is one.
    #[must_use]
    pub fn create(room: &str, nick: &str) -> ToRoom {
        ToRoom::new(Verb::Create, room).text(tag::NICK, nick)
    }

    /// Changes what is named in these settings.
    #[must_use]
    pub fn configure(room: &str, settings: &RoomSettings) -> ToRoom {
        settings.write(ToRoom::new(Verb::Configure, room).with(tag::OP, &[op::SET]))
    }

    /// Gives affiliations and roles: all or none.
    #[must_use]
    pub fn change(room: &str, members: &[RoomMember]) -> ToRoom {
        let change = ToRoom::new(Verb::Change, room);
        members
            .iter()
            .fold(change, |change, member| change.member(&member.borrowed()))
    }

    #[cfg(test)]
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// With an extension: see [`tag`].
    #[must_use]
    pub fn with(mut self, tag: u16, value: &[u8]) -> ToRoom {
        ext::write(&mut self.body, tag, value);
        self
    }

    /// With one that is text.
    #[must_use]
    pub fn text(self, tag: u16, text: &str) -> ToRoom {
        self.with(tag, text.as_bytes())
    }

    /// With a MEMBER.
    #[must_use]
    pub fn member(mut self, member: &Member<'_>) -> ToRoom {
        member.write(&mut self.body);
        self
    }

    fn check(&self) -> Result<(), Refused> {
        if self.verb != Verb::Rooms {
            checked(&self.room)?;
        }
        if self.body.len() + HEADER_BYTES > (FRAME_BYTES - ROOM_BYTES) as usize {
            return Err(Refused::TooLarge);
        }
        Body::read(self.verb, &self.body).map(drop).map_err(|_| Refused::Shape)
    }
}

impl Core {
    /// CREATE to VOICE. Goes by the outbox, as messages do.
    pub fn tell_room(&mut self, said: &ToRoom) -> Result<(), Refused> {
        said.check()?;
        if !said.verb.is_of_rooms_from_client() {
            return Err(Refused::Shape);
        }
        self.enqueue(Queued {
            verb: said.verb,
            nostore: false,
            id: None,
            body: said.body.clone(),
        })
    }

    /// MEMBERS to ROOMS: [`super::Answer::Room`].
    pub fn ask_room(&mut self, asked: &ToRoom) -> Result<RequestId, Refused> {
        asked.check()?;
        if !asked.verb.is_cut() {
            return Err(Refused::Shape);
        }
        let pending = Pending::Room(asked.verb, Vec::new());
        self.request(asked.verb, pending, |out| out.extend_from_slice(&asked.body))
    }
}
