//! A scripted server at the other end of a client: whole logins and sessions, cut at every byte.

use super::*;

const HEADER: &str = "<?xml version='1.0'?><stream:stream from='localhost' id='1' version='1.0' \
                      xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

fn common(extra: &str) -> Common {
    let text = format!("name = 'play'\n{extra}\n[users]\npassword = 'secret'\n[scenario.chat]\n");
    Common::new(&Plan::parse("the play", &text, &[]).unwrap())
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

fn features(inner: &str) -> String {
    format!("<stream:features>{inner}</stream:features>")
}

fn offer(mechanisms: &[&str]) -> String {
    let each = |name: &&str| format!("<mechanism>{name}</mechanism>");
    let all: String = mechanisms.iter().map(each).collect();
    features(&format!("<mechanisms xmlns='{SASL}'>{all}</mechanisms>"))
}

/// The server says this, in pieces of so many bytes: what the client makes of it, and what it says.
fn hear(client: &mut Xmpp, common: &Common, said: &str, piece: usize) -> Result<(Vec<Event>, String), Refusal> {
    let (mut events, mut out, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for piece in said.as_bytes().chunks(piece) {
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
    Ok((events, String::from_utf8(out).unwrap()))
}

/// A client that is logged in by PLAIN.
fn logged_in(common: &Common, wants: Wants, piece: usize) -> (Xmpp, String) {
    let mut client = Xmpp::new(7, common);
    let mut out = Vec::new();
    assert!(!client.open(common, wants, false, &mut out));
    let say = |client: &mut Xmpp, said: String| hear(client, common, &said, piece).unwrap();
    let (_, answer) = say(&mut client, format!("{HEADER}{}", offer(&["PLAIN"])));
    assert!(answer.contains("mechanism='PLAIN'>AHU3AHNlY3JldA==<"), "{answer}");
    say(&mut client, format!("<success xmlns='{SASL}'/>"));
    let (_, answer) = say(
        &mut client,
        format!("{HEADER}{}", features(&format!("<sm xmlns='{SM}'/>"))),
    );
    assert!(answer.contains("<resource>loadgen</resource>"), "{answer}");
    let (_, settled) = say(&mut client, "<iq type='result' id='bind'/>".to_owned());
    if wants.acks {
        say(
            &mut client,
            format!("<enabled xmlns='{SM}' id='some&amp;id' resume='true'/>"),
        );
    }
    let (events, _) = say(
        &mut client,
        "<presence from='u7@localhost/loadgen'/><iq type='error' id='settled'/>".to_owned(),
    );
    assert_eq!(events.last(), Some(&Event::Ready));
    (client, settled)
}

fn message(common: &Common, number: u32, bytes: u16) -> (Mark, String) {
    let mark = Mark {
        run: 1,
        sender: 6,
        number,
        stamp_ns: 1000,
        late_us: 3,
        bytes,
    };
    let (digits, body) = (mark.digits(), common.filler.body(mark));
    let text = format!(
        "<message from='u6@localhost/loadgen' to='u7@localhost' type='chat' id='{}'><body>{}</body></message>",
        str::from_utf8(&digits).unwrap(),
        str::from_utf8(body).unwrap()
    );
    (mark, text)
}

#[test]
fn a_login_does_not_depend_on_how_the_bytes_come() {
    let common = common("");
    for piece in [1, 2, 3, 7, 64, 4096] {
        let (_, settled) = logged_in(&common, wants(), piece);
        assert!(
            settled.starts_with("<presence/><iq type='get' id='settled'"),
            "{settled}"
        );
    }
}

#[test]
fn messages_are_the_same_events_wherever_they_are_cut() {
    let common = common("");
    let (first, first_text) = message(&common, 0, 40);
    let (second, second_text) = message(&common, 1, 16);
    let (third, third_text) = message(&common, 2, 100);
    let said = format!("{first_text}{second_text} <presence from='u9@localhost/x'/>{third_text}");
    let there = Event::Presence {
        from: Some(9),
        mark: None,
        available: true,
    };
    let expected = [
        Event::Message(first),
        Event::Message(second),
        there,
        Event::Message(third),
    ];
    for piece in 1..said.len() {
        let (mut client, _) = logged_in(&common, wants(), 4096);
        assert_eq!(
            hear(&mut client, &common, &said, piece).unwrap().0,
            expected,
            "pieces of {piece}"
        );
    }
}

#[test]
fn a_message_that_was_changed_is_damaged_whether_its_shape_is_known_or_not() {
    let common = common("");
    let (mark, good) = message(&common, 0, 40);
    let bad = good.replace("quick", "quack");
    let (mut client, _) = logged_in(&common, wants(), 4096);
    let (events, _) = hear(&mut client, &common, &format!("{bad}{good}{bad}{good}"), 4096).unwrap();
    assert_eq!(
        events,
        [
            Event::Damaged,
            Event::Message(mark),
            Event::Damaged,
            Event::Message(mark)
        ]
    );
    let without = "<message from='u6@localhost' type='chat'><body>who are you?</body></message>";
    assert_eq!(hear(&mut client, &common, without, 4096).unwrap().0, [Event::Damaged]);
    let returned = good.replace("'chat'", "'error'");
    assert_eq!(hear(&mut client, &common, &returned, 4096).unwrap().0, [Event::Bounced]);
}

#[test]
fn what_arrives_is_counted_and_what_was_sent_is_confirmed() {
    let common = common("");
    let acks = Wants { acks: true, ..wants() };
    let (mut client, settled) = logged_in(&common, acks, 4096);
    assert!(
        settled.contains("<enable xmlns='urn:xmpp:sm:3'/><presence/>"),
        "{settled}"
    );
    // Two were heard during the login (the presence, the ping's answer), and two now.
    let texts = [0, 1].map(|number| message(&common, number, 30).1).concat();
    let (_, answer) = hear(&mut client, &common, &format!("{texts}<r xmlns='{SM}'/>"), 4096).unwrap();
    assert_eq!(answer, "<a xmlns='urn:xmpp:sm:3' h='4'/>");
    let mut out = Vec::new();
    for number in 0..3 {
        client.message(
            &common,
            To::User(6),
            Mark {
                number,
                ..Mark::default()
            },
            &mut out,
        );
    }
    client.ask_ack(&mut out);
    assert!(out.ends_with(b"<r xmlns='urn:xmpp:sm:3'/>"));
    // The presence and the ping of the login are nobody's messages.
    let (events, _) = hear(&mut client, &common, &format!("<a xmlns='{SM}' h='4'/>"), 4096).unwrap();
    assert_eq!(events, [Event::Acked(2)]);
    let (events, _) = hear(&mut client, &common, &format!("<a xmlns='{SM}' h='5'/>"), 4096).unwrap();
    assert_eq!(events, [Event::Acked(1)]);
    let more = hear(&mut client, &common, &format!("<a xmlns='{SM}' h='6'/>"), 4096);
    assert!(matches!(more, Err(Refusal::Stream(_))), "{more:?}");
}

#[test]
fn a_broken_session_is_resumed_where_it_was() {
    let common = common("");
    let resume = Wants {
        acks: true,
        resume: true,
        ..wants()
    };
    for (answer, resumed) in [
        ("<resumed xmlns='urn:xmpp:sm:3' h='3'/>", true),
        ("<failed xmlns='urn:xmpp:sm:3'/>", false),
    ] {
        let (mut client, _) = logged_in(&common, resume, 4096);
        let mut out = Vec::new();
        client.message(&common, To::User(6), Mark::default(), &mut out);
        client.disconnected(true);
        client.open(&common, resume, false, &mut out);
        hear(&mut client, &common, &format!("{HEADER}{}", offer(&["PLAIN"])), 4096).unwrap();
        hear(&mut client, &common, &format!("<success xmlns='{SASL}'/>"), 4096).unwrap();
        let offered = format!("{HEADER}{}", features(&format!("<sm xmlns='{SM}'/>")));
        let (_, said) = hear(&mut client, &common, &offered, 4096).unwrap();
        assert_eq!(said, "<resume xmlns='urn:xmpp:sm:3' h='2' previd='some&amp;id'/>");
        let (events, said) = hear(&mut client, &common, answer, 4096).unwrap();
        match resumed {
            true => assert_eq!(events, [Event::Resumed { acked: 1 }]),
            false => assert!(
                events == [Event::NotResumed] && said.contains("<bind"),
                "{events:?} {said}"
            ),
        }
    }
}

#[test]
fn start_tls_comes_first_and_the_best_mechanism_after_it() {
    let common = common("[target]\nsecurity = 'starttls'");
    let mut client = Xmpp::new(7, &common);
    client.open(&common, wants(), false, &mut Vec::new());
    let starttls = features(&format!("<starttls xmlns='{TLS}'/>"));
    let (_, said) = hear(&mut client, &common, &format!("{HEADER}{starttls}"), 4096).unwrap();
    assert_eq!(said, format!("<starttls xmlns='{TLS}'/>"));
    let (events, said) = hear(&mut client, &common, &format!("<proceed xmlns='{TLS}'/>"), 4096).unwrap();
    assert!(events == [Event::Secure] && said.contains("<stream:stream"), "{said}");
    let mechanisms = offer(&["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"]);
    let (_, said) = hear(&mut client, &common, &format!("{HEADER}{mechanisms}"), 4096).unwrap();
    assert!(said.contains("mechanism='SCRAM-SHA-256'"), "{said}");
}

#[test]
fn refusals_say_whose_login_it_was_and_what_is_missing() {
    let common = common("");
    let open = || {
        let mut client = Xmpp::new(7, &common);
        client.open(&common, wants(), false, &mut Vec::new());
        client
    };
    let mut client = open();
    hear(&mut client, &common, &format!("{HEADER}{}", offer(&["PLAIN"])), 4096).unwrap();
    let failure = format!("<failure xmlns='{SASL}'><not-authorized/></failure>");
    let refused = hear(&mut client, &common, &failure, 4096).unwrap_err();
    assert!(matches!(&refused, Refusal::Login(why) if why.starts_with("u7: ") && why.contains("not-authorized")));
    let refused = hear(&mut open(), &common, &format!("{HEADER}{}", offer(&["X-OTHER"])), 4096).unwrap_err();
    assert!(
        matches!(&refused, Refusal::NotOffered(what) if what.contains("X-OTHER")),
        "{refused}"
    );
    let refused = hear(&mut open(), &common, &format!("{HEADER}<a><b></a>"), 4096);
    assert!(matches!(refused, Err(Refusal::Stream(_))));
}

#[test]
fn a_request_of_the_server_is_answered() {
    let common = common("");
    let (mut client, _) = logged_in(&common, wants(), 4096);
    let ping = "<iq type='get' id='a' from='localhost'><ping xmlns='urn:xmpp:ping'/></iq>";
    let (_, said) = hear(&mut client, &common, ping, 4096).unwrap();
    assert_eq!(said, "<iq type='result' to='localhost' id='a'/>");
    let version = "<iq type='get' id='b' from='localhost'><query xmlns='jabber:iq:version'/></iq>";
    let (_, said) = hear(&mut client, &common, version, 4096).unwrap();
    assert!(said.contains("service-unavailable"), "{said}");
}

#[test]
fn our_own_entrance_into_a_room_is_told_from_that_of_others() {
    let common = common("");
    let (mut client, _) = logged_in(&common, wants(), 4096);
    let entrance = |room: &str, codes: &str| {
        format!(
            "<presence from='{room}@conference.localhost/u7'><x xmlns='http://jabber.org/protocol/muc#user'>\
             <item affiliation='none' role='participant'/>{codes}</x></presence>"
        )
    };
    let (events, _) = hear(&mut client, &common, &entrance("loadgen-room-3", ""), 4096).unwrap();
    assert_eq!(events, []);
    let own = entrance("loadgen-room-3", "<status code='110'/><status code=\"201\"/>");
    let (events, said) = hear(&mut client, &common, &own, 4096).unwrap();
    assert_eq!(events, [Event::Joined { room: 3 }]);
    assert!(said.contains("muc#owner"), "{said}");
}
