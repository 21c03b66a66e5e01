//! What a room says, beside XEP-0045's examples, and what is never said.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Content, Envelope, Kind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::neutral::{Neutral, Show};
use crosspoint_engine::rooms::{
    Affiliate, Affiliation, Change, ConfigChange, Notice, OccupantView, Role, RoomAnswer, RoomConfig, RoomInfo,
    RoomQuery, RoomRequest, Status, Target, Viewer,
};
use crosspoint_engine::stable::StableId;
use proptest::prelude::*;

use super::SPEECH;

fn jid(text: &str) -> Jid {
    Jid::parse(text).expect("an address")
}

fn content(body: &str) -> Content {
    Content {
        codec: Codec::Xmpp,
        head: Bytes::from_static(b" xml:lang='en'"),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn text(content: Option<Content>) -> String {
    let content = content.expect("it can be said");
    assert_eq!(content.codec, Codec::Xmpp);
    String::from_utf8(content.body.to_vec()).expect("text")
}

const OCCUPANT: Viewer = Viewer {
    sees_real: false,
    is_self: false,
};
const MODERATOR: Viewer = Viewer {
    sees_real: true,
    is_self: false,
};
const ITSELF: Viewer = Viewer {
    sees_real: false,
    is_self: true,
};

/// A presence of the third witch, without what stands before the room's own words.
fn presence(shows: &Content, role: Role, statuses: &[Status], viewer: Viewer) -> String {
    let real = jid("hag66@shakespeare.lit/pda");
    let notice = Notice::Presence {
        about: OccupantView {
            nick: "thirdwitch",
            real: &real,
            affiliation: Affiliation::Member,
            role,
            occupant_id: "dd72",
            shows,
        },
        statuses,
        actor: None,
        reason: "",
        new_nick: None,
        destroyed: None,
    };
    text((SPEECH.write)(&notice, viewer))
}

const ID: &str = r#"<occupant-id xmlns="urn:xmpp:occupant-id:0" id="dd72"/>"#;
const USER: &str = r#"<x xmlns="http://jabber.org/protocol/muc#user">"#;

#[test]
fn an_occupant_is_shown_to_each_as_it_may_be() {
    let item = |jid: &str, role: &str| format!(r#"{ID}{USER}<item affiliation="member"{jid} role="{role}"/>"#);
    let real = r#" jid="hag66@shakespeare.lit/pda""#;
    let nothing = content("");
    let entering = [
        Status::NonAnonymous,
        Status::LoggingOn,
        Status::Created,
        Status::NickAssigned,
    ];
    let shown = |viewer| presence(&nothing, Role::Participant, &entering, viewer);
    assert_eq!(
        shown(ITSELF),
        format!(
            r#"{}<status code="100"/><status code="110"/><status code="170"/><status code="201"/><status code="210"/></x>"#,
            item("", "participant")
        )
    );
    assert_eq!(
        shown(OCCUPANT),
        format!(r#"{}<status code="210"/></x>"#, item("", "participant"))
    );
    assert_eq!(
        shown(MODERATOR),
        format!(r#"{}<status code="210"/></x>"#, item(real, "participant"))
    );
    assert_eq!(
        presence(&nothing, Role::None, &[], OCCUPANT),
        format!("{}</x>", item("", "none"))
    );
}

#[test]
fn what_an_occupant_shows_passes_and_what_it_forges_does_not() {
    let shows = content(
        "<show>xa</show><status>gone</status><c xmlns='http://jabber.org/protocol/caps' ver='v'/>\
         <x xmlns='http://jabber.org/protocol/muc'><password>secret</password></x>\
         <x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='owner'/><status code='110'/></x>\
         <occupant-id xmlns='urn:xmpp:occupant-id:0' id='another'/>",
    );
    let shown = presence(&shows, Role::Visitor, &[], OCCUPANT);
    let kept = "<show>xa</show><status>gone</status><c xmlns='http://jabber.org/protocol/caps' ver='v'/>";
    assert_eq!(
        shown,
        format!(r#"{kept}{ID}{USER}<item affiliation="member" role="visitor"/></x>"#)
    );
}

#[test]
fn an_occupant_of_another_protocol_is_shown() {
    let shows = Neutral {
        show: Some(Show::Away),
        status: Some("<&>".into()),
        ..Neutral::default()
    };
    let shown = presence(&shows.pack(), Role::Visitor, &[], OCCUPANT);
    assert!(
        shown.starts_with("<show>away</show><status>&lt;&amp;&gt;</status><occupant-id "),
        "{shown}"
    );
    let foreign = Content {
        codec: Codec::Icpp,
        ..content("x")
    };
    let private = Notice::Said {
        content: &foreign,
        occupant_id: "dd72",
        record: None,
        room: &jid("coven@chat.shakespeare.lit"),
        private: false,
        stamp_ms: None,
    };
    assert_eq!((SPEECH.write)(&private, OCCUPANT), None);
}

#[test]
fn how_somebody_leaves() {
    let (real, nothing) = (jid("pistol@shakespeare.lit/harfleur"), content(""));
    let other = jid("darkcave@macbeth.shakespeare.lit");
    let about = OccupantView {
        nick: "pistol",
        real: &real,
        affiliation: Affiliation::None,
        role: Role::None,
        occupant_id: "dd72",
        shows: &nothing,
    };
    let leaving = Notice::Presence {
        about,
        statuses: &[Status::Kicked],
        actor: Some("Fluellen"),
        reason: "Avaunt, you cullion!",
        new_nick: None,
        destroyed: None,
    };
    assert_eq!(
        text((SPEECH.write)(&leaving, ITSELF)),
        format!(
            r#"{ID}{USER}<item affiliation="none" role="none"><actor nick="Fluellen"/><reason>Avaunt, you cullion!</reason></item><status code="110"/><status code="307"/></x>"#
        )
    );
    let renamed = Notice::Presence {
        about: OccupantView {
            role: Role::Participant,
            ..about
        },
        statuses: &[Status::NickChanged],
        actor: None,
        reason: "",
        new_nick: Some("oldhag"),
        destroyed: None,
    };
    assert_eq!(
        text((SPEECH.write)(&renamed, OCCUPANT)),
        format!(r#"{ID}{USER}<item affiliation="none" nick="oldhag" role="participant"/><status code="303"/></x>"#)
    );
    let destroyed = Notice::Presence {
        about,
        statuses: &[],
        actor: None,
        reason: "",
        new_nick: None,
        destroyed: Some((Some(&other), "Macbeth doth come.", Some("p"))),
    };
    assert_eq!(
        text((SPEECH.write)(&destroyed, OCCUPANT)),
        format!(
            r#"{ID}{USER}<item affiliation="none" role="none"/><destroy jid="darkcave@macbeth.shakespeare.lit"><password>p</password><reason>Macbeth doth come.</reason></destroy></x>"#
        )
    );
}

#[test]
fn what_is_said_has_its_speakers_identity_and_its_own() {
    let room = jid("coven@chat.shakespeare.lit");
    let written = content("<body>Hi</body><delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/>");
    let said = |record, private, stamp_ms| {
        let notice = Notice::Said {
            content: &written,
            occupant_id: "dd72",
            record,
            room: &room,
            private,
            stamp_ms,
        };
        let content = (SPEECH.write)(&notice, OCCUPANT).expect("it can be said");
        assert_eq!(
            content.head, written.head,
            "its language, and the prefixes that it uses"
        );
        text(Some(content))
    };
    assert_eq!(said(None, false, None), format!("<body>Hi</body>{ID}"));
    assert_eq!(
        said(None, true, None),
        format!(r#"<body>Hi</body><x xmlns="http://jabber.org/protocol/muc#user"/>{ID}"#)
    );
    assert_eq!(
        said(StableId::parse("00000000000000ab"), false, Some(1_031_699_305_000)),
        format!(
            r#"<body>Hi</body>{ID}<stanza-id xmlns="urn:xmpp:sid:0" by="coven@chat.shakespeare.lit" id="00000000000000ab"/><delay xmlns="urn:xmpp:delay" from="coven@chat.shakespeare.lit" stamp="2002-09-10T23:08:25.000Z"/>"#
        )
    );
}

#[test]
fn the_rooms_own_words() {
    let (room, witch) = (jid("coven@chat.shakespeare.lit"), jid("wiccarocks@shakespeare.lit"));
    let table = [
        (
            Notice::Refused,
            r#"<x xmlns="http://jabber.org/protocol/muc"/>"#.to_owned(),
        ),
        (
            Notice::Subject {
                text: "Fire <Burn>",
                occupant_id: Some("dd72"),
                stamp_ms: None,
            },
            format!("<subject>Fire &lt;Burn&gt;</subject>{ID}"),
        ),
        (
            Notice::Subject {
                text: "",
                occupant_id: None,
                stamp_ms: Some(0),
            },
            r#"<subject/><delay xmlns="urn:xmpp:delay" stamp="1970-01-01T00:00:00.000Z"/>"#.to_owned(),
        ),
        (
            Notice::Statuses(&[Status::ConfigChanged, Status::NowNonAnonymous]),
            format!(r#"{USER}<status code="104"/><status code="172"/></x>"#),
        ),
        (
            Notice::AffiliationChanged {
                account: &witch,
                affiliation: Affiliation::Member,
            },
            format!(r#"{USER}<item affiliation="member" jid="wiccarocks@shakespeare.lit" role="none"/></x>"#),
        ),
        (
            Notice::Invited {
                by: &witch,
                reason: "Come",
                password: Some("cauldronburn"),
                continues: Some("e0ff"),
            },
            format!(
                r#"{USER}<invite from="wiccarocks@shakespeare.lit"><reason>Come</reason><continue thread="e0ff"/></invite><password>cauldronburn</password></x>"#
            ),
        ),
        (
            Notice::Declined { by: &witch, reason: "" },
            format!(r#"{USER}<decline from="wiccarocks@shakespeare.lit"/></x>"#),
        ),
        (
            Notice::Moderated {
                record: StableId::parse("00000000000000ab").expect("an identity"),
                kept: StableId::parse("00000000000000ac"),
                room: &room,
                by: ("witch", "dd72"),
                reason: "Hush",
                stamp_ms: None,
            },
            format!(
                r#"<retract xmlns="urn:xmpp:message-retract:1" id="00000000000000ab"><moderated xmlns="urn:xmpp:message-moderate:1" by="coven@chat.shakespeare.lit/witch">{ID}</moderated><reason>Hush</reason></retract><stanza-id xmlns="urn:xmpp:sid:0" by="coven@chat.shakespeare.lit" id="00000000000000ac"/>"#
            ),
        ),
    ];
    for (notice, wanted) in table {
        assert_eq!(text((SPEECH.write)(&notice, OCCUPANT)), wanted);
    }
}

fn config() -> RoomConfig {
    RoomConfig {
        name: "A Dark Cave".to_owned(),
        description: "The place for all good witches!".to_owned(),
        language: "en".to_owned(),
        persistent: true,
        public: false,
        members_only: false,
        password: "cauldronburn".to_owned(),
        moderated: false,
        non_anonymous: false,
        subject_by_all: true,
        invites: true,
        voice_requests: true,
        private_messages: Some(Role::Participant),
        list_by_all: true,
        occupants_max: 77,
        archived: true,
        history_messages: 20,
    }
}

fn info(config: &RoomConfig) -> RoomInfo<'_> {
    RoomInfo {
        config,
        subject: "Spells",
        occupants: 3,
        avatar_hash: Some("a31c"),
    }
}

fn answered(query: RoomQuery, answer: &RoomAnswer<'_>) -> String {
    text((SPEECH.answer)(&query, answer))
}

#[test]
fn a_room_says_what_it_is_and_never_its_password() {
    let config = config();
    let said = answered(RoomQuery::Info, &RoomAnswer::Info(info(&config)));
    for part in [
        r#"<identity category="conference" type="text" name="A Dark Cave"/>"#,
        r#"<feature var="http://jabber.org/protocol/muc"/>"#,
        r#"<feature var="http://jabber.org/protocol/muc#stable_id"/>"#,
        r#"<feature var="http://jabber.org/protocol/muc#self-ping-optimization"/>"#,
        r#"<feature var="urn:xmpp:occupant-id:0"/>"#,
        r#"<feature var="urn:xmpp:mam:2"/>"#,
        r#"<feature var="muc_passwordprotected"/>"#,
        r#"<feature var="muc_hidden"/>"#,
        r#"<feature var="muc_persistent"/>"#,
        r#"<feature var="muc_open"/>"#,
        r#"<feature var="muc_unmoderated"/>"#,
        r#"<feature var="muc_semianonymous"/>"#,
        "<value>http://jabber.org/protocol/muc#roominfo</value>",
        r#"<field var="muc#roominfo_subject" type="text-single"><value>Spells</value></field>"#,
        r#"<field var="muc#roominfo_occupants" type="text-single"><value>3</value></field>"#,
        r#"<field var="muc#roominfo_avatarhash" type="text-multi"><value>a31c</value></field>"#,
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("cauldronburn"), "{said}");
}

#[test]
fn answers_to_small_questions() {
    let room = jid("coven@chat.shakespeare.lit");
    let occupants = RoomAnswer::Occupants {
        room: &room,
        nicks: vec!["first <witch>", "second"],
    };
    let list = RoomAnswer::Affiliates(vec![Affiliate {
        account: Some(jid("earlofcambridge@shakespeare.lit")),
        nick: None,
        affiliation: Affiliation::Outcast,
        role: Role::None,
        reason: "Treason".to_owned(),
    }]);
    let card = Bytes::from_static(b"<vCard xmlns=\"vcard-temp\"/>");
    let table = [
        (RoomQuery::CancelConfig, RoomAnswer::Done, ""),
        (
            RoomQuery::Occupants,
            occupants,
            r#"<query xmlns="http://jabber.org/protocol/disco#items"><item jid="coven@chat.shakespeare.lit/first &lt;witch&gt;"/><item jid="coven@chat.shakespeare.lit/second"/></query>"#,
        ),
        (
            RoomQuery::ReservedNick,
            RoomAnswer::Nick(Some("thirdwitch")),
            r#"<query xmlns="http://jabber.org/protocol/disco#info" node="x-roomuser-item"><identity category="conference" type="text" name="thirdwitch"/></query>"#,
        ),
        (
            RoomQuery::ReservedNick,
            RoomAnswer::Nick(None),
            r#"<query xmlns="http://jabber.org/protocol/disco#info" node="x-roomuser-item"/>"#,
        ),
        (
            RoomQuery::GetRegistration,
            RoomAnswer::Nick(Some("thirdwitch")),
            r#"<query xmlns="jabber:iq:register"><registered/><username>thirdwitch</username></query>"#,
        ),
        (
            RoomQuery::Affiliates(Affiliation::Outcast),
            list,
            r#"<query xmlns="http://jabber.org/protocol/muc#admin"><item affiliation="outcast" jid="earlofcambridge@shakespeare.lit"><reason>Treason</reason></item></query>"#,
        ),
        (
            RoomQuery::GetAvatar,
            RoomAnswer::Avatar(&card),
            r#"<vCard xmlns="vcard-temp"/>"#,
        ),
    ];
    for (query, answer, wanted) in table {
        assert_eq!(answered(query, &answer), wanted);
    }
    assert!((SPEECH.answer)(&RoomQuery::Info, &RoomAnswer::Nick(None)).is_none());
}

/// What the front-end reads of a payload that it has written.
fn read_again(kind: QueryKind, payload: &str) -> RoomQuery {
    let envelope = Envelope {
        content: content(payload),
        ..Envelope::neutral(jid("a@b.lit/c"), jid("coven@chat.shakespeare.lit"), Kind::Query(kind))
    };
    match (SPEECH.read)(&envelope) {
        Ok(RoomRequest::Query(query)) => query,
        other => panic!("{other:?} of {payload}"),
    }
}

/// The form of a configuration, as a client sends it back.
fn sent_back(config: &RoomConfig) -> RoomQuery {
    let (owner, admin) = (jid("crone1@shakespeare.lit"), jid("hecate@shakespeare.lit"));
    let answer = RoomAnswer::Config {
        info: info(config),
        owners: vec![&owner],
        admins: vec![&admin],
    };
    let form = answered(RoomQuery::GetConfig, &answer);
    read_again(QueryKind::Set, &form.replace(r#"type="form""#, r#"type="submit""#))
}

#[test]
fn a_form_that_is_sent_back_names_what_the_room_is() {
    use ConfigChange as C;
    let RoomQuery::SetConfig(mut changes) = sent_back(&config()) else {
        panic!("a configuration");
    };
    let mut wanted = vec![
        C::Name("A Dark Cave".into()),
        C::Description("The place for all good witches!".into()),
        C::Language("en".into()),
        C::Persistent(true),
        C::Public(false),
        C::MembersOnly(false),
        C::Password("cauldronburn".into()),
        C::Moderated(false),
        C::NonAnonymous(false),
        C::SubjectByAll(true),
        C::Invites(true),
        C::VoiceRequests(true),
        C::PrivateMessages(Some(Role::Participant)),
        C::ListByAll(true),
        C::OccupantsMax(77),
        C::Archived(true),
        C::HistoryMessages(20),
        C::Owners(vec![jid("crone1@shakespeare.lit")]),
        C::Admins(vec![jid("hecate@shakespeare.lit")]),
    ];
    let name = |change: &C| format!("{change:?}");
    changes.sort_by_key(name);
    wanted.sort_by_key(name);
    assert_eq!(changes, wanted);
}

fn shown_as() -> impl Strategy<Value = Viewer> {
    any::<(bool, bool)>().prop_map(|(sees_real, is_self)| Viewer { sees_real, is_self })
}

proptest! {
    /// Texts of people never break what a room says: it parses, and says the text.
    #[test]
    fn any_text_is_carried(said in "[^\\p{C}\u{fffe}\u{ffff}]{0,40}", viewer in shown_as()) {
        let written = content("");
        let real = jid("hag66@shakespeare.lit/pda");
        let notice = Notice::Presence {
            about: OccupantView {
                nick: "n",
                real: &real,
                affiliation: Affiliation::None,
                role: Role::None,
                occupant_id: &said,
                shows: &written,
            },
            statuses: &[Status::Kicked],
            actor: Some(&said),
            reason: &said,
            new_nick: Some(&said),
            destroyed: Some((None, &said, Some(&said))),
        };
        let stanza = format!("<presence>{}</presence>", text((SPEECH.write)(&notice, viewer)));
        let tree = crate::codec::Element::parse(&stanza, crate::codec::CLIENT).expect("well-formed");
        let item = tree.child("x", super::USER).and_then(|x| x.child("item", super::USER)).expect("an item");
        prop_assert_eq!(item.attr("nick"), Some(&*said));
        prop_assert_eq!(item.attr("jid").is_some(), viewer.sees_real, "the real address is for those who may see it");
        if !said.is_empty() {
            prop_assert_eq!(&*item.child("reason", super::USER).expect("why").text(), &*said);
        }
    }

    /// A list that a room gives can be sent back as changes.
    #[test]
    fn a_list_is_read_as_it_is_written(names in proptest::collection::vec("[a-z]{1,8}", 1..6), reason in "[a-zA-Z<&> ]{0,20}") {
        let list: Vec<Affiliate> = names
            .iter()
            .map(|name| Affiliate {
                account: Some(jid(&format!("{name}@shakespeare.lit"))),
                nick: None,
                affiliation: Affiliation::Outcast,
                role: Role::None,
                reason: reason.clone(),
            })
            .collect();
        let wanted = list
            .iter()
            .map(|one| Change {
                target: Target::Account(one.account.clone().expect("an account")),
                affiliation: Some(Affiliation::Outcast),
                role: None,
                nick: String::new(),
                reason: reason.clone(),
            })
            .collect();
        let payload = answered(RoomQuery::Affiliates(Affiliation::Outcast), &RoomAnswer::Affiliates(list));
        prop_assert_eq!(read_again(QueryKind::Set, &payload), RoomQuery::Change(wanted));
    }

    /// So can any configuration.
    #[test]
    fn a_password_survives_the_form(password in "[^\\p{C}]{1,20}") {
        let config = RoomConfig { password: password.clone(), ..config() };
        let RoomQuery::SetConfig(changes) = sent_back(&config) else { panic!("a configuration") };
        prop_assert!(changes.contains(&ConfigChange::Password(password)));
    }
}
