//! Rooms at a session's end: what a client says becomes requests, what a room says becomes frames, and nobody speaks as a room who is none.

mod session_support;

use bytes::Bytes;
use crosspoint_engine::envelope::{
    Codec, Condition, Content, Envelope, Hints, Kind, MessageKind, PresenceKind, QueryKind,
};
use crosspoint_engine::neutral::Neutral;
use crosspoint_engine::rooms::{
    Affiliate, Affiliation, Change, ConfigChange, HistoryWish, Invitation, Join, Notice, OccupantView, Role,
    RoomAnswer, RoomQuery, RoomRequest, RoomSpeech, Status, Target, Viewer, VoiceRequest,
};
use crosspoint_engine::service::Frontend as _;
use crosspoint_engine::session::Form;
use crosspoint_engine::stable::StableId;
use crosspoint_icpp::codec::message::{kind, tag as message_tag};
use crosspoint_icpp::codec::rooms::{Body, Member, UNSAID, op, tag, write_text};
use crosspoint_icpp::codec::sync::History;
use crosspoint_icpp::codec::{Code, Message, Verb, ext};
use crosspoint_icpp::limits::Limits;
use session_support::*;

const ROOM: &str = "garden@rooms.lit";

fn client() -> Client {
    Client::established(Limits::DEFAULT)
}

fn speech() -> RoomSpeech {
    client().front.room_speech().unwrap()
}

/// A body about the room.
fn about(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    write_text(&mut body, tag::ROOM, ROOM);
    for (tag, value) in extensions {
        ext::write(&mut body, *tag, value);
    }
    body
}

fn pushed(verb: Verb, extensions: &[(u16, &[u8])]) -> Envelope {
    let mut client = client();
    client.push(verb, &about(extensions));
    let (envelope, number) = client.routed().pop().unwrap();
    assert!(number.is_some(), "{verb:?} is reliable");
    envelope
}

fn asked(verb: Verb, body: &[u8]) -> Envelope {
    let mut client = client();
    client.request(verb, 9, body);
    client.routed().pop().unwrap().0
}

fn means(envelope: &Envelope) -> Result<RoomRequest, Condition> {
    (speech().read)(envelope)
}

#[test]
fn what_is_pushed_means_what_it_says() {
    let nick = (tag::NICK, &b"romeo"[..]);
    let join = pushed(
        Verb::Join,
        &[
            nick,
            (tag::PASSWORD, b"rose"),
            (tag::HISTORY_MESSAGES, &[2, 0, 0, 0]),
            (tag::HISTORY_SINCE, &[1, 0, 0, 0, 0, 0, 0, 0]),
        ],
    );
    assert_eq!(
        (join.to.as_str(), join.kind),
        ("garden@rooms.lit/romeo", Kind::Presence(PresenceKind::Available))
    );
    let wish = Join {
        password: Some("rose".into()),
        history: HistoryWish {
            messages_max: Some(2),
            since_unix_ms: Some(1),
            ..HistoryWish::default()
        },
        founds: false,
    };
    assert_eq!(means(&join), Ok(RoomRequest::Join(wish)));
    let founds = Join {
        founds: true,
        ..Join::default()
    };
    assert_eq!(means(&pushed(Verb::Create, &[nick])), Ok(RoomRequest::Join(founds)));
    assert_eq!(means(&pushed(Verb::Show, &[nick])), Ok(RoomRequest::Show));
    let leave = pushed(Verb::Leave, &[]);
    assert_eq!((leave.to.as_str(), means(&leave)), (ROOM, Ok(RoomRequest::Leave)));
    let invite = |to: &str| Invitation {
        to: jid(to),
        reason: "a mask".into(),
        continues: None,
    };
    let to = |to: &'static str| (tag::TO, to.as_bytes());
    let reason = (tag::REASON, &b"a mask"[..]);
    assert_eq!(
        means(&pushed(Verb::Invite, &[to("a@b"), to("c@d"), reason])),
        Ok(RoomRequest::Invite(vec![invite("a@b"), invite("c@d")]))
    );
    assert_eq!(
        means(&pushed(Verb::Decline, &[to("a@b"), reason])),
        Ok(RoomRequest::Decline(invite("a@b")))
    );
    assert_eq!(means(&pushed(Verb::Decline, &[])), Err(Condition::BadRequest));
    assert_eq!(means(&pushed(Verb::Invite, &[to("@")])), Err(Condition::JidMalformed));
    assert_eq!(means(&pushed(Verb::Voice, &[])), Ok(RoomRequest::AskVoice));
    let answer = VoiceRequest {
        nick: "romeo".into(),
        allow: true,
    };
    assert_eq!(
        means(&pushed(Verb::Voice, &[nick, (tag::ALLOW, &[1])])),
        Ok(RoomRequest::AnswerVoice(answer))
    );
}

#[test]
fn what_is_asked_means_what_it_says() {
    let member = |affiliation, role, address, nick| {
        let mut body = about(&[]);
        Member {
            affiliation,
            role,
            address,
            nick,
            reason: "why",
        }
        .write(&mut body);
        asked(Verb::Change, &body)
    };
    let change = |target, affiliation, role| {
        Ok(RoomRequest::Query(RoomQuery::Change(vec![Change {
            target,
            affiliation,
            role,
            nick: String::new(),
            reason: "why".into(),
        }])))
    };
    assert_eq!(
        means(&member(UNSAID, 0, "", "tybalt")),
        change(Target::Nick("tybalt".into()), None, Some(Role::None))
    );
    assert_eq!(
        means(&member(0, UNSAID, "t@c", "")),
        change(Target::Account(jid("t@c")), Some(Affiliation::Outcast), None)
    );
    assert_eq!(means(&member(5, UNSAID, "t@c", "")), Err(Condition::BadRequest));
    assert_eq!(means(&member(UNSAID, 4, "t@c", "")), Err(Condition::BadRequest));
    assert_eq!(means(&member(UNSAID, 0, "", "")), Err(Condition::BadRequest));
    let query = |verb, extensions: &[(u16, &[u8])]| means(&asked(verb, &about(extensions)));
    let is = |query| Ok(RoomRequest::Query(query));
    assert_eq!(query(Verb::Members, &[]), is(RoomQuery::Occupants));
    assert_eq!(
        query(Verb::Members, &[(tag::AFFILIATION, &[0])]),
        is(RoomQuery::Affiliates(Affiliation::Outcast))
    );
    assert_eq!(
        query(Verb::Members, &[(tag::ROLE, &[3])]),
        is(RoomQuery::Roles(Role::Moderator))
    );
    assert_eq!(
        query(Verb::Members, &[(tag::ROLE, &[3]), (tag::AFFILIATION, &[0])]),
        Err(Condition::BadRequest)
    );
    let account = |text: &'static str| query(Verb::Members, &[(tag::ACCOUNT, text.as_bytes())]);
    let own = asked(Verb::Members, &about(&[])).from.to_bare();
    let own: &'static str = own.as_str().to_owned().leak();
    assert_eq!(account(own), is(RoomQuery::GetRegistration));
    assert_eq!(
        account("somebody@c.lit"),
        Err(Condition::Forbidden),
        "his own nickname alone"
    );
    assert_eq!(account("@"), Err(Condition::JidMalformed));
    let operation = |number: u8| query(Verb::Configure, &[(tag::OP, &[number])]);
    assert_eq!(operation(op::GET), is(RoomQuery::GetConfig));
    assert_eq!(operation(op::SET), is(RoomQuery::SetConfig(Vec::new())));
    assert_eq!(operation(op::CANCEL), is(RoomQuery::CancelConfig));
    assert_eq!(operation(op::INFO), is(RoomQuery::Info));
    assert_eq!(operation(9), Err(Condition::BadRequest));
    assert_eq!(
        query(
            Verb::Configure,
            &[
                (tag::OP, &[op::SET]),
                (tag::NAME, b"G"),
                (tag::MODERATED, &[1]),
                (tag::PRIVATE_MESSAGES, &[0]),
                (tag::OCCUPANTS_MAX, &[4, 0, 0, 0]),
                (tag::OWNER, b"a@b"),
                (tag::ADMIN, b""),
            ]
        ),
        is(RoomQuery::SetConfig(vec![
            ConfigChange::Name("G".into()),
            ConfigChange::Moderated(true),
            ConfigChange::PrivateMessages(None),
            ConfigChange::OccupantsMax(4),
            ConfigChange::Owners(vec![jid("a@b")]),
            ConfigChange::Admins(Vec::new()),
        ]))
    );
    let twice = query(Verb::Configure, &[(tag::OP, &[op::SET]), (tag::MODERATED, &[2])]);
    assert_eq!(twice, Err(Condition::BadRequest), "a flag is 0 or 1");
    let destroy = query(Verb::Destroy, &[(tag::ALTERNATIVE, b"h@r"), (tag::REASON, b"x")]);
    let destroyed = RoomQuery::Destroy {
        alternative: Some(jid("h@r")),
        password: None,
        reason: "x".into(),
    };
    assert_eq!(destroy, is(destroyed));
    let mut history = Vec::new();
    History {
        bound: 0,
        limit: 5,
        forwards: false,
        room: true,
        with: ROOM,
    }
    .write(&mut history);
    let history = asked(Verb::History, &history);
    assert_eq!((history.to.as_str(), means(&history)), (ROOM, is(RoomQuery::History)));
}

#[test]
fn what_is_no_room_is_not_entered() {
    for address in [
        "garden@elsewhere.lit",
        "juliet@montague.lit",
        "rooms.lit",
        "montague.lit",
    ] {
        for verb in [Verb::Create, Verb::Join, Verb::Show] {
            let mut client = client();
            let mut body = Vec::new();
            write_text(&mut body, tag::ROOM, address);
            write_text(&mut body, tag::NICK, "romeo");
            client.push(verb, &body);
            assert!(client.routed().is_empty(), "{address} is told nothing");
            let told = client.told_one();
            let refused = Body::read(Verb::Refused, &told.body).unwrap();
            assert_eq!((told.verb, told.ack), (Verb::Refused, 1), "{verb:?} {address}");
            assert_eq!(
                (refused.text(tag::ROOM), refused.text(tag::NICK)),
                (Some(address), Some("romeo"))
            );
            assert_eq!(refused.u8(tag::VERB), Some(Verb::Join as u8));
            assert_eq!(refused.u16(tag::CONDITION), Some(Code::RemoteServerNotFound as u16));
            // It is reliable: the client has it, and may say so.
            client.received = 1;
            client.push(Verb::Accepted, &[]);
            assert!(!client.closed);
        }
    }
}

fn message(verb: Verb, to: &str, kind: u16, extensions: &[(u16, &[u8])], text: &str) -> (Envelope, Option<u64>) {
    let mut bytes = Vec::new();
    for (tag, value) in extensions {
        ext::write(&mut bytes, *tag, value);
    }
    let mut body = Vec::new();
    Message {
        id: [7; 16],
        stamp: 0,
        kind,
        to,
        from: "",
        extensions: &bytes,
        payload: text.as_bytes(),
    }
    .write(&mut body);
    let mut client = client();
    client.push(verb, &body);
    client.routed().pop().unwrap()
}

#[test]
fn messages_to_a_room_wait_for_its_disk() {
    let (said, number) = message(Verb::Send, ROOM, kind::GROUPCHAT, &[], "But, soft!");
    assert!(number.is_some() && !said.hints.has(Hints::STORE));
    assert_eq!(means(&said), Ok(RoomRequest::Say { retracts: None }));
    let subject = [(message_tag::SUBJECT, &b"Night"[..])];
    let is_subject = |text| means(&message(Verb::Send, ROOM, kind::GROUPCHAT, &subject, text).0);
    assert_eq!(is_subject(""), Ok(RoomRequest::Subject("Night".into())));
    assert_eq!(is_subject("x"), Ok(RoomRequest::Say { retracts: None }));
    let record = StableId::parse("5a1c0e7f93b2d846");
    let refers = [
        (message_tag::REF, &[1; 16][..]),
        (message_tag::RECORD_REF, b"5a1c0e7f93b2d846"),
    ];
    let recall = message(Verb::Recall, ROOM, kind::GROUPCHAT, &refers, "").0;
    assert_eq!(means(&recall), Ok(RoomRequest::Say { retracts: record }));
    let private = message(Verb::Send, "garden@rooms.lit/juliet", kind::CHAT, &[], "x").0;
    assert_eq!(means(&private), Ok(RoomRequest::Private));
    let to_one = message(Verb::Send, "garden@rooms.lit/juliet", kind::GROUPCHAT, &[], "x").0;
    assert_eq!(means(&to_one), Err(Condition::BadRequest));
    assert_eq!(
        means(&message(Verb::Send, ROOM, kind::CHAT, &[], "x").0),
        Err(Condition::BadRequest)
    );
    assert_eq!(
        means(&message(Verb::Note, ROOM, 1, &[], "").0),
        Err(Condition::NotAcceptable)
    );
}

#[test]
fn bodies_without_what_they_need_end_the_connection() {
    let room = about(&[]);
    let table: [(&str, Verb, Vec<u8>, Code); 7] = [
        ("JOIN without NICK", Verb::Join, room.clone(), Code::Malformed),
        ("CREATE without NICK", Verb::Create, room.clone(), Code::Malformed),
        ("LEAVE without ROOM", Verb::Leave, Vec::new(), Code::Malformed),
        ("half an extension", Verb::Voice, vec![1, 0x80, 9], Code::Malformed),
        ("ROOM twice", Verb::Leave, [&room[..], &room].concat(), Code::Malformed),
        (
            "a number that is none",
            Verb::Voice,
            about(&[(tag::ALLOW, &[1, 2])]),
            Code::Malformed,
        ),
        (
            "what nobody knows",
            Verb::Leave,
            about(&[(0x8fff, &[])]),
            Code::UnsupportedExtension,
        ),
    ];
    for (what, verb, body, code) in table {
        let mut client = client();
        client.push(verb, &body);
        assert_eq!((client.told_one().code(), client.closed), (code as u16, true), "{what}");
        assert!(client.routed().is_empty(), "{what}");
    }
    for verb in [Verb::Occupant, Verb::Subject, Verb::Notice, Verb::Refused] {
        let mut client = client();
        client.push(verb, &room);
        assert_eq!(client.told_one().code(), Code::UnexpectedVerb as u16, "{verb:?}");
    }
}

fn occupant(shows: &Content, viewer: Viewer, statuses: &[Status]) -> Content {
    let real = jid("juliet@capulet.lit/balcony");
    let notice = Notice::Presence {
        about: OccupantView {
            nick: "juliet",
            real: &real,
            affiliation: Affiliation::Member,
            role: Role::Participant,
            occupant_id: "0b27",
            shows,
        },
        statuses,
        actor: None,
        reason: "",
        new_nick: None,
        destroyed: None,
    };
    (speech().write)(&notice, viewer).unwrap()
}

fn from_room(content: Content, nick: &str, kind: Kind) -> Envelope {
    let from = jid(ROOM).with_resource(nick).unwrap();
    Envelope {
        content,
        ..Envelope::neutral(from, jid(ROMEO), kind)
    }
}

const HERE: Kind = Kind::Presence(PresenceKind::Available);

#[test]
fn an_occupant_is_told_reliably_and_without_its_password() {
    let join = pushed(
        Verb::Join,
        &[
            (tag::NICK, b"juliet"),
            (tag::PASSWORD, b"rose"),
            (tag::SHOW, &[3]),
            (tag::STATUS, b"asleep"),
        ],
    );
    let statuses = [Status::LoggingOn, Status::Created];
    let content = occupant(&join.content, Viewer::default(), &statuses);
    assert!(!content.body.windows(4).any(|window| window == b"rose"));
    let mut client = client();
    client.deliver(&from_room(content, "juliet", HERE), Form::Plain, None);
    let told = client.told_one();
    let body = Body::read(told.verb, &told.body).unwrap();
    assert_eq!(told.verb, Verb::Occupant);
    assert_eq!(
        (body.text(tag::ROOM), body.text(tag::NICK)),
        (Some(ROOM), Some("juliet"))
    );
    assert_eq!((body.u8(tag::SHOW), body.text(tag::STATUS)), (Some(3), Some("asleep")));
    assert_eq!((body.u8(tag::AFFILIATION), body.u8(tag::ROLE)), (Some(2), Some(2)));
    assert_eq!((body.text(tag::REAL), body.codes().count()), (None, 0), "for others");
    client.received += 1;
    client.request(Verb::Ping, 1, &[]);
    assert_eq!(client.told_one().verb, Verb::Pong, "it was counted");
    let own = Viewer {
        sees_real: true,
        is_self: true,
    };
    let neutral = Neutral {
        status: Some("awake".into()),
        ..Neutral::default()
    };
    let content = occupant(&neutral.pack(), own, &statuses);
    client.deliver(&from_room(content, "juliet", HERE), Form::Plain, None);
    let told = client.told_one();
    let body = Body::read(told.verb, &told.body).unwrap();
    assert_eq!((body.u8(tag::SHOW), body.text(tag::STATUS)), (Some(1), Some("awake")));
    assert_eq!(body.text(tag::REAL), Some("juliet@capulet.lit/balcony"));
    assert_eq!(body.codes().collect::<Vec<_>>(), [110, 170, 201]);
}

#[test]
fn nobody_speaks_as_a_room_who_is_none() {
    for verb in [Verb::Invite, Verb::Decline, Verb::Voice] {
        let mut body = Vec::new();
        write_text(&mut body, tag::ROOM, "romeo@montague.lit");
        write_text(&mut body, tag::BY, "juliet@capulet.lit");
        write_text(&mut body, tag::TO, "romeo@montague.lit");
        let mut mallory = client();
        mallory.push(verb, &body);
        let (envelope, _) = mallory.routed().pop().unwrap();
        let mut romeo = client();
        romeo.deliver(&envelope, Form::Plain, None);
        assert_eq!(romeo.told(), [], "{verb:?}");
    }
    let mut body = Vec::new();
    write_text(&mut body, tag::ROOM, ROOM);
    write_text(&mut body, tag::NICK, "orchard");
    ext::write(&mut body, tag::AFFILIATION, &[4]);
    let mut mallory = client();
    mallory.push(Verb::Join, &body);
    let (mut envelope, _) = mallory.routed().pop().unwrap();
    envelope.to = jid(ROMEO);
    envelope.from = jid("mallory@evil.lit/x");
    let mut romeo = client();
    romeo.deliver(&envelope, Form::Plain, None);
    assert_eq!(
        romeo.told_one().verb,
        Verb::Presences,
        "to who is no room it is presence"
    );
}

#[test]
fn a_refusal_says_of_what() {
    let mut body = about(&[]);
    write_text(&mut body, tag::TO, "a@b");
    let mut client = client();
    client.push(Verb::Invite, &body);
    let (invite, _) = client.routed().pop().unwrap();
    let refused = invite.bounce(Condition::Forbidden).unwrap();
    client.deliver(&refused, Form::Plain, None);
    let told = client.told_one();
    let body = Body::read(Verb::Refused, &told.body).unwrap();
    assert_eq!(
        (told.verb, body.u8(tag::VERB)),
        (Verb::Refused, Some(Verb::Invite as u8))
    );
    assert_eq!(
        (body.text(tag::ROOM), body.u16(tag::CONDITION)),
        (Some(ROOM), Some(Code::Forbidden as u16))
    );
    let content = (speech().write)(&Notice::Refused, Viewer::default()).unwrap();
    let mut refused = from_room(content, "romeo", Kind::Presence(PresenceKind::Error));
    refused.error = Some(Condition::NotAuthorized);
    client.deliver(&refused, Form::Plain, None);
    let told = client.told_one();
    let body = Body::read(Verb::Refused, &told.body).unwrap();
    assert_eq!(
        (body.text(tag::NICK), body.u16(tag::CONDITION)),
        (Some("romeo"), Some(42))
    );
}

/// What XMPP has written reaches a client as a room's word, and its own user's other client as a copy of a message.
#[test]
fn an_invitation_of_another_protocol_is_an_invitation() {
    let said = Neutral {
        invitation: Some(crosspoint_engine::neutral::Invitation {
            room: ROOM.into(),
            by: Some("romeo@m.lit".into()),
            reason: Some("a mask".into()),
            ..Default::default()
        }),
        ..Neutral::default()
    };
    let written = |kind| {
        let from = jid("romeo@m.lit/o");
        Envelope {
            content: said.pack(),
            hints: Hints::STORE,
            ..Envelope::neutral(from, jid("juliet@capulet.lit"), Kind::Message(kind))
        }
    };
    let mut client = client();
    client.deliver(&written(MessageKind::Normal), Form::Plain, Some(5 << 20 | 1));
    let told = client.told_one();
    let mut expected = about(&[]);
    write_text(&mut expected, tag::BY, "romeo@m.lit");
    write_text(&mut expected, tag::REASON, "a mask");
    assert_eq!((told.verb, &told.body), (Verb::Invite, &expected));
    client.deliver(&written(MessageKind::Chat), Form::CopySent, None);
    let told = client.told_one();
    let text = format!("romeo@m.lit invites you to the room {ROOM}. a mask");
    assert_eq!((told.verb, told.message().payload), (Verb::Deliver, text.as_bytes()));
    client.deliver(&written(MessageKind::Error), Form::Plain, None);
    let told = client.told_one();
    assert_eq!((told.verb, told.message().kind), (Verb::Deliver, kind::ERROR));
}

fn said(content: &Content, occupant_id: &str) -> Content {
    let notice = Notice::Said {
        content,
        occupant_id,
        record: StableId::parse("5a1c0e7f93b2d846"),
        room: &jid(ROOM),
        private: false,
        stamp_ms: None,
    };
    (speech().write)(&notice, Viewer::default()).unwrap()
}

const TO_ALL: Kind = Kind::Message(MessageKind::Groupchat);

#[test]
fn what_is_said_has_its_writer_and_its_record() {
    let forged = [
        (message_tag::OCCUPANT_ID, &b"ffff"[..]),
        (message_tag::RECORD, b"1111111111111111"),
    ];
    let (own, _) = message(Verb::Send, ROOM, kind::GROUPCHAT, &forged, "But, soft!");
    let neutral = Neutral {
        text: Some("But, soft!".into()),
        ..Neutral::default()
    };
    let mut ids = Vec::new();
    for (content, occupant_id) in [
        (&own.content, "0b27"),
        (&neutral.pack(), "0b27"),
        (&neutral.pack(), "0c38"),
    ] {
        let mut envelope = from_room(said(content, occupant_id), "juliet", TO_ALL);
        envelope.id = Bytes::from_static(b"1");
        let mut client = client();
        client.deliver(&envelope, Form::Plain, None);
        let told = client.told_one();
        let message = told.message();
        assert_eq!(
            (told.verb, message.kind, message.payload),
            (Verb::Deliver, kind::GROUPCHAT, &b"But, soft!"[..])
        );
        assert_eq!(message.from, "garden@rooms.lit/juliet");
        assert_eq!(message.text_extension(message_tag::OCCUPANT_ID), Some(occupant_id));
        assert_eq!(message.text_extension(message_tag::RECORD), Some("5a1c0e7f93b2d846"));
        ids.push(message.id);
    }
    assert_eq!(ids[0], [7; 16], "a client's own id");
    assert_ne!(
        ids[1], ids[2],
        "two writers may choose one identifier in another protocol"
    );
}

/// CHANGE of one's own nickname, and of what others have said.
#[test]
fn a_nickname_is_reserved_and_a_message_is_hidden() {
    let change = |extensions: &[(u16, &[u8])]| means(&asked(Verb::Change, &about(extensions)));
    let is = |query| Ok(RoomRequest::Query(query));
    let (nick, record) = ((tag::NICK, &b"thane"[..]), (tag::RECORD, &b"5a1c0e7f93b2d846"[..]));
    assert_eq!(change(&[nick]), is(RoomQuery::Register("thane".into())));
    assert_eq!(change(&[(tag::NICK, b"")]), is(RoomQuery::Unregister));
    let hides = |reason: &str| RoomQuery::Moderate {
        record: StableId::parse("5a1c0e7f93b2d846").unwrap(),
        reason: reason.into(),
    };
    assert_eq!(change(&[record]), is(hides("")));
    assert_eq!(change(&[record, (tag::REASON, b"spam")]), is(hides("spam")));
    assert_eq!(change(&[nick, record]), Err(Condition::BadRequest), "one at a time");
    assert_eq!(change(&[(tag::RECORD, b"of no archive")]), Err(Condition::ItemNotFound));
    let mut both = about(&[nick]);
    Member {
        affiliation: UNSAID,
        role: 0,
        address: "",
        nick: "tybalt",
        reason: "",
    }
    .write(&mut both);
    assert_eq!(means(&asked(Verb::Change, &both)), Err(Condition::BadRequest));
    let answered = |query: &RoomQuery, answer: &RoomAnswer<'_>| {
        let content = (speech().answer)(query, answer).unwrap();
        (content.head[0], content.body)
    };
    for query in [RoomQuery::Register("thane".into()), RoomQuery::Unregister, hides("")] {
        assert_eq!(answered(&query, &RoomAnswer::Done), (Verb::Change as u8, Bytes::new()));
    }
    let mut told = Vec::new();
    write_text(&mut told, tag::NICK, "thane");
    for (nick, body) in [(Some("thane"), told), (None, Vec::new())] {
        let answer = answered(&RoomQuery::GetRegistration, &RoomAnswer::Nick(nick));
        assert_eq!(answer, (Verb::Members as u8, Bytes::from(body)));
    }
}

#[test]
fn another_protocol_is_told_what_it_has_words_for() {
    let join = pushed(
        Verb::Join,
        &[(tag::NICK, b"r"), (tag::SHOW, &[3]), (tag::STATUS, b"out")],
    );
    let neutral = crosspoint_icpp::to_neutral(&join).unwrap();
    let shown = Neutral::read(&neutral.content.body);
    assert_eq!(
        (neutral.content.codec, shown.status.as_deref()),
        (Codec::Neutral, Some("out"))
    );
    let notice = Notice::Invited {
        by: &jid("romeo@m.lit"),
        reason: "a mask",
        password: Some("rose"),
        continues: None,
    };
    let content = (speech().write)(&notice, Viewer::default()).unwrap();
    let envelope = Envelope {
        content,
        ..Envelope::neutral(jid(ROOM), jid("juliet@c.lit"), Kind::Message(MessageKind::Normal))
    };
    let neutral = crosspoint_icpp::to_neutral(&envelope).unwrap();
    let said = Neutral::read(&neutral.content.body).invitation.unwrap();
    let parts = [Some(said.room), said.by, said.reason, said.password, said.continues];
    let parts = parts.map(|part| part.map(|part| part.into_owned()));
    let expected = [ROOM, "romeo@m.lit", "a mask", "rose"].map(|part| Some(part.to_owned()));
    assert_eq!((&parts[..4], &parts[4]), (&expected[..], &None));
    let mut forged = pushed(Verb::Invite, &[(tag::TO, b"a@b"), (tag::BY, b"x@y")]);
    forged.to = jid("juliet@c.lit");
    assert!(
        crosspoint_icpp::to_neutral(&forged).is_none(),
        "a client's word is no room's"
    );
}

#[test]
fn a_long_list_comes_in_several_frames() {
    let line = |number: usize| Affiliate {
        account: Some(jid(&format!("user{number}@capulet.lit"))),
        nick: None,
        affiliation: Affiliation::Member,
        role: Role::None,
        reason: "x".repeat(1_000),
    };
    let list: Vec<Affiliate> = (0..100).map(line).collect();
    let query = RoomQuery::Affiliates(Affiliation::Member);
    let content = (speech().answer)(&query, &RoomAnswer::Affiliates(list)).unwrap();
    let mut client = client();
    client.request(Verb::Members, 9, &about(&[(tag::AFFILIATION, &[2])]));
    let (asked, _) = client.routed().pop().unwrap();
    assert_eq!(asked.kind, Kind::Query(QueryKind::Set));
    client.deliver(&asked.answer(content), Form::Plain, None);
    let told = client.told();
    assert!(told.len() > 3 && told.iter().all(|told| told.body.len() < 20_000 && told.id == 9));
    let more: Vec<bool> = told.iter().map(|told| told.flags.0 & 0x08 != 0).collect();
    assert!(more[..more.len() - 1].iter().all(|more| *more) && !more[more.len() - 1]);
    let whole: Vec<u8> = told.iter().flat_map(|told| told.body.clone()).collect();
    assert_eq!(Body::answer(&whole).unwrap().members().count(), 100);
    client.request(Verb::Members, 10, &about(&[]));
    let (asked, _) = client.routed().pop().unwrap();
    client.deliver(&asked.bounce(Condition::ItemNotFound).unwrap(), Form::Plain, None);
    assert_eq!(client.told_one().code(), Code::ItemNotFound as u16);
}
