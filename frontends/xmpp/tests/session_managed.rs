//! Plays: stream management (XEP-0198) and client state (XEP-0352).

mod session_support;

use crosspoint_engine::envelope::{Envelope, Hints, Kind, MessageKind, PresenceKind, QueryKind};
use crosspoint_engine::session::{Action, Event, Farewell, Form};
use crosspoint_xmpp::XmppConfig;
use crosspoint_xmpp::limits::Limits;
use session_support::*;

const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true' max='100'/>";
const R: &str = "<r xmlns='urn:xmpp:sm:3'/>";
const CHAT: Kind = Kind::Message(MessageKind::Chat);

fn a(h: u32) -> String {
    format!("<a xmlns='urn:xmpp:sm:3' h='{h}'/>")
}

fn managed() -> Client {
    managed_with(config())
}

fn managed_with(config: XmppConfig) -> Client {
    let mut client = Client::bound_with(config);
    client.send(ENABLE);
    client.forget();
    client
}

fn juliet_writes(body: &'static str) -> Envelope {
    message("juliet@capulet.lit/balcony", ROMEO, CHAT, body)
}

fn presence_of(from: &str) -> Envelope {
    Envelope {
        hints: Hints::DEFER,
        ..message(from, ROMEO, Kind::Presence(PresenceKind::Available), "")
    }
}

/// What a session gives back when it ends: log numbers, and bodies.
fn returned(actions: &[Action]) -> (Vec<u64>, Vec<String>) {
    let Some(Action::Return { records, envelopes }) = actions.iter().find(|action| name(action) == "Return") else {
        return Default::default();
    };
    let body = |envelope: &Envelope| String::from_utf8(envelope.content.body.to_vec()).unwrap();
    (records.clone(), envelopes.iter().map(body).collect())
}

#[test]
fn it_is_enabled_once_and_only_when_bound() {
    let mut client = Client::at_home(config());
    client.send(ENABLE);
    assert!(client.said().contains("<unexpected-request "));
    let mut client = Client::bound();
    client.send(R);
    assert!(client.said().contains("<failed "), "nothing is counted yet");
    client.send(ENABLE);
    let said = client.said();
    assert!(
        said.starts_with("<enabled xmlns='urn:xmpp:sm:3' id=\"") && said.ends_with("resume='true' max='100'/>"),
        "{said}"
    );
    let asked = client.asked();
    let [Action::Resumable { token }] = &asked[..] else {
        panic!("{:?}", names(&asked))
    };
    assert!(token.len() >= 22 && said.contains(std::str::from_utf8(token).unwrap()));
    client.send(ENABLE);
    assert!(client.said().contains("<unexpected-request "));

    let mut client = Client::bound();
    client.send("<enable xmlns='urn:xmpp:sm:3'/>");
    assert_eq!(client.said(), "<enabled xmlns='urn:xmpp:sm:3'/>");
    assert!(client.asked().is_empty());
}

#[test]
fn an_acknowledgement_waits_for_the_log() {
    let mut client = managed();
    client.send("<message to='juliet@capulet.lit'><body>1</body></message><presence/><message to='a@b'><body>2</body></message>");
    client.send(R);
    let seqs: Vec<_> = client
        .asked()
        .iter()
        .filter_map(|action| match action {
            Action::Route { seq, .. } => *seq,
            _ => None,
        })
        .collect();
    assert_eq!(seqs, [1, 3], "presence is not in the log");
    assert_eq!(client.said(), "", "nothing is safe yet");
    client.event(Event::Accepted(vec![3]));
    assert_eq!(client.said(), "");
    client.event(Event::Accepted(vec![1]));
    assert_eq!(client.said(), a(3));
    client.send(R);
    assert_eq!(client.said(), a(3), "each question has its answer");
    client.send("<iq type='get' id='1' to='montague.lit'><ping xmlns='urn:xmpp:ping'/></iq><presence type='gossip'/>");
    client.forget();
    client.send(R);
    assert_eq!(client.said(), a(5), "queries, and what was refused, count at once");
}

#[test]
fn who_leaves_gets_the_acknowledgement_it_asked_for() {
    let mut client = managed();
    client.send("<message to='juliet@capulet.lit'><body>1</body></message>");
    client.send(R);
    client.send("</stream:stream>");
    assert!(!client.closed);
    client.event(Event::Accepted(vec![1]));
    assert_eq!(client.said(), a(1) + "</stream:stream>");
    assert!(client.closed);

    let mut client = managed();
    client.send("<message to='juliet@capulet.lit'><body>1</body></message>");
    client.send(R);
    client.send("</stream:stream>");
    let deadline = client.wake_at.unwrap();
    client.tick_at(deadline);
    assert_eq!(client.said(), "</stream:stream>", "but does not wait for ever");
}

#[test]
fn the_client_confirms_and_the_log_forgets() {
    let mut client = managed();
    client.deliver(&juliet_writes("<body>1</body>"), Form::Plain, Some(11));
    assert!(client.said().ends_with(R), "a message asks for its acknowledgement");
    client.deliver(&juliet_writes("<body>2</body>"), Form::Plain, Some(12));
    assert!(!client.said().contains(R), "one question at a time");
    client.deliver(&juliet_writes("<body>3</body>"), Form::Plain, None);
    assert!(client.asked().is_empty(), "nothing is settled yet");
    client.forget();
    client.send(a(2));
    assert!(matches!(&client.asked()[..], [Action::Settle(records)] if *records == [11, 12]));
    assert_eq!(client.said(), R, "the third is open");
    client.send(a(3));
    assert!(client.asked().is_empty());
    client.send(a(4));
    let said = client.said();
    assert!(
        said.contains("<handled-count-too-high xmlns='urn:xmpp:sm:3' h='4' send-count='3'/>"),
        "{said}"
    );
    assert!(client.closed);
}

#[test]
fn without_stream_management_the_socket_is_trusted() {
    let mut client = Client::bound();
    client.deliver(&juliet_writes("<body>1</body>"), Form::Plain, Some(11));
    assert!(matches!(&client.asked()[..], [Action::SettleWhenWritten(records)] if *records == [11]));
    client.event(Event::Lost);
    assert_eq!(names(&client.asked()), ["Close"]);
}

#[test]
fn what_was_not_confirmed_goes_elsewhere() {
    for end in [Event::Farewell(Farewell::Shutdown), Event::Lost] {
        let mut client = Client::bound();
        client.send("<enable xmlns='urn:xmpp:sm:3'/>");
        client.deliver(&juliet_writes("<body>1</body>"), Form::Plain, Some(11));
        client.deliver(&juliet_writes("<body>2</body>"), Form::Plain, None);
        client.deliver(&juliet_writes("<body>copy</body>"), Form::CopyReceived, None);
        client.deliver(&presence_of("juliet@capulet.lit/balcony"), Form::Plain, None);
        let ping = message(
            "juliet@capulet.lit",
            ROMEO,
            Kind::Query(QueryKind::Get),
            "<ping xmlns='urn:xmpp:ping'/>",
        );
        client.deliver(&ping, Form::Plain, None);
        client.forget();
        client.event(end);
        let asked = client.asked();
        assert_eq!(names(&asked), ["Return", "Close"]);
        let bodies = ["<body>2</body>".to_owned(), "<ping xmlns='urn:xmpp:ping'/>".to_owned()];
        assert_eq!(returned(&asked), (vec![11], bodies.to_vec()));
    }
}

/// Romeo's connection breaks; his token.
fn breaks(client: &mut Client) -> bytes::Bytes {
    client.forget();
    client.event(Event::Lost);
    let asked = client.asked();
    let [Action::Detach { token, seconds: 100 }] = &asked[..] else {
        panic!("{:?}", names(&asked))
    };
    token.clone()
}

#[test]
fn romeo_comes_back_and_has_missed_nothing() {
    let mut first = managed();
    first.deliver(&juliet_writes("<body>seen</body>"), Form::Plain, Some(1));
    first.deliver(&juliet_writes("<body>lost</body>"), Form::Plain, Some(2));
    first.send("<message to='juliet@capulet.lit'><body>mine</body></message>");
    first.event(Event::Accepted(vec![1]));
    let token = breaks(&mut first);
    assert_eq!(first.said(), "");
    first.deliver(&juliet_writes("<body>meanwhile</body>"), Form::Plain, None);
    first.deliver(&presence_of("juliet@capulet.lit/balcony"), Form::Plain, None);
    first.deliver(&presence_of("juliet@capulet.lit/balcony"), Form::Plain, None);
    assert_eq!(first.said(), "", "nobody would read it");

    let mut second = Client::at_home(config());
    second.send(format!(
        "<resume xmlns='urn:xmpp:sm:3' previd='{}' h='1'/>",
        std::str::from_utf8(&token).unwrap()
    ));
    assert!(matches!(&second.asked()[..], [Action::Resume { token: shown }] if *shown == token));
    second.event(Event::Resumed {
        old: first.session.take().unwrap(),
        address: jid(ROMEO),
    });
    let said = second.said();
    assert!(said.starts_with("<resumed xmlns='urn:xmpp:sm:3' previd=\""), "{said}");
    assert!(said.contains("' h='1'/>") || said.contains("\" h='1'/>"), "{said}");
    assert!(!said.contains("seen"), "{said}");
    let order = ["resumed", "lost", "meanwhile", "<presence"]
        .map(|part| said.find(part).unwrap_or_else(|| panic!("{part} in {said}")));
    assert!(order.is_sorted(), "{said}");
    assert_eq!(said.matches("<presence").count(), 1, "the latest presence is enough");
    assert!(matches!(&second.asked()[..], [Action::Settle(records)] if *records == [1]));
    second.send(a(4));
    assert!(matches!(&second.asked()[..], [Action::Settle(records)] if *records == [2]));
    second.send("<message to='juliet@capulet.lit'><body>again</body></message>");
    assert!(
        matches!(&second.asked()[..], [Action::Route { seq: Some(2), .. }]),
        "counting goes on"
    );
    assert_eq!(breaks(&mut second), token, "and he may come back again");
}

#[test]
fn coming_back_waits_for_what_the_log_still_commits() {
    let mut first = managed();
    first.send("<message to='juliet@capulet.lit'><body>mine</body></message>");
    breaks(&mut first);
    let mut second = Client::at_home(config());
    second.send("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/><presence/>");
    second.event(Event::Resumed {
        old: first.session.take().unwrap(),
        address: jid(ROMEO),
    });
    assert_eq!(second.said(), "", "or he would send it twice");
    second.deliver(&juliet_writes("<body>soon</body>"), Form::Plain, None);
    second.forget();
    second.event(Event::Accepted(vec![1]));
    let said = second.said();
    assert!(said.contains("h='1'/>") && said.contains("soon"), "{said}");
    assert_eq!(
        names(&second.asked()),
        ["Presence"],
        "and what he has sent since is read"
    );
}

#[test]
fn a_session_that_is_gone_is_not_resumed_but_a_new_one_begins() {
    let mut client = Client::at_home(config());
    client.send("<resume xmlns='urn:xmpp:sm:3' previd='nonsense' h='0'/>");
    client.event(Event::ResumeFailed);
    let said = client.said();
    assert!(said.contains("<failed ") && said.contains("<item-not-found "), "{said}");
    client.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    assert_eq!(names(&client.asked()), ["Resume", "Bind"]);
    for wrong in [
        "<resume xmlns='urn:xmpp:sm:3' previd='x'/>",
        "<resume xmlns='urn:xmpp:sm:3' previd='x' h='-1'/>",
    ] {
        let mut client = Client::at_home(config());
        client.send(wrong);
        assert!(client.said().contains("<bad-request "), "{wrong}");
    }
}

#[test]
fn the_time_to_come_back_ends() {
    let mut client = managed();
    client.deliver(&juliet_writes("<body>1</body>"), Form::Plain, None);
    breaks(&mut client);
    client.event(Event::Farewell(Farewell::Timeout));
    assert_eq!(client.said(), "");
    let asked = client.asked();
    assert_eq!(
        (names(&asked), returned(&asked).1),
        (vec!["Return", "Close"], vec!["<body>1</body>".to_owned()])
    );
}

#[test]
fn what_waits_for_an_absent_client_is_bounded() {
    let limits = Limits {
        unacked_away_stanzas: 3,
        ..Limits::DEFAULT
    };
    let mut client = managed_with(XmppConfig { limits, ..config() });
    breaks(&mut client);
    for _ in 0..3 {
        client.deliver(&juliet_writes("<body>x</body>"), Form::Plain, None);
        assert!(!client.closed);
    }
    client.deliver(&juliet_writes("<body>x</body>"), Form::Plain, None);
    assert!(client.closed);
    assert_eq!(returned(&client.asked()).1.len(), 4, "nothing is lost");
}

#[test]
fn a_connected_client_that_never_confirms_is_let_go() {
    let limits = Limits {
        unacked_stanzas: 40,
        unacked_away_stanzas: 40,
        ..Limits::DEFAULT
    };
    let mut client = managed_with(XmppConfig { limits, ..config() });
    for number in 0..41 {
        assert!(!client.closed, "{number}");
        client.deliver(&juliet_writes("<body>x</body>"), Form::Plain, Some(number));
    }
    assert_eq!(returned(&client.asked()).0.len(), 41);
    assert_eq!(client.ended_with(), "resource-constraint");
}

#[test]
fn too_much_that_is_not_safe_yet_stops_the_reading() {
    let limits = Limits {
        outstanding_stanzas: 4,
        ..Limits::DEFAULT
    };
    let mut client = managed_with(XmppConfig { limits, ..config() });
    for _ in 0..6 {
        client.send("<message to='juliet@capulet.lit'><body>x</body></message>");
    }
    assert_eq!(client.routed().len(), 4);
    assert!(client.paused && client.unread() > 0);
    client.event(Event::Accepted(vec![1]));
    assert!(client.paused);
    client.event(Event::Accepted(vec![2]));
    assert_eq!(client.routed().len(), 2);
}

#[test]
fn an_inactive_client_is_spared_what_does_not_matter() {
    let mut client = Client::bound();
    client.send("<inactive xmlns='urn:xmpp:csi:0'/>");
    client.deliver(&presence_of("juliet@capulet.lit/balcony"), Form::Plain, None);
    client.deliver(&presence_of("juliet@capulet.lit/balcony"), Form::Plain, None);
    let typing = Envelope {
        hints: Hints::DEFER,
        ..juliet_writes("<composing xmlns='http://jabber.org/protocol/chatstates'/>")
    };
    client.deliver(&typing, Form::Plain, None);
    assert_eq!(client.said(), "");
    client.deliver(&juliet_writes("<body>1</body>"), Form::Plain, None);
    let said = client.said();
    assert!(
        said.find("<presence") < said.find("<composing") && said.find("<composing") < said.find("<body>1"),
        "{said}"
    );
    assert_eq!(said.matches("<presence").count(), 1);
    client.deliver(&presence_of("nurse@capulet.lit/1"), Form::Plain, None);
    assert_eq!(client.said(), "", "still inactive");
    client.send("<active xmlns='urn:xmpp:csi:0'/><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert!(client.said().contains("nurse"), "written before anything else is read");
    client.deliver(&presence_of("nurse@capulet.lit/1"), Form::Plain, None);
    assert!(client.said().contains("nurse"), "active again");
}

#[test]
fn what_is_held_back_is_bounded() {
    let limits = Limits {
        held_stanzas: 2,
        ..Limits::DEFAULT
    };
    let mut client = Client::bound_with(XmppConfig { limits, ..config() });
    client.send("<inactive xmlns='urn:xmpp:csi:0'/>");
    client.deliver(&presence_of("a@capulet.lit/1"), Form::Plain, None);
    assert_eq!(client.said(), "");
    client.deliver(&presence_of("b@capulet.lit/1"), Form::Plain, None);
    assert_eq!(client.said().matches("<presence").count(), 2);
}
