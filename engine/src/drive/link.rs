//! A connection as its shard's driver knows it: socket, cipher, and the bytes between them and the session.
//!
//! ```text
//!   socket ──recv──▶ [cipher: input ──▶ plain] ──▶ leftover + plain ──▶ session
//!   socket ◀──send── output ◀── [cipher] ◀── the session's outbox
//! ```
//! Invariants:
//! - At most one task reads a link, and at most one waits to write it.
//! - While a link is blocked, the rest of the outbox stays with the session, where its bounds are.
//! - A link without a cipher sends straight from the outbox, and one with a cipher from a buffer that all links share.
//! - An idle link holds no bytes, and for each of its three buffers one word.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;

use crate::rt::{Detached, Notify, Socket};
use crate::service::Cipher;
use crate::shard::SessionId;

/// Ciphertext is made from at most this much of an outbox at a time.
const SEAL_BYTES_MAX: usize = 64 * 1024;

/// What waits for a socket beside its session's outbox, one sealed piece included. A peer that makes its cipher answer
/// (pongs, key updates) and does not read the answers is let go beyond this.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

const _: () = assert!(OUTPUT_BYTES_MAX > 2 * SEAL_BYTES_MAX);

/// One connection.
pub(super) struct Link {
    pub(super) socket: Socket,
    pub(super) peer: IpAddr,
    /// Front-end and listener.
    pub(super) origin: (u8, u8),
    /// `None` until the handshake that the connection begins with is done.
    pub(super) session: Cell<Option<SessionId>>,
    pub(super) state: Cell<State>,
    /// In the handshake that the connection begins with, counted as unauthenticated.
    pub(super) knocking: Cell<bool>,
    /// Told to stop reading.
    pub(super) paused: Cell<bool>,
    /// Its reader waits to read on, and for no bytes.
    pub(super) parked: Cell<bool>,
    /// The socket took no more; a task waits until it does.
    pub(super) blocked: Cell<bool>,
    /// Wakes the reader for anything but bytes.
    pub(super) interrupt: Notify,
    pub(super) buffers: RefCell<Buffers>,
}

/// What a link holds; without memory of its own, but for the cipher, while the link is idle.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) cipher: Option<Box<dyn Cipher>>,
    /// The handshake is over.
    pub(super) open: bool,
    /// Ciphertext of a record that has not arrived in full.
    pub(super) input: Rest,
    /// Plain bytes that the session has not consumed.
    pub(super) leftover: Rest,
    /// Bytes on their way to the socket that are no session's any more: ciphertext, or a closed session's last words.
    pub(super) output: Rest,
}

/// Bytes that are seldom there: one word while they are not.
#[derive(Default)]
pub(super) struct Rest(#[allow(clippy::box_collection)] Option<Box<Vec<u8>>>);

const _: () = assert!(size_of::<Link>() <= 136);

impl Rest {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.len())
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        self.0.take().map(|bytes| *bytes).unwrap_or_default()
    }

    /// Keeps these bytes, if there are any, in place of those that were there.
    pub(super) fn set(&mut self, bytes: Vec<u8>) {
        self.0 = (!bytes.is_empty()).then(|| Box::new(bytes));
    }

    /// Adds bytes at the end.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().extend_from_slice(bytes);
        }
    }
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
    pub(super) peer: IpAddr,
    pub(super) origin: (u8, u8),
    pub(super) buffers: Buffers,
}

impl Link {
    pub(super) fn new(socket: Socket, peer: IpAddr, origin: (u8, u8), buffers: Buffers) -> Link {
        Link {
            socket,
            peer,
            origin,
            session: Cell::new(None),
            state: Cell::new(State::Open),
            knocking: Cell::new(false),
            paused: Cell::new(false),
            parked: Cell::new(false),
            blocked: Cell::new(false),
            interrupt: Notify::new(),
            buffers: RefCell::new(buffers),
        }
    }

    /// Indexes of its front-end and listener.
    pub(super) fn place(&self) -> (usize, usize) {
        (self.origin.0.into(), self.origin.1.into())
    }

    /// Whether the peer has made its cipher answer more than it reads.
    pub(super) fn is_overdue(&self) -> bool {
        self.buffers.borrow().output.len() > OUTPUT_BYTES_MAX
    }

    /// Moves bytes from an outbox towards the socket until all are gone or it takes no more. `sealed` is for ciphertext on
    /// its way, empty before and after.
    pub(super) fn write(&self, outbox: &mut Vec<u8>, sealed: &mut Vec<u8>) -> Written {
        let mut buffers = self.buffers.borrow_mut();
        let Buffers { cipher, output, .. } = &mut *buffers;
        let mut written = 0;
        if !output.is_empty() {
            let mut bytes = output.take();
            match self.send_all(&mut bytes) {
                Written::All(count) => written += count,
                stopped => {
                    output.set(bytes);
                    return stopped;
                }
            }
        }
        let Some(cipher) = cipher else {
            return self.send_all(outbox).after(written);
        };
        while !outbox.is_empty() {
            let piece = outbox.len().min(SEAL_BYTES_MAX);
            sealed.clear();
            cipher.seal(&outbox[..piece], sealed);
            outbox.drain(..piece);
            match self.send_all(sealed) {
                Written::All(count) => written += count,
                stopped => {
                    output.extend(sealed);
                    sealed.clear();
                    return stopped.after(written);
                }
            }
        }
        Written::All(written)
    }

    /// Sends what it can from the front of a buffer, and takes it out.
    fn send_all(&self, bytes: &mut Vec<u8>) -> Written {
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

impl Written {
    /// With what was written before.
    fn after(self, before: usize) -> Written {
        match self {
            Written::All(bytes) => Written::All(before + bytes),
            Written::Blocked(bytes) => Written::Blocked(before + bytes),
            Written::Broken => Written::Broken,
        }
    }
}
