//! XEP-0441 Message Archive Management Preferences: a user says what of the user's own is archived.
//!
//! Invariant: what is answered is what is in force.

use crosspoint_engine::archiving::{Keep, Preferences};
use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::NS;
use crate::codec::{Builder, Element};
use crate::features::ask::{Ask, Reply};
use crate::features::{Facts, Feature, Handler, Outcome, Reach, Xep};

pub(in crate::features) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(441, "0.2.0")],
    enabled: |config| config.archive,
    domain: &[],
    account: &[],
    handlers: &[
        Handler {
            kind: QueryKind::Get,
            name: "prefs",
            ns: NS,
            reach: Reach::OWN,
            run: get,
        },
        Handler {
            kind: QueryKind::Set,
            name: "prefs",
            ns: NS,
            reach: Reach::OWN,
            run: set,
        },
    ],
};

fn get(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let answer = match host.archiving(&ask.account()) {
        Some(wishes) => write(wishes),
        None => write(&Preferences::default()),
    };
    Ok(Reply::Body(answer))
}

fn set(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let keep = match ask.payload.attr("default") {
        Some("always") => Keep::Always,
        Some("never") => Keep::Never,
        Some("roster") => Keep::Roster,
        _ => return Err(Condition::BadRequest),
    };
    let (always, never) = (list(ask.payload, "always")?, list(ask.payload, "never")?);
    let wishes = Preferences::new(keep, always, never).map_err(|_| Condition::NotAcceptable)?;
    let (later, answer) = (ask.later(), write(&wishes));
    let done = move |result: Result<(), Condition>, host: &mut dyn Host| {
        later.finish(result.map(|()| Reply::Body(answer)), host);
    };
    host.set_archiving(&ask.account(), wishes, Box::new(done));
    Ok(Reply::Later)
}

/// The addresses of one of the lists; a list that is not there is empty.
fn list(payload: &Element<'_>, name: &str) -> Result<Vec<Jid>, Condition> {
    let Some(list) = payload.child(name, NS) else {
        return Ok(Vec::new());
    };
    let entries = list.children().filter(|child| child.is("jid", NS));
    let entries = entries.map(|entry| Jid::parse(entry.text().trim()).map_err(|_| Condition::JidMalformed));
    entries.collect()
}

fn write(wishes: &Preferences) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut prefs = Builder::new(&mut out);
    let keep = match wishes.keep() {
        Keep::Always => "always",
        Keep::Never => "never",
        Keep::Roster => "roster",
    };
    prefs.open("prefs").attr("xmlns", NS).attr("default", keep);
    for (name, list) in [("always", wishes.always()), ("never", wishes.never())] {
        prefs.open(name);
        for entry in list {
            prefs.open("jid").text(entry.as_str()).close();
        }
        prefs.close();
    }
    prefs.finish();
    out
}
