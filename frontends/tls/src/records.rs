//! The records of one TLS session without I/O, of either side: what is received is worked in place, what is sent is appended.
//!
//! Invariants:
//! - After a fault nothing is read and nothing is written, and the fault is the answer to every call.
//! - An idle session holds no buffer: only what has not arrived in full is kept.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic};

use crate::fault::TlsFault;
use crate::limits::{ALERT_BYTES_MAX, HANDSHAKE_BYTES_MAX, RECORD_OVERHEAD_BYTES_MAX, RECORD_PLAIN_BYTES_MAX};
use crate::session::TlsStatus;

/// A connection of rustls, of one side or the other: what they have in common has no name there.
pub(crate) trait Side {
    /// What rustls keeps for this side.
    type Data;

    /// Works through records.
    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    /// Something waits to be sent.
    fn wants_write(&self) -> bool;
    /// The handshake is not complete.
    fn is_handshaking(&self) -> bool;
}

macro_rules! side {
    ($connection:ty, $data:ty) => {
        impl Side for $connection {
            type Data = $data;

            fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, $data> {
                self.process_tls_records(input)
            }

            fn wants_write(&self) -> bool {
                (**self).wants_write()
            }

            fn is_handshaking(&self) -> bool {
                (**self).is_handshaking()
            }
        }
    };
}

side!(UnbufferedServerConnection, ServerConnectionData);
side!(UnbufferedClientConnection, ClientConnectionData);

/// A session's records.
pub(crate) struct Records<C> {
    pub(crate) connection: C,
    /// The beginning of a record that has not arrived in full, or of a handshake message in several records.
    partial: Vec<u8>,
    handshake_bytes: usize,
    fault: Option<TlsFault>,
    peer_closed: bool,
    closed: bool,
}

impl<C: Side> Records<C> {
    pub(crate) fn new(connection: C) -> Self {
        Self {
            connection,
            partial: Vec::new(),
            handshake_bytes: 0,
            fault: None,
            peer_closed: false,
            closed: false,
        }
    }

    pub(crate) fn fault(&self) -> Option<TlsFault> {
        self.fault
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn partial_bytes(&self) -> usize {
        self.partial.len()
    }

    pub(crate) fn is_established(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// See [`Tls::read`](crate::Tls::read).
    pub(crate) fn read(
        &mut self,
        received: &mut [u8],
        plain_out: &mut Vec<u8>,
        cipher_out: &mut Vec<u8>,
    ) -> Result<TlsStatus, TlsFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.partial.is_empty() {
            let done = self.process(received, plain_out, cipher_out)?;
            self.partial.extend_from_slice(&received[done..]);
        } else {
            let mut all = std::mem::take(&mut self.partial);
            all.extend_from_slice(received);
            let done = self.process(&mut all, plain_out, cipher_out)?;
            // A fully worked buffer is given back to the allocator: an idle session holds none.
            if done < all.len() {
                all.drain(..done);
                self.partial = all;
            }
        }
        Ok(TlsStatus {
            established: self.is_established(),
            peer_closed: self.peer_closed,
        })
    }

    /// See [`Tls::write`](crate::Tls::write).
    pub(crate) fn write(&mut self, plain: &[u8], cipher_out: &mut Vec<u8>) -> Result<(), TlsFault> {
        match self.fault {
            Some(fault) => return Err(fault),
            None if self.closed => return Err(TlsFault::Closed),
            None if !self.is_established() => return Err(TlsFault::NotEstablished),
            None => {}
        }
        self.with_traffic(cipher_out, |mut traffic, out| encrypt(&mut traffic, plain, out))
    }

    /// See [`Tls::close`](crate::Tls::close).
    pub(crate) fn close(&mut self, cipher_out: &mut Vec<u8>) {
        if self.closed || self.fault.is_some() {
            return;
        }
        self.closed = true;
        if self.is_established() {
            // A failure leaves the close to TCP: there is nobody left to be told.
            let _ = self.with_traffic(cipher_out, |mut traffic, out| {
                append(out, ALERT_BYTES_MAX, |space| traffic.queue_close_notify(space))
            });
        }
    }

    /// Works through `input`; returns how many of its bytes are done with.
    fn process(
        &mut self,
        input: &mut [u8],
        plain_out: &mut Vec<u8>,
        cipher_out: &mut Vec<u8>,
    ) -> Result<usize, TlsFault> {
        let mut done = 0;
        let shaking = !self.is_established();
        let mut outcome = self.process_records(input, &mut done, plain_out, cipher_out);
        if shaking && outcome.is_ok() && !self.is_established() {
            self.handshake_bytes += done;
            if self.handshake_bytes + (input.len() - done) > HANDSHAKE_BYTES_MAX {
                outcome = Err(TlsFault::HandshakeTooLong);
            }
        }
        if let Err(fault) = outcome {
            self.fault = Some(fault);
            self.emit_alert(cipher_out);
            return Err(fault);
        }
        Ok(done)
    }

    fn process_records(
        &mut self,
        input: &mut [u8],
        done: &mut usize,
        plain_out: &mut Vec<u8>,
        cipher_out: &mut Vec<u8>,
    ) -> Result<(), TlsFault> {
        loop {
            let UnbufferedStatus { discard, state, .. } = self.connection.process(&mut input[*done..]);
            *done += discard;
            match state.map_err(|error| TlsFault::from(&error))? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|error| TlsFault::from(&error))?;
                        plain_out.extend_from_slice(record.payload);
                        *done += record.discard;
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => encode(&mut data, cipher_out)?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.peer_closed = true,
                // What follows a close_notify is ignored (RFC 8446 section 6.1).
                _ if self.peer_closed => {
                    *done = input.len();
                    return Ok(());
                }
                ConnectionState::WriteTraffic(_) | ConnectionState::BlockedHandshake => {
                    return Ok(());
                }
                // Early data is not offered, and `Closed` needs a close_notify of the peer.
                _ => return Err(TlsFault::Internal),
            }
        }
    }

    /// After a fault: appends the alert that rustls has prepared for the peer. It must not be led to look at the input
    /// again, where it would find the same fault a second time; while there is something to send, it does not look.
    fn emit_alert(&mut self, cipher_out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            let status = self.connection.process(&mut []);
            let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else {
                return;
            };
            if encode(&mut data, cipher_out).is_err() {
                return;
            }
        }
    }

    /// Reaches the state in which the connection encrypts, and makes use of it. rustls is shown what is kept, though there is
    /// nothing to do in it: it remembers how much of it belongs to an incomplete message, and panics if it is not there.
    fn with_traffic(
        &mut self,
        cipher_out: &mut Vec<u8>,
        mut make_use: impl FnMut(WriteTraffic<'_, C::Data>, &mut Vec<u8>) -> Result<(), TlsFault>,
    ) -> Result<(), TlsFault> {
        loop {
            let UnbufferedStatus { discard, state, .. } = self.connection.process(&mut self.partial);
            let outcome = match state {
                Ok(ConnectionState::WriteTraffic(traffic)) => Some(make_use(traffic, cipher_out)),
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, cipher_out).err().map(Err),
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.peer_closed = true;
                    None
                }
                Ok(ConnectionState::Closed) => Some(Err(TlsFault::Closed)),
                Ok(_) => Some(Err(TlsFault::Internal)),
                Err(error) => Some(Err(TlsFault::from(&error))),
            };
            self.partial.drain(..discard);
            if let Some(Err(fault)) = outcome {
                self.fault = Some(fault);
            }
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
    }
}

fn encrypt<D>(traffic: &mut WriteTraffic<'_, D>, plain: &[u8], cipher_out: &mut Vec<u8>) -> Result<(), TlsFault> {
    if plain.is_empty() {
        return Ok(());
    }
    let records = plain.len().div_ceil(RECORD_PLAIN_BYTES_MAX);
    let estimate = plain.len() + records * RECORD_OVERHEAD_BYTES_MAX;
    append(cipher_out, estimate, |space| traffic.encrypt(plain, space))
}

/// Lets `write` fill space at the end of `out`: `estimate` bytes, or as many as it asks for after that.
fn append(
    out: &mut Vec<u8>,
    estimate: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), TlsFault> {
    let start = out.len();
    out.resize(start + estimate, 0);
    let mut written = write(&mut out[start..]);
    if let Err(EncryptError::InsufficientSize(size)) = written {
        out.resize(start + size.required_size, 0);
        written = write(&mut out[start..]);
    }
    out.truncate(start + *written.as_ref().unwrap_or(&0));
    match written {
        Ok(_) => Ok(()),
        Err(EncryptError::EncryptExhausted) => Err(TlsFault::KeysExhausted),
        Err(EncryptError::InsufficientSize(_)) => Err(TlsFault::Internal),
    }
}

/// Appends one handshake or alert record.
fn encode<D>(data: &mut EncodeTlsData<'_, D>, cipher_out: &mut Vec<u8>) -> Result<(), TlsFault> {
    let start = cipher_out.len();
    // The first call only asks for the size.
    let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) else {
        return Err(TlsFault::Internal);
    };
    cipher_out.resize(start + size.required_size, 0);
    match data.encode(&mut cipher_out[start..]) {
        Ok(written) => {
            cipher_out.truncate(start + written);
            Ok(())
        }
        Err(_) => Err(TlsFault::Internal),
    }
}
