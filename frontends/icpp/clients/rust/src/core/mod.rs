//! The protocol without sockets, clock or randomness: whoever drives it gives it bytes, milliseconds and random numbers, and does
//! what it says.
//!
//! The driver's round, after anything has happened:
//!
//! 1. [`Core::poll_output`] until there is nothing: keep what is to be kept, answer who waits.
//! 2. [`Core::poll_dial`]: connect there, and say [`Core::connected`] or [`Core::dial_failed`].
//! 3. Write what [`Core::output`] holds to the connection named by [`Core::link`]; let any other connection go.
//! 4. Read, if [`Core::wants_input`]; say [`Core::received`] or [`Core::disconnected`].
//! 5. Sleep until [`Core::next_timeout`]; then say [`Core::timeout`].
//!
//! The life of a message: [`Core::send`] puts it into the outbox (`outbox`), from which it is written as credit allows
//! (`session`), again after each cut, with the same id, until the server accepts it: [`Output::Accepted`]. The other way: a frame
//! that was not seen before (`seen`) waits in the inbox (`inbox`) for [`Core::poll_incoming`], and is acknowledged once the
//! application has said [`Core::taken`].
//!
//! Files, from the outside in: `calls` (what applications ask), `connection` (what the world does), `login`, `session` and
//! `answers` (what servers say), and a file for each part of the state.
//!
//! Invariants: no I/O, no clock, no randomness of its own; whatever a server sends ends in an event or a [`ServerFault`]; every
//! queue is bounded ([`limits`]), as long as the driver follows the round.

mod answers;
mod calls;
mod connection;
mod contacts;
mod event;
mod fault;
mod inbox;
mod kept;
pub mod limits;
mod link;
mod login;
mod message;
mod outbox;
mod requests;
mod room_settings;
mod room_words;
mod rooms;
mod route;
mod scram;
mod seen;
mod session;
mod url;

use std::collections::VecDeque;

use crosspoint_icpp::codec::presence::Show;

pub use calls::{AddressList, ListChange, Subscribe};
pub use connection::{Dial, LinkId};
pub use contacts::{Contact, Shown, Subscribed};
pub use event::{Event, Output};
pub use fault::{Ending, Final, RedirectFault, Refused, RequestError, ScramFault, ServerFault, Told};
pub use inbox::Taking;
pub use kept::{Change, Kept, Queued, SeenKey, Ticket};
pub use message::{Activity, Asked, Incoming, Outgoing, Received};
pub use requests::{Answer, RequestId};
pub use room_settings::RoomSettings;
pub use room_words::{Affiliation, Occupant, Role, RoomList, RoomMember, RoomWord};
pub use rooms::ToRoom;
pub use scram::{EXPORTER_BYTES, NONCE_BYTES};
pub use url::{Endpoint, PORT_TCP, PORT_TLS, Transport, UrlError};

use connection::Dialing;
use contacts::{Presences, Roster};
use inbox::Inbox;
use limits::{EVENTS_MAX, HELLO_TEXT_BYTES_MAX};
use link::Link;
use outbox::Outbox;
use requests::Requests;
use route::Route;
use seen::Seen;

/// Who the client is, and where it connects.
#[derive(Clone)]
pub struct Settings {
    /// Bare address.
    pub account: String,
    /// Its password.
    pub password: String,
    /// The resource that the client would like; empty for the server's choice.
    pub resource: String,
    /// Name and version of the program, for the server's logs.
    pub agent: String,
    /// Servers, to be tried in turn.
    pub urls: Vec<Endpoint>,
    /// What is shown once connected. `None`: nothing, until [`Core::set_presence`].
    pub presence: Option<Shown>,
}

impl Settings {
    /// With these, an agent of ours, and available.
    #[must_use]
    pub fn new(account: &str, password: &str, urls: Vec<Endpoint>) -> Settings {
        Settings {
            account: account.to_owned(),
            password: password.to_owned(),
            resource: String::new(),
            agent: concat!("crosspoint-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            urls,
            presence: Some(Shown {
                address: String::new(),
                show: Show::Available,
                priority: 0,
                status: String::new(),
            }),
        }
    }

    /// What stands before the `@`.
    fn user(&self) -> &str {
        self.account.split('@').next().unwrap_or_default()
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Settings({} at {:?}, secret)", self.account, self.urls)
    }
}

/// A session that can be resumed.
#[derive(Debug)]
struct Resumable {
    token: Vec<u8>,
}

/// One user's client. See the module.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    /// As of the last call that told it.
    now: u64,
    dialing: Dialing,
    link: Option<Link>,
    /// Of the connection that is about to be there.
    exporter: Option<(LinkId, [u8; EXPORTER_BYTES])>,
    last_link: u64,
    output: Vec<u8>,
    route: Route,
    resumable: Option<Resumable>,
    address: String,
    /// Of the last session, of this program or the one before.
    resource: String,
    ended: Option<Final>,
    /// How the last connection, or attempt at one, ended.
    last_ending: Option<Ending>,
    /// The application leaves as soon as the outbox is empty.
    leaving: bool,

    outbox: Outbox,
    inbox: Inbox,
    seen: Seen,
    epoch: u64,
    offset: u64,
    /// The highest offset that has arrived, while older messages may still follow it.
    arrived_offset: u64,
    /// A SYNC has not been answered yet.
    sync_open: bool,
    ticket: Option<Ticket>,

    requests: Requests,
    roster: Roster,
    presences: Presences,
    presence_changes: VecDeque<Shown>,
    background: bool,
    /// Whether presence or state changed while the server could not be told.
    presence_untold: bool,
    state_untold: bool,

    events: VecDeque<Event>,
    outputs: VecDeque<Output>,
}

impl Core {
    /// A client that is not connected yet. `kept` is what its last run left.
    ///
    /// Texts that do not fit in a HELLO are cut off: the resource and the agent are wishes.
    #[must_use]
    pub fn new(mut settings: Settings, kept: Kept) -> Core {
        for text in [&mut settings.resource, &mut settings.agent] {
            if text.len() > HELLO_TEXT_BYTES_MAX {
                text.clear();
            }
        }
        Core {
            now: 0,
            dialing: Dialing::default(),
            link: None,
            exporter: None,
            last_link: 0,
            output: Vec::new(),
            route: Route::new(settings.urls.clone()),
            resumable: None,
            address: String::new(),
            resource: kept.resource,
            ended: None,
            last_ending: None,
            leaving: false,
            outbox: Outbox::new(kept.outbox),
            inbox: Inbox::default(),
            seen: Seen::new(kept.seen),
            epoch: kept.epoch,
            offset: kept.offset,
            arrived_offset: 0,
            sync_open: false,
            ticket: kept.ticket,
            requests: Requests::default(),
            roster: Roster::default(),
            presences: Presences::default(),
            presence_changes: VecDeque::new(),
            background: false,
            presence_untold: false,
            state_untold: false,
            events: VecDeque::new(),
            outputs: VecDeque::new(),
            settings,
        }
    }

    /// What is to be done for the core. To be asked for until there is nothing more, after each call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What has happened. If nobody asks, the oldest are forgotten.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next thing for the application. It must be said to be [`Core::taken`], or nothing after it is acknowledged. After the end
    /// there is nothing: the server keeps what was not taken.
    pub fn poll_incoming(&mut self) -> Option<(Taking, Incoming)> {
        match self.ended {
            None => self.inbox.poll(),
            Some(_) => None,
        }
    }

    /// The next change of presence. If nobody asks, the oldest are forgotten; [`Core::presence_of`] has the latest.
    pub fn poll_presence(&mut self) -> Option<Shown> {
        self.presence_changes.pop_front()
    }

    /// Why the client has stopped for good, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<&Final> {
        self.ended.as_ref()
    }

    /// How the last connection ended, or why none was made.
    #[must_use]
    pub fn last_ending(&self) -> Option<&Ending> {
        self.last_ending.as_ref()
    }

    fn tell(&mut self, event: Event) {
        if let Event::Disconnected(ending) = &event {
            self.last_ending = Some(ending.clone());
        }
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn keep(&mut self, change: Change) {
        self.outputs.push_back(Output::Keep(change));
    }
}
