//! Passwords that were right lately: a client that shows one again is known by one HMAC instead of thousands.
//!
//! PLAIN costs the server what SCRAM costs the client, the whole derivation, at every login. So a password that has opened
//! an account leaves a mark:
//! ```text
//!   mark = the first 128 bits of HMAC-SHA-256(secret of this process, StoredKey of the account | password)
//!   table: 32,768 sets of 4 marks, 2 MiB in all, made when the first password was right; the mark names its set
//! ```
//!
//! Invariants:
//! - The secret is random, made with the process, and leaves it never: the marks say nothing without it, and neither is
//!   written, logged or shown.
//! - A mark stands for the keys that the account has now. Whoever changes or removes the password need not come here: the
//!   old mark matches nothing any more, and is overwritten in time.
//! - Only a password that was right leaves a mark, so a wrong one costs its guesser, and us, the derivation as before.
//! - The table never grows, and a mark may be lost at any time: the next login derives again.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use subtle::ConstantTimeEq;

use super::keys::AccountKeys;

/// Marks that are remembered by a process.
pub const REMEMBERED_MAX: usize = 131_072;

const WAYS: usize = 4;
const SETS: usize = REMEMBERED_MAX / WAYS;
const _: () = assert!(SETS.is_power_of_two());

/// What is left of a password that was shown for an account; see the module.
#[derive(Clone, Copy)]
pub struct Mark([u64; 2]);

/// The marks of one process, shared by its shards.
pub struct Remembered {
    secret: [u8; 32],
    sets: OnceLock<Box<[Set]>>,
}

/// One cache line. A mark that two threads write at once may become a mixture of both, which matches neither.
#[repr(align(64))]
#[derive(Default)]
struct Set([[AtomicU64; 2]; WAYS]);

impl Remembered {
    /// Nothing yet. `secret` is random, and of this process alone.
    pub fn new(secret: [u8; 32]) -> Self {
        Self {
            secret,
            sets: OnceLock::new(),
        }
    }

    /// The mark of a password for an account with these keys, real or made up. Two compressions; says nothing yet.
    pub fn mark(&self, keys: &AccountKeys, password: &str) -> Mark {
        let digest = keys.seal_password(&self.secret, password);
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| digest[at + index]));
        // Zero is a place that was never used.
        Mark([word(0), word(8) | 1])
    }

    /// Has this password opened this account lately? In constant time for a given fill of the table.
    pub fn knows(&self, mark: &Mark) -> bool {
        let Some(sets) = self.sets.get() else { return false };
        let places = &sets[mark.set()].0;
        let same = places.iter().map(|place| {
            let [high, low] = [place[0].load(Relaxed), place[1].load(Relaxed)];
            high.ct_eq(&mark.0[0]) & low.ct_eq(&mark.0[1])
        });
        same.fold(subtle::Choice::from(0), |any, one| any | one).into()
    }

    /// This password has opened this account.
    pub fn remember(&self, mark: &Mark) {
        let sets = self.sets.get_or_init(|| (0..SETS).map(|_| Set::default()).collect());
        let places = &sets[mark.set()].0;
        let empty = places.iter().position(|place| place[1].load(Relaxed) == 0);
        let place = &places[empty.unwrap_or(mark.way())];
        place[0].store(mark.0[0], Relaxed);
        place[1].store(mark.0[1], Relaxed);
    }
}

impl Mark {
    fn set(&self) -> usize {
        self.0[0] as usize & (SETS - 1)
    }

    /// Which of a full set gives way: as good as random.
    fn way(&self) -> usize {
        (self.0[0] >> 32) as usize % WAYS
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Remembered(secret)")
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Mark(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::{ITERATIONS_MIN, derive, fake};
    use super::*;

    fn keys(password: &str, salt: u8) -> AccountKeys {
        derive(password, &[salt; 16], ITERATIONS_MIN).unwrap()
    }

    #[test]
    fn a_password_is_known_once_it_was_right_and_no_other_is() {
        let (remembered, keys) = (Remembered::new([7; 32]), keys("pencil", 1));
        let mark = remembered.mark(&keys, "pencil");
        assert!(!remembered.knows(&mark));
        remembered.remember(&mark);
        assert!(remembered.knows(&remembered.mark(&keys, "pencil")));
        for other in ["", "pencil ", "penci", "Pencil"] {
            assert!(!remembered.knows(&remembered.mark(&keys, other)), "{other:?}");
        }
    }

    #[test]
    fn new_keys_forget_the_old_password_even_if_it_is_the_same() {
        let remembered = Remembered::new([7; 32]);
        remembered.remember(&remembered.mark(&keys("pencil", 1), "pencil"));
        for changed in [
            keys("pencil", 2),
            keys("pen", 1),
            fake(&[0; 32], "juliet@verona.lit", 4096),
        ] {
            assert!(!remembered.knows(&remembered.mark(&changed, "pencil")));
        }
    }

    #[test]
    fn another_process_has_other_marks() {
        let keys = keys("pencil", 1);
        let marks = [1, 2].map(|secret| Remembered::new([secret; 32]).mark(&keys, "pencil").0);
        assert_ne!(marks[0], marks[1]);
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_latest() {
        let remembered = Remembered::new([7; 32]);
        let keys = fake(&[0; 32], "juliet@verona.lit", 4096);
        let mark = |number: usize| remembered.mark(&keys, &number.to_string());
        for number in 0..REMEMBERED_MAX / 8 {
            remembered.remember(&mark(number));
            assert!(remembered.knows(&mark(number)), "{number}");
        }
        let sets = remembered.sets.get().unwrap();
        assert_eq!(size_of_val(&**sets), 2 << 20);
    }

    #[test]
    fn nothing_is_shown() {
        let remembered = Remembered::new([7; 32]);
        let mark = remembered.mark(&keys("pencil", 1), "pencil");
        assert_eq!(format!("{remembered:?} {mark:?}"), "Remembered(secret) Mark(secret)");
    }
}
