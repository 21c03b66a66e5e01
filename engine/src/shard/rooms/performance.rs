//! A room on its shard: what it decides becomes chunks, records and answers.
//!
//! Invariant: nothing leaves before the room's request is over, so that what must be durable first can be.

use std::sync::Arc;

use bytes::Bytes;
use crosspoint_storage::seam::{Disposition, JournalRequest, Record};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::super::ledger::Waiting;
use super::super::{Shard, Ticket};
use super::archive::Moderation;
use super::fan::{Fan, Rolls, Seated, Targets, Variant, class};
use super::recent::Recent;
use crate::envelope::{Codec, Condition, Content, Envelope, Hints, Kind, MessageKind, QueryKind};
use crate::jid::Jid;
use crate::limits::Limits;
use crate::neutral::Neutral;
use crate::rooms::{
    Audience, Head, HistoryWish, Notice, Place, Role, Room, RoomAnswer, RoomQuery, RoomSpeech, Stage, Viewer,
};
use crate::session::Now;
use crate::slots::UserKey;
use crate::stable::StableId;
use crate::store::{self, RecordId};

/// What a room wants to be done when its request is over.
pub(super) enum Out {
    /// To occupants on a shard.
    Fan(u16, Fan),
    /// On its way.
    Send(Envelope),
    /// For the front-end that wrote it.
    Serve(Envelope),
    /// The picture of the room, to who asks.
    Avatar(Envelope),
    /// A record is to be hidden, if it is by this account.
    Hide(RecordId, Jid),
}

/// Carries out one request.
pub(super) struct Performance<'a> {
    pub(super) shard: &'a mut Shard,
    pub(super) rolls: &'a mut Rolls,
    pub(super) recent: &'a mut Recent,
    /// What it is about.
    pub(super) envelope: &'a Envelope,
    /// The same, if it is a query to the room.
    pub(super) query: Option<&'a RoomQuery>,
    /// Of who sent it; taken when its answer has to wait.
    pub(super) ticket: &'a mut Option<Ticket>,
    pub(super) outs: Vec<Out>,
    /// What all of that waits for.
    pub(super) moderation: Option<Moderation>,
}

/// All classes of a codec.
fn both(codec: Codec) -> u16 {
    1 << class(codec, false) | 1 << class(codec, true)
}

/// XEP-0421: keyed by the installation's secret, so it can be neither guessed nor compared between rooms.
pub(super) fn occupant_id(secret: &[u8], room: &Jid, account: &Jid) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
    for part in ["occupant\0", room.bare_str(), "\0", account.bare_str()] {
        mac.update(part.as_bytes());
    }
    let digest = mac.finalize().into_bytes();
    let mut text = String::with_capacity(32);
    for byte in &digest[..16] {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The same, with what a person has written in other words.
fn restated<'a>(notice: &Notice<'a>, content: &'a Content) -> Notice<'a> {
    let mut notice = notice.clone();
    match &mut notice {
        Notice::Presence { about, .. } => about.shows = content,
        Notice::Said { content: said, .. } => *said = content,
        _ => {}
    }
    notice
}

impl Performance<'_> {
    fn speech(&self, codec: Codec) -> Option<RoomSpeech> {
        self.shard.speech(codec)
    }

    /// The notice in a codec; the parts of it that another one wrote in neutral words.
    fn write(&self, codec: Codec, viewer: Viewer, head: Head<'_>, notice: &Notice<'_>) -> Option<(Bytes, Content)> {
        let speech = self.speech(codec)?;
        let written = match notice {
            Notice::Presence { about, .. } => Some(about.shows),
            Notice::Said { content, .. } => Some(*content),
            _ => None,
        };
        let foreign = written.filter(|content| content.codec != codec && content.codec != Codec::Neutral);
        let Some(foreign) = foreign else {
            return Some((head.id.clone(), (speech.write)(notice, viewer)?));
        };
        let envelope = Envelope {
            id: head.id.clone(),
            content: foreign.clone(),
            ..Envelope::neutral(head.from.clone(), head.from.clone(), head.kind)
        };
        // Presence is presence, even if nothing of it can be said.
        let neutral = self.shard.in_neutral_words(&envelope);
        let (id, content) = match (neutral, notice) {
            (Some(neutral), _) => (neutral.id, neutral.content),
            (None, Notice::Presence { .. }) => (Bytes::new(), Content::default()),
            (None, _) => return None,
        };
        let notice = restated(notice, &content);
        Some((id, (speech.write)(&notice, viewer)?))
    }

    /// The contents for those of these classes.
    fn variants(&self, classes: u16, head: Head<'_>, notice: &Notice<'_>) -> Vec<Variant> {
        let by_viewer = matches!(notice, Notice::Presence { .. } | Notice::VoiceAsked { .. });
        let mut variants = Vec::with_capacity(1);
        for (codec, _) in &self.shard.codecs {
            let theirs = classes & both(*codec);
            if theirs == 0 {
                continue;
            }
            for sees_real in [false, true] {
                let mask = match by_viewer {
                    true => theirs & 1 << class(*codec, sees_real),
                    false if sees_real => 0,
                    false => theirs,
                };
                let viewer = Viewer {
                    sees_real,
                    is_self: false,
                };
                if mask == 0 {
                    continue;
                }
                if let Some((id, content)) = self.write(*codec, viewer, head, notice) {
                    variants.push(Variant {
                        classes: mask,
                        id,
                        content,
                    });
                }
            }
        }
        variants
    }

    fn head(&self, room: &Room, head: Head<'_>, notice: &Notice<'_>) -> Envelope {
        let hints = match notice {
            Notice::Said { .. } => Hints::from_bits(self.envelope.hints.bits() & !Hints::COPY.bits()),
            Notice::Presence { .. } => Hints::DEFER,
            _ => Hints::NONE,
        };
        Envelope {
            hints,
            stamp_ms: match notice {
                Notice::Said { stamp_ms, .. } => *stamp_ms,
                _ => None,
            },
            ..Envelope::neutral(head.from.clone(), room.address().clone(), head.kind)
        }
    }

    /// To these alone.
    fn tell_some(&mut self, room: &Room, places: &[Place], is_self: bool, head: Head<'_>, notice: &Notice<'_>) {
        let mut by_shard: Vec<(u16, Vec<Seated>)> = Vec::new();
        for place in places {
            let Some((shard, seated)) = Seated::of(room, *place) else {
                continue;
            };
            match by_shard.iter_mut().find(|(other, _)| *other == shard) {
                Some((_, some)) => some.push(seated),
                None => by_shard.push((shard, vec![seated])),
            }
        }
        let own = match notice {
            Notice::Presence { about, new_nick, .. } if is_self && new_nick.is_none() => Some(about.role != Role::None),
            _ => None,
        };
        for (shard, some) in by_shard {
            let classes = some.iter().fold(0, |classes, seated| classes | 1 << seated.class());
            let variants = match is_self {
                true => self.own_variants(classes, head, notice),
                false => self.variants(classes, head, notice),
            };
            let fan = Fan {
                room: room.address().clone(),
                envelope: self.head(room, head, notice),
                variants,
                targets: Targets::Some(some),
                own,
            };
            self.outs.push(Out::Fan(shard, fan));
        }
    }

    /// To those whom it is about: they see themselves.
    fn own_variants(&self, classes: u16, head: Head<'_>, notice: &Notice<'_>) -> Vec<Variant> {
        let viewer = Viewer {
            sees_real: true,
            is_self: true,
        };
        let codecs = self.shard.codecs.iter().map(|(codec, _)| *codec);
        let theirs = codecs.filter(|codec| classes & both(*codec) != 0);
        theirs
            .filter_map(|codec| {
                let (id, content) = self.write(codec, viewer, head, notice)?;
                Some(Variant {
                    classes: both(codec),
                    id,
                    content,
                })
            })
            .collect()
    }

    /// To all but these.
    fn tell_all(&mut self, room: &Room, except: &[Place], head: Head<'_>, notice: &Notice<'_>) {
        let rolls: Vec<_> = self.rolls.of(room).to_vec();
        let classes = rolls.iter().fold(0, |classes, (_, roll)| classes | roll.classes());
        let variants = self.variants(classes, head, notice);
        if variants.is_empty() {
            return;
        }
        let envelope = self.head(room, head, notice);
        for (shard, roll) in rolls {
            let fan = Fan {
                room: room.address().clone(),
                envelope: envelope.clone(),
                variants: variants.clone(),
                targets: Targets::Roll(Arc::clone(&roll), except.to_vec()),
                own: None,
            };
            self.outs.push(Out::Fan(shard, fan));
        }
    }
}

impl Stage for Performance<'_> {
    fn now(&self) -> Now {
        self.shard.now
    }

    fn limits(&self) -> &Limits {
        &self.shard.setup.limits
    }

    fn charge(&mut self, account: &Jid, deliveries: u32) -> Result<(), Condition> {
        if deliveries == 0 {
            return Ok(());
        }
        let now = self.shard.now.ms;
        let budgets = self.shard.rooms.halls.deliveries(&self.shard.setup.limits);
        let taken = budgets.take(account.bare_str(), deliveries, now);
        taken.map_err(|_| Condition::ResourceConstraint)
    }

    fn occupant_id(&self, room: &Jid, account: &Jid) -> String {
        occupant_id(&self.shard.setup.secret, room, account)
    }

    fn tell(&mut self, room: &Room, to: Audience<'_>, own: &[Place], head: Head<'_>, notice: &Notice<'_>) {
        match to {
            Audience::Those(places) => {
                let (mine, others): (Vec<Place>, Vec<Place>) = places.iter().partition(|place| own.contains(place));
                if !others.is_empty() {
                    self.tell_some(room, &others, false, head, notice);
                }
                if !mine.is_empty() {
                    self.tell_some(room, &mine, true, head, notice);
                }
            }
            Audience::Moderators => {
                let moderators = room
                    .occupants()
                    .iter()
                    .filter(|(_, occupant)| occupant.role == Role::Moderator);
                let moderators: Vec<Place> = moderators.map(|(place, _)| place).collect();
                self.tell_some(room, &moderators, false, head, notice);
            }
            Audience::All => {
                self.tell_all(room, own, head, notice);
                if !own.is_empty() {
                    self.tell_some(room, own, true, head, notice);
                }
            }
            Audience::Except(except) => {
                let mine: Vec<Place> = own.iter().filter(|place| !except.contains(place)).copied().collect();
                let both: Vec<Place> = except.iter().chain(&mine).copied().collect();
                self.tell_all(room, &both, head, notice);
                if !mine.is_empty() {
                    self.tell_some(room, &mine, true, head, notice);
                }
            }
        }
    }

    fn write_to(&mut self, room: &Room, to: &Jid, notice: &Notice<'_>) {
        let codec = self.envelope.content.codec;
        let head = Head {
            from: room.address(),
            kind: Kind::Message(MessageKind::Normal),
            id: &Bytes::new(),
        };
        let Some((id, content)) = self.write(codec, Viewer::default(), head, notice) else {
            return;
        };
        self.outs.push(Out::Send(Envelope {
            id,
            content,
            hints: Hints::STORE,
            ..Envelope::neutral(room.address().clone(), to.clone(), head.kind)
        }));
    }

    fn answer(&mut self, answer: RoomAnswer<'_>) {
        let codec = self.envelope.content.codec;
        let empty = Content {
            codec,
            ..Content::default()
        };
        let content = match (self.query, self.speech(codec)) {
            (Some(query), Some(speech)) => (speech.answer)(query, &answer).unwrap_or(empty),
            _ => empty,
        };
        if matches!(self.envelope.kind, Kind::Query(QueryKind::Get | QueryKind::Set)) {
            self.outs.push(Out::Send(self.envelope.answer(content)));
        }
    }

    fn answer_avatar(&mut self, room: &Room) {
        match room.info().avatar_hash {
            Some(_) => self.outs.push(Out::Avatar(self.envelope.clone())),
            None => self.answer(RoomAnswer::Avatar(&Bytes::new())),
        }
    }

    fn serve(&mut self) {
        self.outs.push(Out::Serve(self.envelope.clone()));
    }

    fn pass(&mut self, room: &Room, to: Place, from: &Jid, id: Bytes) {
        let Some((shard, seated)) = Seated::of(room, to) else {
            return;
        };
        let fan = Fan {
            room: room.address().clone(),
            envelope: Envelope {
                from: from.clone(),
                ..self.envelope.clone()
            },
            variants: vec![Variant {
                classes: u16::MAX,
                id,
                content: self.envelope.content.clone(),
            }],
            targets: Targets::Some(vec![seated]),
            own: None,
        };
        self.outs.push(Out::Fan(shard, fan));
    }

    fn keep(&mut self, room: &Room, from: &Jid, by: &Jid) -> Option<StableId> {
        let archived = room.config().archived && self.shard.setup.archive;
        if !archived && room.config().history_messages == 0 {
            return None;
        }
        let said = Envelope {
            from: from.clone(),
            to: by.clone(),
            ..self.envelope.clone()
        };
        let payload = store::encode(&said, self.shard.now.unix_ms);
        let id = self.shard.next_record();
        self.recent.push(
            id,
            payload.clone(),
            room.config().history_messages,
            &self.shard.setup.limits,
        );
        if !archived {
            return None;
        }
        let token = self.shard.ledger.enter(Waiting::Appended(self.ticket.take()));
        self.shard.metrics.archived.add(1);
        self.shard.outgoing.journal.push(JournalRequest::Append {
            token,
            record: Record {
                user: UserKey::of(room.address()).0,
                id,
                version: store::ENVELOPE_VERSION,
                payload,
            },
            disposition: Disposition::Archived,
        });
        Some(self.shard.stable.hide(id))
    }

    fn hide(&mut self, _room: &Room, record: StableId, by: &Jid) {
        let record = self.shard.stable.reveal(record);
        self.recent.hide(record, Some(by));
        if self.shard.setup.archive {
            self.outs.push(Out::Hide(record, by.to_bare()));
        }
    }

    fn moderate(
        &mut self,
        room: &Room,
        record: StableId,
        by: &Jid,
        word: &Neutral<'_>,
    ) -> Result<Option<StableId>, Condition> {
        if !self.shard.setup.archive {
            return Err(Condition::ItemNotFound);
        }
        let record = self.shard.stable.reveal(record);
        self.recent.hide(record, None);
        let id = room.config().archived.then(|| self.shard.next_record());
        let stable = id.map(|id| self.shard.stable.hide(id));
        let kind = Kind::Message(MessageKind::Groupchat);
        let word = id.zip(stable).map(|(id, stable)| {
            let word = Envelope {
                id: Bytes::copy_from_slice(&stable.text()),
                content: word.pack(),
                ..Envelope::neutral(room.address().clone(), by.clone(), kind)
            };
            (id, word)
        });
        self.moderation = Some(Moderation {
            record,
            word,
            query: self.envelope.clone(),
        });
        Ok(stable)
    }

    fn recall(&mut self, room: &Room, to: Place, wish: &HistoryWish) {
        for (record, said) in self
            .recent
            .wished(wish, room.config().history_messages, self.shard.now.unix_ms)
        {
            let occupant_id = self.occupant_id(room.address(), &said.to);
            let notice = Notice::Said {
                content: &said.content,
                occupant_id: &occupant_id,
                record: (room.config().archived && self.shard.setup.archive).then(|| self.shard.stable.hide(record)),
                room: room.address(),
                private: false,
                stamp_ms: said.stamp_ms,
            };
            let head = Head {
                from: &said.from,
                kind: said.kind,
                id: &said.id,
            };
            self.tell_some(room, &[to], false, head, &notice);
        }
    }
}

impl Shard {
    /// How a codec speaks with rooms.
    pub(super) fn speech(&self, codec: Codec) -> Option<RoomSpeech> {
        let found = self.speeches.iter().find(|(other, _)| *other == codec);
        found.map(|(_, speech)| *speech)
    }
}
