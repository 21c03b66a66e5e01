//! Plays with the ICPP client library against the built binary: real sockets, TLS, SCRAM and disks, and a wire that is cut.

mod common;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use common::{Scratch, Server, done};
use crosspoint_client::codec::message::tag;
use crosspoint_client::codec::presence::Show;
use crosspoint_client::core::{
    Activity, Affiliation, Asked, Event, Final, Incoming, Occupant, Outgoing, Received, Role, RoomSettings, RoomWord,
};
use crosspoint_client::{Builder, Client, ConnectError, Events, FileStore, MemoryStore, Messages};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// Longer than anything here takes; a play that hangs fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server that speaks ICPP, and where.
struct Stage {
    server: Server,
    icpp: SocketAddr,
    icpps: SocketAddr,
}

impl Stage {
    fn start(scratch: &Scratch, icpp: SocketAddr, more: &[&str]) -> Stage {
        let icpp = icpp.to_string();
        let mut arguments = vec!["--icpp", &icpp, "--icpps", "127.0.0.1:0"];
        arguments.extend(more);
        let server = Server::anywhere(&scratch.path().join("data"), &arguments);
        let listens = |how: &str| Stage::listening(&server, how);
        let (icpp, icpps) = (listens("in the clear"), listens("TLS"));
        Stage { server, icpp, icpps }
    }

    /// The address at which the banner says this.
    fn listening(server: &Server, how: &str) -> SocketAddr {
        let mut lines = server
            .banner
            .lines()
            .filter_map(|line| line.trim().strip_prefix("ICPP")?.split_once(", "));
        let line = lines.find(|(_, said)| *said == how);
        let (address, _) = line.unwrap_or_else(|| panic!("ICPP, {how}, in {}", server.banner));
        address.trim().parse().expect("an address")
    }

    /// With two accounts.
    fn anywhere(scratch: &Scratch, more: &[&str]) -> Stage {
        let stage = Stage::start(scratch, common::ANY, more);
        for name in ["romeo", "juliet"] {
            stage
                .server
                .add_user(&format!("{name}@localhost"), &format!("{name}'s secret"));
        }
        stage
    }

    fn certificate(&self) -> std::path::PathBuf {
        self.server.data.join("tls/cert.pem")
    }
}

fn who(name: &str, address: SocketAddr) -> Builder {
    Client::builder()
        .urls([format!("icpp://{address}")])
        .account(&format!("{name}@localhost"))
        .password(&format!("{name}'s secret"))
        .resource("play")
}

/// A person at a client.
struct Person {
    client: Client,
    messages: Messages,
    events: Events,
}

impl Person {
    async fn arrive(builder: Builder) -> Person {
        let client = in_time("a login", builder.connect()).await.expect("a login");
        Person::with(client)
    }

    fn with(client: Client) -> Person {
        Person {
            messages: client.messages(),
            events: client.events(),
            client,
        }
    }

    /// The next thing that arrives of which `take` makes something.
    async fn wait<T>(&mut self, what: &str, take: impl Fn(Incoming) -> Option<T>) -> T {
        let found = async {
            loop {
                let incoming = self.messages.next().await.expect("the client lives");
                if let Some(found) = take(incoming) {
                    self.messages.acknowledge();
                    return found;
                }
            }
        };
        in_time(what, found).await
    }

    async fn hear(&mut self) -> Received {
        self.wait("a message", |incoming| match incoming {
            Incoming::Message(message) => Some(message),
            _ => None,
        })
        .await
    }

    /// The next word of a room of which `take` makes something.
    async fn word<T>(&mut self, what: &str, take: impl Fn(RoomWord) -> Option<T>) -> T {
        self.wait(what, |incoming| match incoming {
            Incoming::Room { verb, body } => take(RoomWord::read(verb, &body).expect("a word")),
            _ => None,
        })
        .await
    }

    async fn occupant(&mut self, wanted: impl Fn(&Occupant) -> bool) -> Occupant {
        self.word("an occupant", |word| match word {
            RoomWord::Occupant(occupant) if wanted(&occupant) => Some(occupant),
            _ => None,
        })
        .await
    }

    async fn asked(&mut self, wanted: Asked) -> String {
        self.wait("a subscription", |incoming| match incoming {
            Incoming::Subscription { from, asked, .. } if asked == wanted => Some(from),
            _ => None,
        })
        .await
    }

    async fn event(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let found = async {
            loop {
                let event = self.events.next().await.expect("the client lives");
                if wanted(&event) {
                    return event;
                }
            }
        };
        in_time(what, found).await
    }

    async fn say(&self, text: &str, to: &str) -> [u8; 16] {
        in_time("acceptance", self.client.send(to, text))
            .await
            .expect("acceptance")
    }

    async fn shows(&self, address: &str, show: Show) {
        let mut presences = self.client.presences();
        let shown = async {
            while !self.client.presence_of(address).iter().any(|shown| shown.show == show) {
                presences.next().await;
            }
        };
        in_time("presence", shown).await;
    }
}

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: in vain"),
    }
}

/// The wire between a client and a server. It can be cut.
struct Wire {
    address: SocketAddr,
    copies: Arc<Mutex<JoinSet<()>>>,
    listening: AbortHandle,
}

impl Wire {
    async fn to(server: SocketAddr) -> Wire {
        let listener = TcpListener::bind(common::ANY).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let copies = Arc::new(Mutex::new(JoinSet::new()));
        let shared = copies.clone();
        let listening = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                shared.lock().await.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(server).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Wire {
            address,
            copies,
            listening: listening.abort_handle(),
        }
    }

    async fn cut(&self) {
        self.copies.lock().await.shutdown().await;
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[tokio::test]
async fn romeo_and_juliet_meet_become_contacts_and_talk() {
    let scratch = Scratch::new();
    let stage = Stage::anywhere(&scratch, &[]);
    let mut romeo = Person::arrive(who("romeo", stage.icpp)).await;
    let encrypted = Client::builder()
        .urls([format!("icpps://localhost:{}", stage.icpps.port())])
        .account("juliet@localhost")
        .password("juliet's secret")
        .resource("play")
        .trust(stage.certificate());
    let mut juliet = Person::arrive(encrypted).await;
    assert_eq!(romeo.client.address(), "romeo@localhost/play");
    assert_eq!(juliet.client.address(), "juliet@localhost/play");

    romeo.client.subscribe("juliet@localhost", "But, soft!").unwrap();
    assert_eq!(juliet.asked(Asked::Subscribe).await, "romeo@localhost");
    juliet.client.approve("romeo@localhost").unwrap();
    juliet.client.subscribe("romeo@localhost", "").unwrap();
    assert_eq!(romeo.asked(Asked::Approved).await, "juliet@localhost");
    assert_eq!(romeo.asked(Asked::Subscribe).await, "juliet@localhost");
    romeo.client.approve("juliet@localhost").unwrap();
    romeo.shows("juliet@localhost", Show::Available).await;
    juliet.shows("romeo@localhost", Show::Available).await;
    in_time(
        "a name",
        romeo.client.set_contact("juliet@localhost", "Juliet", &["Capulet"]),
    )
    .await
    .unwrap();
    romeo
        .event("the roster", |event| {
            *event == Event::RosterChanged("juliet@localhost".to_owned())
        })
        .await;

    let first = romeo.say("But, soft!", "juliet@localhost").await;
    let heard = juliet.hear().await;
    assert_eq!((heard.text().as_str(), heard.id), ("But, soft!", first));
    assert_eq!(heard.from, "romeo@localhost/play");
    in_time("a receipt", juliet.client.receipt(&heard, true)).await.unwrap();
    let seen = |incoming| match incoming {
        Incoming::Displayed(receipt) => receipt.reference,
        _ => None,
    };
    assert_eq!(romeo.wait("a receipt", seen).await, first);
    juliet
        .client
        .activity("romeo@localhost/play", Activity::Composing)
        .unwrap();
    let types = |incoming| match incoming {
        Incoming::Activity { activity, .. } => Some(activity),
        _ => None,
    };
    assert_eq!(romeo.wait("typing", types).await, Activity::Composing);
    juliet.say("<Ay me> & \u{1f339}", "romeo@localhost/play").await;
    assert_eq!(romeo.hear().await.text(), "<Ay me> & \u{1f339}");

    let corrected = in_time(
        "an edit",
        romeo.client.edit("juliet@localhost", first, "But, soft! What light?"),
    );
    corrected.await.unwrap();
    let edited = |incoming| match incoming {
        Incoming::Edited(message) => Some((message.reference, message.text())),
        _ => None,
    };
    let expected = (Some(first), "But, soft! What light?".to_owned());
    assert_eq!(juliet.wait("an edit", edited).await, expected);
    in_time("a recall", romeo.client.recall("juliet@localhost", first))
        .await
        .unwrap();
    let recalled = |incoming| match incoming {
        Incoming::Recalled(message) => message.reference,
        _ => None,
    };
    assert_eq!(juliet.wait("a recall", recalled).await, first);

    let roster = romeo.client.roster();
    assert_eq!(roster.len(), 1);
    assert_eq!(
        (roster[0].name.as_str(), &roster[0].groups[..]),
        ("Juliet", &["Capulet".to_owned()][..])
    );
    juliet.client.set_presence(Show::DoNotDisturb, 1, "asleep").unwrap();
    romeo.shows("juliet@localhost", Show::DoNotDisturb).await;
    in_time("an end", juliet.client.drain()).await;
    let gone = async {
        let mut presences = romeo.client.presences();
        while !romeo.client.presence_of("juliet@localhost").is_empty() {
            presences.next().await;
        }
    };
    in_time("her going", gone).await;
}

#[tokio::test]
async fn a_wrong_password_and_a_strange_certificate_open_nothing() {
    let scratch = Scratch::new();
    let stage = Stage::anywhere(&scratch, &[]);
    let wrong = who("romeo", stage.icpp).password("rosaline").connect();
    let refused = in_time("a refusal", wrong).await.unwrap_err();
    assert!(
        matches!(refused, ConnectError::Ended(Final::NotAuthorized(_))),
        "{refused}"
    );
    let other = Scratch::new();
    let stranger = Stage::anywhere(&other, &[]);
    let client = Client::builder()
        .urls([format!("icpps://localhost:{}", stage.icpps.port())])
        .account("romeo@localhost")
        .password("romeo's secret")
        .trust(stranger.certificate())
        .start()
        .unwrap();
    let mut romeo = Person::with(client);
    let event = romeo.event("a failure", |_| true).await;
    assert!(event_text(&event).contains("certificate"), "{event:?}");
    assert!(romeo.client.address().is_empty());
}

fn event_text(event: &Event) -> String {
    match event {
        Event::Disconnected(ending) => ending.to_string(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_accepted_survives_a_kill_and_comes_once() {
    let scratch = Scratch::new();
    let stage = Stage::anywhere(&scratch, &[]);
    let icpp = stage.icpp;
    // Juliet is away; Romeo writes; the server is killed as soon as it has accepted.
    let romeo = Person::arrive(who("romeo", icpp)).await;
    for text in ["one", "two", "three"] {
        romeo.say(text, "juliet@localhost").await;
    }
    stage.server.kill();
    drop(romeo);

    let stage = Stage::start(&scratch, icpp, &[]);
    let state = scratch.at("juliet.state");
    let open = || FileStore::open(&state).unwrap();
    let mut juliet = Person::arrive(who("juliet", icpp).state(open())).await;
    for text in ["one", "two", "three"] {
        assert_eq!(juliet.hear().await.text(), text);
    }
    // Her program dies, and with it what it would have acknowledged; but it knows what it has shown.
    let client = juliet.client.clone();
    drop(juliet);
    in_time("an end", client.close()).await;
    let romeo = Person::arrive(who("romeo", stage.icpp)).await;
    romeo.say("four", "juliet@localhost").await;
    let mut juliet = Person::arrive(who("juliet", icpp).state(open())).await;
    assert_eq!(juliet.hear().await.text(), "four");
}

#[tokio::test]
async fn a_session_goes_on_after_the_wire_was_cut() {
    let scratch = Scratch::new();
    let stage = Stage::anywhere(&scratch, &[]);
    let wire = Wire::to(stage.icpp).await;
    let mut juliet = Person::arrive(who("juliet", wire.address)).await;
    let mut romeo = Person::arrive(who("romeo", stage.icpp)).await;
    romeo.say("before", "juliet@localhost").await;
    assert_eq!(juliet.hear().await.text(), "before");
    for round in 0..5 {
        wire.cut().await;
        let text = format!("meanwhile {round}");
        romeo.say(&text, "juliet@localhost").await;
        juliet
            .event("a resumption", |event| matches!(event, Event::Resumed { .. }))
            .await;
        assert_eq!(juliet.hear().await.text(), text);
        juliet.say(&text, "romeo@localhost").await;
        assert_eq!(romeo.hear().await.text(), text);
    }
}

#[tokio::test]
async fn many_messages_over_a_wire_that_is_cut_again_and_again() {
    const MESSAGES: usize = 300;
    let scratch = Scratch::new();
    let stage = Stage::anywhere(&scratch, &[]);
    let (one, two) = (Wire::to(stage.icpp).await, Wire::to(stage.icpp).await);
    let romeo = Person::arrive(who("romeo", one.address)).await;
    let mut juliet = Person::arrive(who("juliet", two.address)).await;
    let client = romeo.client.clone();
    let speaking = tokio::spawn(async move {
        for number in 0..MESSAGES {
            client.send("juliet@localhost", &number.to_string()).await.unwrap();
        }
    });
    for number in 0..MESSAGES {
        assert_eq!(juliet.hear().await.text(), number.to_string());
        match number % 60 {
            20 => one.cut().await,
            40 => two.cut().await,
            _ => {}
        }
    }
    in_time("the last acceptance", speaking).await.unwrap();
    assert_eq!(romeo.client.outbox_len(), 0);
}

#[tokio::test]
async fn a_restart_of_the_server_loses_nothing_that_was_on_its_way() {
    let scratch = Scratch::new();
    let stage = Stage::anywhere(&scratch, &[]);
    let icpp = stage.icpp;
    let mut romeo = Person::arrive(who("romeo", icpp)).await;
    let mut juliet = Person::arrive(who("juliet", icpp)).await;
    romeo.say("one", "juliet@localhost").await;
    assert_eq!(juliet.hear().await.text(), "one");
    stage.server.kill();
    romeo
        .event("the loss", |event| matches!(event, Event::Disconnected(_)))
        .await;
    // While there is no server.
    let client = romeo.client.clone();
    let speaking = tokio::spawn(async move { client.send("juliet@localhost", "two").await });
    let _stage = Stage::start(&scratch, icpp, &[]);
    in_time("acceptance", speaking).await.unwrap().unwrap();
    assert_eq!(juliet.hear().await.text(), "two");
    romeo.say("three", "juliet@localhost").await;
    assert_eq!(juliet.hear().await.text(), "three");
}

#[tokio::test]
async fn the_outbox_outlives_the_program() {
    let scratch = Scratch::new();
    let stage = Stage::anywhere(&scratch, &[]);
    let store = MemoryStore::new();
    // Nobody listens there.
    let nowhere = TcpListener::bind(common::ANY).await.unwrap().local_addr().unwrap();
    let client = who("romeo", nowhere).state(store.clone()).start().unwrap();
    let waiting = client.clone();
    let speaking = tokio::spawn(async move { waiting.send("juliet@localhost", "late").await });
    while client.outbox_len() == 0 {
        tokio::task::yield_now().await;
    }
    in_time("an end", client.close()).await;
    in_time("a failure", speaking).await.unwrap().unwrap_err();

    let romeo = Person::arrive(who("romeo", stage.icpp).state(store)).await;
    let mut juliet = Person::arrive(who("juliet", stage.icpp)).await;
    assert_eq!(juliet.hear().await.text(), "late");
    drop(romeo);
}

#[tokio::test]
async fn a_drained_server_sends_its_clients_elsewhere() {
    let (one, two) = (Scratch::new(), Scratch::new());
    let key = one.at("cluster.key");
    std::fs::write(&key, [7; 32]).unwrap();
    let key = format!("icpp.cluster_key={key}");
    let target = Stage::anywhere(&two, &["--set", "icpp.node=two", "--set", &key]);
    let to = format!("icpp.redirect_to=icpp://{}", target.icpp);
    let more = [
        "--set",
        "icpp.node=one",
        "--set",
        &key,
        "--set",
        &to,
        "--set",
        "icpp.redirect_node=two",
    ];
    let stage = Stage::anywhere(&one, &more);
    let mut juliet = Person::arrive(who("juliet", stage.icpp)).await;
    let romeo = Person::arrive(who("romeo", target.icpp)).await;
    let data = stage.server.data();
    let draining = std::thread::spawn(move || done(&["drain", "--data", &data], ""));
    juliet
        .event(
            "a redirect",
            |event| matches!(event, Event::Redirected { node, .. } if node == "two"),
        )
        .await;
    juliet
        .event(
            "another session",
            |event| matches!(event, Event::Connected { node, .. } if node == "two"),
        )
        .await;
    draining.join().unwrap();
    romeo.say("here", "juliet@localhost").await;
    assert_eq!(juliet.hear().await.text(), "here");
}

#[tokio::test]
async fn web_sockets_carry_the_same_conversation() {
    let scratch = Scratch::new();
    let more = [
        "--set",
        "icpp.listen_ws=127.0.0.1:0",
        "--set",
        "icpp.listen_wss=127.0.0.1:0",
    ];
    let stage = Stage::anywhere(&scratch, &more);
    let ws = Stage::listening(&stage.server, "WebSocket in the clear");
    let wss = Stage::listening(&stage.server, "WebSocket in TLS");
    let by = |name: &str, url: String| {
        let client = Client::builder().urls([url]).account(&format!("{name}@localhost"));
        client.password(&format!("{name}'s secret")).trust(stage.certificate())
    };
    let mut romeo = Person::arrive(by("romeo", format!("ws://{ws}/"))).await;
    let mut juliet = Person::arrive(by("juliet", format!("wss://localhost:{}/", wss.port()))).await;
    for number in 0..50 {
        let text = format!("{number} {}", "x".repeat(number * 1_000));
        romeo.say(&text, "juliet@localhost").await;
        assert_eq!(juliet.hear().await.text(), text);
        juliet.say(&text, "romeo@localhost").await;
        assert_eq!(romeo.hear().await.text(), text);
    }
}

#[tokio::test]
async fn who_is_blocked_is_not_heard() {
    let scratch = Scratch::new();
    let stage = Stage::anywhere(&scratch, &[]);
    let mut romeo = Person::arrive(who("romeo", stage.icpp)).await;
    let mut juliet = Person::arrive(who("juliet", stage.icpp)).await;
    in_time("a block", juliet.client.block(&["romeo@localhost"]))
        .await
        .unwrap();
    assert_eq!(
        in_time("a list", juliet.client.blocked()).await.unwrap(),
        ["romeo@localhost"]
    );
    romeo.say("unheard", "juliet@localhost").await;
    let returned = |incoming| match incoming {
        Incoming::Returned(message) => message.condition,
        _ => None,
    };
    assert_eq!(romeo.wait("its return", returned).await, 47, "service-unavailable");
    in_time("a pardon", juliet.client.unblock(&["romeo@localhost"]))
        .await
        .unwrap();
    assert!(in_time("a list", juliet.client.blocked()).await.unwrap().is_empty());
    let message = Outgoing::chat("juliet@localhost", "heard")
        .subject("peace")
        .extension(tag::THREAD, b"t1");
    in_time("acceptance", romeo.client.send_message(&message))
        .await
        .unwrap();
    let heard = juliet.hear().await;
    assert_eq!(heard.text(), "heard");
    assert_eq!(
        (heard.subject.as_deref(), heard.thread.as_deref()),
        (Some("peace"), Some("t1"))
    );
}

#[tokio::test]
async fn in_a_room() {
    let scratch = Scratch::new();
    let stage = Stage::anywhere(&scratch, &[]);
    let mut romeo = Person::arrive(who("romeo", stage.icpp)).await;
    let mut juliet = Person::arrive(who("juliet", stage.icpp)).await;
    let domain = in_time("rooms", romeo.client.rooms("", 10)).await.unwrap().domain;
    let address = format!("garden@{domain}");
    let (his, hers) = (romeo.client.room(&address), juliet.client.room(&address));
    his.create("romeo").unwrap();
    let made = romeo.occupant(Occupant::is_self).await;
    assert!(made.codes.contains(&201), "{made:?}");
    assert_eq!((made.affiliation, made.role), (Affiliation::Owner, Role::Moderator));
    let settings = RoomSettings {
        name: Some("The garden".to_owned()),
        public: Some(true),
        archived: Some(true),
        persistent: Some(true),
        admins: Some(Vec::new()),
        ..RoomSettings::default()
    };
    in_time("a configuration", his.configure(&settings)).await.unwrap();
    let listed = in_time("rooms", juliet.client.rooms("", 10)).await.unwrap();
    assert_eq!(listed.rooms, [(address.clone(), "The garden".to_owned(), 1)]);

    hers.join("juliet").unwrap();
    assert_eq!(juliet.occupant(Occupant::is_self).await.role, Role::Participant);
    romeo.occupant(|occupant| occupant.nick == "juliet").await;
    let said = in_time("acceptance", his.say("But, soft!").unwrap()).await.unwrap();
    let heard = juliet.hear().await;
    assert_eq!(
        (heard.id, heard.text().as_str(), heard.from),
        (said, "But, soft!", format!("{address}/romeo"))
    );
    assert!(heard.occupant_id.is_some() && heard.record.is_some());
    in_time("an edit", his.edit(said, "What light?")).await.unwrap();
    let edited = |incoming| match incoming {
        Incoming::Edited(message) => Some((message.reference, message.text())),
        _ => None,
    };
    assert_eq!(
        juliet.wait("an edit", edited).await,
        (Some(said), "What light?".to_owned())
    );
    in_time("a recall", his.recall(said, heard.record.as_deref()))
        .await
        .unwrap();
    let recalled = |incoming| match incoming {
        Incoming::Recalled(message) => message.reference,
        _ => None,
    };
    assert_eq!(juliet.wait("a recall", recalled).await, said);
    in_time("acceptance", hers.whisper("romeo", "Ay me").unwrap())
        .await
        .unwrap();
    let whispered = |incoming| match incoming {
        Incoming::Message(message) if message.kind == 0 => Some((message.from.clone(), message.text())),
        _ => None,
    };
    assert_eq!(
        romeo.wait("a whisper", whispered).await,
        (format!("{address}/juliet"), "Ay me".to_owned())
    );

    let info = in_time("what it is", hers.info()).await.unwrap();
    assert_eq!((info.name.as_deref(), info.occupants), (Some("The garden"), Some(2)));
    let mut nicks = in_time("who is in", hers.occupants()).await.unwrap();
    nicks.sort();
    assert_eq!(nicks, ["juliet", "romeo"]);
    in_time(
        "a rank",
        his.set_affiliation("juliet@localhost", Affiliation::Member, ""),
    )
    .await
    .unwrap();
    let members = in_time("members", his.affiliated(Affiliation::Member)).await.unwrap();
    assert_eq!(members[0].address, "juliet@localhost");
    let page = in_time("history", hers.history(0, 10)).await.unwrap();
    assert!(!page.messages.is_empty());
    in_time("a kick", his.kick("juliet", "enough")).await.unwrap();
    let kicked = juliet
        .occupant(|occupant| occupant.is_self() && occupant.role == Role::None)
        .await;
    assert!(kicked.codes.contains(&307), "{kicked:?}");
    hers.create("juliet").unwrap();
    let refused = |word| match word {
        RoomWord::Refused { room, condition, .. } => Some((room, condition)),
        _ => None,
    };
    assert_eq!(juliet.word("a refusal", refused).await, (address, 34), "conflict");
    in_time("the end", his.destroy("", None)).await.unwrap();
    assert!(romeo.occupant(|occupant| occupant.destroyed).await.is_self());
}

#[tokio::test]
async fn futures_and_streams_may_be_dropped_at_any_time() {
    let scratch = Scratch::new();
    let stage = Stage::anywhere(&scratch, &[]);
    let romeo = Person::arrive(who("romeo", stage.icpp)).await;
    let mut juliet = Person::arrive(who("juliet", stage.icpp)).await;
    // Nobody waits for the acceptance of these.
    drop(
        romeo
            .client
            .post(&Outgoing::chat("juliet@localhost", "posted"))
            .unwrap(),
    );
    {
        let mut sending = Box::pin(romeo.client.send("juliet@localhost", "polled"));
        let once = sending.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(once.is_pending());
    }
    // Those who listen are cut off again and again; what they have not finished with comes again.
    for text in ["posted", "polled"] {
        for _ in 0..3 {
            let heard = in_time("a message", juliet.messages.next()).await.unwrap();
            assert!(matches!(heard, Incoming::Message(message) if message.text() == text));
            juliet.messages = juliet.client.messages();
        }
        juliet.hear().await;
    }
    for _ in 0..600 {
        romeo.client.post(&Outgoing::chat("juliet@localhost", "more")).unwrap();
    }
    for _ in 0..600 {
        assert_eq!(juliet.hear().await.text(), "more");
    }
    in_time("an end", romeo.client.drain()).await;
}

/// Found by using it: with a wrong port, `connect` said nothing, and never returned.
#[tokio::test]
async fn a_first_session_is_not_waited_for_for_ever() {
    let nowhere = TcpListener::bind(common::ANY).await.unwrap().local_addr().unwrap();
    let waiting = who("romeo", nowhere).patience(Duration::from_millis(300)).connect();
    let error = in_time("an error", waiting).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ConnectError::InVain(..)), "{text}");
    assert!(
        text.starts_with(&format!("no session within 0.3 s: no connection: icpp://{nowhere}: ")),
        "{text}"
    );
}
