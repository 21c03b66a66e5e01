//! Reading a connection: one small task each, which waits for bytes and passes them on.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::Station;
use super::link::{Buffers, Link, State, Written};
use crate::metrics::{Doing, reading};
use crate::rt;
use crate::service::CipherState;
use crate::session::TlsFacts;
use crate::shard::SessionId;

/// Reads from one socket before others get their turn.
const READS_IN_A_ROW_MAX: usize = 4;
/// The handshake that a connection begins with must be over by then.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// A closing connection has this long to take its last bytes and to close its side.
const LINGER_MAX: Duration = Duration::from_secs(3);

/// Starts the task that reads a connection. A panic in it ends that connection and nothing else.
pub(super) fn start(station: Rc<Station>, link: Rc<Link>) {
    guarded(station, link, read);
}

/// As [`start`], after the handshake of its cipher.
pub(super) fn start_handshake(station: Rc<Station>, link: Rc<Link>) {
    guarded(station, link, handshake);
}

fn guarded<F>(station: Rc<Station>, link: Rc<Link>, task: fn(Rc<Station>, Rc<Link>) -> F)
where
    F: Future<Output = ()> + 'static,
{
    let (shard, known) = (station.clone(), Rc::downgrade(&link));
    rt::spawn_guarded(task(station, link), move |panic| {
        shard.reader_panicked(known.upgrade(), &panic);
    });
}

/// Reads until the connection ends, or moves to another shard. Not an `async fn`: that would hold its arguments twice.
#[allow(clippy::manual_async_fn)]
fn read(station: Rc<Station>, link: Rc<Link>) -> impl Future<Output = ()> {
    async move {
        station.offer_leftover(&link);
        loop {
            // A wait that has begun is left alone when reading pauses, and none is begun while it does.
            let readable = match link.paused.get() {
                true => {
                    link.parked.set(true);
                    link.interrupt.notified().await;
                    link.parked.set(false);
                    false
                }
                false => {
                    station.meter.cells().polls.add(1);
                    link.socket.readable_or(&link.interrupt).await
                }
            };
            match link.state.get() {
                State::Open => {}
                // Boxed: what ends a connection need not weigh on those that are idle.
                State::Closing => return Box::pin(close(&station, &link)).await,
                State::Leaving => return Box::pin(station.leave(link)).await,
            }
            if !readable || link.paused.get() {
                continue;
            }
            if station.congested.get() {
                station.waiting.borrow_mut().push(link.clone());
                link.interrupt.notified().await;
                continue;
            }
            if !station.receive(&link) {
                return station.lost(&link);
            }
        }
    }
}

/// The handshake that a connection begins with; a session is made when it is over.
async fn handshake(station: Rc<Station>, link: Rc<Link>) {
    let done = within(HANDSHAKE_MAX, async {
        while link.session.get().is_none() {
            if link.socket.readable().await.is_err() || !station.receive(&link) {
                return false;
            }
        }
        true
    });
    let done = done.await.unwrap_or(false);
    station.let_in(&link);
    match done {
        true => start(station, link),
        // A client that ends the handshake and the connection with the same bytes leaves a session behind.
        false => station.lost(&link),
    }
}

/// Waits for a future, but not for ever.
pub(super) async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut over = pin!(rt::sleep(time));
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        over.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// Sends the last bytes and waits for the peer's end, so that they are not lost to a reset.
async fn close(station: &Station, link: &Link) {
    within(LINGER_MAX, async {
        loop {
            match station.write_rest(link) {
                Written::All(_) => break,
                Written::Blocked(_) => drop(link.socket.writable().await),
                Written::Broken => return,
            }
        }
        link.socket.shutdown_send();
        let mut discarded = [0u8; 1024];
        loop {
            if link.socket.readable().await.is_err() {
                return;
            }
            match link.socket.recv(&mut discarded) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    })
    .await;
}

impl Station {
    /// Takes what the socket has. False when the connection is over.
    fn receive(&self, link: &Rc<Link>) -> bool {
        self.spend(reading(link.place().0));
        let mut scratch = self.scratch.borrow_mut();
        let super::Scratch {
            received,
            cipher,
            plain,
        } = &mut *scratch;
        for _ in 0..READS_IN_A_ROW_MAX {
            self.meter.cells().reads.add(1);
            let count = match link.socket.recv(received) {
                Ok(0) => return false,
                Ok(count) => count,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            };
            let encrypted = link.buffers.borrow().cipher.is_some();
            let alive = match encrypted {
                true => self.decrypt(link, &received[..count], cipher, plain),
                false => {
                    self.feed(link, &received[..count]);
                    true
                }
            };
            if !alive {
                return false;
            }
            if count < received.len() || link.state.get() != State::Open || link.paused.get() {
                break;
            }
        }
        true
    }

    /// Passes ciphertext through the cipher. False when the connection is over.
    fn decrypt(&self, link: &Rc<Link>, received: &[u8], scratch: &mut Vec<u8>, plain: &mut Vec<u8>) -> bool {
        scratch.clear();
        plain.clear();
        let (outcome, opened, facts) = {
            let mut buffers = link.buffers.borrow_mut();
            let Buffers {
                cipher,
                open,
                input,
                output,
                ..
            } = &mut *buffers;
            let Some(cipher) = cipher else { return false };
            scratch.append(&mut input.take());
            scratch.extend_from_slice(received);
            let mut sealed = self.sealed.borrow_mut();
            // Not empty after a panic in another's cipher.
            sealed.clear();
            let outcome = cipher.open(scratch, plain, &mut sealed);
            output.extend(&sealed);
            sealed.clear();
            input.extend(scratch);
            let was_open = *open;
            if !was_open {
                self.meter.relabel(Doing::Handshake);
            }
            *open = was_open || matches!(outcome, Ok(CipherState::Open | CipherState::Closed));
            let opened = *open && !was_open;
            let facts = if opened { cipher.facts() } else { None };
            (outcome, opened, facts)
        };
        let flushed = (link.blocked.get() || self.write_rest(link) != Written::Broken) && !link.is_overdue();
        let state = match outcome {
            Ok(state) => state,
            Err(fault) => {
                tracing::debug!(peer = %link.peer, fault = fault.0, "the peer does not keep to its transport");
                return false;
            }
        };
        if opened && !self.secured(link, facts) {
            return false;
        }
        if !plain.is_empty() {
            self.feed(link, plain);
        }
        flushed && state != CipherState::Closed
    }

    /// A connection stands before the door no more, whether it is inside now or gone.
    fn let_in(&self, link: &Link) {
        if link.knocking.replace(false) {
            self.shard.borrow_mut().end_handshake(link.peer);
        }
    }

    /// A handshake is over: the session is told, or made.
    fn secured(&self, link: &Rc<Link>, facts: Option<TlsFacts>) -> bool {
        match (link.session.get(), facts) {
            (Some(id), Some(facts)) => {
                self.enter(Some(id), |shard| shard.secured(id, facts));
                true
            }
            // What was to be encrypted is not.
            (Some(_), None) => false,
            (None, facts) => {
                self.let_in(link);
                self.open(link, facts)
            }
        }
    }

    /// Passes plain bytes to the session and keeps what it leaves.
    fn feed(&self, link: &Link, bytes: &[u8]) {
        let Some(id) = link.session.get() else { return };
        let mut leftover = link.buffers.borrow_mut().leftover.take();
        if link.paused.get() || link.state.get() != State::Open {
            leftover.extend_from_slice(bytes);
        } else if leftover.is_empty() {
            let consumed = self.input(id, bytes);
            leftover.extend_from_slice(&bytes[consumed.min(bytes.len())..]);
        } else {
            leftover.extend_from_slice(bytes);
            let consumed = self.input(id, &leftover);
            leftover.drain(..consumed.min(leftover.len()));
        }
        link.buffers.borrow_mut().leftover.set(leftover);
        if self.shard.borrow().is_paused(id) {
            // Known before the order is carried out, so that the reader does not begin a wait that it has no use for.
            link.paused.set(true);
        }
    }

    /// Moves the bytes that are the link's own towards its socket.
    pub(super) fn write_rest(&self, link: &Link) -> Written {
        link.write(&mut Vec::new(), &mut self.sealed.borrow_mut())
    }

    fn input(&self, id: SessionId, bytes: &[u8]) -> usize {
        self.enter(Some(id), |shard| shard.input(id, bytes))
            .unwrap_or(bytes.len())
    }

    /// After a pause or a move: what was left is offered again.
    pub(super) fn offer_leftover(&self, link: &Link) {
        if !link.buffers.borrow().leftover.is_empty() {
            self.feed(link, &[]);
        }
    }

    fn reader_panicked(&self, link: Option<Rc<Link>>, panic: &rt::Panicked) {
        tracing::error!(
            panic = panic.0,
            "a panic while reading was caught; the connection is closed"
        );
        self.shard.borrow().metrics().panics.add(1);
        if let Some(link) = link {
            self.let_in(&link);
            self.lost(&link);
        }
    }

    /// The connection is gone without having been closed from this side.
    pub(super) fn lost(&self, link: &Link) {
        if link.state.get() != State::Open {
            return;
        }
        link.state.set(State::Closing);
        if let Some(id) = link.session.take() {
            self.detach(id);
            self.enter(Some(id), |shard| shard.lost(id));
        }
    }

    /// Hands the socket to the session's home.
    async fn leave(&self, link: Rc<Link>) {
        // What was written before the move goes out before it, and nobody else may hold the link then.
        loop {
            match self.write_rest(&link) {
                Written::All(_) => break,
                Written::Blocked(_) => drop(link.socket.writable().await),
                Written::Broken => break,
            }
        }
        while Rc::strong_count(&link) > 2 {
            if rt::breathe().await.is_err() {
                break;
            }
        }
        self.hand_over(link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_task<F>(_: fn(Rc<Station>, Rc<Link>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_an_idle_connection_is_small() {
        let bytes = size_of_task(read);
        assert!(bytes <= 136, "{bytes} bytes");
    }
}
