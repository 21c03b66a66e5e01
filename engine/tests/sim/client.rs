//! A protocol for plays: one line a command, one line an event. Neutral contents only.
//!
//! ```text
//!   try NODE PASSWORD · login NODE · bind NAME · available PRIORITY · gone · send TO ID · shout TO ID · normal|chat|groupchat|headline|error TO ID · ack · panic · subscribe|subscribed|unsubscribe|unsubscribed TO
//!   names · skim · whisper|tell TO ID · find · keep always|never|roster [NEVER] ·
//!   want · event ID · wonder · answer ID [FROM] · badge BYTES · count ·
//!   to NODE · set CONTACT · block WHOM · unblock WHOM · allow WHOM · disallow WHOM · only friends · read [BEFORE] · resume TOKEN · renew PASSWORD · issue CLIENT LIFETIME_MS · show NODE CLIENT TOKEN COUNT · order WHAT:WHOM
//! ```
//! A client that said `login NODE reliable` acknowledges: it gets `accepted N`, keeps what it was given until `ack`, and
//! sleeps under its own address as token when its line is cut.
//!
//! A line of the second listener carries others. It says `place SHARD · embark KEY · disembark KEY · hold KEY · release KEY ·
//! wake KEY`, and `KEY:command` for a passenger, whose events begin with `KEY:` as well.

use std::any::Any;
use std::fmt::Write as _;

use bytes::Bytes;
use crosspoint_engine::administration::{Change, Crowd, Order, Report, Secret, ThenReport};
use crosspoint_engine::archiving::{Keep, Preferences};
use crosspoint_engine::envelope::{Codec, Condition, Envelope, Hints, Kind, MessageKind, PresenceKind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::relay::{Parcel, RelayHost};
use crosspoint_engine::rooms::RoomSpeech;
use crosspoint_engine::service::{
    Admission, BookWrite, Cipher, Direction, Dresser, Frontend, Host, Span, Table, Waiting,
};
use crosspoint_engine::session::{Action, Context, Delivery, Event, Peer, Session};
use crosspoint_engine::shard::SessionId;
use crosspoint_engine::tokens::{Mechanism, Owner, Shown, Verdict};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::services::ServiceSession;
use super::speech;

/// The domain of all plays.
pub const DOMAIN: &str = "verona.lit";

/// Where their rooms are.
pub const ROOMS: &str = "rooms.verona.lit";

/// Makes an address in the plays' domain: `juliet` or `juliet/balcony`; or a room's: `#hall` or `#hall/nick`. What has a domain is
/// taken as it is.
pub fn address(short: &str) -> Jid {
    if let Some(room) = short.strip_prefix('#') {
        let (node, nick) = room
            .split_once('/')
            .map_or((room, None), |(node, nick)| (node, Some(nick)));
        return Jid::from_parts(Some(node), ROOMS, nick).expect("plays use good names");
    }
    if short.contains(['@', '.']) {
        return short.parse().expect("plays use good names");
    }
    let (node, rest) = short
        .split_once('/')
        .map_or((short, String::new()), |(node, name)| (node, format!("/{name}")));
    format!("{node}@{DOMAIN}{rest}").parse().expect("plays use good names")
}

#[derive(Default)]
pub struct LineSession {
    /// Of a passenger; else 0.
    key: u16,
    /// Reads no further for now.
    resting: bool,
    reliable: bool,
    /// Tells the identities of messages in the archive, too.
    names: bool,
    bound: Option<Jid>,
    /// Whose token is being looked at.
    shown: Option<Jid>,
    sent: u64,
    /// Given and not acknowledged yet.
    unacknowledged: Vec<(Option<u64>, Envelope)>,
}

impl LineSession {
    fn command(&mut self, line: &str, cx: &mut Context<'_>) {
        let mut words = line.split(' ');
        let (verb, first, second) = (
            words.next().unwrap_or(""),
            words.next().unwrap_or(""),
            words.next().unwrap_or(""),
        );
        match verb {
            "login" => {
                self.reliable = second == "reliable";
                cx.actions.push(Action::Authenticated {
                    account: address(first),
                });
            }
            "try" => cx.actions.push(Action::CheckPassword {
                account: address(first),
                password: second.to_owned(),
            }),
            "issue" => cx.actions.push(Action::IssueToken {
                client: first.parse().expect("a number"),
                mechanism: Mechanism::Unbound,
                lifetime_ms: second.parse().expect("a time"),
            }),
            "show" => {
                let (token, count) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
                let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("any key will do");
                mac.update(b"Initiator");
                self.shown = Some(address(first));
                cx.actions.push(Action::CheckToken(Box::new(Shown {
                    owner: Owner {
                        account: address(first),
                        client: second.parse().expect("a number"),
                    },
                    mechanism: Mechanism::Unbound,
                    binding: Bytes::new(),
                    proof: mac.finalize().into_bytes().into(),
                    count: count.parse().ok(),
                    invalidate: count == "last",
                })));
            }
            "bind" => cx.actions.push(Action::Bind {
                resource: Some(first.to_owned()),
            }),
            "available" => self.presence(PresenceKind::Available, first.parse().unwrap_or(0), cx),
            "gone" => self.presence(PresenceKind::Unavailable, 0, cx),
            "resume" => cx.actions.push(Action::Resume {
                token: Bytes::copy_from_slice(first.as_bytes()),
            }),
            "sync" => cx.actions.push(Action::Sync {
                after: first.parse().unwrap_or(0),
            }),
            "send" => self.send(first, second, cx),
            // Worth waking somebody for.
            "call" => {
                let mut envelope = Envelope::neutral(self.me(), address(first), Kind::Message(MessageKind::Chat));
                envelope.id = Bytes::copy_from_slice(second.as_bytes());
                envelope.hints = Hints::STORE.with(Hints::WAKE);
                cx.actions.push(Action::Route { envelope, seq: None });
            }
            "doze" => cx.actions.push(Action::Doze(first == "on")),
            "shout" => {
                let mut envelope = Envelope::neutral(self.me(), address(first), Kind::Message(MessageKind::Headline));
                envelope.id = Bytes::copy_from_slice(second.as_bytes());
                cx.actions.push(Action::Route { envelope, seq: None });
            }
            // `normal TO ID` and the like, worth keeping as far as the client knows.
            "normal" | "chat" | "groupchat" | "headline" | "error" => {
                let kind = match verb {
                    "chat" => MessageKind::Chat,
                    "groupchat" => MessageKind::Groupchat,
                    "headline" => MessageKind::Headline,
                    "error" => MessageKind::Error,
                    _ => MessageKind::Normal,
                };
                let mut envelope = Envelope::neutral(self.me(), address(first), Kind::Message(kind));
                envelope.id = Bytes::copy_from_slice(second.as_bytes());
                envelope.hints = Hints::STORE;
                cx.actions.push(Action::Route { envelope, seq: None });
            }
            // To rooms; see `speech.rs`.
            "join" | "shows" => self.tell_room(line, first, Kind::Presence(PresenceKind::Available), cx),
            "part" => self.tell_room(line, first, Kind::Presence(PresenceKind::Unavailable), cx),
            "say" | "subject" => self.tell_room(second, first, Kind::Message(MessageKind::Groupchat), cx),
            "murmur" => self.tell_room(second, first, Kind::Message(MessageKind::Chat), cx),
            "invite" | "decline" | "voice" | "grant" => {
                self.tell_room(line, first, Kind::Message(MessageKind::Normal), cx);
            }
            "room" => self.tell_room(line, first, Kind::Query(QueryKind::Set), cx),
            "ask" => self.tell_room(line, first, Kind::Query(QueryKind::Get), cx),
            "rooms" => self.tell_room(line, "#", Kind::Query(QueryKind::Get), cx),
            "linger" => cx.actions.push(Action::Linger),
            "skim" => cx.actions.push(Action::ReadsArchive),
            "names" => self.names = true,
            // To be forgotten when it has been delivered.
            "whisper" => {
                let mut envelope = Envelope::neutral(self.me(), address(first), Kind::Message(MessageKind::Chat));
                envelope.id = Bytes::copy_from_slice(second.as_bytes());
                envelope.hints = Hints::STORE.with(Hints::TRANSIENT);
                cx.actions.push(Action::Route { envelope, seq: None });
            }
            // Whoever may get copies does.
            "tell" => {
                let mut envelope = Envelope::neutral(self.me(), address(first), Kind::Message(MessageKind::Chat));
                envelope.id = Bytes::copy_from_slice(second.as_bytes());
                envelope.hints = Hints::STORE.with(Hints::COPY);
                cx.actions.push(Action::Route { envelope, seq: None });
            }
            "rest" => {
                self.resting = true;
                cx.actions.push(Action::Pause);
            }
            "relay" => cx.actions.push(Action::Relay(Parcel {
                label: 0,
                bytes: Bytes::copy_from_slice(first.as_bytes()),
            })),
            // What its client has not acknowledged: a front-end would send it again after a resumption.
            "held" => {
                let ids = self.unacknowledged.iter();
                let ids: Vec<_> = ids
                    .map(|(_, envelope)| String::from_utf8_lossy(&envelope.id).into_owned())
                    .collect();
                say(self.key, cx, format_args!("held {}", ids.join(",")));
            }
            "panic" => panic!("a play wants to see what a panic does"),
            "ack" => {
                // All, or so many.
                let all = self.unacknowledged.len();
                let count = first.parse().unwrap_or(all).min(all);
                let records = self
                    .unacknowledged
                    .drain(..count)
                    .filter_map(|(record, _)| record)
                    .collect();
                cx.actions.push(Action::Settle(records));
            }
            // To a question under this identifier: what becomes of it is the shard's business.
            "answer" => {
                let mut envelope = Envelope::neutral(self.me(), address(second), Kind::Query(QueryKind::Result));
                envelope.id = Bytes::copy_from_slice(first.as_bytes());
                cx.actions.push(Action::Route { envelope, seq: None });
            }
            "subscribe" => self.ask(PresenceKind::Subscribe, first, cx),
            "subscribed" => self.ask(PresenceKind::Subscribed, first, cx),
            "unsubscribe" => self.ask(PresenceKind::Unsubscribe, first, cx),
            "unsubscribed" => self.ask(PresenceKind::Unsubscribed, first, cx),
            _ => self.query(line, cx),
        }
    }

    fn tell_room(&mut self, id: &str, to: &str, kind: Kind, cx: &mut Context<'_>) {
        let to = match to {
            "#" => ROOMS.parse().expect("a good name"),
            to => address(to),
        };
        let mut envelope = Envelope::neutral(self.me(), to, kind);
        envelope.id = Bytes::copy_from_slice(id.as_bytes());
        let counted = matches!(kind, Kind::Message(MessageKind::Groupchat));
        self.sent += u64::from(counted);
        let seq = (self.reliable && counted).then_some(self.sent);
        cx.actions.push(Action::Route { envelope, seq });
    }

    fn me(&self) -> Jid {
        self.bound.clone().expect("plays bind first")
    }

    fn presence(&mut self, kind: PresenceKind, priority: i8, cx: &mut Context<'_>) {
        let envelope = Envelope::neutral(self.me(), self.me().to_bare(), Kind::Presence(kind));
        cx.actions.push(Action::Presence { envelope, priority });
    }

    fn ask(&mut self, kind: PresenceKind, to: &str, cx: &mut Context<'_>) {
        cx.actions.push(Action::Route {
            envelope: Envelope::neutral(self.me(), address(to), Kind::Presence(kind)),
            seq: None,
        });
    }

    fn send(&mut self, to: &str, id: &str, cx: &mut Context<'_>) {
        self.sent += 1;
        let mut envelope = Envelope::neutral(self.me(), address(to), Kind::Message(MessageKind::Chat));
        envelope.id = Bytes::copy_from_slice(id.as_bytes());
        envelope.hints = Hints::STORE;
        cx.actions.push(Action::Route {
            envelope,
            seq: self.reliable.then_some(self.sent),
        });
    }

    /// Whatever the host does for a user goes as a query to the user's own address.
    fn query(&mut self, line: &str, cx: &mut Context<'_>) {
        let mut envelope = Envelope::neutral(self.me(), self.me().to_bare(), Kind::Query(QueryKind::Set));
        envelope.id = Bytes::copy_from_slice(line.as_bytes());
        cx.actions.push(Action::Route { envelope, seq: None });
    }

    fn give_back(&mut self, cx: &mut Context<'_>) {
        let (records, envelopes): (Vec<_>, Vec<_>) =
            self.unacknowledged.drain(..).partition(|(record, _)| record.is_some());
        cx.actions.push(Action::Return {
            records: records.into_iter().filter_map(|(record, _)| record).collect(),
            envelopes: envelopes.into_iter().map(|(_, envelope)| envelope).collect(),
        });
        cx.actions.push(Action::Close);
    }
}

pub fn say(key: u16, cx: &mut Context<'_>, line: std::fmt::Arguments<'_>) {
    let mut text = String::new();
    if key != 0 {
        let _ = write!(text, "{key}:");
    }
    let _ = writeln!(text, "{line}");
    cx.outbox.extend_from_slice(text.as_bytes());
}

impl Session for LineSession {
    fn on_input(&mut self, input: &[u8], cx: &mut Context<'_>) -> usize {
        let mut consumed = 0;
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                break;
            }
            if self.resting {
                break;
            }
            consumed += line.len();
            self.command(std::str::from_utf8(line).expect("plays are text").trim_end(), cx);
        }
        consumed
    }

    fn on_event(&mut self, event: Event, cx: &mut Context<'_>) {
        let key = self.key;
        match event {
            Event::Relayed(parcel) if parcel.label == 1 => {
                self.resting = false;
                cx.actions.push(Action::Continue);
            }
            Event::Relayed(parcel) => say(
                key,
                cx,
                format_args!("relayed {}", String::from_utf8_lossy(&parcel.bytes)),
            ),
            Event::Homed => say(key, cx, format_args!("homed")),
            Event::Bound { address, .. } => {
                if self.reliable {
                    cx.actions.push(Action::Resumable {
                        token: address.as_bytes().clone(),
                    });
                }
                say(key, cx, format_args!("bound {address}"));
                self.bound = Some(address);
            }
            Event::Resumed { old, address } => {
                let old: Box<LineSession> = old.into_any().downcast().expect("only our own kind resumes");
                *self = LineSession {
                    bound: Some(address),
                    reliable: true,
                    key: self.key,
                    ..*old
                };
                say(key, cx, format_args!("resumed"));
            }
            Event::PasswordChecked(good) => say(key, cx, format_args!("judged {good}")),
            Event::TokenIssued(new) => {
                let text = new.map_or("none".to_owned(), |new| new.text);
                say(key, cx, format_args!("token {text}"));
            }
            Event::TokenChecked(verdict) => match (verdict, self.shown.take()) {
                (Verdict::Good { .. }, Some(account)) => cx.actions.push(Action::Authenticated { account }),
                (Verdict::Expired, _) => say(key, cx, format_args!("expired")),
                _ => say(key, cx, format_args!("wrong")),
            },
            Event::AuthUnavailable { throttled } => say(key, cx, format_args!("unavailable {throttled}")),
            Event::ResumeFailed => say(key, cx, format_args!("unknown")),
            Event::Synced { after } => say(key, cx, format_args!("synced {after}")),
            Event::Lingered => say(key, cx, format_args!("lingered")),
            Event::Accepted(seqs) => {
                for seq in seqs {
                    say(key, cx, format_args!("accepted {seq}"));
                }
            }
            Event::RosterPush { item, removed, .. } => {
                let state = item.state.subscription();
                say(
                    key,
                    cx,
                    format_args!(
                        "push {} {state:?}{}",
                        item.jid.node().unwrap_or("-"),
                        if removed { " removed" } else { "" }
                    ),
                );
            }
            Event::Lost if self.reliable && self.bound.is_some() => {
                let token = self.me().as_bytes().clone();
                cx.actions.push(Action::Detach { token, seconds: 60 });
            }
            Event::Lost | Event::Farewell(_) => {
                say(key, cx, format_args!("bye"));
                self.give_back(cx);
            }
            _ => {}
        }
    }

    fn on_deliver(&mut self, delivery: &Delivery<'_>, cx: &mut Context<'_>) {
        let Envelope { from, kind, id, .. } = delivery.envelope;
        let key = self.key;
        let from = from
            .as_str()
            .replace(&format!("@{DOMAIN}"), "")
            .replace(&format!("@{ROOMS}"), "#");
        if delivery.envelope.content.head == speech::HEAD {
            let body = String::from_utf8_lossy(&delivery.envelope.content.body).into_owned();
            let body = body.replace(&format!("@{DOMAIN}"), "");
            if delivery.envelope.error.is_none() {
                if self.reliable && matches!(kind, Kind::Message(_)) {
                    self.unacknowledged.push((None, delivery.envelope.clone()));
                }
                return say(key, cx, format_args!("{from}: {body}"));
            }
        }
        if let (Some(condition), Kind::Presence(_) | Kind::Query(_), true) =
            (delivery.envelope.error, kind, from.contains('#'))
        {
            return say(key, cx, format_args!("refused {from} {condition:?}"));
        }
        match kind {
            Kind::Query(QueryKind::Get) if from.contains('#') => {
                say(key, cx, format_args!("asked {from}"));
                let answer = delivery.envelope.answer(Default::default());
                cx.actions.push(Action::Route {
                    envelope: answer,
                    seq: None,
                });
            }
            Kind::Message(MessageKind::Error) if delivery.envelope.error.is_some() => {
                say(key, cx, format_args!("error {from} {}", String::from_utf8_lossy(id)));
            }
            Kind::Message(_) => {
                say(key, cx, format_args!("message {from} {}", String::from_utf8_lossy(id)));
                if self.names {
                    let known = delivery
                        .envelope
                        .stable
                        .map_or("nothing".to_owned(), |id| id.to_string());
                    let form = format!("{:?}", delivery.form);
                    say(
                        key,
                        cx,
                        format_args!("known {} {form} {known}", String::from_utf8_lossy(id)),
                    );
                }
                if self.reliable {
                    self.unacknowledged.push((delivery.record, delivery.envelope.clone()));
                } else if let Some(record) = delivery.record {
                    cx.actions.push(Action::SettleWhenWritten(vec![record]));
                }
            }
            Kind::Presence(kind) => {
                let badge = String::from_utf8_lossy(&delivery.envelope.content.body);
                say(key, cx, format_args!("{kind:?} {from} {badge}"));
            }
            Kind::Query(kind) => say(key, cx, format_args!("{kind:?} {}", String::from_utf8_lossy(id))),
        }
    }

    fn on_tick(&mut self, _cx: &mut Context<'_>) {}

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Carries others.
pub struct CarrierSession;

impl Session for CarrierSession {
    fn on_input(&mut self, input: &[u8], cx: &mut Context<'_>) -> usize {
        for line in std::str::from_utf8(input).expect("plays are text").lines() {
            if let Some((key, command)) = line.split_once(':') {
                let bytes = Bytes::from(format!("{command}\n"));
                let key = key.parse().expect("a key");
                cx.actions.push(Action::Feed { key, bytes });
                continue;
            }
            let (verb, number) = line.split_once(' ').expect("two words");
            let key: u16 = number.parse().expect("a number");
            cx.actions.push(match verb {
                "place" => Action::Place { shard: key },
                "embark" => Action::Embark {
                    key,
                    peer: Peer {
                        address: [192, 0, 2, 1].into(),
                        tls: None,
                        listener: 1,
                    },
                    note: Bytes::new(),
                },
                "disembark" => Action::Disembark { key },
                "hold" => Action::HoldPassenger { key, held: true },
                "release" => Action::HoldPassenger { key, held: false },
                "wake" => Action::Tell {
                    key,
                    parcel: Parcel::bare(1),
                },
                _ => panic!("no such command: {line}"),
            });
        }
        input.len()
    }

    fn on_event(&mut self, event: Event, cx: &mut Context<'_>) {
        match event {
            Event::Placed => say(0, cx, format_args!("placed")),
            Event::PassengerGone { key, refused } => say(0, cx, format_args!("gone {key} {refused}")),
            Event::PassengerBehind { key, behind } => say(0, cx, format_args!("behind {key} {behind}")),
            Event::Lost => cx.actions.push(Action::Close),
            Event::Farewell(_) => {
                say(0, cx, format_args!("bye"));
                cx.actions.push(Action::Close);
            }
            _ => {}
        }
    }

    fn on_deliver(&mut self, _delivery: &Delivery<'_>, _cx: &mut Context<'_>) {}

    fn on_tick(&mut self, _cx: &mut Context<'_>) {}

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// `disable:juliet`, `count:online`, `announce:words`...
fn order(text: &str) -> Order {
    let (verb, what) = text.split_once(':').unwrap_or((text, ""));
    let crowd = match what {
        "registered" => Crowd::Registered,
        "disabled" => Crowd::Disabled,
        "online" => Crowd::Online,
        "active" => Crowd::Active,
        _ => Crowd::Idle,
    };
    let words = || Some(what.to_owned()).filter(|words| !words.is_empty());
    let password = Secret("other".to_owned());
    match verb {
        "create" => Order::Create {
            account: address(what),
            password,
        },
        "remove" => Order::Remove(address(what)),
        "disable" => Order::Disable(address(what)),
        "enable" => Order::Enable(address(what)),
        "end" => Order::EndSessions(address(what)),
        "password" => Order::SetPassword {
            account: address(what),
            password,
        },
        "inspect" => Order::Inspect(address(what)),
        "count" => Order::Count(crowd),
        "list" => Order::List(crowd, 2),
        "announce" => Order::Announce(what.into()),
        "motd" => Order::Amend(Change::Motd(words())),
        "welcome" => Order::Amend(Change::Welcome(words())),
        "black" => Order::Amend(Change::Black(words().iter().map(|name| address(name)).collect())),
        _ => panic!("no such order: {text}"),
    }
}

fn reported(told: Result<Report, Condition>) -> String {
    match told {
        Ok(Report::Done) => "done".to_owned(),
        Ok(Report::Count(count)) => count.to_string(),
        Ok(Report::List { addresses, more }) => format!("{} {more}", addresses.len()),
        Ok(Report::User(user)) => format!("{} {}", user.sessions.len(), user.last_login_unix_ms.is_some()),
        Err(condition) => format!("{condition:?}"),
    }
}

/// The front-end of [`LineSession`]; its queries are the host's deeds.
#[derive(Default)]
pub struct LineFront {
    pub spoke: Vec<SessionId>,
    pub patience_ms: Option<u64>,
    /// Sessions that want events.
    pub wanting: Vec<Jid>,
}

impl LineFront {
    /// A line for one session.
    fn tell(to: Jid, text: String, host: &mut dyn Host) {
        let mut envelope = Envelope::neutral(host.domain().clone(), to, Kind::Message(MessageKind::Headline));
        envelope.id = text.into();
        host.send(envelope);
    }
}

impl Frontend for LineFront {
    fn codec(&self) -> Codec {
        Codec::Neutral
    }

    fn open(&mut self, peer: &Peer, _cx: &mut Context<'_>) -> Box<dyn Session> {
        match peer.listener {
            0 => Box::<LineSession>::default(),
            2 => Box::<ServiceSession>::default(),
            _ => Box::new(CarrierSession),
        }
    }

    fn open_passenger(
        &mut self,
        key: u16,
        _peer: &Peer,
        _note: &Bytes,
        _cx: &mut Context<'_>,
    ) -> Option<Box<dyn Session>> {
        let session = LineSession {
            key,
            ..LineSession::default()
        };
        // One key is refused, for a play.
        (key != 13).then(|| Box::new(session) as Box<dyn Session>)
    }

    fn connected(&mut self, key: u32, _id: SessionId, cx: &mut Context<'_>) -> Option<Box<dyn Session>> {
        say(0, cx, format_args!("connected {key}"));
        Some(Box::<LineSession>::default())
    }

    /// The first word asks for a connection; the others go to all that have spoken, and an echo to who said it.
    fn on_relay(&mut self, from: SessionId, parcel: Parcel, host: &mut dyn RelayHost) {
        if parcel.bytes == "connect" {
            return host.connect(7, ([127, 0, 0, 1], 1).into());
        }
        if !self.spoke.contains(&from) {
            self.spoke.push(from);
        }
        for other in self.spoke.iter().filter(|other| **other != from) {
            host.write(*other, &mut |outbox| {
                outbox.extend_from_slice(b"overheard ");
                outbox.extend_from_slice(&parcel.bytes);
                outbox.push(b'\n');
            });
        }
        assert!(host.tell(from, parcel));
    }

    fn on_drain(&mut self, _host: &mut dyn RelayHost) -> Option<u64> {
        self.patience_ms
    }

    fn cipher(&mut self, _listener: usize) -> Option<Box<dyn Cipher>> {
        None
    }

    fn handshake_first(&self, _listener: usize) -> bool {
        false
    }

    fn room_speech(&self) -> Option<RoomSpeech> {
        Some(speech::SPEECH)
    }

    fn dresser(&self) -> Dresser {
        |presence, badge| presence.content.body = Bytes::copy_from_slice(badge)
    }

    fn on_presence(&mut self, presence: &Envelope, _host: &mut dyn Host) {
        if presence.kind == Kind::Presence(PresenceKind::Unavailable) {
            self.wanting.retain(|session| *session != presence.from);
        }
    }

    fn wants(&mut self, session: &Jid, _event: &Envelope) -> bool {
        self.wanting.contains(session)
    }

    fn on_subscribed(&mut self, user: &Jid, contact: &Jid, host: &mut dyn Host) {
        let contact = contact.node().unwrap_or_default();
        LineFront::tell(user.clone(), format!("sees-{contact}"), host);
    }

    /// The nurse is told of everybody.
    fn on_waiting(&mut self, waiting: &Waiting, host: &mut dyn Host) {
        let who = waiting.session.as_ref().unwrap_or(&waiting.user);
        let mut envelope = Envelope::neutral(
            host.domain().clone(),
            address("nurse"),
            Kind::Message(MessageKind::Headline),
        );
        let last = String::from_utf8_lossy(&waiting.last.id);
        envelope.id = format!("wake {} {} {last}", who, waiting.count).into();
        host.send(envelope);
    }

    fn on_query(&mut self, query: Envelope, host: &mut dyn Host) {
        if host
            .rooms_domain()
            .is_some_and(|rooms| rooms.domain() == query.to.domain())
        {
            return speech::on_query(query, host);
        }
        let line = String::from_utf8_lossy(&query.id).into_owned();
        let (verb, whom) = line.split_once(' ').unwrap_or((&line, ""));
        let (user, session) = (query.from.to_bare(), query.from.clone());
        let mut answer = query.answer(Default::default());
        if verb == "inquire" {
            // Somebody is asked in the user's name, or in the domain's.
            let (from, whom) = match whom.strip_prefix("here ") {
                Some(whom) => (user.to_domain(), whom),
                None => (user, whom),
            };
            let question = Envelope::neutral(from, address(whom), Kind::Query(QueryKind::Get));
            return host.inquire(
                question,
                Box::new(move |outcome, host| {
                    let outcome = outcome.map(|answer| (answer.kind, answer.error));
                    answer.id = format!("inquired {outcome:?}").into();
                    host.send(answer);
                }),
            );
        }
        if verb == "read" {
            // What was said, and with `read NAME` only what was said before the last page.
            let told: crosspoint_engine::service::ThenHistory = Box::new(move |page, host| {
                let page = page.expect("plays have an archive");
                let ids: Vec<_> = page
                    .messages
                    .iter()
                    .map(|(_, said)| String::from_utf8_lossy(&said.id))
                    .collect();
                answer.id = format!("read {} {} edge {}", ids.join(","), page.complete, page.edge).into();
                host.send(answer);
            });
            let span = match whom.parse() {
                Ok(before) => Span::ALL.before(before),
                Err(_) => Span::ALL,
            };
            return host.history(&user, span, Direction::Backward, 3, told);
        }
        if verb == "find" {
            // All of it, each message with its identity.
            let told: crosspoint_engine::service::ThenHistory = Box::new(move |page, host| match page {
                Ok(page) => {
                    let found = page.messages.iter().map(|(record, said)| {
                        let stable = said.stable.expect("it is in the archive");
                        assert_eq!(host.record_of(stable), *record);
                        format!("{}={stable}", String::from_utf8_lossy(&said.id))
                    });
                    answer.id = format!("found {}", found.collect::<Vec<_>>().join(",")).into();
                    host.send(answer);
                }
                Err(condition) => host.refuse(query, condition),
            });
            return host.history(&user, Span::ALL, Direction::Forward, 100, told);
        }
        if verb == "order" {
            let told: ThenReport = Box::new(move |told, host| {
                answer.id = format!("told {}", reported(told)).into();
                host.send(answer);
            });
            return host.administer(order(whom), told);
        }
        let then: crosspoint_engine::service::Then = Box::new(move |result, host| match result {
            Ok(()) => host.send(answer),
            Err(condition) => host.refuse(query, condition),
        });
        match verb {
            "want" => {
                self.wanting.push(session);
                then(Ok(()), host);
            }
            "event" => {
                let subscribers = host
                    .roster(&user)
                    .map(|roster| roster.subscribers().cloned().collect::<Vec<_>>());
                for to in subscribers.into_iter().flatten().chain([user.clone()]) {
                    let mut event = Envelope::neutral(user.clone(), to, Kind::Message(MessageKind::Headline));
                    event.id = Bytes::copy_from_slice(whom.as_bytes());
                    event.hints = Hints::EVENT;
                    host.send(event);
                }
                then(Ok(()), host);
            }
            "badge" => {
                let badge = (!whom.is_empty()).then(|| Bytes::copy_from_slice(whom.as_bytes()));
                host.set_badge(&user, badge, then);
            }
            // Reads a number, and writes the next one: what turns are for.
            "count" => {
                let of = user.clone();
                let begin = move |granted: Result<(), _>, host: &mut dyn Host| {
                    if granted.is_err() {
                        return then(granted, host);
                    }
                    let key = Bytes::from(format!("{user}\0count"));
                    let write = key.clone();
                    let read = move |rows: Result<Vec<crosspoint_engine::service::Row>, _>, host: &mut dyn Host| {
                        let rows = rows.expect("the book works");
                        let before = rows.first().map_or(0, |row| row.value[0]);
                        let put = BookWrite::Put {
                            table: Table::Setting,
                            key: write,
                            value: vec![before.wrapping_add(1)].into(),
                        };
                        let written = move |result, host: &mut dyn Host| {
                            host.end_turn(&user);
                            LineFront::tell(session, format!("count-{}", before.wrapping_add(1)), host);
                            then(result, host);
                        };
                        host.write(vec![put], Box::new(written));
                    };
                    host.read(Table::Setting, key, Box::new(read));
                };
                host.take_turn(&of, Box::new(begin));
            }
            "contacts" => {
                host.roster_interest(&session);
                then(Ok(()), host);
            }
            "set" => host.roster_set(&user, &address(whom), "", Vec::new(), then),
            "remove" => host.roster_remove(&user, &address(whom), then),
            "block" => host.block(&user, vec![address(whom)], then),
            "allow" => host.admit(&user, Admission::Add(vec![address(whom)]), then),
            "disallow" => host.admit(&user, Admission::Remove(vec![address(whom)]), then),
            "only" => host.admit(&user, Admission::Enforce(whom == "friends"), then),
            "unblock" => host.unblock(&user, vec![address(whom)], then),
            "found" => host.register(&address(whom), "pencil".to_owned(), then),
            "leave" => host.remove_account(&user, then),
            "keep" => {
                let (keep, never) = whom.split_once(' ').unwrap_or((whom, ""));
                let keep = match keep {
                    "always" => Keep::Always,
                    "never" => Keep::Never,
                    _ => Keep::Roster,
                };
                let never = never.split(' ').filter(|name| !name.is_empty()).map(address).collect();
                host.set_archiving(&user, Preferences::new(keep, vec![], never).expect("few"), then);
            }
            "renew" => host.set_password(&user, whom.to_owned(), then),
            "copies" => {
                host.set_copies(&session, true);
                then(Ok(()), host);
            }
            _ => panic!("no such command: {line}"),
        }
    }
}
