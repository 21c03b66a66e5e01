//! What a client says to rooms, and what rooms tell it (SPEC.md section 14).
//!
//! Invariants:
//! - What a client says is written with the verb of a client, whatever else is in it; only what the server wrote is told as a room's word.
//! - What a room tells is reliable: a client that was away knows afterwards who is in.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Envelope, Hints, Kind, MessageKind, PresenceKind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::neutral::Neutral;
use crosspoint_engine::session::{Action, Context, Delivery, Form};

use crate::codec::ext;
use crate::codec::presence::{Presence, Show};
use crate::codec::rooms::{Body, tag, write_text};
use crate::codec::sync::History;
use crate::codec::{Code, Flags, Frame, Verb, write_frame};
use crate::config::IcppConfig;
use crate::rooms;

use super::Flow;
use super::established::{Established, is_request};
use super::inbound::Run;
use super::outbound::{CONDITIONS, clip};
use super::write::Place;

/// CREATE, JOIN, LEAVE, SHOW, INVITE, DECLINE or VOICE: safe when the room has answered it.
pub(super) fn push(
    session: &mut Established,
    verb: Verb,
    frame: &Frame<'_>,
    config: &IcppConfig,
    place: Place,
    run: &mut Run<'_>,
    cx: &mut Context<'_>,
) -> Flow {
    if frame.header.id != 0 || frame.header.flags.has(Flags::REQ) {
        return Flow::Fail(Code::Malformed);
    }
    let body = match Body::read(verb, frame.body) {
        Ok(body) => body,
        Err(fault) => return fault.into(),
    };
    if session.inbound.outstanding() >= config.limits.window as usize {
        return Flow::Fail(Code::CreditOverrun);
    }
    let Some(room) = room_of(&body) else {
        return Flow::Fail(Code::Malformed);
    };
    let (kind, to) = match verb {
        Verb::Invite | Verb::Decline | Verb::Voice => (Kind::Message(MessageKind::Normal), room),
        Verb::Leave => (Kind::Presence(PresenceKind::Unavailable), room),
        _ => {
            // One that is no part of an address names nobody, which is for the room to say.
            let occupant = room.with_resource(body.text(tag::NICK).unwrap_or_default());
            let to = occupant.unwrap_or(room);
            (Kind::Presence(PresenceKind::Available), to)
        }
    };
    if kind == Kind::Presence(PresenceKind::Available) && !config.has_room(&to) {
        session.inbound.receive(true);
        return session.refuse_entry(&to, config, place, cx);
    }
    let number = session.inbound.receive(false);
    cx.actions.push(Action::Route {
        envelope: Envelope {
            content: rooms::asked(verb, run.body(frame)),
            hints: match kind {
                Kind::Presence(_) => Hints::DEFER,
                _ => Hints::NONE,
            },
            ..Envelope::neutral(session.address.clone(), to, kind)
        },
        seq: Some(number),
    });
    Flow::Next
}

/// MEMBERS, CHANGE, CONFIGURE, DESTROY; HISTORY of a room: answered by the room. ROOMS: by the user's home.
pub(super) fn query(
    session: &mut Established,
    verb: Verb,
    frame: &Frame<'_>,
    run: &mut Run<'_>,
    cx: &mut Context<'_>,
) -> Flow {
    if !is_request(frame) {
        return Flow::Fail(Code::Malformed);
    }
    let to = match verb {
        Verb::History => History::read(frame.body).map(|asked| Jid::parse(asked.with).ok()),
        Verb::Rooms => Body::read(verb, frame.body).map(|_| Some(session.address.clone())),
        _ => Body::read(verb, frame.body).map(|body| room_of(&body)),
    };
    let to = match to {
        Ok(Some(to)) => to.to_bare(),
        Ok(None) => return Flow::Fail(Code::Malformed),
        Err(fault) => return fault.into(),
    };
    cx.actions.push(Action::Route {
        envelope: Envelope {
            id: Bytes::copy_from_slice(&frame.header.id.to_le_bytes()),
            content: rooms::asked(verb, run.body(frame)),
            ..Envelope::neutral(session.address.clone(), to, Kind::Query(QueryKind::Set))
        },
        seq: None,
    });
    Flow::Next
}

fn room_of(body: &Body<'_>) -> Option<Jid> {
    Jid::parse(body.text(tag::ROOM)?).ok().map(|room| room.to_bare())
}

impl Established {
    /// What is written with the verbs of rooms, or would be by one who has them. `None`: it is something else.
    pub(super) fn deliver_of_rooms(
        &mut self,
        delivery: &Delivery<'_>,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Option<Flow> {
        let envelope = delivery.envelope;
        let Some((verb, by_server)) = rooms::head(&envelope.content) else {
            return self.deliver_invitation(delivery, config, place, cx);
        };
        if by_server && verb == Verb::Deliver {
            return None;
        }
        let start = cx.outbox.len();
        match envelope.kind {
            Kind::Query(_) => return None,
            Kind::Message(MessageKind::Error) | Kind::Presence(PresenceKind::Error) => {
                self.write_refused(envelope, verb, by_server, place, cx);
            }
            _ if by_server && verb.is_of_rooms_from_server() => {
                let ack = self.ack();
                write_frame(cx.outbox, place.push(verb, ack), |out| {
                    write_whose(out, &envelope.from);
                    out.extend_from_slice(&envelope.content.body);
                });
            }
            // Somebody has taken this user for a room.
            Kind::Presence(kind) => return Some(self.deliver_show(kind, envelope, config, place, cx)),
            Kind::Message(_) => {
                if let Some(record) = delivery.record {
                    cx.actions.push(Action::SettleWhenWritten(vec![record]));
                }
                return Some(Flow::Next);
            }
        }
        Some(self.keep(start, delivery, config, cx))
    }

    /// An invitation, or the refusal of one, in neutral words. The user's own, sent from elsewhere, is a message like others.
    fn deliver_invitation(
        &mut self,
        delivery: &Delivery<'_>,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Option<Flow> {
        let envelope = delivery.envelope;
        let (Codec::Neutral, Kind::Message(kind)) = (envelope.content.codec, envelope.kind) else {
            return None;
        };
        if kind == MessageKind::Error || delivery.form == Form::CopySent {
            return None;
        }
        let (verb, body) = rooms::invitation::from_neutral(&Neutral::read(&envelope.content.body))?;
        let start = cx.outbox.len();
        let ack = self.ack();
        write_frame(cx.outbox, place.push(verb, ack), |out| out.extend_from_slice(&body));
        Some(self.keep(start, delivery, config, cx))
    }

    /// Nobody enters what is no room: presence to elsewhere is answered by nobody, and the client would wait for ever.
    fn refuse_entry(&mut self, to: &Jid, config: &IcppConfig, place: Place, cx: &mut Context<'_>) -> Flow {
        let start = cx.outbox.len();
        let ack = self.ack();
        write_frame(cx.outbox, place.push(Verb::Refused, ack), |out| {
            refused(out, to, Verb::Join, Code::RemoteServerNotFound as u16);
        });
        self.keep_frame(start, None, None, config, cx)
    }

    fn write_refused(&mut self, envelope: &Envelope, verb: Verb, by_server: bool, place: Place, cx: &mut Context<'_>) {
        let ack = self.ack();
        let condition = envelope
            .error
            .map_or(Code::Internal as u16, |condition| CONDITIONS + condition as u16);
        // A room's own word does not say which way somebody wanted in.
        let verb = if by_server { Verb::Join } else { verb };
        write_frame(cx.outbox, place.push(Verb::Refused, ack), |out| {
            refused(out, &envelope.from, verb, condition);
        });
    }

    fn deliver_show(
        &mut self,
        kind: PresenceKind,
        envelope: &Envelope,
        config: &IcppConfig,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Flow {
        let body = Body::answer(&envelope.content.body).ok();
        let shows = body.and_then(|body| Show::from_number(body.u8(tag::SHOW)?));
        let show = match kind {
            PresenceKind::Unavailable => Show::Unavailable,
            _ => shows
                .filter(|show| *show != Show::Unavailable)
                .unwrap_or(Show::Available),
        };
        let presence = Presence {
            show,
            priority: 0,
            address: envelope.from.as_str(),
            status: clip(body.and_then(|body| body.text(tag::STATUS)).unwrap_or_default()),
        };
        self.tell_presence(&presence, envelope, config, place, cx);
        Flow::Next
    }
}

/// Whose word it is: the room, and of whom it is about the nickname.
fn write_whose(out: &mut Vec<u8>, from: &Jid) {
    write_text(out, tag::ROOM, from.bare_str());
    if let Some(nick) = from.resource() {
        write_text(out, tag::NICK, nick);
    }
}

/// The body of REFUSED.
fn refused(out: &mut Vec<u8>, from: &Jid, verb: Verb, condition: u16) {
    write_whose(out, from);
    ext::write(out, tag::VERB, &[verb as u8]);
    ext::write(out, tag::CONDITION, &condition.to_le_bytes());
}

/// A body of extensions, in pieces that frames hold: each but the last is closed as soon as it is this long.
pub(super) fn pieces(body: &[u8], enough: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::with_capacity(1);
    let (mut start, mut at) = (0, 0);
    for ext in ext::Exts::new(body).flatten() {
        if at - start >= enough {
            pieces.push(&body[start..at]);
            start = at;
        }
        at += 4 + ext.value.len();
    }
    pieces.push(&body[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_is_cut_between_extensions() {
        let mut body = Vec::new();
        for _ in 0..10 {
            ext::write(&mut body, tag::OWNER, &[b'x'; 96]);
        }
        let cut = pieces(&body, 250);
        assert_eq!(
            cut.iter().map(|piece| piece.len()).collect::<Vec<_>>(),
            [300, 300, 300, 100]
        );
        assert_eq!(cut.concat(), body);
        assert_eq!(pieces(&[], 250), [&[][..]]);
    }
}
