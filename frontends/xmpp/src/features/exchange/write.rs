//! What belongs to a user, written as the elements of XEP-0227.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_engine::accounts::Account;
use crosspoint_engine::envelope::{Codec, Envelope};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::roster::Item;
use crosspoint_engine::scram::HashedPassword;
use crosspoint_engine::store::RecordId;

use super::{LIST, NS_ACCOUNT, NS_DELAY, NS_FORWARD, NS_MAM, NS_PRIVACY, NS_SCRAM};
use crate::codec::{Builder, CLIENT};
use crate::features::roster;
use crate::neutral;
use crate::session::write_stanza;
use crate::stanza::time;

/// When it was made, and whether it is disabled.
pub fn account(out: &mut Vec<u8>, account: &Account) {
    let mut created = Vec::new();
    time::write(&mut created, account.created_unix_ms);
    let created = String::from_utf8_lossy(&created);
    let mut el = Builder::new(out);
    el.open("account").attr("xmlns", NS_ACCOUNT).attr("created", &*created);
    el.attr_opt("disabled", account.disabled.then_some("true"));
}

/// Section 4.3, for one hash.
pub fn credentials(out: &mut Vec<u8>, hashed: &HashedPassword) {
    let mut el = Builder::new(out);
    el.open("scram-credentials").attr("xmlns", NS_SCRAM);
    el.attr("mechanism", hashed.mechanism);
    el.open("iter-count").text(&hashed.iterations.to_string()).close();
    for (name, bytes) in [
        ("salt", &hashed.salt),
        ("server-key", &hashed.server),
        ("stored-key", &hashed.stored),
    ] {
        el.open(name).text(&STANDARD.encode(bytes)).close();
    }
}

/// One contact (section 4.4): within `<query xmlns='jabber:iq:roster'/>`.
pub fn roster_item(out: &mut Vec<u8>, item: &Item) {
    roster::write_item(&mut Builder::new(out), item);
}

/// Somebody waits for an answer (section 4.9).
pub fn subscription_request(out: &mut Vec<u8>, item: &Item, request: Option<&Envelope>) {
    let mut el = Builder::new(out);
    el.open("presence").attr("xmlns", CLIENT).attr("type", "subscribe");
    el.attr("from", item.jid.as_str());
    if let Some(request) = request.filter(|request| request.content.codec == Codec::Xmpp) {
        el.raw(&request.content.body);
    }
}

/// The black list as a privacy list (section 4.8) that denies, and by default is in force. Nothing for an empty one.
pub fn black_list<'a>(out: &mut Vec<u8>, addresses: impl Iterator<Item = &'a Jid>) {
    let mut addresses = addresses.peekable();
    if addresses.peek().is_none() {
        return;
    }
    let mut el = Builder::new(out);
    el.open("query").attr("xmlns", NS_PRIVACY);
    el.open("default").attr("name", LIST).close();
    el.open("list").attr("name", LIST);
    let mut order = 0;
    for address in addresses {
        order += 1;
        el.open("item").attr("type", "jid").attr("value", address.as_str());
        el.attr("action", "deny").attr("order", &*order.to_string()).close();
    }
    // Without a last word of its own a list that denies somebody denies nobody else; readers that want one have it.
    el.open("item")
        .attr("action", "allow")
        .attr("order", &*(order + 1).to_string())
        .close();
}

/// A message that waits (section 4.5): within `<offline-messages/>`. False if it cannot be said in XML.
pub fn waiting(out: &mut Vec<u8>, envelope: &Envelope, domain: &Jid, neutral: Option<Envelope>) -> bool {
    let Some(envelope) = spoken(envelope, neutral) else {
        return false;
    };
    write_stanza(out, &envelope, domain, Some(CLIENT));
    true
}

/// A message of the history (section 4.11): within `<archive/>`. False if it cannot be said in XML.
pub fn archived(out: &mut Vec<u8>, id: RecordId, envelope: &Envelope, domain: &Jid, neutral: Option<Envelope>) -> bool {
    let Some(mut envelope) = spoken(envelope, neutral) else {
        return false;
    };
    let mut stamp = Vec::new();
    time::write(&mut stamp, envelope.stamp_ms.take().unwrap_or_default());
    let mut stanza = Vec::new();
    write_stanza(&mut stanza, &envelope, domain, Some(CLIENT));
    let mut el = Builder::new(out);
    el.open("result").attr("xmlns", NS_MAM).attr("id", &*format!("{id:x}"));
    el.open("forwarded").attr("xmlns", NS_FORWARD);
    el.open("delay").attr("xmlns", NS_DELAY);
    el.attr("stamp", &*String::from_utf8_lossy(&stamp)).close();
    el.raw(&stanza);
    true
}

/// As XML says it: what XMPP's own users wrote as it is, others' in neutral words.
fn spoken(envelope: &Envelope, neutral: Option<Envelope>) -> Option<Envelope> {
    match envelope.content.codec {
        Codec::Xmpp => Some(envelope.clone()),
        Codec::Neutral => Some(neutral::to_stanza(envelope)),
        Codec::Icpp => neutral.map(|envelope| neutral::to_stanza(&envelope)),
    }
}
