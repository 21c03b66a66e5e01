//! What a content says in any protocol: the neutral view through which front-ends understand each other.
//!
//! When an envelope reaches a session of another protocol than its writer's, the shard asks the writer's front-end for the same envelope
//! with a neutral content (a [`Translator`](crate::service::Translator)); every front-end can write that one. What
//! a protocol cannot say in these words does not cross.
//!
//! ```text
//!   body:  (u8 tag, u32 length, value)...        little-endian; absent fields are left out
//! ```
//! Invariants:
//! - [`Neutral::read`] gives back what [`Neutral::pack`] was given, and no guess for anything else.
//! - Texts are as meant, escaped for no protocol. They never reach a disk: the log keeps contents as their writers wrote them.

use std::borrow::Cow;

use bytes::Bytes;

use crate::envelope::{Codec, Content};

/// The fields of a message or of a presence that all protocols share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Neutral<'a> {
    /// What was said, in plain text.
    pub text: Option<Cow<'a, str>>,
    /// What it is about.
    pub subject: Option<Cow<'a, str>>,
    /// Which conversation it belongs to.
    pub thread: Option<Cow<'a, str>>,
    /// What the sender is doing (XEP-0085).
    pub activity: Option<Activity>,
    /// The sender asks to be told of its arrival (XEP-0184).
    pub receipt_wanted: bool,
    /// The message of this identifier has arrived, or was seen (XEP-0184, XEP-0333).
    pub receipt: Option<(Receipt, Cow<'a, str>)>,
    /// This text replaces the sender's earlier message of this identifier (XEP-0308).
    pub replaces: Option<Cow<'a, str>>,
    /// The sender takes his message of this identifier back (XEP-0424).
    pub retracts: Option<Cow<'a, str>>,
    /// A room takes somebody's message back, in the name of the occupant with this nickname (XEP-0425); the text says why.
    pub moderator: Option<Cow<'a, str>>,
    /// An invitation into a room, or the refusal of one.
    pub invitation: Option<Invitation<'a>>,
    /// What a presence shows.
    pub show: Option<Show>,
    /// The same in words.
    pub status: Option<Cow<'a, str>>,
    /// Priority of a presence.
    pub priority: i8,
}

/// An invitation into a room (XEP-0045 section 7.8.2, XEP-0249), or the word that one is declined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invitation<'a> {
    /// It is declined, which its inviter is told.
    pub declined: bool,
    /// The room's address.
    pub room: Cow<'a, str>,
    /// Who invites, or declines.
    pub by: Option<Cow<'a, str>>,
    /// Why.
    pub reason: Option<Cow<'a, str>>,
    /// What it takes to enter.
    pub password: Option<Cow<'a, str>>,
    /// The conversation that goes on there (XEP-0045 section 7.9); empty if it has no name.
    pub continues: Option<Cow<'a, str>>,
}

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant = $number,)* }

        impl $name {
            fn of(value: &[u8]) -> Option<$name> {
                match value.first()? { $($number => Some($name::$variant),)* _ => None }
            }
        }
    };
}

numbered! {
    /// What somebody is doing in a conversation.
    Activity {
        /// Looks at it.
        Active = 0,
        /// Types.
        Composing = 1,
        /// Has stopped typing.
        Paused = 2,
        /// Does something else.
        Inactive = 3,
        /// Has left.
        Gone = 4,
    }
}

/// What has happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Receipt {
    /// A device has it.
    Delivered,
    /// Somebody has seen it.
    Displayed,
}

numbered! {
    /// What an available presence shows (RFC 6121 section 4.7.2.1).
    Show {
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
}

const TEXT: u8 = 1;
const SUBJECT: u8 = 2;
const THREAD: u8 = 3;
const ACTIVITY: u8 = 4;
const RECEIPT_WANTED: u8 = 5;
const DELIVERED: u8 = 6;
const DISPLAYED: u8 = 7;
const REPLACES: u8 = 8;
const RETRACTS: u8 = 9;
const SHOW: u8 = 10;
const STATUS: u8 = 11;
const PRIORITY: u8 = 12;
/// An invitation's room; the fields of the invitation follow it.
const INVITATION_ROOM: u8 = 13;
const INVITATION_BY: u8 = 14;
const INVITATION_REASON: u8 = 15;
const INVITATION_PASSWORD: u8 = 16;
const INVITATION_CONTINUES: u8 = 17;
const INVITATION_DECLINED: u8 = 18;
const MODERATOR: u8 = 19;

/// Bytes of a field without its value.
const FIELD_BYTES: usize = 5;

impl<'a> Neutral<'a> {
    /// Whether a message with this view says nothing.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.text.is_none()
            && self.subject.is_none()
            && self.activity.is_none()
            && self.receipt.is_none()
            && self.replaces.is_none()
            && self.retracts.is_none()
            && self.invitation.is_none()
    }

    /// As the content of an envelope.
    #[must_use]
    pub fn pack(&self) -> Content {
        let texts = [
            (TEXT, &self.text),
            (SUBJECT, &self.subject),
            (THREAD, &self.thread),
            (REPLACES, &self.replaces),
            (RETRACTS, &self.retracts),
            (STATUS, &self.status),
            (MODERATOR, &self.moderator),
        ];
        let mut body = Vec::with_capacity(64);
        for (tag, text) in texts {
            if let Some(text) = text {
                field(&mut body, tag, text.as_bytes());
            }
        }
        if let Some(invitation) = &self.invitation {
            invitation.pack(&mut body);
        }
        if let Some((receipt, id)) = &self.receipt {
            let tag = match receipt {
                Receipt::Delivered => DELIVERED,
                Receipt::Displayed => DISPLAYED,
            };
            field(&mut body, tag, id.as_bytes());
        }
        if let Some(activity) = self.activity {
            field(&mut body, ACTIVITY, &[activity as u8]);
        }
        if self.receipt_wanted {
            field(&mut body, RECEIPT_WANTED, &[]);
        }
        if let Some(show) = self.show {
            field(&mut body, SHOW, &[show as u8]);
        }
        if self.priority != 0 {
            field(&mut body, PRIORITY, &[self.priority as u8]);
        }
        Content {
            codec: Codec::Neutral,
            head: Bytes::new(),
            body: Bytes::from(body),
        }
    }

    /// Reads the body of a neutral content. What has no place here is left out.
    #[must_use]
    pub fn read(body: &'a [u8]) -> Neutral<'a> {
        let mut neutral = Neutral::default();
        let mut rest = body;
        while let Some((tag, value)) = next_field(&mut rest) {
            neutral.take(tag, value);
        }
        neutral
    }

    fn take(&mut self, tag: u8, value: &'a [u8]) {
        let text = || std::str::from_utf8(value).ok().map(Cow::Borrowed);
        match tag {
            TEXT => self.text = text(),
            SUBJECT => self.subject = text(),
            THREAD => self.thread = text(),
            ACTIVITY => self.activity = Activity::of(value),
            RECEIPT_WANTED => self.receipt_wanted = true,
            DELIVERED => self.receipt = text().map(|id| (Receipt::Delivered, id)),
            DISPLAYED => self.receipt = text().map(|id| (Receipt::Displayed, id)),
            REPLACES => self.replaces = text(),
            RETRACTS => self.retracts = text(),
            SHOW => self.show = Show::of(value),
            STATUS => self.status = text(),
            MODERATOR => self.moderator = text(),
            PRIORITY => self.priority = value.first().map_or(0, |priority| *priority as i8),
            INVITATION_ROOM => {
                self.invitation = text().map(|room| Invitation {
                    room,
                    ..Invitation::default()
                });
            }
            _ => {
                if let Some(invitation) = &mut self.invitation {
                    invitation.take(tag, text());
                }
            }
        }
    }
}

impl<'a> Invitation<'a> {
    fn pack(&self, body: &mut Vec<u8>) {
        field(body, INVITATION_ROOM, self.room.as_bytes());
        let texts = [
            (INVITATION_BY, &self.by),
            (INVITATION_REASON, &self.reason),
            (INVITATION_PASSWORD, &self.password),
            (INVITATION_CONTINUES, &self.continues),
        ];
        for (tag, text) in texts {
            if let Some(text) = text {
                field(body, tag, text.as_bytes());
            }
        }
        if self.declined {
            field(body, INVITATION_DECLINED, &[]);
        }
    }

    fn take(&mut self, tag: u8, text: Option<Cow<'a, str>>) {
        match tag {
            INVITATION_BY => self.by = text,
            INVITATION_REASON => self.reason = text,
            INVITATION_PASSWORD => self.password = text,
            INVITATION_CONTINUES => self.continues = text,
            INVITATION_DECLINED => self.declined = true,
            _ => {}
        }
    }
}

fn field(body: &mut Vec<u8>, tag: u8, value: &[u8]) {
    body.reserve(FIELD_BYTES + value.len());
    body.push(tag);
    // Bounded with the frame that it came in, far below 4 GiB.
    body.extend_from_slice(&(value.len() as u32).to_le_bytes());
    body.extend_from_slice(value);
}

fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (head, tail) = rest.split_first_chunk::<FIELD_BYTES>()?;
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let (value, tail) = tail.split_at_checked(length)?;
    *rest = tail;
    Some((head[0], value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let said = Neutral {
            text: Some("Wherefore art thou?".into()),
            subject: Some("Imploring".into()),
            thread: Some("e0ffe42b".into()),
            activity: Some(Activity::Paused),
            receipt_wanted: true,
            receipt: Some((Receipt::Displayed, "m1".into())),
            replaces: Some("m0".into()),
            retracts: Some("m<2".into()),
            moderator: Some("witch".into()),
            invitation: Some(Invitation {
                declined: true,
                room: "garden@rooms.lit".into(),
                by: Some("romeo@m.lit".into()),
                reason: Some("a mask".into()),
                password: Some("rose".into()),
                continues: Some("".into()),
            }),
            show: Some(Show::DoNotDisturb),
            status: Some(String::new().into()),
            priority: -7,
        };
        assert_eq!(Neutral::read(&said.pack().body), said);
        assert_eq!(Neutral::read(&Neutral::default().pack().body), Neutral::default());
    }

    #[test]
    fn damage_leaves_fields_out_and_never_panics() {
        let said = Neutral {
            text: Some("Hi".into()),
            status: Some("here".into()),
            ..Neutral::default()
        };
        let body = said.pack().body;
        for length in 0..body.len() {
            let read = Neutral::read(&body[..length]);
            assert!(read.status.is_none() && read.text.as_deref().is_none_or(|text| text == "Hi"));
        }
        assert_eq!(Neutral::read(&[TEXT, 1, 0, 0, 0, 0xff]).text, None);
    }
}
