//! XEP-0077 In-Band Registration for those who have an account: its password, and its end. Creating accounts belongs to
//! streams that have not authenticated, hence to the session.

use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::ask::{Ask, Reply};
use super::config::FeatureConfig;
use super::{Facts, Feature, Handler, Outcome, Reach, Xep};
use crate::codec::Builder;

const NS: &str = "jabber:iq:register";

/// Longest new password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1023;

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(77, "2.4")],
    enabled,
    domain: &[NS],
    account: &[],
    handlers: &[
        Handler {
            kind: QueryKind::Get,
            name: "query",
            ns: NS,
            reach: Reach::HOME,
            run: get,
        },
        Handler {
            kind: QueryKind::Set,
            name: "query",
            ns: NS,
            reach: Reach::HOME,
            run: set,
        },
    ],
};

fn enabled(config: &FeatureConfig) -> bool {
    config.password_change || config.account_removal
}

/// Whoever can ask is registered (section 3.1.1).
fn get(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    ask.local_only(host)?;
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("query").attr("xmlns", NS);
    el.open("registered").close();
    el.open("username")
        .text(ask.session().node().unwrap_or_default())
        .close();
    el.open("password").close();
    el.finish();
    Ok(Reply::Body(out))
}

fn set(ask: &Ask<'_>, facts: &Facts, host: &mut dyn Host) -> Outcome {
    ask.local_only(host)?;
    if ask.payload.child("remove", NS).is_some() {
        return remove(ask, facts, host);
    }
    change_password(ask, facts, host)
}

/// Section 3.2: `<remove/>` must be the only child.
fn remove(ask: &Ask<'_>, facts: &Facts, host: &mut dyn Host) -> Outcome {
    if ask.payload.children().count() != 1 {
        return Err(Condition::BadRequest);
    }
    if !facts.config.account_removal {
        return Err(Condition::NotAllowed);
    }
    let later = ask.later();
    let then = move |result, host: &mut dyn Host| later.done(result, host);
    host.remove_account(&ask.account(), Box::new(then));
    Ok(Reply::Later)
}

/// Section 3.3: both the own name and a new password. An empty password never replaces one.
fn change_password(ask: &Ask<'_>, facts: &Facts, host: &mut dyn Host) -> Outcome {
    let username = ask.payload.child("username", NS).ok_or(Condition::BadRequest)?.text();
    let password = ask.payload.child("password", NS).ok_or(Condition::BadRequest)?.text();
    if password.is_empty() {
        return Err(Condition::BadRequest);
    }
    if !facts.config.password_change || !names(&username, &ask.account()) {
        return Err(Condition::NotAllowed);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Condition::NotAcceptable);
    }
    let later = ask.later();
    let then = move |result, host: &mut dyn Host| later.done(result, host);
    host.set_password(&ask.account(), password.into(), Box::new(then));
    Ok(Reply::Later)
}

/// Whether a user name, as typed, is this account's.
fn names(username: &str, account: &Jid) -> bool {
    Jid::from_parts(Some(username), account.domain(), None).is_ok_and(|named| named == *account)
}
