//! What the first-level children of a message say about its treatment: kept for the absent (XEP-0160, XEP-0334), copied
//! to other sessions (XEP-0280 section 6), held back from the inactive (XEP-0352); and which of them are forged.
//!
//! Invariant: one pass over the children decides everything; nothing is parsed again.

use crosspoint_engine::envelope::{Hints, MessageKind};
use crosspoint_engine::jid::Jid;

use crate::codec::{CLIENT, Child, Name, Scanner, Stanza};
use crate::features::mds;

/// What the children say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// It has a body.
    body: bool,
    /// It has a payload that means something of its own.
    payload: bool,
    /// It has a chat state.
    chat_state: bool,
    /// It has what is typical of instant messaging: receipts, chat states, markers, an invitation.
    conversation: bool,
    /// It must not be copied.
    private: bool,
    /// It must not be stored.
    no_store: bool,
    /// It may wait for its addressee, and is forgotten then.
    transient: bool,
    /// It must be stored.
    store: bool,
    /// Somebody says something, in words that the server may not be able to read, or calls.
    speech: bool,
    /// Some child claims what only the server may say.
    pub(crate) forged: bool,
    /// Some child is for the server only (XEP-0490).
    pub(crate) assisted: bool,
}

/// Looks at all children of a message that the user `own` sends.
pub(crate) fn survey(scanner: &Scanner, stanza: &Stanza<'_>, own: &Jid) -> Survey {
    let mut survey = Survey::default();
    for (place, name) in scanner.names(stanza).enumerate() {
        let is_known = name.is_some_and(|name| survey.see_at_a_glance(name));
        if !is_known && let Some(child) = scanner.children(stanza).nth(place) {
            if mds::is_assisted(&child) {
                survey.assisted = true;
                continue;
            }
            survey.see(&child);
            survey.forged |= is_forged(&child, own);
        }
    }
    survey
}

impl Survey {
    /// What nearly all children are needs no more than their names, and is no forgery. False, and nothing seen, for others.
    fn see_at_a_glance(&mut self, (namespace, name): Name<'_>) -> bool {
        // Compared whole: a slice as a pattern would be compared byte by byte.
        if namespace == CLIENT.as_bytes() && name == b"body" {
            (self.body, self.speech) = (true, true);
        } else if namespace == b"http://jabber.org/protocol/chatstates" {
            (self.chat_state, self.conversation) = (true, true);
        } else if namespace == b"urn:xmpp:receipts" && name == b"request" {
            self.conversation = true;
        } else {
            return false;
        }
        true
    }

    fn see(&mut self, child: &Child<'_>) {
        match (&*child.namespace, child.name) {
            (CLIENT, "body") => (self.body, self.speech) = (true, true),
            (CLIENT, "thread") => {}
            ("http://jabber.org/protocol/chatstates", _) => {
                self.chat_state = true;
                self.conversation = true;
            }
            ("urn:xmpp:hints", "no-store") => self.no_store = true,
            ("urn:xmpp:hints", "no-permanent-store") => self.transient = true,
            ("urn:xmpp:hints", "store") => self.store = true,
            ("urn:xmpp:hints", "no-copy") | ("urn:xmpp:carbons:2", "private") => self.private = true,
            ("urn:xmpp:hints", _) => {}
            ("eu.siacs.conversations.axolotl" | "urn:xmpp:omemo:2", "encrypted") => {
                // Without one it only moves keys.
                self.speech |= child.inner().contains("<payload");
                self.payload = true;
            }
            ("urn:xmpp:jingle-message:0", "propose") | ("urn:xmpp:call-invites:0", "invite") => {
                (self.speech, self.payload) = (true, true);
            }
            ("urn:xmpp:receipts", "request") | ("urn:xmpp:chat-markers:0", "markable") => self.conversation = true,
            ("urn:xmpp:receipts", _) | ("urn:xmpp:chat-markers:0", _) | ("jabber:x:conference", _) => {
                self.speech |= child.namespace == "jabber:x:conference";
                self.conversation = true;
                self.payload = true;
            }
            ("http://jabber.org/protocol/muc#user", _) => {
                self.conversation |= child.inner().contains("<invite");
                self.payload = true;
            }
            ("urn:xmpp:delay" | "urn:xmpp:sid:0" | "urn:xmpp:eme:0" | "http://jabber.org/protocol/nick", _) => {}
            _ => self.payload = true,
        }
    }

    /// What the router is told about a message of this kind.
    pub(crate) fn hints(self, kind: MessageKind) -> Hints {
        // XEP-0334 section 5: hints within errors are not the sender's wish; errors are neither kept nor copied.
        if kind == MessageKind::Error {
            return Hints::NONE;
        }
        if kind == MessageKind::Groupchat {
            return self.hints_for_a_room();
        }
        let mut hints = Hints::NONE;
        let worthy = self.body || self.payload;
        let stores = self.store || (worthy && kind != MessageKind::Headline);
        if stores && !self.no_store {
            hints = hints.with(Hints::STORE);
            if self.transient {
                hints = hints.with(Hints::TRANSIENT);
            }
            if self.speech && kind != MessageKind::Headline {
                hints = hints.with(Hints::WAKE);
            }
        }
        let copies = match kind {
            MessageKind::Chat => true,
            MessageKind::Normal => self.body || self.conversation,
            _ => self.conversation,
        };
        if copies && !self.private {
            hints = hints.with(Hints::COPY);
        }
        if self.chat_state && !worthy && !self.store {
            hints = hints.with(Hints::DEFER);
        }
        hints
    }

    /// A room keeps what is said to all, unless it passes, or its sender does not want that.
    fn hints_for_a_room(self) -> Hints {
        let passes = self.chat_state && !self.body && !self.payload && !self.store;
        match (passes, self.no_store || self.transient) {
            (true, _) => Hints::DEFER,
            (false, true) => Hints::TRANSIENT,
            (false, false) => Hints::NONE,
        }
    }
}

/// Whether only the server may say this: a delay in its name or another user's (XEP-0203, XEP-0091), a stanza identifier by it or
/// by an account of it (XEP-0359), an occupant identifier, which rooms assign (XEP-0421), a copy (XEP-0280), what an archive answers
/// (XEP-0313). Receivers should look who says such things; those that do not are not to be fooled here.
pub(crate) fn is_forged(child: &Child<'_>, own: &Jid) -> bool {
    let speaks_for = |attribute: &str| {
        child
            .attr(attribute)
            .and_then(|value| Jid::parse(&value.unescape()).ok())
    };
    match (&*child.namespace, child.name) {
        ("urn:xmpp:delay", "delay") | ("jabber:x:delay", "x") => {
            speaks_for("from").is_some_and(|from| ours(&from, own) && !from.same_bare(own))
        }
        ("urn:xmpp:sid:0", "stanza-id") => speaks_for("by").is_some_and(|by| ours(&by, own)),
        ("urn:xmpp:occupant-id:0", "occupant-id") => true,
        ("urn:xmpp:carbons:1" | "urn:xmpp:carbons:2", "received" | "sent") => true,
        (namespace, "result" | "fin") => namespace.starts_with("urn:xmpp:mam:"),
        _ => false,
    }
}

fn ours(address: &Jid, own: &Jid) -> bool {
    address.domain() == own.domain()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Frame, Scan, ScanLimits};

    fn survey_of(children: &str) -> Survey {
        let text = format!("<message>{children}</message>");
        let mut scanner = Scanner::for_stanzas(ScanLimits::AFTER_AUTH);
        let Ok(Scan::Frame {
            frame: Frame::Stanza(stanza),
            ..
        }) = scanner.scan(text.as_bytes())
        else {
            panic!("{text} is a stanza");
        };
        survey(&scanner, &stanza, &"romeo@m.lit/orchard".parse().unwrap())
    }

    const STATE: &str = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
    const RECEIPT: &str = "<received xmlns='urn:xmpp:receipts' id='1'/>";

    #[test]
    fn what_is_kept_copied_and_held_back() {
        use MessageKind::*;
        let (store, copy, defer) = (Hints::STORE, Hints::COPY, Hints::DEFER);
        let said = store.with(Hints::WAKE);
        let table = [
            (Chat, "<body>Hi</body>", said.with(copy)),
            (Normal, "<body>Hi</body>", said.with(copy)),
            (Headline, "<body>News</body>", Hints::NONE),
            (Groupchat, "<body>Hi all</body>", Hints::NONE),
            (Groupchat, STATE, defer),
            (
                Groupchat,
                "<body>Hi all</body><no-store xmlns='urn:xmpp:hints'/>",
                Hints::TRANSIENT,
            ),
            (Error, "<body>Hi</body>", Hints::NONE),
            (Chat, STATE, copy.with(defer)),
            (Normal, STATE, copy.with(defer)),
            (Chat, RECEIPT, store.with(copy)),
            (Normal, RECEIPT, store.with(copy)),
            (Normal, "<ping xmlns='urn:example'/>", store),
            (Normal, "", Hints::NONE),
            (Chat, "<thread>1</thread>", copy),
            (Chat, "<body>Hi</body><no-store xmlns='urn:xmpp:hints'/>", copy),
            (
                Chat,
                "<body>Hi</body><no-permanent-store xmlns='urn:xmpp:hints'/>",
                said.with(copy).with(Hints::TRANSIENT),
            ),
            (Chat, "<body>Hi</body><no-copy xmlns='urn:xmpp:hints'/>", said),
            (Chat, "<body>Hi</body><private xmlns='urn:xmpp:carbons:2'/>", said),
            (
                Headline,
                "<x xmlns='urn:example'/><store xmlns='urn:xmpp:hints'/>",
                store,
            ),
            (
                Chat,
                "<encrypted xmlns='eu.siacs.conversations.axolotl'/>",
                store.with(copy),
            ),
            (
                Chat,
                "<encrypted xmlns='urn:xmpp:omemo:2'><payload/></encrypted>",
                said.with(copy),
            ),
            (Normal, "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>", said),
            (
                Normal,
                "<x xmlns='jabber:x:conference' jid='room@c.lit'/>",
                said.with(copy),
            ),
        ];
        for (kind, children, expected) in table {
            assert_eq!(survey_of(children).hints(kind), expected, "{kind:?} {children}");
        }
    }

    #[test]
    fn a_glance_sees_what_a_look_sees() {
        let own = "romeo@m.lit/orchard".parse().unwrap();
        for text in [
            "<body>Hi</body>",
            "<body xmlns='urn:x'/>",
            "<body xmlns='jabber:client'/>",
            "<p:body xmlns:p='jabber:client'/>",
            "<p:body xmlns:p='urn:x'/>",
            "<thread/>",
            "<active xmlns='http://jabber.org/protocol/chatstates'/>",
            "<active xmlns='http://jabber.org/protocol&#47;chatstates'/>",
            "<request xmlns='urn:xmpp:receipts'/>",
            "<received xmlns='urn:xmpp:receipts'/>",
            "<occupant-id xmlns='urn:xmpp:occupant-id:0'/>",
        ] {
            let message = format!("<message>{text}</message>");
            let mut scanner = Scanner::for_stanzas(ScanLimits::AFTER_AUTH);
            let Ok(Scan::Frame {
                frame: Frame::Stanza(stanza),
                ..
            }) = scanner.scan(message.as_bytes())
            else {
                panic!("{text} is a stanza");
            };
            let child = scanner.children(&stanza).next().unwrap();
            let mut looked = Survey::default();
            looked.see(&child);
            looked.forged = is_forged(&child, &own);
            let mut glanced = Survey::default();
            match scanner.names(&stanza).next().unwrap() {
                Some(name) => {
                    assert_eq!(name, (child.namespace.as_bytes(), child.name.as_bytes()), "{text}");
                    let known = glanced.see_at_a_glance(name);
                    assert_eq!(glanced, if known { looked } else { Survey::default() }, "{text}");
                }
                None => assert!(text.contains('&'), "{text}"),
            }
        }
    }

    #[test]
    fn what_only_the_server_may_say() {
        let table = [
            (
                "<delay xmlns='urn:xmpp:delay' from='m.lit' stamp='2002-09-10T23:08:25Z'/>",
                true,
            ),
            (
                "<delay xmlns='urn:xmpp:delay' from='mercutio@m.lit' stamp='2002-09-10T23:08:25Z'/>",
                true,
            ),
            (
                "<delay xmlns='urn:xmpp:delay' from='romeo@m.lit' stamp='2002-09-10T23:08:25Z'/>",
                false,
            ),
            ("<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/>", false),
            (
                "<d:delay xmlns:d='urn:xmpp:delay' from='&#x6D;.lit' stamp='2002-09-10T23:08:25Z'/>",
                true,
            ),
            ("<stanza-id xmlns='urn:xmpp:sid:0' by='romeo@m.lit' id='1'/>", true),
            ("<stanza-id xmlns='urn:xmpp:sid:0' by='M.LIT' id='1'/>", true),
            (
                "<stanza-id xmlns='urn:xmpp:sid:0' by='room@chat.elsewhere' id='1'/>",
                false,
            ),
            ("<origin-id xmlns='urn:xmpp:sid:0' id='1'/>", false),
            (
                "<x xmlns='jabber:x:delay' from='m.lit' stamp='20020910T23:08:25'/>",
                true,
            ),
            ("<received xmlns='urn:xmpp:carbons:2'/>", true),
            ("<sent xmlns='urn:xmpp:carbons:2'/>", true),
            ("<c:sent xmlns:c='urn:xmpp:carbons&#x3a;2'/>", true),
            ("<private xmlns='urn:xmpp:carbons:2'/>", false),
            ("<received xmlns='urn:xmpp:receipts' id='1'/>", false),
            ("<result xmlns='urn:xmpp:mam:2' id='1'/>", true),
            ("<result xmlns='urn:xmpp:mam:tmp' id='1'/>", true),
            ("<fin xmlns='urn:xmpp:mam:0'/>", true),
            ("<result xmlns='urn:example'/>", false),
            ("<occupant-id xmlns='urn:xmpp:occupant-id:0' id='1'/>", true),
        ];
        for (child, forged) in table {
            assert_eq!(survey_of(child).forged, forged, "{child}");
        }
    }
}
