//! The relay as the switch does it: a poll on the ring, a plain receive, a plain send.
//!
//! The ring is the switch's own (`crosspoint-rt`: deferred completions, one submitter) and so are the system calls. What a
//! message costs the switch above this is parsing, routing and counting, and no longer the way it waits.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{ErrorKind, Result};
use std::net::SocketAddr;
use std::rc::Rc;

use crosspoint_rt::{Config, Listener, Socket, run as run_ring, spawn};

use crate::READ_BYTES;

const BACKLOG: u32 = 1024;

/// Where all tasks receive: nothing is awaited while it holds bytes that matter, but for those a socket did not take.
type Scratch = Rc<RefCell<Box<[u8]>>>;

/// Relays for ever.
pub(crate) fn run(listen: SocketAddr) -> anyhow::Result<()> {
    let Err(error) = run_ring(&Config::default(), serve(listen))?;
    Err(error.into())
}

async fn serve(listen: SocketAddr) -> Result<Infallible> {
    let listener = Listener::bind(listen, BACKLOG)?;
    let scratch: Scratch = Rc::new(RefCell::new(vec![0; READ_BYTES].into_boxed_slice()));
    loop {
        let (one, two) = (accept(&listener).await?, accept(&listener).await?);
        spawn(relay(one.clone(), two.clone(), scratch.clone()));
        spawn(relay(two, one, scratch.clone()));
    }
}

async fn accept(listener: &Listener) -> Result<Rc<Socket>> {
    let (socket, _) = listener.accept().await?;
    socket.set_nodelay(true)?;
    Ok(Rc::new(socket))
}

/// One direction, until either end has gone; then both are shut, which ends the other direction.
async fn relay(from: Rc<Socket>, to: Rc<Socket>, scratch: Scratch) {
    while from.readable().await.is_ok() {
        let Ok(rest) = transfer(&from, &to, &scratch) else {
            break;
        };
        if send_rest(&to, &rest).await.is_err() {
            break;
        }
    }
    from.shutdown();
    to.shutdown();
}

/// Receives once and sends it on; returns what the socket did not take.
fn transfer(from: &Socket, to: &Socket, scratch: &Scratch) -> Result<Vec<u8>> {
    let mut scratch = scratch.borrow_mut();
    let received = match from.recv(&mut scratch) {
        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
        Ok(received) => received,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let sent = send(to, &scratch[..received])?;
    Ok(scratch[sent..received].to_vec())
}

async fn send_rest(to: &Socket, mut rest: &[u8]) -> Result<()> {
    while !rest.is_empty() {
        to.writable().await?;
        rest = &rest[send(to, rest)?..];
    }
    Ok(())
}

fn send(to: &Socket, bytes: &[u8]) -> Result<usize> {
    match to.send(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        sent => sent,
    }
}
