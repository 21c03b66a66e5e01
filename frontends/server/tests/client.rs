//! Plays with a foreign client, xmpp-rs's tokio-xmpp, against the built binary: real sockets, TLS, SCRAM and disks.

mod common;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Scratch, Server};
use futures::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sasl::common::{ChannelBinding, Credentials};
use tokio::io::BufStream;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_xmpp::connect::ServerConnector;
use tokio_xmpp::jid::{BareJid, Jid};
use tokio_xmpp::minidom::Element;
use tokio_xmpp::parsers::message::{Lang, Message};
use tokio_xmpp::parsers::presence::{Presence, Type};
use tokio_xmpp::parsers::roster::{Roster, Subscription};
use tokio_xmpp::parsers::stanza::Stanza;
use tokio_xmpp::parsers::starttls::{Nonza, Request};
use tokio_xmpp::stanzastream::StanzaStage;
use tokio_xmpp::xmlstream::{PendingFeaturesRecv, StreamHeader, Timeouts, XmppStreamElement, initiate_stream};
use tokio_xmpp::{Client, Error, Event, IqRequest, IqResponse, client_login};

/// Longer than anything here takes; a play that hangs fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a client reaches the server. It trusts the server's own certificate and nothing else.
#[derive(Clone)]
struct Route {
    address: SocketAddr,
    direct_tls: bool,
    tls: Arc<ClientConfig>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Route({}, direct TLS: {})", self.address, self.direct_tls)
    }
}

impl Route {
    fn new(data: &Path, address: SocketAddr, direct_tls: bool) -> Route {
        let certificate = CertificateDer::from_pem_file(data.join("tls/cert.pem")).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("it can be trusted");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions");
        let mut tls = versions.with_root_certificates(roots).with_no_client_auth();
        if direct_tls {
            tls.alpn_protocols = vec![b"xmpp-client".to_vec()];
        }
        Route {
            address,
            direct_tls,
            tls: Arc::new(tls),
        }
    }

    /// RFC 6120 section 5: the stream in the clear, up to the server's `proceed`.
    async fn start_tls(
        &self,
        tcp: TcpStream,
        domain: &str,
        ns: &'static str,
        timeouts: Timeouts,
    ) -> Result<TcpStream, Error> {
        let header = StreamHeader {
            to: Some(Cow::Borrowed(domain)),
            from: None,
            id: None,
        };
        let stream = initiate_stream(BufStream::new(tcp), ns, header, timeouts).await?;
        let (features, mut stream) = stream.recv_features::<XmppStreamElement>().await?;
        assert!(features.can_starttls(), "STARTTLS is offered");
        stream
            .send(&XmppStreamElement::Starttls(Nonza::Request(Request)))
            .await?;
        match stream.next().await {
            Some(Ok(XmppStreamElement::Starttls(Nonza::Proceed(_)))) => Ok(stream.into_inner().into_inner()),
            other => panic!("no proceed but {other:?}"),
        }
    }
}

impl ServerConnector for Route {
    type Stream = BufStream<TlsStream<TcpStream>>;

    async fn connect(
        &self,
        jid: &Jid,
        ns: &'static str,
        timeouts: Timeouts,
    ) -> Result<(PendingFeaturesRecv<Self::Stream>, ChannelBinding), Error> {
        let domain = jid.domain().as_str();
        let mut tcp = TcpStream::connect(self.address).await?;
        if !self.direct_tls {
            tcp = self.start_tls(tcp, domain, ns, timeouts).await?;
        }
        let name = ServerName::try_from(domain.to_owned()).expect("a name");
        let stream = TlsConnector::from(self.tls.clone()).connect(name, tcp).await?;
        let (_, connection) = stream.get_ref();
        if self.direct_tls {
            assert_eq!(
                connection.alpn_protocol(),
                Some(&b"xmpp-client"[..]),
                "XEP-0368 section 2"
            );
        }
        // RFC 9266: so that SCRAM-SHA-256-PLUS is what is used.
        let binding = connection
            .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]))
            .expect("TLS 1.3");
        let header = StreamHeader {
            to: Some(Cow::Borrowed(domain)),
            from: None,
            id: None,
        };
        let stream = initiate_stream(BufStream::new(stream), ns, header, timeouts).await?;
        Ok((stream, ChannelBinding::TlsExporter(binding.to_vec())))
    }
}

/// A person at a client.
struct Person {
    client: Client,
    name: &'static str,
    /// What has arrived and nobody has asked for yet.
    inbox: Vec<Stanza>,
}

impl Person {
    /// Logs in; not available yet.
    async fn arrive(name: &'static str, route: Route) -> Person {
        let jid: Jid = format!("{name}@localhost/play").parse().expect("an address");
        let mut client = Client::new_with_connector(jid, format!("{name}'s secret"), route, Timeouts::tight());
        let online = timeout(PATIENCE, client.next())
            .await
            .unwrap_or_else(|_| panic!("{name} cannot log in"));
        assert!(matches!(online, Some(Event::Online { .. })), "{name}: {online:?}");
        Person {
            client,
            name,
            inbox: Vec::new(),
        }
    }

    async fn send(&mut self, stanza: impl Into<Stanza>) {
        self.client.send_stanza(stanza.into()).await.expect("it can be sent");
    }

    /// Says something, and waits until the server has acknowledged it (XEP-0198).
    async fn say_safely(&mut self, to: &str, text: &str) {
        let mut token = self
            .client
            .send_stanza(chat(to, text).into())
            .await
            .expect("it can be sent");
        let acknowledged = async {
            // The client's stream only moves while it is read.
            tokio::select! {
                state = token.wait_for(StanzaStage::Acked) => state,
                _ = async { loop { if let Some(Event::Stanza(stanza)) = self.client.next().await { self.inbox.push(stanza); } } } => None,
            }
        };
        let state = timeout(PATIENCE, acknowledged)
            .await
            .expect("it is acknowledged in time");
        assert!(state.is_some(), "{} was not acknowledged", self.name);
    }

    /// The first stanza, now or later, of which `take` makes something.
    async fn wait<T>(&mut self, what: &str, take: impl Fn(&Stanza) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some((index, found)) = self
                    .inbox
                    .iter()
                    .enumerate()
                    .find_map(|(index, stanza)| Some((index, take(stanza)?)))
                {
                    self.inbox.remove(index);
                    return found;
                }
                match self.client.next().await {
                    Some(Event::Stanza(stanza)) => self.inbox.push(stanza),
                    Some(_) => {}
                    None => panic!("{}'s stream has ended", self.name),
                }
            }
        };
        match timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => panic!("{} waits for {what} in vain, has {:?}", self.name, self.inbox),
        }
    }

    async fn hear(&mut self) -> String {
        self.wait("a message", |stanza| match stanza {
            Stanza::Message(message) => message.bodies.values().next().cloned(),
            _ => None,
        })
        .await
    }

    async fn presence(&mut self, type_: Type, from: &str) -> Presence {
        let from: BareJid = from.parse().expect("an address");
        let what = format!("presence {type_:?} of {from}");
        self.wait(&what, |stanza| match stanza {
            Stanza::Presence(presence)
                if presence.type_ == type_ && presence.from.as_ref().is_some_and(|jid| jid.to_bare() == from) =>
            {
                Some(presence.clone())
            }
            _ => None,
        })
        .await
    }

    /// Asks the server and waits for the answer.
    async fn ask(&mut self, request: IqRequest) -> Element {
        let token = self.client.send_iq(None, request).await;
        let answer = async {
            tokio::select! {
                answer = token => answer.expect("an answer"),
                _ = async { loop { if let Some(Event::Stanza(stanza)) = self.client.next().await { self.inbox.push(stanza); } } } => unreachable!(),
            }
        };
        match timeout(PATIENCE, answer).await.expect("an answer in time") {
            IqResponse::Result(payload) => payload.expect("a payload"),
            IqResponse::Error(error) => panic!("{} is refused: {error:?}", self.name),
        }
    }

    /// The contacts and what there is between them.
    async fn roster(&mut self) -> Vec<(String, Subscription)> {
        let empty = Roster {
            ver: None,
            items: Vec::new(),
        };
        let roster = Roster::try_from(self.ask(IqRequest::Get(empty.into())).await).expect("a roster");
        roster
            .items
            .into_iter()
            .map(|item| (item.jid.to_string(), item.subscription))
            .collect()
    }

    async fn leave(self) {
        timeout(PATIENCE, self.client.send_end())
            .await
            .expect("an orderly end")
            .expect("an orderly end");
    }
}

fn chat(to: &str, text: &str) -> Message {
    let to: Jid = to.parse().expect("an address");
    Message::chat(to).with_body(Lang(String::new()), text.to_owned())
}

fn to(presence: Presence, jid: &str) -> Presence {
    presence.with_to(jid.parse::<Jid>().expect("an address"))
}

fn two_accounts(server: &Server) {
    for name in ["romeo", "juliet"] {
        server.add_user(&format!("{name}@localhost"), &format!("{name}'s secret"));
    }
}

#[tokio::test]
async fn romeo_and_juliet_meet_become_contacts_and_talk() {
    let scratch = Scratch::new();
    let server = Server::anywhere(&scratch.path().join("data"), &[]);
    two_accounts(&server);
    let mut romeo = Person::arrive("romeo", Route::new(&server.data, server.xmpp, false)).await;
    let mut juliet = Person::arrive("juliet", Route::new(&server.data, server.xmpps, true)).await;
    assert_eq!(romeo.roster().await, []);
    assert_eq!(juliet.roster().await, []);
    romeo.send(Presence::available()).await;
    juliet.send(Presence::available()).await;

    romeo.send(to(Presence::subscribe(), "juliet@localhost")).await;
    juliet.presence(Type::Subscribe, "romeo@localhost").await;
    juliet.send(to(Presence::subscribed(), "romeo@localhost")).await;
    romeo.presence(Type::Subscribed, "juliet@localhost").await;
    romeo.presence(Type::None, "juliet@localhost").await;
    juliet.send(to(Presence::subscribe(), "romeo@localhost")).await;
    romeo.presence(Type::Subscribe, "juliet@localhost").await;
    romeo.send(to(Presence::subscribed(), "juliet@localhost")).await;
    juliet.presence(Type::None, "romeo@localhost").await;
    assert_eq!(
        romeo.roster().await,
        [("juliet@localhost".to_owned(), Subscription::Both)]
    );
    assert_eq!(
        juliet.roster().await,
        [("romeo@localhost".to_owned(), Subscription::Both)]
    );

    romeo.send(chat("juliet@localhost", "But, soft!")).await;
    assert_eq!(juliet.hear().await, "But, soft!");
    juliet.send(chat("romeo@localhost/play", "<Ay me> & \u{1f339}")).await;
    assert_eq!(romeo.hear().await, "<Ay me> & \u{1f339}");

    juliet.leave().await;
    romeo.presence(Type::Unavailable, "juliet@localhost").await;
}

#[tokio::test]
async fn what_is_acknowledged_survives_a_kill_and_comes_once() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let server = Server::anywhere(&data, &[]);
    let (xmpp, xmpps) = (server.xmpp, server.xmpps);
    two_accounts(&server);
    let route = Route::new(&data, xmpp, false);

    // Juliet is away; Romeo writes; the server is killed as soon as it has acknowledged.
    let mut romeo = Person::arrive("romeo", route.clone()).await;
    romeo.send(Presence::available()).await;
    for text in ["one", "two", "three"] {
        romeo.say_safely("juliet@localhost", text).await;
    }
    server.kill();
    drop(romeo);

    let server = Server::start(&data, xmpp, xmpps, &[]);
    let mut juliet = Person::arrive("juliet", route.clone()).await;
    juliet.send(Presence::available()).await;
    for text in ["one", "two", "three"] {
        assert_eq!(juliet.hear().await, text);
    }
    // Nothing twice: what comes next is what is sent next.
    let mut romeo = Person::arrive("romeo", route.clone()).await;
    romeo.send(chat("juliet@localhost", "four")).await;
    assert_eq!(juliet.hear().await, "four");
    // The server asks for an acknowledgement behind the message; once a later answer is here, it has been given. Whoever
    // leaves without one gets the message again, as it must be.
    juliet.roster().await;
    juliet.leave().await;

    // And not after she has come and gone, either.
    let mut juliet = Person::arrive("juliet", route).await;
    juliet.send(Presence::available()).await;
    romeo.send(chat("juliet@localhost", "five")).await;
    assert_eq!(juliet.hear().await, "five");
    drop(server);
}

/// One attempt to authenticate by one mechanism.
async fn authenticate(route: &Route, mechanism: &str, password: &str) -> Result<(), Error> {
    let jid: Jid = "romeo@localhost".parse().expect("an address");
    let (stream, binding) = route.connect(&jid, "jabber:client", Timeouts::tight()).await?;
    let (features, stream) = stream.recv_features().await?;
    assert!(features.sasl_mechanisms.contains(mechanism), "{mechanism} is offered");
    let binding = if mechanism.ends_with("-PLUS") {
        binding
    } else {
        ChannelBinding::None
    };
    let credentials = Credentials::default()
        .with_username("romeo")
        .with_password(password)
        .with_channel_binding(binding);
    client_login(stream, [mechanism.to_owned()].into(), credentials)
        .await
        .map(|_| ())
}

#[tokio::test]
async fn each_mechanism_opens_to_the_password_and_to_nothing_else() {
    let scratch = Scratch::new();
    let server = Server::anywhere(&scratch.path().join("data"), &[]);
    server.add_user("romeo@localhost", "romeo's secret");
    let route = Route::new(&server.data, server.xmpp, false);
    for mechanism in [
        "SCRAM-SHA-256-PLUS",
        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1",
        "PLAIN",
    ] {
        let right = timeout(PATIENCE, authenticate(&route, mechanism, "romeo's secret"))
            .await
            .expect("in time");
        assert!(right.is_ok(), "{mechanism}: {right:?}");
        let wrong = timeout(PATIENCE, authenticate(&route, mechanism, "Romeo's secret"))
            .await
            .expect("in time");
        assert!(matches!(wrong, Err(Error::Auth(_))), "{mechanism}: {wrong:?}");
    }
}
