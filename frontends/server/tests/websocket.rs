//! WebSocket on a real switch, in the clear and within TLS, with a client that others have written: tungstenite. The session
//! behind it gives back every byte.

mod common;

use std::any::Any;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::Scratch;
use crosspoint_engine::envelope::{Codec, Envelope};
use crosspoint_engine::metrics::Metrics;
use crosspoint_engine::service::{Cipher, Frontend, Host};
use crosspoint_engine::session::{Action, Context, Delivery, Event, Peer, Session};
use crosspoint_engine::shard::Registration;
use crosspoint_engine::switch::{self, Listen, Plan, Switch};
use crosspoint_http::websocket::Endpoint;
use crosspoint_server::cipher::Certificates;
use crosspoint_server::websocket::{self, Framing};
use crosspoint_server::{certificate, home};
use crosspoint_tls::TlsConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::Request;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

/// Longer than anything here takes; a play that hangs fails.
const PATIENCE: Duration = Duration::from_secs(30);

const DOMAIN: &str = "verona.lit";
const PATH: &str = "/icpp";
const SUBPROTOCOL: &str = "icpp.v1";

/// What ends the session from the server's side.
const GOODBYE: &[u8] = b"goodbye";

/// Listeners.
const CLEAR: usize = 0;
const TLS: usize = 1;

/// What has become of sessions, in order.
type Diary = Arc<Mutex<Vec<String>>>;

struct Echo(Diary);

impl Session for Echo {
    fn on_input(&mut self, input: &[u8], cx: &mut Context<'_>) -> usize {
        cx.outbox.extend_from_slice(input);
        if input == GOODBYE {
            cx.actions.push(Action::Close);
        }
        input.len()
    }

    fn on_event(&mut self, event: Event, cx: &mut Context<'_>) {
        if matches!(event, Event::Lost | Event::Farewell(_)) {
            self.0.lock().unwrap().push("lost".to_owned());
            cx.actions.push(Action::Close);
        }
    }

    fn on_deliver(&mut self, _delivery: &Delivery<'_>, _cx: &mut Context<'_>) {}

    fn on_tick(&mut self, _cx: &mut Context<'_>) {}

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

struct EchoFront {
    certificates: Certificates,
    endpoint: Arc<Endpoint>,
    diary: Diary,
}

impl Frontend for EchoFront {
    fn codec(&self) -> Codec {
        Codec::Neutral
    }

    fn open(&mut self, peer: &Peer, _cx: &mut Context<'_>) -> Box<dyn Session> {
        let version = peer.tls.as_ref().map_or("in the clear", |facts| facts.version);
        self.diary.lock().unwrap().push(version.to_owned());
        Box::new(Echo(self.diary.clone()))
    }

    fn cipher(&mut self, listener: usize) -> Option<Box<dyn Cipher>> {
        match listener {
            CLEAR => Some(websocket::clear(self.endpoint.clone(), Framing::Bytes(<[u8]>::len))),
            _ => websocket::within_tls(&self.certificates, self.endpoint.clone(), Framing::Bytes(<[u8]>::len)),
        }
    }

    fn handshake_first(&self, _listener: usize) -> bool {
        true
    }

    fn on_query(&mut self, _query: Envelope, _host: &mut dyn Host) {}
}

struct Stage {
    switch: Option<Switch>,
    diary: Diary,
    /// As the administrator's side has them.
    certificates: Certificates,
    client: Arc<ClientConfig>,
    _scratch: Scratch,
}

impl Stage {
    fn new() -> Stage {
        let scratch = Scratch::new();
        let (native, client) = identity(&scratch);
        let certificates = Certificates::new(native);
        let (diary, endpoint) = (Diary::default(), Arc::new(Endpoint::new(PATH, SUBPROTOCOL)));
        let front = {
            let (diary, certificates) = (diary.clone(), certificates.offering(websocket::PROTOCOLS));
            move |_shard| -> Vec<Box<dyn Frontend>> {
                vec![Box::new(EchoFront {
                    certificates: certificates.clone(),
                    endpoint: endpoint.clone(),
                    diary: diary.clone(),
                })]
            }
        };
        let switch = switch::start(plan(&scratch), Arc::new(front)).unwrap();
        Stage {
            switch: Some(switch),
            diary,
            certificates,
            client,
            _scratch: scratch,
        }
    }

    fn address(&self, listener: usize) -> SocketAddr {
        self.switch.as_ref().unwrap().addresses()[listener]
    }

    fn tcp(&self, listener: usize) -> TcpStream {
        let tcp = TcpStream::connect(self.address(listener)).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        tcp
    }

    fn tls(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from(DOMAIN).unwrap();
        StreamOwned::new(ClientConnection::new(self.client.clone(), name).unwrap(), self.tcp(TLS))
    }

    /// Ends the switch; what its sessions have seen.
    fn diary(mut self) -> Vec<String> {
        self.switch.take().unwrap().drain(PATIENCE);
        std::mem::take(&mut *self.diary.lock().unwrap())
    }
}

/// A certificate of the domain, and a client that trusts no other.
fn identity(scratch: &Scratch) -> (TlsConfig, Arc<ClientConfig>) {
    let home = home::Home::at(scratch.path());
    home.create().unwrap();
    certificate::ensure(&DOMAIN.parse().unwrap(), &home).unwrap();
    let loaded = certificate::load(&home.certificate(), &home.key()).unwrap();
    (loaded.config, client(&home))
}

fn plan(scratch: &Scratch) -> Plan {
    let listen = |listener| Listen {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        frontend: 0,
        listener,
    };
    Plan {
        services: Vec::new(),
        archive: None,
        administrators: Vec::new(),
        rooms: None,
        domain: DOMAIN.parse().unwrap(),
        shards: 1,
        pin: false,
        data: scratch.path().to_owned(),
        listeners: vec![listen(CLEAR), listen(TLS)],
        limits: Default::default(),
        registration: Registration::Closed,
        registrations: crosspoint_server::config::Accounts::default().registration_rate(),
        logins: Default::default(),
        scram_iterations: 10_000,
        metrics: Arc::new(Metrics::new(1)),
    }
}

fn client(home: &home::Home) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(home.certificate()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut client = versions.unwrap().with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(client)
}

fn request() -> Request {
    let mut request = format!("ws://{DOMAIN}{PATH}").into_client_request().unwrap();
    let subprotocol = SUBPROTOCOL.parse().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", subprotocol);
    request
}

fn connected<S: Read + Write>(stream: S) -> WebSocket<S> {
    let Ok((client, answer)) = tungstenite::client(request(), stream) else {
        panic!("not upgraded")
    };
    assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], SUBPROTOCOL);
    client
}

/// Talks, asks whether the other is there, and is told goodbye.
fn talk<S: Read + Write>(mut client: WebSocket<S>) {
    for length in [1, 125, 126, 70_000, 1_000_000] {
        let bytes: Vec<u8> = (0..length).map(|place: usize| (place * 7) as u8).collect();
        client.send(Message::binary(bytes.clone())).unwrap();
        let mut back = Vec::new();
        while back.len() < length {
            back.extend(client.read().unwrap().into_data());
        }
        assert_eq!(back, bytes);
    }
    client.send(Message::Ping("there?".into())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong("there?".into()));
    client.send(Message::binary(GOODBYE)).unwrap();
    assert_eq!(client.read().unwrap(), Message::binary(GOODBYE));
    let Ok(Message::Close(Some(close))) = client.read() else {
        panic!("no goodbye")
    };
    assert_eq!(close.code, CloseCode::Normal);
}

#[test]
fn bytes_go_through_in_the_clear_and_within_tls() {
    let stage = Stage::new();
    talk(connected(stage.tcp(CLEAR)));
    let tls = connected(stage.tls());
    assert_eq!(tls.get_ref().conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    talk(tls);
    assert_eq!(stage.diary(), ["in the clear", "TLSv1.3"]);
}

#[test]
fn a_goodbye_of_the_client_is_answered_and_ends_the_session() {
    let stage = Stage::new();
    let mut clear = connected(stage.tcp(CLEAR));
    clear.close(None).unwrap();
    assert_eq!(clear.read().unwrap(), Message::Close(None));
    let mut tls = connected(stage.tls());
    tls.close(None).unwrap();
    assert_eq!(tls.read().unwrap(), Message::Close(None));
    // And a close_notify after it.
    assert_eq!(tls.get_mut().read(&mut [0]).unwrap(), 0);
    assert_eq!(stage.diary(), ["in the clear", "lost", "TLSv1.3", "lost"]);
}

#[test]
fn a_new_certificate_is_for_websocket_too() {
    let mut stage = Stage::new();
    let scratch = Scratch::new();
    let (renewed, client) = identity(&scratch);
    let mut open = connected(stage.tls());
    stage.certificates.replace(renewed);
    stage.client = client;
    let tls = connected(stage.tls());
    assert_eq!(tls.get_ref().conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    open.send(Message::binary(b"still here".as_slice())).unwrap();
    assert_eq!(open.read().unwrap(), Message::binary(b"still here".as_slice()));
}

/// What the server has to say until it closes.
fn rest(mut stream: impl Read) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rest
}

#[test]
fn mistakes_are_told_and_end_the_connection() {
    let stage = Stage::new();
    for listener in [CLEAR, TLS] {
        let say = |bytes: &[u8]| match listener {
            CLEAR => {
                let mut tcp = stage.tcp(CLEAR);
                tcp.write_all(bytes).unwrap();
                rest(tcp)
            }
            _ => {
                let mut tls = stage.tls();
                tls.write_all(bytes).unwrap();
                rest(tls)
            }
        };
        let refused = say(b"GET /elsewhere HTTP/1.1\r\nHost: verona.lit\r\n\r\n");
        assert!(refused.starts_with(b"HTTP/1.1 404 "));
        // A text message.
        let unsupported = say(&[&upgrade()[..], b"\x81\x80mask"].concat());
        assert!(unsupported.starts_with(b"HTTP/1.1 101 ") && unsupported.ends_with(b"\x88\x02\x03\xeb"));
    }
    // Later, when there is a session: the others never had one.
    let mut late = connected(stage.tcp(CLEAR));
    late.send(Message::text("words")).unwrap();
    let Ok(Message::Close(Some(close))) = late.read() else {
        panic!("no goodbye")
    };
    assert_eq!(close.code, CloseCode::Unsupported);
    assert_eq!(stage.diary(), ["in the clear", "lost"]);
}

/// As bytes, for clients that do not behave.
fn upgrade() -> Vec<u8> {
    format!(
        "GET {PATH} HTTP/1.1\r\nHost: {DOMAIN}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
    .into_bytes()
}

/// The session that such a client leaves behind was once kept, and its socket with it.
#[test]
fn who_comes_and_goes_with_the_same_bytes_leaves_no_session() {
    let stage = Stage::new();
    let mut tcp = stage.tcp(CLEAR);
    tcp.write_all(&[&upgrade()[..], b"\x88\x80mask"].concat()).unwrap();
    assert!(rest(tcp).ends_with(b"\x88\x00"));
    assert_eq!(*stage.diary.lock().unwrap(), ["in the clear", "lost"]);
}

/// What the server answers to pings does not wait in an outbox, and was once bounded by nothing.
#[test]
fn who_asks_for_ever_and_does_not_listen_is_let_go() {
    const PATIENCE_BYTES: usize = 256 * 1024 * 1024;
    let stage = Stage::new();
    let mut tcp = stage.tcp(CLEAR);
    tcp.write_all(&upgrade()).unwrap();
    let ping = [&b"\x89\xfdmask"[..], &[b'?'; 125]].concat();
    let pings = ping.repeat(1000);
    let mut written = 0;
    let error = loop {
        match tcp.write_all(&pings) {
            Ok(()) => written += pings.len(),
            Err(error) => break error.kind(),
        }
        assert!(written < PATIENCE_BYTES, "the server takes it all");
    };
    assert!(
        matches!(error, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "{error:?}"
    );
}
