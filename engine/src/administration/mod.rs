//! What an administrator may order while the switch runs, in no protocol's words (XEP-0133 names the same things).
//!
//! An [`Order`] is given on one shard and carried out where it belongs: at an account's home, on every shard in turn, in the
//! book, or on the first shard, which alone changes what holds for the whole service ([`Service`]). `shard/administration.rs`
//! does that.
//!
//! Invariants:
//! - What is reported as done is durable, and every shard knows of it.
//! - Lists end at [`LIST_MAX`], texts at [`NOTICE_BYTES_MAX`]; a shard looks at [`SURVEY_STEP_USERS`] users at a time.
#![forbid(unsafe_code)]

mod service;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::envelope::Condition;
use crate::jid::Jid;
use crate::roster::Item;
use crate::service::Host;

pub use service::{Change, ENTRIES_MAX, NOTICE_BYTES_MAX, Notice, SERVICE_KEY, Service};

/// Most addresses of one answer.
pub const LIST_MAX: usize = 1_000;
/// Users that a shard looks at before it does something else.
pub const SURVEY_STEP_USERS: usize = 8_192;
/// Surveys of one shard that wait for their next step.
pub const SURVEYS_MAX: usize = 64;
/// Rows of the book that are looked at in one request.
pub const SURVEY_PAGE_ROWS: u32 = 1_000;

/// What is to be done, or told. Accounts are bare addresses of this domain.
#[derive(Debug, Clone)]
pub enum Order {
    /// Make an account, whether registration is open or not. `Conflict` if there is one.
    Create {
        /// Bare.
        account: Jid,
        /// Never logged.
        password: Secret,
    },
    /// Remove it with everything that belongs to it.
    Remove(Jid),
    /// Let nobody log in to it, and end its sessions; what belongs to it stays, and messages wait for it.
    Disable(Jid),
    /// Undo that.
    Enable(Jid),
    /// End the session with this full address, or all of this account.
    EndSessions(Jid),
    /// Set a new password; its sessions end.
    SetPassword {
        /// Bare.
        account: Jid,
        /// Never logged.
        password: Secret,
    },
    /// Tell what is known of an account. Answered by `User`.
    Inspect(Jid),
    /// How many are there? Answered by `Count`.
    Count(Crowd),
    /// Who are they? Answered by `List`, in no order, of at most so many (and at most [`LIST_MAX`]).
    List(Crowd, usize),
    /// Say this to everybody who has a session. Answered by `Count`: to how many.
    Announce(Arc<str>),
    /// Change what holds for the whole service.
    Amend(Change),
    /// End the switch, or begin it anew, after so many milliseconds.
    End(Ending, u64),
    /// From the first shard to the others: this holds from now on.
    Adopt(Arc<Service>),
}

/// A password on its way; not shown.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("(a password)")
    }
}

/// Which accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Crowd {
    /// All there are.
    Registered,
    /// Those that nobody may log in to.
    Disabled,
    /// Those with a session, be it asleep.
    Online,
    /// Those of them with a session that is available and shows no absence.
    Active,
    /// Those of them without one.
    Idle,
}

/// What has come of an order.
#[derive(Debug, Clone)]
pub enum Report {
    /// It is done.
    Done,
    /// So many.
    Count(u64),
    /// These.
    List {
        /// No more than asked for.
        addresses: Vec<Jid>,
        /// There are others.
        more: bool,
    },
    /// This is the account.
    User(Box<UserReport>),
}

/// What is known of an account.
#[derive(Debug, Clone, Default)]
pub struct UserReport {
    /// When it was made, in Unix milliseconds.
    pub created_unix_ms: u64,
    /// When somebody last logged in, in Unix milliseconds; `None` if never, or before that was noted.
    pub last_login_unix_ms: Option<u64>,
    /// Nobody may log in.
    pub disabled: bool,
    /// The contacts.
    pub roster: Vec<Item>,
    /// Full addresses of its sessions, and where their clients are.
    pub sessions: Vec<(Jid, IpAddr)>,
    /// Messages that wait for it.
    pub waiting: u64,
}

/// Called once with what has come of an order.
pub type ThenReport = Box<dyn FnOnce(Result<Report, Condition>, &mut dyn Host) + Send>;

/// How the switch is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ending {
    /// For good.
    Shutdown = 1,
    /// The process begins anew.
    Restart = 2,
}

/// What all shards have in common for this.
#[derive(Debug, Default)]
pub struct Administration {
    /// Who may give orders, by configuration. Others may be named while the switch runs ([`Change::Administrators`]).
    pub administrators: Vec<Jid>,
    /// What held for the service when the switch was started.
    pub service: Arc<Service>,
    /// What an administrator has ordered, once its time has come.
    ending: AtomicU8,
}

impl Administration {
    /// At the start of a switch.
    #[must_use]
    pub fn new(administrators: Vec<Jid>, service: Service) -> Administration {
        Administration {
            administrators,
            service: Arc::new(service),
            ending: AtomicU8::new(0),
        }
    }

    /// The time has come.
    pub(crate) fn end(&self, ending: Ending) {
        self.ending.store(ending as u8, Ordering::Relaxed);
    }

    /// What the process is to do, if an administrator has ordered its end.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        match self.ending.load(Ordering::Relaxed) {
            1 => Some(Ending::Shutdown),
            2 => Some(Ending::Restart),
            _ => None,
        }
    }
}
