//! Tickets: a login that was made already, for one server and one use (SPEC.md section 4.1).
//!
//! ```text
//!   0 u8 version = 1   1 u8 node_len   2 u64 issued, Unix ms   10 u64 expires, Unix ms   18 key, 16 random bytes   34 node   .. mac, 32 bytes
//!   mac = HMAC-SHA-256(cluster key, all before it | account | 0 | fingerprint of the account's keys)
//! ```
//! Invariants:
//! - A ticket says who made it only to those who hold the key, and opens nothing once the account's password is another.
//! - The key that is good once is checked at the account's home, after everything else was right.
//! - After a restart nothing is known of tickets that were used before: those that are older than the process open nothing.

use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Now, Random};
use hmac::{Hmac, Mac};
use sha2::Sha256;

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 34;
const MAC_BYTES: usize = 32;

/// What is known of an account's keys without knowing them.
pub type Fingerprint = [u8; 16];

/// Makes tickets and reads them.
#[derive(Clone)]
pub struct Tickets {
    key: [u8; 32],
    /// Tickets from before this time open nothing, in Unix milliseconds.
    not_before_ms: u64,
}

/// Why a ticket lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It was not made by who holds the key, or for this account as it is now.
    Forged,
    /// It is for another server.
    Elsewhere,
    /// It is older than this process, which cannot know whether it was used.
    Old,
    /// Its time is over.
    Expired,
    /// It was used, or too many were to be remembered.
    Used,
}

impl Refused {
    /// All of them.
    pub const ALL: [Refused; 5] = [
        Refused::Forged,
        Refused::Elsewhere,
        Refused::Old,
        Refused::Expired,
        Refused::Used,
    ];

    /// In figures and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Refused::Forged => "forged",
            Refused::Elsewhere => "elsewhere",
            Refused::Old => "old",
            Refused::Expired => "expired",
            Refused::Used => "used",
        }
    }
}

/// A ticket that is right, if it has not been used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// Good once.
    pub key: u128,
    /// Until then, in Unix milliseconds.
    pub expires_ms: u64,
}

impl Tickets {
    /// By a key that all who make and read them share. `started_ms`: when this process began, in Unix milliseconds.
    #[must_use]
    pub fn new(key: [u8; 32], started_ms: u64) -> Tickets {
        Tickets {
            key,
            not_before_ms: started_ms,
        }
    }

    /// A ticket for an account at the server of this name.
    #[must_use]
    pub fn make(
        &self,
        account: &Jid,
        fingerprint: &Fingerprint,
        node: &str,
        seconds: u32,
        now: Now,
        random: &mut dyn Random,
    ) -> Vec<u8> {
        let node = &node.as_bytes()[..node.len().min(255)];
        let mut key = [0; 16];
        random.fill(&mut key);
        let mut ticket = Vec::with_capacity(HEAD_BYTES + node.len() + MAC_BYTES);
        ticket.extend_from_slice(&[VERSION, node.len() as u8]);
        ticket.extend_from_slice(&now.unix_ms.to_le_bytes());
        ticket.extend_from_slice(&(now.unix_ms + u64::from(seconds) * 1000).to_le_bytes());
        ticket.extend_from_slice(&key);
        ticket.extend_from_slice(node);
        let mac = self.mac(&ticket, account, fingerprint).finalize().into_bytes();
        ticket.extend_from_slice(&mac);
        ticket
    }

    /// Whether this is a ticket for the account at the server of this name, now.
    ///
    /// # Errors
    /// Why it is not.
    pub fn read(
        &self,
        ticket: &[u8],
        account: &Jid,
        fingerprint: &Fingerprint,
        node: &str,
        now: Now,
    ) -> Result<Right, Refused> {
        let (head, signed, mac) = parts(ticket).ok_or(Refused::Forged)?;
        let named = &signed[HEAD_BYTES..];
        // In constant time, and before anything of it is believed.
        let authentic = self.mac(signed, account, fingerprint).verify_slice(mac);
        authentic.map_err(|_| Refused::Forged)?;
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| head[at + index]));
        let (issued_ms, expires_ms) = (number(2), number(10));
        let refused = [
            (
                head[0] != VERSION || usize::from(head[1]) != named.len(),
                Refused::Forged,
            ),
            (named != node.as_bytes(), Refused::Elsewhere),
            (issued_ms < self.not_before_ms, Refused::Old),
            (expires_ms < now.unix_ms, Refused::Expired),
        ];
        match refused.iter().find(|(wrong, _)| *wrong) {
            Some((_, why)) => Err(*why),
            None => Ok(Right {
                key: u128::from_le_bytes(std::array::from_fn(|index| head[18 + index])),
                expires_ms,
            }),
        }
    }

    fn mac(&self, signed: &[u8], account: &Jid, fingerprint: &Fingerprint) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length");
        mac.update(signed);
        mac.update(account.bare_str().as_bytes());
        mac.update(&[0]);
        mac.update(fingerprint);
        mac
    }
}

/// Head, all that is signed, and the signature.
fn parts(ticket: &[u8]) -> Option<(&[u8; HEAD_BYTES], &[u8], &[u8])> {
    let (signed, mac) = ticket.split_at_checked(ticket.len().checked_sub(MAC_BYTES)?)?;
    Some((signed.first_chunk()?, signed, mac))
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Tickets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zeros;

    impl Random for Zeros {
        fn fill(&mut self, buffer: &mut [u8]) {
            buffer.fill(0);
        }
    }

    fn at(unix_ms: u64) -> Now {
        Now { ms: 0, unix_ms }
    }

    fn juliet() -> Jid {
        "juliet@capulet.lit/balcony".parse().unwrap()
    }

    #[test]
    fn a_ticket_opens_what_it_was_made_for() {
        let tickets = Tickets::new([7; 32], 1_000);
        let ticket = tickets.make(&juliet(), &[1; 16], "fe1", 60, at(2_000), &mut Zeros);
        let right = Right {
            key: 0,
            expires_ms: 62_000,
        };
        assert_eq!(tickets.read(&ticket, &juliet(), &[1; 16], "fe1", at(62_000)), Ok(right));
    }

    #[test]
    fn and_nothing_else() {
        let tickets = Tickets::new([7; 32], 1_000);
        let ticket = tickets.make(&juliet(), &[1; 16], "fe1", 60, at(2_000), &mut Zeros);
        let read =
            |account: &Jid, fingerprint, node, now_ms| tickets.read(&ticket, account, &fingerprint, node, at(now_ms));
        assert_eq!(
            read(&juliet(), [1; 16], "fe1", 62_001),
            Err(Refused::Expired),
            "expired"
        );
        assert_eq!(
            read(&juliet(), [1; 16], "fe2", 2_000),
            Err(Refused::Elsewhere),
            "another server"
        );
        assert_eq!(
            read(&juliet(), [2; 16], "fe1", 2_000),
            Err(Refused::Forged),
            "another password"
        );
        assert_eq!(
            read(&"romeo@capulet.lit".parse().unwrap(), [1; 16], "fe1", 2_000),
            Err(Refused::Forged),
            "another account"
        );
        let restarted = Tickets::new([7; 32], 2_001);
        assert_eq!(
            restarted.read(&ticket, &juliet(), &[1; 16], "fe1", at(2_002)),
            Err(Refused::Old),
            "older than the server"
        );
        let stranger = Tickets::new([8; 32], 0);
        assert_eq!(
            stranger.read(&ticket, &juliet(), &[1; 16], "fe1", at(2_000)),
            Err(Refused::Forged),
            "another key"
        );
    }

    #[test]
    fn no_bit_of_it_may_change_and_no_byte_be_missing() {
        let tickets = Tickets::new([7; 32], 0);
        let ticket = tickets.make(&juliet(), &[1; 16], "fe1", 60, at(2_000), &mut Zeros);
        for at_bit in 0..ticket.len() * 8 {
            let mut forged = ticket.clone();
            forged[at_bit / 8] ^= 1 << (at_bit % 8);
            assert_eq!(
                tickets.read(&forged, &juliet(), &[1; 16], "fe1", at(2_000)),
                Err(Refused::Forged),
                "bit {at_bit}"
            );
        }
        for length in 0..ticket.len() {
            assert_eq!(
                tickets.read(&ticket[..length], &juliet(), &[1; 16], "fe1", at(2_000)),
                Err(Refused::Forged)
            );
        }
    }
}
