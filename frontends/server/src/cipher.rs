//! The engine's [`Cipher`] over crosspoint-tls, and the certificate that new connections get.

use std::sync::{Arc, PoisonError, RwLock};

use crosspoint_engine::service::{Cipher, CipherFault, CipherState};
use crosspoint_engine::session::TlsFacts;
use crosspoint_tls::{Tls, TlsConfig, TlsVersion};

/// The certificate in use; replaced as a whole when it is read again. The lock is taken once a connection, never for a
/// message.
#[derive(Debug, Clone)]
pub struct Certificates(Arc<RwLock<Offers>>);

/// What is spoken inside of TLS: what ALPN offers (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// XEP-0368.
    Xmpp,
    /// ICPP's SPEC.md section 1.
    Icpp,
}

/// One identity, for each protocol.
#[derive(Debug)]
struct Offers {
    xmpp: TlsConfig,
    icpp: TlsConfig,
}

impl Offers {
    fn new(config: &TlsConfig) -> Offers {
        Offers {
            xmpp: config.speaking(&[b"xmpp-client"]),
            icpp: config.speaking(&[b"icpp/1"]),
        }
    }

    fn of(&self, speech: Speech) -> TlsConfig {
        match speech {
            Speech::Xmpp => self.xmpp.clone(),
            Speech::Icpp => self.icpp.clone(),
        }
    }
}

impl Certificates {
    /// Beginning with this one.
    pub fn new(config: &TlsConfig) -> Certificates {
        Certificates(Arc::new(RwLock::new(Offers::new(config))))
    }

    /// New connections get this one; open ones keep theirs.
    pub fn replace(&self, config: &TlsConfig) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Offers::new(config);
    }

    /// The server's end of a new connection; `None` if TLS itself refuses.
    pub fn cipher(&self, speech: Speech) -> Option<Box<dyn Cipher>> {
        let config = self.0.read().unwrap_or_else(PoisonError::into_inner).of(speech);
        let tls = Tls::new(&config)
            .inspect_err(|fault| tracing::error!(%fault, "no TLS session can be made"))
            .ok()?;
        let server_end_point = config.server_end_point().unwrap_or_default().to_vec();
        Some(Box::new(TlsCipher { tls, server_end_point }))
    }
}

/// One connection's encryption.
struct TlsCipher {
    tls: Tls,
    /// Given away with the facts.
    server_end_point: Vec<u8>,
}

impl Cipher for TlsCipher {
    fn open(
        &mut self,
        input: &mut Vec<u8>,
        plain: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) -> Result<CipherState, CipherFault> {
        let status = self
            .tls
            .read(input, plain, output)
            .map_err(|fault| CipherFault(fault.to_string()));
        // The session has taken all of it; what is incomplete is kept inside.
        input.clear();
        let status = status?;
        Ok(match (status.peer_closed, status.established) {
            (true, _) => CipherState::Closed,
            (false, true) => CipherState::Open,
            (false, false) => CipherState::Handshaking,
        })
    }

    fn seal(&mut self, plain: &[u8], output: &mut Vec<u8>) {
        // A session that cannot be written to has ended with a fault already, which its reader is told.
        if let Err(fault) = self.tls.write(plain, output) {
            tracing::debug!(%fault, "nothing more is encrypted on this connection");
        }
    }

    fn close(&mut self, output: &mut Vec<u8>) {
        self.tls.close(output);
    }

    fn facts(&mut self) -> TlsFacts {
        let (version, server_name) = match self.tls.facts() {
            Some(facts) => (version_name(facts.version), facts.server_name.map(str::to_owned)),
            None => ("", None),
        };
        let facts = TlsFacts {
            version,
            exporter: self.tls.exporter().copied(),
            server_end_point: std::mem::take(&mut self.server_end_point),
            server_name,
        };
        // Asked for once, when the handshake is done; from here on the session keeps what it needs.
        self.tls.forget();
        facts
    }
}

fn version_name(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Tls12 => "TLSv1.2",
        TlsVersion::Tls13 => "TLSv1.3",
    }
}
