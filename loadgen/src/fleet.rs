//! Many sessions under one poll: logging them in at a bounded pace, and serving what they receive meanwhile.
//!
//! Invariant: members stand in the order of their users, and a member's place is its token.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use crosspoint_xmpp::codec::{Frame, Scanner, Stanza};
use mio::{Events, Poll, Token};

use crate::link::{After, Handler, Link, Scratch};
use crate::login::{Account, Login};
use crate::secure::Security;

/// A login in which nothing happens for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const EVENTS: usize = 1024;
const POLL: Duration = Duration::from_millis(10);

/// Where the server is and how to log in.
#[derive(Clone, Debug)]
pub struct Target {
    pub addr: SocketAddr,
    pub account: Account,
    pub security: Security,
    /// TLS from the first byte.
    pub direct_tls: bool,
    /// Names of users: this, and a number.
    pub users_prefix: String,
    /// Logins under way at a time.
    pub concurrency: usize,
}

/// One session.
pub struct Member {
    pub link: Link,
    login: Login,
}

/// All sessions of a run.
pub struct Fleet {
    pub poll: Poll,
    pub members: Vec<Member>,
    pub scratch: Scratch,
    pub target: Target,
    /// How long the logins took.
    pub login_time: Duration,
    events: Events,
    ready: usize,
}

/// Who is told what sessions receive.
pub trait Watch {
    /// Member `member` has received this once it was ready, or while it was about to be.
    fn stanza(&mut self, member: usize, stanza: &Stanza<'_>, scanner: &Scanner) -> Result<()>;
}

/// Nobody.
pub struct Nobody;

impl Watch for Nobody {
    fn stanza(&mut self, _: usize, _: &Stanza<'_>, _: &Scanner) -> Result<()> {
        Ok(())
    }
}

impl Target {
    /// The bare address of a user.
    pub fn address(&self, user: u32) -> String {
        format!("{}{user}@{}", self.users_prefix, self.account.domain)
    }
}

impl Fleet {
    /// Logs in these users.
    ///
    /// # Errors
    /// Any login fails: a load that is smaller than was asked for would flatter the server.
    pub fn log_in(target: Target, users: Range<u32>, watch: &mut impl Watch) -> Result<Self> {
        let start = Instant::now();
        let mut fleet = Self {
            poll: Poll::new()?,
            members: Vec::with_capacity(users.len()),
            scratch: Scratch::new(),
            target,
            login_time: Duration::ZERO,
            events: Events::with_capacity(EVENTS),
            ready: 0,
        };
        let (all, mut users) = (users.len(), users);
        let mut last_step = (0, Instant::now());
        while fleet.ready < all {
            let free = fleet.target.concurrency - (fleet.members.len() - fleet.ready);
            for user in users.by_ref().take(free) {
                fleet.begin(user)?;
            }
            fleet.serve(watch)?;
            if fleet.ready > last_step.0 {
                last_step = (fleet.ready, Instant::now());
            }
            ensure!(last_step.1.elapsed() < PATIENCE, "logins are stuck: {}", fleet.stuck());
        }
        fleet.login_time = start.elapsed();
        Ok(fleet)
    }

    /// Waits a moment for events and works off those that come.
    pub fn serve(&mut self, watch: &mut impl Watch) -> Result<()> {
        if let Err(error) = self.poll.poll(&mut self.events, Some(POLL)) {
            ensure!(error.kind() == std::io::ErrorKind::Interrupted, "poll: {error}");
            return Ok(());
        }
        let places: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        for place in places {
            self.turn(place, watch)
                .with_context(|| format!("user {}", self.members[place].login.user()))?;
        }
        Ok(())
    }

    /// Serves until `done`, or until the time is over; tells whether it is done.
    pub fn serve_until<W: Watch>(
        &mut self,
        watch: &mut W,
        time: Duration,
        mut done: impl FnMut(&mut Self, &mut W) -> bool,
    ) -> Result<bool> {
        let end = Instant::now() + time;
        while !done(self, watch) {
            if Instant::now() >= end {
                return Ok(false);
            }
            self.serve(watch)?;
        }
        Ok(true)
    }

    /// Sends what waits for this member.
    pub fn flush(&mut self, place: usize) -> Result<()> {
        self.members[place].link.flush()
    }

    /// Says goodbye for all.
    pub fn close(&mut self) {
        for member in &mut self.members {
            member.link.close();
        }
    }

    fn begin(&mut self, user: u32) -> Result<()> {
        let target = &self.target;
        let mut link = Link::connect(target.addr)?;
        link.register(self.poll.registry(), Token(self.members.len()))?;
        if target.direct_tls {
            link.secure(&target.security)?;
        }
        Login::open(&target.account, &mut link.outbox);
        let login = Login::new(
            format!("{}{user}", target.users_prefix),
            &target.account,
            target.direct_tls,
        );
        self.members.push(Member { link, login });
        Ok(())
    }

    fn turn(&mut self, place: usize, watch: &mut impl Watch) -> Result<()> {
        let Member { link, login } = &mut self.members[place];
        let was_ready = login.is_ready();
        let mut turn = Turn {
            place,
            login,
            account: &self.target.account,
            watch,
        };
        link.receive(&mut self.scratch, &self.target.security, &mut turn)?;
        let is_ready = login.is_ready();
        link.flush()?;
        if is_ready {
            link.rest();
        }
        if is_ready && !was_ready {
            link.hurry()?;
            self.ready += 1;
        }
        Ok(())
    }

    fn stuck(&self) -> String {
        let stuck = self.members.iter().find(|member| !member.login.is_ready());
        stuck.map_or_else(String::new, |member| format!("{:?}", member.login))
    }
}

struct Turn<'a, W> {
    place: usize,
    login: &'a mut Login,
    account: &'a Account,
    watch: &'a mut W,
}

impl<W: Watch> Handler for Turn<'_, W> {
    fn frame(&mut self, frame: &Frame<'_>, scanner: &Scanner, out: &mut Vec<u8>) -> Result<After> {
        if let Frame::Stanza(stanza) = frame
            && (self.login.is_ready() || self.login.is_settling())
        {
            self.watch.stanza(self.place, stanza, scanner)?;
        }
        if self.login.is_ready() {
            return idle(frame, out);
        }
        self.login.frame(frame, scanner, self.account, out)
    }
}

/// What a session that is ready does by itself: it answers questions, and notices the end.
pub fn idle(frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<After> {
    match frame {
        Frame::End => bail!("the server ended the stream"),
        Frame::Stanza(stanza) if stanza.name == "error" => bail!("a stream error: {}", stanza.raw),
        Frame::Stanza(stanza) if stanza.name == "iq" && stanza.kind.is_some_and(|kind| kind == "get") => {
            let attribute = |name: &str, value: Option<_>| {
                value.map_or_else(String::new, |value: crosspoint_xmpp::codec::Value<'_>| {
                    format!(" {name}='{}'", value.raw().replace('\'', "&apos;"))
                })
            };
            let (to, id) = (attribute("to", stanza.from), attribute("id", stanza.id));
            out.extend_from_slice(format!("<iq type='result'{to}{id}/>").as_bytes());
        }
        _ => {}
    }
    Ok(After::Continue)
}
