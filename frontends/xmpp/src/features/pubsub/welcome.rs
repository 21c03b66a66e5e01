//! The last items for a session that has come, or that wants more than before (XEP-0163 section 4.3.1).
//!
//! ```text
//! session's home ──probe: the nodes that it wants──▶ homes of its contacts ──their last items──▶ session
//! ```
//! Invariants:
//! - Only nodes that the session wants are looked at, at most `LAST_ITEMS_MAX` of each contact, one item each.
//! - A probe is authorised at its addressee's home like any probe for presence (RFC 6121 section 4.3), then node by node.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Content, Envelope, Kind, PresenceKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::retrieve::{self, Occasion};

/// Between the names in a probe; no name can hold it.
const SEPARATOR: &str = "\0";

/// Asks all whom the session's user sees, and the user itself, for the last items of these nodes.
pub fn welcome(session: &Jid, nodes: &[String], host: &mut dyn Host) {
    let user = session.to_bare();
    let contacts = host
        .roster(&user)
        .map(|roster| roster.subscriptions().cloned().collect::<Vec<_>>());
    let names = Bytes::from(nodes.join(SEPARATOR));
    for whom in contacts.into_iter().flatten().chain([user]) {
        probe(session, whom, names.clone(), host);
    }
}

/// Asks one of them.
pub fn ask_for_last(session: &Jid, whom: &Jid, nodes: &[String], host: &mut dyn Host) {
    probe(session, whom.clone(), Bytes::from(nodes.join(SEPARATOR)), host);
}

fn probe(session: &Jid, whom: Jid, names: Bytes, host: &mut dyn Host) {
    let mut probe = Envelope::neutral(session.clone(), whom, Kind::Presence(PresenceKind::Probe));
    probe.content = Content {
        codec: Codec::Xmpp,
        head: Bytes::new(),
        body: names,
    };
    host.send(probe);
}

/// Such a probe has arrived, from somebody who may see the user.
pub fn welcomed(probe: &Envelope, host: &mut dyn Host) {
    let names = str::from_utf8(&probe.content.body).unwrap_or_default();
    let nodes: Vec<String> = names
        .split(SEPARATOR)
        .take(retrieve::LAST_ITEMS_MAX)
        .map(str::to_owned)
        .collect();
    retrieve::send_last(&probe.to, &probe.from, nodes, Occasion::Came, host);
}
