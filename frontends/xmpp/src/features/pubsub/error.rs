//! Why a request was refused: a stanza error, and what XEP-0060 says more exactly.
//!
//! Invariant: the peer's faults are these and no others.

use crosspoint_engine::envelope::Condition;

use crate::codec::Builder;
use crate::stanza::condition;

const NS: &str = "http://jabber.org/protocol/pubsub#errors";

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub condition: Condition,
    pub detail: Option<Detail>,
}

/// XEP-0060's own conditions (section 17.3): those that we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    ClosedNode,
    InvalidJid,
    InvalidPayload,
    ItemRequired,
    JidRequired,
    MaxNodesExceeded,
    MaxItemsExceeded,
    NodeIdRequired,
    NotInRosterGroup,
    NotSubscribed,
    PayloadRequired,
    PayloadTooBig,
    PreconditionNotMet,
    PresenceSubscriptionRequired,
    TooManySubscriptions,
    Unsupported(&'static str),
}

impl Fault {
    pub fn new(condition: Condition, detail: Detail) -> Fault {
        Fault {
            condition,
            detail: Some(detail),
        }
    }

    /// A feature of the specification that we do not have.
    pub fn unsupported(feature: &'static str) -> Fault {
        Fault::new(Condition::FeatureNotImplemented, Detail::Unsupported(feature))
    }

    /// The `<error/>` element.
    pub fn element(self) -> Vec<u8> {
        let (name, kind) = condition::wire(self.condition);
        let mut out = Vec::new();
        let mut el = Builder::new(&mut out);
        el.open("error").attr("type", kind);
        el.empty(name, "urn:ietf:params:xml:ns:xmpp-stanzas");
        if let Some(detail) = self.detail {
            el.open(detail.name()).attr("xmlns", NS);
            if let Detail::Unsupported(feature) = detail {
                el.attr("feature", feature);
            }
            el.close();
        }
        el.finish();
        out
    }
}

impl From<Condition> for Fault {
    fn from(condition: Condition) -> Fault {
        Fault {
            condition,
            detail: None,
        }
    }
}

impl Detail {
    fn name(self) -> &'static str {
        match self {
            Detail::ClosedNode => "closed-node",
            Detail::InvalidJid => "invalid-jid",
            Detail::InvalidPayload => "invalid-payload",
            Detail::ItemRequired => "item-required",
            Detail::JidRequired => "jid-required",
            Detail::MaxNodesExceeded => "max-nodes-exceeded",
            Detail::MaxItemsExceeded => "max-items-exceeded",
            Detail::NodeIdRequired => "nodeid-required",
            Detail::NotInRosterGroup => "not-in-roster-group",
            Detail::NotSubscribed => "not-subscribed",
            Detail::PayloadRequired => "payload-required",
            Detail::PayloadTooBig => "payload-too-big",
            Detail::PreconditionNotMet => "precondition-not-met",
            Detail::PresenceSubscriptionRequired => "presence-subscription-required",
            Detail::TooManySubscriptions => "too-many-subscriptions",
            Detail::Unsupported(_) => "unsupported",
        }
    }
}
