//! One TLS session, the server's side, without I/O.

use std::fmt;

use rustls::server::UnbufferedServerConnection;
use rustls::{HandshakeKind, ProtocolVersion};

use crate::config::TlsConfig;
use crate::fault::TlsFault;
use crate::records::Records;
use crate::tap::{self, Heard};

/// A TLS session. `Send`: moves to another thread between any two calls.
pub struct Tls {
    records: Records<UnbufferedServerConnection>,
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
            records: Records::new(connection),
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
        if self.is_established() {
            return self.records.read(received, plain_out, cipher_out);
        }
        let (outcome, heard) = tap::listen(|| self.records.read(received, plain_out, cipher_out));
        self.learn(heard);
        outcome
    }

    /// Encrypts `plain` in records of at most 16 KiB and appends them to `cipher_out`.
    ///
    /// # Errors
    /// [`TlsFault::NotEstablished`] before the handshake is complete, [`TlsFault::Closed`] after [`Tls::close`], and the
    /// session's fault if it has one. Nothing is appended then.
    pub fn write(&mut self, plain: &[u8], cipher_out: &mut Vec<u8>) -> Result<(), TlsFault> {
        self.records.write(plain, cipher_out)
    }

    /// Says goodbye: appends close_notify to `cipher_out`, once. Nothing can be written after it. Before the handshake is
    /// complete there is nothing to say.
    pub fn close(&mut self, cipher_out: &mut Vec<u8>) {
        self.records.close(cipher_out);
    }

    /// Whether the handshake is complete.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.records.is_established()
    }

    /// What was negotiated; `None` until the handshake is complete.
    #[must_use]
    pub fn facts(&self) -> Option<Facts<'_>> {
        if !self.is_established() {
            return None;
        }
        Some(Facts {
            version: match self.records.connection.protocol_version()? {
                ProtocolVersion::TLSv1_3 => TlsVersion::Tls13,
                _ => TlsVersion::Tls12,
            },
            suite: self
                .records
                .connection
                .negotiated_cipher_suite()?
                .suite()
                .as_str()
                .unwrap_or("unknown"),
            protocol: self.records.connection.alpn_protocol(),
            server_name: self.learnt.as_ref().and_then(|learnt| learnt.server_name.as_deref()),
            resumed: self.records.connection.handshake_kind() == Some(HandshakeKind::Resumed),
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
        self.records.partial_bytes()
    }

    /// Keeps what the tap has let out, the secret only as what it is needed for.
    fn learn(&mut self, heard: Heard) {
        let suite = self.records.connection.negotiated_cipher_suite();
        if let Some((suite, secret)) = suite.zip(heard.exporter_secret) {
            let learnt = self.learnt.get_or_insert_default();
            learnt.binding = tap::channel_binding(suite, &secret);
        }
        if heard.server_name.is_some() {
            self.learnt.get_or_insert_default().server_name = heard.server_name;
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("established", &self.is_established())
            .field("partial_bytes", &self.records.partial_bytes())
            .field("fault", &self.records.fault())
            .field("closed", &self.records.is_closed())
            .finish_non_exhaustive()
    }
}
