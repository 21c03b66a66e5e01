//! Invitations into rooms and their refusals between protocols: INVITE and DECLINE in neutral words, and back.
//!
//! Invariant: what is told as a room's word was written by a room, or by whoever invites directly (XEP-0249), whose address stands in it.

use std::borrow::Cow;

use crosspoint_engine::jid::Jid;
use crosspoint_engine::neutral::{Invitation, Neutral};

use crate::codec::Verb;
use crate::codec::rooms::{Body, tag, write_text};

use super::clip;

/// An INVITE or DECLINE that this room has written.
pub(crate) fn to_neutral<'b>(verb: Verb, room: &'b Jid, body: &Body<'b>) -> Option<Neutral<'b>> {
    if !matches!(verb, Verb::Invite | Verb::Decline) {
        return None;
    }
    let text = |tag| body.text(tag).map(Cow::Borrowed);
    let invitation = Invitation {
        declined: verb == Verb::Decline,
        room: room.bare_str().into(),
        by: text(tag::BY),
        reason: text(tag::REASON),
        password: text(tag::PASSWORD),
        continues: text(tag::CONTINUES),
    };
    Some(Neutral {
        invitation: Some(invitation),
        ..Neutral::default()
    })
}

/// The verb and body of the push that says it. A text beside an invitation without a reason is the reason.
pub(crate) fn from_neutral(said: &Neutral<'_>) -> Option<(Verb, Vec<u8>)> {
    let invitation = said.invitation.as_ref()?;
    let mut body = Vec::with_capacity(128);
    write_text(&mut body, tag::ROOM, &invitation.room);
    let reason = invitation.reason.as_deref().filter(|reason| !reason.is_empty());
    for (tag, text) in [
        (tag::BY, invitation.by.as_deref()),
        (tag::REASON, reason.or(said.text.as_deref())),
        (tag::PASSWORD, invitation.password.as_deref()),
        (tag::CONTINUES, invitation.continues.as_deref()),
    ] {
        if let Some(text) = text {
            write_text(&mut body, tag, clip(text));
        }
    }
    let verb = if invitation.declined {
        Verb::Decline
    } else {
        Verb::Invite
    };
    Some((verb, body))
}

/// The same where only a message has its place: in a history, in a copy, in a room.
pub(crate) fn in_plain_words(invitation: &Invitation<'_>) -> String {
    let by = invitation.by.as_deref().unwrap_or("Somebody");
    let does = if invitation.declined {
        "declines your invitation to"
    } else {
        "invites you to"
    };
    let mut text = format!("{by} {does} the room {}.", invitation.room);
    for (before, more) in [(" ", &invitation.reason), (" Its password: ", &invitation.password)] {
        if let Some(more) = more.as_deref().filter(|more| !more.is_empty()) {
            text.push_str(before);
            text.push_str(clip(more));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::message::kind;
    use crate::codec::{Flags, ext};
    use crate::neutral;
    use crosspoint_engine::envelope::{Envelope, Kind, MessageKind};

    fn room() -> Jid {
        "garden@rooms.lit".parse().unwrap()
    }

    fn written(verb: Verb, tags: &[(u16, &str)]) -> Envelope {
        let mut body = Vec::new();
        tags.iter().for_each(|(tag, text)| write_text(&mut body, *tag, text));
        Envelope {
            content: crate::parts::query(verb, Flags::RESP, body),
            ..Envelope::neutral(
                room(),
                "juliet@c.lit".parse().unwrap(),
                Kind::Message(MessageKind::Normal),
            )
        }
    }

    #[test]
    fn what_a_room_has_written_comes_back_as_it_was() {
        let tags = [
            (tag::BY, "romeo@m.lit"),
            (tag::REASON, "a mask"),
            (tag::PASSWORD, "rose"),
            (tag::CONTINUES, ""),
        ];
        for (verb, tags) in [(Verb::Invite, &tags[..]), (Verb::Decline, &tags[..2])] {
            let envelope = written(verb, tags);
            let neutral = neutral::to_neutral(&envelope).unwrap();
            let (back, body) = from_neutral(&Neutral::read(&neutral.content.body)).unwrap();
            let mut expected = Vec::new();
            write_text(&mut expected, tag::ROOM, "garden@rooms.lit");
            expected.extend_from_slice(&envelope.content.body);
            assert_eq!((back, body), (verb, expected));
        }
    }

    #[test]
    fn in_a_history_it_is_a_text() {
        let envelope = written(Verb::Invite, &[(tag::BY, "romeo@m.lit"), (tag::REASON, "a mask")]);
        let neutral = neutral::to_neutral(&envelope).unwrap();
        let said = Neutral::read(&neutral.content.body);
        let spoken = neutral::from_neutral(&neutral, said, kind::NORMAL, &[]);
        assert_eq!(spoken.verb, Verb::Deliver);
        assert_eq!(
            spoken.payload,
            "romeo@m.lit invites you to the room garden@rooms.lit. a mask"
        );
        assert_eq!(ext::Exts::new(&spoken.extensions).count(), 0);
    }

    #[test]
    fn a_text_beside_it_is_the_reason_where_there_is_none() {
        let mut said = Neutral {
            text: Some("come".into()),
            invitation: Some(Invitation {
                room: "garden@rooms.lit".into(),
                ..Invitation::default()
            }),
            ..Neutral::default()
        };
        let reason = |said: &Neutral<'_>| {
            let (_, body) = from_neutral(said).unwrap();
            Body::answer(&body).unwrap().text(tag::REASON).map(str::to_owned)
        };
        assert_eq!(reason(&said).as_deref(), Some("come"));
        said.invitation.as_mut().unwrap().reason = Some("a mask".into());
        assert_eq!(reason(&said).as_deref(), Some("a mask"));
    }
}
