//! What holds for the whole service: administrators, black and white list, message of the day, welcome.
//!
//! One row of the book, version 1:
//! ```text
//!   0x01 | 5 times (length u32, text)          little-endian
//!          black list, white list, administrators: addresses, each followed by a line feed
//!          message of the day, welcome: nothing, or (since u64, text)
//! ```
//! Invariant: a refused change changes nothing.

use bytes::{BufMut, Bytes, BytesMut};

use crate::blocking::{BLOCKED_MAX, BlockList};
use crate::envelope::Condition;
use crate::jid::Jid;

/// Its key in [`Table::Meta`](crosspoint_storage::seam::Table).
pub const SERVICE_KEY: &[u8] = b"service";
/// Most entries of each list.
pub const ENTRIES_MAX: usize = BLOCKED_MAX;
/// Longest text of an announcement, of the message of the day and of the welcome.
pub const NOTICE_BYTES_MAX: usize = 16 * 1024;

const VERSION: u8 = 1;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// Nothing passes between these and anybody here; the server itself still answers them.
    pub black: BlockList,
    /// Unless it is empty: of those who are not of this domain, nothing passes between others than these and anybody here.
    pub white: BlockList,
    /// Administrators beside the configured ones.
    pub administrators: BlockList,
    /// Every user is told once.
    pub motd: Option<Notice>,
    /// Users of accounts that are made after it was set are told at their first login.
    pub welcome: Option<Notice>,
}

/// A standing text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// When it was set, in Unix milliseconds: who has been told of it, or is too old for it.
    pub since: u64,
    /// What it says.
    pub text: String,
}

/// A change of what holds.
#[derive(Debug, Clone)]
pub enum Change {
    /// The whole black list.
    Black(Vec<Jid>),
    /// The whole white list.
    White(Vec<Jid>),
    /// All administrators. The configured ones stay, named or not.
    Administrators(Vec<Jid>),
    /// A message of the day, or none. Everybody who is online is told now, others when they come.
    Motd(Option<String>),
    /// Other words for it: nobody is told twice.
    EditMotd(String),
    /// A welcome, or none.
    Welcome(Option<String>),
}

impl Service {
    /// What holds after a change. `configured` are administrators in any case.
    ///
    /// # Errors
    /// `NotAcceptable` beyond a bound.
    pub fn amended(&self, change: Change, configured: &[Jid], unix_ms: u64) -> Result<Service, Condition> {
        let mut next = self.clone();
        match change {
            Change::Black(entries) => next.black = list(entries)?,
            Change::White(entries) => next.white = list(entries)?,
            Change::Administrators(mut entries) => {
                entries.retain(|entry| !configured.contains(entry));
                next.administrators = list(entries)?;
            }
            Change::Motd(text) => next.motd = text.map(|text| notice(text, unix_ms)).transpose()?,
            Change::EditMotd(text) => {
                let since = self.motd.as_ref().map_or(unix_ms, |notice| notice.since);
                next.motd = Some(notice(text, since)?);
            }
            Change::Welcome(text) => next.welcome = text.map(|text| notice(text, unix_ms)).transpose()?,
        }
        Ok(next)
    }

    /// Whether nothing may pass between these two. `domain` is the served one; it and its own answers always pass.
    #[inline]
    pub(crate) fn parts(&self, from: &Jid, to: &Jid, domain: &Jid) -> bool {
        // As a rule there are no lists, and every envelope comes by.
        let any = !self.black.is_empty() || !self.white.is_empty();
        any && self.lists_part(from, to, domain.domain())
    }

    fn lists_part(&self, from: &Jid, to: &Jid, domain: &str) -> bool {
        let kept_out = |who: &Jid| {
            if who.as_str() == domain {
                return false;
            }
            self.black.blocks(who) || (!self.white.is_empty() && who.domain() != domain && !self.white.blocks(who))
        };
        !from.same_bare(to) && (kept_out(from) || kept_out(to)) && from.as_str() != domain
    }

    /// For the book.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_u8(VERSION);
        for entries in [&self.black, &self.white, &self.administrators] {
            let text: String = entries.iter().flat_map(|entry| [entry.as_str(), "\n"]).collect();
            put(&mut bytes, text.as_bytes());
        }
        for notice in [&self.motd, &self.welcome] {
            let mut part = Vec::new();
            if let Some(notice) = notice {
                part.extend_from_slice(&notice.since.to_le_bytes());
                part.extend_from_slice(notice.text.as_bytes());
            }
            put(&mut bytes, &part);
        }
        bytes.freeze()
    }

    /// From the book; `None` for a row that this build does not know.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Service> {
        let (&VERSION, mut rest) = bytes.split_first()? else {
            return None;
        };
        let mut parts: [&[u8]; 5] = [&[]; 5];
        for part in &mut parts {
            let (length, after) = rest.split_first_chunk()?;
            (*part, rest) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        }
        let [black, white, administrators, motd, welcome] = parts;
        rest.is_empty().then_some(())?;
        Some(Service {
            black: read_list(black)?,
            white: read_list(white)?,
            administrators: read_list(administrators)?,
            motd: read_notice(motd)?,
            welcome: read_notice(welcome)?,
        })
    }
}

fn put(bytes: &mut BytesMut, part: &[u8]) {
    // Bounded by the number of entries and the length of a text.
    bytes.put_u32_le(part.len() as u32);
    bytes.put_slice(part);
}

fn list(entries: Vec<Jid>) -> Result<BlockList, Condition> {
    let mut list = BlockList::default();
    list.block(entries).map_err(|_| Condition::NotAcceptable)?;
    Ok(list)
}

fn notice(text: String, since: u64) -> Result<Notice, Condition> {
    if text.len() > NOTICE_BYTES_MAX {
        return Err(Condition::NotAcceptable);
    }
    Ok(Notice { since, text })
}

fn read_list(part: &[u8]) -> Option<BlockList> {
    let entries: Option<Vec<Jid>> = str::from_utf8(part)
        .ok()?
        .split_terminator('\n')
        .map(|text| Jid::parse(text).ok())
        .collect();
    list(entries?).ok()
}

fn read_notice(part: &[u8]) -> Option<Option<Notice>> {
    if part.is_empty() {
        return Some(None);
    }
    let (since, text) = part.split_first_chunk()?;
    Some(Some(Notice {
        since: u64::from_le_bytes(*since),
        text: str::from_utf8(text).ok()?.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    fn full() -> Service {
        Service {
            black: list(vec![jid("x"), jid("a@b")]).unwrap(),
            white: list(vec![jid("friends.example")]).unwrap(),
            administrators: list(vec![jid("a@b")]).unwrap(),
            motd: Some(notice("Don't\nforget".to_owned(), 7).unwrap()),
            welcome: None,
        }
    }

    #[test]
    fn what_holds_comes_back_from_its_row() {
        for service in [Service::default(), full()] {
            let row = service.encode();
            assert_eq!(Service::decode(&row), Some(service));
            for length in 0..row.len() {
                assert_eq!(Service::decode(&row[..length]), None, "length {length}");
            }
        }
    }

    #[test]
    fn nothing_passes_between_the_blacklisted_and_anybody() {
        let service = Service {
            white: BlockList::default(),
            ..full()
        };
        let parts = |from, to| service.parts(&jid(from), &jid(to), &jid("home"));
        assert!(parts("q@x/1", "u@home") && parts("u@home/1", "q@x") && parts("a@b/1", "u@home"));
        assert!(!parts("c@b", "u@home") && !parts("u@home/1", "v@home"));
        assert!(!parts("home", "q@x"), "the server itself answers");
    }

    #[test]
    fn a_white_list_lets_its_own_and_this_domain_in() {
        let service = Service {
            black: BlockList::default(),
            ..full()
        };
        let parts = |from, to| service.parts(&jid(from), &jid(to), &jid("home"));
        assert!(!parts("q@friends.example/1", "u@home") && !parts("u@home", "v@home/1"));
        assert!(parts("q@elsewhere/1", "u@home") && parts("u@home/1", "q@elsewhere"));
    }

    #[test]
    fn bounds_are_kept_and_other_words_are_the_same_message() {
        let service = full();
        let long = "x".repeat(NOTICE_BYTES_MAX + 1);
        assert_eq!(
            service.amended(Change::Motd(Some(long)), &[], 9),
            Err(Condition::NotAcceptable)
        );
        let many = (0..=ENTRIES_MAX).map(|n| jid(&format!("{n}@x"))).collect();
        assert_eq!(
            service.amended(Change::Black(many), &[], 9),
            Err(Condition::NotAcceptable)
        );
        let edited = service.amended(Change::EditMotd("other".to_owned()), &[], 9).unwrap();
        assert_eq!(
            edited.motd,
            Some(Notice {
                since: 7,
                text: "other".to_owned()
            })
        );
        let set = service.amended(Change::Motd(Some("new".to_owned())), &[], 9).unwrap();
        assert_eq!(set.motd.map(|notice| notice.since), Some(9));
    }
}
