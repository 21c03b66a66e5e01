//! XEP-0012 Last Activity: since when the server runs, since when a user is away.
//!
//! Only who may see a user's presence may ask; everybody else is told the same about every address, whether there is an
//! account or not (XEP-0012 section 8).

use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::service::Host;

use super::ask::{Ask, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach, Target, Xep};
use crate::codec::Builder;

const NS: &str = "jabber:iq:last";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(12, "2.0")],
    enabled: |_| true,
    domain: &[NS],
    account: &[NS],
    handlers: &[Handler {
        kind: QueryKind::Get,
        name: "query",
        ns: NS,
        reach: Reach::ALL,
        run: get,
    }],
};

fn get(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let seconds = match ask.target {
        Target::Domain => host.now().ms / 1000,
        Target::Own | Target::Other => away_s(ask, host)?,
    };
    let mut out = Vec::new();
    Builder::new(&mut out)
        .open("query")
        .attr("xmlns", NS)
        .attr("seconds", &*seconds.to_string());
    Ok(Reply::Body(out))
}

/// Seconds since the account was last online; 0 while it is.
fn away_s(ask: &Ask<'_>, host: &mut dyn Host) -> Result<u64, Condition> {
    if !ask.may_see(host) {
        return Err(Condition::Forbidden);
    }
    let account = ask.account();
    if !host.available(&account).is_empty() {
        return Ok(0);
    }
    let seen_ms = host.last_seen(&account).ok_or(Condition::ItemNotFound)?;
    Ok(host.now().unix_ms.saturating_sub(seen_ms) / 1000)
}
