//! Presence, subscriptions, and what is asked of the server: contacts, lists, history.
//!
//! Invariant: presence is said in neutral words, so that any front-end can write it.

use bytes::Bytes;
use crosspoint_engine::envelope::{Envelope, Hints, Kind, PresenceKind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::neutral::{Neutral, Show as Shown};
use crosspoint_engine::roster::Item;
use crosspoint_engine::service::Admission;
use crosspoint_engine::session::{Action, Context};

use crate::codec::contacts::{List, Roster, list_op, roster_op};
use crate::codec::cursor::Cursor;
use crate::codec::presence::{Presence, Show, Subscription};
use crate::codec::sync::History;
use crate::codec::{Code, Flags, Frame, HEADER_BYTES, Verb, write_frame};
use crate::config::IcppConfig;
use crate::parts;
use crate::queries;

use super::Flow;
use super::established::Established;
use super::inbound::Run;
use super::rooms;
use super::write::{Place, is_request};

/// Where the address of a PRESENCE begins in its frame.
const PRESENCE_ADDRESS: usize = HEADER_BYTES + 8;

/// What this session shows: to all, or to one address.
pub(super) fn presence(session: &mut Established, frame: &Frame<'_>, run: &mut Run<'_>, cx: &mut Context<'_>) -> Flow {
    let mut cursor = Cursor::new(frame.body);
    let presence = match Presence::read(&mut cursor).and_then(|presence| cursor.end().map(|()| presence)) {
        Ok(presence) => presence,
        Err(fault) => return fault.into(),
    };
    let kind = match presence.show {
        Show::Unavailable => PresenceKind::Unavailable,
        _ => PresenceKind::Available,
    };
    let said = Neutral {
        show: shown_as(presence.show),
        status: Some(presence.status.into()).filter(|_| !presence.status.is_empty()),
        priority: presence.priority,
        ..Neutral::default()
    };
    let to = match presence.address {
        "" => session.address.to_bare(),
        address => match run.address(address, PRESENCE_ADDRESS) {
            Some(address) => address,
            None => return Flow::Fail(Code::Malformed),
        },
    };
    let envelope = Envelope {
        content: said.pack(),
        hints: Hints::DEFER,
        ..Envelope::neutral(session.address.clone(), to, Kind::Presence(kind))
    };
    cx.actions.push(match presence.address {
        "" => Action::Presence {
            envelope,
            priority: presence.priority,
        },
        _ => Action::Route { envelope, seq: None },
    });
    Flow::Next
}

/// A show in neutral words.
pub(crate) fn shown_as(show: Show) -> Option<Shown> {
    Some(match show {
        Show::Unavailable => return None,
        Show::Available => Shown::Available,
        Show::Chat => Shown::Chat,
        Show::Away => Shown::Away,
        Show::ExtendedAway => Shown::ExtendedAway,
        Show::DoNotDisturb => Shown::DoNotDisturb,
    })
}

/// SUBSCRIBE, UNSUBSCRIBE, APPROVE or DENY: safe when the roster is.
pub(super) fn subscription(
    session: &mut Established,
    verb: Verb,
    frame: &Frame<'_>,
    config: &IcppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    let subscription = match Subscription::read(frame.body) {
        Ok(subscription) => subscription,
        Err(fault) => return fault.into(),
    };
    let Ok(to) = Jid::parse(subscription.address) else {
        return Flow::Fail(Code::Malformed);
    };
    if session.inbound.outstanding() >= config.limits.window as usize {
        return Flow::Fail(Code::CreditOverrun);
    }
    let kind = match verb {
        Verb::Subscribe => PresenceKind::Subscribe,
        Verb::Unsubscribe => PresenceKind::Unsubscribe,
        Verb::Approve => PresenceKind::Subscribed,
        _ => PresenceKind::Unsubscribed,
    };
    let said = Neutral {
        status: Some(subscription.note.into()).filter(|_| !subscription.note.is_empty()),
        ..Neutral::default()
    };
    let number = session.inbound.receive(false);
    cx.actions.push(Action::Route {
        envelope: Envelope {
            content: said.pack(),
            ..Envelope::neutral(session.address.clone(), to.to_bare(), Kind::Presence(kind))
        },
        seq: Some(number),
    });
    Flow::Next
}

/// ROSTER, BLOCK, ALLOW or HISTORY: the front-end answers at the user's home, which is here (`queries.rs`).
pub(super) fn query(
    session: &mut Established,
    verb: Verb,
    frame: &Frame<'_>,
    run: &mut Run<'_>,
    cx: &mut Context<'_>,
) -> Flow {
    if !is_request(frame) {
        return Flow::Fail(Code::Malformed);
    }
    let shape = match verb {
        Verb::Roster => Roster::read(frame.body).map(|_| ()),
        Verb::History => match History::read(frame.body) {
            Ok(asked) if asked.room => return rooms::query(session, verb, frame, run, cx),
            shape => shape.map(|_| ()),
        },
        _ => List::read(frame.body).map(|_| ()),
    };
    if let Err(fault) = shape {
        return fault.into();
    }
    let own = session.address.to_bare();
    cx.actions.push(Action::Route {
        envelope: Envelope {
            id: Bytes::copy_from_slice(&frame.header.id.to_le_bytes()),
            content: parts::query(verb, Flags::NONE, run.body(frame)),
            ..Envelope::neutral(session.address.clone(), own, Kind::Query(QueryKind::Set))
        },
        seq: None,
    });
    Flow::Next
}

impl Established {
    /// A contact changed (by any session of the user's, this one included).
    pub(super) fn push_contact(
        &mut self,
        item: &Item,
        removed: bool,
        version: u64,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Flow {
        let start = cx.outbox.len();
        let ack = self.ack();
        write_frame(cx.outbox, place.push(Verb::Roster, ack), |out| {
            queries::write_contacts(out, roster_op::PUSH, version, [(item, removed)].into_iter());
        });
        self.keep_frame(start, None, None, config, cx)
    }

    /// The white list changed.
    pub(super) fn push_admission(
        &mut self,
        change: &Admission,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Flow {
        let (op, addresses) = match change {
            Admission::Add(addresses) => (list_op::ADD, &addresses[..]),
            Admission::Remove(addresses) => (list_op::REMOVE, &addresses[..]),
            Admission::Enforce(true) => (list_op::ON, &[][..]),
            Admission::Enforce(false) => (list_op::OFF, &[][..]),
        };
        self.push_list(Verb::Allow, op, addresses, config, place, cx)
    }

    /// The black list changed.
    pub(super) fn push_blocks(
        &mut self,
        addresses: &[Jid],
        blocked: bool,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Flow {
        let op = match blocked {
            true => list_op::ADD,
            false => list_op::REMOVE,
        };
        self.push_list(Verb::Block, op, addresses, config, place, cx)
    }

    fn push_list(
        &mut self,
        verb: Verb,
        op: u8,
        addresses: &[Jid],
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Flow {
        // None, once, says that all were taken off.
        let frames = addresses.len().div_ceil(queries::ADDRESSES_A_FRAME).max(1);
        let chunks = (0..frames).map(|index| {
            let from = index * queries::ADDRESSES_A_FRAME;
            &addresses[from..addresses.len().min(from + queries::ADDRESSES_A_FRAME)]
        });
        for addresses in chunks {
            let start = cx.outbox.len();
            let ack = self.ack();
            write_frame(cx.outbox, place.push(verb, ack), |out| {
                List::write(out, op, addresses.iter().map(Jid::as_str));
            });
            match self.keep_frame(start, None, None, config, cx) {
                Flow::Next => {}
                flow => return flow,
            }
        }
        Flow::Next
    }
}
