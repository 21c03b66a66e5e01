//! What the tests share: a certificate, a client, and a wire between the two ends.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::sync::Arc;

use crosspoint_tls::{Identity, Tls, TlsConfig, TlsFault};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

/// A self-signed certificate for `localhost`, as DER and PEM, and its key as PEM.
pub struct Authority {
    pub der: CertificateDer<'static>,
    pub chain_pem: String,
    pub key_pem: String,
}

pub fn authority() -> Authority {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Authority {
        der: signed.cert.der().clone(),
        chain_pem: signed.cert.pem(),
        key_pem: signed.signing_key.serialize_pem(),
    }
}

impl Authority {
    pub fn server(&self) -> TlsConfig {
        let identity = Identity::from_pem(self.chain_pem.as_bytes(), self.key_pem.as_bytes()).unwrap();
        TlsConfig::new(identity, &[b"xmpp-client"]).unwrap()
    }

    /// A client that trusts this certificate and speaks one version, and only the suites whose name contains `suite`.
    pub fn client(&self, version: &'static SupportedProtocolVersion, suite: &str) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let mut provider = rustls::crypto::ring::default_provider();
        provider
            .cipher_suites
            .retain(|known| format!("{:?}", known.suite()).contains(suite));
        let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"xmpp-client".to_vec()];
        client
    }
}

pub fn connect(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(Arc::clone(config), name).unwrap()
}

/// Everything that the client wants to send now.
pub fn spoken(client: &mut ClientConnection) -> Vec<u8> {
    let mut cipher = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut cipher).unwrap();
    }
    cipher
}

/// Lets the client take `cipher`, and returns the plaintext in it.
pub fn heard(client: &mut ClientConnection, mut cipher: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while !cipher.is_empty() {
        client.read_tls(&mut cipher).unwrap();
        client.process_new_packets().unwrap();
        // An error here only says that there is no more.
        let _ = client.reader().read_to_end(&mut plain);
    }
    plain
}

/// Carries bytes to and fro, in pieces of at most `piece` bytes towards the server, until nobody has anything to say.
/// Returns the plaintext that the server read.
pub fn carry(client: &mut ClientConnection, server: &mut Tls, piece: usize) -> Result<Vec<u8>, TlsFault> {
    let mut plain = Vec::new();
    loop {
        let mut out = Vec::new();
        let cipher = spoken(client);
        for received in cipher.chunks(piece) {
            server.read(&mut received.to_vec(), &mut plain, &mut out)?;
        }
        if cipher.is_empty() && out.is_empty() {
            return Ok(plain);
        }
        heard(client, &out);
    }
}

/// A client and a server after their handshake.
pub fn established(server: &TlsConfig, client: &Arc<ClientConfig>) -> (ClientConnection, Tls) {
    let (mut client, mut server) = (connect(client), Tls::new(server).unwrap());
    carry(&mut client, &mut server, usize::MAX).unwrap();
    assert!(server.is_established() && !client.is_handshaking());
    (client, server)
}

/// Sends `plain` from the client to the server in one go.
pub fn say(client: &mut ClientConnection, server: &mut Tls, plain: &[u8]) -> Vec<u8> {
    client.writer().write_all(plain).unwrap();
    carry(client, server, usize::MAX).unwrap()
}
