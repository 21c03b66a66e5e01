//! The stanzas of XEP-0045's examples, and those that have no shape.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, MessageKind, PresenceKind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::{
    Affiliation, Change, ConfigChange, HistoryWish, Invitation, Join, Role, RoomQuery, RoomRequest, Target,
    VoiceRequest,
};
use crosspoint_engine::stable::StableId;
use proptest::prelude::*;

use super::read;

const ROOM: &str = "coven@chat.shakespeare.lit";
const WITCH: &str = "coven@chat.shakespeare.lit/thirdwitch";

fn jid(text: &str) -> Jid {
    Jid::parse(text).expect("an address")
}

fn asked(to: &str, kind: Kind, body: &str) -> Result<RoomRequest, Condition> {
    let content = Content {
        codec: Codec::Xmpp,
        head: Bytes::from_static(b" xml:lang='en' xmlns:p='http://jabber.org/protocol/muc'"),
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    read(&Envelope {
        content,
        ..Envelope::neutral(jid("hag66@shakespeare.lit/pda"), jid(to), kind)
    })
}

type Changes = Result<Vec<ConfigChange>, Condition>;

fn presence(to: &str, body: &str) -> Result<RoomRequest, Condition> {
    asked(to, Kind::Presence(PresenceKind::Available), body)
}

fn to_all(body: &str) -> Result<RoomRequest, Condition> {
    asked(ROOM, Kind::Message(MessageKind::Groupchat), body)
}

fn to_room(body: &str) -> Result<RoomRequest, Condition> {
    asked(ROOM, Kind::Message(MessageKind::Normal), body)
}

fn query(kind: QueryKind, body: &str) -> Result<RoomQuery, Condition> {
    match asked(ROOM, Kind::Query(kind), body)? {
        RoomRequest::Query(query) => Ok(query),
        other => panic!("{other:?} is no query to a room"),
    }
}

fn get(body: &str) -> Result<RoomQuery, Condition> {
    query(QueryKind::Get, body)
}

fn set(body: &str) -> Result<RoomQuery, Condition> {
    query(QueryKind::Set, body)
}

#[test]
fn entering_and_leaving() {
    let join = |join| Ok(RoomRequest::Join(join));
    let table = [
        ("<x xmlns='http://jabber.org/protocol/muc'/>", join(Join::default())),
        ("<p:x/>", join(Join::default())),
        (
            "<x xmlns='http://jabber.org/protocol/muc'><password>cauldronburn</password></x>",
            join(Join {
                password: Some("cauldronburn".into()),
                ..Join::default()
            }),
        ),
        (
            "<x xmlns='http://jabber.org/protocol/muc'><history maxchars='65000' maxstanzas='20' seconds='180' \
             since='1970-01-01T00:00:01Z'/></x>",
            join(Join {
                password: None,
                history: HistoryWish {
                    chars_max: Some(65_000),
                    messages_max: Some(20),
                    seconds: Some(180),
                    since_unix_ms: Some(1_000),
                },
                founds: false,
            }),
        ),
        (
            "<x xmlns='http://jabber.org/protocol/muc'><history maxchars='-1' since='yesterday'/></x>",
            join(Join::default()),
        ),
        (
            "<show>xa</show><status>gone where the goblins go</status>",
            Ok(RoomRequest::Show),
        ),
        (
            "<x xmlns='http://jabber.org/protocol/muc#user'/>",
            Ok(RoomRequest::Show),
        ),
        ("", Ok(RoomRequest::Show)),
    ];
    for (body, wanted) in table {
        assert_eq!(presence(WITCH, body), wanted, "{body}");
        assert_eq!(
            presence(ROOM, body),
            Err(Condition::JidMalformed),
            "without a nickname: {body}"
        );
    }
    let leave = asked(
        WITCH,
        Kind::Presence(PresenceKind::Unavailable),
        "<status>gone</status>",
    );
    assert_eq!(leave, Ok(RoomRequest::Leave));
}

#[test]
fn a_nickname_that_nobody_can_see_is_none() {
    let invisible = "coven@chat.shakespeare.lit/ ";
    if Jid::parse(invisible).is_ok() {
        assert_eq!(presence(invisible, "<p:x/>"), Err(Condition::JidMalformed));
    }
}

#[test]
fn presence_of_other_types_neither_enters_nor_leaves() {
    use PresenceKind::*;
    for kind in [Probe, Subscribe, Subscribed, Unsubscribe, Unsubscribed] {
        assert!(asked(WITCH, Kind::Presence(kind), "<p:x/>").is_err(), "{kind:?}");
    }
}

#[test]
fn a_client_that_is_not_there_any_more() {
    let error = |condition: &str| {
        format!(
            "<body>Hi</body><error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        )
    };
    let returned = |to: &str, condition: &str| asked(to, Kind::Message(MessageKind::Error), &error(condition));
    for condition in [
        "gone",
        "item-not-found",
        "recipient-unavailable",
        "redirect",
        "remote-server-timeout",
    ] {
        assert_eq!(returned(WITCH, condition), Ok(RoomRequest::Undelivered), "{condition}");
        assert_eq!(returned(ROOM, condition), Ok(RoomRequest::Undelivered), "{condition}");
    }
    assert_eq!(returned(WITCH, "not-acceptable"), Ok(RoomRequest::Private));
    assert_eq!(returned(ROOM, "not-acceptable"), Err(Condition::UnexpectedRequest));
    let presence = asked(WITCH, Kind::Presence(PresenceKind::Error), "");
    assert_eq!(presence, Ok(RoomRequest::Undelivered));
}

#[test]
fn messages_to_all() {
    let say = |retracts: Option<&str>| {
        Ok(RoomRequest::Say {
            retracts: retracts.and_then(StableId::parse),
        })
    };
    let subject = |text: &str| Ok(RoomRequest::Subject(text.to_owned()));
    let table = [
        ("<body>Harpier cries: 'tis time, 'tis time.</body>", say(None)),
        ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", say(None)),
        ("", say(None)),
        (
            "<subject>Fire Burn and Cauldron Bubble!</subject>",
            subject("Fire Burn and Cauldron Bubble!"),
        ),
        ("<subject>a &lt; <![CDATA[<b>]]></subject>", subject("a < <b>")),
        ("<subject></subject>", subject("")),
        ("<subject/>", subject("")),
        ("<subject xml:lang='cs'>A</subject><subject>B</subject>", subject("A")),
        ("<subject>S</subject><body>B</body>", say(None)),
        ("<body>B</body><subject>S</subject>", say(None)),
        ("<subject>S</subject><thread>T</thread>", say(None)),
        ("<subject xmlns='urn:x'>S</subject>", say(None)),
        (
            "<retract id='00000000000000ab' xmlns='urn:xmpp:message-retract:1'/><body>/me retracted</body>",
            say(Some("00000000000000ab")),
        ),
        (
            "<retract xmlns='urn:xmpp:message-retract:1'/>",
            Err(Condition::BadRequest),
        ),
    ];
    for (body, wanted) in table {
        assert_eq!(to_all(body), wanted, "{body}");
    }
}

#[test]
fn messages_to_one() {
    for kind in [
        MessageKind::Chat,
        MessageKind::Normal,
        MessageKind::Headline,
        MessageKind::Error,
    ] {
        let private = asked(WITCH, Kind::Message(kind), "<body>I'll give thee a wind.</body>");
        assert_eq!(private, Ok(RoomRequest::Private), "{kind:?}");
    }
    let wrongly_typed = asked(WITCH, Kind::Message(MessageKind::Groupchat), "<body>I</body>");
    assert_eq!(wrongly_typed, Err(Condition::BadRequest));
}

#[test]
fn invitations_and_refusals() {
    let invitation = |to: &str, reason: &str, continues: Option<&str>| Invitation {
        to: jid(to),
        reason: reason.to_owned(),
        continues: continues.map(str::to_owned),
    };
    let x = |inside: &str| format!("<x xmlns='http://jabber.org/protocol/muc#user'>{inside}</x>");
    let table = [
        (
            "<invite to='hecate@shakespeare.lit'><reason>Hey Hecate</reason></invite>",
            Ok(RoomRequest::Invite(vec![invitation(
                "hecate@shakespeare.lit",
                "Hey Hecate",
                None,
            )])),
        ),
        (
            "<invite to='a@b.lit'/><invite to='c@d.lit/r'><continue thread='e0ff'/></invite>",
            Ok(RoomRequest::Invite(vec![
                invitation("a@b.lit", "", None),
                invitation("c@d.lit/r", "", Some("e0ff")),
            ])),
        ),
        (
            "<decline to='crone1@shakespeare.lit'><reason>Sorry</reason></decline>",
            Ok(RoomRequest::Decline(invitation(
                "crone1@shakespeare.lit",
                "Sorry",
                None,
            ))),
        ),
        ("<invite/>", Err(Condition::BadRequest)),
        ("<invite to='@'/>", Err(Condition::JidMalformed)),
        ("<decline/>", Err(Condition::BadRequest)),
        ("<item affiliation='owner'/>", Err(Condition::BadRequest)),
        ("", Err(Condition::BadRequest)),
    ];
    for (inside, wanted) in table {
        assert_eq!(to_room(&x(inside)), wanted, "{inside}");
    }
    let most = super::super::invite::INVITATIONS_MAX;
    let crowd = |people: usize| to_room(&x(&"<invite to='a@b.lit'/>".repeat(people)));
    assert!(crowd(most).is_ok());
    assert_eq!(crowd(most + 1), Err(Condition::PolicyViolation));
}

#[test]
fn messages_to_the_room_that_mean_nothing() {
    assert_eq!(to_room("<body>Hi</body>"), Err(Condition::BadRequest));
    assert_eq!(to_room(""), Err(Condition::BadRequest));
    let error = asked(ROOM, Kind::Message(MessageKind::Error), "<body>Hi</body>");
    assert_eq!(error, Err(Condition::UnexpectedRequest));
}

#[test]
fn voice_is_asked_for_and_granted() {
    let form = |fields: &str| {
        format!(
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#request\
             </value></field>{fields}</x>"
        )
    };
    let field = |var: &str, value: &str| format!("<field var='{var}'><value>{value}</value></field>");
    let role = field("muc#role", "participant");
    let (jid, nick) = (
        field("muc#jid", "hag66@shakespeare.lit/pda"),
        field("muc#roomnick", "thirdwitch"),
    );
    let answer = |allow: bool| {
        Ok(RoomRequest::AnswerVoice(VoiceRequest {
            nick: "thirdwitch".to_owned(),
            allow,
        }))
    };
    let table = [
        (form(&role), Ok(RoomRequest::AskVoice)),
        (
            form(&[&*role, &jid, &nick, &field("muc#request_allow", "true")].concat()),
            answer(true),
        ),
        (
            form(&[&*role, &jid, &nick, &field("muc#request_allow", "0")].concat()),
            answer(false),
        ),
        (
            form(&[&*role, &jid, &nick, &field("muc#request_allow", "maybe")].concat()),
            Err(Condition::BadRequest),
        ),
        (form(&[&*role, &nick].concat()), Err(Condition::BadRequest)),
        (form(&field("muc#role", "moderator")), Err(Condition::BadRequest)),
        (form(&[&*role, &role].concat()), Err(Condition::BadRequest)),
        (form(""), Err(Condition::BadRequest)),
        (form(&role).replace("submit", "form"), Err(Condition::BadRequest)),
        (
            form(&role).replace("muc#request", "muc#register"),
            Err(Condition::BadRequest),
        ),
    ];
    for (body, wanted) in table {
        assert_eq!(to_room(&body), wanted, "{body}");
    }
}

#[test]
fn what_a_room_is_asked() {
    let info = "http://jabber.org/protocol/disco#info";
    let table = [
        (format!("<query xmlns='{info}'/>"), Ok(RoomQuery::Info)),
        (
            format!("<query xmlns='{info}' node='x-roomuser-item'/>"),
            Ok(RoomQuery::ReservedNick),
        ),
        (
            format!("<query xmlns='{info}' node='http://jabber.org/protocol/muc#traffic'/>"),
            Err(Condition::ServiceUnavailable),
        ),
        (
            format!("<query xmlns='{info}' node='x'/>"),
            Err(Condition::ItemNotFound),
        ),
        (
            "<query xmlns='http://jabber.org/protocol/disco#items'/>".to_owned(),
            Ok(RoomQuery::Occupants),
        ),
        (
            "<query xmlns='http://jabber.org/protocol/disco#items' node='x'/>".to_owned(),
            Err(Condition::ItemNotFound),
        ),
        (
            "<query xmlns='http://jabber.org/protocol/muc#owner'/>".to_owned(),
            Ok(RoomQuery::GetConfig),
        ),
        (
            "<query xmlns='http://jabber.org/protocol/muc#owner'><item affiliation='owner'/></query>".to_owned(),
            Err(Condition::BadRequest),
        ),
        (
            "<query xmlns='jabber:iq:register'/>".to_owned(),
            Ok(RoomQuery::GetRegistration),
        ),
        ("<vCard xmlns='vcard-temp'/>".to_owned(), Ok(RoomQuery::GetAvatar)),
        ("<query xmlns='urn:xmpp:mam:2'/>".to_owned(), Ok(RoomQuery::History)),
        ("<metadata xmlns='urn:xmpp:mam:2'/>".to_owned(), Ok(RoomQuery::History)),
        (
            "<ping xmlns='urn:xmpp:ping'/>".to_owned(),
            Err(Condition::ServiceUnavailable),
        ),
        (
            "<query xmlns='made-up'/>".to_owned(),
            Err(Condition::ServiceUnavailable),
        ),
        (
            "<a xmlns='made-up'/><b xmlns='made-up'/>".to_owned(),
            Err(Condition::BadRequest),
        ),
        ("".to_owned(), Err(Condition::BadRequest)),
    ];
    for (body, wanted) in table {
        assert_eq!(get(&body), wanted, "{body}");
    }
}

#[test]
fn lists_are_asked_for() {
    let list = |item: &str| {
        get(&format!(
            "<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>"
        ))
    };
    let table = [
        (
            "<item affiliation='outcast'/>",
            Ok(RoomQuery::Affiliates(Affiliation::Outcast)),
        ),
        (
            "<item affiliation='owner'/>",
            Ok(RoomQuery::Affiliates(Affiliation::Owner)),
        ),
        ("<item role='participant'/>", Ok(RoomQuery::Roles(Role::Participant))),
        ("<item role='none'/>", Err(Condition::BadRequest)),
        ("<item affiliation='none'/>", Err(Condition::BadRequest)),
        (
            "<item affiliation='owner' role='moderator'/>",
            Err(Condition::BadRequest),
        ),
        ("<item affiliation='king'/>", Err(Condition::BadRequest)),
        ("<item/>", Err(Condition::BadRequest)),
        (
            "<item affiliation='owner'/><item affiliation='admin'/>",
            Err(Condition::BadRequest),
        ),
        ("<item xmlns='urn:x' affiliation='owner'/>", Err(Condition::BadRequest)),
        ("", Err(Condition::BadRequest)),
    ];
    for (item, wanted) in table {
        assert_eq!(list(item), wanted, "{item}");
    }
}

#[test]
fn ranks_are_changed() {
    let change = |items: &str| {
        set(&format!(
            "<query xmlns='http://jabber.org/protocol/muc#admin'>{items}</query>"
        ))
    };
    let one = |target: Target, affiliation: Option<Affiliation>, role: Option<Role>, nick: &str, reason: &str| Change {
        target,
        affiliation,
        role,
        nick: nick.to_owned(),
        reason: reason.to_owned(),
    };
    let nick = |nick: &str| Target::Nick(nick.to_owned());
    let account = |text: &str| Target::Account(jid(text));
    let table = [
        (
            "<item nick='pistol' role='none'><reason>Avaunt, you cullion!</reason></item>",
            Ok(vec![one(
                nick("pistol"),
                None,
                Some(Role::None),
                "",
                "Avaunt, you cullion!",
            )]),
        ),
        (
            "<item affiliation='outcast' jid='earlofcambridge@shakespeare.lit/x'/>",
            Ok(vec![one(
                account("earlofcambridge@shakespeare.lit"),
                Some(Affiliation::Outcast),
                None,
                "",
                "",
            )]),
        ),
        (
            "<item affiliation='none' jid='polonius@hamlet/castle'/><item affiliation='member' jid='a@b.lit' nick='ham'/>",
            Ok(vec![
                one(account("polonius@hamlet"), Some(Affiliation::None), None, "", ""),
                one(account("a@b.lit"), Some(Affiliation::Member), None, "ham", ""),
            ]),
        ),
        (
            "<item affiliation='member' nick='thirdwitch'/>",
            Ok(vec![one(nick("thirdwitch"), Some(Affiliation::Member), None, "", "")]),
        ),
        (
            "<item affiliation='member' role='visitor' nick='a'/>",
            Err(Condition::BadRequest),
        ),
        ("<item nick='a'/>", Err(Condition::BadRequest)),
        ("<item role='none'/>", Err(Condition::BadRequest)),
        ("<item role='none' nick=''/>", Err(Condition::BadRequest)),
        ("<item role='none' jid='a@b.lit'/>", Err(Condition::BadRequest)),
        ("<item affiliation='member'/>", Err(Condition::BadRequest)),
        ("<item affiliation='Member' jid='a@b.lit'/>", Err(Condition::BadRequest)),
        ("<item affiliation='member' jid='@b'/>", Err(Condition::JidMalformed)),
        (
            "<item affiliation='member' jid='a@b.lit'/><x/>",
            Err(Condition::BadRequest),
        ),
        ("", Err(Condition::BadRequest)),
    ];
    for (items, wanted) in table {
        assert_eq!(change(items), wanted.map(RoomQuery::Change), "{items}");
    }
    let most = super::super::lists::CHANGES_MAX;
    let many = |count: usize| change(&"<item affiliation='member' jid='a@b.lit'/>".repeat(count));
    assert!(many(most).is_ok());
    assert_eq!(many(most + 1), Err(Condition::PolicyViolation));
}

fn owner(inside: &str) -> Result<RoomQuery, Condition> {
    set(&format!(
        "<query xmlns='http://jabber.org/protocol/muc#owner'>{inside}</query>"
    ))
}

#[test]
fn the_room_is_ended() {
    let table = [
        (
            "<destroy jid='darkcave@macbeth.shakespeare.lit'><reason>Macbeth doth come.</reason><password>p</password></destroy>",
            Ok(RoomQuery::Destroy {
                alternative: Some(jid("darkcave@macbeth.shakespeare.lit")),
                password: Some("p".to_owned()),
                reason: "Macbeth doth come.".to_owned(),
            }),
        ),
        (
            "<destroy/>",
            Ok(RoomQuery::Destroy {
                alternative: None,
                password: None,
                reason: String::new(),
            }),
        ),
        ("<destroy jid='@'/>", Err(Condition::JidMalformed)),
        (
            "<destroy/><x xmlns='jabber:x:data' type='cancel'/>",
            Err(Condition::BadRequest),
        ),
        ("<x xmlns='jabber:x:data' type='cancel'/>", Ok(RoomQuery::CancelConfig)),
        (
            "<x xmlns='jabber:x:data' type='submit'/>",
            Ok(RoomQuery::SetConfig(Vec::new())),
        ),
        ("<x xmlns='jabber:x:data'/>", Err(Condition::BadRequest)),
        ("", Err(Condition::BadRequest)),
    ];
    for (inside, wanted) in table {
        assert_eq!(owner(inside), wanted, "{inside}");
    }
}

#[test]
fn the_configuration_is_submitted() {
    use ConfigChange as C;
    let form = |fields: &[(&str, &[&str])]| {
        let field = |(var, values): &(&str, &[&str])| {
            let values: String = values.iter().map(|value| format!("<value>{value}</value>")).collect();
            format!("<field var='{var}'>{values}</field>")
        };
        let fields: String = fields.iter().map(field).collect();
        owner(&format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>"))
    };
    let table: &[(&str, &[&str], Changes)] = &[
        (
            "muc#roomconfig_roomname",
            &["A Dark Cave"],
            Ok(vec![C::Name("A Dark Cave".into())]),
        ),
        ("muc#roomconfig_roomname", &[], Ok(vec![C::Name(String::new())])),
        (
            "muc#roomconfig_roomdesc",
            &["a", "b"],
            Ok(vec![C::Description("a\nb".into())]),
        ),
        ("muc#roomconfig_lang", &["en"], Ok(vec![C::Language("en".into())])),
        ("muc#roomconfig_persistentroom", &["1"], Ok(vec![C::Persistent(true)])),
        ("muc#roomconfig_persistentroom", &["yes"], Err(Condition::BadRequest)),
        ("muc#roomconfig_persistentroom", &[], Err(Condition::BadRequest)),
        ("muc#roomconfig_persistentroom", &["1", "0"], Err(Condition::BadRequest)),
        ("muc#roomconfig_publicroom", &["false"], Ok(vec![C::Public(false)])),
        ("muc#roomconfig_membersonly", &["true"], Ok(vec![C::MembersOnly(true)])),
        ("muc#roomconfig_moderatedroom", &["0"], Ok(vec![C::Moderated(false)])),
        ("muc#roomconfig_whois", &["anyone"], Ok(vec![C::NonAnonymous(true)])),
        (
            "muc#roomconfig_whois",
            &["moderators"],
            Ok(vec![C::NonAnonymous(false)]),
        ),
        ("muc#roomconfig_whois", &["none"], Err(Condition::NotAcceptable)),
        ("muc#roomconfig_changesubject", &["1"], Ok(vec![C::SubjectByAll(true)])),
        ("muc#roomconfig_allowinvites", &["1"], Ok(vec![C::Invites(true)])),
        (
            "muc#roomconfig_allowpm",
            &["participants"],
            Ok(vec![C::PrivateMessages(Some(Role::Participant))]),
        ),
        ("muc#roomconfig_allowpm", &["none"], Ok(vec![C::PrivateMessages(None)])),
        (
            "muc#roomconfig_getmemberlist",
            &["moderator", "participant", "visitor"],
            Ok(vec![C::ListByAll(true)]),
        ),
        (
            "muc#roomconfig_getmemberlist",
            &["moderator"],
            Ok(vec![C::ListByAll(false)]),
        ),
        ("muc#roomconfig_maxusers", &["10"], Ok(vec![C::OccupantsMax(10)])),
        (
            "muc#roomconfig_maxusers",
            &["none"],
            Ok(vec![C::OccupantsMax(u32::MAX)]),
        ),
        ("muc#roomconfig_maxusers", &["-1"], Err(Condition::NotAcceptable)),
        ("muc#maxhistoryfetch", &["50"], Ok(vec![C::HistoryMessages(50)])),
        ("muc#roomconfig_enablelogging", &["1"], Ok(vec![C::Archived(true)])),
        (
            "muc#roomconfig_roomowners",
            &["a@b.lit/x", "c@d.lit"],
            Ok(vec![C::Owners(vec![jid("a@b.lit"), jid("c@d.lit")])]),
        ),
        (
            "muc#roomconfig_roomadmins",
            &["a@b.lit\n c@d.lit "],
            Ok(vec![C::Admins(vec![jid("a@b.lit"), jid("c@d.lit")])]),
        ),
        ("muc#roomconfig_roomadmins", &["@"], Err(Condition::JidMalformed)),
        ("muc#roomconfig_pubsub", &["x"], Ok(Vec::new())),
        (
            "FORM_TYPE",
            &["http://jabber.org/protocol/muc#roomconfig"],
            Ok(Vec::new()),
        ),
        (
            "FORM_TYPE",
            &["http://jabber.org/protocol/muc#register"],
            Err(Condition::BadRequest),
        ),
    ];
    for (var, values, wanted) in table {
        assert_eq!(
            form(&[(var, values)]),
            wanted.clone().map(RoomQuery::SetConfig),
            "{var} {values:?}"
        );
    }
    const PROTECTED: &str = "muc#roomconfig_passwordprotectedroom";
    const SECRET: &str = "muc#roomconfig_roomsecret";
    let passwords: &[(Option<&str>, Option<&str>, Changes)] = &[
        (
            Some("1"),
            Some("cauldronburn"),
            Ok(vec![C::Password("cauldronburn".into())]),
        ),
        (None, Some("cauldronburn"), Ok(vec![C::Password("cauldronburn".into())])),
        (Some("0"), Some("cauldronburn"), Ok(vec![C::Password(String::new())])),
        (Some("0"), None, Ok(vec![C::Password(String::new())])),
        (Some("1"), Some(""), Err(Condition::NotAcceptable)),
        (Some("1"), None, Err(Condition::NotAcceptable)),
    ];
    for (protected, secret, wanted) in passwords {
        let (protected_values, secret_values): (Vec<_>, Vec<_>) =
            (protected.iter().copied().collect(), secret.iter().copied().collect());
        let mut fields: Vec<(&str, &[&str])> = Vec::new();
        fields.extend(protected.map(|_| (PROTECTED, &protected_values[..])));
        fields.extend(secret.map(|_| (SECRET, &secret_values[..])));
        assert_eq!(
            form(&fields),
            wanted.clone().map(RoomQuery::SetConfig),
            "{protected:?} {secret:?}"
        );
    }
}

#[test]
fn registration_moderation_and_a_picture() {
    let register = |inside: &str| set(&format!("<query xmlns='jabber:iq:register'>{inside}</query>"));
    let nick = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register\
                </value></field><field var='muc#register_roomnick'><value>thirdwitch</value></field></x>";
    assert_eq!(register(nick), Ok(RoomQuery::Register("thirdwitch".to_owned())));
    assert_eq!(register("<remove/>"), Ok(RoomQuery::Unregister));
    for wrong in [
        "",
        "<username>thirdwitch</username>",
        "<x xmlns='jabber:x:data' type='submit'/>",
        "<remove/><remove/>",
    ] {
        assert_eq!(register(wrong), Err(Condition::BadRequest), "{wrong}");
    }

    let moderate = |id: &str, inside: &str| {
        set(&format!(
            "<moderate xmlns='urn:xmpp:message-moderate:1'{id}>{inside}</moderate>"
        ))
    };
    let retract = "<retract xmlns='urn:xmpp:message-retract:1'/><reason>Hush</reason>";
    let wanted = RoomQuery::Moderate {
        record: StableId::parse("00000000000000ab").expect("an identity"),
        reason: "Hush".to_owned(),
    };
    assert_eq!(moderate(" id='00000000000000ab'", retract), Ok(wanted));
    assert_eq!(moderate(" id='ab'", retract), Err(Condition::ItemNotFound));
    assert_eq!(moderate("", retract), Err(Condition::BadRequest));
    assert_eq!(
        moderate(" id='00000000000000ab'", ""),
        Err(Condition::FeatureNotImplemented)
    );

    let card = "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>YW\nJj</BINVAL></PHOTO></vCard>";
    let Ok(RoomQuery::SetAvatar { card: kept, hash }) = set(card) else {
        panic!("a picture");
    };
    assert_eq!(hash, "a9993e364706816aba3e25717850c26c9cd0d89d", "the SHA-1 of abc");
    assert!(kept.starts_with(b"<vCard xmlns=\"vcard-temp\"><PHOTO>"));
    let removed = RoomQuery::SetAvatar {
        card: Bytes::new(),
        hash: String::new(),
    };
    assert_eq!(set("<vCard xmlns='vcard-temp'/>"), Ok(removed));
    assert_eq!(set(&card.replace("YW\nJj", "!")), Err(Condition::BadRequest));
}

#[test]
fn queries_to_occupants_are_relayed() {
    let to_one = |kind, body: &str| asked(WITCH, Kind::Query(kind), body);
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    assert_eq!(to_one(QueryKind::Get, ping), Ok(RoomRequest::Relay { ping: true }));
    assert_eq!(to_one(QueryKind::Set, ping), Ok(RoomRequest::Relay { ping: false }));
    assert_eq!(
        to_one(QueryKind::Get, "<vCard xmlns='vcard-temp'/>"),
        Ok(RoomRequest::Relay { ping: false })
    );
    for kind in [QueryKind::Result, QueryKind::Error] {
        assert_eq!(to_one(kind, ""), Ok(RoomRequest::Relay { ping: false }));
        assert_eq!(asked(ROOM, Kind::Query(kind), ""), Err(Condition::UnexpectedRequest));
    }
}

proptest! {
    /// Whatever a client has got past the scanner is read, or refused; it never panics.
    #[test]
    fn anything_is_read_or_refused(name in "[a-z]{1,8}", space in "[a-z:/#.]{0,20}", inside in "[a-z<>/='\"& ]{0,40}", full in any::<bool>()) {
        let body = format!("<{name} xmlns='{space}'>{inside}</{name}>");
        let to = if full { WITCH } else { ROOM };
        for kind in [
            Kind::Message(MessageKind::Groupchat),
            Kind::Message(MessageKind::Normal),
            Kind::Presence(PresenceKind::Available),
            Kind::Query(QueryKind::Get),
            Kind::Query(QueryKind::Set),
        ] {
            let _ = asked(to, kind, &body);
        }
    }

    /// A subject is what its writer meant.
    #[test]
    fn a_subject_is_read_as_it_was_meant(text in "\\PC{0,60}") {
        let mut escaped = Vec::new();
        crate::codec::write::text(&mut escaped, &text);
        let body = [&b"<subject>"[..], &escaped, b"</subject>"].concat();
        prop_assert_eq!(to_all(str::from_utf8(&body).unwrap()), Ok(RoomRequest::Subject(text)));
    }
}
