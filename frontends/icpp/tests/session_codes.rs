//! SPEC.md section 10: every code has a play in which it is told, in the way that the table says. A code without one fails.

mod session_support;

use std::collections::BTreeMap;
use std::sync::Arc;

use crosspoint_engine::envelope::{Condition, Content, Envelope, Kind, MessageKind, QueryKind};
use crosspoint_engine::session::{BindFault, Event, Farewell, Form, Peer};
use crosspoint_icpp::codec::hello::Hello;
use crosspoint_icpp::codec::message::{kind, tag};
use crosspoint_icpp::codec::{Code, Flags, Header, PREFACE, Refusal, Verb, ext};
use crosspoint_icpp::edge::{BackEnd, EdgeConfig, EdgeFigures, EdgeFront, EdgeListener};
use crosspoint_icpp::limits::Limits;
use crosspoint_icpp::redirect::LoadPolicy;
use crosspoint_icpp::trunk::ClusterKey;
use session_support::*;

/// How a code is told: that number, whether the connection ends, and which verb says so.
type Found = (u16, bool, Verb);

fn established() -> Client {
    Client::established(Limits::DEFAULT)
}

/// A client of Romeo's that has been welcomed.
fn welcomed(hops: u8) -> Client {
    let mut client = Client::connect(config(Limits::DEFAULT), 0);
    client.send(&PREFACE);
    client.hello(&Hello {
        account: "romeo@montague.lit",
        hops,
        ..Hello::default()
    });
    client
}

/// The last thing that was said.
fn last(mut client: Client) -> Found {
    let told = client.told().pop().expect("something is said");
    let refusal = Refusal::read(&told.body).unwrap();
    assert_eq!(
        refusal.fatal, client.closed,
        "fatal is what ends the connection: {told:?}"
    );
    (refusal.code, client.closed, told.verb)
}

fn sent_in_session(header: Header, body: &[u8]) -> Found {
    let mut client = established();
    client.frame(header, |out| out.extend_from_slice(body));
    last(client)
}

fn opened_with(bytes: &[u8]) -> Found {
    let mut client = Client::connect(config(Limits::DEFAULT), 0);
    client.send(bytes);
    last(client)
}

fn authenticated_with(mechanism: &str, data: &[u8], answers: Vec<Event>) -> Found {
    let mut client = welcomed(0);
    client.auth(Some(mechanism), data);
    answers.into_iter().for_each(|event| client.event(event));
    last(client)
}

fn dismissed(farewell: Farewell) -> Found {
    let mut client = established();
    client.event(Event::Farewell(farewell));
    client.pass(10_000);
    last(client)
}

/// Half a second of a shard that has no trunk.
fn without_back_end() -> Found {
    let config = EdgeConfig {
        node: "fe1".to_owned(),
        urls: vec![],
        weight: 100,
        back_ends: vec![BackEnd {
            first: 0,
            last: 4095,
            address: ([127, 0, 0, 1], 5298).into(),
        }],
        trunk_cipher: None,
        key: ClusterKey([1; 32]),
        listeners: vec![EdgeListener {
            cipher: None,
            private: true,
        }],
        homes: vec![],
        load: LoadPolicy::DEFAULT,
        drain_ms: 0,
        shards: 1,
        figures: Arc::new(EdgeFigures::default()),
    };
    let mut edge = edge_support::Edge::new(EdgeFront::new(Arc::new(config)));
    let told = edge.arrive(&Peer {
        address: [127, 0, 0, 1].into(),
        tls: None,
        listener: 0,
    });
    let refusal = Refusal::read(&told.1).unwrap();
    (refusal.code, refusal.fatal, told.0)
}

fn with_credit_overrun() -> Found {
    let limits = Limits {
        window: 2,
        ..Limits::DEFAULT
    };
    let mut client = Client::established(limits);
    (1..=3).for_each(|id| client.say(id, "x"));
    last(client)
}

/// The answer to a request is this refusal.
fn refused_by(condition: Condition) -> Found {
    let mut client = established();
    client.request(Verb::History, 7, &[0; 16]);
    let (query, _) = client.routed().pop().expect("the question is asked");
    let answer = query.bounce(condition).expect("a question is answered");
    client.deliver(&answer, Form::Plain, None);
    last(client)
}

/// What a client wrote comes back.
fn returned_by(condition: Condition) -> u16 {
    let mut client = established();
    client.say(1, "x");
    let (said, _) = client.routed().pop().expect("it is routed");
    let back = sent(&said).bounce(condition).expect("a message comes back");
    client.deliver(&back, Form::Plain, None);
    let told = client.told().pop().expect("it is told");
    let message = told.message();
    assert_eq!((told.verb, message.kind), (Verb::Deliver, kind::ERROR));
    let code = ext::Exts::new(message.extensions)
        .flatten()
        .find(|ext| ext.tag == tag::CONDITION)
        .expect("it says why");
    u16::from_le_bytes(code.value.try_into().unwrap())
}

fn of_connections() -> Vec<(Code, Found)> {
    let push = |verb| Header::push(verb, 0);
    let keys = || crosspoint_engine::scram::keys::fake(&[1; 32], "romeo@montague.lit", 4096);
    let mut silent = established();
    silent.pass(181_000);
    vec![
        (Code::Malformed, sent_in_session(push(Verb::Send), &[0; 31])),
        (Code::UnexpectedVerb, sent_in_session(push(Verb::Deliver), &[])),
        (Code::FrameTooLarge, sent_in_session(push(Verb::Send), &[0; 65_536])),
        (
            Code::Reserved,
            sent_in_session(
                Header {
                    flags: Flags::ZSTD,
                    ..push(Verb::Send)
                },
                &[],
            ),
        ),
        (Code::UnsupportedVersion, opened_with(b"ICPP\x02\x09\0\0")),
        (
            Code::UnsupportedVerb,
            sent_in_session(
                Header {
                    verb: 0x7f,
                    ..push(Verb::Send)
                },
                &[],
            ),
        ),
        (
            Code::UnsupportedExtension,
            sent_in_session(push(Verb::Join), &[0xff, 0x80, 0, 0]),
        ),
        (
            Code::NotAuthorized,
            authenticated_with("PLAIN", b"\0romeo\0x", vec![Event::PasswordChecked(false)]),
        ),
        (
            Code::Throttled,
            authenticated_with("PLAIN", b"\0romeo\0x", vec![Event::AuthUnavailable { throttled: true }]),
        ),
        (Code::Mechanism, authenticated_with("GS2-KRB5", b"", vec![])),
        (Code::CreditOverrun, with_credit_overrun()),
        (Code::AckInvalid, sent_in_session(Header::push(Verb::Accepted, 1), &[])),
        (Code::SlowConsumer, dismissed(Farewell::Policy)),
        (Code::IdleTimeout, {
            let told = silent.told().pop().unwrap();
            // The connection ends (the shard hangs up), and the session waits to be resumed.
            (told.code(), Refusal::read(&told.body).unwrap().fatal, told.verb)
        }),
        (Code::Replaced, dismissed(Farewell::Replaced)),
        (Code::AccountChanged, dismissed(Farewell::AccountChanged)),
        (Code::Shutdown, dismissed(Farewell::Shutdown)),
        (Code::Internal, dismissed(Farewell::Internal)),
        (Code::RedirectLoop, last(welcomed(4))),
        (
            Code::TicketInvalid,
            authenticated_with("TICKET", b"forged", vec![Event::Keys(keys())]),
        ),
        (
            Code::TooMany,
            authenticated_with(
                "PLAIN",
                b"\0romeo\0x",
                vec![
                    Event::PasswordChecked(true),
                    Event::Homed,
                    Event::BindFailed(BindFault::TooMany),
                ],
            ),
        ),
        (Code::Unsupported, refused_by(Condition::FeatureNotImplemented)),
        (Code::BackEndLost, without_back_end()),
    ]
}

/// Of the codes of connections, those that end nothing.
const NOT_FATAL: [Code; 4] = [
    Code::NotAuthorized,
    Code::Mechanism,
    Code::TicketInvalid,
    Code::Unsupported,
];

/// Those by which a session ends that was there, which BYE says. A silent one waits to be resumed, so ERROR says that.
fn ends_a_session(code: Code) -> bool {
    !NOT_FATAL.contains(&code)
        && !matches!(
            code,
            Code::UnsupportedVersion
                | Code::Throttled
                | Code::IdleTimeout
                | Code::RedirectLoop
                | Code::TooMany
                | Code::BackEndLost
        )
}

#[test]
fn every_code_has_a_play() {
    let mut told = BTreeMap::new();
    for (code, (number, fatal, verb)) in of_connections() {
        assert_eq!(number, code as u16, "{code:?}");
        assert_eq!(fatal, !NOT_FATAL.contains(&code), "{code:?}");
        let verb_expected = if ends_a_session(code) { Verb::Bye } else { Verb::Error };
        assert_eq!(verb, verb_expected, "{code:?}");
        told.insert(number, code);
    }
    for condition in Condition::ALL {
        let number = 32 + condition as u16;
        assert_eq!(returned_by(condition), number, "{condition:?}");
        if condition != Condition::FeatureNotImplemented {
            assert_eq!(refused_by(condition), (number, false, Verb::Error), "{condition:?}");
        }
        told.extend(Code::from_number(number).map(|code| (number, code)));
    }
    for code in Code::ALL {
        assert!(told.contains_key(&(*code as u16)), "{code:?} has no play");
    }
}

#[test]
fn the_third_refusal_of_a_login_is_fatal_whatever_it_is_for() {
    for (mechanism, code) in [("NONE", Code::Mechanism), ("SCRAM-SHA-256", Code::NotAuthorized)] {
        let mut client = welcomed(0);
        client.told();
        for attempt in 1..=3 {
            client.auth(Some(mechanism), b"");
            let told = client.told_one();
            let refusal = Refusal::read(&told.body).unwrap();
            assert_eq!((refusal.code, refusal.fatal), (code as u16, attempt == 3), "{attempt}");
        }
        assert!(client.closed);
    }
}

/// The question of a stranger is refused, and not by silence.
#[test]
fn what_others_ask_a_client_is_refused_in_its_name() {
    let mut client = established();
    let query = Envelope {
        id: b"q".as_slice().into(),
        ..Envelope::neutral(jid("nurse@montague.lit/x"), jid(ROMEO), Kind::Query(QueryKind::Get))
    };
    client.deliver(&query, Form::Plain, None);
    let (back, _) = client.routed().pop().expect("an answer");
    assert_eq!(back.error, Some(Condition::ServiceUnavailable));
    assert!(client.told().is_empty());
    let stray = Envelope {
        content: Content::default(),
        ..Envelope::neutral(
            jid("nurse@montague.lit/x"),
            jid(ROMEO),
            Kind::Message(MessageKind::Chat),
        )
    };
    client.deliver(&stray, Form::Plain, None);
}

/// A front-end on a shard of paper.
mod edge_support {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;

    use crosspoint_engine::relay::{Parcel, RelayHost};
    use crosspoint_engine::service::Frontend;
    use crosspoint_engine::session::{Action, Context, Farewell, Now, Peer, Random};
    use crosspoint_engine::shard::SessionId;
    use crosspoint_icpp::codec::hello::Hello;
    use crosspoint_icpp::codec::{Header, PREFACE, Scan, Verb, scan, write_frame};
    use crosspoint_icpp::edge::EdgeFront;

    use super::Counting;

    pub struct Edge {
        front: EdgeFront,
        host: Host,
    }

    struct Host {
        outboxes: BTreeMap<SessionId, Vec<u8>>,
        random: Counting,
    }

    const NOW: Now = Now { ms: 1, unix_ms: 1 };

    impl RelayHost for Host {
        fn now(&self) -> Now {
            NOW
        }

        fn random(&mut self) -> &mut dyn Random {
            &mut self.random
        }

        fn write(&mut self, to: SessionId, write: &mut dyn FnMut(&mut Vec<u8>)) -> bool {
            write(self.outboxes.entry(to).or_default());
            true
        }

        fn waiting(&self, _session: SessionId) -> usize {
            0
        }

        fn is_slow(&self, _session: SessionId) -> bool {
            false
        }

        fn tell(&mut self, _to: SessionId, _parcel: Parcel) -> bool {
            true
        }

        fn pause(&mut self, _session: SessionId, _paused: bool) {}

        fn authenticated(&mut self, _session: SessionId) {}

        fn dismiss(&mut self, _session: SessionId, _why: Farewell) {}

        fn connect(&mut self, _key: u32, _address: SocketAddr) {}
    }

    impl Edge {
        pub fn new(front: EdgeFront) -> Edge {
            let host = Host {
                outboxes: BTreeMap::new(),
                random: Counting(0),
            };
            Edge { front, host }
        }

        /// A client says HELLO; what it is told.
        pub fn arrive(&mut self, peer: &Peer) -> (Verb, Vec<u8>) {
            let id = SessionId {
                index: 1,
                generation: 1,
            };
            let (mut outbox, mut actions) = (Vec::new(), Vec::new());
            let mut cx = Context {
                now: NOW,
                random: &mut Counting(0),
                outbox: &mut outbox,
                actions: &mut actions,
            };
            let mut session = self.front.open(peer, &mut cx);
            let mut bytes = PREFACE.to_vec();
            let hello = Hello {
                account: "romeo@montague.lit",
                ..Hello::default()
            };
            write_frame(&mut bytes, Header::push(Verb::Hello, 0), |out| hello.write(out));
            session.on_input(&bytes, &mut cx);
            for action in actions {
                if let Action::Relay(parcel) = action {
                    self.front.on_relay(id, parcel, &mut self.host);
                }
            }
            let said = &self.host.outboxes[&id];
            let Ok(Scan::Frame(frame)) = scan(said, 4_096) else {
                panic!("no frame: {said:02x?}");
            };
            (Verb::from_number(frame.header.verb).unwrap(), frame.body.to_vec())
        }
    }
}
