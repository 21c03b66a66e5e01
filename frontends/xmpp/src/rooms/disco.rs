//! What a room says of itself (XEP-0045 sections 6.4 and 6.5, XEP-0128).

use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::{RoomConfig, RoomInfo};

use crate::codec::Builder;

use super::form;
use super::{ARCHIVE, MUC, REGISTER, RETRACT, moderate, vcard};

/// XEP-0030.
pub(crate) const INFO: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0030.
pub(crate) const ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0421.
pub(crate) const OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";
/// XEP-0045 section 7.4: a message keeps its identifier.
pub(crate) const STABLE_ID: &str = "http://jabber.org/protocol/muc#stable_id";
/// XEP-0410.
const SELF_PING: &str = "http://jabber.org/protocol/muc#self-ping-optimization";
/// The node that asks for one's own nickname (XEP-0045 section 7.12).
pub(super) const OWN_NICK: &str = "x-roomuser-item";
const FORM: &str = "http://jabber.org/protocol/muc#roominfo";

/// What every room has.
const FEATURES: [&str; 13] = [
    INFO,
    ITEMS,
    MUC,
    "http://jabber.org/protocol/muc#register",
    "http://jabber.org/protocol/muc#request",
    STABLE_ID,
    SELF_PING,
    REGISTER,
    OCCUPANT_ID,
    "urn:xmpp:sid:0",
    moderate::NS,
    RETRACT,
    vcard::NS,
];

/// Identity, features and details.
pub(super) fn write_info(el: &mut Builder<'_, 'static>, info: &RoomInfo<'_>) {
    let config = info.config;
    el.open("query").attr("xmlns", INFO);
    let name = (!config.name.is_empty()).then_some(&*config.name);
    el.open("identity")
        .attr("category", "conference")
        .attr("type", "text")
        .attr_opt("name", name)
        .close();
    for feature in FEATURES.into_iter().chain(archive(config)).chain(kinds(config)) {
        el.open("feature").attr("var", feature).close();
    }
    write_details(el, info);
    el.close();
}

fn archive(config: &RoomConfig) -> impl Iterator<Item = &'static str> {
    [ARCHIVE, "urn:xmpp:mam:2#extended", moderate::TOMBSTONE]
        .into_iter()
        .filter(|_| config.archived)
}

/// Of each pair of features of section 15.3 the one that holds.
fn kinds(config: &RoomConfig) -> [&'static str; 6] {
    let of = |holds: bool, yes, no| if holds { yes } else { no };
    [
        of(config.password.is_empty(), "muc_unsecured", "muc_passwordprotected"),
        of(config.public, "muc_public", "muc_hidden"),
        of(config.persistent, "muc_persistent", "muc_temporary"),
        of(config.members_only, "muc_membersonly", "muc_open"),
        of(config.moderated, "muc_moderated", "muc_unmoderated"),
        of(config.non_anonymous, "muc_nonanonymous", "muc_semianonymous"),
    ]
}

fn write_details(el: &mut Builder<'_, 'static>, info: &RoomInfo<'_>) {
    let config = info.config;
    let (occupants, fetch) = (info.occupants.to_string(), config.history_messages.to_string());
    let subject_by_all = if config.subject_by_all { "1" } else { "0" };
    form::open(el, "result", FORM);
    for (var, kind, value) in [
        ("muc#roominfo_description", "text-single", &*config.description),
        ("muc#roominfo_subject", "text-single", info.subject),
        ("muc#roominfo_subjectmod", "boolean", subject_by_all),
        ("muc#roominfo_occupants", "text-single", &*occupants),
        ("muc#roominfo_lang", "text-single", &*config.language),
        ("muc#maxhistoryfetch", "text-single", &*fetch),
        (
            "muc#roominfo_avatarhash",
            "text-multi",
            info.avatar_hash.unwrap_or_default(),
        ),
    ] {
        if !value.is_empty() {
            form::field(el, var, kind, None, &[value]);
        }
    }
    el.close();
}

/// The occupants as items (section 6.5).
pub(super) fn write_occupants(el: &mut Builder<'_, 'static>, room: &Jid, nicks: &[&str]) {
    el.open("query").attr("xmlns", ITEMS);
    for occupant in nicks.iter().filter_map(|nick| room.with_resource(nick).ok()) {
        el.open("item").attr("jid", occupant.as_str()).close();
    }
    el.close();
}

/// The asker's own nickname, as the name of an identity; without one, nothing (section 7.12).
pub(super) fn write_own_nick(el: &mut Builder<'_, 'static>, nick: Option<&str>) {
    el.open("query").attr("xmlns", INFO).attr("node", OWN_NICK);
    if let Some(nick) = nick {
        el.open("identity")
            .attr("category", "conference")
            .attr("type", "text")
            .attr("name", nick)
            .close();
    }
    el.close();
}
