//! A client's core, a scripted server, and the wire between them, which can be cut.

use crosspoint_client::core::{
    Change, Core, Dial, Ending, Event, Incoming, Kept, LinkId, Outgoing, Output, Refused, Settings,
};

use crate::peer::{PASSWORD, Peer};

pub struct World {
    pub core: Core,
    pub peer: Peer,
    pub now: u64,
    pub link: Option<LinkId>,
    pub kept: Kept,
    pub heard: Vec<Incoming>,
    pub accepted: Vec<u8>,
    pub outputs: Vec<Output>,
    pub events: Vec<Event>,
    /// Bytes that still get through, either way, before the wire is cut.
    pub to_client: usize,
    pub to_server: usize,
    /// `tls-exporter` of the connections.
    pub exporter: Option<[u8; 32]>,
}

pub fn settings() -> Settings {
    let url = "icpps://one.example".parse().expect("a URL");
    Settings::new("juliet@localhost", PASSWORD, vec![url])
}

impl World {
    pub fn new(peer: Peer) -> World {
        World::with(peer, settings(), Kept::default())
    }

    pub fn with(peer: Peer, settings: Settings, kept: Kept) -> World {
        World {
            core: Core::new(settings, kept.clone()),
            peer,
            now: 0,
            link: None,
            kept,
            heard: Vec::new(),
            accepted: Vec::new(),
            outputs: Vec::new(),
            events: Vec::new(),
            to_client: usize::MAX,
            to_server: usize::MAX,
            exporter: None,
        }
    }

    /// The program ends and begins again with what it kept.
    pub fn restart(self) -> World {
        let mut world = World::with(self.peer, settings(), self.kept);
        world.now = self.now;
        world.heard = self.heard;
        world.accepted = self.accepted;
        world
    }

    /// Waits for the next attempt; where to.
    pub fn dial(&mut self) -> Dial {
        for _ in 0..1_000 {
            if let Some(dial) = self.core.poll_dial(self.now, 0) {
                return dial;
            }
            self.now = self.core.next_timeout().expect("there is a next attempt").max(self.now);
        }
        panic!("no attempt");
    }

    /// Connects, and lets everybody say what there is to say.
    pub fn connect(&mut self) {
        let dial = self.dial();
        self.connect_by(dial);
    }

    pub fn connect_by(&mut self, dial: Dial) {
        if let Some(exporter) = self.exporter {
            self.core.channel_binding(dial.link, exporter);
        }
        self.core.connected(dial.link, self.now, [5; 24]);
        self.link = Some(dial.link);
        self.peer.connect();
        self.talk();
    }

    /// Lets bytes go to and fro until nobody has anything to say, or the wire is cut.
    pub fn talk(&mut self) {
        loop {
            self.collect();
            let bytes = std::mem::take(self.core.output());
            let sent = bytes.len().min(self.to_server);
            self.to_server -= sent;
            self.peer.receive(&bytes[..sent]);
            let answer = std::mem::take(&mut self.peer.output);
            let heard = answer.len().min(self.to_client);
            self.to_client -= heard;
            let Some(link) = self.link else { return };
            self.core.received(link, self.now, &answer[..heard]);
            let cut = heard < answer.len() || sent < bytes.len();
            if cut || (self.peer.closed && self.core.link() == self.link) {
                self.cut();
            }
            if cut || self.core.link() != self.link || (answer.is_empty() && self.core.output().is_empty()) {
                self.collect();
                return;
            }
        }
    }

    /// The wire is cut.
    pub fn cut(&mut self) {
        if let Some(link) = self.link.take() {
            self.core.disconnected(link, self.now);
        }
        self.peer.output.clear();
        self.peer.in_session = false;
        (self.to_client, self.to_server) = (usize::MAX, usize::MAX);
        self.collect();
    }

    /// What the core wants done.
    pub fn collect(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match &output {
                Output::Keep(change) => self.kept.apply(change),
                Output::Accepted(id) => self.accepted.push(id[0]),
                _ => {}
            }
            self.outputs.push(output);
        }
        while let Some(event) = self.core.poll_event() {
            self.events.push(event);
        }
    }

    /// The application takes everything that is there.
    pub fn take(&mut self) {
        while let Some((taking, incoming)) = self.core.poll_incoming() {
            self.heard.push(incoming);
            self.core.taken(taking);
        }
        self.collect();
    }

    pub fn send(&mut self, id: u8, text: &str) -> Result<(), Refused> {
        let sent = self.core.send([id; 16], &Outgoing::chat("romeo@localhost", text));
        self.collect();
        sent
    }

    /// Texts that the application has taken, in order.
    pub fn texts(&self) -> Vec<String> {
        let text = |incoming: &Incoming| match incoming {
            Incoming::Message(message) => Some(message.text()),
            _ => None,
        };
        self.heard.iter().filter_map(text).collect()
    }

    pub fn endings(&self) -> Vec<Ending> {
        let ending = |event: &Event| match event {
            Event::Disconnected(ending) => Some(ending.clone()),
            _ => None,
        };
        self.events.iter().filter_map(ending).collect()
    }

    pub fn has(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(wanted)
    }

    pub fn kept_changes(&self) -> impl Iterator<Item = &Change> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Keep(change) => Some(change),
            _ => None,
        })
    }
}
