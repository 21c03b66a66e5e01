//! ROSTER, BLOCK and ALLOW (SPEC.md section 8).
//!
//! ```text
//! roster:   0 u8 op   1 zero   2 u16 entries   4 u32 zero   8 u64 version   16 entries
//!           0 u8 subscription   1 u8 flags   2 u16 address   4 u16 name   6 u16 groups   8 address | name | (u16 length, text)...
//! list:     0 u8 op   1 zero   2 u16 addresses   4 (u16 length, text)...
//! ```
//! Invariant: what `read` returns can be walked over without another fault.

use super::cursor::Cursor;
use super::fault::Fault;

/// What a ROSTER frame does.
pub mod roster_op {
    /// Asks for the contacts.
    pub const GET: u8 = 0;
    /// Adds or changes one.
    pub const SET: u8 = 1;
    /// Removes one.
    pub const REMOVE: u8 = 2;
    /// Contacts.
    pub const ITEMS: u8 = 3;
    /// The client's version is the newest.
    pub const UNCHANGED: u8 = 4;
    /// Set or removed, durably.
    pub const DONE: u8 = 5;
    /// One contact changed.
    pub const PUSH: u8 = 6;
}

/// What a BLOCK or ALLOW frame does.
pub mod list_op {
    /// The list.
    pub const LIST: u8 = 0;
    /// Adds addresses.
    pub const ADD: u8 = 1;
    /// Takes addresses off; all, if none is named.
    pub const REMOVE: u8 = 2;
    /// ALLOW: the white list is in force.
    pub const ON: u8 = 3;
    /// ALLOW: it is not.
    pub const OFF: u8 = 4;
    /// Done, durably.
    pub const DONE: u8 = 5;
}

/// Flags of a contact.
pub mod contact_flag {
    /// Its presence has been asked for, and it has not answered.
    pub const ASKED: u8 = 0x01;
    /// It is no contact any more.
    pub const REMOVED: u8 = 0x02;
    /// Whoever it is may see this user's presence, should it ask (RFC 6121 section 3.4).
    pub const APPROVED: u8 = 0x04;
}

/// A contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact<'a> {
    /// 0 none, 1 to, 2 from, 3 both.
    pub subscription: u8,
    /// See [`contact_flag`].
    pub flags: u8,
    /// Bare.
    pub address: &'a str,
    /// What the user calls it.
    pub name: &'a str,
    groups: &'a [u8],
}

impl<'a> Contact<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Contact<'a>, Fault> {
        let (subscription, flags) = (cursor.u8()?, cursor.u8()?);
        if subscription > 3 {
            return Err(Fault::Malformed);
        }
        let (address, name, groups) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
        let contact = Contact {
            subscription,
            flags,
            address: cursor.text(address.into())?,
            name: cursor.text(name.into())?,
            groups: cursor.take(groups.into())?,
        };
        let mut groups = Cursor::new(contact.groups);
        while !groups.is_empty() {
            groups.counted_text()?;
        }
        Ok(contact)
    }

    /// The groups that it is in.
    pub fn groups(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut cursor = Cursor::new(self.groups);
        std::iter::from_fn(move || cursor.counted_text().ok())
    }
}

/// The body of a ROSTER frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roster<'a> {
    /// See [`roster_op`].
    pub op: u8,
    /// Of the roster.
    pub version: u64,
    entries: &'a [u8],
}

impl<'a> Roster<'a> {
    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<Roster<'a>, Fault> {
        let mut cursor = Cursor::new(body);
        let op = cursor.u8()?;
        cursor.zero(1)?;
        let count = cursor.u16()?;
        cursor.zero(4)?;
        let version = cursor.u64()?;
        let roster = Roster {
            op,
            version,
            entries: cursor.rest(),
        };
        for _ in 0..count {
            Contact::read(&mut cursor)?;
        }
        cursor.end()?;
        Ok(roster)
    }

    /// Its entries.
    pub fn contacts(&self) -> impl Iterator<Item = Contact<'a>> + use<'a> {
        let mut cursor = Cursor::new(self.entries);
        std::iter::from_fn(move || Contact::read(&mut cursor).ok())
    }

    /// Appends a body with these contacts: subscription, flags, address, name, groups.
    pub fn write<'c>(
        out: &mut Vec<u8>,
        op: u8,
        version: u64,
        contacts: impl Iterator<Item = (u8, u8, &'c str, &'c str, &'c [&'c str])>,
    ) {
        let start = out.len();
        out.extend_from_slice(&[op, 0, 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(&version.to_le_bytes());
        let mut count = 0u16;
        for (subscription, flags, address, name, groups) in contacts {
            write_contact(out, subscription, flags, address, name, groups);
            count += 1;
        }
        out[start + 2..start + 4].copy_from_slice(&count.to_le_bytes());
    }
}

/// Appends an entry.
pub fn write_contact(out: &mut Vec<u8>, subscription: u8, flags: u8, address: &str, name: &str, groups: &[&str]) {
    let groups_bytes: usize = groups.iter().map(|group| 2 + group.len()).sum();
    out.extend_from_slice(&[subscription, flags]);
    for length in [address.len(), name.len(), groups_bytes] {
        out.extend_from_slice(&(length as u16).to_le_bytes());
    }
    out.extend_from_slice(address.as_bytes());
    out.extend_from_slice(name.as_bytes());
    for group in groups {
        write_counted(out, group);
    }
}

/// The body of a BLOCK or ALLOW frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List<'a> {
    /// See [`list_op`].
    pub op: u8,
    entries: &'a [u8],
}

impl<'a> List<'a> {
    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<List<'a>, Fault> {
        let mut cursor = Cursor::new(body);
        let op = cursor.u8()?;
        cursor.zero(1)?;
        let count = cursor.u16()?;
        let list = List {
            op,
            entries: cursor.rest(),
        };
        for _ in 0..count {
            cursor.counted_text()?;
        }
        cursor.end()?;
        Ok(list)
    }

    /// Its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut cursor = Cursor::new(self.entries);
        std::iter::from_fn(move || cursor.counted_text().ok())
    }

    /// Appends a body.
    pub fn write<'c>(out: &mut Vec<u8>, op: u8, addresses: impl Iterator<Item = &'c str>) {
        let start = out.len();
        out.extend_from_slice(&[op, 0, 0, 0]);
        let mut count = 0u16;
        for address in addresses {
            write_counted(out, address);
            count += 1;
        }
        out[start + 2..start + 4].copy_from_slice(&count.to_le_bytes());
    }
}

/// Appends a text with its length before it.
fn write_counted(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
