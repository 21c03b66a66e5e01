//! Certificate, key and parameters: what sessions are made from.
//!
//! A [`TlsConfig`] does not change. To reload a certificate, build another one and put it in the place of the first: new
//! sessions use it, those that are open go on with what they have.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, ServerConfig};

use crate::end_point::server_end_point;
use crate::tap::{ExporterTap, NameTap};

/// Tickets sent after a TLS 1.3 handshake. One suffices for a client that comes back over one connection.
const TICKETS_SENT: usize = 1;

/// A certificate chain, the server's own certificate first, and its private key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    origin: Origin,
}

/// Everything that sessions share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    server: Arc<ServerConfig>,
    end_point: Option<Arc<[u8]>>,
}

/// Why a certificate or key cannot be used. `Display` says which file, what is wrong with it, and what to do.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// The file has no PEM section `BEGIN CERTIFICATE`.
    NoCertificate(PathBuf),
    /// The file has no private key in PEM.
    NoKey(PathBuf),
    /// The private key is protected by a password.
    EncryptedKey(PathBuf),
    /// The file's PEM is damaged.
    BadPem(PathBuf, String),
    /// Key and certificate do not belong together.
    Mismatch(PathBuf, PathBuf),
    /// A kind of key or certificate that is not supported, or is damaged.
    Unsupported(PathBuf, String),
}

/// Where an identity came from, for messages.
#[derive(Debug, Clone)]
struct Origin {
    chain: PathBuf,
    key: PathBuf,
}

impl Identity {
    /// Reads a PEM file with the certificate chain, and a PEM file with the private key (PKCS#8, PKCS#1 or SEC1). They may
    /// be the same file.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(chain: &Path, key: &Path) -> Result<Self, ConfigError> {
        let read = |path: &Path| std::fs::read(path).map_err(|error| ConfigError::Unreadable(path.to_owned(), error));
        Self::parse(
            &read(chain)?,
            &read(key)?,
            Origin {
                chain: chain.to_owned(),
                key: key.to_owned(),
            },
        )
    }

    /// As [`Identity::load`], from memory.
    ///
    /// # Errors
    /// See [`ConfigError`]; it names the parts `certificate` and `key`.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, ConfigError> {
        Self::parse(
            chain,
            key,
            Origin {
                chain: "certificate".into(),
                key: "key".into(),
            },
        )
    }

    /// The server's own certificate (DER).
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        // `parse` refuses an empty chain.
        self.chain.first().map_or(&[], |certificate| certificate.as_ref())
    }

    fn parse(chain: &[u8], key: &[u8], origin: Origin) -> Result<Self, ConfigError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| ConfigError::BadPem(origin.chain.clone(), error.to_string()))?;
        if chain.is_empty() {
            return Err(ConfigError::NoCertificate(origin.chain));
        }
        let key = match PrivateKeyDer::pem_slice_iter(key).next() {
            Some(Ok(key)) => key,
            Some(Err(error)) => return Err(ConfigError::BadPem(origin.key, error.to_string())),
            None if is_encrypted(key) => return Err(ConfigError::EncryptedKey(origin.key)),
            None => return Err(ConfigError::NoKey(origin.key)),
        };
        Ok(Self { chain, key, origin })
    }
}

impl TlsConfig {
    /// Builds the configuration: TLS 1.2 and 1.3, this identity for every server name, these application protocols
    /// (RFC 7301; a client that offers none is served too), stateless tickets, no early data.
    ///
    /// # Errors
    /// When key and certificate do not fit, or their kind is not supported.
    pub fn new(identity: Identity, protocols: &[&[u8]]) -> Result<Self, ConfigError> {
        Self::with_provider(identity, protocols, ring::default_provider())
    }

    /// As [`TlsConfig::new`], with a choice of cipher suites.
    ///
    /// # Errors
    /// As [`TlsConfig::new`].
    pub(crate) fn with_provider(
        identity: Identity,
        protocols: &[&[u8]],
        provider: CryptoProvider,
    ) -> Result<Self, ConfigError> {
        let Identity { chain, key, origin } = identity;
        let end_point = chain.first().and_then(|certificate| server_end_point(certificate));
        let provider = Arc::new(provider);
        let refused = |error: Error| refusal(&origin, &error);
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(refused)?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(NameTap(Arc::new(certified))));
        server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        server.key_log = Arc::new(ExporterTap);
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.ticketer = ring::Ticketer::new().map_err(refused)?;
        server.send_tls13_tickets = TICKETS_SENT;
        server.max_early_data_size = 0;
        Ok(Self {
            server: Arc::new(server),
            end_point: end_point.map(Arc::from),
        })
    }

    /// The same certificate and parameters, for other application protocols (RFC 7301).
    #[must_use]
    pub fn with_protocols(&self, protocols: &[&[u8]]) -> Self {
        let mut server = ServerConfig::clone(&self.server);
        server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Self {
            server: Arc::new(server),
            end_point: self.end_point.clone(),
        }
    }

    /// The channel binding tls-server-end-point of all sessions made from this; see [`server_end_point`].
    #[must_use]
    pub fn server_end_point(&self) -> Option<&[u8]> {
        self.end_point.as_deref()
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }
}

fn is_encrypted(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn refusal(origin: &Origin, error: &Error) -> ConfigError {
    let Origin { chain, key } = origin.clone();
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => ConfigError::Mismatch(chain, key),
        Error::InvalidCertificate(_) => ConfigError::Unsupported(chain, error.to_string()),
        _ => ConfigError::Unsupported(key, error.to_string()),
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => {
                write!(f, "{}: {error}. Check the path and who may read it", path.display())
            }
            Self::NoCertificate(path) => write!(
                f,
                "{}: no certificate in it. A PEM file is expected, with the server's certificate first and those of the \
                 issuers after it",
                path.display()
            ),
            Self::NoKey(path) => write!(
                f,
                "{}: no private key in it. A PEM file is expected, with PKCS#8, PKCS#1 or SEC1 inside",
                path.display()
            ),
            Self::EncryptedKey(path) => write!(
                f,
                "{}: the private key is encrypted. Decrypt it with `openssl pkey -in KEY -out PLAIN_KEY`",
                path.display()
            ),
            Self::BadPem(path, what) => {
                write!(
                    f,
                    "{}: damaged PEM: {what}. Copy the file again from its source",
                    path.display()
                )
            }
            Self::Mismatch(chain, key) => write!(
                f,
                "{} and {} do not belong together: the key is not that of the first certificate. Put the server's own \
                 certificate first, or name the key that it was made with",
                chain.display(),
                key.display()
            ),
            Self::Unsupported(path, what) => write!(
                f,
                "{}: {what}. Use an ECDSA P-256 or P-384, Ed25519, or RSA (2048 bits or more) key and a certificate of \
                 version 3",
                path.display()
            ),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, error) => Some(error),
            _ => None,
        }
    }
}
