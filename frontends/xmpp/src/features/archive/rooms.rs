//! The archive of a room (XEP-0313 section 5.1.2): what was said to all, under nicknames.
//!
//! Invariants:
//! - Who asks has been let in by the room: its shard hands the query on only then.
//! - What is shown is what the room itself would show: forgeries are cut, and each message has its occupant's identifier (XEP-0421).

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::neutral::Neutral;
use crosspoint_engine::rooms::{Notice, Viewer};
use crosspoint_engine::service::{Direction, HistoryPage, Host, RoomHistoryPage, RoomSaid, Span, ThenHistory};
use crosspoint_engine::stable::StableId;

use super::{Source, query, reading, write};
use crate::codec::Builder;
use crate::features::Outcome;
use crate::features::ask::{Ask, Reply};
use crate::rooms::{SPEECH, USER, moderate};

/// Answers a query to the archive of the room that it is addressed to.
pub(in crate::features) fn answer(ask: &Ask<'_>, kind: QueryKind, host: &mut dyn Host) -> Outcome {
    let room = Room(ask.query.to.to_bare().detached());
    match (ask.payload.name(), kind) {
        ("query", QueryKind::Get) => return Ok(Reply::Body(write::form())),
        ("query", _) => {
            let query = query::Query::read(ask.payload, host)?;
            reading::begin(room, query, ask.session().clone(), ask.later(), host);
        }
        ("metadata", QueryKind::Get) if ask.payload.children().next().is_none() => {
            reading::metadata(room, ask.later(), host);
        }
        _ => return Err(Condition::BadRequest),
    }
    Ok(Reply::Later)
}

#[derive(Clone)]
struct Room(Jid);

impl Source for Room {
    fn address(&self) -> &Jid {
        &self.0
    }

    fn read(&self, span: Span, direction: Direction, records_max: u32, then: ThenHistory, host: &mut dyn Host) {
        let room = self.0.clone();
        let shown = move |page: Result<RoomHistoryPage, Condition>, host: &mut dyn Host| {
            let page = page.map(|page| HistoryPage {
                messages: page
                    .messages
                    .into_iter()
                    .filter_map(|said| Some((said.record, show(&room, said, host)?)))
                    .collect(),
                complete: page.complete,
                edge: page.edge,
            });
            then(page, host);
        };
        host.room_history(&self.0, span, direction, records_max, Box::new(shown));
    }

    /// In a room one speaks with all: a correspondent is who has said it.
    fn concerns(&self, message: &Envelope, with: &Jid) -> bool {
        message.from == *with || *with == self.0
    }
}

/// A message as the archive shows it. `None` for what cannot be said in XML.
fn show(room: &Jid, said: RoomSaid, host: &dyn Host) -> Option<Envelope> {
    let (stable, stamp_ms) = (Some(host.stable_id(said.record)), said.envelope.stamp_ms);
    if said.envelope.from.is_bare() {
        return Some(Envelope {
            content: moderation(room, &said)?,
            stable,
            ..said.envelope
        });
    }
    let written = match said.envelope.content.codec {
        Codec::Xmpp | Codec::Neutral => said.envelope,
        Codec::Icpp => host.neutral(&said.envelope)?,
    };
    let notice = Notice::Said {
        content: &written.content,
        occupant_id: &said.occupant_id,
        record: None,
        room,
        private: false,
        stamp_ms: None,
    };
    let mut content = (SPEECH.write)(&notice, Viewer::default())?;
    if let Some(retracted) = &said.retracted {
        let mut body = content.body.to_vec();
        let mut el = Builder::new(&mut body);
        moderate::tombstone(&mut el, room, retracted);
        el.finish();
        content.body = Bytes::from(body);
    }
    if let Some(real) = &said.real {
        content = with_real(content, real);
    }
    Some(Envelope {
        content,
        stable,
        stamp_ms,
        ..written
    })
}

/// What the room itself has said: that a message is hidden (XEP-0425).
fn moderation(room: &Jid, said: &RoomSaid) -> Option<Content> {
    let word = Neutral::read(&said.envelope.content.body);
    let notice = Notice::Moderated {
        record: StableId::parse(word.retracts.as_deref()?)?,
        kept: None,
        room,
        by: (word.moderator.as_deref()?, &said.occupant_id),
        stamp_ms: None,
        reason: word.text.as_deref().unwrap_or_default(),
    };
    (SPEECH.write)(&notice, Viewer::default())
}

/// Section 5.1.2: where everybody may see it, the real address of who has said it. What he was in the room then is not kept.
fn with_real(content: Content, real: &Jid) -> Content {
    let mut body = content.body.to_vec();
    let mut el = Builder::new(&mut body);
    el.open("x").attr("xmlns", USER);
    el.open("item")
        .attr("affiliation", "none")
        .attr("jid", real.as_str())
        .attr("role", "none");
    el.finish();
    Content {
        body: Bytes::from(body),
        ..content
    }
}
