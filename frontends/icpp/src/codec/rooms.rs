//! What is said to rooms and by rooms: CREATE to ROOMS (SPEC.md section 14). Every body is extensions, of one table.
//!
//! ```text
//! MEMBER:   0 u8 affiliation   1 u8 role   2 u16 address   4 u16 nick   6 u16 reason   8 address | nick | reason
//! LISTED:   0 u32 occupants   4 u16 address   6 u16 name   8 address | name
//! ```
//! Invariant: a body that [`Body::read`] returns has every known value in its shape, and what its verb requires.

use super::cursor::{Cursor, text};
use super::ext::{self, Ext, Exts};
use super::fault::Fault;
use super::verb::Verb;

/// The extensions of rooms.
pub mod tag {
    /// Text: the room's address.
    pub const ROOM: u16 = 0x8001;
    /// Text: an occupant's nickname.
    pub const NICK: u16 = 0x0002;
    /// Text.
    pub const PASSWORD: u16 = 0x0003;
    /// Text.
    pub const REASON: u16 = 0x0004;
    /// A number of [`Show`](crate::codec::presence::Show).
    pub const SHOW: u16 = 0x0005;
    /// Text.
    pub const STATUS: u16 = 0x0006;
    /// 0 outcast, 1 none, 2 member, 3 admin, 4 owner.
    pub const AFFILIATION: u16 = 0x0007;
    /// 0 none, 1 visitor, 2 participant, 3 moderator.
    pub const ROLE: u16 = 0x0008;
    /// Text: the same for all sessions of an account in this room.
    pub const OCCUPANT_ID: u16 = 0x0009;
    /// Text: the real full address.
    pub const REAL: u16 = 0x000A;
    /// u16 each: status codes of XEP-0045.
    pub const CODES: u16 = 0x000B;
    /// Text: who did it.
    pub const BY: u16 = 0x000C;
    /// Text.
    pub const NEW_NICK: u16 = 0x000D;
    /// u16: a code of section 10.
    pub const CONDITION: u16 = 0x000E;
    /// u32: messages to be shown at most.
    pub const HISTORY_MESSAGES: u16 = 0x000F;
    /// u32: bytes of them.
    pub const HISTORY_BYTES: u16 = 0x0010;
    /// u32: not older.
    pub const HISTORY_SECONDS: u16 = 0x0011;
    /// u64: not older than this Unix time, ms.
    pub const HISTORY_SINCE: u16 = 0x0012;
    /// Text: where to go instead.
    pub const ALTERNATIVE: u16 = 0x0013;
    /// Nothing: the room is no more.
    pub const DESTROYED: u16 = 0x0014;
    /// Text.
    pub const SUBJECT: u16 = 0x0015;
    /// u64: Unix time, ms.
    pub const STAMP: u16 = 0x0016;
    /// Text, many: who is invited, or whose invitation is declined.
    pub const TO: u16 = 0x0017;
    /// Text: the conversation that goes on in the room.
    pub const CONTINUES: u16 = 0x0018;
    /// u8: the verb that was refused.
    pub const VERB: u16 = 0x0019;
    /// An entry, many.
    pub const MEMBER: u16 = 0x001A;
    /// An entry, many.
    pub const LISTED: u16 = 0x001B;
    /// u8: see [`op`](super::op).
    pub const OP: u16 = 0x001C;
    /// u8: 0 or 1.
    pub const ALLOW: u16 = 0x001D;
    /// Text: a bare address.
    pub const ACCOUNT: u16 = 0x001E;
    /// Text: a message's identity in the room's archive.
    pub const RECORD: u16 = 0x001F;
    /// Text.
    pub const NAME: u16 = 0x0020;
    /// Text.
    pub const DESCRIPTION: u16 = 0x0021;
    /// Text.
    pub const LANGUAGE: u16 = 0x0022;
    /// u8: 0 or 1, as all that follow if nothing else is said.
    pub const PERSISTENT: u16 = 0x0023;
    /// See PERSISTENT.
    pub const PUBLIC: u16 = 0x0024;
    /// See PERSISTENT.
    pub const MEMBERS_ONLY: u16 = 0x0025;
    /// Text: needed to enter; empty for none.
    pub const ENTRY_PASSWORD: u16 = 0x0026;
    /// See PERSISTENT.
    pub const MODERATED: u16 = 0x0027;
    /// See PERSISTENT.
    pub const NON_ANONYMOUS: u16 = 0x0028;
    /// See PERSISTENT.
    pub const SUBJECT_BY_ALL: u16 = 0x0029;
    /// See PERSISTENT.
    pub const INVITES: u16 = 0x002A;
    /// See PERSISTENT.
    pub const VOICE_REQUESTS: u16 = 0x002B;
    /// u8: this role and above; 0 for nobody.
    pub const PRIVATE_MESSAGES: u16 = 0x002C;
    /// See PERSISTENT.
    pub const LIST_BY_ALL: u16 = 0x002D;
    /// u32.
    pub const OCCUPANTS_MAX: u16 = 0x002E;
    /// See PERSISTENT.
    pub const ARCHIVED: u16 = 0x002F;
    /// u32: messages shown to who enters.
    pub const HISTORY_LENGTH: u16 = 0x0030;
    /// Text, many.
    pub const OWNER: u16 = 0x0031;
    /// Text, many.
    pub const ADMIN: u16 = 0x0032;
    /// Text: where rooms are.
    pub const DOMAIN: u16 = 0x0033;
    /// u32: how many rooms are in the list.
    pub const TOTAL: u16 = 0x0034;
    /// u32: how many stand before the first of these.
    pub const INDEX: u16 = 0x0035;
    /// Text: the page behind this room.
    pub const AFTER: u16 = 0x0036;
    /// Text: the page before this room; empty for the last page.
    pub const BEFORE: u16 = 0x0037;
    /// u16.
    pub const LIMIT: u16 = 0x0038;
    /// u32: how many are in.
    pub const OCCUPANTS: u16 = 0x0039;
    /// Those that may stand several times.
    pub const MANY: [u16; 5] = [TO, MEMBER, LISTED, OWNER, ADMIN];
}

/// What a CONFIGURE does.
pub mod op {
    /// How is the room run (owners)?
    pub const GET: u8 = 0;
    /// Run it so; only what is named changes. The first one opens a room just made.
    pub const SET: u8 = 1;
    /// A room just made is given up.
    pub const CANCEL: u8 = 2;
    /// What is it (everybody)?
    pub const INFO: u8 = 3;
}

/// In MEMBER: not said.
pub const UNSAID: u8 = 0xff;

/// The body of a rooms' verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    /// Reads the body of this verb.
    pub fn read(verb: Verb, body: &'a [u8]) -> Result<Body<'a>, Fault> {
        ext::check(body, &tag::MANY, known)?;
        let body = Body(body);
        let has = |tag| body.value(tag).is_some();
        let whole = match verb {
            Verb::Rooms => true,
            Verb::Create | Verb::Join | Verb::Show => has(tag::ROOM) && has(tag::NICK),
            Verb::Configure => has(tag::ROOM) && has(tag::OP),
            _ => has(tag::ROOM),
        };
        match whole {
            true => Ok(body),
            false => Err(Fault::Malformed),
        }
    }

    /// The parts of an answer that does not repeat whose it is.
    pub fn answer(body: &'a [u8]) -> Result<Body<'a>, Fault> {
        ext::check(body, &tag::MANY, known).map(|()| Body(body))
    }

    /// The value of an extension.
    #[must_use]
    pub fn value(&self, tag: u16) -> Option<&'a [u8]> {
        Exts::new(self.0).find(tag)
    }

    /// One that is text.
    #[must_use]
    pub fn text(&self, tag: u16) -> Option<&'a str> {
        text(self.value(tag)?).ok()
    }

    /// All of a tag that are text.
    pub fn texts(&self, tag: u16) -> impl Iterator<Item = &'a str> + use<'a> {
        self.values(tag).filter_map(|value| text(value).ok())
    }

    /// One that is a byte.
    #[must_use]
    pub fn u8(&self, tag: u16) -> Option<u8> {
        self.value(tag)?.first().copied()
    }

    /// One that is two bytes.
    #[must_use]
    pub fn u16(&self, tag: u16) -> Option<u16> {
        self.value(tag)?.try_into().ok().map(u16::from_le_bytes)
    }

    /// One that is four bytes.
    #[must_use]
    pub fn u32(&self, tag: u16) -> Option<u32> {
        self.value(tag)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// One that is eight bytes.
    #[must_use]
    pub fn u64(&self, tag: u16) -> Option<u64> {
        self.value(tag)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// Its status codes.
    pub fn codes(&self) -> impl Iterator<Item = u16> + use<'a> {
        let pairs = self.value(tag::CODES).unwrap_or_default().chunks_exact(2);
        pairs.map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
    }

    /// Its MEMBER entries.
    pub fn members(&self) -> impl Iterator<Item = Member<'a>> + use<'a> {
        self.values(tag::MEMBER).filter_map(|value| Member::read(value).ok())
    }

    /// Its LISTED entries.
    pub fn listed(&self) -> impl Iterator<Item = Listed<'a>> + use<'a> {
        self.values(tag::LISTED).filter_map(|value| Listed::read(value).ok())
    }

    /// All of it, extension by extension.
    pub fn extensions(&self) -> impl Iterator<Item = Ext<'a>> + use<'a> {
        Exts::new(self.0).flatten()
    }

    fn values(&self, tag: u16) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let all = Exts::new(self.0).flatten();
        all.filter(move |ext| ext.tag == tag).map(|ext| ext.value)
    }
}

/// Whether an extension is known, and has its shape.
fn known(ext: Ext<'_>) -> Result<bool, Fault> {
    let bytes = match ext.tag {
        tag::DESTROYED => 0,
        tag::SHOW | tag::AFFILIATION | tag::ROLE | tag::VERB | tag::OP | tag::PRIVATE_MESSAGES => 1,
        tag::ALLOW | tag::ARCHIVED | tag::LIST_BY_ALL => 1,
        tag::PERSISTENT..=tag::MEMBERS_ONLY | tag::MODERATED..=tag::VOICE_REQUESTS => 1,
        tag::CONDITION | tag::LIMIT => 2,
        tag::HISTORY_MESSAGES | tag::HISTORY_BYTES | tag::HISTORY_SECONDS | tag::HISTORY_LENGTH => 4,
        tag::OCCUPANTS_MAX | tag::TOTAL | tag::INDEX | tag::OCCUPANTS => 4,
        tag::HISTORY_SINCE | tag::STAMP => 8,
        tag::CODES => ext.value.len() / 2 * 2,
        tag::MEMBER => return Member::read(ext.value).map(|_| true),
        tag::LISTED => return Listed::read(ext.value).map(|_| true),
        tag::ROOM | tag::NICK..=tag::OCCUPANTS => return text(ext.value).map(|_| true),
        _ => return Ok(false),
    };
    match ext.value.len() == bytes {
        true => Ok(true),
        false => Err(Fault::Malformed),
    }
}

/// A line of a list of occupants or affiliations, or a change of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// See [`tag::AFFILIATION`]; [`UNSAID`].
    pub affiliation: u8,
    /// See [`tag::ROLE`]; [`UNSAID`].
    pub role: u8,
    /// Of the account; may be empty.
    pub address: &'a str,
    /// May be empty.
    pub nick: &'a str,
    /// May be empty.
    pub reason: &'a str,
}

impl<'a> Member<'a> {
    /// Reads a value.
    pub fn read(value: &'a [u8]) -> Result<Member<'a>, Fault> {
        let mut cursor = Cursor::new(value);
        let (affiliation, role) = (cursor.u8()?, cursor.u8()?);
        let (address, nick, reason) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
        let member = Member {
            affiliation,
            role,
            address: cursor.text(address.into())?,
            nick: cursor.text(nick.into())?,
            reason: cursor.text(reason.into())?,
        };
        cursor.end()?;
        Ok(member)
    }

    /// Appends the extension.
    pub fn write(&self, out: &mut Vec<u8>) {
        let texts = [self.address, self.nick, self.reason];
        let mut value = vec![self.affiliation, self.role];
        for text in texts {
            value.extend_from_slice(&(text.len() as u16).to_le_bytes());
        }
        texts.iter().for_each(|text| value.extend_from_slice(text.as_bytes()));
        ext::write(out, tag::MEMBER, &value);
    }
}

/// A room in the list of public rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed<'a> {
    /// How many are in.
    pub occupants: u32,
    /// Its address.
    pub address: &'a str,
    /// May be empty.
    pub name: &'a str,
}

impl<'a> Listed<'a> {
    /// Reads a value.
    pub fn read(value: &'a [u8]) -> Result<Listed<'a>, Fault> {
        let mut cursor = Cursor::new(value);
        let occupants = cursor.u32()?;
        let (address, name) = (cursor.u16()?, cursor.u16()?);
        let listed = Listed {
            occupants,
            address: cursor.text(address.into())?,
            name: cursor.text(name.into())?,
        };
        cursor.end()?;
        Ok(listed)
    }

    /// Appends the extension.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut value = self.occupants.to_le_bytes().to_vec();
        value.extend_from_slice(&(self.address.len() as u16).to_le_bytes());
        value.extend_from_slice(&(self.name.len() as u16).to_le_bytes());
        value.extend_from_slice(self.address.as_bytes());
        value.extend_from_slice(self.name.as_bytes());
        ext::write(out, tag::LISTED, &value);
    }
}

/// Appends an extension that is text.
pub fn write_text(out: &mut Vec<u8>, tag: u16, text: &str) {
    ext::write(out, tag, text.as_bytes());
}

/// Appends the status codes, if there are any.
pub fn write_codes(out: &mut Vec<u8>, codes: impl Iterator<Item = u16>) {
    let value: Vec<u8> = codes.flat_map(u16::to_le_bytes).collect();
    if !value.is_empty() {
        ext::write(out, tag::CODES, &value);
    }
}
