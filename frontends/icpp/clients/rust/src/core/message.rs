//! Messages as applications write and read them: the owned form of SPEC.md section 5.

use crosspoint_icpp::codec::message::{kind, note, receipt, tag};
use crosspoint_icpp::codec::{FRAME_BYTES, HEADER_BYTES, Message, MessageId, Verb, ext};

use super::fault::Refused;
use super::kept::Queued;
use super::limits::ADDRESS_BYTES_MAX;
use super::seen::bare;

/// A message to be sent. Build it with [`Outgoing::chat`] and the methods that follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outgoing {
    to: String,
    kind: u16,
    nostore: bool,
    payload: Vec<u8>,
    extensions: Vec<u8>,
}

impl Outgoing {
    /// Part of a conversation, to a bare or full address.
    #[must_use]
    pub fn chat(to: &str, text: &str) -> Outgoing {
        Outgoing {
            to: to.to_owned(),
            kind: kind::CHAT,
            payload: text.as_bytes().to_vec(),
            ..Outgoing::default()
        }
    }

    /// Another kind: see [`crosspoint_icpp::codec::message::kind`].
    #[must_use]
    pub fn kind(mut self, kind: u16) -> Outgoing {
        self.kind = kind;
        self
    }

    /// Not to be kept for an absent addressee, and not waiting for the disk.
    #[must_use]
    pub fn not_stored(mut self) -> Outgoing {
        self.nostore = true;
        self
    }

    /// A payload that is not text, its media type, and what to show in its place.
    #[must_use]
    pub fn content(mut self, media_type: &str, payload: &[u8], fallback: &str) -> Outgoing {
        self.payload = payload.to_vec();
        self.extension(tag::CONTENT_TYPE, media_type.as_bytes())
            .extension(tag::FALLBACK, fallback.as_bytes())
    }

    /// With a subject.
    #[must_use]
    pub fn subject(self, subject: &str) -> Outgoing {
        self.extension(tag::SUBJECT, subject.as_bytes())
    }

    /// Within a thread.
    #[must_use]
    pub fn thread(self, thread: &str) -> Outgoing {
        self.extension(tag::THREAD, thread.as_bytes())
    }

    /// Asks the addressee for a receipt.
    #[must_use]
    pub fn receipt_wanted(self) -> Outgoing {
        self.extension(tag::RECEIPT_WANTED, &[])
    }

    /// With an extension of SPEC.md section 5. A tag may stand once.
    #[must_use]
    pub fn extension(mut self, tag: u16, value: &[u8]) -> Outgoing {
        ext::write(&mut self.extensions, tag, value);
        self
    }

    /// Its frame.
    pub(super) fn queued(&self, verb: Verb, id: MessageId) -> Result<Queued, Refused> {
        if self.to.is_empty() || self.to.len() > ADDRESS_BYTES_MAX {
            return Err(Refused::Address);
        }
        let message = Message {
            id,
            stamp: 0,
            kind: self.kind,
            to: &self.to,
            from: "",
            extensions: &self.extensions,
            payload: &self.payload,
        };
        if self.extensions.len() > usize::from(u16::MAX) || message.len() + HEADER_BYTES > FRAME_BYTES as usize {
            return Err(Refused::TooLarge);
        }
        let mut body = Vec::with_capacity(message.len());
        message.write(&mut body);
        Ok(Queued {
            verb,
            nostore: self.nostore,
            id: Some(id),
            body,
        })
    }

    /// What has happened to a message that was received.
    pub(super) fn receipt(of: &Received, displayed: bool) -> Outgoing {
        let kind = if displayed {
            receipt::DISPLAYED
        } else {
            receipt::DELIVERED
        };
        let receipt = Outgoing {
            to: bare(&of.from).to_owned(),
            kind,
            ..Outgoing::default()
        };
        let receipt = receipt.extension(tag::REF, &of.id);
        match &of.foreign_id {
            Some(foreign) => receipt.extension(tag::FOREIGN_REF, foreign.as_bytes()),
            None => receipt,
        }
    }
}

/// What somebody is doing in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activity {
    /// Looks at it.
    Active,
    /// Types.
    Composing,
    /// Has stopped typing.
    Paused,
    /// Does something else.
    Inactive,
    /// Has left it.
    Gone,
}

impl Activity {
    /// By its number on the wire.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Activity> {
        use Activity::*;
        [Active, Composing, Paused, Inactive, Gone]
            .into_iter()
            .find(|activity| activity.number() == number)
    }

    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Activity::Active => note::ACTIVE,
            Activity::Composing => note::COMPOSING,
            Activity::Paused => note::PAUSED,
            Activity::Inactive => note::INACTIVE,
            Activity::Gone => note::GONE,
        }
    }
}

/// A message that was received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// Chosen by its sender.
    pub id: MessageId,
    /// Milliseconds since 1970 in the upper 44 bits; the whole is the offset in the server's log.
    pub stamp: u64,
    /// See [`crosspoint_icpp::codec::message::kind`].
    pub kind: u16,
    /// Who sent it: a full address, or a bare one.
    pub from: String,
    /// To whom, as the sender wrote it.
    pub to: String,
    /// What was said. Text, unless `content_type` says otherwise.
    pub payload: Vec<u8>,
    /// Subject.
    pub subject: Option<String>,
    /// Thread.
    pub thread: Option<String>,
    /// Media type of the payload, if it is not plain text.
    pub content_type: Option<String>,
    /// What to show in place of a payload of another type.
    pub fallback: Option<String>,
    /// Whether the sender asks for a receipt.
    pub receipt_wanted: bool,
    /// The message that this one means.
    pub reference: Option<MessageId>,
    /// Its identifier in the protocol that it came from.
    pub foreign_id: Option<String>,
    /// Why it came back.
    pub condition: Option<u16>,
    /// 1: a copy of what another session of this user received; 2: of what it sent.
    pub copy: Option<u8>,
    /// What the sender is doing besides.
    pub activity: Option<Activity>,
    /// In a history: what it was, if no message: RECEIPT (`kind` 1 delivered, 2 displayed), EDIT or RECALL, of `reference`.
    pub verb: Option<Verb>,
    /// In a room: whose it is, among those who are in.
    pub occupant_id: Option<String>,
    /// Its identity in the room's archive.
    pub record: Option<String>,
    /// That of the message `reference`.
    pub record_reference: Option<String>,
}

impl Received {
    /// The owned form of a body that has been read.
    #[must_use]
    pub fn new(message: &Message<'_>) -> Received {
        let text = |tag| message.text_extension(tag).map(str::to_owned);
        let byte = |tag| message.extension(tag).and_then(|value| value.first().copied());
        Received {
            id: message.id,
            stamp: message.stamp,
            kind: message.kind,
            from: message.from.to_owned(),
            to: message.to.to_owned(),
            payload: message.payload.to_vec(),
            subject: text(tag::SUBJECT),
            thread: text(tag::THREAD),
            content_type: text(tag::CONTENT_TYPE),
            fallback: text(tag::FALLBACK),
            receipt_wanted: message.extension(tag::RECEIPT_WANTED).is_some(),
            reference: message.reference(),
            foreign_id: text(tag::FOREIGN_ID),
            condition: message
                .extension(tag::CONDITION)
                .and_then(|value| Some(u16::from_le_bytes(value.try_into().ok()?))),
            copy: byte(tag::COPY),
            verb: byte(tag::VERB).and_then(Verb::from_number),
            occupant_id: text(tag::OCCUPANT_ID),
            record: text(tag::RECORD),
            record_reference: text(tag::RECORD_REF),
            activity: byte(tag::STATE).and_then(|number| Activity::from_number(number.into())),
        }
    }

    /// What to show: the text, or the fallback of another type. Bytes that are no text are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        let plain = self
            .content_type
            .as_deref()
            .is_none_or(|kind| kind.starts_with("text/plain"));
        match &self.fallback {
            Some(fallback) if !plain => fallback.clone(),
            _ => String::from_utf8_lossy(&self.payload).into_owned(),
        }
    }

    /// When the server took it, in milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        self.stamp >> 20
    }

    /// The bare address of who sent it.
    #[must_use]
    pub fn sender(&self) -> &str {
        bare(&self.from)
    }
}

/// What there is about the subscription to somebody's presence (RFC 6121 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// He asks to see ours.
    Subscribe,
    /// He does not want it any more.
    Unsubscribe,
    /// He has granted his.
    Approved,
    /// He has refused or revoked it.
    Denied,
}

/// Something for the application, in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A message.
    Message(Received),
    /// A message of ours came back; `condition` says why.
    Returned(Received),
    /// The payload replaces that of the sender's earlier message `reference`.
    Edited(Received),
    /// The sender has taken his message `reference` back.
    Recalled(Received),
    /// Our message `reference` has reached a device.
    Delivered(Received),
    /// Our message `reference` has been seen by somebody.
    Displayed(Received),
    /// What somebody is doing.
    Activity {
        /// Who.
        from: String,
        /// What.
        activity: Activity,
    },
    /// About presence subscriptions.
    Subscription {
        /// Who, a bare address.
        from: String,
        /// What.
        asked: Asked,
        /// A word with it.
        note: String,
    },
    /// What a room says: OCCUPANT, SUBJECT, NOTICE, REFUSED, INVITE, DECLINE or VOICE.
    Room {
        /// Which.
        verb: Verb,
        /// Its extensions, to be read by [`RoomWord::read`](super::RoomWord::read).
        body: Vec<u8>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by reading: a receipt in a history looked like a message without a text.
    #[test]
    fn what_a_history_holds_is_told_apart() {
        let mut extensions = Vec::new();
        ext::write(&mut extensions, tag::REF, &[7; 16]);
        ext::write(&mut extensions, tag::VERB, &[Verb::Receipt as u8]);
        let message = Message {
            id: [1; 16],
            stamp: 5,
            kind: receipt::DISPLAYED,
            to: "juliet@c.lit",
            from: "romeo@m.lit/orchard",
            extensions: &extensions,
            payload: b"",
        };
        let received = Received::new(&message);
        assert_eq!(
            (received.verb, received.reference),
            (Some(Verb::Receipt), Some([7; 16]))
        );
    }
}
