//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS from the client's side (RFC 5802, RFC 7677), the latter bound to the connection by `tls-exporter`
//! (RFC 9266); and PLAIN (RFC 4616).
//!
//! Invariants: the nonce is an argument. No login succeeds without the server's signature: whoever does not know the password
//! cannot pretend to be the server. Bound to the connection, it also fails where somebody sits between the two who has a certificate that
//! is trusted; and where he hides that the server could bind, the server finds that out (`y`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::fault::ScramFault;
use super::limits::{ITERATIONS_MAX, ITERATIONS_MIN};

/// Random bytes that a nonce is made of.
pub const NONCE_BYTES: usize = 24;

/// Bytes of `tls-exporter`.
pub const EXPORTER_BYTES: usize = 32;

/// What ties a login to its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Nothing: this side cannot.
    No,
    /// Nothing: this side could, and the server does not offer it.
    NotOffered,
    /// `tls-exporter`.
    Exporter([u8; EXPORTER_BYTES]),
}

impl Binding {
    /// The header of the first message (RFC 5802 section 7), without an authorization identity.
    fn header(self) -> &'static str {
        match self {
            Binding::No => "n,,",
            Binding::NotOffered => "y,,",
            Binding::Exporter(_) => "p=tls-exporter,,",
        }
    }

    /// `c=` of the final message.
    fn repeated(self) -> String {
        let mut bytes = self.header().as_bytes().to_vec();
        if let Binding::Exporter(data) = self {
            bytes.extend_from_slice(&data);
        }
        BASE64.encode(bytes)
    }
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.header())
    }
}

/// One exchange.
#[derive(Debug)]
pub struct Scram {
    first_bare: String,
    nonce: String,
    binding: Binding,
    /// What the server's signature is computed with, once the challenge is answered.
    expected: Option<Hmac<Sha256>>,
}

impl Scram {
    /// For the local part of an address.
    #[must_use]
    pub fn new(user: &str, random: &[u8; NONCE_BYTES], binding: Binding) -> Scram {
        let nonce = BASE64.encode(random);
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Scram {
            first_bare: format!("n={user},r={nonce}"),
            nonce,
            binding,
            expected: None,
        }
    }

    /// The first message.
    #[must_use]
    pub fn first(&self) -> String {
        format!("{}{}", self.binding.header(), self.first_bare)
    }

    /// The answer to the server's challenge.
    pub fn answer(&mut self, challenge: &[u8], password: &str) -> Result<String, ScramFault> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| ScramFault::Malformed)?;
        let (nonce, salt, iterations) = read_challenge(challenge)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramFault::Nonce);
        }
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
            return Err(ScramFault::Iterations(iterations));
        }
        let password = prepared(password);
        let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), &salt, iterations);
        let bare = format!("c={},r={nonce}", self.binding.repeated());
        let signed = format!("{},{challenge},{bare}", self.first_bare);
        let client_key = keyed(&salted, b"Client Key").finalize().into_bytes();
        let signature = keyed(&Sha256::digest(client_key), signed.as_bytes())
            .finalize()
            .into_bytes();
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
        let server_key = keyed(&salted, b"Server Key").finalize().into_bytes();
        self.expected = Some(keyed(&server_key, signed.as_bytes()));
        Ok(format!("{bare},p={}", BASE64.encode(proof)))
    }

    /// Checks the server's last word.
    pub fn verify(self, outcome: Option<&[u8]>) -> Result<(), ScramFault> {
        let outcome = outcome.and_then(|outcome| std::str::from_utf8(outcome).ok());
        let signature = outcome.and_then(|outcome| outcome.split(',').next()?.strip_prefix("v="));
        let signature = signature.and_then(|signature| BASE64.decode(signature).ok());
        let (Some(signature), Some(expected)) = (signature, self.expected) else {
            return Err(ScramFault::Signature);
        };
        // In constant time.
        expected.verify_slice(&signature).map_err(|_| ScramFault::Signature)
    }
}

/// Nonce, salt and rounds, in this order (RFC 5802 section 7). An extension before them (`m=`) is not known here.
fn read_challenge(challenge: &str) -> Result<(&str, Vec<u8>, u32), ScramFault> {
    let mut parts = challenge.split(',');
    let mut part = |name: &str| {
        let part = parts.next().and_then(|part| part.strip_prefix(name));
        part.ok_or(ScramFault::Malformed)
    };
    let (nonce, salt, iterations) = (part("r=")?, part("s=")?, part("i=")?);
    let salt = BASE64.decode(salt).map_err(|_| ScramFault::Malformed)?;
    let iterations = iterations.parse().map_err(|_| ScramFault::Malformed)?;
    Ok((nonce, salt, iterations))
}

fn keyed(key: &[u8], data: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key)
        .expect("HMAC takes keys of any length")
        .chain_update(data)
}

/// RFC 5802 section 5.1: SASLprep. A password that it forbids is used as it is; the server will say what it thinks of it.
fn prepared(password: &str) -> String {
    stringprep::saslprep(password).map_or_else(|_| password.to_owned(), |prepared| prepared.into_owned())
}

/// The only message of PLAIN.
#[must_use]
pub fn plain(user: &str, password: &str) -> Vec<u8> {
    format!("\0{user}\0{}", prepared(password)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677 section 3.
    fn exchange(challenge: &str, outcome: Option<&[u8]>) -> (Result<String, ScramFault>, Result<(), ScramFault>) {
        let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        let mut scram = Scram {
            first_bare: format!("n=user,r={nonce}"),
            nonce,
            binding: Binding::No,
            expected: None,
        };
        let answer = scram.answer(challenge.as_bytes(), "pencil");
        (answer, scram.verify(outcome))
    }

    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_exchange_of_rfc_7677() {
        let (answer, verified) = exchange(CHALLENGE, Some(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        let answer = answer.unwrap();
        assert!(
            answer.ends_with(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
            "{answer}"
        );
        assert_eq!(verified, Ok(()));
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_found_out() {
        for outcome in [
            None,
            Some(&b""[..]),
            Some(b"v="),
            Some(b"v=AAAA"),
            Some(b"\xff"),
            Some(b"e=other-error"),
        ] {
            assert_eq!(
                exchange(CHALLENGE, outcome).1,
                Err(ScramFault::Signature),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn hostile_challenges_are_refused() {
        let ours = "r=rOprNGfwEbeRWgbNEkqO";
        for (challenge, fault) in [
            (String::new(), ScramFault::Malformed),
            (format!("m=x,{CHALLENGE}"), ScramFault::Malformed),
            (format!("{ours}x,s=*,i=4096"), ScramFault::Malformed),
            (format!("{ours}x,s=AAAA,i=-1"), ScramFault::Malformed),
            (format!("{ours}x,s=AAAA,i=99999999999"), ScramFault::Malformed),
            (format!("{ours},s=AAAA,i=4096"), ScramFault::Nonce),
            ("r=another,s=AAAA,i=4096".to_owned(), ScramFault::Nonce),
            (format!("{ours}x,s=AAAA,i=1"), ScramFault::Iterations(1)),
            (
                format!("{ours}x,s=AAAA,i=4000000000"),
                ScramFault::Iterations(4_000_000_000),
            ),
        ] {
            let (answer, verified) = exchange(&challenge, Some(b"v=AAAA"));
            assert_eq!(answer, Err(fault), "{challenge}");
            assert_eq!(verified, Err(ScramFault::Signature));
        }
    }

    #[test]
    fn names_are_escaped() {
        let scram = Scram::new("a=b,c", &[0; NONCE_BYTES], Binding::No);
        assert!(scram.first().starts_with("n,,n=a=3Db=2Cc,r="));
    }

    #[test]
    fn the_binding_is_said_first_and_repeated_last() {
        for (binding, header, repeated) in [
            (Binding::No, "n,,", "biws".to_owned()),
            (Binding::NotOffered, "y,,", "eSws".to_owned()),
            (
                Binding::Exporter([7; EXPORTER_BYTES]),
                "p=tls-exporter,,",
                BASE64.encode([&b"p=tls-exporter,,"[..], &[7; EXPORTER_BYTES]].concat()),
            ),
        ] {
            let mut scram = Scram::new("juliet", &[0; NONCE_BYTES], binding);
            let first = scram.first();
            assert!(first.starts_with(&format!("{header}n=juliet,r=")), "{first}");
            let nonce = first.split("r=").nth(1).unwrap();
            let challenge = format!("r={nonce}x,s=AAAA,i=4096");
            let last = scram.answer(challenge.as_bytes(), "pencil").unwrap();
            assert!(last.starts_with(&format!("c={repeated},r=")), "{last}");
            assert!(!format!("{scram:?}").contains("[7, 7"), "it is a secret");
        }
    }
}
