//! XEP-0199 XMPP Ping: is anyone there? The server says so for itself and, to its owner, for an account.

use crosspoint_engine::envelope::QueryKind;
use crosspoint_engine::service::Host;

use super::ask::{Ask, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach, Xep};

const NS: &str = "urn:xmpp:ping";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(199, "2.0.1")],
    enabled: |_| true,
    domain: &[NS],
    account: &[NS],
    handlers: &[Handler {
        kind: QueryKind::Get,
        name: "ping",
        ns: NS,
        reach: Reach::ALL,
        run: get,
    }],
};

fn get(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    ask.seen_only(host)?;
    Ok(Reply::Empty)
}
