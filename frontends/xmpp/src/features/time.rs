//! XEP-0202 Entity Time: the server's clock, in the profile of XEP-0082.

use crosspoint_engine::envelope::QueryKind;
use crosspoint_engine::service::Host;

use super::ask::{Ask, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach, Xep};
use crate::codec::Builder;
use crate::stanza::time as moment;

const NS: &str = "urn:xmpp:time";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(202, "2.0")],
    enabled: |_| true,
    domain: &[NS],
    account: &[],
    handlers: &[Handler {
        kind: QueryKind::Get,
        name: "time",
        ns: NS,
        reach: Reach::DOMAIN,
        run: get,
    }],
};

/// A server has users everywhere and lives nowhere: its zone is UTC.
fn get(_: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let (mut out, mut utc) = (Vec::new(), Vec::new());
    moment::write(&mut utc, host.now().unix_ms);
    let mut el = Builder::new(&mut out);
    el.open("time").attr("xmlns", NS);
    el.open("tzo").text("+00:00").close();
    el.open("utc").raw(&utc);
    el.finish();
    Ok(Reply::Body(out))
}
