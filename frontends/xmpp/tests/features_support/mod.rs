//! A switch of one shard, in memory: what the features ask of their host, with storage that commits when told to.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use bytes::Bytes;
use crosspoint_engine::admitting::AllowList;
use crosspoint_engine::blocking::BlockList;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::neutral::Neutral;
use crosspoint_engine::roster::Roster;
use crosspoint_engine::service::{
    Admission, BookRead, BookWrite, Direction, Host, Row, Span, Table, Then, ThenAnswer, ThenHistory, ThenLookedUp,
    ThenRows,
};
use crosspoint_engine::session::Now;
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
    deferred: VecDeque<Deferred>,
    inquiries: VecDeque<(Envelope, ThenAnswer)>,
    /// The next change or look-up fails like this.
    pub failure: Option<Condition>,
    /// Everything that was sent.
    pub sent: Vec<Envelope>,
    /// Sessions that get copies.
    pub copies: HashSet<Jid>,
    /// Sessions that get roster pushes.
    pub roster_interest: HashSet<Jid>,
    /// Sessions that get block list pushes.
    pub block_interest: HashSet<Jid>,
    /// Requests that the keeper has answered.
    pub requests: usize,
}

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
            deferred: VecDeque::new(),
            inquiries: VecDeque::new(),
            failure: None,
            sent: Vec::new(),
            copies: HashSet::new(),
            roster_interest: HashSet::new(),
            block_interest: HashSet::new(),
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

    fn find(&self, read: &BookRead) -> Vec<Row> {
        let rows = self
            .rows
            .iter()
            .filter(|((table, key), _)| match read {
                BookRead::Get { table: of, key: whole } => table == of && key == whole,
                BookRead::Prefix {
                    table: of,
                    prefix,
                    after,
                    ..
                } => table == of && key.starts_with(prefix) && key > after,
            })
            .map(|((_, key), value)| Row {
                key: key.clone(),
                value: value.clone(),
            });
        let max = match read {
            BookRead::Get { .. } => 1,
            BookRead::Prefix { rows_max, .. } => *rows_max as usize,
        };
        rows.take(max).collect()
    }

    /// What has been asked of others, oldest first, and not answered.
    pub fn inquiry(&mut self) -> Option<Envelope> {
        self.inquiries.front().map(|(query, _)| query.clone())
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
            _ => false,
        };
        if batch.iter().any(taken) {
            return Err(Condition::Conflict);
        }
        for write in batch {
            match write {
                BookWrite::Put { table, key, value } | BookWrite::Insert { table, key, value } => {
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
        NOW
    }

    fn domain(&self) -> &Jid {
        &self.domain
    }

    fn send(&mut self, envelope: Envelope) {
        self.sent.push(envelope);
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

    fn history(&mut self, _user: &Jid, _span: Span, _direction: Direction, _max: u32, then: ThenHistory) {
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

    fn look_up(&mut self, reads: Vec<BookRead>, then: ThenLookedUp) {
        self.deferred.push_back(Box::new(move |host| {
            let found = reads.iter().map(|read| host.find(read)).collect();
            let result = host.failure.take().map_or(Ok(found), Err);
            then(result, host);
        }));
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
        Kind::Query(QueryKind::Error) => {
            assert_eq!(body, "", "an error repeats nothing");
            format!("error {:?}", envelope.error.expect("an error has a reason"))
        }
        other => panic!("{other:?} is no answer"),
    }
}
