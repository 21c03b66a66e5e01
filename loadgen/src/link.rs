//! One connection: a socket, TLS if wanted, the scanner of what comes in, and the bytes that wait to go out.
//!
//! Invariants: one write for all that one readiness event caused; an idle link keeps no buffer of its own, save the
//! beginning of a stanza that has not arrived in full. Edge-triggered: [`Link::receive`] reads until the socket is empty.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use crosspoint_xmpp::codec::{Frame, Scan, ScanLimits, Scanner};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::ClientConnection;

use crate::secure::Security;

/// Bytes that one read takes at most.
const READ_BYTES: usize = 64 << 10;

/// A connection to the server.
pub struct Link {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    scanner: Scanner,
    inbox: Vec<u8>,
    /// What is to be sent by the next [`Link::flush`].
    pub outbox: Vec<u8>,
}

/// Buffers that all links share.
pub struct Scratch {
    plain: Vec<u8>,
    cipher: Vec<u8>,
}

/// What the frame that was just handled means for the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing.
    Continue,
    /// A new stream header will come (RFC 6120 section 4.3.3).
    Restart,
    /// The server waits for the TLS handshake (RFC 6120 section 5.4.2.3).
    StartTls,
}

/// Who looks at what comes in.
pub trait Handler {
    /// Something was read; its frames follow.
    fn arrived(&mut self) {}

    /// A frame; what is to be sent goes to `out`.
    fn frame(&mut self, frame: &Frame<'_>, scanner: &Scanner, out: &mut Vec<u8>) -> Result<After>;
}

impl Scratch {
    pub fn new() -> Self {
        Self {
            plain: vec![0; 2 * READ_BYTES],
            cipher: vec![0; READ_BYTES],
        }
    }
}

impl Link {
    /// Begins to connect; nothing can be sent before the first readiness event.
    pub fn connect(addr: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(addr).with_context(|| format!("connecting to {addr}"))?;
        Ok(Self::over(socket, Scanner::new(ScanLimits::AFTER_AUTH)))
    }

    /// A connection on which stanzas come without a stream around them.
    pub fn bare(socket: std::net::TcpStream) -> Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = TcpStream::from_std(socket);
        Ok(Self::over(socket, Scanner::for_stanzas(ScanLimits::AFTER_AUTH)))
    }

    fn over(socket: TcpStream, scanner: Scanner) -> Self {
        Self {
            socket,
            tls: None,
            scanner,
            inbox: Vec::new(),
            outbox: Vec::new(),
        }
    }

    /// Wants to hear of this socket's readiness.
    pub fn register(&mut self, registry: &Registry, token: Token) -> Result<()> {
        Ok(registry.register(&mut self.socket, token, Interest::READABLE | Interest::WRITABLE)?)
    }

    /// Begins the TLS handshake; what arrived before it is dropped.
    pub fn secure(&mut self, security: &Security) -> Result<()> {
        self.inbox = Vec::new();
        self.scanner.reset();
        self.tls = Some(Box::new(security.connection()?));
        Ok(())
    }

    /// Small messages leave at once.
    pub fn hurry(&mut self) -> Result<()> {
        Ok(self.socket.set_nodelay(true)?)
    }

    /// Frees what only a busy connection needs.
    pub fn rest(&mut self) {
        self.scanner.rest();
        for buffer in [&mut self.inbox, &mut self.outbox] {
            buffer.shrink_to_fit();
        }
    }

    /// Reads all that is there, and shows every frame to `handler`.
    ///
    /// # Errors
    /// The connection has ended, or the server sent what is no XMPP, or the handler's own.
    pub fn receive(&mut self, scratch: &mut Scratch, security: &Security, handler: &mut impl Handler) -> Result<()> {
        loop {
            let kept = self.inbox.len();
            if scratch.plain.len() < kept + READ_BYTES {
                scratch.plain.resize(kept + READ_BYTES, 0);
            }
            scratch.plain[..kept].copy_from_slice(&self.inbox);
            self.inbox.clear();
            let (filled, more) = self.fill(scratch, kept)?;
            if filled > kept {
                handler.arrived();
            }
            let (used, after) = self.scan(&scratch.plain[..filled], handler)?;
            self.inbox.extend_from_slice(&scratch.plain[used..filled]);
            if after == After::StartTls {
                self.secure(security)?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Sends what waits, as far as the socket takes it; the rest goes when the socket is writable again.
    pub fn flush(&mut self) -> Result<()> {
        match &mut self.tls {
            None => flush_plain(&mut self.socket, &mut self.outbox),
            Some(tls) => flush_tls(&mut self.socket, tls, &mut self.outbox),
        }
    }

    /// Says goodbye; whether it arrives does not matter.
    pub fn close(&mut self) {
        self.outbox.extend_from_slice(b"</stream:stream>");
        let _ = self.flush();
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = tls.write_tls(&mut self.socket);
        }
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    fn scan(&mut self, bytes: &[u8], handler: &mut impl Handler) -> Result<(usize, After)> {
        let mut used = 0;
        loop {
            match self.scanner.scan(&bytes[used..])? {
                Scan::Partial => return Ok((used, After::Continue)),
                Scan::Frame { frame, consumed } => {
                    used += consumed;
                    match handler.frame(&frame, &self.scanner, &mut self.outbox)? {
                        After::Continue => {}
                        After::Restart => self.scanner.reset(),
                        After::StartTls => return Ok((bytes.len(), After::StartTls)),
                    }
                }
            }
        }
    }

    /// One read behind the first `kept` bytes: how many bytes there are then, and whether there may be more to read.
    fn fill(&mut self, scratch: &mut Scratch, kept: usize) -> Result<(usize, bool)> {
        let Some(tls) = &mut self.tls else {
            let (read, more) = read(&mut self.socket, &mut scratch.plain[kept..])?;
            return Ok((kept + read, more));
        };
        let (read, more) = read(&mut self.socket, &mut scratch.cipher)?;
        let mut cipher = &scratch.cipher[..read];
        let mut filled = kept;
        while !cipher.is_empty() {
            tls.read_tls(&mut cipher)?;
            let plain = tls.process_new_packets()?.plaintext_bytes_to_read();
            if scratch.plain.len() < filled + plain {
                scratch.plain.resize(filled + plain, 0);
            }
            tls.reader().read_exact(&mut scratch.plain[filled..filled + plain])?;
            filled += plain;
        }
        Ok((filled, more))
    }
}

/// A read that fills less than the buffer has emptied the socket (epoll(7)).
fn read(socket: &mut TcpStream, space: &mut [u8]) -> Result<(usize, bool)> {
    match socket.read(space) {
        Ok(0) => bail!("the server closed the connection"),
        Ok(read) => Ok((read, read == space.len())),
        Err(error) if not_yet(&error) => Ok((0, false)),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok((0, true)),
        Err(error) => Err(error.into()),
    }
}

fn flush_plain(socket: &mut TcpStream, outbox: &mut Vec<u8>) -> Result<()> {
    while !outbox.is_empty() {
        match socket.write(outbox) {
            Ok(written) if written == outbox.len() => outbox.clear(),
            Ok(written) => drop(outbox.drain(..written)),
            Err(error) if not_yet(&error) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn flush_tls(socket: &mut TcpStream, tls: &mut ClientConnection, outbox: &mut Vec<u8>) -> Result<()> {
    if !outbox.is_empty() {
        tls.writer().write_all(outbox)?;
        outbox.clear();
    }
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(_) => {}
            Err(error) if not_yet(&error) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
