//! Every verb in every state of a session, as a request, as a push and as an answer: what it may not be there ends in
//! its defined error, and nothing is routed by it.

mod session_support;

use crosspoint_engine::session::{Action, Event};
use crosspoint_icpp::codec::hello::Hello;
use crosspoint_icpp::codec::{Code, Flags, Header, PREFACE, Refusal, Verb, write_frame};
use crosspoint_icpp::limits::Limits;
use session_support::*;

/// Where a session stands when the frame comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opened,
    Welcomed,
    Challenged,
    Established,
    Synchronizing,
    Background,
    Draining,
}

const STAGES: [Stage; 7] = [
    Stage::Opened,
    Stage::Welcomed,
    Stage::Challenged,
    Stage::Established,
    Stage::Synchronizing,
    Stage::Background,
    Stage::Draining,
];

impl Stage {
    fn client(self) -> Client {
        let mut client = match self {
            Stage::Opened | Stage::Welcomed | Stage::Challenged => Client::connect(config(Limits::DEFAULT), 0),
            _ => Client::established(Limits::DEFAULT),
        };
        match self {
            Stage::Opened => client.send(&PREFACE),
            Stage::Welcomed | Stage::Challenged => {
                client.send(&PREFACE);
                client.hello(&Hello {
                    account: "romeo@montague.lit",
                    ..Hello::default()
                });
            }
            Stage::Established => {}
            Stage::Synchronizing => client.request(Verb::Sync, 90, &[0; 24]),
            Stage::Background => client.push(Verb::State, &[1]),
            Stage::Draining => client.event(Event::Farewell(crosspoint_engine::session::Farewell::Shutdown)),
        }
        if self == Stage::Challenged {
            client.auth(Some("SCRAM-SHA-256"), b"n,,n=romeo,r=abc");
            let keys = crosspoint_engine::scram::keys::fake(&[1; 32], "romeo@montague.lit", 4096);
            client.event(Event::Keys(keys));
        }
        client.told();
        client.actions.clear();
        client
    }

    fn is_in_session(self) -> bool {
        !matches!(self, Stage::Opened | Stage::Welcomed | Stage::Challenged)
    }

    /// Verbs that a client may say here at all (SPEC.md section 12, and the walk of section 4).
    fn allows(self, verb: Verb) -> bool {
        match self {
            Stage::Opened => verb == Verb::Hello,
            Stage::Welcomed | Stage::Challenged => matches!(verb, Verb::Auth | Verb::Ping | Verb::Bye),
            _ => OF_CLIENTS.contains(&verb),
        }
    }
}

/// What a client says in its session.
const OF_CLIENTS: &[Verb] = &[
    Verb::Ping,
    Verb::State,
    Verb::Bye,
    Verb::Send,
    Verb::Accepted,
    Verb::Receipt,
    Verb::Note,
    Verb::Edit,
    Verb::Recall,
    Verb::Presence,
    Verb::Subscribe,
    Verb::Unsubscribe,
    Verb::Approve,
    Verb::Deny,
    Verb::Roster,
    Verb::Block,
    Verb::Allow,
    Verb::Create,
    Verb::Join,
    Verb::Leave,
    Verb::Show,
    Verb::Invite,
    Verb::Decline,
    Verb::Voice,
    Verb::Members,
    Verb::Change,
    Verb::Configure,
    Verb::Destroy,
    Verb::Rooms,
    Verb::Sync,
    Verb::History,
];

/// What the fault was, if the session has ended by one.
fn fault(client: &mut Client) -> Option<Code> {
    let told = client.told();
    let last = told.last()?;
    match matches!(last.verb, Verb::Error | Verb::Bye) && client.closed {
        true => Refusal::read(&last.body).unwrap().known(),
        false => None,
    }
}

fn say(client: &mut Client, verb: u8, flags: Flags, id: u32, body: &[u8]) {
    let header = Header {
        verb,
        flags,
        slot: 0,
        id,
        ack: 0,
    };
    let mut bytes = Vec::new();
    write_frame(&mut bytes, header, |out| out.extend_from_slice(body));
    client.send(&bytes);
}

fn routes(client: &Client) -> bool {
    let routed = |action: &Action| matches!(action, Action::Route { .. } | Action::Presence { .. });
    client.actions.iter().any(routed)
}

#[test]
fn a_verb_at_the_wrong_time_or_from_the_wrong_side_is_unexpected() {
    for stage in STAGES {
        for verb in Verb::ALL.iter().filter(|verb| !stage.allows(**verb)) {
            for (flags, id) in [(Flags::NONE, 0), (Flags::REQ, 7)] {
                for body in [&b""[..], &[0; 32]] {
                    let mut client = stage.client();
                    say(&mut client, *verb as u8, flags, id, body);
                    let what = format!("{verb:?} {flags:?} {} when {stage:?}", body.len());
                    assert_eq!(fault(&mut client), Some(Code::UnexpectedVerb), "{what}");
                    assert!(!routes(&client), "{what}: nothing is routed");
                }
            }
        }
    }
}

/// Version 1 asks clients nothing, so whatever they answer is unexpected.
#[test]
fn an_answer_of_a_client_is_unexpected() {
    for stage in STAGES.into_iter().filter(|stage| *stage != Stage::Opened) {
        for verb in Verb::ALL {
            for flags in [Flags::RESP, Flags::RESP.with(Flags::ERR), Flags::ERR] {
                let mut client = stage.client();
                say(&mut client, *verb as u8, flags, 7, &[]);
                let what = format!("{verb:?} {flags:?} when {stage:?}");
                assert_eq!(fault(&mut client), Some(Code::UnexpectedVerb), "{what}");
                assert!(!routes(&client), "{what}: nothing is routed");
            }
        }
    }
}

/// Whatever needs a body ends the session without one, and whatever has none ends it with one.
#[test]
fn a_body_that_is_none_ends_the_session_in_every_state() {
    let empty = [Verb::Ping, Verb::Accepted, Verb::Bye];
    for stage in STAGES.into_iter().filter(|stage| stage.is_in_session()) {
        for verb in OF_CLIENTS {
            let mut client = stage.client();
            let asks = matches!(
                verb,
                Verb::Ping
                    | Verb::Roster
                    | Verb::Block
                    | Verb::Allow
                    | Verb::Sync
                    | Verb::History
                    | Verb::Members
                    | Verb::Change
                    | Verb::Configure
                    | Verb::Destroy
            );
            let (flags, id) = if asks { (Flags::REQ, 9) } else { (Flags::NONE, 0) };
            let body: &[u8] = if empty.contains(verb) { b"x" } else { b"" };
            if *verb == Verb::Rooms {
                // The first page: nothing has to be said of it.
                continue;
            }
            say(&mut client, *verb as u8, flags, id, body);
            assert_eq!(fault(&mut client), Some(Code::Malformed), "{verb:?} when {stage:?}");
            assert!(!routes(&client), "{verb:?} when {stage:?}: nothing is routed");
        }
    }
}

#[test]
fn a_request_without_an_id_is_none_in_every_state() {
    let asked = [
        (Verb::Ping, &[][..]),
        (Verb::Roster, &[0; 16]),
        (Verb::Block, &[0; 4]),
        (Verb::Allow, &[0; 4]),
        (Verb::Sync, &[0; 24]),
        (Verb::History, &[0; 16]),
        (Verb::Rooms, &[]),
        (Verb::Members, &[1, 0x80, 3, 0, b'a', b'@', b'b']),
    ];
    for stage in STAGES.into_iter().filter(|stage| stage.is_in_session()) {
        for (verb, body) in asked {
            for (flags, id) in [(Flags::REQ, 0), (Flags::NONE, 7)] {
                let mut client = stage.client();
                say(&mut client, verb as u8, flags, id, body);
                let what = format!("{verb:?} {flags:?} {id} when {stage:?}");
                assert_eq!(fault(&mut client), Some(Code::Malformed), "{what}");
                assert!(!routes(&client), "{what}");
            }
        }
    }
    for stage in [Stage::Welcomed, Stage::Challenged] {
        for (verb, flags, id) in [
            (Verb::Ping, Flags::NONE, 7),
            (Verb::Ping, Flags::REQ, 0),
            (Verb::Auth, Flags::NONE, 7),
            (Verb::Auth, Flags::REQ, 0),
        ] {
            let mut client = stage.client();
            say(&mut client, verb as u8, flags, id, &[]);
            assert_eq!(
                fault(&mut client),
                Some(Code::Malformed),
                "{verb:?} {flags:?} when {stage:?}"
            );
        }
    }
}

/// SPEC.md section 3: below 0x80 it is a fault; from there on a push is ignored, and a request refused.
#[test]
fn verbs_that_are_not_known_in_every_state() {
    for stage in STAGES {
        for verb in (0..=u8::MAX).filter(|verb| Verb::from_number(*verb).is_none()) {
            let mut client = stage.client();
            say(&mut client, verb, Flags::NONE, 0, b"later");
            let expected = match (verb < 0x80, stage) {
                (true, _) => Some(Code::UnsupportedVerb),
                (false, Stage::Opened) => Some(Code::UnexpectedVerb),
                (false, _) => None,
            };
            assert_eq!(fault(&mut client), expected, "{verb:#x} when {stage:?}");
            if expected.is_none() {
                say(&mut client, verb, Flags::REQ, 77, b"later");
                let told = client.told_one();
                let refusal = Refusal::read(&told.body).unwrap();
                assert_eq!(
                    (told.id, refusal.known(), refusal.fatal, client.closed),
                    (77, Some(Code::UnsupportedVerb), false, false),
                    "{verb:#x} when {stage:?}"
                );
            }
        }
    }
}

/// Reserved bits and fields are looked at before anything else of a frame.
#[test]
fn reserved_bits_in_every_state_and_with_every_verb() {
    for stage in STAGES {
        for verb in Verb::ALL {
            for flags in [0x80, 0x10, 0x90, 0xff] {
                let mut client = stage.client();
                say(&mut client, *verb as u8, Flags(flags), 0, &[]);
                assert_eq!(
                    fault(&mut client),
                    Some(Code::Reserved),
                    "{verb:?} {flags:#x} when {stage:?}"
                );
            }
        }
        for length in 0..16u32 {
            let mut client = stage.client();
            client.send(&length.to_le_bytes());
            assert_eq!(
                fault(&mut client),
                Some(Code::Malformed),
                "a length of {length} when {stage:?}"
            );
        }
        let max: u32 = if stage.is_in_session() { 65_536 } else { 4_096 };
        for length in [max + 1, 1 << 31, u32::MAX] {
            let mut client = stage.client();
            client.send(&length.to_le_bytes());
            assert_eq!(
                fault(&mut client),
                Some(Code::FrameTooLarge),
                "a length of {length} when {stage:?}"
            );
        }
        let mut client = stage.client();
        client.send(&max.to_le_bytes());
        assert_eq!(
            (fault(&mut client), client.closed),
            (None, false),
            "the longest frame may come"
        );
    }
}

/// Whoever has said HELLO, and nothing that lets him in, does not keep the server busy.
#[test]
fn a_login_has_so_many_frames_and_no_more() {
    for verb in [Verb::Ping as u8, 0x90] {
        let mut client = Stage::Welcomed.client();
        for _ in 0..Limits::DEFAULT.login_frames {
            say(&mut client, verb, Flags::REQ, 7, &[]);
        }
        assert_eq!((fault(&mut client), client.closed), (None, false));
        say(&mut client, verb, Flags::REQ, 7, &[]);
        assert_eq!(fault(&mut client), Some(Code::Throttled));
    }
    let mut client = Stage::Welcomed.client();
    let keys = crosspoint_engine::scram::keys::fake(&[1; 32], "romeo@montague.lit", 4096);
    for _ in 0..Limits::DEFAULT.login_frames {
        client.auth(Some("SCRAM-SHA-256"), b"n,,n=romeo,r=abc");
        client.event(Event::Keys(keys.clone()));
    }
    assert!(!client.closed);
    client.auth(Some("SCRAM-SHA-256"), b"n,,n=romeo,r=abc");
    assert_eq!(fault(&mut client), Some(Code::Throttled));
}
