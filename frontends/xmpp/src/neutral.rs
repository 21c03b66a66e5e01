//! Between XMPP and the engine's neutral view ([`crosspoint_engine::neutral`]): what a stanza says to users of other protocols, and how
//! theirs is said in XML.
//!
//! ```text
//!   body, subject, thread        RFC 6121          received, displayed     XEP-0184, XEP-0333
//!   composing, paused, ...       XEP-0085          replace                 XEP-0308
//!   show, status, priority       RFC 6121          retract                 XEP-0424
//!   invitations                  XEP-0045, XEP-0249
//! ```
//! Invariants:
//! - Payloads that are not in this list do not cross; a body beside them, which is their fallback, does. Of a link out of band (XEP-0066)
//!   and of what is encrypted (XEP-0380) it is told in words if their sender has found none.
//! - What is written here is well-formed whatever the texts hold: they are escaped.

use std::borrow::Cow;

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, MessageKind};
use crosspoint_engine::neutral::{Activity, Neutral, Receipt, Show};

use crate::codec::tree::Element;
use crate::codec::{Builder, CLIENT};
use crate::rooms::{heard_invitation, write_invitation};
use crate::stanza::{condition, kind};

const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
const RECEIPTS: &str = "urn:xmpp:receipts";
const MARKERS: &str = "urn:xmpp:chat-markers:0";
const CORRECTION: &str = "urn:xmpp:message-correct:0";
const RETRACTION: &str = "urn:xmpp:message-retract:1";
const FALLBACK: &str = "urn:xmpp:fallback:0";
const OUT_OF_BAND: &str = "jabber:x:oob";
const ENCRYPTION: &str = "urn:xmpp:eme:0";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// What clients show that know no retraction (XEP-0424 section 3 wants one).
const RETRACTED: &str = "/me retracted an earlier message.";

/// A message or presence of a client's in neutral words; `None` if nothing of it has any.
pub(crate) fn from_stanza(envelope: &Envelope) -> Option<Envelope> {
    let name = kind::name(envelope.kind);
    let head = std::str::from_utf8(&envelope.content.head).ok()?;
    let body = std::str::from_utf8(&envelope.content.body).ok()?;
    let text = ["<", name, head, ">", body, "</", name, ">"].concat();
    let stanza = Element::parse(&text, CLIENT).ok()?;
    let mut error = envelope.error;
    let neutral = match envelope.kind {
        Kind::Message(MessageKind::Error) => {
            error = error.or_else(|| reason(&stanza));
            message(&stanza)
        }
        Kind::Message(_) => {
            let mut said = message(&stanza);
            said.invitation = heard_invitation(&stanza, &envelope.from);
            Some(said).filter(|said| !said.is_silent())?
        }
        Kind::Presence(_) => presence(&stanza),
        Kind::Query(_) => return None,
    };
    Some(Envelope {
        content: neutral.pack(),
        error,
        ..envelope.clone()
    })
}

fn message<'e>(stanza: &'e Element<'_>) -> Neutral<'e> {
    let mut said = Neutral::default();
    for child in stanza.children() {
        match (child.namespace(), child.name()) {
            (CLIENT, "body") => keep_first(&mut said.text, child),
            (CLIENT, "subject") => keep_first(&mut said.subject, child),
            (CLIENT, "thread") => keep_first(&mut said.thread, child),
            (CHAT_STATES, name) => said.activity = activity(name).or(said.activity),
            (RECEIPTS, "request") | (MARKERS, "markable") => said.receipt_wanted = true,
            (RECEIPTS, "received") | (MARKERS, "received") => said.receipt = of(child, Receipt::Delivered),
            (MARKERS, "displayed") => said.receipt = of(child, Receipt::Displayed),
            (CORRECTION, "replace") => said.replaces = child.attr("id").map(Cow::Borrowed),
            (RETRACTION, "retract") => said.retracts = child.attr("id").map(Cow::Borrowed),
            _ => {}
        }
    }
    if said.retracts.is_some() {
        // A body beside it is for clients that do not know it.
        said.text = None;
    } else if said.text.is_none() {
        said.text = in_words(stanza).map(Cow::Owned);
    }
    said
}

/// What is to be told of a payload that has no words beside it, and is worth some.
fn in_words(stanza: &Element<'_>) -> Option<String> {
    if let Some(link) = stanza.child("x", OUT_OF_BAND) {
        let part = |name| link.child(name, OUT_OF_BAND).map(Element::text);
        let (url, about) = (part("url")?, part("desc"));
        let about = about.filter(|about| !about.is_empty());
        return Some(about.map_or_else(|| url.to_string(), |about| format!("{about} {url}")));
    }
    let encryption = stanza.child("encryption", ENCRYPTION)?;
    let name = match encryption.attr("namespace")? {
        "eu.siacs.conversations.axolotl" | "urn:xmpp:omemo:1" | "urn:xmpp:omemo:2" => "OMEMO",
        "urn:xmpp:otr:0" => "OTR",
        "jabber:x:encrypted" | "urn:xmpp:openpgp:0" => "OpenPGP",
        other => encryption.attr("name").unwrap_or(other),
    };
    Some(format!("This message is encrypted ({name})."))
}

fn presence<'e>(stanza: &'e Element<'_>) -> Neutral<'e> {
    let text = |name| stanza.child(name, CLIENT).map(Element::text);
    Neutral {
        show: Some(match text("show").as_deref() {
            Some("chat") => Show::Chat,
            Some("away") => Show::Away,
            Some("xa") => Show::ExtendedAway,
            Some("dnd") => Show::DoNotDisturb,
            _ => Show::Available,
        }),
        status: text("status"),
        priority: text("priority").and_then(|text| text.trim().parse().ok()).unwrap_or(0),
        ..Neutral::default()
    }
}

/// Of texts in several languages the first stands for all.
fn keep_first<'e>(place: &mut Option<Cow<'e, str>>, child: &'e Element<'_>) {
    if place.is_none() {
        *place = Some(child.text());
    }
}

fn of<'e>(child: &'e Element<'_>, receipt: Receipt) -> Option<(Receipt, Cow<'e, str>)> {
    Some((receipt, Cow::Borrowed(child.attr("id")?)))
}

/// Why a client says that it could not take a message (RFC 6120 section 8.3).
fn reason(stanza: &Element<'_>) -> Option<Condition> {
    let error = stanza.child("error", CLIENT)?;
    let mut found = error.children().filter(|child| child.namespace() == STANZAS);
    found.find_map(|child| condition::from_name(child.name()).or_else(|| nearest(child.name())))
}

/// Of a condition that only XML has: which of the shared ones says about the same.
fn nearest(name: &str) -> Option<Condition> {
    Some(match name {
        "gone" | "redirect" => Condition::ItemNotFound,
        "recipient-unavailable" => Condition::ServiceUnavailable,
        "undefined-condition" => Condition::InternalServerError,
        _ => return None,
    })
}

fn activity(name: &str) -> Option<Activity> {
    Some(match name {
        "active" => Activity::Active,
        "composing" => Activity::Composing,
        "paused" => Activity::Paused,
        "inactive" => Activity::Inactive,
        "gone" => Activity::Gone,
        _ => return None,
    })
}

/// An envelope in neutral words as a stanza.
pub(crate) fn to_stanza(envelope: &Envelope) -> Envelope {
    Envelope {
        content: Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body: Bytes::from(body(envelope.kind, &envelope.content.body)),
        },
        ..envelope.clone()
    }
}

/// The body of a message or presence that says what stands in a neutral one's.
pub(crate) fn body(kind: Kind, neutral: &[u8]) -> Vec<u8> {
    let said = Neutral::read(neutral);
    let mut body = Vec::with_capacity(neutral.len() + 128);
    match kind {
        Kind::Presence(_) => write_presence(&mut body, &said),
        _ => write_message(&mut body, &said),
    }
    body
}

fn write_message(out: &mut Vec<u8>, said: &Neutral<'_>) {
    let mut stanza = Builder::new(out);
    for (name, text) in [
        ("subject", &said.subject),
        ("thread", &said.thread),
        ("body", &said.text),
    ] {
        if let Some(text) = text {
            stanza.open(name).text(text).close();
        }
    }
    if let Some(invitation) = &said.invitation {
        write_invitation(&mut stanza, invitation);
    }
    if let Some(id) = &said.replaces {
        stanza
            .open("replace")
            .attr("xmlns", CORRECTION)
            .attr("id", &**id)
            .close();
    }
    if let Some(id) = &said.retracts {
        stanza
            .open("retract")
            .attr("xmlns", RETRACTION)
            .attr("id", &**id)
            .close();
        stanza
            .open("fallback")
            .attr("xmlns", FALLBACK)
            .attr("for", RETRACTION)
            .close();
        stanza.open("body").text(RETRACTED).close();
    }
    match &said.receipt {
        Some((Receipt::Delivered, id)) => {
            stanza
                .open("received")
                .attr("xmlns", RECEIPTS)
                .attr("id", &**id)
                .close();
        }
        Some((Receipt::Displayed, id)) => {
            stanza
                .open("displayed")
                .attr("xmlns", MARKERS)
                .attr("id", &**id)
                .close();
        }
        None => {}
    }
    if said.receipt_wanted {
        stanza.empty("request", RECEIPTS).empty("markable", MARKERS);
    }
    let activity = said.activity.map(|activity| match activity {
        Activity::Active => "active",
        Activity::Composing => "composing",
        Activity::Paused => "paused",
        Activity::Inactive => "inactive",
        Activity::Gone => "gone",
    });
    if let Some(name) = activity {
        stanza.empty(name, CHAT_STATES);
    }
}

fn write_presence(out: &mut Vec<u8>, said: &Neutral<'_>) {
    let mut stanza = Builder::new(out);
    let show = match said.show {
        Some(Show::Chat) => Some("chat"),
        Some(Show::Away) => Some("away"),
        Some(Show::ExtendedAway) => Some("xa"),
        Some(Show::DoNotDisturb) => Some("dnd"),
        Some(Show::Available) | None => None,
    };
    if let Some(show) = show {
        stanza.open("show").text(show).close();
    }
    if let Some(status) = said.status.as_deref().filter(|status| !status.is_empty()) {
        stanza.open("status").text(status).close();
    }
    if said.priority != 0 {
        stanza.open("priority").text(&said.priority.to_string()).close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crosspoint_engine::envelope::PresenceKind;

    fn stanza(kind: Kind, body: &str) -> Envelope {
        let content = Content {
            codec: Codec::Xmpp,
            head: Bytes::from_static(b" xml:lang='en' xmlns:x='urn:example'"),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        Envelope {
            id: Bytes::from_static(b"m1"),
            content,
            ..Envelope::neutral("romeo@m.lit/o".parse().unwrap(), "juliet@c.lit".parse().unwrap(), kind)
        }
    }

    const CHAT: Kind = Kind::Message(MessageKind::Chat);
    /// Of what a room writes.
    const INVITED: Kind = Kind::Message(MessageKind::Normal);

    /// What both protocols can express comes back as it was.
    #[test]
    fn there_and_back() {
        let table = [
            (CHAT, "<body>Hi &lt;you&gt; &amp; me</body>"),
            (CHAT, "<subject>S</subject><thread>T</thread><body>B</body>"),
            (
                CHAT,
                "<body>B</body><replace xmlns=\"urn:xmpp:message-correct:0\" id=\"m0\"/>",
            ),
            (CHAT, "<received xmlns=\"urn:xmpp:receipts\" id=\"m0\"/>"),
            (CHAT, "<displayed xmlns=\"urn:xmpp:chat-markers:0\" id=\"m&lt;0\"/>"),
            (CHAT, "<composing xmlns=\"http://jabber.org/protocol/chatstates\"/>"),
            (
                CHAT,
                "<body>B</body><request xmlns=\"urn:xmpp:receipts\"/><markable xmlns=\"urn:xmpp:chat-markers:0\"/>",
            ),
            (
                CHAT,
                "<retract xmlns=\"urn:xmpp:message-retract:1\" id=\"m0\"/><fallback xmlns=\"urn:xmpp:fallback:0\" \
                 for=\"urn:xmpp:message-retract:1\"/><body>/me retracted an earlier message.</body>",
            ),
            (
                Kind::Presence(PresenceKind::Available),
                "<show>dnd</show><status>in a duel</status><priority>-3</priority>",
            ),
            (
                INVITED,
                "<x xmlns=\"http://jabber.org/protocol/muc#user\"><invite from=\"romeo@m.lit\"><reason>a mask</reason>\
                 <continue thread=\"T\"/></invite><password>rose</password></x>",
            ),
            (
                INVITED,
                "<x xmlns=\"http://jabber.org/protocol/muc#user\"><decline from=\"romeo@m.lit\"/></x>",
            ),
            (Kind::Presence(PresenceKind::Available), ""),
            (Kind::Presence(PresenceKind::Subscribe), "<status>It is I</status>"),
        ];
        for (kind, body) in table {
            let mut written = stanza(kind, body);
            if kind == INVITED {
                written.from = "garden@rooms.lit".parse().unwrap();
            }
            let neutral = from_stanza(&written).unwrap();
            assert_eq!(neutral.content.codec, Codec::Neutral);
            let back = to_stanza(&neutral);
            assert_eq!(std::str::from_utf8(&back.content.body).unwrap(), body);
            assert_eq!((&back.id[..], back.kind), (&b"m1"[..], kind));
        }
    }

    #[test]
    fn unknown_payloads_do_not_cross_and_their_fallback_does() {
        let unknown = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>";
        assert!(from_stanza(&stanza(CHAT, unknown)).is_none());
        assert!(from_stanza(&stanza(CHAT, "<x:y/>")).is_none());
        let fallback = [unknown, "<body>This is encrypted.</body>"].concat();
        let neutral = from_stanza(&stanza(CHAT, &fallback)).unwrap();
        let said = Neutral::read(&neutral.content.body);
        assert_eq!(
            said,
            Neutral {
                text: Some("This is encrypted.".into()),
                ..Neutral::default()
            }
        );
    }

    #[test]
    fn who_invites_directly_speaks_for_himself_and_for_no_room() {
        let direct = "<x xmlns='jabber:x:conference' jid='garden@rooms.lit' reason='a mask' password='rose' continue='true' thread='T'/>";
        let heard = |body: &str| {
            let neutral = from_stanza(&stanza(CHAT, body))?;
            let said = Neutral::read(&neutral.content.body);
            let invitation = said.invitation?;
            let texts = [invitation.reason, invitation.password, invitation.continues];
            let texts = texts.map(|text| text.map(Cow::into_owned));
            Some((invitation.room.into_owned(), invitation.by.map(Cow::into_owned), texts))
        };
        let (room, by, texts) = heard(direct).unwrap();
        assert_eq!((&*room, by.as_deref()), ("garden@rooms.lit", Some("romeo@m.lit")));
        assert_eq!(texts, ["a mask", "rose", "T"].map(|text| Some(text.to_owned())));
        let forged = "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='juliet@c.lit'/></x>";
        assert_eq!(heard(forged), None, "a user is no room");
        assert_eq!(
            heard("<x xmlns='jabber:x:conference' jid='rooms.lit'/>"),
            None,
            "no room's address"
        );
        assert_eq!(heard("<x xmlns='jabber:x:conference'/>"), None);
    }

    #[test]
    fn a_link_and_what_is_encrypted_are_told_in_words_if_there_are_none() {
        let link = "<x xmlns='jabber:x:oob'><url>https://c.lit/a.png</url></x>";
        let about = "<x xmlns='jabber:x:oob'><desc>A</desc><url>https://c.lit/a.png</url></x>";
        let omemo = "<encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:omemo:2'/>";
        let other = "<encryption xmlns='urn:xmpp:eme:0' namespace='urn:example' name='Enigma'/>";
        let nothing = "<x xmlns='jabber:x:oob'/>";
        for (body, words) in [
            (link.to_owned(), Some("https://c.lit/a.png")),
            (about.to_owned(), Some("A https://c.lit/a.png")),
            (format!("{link}<body>Look</body>"), Some("Look")),
            (omemo.to_owned(), Some("This message is encrypted (OMEMO).")),
            (other.to_owned(), Some("This message is encrypted (Enigma).")),
            (format!("{omemo}<body>Secret</body>"), Some("Secret")),
            (nothing.to_owned(), None),
        ] {
            let neutral = from_stanza(&stanza(CHAT, &body));
            let text = neutral.map(|neutral| Neutral::read(&neutral.content.body).text.unwrap().into_owned());
            assert_eq!(text.as_deref(), words, "{body}");
        }
    }

    #[test]
    fn of_several_bodies_the_first_is_said() {
        let body = "<body>Hi</body><body xml:lang='cs'>Ahoj</body>";
        let neutral = from_stanza(&stanza(CHAT, body)).unwrap();
        assert_eq!(Neutral::read(&neutral.content.body).text.as_deref(), Some("Hi"));
    }

    #[test]
    fn an_error_of_a_client_says_why() {
        let body = "<body>Hi</body><error type='cancel'><gone xmlns='urn:example'/><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
        let neutral = from_stanza(&stanza(Kind::Message(MessageKind::Error), body)).unwrap();
        assert_eq!(neutral.error, Some(Condition::NotAllowed));
        for (name, condition) in [
            ("gone", Condition::ItemNotFound),
            ("redirect", Condition::ItemNotFound),
            ("recipient-unavailable", Condition::ServiceUnavailable),
            ("undefined-condition", Condition::InternalServerError),
        ] {
            let body = format!("<error type='cancel'><{name} xmlns='{STANZAS}'/></error>");
            let neutral = from_stanza(&stanza(Kind::Message(MessageKind::Error), &body)).unwrap();
            assert_eq!(neutral.error, Some(condition), "{name}");
        }
    }

    #[test]
    fn texts_that_xml_cannot_carry_are_made_harmless() {
        let said = Neutral {
            text: Some("a\u{0}b]]><!--\r\n".into()),
            replaces: Some("'\"<".into()),
            ..Neutral::default()
        };
        let envelope = Envelope {
            content: said.pack(),
            ..stanza(CHAT, "")
        };
        let back = to_stanza(&envelope);
        let body = std::str::from_utf8(&back.content.body).unwrap();
        assert_eq!(
            body,
            "<body>a\u{fffd}b]]&gt;&lt;!--&#13;\n</body><replace xmlns=\"urn:xmpp:message-correct:0\" id=\"&apos;&quot;&lt;\"/>"
        );
    }
}
