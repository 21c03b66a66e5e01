//! What only a room may say, taken out of what people say to it.
//!
//! A person's bytes pass through a room to everybody, and clients believe a room: who wrote a message (XEP-0421), when (XEP-0203), under
//! which identity it is archived (XEP-0359), who is what in the room (XEP-0045), what a moderator has hidden (XEP-0425), what the archive
//! holds (XEP-0313). All of it is cut here, where a content is written for occupants: whatever the road on which it came.
//!
//! Invariant: what is left is well-formed, in the scope of its own head, and means what it meant.

use crosspoint_engine::envelope::{Codec, Content, Kind};

use crate::codec::{Child, Cut, Frame, Scan, ScanLimits, Scanner, cut};
use crate::neutral;
use crate::stanza::kind;

use super::{ADMIN, MUC, OWNER, USER};

/// The body of a stanza without forgeries, and without its end: what the room says follows. `None` if it is not in this codec, nor neutral.
pub(super) fn body(content: &Content, kind: Kind) -> Option<Vec<u8>> {
    let name = kind::name(kind);
    match content.codec {
        Codec::Neutral => Some(neutral::body(kind, &content.body)),
        Codec::Xmpp if content.body.is_empty() => Some(Vec::new()),
        Codec::Xmpp => honest(name, content),
        Codec::Icpp => None,
    }
}

fn honest(name: &str, content: &Content) -> Option<Vec<u8>> {
    let text = stanza(name, content);
    let mut scanner = scanner();
    let Ok(Scan::Frame {
        frame: Frame::Stanza(stanza),
        ..
    }) = scanner.scan(&text)
    else {
        return None;
    };
    Some(match cut(&stanza, &scanner, is_a_rooms) {
        Cut::Whole(body) => body.as_bytes().to_vec(),
        Cut::Rebuilt(body) => body,
    })
}

/// The stanza again whose parts an envelope carries.
pub(super) fn stanza(name: &str, content: &Content) -> Vec<u8> {
    let parts: [&[u8]; 8] = [
        b"<",
        name.as_bytes(),
        &content.head,
        b">",
        &content.body,
        b"</",
        name.as_bytes(),
        b">",
    ];
    parts.concat()
}

/// For what has passed the limits when it arrived.
pub(super) fn scanner() -> Scanner {
    Scanner::for_stanzas(ScanLimits {
        stanza_bytes_max: u32::MAX,
        ..ScanLimits::AFTER_AUTH
    })
}

/// Whether only a room, or its archive, may say this to an occupant.
fn is_a_rooms(child: &Child<'_>) -> bool {
    match (&*child.namespace, child.name) {
        ("urn:xmpp:occupant-id:0", _) => true,
        ("urn:xmpp:sid:0", name) => name == "stanza-id",
        // A client's own delay would also tell its real address.
        ("urn:xmpp:delay" | "jabber:x:delay", _) => true,
        (MUC | USER | ADMIN | OWNER, _) => true,
        ("urn:xmpp:message-moderate:0" | "urn:xmpp:message-moderate:1", _) => true,
        ("urn:xmpp:message-retract:0" | "urn:xmpp:message-retract:1", "retract") => is_moderation(child),
        ("urn:xmpp:message-retract:0" | "urn:xmpp:message-retract:1", name) => name == "retracted",
        ("urn:xmpp:fasten:0", _) => true,
        ("urn:xmpp:mam:0" | "urn:xmpp:mam:1" | "urn:xmpp:mam:2" | "urn:xmpp:mam:tmp", _) => true,
        ("urn:xmpp:carbons:2", "sent" | "received") => true,
        ("urn:xmpp:hats:0" | "urn:xmpp:hats:1", _) => true,
        ("http://jabber.org/protocol/address", _) => true,
        _ => false,
    }
}

/// A retraction that claims to be a moderator's. Names cannot be written otherwise than as they are, namespaces can.
fn is_moderation(child: &Child<'_>) -> bool {
    child.inner().contains("moderated")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use crosspoint_engine::envelope::MessageKind;

    fn clean(head: &str, text: &str) -> String {
        let content = Content {
            codec: Codec::Xmpp,
            head: Bytes::copy_from_slice(head.as_bytes()),
            body: Bytes::copy_from_slice(text.as_bytes()),
        };
        let body = body(&content, Kind::Message(MessageKind::Groupchat)).expect("well-formed");
        String::from_utf8(body).expect("text")
    }

    #[test]
    fn forged_words_of_a_room_are_cut() {
        for forged in [
            "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='another'/>",
            "<o:occupant-id xmlns:o='urn:xmpp:occupant-id:0' id='another'/>",
            "<o:occupant-id xmlns:o='urn:xmpp:occupant&#45;id:0' id='another'/>",
            "<p:occupant-id id='another'/>",
            "<stanza-id xmlns='urn:xmpp:sid:0' by='room@conference.c.lit' id='0000000000000001'/>",
            "<stanza-id xmlns='urn:xmpp:sid:0' by='elsewhere.lit' id='1'/>",
            "<delay xmlns='urn:xmpp:delay' from='room@conference.c.lit' stamp='2002-09-10T23:08:25Z'/>",
            "<delay xmlns='urn:xmpp:delay' from='romeo@m.lit' stamp='2002-09-10T23:08:25Z'/>",
            "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/>",
            "<x xmlns='jabber:x:delay' stamp='20020910T23:08:25'/>",
            "<x xmlns='http://jabber.org/protocol/muc'><password>secret</password></x>",
            "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='owner' role='moderator'/><status code='110'/></x>",
            "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='romeo@m.lit'/></x>",
            "<moderated xmlns='urn:xmpp:message-moderate:1' by='room@conference.c.lit/romeo'/>",
            "<retract xmlns='urn:xmpp:message-retract:1' id='1'><moderated xmlns='urn:xmpp:message-moderate:1'/></retract>",
            "<retract xmlns='urn:xmpp:message-retract:1' id='1'><m:moderated xmlns:m='urn:xmpp:message&#x2d;moderate:1'/></retract>",
            "<retracted xmlns='urn:xmpp:message-retract:1' id='1'/>",
            "<apply-to xmlns='urn:xmpp:fasten:0' id='1'><moderated xmlns='urn:xmpp:message-moderate:0'/></apply-to>",
            "<result xmlns='urn:xmpp:mam:2' id='1'><forwarded xmlns='urn:xmpp:forward:0'/></result>",
            "<fin xmlns='urn:xmpp:mam:2' complete='true'/>",
            "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'/></received>",
            "<hats xmlns='urn:xmpp:hats:0'><hat title='Owner' uri='urn:x'/></hats>",
            "<addresses xmlns='http://jabber.org/protocol/address'><address type='ofrom' jid='juliet@c.lit'/></addresses>",
        ] {
            let said = ["<body>Hi</body>", forged, "<thread>t</thread>"].concat();
            let honest = clean(" xmlns:p='urn:xmpp:occupant-id:0'", &said);
            assert_eq!(honest, "<body>Hi</body><thread>t</thread>", "{forged}");
        }
    }

    #[test]
    fn everything_else_passes_byte_by_byte() {
        for said in [
            "",
            "<body>Hi &lt;all&gt;</body>",
            "<body xml:lang='cs'>Ahoj</body><origin-id xmlns='urn:xmpp:sid:0' id='7'/>",
            "<retract xmlns='urn:xmpp:message-retract:1' id='0000000000000007'/><body>/me retracted</body>",
            "<replace xmlns='urn:xmpp:message-correct:0' id='m1'/>",
            "<x xmlns='jabber:x:oob'><url>http://c.lit/a.png</url></x>",
            "<x xmlns='jabber:x:conference' jid='other@conference.c.lit'/>",
            "<p:thing><p:body/></p:thing>",
            "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        ] {
            assert_eq!(clean(" xml:lang='en' xmlns:p='urn:example'", said), said);
        }
    }
}
