//! Rooms in XMPP (XEP-0045): from stanzas to what is asked of a room, and from what a room says to stanzas.
//!
//! ```text
//!   stanza to room[/nick] ─ read ─▶ RoomRequest        Notice ─ write ─▶ content of a presence or message
//!                                                      RoomAnswer ─ answer ─▶ payload of an iq result
//! ```
//! What has a shape both ways has one file for both: `config.rs` (the owner's form), `lists.rs` (affiliations and roles), `register.rs`,
//! `voice.rs`, `invite.rs`. The room itself, who may do what, is the engine's: nothing here decides.
//!
//! Invariants:
//! - What only a room may say (`clean.rs`) never passes from a client to an occupant, whatever the road by which it came here.
//! - An error means that the stanza's shape is wrong. The room's own refusals are its business.
//! - All texts are escaped by the builder; an occupant's content passes as its writer's bytes, in its writer's scope of prefixes.

mod answer;
mod clean;
mod config;
mod disco;
mod form;
mod invite;
mod lists;
pub(crate) mod moderate;
mod names;
mod read;
mod register;
#[cfg(test)]
mod tests;
mod vcard;
mod voice;
mod write;

pub(crate) use disco::{INFO, ITEMS, OCCUPANT_ID, STABLE_ID};
pub(crate) use invite::{heard as heard_invitation, write_heard as write_invitation};

use crosspoint_engine::rooms::RoomSpeech;

/// XEP-0045: entering.
pub(crate) const MUC: &str = "http://jabber.org/protocol/muc";
/// XEP-0045: what a room tells its occupants, and invitations.
pub(crate) const USER: &str = "http://jabber.org/protocol/muc#user";
/// XEP-0045: lists of affiliations and roles.
pub(crate) const ADMIN: &str = "http://jabber.org/protocol/muc#admin";
/// XEP-0045: configuration, and the end.
pub(crate) const OWNER: &str = "http://jabber.org/protocol/muc#owner";
/// XEP-0077.
pub(crate) const REGISTER: &str = "jabber:iq:register";
/// XEP-0424.
pub(crate) const RETRACT: &str = "urn:xmpp:message-retract:1";
/// XEP-0313.
pub(crate) const ARCHIVE: &str = "urn:xmpp:mam:2";

/// What XMPP knows about rooms.
pub(crate) const SPEECH: RoomSpeech = RoomSpeech {
    read: read::read,
    write: write::write,
    answer: answer::answer,
};
