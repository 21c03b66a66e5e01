//! What all XMPP clients of a worker share: names, the password, and pieces of stanzas that are the same for all.

use crosspoint_xmpp::codec::{ScanLimits, Scanner, Value};

use super::{Filler, STREAMS};
use crate::plan::{Mechanism, Plan, Scenario, Security};
use crate::protocol::address::number;

/// See the module.
#[derive(Debug)]
pub struct Common {
    /// Users are called this and a number.
    pub(super) prefix: String,
    pub(super) domain: String,
    pub(super) rooms: String,
    pub(super) password: String,
    pub(super) resource: String,
    pub(super) mechanism: Mechanism,
    /// Ask for STARTTLS.
    pub(super) start_tls: bool,
    /// No stream and no login: there is a relay, and no server.
    pub(super) bare: bool,
    pub(super) client_state: bool,
    pub(super) filler: Filler,
    /// What stands before and behind the number in a message to a user, to his session, and to a room.
    pub(super) to_user: (String, String),
    pub(super) to_session: (String, String),
    pub(super) to_room: (String, String),
}

impl Common {
    pub fn new(plan: &Plan) -> Self {
        let target = &plan.target;
        let (prefix, domain, rooms) = (plan.users.prefix.clone(), target.domain.clone(), target.rooms());
        let open = |kind: &str, before: &str, address_end: &str| {
            (
                format!("<message to='{before}"),
                format!("@{address_end}' type='{kind}' id='"),
            )
        };
        Self {
            to_user: open("chat", &prefix, &domain),
            to_session: open("chat", &prefix, &format!("{domain}/{}", target.resource)),
            to_room: open("groupchat", ROOM_PREFIX, &rooms),
            prefix,
            domain,
            rooms,
            password: plan.users.password.clone(),
            resource: target.resource.clone(),
            mechanism: target.mechanism,
            start_tls: target.security == Security::StartTls,
            bare: matches!(plan.scenario, Scenario::Floor(_)),
            client_state: plan.session.client_state,
            filler: Filler::new(),
        }
    }

    pub(super) fn scanner(&self) -> Scanner {
        match self.bare {
            true => Scanner::for_stanzas(ScanLimits::AFTER_AUTH),
            false => Scanner::new(ScanLimits::AFTER_AUTH),
        }
    }

    /// The node of a user's address.
    pub fn name(&self, user: u32) -> String {
        format!("{}{user}", self.prefix)
    }

    pub(super) fn header(&self, out: &mut Vec<u8>) {
        let header = format!(
            "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' xmlns:stream='{STREAMS}'>",
            self.domain
        );
        out.extend_from_slice(header.as_bytes());
    }

    /// The number of one of our users, by an address of his.
    pub(super) fn user_of(&self, address: Value<'_>) -> Option<u32> {
        number(address.raw().as_bytes(), &self.prefix, &self.domain)
    }

    /// The number of one of our rooms, by its address or an occupant's.
    pub(super) fn room_of(&self, address: Value<'_>) -> Option<u32> {
        number(address.raw().as_bytes(), ROOM_PREFIX, &self.rooms)
    }
}

pub(super) use crate::protocol::address::ROOM_PREFIX;
