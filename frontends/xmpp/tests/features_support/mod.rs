//! A switch of one shard, in memory: what the features ask of their host, with storage that commits when told to.

// Each test binary uses its own part of this.
#![allow(dead_code)]

mod archive;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use bytes::Bytes;
use crosspoint_engine::administration::{Order, Report, Service, ThenReport};
use crosspoint_engine::admitting::AllowList;
use crosspoint_engine::archiving::Preferences;
use crosspoint_engine::blocking::BlockList;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::neutral::Neutral;
use crosspoint_engine::roster::Roster;
use crosspoint_engine::service::{
    Admission, BookRead, BookWrite, Direction, Host, RoomListed, RoomsPage, RoomsWanted, Row, Span, Table, Then,
    ThenAnswer, ThenHistory, ThenLookedUp, ThenRoomHistory, ThenRooms, ThenRows,
};
use crosspoint_engine::session::Now;
use crosspoint_engine::stable::StableId;
use crosspoint_engine::store::RecordId;
use crosspoint_xmpp::features::{FeatureConfig, Features};

/// 2006-12-19T17:58:35.250Z.
pub const NOW: Now = Now {
    ms: 90_500,
    unix_ms: 1_166_551_115_250,
};

/// An address.
pub fn jid(text: &str) -> Jid {
    Jid::parse(text).expect("a test's address")
}

/// The version of an empty roster.
pub const FIRST_VERSION: u64 = 100;

/// What the host does when the keeper has answered.
type Deferred = Box<dyn FnOnce(&mut FakeHost)>;

/// One shard's view: accounts of `capulet.example`, their rosters, block lists and rows.
pub struct FakeHost {
    domain: Jid,
    accounts: HashMap<Jid, String>,
    rosters: HashMap<Jid, Roster>,
    blocks: HashMap<Jid, BlockList>,
    visible: HashSet<(Jid, Jid)>,
    available: Vec<Jid>,
    last_seen: HashMap<Jid, u64>,
    rows: BTreeMap<(Table, Bytes), Bytes>,
    /// The public rooms, by address.
    pub public_rooms: Vec<RoomListed>,
    rooms_domain: Jid,
    /// What was said.
    pub archives: archive::Archives,
    /// Sessions that do not read what they are sent.
    pub behind: HashSet<Jid>,
    deferred: VecDeque<Deferred>,
    /// Who waits for a turn, by user; present while one is taken.
    turns: HashMap<Jid, VecDeque<Then>>,
    /// What users show.
    pub badges: HashMap<Jid, Bytes>,
    inquiries: VecDeque<(Envelope, ThenAnswer)>,
    /// The next change or look-up fails like this.
    pub failure: Option<Condition>,
    /// Every query and answer that was sent.
    pub sent: Vec<Envelope>,
    /// Every message and presence that was.
    pub told: Vec<Envelope>,
    /// Sessions that get copies.
    pub copies: HashSet<Jid>,
    /// Sessions that get roster pushes.
    pub roster_interest: HashSet<Jid>,
    /// Sessions that get block list pushes.
    pub block_interest: HashSet<Jid>,
    /// The time.
    pub now: Now,
    /// Who may give orders.
    pub administrators: Vec<Jid>,
    /// What holds for the service.
    pub standing: Service,
    /// Orders that were given.
    pub orders: Vec<String>,
    /// What comes of the next ones; done, if nothing is said.
    pub reports: VecDeque<Result<Report, Condition>>,
    /// Requests that the keeper has answered.
    pub requests: usize,
}

#[allow(dead_code, reason = "each test uses a part of the stage")]
impl FakeHost {
    /// Juliet, Romeo and Nurse have accounts.
    pub fn new() -> FakeHost {
        let users = [
            "juliet@capulet.example",
            "romeo@capulet.example",
            "nurse@capulet.example",
        ];
        FakeHost {
            domain: jid("capulet.example"),
            accounts: users.iter().map(|user| (jid(user), "secret".to_owned())).collect(),
            rosters: users
                .iter()
                .map(|user| (jid(user), Roster::empty(FIRST_VERSION)))
                .collect(),
            blocks: users.iter().map(|user| (jid(user), BlockList::default())).collect(),
            visible: HashSet::new(),
            available: Vec::new(),
            last_seen: HashMap::new(),
            rows: BTreeMap::new(),
            public_rooms: Vec::new(),
            rooms_domain: jid("conference.capulet.example"),
            archives: archive::Archives::new(),
            behind: HashSet::new(),
            deferred: VecDeque::new(),
            turns: HashMap::new(),
            badges: HashMap::new(),
            inquiries: VecDeque::new(),
            failure: None,
            sent: Vec::new(),
            told: Vec::new(),
            copies: HashSet::new(),
            roster_interest: HashSet::new(),
            block_interest: HashSet::new(),
            now: NOW,
            administrators: Vec::new(),
            standing: Service::default(),
            orders: Vec::new(),
            reports: VecDeque::new(),
            requests: 0,
        }
    }

    /// `other` may see the presence of `user`.
    pub fn show(&mut self, user: &str, other: &str) {
        self.visible.insert((jid(user), jid(other)));
    }

    /// This session is available.
    pub fn online(&mut self, session: &str) {
        self.available.push(jid(session));
    }

    /// The user left at this Unix time in milliseconds.
    pub fn left(&mut self, user: &str, unix_ms: u64) {
        self.last_seen.insert(jid(user), unix_ms);
    }

    /// The password of an account, if there is one.
    pub fn password(&self, user: &str) -> Option<&str> {
        self.accounts.get(&jid(user)).map(String::as_str)
    }

    /// Keys and values of a table.
    pub fn table(&self, table: Table) -> Vec<(String, String)> {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let rows = self.rows.iter().filter(|((of, _), _)| *of == table);
        rows.map(|((_, key), value)| (text(key), text(value))).collect()
    }

    /// The roster of a user, to be set up.
    pub fn roster_mut(&mut self, user: &str) -> &mut Roster {
        self.rosters.get_mut(&jid(user)).expect("a user")
    }

    /// The keeper answers the oldest open request.
    pub fn settle_one(&mut self) -> bool {
        let Some(deferred) = self.deferred.pop_front() else {
            return false;
        };
        self.requests += 1;
        deferred(self);
        true
    }

    /// The keeper answers everything.
    pub fn settle(&mut self) {
        while self.settle_one() {}
    }

    fn commit(&mut self, change: impl FnOnce(&mut FakeHost) -> Result<(), Condition> + 'static, then: Then) {
        self.deferred.push_back(Box::new(move |host| {
            let result = match host.failure.take() {
                Some(condition) => Err(condition),
                None => change(host),
            };
            then(result, host);
        }));
    }

    fn change_roster(&mut self, user: &Jid, contact: &Jid, name: &str, groups: Vec<String>) -> Result<(), Condition> {
        let roster = self.rosters.get_mut(user).ok_or(Condition::ItemNotFound)?;
        roster
            .set(contact, name.to_owned(), groups)
            .map(drop)
            .map_err(|_| Condition::NotAcceptable)
    }

    fn shrink_roster(&mut self, user: &Jid, contact: &Jid) -> Result<(), Condition> {
        let roster = self.rosters.get_mut(user).ok_or(Condition::ItemNotFound)?;
        roster.remove(contact).map(drop).map_err(|_| Condition::ItemNotFound)
    }

    fn change_blocks(&mut self, user: &Jid, addresses: Vec<Jid>, blocked: bool) -> Result<(), Condition> {
        let list = self.blocks.get_mut(user).ok_or(Condition::ItemNotFound)?;
        match (blocked, addresses.is_empty()) {
            (true, _) => {
                return list.block(addresses).map(drop).map_err(|_| Condition::NotAcceptable);
            }
            (false, true) => list.unblock_all(),
            (false, false) => list.unblock(&addresses),
        };
        Ok(())
    }

    fn found(&self, read: &BookRead) -> Vec<Row> {
        let row = |(key, value): (&(Table, Bytes), &Bytes)| Row {
            key: key.1.clone(),
            value: value.clone(),
        };
        match read {
            BookRead::Get { table, key } => self
                .rows
                .get_key_value(&(*table, key.clone()))
                .map(row)
                .into_iter()
                .collect(),
            BookRead::Prefix {
                table,
                prefix,
                after,
                rows_max,
            } => {
                let rows = self
                    .rows
                    .iter()
                    .filter(|((of, key), _)| of == table && key.starts_with(prefix) && key > after);
                rows.take(*rows_max as usize).map(row).collect()
            }
        }
    }

    /// What has been asked of others, oldest first, and not answered.
    pub fn inquiry(&mut self) -> Option<Envelope> {
        self.inquiries.front().map(|(query, _)| query.clone())
    }

    /// How many inquiries are open.
    pub fn inquiries_open(&self) -> usize {
        self.inquiries.len()
    }

    /// The oldest inquiry ends like this, and the keeper does what follows.
    pub fn end_inquiry(&mut self, answer: Result<Envelope, Condition>) {
        let (_, then) = self.inquiries.pop_front().expect("something was asked");
        then(answer, self);
        self.settle();
    }

    fn apply(&mut self, batch: Vec<BookWrite>) -> Result<(), Condition> {
        let taken = |write: &BookWrite| match write {
            BookWrite::Insert { table, key, .. } => self.rows.contains_key(&(*table, key.clone())),
            BookWrite::Replace { table, key, old, .. } => self.rows.get(&(*table, key.clone())) != Some(old),
            _ => false,
        };
        if batch.iter().any(taken) {
            return Err(Condition::Conflict);
        }
        for write in batch {
            match write {
                BookWrite::Put { table, key, value }
                | BookWrite::Insert { table, key, value }
                | BookWrite::Replace { table, key, value, .. } => {
                    self.rows.insert((table, key), value);
                }
                BookWrite::Delete { table, key } => {
                    self.rows.remove(&(table, key));
                }
                BookWrite::DeletePrefix { table, prefix } => {
                    self.rows
                        .retain(|(of, key), _| *of != table || !key.starts_with(&prefix));
                }
            }
        }
        Ok(())
    }
}

impl Host for FakeHost {
    fn now(&self) -> Now {
        self.now
    }

    fn domain(&self) -> &Jid {
        &self.domain
    }

    fn send(&mut self, envelope: Envelope) {
        match envelope.kind {
            Kind::Query(_) => self.sent.push(envelope),
            Kind::Message(_) | Kind::Presence(_) => self.told.push(envelope),
        }
    }

    fn exists(&self, user: &Jid) -> bool {
        self.accounts.contains_key(user)
    }

    fn roster(&self, user: &Jid) -> Option<&Roster> {
        self.rosters.get(user)
    }

    fn roster_interest(&mut self, session: &Jid) {
        self.roster_interest.insert(session.clone());
    }

    fn roster_set(&mut self, user: &Jid, contact: &Jid, name: &str, groups: Vec<String>, then: Then) {
        let (user, contact, name) = (user.clone(), contact.clone(), name.to_owned());
        self.commit(move |host| host.change_roster(&user, &contact, &name, groups), then);
    }

    fn roster_remove(&mut self, user: &Jid, contact: &Jid, then: Then) {
        let (user, contact) = (user.clone(), contact.clone());
        self.commit(move |host| host.shrink_roster(&user, &contact), then);
    }

    fn blocks(&self, user: &Jid) -> Option<&BlockList> {
        self.blocks.get(user)
    }

    fn block_interest(&mut self, session: &Jid) {
        self.block_interest.insert(session.clone());
    }

    fn block(&mut self, user: &Jid, addresses: Vec<Jid>, then: Then) {
        let user = user.clone();
        self.commit(move |host| host.change_blocks(&user, addresses, true), then);
    }

    fn unblock(&mut self, user: &Jid, addresses: Vec<Jid>, then: Then) {
        let user = user.clone();
        self.commit(move |host| host.change_blocks(&user, addresses, false), then);
    }

    fn is_administrator(&self, who: &Jid) -> bool {
        self.administrators.iter().any(|named| named.same_bare(who))
    }

    fn standing(&self) -> &Service {
        &self.standing
    }

    fn administer(&mut self, order: Order, then: ThenReport) {
        self.orders.push(format!("{order:?}"));
        let report = self.reports.pop_front().unwrap_or(Ok(Report::Done));
        self.deferred.push_back(Box::new(move |host| then(report, host)));
    }

    fn is_behind(&self, session: &Jid) -> bool {
        self.behind.contains(session)
    }

    fn history(&mut self, user: &Jid, span: Span, direction: Direction, messages_max: u32, then: ThenHistory) {
        let user = user.clone();
        self.deferred.push_back(Box::new(move |host| {
            let page = host.archives.page(&user, span, direction, messages_max);
            let result = host.failure.take().map_or(Ok(page), Err);
            then(result, host);
        }));
    }

    fn archiving(&self, user: &Jid) -> Option<&Preferences> {
        self.archives.wishes.get(user)
    }

    fn set_archiving(&mut self, user: &Jid, wishes: Preferences, then: Then) {
        let user = user.clone();
        self.commit(
            move |host| {
                host.archives.wishes.insert(user, wishes);
                Ok(())
            },
            then,
        );
    }

    fn stable_id(&self, record: RecordId) -> StableId {
        self.archives.hide(record)
    }

    fn record_of(&self, id: StableId) -> RecordId {
        self.archives.reveal(id)
    }

    fn rooms_domain(&self) -> Option<&Jid> {
        Some(&self.rooms_domain)
    }

    fn rooms(&mut self, wanted: RoomsWanted, then: ThenRooms) {
        let rooms = &self.public_rooms;
        let edge = wanted.edge.as_ref();
        let most = wanted.rooms_max as usize;
        let range = match wanted.backward {
            false => {
                let first = rooms.partition_point(|room| edge.is_some_and(|edge| room.room <= *edge));
                first..rooms.len().min(first + most)
            }
            true => {
                let end = rooms.partition_point(|room| edge.is_none_or(|edge| room.room < *edge));
                end.saturating_sub(most)..end
            }
        };
        let page = RoomsPage {
            index: range.start as u32,
            total: rooms.len() as u32,
            rooms: rooms[range].to_vec(),
        };
        let result = self.failure.take().map_or(Ok(page), Err);
        then(result, self);
    }

    fn room_history(
        &mut self,
        _room: &Jid,
        _span: Span,
        _direction: Direction,
        _messages_max: u32,
        then: ThenRoomHistory,
    ) {
        then(Err(Condition::FeatureNotImplemented), self);
    }

    fn neutral(&self, envelope: &Envelope) -> Option<Envelope> {
        let body = str::from_utf8(&envelope.content.body).ok()?;
        let text = body.strip_prefix("<body>")?.strip_suffix("</body>")?;
        let said = Neutral {
            text: Some(text.into()),
            ..Neutral::default()
        };
        Some(Envelope {
            content: said.pack(),
            ..envelope.clone()
        })
    }

    fn admission(&self, _user: &Jid) -> Option<&AllowList> {
        None
    }

    fn admit(&mut self, _user: &Jid, _change: Admission, then: Then) {
        then(Err(Condition::FeatureNotImplemented), self);
    }

    fn may_see(&self, user: &Jid, other: &Jid) -> bool {
        user.same_bare(other) || self.visible.contains(&(user.clone(), other.to_bare()))
    }

    fn available(&self, user: &Jid) -> Vec<(Jid, i8)> {
        self.available
            .iter()
            .filter(|session| session.same_bare(user))
            .map(|session| (session.clone(), 0))
            .collect()
    }

    fn last_seen(&self, user: &Jid) -> Option<u64> {
        self.last_seen.get(user).copied()
    }

    fn set_copies(&mut self, session: &Jid, enabled: bool) {
        if enabled {
            self.copies.insert(session.clone());
        } else {
            self.copies.remove(session);
        }
    }

    fn read(&mut self, table: Table, key: Bytes, then: ThenRows) {
        self.deferred.push_back(Box::new(move |host| {
            let found = host.rows.get(&(table, key.clone())).cloned();
            let rows = found
                .into_iter()
                .map(|value| Row {
                    key: key.clone(),
                    value,
                })
                .collect();
            let result = host.failure.take().map_or(Ok(rows), Err);
            then(result, host);
        }));
    }

    fn badge(&self, user: &Jid) -> Option<Bytes> {
        self.badges.get(user).cloned()
    }

    fn set_badge(&mut self, user: &Jid, badge: Option<Bytes>, then: Then) {
        let user = user.clone();
        let change = move |host: &mut FakeHost| {
            host.badges.remove(&user);
            host.badges.extend(badge.map(|badge| (user, badge)));
            Ok(())
        };
        self.commit(change, then);
    }

    fn look_up(&mut self, reads: Vec<BookRead>, then: ThenLookedUp) {
        self.deferred.push_back(Box::new(move |host| {
            let rows = reads.iter().map(|read| host.found(read)).collect();
            let result = host.failure.take().map_or(Ok(rows), Err);
            then(result, host);
        }));
    }

    fn take_turn(&mut self, user: &Jid, then: Then) {
        if let Some(waiting) = self.turns.get_mut(user) {
            return waiting.push_back(then);
        }
        self.turns.insert(user.clone(), VecDeque::new());
        self.deferred.push_back(Box::new(move |host| then(Ok(()), host)));
    }

    fn end_turn(&mut self, user: &Jid) {
        let waiting = self.turns.get_mut(user).expect("a turn that was taken");
        match waiting.pop_front() {
            Some(next) => self.deferred.push_back(Box::new(move |host| next(Ok(()), host))),
            None => drop(self.turns.remove(user)),
        }
    }

    fn inquire(&mut self, query: Envelope, then: ThenAnswer) {
        self.inquiries.push_back((query, then));
    }

    fn write(&mut self, batch: Vec<BookWrite>, then: Then) {
        self.commit(move |host| host.apply(batch), then);
    }

    fn set_password(&mut self, user: &Jid, password: String, then: Then) {
        let user = user.clone();
        self.commit(
            move |host| {
                host.accounts.insert(user, password);
                Ok(())
            },
            then,
        );
    }

    fn remove_account(&mut self, user: &Jid, then: Then) {
        let user = user.clone();
        self.commit(
            move |host| {
                host.accounts.remove(&user);
                Ok(())
            },
            then,
        );
    }

    fn register(&mut self, _: &Jid, _: String, then: Then) {
        self.commit(|_| Err(Condition::NotAllowed), then);
    }
}

/// Features and their host, with the wire's words for what goes in and out.
pub struct Stage {
    /// Under test.
    pub features: Features,
    /// Around it.
    pub host: FakeHost,
}

#[allow(dead_code, reason = "each test uses a part of the stage")]
impl Stage {
    /// An installation as it comes.
    pub fn new() -> Stage {
        Stage::with(&FeatureConfig::default())
    }

    /// An installation of one's own.
    pub fn with(config: &FeatureConfig) -> Stage {
        Stage {
            features: Features::new(config),
            host: FakeHost::new(),
        }
    }

    /// Sends a query, lets the keeper work, and gives the one answer: the result's payload, or the error's condition.
    pub fn ask(&mut self, from: &str, to: &str, kind: &str, payload: &str) -> String {
        self.send(from, to, kind, "", payload);
        self.host.settle();
        let mut sent = std::mem::take(&mut self.host.sent);
        assert_eq!(sent.len(), 1, "one answer to {payload}: {sent:?}");
        let answer = sent.remove(0);
        assert_eq!(
            (answer.from.as_str(), answer.to.as_str()),
            (to, from),
            "the answer goes back"
        );
        assert_eq!(&answer.id[..], b"q1", "the answer has the query's id");
        show(&answer)
    }

    /// Lets the keeper work, and gives what was told since the last time: addressee, and the event's content.
    pub fn told(&mut self) -> Vec<(String, String)> {
        self.host.settle();
        let told = std::mem::take(&mut self.host.told).into_iter();
        let event = |body: &[u8]| {
            let body = String::from_utf8(body.to_vec()).expect("events are UTF-8");
            let body = body.replace("<event xmlns=\"http://jabber.org/protocol/pubsub#event\">", "");
            body.replace("</event>", "")
        };
        told.map(|one| (one.to.as_str().to_owned(), event(&one.content.body)))
            .collect()
    }

    /// `contact` (bare) sees the presence of `user` from now on.
    pub fn befriend(&mut self, user: &str, contact: &str) {
        use crosspoint_engine::roster::Kind as Step;
        self.host.show(user, contact);
        let roster = self.host.roster_mut(user);
        roster.inbound(&jid(contact), Step::Subscribe, None).expect("room");
        roster.outbound(&jid(contact), Step::Subscribed).expect("room");
    }

    /// Sends a query whose start tag has other attributes too, and leaves the keeper alone.
    pub fn send(&mut self, from: &str, to: &str, kind: &str, head: &str, payload: &str) {
        let kind = match kind {
            "get" => QueryKind::Get,
            "set" => QueryKind::Set,
            other => panic!("{other} is not asked"),
        };
        let mut query = Envelope::neutral(jid(from), jid(to), Kind::Query(kind));
        query.id = Bytes::from_static(b"q1");
        query.content = Content {
            codec: Codec::Xmpp,
            head: Bytes::copy_from_slice(head.as_bytes()),
            body: Bytes::copy_from_slice(payload.as_bytes()),
        };
        self.features.on_query(query, &mut self.host);
    }
}

/// `result <payload/>`, `set <payload/>` or `error condition-number`.
pub fn show(envelope: &Envelope) -> String {
    let body = String::from_utf8(envelope.content.body.to_vec()).expect("answers are UTF-8");
    match envelope.kind {
        Kind::Query(QueryKind::Result) => format!("result {body}").trim_end().to_owned(),
        Kind::Query(QueryKind::Set) => format!("set {body}"),
        Kind::Query(QueryKind::Error) if envelope.error.is_none() => {
            let names = body.split('<').filter_map(|part| part.split([' ', '/', '>']).next());
            let names: Vec<_> = names.filter(|name| !name.is_empty() && *name != "error").collect();
            format!("error {}", names.join(" "))
        }
        Kind::Query(QueryKind::Error) => {
            let Some(condition) = envelope.error else {
                // With a condition of the application's own it is written by the feature.
                return format!("error {body}");
            };
            assert_eq!(body, "", "an error repeats nothing");
            format!("error {condition:?}")
        }
        other => panic!("{other:?} is no answer"),
    }
}
