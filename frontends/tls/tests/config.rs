//! Certificates and keys as people bring them: what works, and what they are told when it does not.

mod common;

use std::path::{Path, PathBuf};

use common::authority;
use crosspoint_tls::{ConfigError, Identity, TlsConfig, server_end_point};
use sha2::{Digest, Sha256, Sha384};

/// A folder for one test's files, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("crosspoint-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn refusal(chain: &Path, key: &Path) -> String {
    let refused = Identity::load(chain, key).and_then(|identity| TlsConfig::new(identity, &[]));
    refused.unwrap_err().to_string()
}

#[test]
fn certificate_and_key_are_loaded_from_two_files_or_from_one() {
    let (folder, authority) = (Folder::new("load"), authority());
    let chain = folder.write("chain.pem", &authority.chain_pem);
    let key = folder.write("key.pem", &authority.key_pem);
    let both = folder.write("both.pem", &format!("{}{}", authority.key_pem, authority.chain_pem));
    for (chain, key) in [(&chain, &key), (&both, &both)] {
        let identity = Identity::load(chain, key).unwrap();
        assert_eq!(identity.certificate(), authority.der.as_ref());
        let config = TlsConfig::new(identity, &[b"xmpp-client"]).unwrap();
        assert_eq!(
            config.server_end_point().map(Vec::from),
            server_end_point(&authority.der)
        );
        assert_eq!(config.server_end_point().unwrap().len(), 32, "ECDSA with SHA-256");
    }
}

#[test]
fn every_mistake_names_the_file_and_says_what_to_do() {
    let (folder, authority) = (Folder::new("mistakes"), authority());
    let chain = folder.write("chain.pem", &authority.chain_pem);
    let key = folder.write("key.pem", &authority.key_pem);
    let missing = folder.0.join("missing.pem");
    let empty = folder.write("empty.pem", "");
    let other = folder.write("other.pem", &common::authority().key_pem);
    let torn = folder.write("torn.pem", &authority.chain_pem[..authority.chain_pem.len() - 30]);
    let locked = folder.write(
        "locked.pem",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let garbled = folder.write(
        "garbled.pem",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    );
    let cases = [
        (&missing, &key, "missing.pem", "Check the path"),
        (&chain, &missing, "missing.pem", "Check the path"),
        (&empty, &key, "empty.pem", "PEM file is expected"),
        (&chain, &empty, "empty.pem", "PEM file is expected"),
        (&torn, &key, "torn.pem", "Copy the file again"),
        (&chain, &locked, "locked.pem", "openssl pkey"),
        (&chain, &other, "other.pem", "do not belong together"),
        (&chain, &garbled, "garbled.pem", "Use an ECDSA"),
    ];
    for (chain, key, file, advice) in cases {
        let text = refusal(chain, key);
        assert!(text.contains(file) && text.contains(advice), "{text}");
    }
}

#[test]
fn the_kinds_of_mistake_can_be_told_apart() {
    let authority = authority();
    let pem = |chain: &str, key: &str| Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
    assert!(matches!(pem("", &authority.key_pem), ConfigError::NoCertificate(_)));
    assert!(matches!(pem(&authority.chain_pem, ""), ConfigError::NoKey(_)));
    assert!(matches!(
        pem("-----BEGIN CERTIFICATE-----\n!", ""),
        ConfigError::BadPem(..)
    ));
}

#[test]
fn the_certificate_is_hashed_as_its_signature_is() {
    let signed = |algorithm| {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.self_signed(&key).unwrap().der().clone()
    };
    let der = signed(&rcgen::PKCS_ECDSA_P256_SHA256);
    assert_eq!(server_end_point(&der), Some(Sha256::digest(&der).to_vec()));
    let der = signed(&rcgen::PKCS_ECDSA_P384_SHA384);
    assert_eq!(server_end_point(&der), Some(Sha384::digest(&der).to_vec()));
    assert_eq!(
        server_end_point(&signed(&rcgen::PKCS_ED25519)),
        None,
        "no hash of its own"
    );
}
