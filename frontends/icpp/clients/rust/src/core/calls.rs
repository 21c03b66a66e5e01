//! What applications ask of the core. Nothing waits: frames go to the outbox or the output, answers come as outputs.

use crosspoint_icpp::codec::contacts::{List, Roster as RosterBody, list_op, roster_op};
use crosspoint_icpp::codec::message::tag;
use crosspoint_icpp::codec::presence::{Presence, Show, Subscription};
use crosspoint_icpp::codec::sync::{History, Sync};
use crosspoint_icpp::codec::{Flags, HEADER_BYTES, MessageId, Verb};

use super::fault::{Ending, Final, Refused};
use super::inbox::Taking;
use super::limits::ADDRESS_BYTES_MAX;
use super::message::{Activity, Outgoing, Received};
use super::requests::{Pending, RequestId};
use super::{Change, Contact, Core, Event, Queued, Shown};

/// Bytes of a name, a note, a status, all groups of a contact: whatever is not an address and not a payload.
const TEXT_BYTES_MAX: usize = 8_192;

/// Addresses in one change of a list.
const ADDRESSES_MAX: usize = 1_024;

/// Which list of addresses is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressList {
    /// Who does not reach the user.
    Black,
    /// Who alone reaches the user, while it is in force.
    White,
}

/// A change to a list of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListChange<'a> {
    /// Adds these.
    Add(&'a [&'a str]),
    /// Takes these off.
    Remove(&'a [&'a str]),
    /// Takes all off.
    Clear,
    /// The white list is in force from now on.
    On,
    /// It is not.
    Off,
}

/// What the client asks about presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subscribe {
    /// To see somebody's presence.
    Ask,
    /// Not to see it any more.
    GiveUp,
    /// Lets him see ours.
    Approve,
    /// Does not, or not any more.
    Deny,
}

impl Core {
    /// Sends a message, under an id that the caller has made ([`crosspoint_icpp::codec::ulid::make`]). It is sent until the server
    /// has it, over as many connections as it takes; then comes [`super::Output::Accepted`].
    pub fn send(&mut self, id: MessageId, message: &Outgoing) -> Result<(), Refused> {
        self.enqueue(message.queued(Verb::Send, id)?)
    }

    /// Replaces the payload of an earlier message of ours.
    pub fn edit(&mut self, id: MessageId, earlier: MessageId, message: Outgoing) -> Result<(), Refused> {
        let message = message.extension(tag::REF, &earlier);
        self.enqueue(message.queued(Verb::Edit, id)?)
    }

    /// Takes an earlier message of ours back.
    pub fn recall(&mut self, id: MessageId, earlier: MessageId, to: &str) -> Result<(), Refused> {
        self.recall_message(id, earlier, Outgoing::chat(to, ""))
    }

    /// The same, with a message without a payload: of another kind, or with what else the recall needs.
    pub fn recall_message(&mut self, id: MessageId, earlier: MessageId, message: Outgoing) -> Result<(), Refused> {
        let message = message.extension(tag::REF, &earlier);
        self.enqueue(message.queued(Verb::Recall, id)?)
    }

    /// Says that a message has arrived, or has been seen.
    pub fn receipt(&mut self, id: MessageId, of: &Received, displayed: bool) -> Result<(), Refused> {
        self.enqueue(Outgoing::receipt(of, displayed).queued(Verb::Receipt, id)?)
    }

    /// Says what the user is doing. Lost if there is no session, or the connection is slow.
    pub fn activity(&mut self, id: MessageId, to: &str, activity: Activity) -> Result<(), Refused> {
        let note = Outgoing::chat(to, "").kind(activity.number());
        let body = note.queued(Verb::Note, id)?.body;
        if self.in_session() && !self.is_congested() {
            self.put(Verb::Note, Flags::NONE, 0, |out| out.extend_from_slice(&body));
        }
        Ok(())
    }

    /// Asks for somebody's presence, or says who may see ours (RFC 6121 section 3). Goes by the outbox, as messages do.
    pub fn subscribe(&mut self, address: &str, what: Subscribe, note: &str) -> Result<(), Refused> {
        checked(address)?;
        if note.len() > TEXT_BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        let mut body = Vec::new();
        Subscription { address, note }.write(&mut body);
        self.enqueue(Queued {
            verb: match what {
                Subscribe::Ask => Verb::Subscribe,
                Subscribe::GiveUp => Verb::Unsubscribe,
                Subscribe::Approve => Verb::Approve,
                Subscribe::Deny => Verb::Deny,
            },
            nostore: false,
            id: None,
            body,
        })
    }

    pub(super) fn enqueue(&mut self, frame: Queued) -> Result<(), Refused> {
        if self.ended.is_some() || self.leaving {
            return Err(Refused::Ended);
        }
        self.outbox.push(frame.clone())?;
        self.keep(Change::Queued(frame));
        self.pump();
        Ok(())
    }

    /// How many frames wait for the server to accept them.
    #[must_use]
    pub fn outbox_len(&self) -> usize {
        self.outbox.len()
    }

    /// The application has this: it may be acknowledged, together with all that came before it.
    pub fn taken(&mut self, taking: Taking) {
        self.inbox.done(taking);
        self.pump();
    }

    /// The application will not finish with this: it is the next thing of [`Core::poll_incoming`] again.
    pub fn give_back(&mut self, taking: Taking) {
        self.inbox.give_back(taking);
    }

    /// The contacts, as far as they are known.
    pub fn roster(&self) -> impl Iterator<Item = &Contact> {
        self.roster.contacts()
    }

    /// What the sessions of somebody show; by bare address.
    pub fn presence_of<'a>(&'a self, address: &'a str) -> impl Iterator<Item = &'a Shown> {
        self.presences.of(address)
    }

    /// The full address of the session; empty before the first login.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether there is a session on a connection at the moment.
    #[must_use]
    pub fn in_session(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_in_session())
    }

    /// What this session shows from now on, also after reconnections.
    pub fn set_presence(&mut self, show: Show, priority: i8, status: &str) -> Result<(), Refused> {
        if status.len() > TEXT_BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        self.settings.presence = Some(Shown {
            address: String::new(),
            show,
            priority,
            status: status.to_owned(),
        });
        // A slow socket gets the latest only.
        self.presence_untold = !self.in_session() || self.is_congested();
        if !self.presence_untold {
            self.tell_presence();
        }
        Ok(())
    }

    /// Shows something to one address alone, if there is a session (SPEC.md section 8). It is not said again after a new login.
    pub fn show_to(&mut self, address: &str, show: Show, priority: i8, status: &str) -> Result<(), Refused> {
        checked(address)?;
        if status.len() > TEXT_BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        if !self.in_session() || self.is_congested() {
            return Err(Refused::NotConnected);
        }
        let presence = Presence {
            show,
            priority,
            address,
            status,
        };
        self.put(Verb::Presence, Flags::NONE, 0, |out| presence.write(out));
        Ok(())
    }

    pub(super) fn tell_presence(&mut self) {
        let Some(shown) = self.settings.presence.clone() else {
            return;
        };
        let presence = Presence {
            show: shown.show,
            priority: shown.priority,
            address: "",
            status: &shown.status,
        };
        self.put(Verb::Presence, Flags::NONE, 0, |out| presence.write(out));
    }

    /// In the background the heartbeat is slower, and presence and typing are kept back.
    pub fn set_background(&mut self, background: bool) {
        if self.background == background {
            return;
        }
        self.background = background;
        self.state_untold = !self.in_session();
        if !self.state_untold {
            self.tell_state();
        }
    }

    pub(super) fn tell_state(&mut self) {
        let state = u8::from(self.background);
        self.put(Verb::State, Flags::NONE, 0, |out| out.push(state));
    }

    /// Adds a contact, or changes its name and groups.
    pub fn set_contact(&mut self, address: &str, name: &str, groups: &[&str]) -> Result<RequestId, Refused> {
        checked(address)?;
        let groups_bytes: usize = groups.iter().map(|group| group.len() + 2).sum();
        if name.len() > TEXT_BYTES_MAX || groups_bytes > TEXT_BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        let entry = std::iter::once((0, 0, address, name, groups));
        self.request(Verb::Roster, Pending::RosterChange, |out| {
            RosterBody::write(out, roster_op::SET, 0, entry);
        })
    }

    /// Removes a contact, and subscriptions with it.
    pub fn remove_contact(&mut self, address: &str) -> Result<RequestId, Refused> {
        checked(address)?;
        let entry = std::iter::once((0, 0, address, "", &[][..]));
        self.request(Verb::Roster, Pending::RosterChange, |out| {
            RosterBody::write(out, roster_op::REMOVE, 0, entry);
        })
    }

    /// Asks for a list of addresses: [`super::Answer::Addresses`].
    pub fn list(&mut self, list: AddressList) -> Result<RequestId, Refused> {
        let pending = Pending::List {
            addresses: Vec::new(),
            in_force: None,
        };
        self.request(verb_of(list), pending, |out| {
            List::write(out, list_op::LIST, std::iter::empty());
        })
    }

    /// Changes a list of addresses: [`super::Answer::Done`] once it is durable.
    pub fn change_list(&mut self, list: AddressList, change: ListChange<'_>) -> Result<RequestId, Refused> {
        let (op, addresses) = match change {
            ListChange::Add(addresses) => (list_op::ADD, addresses),
            ListChange::Remove(addresses) => (list_op::REMOVE, addresses),
            ListChange::Clear => (list_op::REMOVE, &[][..]),
            ListChange::On => (list_op::ON, &[][..]),
            ListChange::Off => (list_op::OFF, &[][..]),
        };
        let named = matches!(change, ListChange::Add(_) | ListChange::Remove(_));
        if named && addresses.is_empty() {
            // On the wire, removing none would remove all.
            return Err(Refused::Address);
        }
        addresses.iter().try_for_each(|address| checked(address))?;
        let bytes: usize = addresses.iter().map(|address| address.len() + 2).sum();
        if addresses.len() > ADDRESSES_MAX || bytes + HEADER_BYTES > super::limits::OUTPUT_BYTES_FULL / 2 {
            return Err(Refused::TooLarge);
        }
        self.request(verb_of(list), Pending::ListChange, |out| {
            List::write(out, op, addresses.iter().copied());
        })
    }

    /// Asks for what was said, with somebody (a bare address) or with all (empty): a page of it before `bound`, or after it if
    /// `forwards`; 0 for the newest, or the oldest. `limit` 0 is the server's choice.
    pub fn history(&mut self, with: &str, bound: u64, limit: u16, forwards: bool) -> Result<RequestId, Refused> {
        self.ask_history(with, bound, limit, forwards, false)
    }

    /// The same of a room.
    pub fn room_history(&mut self, room: &str, bound: u64, limit: u16, forwards: bool) -> Result<RequestId, Refused> {
        self.ask_history(room, bound, limit, forwards, true)
    }

    fn ask_history(
        &mut self,
        with: &str,
        bound: u64,
        limit: u16,
        forwards: bool,
        room: bool,
    ) -> Result<RequestId, Refused> {
        if with.len() > ADDRESS_BYTES_MAX {
            return Err(Refused::Address);
        }
        let history = History {
            bound,
            limit,
            forwards,
            room,
            with,
        };
        self.request(Verb::History, Pending::History(Vec::new()), |out| history.write(out))
    }

    pub(super) fn request(
        &mut self,
        verb: Verb,
        pending: Pending,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<RequestId, Refused> {
        if self.ended.is_some() {
            return Err(Refused::Ended);
        }
        if !self.in_session() {
            return Err(Refused::NotConnected);
        }
        let id = self.requests.open(pending)?;
        self.put(verb, Flags::REQ, id.0, write);
        Ok(id)
    }

    pub(super) fn ping(&mut self) {
        let now = self.now;
        if let Some(link) = &mut self.link {
            link.pinged_at = now;
        }
        // One that is still open says the same; but the server has to hear something.
        let id = match self.requests.open(Pending::Ping) {
            Ok(id) => id.0,
            Err(_) => self.requests.fresh(),
        };
        self.put(Verb::Ping, Flags::REQ, id, |_| {});
    }

    pub(super) fn fetch_roster(&mut self) {
        let version = self.roster.version();
        let _ = self.request(Verb::Roster, Pending::Roster(Vec::new()), |out| {
            RosterBody::write(out, roster_op::GET, version, std::iter::empty());
        });
    }

    /// Asks for what waits beyond what the application has taken.
    pub(super) fn sync(&mut self) {
        self.sync_open = true;
        let sync = Sync {
            epoch: self.epoch,
            offset: self.offset,
        };
        let _ = self.request(Verb::Sync, Pending::Sync, |out| sync.write(out));
    }

    /// Takes nothing more, and says goodbye once the server has accepted everything.
    pub fn leave(&mut self) {
        self.leaving = true;
        self.pump();
    }

    /// Says goodbye: the session is over, and the client with it. What has not been accepted stays kept for the next run.
    pub fn close(&mut self) {
        if self.ended.is_some() {
            return;
        }
        if self.in_session() {
            self.put(Verb::Bye, Flags::NONE, 0, |_| {});
        }
        let goodbye = std::mem::take(&mut self.output);
        if self.link.is_some() {
            self.end_link(Ending::Closed, 0);
        }
        self.finish(Final::Closed);
        self.output = goodbye;
    }

    /// The store could not keep something.
    pub fn store_failed(&mut self, why: String) {
        self.tell(Event::StoreFailed(why));
    }
}

pub(super) fn checked(address: &str) -> Result<(), Refused> {
    match (1..=ADDRESS_BYTES_MAX).contains(&address.len()) {
        true => Ok(()),
        false => Err(Refused::Address),
    }
}

fn verb_of(list: AddressList) -> Verb {
    match list {
        AddressList::Black => Verb::Block,
        AddressList::White => Verb::Allow,
    }
}
