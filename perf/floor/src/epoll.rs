//! The relay on epoll: one wait, and one `read` and one `write` for each readiness event, nothing else.
//!
//! Invariant: bytes that a socket does not take are kept in order; meanwhile no more are read for it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use anyhow::Result;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::READ_BYTES;

const EVENTS: usize = 1024;
const LISTENER: Token = Token(usize::MAX);

/// One connection; its partner's place is its own with the lowest bit turned.
struct End {
    socket: TcpStream,
    waiting: VecDeque<u8>,
}

/// Relays for ever.
pub(crate) fn run(listen: SocketAddr) -> Result<()> {
    let mut listener = TcpListener::bind(listen)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut ends: Vec<Option<End>> = Vec::new();
    let mut events = Events::with_capacity(EVENTS);
    let mut scratch = vec![0; READ_BYTES];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            match event.token() {
                LISTENER => accept(&listener, &poll, &mut ends, &mut scratch)?,
                Token(place) => {
                    if turn(&mut ends, place, event.is_writable(), &mut scratch).is_err() {
                        hang_up(&mut ends, place);
                    }
                }
            }
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, ends: &mut Vec<Option<End>>, scratch: &mut [u8]) -> Result<()> {
    loop {
        match listener.accept() {
            Ok((mut socket, _)) => {
                let place = seat(ends);
                socket.set_nodelay(true)?;
                let both = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut socket, Token(place), both)?;
                ends[place] = Some(End {
                    socket,
                    waiting: VecDeque::new(),
                });
                // The partner may have spoken already, to nobody.
                if relay(ends, place ^ 1, scratch).is_err() {
                    hang_up(ends, place);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The place beside one who waits for a partner, else in a pair that has gone, else a new one.
fn seat(ends: &mut Vec<Option<End>>) -> usize {
    let beside = |(pair, ends): (usize, &[Option<End>])| match ends {
        [Some(_), None] => Some(2 * pair + 1),
        [None, Some(_)] => Some(2 * pair),
        _ => None,
    };
    let free = |pair: &[Option<End>]| pair.iter().all(Option::is_none);
    let waiting = ends.chunks(2).enumerate().find_map(beside);
    waiting
        .or_else(|| ends.chunks(2).position(free).map(|pair| 2 * pair))
        .unwrap_or_else(|| {
            ends.extend([None, None]);
            ends.len() - 2
        })
}

/// Relays what `place` has said. If it has room again, its partner is read too: it may have been held up.
fn turn(ends: &mut [Option<End>], place: usize, writable: bool, scratch: &mut [u8]) -> std::io::Result<()> {
    if let Some(Some(end)) = ends.get_mut(place)
        && writable
        && !end.waiting.is_empty()
    {
        let waiting = std::mem::take(&mut end.waiting);
        end.write(waiting.as_slices().0)?;
        end.write(waiting.as_slices().1)?;
        relay(ends, place ^ 1, scratch)?;
    }
    relay(ends, place, scratch)
}

fn relay(ends: &mut [Option<End>], place: usize, scratch: &mut [u8]) -> std::io::Result<()> {
    let base = place & !1;
    let Some([Some(one), Some(two)]) = ends.get_mut(base..base + 2) else {
        return Ok(());
    };
    let (from, to) = if place == base { (one, two) } else { (two, one) };
    while to.waiting.is_empty() {
        match from.socket.read(scratch) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                to.write(&scratch[..read])?;
                if read < scratch.len() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl End {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut written = 0;
        while self.waiting.is_empty() && written < bytes.len() {
            match self.socket.write(&bytes[written..]) {
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.waiting.extend(&bytes[written..]);
        Ok(())
    }
}

fn hang_up(ends: &mut [Option<End>], place: usize) {
    for place in [place, place ^ 1] {
        if let Some(end) = ends.get_mut(place) {
            *end = None;
        }
    }
}
