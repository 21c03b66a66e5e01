//! One TLS session, the server's side, without I/O.

use std::fmt;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{HandshakeKind, ProtocolVersion};

use crate::config::TlsConfig;
use crate::fault::TlsFault;
use crate::limits::{ALERT_BYTES_MAX, HANDSHAKE_BYTES_MAX, RECORD_OVERHEAD_BYTES_MAX, RECORD_PLAIN_BYTES_MAX};
use crate::tap::{self, Heard};

/// A TLS session. `Send`: moves to another thread between any two calls.
pub struct Tls {
    connection: UnbufferedServerConnection,
    /// The beginning of a record that has not arrived in full, or of a handshake message in several records.
    partial: Vec<u8>,
    handshake_bytes: usize,
    fault: Option<TlsFault>,
    peer_closed: bool,
    closed: bool,
    learnt: Option<Box<Learnt>>,
}

/// What is learnt in the handshake and forgotten after authentication.
#[derive(Default)]
struct Learnt {
    binding: Option<[u8; 32]>,
    server_name: Option<Box<str>>,
}

/// Where a session stands after [`Tls::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TlsStatus {
    /// The handshake is complete: [`Tls::write`] and [`Tls::facts`] may be used.
    pub established: bool,
    /// The peer has sent close_notify: no plaintext will follow. Answer with [`Tls::close`].
    pub peer_closed: bool,
}

/// The negotiated protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// What was negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Protocol version.
    pub version: TlsVersion,
    /// The cipher suite's name as IANA registers it.
    pub suite: &'static str,
    /// The application protocol (RFC 7301), if the client offered any.
    pub protocol: Option<&'a [u8]>,
    /// The server name that the client asked for; not known after [`Tls::forget`].
    pub server_name: Option<&'a str>,
    /// Whether an earlier session was resumed by its ticket.
    pub resumed: bool,
}

impl Tls {
    /// A session that waits for the client's first bytes.
    ///
    /// # Errors
    /// [`TlsFault::Internal`] when rustls refuses its own configuration.
    pub fn new(config: &TlsConfig) -> Result<Self, TlsFault> {
        let connection = UnbufferedServerConnection::new(config.server()).map_err(|error| TlsFault::from(&error))?;
        Ok(Self {
            connection,
            partial: Vec::new(),
            handshake_bytes: 0,
            fault: None,
            peer_closed: false,
            closed: false,
            learnt: None,
        })
    }

    /// Takes what was received, in any pieces, and works it in place. Appends the plaintext to `plain_out` and what is to be
    /// sent (handshake, alerts) to `cipher_out`. All of `received` is taken; an incomplete record is kept inside.
    ///
    /// # Errors
    /// The peer's fault, with the alert that tells it so appended to `cipher_out`: send that, then close the connection.
    /// Plaintext that came before the fault has been appended and is good.
    pub fn read(
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

    /// Encrypts `plain` in records of at most 16 KiB and appends them to `cipher_out`.
    ///
    /// # Errors
    /// [`TlsFault::NotEstablished`] before the handshake is complete, [`TlsFault::Closed`] after [`Tls::close`], and the
    /// session's fault if it has one. Nothing is appended then.
    pub fn write(&mut self, plain: &[u8], cipher_out: &mut Vec<u8>) -> Result<(), TlsFault> {
        match self.fault {
            Some(fault) => return Err(fault),
            None if self.closed => return Err(TlsFault::Closed),
            None if !self.is_established() => return Err(TlsFault::NotEstablished),
            None => {}
        }
        self.with_traffic(cipher_out, |mut traffic, out| encrypt(&mut traffic, plain, out))
    }

    /// Says goodbye: appends close_notify to `cipher_out`, once. Nothing can be written after it. Before the handshake is
    /// complete there is nothing to say.
    pub fn close(&mut self, cipher_out: &mut Vec<u8>) {
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

    /// Whether the handshake is complete.
    #[must_use]
    pub fn is_established(&self) -> bool {
        !self.connection.is_handshaking()
    }

    /// What was negotiated; `None` until the handshake is complete.
    #[must_use]
    pub fn facts(&self) -> Option<Facts<'_>> {
        if !self.is_established() {
            return None;
        }
        Some(Facts {
            version: match self.connection.protocol_version()? {
                ProtocolVersion::TLSv1_3 => TlsVersion::Tls13,
                _ => TlsVersion::Tls12,
            },
            suite: self
                .connection
                .negotiated_cipher_suite()?
                .suite()
                .as_str()
                .unwrap_or("unknown"),
            protocol: self.connection.alpn_protocol(),
            server_name: self.learnt.as_ref().and_then(|learnt| learnt.server_name.as_deref()),
            resumed: self.connection.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }

    /// The channel binding tls-exporter (RFC 9266); `None` with TLS 1.2, before the handshake is complete, and after
    /// [`Tls::forget`].
    #[must_use]
    pub fn exporter(&self) -> Option<&[u8; 32]> {
        let learnt = self.learnt.as_ref().filter(|_| self.is_established())?;
        learnt.binding.as_ref()
    }

    /// Gives back the memory of what only authentication needs: the channel binding and the server name.
    pub fn forget(&mut self) {
        self.learnt = None;
    }

    /// Bytes of an incomplete record that are kept.
    #[must_use]
    pub fn partial_bytes(&self) -> usize {
        self.partial.len()
    }

    /// Works through `input`; returns how many of its bytes are done with.
    fn process(
        &mut self,
        input: &mut [u8],
        plain_out: &mut Vec<u8>,
        cipher_out: &mut Vec<u8>,
    ) -> Result<usize, TlsFault> {
        let mut done = 0;
        let outcome = if self.is_established() {
            self.process_records(input, &mut done, plain_out, cipher_out)
        } else {
            self.process_handshake(input, &mut done, plain_out, cipher_out)
        };
        if let Err(fault) = outcome {
            self.fault = Some(fault);
            self.emit_alert(cipher_out);
            return Err(fault);
        }
        Ok(done)
    }

    fn process_handshake(
        &mut self,
        input: &mut [u8],
        done: &mut usize,
        plain_out: &mut Vec<u8>,
        cipher_out: &mut Vec<u8>,
    ) -> Result<(), TlsFault> {
        let (outcome, heard) = tap::listen(|| self.process_records(input, done, plain_out, cipher_out));
        self.learn(heard);
        outcome?;
        if !self.is_established() {
            self.handshake_bytes += *done;
            if self.handshake_bytes + (input.len() - *done) > HANDSHAKE_BYTES_MAX {
                return Err(TlsFault::HandshakeTooLong);
            }
        }
        Ok(())
    }

    /// Keeps what the tap has let out, the secret only as what it is needed for.
    fn learn(&mut self, heard: Heard) {
        let suite = self.connection.negotiated_cipher_suite();
        if let Some((suite, secret)) = suite.zip(heard.exporter_secret) {
            let learnt = self.learnt.get_or_insert_default();
            learnt.binding = tap::channel_binding(suite, &secret);
        }
        if heard.server_name.is_some() {
            self.learnt.get_or_insert_default().server_name = heard.server_name;
        }
    }

    fn process_records(
        &mut self,
        input: &mut [u8],
        done: &mut usize,
        plain_out: &mut Vec<u8>,
        cipher_out: &mut Vec<u8>,
    ) -> Result<(), TlsFault> {
        loop {
            let UnbufferedStatus { discard, state, .. } = self.connection.process_tls_records(&mut input[*done..]);
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
            let status = self.connection.process_tls_records(&mut []);
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
        mut make_use: impl FnMut(WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>) -> Result<(), TlsFault>,
    ) -> Result<(), TlsFault> {
        loop {
            let UnbufferedStatus { discard, state, .. } = self.connection.process_tls_records(&mut self.partial);
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

fn encrypt(
    traffic: &mut WriteTraffic<'_, ServerConnectionData>,
    plain: &[u8],
    cipher_out: &mut Vec<u8>,
) -> Result<(), TlsFault> {
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
fn encode(data: &mut EncodeTlsData<'_, ServerConnectionData>, cipher_out: &mut Vec<u8>) -> Result<(), TlsFault> {
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

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("established", &self.is_established())
            .field("partial_bytes", &self.partial.len())
            .field("fault", &self.fault)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
