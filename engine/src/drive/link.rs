//! A connection as its shard's driver knows it: socket, cipher, and the bytes between them and the session.
//!
//! ```text
//!   socket ──recv──▶ [cipher: input ──▶ plain] ──▶ leftover + plain ──▶ session
//!   socket ◀──send── output ◀── [cipher] ◀── the session's outbox
//! ```
//! Invariants:
//! - At most one task reads a link, and at most one waits to write it.
//! - While a link is blocked, the rest of the outbox stays with the session, where its bounds are.
//! - A link without a cipher sends straight from the outbox.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;

use crate::rt::{Detached, Notify, Socket};
use crate::service::Cipher;
use crate::shard::SessionId;

/// Ciphertext is made from at most this much of an outbox at a time.
const SEAL_BYTES_MAX: usize = 64 * 1024;

/// One connection.
pub(super) struct Link {
    pub(super) socket: Socket,
    pub(super) peer: SocketAddr,
    pub(super) origin: (usize, usize),
    /// `None` until a direct TLS handshake is done.
    pub(super) session: Cell<Option<SessionId>>,
    pub(super) state: Cell<State>,
    /// In a direct TLS handshake, counted as unauthenticated.
    pub(super) knocking: Cell<bool>,
    /// Told to stop reading.
    pub(super) paused: Cell<bool>,
    /// The socket took no more; a task waits until it does.
    pub(super) blocked: Cell<bool>,
    /// Wakes the reader for anything but bytes.
    pub(super) interrupt: Notify,
    pub(super) buffers: RefCell<Buffers>,
}

/// What a link holds; all of it empty, and without memory, while the link is idle.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) cipher: Option<Box<dyn Cipher>>,
    /// The handshake is over.
    pub(super) open: bool,
    /// Ciphertext of a record that has not arrived in full.
    pub(super) input: Vec<u8>,
    /// Plain bytes that the session has not consumed.
    pub(super) leftover: Vec<u8>,
    /// Bytes on their way to the socket that are no session's any more: ciphertext, or a closed session's last words.
    pub(super) output: Vec<u8>,
}

/// Where a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Bytes flow.
    Open,
    /// What is in `output` goes out, then the socket closes.
    Closing,
    /// The reader ends and hands the socket over.
    Leaving,
}

/// A connection between two shards: all that a [`Link`] is, without a ring.
pub(super) struct Carried {
    pub(super) socket: Detached,
    pub(super) peer: SocketAddr,
    pub(super) origin: (usize, usize),
    pub(super) buffers: Buffers,
}

impl Link {
    pub(super) fn new(socket: Socket, peer: SocketAddr, origin: (usize, usize), buffers: Buffers) -> Link {
        Link {
            socket,
            peer,
            origin,
            session: Cell::new(None),
            state: Cell::new(State::Open),
            knocking: Cell::new(false),
            paused: Cell::new(false),
            blocked: Cell::new(false),
            interrupt: Notify::new(),
            buffers: RefCell::new(buffers),
        }
    }

    /// Moves bytes from an outbox towards the socket until all are gone or it takes no more.
    pub(super) fn write(&self, outbox: &mut Vec<u8>) -> Written {
        let mut buffers = self.buffers.borrow_mut();
        let mut written = 0;
        loop {
            match self.write_output(&mut buffers.output) {
                Written::All(bytes) => written += bytes,
                Written::Blocked(bytes) => return Written::Blocked(written + bytes),
                Written::Broken => return Written::Broken,
            }
            if outbox.is_empty() {
                return Written::All(written);
            }
            let Buffers { cipher, output, .. } = &mut *buffers;
            let Some(cipher) = cipher else {
                return match self.write_output(outbox) {
                    Written::All(bytes) => Written::All(written + bytes),
                    Written::Blocked(bytes) => Written::Blocked(written + bytes),
                    Written::Broken => Written::Broken,
                };
            };
            let piece = outbox.len().min(SEAL_BYTES_MAX);
            cipher.seal(&outbox[..piece], output);
            outbox.drain(..piece);
        }
    }

    /// Sends what it can from the front of a buffer; frees it when it is empty and large.
    fn write_output(&self, bytes: &mut Vec<u8>) -> Written {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.socket.send(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    bytes.drain(..sent);
                    return Written::Blocked(sent);
                }
                Err(_) => return Written::Broken,
            }
        }
        bytes.clear();
        Written::All(sent)
    }

    /// An idle link keeps no memory.
    pub(super) fn trim(&self) {
        let mut buffers = self.buffers.borrow_mut();
        let Buffers {
            input,
            leftover,
            output,
            ..
        } = &mut *buffers;
        for buffer in [input, leftover, output] {
            if buffer.is_empty() && buffer.capacity() > 0 {
                *buffer = Vec::new();
            }
        }
    }
}

/// How a write went; the bytes are those that the socket took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// Everything is out.
    All(usize),
    /// The socket takes no more for now.
    Blocked(usize),
    /// The connection is gone.
    Broken,
}
