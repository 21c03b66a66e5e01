//! Sockets on the ring: connect from a chosen address, TLS if wanted, one read and one write for all that is there.
//!
//! ```text
//!  socket ─recv─▶ scratch.cipher ─▶ [TLS] ─▶ scratch.plain       outbox ─▶ [TLS] ─send─▶ socket
//! ```
//!
//! Invariants: an idle link has no buffer of its own (TLS has those of rustls); without TLS bytes go straight between
//! the socket and the caller's buffers. Nothing here knows what the bytes mean.

mod tls;

pub use tls::Security;

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};

use crosspoint_rt::{Notify, Socket};
use rustls::ClientConnection;

/// Bytes that one read takes at most.
pub const READ_BYTES: usize = 64 << 10;

/// A connection to the server.
pub struct Link {
    socket: Socket,
    tls: RefCell<Option<Box<ClientConnection>>>,
    /// When the handshake that is under way began.
    shaking_since_ns: Cell<Option<u64>>,
    /// The reader does not read.
    paused: Cell<bool>,
    resumed: Notify,
    /// The socket took no more; somebody waits until it does.
    pub blocked: Cell<bool>,
}

/// Buffers that all links of a worker share.
pub struct Scratch {
    /// What was read, decrypted; what an earlier read left over stands before it.
    pub plain: Vec<u8>,
    cipher: Vec<u8>,
}

/// How a read went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes in [`Scratch::plain`] now, those that were kept included.
    pub filled: usize,
    /// Bytes taken from the socket.
    pub taken: usize,
    /// There may be more to read.
    pub more: bool,
}

/// How a write went; the bytes are those that the socket took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Everything is out.
    All(usize),
    /// The socket takes no more for now.
    Blocked(usize),
    /// The connection is gone.
    Broken,
}

impl Scratch {
    /// Room for one read.
    pub fn new() -> Self {
        Self {
            plain: vec![0; 2 * READ_BYTES],
            cipher: vec![0; READ_BYTES],
        }
    }

    /// Puts what an earlier read left over in front, and makes room for a read behind it.
    pub fn keep(&mut self, left_over: &[u8]) {
        let needed = left_over.len() + READ_BYTES;
        if self.plain.len() < needed {
            self.plain.resize(needed, 0);
        }
        self.plain[..left_over.len()].copy_from_slice(left_over);
    }
}

impl Link {
    /// Connects, and asks the kernel to send small writes at once.
    ///
    /// # Errors
    /// Those of bind(2) and connect(2).
    pub async fn connect(source: Option<IpAddr>, address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::connect_from(source, address).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            tls: RefCell::new(None),
            shaking_since_ns: Cell::new(None),
            paused: Cell::new(false),
            resumed: Notify::new(),
            blocked: Cell::new(false),
        })
    }

    /// From now on everything is encrypted; the first flight waits for the next [`Link::send`].
    ///
    /// # Errors
    /// TLS is not configured, or the domain is no name for a certificate.
    pub fn encrypt(&self, security: &Security, now_ns: u64) -> anyhow::Result<()> {
        *self.tls.borrow_mut() = Some(Box::new(security.connection()?));
        self.shaking_since_ns.set(Some(now_ns));
        Ok(())
    }

    /// When the handshake began, once, after it is over.
    pub fn shaken_since(&self) -> Option<u64> {
        let since = self.shaking_since_ns.get()?;
        let over = self.tls.borrow().as_ref().is_some_and(|tls| !tls.is_handshaking());
        over.then(|| self.shaking_since_ns.take()).map(|_| since)
    }

    /// Whether TLS has something to send of its own accord.
    pub fn wants_send(&self) -> bool {
        self.tls.borrow().as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Waits until there is something to receive; while the link is paused, until that is over.
    ///
    /// # Errors
    /// Those of the poll.
    pub async fn readable(&self) -> io::Result<()> {
        loop {
            while self.paused.get() {
                self.resumed.notified().await;
            }
            self.socket.readable().await?;
            if !self.paused.get() {
                return Ok(());
            }
        }
    }

    /// Waits until some bytes can be sent.
    ///
    /// # Errors
    /// Those of the poll.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// Stops reading: what arrives stays in the kernel, until its buffers are full.
    pub fn pause(&self) {
        self.paused.set(true);
    }

    /// Reads again.
    pub fn resume(&self) {
        self.paused.set(false);
        self.resumed.notify();
    }

    /// One read, behind `kept` bytes of the scratch.
    ///
    /// # Errors
    /// `UnexpectedEof` at the peer's end, `InvalidData` for a fault of its TLS, else those of recv(2).
    pub fn receive(&self, scratch: &mut Scratch, kept: usize) -> io::Result<Received> {
        let mut tls = self.tls.borrow_mut();
        let Some(tls) = &mut *tls else {
            let (taken, more) = self.read(&mut scratch.plain[kept..])?;
            let filled = kept + taken;
            return Ok(Received { filled, taken, more });
        };
        let (taken, more) = self.read(&mut scratch.cipher)?;
        let filled = decrypt(tls, &scratch.cipher[..taken], &mut scratch.plain, kept)?;
        Ok(Received { filled, taken, more })
    }

    /// Writes what waits, as far as the socket takes it; what it did not take stays in `outbox` (or in TLS).
    pub fn send(&self, outbox: &mut Vec<u8>) -> Sent {
        match &mut *self.tls.borrow_mut() {
            None => self.send_plain(outbox),
            Some(tls) => self.send_tls(tls, outbox),
        }
    }

    /// Ends our direction; the peer sees the end behind what was sent.
    pub fn finish(&self) {
        if let Some(tls) = &mut *self.tls.borrow_mut() {
            tls.send_close_notify();
            let _ = tls.write_tls(&mut Raw(&self.socket));
        }
        self.socket.shutdown_send();
    }

    /// Ends both directions at once; the reader wakes.
    pub fn cut(&self) {
        self.socket.shutdown();
        self.resume();
    }

    /// A read that fills less than the buffer has emptied the socket.
    fn read(&self, space: &mut [u8]) -> io::Result<(usize, bool)> {
        match self.socket.recv(space) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => Ok((read, read == space.len())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok((0, false)),
            Err(error) => Err(error),
        }
    }

    fn send_plain(&self, outbox: &mut Vec<u8>) -> Sent {
        let mut sent = 0;
        while sent < outbox.len() {
            match self.socket.send(&outbox[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    outbox.drain(..sent);
                    return Sent::Blocked(sent);
                }
                Err(_) => return Sent::Broken,
            }
        }
        outbox.clear();
        Sent::All(sent)
    }

    fn send_tls(&self, tls: &mut ClientConnection, outbox: &mut Vec<u8>) -> Sent {
        if !outbox.is_empty() {
            if tls.writer().write_all(outbox).is_err() {
                return Sent::Broken;
            }
            outbox.clear();
        }
        let mut sent = 0;
        while tls.wants_write() {
            match tls.write_tls(&mut Raw(&self.socket)) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Sent::Blocked(sent),
                Err(_) => return Sent::Broken,
            }
        }
        Sent::All(sent)
    }
}

/// Appends what the ciphertext holds to the `filled` bytes of `plain`, and says how many there are then.
fn decrypt(tls: &mut ClientConnection, mut cipher: &[u8], plain: &mut Vec<u8>, mut filled: usize) -> io::Result<usize> {
    while !cipher.is_empty() {
        tls.read_tls(&mut cipher)?;
        let state = tls
            .process_new_packets()
            .map_err(|fault| io::Error::new(ErrorKind::InvalidData, fault))?;
        let waiting = state.plaintext_bytes_to_read();
        if plain.len() < filled + waiting {
            plain.resize(filled + waiting, 0);
        }
        tls.reader().read_exact(&mut plain[filled..filled + waiting])?;
        filled += waiting;
    }
    Ok(filled)
}

/// A socket as rustls wants to write to it.
struct Raw<'a>(&'a Socket);

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
