//! A connection as hyper sees it: bytes out of a socket of the ring, decrypted where there is a cipher.
//!
//! Invariants:
//! - No buffer is lent to the kernel: bytes are moved by plain calls after a poll.
//! - What is sealed and not sent is bounded: nothing is taken while more than [`SEALED_BYTES_MAX`] waits.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crosspoint_engine::rt::Socket;
use crosspoint_engine::service::{Cipher, CipherState};
use hyper::rt::ReadBufCursor;

use super::watch::Watch;

/// Bytes received at once.
const RECEIVE_BYTES: usize = 16 * 1024;

/// Ciphertext that waits for the socket.
const SEALED_BYTES_MAX: usize = 64 * 1024;

/// Plain bytes sealed at once.
const SEAL_BYTES: usize = 16 * 1024;

type Wait = Option<Pin<Box<dyn Future<Output = io::Result<()>>>>>;

/// A connection's stream of bytes.
pub struct Io {
    socket: Rc<Socket>,
    watch: Rc<Watch>,
    secret: Option<Secret>,
    readable: Wait,
    writable: Wait,
    ended: bool,
}

/// What encryption keeps.
struct Secret {
    cipher: Box<dyn Cipher>,
    input: Vec<u8>,
    /// Decrypted, and not read from `taken` on.
    plain: Vec<u8>,
    taken: usize,
    /// Ciphertext that has not been sent.
    sealed: Vec<u8>,
}

impl Io {
    /// Over this socket, with the server's end of a TLS connection if it is one.
    pub fn new(socket: Rc<Socket>, cipher: Option<Box<dyn Cipher>>, watch: Rc<Watch>) -> Io {
        Io {
            socket,
            watch,
            secret: cipher.map(|cipher| Secret {
                cipher,
                input: Vec::new(),
                plain: Vec::new(),
                taken: 0,
                sealed: Vec::new(),
            }),
            readable: None,
            writable: None,
            ended: false,
        }
    }

    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = &self.socket;
        let wait = self.readable.get_or_insert_with(|| {
            let socket = socket.clone();
            Box::pin(async move { socket.readable().await })
        });
        let outcome = ready!(wait.as_mut().poll(context));
        self.readable = None;
        Poll::Ready(outcome)
    }

    fn poll_writable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch.stalls();
        let socket = &self.socket;
        let wait = self.writable.get_or_insert_with(|| {
            let socket = socket.clone();
            Box::pin(async move { socket.writable().await })
        });
        let outcome = ready!(wait.as_mut().poll(context));
        self.writable = None;
        Poll::Ready(outcome)
    }

    /// Sends these bytes as far as the socket takes them.
    fn poll_send(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.socket.send(bytes) {
                Ok(count) => {
                    self.watch.flows();
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.poll_writable(context))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Sends sealed bytes until no more than `left` wait.
    fn poll_sealed(&mut self, context: &mut Context<'_>, left: usize) -> Poll<io::Result<()>> {
        let Some(secret) = &mut self.secret else {
            return Poll::Ready(Ok(()));
        };
        let mut sealed = std::mem::take(&mut secret.sealed);
        let outcome = loop {
            if sealed.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match self.poll_send(context, &sealed) {
                Poll::Ready(Ok(count)) => drop(sealed.drain(..count)),
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending if sealed.len() <= left => break Poll::Ready(Ok(())),
                Poll::Pending => break Poll::Pending,
            }
        };
        if let Some(secret) = &mut self.secret {
            secret.sealed = sealed;
        }
        outcome
    }

    /// Takes in what the socket has; false at its end.
    fn decrypt(&mut self, received: &[u8]) -> io::Result<()> {
        let Some(secret) = &mut self.secret else { return Ok(()) };
        secret.plain.clear();
        secret.taken = 0;
        secret.input.extend_from_slice(received);
        let state = secret
            .cipher
            .open(&mut secret.input, &mut secret.plain, &mut secret.sealed);
        match state {
            Ok(CipherState::Closed) => self.ended = true,
            Ok(_) => {}
            Err(fault) => {
                // The alert, if the socket takes it.
                let _ = self.socket.send(&secret.sealed);
                return Err(io::Error::new(io::ErrorKind::InvalidData, fault.0));
            }
        }
        Ok(())
    }
}

impl Secret {
    /// Gives away what has been decrypted; false if there is nothing.
    fn give(&mut self, buffer: &mut ReadBufCursor<'_>) -> bool {
        let rest = &self.plain[self.taken..];
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        self.taken += count;
        count > 0
    }
}

impl hyper::rt::Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.secret.as_mut().is_some_and(|secret| secret.give(&mut buffer)) || this.ended {
                return Poll::Ready(Ok(()));
            }
            let mut room = [0; RECEIVE_BYTES];
            let limit = match this.secret {
                Some(_) => room.len(),
                None => room.len().min(buffer.remaining()),
            };
            match this.socket.recv(&mut room[..limit]) {
                Ok(0) => this.ended = true,
                Ok(count) => {
                    this.watch.heard();
                    if this.secret.is_none() {
                        buffer.put_slice(&room[..count]);
                        return Poll::Ready(Ok(()));
                    }
                    this.decrypt(&room[..count])?;
                    // Part of a handshake, perhaps. What the socket does not take now goes with the next write.
                    if this.poll_sealed(context, SEALED_BYTES_MAX)?.is_pending() {
                        return Poll::Pending;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(this.poll_readable(context))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl hyper::rt::Write for Io {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.secret.is_none() {
            return this.poll_send(context, bytes);
        }
        ready!(this.poll_sealed(context, SEALED_BYTES_MAX))?;
        let count = bytes.len().min(SEAL_BYTES);
        if let Some(secret) = &mut this.secret {
            secret.cipher.seal(&bytes[..count], &mut secret.sealed);
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sealed(context, 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let said = std::mem::replace(&mut self.ended, true);
        if let Some(secret) = self.secret.as_mut().filter(|_| !said) {
            secret.cipher.close(&mut secret.sealed);
        }
        ready!(self.poll_sealed(context, 0))?;
        self.socket.shutdown_send();
        Poll::Ready(Ok(()))
    }
}
