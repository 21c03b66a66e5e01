//! Connections that are opened from here, when a front-end asks for them.
//!
//! Invariant: a session is made when the connection is there and, if it is encrypted, when its handshake is over: nothing
//! is ever said to a peer that was not verified.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::Station;
use super::link::{Buffers, Link};
use super::reader::{self, within};
use crate::metrics::Doing;
use crate::rt::Socket;
use crate::service::{Cipher, CipherState};

/// A connection must be there by then, its handshake included.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// They come from no listener.
const NO_LISTENER: u8 = u8::MAX;
/// Bytes read at once in a handshake.
const READ_BYTES: usize = 4 * 1024;

/// Connects, and says how it went.
pub(super) async fn connect(station: Rc<Station>, frontend: usize, key: u32, address: SocketAddr) {
    let made = within(CONNECT_MAX, open(&station, frontend, key, address)).await;
    station.doing(Doing::Orders);
    let (socket, buffers) = match made {
        Some(Ok(made)) => made,
        Some(Err(error)) => {
            match error.kind() {
                // Somebody answers, and is not whom we were told to trust: that does not pass by itself.
                io::ErrorKind::InvalidData => tracing::warn!(%address, %error, "the handshake failed"),
                _ => tracing::debug!(%address, %error, "cannot connect"),
            }
            return fail(&station, frontend, key);
        }
        None => {
            tracing::debug!(%address, "nobody answers");
            return fail(&station, frontend, key);
        }
    };
    let origin = (frontend as u8, NO_LISTENER);
    let link = Rc::new(Link::new(socket, address.ip(), origin, buffers));
    let id = station.enter(None, |shard| shard.connected(frontend, key, address.ip()));
    if let Some(id) = id.flatten() {
        station.attach(id, &link);
        reader::start(station, link);
    }
}

fn fail(station: &Rc<Station>, frontend: usize, key: u32) {
    station.enter(None, |shard| shard.connect_failed(frontend, key));
}

async fn open(station: &Rc<Station>, frontend: usize, key: u32, address: SocketAddr) -> io::Result<(Socket, Buffers)> {
    let socket = Socket::connect(address).await?;
    let _ = socket.set_nodelay(true);
    let cipher = station
        .enter(None, |shard| shard.cipher_towards(frontend, key))
        .flatten();
    let buffers = match cipher {
        Some(cipher) => shake_hands(&socket, cipher).await?,
        None => Buffers::default(),
    };
    Ok((socket, buffers))
}

/// Our end of the handshake. What comes with its last bytes is left for the session.
async fn shake_hands(socket: &Socket, mut cipher: Box<dyn Cipher>) -> io::Result<Buffers> {
    let (mut input, mut plain, mut output) = (Vec::new(), Vec::new(), Vec::new());
    let mut received = [0; READ_BYTES];
    loop {
        let outcome = cipher.open(&mut input, &mut plain, &mut output);
        send(socket, &output).await?;
        output.clear();
        match outcome {
            Ok(CipherState::Handshaking) => {}
            Ok(CipherState::Open) => break,
            Ok(CipherState::Closed) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(fault) => return Err(io::Error::new(io::ErrorKind::InvalidData, fault.0)),
        }
        let count = receive(socket, &mut received).await?;
        input.extend_from_slice(&received[..count]);
    }
    let mut buffers = Buffers {
        cipher: Some(cipher),
        open: true,
        ..Buffers::default()
    };
    buffers.input.set(input);
    buffers.leftover.set(plain);
    Ok(buffers)
}

async fn send(socket: &Socket, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.send(bytes) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn receive(socket: &Socket, into: &mut [u8]) -> io::Result<usize> {
    loop {
        socket.readable().await?;
        match socket.recv(into) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
    }
}
