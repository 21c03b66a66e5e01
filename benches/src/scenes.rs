//! Small situations that can be repeated for ever, one round after the other, and are in a steady state after a few.
//!
//! Invariants: a scene has checked itself when it is made, by listening to one round; after that nobody listens.

use std::hint::black_box;

use crosspoint_engine::slots::UserKey;
use crosspoint_xmpp::codec::{Frame, Scan, ScanLimits, Scanner};

use crate::client::{self, FOOTER, HEADER, RESOURCE};
use crate::corpus::CORPUS;
use crate::icpp;
use crate::world::{DOMAIN, Line, World, address};

/// Rounds after which buffers have their sizes and everybody is known.
const WARM_UP_ROUNDS: usize = 8;
/// Messages that a sender has in flight where a scene is about many.
pub const WINDOW: usize = 32;
/// Who see the publisher's presence.
pub const SUBSCRIBERS: usize = 100;
/// Messages that wait for somebody.
pub const WAITING: usize = 256;

/// A situation to measure.
pub trait Scene {
    /// Plays it once.
    fn round(&mut self);

    /// How many of its units one round is.
    fn units(&self) -> usize;
}

/// A scene's name, what is counted in it, what happens in it, and how it is made.
pub struct Entry {
    /// As given on a command line.
    pub name: &'static str,
    /// What one unit is.
    pub unit: &'static str,
    /// What happens.
    pub about: &'static str,
    /// Makes it, checked and warm.
    pub make: fn() -> Box<dyn Scene>,
}

/// All of them.
pub const SCENES: &[Entry] = &[
    Entry {
        name: "scan",
        unit: "stanza",
        about: "the corpus through the scanner, with a look at every child",
        make: || Box::new(ScanCorpus::new()),
    },
    Entry {
        name: "chat-same-shard",
        unit: "message",
        about: "32 messages in one read, from one client to another on the same shard",
        make: || Box::new(Chat::new(1, WINDOW)),
    },
    Entry {
        name: "chat-cross-shard",
        unit: "message",
        about: "the same from one shard to another, through the mailbox",
        make: || Box::new(Chat::new(2, WINDOW)),
    },
    Entry {
        name: "chat-alone",
        unit: "message",
        about: "one message a read, on the same shard",
        make: || Box::new(Chat::new(1, 1)),
    },
    Entry {
        name: "chat-alone-cross-shard",
        unit: "message",
        about: "one message a read, from one shard to another",
        make: || Box::new(Chat::new(2, 1)),
    },
    Entry {
        name: "chat-managed",
        unit: "message",
        about: "32 messages in one read, both ends with stream management: logged, committed, acknowledged and settled",
        make: || Box::new(Managed::new()),
    },
    Entry {
        name: "presence-fan-out",
        unit: "delivery",
        about: "presence to 100 subscribers on the same shard",
        make: || Box::new(FanOut::new()),
    },
    Entry {
        name: "room-of-1000",
        unit: "delivery",
        about: "a message to a room of 1,000 on one shard",
        make: || Box::new(crate::rooms::Rooms::new(1, 1, 1000)),
    },
    Entry {
        name: "room-of-1000-two-shards",
        unit: "delivery",
        about: "the same, with half of them on another shard",
        make: || Box::new(crate::rooms::Rooms::new(2, 1, 1000)),
    },
    Entry {
        name: "rooms-of-10",
        unit: "delivery",
        about: "a message to each of 100 rooms of 10 on one shard",
        make: || Box::new(crate::rooms::Rooms::new(1, 100, 10)),
    },
    Entry {
        name: "login",
        unit: "login",
        about: "connection, SCRAM-SHA-256 without PBKDF2, bind, goodbye",
        make: || Box::new(Login::new()),
    },
    Entry {
        name: "offline",
        unit: "message",
        about: "256 messages stored for somebody who is away, who logs in, takes them and leaves",
        make: || Box::new(Offline::new()),
    },
    Entry {
        name: "icpp-scan",
        unit: "message",
        about: "32 ICPP messages found and read",
        make: || Box::new(icpp::ScanMessages::new()),
    },
    Entry {
        name: "icpp-volatile",
        unit: "message",
        about: "32 ICPP messages in one read to the same shard, kept for nobody (NOSTORE), acknowledged in one frame",
        make: || Box::new(icpp::Chat::new(1, WINDOW, false)),
    },
    Entry {
        name: "icpp-volatile-cross-shard",
        unit: "message",
        about: "the same from one shard to another",
        make: || Box::new(icpp::Chat::new(2, WINDOW, false)),
    },
    Entry {
        name: "icpp-volatile-alone",
        unit: "message",
        about: "one ICPP message a read to the same shard, kept for nobody, acknowledged by a frame of its own",
        make: || Box::new(icpp::Chat::new(1, 1, false)),
    },
    Entry {
        name: "icpp-durable",
        unit: "message",
        about: "32 ICPP messages in one read to the same shard: logged, committed, acknowledged and settled",
        make: || Box::new(icpp::Chat::new(1, WINDOW, true)),
    },
    Entry {
        name: "icpp-durable-cross-shard",
        unit: "message",
        about: "the same from one shard to another",
        make: || Box::new(icpp::Chat::new(2, WINDOW, true)),
    },
    Entry {
        name: "icpp-durable-alone",
        unit: "message",
        about: "one ICPP message a read to the same shard: logged, committed, acknowledged and settled",
        make: || Box::new(icpp::Chat::new(1, 1, true)),
    },
];

/// Makes the scene of this name.
#[must_use]
pub fn make(name: &str) -> Option<Box<dyn Scene>> {
    let entry = SCENES.iter().find(|entry| entry.name == name)?;
    Some((entry.make)())
}

pub(crate) fn warm(scene: &mut impl Scene) {
    (0..WARM_UP_ROUNDS).for_each(|_| scene.round());
}

/// What a client writes to another.
#[must_use]
pub fn chat_message(to: &str, id: usize) -> String {
    format!(
        "<message to='{to}@{DOMAIN}' type='chat' id='5f3a-{id}'><body>Shall I hear more, or shall I speak at this?</body>\
         <active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/></message>"
    )
}

fn chat_messages(to: &str, count: usize) -> String {
    (0..count).map(|id| chat_message(to, 100 + id)).collect()
}

/// The codec alone.
struct ScanCorpus {
    scanner: Scanner,
    text: String,
}

impl ScanCorpus {
    fn new() -> ScanCorpus {
        let mut scanner = Scanner::new(ScanLimits::AFTER_AUTH);
        let mut header = HEADER.as_bytes();
        while let Ok(Scan::Frame { consumed, .. }) = scanner.scan(header) {
            header = &header[consumed..];
        }
        let text = CORPUS.iter().map(|(_, stanza)| *stanza).collect();
        let mut scene = ScanCorpus { scanner, text };
        assert_eq!(scene.scan(), CORPUS.len(), "every stanza of the corpus is good");
        warm(&mut scene);
        scene
    }

    fn scan(&mut self) -> usize {
        let mut rest = self.text.as_bytes();
        let mut stanzas = 0;
        while let Ok(Scan::Frame { frame, consumed }) = self.scanner.scan(rest) {
            if let Frame::Stanza(stanza) = &frame {
                stanzas += 1;
                self.scanner.children(stanza).for_each(|child| drop(black_box(child)));
            }
            rest = &rest[consumed..];
        }
        stanzas
    }
}

impl Scene for ScanCorpus {
    fn round(&mut self) {
        black_box(self.scan());
    }

    fn units(&self) -> usize {
        CORPUS.len()
    }
}

/// Romeo writes, Juliet reads.
pub struct Chat {
    world: World,
    romeo: Line,
    input: String,
    count: usize,
}

impl Chat {
    /// Over so many shards (1: both live on the same one), with so many messages in one read.
    ///
    /// # Panics
    /// When they do not arrive.
    #[must_use]
    pub fn new(shards: u16, count: usize) -> Chat {
        let mut world = World::new(shards);
        let (romeo, juliet) = (world.name_on(0, "romeo"), world.name_on(shards - 1, "juliet"));
        client::found(&mut world, &romeo);
        client::found(&mut world, &juliet);
        let to_romeo = client::appear(&mut world, &romeo);
        let to_juliet = client::appear(&mut world, &juliet);
        let mut chat = Chat {
            input: chat_messages(&juliet, count),
            romeo: to_romeo,
            world,
            count,
        };
        chat.world.listen(to_juliet);
        chat.round();
        let heard = chat.world.heard(to_juliet);
        chat.world.ignore(to_juliet);
        assert_eq!(heard.matches("<body>Shall").count(), count, "{heard}");
        warm(&mut chat);
        chat
    }
}

impl Scene for Chat {
    fn round(&mut self) {
        self.world.tell(self.romeo, self.input.as_bytes());
    }

    fn units(&self) -> usize {
        self.count
    }
}

/// As [`Chat`], and nothing may be lost.
struct Managed {
    world: World,
    romeo: Line,
    juliet: Line,
    juliets: String,
    input: String,
    /// Stanzas that Juliet has received: what `h` says (XEP-0198 section 4).
    received: u32,
    words: String,
}

impl Managed {
    fn new() -> Managed {
        let mut world = World::new(1);
        let (romeo, juliets) = (world.name_on(0, "romeo"), world.name_on(0, "juliet"));
        client::found(&mut world, &romeo);
        client::found(&mut world, &juliets);
        let (romeo, _) = client::appear_managed(&mut world, &romeo);
        let (juliet, received) = client::appear_managed(&mut world, &juliets);
        world.listen(romeo);
        world.listen(juliet);
        let mut scene = Managed {
            input: format!("{}<r xmlns='urn:xmpp:sm:3'/>", chat_messages(&juliets, WINDOW)),
            received,
            words: String::new(),
            juliets,
            world,
            romeo,
            juliet,
        };
        scene.round();
        let (said, heard) = (scene.world.heard(romeo), scene.world.heard(juliet));
        scene.world.ignore(romeo);
        scene.world.ignore(juliet);
        assert_eq!(heard.matches("<body>Shall").count(), WINDOW, "{heard}");
        assert!(said.contains("<a xmlns"), "Romeo knows that they are safe: {said}");
        let waiting = UserKey::of(&address(&scene.juliets)).0;
        assert_eq!(scene.world.keepers.pending(waiting), 0, "what she confirmed is settled");
        warm(&mut scene);
        assert_eq!(scene.world.keepers.pending(waiting), 0, "what she confirmed is settled");
        scene
    }
}

impl Scene for Managed {
    fn round(&mut self) {
        use std::fmt::Write;
        self.world.tell(self.romeo, self.input.as_bytes());
        self.received += WINDOW as u32;
        self.words.clear();
        let _ = write!(self.words, "<a xmlns='urn:xmpp:sm:3' h='{}'/>", self.received);
        self.world.tell(self.juliet, self.words.as_bytes());
    }

    fn units(&self) -> usize {
        WINDOW
    }
}

/// The nurse tells everybody how she is.
struct FanOut {
    world: World,
    publisher: Line,
}

impl FanOut {
    fn new() -> FanOut {
        let mut world = World::new(1);
        let publisher = world.name_on(0, "nurse");
        let friends: Vec<String> = (0..SUBSCRIBERS).map(|number| format!("friend{number}")).collect();
        client::found(&mut world, &publisher);
        client::befriend(&mut world, &publisher, &friends);
        for friend in &friends {
            client::found(&mut world, friend);
            client::befriend(&mut world, friend, std::slice::from_ref(&publisher));
        }
        let lines: Vec<Line> = friends
            .iter()
            .map(|friend| client::appear(&mut world, friend))
            .collect();
        let publisher = client::appear(&mut world, &publisher);
        let mut scene = FanOut { world, publisher };
        lines.iter().for_each(|line| scene.world.listen(*line));
        scene.round();
        for line in lines {
            let heard = scene.world.heard(line);
            assert_eq!(heard.matches("<show>away</show>").count(), 1, "{heard}");
            scene.world.ignore(line);
        }
        warm(&mut scene);
        scene
    }
}

impl Scene for FanOut {
    fn round(&mut self) {
        let presence = "<presence><show>away</show><status>gone for a walk</status><priority>5</priority>\
            <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://gajim.org' \
            ver='q07IKJEyjvHSyhy//CH0CxmKi8w='/></presence>";
        self.world.tell(self.publisher, presence.as_bytes());
    }

    fn units(&self) -> usize {
        SUBSCRIBERS
    }
}

/// Somebody comes and goes.
struct Login {
    world: World,
    name: String,
    words: Vec<String>,
}

impl Login {
    fn new() -> Login {
        let mut world = World::new(1);
        let name = world.name_on(0, "romeo");
        client::found(&mut world, &name);
        let words = client::rehearse(&mut world, &name);
        let mut scene = Login { world, name, words };
        let line = scene.enter(true);
        let heard = scene.world.heard(line);
        assert!(
            heard.contains(&format!("{}@{DOMAIN}/{RESOURCE}", scene.name)),
            "{heard}"
        );
        scene.leave(line);
        warm(&mut scene);
        scene
    }

    fn enter(&mut self, listening: bool) -> Line {
        self.world.rewind_dice();
        let line = self.world.connect(&self.name);
        if listening {
            self.world.listen(line);
        }
        for words in &self.words {
            self.world.tell(line, words.as_bytes());
        }
        line
    }

    fn leave(&mut self, line: Line) {
        self.world.tell(line, FOOTER.as_bytes());
        assert!(!self.world.is_open(line), "the login was good");
        self.world.pass(1);
    }
}

impl Scene for Login {
    fn round(&mut self) {
        let line = self.enter(false);
        self.leave(line);
    }

    fn units(&self) -> usize {
        1
    }
}

/// Juliet is away; Romeo writes; Juliet returns.
struct Offline {
    juliet: Login,
    romeo: Line,
    input: String,
}

impl Offline {
    fn new() -> Offline {
        let mut juliet = Login::new();
        let romeo = juliet.world.name_on(0, "mercutio");
        client::found(&mut juliet.world, &romeo);
        let romeo = client::appear(&mut juliet.world, &romeo);
        let input = chat_messages(&juliet.name, WAITING);
        let mut scene = Offline { juliet, romeo, input };
        let user = UserKey::of(&address(&scene.juliet.name)).0;
        scene.store();
        assert_eq!(scene.juliet.world.keepers.pending(user), WAITING, "they are kept");
        let line = scene.juliet.enter(true);
        scene.juliet.world.tell(line, b"<presence/>");
        let heard = scene.juliet.world.heard(line);
        assert_eq!(heard.matches("<body>Shall").count(), WAITING);
        assert_eq!(scene.juliet.world.keepers.pending(user), 0, "she has them");
        scene.juliet.leave(line);
        warm(&mut scene);
        assert_eq!(scene.juliet.world.keepers.pending(user), 0, "she has them");
        scene
    }

    fn store(&mut self) {
        self.juliet.world.tell(self.romeo, self.input.as_bytes());
    }
}

impl Scene for Offline {
    fn round(&mut self) {
        self.store();
        let line = self.juliet.enter(false);
        self.juliet.world.tell(line, b"<presence/>");
        self.juliet.leave(line);
    }

    fn units(&self) -> usize {
        WAITING
    }
}
