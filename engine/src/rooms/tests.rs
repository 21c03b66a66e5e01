//! A room without a shard: the tables of XEP-0045, and what holds after any requests.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    Affiliated, Affiliation, Audience, Change, ConfigChange, Head, HistoryWish, Invitation, Join, Notice, Place, Role,
    Room, RoomAnswer, RoomConfig, RoomQuery, RoomRequest, Seat, Stage, Target, VoiceRequest, rate,
};
use crate::envelope::{Codec, Condition, Envelope, Kind, MessageKind, PresenceKind, QueryKind};
use crate::guard::Bucket;
use crate::jid::Jid;
use crate::limits::Limits;
use crate::neutral::Neutral;
use crate::session::Now;
use crate::shard::SessionId;
use crate::stable::StableId;

mod invariants;
mod privileges;

/// Who tells whom what, as lines of text: `nick<- notice`.
pub(super) struct Log {
    limits: Limits,
    now_ms: u64,
    pub(super) told: Vec<String>,
    pub(super) answers: Vec<String>,
    pub(super) hidden: Vec<(StableId, Option<Jid>)>,
    kept: u64,
    budgets: BTreeMap<String, Bucket>,
    written: Vec<Jid>,
}

pub(super) fn log() -> Log {
    Log {
        limits: Limits {
            occupants_per_room: 12,
            affiliations_per_room: 12,
            room_invitations: 2,
            room_subject_bytes: 16,
            room_text_bytes: 32,
            room_nick_bytes: 16,
            room_deliveries_per_second: 1,
            room_deliveries_burst: u32::MAX,
            ..Limits::DEFAULT
        },
        now_ms: 0,
        told: Vec::new(),
        answers: Vec::new(),
        hidden: Vec::new(),
        kept: 0,
        budgets: BTreeMap::new(),
        written: Vec::new(),
    }
}

fn targets(room: &Room, to: Audience<'_>) -> Vec<Place> {
    let all = room.occupants().iter();
    match to {
        Audience::All => all.map(|(place, _)| place).collect(),
        Audience::Except(except) => all
            .map(|(place, _)| place)
            .filter(|place| !except.contains(place))
            .collect(),
        Audience::Those(those) => those.to_vec(),
        Audience::Moderators => all
            .filter(|(_, occupant)| occupant.role == Role::Moderator)
            .map(|(place, _)| place)
            .collect(),
    }
}

/// The identity of a message, for tests.
fn stable(number: u64) -> StableId {
    StableId::parse(&format!("{number:016x}")).expect("it is not 0")
}

impl Stage for Log {
    fn now(&self) -> Now {
        Now {
            ms: self.now_ms,
            unix_ms: 1_700_000_000_000 + self.now_ms,
        }
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn charge(&mut self, account: &Jid, deliveries: u32) -> Result<(), Condition> {
        let rate = rate(
            self.limits.room_deliveries_per_second,
            self.limits.room_deliveries_burst,
        );
        let bucket = self.budgets.entry(account.bare_str().to_owned()).or_default();
        bucket
            .take(rate, deliveries, self.now_ms)
            .map_err(|_| Condition::ResourceConstraint)
    }

    fn occupant_id(&self, _room: &Jid, account: &Jid) -> String {
        format!("id-of-{}", account.node().unwrap_or_default())
    }

    fn tell(&mut self, room: &Room, to: Audience<'_>, own: &[Place], head: Head<'_>, notice: &Notice<'_>) {
        let what = match notice {
            Notice::Presence { about, statuses, .. } => {
                let statuses: Vec<u16> = statuses.iter().map(|status| *status as u16).collect();
                format!("{:?} {:?} {statuses:?}", about.role, about.affiliation)
            }
            Notice::Said {
                occupant_id, record, ..
            } => format!("said {occupant_id} {record:?}"),
            other => format!("{other:?}"),
        };
        for place in targets(room, to) {
            let nick = room.occupants().get(place).expect("only occupants are told").nick();
            let own = if own.contains(&place) { " (self)" } else { "" };
            let from = head.from.resource().unwrap_or("room");
            self.told.push(format!("{nick}<-{from}: {what}{own}"));
        }
    }

    fn write_to(&mut self, _room: &Room, to: &Jid, _notice: &Notice<'_>) {
        self.written.push(to.clone());
    }

    fn answer(&mut self, answer: RoomAnswer<'_>) {
        self.answers.push(format!("{answer:?}"));
    }

    fn answer_avatar(&mut self, _room: &Room) {
        self.answers.push("avatar".to_owned());
    }

    fn serve(&mut self) {
        self.answers.push("served".to_owned());
    }

    fn pass(&mut self, room: &Room, to: Place, from: &Jid, id: Bytes) {
        let nick = room.occupants().get(to).expect("only occupants are asked").nick();
        let id = String::from_utf8_lossy(&id).into_owned();
        self.told
            .push(format!("{nick}<-{}: query {id}", from.resource().unwrap_or("room")));
    }

    fn keep(&mut self, room: &Room, _from: &Jid, _by: &Jid) -> Option<StableId> {
        self.kept += 1;
        room.config().archived.then(|| stable(self.kept))
    }

    fn hide(&mut self, _room: &Room, record: StableId, by: &Jid) {
        self.hidden.push((record, Some(by.to_bare())));
    }

    fn moderate(
        &mut self,
        room: &Room,
        record: StableId,
        _by: &Jid,
        _word: &Neutral<'_>,
    ) -> Result<Option<StableId>, Condition> {
        self.hidden.push((record, None));
        self.kept += 1;
        Ok(room.config().archived.then(|| stable(self.kept)))
    }

    fn recall(&mut self, _room: &Room, _to: Place, _wish: &HistoryWish) {}
}

pub(super) fn jid(text: &str) -> Jid {
    text.parse().unwrap()
}

/// `NAME` is an account; its session in play is `NAME@court.lit/1`, and its nickname `NAME`.
pub(super) fn session(name: &str) -> Jid {
    match name.split_once('/') {
        Some((name, resource)) => jid(&format!("{name}@court.lit/{resource}")),
        None => jid(&format!("{name}@court.lit/1")),
    }
}

fn kind_of(request: &RoomRequest) -> Kind {
    match request {
        RoomRequest::Join(_) | RoomRequest::Show => Kind::Presence(PresenceKind::Available),
        RoomRequest::Leave => Kind::Presence(PresenceKind::Unavailable),
        RoomRequest::Say { .. } | RoomRequest::Subject(_) => Kind::Message(MessageKind::Groupchat),
        RoomRequest::Private => Kind::Message(MessageKind::Chat),
        RoomRequest::Undelivered => Kind::Message(MessageKind::Error),
        RoomRequest::Invite(_) | RoomRequest::Decline(_) | RoomRequest::AskVoice | RoomRequest::AnswerVoice(_) => {
            Kind::Message(MessageKind::Normal)
        }
        RoomRequest::Relay { .. } => Kind::Query(QueryKind::Get),
        RoomRequest::Query(_) => Kind::Query(QueryKind::Set),
    }
}

pub(super) fn asks(
    room: &mut Room,
    log: &mut Log,
    who: &str,
    nick: &str,
    request: RoomRequest,
) -> Result<(), Condition> {
    let to = match nick {
        "" => room.address().clone(),
        nick => room.address().with_resource(nick).unwrap(),
    };
    let envelope = Envelope {
        id: Bytes::from_static(b"q1"),
        ..Envelope::neutral(session(who), to, kind_of(&request))
    };
    let seat = Seat {
        shard: 0,
        session: SessionId {
            index: 1,
            generation: 1,
        },
        codec: Codec::Neutral,
    };
    room.request(request, &envelope, seat, log)
}

pub(super) fn join(room: &mut Room, log: &mut Log, who: &str) -> Result<(), Condition> {
    let nick = who.split('/').next().unwrap().to_owned();
    asks(room, log, who, &nick, RoomRequest::Join(Join::default()))
}

/// One of each affiliation; all but the outcast are in. `guest` is a moderator without an affiliation, `mute` a visitor.
pub(super) fn court() -> (Room, Log) {
    let mut log = log();
    let mut config = RoomConfig::new(&log.limits, true);
    config.persistent = true;
    let mut room = Room::founded(jid("hall@rooms.lit"), &session("owner"), config);
    room.locked = false;
    for (name, affiliation) in [
        ("owner2", Affiliation::Owner),
        ("admin", Affiliation::Admin),
        ("admin2", Affiliation::Admin),
        ("member", Affiliation::Member),
        ("outcast", Affiliation::Outcast),
    ] {
        room.affiliations.set(Affiliated {
            account: session(name).to_bare(),
            affiliation,
            nick: None,
            reason: None,
        });
    }
    for name in [
        "owner", "owner2", "admin", "admin2", "member", "stranger", "mute", "guest",
    ] {
        assert_eq!(join(&mut room, &mut log, name), Ok(()), "{name}");
    }
    assert_eq!(role(&mut room, &mut log, "owner", "mute", Role::Visitor), Ok(()));
    assert_eq!(role(&mut room, &mut log, "owner", "guest", Role::Moderator), Ok(()));
    (log.told, log.answers) = (Vec::new(), Vec::new());
    room.unsaved.clear();
    (room, log)
}

pub(super) fn change(target: Target, affiliation: Option<Affiliation>, role: Option<Role>) -> Change {
    Change {
        target,
        affiliation,
        role,
        nick: String::new(),
        reason: String::new(),
    }
}

pub(super) fn role(room: &mut Room, log: &mut Log, who: &str, target: &str, role: Role) -> Result<(), Condition> {
    let changes = vec![change(Target::Nick(target.to_owned()), None, Some(role))];
    asks(room, log, who, "", RoomRequest::Query(RoomQuery::Change(changes)))
}

pub(super) fn affiliate(
    room: &mut Room,
    log: &mut Log,
    who: &str,
    target: &str,
    affiliation: Affiliation,
) -> Result<(), Condition> {
    let target = Target::Account(session(target).to_bare());
    let changes = vec![change(target, Some(affiliation), None)];
    asks(room, log, who, "", RoomRequest::Query(RoomQuery::Change(changes)))
}

#[test]
fn sessions_of_one_account_share_a_nickname_and_others_hear_of_it_once() {
    let (mut room, mut log) = court();
    assert_eq!(join(&mut room, &mut log, "member/2"), Ok(()));
    assert_eq!(room.occupants().named("member").len(), 2);
    log.told.clear();
    asks(&mut room, &mut log, "member", "", RoomRequest::Leave).unwrap();
    assert!(
        log.told.contains(&"member<-member: None Member [] (self)".to_owned()),
        "{:?}",
        log.told
    );
    assert!(!log.told.iter().any(|told| told.starts_with("owner<-member: None")));
    log.told.clear();
    asks(&mut room, &mut log, "member/2", "", RoomRequest::Leave).unwrap();
    assert!(log.told.contains(&"owner<-member: None Member []".to_owned()));
    assert_eq!(room.occupants().named("member"), [0; 0]);
}

#[test]
fn who_enters_is_told_of_the_others_then_of_itself_then_of_the_subject() {
    let (mut room, mut log) = court();
    asks(
        &mut room,
        &mut log,
        "owner",
        "",
        RoomRequest::Subject("Crowns".to_owned()),
    )
    .unwrap();
    log.told.clear();
    join(&mut room, &mut log, "late").unwrap();
    let told: Vec<&String> = log.told.iter().filter(|told| told.starts_with("late<-")).collect();
    assert_eq!(told.len(), 8 + 2);
    assert_eq!(told[8], "late<-late: Participant None [170] (self)");
    assert!(told[9].contains("Crowns"));
}

#[test]
fn a_change_of_nickname_is_an_end_and_a_beginning_to_all() {
    let (mut room, mut log) = court();
    asks(&mut room, &mut log, "member", "m2", RoomRequest::Show).unwrap();
    assert!(log.told.contains(&"owner<-member: None Member [303]".to_owned()));
    assert!(log.told.contains(&"owner<-m2: Participant Member []".to_owned()));
    assert!(log.told.contains(&"m2<-m2: Participant Member [] (self)".to_owned()));
}

/// A list of changes with one that may not be made changes nothing (section 9.2).
#[test]
fn a_list_of_changes_is_made_as_a_whole_or_not_at_all() {
    let (mut room, mut log) = court();
    let changes = vec![
        change(
            Target::Account(session("stranger").to_bare()),
            Some(Affiliation::Outcast),
            None,
        ),
        change(
            Target::Account(session("owner").to_bare()),
            Some(Affiliation::Outcast),
            None,
        ),
    ];
    let asked = asks(
        &mut room,
        &mut log,
        "admin",
        "",
        RoomRequest::Query(RoomQuery::Change(changes)),
    );
    assert_eq!(asked, Err(Condition::NotAllowed));
    assert_eq!(room.affiliations().of(&session("stranger")), Affiliation::None);
    assert!(log.told.is_empty() && log.answers.is_empty() && room.unsaved.is_empty());
}

/// What one account says costs it as many deliveries as it causes, over all its sessions; leaving is free.
#[test]
fn what_one_account_has_delivered_is_bounded_and_leaving_is_free() {
    let (mut room, mut log) = court();
    join(&mut room, &mut log, "stranger/2").unwrap();
    (log.limits.room_deliveries_burst, log.budgets) = (90, BTreeMap::new());
    let say = |room: &mut Room, log: &mut Log, who: &str| asks(room, log, who, "", RoomRequest::Say { retracts: None });
    for number in 0..10 {
        let who = if number % 2 == 0 { "stranger" } else { "stranger/2" };
        assert_eq!(say(&mut room, &mut log, who), Ok(()), "nine are in: {number}");
    }
    assert_eq!(say(&mut room, &mut log, "stranger"), Err(Condition::ResourceConstraint));
    assert_eq!(say(&mut room, &mut log, "member"), Ok(()), "somebody else");
    log.now_ms += 9_000;
    assert_eq!(say(&mut room, &mut log, "stranger/2"), Ok(()));
    assert_eq!(say(&mut room, &mut log, "stranger"), Err(Condition::ResourceConstraint));
    assert_eq!(asks(&mut room, &mut log, "stranger", "", RoomRequest::Leave), Ok(()));
}

/// An invitation is a message to a stranger: how many one request makes is bounded, and each costs.
#[test]
fn invitations_do_not_amplify() {
    let (mut room, mut log) = court();
    let invitation = |name: &str| Invitation {
        to: session(name),
        reason: String::new(),
        continues: None,
    };
    let all = vec![invitation("a"), invitation("b"), invitation("c")];
    let asked = asks(&mut room, &mut log, "member", "", RoomRequest::Invite(all));
    assert_eq!(asked, Err(Condition::ResourceConstraint));
    assert_eq!(log.written, []);
    (log.limits.room_deliveries_burst, log.budgets) = (20_000, BTreeMap::new());
    let mut sent = 0;
    for _ in 0..100 {
        let two = vec![invitation("a"), invitation("b")];
        sent += u32::from(asks(&mut room, &mut log, "member", "", RoomRequest::Invite(two)).is_ok());
    }
    assert_eq!(sent, 10);
}

/// A refusal finds who has invited, in the room or out of it, once; nobody else is reached by one.
#[test]
fn an_invitation_is_declined_to_its_inviter_alone() {
    let (mut room, mut log) = court();
    let named = |name: &str| Invitation {
        to: session(name),
        reason: String::new(),
        continues: None,
    };
    let decline = |room: &mut Room, log: &mut Log, to: &str| {
        log.written.clear();
        let asked = asks(room, log, "lady", "", RoomRequest::Decline(named(to)));
        (asked, log.written.clone())
    };
    let invite = |room: &mut Room, log: &mut Log, who: &str| {
        asks(room, log, who, "", RoomRequest::Invite(vec![named("lady")])).unwrap();
    };
    invite(&mut room, &mut log, "member");
    assert_eq!(
        decline(&mut room, &mut log, "member"),
        (Ok(()), vec![]),
        "he is told in the room"
    );
    assert!(
        log.told.iter().any(|told| told.starts_with("member<-room: ")),
        "{:?}",
        log.told
    );
    invite(&mut room, &mut log, "member");
    asks(&mut room, &mut log, "member", "", RoomRequest::Leave).unwrap();
    let member = session("member").to_bare();
    assert_eq!(
        decline(&mut room, &mut log, "member"),
        (Ok(()), vec![member]),
        "he is written to"
    );
    for to in ["member", "nobody"] {
        assert_eq!(
            decline(&mut room, &mut log, to),
            (Err(Condition::ItemNotFound), vec![]),
            "{to}"
        );
    }
}

#[test]
fn whose_session_is_gone_is_out_for_a_technical_reason() {
    let (mut room, mut log) = court();
    room.lost(&session("member"), &mut log);
    assert!(log.told.contains(&"owner<-member: None Member [333]".to_owned()));
    assert_eq!(room.occupants().len(), 7);
    room.lost(&session("member"), &mut log);
    assert_eq!(room.occupants().len(), 7);
}
