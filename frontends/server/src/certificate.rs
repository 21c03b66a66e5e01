//! The server's certificate: loaded, or made and signed by itself on first start.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use crosspoint_engine::jid::Jid;
use crosspoint_tls::{Identity, TlsConfig};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd};
use sha2::{Digest, Sha256};

use crate::config::Tls;
use crate::home::{Home, write_secret};

/// How long a certificate of our own making lasts.
const VALID_YEARS: i32 = 10;

/// A certificate in use.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What connections are made from.
    pub config: TlsConfig,
    /// SHA-256 of the certificate, as people compare it.
    pub fingerprint: String,
    /// It is of our own making.
    pub self_signed: bool,
}

/// The certificate that the configuration names, or our own, which is made if there is none.
///
/// # Errors
/// Says which file is wrong, and what to do.
pub fn of(tls: &Tls, domain: &Jid, home: &Home) -> Result<Loaded> {
    if !tls.certificate.as_os_str().is_empty() {
        return load(&tls.certificate, &tls.key);
    }
    ensure(domain, home)?;
    Ok(Loaded {
        self_signed: true,
        ..load(&home.certificate(), &home.key())?
    })
}

/// Reads a chain and its key.
///
/// # Errors
/// Says which file is wrong, and what to do.
pub fn load(certificate: &Path, key: &Path) -> Result<Loaded> {
    let identity = Identity::load(certificate, key)?;
    let fingerprint = fingerprint(identity.certificate());
    let config = TlsConfig::new(identity, &[])?;
    Ok(Loaded {
        config,
        fingerprint,
        self_signed: false,
    })
}

/// Makes a certificate for the domain in the data folder, unless one is there. `true`: it is new.
///
/// # Errors
/// The domain fits no certificate, or the folder cannot be written.
pub fn ensure(domain: &Jid, home: &Home) -> Result<bool> {
    if home.certificate().exists() && home.key().exists() {
        return Ok(false);
    }
    let (certificate, key) = self_signed(domain).with_context(|| format!("no certificate can be made for {domain}"))?;
    write_secret(&home.key(), key.as_bytes()).with_context(|| format!("cannot write {}", home.key().display()))?;
    write_secret(&home.certificate(), certificate.as_bytes())
        .with_context(|| format!("cannot write {}", home.certificate().display()))?;
    Ok(true)
}

/// Certificate and key, PEM.
fn self_signed(domain: &Jid) -> Result<(String, String)> {
    let name = idna::domain_to_ascii(domain.domain())?;
    let mut params = CertificateParams::new(vec![name.trim_matches(['[', ']']).to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let year = this_year();
    // A year back, for clocks that are behind.
    params.not_before = date_time_ymd(year - 1, 1, 1);
    params.not_after = date_time_ymd(year + VALID_YEARS, 1, 1);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn this_year() -> i32 {
    const MEAN_YEAR_S: u64 = 31_556_952;
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    i32::try_from(1970 + seconds / MEAN_YEAR_S).unwrap_or(1970)
}

fn fingerprint(certificate: &[u8]) -> String {
    let mut text = String::new();
    for (index, byte) in Sha256::digest(certificate).iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}{byte:02X}", if index == 0 { "" } else { ":" });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    fn made(domain: &str) -> (Scratch, Home) {
        let scratch = Scratch::new();
        let home = Home::at(scratch.path());
        home.create().unwrap();
        assert!(ensure(&domain.parse().unwrap(), &home).unwrap());
        (scratch, home)
    }

    #[test]
    fn a_certificate_is_made_once_and_can_be_used() {
        let (_scratch, home) = made("example.org");
        let first = load(&home.certificate(), &home.key()).unwrap();
        assert_eq!(first.fingerprint.len(), 32 * 3 - 1);
        assert!(!ensure(&"example.org".parse().unwrap(), &home).unwrap(), "it stays");
        assert_eq!(
            load(&home.certificate(), &home.key()).unwrap().fingerprint,
            first.fingerprint
        );
    }

    #[test]
    fn international_domains_and_addresses_get_one_too() {
        for domain in ["b\u{fc}cher.example", "127.0.0.1", "[::1]"] {
            let (_scratch, home) = made(domain);
            assert!(load(&home.certificate(), &home.key()).is_ok(), "{domain}");
        }
    }

    #[test]
    fn a_key_that_does_not_fit_is_refused() {
        let (_one, first) = made("a.example");
        let (_two, second) = made("b.example");
        assert!(load(&first.certificate(), &second.key()).is_err());
    }
}
