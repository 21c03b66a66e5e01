//! Who is in memory: users are read from the book and the log when something concerns them, and forgotten when idle.
//!
//! Invariants:
//! - While a user is being loaded, what arrives for it waits in order, within `Limits::parked_per_user`.
//! - A user with sessions, waiting work or `pins` is never forgotten.

use crosspoint_storage::seam::{BookRead, BookRequest, JournalRequest, Row, Table};

use super::Shard;
use super::badges;
use super::ledger::{Outcome, Waiting};
use super::table::SessionId;
use super::user::{Loading, Present, State, User, UserId};
use crate::accounts::Account;
use crate::admitting::{self, AllowList};
use crate::archiving::{self, Preferences};
use crate::blocking::BlockList;
use crate::jid::Jid;
use crate::roster::{Item, Roster};
use crate::session::{Event, Farewell};
use crate::slots::UserKey;
use crate::store;

impl Shard {
    /// Brings a user into memory: asks the book and the log. `address` is bare and has memory of its own.
    pub(super) fn load(&mut self, key: UserKey, address: &Jid) -> UserId {
        let uid = self.users.insert(key, address.clone());
        self.request_user(uid);
        uid
    }

    fn request_user(&mut self, uid: UserId) {
        let Some(user) = self.users.get_mut(uid) else { return };
        match &mut user.state {
            State::Loading(loading) => (loading.found, loading.counted, loading.stale) = (None, false, false),
            other => *other = State::Loading(Box::default()),
        }
        let (address, key) = (user.address.clone(), user.key);
        let rows_max = u32::MAX;
        let own = |table| BookRead::Prefix {
            table,
            prefix: store::user_prefix(&address),
            after: bytes::Bytes::new(),
            rows_max,
        };
        let reads = vec![
            BookRead::Get {
                table: Table::Account,
                key: store::user_key(&address),
            },
            own(Table::Roster),
            own(Table::Block),
            BookRead::Get {
                table: Table::Document,
                key: store::part_key(&address, admitting::PART),
            },
            BookRead::Get {
                table: Table::Setting,
                key: store::part_key(&address, archiving::PART),
            },
            BookRead::Get {
                table: Table::Setting,
                key: store::part_key(&address, badges::PART),
            },
        ];
        let token = self.expect(move |shard, outcome| shard.found(uid, outcome));
        self.outgoing.book.push(BookRequest::Read { token, reads });
        let token = self.ledger.enter(Waiting::Counted(uid));
        self.outgoing
            .journal
            .push(JournalRequest::Pending { token, user: key.0 });
    }

    /// The book has answered.
    fn found(&mut self, uid: UserId, outcome: Outcome) {
        let Some(user) = self.users.get_mut(uid) else { return };
        let address = user.address.clone();
        let present = match outcome {
            Outcome::Rows(results) => read_user(&address, self.now.unix_ms, &results),
            _ => Err(()),
        };
        let present = present.unwrap_or_else(|()| {
            tracing::error!(user = %address, "cannot be loaded: its rows in the book are unreadable; treated as absent");
            self.metrics.storage_failed.add(1);
            None
        });
        if let Some(State::Loading(loading)) = self.users.get_mut(uid).map(|user| &mut user.state) {
            loading.found = Some(present);
        }
        self.loaded(uid);
    }

    /// The log has answered.
    pub(super) fn counted(&mut self, uid: UserId, records: u64, bytes: u64, last: store::RecordId) {
        let Some(user) = self.users.get_mut(uid) else { return };
        user.queue.loaded(records, bytes, last);
        self.record_last = self.record_last.max(last);
        if let State::Loading(loading) = &mut user.state {
            loading.counted = true;
        }
        self.loaded(uid);
    }

    /// When both have answered, what waited goes on, in order.
    fn loaded(&mut self, uid: UserId) {
        let Some(user) = self.users.get_mut(uid) else { return };
        let State::Loading(loading) = &mut user.state else {
            return;
        };
        if !loading.counted || loading.found.is_none() {
            return;
        }
        if loading.stale {
            return self.request_user(uid);
        }
        let Loading {
            parked,
            sessions,
            calls,
            found,
            ..
        } = std::mem::take(&mut **loading);
        user.state = match found.flatten() {
            Some(present) => State::Present(present),
            None => State::Absent,
        };
        for session in sessions {
            self.arrived_home(session, uid);
        }
        for call in calls {
            call(self, uid);
        }
        for routed in parked {
            match self.users.get(uid).map(|user| &user.state) {
                Some(State::Present(_)) => self.decide(uid, routed),
                _ => self.nobody(routed),
            }
        }
        self.touch(uid);
    }

    /// A session has proved who it is, and is on its home shard.
    pub(super) fn come_home(&mut self, id: SessionId, account: Jid) {
        let key = UserKey::of(&account);
        let uid = self
            .users
            .find(key, &account)
            .unwrap_or_else(|| self.load(key, &account.detached()));
        match self.users.get_mut(uid).map(|user| &mut user.state) {
            Some(State::Loading(loading)) => loading.sessions.push(id),
            _ => self.arrived_home(id, uid),
        }
    }

    /// Does something with a user as soon as it is in memory.
    pub(super) fn with_user(&mut self, account: &Jid, call: super::user::Call) {
        let key = UserKey::of(account);
        let uid = self
            .users
            .find(key, account)
            .unwrap_or_else(|| self.load(key, &account.detached()));
        match self.users.get_mut(uid).map(|user| &mut user.state) {
            Some(State::Loading(loading)) => loading.calls.push(call),
            _ => call(self, uid),
        }
    }

    fn arrived_home(&mut self, id: SessionId, uid: UserId) {
        let Some(user) = self.users.get_mut(uid) else { return };
        if user.present().is_none_or(|present| present.disabled) {
            return self.dismiss(id, Farewell::AccountChanged);
        }
        let Some(entry) = self.sessions.get_mut(id) else { return };
        if entry.user.is_none() {
            entry.user = Some(uid);
            user.pins += 1;
        }
        self.event(id, Event::Homed);
        self.offer_unread(id);
    }

    /// Something of this user's is under way: it stays in memory.
    pub(super) fn pin(&mut self, uid: UserId) {
        if let Some(user) = self.users.get_mut(uid) {
            user.pins += 1;
        }
    }

    /// A session no longer belongs to its user, or what was under way is done.
    pub(super) fn unpin(&mut self, uid: UserId) {
        if let Some(user) = self.users.get_mut(uid) {
            user.pins = user.pins.saturating_sub(1);
        }
        self.touch(uid);
    }

    /// This user was just of use; if nothing holds it, its time to be forgotten begins anew.
    pub(super) fn touch(&mut self, uid: UserId) {
        let now = self.now.ms;
        let Some(user) = self.users.get_mut(uid) else { return };
        user.last_used_ms = now;
        if user.is_idle() && !user.in_idle_list {
            user.in_idle_list = true;
            self.users.idle.push_back(uid);
        }
    }

    pub(super) fn expire_idle_users(&mut self) {
        let (idle_ms, max) = (self.setup.limits.user_idle_ms, self.setup.limits.idle_users_per_shard);
        // Each is looked at once at most: whoever was used since goes to the end.
        for _ in 0..self.users.idle.len() {
            let Some(uid) = self.users.idle.front().copied() else {
                return;
            };
            let crowded = self.users.idle.len() > max;
            let Some(user) = self.users.get_mut(uid) else {
                self.users.idle.pop_front();
                continue;
            };
            let expired = user.last_used_ms + idle_ms <= self.now.ms;
            if !user.is_idle() {
                user.in_idle_list = false;
                self.users.idle.pop_front();
            } else if expired || crowded {
                self.users.idle.pop_front();
                self.write_times(uid);
                self.users.remove(uid);
            } else if user.queued_at_ms == user.last_used_ms {
                return;
            } else {
                user.queued_at_ms = user.last_used_ms;
                self.users.idle.pop_front();
                self.users.idle.push_back(uid);
            }
        }
    }

    /// Somebody outside of this shard changed or removed the account: its sessions end, and it is read anew.
    pub(super) fn account_changed(&mut self, account: &Jid) {
        let key = UserKey::of(account);
        let Some(uid) = self.users.find(key, account) else {
            return;
        };
        let Some(user) = self.users.get_mut(uid) else { return };
        let sessions: Vec<SessionId> = user.resources.iter().map(|resource| resource.session).collect();
        if let State::Loading(loading) = &mut user.state {
            loading.stale = true;
            return;
        }
        for session in sessions {
            self.dismiss(session, Farewell::AccountChanged);
            self.unbind(session);
        }
        self.request_user(uid);
    }
}

impl User {
    /// Nothing needs this user in memory.
    fn is_idle(&self) -> bool {
        self.pins == 0 && self.resources.is_empty() && !self.queue.is_busy() && !matches!(self.state, State::Loading(_))
    }
}

/// `Ok(None)`: no such account.
fn read_user(address: &Jid, unix_ms: u64, results: &[Vec<Row>]) -> Result<Option<Box<Present>>, ()> {
    let [account, roster, blocks, allows, archiving, badge] = results else {
        return Err(());
    };
    let Some(account) = account.first() else {
        return Ok(None);
    };
    let account = Account::decode(&account.value).map_err(|_| ())?;
    let prefix = store::user_prefix(address);
    let (header, items) = match roster.split_first() {
        Some((header, items)) if header.key == prefix => (Some(header), items),
        _ => (None, roster.as_slice()),
    };
    let roster = match header {
        Some(header) => Roster::load(&header.value, items.iter().map(|row| &*row.value)).map_err(|_| ())?,
        // Requests alone change no version, so they may stand without a header.
        None if items
            .iter()
            .all(|row| Item::decode(&row.value).is_ok_and(|item| !item.listed)) =>
        {
            Roster::load(&Roster::empty(unix_ms).header(), items.iter().map(|row| &*row.value)).map_err(|_| ())?
        }
        None => return Err(()),
    };
    let blocked: Result<Vec<Jid>, _> = blocks
        .iter()
        .map(|row| Jid::parse_bytes(row.key.slice(prefix.len().min(row.key.len())..)))
        .collect();
    let mut blocks = BlockList::default();
    blocks
        .block(blocked.map_err(|_| ())?.iter().map(Jid::detached))
        .map_err(|_| ())?;
    let allows = match allows.first() {
        Some(row) => Some(AllowList::decode(&row.value).ok_or(())?),
        None => None,
    };
    let archiving = match archiving.first() {
        Some(row) => Some(Preferences::decode(&row.value).ok_or(())?),
        None => None,
    };
    let mut present = Present {
        created_unix_ms: account.created_unix_ms,
        leaving: false,
        disabled: account.disabled,
        roster,
        blocks,
        seldom: None,
    };
    present.set_allows(allows);
    present.set_archiving(archiving);
    present.set_badge(badge.first().map(|row| row.value.clone()));
    Ok(Some(Box::new(present)))
}
