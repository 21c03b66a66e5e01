//! The session establishment of RFC 3921 section 3, which RFC 6121 appendix E made a formality: it always succeeds.

use crosspoint_engine::envelope::QueryKind;
use crosspoint_engine::service::Host;

use super::ask::{Ask, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach};

const NS: &str = "urn:ietf:params:xml:ns:xmpp-session";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[],
    enabled: |_| true,
    domain: &[],
    account: &[],
    handlers: &[Handler {
        kind: QueryKind::Set,
        name: "session",
        ns: NS,
        reach: Reach::HOME,
        run: set,
    }],
};

fn set(_: &Ask<'_>, _: &Facts, _: &mut dyn Host) -> Outcome {
    Ok(Reply::Empty)
}
