//! A scripted server at the other end of a client: whole logins and sessions, cut at every byte.

use crosspoint_icpp::codec::contacts::write_contact;
use crosspoint_icpp::codec::hello::{Auth, Hello, Welcome};
use crosspoint_icpp::codec::message::{kind, note, tag};
use crosspoint_icpp::codec::presence::{Presence as Entry, Show};
use crosspoint_icpp::codec::rooms::{tag as room_tag, write_text};
use crosspoint_icpp::codec::sync::{History, Sync};
use crosspoint_icpp::codec::{HEADER_BYTES, MessageId, PREFACE, ext};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::common::message_id;
use super::*;

const ME: &str = "u7@localhost/loadgen";
const EPOCH: u64 = 99;

fn common(extra: &str, scenario: &str) -> Common {
    let text = format!("name = 'play'\n[target]\nprotocol = 'icpp'\n{extra}\n[scenario.{scenario}]\n");
    Common::new(&Plan::parse("the play", &text, &[]).unwrap())
}

fn chat() -> Common {
    common("", "chat")
}

fn wants() -> Wants {
    Wants {
        presence: true,
        roster: false,
        carbons: false,
        acks: false,
        resume: false,
        archive: 0,
    }
}

fn resume() -> Wants {
    Wants {
        resume: true,
        ..wants()
    }
}

fn frame(header: Header, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, header, write);
    out
}

fn push(verb: Verb, ack: u32, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    frame(Header::push(verb, ack), write)
}

fn answer(verb: Verb, flags: Flags, id: u32, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    frame(exchange(verb, Flags::RESP.with(flags), id, 0), write)
}

fn welcome(mechanisms: &str) -> Vec<u8> {
    let welcome = Welcome {
        version: 1,
        node: "node",
        mechanisms,
        frame_max: 65_536,
        heartbeat_s: 60,
        window: 4,
        unacked_frames: 8,
        unacked_bytes: 8192,
        ..Welcome::default()
    };
    push(Verb::Welcome, 0, |out| welcome.write(out))
}

fn authed() -> Authed<'static> {
    Authed {
        address: ME,
        token: Some(b"the token"),
        resume_s: 60,
        epoch: EPOCH,
        ticket: Some(b"a ticket"),
        ticket_s: 60,
        ..Authed::default()
    }
}

fn error(code: Code, fatal: bool, flags: Flags, id: u32) -> Vec<u8> {
    let refusal = codec::Refusal {
        fatal,
        ..codec::Refusal::new(code)
    };
    frame(exchange(Verb::Error, flags, id, 0), |out| refusal.write(out))
}

/// The server says this, in pieces of so many bytes: what the client makes of it, and what it says.
fn hear(client: &mut Icpp, common: &Common, said: &[u8], piece: usize) -> Result<(Vec<Event>, Vec<u8>), Refusal> {
    let (mut events, mut out, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for piece in said.chunks(piece) {
        waiting.extend_from_slice(piece);
        loop {
            let (event, used) = client.next(common, &waiting, &mut out)?;
            waiting.drain(..used);
            match event {
                Event::Partial => break,
                Event::Nothing => {}
                event => events.push(event),
            }
        }
    }
    assert!(waiting.is_empty(), "everything is consumed");
    Ok((events, out))
}

/// What a client has said, frame by frame.
fn said(mut out: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while let Scan::Frame(frame) = scan(out, FRAME_BYTES).unwrap() {
        frames.push(frame);
        out = &out[frame.len()..];
    }
    assert!(out.is_empty(), "whole frames only");
    frames
}

fn verbs(out: &[u8]) -> Vec<Verb> {
    said(out).iter().map(|frame| frame.verb().unwrap().unwrap()).collect()
}

/// A client that is logged in by PLAIN, and what it said to complete its session.
fn logged_in(common: &Common, wants: Wants, piece: usize) -> (Icpp, Vec<u8>) {
    let mut client = Icpp::new(7, common);
    let mut out = Vec::new();
    assert!(!client.open(common, wants, false, &mut out));
    let hello = said(out.strip_prefix(&PREFACE).unwrap());
    let hello = Hello::read(hello[0].body).unwrap();
    assert_eq!((hello.account, hello.resource), ("u7@localhost", Some("loadgen")));
    let settled = prove(&mut client, common, piece);
    let pong = answer(Verb::Pong, Flags::NONE, Request::Settled.id(9), |_| ());
    assert_eq!(hear(&mut client, common, &pong, piece).unwrap().0, [Event::Ready]);
    (client, settled)
}

/// WELCOME, PLAIN, AUTHED.
fn prove(client: &mut Icpp, common: &Common, piece: usize) -> Vec<u8> {
    let (_, out) = hear(client, common, &welcome("PLAIN"), piece).unwrap();
    let [auth] = said(&out)[..] else { panic!("one AUTH") };
    let step = Auth::read(auth.body).unwrap();
    assert_eq!((step.mechanism, step.data), (Some("PLAIN"), Some(&b"\0u7\0secret"[..])));
    let authed = answer(Verb::Authed, Flags::NONE, auth.header.id, |out| authed().write(out));
    hear(client, common, &authed, piece).unwrap().1
}

fn mark(number: u32, bytes: u16) -> Mark {
    Mark {
        run: 1,
        sender: 6,
        number,
        stamp_ns: 1000,
        late_us: 3,
        bytes,
    }
}

fn payload(common: &Common, mark: Mark) -> Vec<u8> {
    [&mark.digits()[..], common.filler.body(mark)].concat()
}

/// DELIVER of a message that user 6 wrote to user 7, after what `change` does to it.
fn delivery(common: &Common, mark: Mark, ack: u32, change: impl FnOnce(&mut Message<'_>)) -> Vec<u8> {
    let payload = payload(common, mark);
    let mut message = Message {
        id: message_id(mark, 7),
        stamp: 5 << 20 | 1,
        kind: kind::CHAT,
        to: "u7@localhost",
        from: "u6@localhost/loadgen",
        extensions: &[],
        payload: &payload,
    };
    change(&mut message);
    push(Verb::Deliver, ack, |out| message.write(out))
}

fn deliver(common: &Common, mark: Mark) -> Vec<u8> {
    delivery(common, mark, 0, |_| ())
}

#[test]
fn a_login_does_not_depend_on_how_the_bytes_come() {
    let common = chat();
    for piece in [1, 2, 3, 7, 64, 4096] {
        let (_, settled) = logged_in(&common, wants(), piece);
        assert_eq!(verbs(&settled), [Verb::Sync, Verb::Presence, Verb::Ping]);
        let sync = Sync::read(said(&settled)[0].body).unwrap();
        assert_eq!((sync.epoch, sync.offset), (EPOCH, 0));
    }
}

#[test]
fn a_session_asks_for_what_is_wanted_and_for_what_waited_when_it_is_there() {
    let common = common("[session]\nclient_state = true", "chat");
    let wants = Wants {
        presence: false,
        roster: true,
        archive: 5,
        ..wants()
    };
    let (mut client, settled) = logged_in(&common, wants, 4096);
    assert_eq!(verbs(&settled), [Verb::Roster, Verb::State, Verb::History, Verb::Ping]);
    assert_eq!(History::read(said(&settled)[2].body).unwrap().limit, 5);
    let mut out = Vec::new();
    client.presence(&common, Presence::Available, &mut out);
    client.presence(&common, Presence::Status(mark(0, 24)), &mut out);
    assert_eq!(verbs(&out), [Verb::Sync, Verb::Presence, Verb::Presence]);
}

#[test]
fn a_password_is_proved_by_scram_and_the_server_proves_that_it_knows_it() {
    let common = chat();
    for honest in [true, false] {
        let mut client = Icpp::new(7, &common);
        client.open(&common, wants(), false, &mut Vec::new());
        let (_, out) = hear(&mut client, &common, &welcome("PLAIN SCRAM-SHA-256 TICKET"), 64).unwrap();
        let first = said(&out)[0];
        let step = Auth::read(first.body).unwrap();
        assert_eq!(step.mechanism, Some("SCRAM-SHA-256"));
        let bare = str::from_utf8(step.data.unwrap()).unwrap().strip_prefix("n,,").unwrap();
        let challenge = format!("r={}more,s=c2FsdA==,i=2", bare.strip_prefix("n=u7,r=").unwrap());
        let data = Some(challenge.as_bytes());
        let challenged = answer(Verb::Auth, Flags::MORE, first.header.id, |out| {
            Auth { mechanism: None, data }.write(out);
        });
        let (_, out) = hear(&mut client, &common, &challenged, 64).unwrap();
        let last = said(&out)[0];
        assert_ne!(last.header.id, first.header.id, "a new request");
        let proof = str::from_utf8(Auth::read(last.body).unwrap().data.unwrap()).unwrap();
        let signed = format!("{bare},{challenge},{}", proof.split_once(",p=").unwrap().0);
        let outcome = outcome(if honest { "secret" } else { "guess" }, &signed);
        let authed = Authed {
            data: Some(outcome.as_bytes()),
            ..authed()
        };
        let authed = answer(Verb::Authed, Flags::NONE, last.header.id, |out| authed.write(out));
        let heard = hear(&mut client, &common, &authed, 64);
        match honest {
            true => drop(heard.unwrap()),
            false => assert!(matches!(heard, Err(Refusal::Login(why)) if why.contains("u7: the server does not know"))),
        }
    }
}

/// The server's signature (RFC 5802 section 3), salt and rounds as above.
fn outcome(password: &str, signed: &str) -> String {
    use base64::Engine;
    let hmac = |key: &[u8], data: &[u8]| {
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(data);
        mac.finalize().into_bytes()
    };
    assert_eq!(Sha256::output_size(), 32);
    let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), b"salt", 2);
    let signature = hmac(&hmac(&salted, b"Server Key"), signed.as_bytes());
    format!("v={}", base64::engine::general_purpose::STANDARD.encode(signature))
}

#[test]
fn messages_are_the_same_events_wherever_they_are_cut() {
    let common = chat();
    let (first, second, third) = (mark(0, 40), mark(1, 16), mark(2, 100));
    let there = Entry {
        show: Show::Available,
        priority: 0,
        address: "u9@localhost/x",
        status: "",
    };
    let presences = push(Verb::Presences, 0, |out| there.write(out));
    let all = [
        deliver(&common, first),
        deliver(&common, second),
        presences,
        deliver(&common, third),
    ];
    let expected = [
        Event::Message(first),
        Event::Message(second),
        Event::Presence {
            from: Some(9),
            mark: None,
            available: true,
        },
        Event::Message(third),
    ];
    let all = all.concat();
    for piece in 1..all.len() {
        let (mut client, _) = logged_in(&common, wants(), 4096);
        let heard = hear(&mut client, &common, &all, piece).unwrap().0;
        assert_eq!(heard, expected, "pieces of {piece}");
    }
}

#[test]
fn a_message_that_was_changed_in_any_byte_is_no_message() {
    let common = chat();
    let good = deliver(&common, mark(0, 40));
    let digits = good.len() - 40 - MARK_BYTES;
    let (stamp, times) = (32..40, digits + 20..digits + 38);
    for place in 0..good.len() {
        let mut bad = good.clone();
        bad[place] ^= 1;
        let (mut client, _) = logged_in(&common, wants(), 4096);
        let (event, _) = match client.next(&common, &bad, &mut Vec::new()) {
            Ok(heard) => heard,
            Err(Refusal::Stream(_)) => continue,
            Err(other) => panic!("{other}"),
        };
        // The stamp is the server's, the times of a mark are whatever they are, flags and id of a push say nothing.
        let may_differ = stamp.contains(&place) || times.contains(&place) || place == 5 || (8..12).contains(&place);
        assert!(
            may_differ || !matches!(event, Event::Message(_)),
            "damaged at {place}: {event:?}"
        );
    }
}

#[test]
fn a_message_that_is_not_what_was_written_is_told_from_one_of_others() {
    let common = chat();
    let event = |message: Vec<u8>| {
        let (mut client, _) = logged_in(&common, wants(), 4096);
        let (events, _) = hear(&mut client, &common, &message, 4096).unwrap();
        assert_eq!(events.len(), 1);
        events[0]
    };
    let mark = mark(3, 40);
    let change = |change: fn(&mut Message<'_>)| event(delivery(&common, mark, 0, change));
    assert_eq!(
        change(|message| message.to = "u7@localhost/loadgen"),
        Event::Message(mark)
    );
    assert_eq!(change(|message| message.payload = b"who are you?"), Event::Damaged);
    assert_eq!(change(|message| message.from = "u5@localhost/loadgen"), Event::Damaged);
    assert_eq!(change(|message| message.to = "u8@localhost"), Event::Damaged);
    assert_eq!(change(|message| message.id = [1; 16]), Event::Damaged);
    assert_eq!(change(|message| message.kind = kind::ERROR), Event::Bounced);
    let news = |message: &mut Message<'_>| (message.kind, message.payload) = (kind::HEADLINE, b"news");
    assert_eq!(change(news), Event::Foreign);
    let mut extensions = Vec::new();
    ext::write(&mut extensions, tag::THREAD, b"a thread");
    let threaded = delivery(&common, mark, 0, |message| {
        message.extensions = &extensions.clone().leak()[..]
    });
    assert_eq!(event(threaded), Event::Message(mark));
    let mut extensions = Vec::new();
    ext::write(&mut extensions, tag::COPY, &[1]);
    let copy = delivery(&common, mark, 0, |message| {
        message.extensions = &extensions.clone().leak()[..]
    });
    assert_eq!(event(copy), Event::Foreign);
}

#[test]
fn what_is_sent_has_the_mark_its_flags_and_an_identity_that_the_receiver_can_compute() {
    let durable = chat();
    let quick = common("", "chat]\nstore = false\n[limits");
    for (common, flags) in [(durable, Flags::NONE), (quick, Flags::NOSTORE)] {
        let (mut client, _) = logged_in(&common, wants(), 4096);
        let (mut out, mark) = (Vec::new(), mark(5, 30));
        client.message(&common, To::User(6), mark, &mut out);
        client.message(&common, To::Session(12), mark, &mut out);
        let frames = said(&out);
        assert_eq!(
            (frames[0].header.flags, frames[0].header.verb),
            (flags, Verb::Send as u8)
        );
        let [first, second] = [0, 1].map(|number: usize| Message::read(frames[number].body).unwrap());
        assert_eq!((first.to, second.to), ("u6@localhost", "u12@localhost/loadgen"));
        assert_eq!((first.from, first.stamp, first.kind), ("", 0, kind::CHAT));
        assert_eq!(
            (first.payload, first.id),
            (&payload(&common, mark)[..], message_id(mark, 6))
        );
        assert_ne!(second.id, first.id);
    }
}

#[test]
fn credit_is_kept_to_and_what_is_accepted_is_told_once_a_read() {
    let common = chat();
    let (mut client, _) = logged_in(&common, wants(), 4096);
    let mut out = Vec::new();
    for number in 0..4 {
        assert!(client.may_send());
        client.message(&common, To::User(6), mark(number, 20), &mut out);
    }
    assert!(!client.may_send(), "WELCOME has a window of 4");
    let both = [
        delivery(&common, mark(0, 20), 1, |_| ()),
        push(Verb::Accepted, 3, |_| ()),
    ]
    .concat();
    let (events, _) = hear(&mut client, &common, &both, 4096).unwrap();
    assert_eq!(events, [Event::Message(mark(0, 20)), Event::Acked(3)]);
    assert!(client.may_send());
    let credit = push(Verb::Credit, 3, |out| out.extend_from_slice(&1_u32.to_le_bytes()));
    hear(&mut client, &common, &credit, 4096).unwrap();
    assert!(!client.may_send());
    for wrong in [5, 2] {
        let (mut client, _) = logged_in(&common, wants(), 4096);
        for number in 0..4 {
            client.message(&common, To::User(6), mark(number, 20), &mut Vec::new());
        }
        hear(&mut client, &common, &push(Verb::Accepted, 3, |_| ()), 4096).unwrap();
        let heard = hear(&mut client, &common, &push(Verb::Accepted, wrong, |_| ()), 4096);
        assert!(matches!(heard, Err(Refusal::Stream(_))), "{heard:?}");
    }
}

#[test]
fn what_is_heard_is_acknowledged_by_what_is_said_or_in_time() {
    let common = chat();
    let (mut client, _) = logged_in(&common, wants(), 4096);
    let (_, out) = hear(&mut client, &common, &deliver(&common, mark(0, 20)), 4096).unwrap();
    assert!(out.is_empty() && client.owes());
    let mut out = Vec::new();
    client.message(&common, To::User(6), mark(0, 20), &mut out);
    assert_eq!((said(&out)[0].header.ack, client.owes()), (1, false));
    // A roster push is reliable, a roster that was asked for is not.
    let contact = |out: &mut Vec<u8>| {
        out.extend_from_slice(&[roster_op::PUSH, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        write_contact(out, 3, 0, "u8@localhost", "", &[]);
    };
    hear(
        &mut client,
        &common,
        &answer(Verb::Roster, Flags::NONE, Request::Roster.id(1), contact),
        64,
    )
    .unwrap();
    assert!(!client.owes());
    hear(&mut client, &common, &push(Verb::Roster, 0, contact), 64).unwrap();
    assert!(client.owes());
    let mut out = Vec::new();
    client.pay(&mut out);
    assert_eq!((verbs(&out), said(&out)[0].header.ack), (vec![Verb::Accepted], 2));
    // Half of the 8 frames that WELCOME speaks of.
    let four: Vec<u8> = (1..5).flat_map(|number| deliver(&common, mark(number, 20))).collect();
    let (_, out) = hear(&mut client, &common, &four, 4096).unwrap();
    assert_eq!((verbs(&out), said(&out)[0].header.ack), (vec![Verb::Accepted], 6));
}

#[test]
fn who_says_nothing_for_as_long_as_the_server_allows_asks_whether_it_is_there() {
    let common = chat();
    let (mut client, _) = logged_in(&common, wants(), 4096);
    let beats = (0..).take_while(|_| !client.is_silent(5)).count();
    assert_eq!(beats, 10, "at 55 of 60 s");
    let mut out = Vec::new();
    client.pay(&mut out);
    assert_eq!(verbs(&out), [Verb::Ping]);
    assert!(!client.is_silent(5));
    let pong = answer(Verb::Pong, Flags::NONE, Request::Alive.id(2), |_| ());
    assert_eq!(hear(&mut client, &common, &pong, 64).unwrap().0, []);
}

/// A client with a session that broke after it had heard one message and sent three, of which one was accepted.
fn broken(common: &Common) -> (Icpp, Vec<MessageId>) {
    let (mut client, _) = logged_in(common, resume(), 4096);
    hear(&mut client, common, &deliver(common, mark(0, 20)), 4096).unwrap();
    let mut out = Vec::new();
    for number in 0..3 {
        client.message(common, To::User(6), mark(number, 20), &mut out);
    }
    hear(&mut client, common, &push(Verb::Accepted, 1, |_| ()), 4096).unwrap();
    client.disconnected(true);
    let ids = said(&out)
        .into_iter()
        .map(|frame| Message::read(frame.body).unwrap().id);
    (client, ids.collect())
}

#[test]
fn a_broken_session_is_resumed_where_it_was_by_its_ticket() {
    let common = chat();
    let (mut client, ids) = broken(&common);
    let mut out = Vec::new();
    client.open(&common, resume(), false, &mut out);
    let frames = said(out.strip_prefix(&PREFACE).unwrap());
    assert_eq!(frames.iter().map(|frame| frame.header.ack).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(Hello::read(frames[0].body).unwrap().resume, Some(&b"the token"[..]));
    let step = Auth::read(frames[1].body).unwrap();
    assert_eq!((step.mechanism, step.data), (Some("TICKET"), Some(&b"a ticket"[..])));
    let resumed = Authed {
        token: None,
        ..authed()
    };
    let header = Header {
        ack: 2,
        ..exchange(Verb::Resumed, Flags::RESP, frames[1].header.id, 0)
    };
    let both = [welcome("PLAIN TICKET"), frame(header, |out| resumed.write(out))].concat();
    let (events, _) = hear(&mut client, &common, &both, 4096).unwrap();
    assert_eq!(events, [Event::Resumed { acked: 1 }]);
    // The third one goes again, as it was; a fourth one is new.
    let mut out = Vec::new();
    client.message(&common, To::User(6), mark(2, 20), &mut out);
    client.message(&common, To::User(6), mark(3, 20), &mut out);
    let again = said(&out);
    assert_eq!(
        (again[0].header.flags, again[1].header.flags),
        (Flags::DUP, Flags::NONE)
    );
    assert_eq!(Message::read(again[0].body).unwrap().id, ids[2]);
    let (events, _) = hear(&mut client, &common, &push(Verb::Accepted, 4, |_| ()), 4096).unwrap();
    assert_eq!(events, [Event::Acked(2)]);
}

#[test]
fn a_ticket_that_opens_nothing_is_followed_by_the_password_and_a_session_that_is_gone_by_a_new_one() {
    let common = chat();
    let (mut client, _) = broken(&common);
    client.open(&common, resume(), false, &mut Vec::new());
    let flags = Flags::RESP.with(Flags::ERR);
    let refused = error(Code::TicketInvalid, false, flags, Request::Auth.id(0));
    let both = [welcome("PLAIN TICKET"), refused].concat();
    let (_, out) = hear(&mut client, &common, &both, 4096).unwrap();
    let auth = said(&out)[0];
    assert_eq!(Auth::read(auth.body).unwrap().mechanism, Some("PLAIN"));
    let authed = answer(Verb::Authed, Flags::NONE, auth.header.id, |out| authed().write(out));
    let (events, out) = hear(&mut client, &common, &authed, 4096).unwrap();
    assert_eq!(events, [Event::NotResumed]);
    assert_eq!(verbs(&out), [Verb::Sync, Verb::Presence, Verb::Ping]);
    assert!(said(&out).iter().all(|frame| frame.header.ack == 0), "a new session");
}

#[test]
fn a_mechanism_that_is_asked_for_is_used_without_tickets() {
    let common = common("mechanism = 'plain'", "chat");
    let (mut client, _) = broken(&common);
    let mut out = Vec::new();
    client.open(&common, resume(), false, &mut out);
    assert_eq!(verbs(out.strip_prefix(&PREFACE).unwrap()), [Verb::Hello]);
}

#[test]
fn presences_are_told_one_by_one_and_a_damaged_status_is_noticed() {
    let common = chat();
    let (mut client, _) = logged_in(&common, wants(), 4096);
    let status = payload(&common, mark(1, 24));
    let entry = |show, address, status: &[u8]| {
        let mut out = Vec::new();
        let status = str::from_utf8(status).unwrap();
        let entry = Entry {
            show,
            priority: 0,
            address,
            status,
        };
        entry.write(&mut out);
        out
    };
    let entries = [
        entry(Show::Available, "u6@localhost/loadgen", &status),
        entry(Show::Away, "u5@localhost/loadgen", &status[1..]),
        entry(Show::Unavailable, "u4@localhost/loadgen", b"gone"),
    ];
    let presences = push(Verb::Presences, 0, |out| out.extend_from_slice(&entries.concat()));
    let presence = |from, mark, available| Event::Presence { from, mark, available };
    let expected = [
        presence(Some(6), Some(mark(1, 24)), true),
        Event::Damaged,
        presence(Some(4), None, false),
    ];
    let twice = [presences.clone(), presences].concat();
    let (events, _) = hear(&mut client, &common, &twice, 7).unwrap();
    assert_eq!(events, [expected, expected].concat());
    let mut out = Vec::new();
    client.presence(&common, Presence::Status(mark(1, 24)), &mut out);
    let mut cursor = codec::cursor::Cursor::new(said(&out)[0].body);
    let ours = Entry::read(&mut cursor).unwrap();
    assert_eq!((ours.show, ours.status.as_bytes()), (Show::Available, &status[..]));
    assert!(cursor.is_empty());
}

#[test]
fn typing_the_archive_and_pings_are_said_and_heard() {
    let common = chat();
    let (mut client, _) = logged_in(&common, wants(), 4096);
    let mut out = Vec::new();
    client.typing(&common, To::User(6), &mut out);
    client.active(false, &mut out);
    client.archive(10, &mut out);
    client.ping(&common, &mut out);
    client.close(&mut out);
    let frames = said(&out);
    assert_eq!(
        verbs(&out),
        [Verb::Note, Verb::State, Verb::History, Verb::Ping, Verb::Bye]
    );
    assert_eq!(Message::read(frames[0].body).unwrap().kind, note::COMPOSING);
    assert_eq!(frames[1].body, [1]);
    let body = |kind| {
        let mut body = Vec::new();
        let message = Message {
            id: [0; 16],
            stamp: 0,
            kind,
            to: "u7@localhost",
            from: "u6@localhost/loadgen",
            extensions: &[],
            payload: &[],
        };
        message.write(&mut body);
        body
    };
    let synced = Synced {
        epoch: EPOCH,
        offset: 7,
        more: false,
    };
    let all = [
        push(Verb::Note, 0, |out| out.extend(body(note::COMPOSING))),
        push(Verb::Note, 0, |out| out.extend(body(note::PAUSED))),
        answer(Verb::Items, Flags::MORE, Request::History.id(2), |out| {
            out.extend(body(kind::CHAT))
        }),
        answer(Verb::Synced, Flags::NONE, Request::History.id(2), |out| {
            synced.write(out)
        }),
        answer(Verb::Pong, Flags::NONE, Request::Ping.id(3), |_| ()),
        error(
            Code::Unsupported,
            false,
            Flags::RESP.with(Flags::ERR),
            Request::History.id(2),
        ),
    ];
    let (events, _) = hear(&mut client, &common, &all.concat(), 4096).unwrap();
    let expected = [
        Event::Typing,
        Event::Archived,
        Event::ArchiveEnd,
        Event::Pong,
        Event::Refused,
    ];
    assert_eq!(events, expected);
    let waited = answer(Verb::Synced, Flags::NONE, Request::Sync.id(1), |out| synced.write(out));
    assert_eq!(hear(&mut client, &common, &waited, 4096).unwrap().0, []);
}

#[test]
fn requests_of_the_server_are_answered_and_later_verbs_are_let_pass() {
    let common = chat();
    let (mut client, _) = logged_in(&common, wants(), 4096);
    let ping = frame(exchange(Verb::Ping, Flags::REQ, 77, 0), |_| ());
    let (_, out) = hear(&mut client, &common, &ping, 4096).unwrap();
    let pong = said(&out)[0].header;
    assert_eq!((pong.verb, pong.flags, pong.id), (Verb::Pong as u8, Flags::RESP, 77));
    let later = |flags| Header {
        verb: 0x90,
        ..exchange(Verb::Ping, flags, 5, 0)
    };
    let both = [frame(later(Flags::NONE), |_| ()), frame(later(Flags::REQ), |_| ())].concat();
    let (events, out) = hear(&mut client, &common, &both, 4096).unwrap();
    assert_eq!((events, verbs(&out)), (vec![], vec![Verb::Error]));
}

#[test]
fn through_a_relay_what_one_sends_is_what_the_other_gets() {
    let common = common("", "floor");
    let mut out = Vec::new();
    let mut sender = Icpp::new(6, &common);
    assert!(sender.open(&common, wants(), false, &mut out) && out.is_empty());
    for number in 0..100 {
        assert!(sender.may_send());
        sender.message(&common, To::User(7), mark(number, 20), &mut out);
    }
    let mut receiver = Icpp::new(7, &common);
    receiver.open(&common, wants(), false, &mut Vec::new());
    let (events, answer) = hear(&mut receiver, &common, &out, 1000).unwrap();
    assert_eq!(events.len(), 100);
    assert!(
        answer.is_empty() && !receiver.owes(),
        "a relay wants no acknowledgements"
    );
    assert_eq!(events[99], Event::Message(mark(99, 20)));
}

#[test]
fn hostile_frames_end_in_a_refusal() {
    let common = chat();
    let large = {
        let mut bytes = push(Verb::Deliver, 0, |_| ());
        bytes[..4].copy_from_slice(&(FRAME_BYTES_MAX + 1).to_le_bytes());
        bytes
    };
    let elsewhere = Header {
        slot: 1,
        ..Header::push(Verb::Accepted, 0)
    };
    let hostile = [
        b"<stream:stream>".to_vec(),
        large,
        vec![1, 0, 0, 0],
        frame(elsewhere, |_| ()),
        push(Verb::Send, 0, |_| ()),
        push(Verb::Hello, 0, |_| ()),
        push(Verb::Authed, 0, |out| authed().write(out)),
        push(Verb::Deliver, 0, |out| out.push(0)),
        push(Verb::Presences, 0, |_| ()),
        push(Verb::Accepted, 0, |out| out.push(0)),
        push(Verb::Credit, 0, |out| out.push(0)),
        frame(
            Header {
                verb: 0x7f,
                ..Header::push(Verb::Ping, 0)
            },
            |_| (),
        ),
        error(Code::SlowConsumer, true, Flags::NONE, 0),
        push(Verb::Bye, 0, |out| codec::Refusal::fatal(Code::Shutdown).write(out)),
        push(Verb::Bye, 0, |_| ()),
    ];
    for (number, bytes) in hostile.iter().enumerate() {
        let (mut client, _) = logged_in(&common, wants(), 4096);
        let heard = client.next(&common, bytes, &mut Vec::new());
        assert!(matches!(heard, Err(Refusal::Stream(_))), "number {number}: {heard:?}");
    }
}

#[test]
fn refusals_of_a_login_say_whose_it_was_and_what_is_missing() {
    let common = chat();
    let open = || {
        let mut client = Icpp::new(7, &common);
        client.open(&common, wants(), false, &mut Vec::new());
        client
    };
    let mut client = open();
    hear(&mut client, &common, &welcome("PLAIN"), 4096).unwrap();
    let wrong = error(
        Code::NotAuthorized,
        false,
        Flags::RESP.with(Flags::ERR),
        Request::Auth.id(0),
    );
    let refused = hear(&mut client, &common, &wrong, 4096).unwrap_err();
    assert!(
        matches!(&refused, Refusal::Login(why) if why.starts_with("u7: not-authorized")),
        "{refused}"
    );
    let refused = hear(&mut open(), &common, &welcome("X-OTHER"), 4096).unwrap_err();
    assert!(
        matches!(&refused, Refusal::NotOffered(what) if what.contains("X-OTHER")),
        "{refused}"
    );
    let mut elsewhere = Vec::new();
    let reason = codec::elsewhere::Reason::Home;
    let redirect = codec::elsewhere::Redirect::to("other", reason, "node");
    redirect.write(&mut elsewhere, ["icpp://other:5299"]);
    let sent = push(Verb::Redirect, 0, |out| out.extend_from_slice(&elsewhere));
    let refused = hear(&mut open(), &common, &sent, 4096).unwrap_err();
    assert!(
        matches!(&refused, Refusal::Stream(why) if why.contains("icpp://other:5299")),
        "{refused}"
    );
    let early = error(Code::UnsupportedVersion, true, Flags::NONE, 0);
    assert!(matches!(
        hear(&mut open(), &common, &early, 4096),
        Err(Refusal::Stream(_))
    ));
    let mut client = open();
    hear(&mut client, &common, &welcome("PLAIN"), 4096).unwrap();
    let another = Authed {
        address: "u8@localhost/loadgen",
        ..authed()
    };
    let another = answer(Verb::Authed, Flags::NONE, Request::Auth.id(0), |out| another.write(out));
    assert!(matches!(
        hear(&mut client, &common, &another, 4096),
        Err(Refusal::Stream(_))
    ));
    let mut client = open();
    client.login.as_mut().unwrap().wants.resume = true;
    hear(&mut client, &common, &welcome("PLAIN"), 4096).unwrap();
    let without = Authed {
        token: None,
        ..authed()
    };
    let without = answer(Verb::Authed, Flags::NONE, Request::Auth.id(0), |out| without.write(out));
    assert!(matches!(
        hear(&mut client, &common, &without, 4096),
        Err(Refusal::NotOffered(_))
    ));
}

#[test]
fn a_room_is_entered_opened_and_heard() {
    let text = "name = 'play'\n[target]\nprotocol = 'icpp'\n[scenario.fanout]\n";
    let common = Common::new(&Plan::parse("the play", text, &[]).unwrap());
    let about = |verb, codes: &[u8], role: u8| {
        push(verb, 0, |out| {
            write_text(out, room_tag::ROOM, &format!("loadgen-room-3@{}", common.rooms));
            ext::write(out, room_tag::ROLE, &[role]);
            ext::write(out, room_tag::CODES, codes);
        })
    };
    let heard = |bytes: &[u8]| heard::occupant(&bytes[HEADER_BYTES..], &common).unwrap();
    let own = about(Verb::Occupant, &[110, 0, 201, 0], 3);
    assert_eq!(heard(&own), (Event::Joined { room: 3 }, true));
    assert_eq!(
        heard(&about(Verb::Occupant, &[110, 0], 2)),
        (Event::Joined { room: 3 }, false)
    );
    assert_eq!(
        heard(&about(Verb::Occupant, &[], 2)),
        (Event::Nothing, false),
        "another's"
    );
    assert_eq!(
        heard(&about(Verb::Occupant, &[110, 0], 0)),
        (Event::Nothing, false),
        "out"
    );
    let mark = Mark::new(1, 5, 6, 7, 8, 40);
    let said = |nick: &str, to: &str| {
        let payload = [&mark.digits()[..], common.filler.body(mark)].concat();
        let message = Message {
            id: common::message_id(mark, 3),
            stamp: 9,
            kind: kind::GROUPCHAT,
            to,
            from: &format!("loadgen-room-3@{}/{nick}", common.rooms),
            extensions: &[],
            payload: &payload,
        };
        let mut body = Vec::new();
        message.write(&mut body);
        heard::message(&body, 2, &common).unwrap()
    };
    let (own, sender) = (format!("{}{}", common.name(2), common.of_session), common.name(5));
    assert_eq!(said(&sender, &own), Event::Room(mark));
    assert_eq!(said(&common.name(6), &own), Event::Damaged, "another sender");
    assert_eq!(said(&sender, &common.name(2)), Event::Damaged, "another addressee");
}

#[test]
fn whatever_the_bytes_are_there_is_an_answer() {
    let common = chat();
    let seeds = [
        deliver(&common, mark(0, 40)),
        welcome("PLAIN"),
        answer(Verb::Authed, Flags::NONE, Request::Auth.id(0), |out| {
            authed().write(out)
        }),
        push(Verb::Presences, 0, |out| out.extend_from_slice(&[1; 40])),
    ];
    let mut chance = crate::worker::Chance::new(1);
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=chance.below(3) {
            let place = chance.below(bytes.len() as u32) as usize;
            bytes[place] = chance.below(256) as u8;
        }
        bytes.truncate(1 + chance.below(bytes.len() as u32) as usize);
        let mut client = Icpp::new(7, &common);
        client.open(&common, resume(), false, &mut Vec::new());
        client.on = round % 3 == 0;
        let mut at = 0;
        while let Ok((event, used)) = client.next(&common, &bytes[at..], &mut Vec::new()) {
            at += used;
            assert!(at <= bytes.len());
            if event == Event::Partial {
                break;
            }
        }
    }
}
