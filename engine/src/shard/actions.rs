//! What sessions ask for, carried out in order.

use super::sessions::Order;
use super::table::SessionId;
use super::{Routed, Shard, Ticket};
use crate::envelope::{Condition, Envelope, Kind, PresenceKind, QueryKind};
use crate::metrics::{Doing, protocol};
use crate::session::{Action, BindFault, Event};
use crate::slots::UserKey;
use crate::store::RecordId;

/// No commit takes longer, or nobody would wait for it.
const HEIR_MS: u64 = 60_000;

impl Shard {
    pub(super) fn perform(&mut self, id: SessionId, action: Action) {
        if self.sessions.get(id).is_none_or(|entry| entry.closing) {
            return self.perform_for_nobody(id, action);
        }
        match action {
            Action::Route { envelope, seq } => self.send(id, envelope, seq),
            Action::Settle(records) => self.settle(id, records),
            Action::SettleWhenWritten(records) => self.settle_when_flushed(id, records),
            Action::Presence { envelope, priority } => self.shows_itself(id, envelope, priority),
            Action::StartTls => self.orders.push(Order::StartTls(id)),
            Action::FetchKeys { account } => self.at_login().fetch_keys(id, account),
            Action::CheckPassword { account, password } => self.at_login().check_password(id, account, password),
            Action::CheckToken(shown) => self.at_login().check_token(id, shown),
            Action::IssueToken {
                client,
                mechanism,
                lifetime_ms,
            } => self.at_login().issue_token(id, client, mechanism, lifetime_ms),
            Action::CompleteKeys { account, salted } => self.at_login().complete_keys(id, account, *salted),
            Action::AuthFailed { .. } => self.auth_failed(id),
            Action::Authenticated { account } => self.at_login().authenticated(id, account),
            Action::Bind { resource } => self.at_login().bind(id, resource),
            Action::Return { records, envelopes } => self.give_back(id, &records, envelopes),
            Action::Detach { token, seconds } => {
                let until = self.now.ms + u64::from(seconds) * 1000;
                self.put_to_sleep(id, token, until);
            }
            Action::Resumable { token } => {
                if let Some(entry) = self.sessions.get_mut(id) {
                    entry.token = Some(Box::new(token));
                }
            }
            Action::Resume { token } => self.resume(id, &token),
            Action::Sync { after } => self.sync_queue(id, after),
            Action::ReadsArchive => self.leave_to_archive(id),
            Action::Hold(hold) => self.hold_back(id, hold),
            Action::Listen { copies, changes } => self.listen(id, copies, changes),
            Action::Spend {
                account,
                key,
                until_unix_ms,
            } => {
                let now_unix_ms = self.now.unix_ms;
                let good = self.spent.spend(UserKey::of(&account), key, until_unix_ms, now_unix_ms);
                self.event(id, Event::Spent(good));
            }
            Action::Register { account, password } => self.register_in_band(id, account, password),
            Action::Pause => self.pause(id, true),
            Action::Continue => self.pause(id, false),
            Action::WakeAt(at_ms) => self.arm(id, at_ms),
            Action::Linger => self.lingering[0].push(id),
            Action::HangUp => self.hang_up(id),
            Action::Close => self.close(id),
            Action::Doze(dozing) => self.doze(id, dozing),
            Action::Unseen { envelope } => self.unseen(id, &envelope),
            Action::Attach { domain } => self.attach(id, &domain),
            Action::SpeakFor { envelope } => self.speak_for(id, envelope),
            Action::Place { shard } => self.place(id, shard),
            Action::Embark { key, peer, note } => self.embark(id, key, &peer, &note),
            Action::Feed { key, bytes } => self.feed(id, key, &bytes),
            Action::Disembark { key } => self.disembark(id, key),
            Action::HoldPassenger { key, held } => self.hold_passenger(id, key, held),
            Action::Tell { key, parcel } => self.tell_passenger(id, key, parcel),
            Action::Relay(parcel) => self.relay(id, parcel),
        }
    }

    /// The input that is being handled is a login: if it takes long, that is what is said of it.
    fn at_login(&mut self) -> &mut Self {
        self.metrics.doing[0].set(Doing::Login as u64);
        self
    }

    /// A session that is closing or gone may still have asked for something that must not be lost.
    fn perform_for_nobody(&mut self, id: SessionId, action: Action) {
        if let Action::Return { records, envelopes } = action {
            self.give_back(id, &records, envelopes);
        }
    }

    /// An envelope from a bound session: stamped, then on its way.
    fn send(&mut self, id: SessionId, mut envelope: Envelope, seq: Option<u64>) {
        let Some(entry) = self.sessions.get(id) else { return };
        let (Some(address), Some(user)) = (&entry.address, entry.user) else {
            return self.send_from_service(id, envelope);
        };
        // The session stamps it, and the shard sees to it that the stamp is true.
        if envelope.from != *address {
            envelope.from = address.clone();
        }
        self.metrics.stanzas_in[protocol(entry.frontend.into())].add(1);
        self.split.talks(address);
        let ticket = seq.map(|seq| Ticket {
            shard: self.id,
            session: id,
            seq,
        });
        let routed = Routed { envelope, ticket };
        if self
            .users
            .get(user)
            .and_then(|user| user.present())
            .is_some_and(|present| present.leaving)
        {
            return self.refuse_session(id, routed, Condition::NotAuthorized);
        }
        let to = &routed.envelope.to;
        if !to.same_domain(&self.setup.domain) && self.is_room(to) {
            return self.room_from(id, user, routed);
        }
        match routed.envelope.kind {
            Kind::Message(_) => self.message_from(id, user, routed),
            Kind::Query(QueryKind::Get | QueryKind::Set) => self.query_from(id, user, routed),
            Kind::Query(_) => self.dispatch(routed),
            Kind::Presence(PresenceKind::Available | PresenceKind::Unavailable) => {
                self.directed_presence(id, user, routed)
            }
            Kind::Presence(PresenceKind::Error) => self.dispatch(routed),
            Kind::Presence(PresenceKind::Probe) => self.accept(routed.ticket),
            Kind::Presence(_) => self.subscription_from(user, routed),
        }
    }

    /// Records that are not held for anybody to resend are settled when the socket has their bytes.
    fn settle_when_flushed(&mut self, id: SessionId, records: Vec<RecordId>) {
        let waiting = self
            .sessions
            .get(self.sessions.writer_of(id))
            .map_or(0, |entry| entry.outbox.len());
        let Some(entry) = self.sessions.get_mut(id) else { return };
        if waiting == 0 || entry.sleeps_until.is_some() {
            return self.settle(id, records);
        }
        let first = entry.on_flush.is_empty();
        entry.on_flush.extend(records);
        if first {
            self.await_flush(id);
        }
    }

    /// RFC 6120 section 7: the session gets an address.
    fn bind(&mut self, id: SessionId, wish: Option<String>) {
        let Some(uid) = self.sessions.get(id).and_then(|entry| entry.user) else {
            return;
        };
        let Some(user) = self.users.get(uid) else { return };
        let full = match wish {
            Some(wish) => user.address.with_resource(&wish),
            None => {
                let mut random = [0u8; 8];
                self.random.fill(&mut random);
                user.address
                    .with_resource(&format!("{:016x}", u64::from_le_bytes(random)))
            }
        };
        let Ok(full) = full else {
            return self.event(id, Event::BindFailed(BindFault::Malformed));
        };
        let rival = full
            .resource()
            .and_then(|name| user.resource(name))
            .map(|resource| resource.session);
        let full_house = user.resources.len() >= self.setup.limits.sessions_per_user;
        // Whoever starts anew again and again is not locked out by the sessions that he has left behind.
        let rival = rival.or_else(|| self.longest_asleep(user).filter(|_| full_house));
        if rival.is_none() && full_house {
            return self.event(id, Event::BindFailed(BindFault::TooMany));
        }
        if let Some(rival) = rival {
            self.dismiss(rival, crate::session::Farewell::Replaced);
            self.unbind(rival);
        }
        self.enter(id, uid, full.clone());
        let epoch = self.setup.epoch();
        self.event(id, Event::Bound { address: full, epoch });
    }

    /// The user's session that waits for its client and would be given up first.
    fn longest_asleep(&self, user: &super::user::User) -> Option<SessionId> {
        let sessions = user.resources.iter().map(|resource| resource.session);
        let asleep = sessions.filter_map(|session| Some((self.sessions.get(session)?.sleeps_until?, session)));
        asleep.min().map(|(_, session)| session)
    }

    fn enter(&mut self, id: SessionId, uid: super::user::UserId, full: crate::jid::Jid) {
        let Some(user) = self.users.get_mut(uid) else { return };
        if user.resources.is_empty() {
            // One text for both.
            user.address = full.to_bare();
        }
        // Most users have one session: no room for four.
        user.resources.reserve_exact(1);
        user.resources.push(super::user::Resource {
            session: id,
            address: full.clone(),
            presence: None,
            copies: false,
            roster_interest: false,
            block_interest: false,
            directed: Default::default(),
        });
        if let Some(entry) = self.sessions.get_mut(id) {
            entry.address = Some(full);
        }
        self.metrics.sessions.add(1);
        self.note_login(uid);
    }

    fn listen(&mut self, id: SessionId, copies: bool, changes: bool) {
        let Some(uid) = self.sessions.get(id).and_then(|entry| entry.user) else {
            return;
        };
        if let Some(resource) = self.users.get_mut(uid).and_then(|user| user.resource_of_mut(id)) {
            resource.copies = copies;
            (resource.roster_interest, resource.block_interest) = (changes, changes);
        }
    }

    /// The session is a resource no more: the world learns that it is gone, and what it held is pending again.
    pub(super) fn unbind(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get_mut(id) else { return };
        let (address, uid) = (entry.address.take(), entry.user.take());
        let Some(uid) = uid else { return self.detach(id) };
        self.showing.forget(id);
        if address.is_some() {
            self.gone(id, uid);
            if let Some(user) = self.users.get_mut(uid) {
                user.resources.retain(|resource| resource.session != id);
            }
            self.metrics.sessions.set(self.metrics.sessions.get().saturating_sub(1));
            self.release_held(id, uid);
            self.note_leaving(uid);
        }
        self.unpin(uid);
        self.route_returned();
    }

    /// XEP-0198 section 5, in neutral words: a new connection takes the place of a sleeping (or dying) session.
    fn resume(&mut self, id: SessionId, token: &[u8]) {
        let Some(uid) = self.sessions.get(id).and_then(|entry| entry.user) else {
            return;
        };
        let Some(old_id) = self.sleeper(uid, id, token) else {
            return self.event(id, Event::ResumeFailed);
        };
        let Some(old) = self.extract(old_id) else {
            return self.event(id, Event::ResumeFailed);
        };
        let Some(old_entry) = self.sessions.get_mut(old_id) else {
            return;
        };
        let had_transport = old_entry.sleeps_until.is_none() && !old_entry.is_carried();
        let (address, token) = (old_entry.address.take(), old_entry.token.take());
        old_entry.user = None;
        old_entry.closing = true;
        self.unpin(uid);
        self.heirs.insert(old_id, (id, self.now.ms + HEIR_MS));
        self.replace_holder(uid, old_id, id);
        self.showing.inherit(old_id, id);
        if let Some(resource) = self.users.get_mut(uid).and_then(|user| user.resource_of_mut(old_id)) {
            resource.session = id;
        }
        if had_transport {
            self.orders.push(Order::Close(old_id));
        } else {
            self.remove(old_id);
        }
        let Some(entry) = self.sessions.get_mut(id) else { return };
        entry.address = address.clone();
        entry.token = token;
        self.metrics.resumed.add(1);
        if let Some(address) = address {
            self.event(id, Event::Resumed { old, address });
        }
        self.continue_queue(id);
    }

    fn sleeper(&self, uid: super::user::UserId, id: SessionId, token: &[u8]) -> Option<SessionId> {
        use subtle::ConstantTimeEq as _;
        let user = self.users.get(uid)?;
        user.resources.iter().map(|resource| resource.session).find(|other| {
            let held = self.sessions.get(*other).and_then(|entry| entry.token.as_ref());
            *other != id && held.is_some_and(|held| bool::from(held.ct_eq(token)))
        })
    }

    /// Whose home is it?
    pub(super) fn home_of(&self, key: UserKey) -> u16 {
        self.setup.table.owner(key.slot())
    }
}
