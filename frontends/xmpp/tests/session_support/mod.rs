//! A client's end of a session, without sockets: bytes in, outbox and actions out, events by hand.

#![allow(dead_code)]

use std::sync::Arc;

use crosspoint_engine::envelope::{Codec, Content, Envelope, Hints, Kind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Frontend;
use crosspoint_engine::session::{Action, Context, Delivery, Event, Form, Now, Peer, Random, Session, TlsFacts};
use crosspoint_xmpp::config::Listener;
use crosspoint_xmpp::{XmppConfig, XmppFront};

pub const DOMAIN: &str = "montague.lit";
pub const ROMEO: &str = "romeo@montague.lit/orchard";
pub const HEADER: &str = "<?xml version='1.0'?><stream:stream to='montague.lit' version='1.0' xml:lang='en' \
    xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

/// Counts up: reproducible, and never the same twice.
pub struct Counting(pub u8);

impl Random for Counting {
    fn fill(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

pub fn jid(text: &str) -> Jid {
    text.parse().unwrap()
}

/// A configuration with one listener without TLS, one with STARTTLS required, one optional, one with direct TLS.
pub fn config() -> XmppConfig {
    use crosspoint_xmpp::config::TlsPolicy;
    let optional = Listener {
        tls: TlsPolicy::Optional,
        ..Listener::STARTTLS
    };
    let proxied = Listener {
        behind_tls_proxy: true,
        ..Listener::STARTTLS
    };
    let listeners = vec![
        Listener::PLAIN,
        Listener::STARTTLS,
        optional,
        Listener::DIRECT_TLS,
        proxied,
    ];
    XmppConfig {
        listeners,
        ..XmppConfig::new(jid(DOMAIN), Arc::new(|| None))
    }
}

pub const PLAIN: usize = 0;
pub const STARTTLS: usize = 1;
pub const OPTIONAL: usize = 2;
pub const DIRECT: usize = 3;
pub const PROXIED: usize = 4;

pub fn facts() -> TlsFacts {
    TlsFacts {
        version: "TLSv1.3",
        exporter: Some([7; 32]),
        server_end_point: vec![9; 32],
        server_name: None,
    }
}

pub struct Client {
    pub session: Option<Box<dyn Session>>,
    pub front: XmppFront,
    pub now: Now,
    pub paused: bool,
    pub wake_at: Option<u64>,
    pub closed: bool,
    unread: Vec<u8>,
    outbox: Vec<u8>,
    actions: Vec<Action>,
    random: Counting,
}

impl Client {
    pub fn connect_with(config: XmppConfig, listener: usize, tls: Option<TlsFacts>) -> Client {
        Client::arrive(XmppFront::new(Arc::new(config)), listener, tls)
    }

    pub fn arrive(mut front: XmppFront, listener: usize, tls: Option<TlsFacts>) -> Client {
        let now = Now {
            ms: 1_000,
            unix_ms: 1_700_000_000_000,
        };
        let (mut outbox, mut actions, mut random) = (Vec::new(), Vec::new(), Counting(0));
        let peer = Peer {
            address: [127, 0, 0, 1].into(),
            tls,
            listener,
        };
        let mut cx = Context {
            now,
            random: &mut random,
            outbox: &mut outbox,
            actions: &mut actions,
        };
        let session = front.open(&peer, &mut cx);
        let mut client = Client {
            session: Some(session),
            front,
            now,
            paused: false,
            wake_at: None,
            closed: false,
            unread: Vec::new(),
            outbox,
            actions,
            random,
        };
        client.obey();
        client
    }

    pub fn connect(listener: usize) -> Client {
        let tls = (listener == DIRECT).then(facts);
        Client::connect_with(config(), listener, tls)
    }

    /// A bound session of Romeo's, on the listener without TLS; nothing left to read.
    pub fn bound() -> Client {
        Client::bound_with(config())
    }

    pub fn bound_with(config: XmppConfig) -> Client {
        let mut client = Client::at_home(config);
        client.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
        client.event(Event::Bound {
            address: jid(ROMEO),
            epoch: 1,
        });
        client.forget();
        client
    }

    /// Romeo has authenticated and opened his new stream.
    pub fn at_home(config: XmppConfig) -> Client {
        let mut client = Client::connect_with(config, PLAIN, None);
        client.send(HEADER);
        client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHB3</auth>");
        client.event(Event::PasswordChecked(true));
        client.event(Event::Homed);
        client.send(HEADER);
        client.forget();
        client
    }

    /// Bytes arrive.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.unread.extend_from_slice(bytes.as_ref());
        self.read();
    }

    fn read(&mut self) {
        while !self.paused && !self.unread.is_empty() && !self.closed {
            let input = std::mem::take(&mut self.unread);
            let consumed = self.call(|session, cx| session.on_input(&input, cx));
            self.unread = input[consumed..].to_vec();
            let starttls = self.actions.iter().any(|action| matches!(action, Action::StartTls));
            assert!(
                !starttls || self.unread.is_empty(),
                "what came before the handshake is consumed"
            );
            self.obey();
            if consumed == 0 {
                break;
            }
        }
    }

    /// Complete stanzas arrive; nothing is copied or checked here, for measuring.
    pub fn feed(&mut self, input: &[u8]) {
        let consumed = self.call(|session, cx| session.on_input(input, cx));
        assert_eq!(consumed, input.len());
    }

    /// Throws actions and outbox away, keeping their memory.
    pub fn drop_actions(&mut self) {
        self.actions.clear();
        self.outbox.clear();
    }

    pub fn unread(&self) -> usize {
        self.unread.len()
    }

    pub fn event(&mut self, event: Event) {
        self.call(|session, cx| session.on_event(event, cx));
        self.obey();
        self.read();
    }

    pub fn deliver(&mut self, envelope: &Envelope, form: Form, record: Option<u64>) {
        let delivery = Delivery { envelope, form, record };
        self.call(|session, cx| session.on_deliver(&delivery, cx));
        self.obey();
    }

    /// Time passes to the moment that the session has asked for.
    pub fn tick_at(&mut self, ms: u64) {
        self.now.ms = ms;
        self.call(|session, cx| session.on_tick(cx));
        self.obey();
        self.read();
    }

    fn call<T>(&mut self, what: impl FnOnce(&mut dyn Session, &mut Context<'_>) -> T) -> T {
        let mut cx = Context {
            now: self.now,
            random: &mut self.random,
            outbox: &mut self.outbox,
            actions: &mut self.actions,
        };
        what(self.session.as_deref_mut().expect("the session is here"), &mut cx)
    }

    fn obey(&mut self) {
        for action in &self.actions {
            assert!(!self.closed, "nothing follows Close");
            match action {
                Action::Pause => self.paused = true,
                Action::Continue => self.paused = false,
                Action::WakeAt(ms) => self.wake_at = Some(*ms),
                Action::Close => self.closed = true,
                _ => {}
            }
        }
    }

    /// What has been written since the last call.
    pub fn said(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.outbox)).unwrap()
    }

    /// What has been asked of the shard since the last call, without the handling of reading and time.
    pub fn asked(&mut self) -> Vec<Action> {
        let quiet = |action: &Action| matches!(action, Action::Pause | Action::Continue | Action::WakeAt(_));
        std::mem::take(&mut self.actions)
            .into_iter()
            .filter(|action| !quiet(action))
            .collect()
    }

    pub fn forget(&mut self) {
        self.said();
        self.asked();
    }

    /// The envelopes that have been routed since the last call.
    pub fn routed(&mut self) -> Vec<Envelope> {
        let envelope = |action| match action {
            Action::Route { envelope, .. } => Some(envelope),
            _ => None,
        };
        self.asked().into_iter().filter_map(envelope).collect()
    }

    /// The stream error that the session has just ended with.
    pub fn ended_with(&mut self) -> String {
        let said = self.said();
        assert!(self.closed, "the session is not over: {said}");
        let (before, error) = said
            .split_once("<stream:error><")
            .unwrap_or_else(|| panic!("no stream error in {said}"));
        assert!(said.ends_with("</stream:error></stream:stream>"), "{said}");
        assert!(
            before.is_empty() || before.contains("<stream:stream") || before.ends_with('>'),
            "{said}"
        );
        error.split([' ', '/', '>']).next().unwrap_or_default().to_owned()
    }
}

pub fn message(from: &str, to: &str, kind: Kind, body: &'static str) -> Envelope {
    let content = Content {
        codec: Codec::Xmpp,
        head: Default::default(),
        body: body.as_bytes().into(),
    };
    Envelope {
        content,
        hints: Hints::NONE,
        ..Envelope::neutral(jid(from), jid(to), kind)
    }
}

/// Names an action, for comparing sequences.
pub fn name(action: &Action) -> &'static str {
    match action {
        Action::StartTls => "StartTls",
        Action::FetchKeys { .. } => "FetchKeys",
        Action::CheckPassword { .. } => "CheckPassword",
        Action::CheckToken(_) => "CheckToken",
        Action::IssueToken { .. } => "IssueToken",
        Action::CompleteKeys { .. } => "CompleteKeys",
        Action::AuthFailed { .. } => "AuthFailed",
        Action::Authenticated { .. } => "Authenticated",
        Action::Bind { .. } => "Bind",
        Action::Route { .. } => "Route",
        Action::Presence { .. } => "Presence",
        Action::Settle(_) => "Settle",
        Action::SettleWhenWritten(_) => "SettleWhenWritten",
        Action::Return { .. } => "Return",
        Action::Detach { .. } => "Detach",
        Action::Resume { .. } => "Resume",
        Action::Resumable { .. } => "Resumable",
        Action::Sync { .. } => "Sync",
        Action::ReadsArchive => "ReadsArchive",
        Action::Hold(_) => "Hold",
        Action::Listen { .. } => "Listen",
        Action::Place { .. }
        | Action::Embark { .. }
        | Action::Feed { .. }
        | Action::Disembark { .. }
        | Action::HoldPassenger { .. }
        | Action::Tell { .. }
        | Action::Relay(_) => "Carry",
        Action::Doze(_) => "Doze",
        Action::Unseen { .. } => "Unseen",
        Action::Attach { .. } => "Attach",
        Action::SpeakFor { .. } => "SpeakFor",
        Action::Spend { .. } => "Spend",
        Action::Register { .. } => "Register",
        Action::Pause => "Pause",
        Action::Continue => "Continue",
        Action::WakeAt(_) => "WakeAt",
        Action::Linger => "Linger",
        Action::HangUp => "HangUp",
        Action::Close => "Close",
    }
}

pub fn names(actions: &[Action]) -> Vec<&'static str> {
    actions.iter().map(name).collect()
}
