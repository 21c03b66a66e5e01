//! Presence from a client (RFC 6121 sections 3 and 4): its own, directed, and about subscriptions.

use crosspoint_engine::envelope::{Condition, Hints, Kind, PresenceKind};
use crosspoint_engine::session::Action;

use crate::codec::{CLIENT, Scanner, Stanza, unescape_text};
use crate::stanza::{children, kind};

use super::established::Established;
use super::inbound::Run;

/// Pushes what the engine is asked to do with a presence stanza; nothing for an error that is for nobody.
pub(super) fn read(
    session: &Established,
    stanza: &Stanza<'_>,
    scanner: &Scanner,
    run: &mut Run<'_>,
    actions: &mut Vec<Action>,
) -> Result<(), Condition> {
    let kind = kind::presence(stanza.kind.map(|kind| kind.unescape()).as_deref()).ok_or(Condition::BadRequest)?;
    let to = match stanza.to {
        Some(to) => Some(run.address(to)?),
        None => None,
    };
    let directed = to.is_some();
    let to = match (to, kind) {
        (Some(to), kind) if is_subscription(kind) => to.to_bare(),
        // Probes are the servers' business (RFC 6121 section 4.3).
        (_, PresenceKind::Probe) => return Err(Condition::NotAllowed),
        (Some(to), _) => to,
        (None, PresenceKind::Available | PresenceKind::Unavailable) => session.address.to_bare(),
        (None, PresenceKind::Error) => return Ok(()),
        (None, _) => return Err(Condition::BadRequest),
    };
    let priority = priority(stanza, scanner)?;
    let forged = scanner
        .children(stanza)
        .any(|child| children::is_forged(&child, &session.address));
    let body = match forged {
        false => run.share(stanza.body().as_bytes()),
        true => session.honest_body(stanza, scanner, run),
    };
    let hints = match kind {
        PresenceKind::Available | PresenceKind::Unavailable => Hints::DEFER,
        _ => Hints::NONE,
    };
    let envelope = session.envelope(stanza, Kind::Presence(kind), to, body, hints, run);
    actions.push(match directed {
        true => Action::Route { envelope, seq: None },
        false => Action::Presence { envelope, priority },
    });
    Ok(())
}

/// Whether it is about a subscription (RFC 6121 section 3).
pub(super) fn is_subscription(kind: PresenceKind) -> bool {
    match kind {
        PresenceKind::Subscribe | PresenceKind::Subscribed | PresenceKind::Unsubscribe | PresenceKind::Unsubscribed => {
            true
        }
        PresenceKind::Available | PresenceKind::Unavailable | PresenceKind::Probe | PresenceKind::Error => false,
    }
}

/// RFC 6121 section 4.7.2.3: at most one, an integer between -128 and 127; 0 if there is none.
fn priority(stanza: &Stanza<'_>, scanner: &Scanner) -> Result<i8, Condition> {
    let mut found = None;
    for child in scanner.children(stanza).filter(|child| child.is("priority", CLIENT)) {
        let value = unescape_text(child.inner())
            .trim()
            .parse()
            .map_err(|_| Condition::BadRequest)?;
        if found.replace(value).is_some() {
            return Err(Condition::BadRequest);
        }
    }
    Ok(found.unwrap_or(0))
}
