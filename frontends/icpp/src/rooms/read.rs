//! What a frame to a room, or to an occupant of it, asks for.
//!
//! Invariant: an error is the shape's fault, or says that there are no such words in rooms; who may do what is the room's business.

use crosspoint_engine::envelope::{Codec, Condition, Envelope, Kind, MessageKind, PresenceKind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::rooms::{Change, HistoryWish, Invitation, Join, RoomQuery, RoomRequest, Target, VoiceRequest};
use crosspoint_engine::stable::StableId;

use crate::codec::Verb;
use crate::codec::message::tag as message_tag;
use crate::codec::rooms::{Body, Member, UNSAID, op, tag};
use crate::parts::Parts;

use super::{affiliation_of, config, head, role_of};

/// What an envelope of this codec means.
pub(super) fn read(envelope: &Envelope) -> Result<RoomRequest, Condition> {
    if envelope.content.codec != Codec::Icpp {
        return Err(Condition::FeatureNotImplemented);
    }
    match (envelope.kind, head(&envelope.content)) {
        (Kind::Message(kind), None) => message(envelope, kind),
        (Kind::Message(_), Some((verb, _))) => push(verb, envelope),
        (Kind::Presence(kind), head) => presence(kind, head.map(|(verb, _)| verb), envelope),
        (Kind::Query(QueryKind::Get | QueryKind::Set), Some((verb, _))) => {
            query(verb, envelope).map(RoomRequest::Query)
        }
        (Kind::Query(QueryKind::Get | QueryKind::Set), None) => Err(Condition::BadRequest),
        // A room asks nobody anything.
        (Kind::Query(_), _) => Err(Condition::UnexpectedRequest),
    }
}

fn body(verb: Verb, envelope: &Envelope) -> Result<Body<'_>, Condition> {
    Body::read(verb, &envelope.content.body).map_err(|_| Condition::BadRequest)
}

fn presence(kind: PresenceKind, verb: Option<Verb>, envelope: &Envelope) -> Result<RoomRequest, Condition> {
    let nick = envelope.to.resource().unwrap_or_default();
    match (kind, verb) {
        (PresenceKind::Unavailable, _) => Ok(RoomRequest::Leave),
        (PresenceKind::Error, _) => Ok(RoomRequest::Undelivered),
        // A nickname that nobody could see is none (XEP-0045 section 17.1).
        (PresenceKind::Available, _) if nick.trim().is_empty() => Err(Condition::JidMalformed),
        (PresenceKind::Available, Some(verb @ (Verb::Join | Verb::Create))) => {
            let body = body(verb, envelope)?;
            Ok(RoomRequest::Join(Join {
                password: body.text(tag::PASSWORD).map(str::to_owned),
                history: HistoryWish {
                    chars_max: body.u32(tag::HISTORY_BYTES),
                    messages_max: body.u32(tag::HISTORY_MESSAGES),
                    seconds: body.u32(tag::HISTORY_SECONDS),
                    since_unix_ms: body.u64(tag::HISTORY_SINCE),
                },
                founds: verb == Verb::Create,
            }))
        }
        (PresenceKind::Available, Some(Verb::Show)) => Ok(RoomRequest::Show),
        _ => Err(Condition::BadRequest),
    }
}

/// A message: to all, or to one.
fn message(envelope: &Envelope, kind: MessageKind) -> Result<RoomRequest, Condition> {
    let parts = Parts::of(&envelope.content).ok_or(Condition::BadRequest)?;
    match (kind, envelope.to.is_full()) {
        (MessageKind::Groupchat, true) => Err(Condition::BadRequest),
        (_, true) => Ok(RoomRequest::Private),
        (MessageKind::Error, false) => Err(Condition::UnexpectedRequest),
        (MessageKind::Groupchat, false) => Ok(to_all(&parts)),
        // Typing and receipts: a room has no use for them.
        (_, false) if matches!(parts.verb, Verb::Note | Verb::Receipt) => Err(Condition::NotAcceptable),
        (_, false) => Err(Condition::BadRequest),
    }
}

fn to_all(parts: &Parts<'_>) -> RoomRequest {
    let message = parts.message();
    let subject = message.text_extension(message_tag::SUBJECT);
    match (parts.verb, subject) {
        (Verb::Send, Some(subject)) if parts.payload.is_empty() => RoomRequest::Subject(subject.to_owned()),
        (Verb::Recall, _) => RoomRequest::Say {
            // An identity that no archive gives hides nothing.
            retracts: message
                .text_extension(message_tag::RECORD_REF)
                .and_then(StableId::parse),
        },
        _ => RoomRequest::Say { retracts: None },
    }
}

/// INVITE, DECLINE, VOICE.
fn push(verb: Verb, envelope: &Envelope) -> Result<RoomRequest, Condition> {
    let body = body(verb, envelope)?;
    let invitation = |to: &str| {
        Ok(Invitation {
            to: Jid::parse(to).map_err(|_| Condition::JidMalformed)?,
            reason: body.text(tag::REASON).unwrap_or_default().to_owned(),
            continues: body.text(tag::CONTINUES).map(str::to_owned),
        })
    };
    match verb {
        Verb::Invite => Ok(RoomRequest::Invite(
            body.texts(tag::TO).map(invitation).collect::<Result<_, _>>()?,
        )),
        Verb::Decline => {
            let to = body.texts(tag::TO).next().ok_or(Condition::BadRequest)?;
            invitation(to).map(RoomRequest::Decline)
        }
        Verb::Voice => Ok(match body.text(tag::NICK) {
            None => RoomRequest::AskVoice,
            Some(nick) => RoomRequest::AnswerVoice(VoiceRequest {
                nick: nick.to_owned(),
                allow: body.u8(tag::ALLOW) == Some(1),
            }),
        }),
        _ => Err(Condition::BadRequest),
    }
}

fn query(verb: Verb, envelope: &Envelope) -> Result<RoomQuery, Condition> {
    if envelope.to.is_full() {
        return Err(Condition::BadRequest);
    }
    if verb == Verb::History {
        return Ok(RoomQuery::History);
    }
    let body = body(verb, envelope)?;
    match verb {
        Verb::Members => members(&body, &envelope.from),
        Verb::Change => changes(&body),
        Verb::Configure => match body.u8(tag::OP) {
            Some(op::GET) => Ok(RoomQuery::GetConfig),
            Some(op::SET) => config::read(&body).map(RoomQuery::SetConfig),
            Some(op::CANCEL) => Ok(RoomQuery::CancelConfig),
            Some(op::INFO) => Ok(RoomQuery::Info),
            _ => Err(Condition::BadRequest),
        },
        Verb::Destroy => Ok(RoomQuery::Destroy {
            alternative: match body.text(tag::ALTERNATIVE) {
                Some(address) => Some(Jid::parse(address).map_err(|_| Condition::JidMalformed)?),
                None => None,
            },
            password: body.text(tag::PASSWORD).map(str::to_owned),
            reason: body.text(tag::REASON).unwrap_or_default().to_owned(),
        }),
        _ => Err(Condition::FeatureNotImplemented),
    }
}

/// MEMBERS: who has what, or what is reserved for who asks.
fn members(body: &Body<'_>, asker: &Jid) -> Result<RoomQuery, Condition> {
    let account = body.text(tag::ACCOUNT).map(Jid::parse);
    match (body.u8(tag::AFFILIATION), body.u8(tag::ROLE), account) {
        (None, None, None) => Ok(RoomQuery::Occupants),
        (None, None, Some(Ok(account))) if account.same_bare(asker) => Ok(RoomQuery::GetRegistration),
        (None, None, Some(Ok(_))) => Err(Condition::Forbidden),
        (None, None, Some(Err(_))) => Err(Condition::JidMalformed),
        (Some(number), None, None) => affiliation_of(number)
            .map(RoomQuery::Affiliates)
            .ok_or(Condition::BadRequest),
        (None, Some(number), None) => role_of(number).map(RoomQuery::Roles).ok_or(Condition::BadRequest),
        _ => Err(Condition::BadRequest),
    }
}

/// CHANGE: of affiliations and roles, of one's own nickname, or of a message that nobody is to see any more. One of them at a time.
fn changes(body: &Body<'_>) -> Result<RoomQuery, Condition> {
    let members: Vec<Change> = body.members().map(|member| change(&member)).collect::<Result<_, _>>()?;
    match (body.text(tag::NICK), body.text(tag::RECORD)) {
        (None, None) => Ok(RoomQuery::Change(members)),
        _ if !members.is_empty() => Err(Condition::BadRequest),
        (Some(""), None) => Ok(RoomQuery::Unregister),
        (Some(nick), None) => Ok(RoomQuery::Register(nick.to_owned())),
        (None, Some(record)) => Ok(RoomQuery::Moderate {
            record: StableId::parse(record).ok_or(Condition::ItemNotFound)?,
            reason: body.text(tag::REASON).unwrap_or_default().to_owned(),
        }),
        (Some(_), Some(_)) => Err(Condition::BadRequest),
    }
}

fn change(member: &Member<'_>) -> Result<Change, Condition> {
    let known = |number: u8| (number != UNSAID).then_some(number);
    let affiliation = known(member.affiliation)
        .map(|number| affiliation_of(number).ok_or(Condition::BadRequest))
        .transpose()?;
    let role = known(member.role)
        .map(|number| role_of(number).ok_or(Condition::BadRequest))
        .transpose()?;
    let (target, nick) = match (member.address, member.nick) {
        ("", "") => return Err(Condition::BadRequest),
        ("", nick) => (Target::Nick(nick.to_owned()), ""),
        (address, nick) => {
            let account = Jid::parse(address).map_err(|_| Condition::JidMalformed)?;
            (Target::Account(account), nick)
        }
    };
    Ok(Change {
        target,
        affiliation,
        role,
        nick: nick.to_owned(),
        reason: member.reason.to_owned(),
    })
}
