//! What users are told when they come, and what is noted when they go: announcements, the message of the day, the welcome,
//! and when somebody was last here.
//!
//! Two rows of a user, both of numbers (u64, little-endian):
//! ```text
//!   greeted     message of the day (when it was set) | 1 if welcomed
//!   last seen   last login | end of the last session        Unix milliseconds
//! ```
//! The times are written when a user is forgotten, or leaves while the switch is drained: a login costs no write. What a
//! crash takes away is when those who were in memory were last here.

use bytes::Bytes;
use crosspoint_storage::seam::{BookRead, BookRequest, BookWrite, Table};

use super::Shard;
use super::ledger::Outcome;
use super::table::SessionId;
use super::user::{User, UserId};
use crate::administration::Notice;
use crate::envelope::{Envelope, Kind, MessageKind};
use crate::jid::Jid;
use crate::neutral::Neutral;
use crate::session::Form;
use crate::store;

const GREETED: &str = "greeted";

impl Shard {
    /// Says it to all of a user's sessions that are available.
    pub(super) fn announce_to(&mut self, uid: UserId, text: &str) {
        let Some(user) = self.users.get(uid) else { return };
        let (bare, sessions): (Jid, Vec<SessionId>) = (
            user.address.to_bare(),
            user.available().map(|(resource, _)| resource.session).collect(),
        );
        for session in &sessions {
            self.say(*session, &bare, text);
        }
        let motd = self.service.motd.as_ref().filter(|motd| motd.text == text);
        if let (Some(motd), false) = (motd, sessions.is_empty()) {
            // It is this message of the day that is told: nobody hears it again when he comes.
            let since = motd.since;
            self.note_greeted(&bare, since);
        }
    }

    fn say(&mut self, session: SessionId, to: &Jid, text: &str) {
        let said = Neutral {
            text: Some(text.into()),
            ..Neutral::default()
        };
        let envelope = Envelope {
            content: said.pack(),
            ..Envelope::neutral(
                self.setup.domain.clone(),
                to.clone(),
                Kind::Message(MessageKind::Normal),
            )
        };
        self.deliver(session, &envelope, Form::Plain, None);
    }

    /// A session has become available: standing texts that its user has not seen.
    pub(super) fn greet(&mut self, id: SessionId, uid: UserId) {
        let Some(user) = self.users.get(uid) else { return };
        let Some(present) = user.present() else { return };
        let created = present.created_unix_ms;
        let welcome = self.service.welcome.clone().filter(|welcome| created >= welcome.since);
        let motd = self.service.motd.clone();
        if welcome.is_none() && motd.is_none() {
            return;
        }
        let user = user.address.to_bare();
        let key = store::part_key(&user, GREETED);
        self.read_numbers(key, move |shard, numbers| {
            let (seen, welcomed) = numbers.unwrap_or_default();
            let motd = motd.filter(|motd| motd.since > seen);
            let welcome = welcome.filter(|_| welcomed == 0);
            let new = [&welcome, &motd];
            let texts: Vec<&Notice> = new.into_iter().flatten().collect();
            if texts.is_empty() {
                return;
            }
            for notice in &texts {
                shard.say(id, &user, &notice.text);
            }
            let seen = motd.as_ref().map_or(seen, |motd| motd.since);
            let welcomed = welcomed.max(u64::from(welcome.is_some()));
            shard.put_numbers(store::part_key(&user, GREETED), (seen, welcomed));
        });
    }

    fn note_greeted(&mut self, user: &Jid, since: u64) {
        let user = user.clone();
        self.read_numbers(store::part_key(&user, GREETED), move |shard, numbers| {
            let (_, welcomed) = numbers.unwrap_or_default();
            shard.put_numbers(store::part_key(&user, GREETED), (since, welcomed));
        });
    }

    /// Somebody has logged in.
    pub(super) fn note_login(&mut self, uid: UserId) {
        let now = self.now.unix_ms;
        if let Some(user) = self.users.get_mut(uid) {
            user.last_login_unix_ms = now.try_into().ok();
        }
    }

    /// A session has ended; if it was the last one, its user has gone.
    pub(super) fn note_leaving(&mut self, uid: UserId) {
        let now = self.now.unix_ms;
        let Some(user) = self.users.get_mut(uid) else { return };
        if user.resources.is_empty() {
            user.last_seen_unix_ms = now.try_into().ok();
            if self.draining {
                self.write_times(uid);
            }
        }
    }

    /// The user is about to be forgotten.
    pub(super) fn write_times(&mut self, uid: UserId) {
        let Some(user) = self.users.get(uid).filter(|user| user.present().is_some()) else {
            return;
        };
        if let Some((login, seen)) = times(user) {
            self.put_numbers(store::last_seen_key(&user.address), (login, seen));
        }
    }

    /// When the user was last here, as the book has it: login, and end.
    pub(super) fn read_times(
        &mut self,
        user: &Jid,
        then: impl FnOnce(&mut Shard, Option<(u64, u64)>) + Send + 'static,
    ) {
        self.read_numbers(store::last_seen_key(user), then);
    }

    fn read_numbers(&mut self, key: Bytes, then: impl FnOnce(&mut Shard, Option<(u64, u64)>) + Send + 'static) {
        let token = self.expect(move |shard, outcome| {
            let row = match outcome {
                Outcome::Rows(results) => results.into_iter().flatten().next(),
                _ => None,
            };
            then(shard, row.and_then(|row| store::last_seen(&row.value)));
        });
        let table = Table::Setting;
        self.outgoing.book.push(BookRequest::Read {
            token,
            reads: vec![BookRead::Get { table, key }],
        });
    }

    fn put_numbers(&mut self, key: Bytes, (first, second): (u64, u64)) {
        let value = [first.to_le_bytes(), second.to_le_bytes()].concat();
        let put = BookWrite::Put {
            table: Table::Setting,
            key,
            value: value.into(),
        };
        // Nobody waits for it; a failure is in the server's log.
        self.commit_here(vec![put], |_, _| {});
    }
}

fn times(user: &User) -> Option<(u64, u64)> {
    let login = user.last_login_unix_ms?.get();
    Some((login, user.last_seen_unix_ms.map_or(login, std::num::NonZeroU64::get)))
}
