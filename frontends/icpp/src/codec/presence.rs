//! Presence and subscriptions (SPEC.md section 8).
//!
//! ```text
//! presence entry:   0 u8 show   1 i8 priority   2 u16 address   4 u16 status   6 u16 zero   8 address | status
//! subscription:     0 u16 address   2 u16 note   4 address | note
//! ```

use super::cursor::Cursor;
use super::fault::Fault;

/// What somebody shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Show {
    /// Not there.
    Unavailable = 0,
    /// There.
    Available = 1,
    /// Wants to talk.
    Chat = 2,
    /// Away.
    Away = 3,
    /// Away for long.
    ExtendedAway = 4,
    /// Do not disturb.
    DoNotDisturb = 5,
}

impl Show {
    /// By its number on the wire.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Show> {
        use Show::*;
        [Unavailable, Available, Chat, Away, ExtendedAway, DoNotDisturb]
            .into_iter()
            .find(|show| *show as u8 == number)
    }
}

/// One entry of PRESENCE or PRESENCES.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence<'a> {
    /// What is shown.
    pub show: Show,
    /// Which session gets messages to the bare address.
    pub priority: i8,
    /// To whom (PRESENCE; empty: to all), or whose (PRESENCES).
    pub address: &'a str,
    /// In words.
    pub status: &'a str,
}

impl<'a> Presence<'a> {
    /// Reads the next entry.
    pub fn read(cursor: &mut Cursor<'a>) -> Result<Presence<'a>, Fault> {
        let show = Show::from_number(cursor.u8()?).ok_or(Fault::Malformed)?;
        let priority = cursor.u8()? as i8;
        let (address, status) = (cursor.u16()?, cursor.u16()?);
        cursor.zero(2)?;
        Ok(Presence {
            show,
            priority,
            address: cursor.text(address.into())?,
            status: cursor.text(status.into())?,
        })
    }

    /// Appends the entry.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.show as u8);
        out.push(self.priority as u8);
        out.extend_from_slice(&(self.address.len() as u16).to_le_bytes());
        out.extend_from_slice(&(self.status.len() as u16).to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(self.address.as_bytes());
        out.extend_from_slice(self.status.as_bytes());
    }
}

/// The body of SUBSCRIBE, UNSUBSCRIBE, APPROVE and DENY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// Bare.
    pub address: &'a str,
    /// A word with it.
    pub note: &'a str,
}

impl<'a> Subscription<'a> {
    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<Subscription<'a>, Fault> {
        let mut cursor = Cursor::new(body);
        let (address, note) = (cursor.u16()?, cursor.u16()?);
        let subscription = Subscription {
            address: cursor.text(address.into())?,
            note: cursor.text(note.into())?,
        };
        cursor.end()?;
        Ok(subscription)
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.address.len() as u16).to_le_bytes());
        out.extend_from_slice(&(self.note.len() as u16).to_le_bytes());
        out.extend_from_slice(self.address.as_bytes());
        out.extend_from_slice(self.note.as_bytes());
    }
}
