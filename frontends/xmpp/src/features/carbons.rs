//! XEP-0280 Message Carbons: a session asks for copies of what the user's other sessions send and receive. The copies
//! themselves are the engine's and the sessions' work.

use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::service::Host;

use super::ask::{Ask, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach, Xep};

const NS: &str = "urn:xmpp:carbons:2";

/// XEP-0280 sections 4 and 5 name this error for other people's copies.
const REACH: Reach = Reach {
    others: Err(Condition::NotAllowed),
    ..Reach::OWN
};

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(280, "1.0.1")],
    enabled: |_| true,
    domain: &[NS],
    account: &[],
    handlers: &[
        Handler {
            kind: QueryKind::Set,
            name: "enable",
            ns: NS,
            reach: REACH,
            run: enable,
        },
        Handler {
            kind: QueryKind::Set,
            name: "disable",
            ns: NS,
            reach: REACH,
            run: disable,
        },
    ],
};

fn enable(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    host.set_copies(ask.session(), true);
    Ok(Reply::Empty)
}

fn disable(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    host.set_copies(ask.session(), false);
    Ok(Reply::Empty)
}
