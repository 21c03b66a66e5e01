//! XEP-0012 Last Activity: since when the server runs, since when a user is away.
//!
//! Only who may see a user's presence may ask; everybody else is told the same about every address, whether there is an
//! account or not (XEP-0012 section 8).

use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::service::{Host, Row, Table};
use crosspoint_engine::store;

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
    if ask.target == Target::Domain {
        return Ok(Reply::Body(query(host.now().ms / 1000)));
    }
    if !ask.may_see(host) {
        return Err(Condition::Forbidden);
    }
    let account = ask.account();
    if !host.available(&account).is_empty() {
        return Ok(Reply::Body(query(0)));
    }
    let now = host.now().unix_ms;
    if let Some(seen) = host.last_seen(&account) {
        return Ok(Reply::Body(query(now.saturating_sub(seen) / 1000)));
    }
    let later = ask.later();
    let then = move |rows: Result<Vec<Row>, Condition>, host: &mut dyn Host| {
        let seen = rows.map(|rows| rows.first().and_then(|row| store::last_seen(&row.value)));
        let answer = seen.and_then(|seen| seen.ok_or(Condition::ItemNotFound));
        later.finish(
            answer.map(|(_, seen)| Reply::Body(query(now.saturating_sub(seen) / 1000))),
            host,
        );
    };
    host.read(Table::Setting, store::last_seen_key(&account), Box::new(then));
    Ok(Reply::Later)
}

fn query(seconds: u64) -> Vec<u8> {
    let mut out = Vec::new();
    Builder::new(&mut out)
        .open("query")
        .attr("xmlns", NS)
        .attr("seconds", &*seconds.to_string());
    out
}
