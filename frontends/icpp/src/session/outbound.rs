//! What a client is told: an envelope becomes a header, the fields that differ from one recipient to the next, and the sender's own bytes.
//!
//! Invariants:
//! - Every reliable frame is kept until the client acknowledges it.
//! - While the client is away, or in the background, presence is kept back and typing is dropped.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Hints, Kind, PresenceKind, QueryKind};
use crosspoint_engine::neutral::{self as words, Neutral};
use crosspoint_engine::session::{Action, Context, Delivery, Form};
use crosspoint_engine::store::RecordId;

use crate::codec::ext;
use crate::codec::message::{kind, tag};
use crate::codec::presence::{Presence, Show, Subscription};
use crate::codec::{Code, Flags, Header, Message, Refusal, Verb, write_frame};
use crate::config::IcppConfig;
use crate::neutral;
use crate::parts::{self, Parts};
use crate::queries;

use super::Flow;
use super::established::Established;
use super::rooms;
use super::write::Place;

/// Milliseconds are shifted by this to make stamps (SPEC.md section 5).
const STAMP_SHIFT: u32 = 20;
/// Before the numbers of conditions (SPEC.md section 10).
pub(super) const CONDITIONS: u16 = 32;

impl Established {
    /// An envelope for this client.
    pub(super) fn deliver(
        &mut self,
        delivery: &Delivery<'_>,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Flow {
        if let Some(flow) = self.deliver_of_rooms(delivery, config, place, cx) {
            return flow;
        }
        match delivery.envelope.kind {
            Kind::Message(_) => self.deliver_message(delivery, config, place, cx),
            Kind::Presence(kind) => self.deliver_presence(kind, delivery.envelope, config, place, cx),
            Kind::Query(kind) => {
                self.deliver_query(kind, delivery.envelope, place, cx);
                Flow::Next
            }
        }
    }

    fn deliver_message(
        &mut self,
        delivery: &Delivery<'_>,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Flow {
        let start = cx.outbox.len();
        let ack = self.ack();
        let verb = write_message(cx.outbox, delivery, place, ack, cx.now.unix_ms);
        match verb {
            Some(Verb::Note) if self.flags.background || self.flags.away => cx.outbox.truncate(start),
            Some(Verb::Note) => {}
            Some(_) => {
                self.told_ms = cx.now.ms as u32;
                return self.keep(start, delivery, config, cx);
            }
            // Nothing that a client could be told: it waits for nobody.
            None => {
                if let Some(record) = delivery.record {
                    cx.actions.push(Action::SettleWhenWritten(vec![record]));
                }
            }
        }
        Flow::Next
    }

    /// What stands in the outbox from `start` on is a reliable frame of a delivery.
    pub(super) fn keep(
        &mut self,
        start: usize,
        delivery: &Delivery<'_>,
        config: &IcppConfig,
        cx: &mut Context<'_>,
    ) -> Flow {
        let returns = delivery.record.is_none()
            && delivery.form == Form::Plain
            && delivery.envelope.hints.has(Hints::STORE)
            && matches!(delivery.envelope.kind, Kind::Message(_));
        let envelope = returns.then(|| {
            let mut envelope = delivery.envelope.clone();
            envelope.compact();
            Box::new(envelope)
        });
        self.keep_frame(start, delivery.record, envelope, config, cx)
    }

    /// What stands in the outbox from `start` on is a reliable frame.
    pub(super) fn keep_frame(
        &mut self,
        start: usize,
        record: Option<RecordId>,
        envelope: Option<Box<Envelope>>,
        config: &IcppConfig,
        cx: &mut Context<'_>,
    ) -> Flow {
        self.outbound.keep(&cx.outbox[start..], record, envelope);
        if self.flags.away || self.flags.returning {
            cx.outbox.truncate(start);
        }
        if !self.flags.held && self.outbound.is_full(&config.limits) {
            self.flags.held = true;
            cx.actions.push(Action::Hold(true));
        }
        match self.outbound.overflows(&config.limits) {
            true => Flow::Fail(Code::SlowConsumer),
            false => Flow::Next,
        }
    }

    fn deliver_presence(
        &mut self,
        kind: PresenceKind,
        envelope: &Envelope,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Flow {
        let said = Neutral::read(&envelope.content.body);
        let status = said.status.as_deref().unwrap_or_default();
        let verb = match kind {
            PresenceKind::Available | PresenceKind::Unavailable => {
                let presence = Presence {
                    show: show(kind, said.show),
                    priority: said.priority,
                    address: envelope.from.as_str(),
                    status: clip(status),
                };
                self.tell_presence(&presence, envelope, config, place, cx);
                return Flow::Next;
            }
            PresenceKind::Subscribe => Verb::Subscribe,
            PresenceKind::Subscribed => Verb::Approve,
            PresenceKind::Unsubscribe => Verb::Unsubscribe,
            PresenceKind::Unsubscribed => Verb::Deny,
            PresenceKind::Probe | PresenceKind::Error => return Flow::Next,
        };
        let start = cx.outbox.len();
        let ack = self.ack();
        write_frame(cx.outbox, place.push(verb, ack), |out| {
            Subscription {
                address: envelope.from.bare_str(),
                note: clip(status),
            }
            .write(out);
        });
        self.keep_frame(start, None, None, config, cx)
    }

    pub(super) fn tell_presence(
        &mut self,
        presence: &Presence<'_>,
        envelope: &Envelope,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) {
        if envelope.from == self.address {
            // A client knows what it shows.
            return;
        }
        if self.flags.background || self.flags.away || self.flags.returning {
            let deferred = self.deferred.get_or_insert_default();
            return deferred.keep(&envelope.from, presence, config.limits.deferred_presences);
        }
        let ack = self.ack();
        write_frame(cx.outbox, place.push(Verb::Presences, ack), |out| presence.write(out));
    }

    /// Answers to this client's own requests; requests of others are refused on its behalf.
    fn deliver_query(&mut self, kind: QueryKind, envelope: &Envelope, place: Place, cx: &mut Context<'_>) {
        if matches!(kind, QueryKind::Get | QueryKind::Set) {
            let refusal = envelope.clone().bounce(Condition::ServiceUnavailable);
            cx.actions
                .extend(refusal.map(|envelope| Action::Route { envelope, seq: None }));
            return;
        }
        // Nobody but a server writes an answer in this codec, and only to who has asked.
        let ours = envelope.content.codec == Codec::Icpp;
        let id = envelope.id.as_ref().try_into().map(u32::from_le_bytes);
        let (true, Ok(id), false) = (ours, id, self.flags.away || self.flags.returning) else {
            return;
        };
        let ack = self.ack();
        match (envelope.error, parts::query_head(&envelope.content)) {
            (Some(condition), _) => {
                let code = match condition {
                    Condition::FeatureNotImplemented => Code::Unsupported,
                    other => Code::from_number(CONDITIONS + other as u16).unwrap_or(Code::Internal),
                };
                place.refuse_by(cx.outbox, id, ack, code);
            }
            (None, Some((verb, flags))) => {
                if verb.is_cut() {
                    return write_pieces(cx.outbox, verb, &envelope.content.body, id, ack, place);
                }
                let header = place.answer(verb, flags, id, ack);
                let epoch = self.epoch;
                write_frame(cx.outbox, header, |out| {
                    let start = out.len();
                    out.extend_from_slice(&envelope.content.body);
                    if verb == Verb::Synced && out.len() >= start + 8 {
                        // What answers knows no epoch.
                        out[start..start + 8].copy_from_slice(&epoch.to_le_bytes());
                    }
                });
            }
            (None, None) => place.refuse(cx.outbox, id, ack, &Refusal::new(Code::Internal)),
        }
    }
}

/// Writes an answer of a room, in as many frames as it takes.
fn write_pieces(out: &mut Vec<u8>, verb: Verb, body: &[u8], id: u32, ack: u32, place: Place) {
    let pieces = rooms::pieces(body, queries::FRAME_BYTES_ENOUGH);
    let last = pieces.len() - 1;
    for (index, piece) in pieces.into_iter().enumerate() {
        let flags = if index < last { Flags::MORE } else { Flags::NONE };
        write_frame(out, place.answer(verb, flags, id, ack), |out| {
            out.extend_from_slice(piece)
        });
    }
}

/// Presence that was kept back while nobody looked.
pub(super) fn catch_up(session: &mut Established, place: Place, cx: &mut Context<'_>) {
    let Some(deferred) = session.deferred.take() else {
        return;
    };
    let ack = session.ack();
    deferred.each(|presence| write_frame(cx.outbox, place.push(Verb::Presences, ack), |out| presence.write(out)));
}

/// Appends a message in the form that this session is to see. Gives its verb, or nothing if it has none.
fn write_message(out: &mut Vec<u8>, delivery: &Delivery<'_>, place: Place, ack: u32, now_ms: u64) -> Option<Verb> {
    with_parts(delivery.envelope, |parts| {
        write_parts(out, parts, delivery, place, ack, now_ms)
    })
}

/// The body of an ITEMS for a message of the archive; nothing if it has no words here.
pub(crate) fn item(envelope: &Envelope, record: RecordId) -> Option<Vec<u8>> {
    // A room's own word is a frame of its own, and stands among messages as one of them.
    let said = match crate::rooms::head(&envelope.content) {
        Some((verb, _)) if verb != Verb::Deliver => Some(neutral::to_neutral(envelope)?),
        _ => None,
    };
    with_parts(said.as_ref().unwrap_or(envelope), |parts| {
        let mut extensions = parts.extensions.to_vec();
        if parts.verb != Verb::Deliver {
            ext::write(&mut extensions, tag::VERB, &[parts.verb as u8]);
        }
        let mut body = Vec::new();
        Message {
            stamp: record,
            to: envelope.to.as_str(),
            from: envelope.from.as_str(),
            extensions: &extensions,
            ..parts.message()
        }
        .write(&mut body);
        body
    })
}

/// What a message is in this protocol, whoever wrote it.
fn with_parts<R>(envelope: &Envelope, use_them: impl FnOnce(&Parts<'_>) -> R) -> Option<R> {
    let Kind::Message(message) = envelope.kind else {
        return None;
    };
    let kind = neutral::deliver_kind(message);
    let told = told(&envelope.content);
    if let Some((own, body)) = &told {
        let said = Neutral::read(body);
        let spoken = neutral::from_neutral(envelope, said, kind, own);
        let came_back = kind == kind::ERROR;
        return Some(use_them(&Parts {
            verb: if came_back { Verb::Deliver } else { spoken.verb },
            id: spoken.id,
            kind: if came_back { kind } else { spoken.kind },
            extensions: &spoken.extensions,
            payload: spoken.payload.as_bytes(),
        }));
    }
    let parts = Parts::of(&envelope.content)?;
    let (verb, kind) = match (parts.verb, kind) {
        // Nobody waits for what may be lost.
        (Verb::Note, kind::ERROR) => return None,
        // It came back, whatever it was.
        (_, kind::ERROR) => (Verb::Deliver, kind),
        (Verb::Send, _) => (Verb::Deliver, parts.kind),
        (verb, _) => (verb, parts.kind),
    };
    Some(use_them(&Parts { verb, kind, ..parts }))
}

/// Neutral words, and the extensions that a room has put before them.
fn told(content: &Content) -> Option<(&[u8], Bytes)> {
    match content.codec {
        Codec::Neutral => Some((&[], content.body.clone())),
        _ => crate::rooms::told(content),
    }
}

fn write_parts(
    out: &mut Vec<u8>,
    parts: &Parts<'_>,
    delivery: &Delivery<'_>,
    place: Place,
    ack: u32,
    now_ms: u64,
) -> Verb {
    let envelope = delivery.envelope;
    let mut more = Vec::new();
    let extensions = match (delivery.form, envelope.error) {
        (Form::Plain, None) => parts.extensions,
        (form, error) => {
            more.extend_from_slice(parts.extensions);
            match form {
                Form::Plain => {}
                Form::CopyReceived => ext::write(&mut more, tag::COPY, &[1]),
                Form::CopySent => ext::write(&mut more, tag::COPY, &[2]),
            }
            if let Some(condition) = error {
                let code = CONDITIONS + condition as u16;
                ext::write(&mut more, tag::CONDITION, &code.to_le_bytes());
            }
            &more
        }
    };
    let stamp = match (delivery.record, envelope.stamp_ms) {
        (Some(record), _) => record,
        (None, stamp_ms) => stamp_ms.unwrap_or(now_ms) << STAMP_SHIFT,
    };
    let message = Message {
        id: parts.id,
        stamp,
        kind: parts.kind,
        to: envelope.to.as_str(),
        from: envelope.from.as_str(),
        extensions,
        payload: parts.payload,
    };
    let header = Header {
        flags: Flags::NONE,
        ..place.push(parts.verb, ack)
    };
    out.extend_from_slice(&header.bytes(message.len()));
    message.write(out);
    parts.verb
}

fn show(kind: PresenceKind, show: Option<words::Show>) -> Show {
    match kind {
        PresenceKind::Unavailable => Show::Unavailable,
        _ => show_of(show),
    }
}

/// The number of a neutral show.
pub(crate) fn show_of(show: Option<words::Show>) -> Show {
    match show {
        Some(words::Show::Chat) => Show::Chat,
        Some(words::Show::Away) => Show::Away,
        Some(words::Show::ExtendedAway) => Show::ExtendedAway,
        Some(words::Show::DoNotDisturb) => Show::DoNotDisturb,
        Some(words::Show::Available) | None => Show::Available,
    }
}

/// Most bytes of a status or note on the wire: others' protocols allow more than a frame holds.
const NOTE_BYTES_MAX: usize = 4096;

pub(super) fn clip(text: &str) -> &str {
    let mut end = text.len().min(NOTE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
