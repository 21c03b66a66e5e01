//! From a client's message to an envelope: the one copy of a message's road.
//!
//! A call of `on_input` may carry many frames. When the first of them is routed, everything from there to the end of the input is copied
//! once; all envelopes of the call share that copy, each its own slices of it (see `parts.rs`).
//!
//! Invariants: a [`Run`] never hands out bytes that were not in its input; the payload is not looked at.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Content, Envelope, Hints, Kind, MessageKind, copy};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, Context};

use crate::codec::message::{MESSAGE_HEAD_BYTES, ROOM_BYTES, kind, note, receipt};
use crate::codec::{Code, Flags, Frame, HEADER_BYTES, Message, Verb};
use crate::config::IcppConfig;
use crate::neutral;
use crate::parts::{HEAD_BYTES, HEAD_OFFSET};

use super::Flow;
use super::established::Established;

/// The input of one call, and its copy once there is one.
pub(super) struct Run<'i> {
    input: &'i [u8],
    /// Where the frame that is being read begins in it.
    frame: usize,
    /// Offset in the input at which the copy begins, and the copy.
    shared: Option<(usize, Bytes)>,
    /// The last addressee: who writes several messages at once writes them to the same one, as a rule.
    last: Option<Jid>,
}

impl<'i> Run<'i> {
    /// Copies nothing yet.
    pub(super) fn new(input: &'i [u8]) -> Run<'i> {
        Run {
            input,
            frame: 0,
            shared: None,
            last: None,
        }
    }

    /// The next frame begins here.
    pub(super) fn at(&mut self, offset: usize) {
        self.frame = offset;
    }

    /// Bytes of the frame that is being read, from one of its offsets to another, shared.
    fn share(&mut self, from: usize, to: usize) -> Bytes {
        if from == to {
            return Bytes::new();
        }
        let (input, frame) = (self.input, self.frame);
        let (start, shared) = self.shared.get_or_insert_with(|| (frame, copy(&input[frame..])));
        let offset = frame - *start;
        shared.slice(offset + from..offset + to)
    }

    /// The body of the frame that is being read, shared.
    pub(super) fn body(&mut self, frame: &Frame<'_>) -> Bytes {
        self.share(HEADER_BYTES, frame.len())
    }

    /// An address that stands at this offset of the frame.
    pub(super) fn address(&mut self, text: &str, offset: usize) -> Option<Jid> {
        // An address in prepared form is what preparing it would give.
        if let Some(last) = &self.last
            && last.as_str() == text
        {
            return Some(last.clone());
        }
        let address = Jid::parse_bytes(self.share(offset, offset + text.len())).ok()?;
        self.last = Some(address.clone());
        Some(address)
    }
}

/// SEND, RECEIPT, NOTE, EDIT or RECALL.
pub(super) fn message(
    session: &mut Established,
    verb: Verb,
    frame: &Frame<'_>,
    config: &IcppConfig,
    run: &mut Run<'_>,
    cx: &mut Context<'_>,
) -> Flow {
    if frame.header.id != 0 || frame.header.flags.has(Flags::REQ) {
        return Flow::Fail(Code::Malformed);
    }
    if frame.len() > (config.limits.frame_bytes - ROOM_BYTES) as usize {
        return Flow::Fail(Code::FrameTooLarge);
    }
    let message = match Message::read(frame.body) {
        Ok(message) => message,
        Err(fault) => return fault.into(),
    };
    let Some((kind, hints)) = classify(verb, &message, frame.header.flags) else {
        return Flow::Fail(Code::Malformed);
    };
    let reliable = verb.is_reliable_from_client();
    if reliable && session.inbound.outstanding() >= config.limits.window as usize {
        return Flow::Fail(Code::CreditOverrun);
    }
    let Some(to) = run.address(message.to, HEADER_BYTES + MESSAGE_HEAD_BYTES) else {
        // An address is part of a frame's shape.
        return Flow::Fail(Code::Malformed);
    };
    let content = content(&message, frame, run);
    // A room keeps what no addressee's log does.
    let to_room = kind == MessageKind::Groupchat && !frame.header.flags.has(Flags::NOSTORE);
    let durable = reliable && (hints.has(Hints::STORE) || to_room);
    let number = reliable.then(|| session.inbound.receive(!durable));
    cx.actions.push(Action::Route {
        envelope: Envelope {
            content,
            hints,
            ..Envelope::neutral(session.address.clone(), to, Kind::Message(kind))
        },
        seq: number.filter(|_| durable),
    });
    Flow::Next
}

/// What the engine is told about a message; `None` if it does not have its verb's shape.
fn classify(verb: Verb, message: &Message<'_>, flags: Flags) -> Option<(MessageKind, Hints)> {
    if message.stamp != 0 || !message.from.is_empty() {
        return None;
    }
    let stored = Hints::STORE.with(Hints::COPY);
    let said = stored.with(Hints::WAKE);
    let refers = message.reference().is_some();
    let found = match (verb, message.kind) {
        (Verb::Send, kind::CHAT) => (MessageKind::Chat, said),
        (Verb::Send, kind::NORMAL) => (MessageKind::Normal, said),
        (Verb::Send, kind::GROUPCHAT) => (MessageKind::Groupchat, Hints::NONE),
        (Verb::Send, kind::HEADLINE) => (MessageKind::Headline, Hints::NONE),
        (Verb::Note, note::ACTIVE..=note::GONE) => (MessageKind::Chat, Hints::COPY.with(Hints::DEFER)),
        (Verb::Receipt, receipt::DELIVERED | receipt::DISPLAYED) if refers => (MessageKind::Chat, stored),
        (Verb::Edit | Verb::Recall, kind::CHAT) if refers => (MessageKind::Chat, stored),
        (Verb::Edit | Verb::Recall, kind::NORMAL) if refers => (MessageKind::Normal, stored),
        (Verb::Edit | Verb::Recall, kind::GROUPCHAT) if refers => (MessageKind::Groupchat, Hints::NONE),
        _ => return None,
    };
    match found {
        (kind, hints) if hints.has(Hints::STORE) && flags.has(Flags::NOSTORE) => Some((kind, Hints::COPY)),
        (MessageKind::Groupchat, _) if flags.has(Flags::NOSTORE) => Some((MessageKind::Groupchat, Hints::TRANSIENT)),
        found => Some(found),
    }
}

/// The content of a message frame (see `parts.rs`), without what only the server may say.
fn content(message: &Message<'_>, frame: &Frame<'_>, run: &mut Run<'_>) -> Content {
    let body_at = HEADER_BYTES + MESSAGE_HEAD_BYTES + message.to.len();
    let honest = match message.extensions.is_empty() {
        true => None,
        false => neutral::honest(message.extensions),
    };
    let Some(extensions) = honest else {
        return Content {
            codec: Codec::Icpp,
            head: run.share(HEAD_OFFSET, HEAD_OFFSET + HEAD_BYTES),
            body: run.share(body_at, frame.len()),
        };
    };
    let mut head = run.share(HEAD_OFFSET, HEAD_OFFSET + HEAD_BYTES).to_vec();
    head[44 - HEAD_OFFSET..46 - HEAD_OFFSET].copy_from_slice(&(extensions.len() as u16).to_le_bytes());
    Content {
        codec: Codec::Icpp,
        head: Bytes::from(head),
        body: Bytes::from([&extensions, message.payload].concat()),
    }
}
