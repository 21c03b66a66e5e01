//! The engine's [`Cipher`] over crosspoint-tls, and the certificate that new connections get.

use std::sync::{Arc, PoisonError, RwLock};

use crosspoint_engine::service::{Cipher, CipherFault, CipherState};
use crosspoint_engine::session::TlsFacts;
use crosspoint_tls::{ClientTls, ClientTlsConfig, Tls, TlsConfig, TlsFault, TlsStatus, TlsVersion};

/// Names of application protocols (RFC 7301).
pub type Protocols = &'static [&'static [u8]];

/// The certificate in use, as listeners of one kind offer it; replaced as a whole, for all kinds, when it is read again. The
/// lock is taken once a connection, never for a message.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// For each kind of listener. The first one's protocols are those that the configuration was made with.
    kinds: Arc<RwLock<Vec<(Protocols, TlsConfig)>>>,
    /// Index within `kinds`.
    kind: usize,
}

impl Certificates {
    /// Beginning with this one.
    pub fn new(config: TlsConfig) -> Certificates {
        Certificates {
            kinds: Arc::new(RwLock::new(vec![(&[], config)])),
            kind: 0,
        }
    }

    /// The same certificate, for listeners that speak other application protocols. Asked for when the switch is put
    /// together, once for each kind.
    pub fn offering(&self, protocols: Protocols) -> Certificates {
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        let config = kinds[0].1.with_protocols(protocols);
        kinds.push((protocols, config));
        Certificates {
            kinds: self.kinds.clone(),
            kind: kinds.len() - 1,
        }
    }

    /// New connections get this one; open ones keep theirs.
    pub fn replace(&self, config: TlsConfig) {
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        for (protocols, kind) in kinds.iter_mut().skip(1) {
            *kind = config.with_protocols(protocols);
        }
        kinds[0].1 = config;
    }

    /// The server's end of a new connection; `None` if TLS itself refuses.
    pub fn cipher(&self) -> Option<Box<dyn Cipher>> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let config = kinds[self.kind].1.clone();
        drop(kinds);
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
        let status = self.tls.read(input, plain, output);
        // The session has taken all of it; what is incomplete is kept inside.
        input.clear();
        state(status)
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

    fn facts(&mut self) -> Option<TlsFacts> {
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
        Some(facts)
    }
}

/// Our end of a connection that we open ourselves; `None` if TLS itself refuses.
pub fn towards(config: &ClientTlsConfig) -> Option<Box<dyn Cipher>> {
    let tls = ClientTls::new(config)
        .inspect_err(|fault| tracing::error!(%fault, "no TLS session can be made"))
        .ok()?;
    Some(Box::new(ClientCipher(tls)))
}

/// The encryption of a connection that we have opened.
struct ClientCipher(ClientTls);

impl Cipher for ClientCipher {
    fn open(
        &mut self,
        input: &mut Vec<u8>,
        plain: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) -> Result<CipherState, CipherFault> {
        let status = self.0.read(input, plain, output);
        input.clear();
        state(status)
    }

    fn seal(&mut self, plain: &[u8], output: &mut Vec<u8>) {
        if let Err(fault) = self.0.write(plain, output) {
            tracing::debug!(%fault, "nothing more is encrypted on this connection");
        }
    }

    fn close(&mut self, output: &mut Vec<u8>) {
        self.0.close(output);
    }

    /// Nobody logs in over it by what binds to its channel.
    fn facts(&mut self) -> Option<TlsFacts> {
        None
    }
}

fn state(status: Result<TlsStatus, TlsFault>) -> Result<CipherState, CipherFault> {
    let status = status.map_err(|fault| CipherFault(fault.to_string()))?;
    Ok(match (status.peer_closed, status.established) {
        (true, _) => CipherState::Closed,
        (false, true) => CipherState::Open,
        (false, false) => CipherState::Handshaking,
    })
}

fn version_name(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Tls12 => "TLSv1.2",
        TlsVersion::Tls13 => "TLSv1.3",
    }
}
