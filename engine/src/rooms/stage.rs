//! What a room needs from whoever plays it: the shard, or a test.
//!
//! Invariant: a room never waits. What it says through a [`Stage`] may reach its listeners later (after a commit), but in order.

use bytes::Bytes;

use super::{Notice, Place, Room, RoomAnswer};
use crate::envelope::{Codec, Condition, Kind};
use crate::jid::Jid;
use crate::limits::Limits;
use crate::neutral::Neutral;
use crate::session::Now;
use crate::shard::SessionId;
use crate::stable::StableId;

/// Where an occupant's session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Its home.
    pub shard: u16,
    /// Which session there; it may be another one by now, of the same address.
    pub session: SessionId,
    /// What its front-end writes.
    pub codec: Codec,
}

/// Who is told something.
#[derive(Debug, Clone, Copy)]
pub enum Audience<'a> {
    /// Everybody who is in.
    All,
    /// Everybody but these.
    Except(&'a [Place]),
    /// These alone.
    Those(&'a [Place]),
    /// Moderators.
    Moderators,
}

/// How an envelope begins that carries a notice.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The room, or `room/nick`.
    pub from: &'a Jid,
    /// What it is.
    pub kind: Kind,
    /// Its identifier; may be empty.
    pub id: &'a Bytes,
}

/// Carries out what a room decides.
pub trait Stage {
    /// The time of this turn.
    fn now(&self) -> Now;

    /// The bounds.
    fn limits(&self) -> &Limits;

    /// Takes so many deliveries from what an account may cause.
    ///
    /// # Errors
    /// It has caused enough for now.
    fn charge(&mut self, account: &Jid, deliveries: u32) -> Result<(), Condition>;

    /// XEP-0421: what tells this account apart in this room, and nothing else.
    fn occupant_id(&self, room: &Jid, account: &Jid) -> String;

    /// Says something to occupants. `own` are those whom it is about.
    fn tell(&mut self, room: &Room, to: Audience<'_>, own: &[Place], head: Head<'_>, notice: &Notice<'_>);

    /// Says something to an account that need not be in.
    fn write_to(&mut self, room: &Room, to: &Jid, notice: &Notice<'_>);

    /// Answers the query under way.
    fn answer(&mut self, answer: RoomAnswer<'_>);

    /// Answers the query under way by the picture, which is in the book.
    fn answer_avatar(&mut self, room: &Room);

    /// Hands the query under way to the front-end whose codec it is written in.
    fn serve(&mut self);

    /// Gives the envelope under way to an occupant's session as it is, but for its sender and identifier.
    fn pass(&mut self, room: &Room, to: Place, from: &Jid, id: Bytes);

    /// Keeps the message under way, said by an account under a nickname (`room/nick`). Its identity, if there is an archive.
    fn keep(&mut self, room: &Room, from: &Jid, by: &Jid) -> Option<StableId>;

    /// What was kept is hidden from now on, if it is by this account.
    fn hide(&mut self, room: &Room, record: StableId, by: &Jid);

    /// Hides what was kept, whoever has said it, and keeps the room's word that this account did; the identity of that, if it is kept.
    /// What is told and answered leaves when both is done. If there is no such message, that is the answer instead.
    ///
    /// # Errors
    /// Nothing is kept here.
    fn moderate(
        &mut self,
        room: &Room,
        record: StableId,
        by: &Jid,
        word: &Neutral<'_>,
    ) -> Result<Option<StableId>, Condition>;

    /// Shows an occupant what was said lately, as far as it wishes.
    fn recall(&mut self, room: &Room, to: Place, wish: &super::HistoryWish);
}
