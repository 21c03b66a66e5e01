//! How the plays' clients speak with rooms: an envelope's identifier says what is meant, and a room's words are a line of text.
//!
//! ```text
//!   join #hall/nick [PASSWORD] · shows #hall/nick · part #hall · say #hall ID · subject #hall subject=TEXT · murmur #hall/nick ID
//!   invite #hall WHO · decline #hall WHO · voice #hall · grant #hall NICK · ask #hall/nick [ping] · rooms
//!   room #hall info|config FIELD..|destroy|affiliate WHO WHAT|role NICK WHAT|moderate RECORD|register NICK|read
//! ```

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, MessageKind, PresenceKind};
use crosspoint_engine::rooms::{
    Affiliation, Change, ConfigChange, Invitation, Join, Notice, Role, RoomAnswer, RoomQuery, RoomRequest, RoomSpeech,
    Target, Viewer, VoiceRequest,
};
use crosspoint_engine::service::{Direction, Host, RoomsWanted, Span};
use crosspoint_engine::stable::StableId;

use super::client::address;

/// Marks what a room has written.
pub const HEAD: &[u8] = b"room";

pub const SPEECH: RoomSpeech = RoomSpeech { read, write, answer };

fn words(envelope: &Envelope) -> Vec<String> {
    let text = String::from_utf8_lossy(&envelope.id).into_owned();
    text.split(' ').map(str::to_owned).collect()
}

fn read(envelope: &Envelope) -> Result<RoomRequest, Condition> {
    let words = words(envelope);
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    Ok(match envelope.kind {
        Kind::Presence(PresenceKind::Available) if word(0) == "join" => RoomRequest::Join(Join {
            password: words.get(2).cloned(),
            ..Join::default()
        }),
        Kind::Presence(PresenceKind::Available) => RoomRequest::Show,
        Kind::Presence(_) => RoomRequest::Leave,
        Kind::Message(MessageKind::Groupchat) => match word(0).split_once('=') {
            Some(("subject", text)) => RoomRequest::Subject(text.to_owned()),
            Some(("retract", record)) => RoomRequest::Say {
                retracts: StableId::parse(record),
            },
            _ => RoomRequest::Say { retracts: None },
        },
        Kind::Message(MessageKind::Normal) => message(word(0), word(2)),
        Kind::Message(_) => RoomRequest::Private,
        Kind::Query(_) if envelope.to.is_full() => RoomRequest::Relay {
            ping: word(2) == "ping",
        },
        Kind::Query(_) => RoomRequest::Query(query(&words[2..])?),
    })
}

fn message(verb: &str, whom: &str) -> RoomRequest {
    let invitation = || Invitation {
        to: address(whom),
        reason: String::new(),
        continues: None,
    };
    match verb {
        "invite" => RoomRequest::Invite(vec![invitation()]),
        "decline" => RoomRequest::Decline(invitation()),
        "voice" => RoomRequest::AskVoice,
        _ => RoomRequest::AnswerVoice(VoiceRequest {
            nick: whom.to_owned(),
            allow: true,
        }),
    }
}

fn query(words: &[String]) -> Result<RoomQuery, Condition> {
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let change = |target, affiliation, role| {
        RoomQuery::Change(vec![Change {
            target,
            affiliation,
            role,
            nick: String::new(),
            reason: String::new(),
        }])
    };
    Ok(match word(0) {
        "info" => RoomQuery::Info,
        "nicks" => RoomQuery::Occupants,
        "config" => RoomQuery::SetConfig(words[1..].iter().map(|field| field_of(field)).collect()),
        "destroy" => RoomQuery::Destroy {
            alternative: None,
            password: None,
            reason: String::new(),
        },
        "affiliate" => change(Target::Account(address(word(1))), Some(affiliation(word(2))), None),
        "role" => change(Target::Nick(word(1).to_owned()), None, Some(role(word(2)))),
        "moderate" => RoomQuery::Moderate {
            record: StableId::parse(word(1)).ok_or(Condition::BadRequest)?,
            reason: String::new(),
        },
        "register" => RoomQuery::Register(word(1).to_owned()),
        "read" => RoomQuery::History,
        _ => return Err(Condition::FeatureNotImplemented),
    })
}

fn field_of(word: &str) -> ConfigChange {
    match word {
        "persistent" => ConfigChange::Persistent(true),
        "temporary" => ConfigChange::Persistent(false),
        "hidden" => ConfigChange::Public(false),
        "members" => ConfigChange::MembersOnly(true),
        "moderated" => ConfigChange::Moderated(true),
        "open" => ConfigChange::NonAnonymous(true),
        name => ConfigChange::Name(name.to_owned()),
    }
}

fn affiliation(word: &str) -> Affiliation {
    match word {
        "outcast" => Affiliation::Outcast,
        "member" => Affiliation::Member,
        "admin" => Affiliation::Admin,
        "owner" => Affiliation::Owner,
        _ => Affiliation::None,
    }
}

fn role(word: &str) -> Role {
    match word {
        "visitor" => Role::Visitor,
        "participant" => Role::Participant,
        "moderator" => Role::Moderator,
        _ => Role::None,
    }
}

fn line(text: String) -> Content {
    Content {
        codec: Codec::Neutral,
        head: Bytes::from_static(HEAD),
        body: Bytes::from(text),
    }
}

/// The occupant id and the identifier are what the room says, not what the writer says.
fn write(notice: &Notice<'_>, viewer: Viewer) -> Option<Content> {
    Some(line(match notice {
        Notice::Presence {
            about,
            statuses,
            destroyed,
            ..
        } => {
            let mut text = format!("{:?} {:?}", about.role, about.affiliation);
            if viewer.is_self {
                text.push_str(" self");
            }
            if viewer.sees_real {
                text.push_str(&format!(" {}", about.real));
            }
            for status in *statuses {
                text.push_str(&format!(" {}", *status as u16));
            }
            if destroyed.is_some() {
                text.push_str(" destroyed");
            }
            text
        }
        Notice::Said {
            occupant_id,
            record,
            private,
            stamp_ms,
            ..
        } => {
            let how = match (private, stamp_ms) {
                (true, _) => "whispers",
                (_, Some(_)) => "said",
                _ => "says",
            };
            format!(
                "{how} {} {}",
                record.map_or("0".to_owned(), |record| record.to_string()),
                &occupant_id[..4]
            )
        }
        Notice::Subject { text, .. } => format!("subject {text}"),
        Notice::Statuses(statuses) => {
            let statuses: Vec<String> = statuses.iter().map(|status| (*status as u16).to_string()).collect();
            format!("statuses {}", statuses.join(" "))
        }
        Notice::AffiliationChanged { account, affiliation } => format!("changed {account} {affiliation:?}"),
        Notice::Invited { by, .. } => format!("invited by {by}"),
        Notice::Declined { by, .. } => format!("declined by {by}"),
        Notice::VoiceAsked { nick, .. } => format!("voice {nick}"),
        Notice::Moderated { record, .. } => format!("moderated {record}"),
        Notice::Refused => "no".to_owned(),
    }))
}

fn answer(_query: &RoomQuery, answer: &RoomAnswer<'_>) -> Option<Content> {
    Some(line(match answer {
        RoomAnswer::Info(info) => format!("info {} {} {}", info.config.name, info.occupants, info.subject),
        RoomAnswer::Occupants { nicks, .. } => format!("nicks {}", nicks.join(",")),
        other => format!("{other:?}"),
    }))
}

/// The list of rooms, and a room's archive.
pub fn on_query(query: Envelope, host: &mut dyn Host) {
    if query.to.node().is_none() {
        let wanted = RoomsWanted {
            edge: None,
            backward: false,
            rooms_max: 100,
        };
        return host.rooms(
            wanted,
            Box::new(move |page, host| {
                let page = page.expect("plays have rooms");
                let names: Vec<_> = page.rooms.iter().filter_map(|room| room.room.node()).collect();
                host.send(query.answer(line(format!("list {} of {}", names.join(","), page.total))));
            }),
        );
    }
    let room = query.to.clone();
    host.room_history(
        &query.to.clone(),
        Span::ALL,
        Direction::Backward,
        50,
        Box::new(move |page, host| {
            let page = page.expect("plays have an archive");
            let ids: Vec<_> = page
                .messages
                .iter()
                .map(|said| match (&said.retracted, said.envelope.from.is_bare()) {
                    (_, true) => "moderation".to_owned(),
                    (None, false) => String::from_utf8_lossy(&said.envelope.id).into_owned(),
                    (Some(retracted), false) => {
                        assert_eq!(said.envelope.content, Content::default());
                        let by = retracted.by.as_ref().map_or("its writer", |(nick, _)| nick);
                        format!("{} hidden by {by}", String::from_utf8_lossy(&said.envelope.id))
                    }
                })
                .collect();
            assert!(page.messages.iter().all(|said| said.envelope.to == room));
            host.send(query.answer(line(format!("read {}", ids.join(",")))));
        }),
    );
}
