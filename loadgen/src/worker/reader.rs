//! A session's connection: connect, read, show what was heard to the play, notice the end.
//!
//! Invariants: a connection belongs to one life of its session, and what a later life finds of it is ignored; a frame
//! that has not arrived in full is kept in a buffer of the pool.

use std::io::ErrorKind;
use std::rc::Rc;

use crosspoint_rt as rt;

use super::stage::State;
use super::{Core, Place, Worker};
use crate::net::{Link, Scratch};
use crate::play::Play;
use crate::protocol::{Client, Event, Refusal};
use crate::record::{Count, Latency};

/// Reads from one socket before others get their turn.
const READS_IN_A_ROW_MAX: usize = 4;

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    On,
    Over,
}

/// Starts the task that connects and reads.
pub(super) fn start<C: Client, P: Play<C>>(worker: Rc<Worker<C, P>>, place: Place, life: u32) {
    rt::spawn(async move {
        // Boxed: what a connection needs to begin need not weigh on those that are idle.
        if let Some(link) = Box::pin(connect(&worker, place, life)).await {
            while link.readable().await.is_ok() && worker.receive(place, life, &link) == Goes::On {}
        }
        worker.enter(|core, worker| {
            if core.stage.sessions[place as usize].life == life {
                gone(core, place, worker);
            }
        });
    });
}

async fn connect<C: Client, P: Play<C>>(worker: &Rc<Worker<C, P>>, place: Place, life: u32) -> Option<Rc<Link>> {
    let (source, address) = {
        let core = worker.core.borrow();
        let (stage, user) = (&core.stage, core.stage.user(place) as usize);
        let source = stage.sources.get(user % stage.sources.len().max(1)).copied();
        (source, *stage.addresses.get(user % stage.addresses.len().max(1))?)
    };
    let connected = Link::connect(source, address).await;
    worker.enter(|core, worker| {
        let now_ns = core.stage.now_ns;
        let session = &mut core.stage.sessions[place as usize];
        if session.life != life {
            return None;
        }
        let link = match connected.map_err(anyhow::Error::from).and_then(|link| {
            if worker.direct_tls {
                link.encrypt(&worker.security, now_ns)?;
            }
            Ok(Rc::new(link))
        }) {
            Ok(link) => link,
            Err(error) => {
                core.stage.count(Count::ConnectErrors, 1);
                core.stage.trouble(|| format!("connecting to {address}: {error:#}"));
                return None;
            }
        };
        session.link = Some(link.clone());
        session.state = State::LoggingIn;
        let connect_ns = now_ns - session.began_ns;
        core.stage.count(Count::Connections, 1);
        core.stage.latency(Latency::Connect, connect_ns);
        core.open(place, worker.direct_tls);
        Some(link)
    })
}

/// The connection of a session is no more.
pub(super) fn gone<C: Client, P: Play<C>>(core: &mut Core<C, P>, place: Place, _: &Worker<C, P>) {
    let stage = &mut core.stage;
    let session = &mut stage.sessions[place as usize];
    let state = std::mem::replace(&mut session.state, State::Absent);
    session.life += 1;
    if let Some(link) = session.link.take() {
        link.cut();
    }
    let (inbox, outbox) = (std::mem::take(&mut session.inbox), std::mem::take(&mut session.outbox));
    if state == State::Ready {
        // A server that forgets it, too, is asked to resume it only if the play says so by its next login.
        session.client.disconnected(session.wants.resume);
    }
    stage.recycle(inbox);
    stage.recycle(outbox);
    match state {
        State::Absent | State::Waiting => {}
        State::Connecting | State::LoggingIn => {
            stage.ramp.under_way -= 1;
            stage.failed += 1;
            stage.count(Count::LoginFailed, 1);
            core.play.left(stage, place, false);
        }
        State::Ready => {
            stage.ready -= 1;
            stage.count(Count::Disconnected, 1);
            core.play.left(stage, place, false);
        }
        State::Leaving => core.play.left(stage, place, true),
    }
}

impl<C: Client, P: Play<C>> Worker<C, P> {
    /// Takes what the socket has, and shows it to the play.
    fn receive(&self, place: Place, life: u32, link: &Rc<Link>) -> Goes {
        let mut scratch = self.scratch.borrow_mut();
        let mut core = self.core.borrow_mut();
        let mut goes = Goes::On;
        for _ in 0..READS_IN_A_ROW_MAX {
            let session = &mut core.stage.sessions[place as usize];
            if session.life != life {
                return Goes::Over;
            }
            let inbox = std::mem::take(&mut session.inbox);
            scratch.keep(&inbox);
            let kept = inbox.len();
            core.stage.recycle(inbox);
            let received = match link.receive(&mut scratch, kept) {
                Ok(received) => received,
                Err(error) => {
                    core.broken(place, &error);
                    goes = Goes::Over;
                    break;
                }
            };
            core.stage.now_ns = self.now_ns();
            core.stage.count(Count::BytesIn, received.taken as u64);
            core.shaken(place, link);
            goes = core.hear(place, link, self, &mut scratch, received.filled);
            if goes == Goes::Over || !received.more {
                break;
            }
        }
        self.after(&mut core);
        goes
    }
}

impl<C: Client, P: Play<C>> Core<C, P> {
    /// The first words.
    fn open(&mut self, place: Place, encrypted: bool) {
        let buffer = self.stage.buffer();
        let session = &mut self.stage.sessions[place as usize];
        session.outbox = buffer;
        let wants = session.wants;
        let ready = session
            .client
            .open(&self.stage.common, wants, encrypted, &mut session.outbox);
        self.stage.touch(place);
        if ready {
            self.ready(place);
        }
    }

    fn ready(&mut self, place: Place) {
        let stage = &mut self.stage;
        let session = &mut stage.sessions[place as usize];
        session.state = State::Ready;
        let login_ns = stage.now_ns - session.began_ns;
        stage.ramp.under_way -= 1;
        stage.ready += 1;
        stage.count(Count::LoginsOk, 1);
        stage.latency(Latency::Login, login_ns);
        self.play.ready(stage, place);
    }

    /// After a read: TLS may have something to say, or its handshake may be over.
    fn shaken(&mut self, place: Place, link: &Link) {
        if let Some(began_ns) = link.shaken_since() {
            let tls_ns = self.stage.now_ns - began_ns;
            self.stage.latency(Latency::Tls, tls_ns);
        }
        if link.wants_send() {
            self.stage.touch(place);
        }
    }

    /// Every frame in the first `filled` bytes of the scratch.
    fn hear(
        &mut self,
        place: Place,
        link: &Rc<Link>,
        worker: &Worker<C, P>,
        scratch: &mut Scratch,
        filled: usize,
    ) -> Goes {
        let mut used = 0;
        loop {
            let stage = &mut self.stage;
            let session = &mut stage.sessions[place as usize];
            if session.state == State::Leaving || session.state == State::Absent {
                // What comes behind our goodbye concerns nobody.
                return Goes::On;
            }
            let heard = session
                .client
                .next(&stage.common, &scratch.plain[used..filled], &mut session.outbox);
            if !session.outbox.is_empty() {
                stage.touch(place);
            }
            let (event, taken) = match heard {
                Ok(heard) => heard,
                Err(refusal) => {
                    self.refused(place, &refusal);
                    return Goes::Over;
                }
            };
            used += taken;
            match event {
                Event::Partial => break,
                Event::Nothing => {}
                Event::Secure => {
                    if let Err(error) = link.encrypt(&worker.security, self.stage.now_ns) {
                        self.refused(place, &Refusal::Stream(format!("TLS: {error:#}")));
                        return Goes::Over;
                    }
                    used = filled;
                    break;
                }
                Event::Ready => self.ready(place),
                Event::Resumed { .. } => {
                    self.resumed(place);
                    self.play.event(&mut self.stage, place, event);
                }
                Event::Ended => return Goes::Over,
                event => self.play.event(&mut self.stage, place, event),
            }
        }
        self.stage.heard(place);
        if used < filled {
            let mut inbox = self.stage.buffer();
            inbox.extend_from_slice(&scratch.plain[used..filled]);
            self.stage.sessions[place as usize].inbox = inbox;
        }
        Goes::On
    }

    /// A broken session goes on; its login is over, too.
    fn resumed(&mut self, place: Place) {
        let stage = &mut self.stage;
        let session = &mut stage.sessions[place as usize];
        session.state = State::Ready;
        let resume_ns = stage.now_ns - session.began_ns;
        stage.ramp.under_way -= 1;
        stage.ready += 1;
        stage.count(Count::Resumed, 1);
        stage.latency(Latency::Resume, resume_ns);
    }

    /// The socket has failed, or the server has closed it.
    fn broken(&mut self, place: Place, error: &std::io::Error) {
        let session = &self.stage.sessions[place as usize];
        let (state, user) = (session.state, self.stage.user(place));
        if state == State::Leaving {
            return;
        }
        if error.kind() == ErrorKind::InvalidData {
            self.stage.count(Count::TlsErrors, 1);
        }
        self.stage.trouble(|| match error.kind() {
            ErrorKind::UnexpectedEof => format!("the server closed the connection of user {user} ({state:?})"),
            ErrorKind::InvalidData => format!(
                "TLS of user {user} broke ({state:?}): {error}; if it never stood, this may be a port without TLS"
            ),
            _ => format!("the connection of user {user} broke ({state:?}): {error}"),
        });
    }

    fn refused(&mut self, place: Place, refusal: &Refusal) {
        let kind = match refusal {
            Refusal::Login(_) | Refusal::NotOffered(_) => Count::AuthErrors,
            Refusal::Stream(_) => Count::StreamErrors,
        };
        self.stage.count(kind, 1);
        let user = self.stage.user(place);
        self.stage.trouble(|| format!("user {user}: {refusal}"));
    }
}
