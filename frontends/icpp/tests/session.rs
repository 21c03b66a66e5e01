//! Plays of one client with its session.

mod session_support;

use crosspoint_engine::envelope::{Condition, Kind, MessageKind, PresenceKind};
use crosspoint_engine::neutral::{Neutral, Show};
use crosspoint_engine::session::{Action, Event, Farewell, Form};
use crosspoint_icpp::codec::elsewhere::Drain;
use crosspoint_icpp::codec::hello::{Authed, Hello, Welcome};
use crosspoint_icpp::codec::message::{kind, note, tag};
use crosspoint_icpp::codec::sync::{Sync, Synced};
use crosspoint_icpp::codec::{Code, Flags, Header, Message, PREFACE, Verb, ext};
use crosspoint_icpp::limits::Limits;
use session_support::*;

const CHAT: Kind = Kind::Message(MessageKind::Chat);

#[test]
fn a_client_comes_in() {
    let mut client = Client::connect(config(Limits::DEFAULT), 0);
    client.send(&PREFACE);
    assert!(client.told().is_empty(), "the server answers nothing to the preface");
    client.hello(&Hello {
        account: "romeo@montague.lit",
        ..Hello::default()
    });
    let welcome = client.told_one();
    let welcome = Welcome::read(&welcome.body).unwrap();
    assert_eq!((welcome.version, welcome.node, welcome.frame_max), (1, "fe1", 65_536));
    assert_eq!(welcome.mechanisms, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN TICKET");
    client.plain();
    assert!(matches!(&client.actions[..], [Action::CheckPassword { password, .. }] if password == "secret"));
    client.event(Event::PasswordChecked(true));
    client.event(Event::Homed);
    client.event(Event::Bound {
        address: jid(ROMEO),
        epoch: EPOCH,
    });
    let authed = client.told_one();
    assert_eq!((authed.verb, authed.id, authed.ack), (Verb::Authed, 1, 0));
    let authed = Authed::read(&authed.body).unwrap();
    assert_eq!((authed.address, authed.epoch), (ROMEO, EPOCH));
    assert!(authed.token.is_some_and(|token| token.len() == 16));
    assert!(authed.ticket.is_none(), "nothing is known of the account's keys");
}

/// A login at every cut: byte by byte it is the same.
#[test]
fn a_login_byte_by_byte() {
    let mut bytes = PREFACE.to_vec();
    let hello = Hello {
        account: "romeo@montague.lit",
        ..Hello::default()
    };
    crosspoint_icpp::codec::write_frame(&mut bytes, Header::push(Verb::Hello, 0), |out| hello.write(out));
    let mut client = Client::connect(config(Limits::DEFAULT), 0);
    for byte in bytes {
        client.send(&[byte]);
    }
    assert_eq!(client.told_one().verb, Verb::Welcome);
}

#[test]
fn passwords_are_not_shown_where_others_listen() {
    let mut client = Client::connect(config(Limits::DEFAULT), 1);
    client.send(&PREFACE);
    client.hello(&Hello {
        account: "romeo@montague.lit",
        ..Hello::default()
    });
    let welcome = client.told_one();
    assert!(!Welcome::read(&welcome.body).unwrap().mechanisms.contains("PLAIN"));
    client.plain();
    assert_eq!(client.told_one().code(), Code::Mechanism as u16);
}

#[test]
fn nobody_comes_into_another_account_than_he_named() {
    let mut client = Client::connect(config(Limits::DEFAULT), 0);
    client.send(&PREFACE);
    client.hello(&Hello {
        account: JULIET,
        ..Hello::default()
    });
    client.told();
    for _ in 0..2 {
        client.plain();
        let refusal = client.told_one();
        assert_eq!(
            (refusal.verb, refusal.id, refusal.code()),
            (Verb::Error, 1, Code::NotAuthorized as u16)
        );
    }
    client.plain();
    assert_eq!(client.told_one().code(), Code::NotAuthorized as u16);
    assert!(client.closed, "the third time");
    assert!(
        client
            .actions
            .iter()
            .all(|action| matches!(action, Action::AuthFailed { .. }))
    );
}

#[test]
fn a_message_is_acknowledged_when_it_is_safe_and_not_before() {
    let mut client = Client::established(Limits::DEFAULT);
    client.say(1, "one");
    client.say(2, "two");
    client.frame(
        Header {
            flags: Flags::NOSTORE,
            ..Header::push(Verb::Send, 0)
        },
        |out| out.extend_from_slice(&message(3, "three")),
    );
    let routed = client.routed();
    let numbers: Vec<_> = routed.iter().map(|(_, seq)| *seq).collect();
    assert_eq!(numbers, [Some(1), Some(2), None]);
    assert!(client.told().is_empty(), "nothing is safe yet");
    client.event(Event::Accepted(vec![2]));
    assert!(client.told().is_empty(), "the first is not");
    client.event(Event::Accepted(vec![1]));
    let accepted = client.told_one();
    assert_eq!((accepted.verb, accepted.ack), (Verb::Accepted, 3));
}

#[test]
fn without_the_disk_nobody_waits_and_it_is_said_in_one_frame() {
    let mut client = Client::established(Limits::DEFAULT);
    let mut bytes = Vec::new();
    for id in 0..5 {
        let header = Header {
            flags: Flags::NOSTORE,
            ..Header::push(Verb::Send, 0)
        };
        crosspoint_icpp::codec::write_frame(&mut bytes, header, |out| out.extend_from_slice(&message(id, "x")));
    }
    client.send(&bytes);
    assert!(client.told().is_empty());
    client.pass(100);
    let accepted = client.told_one();
    assert_eq!((accepted.verb, accepted.ack), (Verb::Accepted, 5));
    client.send(&bytes);
    client.request(Verb::Ping, 1, &[]);
    assert_eq!(client.told_one().ack, 10, "the next frame says it");
    client.pass(100);
    assert!(client.told().is_empty(), "once");
}

#[test]
fn half_a_window_of_volatile_messages_is_acknowledged_at_once() {
    let mut client = Client::established(Limits {
        window: 4,
        ..Limits::DEFAULT
    });
    let volatile = Header {
        flags: Flags::NOSTORE,
        ..Header::push(Verb::Send, 0)
    };
    client.frame(volatile, |out| out.extend_from_slice(&message(1, "x")));
    assert!(client.told().is_empty());
    client.frame(volatile, |out| out.extend_from_slice(&message(2, "x")));
    assert_eq!(client.told_one().ack, 2);
}

#[test]
fn what_was_sent_arrives_with_a_new_head_and_the_same_bytes() {
    let mut romeo = Client::established(Limits::DEFAULT);
    let mut extensions = Vec::new();
    ext::write(&mut extensions, tag::THREAD, b"t");
    ext::write(&mut extensions, 0x0777, b"from the future");
    let mut body = Vec::new();
    let said = Message {
        id: [9; 16],
        stamp: 0,
        kind: kind::CHAT,
        to: JULIET,
        from: "",
        extensions: &extensions,
        payload: b"\xff\x00",
    };
    said.write(&mut body);
    romeo.push(Verb::Send, &body);
    let (envelope, _) = romeo.routed().pop().unwrap();
    let mut juliet = Client::established(Limits::DEFAULT);
    let record = (1_700_000_000_123 << 20) + 5;
    juliet.deliver(&sent(&envelope), Form::Plain, Some(record));
    let told = juliet.told_one();
    assert_eq!(told.verb, Verb::Deliver);
    assert_eq!(
        told.message(),
        Message {
            stamp: record,
            from: ROMEO,
            ..said
        }
    );
}

#[test]
fn what_only_the_server_may_say_is_not_said_by_clients() {
    let mut romeo = Client::established(Limits::DEFAULT);
    let mut extensions = Vec::new();
    ext::write(&mut extensions, tag::COPY, &[2]);
    ext::write(&mut extensions, tag::CONDITION, &[33, 0]);
    let mut body = Vec::new();
    Message {
        id: [9; 16],
        stamp: 0,
        kind: 0,
        to: JULIET,
        from: "",
        extensions: &extensions,
        payload: b"Hi",
    }
    .write(&mut body);
    romeo.push(Verb::Send, &body);
    let (envelope, _) = romeo.routed().pop().unwrap();
    let mut juliet = Client::established(Limits::DEFAULT);
    juliet.deliver(&sent(&envelope), Form::Plain, None);
    let told = juliet.told_one();
    assert_eq!(
        (told.message().extensions, told.message().payload),
        (&[][..], &b"Hi"[..])
    );
}

/// Found on reading: a frame beyond FRAME_MAX would have ended the addressee's session, again and again.
#[test]
fn whatever_another_protocol_says_fits_into_a_frame() {
    let mut juliet = Client::established(Limits::DEFAULT);
    let long = "\u{e9}".repeat(100_000);
    let said = Neutral {
        text: Some(long.as_str().into()),
        subject: Some(long.as_str().into()),
        thread: Some(long.as_str().into()),
        replaces: Some(long.as_str().into()),
        ..Neutral::default()
    };
    let mut envelope = neutral(CHAT, said.pack());
    envelope.id = long.clone().into_bytes().into();
    juliet.deliver(&envelope, Form::Plain, Some(5));
    let told = juliet.told_one();
    assert!(told.body.len() + 16 <= 65_536, "{}", told.body.len());
    let text = std::str::from_utf8(told.message().payload).unwrap();
    assert!(text.ends_with(" [...]") && text.len() > 40_000);
}

#[test]
fn a_copy_says_what_it_is_of() {
    let mut romeo = Client::established(Limits::DEFAULT);
    romeo.say(1, "Hi");
    let (envelope, _) = romeo.routed().pop().unwrap();
    let mut phone = Client::established(Limits::DEFAULT);
    phone.deliver(&sent(&envelope), Form::CopySent, None);
    assert_eq!(phone.told_one().message().extension(tag::COPY), Some(&[2][..]));
}

#[test]
fn a_message_that_comes_back_says_why() {
    let mut romeo = Client::established(Limits::DEFAULT);
    romeo.say(1, "Hi");
    let (envelope, _) = romeo.routed().pop().unwrap();
    let back = sent(&envelope).bounce(Condition::ServiceUnavailable).unwrap();
    romeo.deliver(&back, Form::Plain, None);
    let told = romeo.told_one();
    let message = told.message();
    assert_eq!(
        (told.verb, message.kind, message.id, message.from),
        (Verb::Deliver, kind::ERROR, [1; 16], JULIET)
    );
    assert_eq!(message.extension(tag::CONDITION), Some(&47u16.to_le_bytes()[..]));
}

#[test]
fn what_is_not_acknowledged_is_held_and_settled_when_it_is() {
    let limits = Limits {
        unacked_frames: 4,
        ..Limits::DEFAULT
    };
    let mut client = Client::established(limits);
    let hello = neutral(
        CHAT,
        Neutral {
            text: Some("Hi".into()),
            ..Neutral::default()
        }
        .pack(),
    );
    for record in 1..=4 {
        client.deliver(&hello, Form::Plain, Some(record));
    }
    assert!(matches!(client.actions[..], [Action::Hold(true)]));
    client.actions.clear();
    client.received = 3;
    client.push(Verb::Accepted, &[]);
    let [Action::Settle(records), Action::Hold(false)] = &client.actions[..] else {
        panic!("settled, and more is wanted");
    };
    assert_eq!(records, &[1, 2, 3]);
    client.actions.clear();
    client.push(Verb::Bye, &[]);
    assert!(client.closed);
    assert!(matches!(&client.actions[..], [Action::Return { records, .. }] if records == &[4]));
}

#[test]
fn who_acknowledges_what_was_not_sent_goes() {
    let mut client = Client::established(Limits::DEFAULT);
    client.received = 1;
    client.push(Verb::Accepted, &[]);
    let bye = client.told_one();
    assert_eq!(
        (bye.verb, bye.code(), client.closed),
        (Verb::Bye, Code::AckInvalid as u16, true)
    );
}

#[test]
fn who_sends_more_than_the_window_goes() {
    let mut client = Client::established(Limits {
        window: 2,
        ..Limits::DEFAULT
    });
    for id in 0..3 {
        client.say(id, "x");
    }
    assert_eq!(
        (client.told_one().code(), client.closed),
        (Code::CreditOverrun as u16, true)
    );
}

/// Romeo's line breaks; he comes back and has what he missed, once, in order, and what he sent is not asked of him again.
#[test]
fn a_client_comes_back() {
    let mut old = Client::established(Limits::DEFAULT);
    let says = |text: &'static str| {
        neutral(
            CHAT,
            Neutral {
                text: Some(text.into()),
                ..Neutral::default()
            }
            .pack(),
        )
    };
    old.deliver(&says("one"), Form::Plain, Some(1));
    old.deliver(&says("two"), Form::Plain, Some(2));
    old.say(1, "mine");
    old.told();
    old.actions.clear();
    old.event(Event::Lost);
    let [Action::Detach { token, seconds: 300 }] = &old.actions[..] else {
        panic!("it waits");
    };
    let token = token.clone();
    old.deliver(&says("three"), Form::Plain, Some(3));
    assert!(old.told().is_empty(), "nobody is there");
    let mut new = Client::connect(config(Limits::DEFAULT), 0);
    new.received = 1;
    new.send(&PREFACE);
    new.hello(&Hello {
        account: "romeo@montague.lit",
        resume: Some(&token),
        ..Hello::default()
    });
    new.plain();
    new.event(Event::PasswordChecked(true));
    new.event(Event::Homed);
    assert!(matches!(new.actions.last(), Some(Action::Resume { token: shown }) if *shown == token));
    new.told();
    new.event(Event::Resumed {
        old: old.session.take().unwrap(),
        address: jid(ROMEO),
    });
    assert!(new.told().is_empty(), "what it had sent is not safe yet");
    new.event(Event::Accepted(vec![1]));
    let told = new.told();
    let verbs: Vec<_> = told.iter().map(|told| (told.verb, told.ack)).collect();
    assert_eq!(verbs, [(Verb::Resumed, 1), (Verb::Deliver, 1), (Verb::Deliver, 1)]);
    assert_eq!(told[1].message().payload, b"two");
    assert_eq!(told[2].message().payload, b"three");
}

/// Found on reading: the shard would have gone on giving, and the session have ended as a slow one.
#[test]
fn who_comes_back_with_much_unacknowledged_is_given_no_more() {
    let limits = Limits {
        unacked_frames: 2,
        ..Limits::DEFAULT
    };
    let mut old = Client::established(limits.clone());
    let hello = neutral(
        CHAT,
        Neutral {
            text: Some("Hi".into()),
            ..Neutral::default()
        }
        .pack(),
    );
    old.deliver(&hello, Form::Plain, Some(1));
    old.deliver(&hello, Form::Plain, Some(2));
    old.event(Event::Lost);
    let mut new = Client::connect(config(limits), 0);
    new.send(&PREFACE);
    new.hello(&Hello {
        account: "romeo@montague.lit",
        resume: Some(b"token"),
        ..Hello::default()
    });
    new.plain();
    new.event(Event::PasswordChecked(true));
    new.event(Event::Homed);
    new.actions.clear();
    new.event(Event::Resumed {
        old: old.session.take().unwrap(),
        address: jid(ROMEO),
    });
    assert!(matches!(new.actions[..], [Action::Hold(true)]));
    new.actions.clear();
    new.received = 2;
    new.push(Verb::Accepted, &[]);
    assert!(matches!(new.actions[..], [Action::Settle(_), Action::Hold(false)]));
}

#[test]
fn who_cannot_come_back_begins_anew() {
    let mut client = Client::connect(config(Limits::DEFAULT), 0);
    client.send(&PREFACE);
    client.hello(&Hello {
        account: "romeo@montague.lit",
        resume: Some(b"gone"),
        ..Hello::default()
    });
    client.plain();
    client.event(Event::PasswordChecked(true));
    client.event(Event::Homed);
    client.event(Event::ResumeFailed);
    client.event(Event::Bound {
        address: jid(ROMEO),
        epoch: EPOCH,
    });
    assert_eq!(client.told().last().map(|told| told.verb), Some(Verb::Authed));
}

#[test]
fn sync_says_what_the_client_has_and_synced_where_it_is() {
    let mut client = Client::established(Limits::DEFAULT);
    let ask = |epoch, offset| {
        let mut body = Vec::new();
        Sync { epoch, offset }.write(&mut body);
        body
    };
    client.request(Verb::Sync, 5, &ask(EPOCH, 99));
    assert!(matches!(client.actions[..], [Action::Sync { after: 99 }]));
    client.event(Event::Synced { after: 120 });
    let told = client.told_one();
    assert_eq!((told.verb, told.id), (Verb::Synced, 5));
    assert_eq!(
        Synced::read(&told.body),
        Ok(Synced {
            epoch: EPOCH,
            offset: 120,
            more: false
        })
    );
    client.actions.clear();
    client.request(Verb::Sync, 6, &ask(EPOCH + 1, 99));
    assert!(
        matches!(client.actions[..], [Action::Sync { after: 0 }]),
        "another log's offsets mean nothing"
    );
}

#[test]
fn in_the_background_presence_waits_and_typing_is_dropped() {
    let mut client = Client::established(Limits::DEFAULT);
    let shows = |show, status: &'static str| {
        let said = Neutral {
            show: Some(show),
            status: Some(status.into()),
            ..Neutral::default()
        };
        neutral(Kind::Presence(PresenceKind::Available), said.pack())
    };
    let types = neutral(
        CHAT,
        Neutral {
            activity: Some(crosspoint_engine::neutral::Activity::Composing),
            ..Neutral::default()
        }
        .pack(),
    );
    client.deliver(&types, Form::Plain, None);
    let told = client.told_one();
    assert_eq!((told.verb, told.message().kind), (Verb::Note, note::COMPOSING));
    client.push(Verb::State, &[1]);
    client.deliver(&shows(Show::Away, "a"), Form::Plain, None);
    client.deliver(&shows(Show::DoNotDisturb, "b"), Form::Plain, None);
    client.deliver(&types, Form::Plain, None);
    assert!(client.told().is_empty());
    client.push(Verb::State, &[0]);
    let told = client.told_one();
    assert_eq!((told.verb, told.body[0]), (Verb::Presences, 5));
}

/// Found between protocols: a phone that had changed its network was sent presence, and ended for a silence that its heartbeat allows.
#[test]
fn who_comes_back_is_in_the_background_if_he_was() {
    let mut old = Client::established(Limits::DEFAULT);
    old.push(Verb::State, &[1]);
    old.event(Event::Lost);
    let token = old.actions.iter().find_map(|action| match action {
        Action::Detach { token, .. } => Some(token.clone()),
        _ => None,
    });
    let shows = Neutral {
        show: Some(Show::Away),
        ..Neutral::default()
    };
    let shows = neutral(Kind::Presence(PresenceKind::Available), shows.pack());
    old.deliver(&shows, Form::Plain, None);
    let mut new = Client::connect(config(Limits::DEFAULT), 0);
    new.send(&PREFACE);
    new.hello(&Hello {
        account: "romeo@montague.lit",
        resume: token.as_deref(),
        ..Hello::default()
    });
    new.plain();
    new.event(Event::PasswordChecked(true));
    new.event(Event::Homed);
    new.told();
    new.event(Event::Resumed {
        old: old.session.take().unwrap(),
        address: jid(ROMEO),
    });
    assert_eq!(new.told_one().verb, Verb::Resumed, "presence waits still");
    new.pass(u64::from(Limits::DEFAULT.heartbeat_background_s) * 1000);
    new.push(Verb::State, &[0]);
    assert_eq!(new.told_one().verb, Verb::Presences);
}

#[test]
fn silence_ends_a_connection_and_not_its_session() {
    let mut client = Client::established(Limits::DEFAULT);
    client.pass(100_000);
    client.request(Verb::Ping, 3, &[]);
    let pong = client.told_one();
    assert_eq!((pong.verb, pong.id, pong.flags), (Verb::Pong, 3, Flags::RESP));
    client.pass(179_000);
    assert!(!client.closed);
    client.actions.clear();
    client.pass(2_000);
    let told = client.told_one();
    assert_eq!((told.verb, told.code()), (Verb::Error, Code::IdleTimeout as u16));
    assert!(
        matches!(client.actions[..], [Action::HangUp]),
        "its session waits for it"
    );
    client.event(Event::Lost);
    assert!(matches!(client.actions[..], [Action::HangUp, Action::Detach { .. }]) && !client.closed);
}

#[test]
fn a_drain_has_two_phases() {
    let mut client = Client::established(Limits::DEFAULT);
    client.event(Event::Farewell(Farewell::Shutdown));
    let told = client.told_one();
    assert_eq!(Drain::read(&told.body).map(|drain| drain.phase), Ok(1));
    client.say(1, "still taken");
    client.event(Event::Accepted(vec![1]));
    assert_eq!(client.told_one().verb, Verb::Accepted);
    client.pass(1_000);
    let told = client.told();
    assert_eq!(Drain::read(&told[0].body).map(|drain| drain.phase), Ok(2));
    assert_eq!(
        (told[0].ack, told[1].verb, told[1].code(), client.closed),
        (1, Verb::Bye, Code::Shutdown as u16, true)
    );
}

#[test]
fn queries_of_others_are_refused_and_answers_of_nobody_ignored() {
    use crosspoint_engine::envelope::QueryKind;
    let mut client = Client::established(Limits::DEFAULT);
    let query = neutral(Kind::Query(QueryKind::Get), Default::default());
    client.deliver(&query, Form::Plain, None);
    let (answer, _) = client.routed().pop().unwrap();
    assert_eq!(
        (answer.kind, answer.error),
        (Kind::Query(QueryKind::Error), Some(Condition::ServiceUnavailable))
    );
    client.deliver(
        &neutral(Kind::Query(QueryKind::Result), Default::default()),
        Form::Plain,
        None,
    );
    assert!(client.told().is_empty());
}
