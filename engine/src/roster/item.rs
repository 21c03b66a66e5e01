//! One contact, and its bytes in the book.
//!
//! Version 1, integers little endian, lengths in bytes:
//! ```text
//!   +------+-------+-------------+---------+-----+----------+------+-------+--------------------+---------+---------+
//!   | 0x01 | flags | version u64 | len u16 | jid | len u16  | name | n u8  | n x (len u16,group)| len u32 | request |
//!   +------+-------+-------------+---------+-----+----------+------+-------+--------------------+---------+---------+
//!   flags: bits 0-1 subscription, 2 pending_out, 3 pending_in, 4 approved, 5 listed, 6 has a request; 7 is zero
//!   The last two fields stand there only if bit 6 is set.
//! ```
//!
//! Invariants: every byte sequence is an item in at most one way, and what has been read is written back unchanged.

use std::fmt;

use bytes::{Buf, BufMut, Bytes};

use super::RosterFault;
use super::subscription::{State, Subscription};
use crate::jid::{JID_BYTES_MAX, Jid};

/// Most bytes of a contact's name.
pub const NAME_BYTES_MAX: usize = 1023;
/// Most bytes of a group's name.
pub const GROUP_BYTES_MAX: usize = 1023;
/// Most groups of a contact.
pub const GROUPS_MAX: usize = 32;
/// Most bytes that are kept of a request for subscription. What came with a longer one is forgotten, not the request.
pub const REQUEST_BYTES_MAX: usize = 4096;

const _: () = assert!(NAME_BYTES_MAX <= u16::MAX as usize && GROUP_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(JID_BYTES_MAX <= u16::MAX as usize && GROUPS_MAX <= u8::MAX as usize);

const VERSION: u8 = 1;
const PENDING_OUT: u8 = 1 << 2;
const PENDING_IN: u8 = 1 << 3;
const APPROVED: u8 = 1 << 4;
const LISTED: u8 = 1 << 5;
const REQUEST: u8 = 1 << 6;

/// A contact: in the user's roster, or only waiting for the user's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Bare.
    pub jid: Jid,
    /// The user's name for it; may be empty.
    pub name: String,
    /// The user's groups for it, none twice.
    pub groups: Vec<String>,
    /// Who sees whom.
    pub state: State,
    /// Is it in the roster? If not, it is here for its unanswered request alone (RFC 6121 section 3.1.3).
    pub listed: bool,
    /// The whole of the contact's unanswered request, in the codec in which it came.
    pub request: Option<Bytes>,
    /// The roster's version at which it was last changed visibly.
    pub version: u64,
}

/// Bytes in the book that are no item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undecodable;

impl fmt::Display for Undecodable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the stored roster is damaged, or of a newer version")
    }
}

impl std::error::Error for Undecodable {}

impl Item {
    /// A contact of whom nothing is known yet. Keeps a copy of the address's bare form.
    pub fn stranger(jid: &Jid) -> Self {
        Self {
            jid: jid.to_bare().detached(),
            name: String::new(),
            groups: Vec::new(),
            state: State::default(),
            listed: false,
            request: None,
            version: 0,
        }
    }

    /// The bytes for the book; see the module's picture.
    pub fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(64 + self.request.as_ref().map_or(0, Bytes::len));
        bytes.put_u8(VERSION);
        bytes.put_u8(self.flags());
        bytes.put_u64_le(self.version);
        put_text(&mut bytes, self.jid.as_str());
        put_text(&mut bytes, &self.name);
        // All lengths fit: every way into an item checks the limits above.
        bytes.put_u8(self.groups.len() as u8);
        self.groups.iter().for_each(|group| put_text(&mut bytes, group));
        if let Some(request) = &self.request {
            bytes.put_u32_le(request.len() as u32);
            bytes.put_slice(request);
        }
        bytes.into()
    }

    /// Reads what [`encode`](Self::encode) wrote, to the last byte.
    pub fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        let mut rest = bytes;
        if rest.try_get_u8() != Ok(VERSION) {
            return Err(Undecodable);
        }
        let flags = rest.try_get_u8().map_err(|_| Undecodable)?;
        let version = rest.try_get_u64_le().map_err(|_| Undecodable)?;
        let jid = Jid::parse(take_text(&mut rest)?).map_err(|_| Undecodable)?;
        let name = take_text(&mut rest)?.to_owned();
        let count = rest.try_get_u8().map_err(|_| Undecodable)?;
        let groups = (0..count)
            .map(|_| take_text(&mut rest).map(str::to_owned))
            .collect::<Result<Vec<_>, _>>()?;
        check(&name, &groups).map_err(|_| Undecodable)?;
        let request = if flags & REQUEST != 0 {
            Some(take_request(&mut rest)?)
        } else {
            None
        };
        let item = Self {
            jid,
            name,
            groups,
            state: state(flags)?,
            listed: flags & LISTED != 0,
            request,
            version,
        };
        // One form only: no unknown flag, no unprepared address, nothing behind the end.
        if item.jid.is_full() || !rest.is_empty() || *item.encode() != *bytes {
            Err(Undecodable)
        } else {
            Ok(item)
        }
    }

    fn flags(&self) -> u8 {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        self.state.subscription() as u8
            | flag(self.state.pending_out(), PENDING_OUT)
            | flag(self.state.pending_in(), PENDING_IN)
            | flag(self.state.approved(), APPROVED)
            | flag(self.listed, LISTED)
            | flag(self.request.is_some(), REQUEST)
    }
}

/// What a user may call and group a contact by (RFC 6121 section 2.3.3).
pub(super) fn check(name: &str, groups: &[String]) -> Result<(), RosterFault> {
    if name.len() > NAME_BYTES_MAX {
        return Err(RosterFault::NameTooLong);
    }
    if groups.len() > GROUPS_MAX {
        return Err(RosterFault::GroupsTooMany);
    }
    for (index, group) in groups.iter().enumerate() {
        if group.is_empty() {
            return Err(RosterFault::GroupEmpty);
        }
        if group.len() > GROUP_BYTES_MAX {
            return Err(RosterFault::GroupTooLong);
        }
        if groups[..index].contains(group) {
            return Err(RosterFault::GroupTwice);
        }
    }
    Ok(())
}

fn state(flags: u8) -> Result<State, Undecodable> {
    let subscription = match flags & 0b11 {
        0 => Subscription::None,
        1 => Subscription::To,
        2 => Subscription::From,
        _ => Subscription::Both,
    };
    let has = |bit: u8| flags & bit != 0;
    State::new(subscription, has(PENDING_OUT), has(PENDING_IN), has(APPROVED)).ok_or(Undecodable)
}

pub(super) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.put_u16_le(text.len() as u16);
    bytes.put_slice(text.as_bytes());
}

pub(super) fn take_text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, Undecodable> {
    let len = rest.try_get_u16_le().map_err(|_| Undecodable)?;
    let (text, tail) = rest.split_at_checked(len as usize).ok_or(Undecodable)?;
    *rest = tail;
    str::from_utf8(text).map_err(|_| Undecodable)
}

fn take_request(rest: &mut &[u8]) -> Result<Bytes, Undecodable> {
    let len = rest.try_get_u32_le().map_err(|_| Undecodable)? as usize;
    let (request, tail) = rest.split_at_checked(len).ok_or(Undecodable)?;
    *rest = tail;
    if len > REQUEST_BYTES_MAX {
        Err(Undecodable)
    } else {
        Ok(Bytes::copy_from_slice(request))
    }
}
