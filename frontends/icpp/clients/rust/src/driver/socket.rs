//! Connections: TCP, and TLS with the certificates that are trusted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::core::{Endpoint, Transport};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// ALPN of the protocol (SPEC.md section 1).
const ALPN: &[u8] = b"icpp/1";

/// ALPN of HTTP/1.1, which WebSockets begin with (RFC 7301).
const ALPN_WEB: &[u8] = b"http/1.1";

/// Where systems keep the certificates that they trust.
const SYSTEM_FILES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

fn is_web(transport: Transport) -> bool {
    matches!(transport, Transport::WebSocket | Transport::WebSocketTls)
}

/// Whether this build has the transport.
pub(crate) fn is_built_in(transport: Transport) -> bool {
    cfg!(feature = "websocket") || !is_web(transport)
}

/// Certificates that are to be trusted cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read, or has no certificate.
    #[error("{0}: {1}")]
    File(PathBuf, String),
    /// No file was named, and the system has none where it is looked for.
    #[error("the system's are not found; name a PEM file")]
    NoSystemFile,
    /// The TLS library does not take them.
    #[error("{0}")]
    Tls(String),
}

/// Anything that bytes go through.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How encrypted connections are made, to ICPP and to HTTP; `None` if none is needed.
#[derive(Clone)]
pub(crate) struct Trust(Option<(TlsConnector, TlsConnector)>);

impl Trust {
    /// Trusts these files, or else the system's.
    pub fn new(files: &[PathBuf], needed: bool) -> Result<Trust, TrustError> {
        if !needed && files.is_empty() {
            return Ok(Trust(None));
        }
        let mut roots = RootCertStore::empty();
        if files.is_empty() {
            let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
            let mut known = named.into_iter().chain(SYSTEM_FILES.iter().map(PathBuf::from));
            let file = known.find(|file| file.exists()).ok_or(TrustError::NoSystemFile)?;
            // Of hundreds, one may be of a kind that is not known here.
            for certificate in certificates(&file)? {
                let _ = roots.add(certificate);
            }
        }
        for file in files {
            for certificate in certificates(file)? {
                let added = roots.add(certificate);
                added.map_err(|error| TrustError::File(file.clone(), error.to_string()))?;
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TrustError::Tls(error.to_string()))?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        let plain = TlsConnector::from(Arc::new(config.clone()));
        config.alpn_protocols = vec![ALPN_WEB.to_vec()];
        Ok(Trust(Some((plain, TlsConnector::from(Arc::new(config))))))
    }

    /// Makes a connection.
    pub async fn dial(&self, endpoint: &Endpoint) -> io::Result<Box<dyn Stream>> {
        match timeout(CONNECT_TIMEOUT, self.dial_patiently(endpoint)).await {
            Ok(result) => result,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn dial_patiently(&self, endpoint: &Endpoint) -> io::Result<Box<dyn Stream>> {
        if !is_built_in(endpoint.transport) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "WebSocket is not built in"));
        }
        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match endpoint.transport.is_secure() {
            true => Box::new(self.encrypted(tcp, endpoint).await?),
            false => Box::new(tcp),
        };
        #[cfg(feature = "websocket")]
        if is_web(endpoint.transport) {
            return Ok(Box::new(super::websocket::WebSocket::open(stream, endpoint).await?));
        }
        Ok(stream)
    }

    async fn encrypted(&self, tcp: TcpStream, endpoint: &Endpoint) -> io::Result<TlsStream<TcpStream>> {
        let unavailable = || io::Error::new(io::ErrorKind::Unsupported, "no certificates are trusted");
        let (plain, web) = self.0.as_ref().ok_or_else(unavailable)?;
        let connector = if is_web(endpoint.transport) { web } else { plain };
        let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
        connector.connect(name, tcp).await
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let wrong = |why: String| TrustError::File(file.to_owned(), why);
    let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
    let found: Vec<_> = read
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    match found.is_empty() {
        true => Err(wrong("no certificate in it".to_owned())),
        false => Ok(found),
    }
}
