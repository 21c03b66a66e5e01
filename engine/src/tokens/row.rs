//! The tokens of one client, as the book keeps them, and what becomes of them when one is shown or made.
//!
//! ```text
//!   +------+---------------------+---------------------+     a token:
//!   | 0x01 | present? 0/1, token | present? 0/1, token |     nonce 16 | mechanism u8 | made u64 | expires u64 | count u32
//!   +------+---------------------+---------------------+     times in Unix ms, little endian
//!            the one in use        the one not used yet
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Maker, Mechanism, NONCE_BYTES, NewToken, Owner, PROOF_BYTES, Shown, same};

const VERSION: u8 = 1;
const TOKEN_BYTES: usize = NONCE_BYTES + 1 + 8 + 8 + 4;

/// What is kept of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is made of.
    pub nonce: [u8; NONCE_BYTES],
    /// The only one by which it can be shown.
    pub mechanism: Mechanism,
    /// When it was made, in Unix milliseconds.
    pub made_unix_ms: u64,
    /// When it is good no more, in Unix milliseconds.
    pub expires_unix_ms: u64,
    /// The highest count by which it was shown.
    pub count: u32,
}

/// The tokens of one client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots {
    /// The one that the client has used last, or its first.
    pub current: Option<Token>,
    /// One that was sent to it, and that it has not used yet.
    pub next: Option<Token>,
}

/// What is to be said of a token that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It opens the account.
    Good {
        /// By which we prove in turn that we know it.
        answer: [u8; PROOF_BYTES],
        /// When it was made, in Unix milliseconds.
        made_unix_ms: u64,
    },
    /// It is none, of somebody else's, for another mechanism or channel, or its message was shown before.
    Wrong,
    /// It was good once.
    Expired,
}

impl Slots {
    /// Judges a token that is shown. Gives whether the row has changed, too: then it must be durable before anybody learns
    /// of the verdict, or a message could be shown a second time.
    pub fn judge(&mut self, shown: &Shown, maker: &Maker<'_>, now_unix_ms: u64) -> (Verdict, bool) {
        // Both places are computed and compared whether there is a token or not.
        let (next, next_answer) = fits(self.next.as_ref(), shown, maker);
        let (current, current_answer) = fits(self.current.as_ref(), shown, maker);
        let (slot, answer) = match (next, current) {
            (true, _) => (&mut self.next, next_answer),
            (false, true) => (&mut self.current, current_answer),
            (false, false) => return (Verdict::Wrong, false),
        };
        let Some(token) = slot else {
            return (Verdict::Wrong, false);
        };
        if token.expires_unix_ms <= now_unix_ms {
            *slot = None;
            return (Verdict::Expired, true);
        }
        if shown.count.is_some_and(|count| count <= token.count) {
            return (Verdict::Wrong, false);
        }
        let counted = shown.count.is_some();
        token.count = shown.count.unwrap_or(token.count);
        let verdict = Verdict::Good {
            answer,
            made_unix_ms: token.made_unix_ms,
        };
        if shown.invalidate {
            *self = Slots::default();
        } else if next {
            // The client has received it: the one before it is good no more.
            self.current = self.next.take();
        }
        (verdict, counted || shown.invalidate || next)
    }

    /// Makes a token, in place of one that was made before and never used.
    pub fn issue(&mut self, owner: &Owner, token: Token, maker: &Maker<'_>) -> NewToken {
        self.next = Some(token);
        NewToken {
            text: maker.text(owner, &token),
            expires_unix_ms: token.expires_unix_ms,
        }
    }

    /// Forgets what has expired.
    pub fn expire(&mut self, now_unix_ms: u64) {
        for slot in [&mut self.current, &mut self.next] {
            if slot.is_some_and(|token| token.expires_unix_ms <= now_unix_ms) {
                *slot = None;
            }
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.current.is_none() && self.next.is_none()
    }

    /// When the newer one was made, in Unix milliseconds; 0 for none.
    pub fn made_unix_ms(&self) -> u64 {
        let made = |slot: &Option<Token>| slot.map_or(0, |token| token.made_unix_ms);
        made(&self.current).max(made(&self.next))
    }

    /// For the book.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(3 + 2 * TOKEN_BYTES);
        bytes.put_u8(VERSION);
        for slot in [&self.current, &self.next] {
            bytes.put_u8(slot.is_some().into());
            if let Some(token) = slot {
                bytes.put_slice(&token.nonce);
                bytes.put_u8(token.mechanism as u8);
                bytes.put_u64_le(token.made_unix_ms);
                bytes.put_u64_le(token.expires_unix_ms);
                bytes.put_u32_le(token.count);
            }
        }
        bytes.freeze()
    }

    /// From the book; `None` if these are no tokens of a version that this build knows.
    pub fn decode(mut bytes: &[u8]) -> Option<Slots> {
        let rest = &mut bytes;
        if rest.try_get_u8().ok()? != VERSION {
            return None;
        }
        let slots = Slots {
            current: token(rest)?,
            next: token(rest)?,
        };
        rest.is_empty().then_some(slots)
    }
}

fn token(rest: &mut &[u8]) -> Option<Option<Token>> {
    match rest.try_get_u8().ok()? {
        0 => return Some(None),
        1 => {}
        _ => return None,
    }
    let mut nonce = [0; NONCE_BYTES];
    rest.try_copy_to_slice(&mut nonce).ok()?;
    let number = rest.try_get_u8().ok()?;
    Some(Some(Token {
        nonce,
        mechanism: Mechanism::ALL.into_iter().find(|known| *known as u8 == number)?,
        made_unix_ms: rest.try_get_u64_le().ok()?,
        expires_unix_ms: rest.try_get_u64_le().ok()?,
        count: rest.try_get_u32_le().ok()?,
    }))
}

/// Whether the token in this place is the one that is shown, and our answer to whoever has it.
fn fits(slot: Option<&Token>, shown: &Shown, maker: &Maker<'_>) -> (bool, [u8; PROOF_BYTES]) {
    const NOBODYS: Token = Token {
        nonce: [0; NONCE_BYTES],
        mechanism: Mechanism::Unbound,
        made_unix_ms: 0,
        expires_unix_ms: 0,
        count: 0,
    };
    let token = slot.unwrap_or(&NOBODYS);
    let (proof, answer) = maker.proofs(&shown.owner, token, &shown.binding);
    let good = same(&proof, &shown.proof) & (token.mechanism == shown.mechanism) & slot.is_some();
    (good, answer)
}
