//! A server that knows as much of XMPP as the load generator says, and has the manners that a test wants.
//!
//! Stream, PLAIN, bind, stream management with resumption, presence as "I am there", chat messages, messages that wait.
//! Every connection has a thread; what they share is behind one lock.
//!
//! Invariant: with the manners it has by default, every message reaches its addressee once and in order.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::outcome::Outcome;
use base64::Engine as _;

/// A connection that has said nothing for so long is silent.
const SILENCE: Duration = Duration::from_millis(20);
const HEADER: &str = "<?xml version='1.0'?><stream:stream from='localhost' id='1' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

/// Works on what has waited for a user who comes: how often he has come before, what waits, what he was given before.
pub type HandOut = fn(visit: u32, waiting: &mut Vec<String>, before: &[String]);

/// How a server behaves; by default as it should.
#[derive(Clone, Copy, Default)]
pub struct Manners {
    pub hand_out: Option<HandOut>,
    /// Each message is preceded by a copy of it as another run would have left it.
    pub leftovers: bool,
    pub pass_on: PassOn,
    /// Messages that may wait for a user; more are refused.
    pub bound: Option<usize>,
    /// Nobody is let in before [`Peer::open`].
    pub closed: bool,
}

/// When a user who is there gets his messages.
#[derive(Clone, Copy, Default)]
pub enum PassOn {
    #[default]
    AtOnce,
    /// When somebody has fallen silent.
    WhenSilent,
    /// When so many have come for him, those that were refused counted too.
    After(u64),
}

/// See the module.
pub struct Peer {
    pub address: String,
    hub: Arc<Hub>,
}

struct Hub {
    manners: Manners,
    accounts: Mutex<HashMap<String, Account>>,
    open: Mutex<bool>,
    opened: Condvar,
}

#[derive(Default)]
struct Account {
    /// His connection, and its number.
    here: Option<(u64, TcpStream)>,
    visits: u32,
    waiting: Vec<String>,
    before: Vec<String>,
    came: u64,
    /// Most that ever waited.
    high: usize,
    managed: Option<Managed>,
}

/// Stream management (XEP-0198) of a session, broken or not.
#[derive(Default)]
struct Managed {
    /// Stanzas that came since it began, and those that were said.
    heard: u32,
    said: Vec<String>,
}

impl Peer {
    pub fn new(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let hub = Arc::new(Hub {
            manners,
            accounts: Mutex::default(),
            open: Mutex::new(!manners.closed),
            opened: Condvar::new(),
        });
        let shared = hub.clone();
        thread::spawn(move || {
            for (number, stream) in (0..).zip(listener.incoming()) {
                let (hub, stream) = (shared.clone(), stream.unwrap());
                thread::spawn(move || Session::new(number, stream, &hub).serve());
            }
        });
        Self { address, hub }
    }

    /// Everybody is let in.
    pub fn open(&self) {
        *self.hub.open.lock().unwrap() = true;
        self.hub.opened.notify_all();
    }

    /// Messages that have come, for all users.
    pub fn came(&self) -> u64 {
        self.hub
            .accounts
            .lock()
            .unwrap()
            .values()
            .map(|account| account.came)
            .sum()
    }

    /// The most that ever waited for one user.
    pub fn high(&self) -> usize {
        let accounts = self.hub.accounts.lock().unwrap();
        accounts.values().map(|account| account.high).max().unwrap_or(0)
    }

    /// Starts the load generator against this server.
    pub fn start(&self, arguments: &[&str]) -> Child {
        start(&self.address, arguments)
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.start(arguments))
    }
}

/// Starts the load generator against a server.
pub fn start(address: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crosspoint-loadgen"));
    command
        .args(arguments)
        .args(["--addr", address, "--password", "secret", "--json", "--quiet"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// One connection.
struct Session<'a> {
    number: u64,
    stream: TcpStream,
    hub: &'a Hub,
    user: String,
}

impl<'a> Session<'a> {
    fn new(number: u64, stream: TcpStream, hub: &'a Hub) -> Self {
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        Self {
            number,
            stream,
            hub,
            user: String::new(),
        }
    }

    fn serve(mut self) {
        let (mut input, mut buffer) = (String::new(), [0; 16 << 10]);
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => input.push_str(str::from_utf8(&buffer[..count]).unwrap()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    self.hub.silent();
                    continue;
                }
                Err(_) => break,
            }
            while let Some(stanza) = cut(&mut input) {
                self.hear(&stanza);
            }
        }
        self.hub.leaves(&self.user, self.number);
    }

    fn hear(&mut self, stanza: &str) {
        let id = attribute(stanza, "id").unwrap_or_default();
        let name = stanza[1..].split([' ', '>', '/']).next().unwrap_or_default();
        if let "message" | "presence" | "iq" = name {
            self.hub.managed(&self.user, |managed| managed.heard += 1);
        }
        match name {
            "stream:stream" => self.greet(),
            "auth" => self.authenticate(stanza),
            "enable" => {
                self.hub
                    .account(&self.user, |account| account.managed = Some(Managed::default()));
                self.say(&format!(
                    "<enabled xmlns='urn:xmpp:sm:3' id='{}' resume='true'/>",
                    self.user
                ));
            }
            "resume" => {
                let heard: usize = attribute(stanza, "h").unwrap_or_default().parse().unwrap();
                self.hub
                    .comes_back(&self.user, self.number, self.stream.try_clone().unwrap(), heard);
            }
            "r" => {
                let heard = self.hub.managed(&self.user, |managed| managed.heard);
                self.say(&format!("<a xmlns='urn:xmpp:sm:3' h='{}'/>", heard.unwrap_or(0)));
            }
            "iq" => self.stanza(&format!("<iq type='result' id='{id}'/>")),
            "presence" if stanza.contains("unavailable") => self.hub.leaves(&self.user, self.number),
            "presence" => self
                .hub
                .comes(&self.user, self.number, self.stream.try_clone().unwrap()),
            "message" if !self.hub.takes(&self.user, stanza) => {
                let refusal =
                    "<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
                let from = attribute(stanza, "to").unwrap_or_default();
                self.stanza(&format!(
                    "<message type='error' from='{from}' id='{id}'>{refusal}</message>"
                ));
            }
            // Its goodbye; what is said after it concerns nobody.
            "" => {
                self.hub.leaves(&self.user, self.number);
                self.say("</stream:stream>");
                let _ = self.stream.shutdown(Shutdown::Both);
            }
            _ => {}
        }
    }

    fn greet(&mut self) {
        let open = self.hub.open.lock().unwrap();
        drop(self.hub.opened.wait_while(open, |open| !*open).unwrap());
        let features = match self.user.is_empty() {
            true => "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>",
            false => "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>",
        };
        self.say(&format!("{HEADER}<stream:features>{features}</stream:features>"));
    }

    fn authenticate(&mut self, stanza: &str) {
        let proof = stanza.split(['>', '<']).nth(2).unwrap();
        let proof = base64::engine::general_purpose::STANDARD.decode(proof).unwrap();
        self.user = String::from_utf8(proof).unwrap().split('\0').nth(1).unwrap().to_owned();
        self.say("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    }

    fn say(&self, words: &str) {
        say(&self.stream, words);
    }

    /// What stream management counts.
    fn stanza(&self, stanza: &str) {
        self.hub
            .managed(&self.user, |managed| managed.said.push(stanza.to_owned()));
        self.say(stanza);
    }
}

impl Hub {
    /// A user is there now, and gets what has waited.
    fn comes(&self, user: &str, number: u64, stream: TcpStream) {
        let mut accounts = self.accounts.lock().unwrap();
        let account = accounts.entry(user.to_owned()).or_default();
        if let Some(hand_out) = self.manners.hand_out {
            hand_out(account.visits, &mut account.waiting, &account.before);
        }
        account.visits += 1;
        account.here = Some((number, stream));
        account.pass_on();
    }

    fn account<R>(&self, user: &str, act: impl FnOnce(&mut Account) -> R) -> R {
        act(self.accounts.lock().unwrap().entry(user.to_owned()).or_default())
    }

    fn managed<R>(&self, user: &str, act: impl FnOnce(&mut Managed) -> R) -> Option<R> {
        self.account(user, |account| account.managed.as_mut().map(act))
    }

    /// A broken session goes on: all that came over its old connection is counted, what the client has not heard is said
    /// again, and what has waited after it.
    fn comes_back(&self, user: &str, number: u64, stream: TcpStream, heard: usize) {
        while self.account(user, |account| account.here.is_some()) {
            thread::sleep(Duration::from_millis(1));
        }
        self.account(user, |account| {
            let managed = account.managed.as_ref().unwrap();
            say(
                &stream,
                &format!("<resumed xmlns='urn:xmpp:sm:3' h='{}' previd='{user}'/>", managed.heard),
            );
            say(&stream, &managed.said[heard..].concat());
            account.here = Some((number, stream));
            account.pass_on();
        });
    }

    fn leaves(&self, user: &str, number: u64) {
        let mut accounts = self.accounts.lock().unwrap();
        if let Some(account) = accounts.get_mut(user) {
            account.here.take_if(|(of, _)| *of == number);
        }
    }

    /// Takes a message; false: too many wait.
    fn takes(&self, from: &str, stanza: &str) -> bool {
        let stamped = stanza.replacen("<message ", &format!("<message from='{from}@localhost/loadgen' "), 1);
        let to = attribute(stanza, "to").and_then(|to| to.split('@').next());
        let mut accounts = self.accounts.lock().unwrap();
        let account = accounts.entry(to.unwrap().to_owned()).or_default();
        account.came += 1;
        let fits = self.manners.bound.is_none_or(|bound| account.waiting.len() < bound);
        if fits {
            account
                .waiting
                .extend(self.manners.leftovers.then(|| of_another_run(&stamped)));
            account.waiting.push(stamped);
            account.high = account.high.max(account.waiting.len());
        }
        let now = match self.manners.pass_on {
            PassOn::AtOnce => true,
            PassOn::WhenSilent => false,
            PassOn::After(count) => account.came.is_multiple_of(count),
        };
        if now && account.here.is_some() {
            account.pass_on();
        }
        fits
    }

    fn silent(&self) {
        if !matches!(self.manners.pass_on, PassOn::WhenSilent) {
            return;
        }
        let mut accounts = self.accounts.lock().unwrap();
        for account in accounts.values_mut().filter(|account| account.here.is_some()) {
            account.pass_on();
        }
    }
}

impl Account {
    fn pass_on(&mut self) {
        if let Some((_, stream)) = &self.here {
            say(stream, &self.waiting.concat());
            if let Some(managed) = &mut self.managed {
                managed.said.extend(self.waiting.iter().cloned());
            }
            self.before.append(&mut self.waiting);
        }
    }
}

/// Whoever has gone does not hear it, and that is his matter.
fn say(mut stream: &TcpStream, words: &str) {
    let _ = stream.write_all(words.as_bytes());
}

/// The same message with another run's number in its mark (`protocol/mark.rs`: the first four digits).
fn of_another_run(message: &str) -> String {
    let at = message.find(" id='").unwrap() + 5;
    let run = u16::from_str_radix(&message[at..at + 4], 16).unwrap();
    format!("{}{:04x}{}", &message[..at], run ^ 1, &message[at + 4..])
}

/// The next whole stanza, header or goodbye. No stanza of a load generator contains another of its own name.
fn cut(input: &mut String) -> Option<String> {
    if input.starts_with("<?xml") {
        let end = input.find("?>")? + 2;
        input.drain(..end);
    }
    let head = input.find('>')? + 1;
    let name = input.get(1..)?.split([' ', '>', '/']).next()?;
    let alone = name.is_empty() || name == "stream:stream" || input[..head].ends_with("/>");
    let end = match alone {
        true => head,
        false => {
            let close = format!("</{name}>");
            input.find(&close)? + close.len()
        }
    };
    Some(input.drain(..end).collect())
}

/// An attribute of the first tag.
fn attribute<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    let head = stanza.split('>').next()?;
    let value = head.split_once(&format!(" {name}='"))?.1;
    value.split('\'').next()
}
