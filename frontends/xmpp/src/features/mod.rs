//! What the server answers itself: queries to the domain and to users' bare addresses, one file per feature.
//!
//! A feature's file declares in one [`Feature`] its namespaces, what service discovery says of it, and its handlers; its
//! limits stand beside them. [`LIST`] is the one list: a new feature is a file, and a line there.
//!
//! Invariants:
//! - Every query is answered exactly once, by a result or by an error, now or from a continuation.
//! - Who may ask is decided here, by the handler's [`Reach`], before the handler runs, and without looking whether the
//!   account exists: a stranger learns nothing from the answer (XEP-0030 section 8, RFC 6120 section 13.10).
//! - An error never carries the request's payload back: it may be a password (XEP-0077 section 3.3).

use std::cell::RefCell;

use crosspoint_engine::envelope::{Codec, Condition, Envelope, Kind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{Host, RosterChange, Waiting};

mod administration;
mod amplify;
pub mod archive;
mod ask;
pub(crate) mod avatar;
mod blocking;
mod bookmarks;
mod caps;
mod carbons;
mod commands;
mod config;
mod contact;
mod disco;
pub mod exchange;
mod external;
mod form;
mod interest;
mod last;
mod legacy;
pub(crate) mod mds;
mod offline;
mod outage;
mod ping;
mod private;
mod privilege;
mod pubsub;
mod push;
mod register;
mod reporting;
mod retraction;
mod rooms;
mod roster;
pub mod stream_limits;
mod streams;
mod time;
pub mod upload;
mod vcard;
mod vcard4;
mod version;
mod web;
mod xml;

pub use amplify::{EVENTS_BURST, EVENTS_PER_S};
pub use blocking::BLOCK_ITEMS_MAX;
pub use blocking::push_body as block_push_body;
pub use caps::{NODE as CAPS_NODE, NS as CAPS_NS};
pub use commands::{SESSION_MS_MAX, SESSIONS_MAX, SESSIONS_PER_USER_MAX};
pub use config::{Contacts, FeatureConfig, PushShows, Software};
pub use external::{External, ExternalService};
pub use interest::{ASKING_MAX as CAPS_ASKING_MAX, KNOWN_MAX as CAPS_KNOWN_MAX};
pub use private::{PRIVATE_BYTES_MAX, PRIVATE_DOCUMENTS_MAX, PRIVATE_NAME_BYTES_MAX};
pub use privilege::{NS as PRIVILEGE_NS, PRIVILEGED_QUERY_BYTES_MAX};
pub use pubsub::{
    AFFILIATIONS_PER_NODE_MAX, ANSWER_BYTES_MAX, BYTES_PER_USER_MAX, ITEM_BYTES_MAX, ITEMS_PER_NODE_MAX,
    NAME_BYTES_MAX, NODES_PER_USER_MAX, SUBSCRIBERS_PER_NODE_MAX,
};
pub use push::{PUSH_FAILURES_MAX, PUSH_NODE_BYTES_MAX, PUSH_OPTIONS_BYTES_MAX, PUSH_REGISTRATIONS_MAX};
pub use register::PASSWORD_BYTES_MAX;
pub use reporting::{IDS_MAX, REPORTS_MAX, REPORTS_PER_USER_MAX, TEXT_BYTES_MAX};
pub use roster::push_body as roster_push_body;
pub use vcard::VCARD_BYTES_MAX;
pub(crate) use xml::standalone;

use crate::codec::{Child, Element};
use crate::components::Component;
use ask::{Ask, Reply};
pub(crate) use xml::content as xml_content;

/// All features, in the order in which their files are read best.
const LIST: &[&Feature] = &[
    &disco::FEATURE,
    &caps::FEATURE,
    &roster::FEATURE,
    &blocking::FEATURE,
    &carbons::FEATURE,
    &archive::FEATURE,
    &archive::PREFERENCES,
    &retraction::FEATURE,
    &private::FEATURE,
    &vcard::FEATURE,
    &register::FEATURE,
    &ping::FEATURE,
    &version::FEATURE,
    &time::FEATURE,
    &last::FEATURE,
    &legacy::FEATURE,
    &offline::FEATURE,
    &commands::FEATURE,
    &administration::FEATURE,
    &pubsub::FEATURE,
    &rooms::FEATURE,
    &reporting::FEATURE,
    &external::FEATURE,
    &outage::FEATURE,
    &streams::FEATURE,
    &upload::FEATURE,
    &bookmarks::FEATURE,
    &avatar::FEATURE,
    &vcard4::FEATURE,
    &web::FEATURE,
    &mds::FEATURE,
    &exchange::FEATURE,
    &push::FEATURE,
    &privilege::FEATURE,
];

/// What a feature declares about itself.
struct Feature {
    /// The specifications that it implements. The README's table is held to them by a test.
    xeps: &'static [Xep],
    /// Whether this installation has it.
    enabled: fn(&FeatureConfig) -> bool,
    /// What disco#info of the domain lists for it.
    domain: &'static [&'static str],
    /// What disco#info of an account lists for it.
    account: &'static [&'static str],
    /// The queries that it answers.
    handlers: &'static [Handler],
}

/// An XMPP Extension Protocol, at the version that was read when it was implemented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Xep {
    /// `45` for XEP-0045.
    pub number: u16,
    /// As its revision history has it.
    pub version: &'static str,
    /// Which source file declares it.
    pub file: &'static str,
}

impl Xep {
    #[track_caller]
    const fn new(number: u16, version: &'static str) -> Xep {
        let file = std::panic::Location::caller().file();
        Xep { number, version, file }
    }
}

/// One kind of query, and what answers it.
struct Handler {
    /// `Get` or `Set`.
    kind: QueryKind,
    /// The payload's local name.
    name: &'static str,
    /// The payload's namespace.
    ns: &'static str,
    /// Who may ask whom.
    reach: Reach,
    /// Answers it.
    run: fn(&Ask<'_>, &Facts, &mut dyn Host) -> Outcome,
}

/// Where a query of one kind may be addressed to.
#[derive(Clone, Copy)]
struct Reach {
    /// To the domain.
    domain: bool,
    /// To one's own bare address, which is also what no address means (RFC 6120 section 8.1.1.1).
    own: bool,
    /// To other users' bare addresses; the error if not.
    others: Result<(), Condition>,
}

impl Reach {
    /// The domain only.
    const DOMAIN: Reach = Reach {
        domain: true,
        own: false,
        others: Err(Condition::ServiceUnavailable),
    };
    /// One's own account only.
    const OWN: Reach = Reach {
        domain: false,
        own: true,
        others: Err(Condition::Forbidden),
    };
    /// One's own account, under its address or the domain's.
    const HOME: Reach = Reach {
        domain: true,
        ..Reach::OWN
    };
    /// Anyone's account. The handler asks whether this sender may know.
    const ACCOUNTS: Reach = Reach {
        domain: false,
        own: true,
        others: Ok(()),
    };
    /// The domain, and anyone's account.
    const ALL: Reach = Reach {
        domain: true,
        ..Reach::ACCOUNTS
    };

    fn check(self, target: Target) -> Result<(), Condition> {
        match target {
            Target::Domain if self.domain => Ok(()),
            Target::Own if self.own => Ok(()),
            Target::Domain | Target::Own => Err(Condition::ServiceUnavailable),
            Target::Other => self.others,
        }
    }
}

/// Whom a query is addressed to, seen from its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// The server.
    Domain,
    /// The sender's own account.
    Own,
    /// Another user's account, which may not exist.
    Other,
}

/// What a handler gives back.
type Outcome = Result<Reply, Condition>;

/// What all handlers know: computed once.
struct Facts {
    config: FeatureConfig,
    /// With what they may do.
    components: Vec<Component>,
    disco: disco::Tables,
    /// Ad-hoc commands that wait for a form.
    commands: RefCell<commands::Desk>,
    reporting: reporting::Reporting,
}

/// The features of one front-end on one shard.
pub struct Features {
    facts: Facts,
    handlers: Vec<&'static Handler>,
    interests: interest::Interests,
    debts: amplify::Debts,
}

impl Features {
    /// Builds the dispatch and what service discovery says.
    pub fn new(config: &FeatureConfig) -> Features {
        let enabled: Vec<_> = LIST.iter().filter(|feature| (feature.enabled)(config)).collect();
        let domain = enabled.iter().flat_map(|feature| feature.domain).copied().collect();
        let account = enabled.iter().flat_map(|feature| feature.account).copied().collect();
        let disco = disco::Tables::new(config, domain, account);
        let handlers = enabled.iter().flat_map(|feature| feature.handlers).collect();
        let debts = amplify::Debts::default();
        Features {
            facts: Facts {
                config: config.clone(),
                components: Vec::new(),
                disco,
                commands: RefCell::default(),
                reporting: reporting::Reporting::new(config.reports_to.clone()),
            },
            handlers,
            interests: interest::Interests::new(debts.clone()),
            debts,
        }
    }

    /// The same, with these components.
    #[must_use]
    pub fn with_components(mut self, components: &[Component]) -> Features {
        self.facts.components = components.to_vec();
        self
    }

    /// The server's entity capabilities hash (XEP-0115 section 5): SHA-1 in base64.
    pub fn caps_ver(&self) -> &str {
        self.facts.disco.ver()
    }

    /// The `<c/>` element by which the stream features announce the server's capabilities (XEP-0115 section 6.3).
    pub fn caps_element(&self) -> String {
        caps::element(self.caps_ver())
    }

    /// The specifications of all features, this installation's or not, sorted.
    pub fn xeps() -> Vec<Xep> {
        let mut xeps: Vec<Xep> = LIST.iter().flat_map(|feature| feature.xeps).copied().collect();
        xeps.sort_unstable();
        xeps
    }

    /// What disco#info lists for the domain, sorted.
    pub fn domain_features(&self) -> &[&'static str] {
        self.facts.disco.domain_features()
    }

    /// What disco#info lists for an account, sorted.
    pub fn account_features(&self) -> &[&'static str] {
        self.facts.disco.account_features()
    }

    /// Answers a query (`Get` or `Set`) to the domain or to a bare address. `content.body` is the payload element;
    /// `content.head` may hold the prefixes that it uses.
    pub fn on_query(&mut self, query: Envelope, host: &mut dyn Host) {
        let outcome = self.answer(&query, host);
        ask::Later::new(&query).finish(outcome, host);
    }

    /// Something waits for a user of this shard.
    pub fn on_waiting(&mut self, waiting: &Waiting, host: &mut dyn Host) {
        push::on_waiting(waiting, &self.facts, host);
    }

    /// An account is no more.
    pub fn on_account_removed(&mut self, user: &Jid) {
        if let Some(uploads) = &self.facts.config.uploads {
            uploads.0.forget(user.bare_str());
        }
    }

    /// A roster of this shard has changed.
    pub fn on_roster_change(&mut self, change: &RosterChange, host: &mut dyn Host) {
        privilege::on_roster_change(change, &self.facts, host);
    }

    /// A session shows presence, or is gone.
    pub fn on_presence(&mut self, presence: &Envelope, host: &mut dyn Host) {
        self.interests.on_presence(presence, host);
    }

    /// A user may see a contact from now on: those who want it get the contact's last items.
    pub fn on_subscribed(&mut self, user: &Jid, contact: &Jid, host: &mut dyn Host) {
        for (session, _) in host.available(user) {
            let nodes = self.interests.of(&session);
            if !nodes.is_empty() {
                pubsub::ask_for_last(&session, contact, &nodes, host);
            }
        }
    }

    /// A session of somebody who may see this user wants the last items of some nodes.
    pub fn on_probe(&mut self, probe: &Envelope, host: &mut dyn Host) {
        pubsub::welcomed(probe, host);
    }

    /// Whether an event is for this session.
    pub fn wants(&self, session: &Jid, event: &Envelope) -> bool {
        pubsub::node_of(&event.content.body).is_some_and(|node| self.interests.wants(session, &node))
    }

    fn answer(&mut self, query: &Envelope, host: &mut dyn Host) -> Outcome {
        let Kind::Query(kind @ (QueryKind::Get | QueryKind::Set)) = query.kind else {
            return Ok(Reply::Later);
        };
        if query.content.codec != Codec::Xmpp {
            return Err(Condition::FeatureNotImplemented);
        }
        let stanza = xml::stanza(&query.content)?;
        let stanza = xml::parse(&stanza)?;
        let payload = xml::payload(&stanza)?;
        if rooms::are_meant(&query.to, host) {
            let target = Target::Other;
            return rooms::answer(&Ask { query, payload, target }, kind, host);
        }
        let handler = self.find(kind, payload)?;
        let mut target = target(query);
        if target == Target::Other && privilege::reaches_roster(&self.facts, &query.from, kind, payload) {
            // As it would have been answered to the user (XEP-0356 section 4.3).
            target = Target::Own;
        }
        handler.reach.check(target)?;
        let ask = Ask { query, payload, target };
        self.debts.pay(handler, ask.session(), &ask.account(), host)?;
        (handler.run)(&ask, &self.facts, host)
    }

    fn find(&self, kind: QueryKind, payload: &Element<'_>) -> Result<&'static Handler, Condition> {
        let mut refusal = Condition::ServiceUnavailable;
        for handler in &self.handlers {
            if !payload.is(handler.name, handler.ns) {
                continue;
            }
            match handler.kind {
                known if known == kind => return Ok(handler),
                // What can only be read may not be changed by anyone...
                QueryKind::Get => refusal = Condition::NotAllowed,
                // ...and reading a command means nothing.
                _ => refusal = Condition::BadRequest,
            }
        }
        Err(refusal)
    }
}

/// Whether a client takes this for news of its own account, which only the server has (RFC 6121 section 2.1.6, XEP-0191).
pub(crate) fn is_push(child: &Child<'_>) -> bool {
    child.is("query", roster::NS) || child.namespace == blocking::NS
}

fn target(query: &Envelope) -> Target {
    if query.to.node().is_none() {
        Target::Domain
    } else if query.to.same_bare(&query.from) {
        Target::Own
    } else {
        Target::Other
    }
}
