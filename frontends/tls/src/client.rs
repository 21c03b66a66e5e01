//! TLS towards another server of ours: the client's side, without I/O, for connections that a front-end opens itself.
//!
//! Invariants:
//! - A session is established only with a server whose certificate was verified: by issuers that were named and for the name
//!   that was asked for, or by being one of those that were pinned. Nobody else's issuers are trusted.
//! - A pinned certificate must be used by who holds its key: its signature in the handshake is checked as any.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::config::ConfigError;
use crate::fault::TlsFault;
use crate::records::Records;
use crate::session::TlsStatus;

/// SHA-256 of a certificate (DER).
pub type Pin = [u8; 32];

/// Whom to trust, and whom to ask for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClientTlsConfig {
    client: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl ClientTlsConfig {
    /// Trusts servers whose certificate was issued (directly or not) by one of those in a PEM file, for this name: a domain
    /// or an address.
    ///
    /// # Errors
    /// The file cannot be read or has no certificate, or the name is none.
    pub fn issued_by(file: &Path, name: &str, protocols: &[&[u8]]) -> Result<Self, ConfigError> {
        let refused = |what: String| ConfigError::Unsupported(file.to_owned(), what);
        let pem = std::fs::read(file).map_err(|error| ConfigError::Unreadable(file.to_owned(), error))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| ConfigError::BadPem(file.to_owned(), error.to_string()))?;
            roots.add(certificate).map_err(|error| refused(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(ConfigError::NoCertificate(file.to_owned()));
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| refused(error.to_string()))?;
        Self::with(verifier, server_name(name, file)?, protocols)
    }

    /// Trusts servers with one of these certificates, whoever issued them and whatever they are for.
    ///
    /// # Errors
    /// The name is none.
    pub fn pinned(pins: Vec<Pin>, name: &str, protocols: &[&[u8]]) -> Result<Self, ConfigError> {
        let verifier = Pinned {
            pins,
            provider: ring::default_provider(),
        };
        Self::with(Arc::new(verifier), server_name(name, Path::new("pins"))?, protocols)
    }

    fn with(
        verifier: Arc<dyn ServerCertVerifier>,
        name: ServerName<'static>,
        protocols: &[&[u8]],
    ) -> Result<Self, ConfigError> {
        let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError::Unsupported("TLS".into(), error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        client.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        // A certificate that is trusted no more must not live on in tickets.
        client.resumption = Resumption::disabled();
        Ok(Self {
            client: Arc::new(client),
            name,
        })
    }
}

fn server_name(name: &str, file: &Path) -> Result<ServerName<'static>, ConfigError> {
    let named = ServerName::try_from(name).map(|name| name.to_owned());
    named.map_err(|_| ConfigError::Unsupported(file.to_owned(), format!("`{name}` is no name of a server")))
}

/// Knows certificates by their hash.
#[derive(Debug)]
struct Pinned {
    pins: Vec<Pin>,
    provider: CryptoProvider,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _issuers: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pin: Pin = Sha256::digest(certificate).into();
        match self.pins.contains(&pin) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A TLS session, the client's side. The first call of [`ClientTls::read`], with nothing, has the first bytes to send.
pub struct ClientTls(Records<UnbufferedClientConnection>);

impl ClientTls {
    /// A session that has said nothing yet.
    ///
    /// # Errors
    /// [`TlsFault::Internal`] when rustls refuses its own configuration.
    pub fn new(config: &ClientTlsConfig) -> Result<Self, TlsFault> {
        UnbufferedClientConnection::new(config.client.clone(), config.name.clone())
            .map(|connection| Self(Records::new(connection)))
            .map_err(|error| TlsFault::from(&error))
    }

    /// As [`Tls::read`](crate::Tls::read).
    ///
    /// # Errors
    /// As there.
    pub fn read(
        &mut self,
        received: &mut [u8],
        plain_out: &mut Vec<u8>,
        cipher_out: &mut Vec<u8>,
    ) -> Result<TlsStatus, TlsFault> {
        self.0.read(received, plain_out, cipher_out)
    }

    /// As [`Tls::write`](crate::Tls::write).
    ///
    /// # Errors
    /// As there.
    pub fn write(&mut self, plain: &[u8], cipher_out: &mut Vec<u8>) -> Result<(), TlsFault> {
        self.0.write(plain, cipher_out)
    }

    /// As [`Tls::close`](crate::Tls::close).
    pub fn close(&mut self, cipher_out: &mut Vec<u8>) {
        self.0.close(cipher_out);
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("established", &self.0.is_established())
            .field("fault", &self.0.fault())
            .finish_non_exhaustive()
    }
}
