//! TLS from the client's side: what is offered, and how the server's certificate is judged.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::plan::{Protocol, Security as Encryption, Target};

/// How connections are encrypted; without a configuration, they cannot be.
#[derive(Clone, Debug)]
pub struct Security(Option<(Arc<ClientConfig>, ServerName<'static>)>);

impl Security {
    /// What a plan's target asks for.
    ///
    /// # Errors
    /// The file of authorities, or the domain, is of no use.
    pub fn of(target: &Target) -> Result<Self> {
        match target.security {
            Encryption::Plain => Ok(Self(None)),
            _ => Self::new(&target.domain, target.ca.as_deref(), target.protocol),
        }
    }

    /// TLS to `domain`: its certificate must come from the authorities in the PEM file `ca`; without one it is not
    /// looked at. Sessions are not resumed: every connection pays for a whole handshake.
    fn new(domain: &str, ca: Option<&Path>, protocol: Protocol) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let mut config = match ca {
            None => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Unchecked(provider)))
                .with_no_client_auth(),
            Some(ca) => builder.with_root_certificates(roots(ca)?).with_no_client_auth(),
        };
        let alpn: &[u8] = match protocol {
            Protocol::Xmpp => b"xmpp-client",
            Protocol::Icpp => b"icpp/1",
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        config.resumption = Resumption::disabled();
        let name = ServerName::try_from(domain.to_owned()).context("the domain")?;
        Ok(Self(Some((Arc::new(config), name))))
    }

    /// The client's side of a new session.
    pub fn connection(&self) -> Result<ClientConnection> {
        let (config, name) = self.0.as_ref().context("TLS is not configured")?;
        let mut connection = ClientConnection::new(config.clone(), name.clone())?;
        connection.set_buffer_limit(None);
        Ok(connection)
    }
}

fn roots(ca: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).with_context(|| ca.display().to_string())? {
        roots.add(certificate?)?;
    }
    Ok(roots)
}

/// Believes every certificate; signatures of the handshake are checked all the same, for they cost what they cost.
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Unchecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unchecked")
    }
}
