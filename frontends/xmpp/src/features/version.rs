//! XEP-0092 Software Version: of the server.

use crosspoint_engine::envelope::QueryKind;
use crosspoint_engine::service::Host;

use super::ask::{Ask, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach, Xep};
use crate::codec::Builder;

const NS: &str = "jabber:iq:version";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(92, "1.1")],
    enabled: |_| true,
    domain: &[NS],
    account: &[],
    handlers: &[Handler {
        kind: QueryKind::Get,
        name: "query",
        ns: NS,
        reach: Reach::DOMAIN,
        run: get,
    }],
};

fn get(_: &Ask<'_>, facts: &Facts, _: &mut dyn Host) -> Outcome {
    let software = &facts.config.software;
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("query").attr("xmlns", NS);
    el.open("name").text(&software.name).close();
    el.open("version").text(&software.version).close();
    if let Some(os) = &software.os {
        el.open("os").text(os).close();
    }
    el.finish();
    Ok(Reply::Body(out))
}
