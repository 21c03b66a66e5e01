//! SCRAM from the client's side (RFC 5802, RFC 7677), without channel binding; and PLAIN (RFC 4616). What goes over the
//! wire is here as the mechanisms define it; a protocol that wants it in base64 sees to that.
//!
//! Pure: the nonce is an argument. The client checks the server's signature, so that a run against a server that does
//! not know the password fails.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::plan::Mechanism;

/// Rounds that a server may ask for; more would stall the whole run.
const ITERATIONS_MAX: u32 = 1_000_000;

/// The hash function under a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Sha1 => Hmac::<Sha1>::new_from_slice(key)?
                .chain_update(data)
                .finalize()
                .into_bytes()
                .to_vec(),
            Self::Sha256 => Hmac::<Sha256>::new_from_slice(key)?
                .chain_update(data)
                .finalize()
                .into_bytes()
                .to_vec(),
        })
    }

    fn salted_password(self, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(password.as_bytes(), salt, iterations).to_vec(),
            Self::Sha256 => pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt, iterations).to_vec(),
        }
    }
}

/// What a password and a salt give, and what took the rounds. A client may keep it (RFC 5802 section 3), as those of
/// people do: a storm of returning users costs the load generator no more than it costs theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salted {
    hash: Hash,
    salt: Vec<u8>,
    iterations: u32,
    password: Vec<u8>,
}

/// One exchange: `first`, the server's challenge, `last`, the server's outcome.
#[derive(Debug)]
pub struct Scram {
    hash: Hash,
    first_bare: String,
    nonce: String,
    signature: Vec<u8>,
}

impl Scram {
    pub fn new(hash: Hash, user: &str, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self {
            hash,
            first_bare: format!("n={user},r={nonce}"),
            nonce,
            signature: Vec::new(),
        }
    }

    pub fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// Answers the server's challenge. What an earlier exchange has put into `kept` is used if it is still right.
    pub fn last(&mut self, challenge: &[u8], password: &str, kept: &mut Option<Box<Salted>>) -> Result<String> {
        let challenge = str::from_utf8(challenge)?;
        let nonce = attribute(challenge, "r=")?;
        let salt = BASE64.decode(attribute(challenge, "s=")?)?;
        let iterations: u32 = attribute(challenge, "i=")?.parse()?;
        ensure!(nonce.starts_with(&self.nonce), "the server changed our nonce");
        ensure!(
            (1..=ITERATIONS_MAX).contains(&iterations),
            "the server asks for {iterations} rounds"
        );
        let hash = self.hash;
        if !kept.as_ref().is_some_and(|kept| kept.is_of(hash, &salt, iterations)) {
            *kept = Some(Box::new(Salted {
                hash,
                password: hash.salted_password(password, &salt, iterations),
                salt,
                iterations,
            }));
        }
        let salted = kept.as_ref().map_or(&[][..], |kept| &kept.password);
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{challenge},{without_proof}", self.first_bare);
        let client_key = self.hash.hmac(salted, b"Client Key")?;
        let signature = self.hash.hmac(&self.hash.digest(&client_key), signed.as_bytes())?;
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(key, sign)| key ^ sign)
            .collect();
        let server_key = self.hash.hmac(salted, b"Server Key")?;
        self.signature = self.hash.hmac(&server_key, signed.as_bytes())?;
        Ok(format!("{without_proof},p={}", BASE64.encode(proof)))
    }

    /// Checks what came with the server's consent.
    pub fn verify(&self, outcome: &[u8]) -> Result<()> {
        let signature = BASE64.decode(attribute(str::from_utf8(outcome)?, "v=")?)?;
        if self.signature.is_empty() || signature != self.signature {
            bail!("the server does not know the password");
        }
        Ok(())
    }
}

/// All that is said for PLAIN.
pub fn plain(user: &str, password: &str) -> String {
    format!("\0{user}\0{password}")
}

/// The mechanism to use, and its hash function if it is a SCRAM; `has` says what is offered. It is the caller's to see
/// whether the one returned is.
pub fn choose(wanted: Mechanism, has: impl Fn(&str) -> bool) -> (&'static str, Option<Hash>) {
    match wanted {
        Mechanism::Best if has("SCRAM-SHA-256") => ("SCRAM-SHA-256", Some(Hash::Sha256)),
        Mechanism::Best if has("SCRAM-SHA-1") => ("SCRAM-SHA-1", Some(Hash::Sha1)),
        Mechanism::Best | Mechanism::Plain => ("PLAIN", None),
        Mechanism::ScramSha1 => ("SCRAM-SHA-1", Some(Hash::Sha1)),
        Mechanism::ScramSha256 => ("SCRAM-SHA-256", Some(Hash::Sha256)),
    }
}

/// 18 random bytes in base64, which holds no comma.
pub fn nonce() -> Result<String> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(BASE64.encode(bytes))
}

impl Salted {
    fn is_of(&self, hash: Hash, salt: &[u8], iterations: u32) -> bool {
        self.hash == hash && self.salt == salt && self.iterations == iterations
    }
}

fn attribute<'a>(message: &'a str, name: &str) -> Result<&'a str> {
    message
        .split(',')
        .find_map(|part| part.strip_prefix(name))
        .with_context(|| format!("no {name} in the server's SCRAM message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(hash: Hash, nonce: &str, challenge: &str, outcome: &str) -> (String, Result<()>) {
        let mut scram = Scram::new(hash, "user", nonce.to_owned());
        let last = scram.last(challenge.as_bytes(), "pencil", &mut None).unwrap();
        (last, scram.verify(outcome.as_bytes()))
    }

    #[test]
    fn the_exchange_of_rfc_5802_section_5() {
        let (last, verified) = exchange(
            Hash::Sha1,
            "fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        );
        assert_eq!(
            last,
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
        );
        verified.unwrap();
    }

    #[test]
    fn the_exchange_of_rfc_7677_section_3() {
        let (last, verified) = exchange(
            Hash::Sha256,
            "rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        );
        assert!(
            last.ends_with(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
            "{last}"
        );
        verified.unwrap();
    }

    #[test]
    fn the_rounds_are_kept_for_the_next_login_as_long_as_the_salt_is_the_same() {
        let mut kept = None;
        let mut last = |challenge: &str, password: &str| {
            let mut scram = Scram::new(Hash::Sha256, "user", "abc".to_owned());
            scram.last(challenge.as_bytes(), password, &mut kept).unwrap()
        };
        let first = last("r=abcd,s=QSXCR+Q6sek8bf92,i=10", "pencil");
        assert_eq!(last("r=abcd,s=QSXCR+Q6sek8bf92,i=10", "not asked"), first);
        assert_ne!(last("r=abcd,s=QSXCR+Q6sek8bf92,i=11", "pencil"), first);
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_found_out() {
        let (_, verified) = exchange(Hash::Sha1, "abc", "r=abcd,s=QSXCR+Q6sek8bf92,i=1", "v=AAAA");
        assert!(verified.is_err());
    }
}
