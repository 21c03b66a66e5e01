//! What all ICPP clients of a worker share: names, the password, and pieces of addresses.

use crosspoint_icpp::codec::{Flags, MessageId};

use super::{Filler, Mark};
use crate::plan::{Mechanism, Plan, Scenario};
use crate::protocol::address::{ROOM_PREFIX, number, numbered};

/// See the module.
#[derive(Debug)]
pub struct Common {
    /// Users are called this and a number.
    pub(super) prefix: String,
    pub(super) domain: String,
    pub(super) password: String,
    pub(super) resource: String,
    pub(super) mechanism: Mechanism,
    /// No login: there is a relay, and no server. What one sends is what the other gets.
    pub(super) bare: bool,
    pub(super) client_state: bool,
    pub(super) filler: Filler,
    /// What messages are sent with.
    pub(super) flags: Flags,
    /// What stands behind the number in the address of a user, and in that of his session.
    pub(super) of_user: String,
    pub(super) of_session: String,
    /// The same for a room.
    pub(super) of_room: String,
    /// Where rooms are.
    pub(super) rooms: String,
}

impl Common {
    pub fn new(plan: &Plan) -> Self {
        let target = &plan.target;
        let store = match &plan.scenario {
            Scenario::Chat(chat) => chat.store,
            _ => true,
        };
        Self {
            prefix: plan.users.prefix.clone(),
            domain: target.domain.clone(),
            password: plan.users.password.clone(),
            resource: target.resource.clone(),
            mechanism: target.mechanism,
            bare: matches!(plan.scenario, Scenario::Floor(_)),
            client_state: plan.session.client_state,
            filler: Filler::new(),
            flags: if store { Flags::NONE } else { Flags::NOSTORE },
            of_user: format!("@{}", target.domain),
            of_session: format!("@{}/{}", target.domain, target.resource),
            of_room: format!("@{}", target.rooms()),
            rooms: target.rooms(),
        }
    }

    /// The node of a user's address.
    pub fn name(&self, user: u32) -> String {
        format!("{}{user}", self.prefix)
    }

    /// A mechanism that is asked for by name is what the run is to measure; a ticket would spare it.
    pub(super) fn may_use_tickets(&self) -> bool {
        self.mechanism == Mechanism::Best
    }

    /// The number of one of our users, by an address of his.
    #[inline]
    pub(super) fn user_of(&self, address: &[u8]) -> Option<u32> {
        number(address, &self.prefix, &self.domain)
    }

    /// The number of one of our rooms, by its address or an occupant's.
    pub(super) fn room_of(&self, address: &[u8]) -> Option<u32> {
        number(address, ROOM_PREFIX, &self.rooms)
    }

    /// Whether this is the address of that user in that room.
    #[inline]
    pub(super) fn is_occupant(&self, address: &[u8], room: u32, user: u32) -> bool {
        let nick = numbered(address, ROOM_PREFIX)
            .filter(|(number, _)| *number == room)
            .and_then(|(_, behind)| behind.strip_prefix(self.of_room.as_bytes())?.strip_prefix(b"/"));
        nick.and_then(|nick| numbered(nick, &self.prefix)) == Some((user, &b""[..]))
    }

    /// Whether this is the address of a user's session, to the last byte.
    #[inline]
    pub(super) fn is_session(&self, address: &[u8], user: u32) -> bool {
        numbered(address, &self.prefix)
            .is_some_and(|(number, behind)| number == user && behind == self.of_session.as_bytes())
    }

    /// Whether this is the address of a user or of his session.
    #[inline]
    pub(super) fn is_user(&self, address: &[u8], user: u32) -> bool {
        numbered(address, &self.prefix).is_some_and(|(number, behind)| {
            number == user && (behind == self.of_user.as_bytes() || behind == self.of_session.as_bytes())
        })
    }
}

/// The identity of a message: what is sent again after a connection broke has the one that it had, and a receiver can
/// compute what it should be.
#[inline]
pub fn message_id(mark: Mark, to: u32) -> MessageId {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&mark.run.to_be_bytes());
    id[4..8].copy_from_slice(&mark.sender.to_be_bytes());
    id[8..12].copy_from_slice(&to.to_be_bytes());
    id[12..].copy_from_slice(&mark.number.to_be_bytes());
    id
}
