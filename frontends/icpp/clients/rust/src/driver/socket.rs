//! Connections: TCP, and TLS with the certificates that are trusted.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, ProtocolVersion, RootCertStore};

use crate::core::{EXPORTER_BYTES, Endpoint, Transport};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long one address of a name is tried alone, before the next one is tried beside it (RFC 8305 section 5).
const ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 16;

/// What `tls-exporter` is exported as (RFC 9266 section 2).
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

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

/// A connection.
pub(crate) struct Connected {
    pub stream: Box<dyn Stream>,
    /// `tls-exporter`, where TLS 1.3 gives it.
    pub exporter: Option<[u8; EXPORTER_BYTES]>,
}

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
    pub async fn dial(&self, endpoint: &Endpoint) -> io::Result<Connected> {
        match timeout(CONNECT_TIMEOUT, self.dial_patiently(endpoint)).await {
            Ok(result) => result,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn dial_patiently(&self, endpoint: &Endpoint) -> io::Result<Connected> {
        if !is_built_in(endpoint.transport) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "WebSocket is not built in"));
        }
        let addresses = lookup_host((endpoint.host.as_str(), endpoint.port)).await?;
        let tcp = connect_any(addresses.take(ADDRESSES_MAX)).await?;
        tcp.set_nodelay(true)?;
        let (stream, exporter): (Box<dyn Stream>, _) = match endpoint.transport.is_secure() {
            true => {
                let tls = self.encrypted(tcp, endpoint).await?;
                let exporter = exporter(&tls);
                (Box::new(tls), exporter)
            }
            false => (Box::new(tcp), None),
        };
        #[cfg(feature = "websocket")]
        if is_web(endpoint.transport) {
            let stream = Box::new(super::websocket::WebSocket::open(stream, endpoint).await?);
            return Ok(Connected { stream, exporter });
        }
        Ok(Connected { stream, exporter })
    }

    async fn encrypted(&self, tcp: TcpStream, endpoint: &Endpoint) -> io::Result<TlsStream<TcpStream>> {
        let unavailable = || io::Error::new(io::ErrorKind::Unsupported, "no certificates are trusted");
        let (plain, web) = self.0.as_ref().ok_or_else(unavailable)?;
        let connector = if is_web(endpoint.transport) { web } else { plain };
        let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
        connector.connect(name, tcp).await.map_err(explained)
    }
}

/// The first of a name's addresses that answers. One that is silent does not keep the others from being tried.
async fn connect_any(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        attempts.spawn(TcpStream::connect(address));
        match timeout(ADDRESS_DELAY, attempts.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => last = error,
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }
    while let Some(ended) = attempts.join_next().await {
        match ended {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}

/// The channel binding of TLS 1.3. Of earlier versions it would need an extension that not all have (RFC 9266 section 4.2).
fn exporter(tls: &TlsStream<TcpStream>) -> Option<[u8; EXPORTER_BYTES]> {
    let (_, session) = tls.get_ref();
    if session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    let exported = session.export_keying_material([0; EXPORTER_BYTES], EXPORTER_LABEL, None);
    exported.ok()
}

/// Says what can be done about a certificate that is not trusted.
fn explained(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(_)) => {
            let text = format!("{error}; a certificate that the system does not know is named by `trust`");
            io::Error::new(error.kind(), text)
        }
        _ => error,
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpSocket;

    /// Longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Found by reading: the addresses of a name were tried one after the other within one limit, so a silent one hid all that followed.
    #[tokio::test]
    async fn a_silent_address_does_not_hide_the_next_one() {
        // A listener whose queue is full: what it is sent is dropped.
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = silent.listen(1).unwrap();
        let full = silent.local_addr().unwrap();
        let mut held = Vec::new();
        while let Ok(stream) = timeout(ADDRESS_DELAY, TcpStream::connect(full)).await {
            held.push(stream.unwrap());
        }
        let closed = SocketAddr::from(([127, 0, 0, 1], 1));
        let listening = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listening.local_addr().unwrap();
        let stream = timeout(PATIENCE, connect_any([full, closed, open].into_iter())).await;
        assert_eq!(stream.expect("in time").unwrap().peer_addr().unwrap(), open);
        let refused = connect_any([closed].into_iter()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert!(connect_any([].into_iter()).await.is_err());
    }
}
