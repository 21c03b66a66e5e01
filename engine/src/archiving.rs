//! What a user wants to be kept of what is said: preferences of the archive (XEP-0441), for every protocol.
//!
//! An entry with a resource means that one device, one without means all of them. Who is on both lists is on the second one, `never`.
//!
//! In the book, one row a user, version 1: `0x01 | default u8 | always, each with a line feed | NUL | never, each with a line feed` (no
//! prepared address holds either).
//!
//! Invariant: entries are sorted, none twice, at most [`ENTRIES_MAX`] on each list.
#![forbid(unsafe_code)]

use bytes::Bytes;

use crate::jid::Jid;

const VERSION: u8 = 1;

/// The name of the row.
pub(crate) const PART: &str = "archive";

/// Most entries of each list.
pub const ENTRIES_MAX: usize = 256;

/// What is kept of those who are on no list. The numbers are on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Keep {
    /// Everything.
    #[default]
    Always = 1,
    /// Nothing.
    Never = 2,
    /// What is said with contacts.
    Roster = 3,
}

/// One user's preferences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    keep: Keep,
    always: Vec<Jid>,
    never: Vec<Jid>,
}

/// A list would have more than [`ENTRIES_MAX`] entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

impl Preferences {
    /// From the user's wishes.
    ///
    /// # Errors
    /// A list is too long.
    pub fn new(keep: Keep, always: Vec<Jid>, never: Vec<Jid>) -> Result<Preferences, TooMany> {
        let (always, never) = (list(always)?, list(never)?);
        Ok(Preferences { keep, always, never })
    }

    /// What is kept of those who are on no list.
    #[must_use]
    pub fn keep(&self) -> Keep {
        self.keep
    }

    /// Whose messages are kept, whatever else is said.
    #[must_use]
    pub fn always(&self) -> &[Jid] {
        &self.always
    }

    /// Whose messages are never kept.
    #[must_use]
    pub fn never(&self) -> &[Jid] {
        &self.never
    }

    /// Whether what is said with this address is kept.
    pub fn wants(&self, other: &Jid, is_contact: impl FnOnce() -> bool) -> bool {
        if has(&self.never, other) {
            return false;
        }
        has(&self.always, other)
            || match self.keep {
                Keep::Always => true,
                Keep::Never => false,
                Keep::Roster => is_contact(),
            }
    }

    /// What everybody has who never said anything.
    #[must_use]
    pub fn is_trivial(&self) -> bool {
        *self == Preferences::default()
    }

    /// For the book.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = vec![VERSION, self.keep as u8];
        let mut write = |entries: &[Jid]| {
            for entry in entries {
                bytes.extend_from_slice(entry.as_str().as_bytes());
                bytes.push(b'\n');
            }
            bytes.push(0);
        };
        write(&self.always);
        write(&self.never);
        bytes.pop();
        Bytes::from(bytes)
    }

    /// From the book; `None` if it is damaged or of a newer version.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Preferences> {
        let [VERSION, keep @ 1..=3, lists @ ..] = bytes else {
            return None;
        };
        let keep = match keep {
            1 => Keep::Always,
            2 => Keep::Never,
            _ => Keep::Roster,
        };
        let (always, never) = std::str::from_utf8(lists).ok()?.split_once('\0')?;
        let read = |entries: &str| {
            entries
                .split_terminator('\n')
                .map(Jid::parse)
                .collect::<Result<Vec<_>, _>>()
        };
        Preferences::new(keep, read(always).ok()?, read(never).ok()?).ok()
    }
}

fn list(mut entries: Vec<Jid>) -> Result<Vec<Jid>, TooMany> {
    entries.sort_unstable();
    entries.dedup();
    match entries.len() > ENTRIES_MAX {
        true => Err(TooMany),
        false => Ok(entries.iter().map(Jid::detached).collect()),
    }
}

/// XEP-0441 section 3: an entry matches as it is, or, if it is bare, whatever the resource.
fn has(entries: &[Jid], other: &Jid) -> bool {
    let holds = |text: &str| entries.binary_search_by(|entry| entry.as_str().cmp(text)).is_ok();
    !entries.is_empty() && (holds(other.as_str()) || holds(other.bare_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    fn jids(texts: &[&str]) -> Vec<Jid> {
        texts.iter().map(|text| jid(text)).collect()
    }

    #[test]
    fn what_is_kept_comes_back() {
        let always = jids(&["romeo@montague.lit", "juliet@capulet.lit/balcony", "romeo@montague.lit"]);
        let wishes = Preferences::new(Keep::Roster, always, jids(&["montague@montague.lit"])).unwrap();
        let bytes = b"\x01\x03juliet@capulet.lit/balcony\nromeo@montague.lit\n\0montague@montague.lit\n";
        assert_eq!(&wishes.encode()[..], bytes);
        assert_eq!(Preferences::decode(&wishes.encode()), Some(wishes));
        let trivial = Preferences::default();
        assert_eq!(Preferences::decode(&trivial.encode()), Some(trivial));
    }

    #[test]
    fn damage_is_found() {
        for bytes in [
            &b""[..],
            b"\x01",
            b"\x01\x01",
            b"\x02\x01\0",
            b"\x01\x04\0",
            b"\x01\x01@\n\0",
            b"\x01\x01\xff\n\0",
        ] {
            assert_eq!(Preferences::decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn entries_match_as_the_specification_says() {
        let wishes = |keep| {
            let always = jids(&["friend@m.lit", "device@m.lit/one", "both@m.lit"]);
            Preferences::new(keep, always, jids(&["foe@m.lit", "half@m.lit/one", "both@m.lit"])).unwrap()
        };
        // (address, kept by default, never, for contacts); `known@m.lit` is a contact.
        let table = [
            ("friend@m.lit", [true, true, true]),
            ("friend@m.lit/any", [true, true, true]),
            ("device@m.lit/one", [true, true, true]),
            ("device@m.lit/two", [true, false, false]),
            ("device@m.lit", [true, false, false]),
            ("foe@m.lit/any", [false, false, false]),
            ("half@m.lit/one", [false, false, false]),
            ("half@m.lit/two", [true, false, false]),
            ("both@m.lit", [false, false, false]),
            ("known@m.lit/any", [true, false, true]),
            ("stranger@m.lit", [true, false, false]),
        ];
        for (address, expected) in table {
            let kept = [Keep::Always, Keep::Never, Keep::Roster]
                .map(|keep| wishes(keep).wants(&jid(address), || address.starts_with("known@")));
            assert_eq!(kept, expected, "{address}");
        }
    }

    #[test]
    fn lists_are_bounded() {
        let many: Vec<Jid> = (0..=ENTRIES_MAX)
            .map(|number| jid(&format!("u{number}@m.lit")))
            .collect();
        assert!(Preferences::new(Keep::Always, many[1..].to_vec(), many[1..].to_vec()).is_ok());
        assert_eq!(Preferences::new(Keep::Always, many.clone(), vec![]), Err(TooMany));
        assert_eq!(Preferences::new(Keep::Always, vec![], many), Err(TooMany));
    }
}
