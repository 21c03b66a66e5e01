//! How a room is run: the owner's form (XEP-0045 section 10.2), both ways, and the room's end (section 10.9).
//!
//! ```text
//!   muc#roomconfig_roomname, _roomdesc, _lang                  texts
//!   _persistentroom, _publicroom, _membersonly, ...            booleans
//!   _passwordprotectedroom, _roomsecret                        a password, or none
//!   _whois, _allowpm, _getmemberlist                           whom something is open to
//!   _maxusers, muc#maxhistoryfetch                             numbers
//!   _roomowners, _roomadmins                                   addresses
//! ```
//! Invariants:
//! - Only fields that are submitted change anything; fields that are not known do not.
//! - The form that is given out can be submitted as it is, and changes nothing then.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::{ConfigChange, Role, RoomConfig, RoomQuery};

use crate::codec::{Builder, Element};

use super::OWNER;
use super::form::{self, DATA, Submitted};

/// The type of the form.
const FORM: &str = "http://jabber.org/protocol/muc#roomconfig";
const HISTORY: &str = "muc#maxhistoryfetch";
/// What stands before the other fields' names.
const PREFIX: &str = "muc#roomconfig_";
/// What the form offers as a bound.
const OCCUPANTS: [u32; 8] = [10, 20, 50, 100, 200, 500, 1_000, 5_000];

/// A `set` of an owner's: a form, its refusal, or the end.
pub(super) fn read(query: &Element<'_>) -> Result<RoomQuery, Condition> {
    let mut children = query.children();
    let (Some(only), None) = (children.next(), children.next()) else {
        return Err(Condition::BadRequest);
    };
    if only.is("destroy", OWNER) {
        return destroy(only);
    }
    if only.is("x", DATA) && only.attr("type") == Some("cancel") {
        return Ok(RoomQuery::CancelConfig);
    }
    let form = Submitted::read(only, FORM)?;
    let mut changes = Vec::new();
    for (var, values) in form.fields() {
        if let Some(change) = change(var, values)? {
            changes.push(change);
        }
    }
    changes.extend(password(&form)?);
    Ok(RoomQuery::SetConfig(changes))
}

fn destroy(destroy: &Element<'_>) -> Result<RoomQuery, Condition> {
    let text = |name| destroy.child(name, OWNER).map(|child| child.text().into_owned());
    let alternative = destroy.attr("jid").map(Jid::parse).transpose();
    Ok(RoomQuery::Destroy {
        alternative: alternative.map_err(|_| Condition::JidMalformed)?,
        password: text("password"),
        reason: text("reason").unwrap_or_default(),
    })
}

/// What one field changes; nothing for the password, and for what is not known.
fn change(var: &str, values: &[String]) -> Result<Option<ConfigChange>, Condition> {
    if var == HISTORY {
        return Ok(Some(ConfigChange::HistoryMessages(number(values)?)));
    }
    let Some(field) = var.strip_prefix(PREFIX) else {
        return Ok(None);
    };
    Ok(Some(match field {
        "roomname" => ConfigChange::Name(text(values)?),
        "roomdesc" => ConfigChange::Description(text(values)?),
        "lang" => ConfigChange::Language(text(values)?),
        "persistentroom" => ConfigChange::Persistent(boolean(values)?),
        "publicroom" => ConfigChange::Public(boolean(values)?),
        "membersonly" => ConfigChange::MembersOnly(boolean(values)?),
        "moderatedroom" => ConfigChange::Moderated(boolean(values)?),
        "whois" => ConfigChange::NonAnonymous(chosen(values, &[("anyone", true), ("moderators", false)])?),
        "changesubject" => ConfigChange::SubjectByAll(boolean(values)?),
        "allowinvites" => ConfigChange::Invites(boolean(values)?),
        "allowvoicerequests" => ConfigChange::VoiceRequests(boolean(values)?),
        "allowpm" => ConfigChange::PrivateMessages(chosen(values, &PRIVATE_MESSAGES)?),
        "getmemberlist" => ConfigChange::ListByAll(values.iter().any(|role| role == "visitor")),
        "maxusers" => ConfigChange::OccupantsMax(bound(values)?),
        "enablelogging" | "enablearchiving" => ConfigChange::Archived(boolean(values)?),
        "roomowners" => ConfigChange::Owners(addresses(values)?),
        "roomadmins" => ConfigChange::Admins(addresses(values)?),
        _ => return Ok(None),
    }))
}

/// `muc#roomconfig_allowpm`.
const PRIVATE_MESSAGES: [(&str, Option<Role>); 4] = [
    ("anyone", Some(Role::Visitor)),
    ("participants", Some(Role::Participant)),
    ("moderators", Some(Role::Moderator)),
    ("none", None),
];

/// Whether there is a password, and which: a room cannot be protected by none (section 10.1.3).
fn password(form: &Submitted<'_>) -> Result<Option<ConfigChange>, Condition> {
    let wanted = form
        .get("muc#roomconfig_passwordprotectedroom")?
        .map(form::boolean)
        .transpose()?;
    let secret = form.get("muc#roomconfig_roomsecret")?;
    match (wanted, secret) {
        (Some(false), _) => Ok(Some(ConfigChange::Password(String::new()))),
        (Some(true), None | Some("")) => Err(Condition::NotAcceptable),
        (_, Some(secret)) => Ok(Some(ConfigChange::Password(secret.to_owned()))),
        (None, None) => Ok(None),
    }
}

fn text(values: &[String]) -> Result<String, Condition> {
    // A text field may be filled in on several lines (XEP-0004 section 3.3).
    Ok(values.join("\n"))
}

fn boolean(values: &[String]) -> Result<bool, Condition> {
    form::boolean(form::only(values)?.ok_or(Condition::BadRequest)?)
}

fn number(values: &[String]) -> Result<u32, Condition> {
    let value = form::only(values)?.ok_or(Condition::BadRequest)?;
    value.trim().parse().map_err(|_| Condition::NotAcceptable)
}

/// A number, or none, which is as many as the service allows.
fn bound(values: &[String]) -> Result<u32, Condition> {
    match form::only(values)? {
        None | Some("" | "none") => Ok(u32::MAX),
        Some(_) => number(values),
    }
}

fn chosen<T: Copy>(values: &[String], known: &[(&str, T)]) -> Result<T, Condition> {
    let value = form::only(values)?.ok_or(Condition::BadRequest)?;
    let found = known.iter().find(|(name, _)| *name == value);
    found.map(|(_, meant)| *meant).ok_or(Condition::NotAcceptable)
}

/// Clients give several addresses as several values, or as lines of one.
fn addresses(values: &[String]) -> Result<Vec<Jid>, Condition> {
    let lines = values.iter().flat_map(|value| value.lines()).map(str::trim);
    let addresses = lines
        .filter(|line| !line.is_empty())
        .map(|line| Jid::parse(line).map(|address| address.to_bare()));
    addresses.collect::<Result<_, _>>().map_err(|_| Condition::JidMalformed)
}

/// The form for an owner.
pub(super) fn write(el: &mut Builder<'_, 'static>, config: &RoomConfig, owners: &[&Jid], admins: &[&Jid]) {
    el.open("query").attr("xmlns", OWNER);
    form::open(el, "form", FORM);
    el.open("title").text("Configuration of the room").close();
    write_texts(el, config);
    write_booleans(el, config);
    write_choices(el, config);
    let fetch = config.history_messages.to_string();
    form::field(
        el,
        HISTORY,
        "text-single",
        Some("Maximum Number of History Messages Returned by Room"),
        &[&fetch],
    );
    for (name, label, list) in [
        ("roomadmins", "Room Admins", admins),
        ("roomowners", "Room Owners", owners),
    ] {
        let list: Vec<_> = list.iter().map(|address| address.as_str()).collect();
        field(el, name, "jid-multi", label, &list);
    }
    el.close().close();
}

fn write_texts(el: &mut Builder<'_, 'static>, config: &RoomConfig) {
    for (name, label, value) in [
        ("roomname", "Natural-Language Room Name", &config.name),
        ("roomdesc", "Short Description of Room", &config.description),
        ("lang", "Natural Language for Room Discussions", &config.language),
    ] {
        field(el, name, "text-single", label, &[value]);
    }
    let secret = [&*config.password];
    field(el, "roomsecret", "text-private", "Password", &secret);
}

fn write_booleans(el: &mut Builder<'_, 'static>, config: &RoomConfig) {
    for (name, label, value) in [
        ("persistentroom", "Make Room Persistent?", config.persistent),
        ("publicroom", "Make Room Publicly Searchable?", config.public),
        ("membersonly", "Make Room Members-Only?", config.members_only),
        (
            "passwordprotectedroom",
            "Password Required to Enter?",
            !config.password.is_empty(),
        ),
        ("moderatedroom", "Make Room Moderated?", config.moderated),
        (
            "changesubject",
            "Allow Occupants to Change Subject?",
            config.subject_by_all,
        ),
        ("allowinvites", "Allow Occupants to Invite Others?", config.invites),
        (
            "allowvoicerequests",
            "Allow Visitors to Request Voice?",
            config.voice_requests,
        ),
        (
            "enablelogging",
            "Keep an Archive of the Conversations?",
            config.archived,
        ),
    ] {
        field(el, name, "boolean", label, &[if value { "1" } else { "0" }]);
    }
}

fn write_choices(el: &mut Builder<'_, 'static>, config: &RoomConfig) {
    let whois = if config.non_anonymous { "anyone" } else { "moderators" };
    let anyone = [("Moderators Only", "moderators"), ("Anyone", "anyone")];
    choice(
        el,
        "whois",
        "list-single",
        "Who May Discover Real JIDs?",
        &[whois],
        &anyone,
    );
    let allowed = PRIVATE_MESSAGES
        .iter()
        .find(|(_, role)| *role == config.private_messages);
    let allowed = allowed.map_or("none", |(name, _)| name);
    let who = [
        ("Anyone", "anyone"),
        ("Anyone with Voice", "participants"),
        ("Moderators Only", "moderators"),
        ("Nobody", "none"),
    ];
    choice(
        el,
        "allowpm",
        "list-single",
        "Who May Send Private Messages?",
        &[allowed],
        &who,
    );
    let roles = [
        ("Moderator", "moderator"),
        ("Participant", "participant"),
        ("Visitor", "visitor"),
    ];
    let may_list: &[&str] = match config.list_by_all {
        true => &["moderator", "participant", "visitor"],
        false => &["moderator"],
    };
    choice(
        el,
        "getmemberlist",
        "list-multi",
        "Who May Retrieve the Member List?",
        may_list,
        &roles,
    );
    let mut bounds = OCCUPANTS.to_vec();
    bounds.push(config.occupants_max);
    bounds.sort_unstable();
    bounds.dedup();
    let bounds: Vec<String> = bounds.iter().map(u32::to_string).collect();
    let options: Vec<(&str, &str)> = bounds.iter().map(|bound| (&**bound, &**bound)).collect();
    let most = config.occupants_max.to_string();
    choice(
        el,
        "maxusers",
        "list-single",
        "Maximum Number of Occupants",
        &[&most],
        &options,
    );
}

fn field(el: &mut Builder<'_, 'static>, name: &str, kind: &str, label: &str, values: &[&str]) {
    form::field(el, &[PREFIX, name].concat(), kind, Some(label), values);
}

fn choice(
    el: &mut Builder<'_, 'static>,
    name: &str,
    kind: &str,
    label: &str,
    values: &[&str],
    options: &[(&str, &str)],
) {
    form::choice(el, &[PREFIX, name].concat(), kind, label, values, options);
}
