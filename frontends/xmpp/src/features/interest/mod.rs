//! XEP-0115 Entity Capabilities, as the server reads them: which events each session wants (`node+notify`, XEP-0163).
//!
//! ```text
//! presence with <c ver/> ──▶ known hash? ── yes ──▶ the session wants these
//!                                  └── no ──▶ disco#info to that session ──▶ verified? ── yes ──▶ known from now on
//!                                                                             └── no ──▶ for that session alone
//! ```
//! Invariants:
//! - A hash is asked for once at a time, of one session, and becomes known only with an answer that has this hash.
//! - What a client says under a hash that does not fit is believed about that client alone.
//! - Everything is bounded: hashes known, hashes asked for, sessions that wait for one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, PresenceKind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::amplify::Debts;
use super::{pubsub, xml};
use crate::codec::{Builder, CLIENT, Element};

mod info;
mod mark;

use mark::Mark;

/// Hashes of one shard that are known.
pub const KNOWN_MAX: usize = 2_048;
/// Hashes of one shard that are being asked for.
pub const ASKING_MAX: usize = 1_024;
/// Sessions that wait for one hash.
pub const WAITING_MAX: usize = 4_096;

/// The nodes that a client wants events of, sorted.
type Wanted = Arc<[String]>;

/// A session with capabilities. There is one for every client: of the mark it keeps a hash, by which the session's own next mark
/// is told from this one, and nothing else depends on it.
struct Known {
    mark: u64,
    wanted: Option<Wanted>,
}

struct Asking {
    mark: Mark,
    whom: Jid,
    waiting: VecDeque<Jid>,
}

/// The interests of a shard's sessions. Questions under way share them; the lock is one shard's alone and never contended, and
/// no host is called under it.
#[derive(Clone)]
pub(super) struct Interests {
    state: Arc<Mutex<State>>,
    debts: Debts,
}

#[derive(Default)]
struct State {
    sessions: HashMap<Jid, Known>,
    known: HashMap<String, Wanted>,
    /// Hashes in the order in which they became known.
    order: VecDeque<String>,
    asking: HashMap<u64, Asking>,
    last_key: u64,
}

/// A session that wants events which it did not want before.
struct Newcomer {
    /// Its full address.
    session: Jid,
    /// Of these nodes.
    nodes: Vec<String>,
}

/// What follows from something that was learned.
#[derive(Default)]
struct Step {
    newcomers: Vec<Newcomer>,
    question: Option<(u64, Envelope)>,
}

impl Interests {
    /// Those of nobody. What newcomers have others asked for is paid for by these.
    pub fn new(debts: Debts) -> Interests {
        Interests {
            state: Arc::default(),
            debts,
        }
    }

    /// A session shows presence, or is gone.
    pub fn on_presence(&self, presence: &Envelope, host: &mut dyn Host) {
        let step = self.state().on_presence(presence);
        self.take(step, host);
    }

    /// The nodes that a session wants events of.
    pub fn of(&self, session: &Jid) -> Wanted {
        let wanted = self
            .state()
            .sessions
            .get(session)
            .and_then(|known| known.wanted.clone());
        wanted.unwrap_or_default()
    }

    /// Whether a session wants the events of a node.
    pub fn wants(&self, session: &Jid, node: &str) -> bool {
        let state = self.state();
        let wanted = state.sessions.get(session).and_then(|known| known.wanted.as_ref());
        wanted.is_some_and(|wanted| wanted.binary_search_by(|known| (**known).cmp(node)).is_ok())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, step: Step, host: &mut dyn Host) {
        if let Some((key, query)) = step.question {
            let interests = self.clone();
            let then = move |answer: Result<Envelope, Condition>, host: &mut dyn Host| {
                let step = interests.state().on_answer(key, answer);
                interests.take(step, host);
            };
            host.inquire(query, Box::new(then));
        }
        for newcomer in step.newcomers {
            self.welcome(&newcomer, host);
        }
    }

    fn welcome(&self, newcomer: &Newcomer, host: &mut dyn Host) {
        let user = newcomer.session.to_bare();
        let contacts = host.roster(&user).map_or(0, |roster| roster.subscriptions().count());
        if self.debts.take(&user, 1 + contacts, host).is_ok() {
            pubsub::welcome(&newcomer.session, &newcomer.nodes, host);
        }
    }
}

impl State {
    fn on_presence(&mut self, presence: &Envelope) -> Step {
        let available = presence.kind == Kind::Presence(PresenceKind::Available);
        let Some(shown) = available.then(|| mark::of(&presence.content)).flatten() else {
            self.sessions.remove(&presence.from);
            return Step::default();
        };
        let hash = shown.hash();
        if self
            .sessions
            .get(&presence.from)
            .is_some_and(|known| known.mark == hash)
        {
            return Step::default();
        }
        let mark = shown.into_mark();
        let session = presence.from.detached();
        let found = mark.sha1.then(|| self.known.get(&mark.ver).cloned()).flatten();
        let before = self.sessions.remove(&session).and_then(|known| known.wanted);
        let known = Known {
            mark: hash,
            wanted: before,
        };
        self.sessions.insert(session.clone(), known);
        match found {
            Some(wanted) => Step {
                newcomers: Vec::from_iter(self.learn(session, &mark, &wanted)),
                question: None,
            },
            None => Step {
                newcomers: Vec::new(),
                question: self.inquire(mark, session),
            },
        }
    }

    fn on_answer(&mut self, key: u64, answer: Result<Envelope, Condition>) -> Step {
        let Some(Asking { mark, whom, waiting }) = self.asking.remove(&key) else {
            return Step::default();
        };
        let hashed = match answer {
            Ok(answer) => read_info(&answer),
            // The switch asks too much already. The next who shows this hash is asked.
            Err(Condition::ResourceConstraint) => return Step::default(),
            Err(_) => None,
        };
        let mut step = Step::default();
        if let Some(hashed) = hashed {
            let wanted: Wanted = info::wanted(&hashed).into();
            step.newcomers.extend(self.learn(whom, &mark, &wanted));
            if mark.sha1 && info::ver(&hashed) == mark.ver {
                self.remember(&mark.ver, &wanted);
                let learned = waiting
                    .into_iter()
                    .filter_map(|session| self.learn(session, &mark, &wanted));
                step.newcomers.extend(learned);
                return step;
            }
        }
        step.question = self.inquire_next(mark, waiting);
        step
    }

    fn shows(&self, session: &Jid, mark: &Mark) -> bool {
        self.sessions
            .get(session)
            .is_some_and(|known| known.mark == mark.hash())
    }

    /// A session wants this; somebody new, if it did not want all of it before.
    fn learn(&mut self, session: Jid, mark: &Mark, wanted: &Wanted) -> Option<Newcomer> {
        let known = self
            .sessions
            .get_mut(&session)
            .filter(|known| known.mark == mark.hash())?;
        let before = known.wanted.replace(wanted.clone());
        let is_new = |node: &&String| before.as_ref().is_none_or(|before| before.binary_search(node).is_err());
        let nodes: Vec<String> = wanted.iter().filter(is_new).cloned().collect();
        (!nodes.is_empty()).then_some(Newcomer { session, nodes })
    }

    fn remember(&mut self, ver: &str, wanted: &Wanted) {
        if self.order.len() >= KNOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        if self.known.insert(ver.to_owned(), wanted.clone()).is_none() {
            self.order.push_back(ver.to_owned());
        }
    }

    fn inquire(&mut self, mark: Mark, session: Jid) -> Option<(u64, Envelope)> {
        let same = |asking: &&mut Asking| mark.sha1 && asking.mark == mark;
        if let Some(asking) = self.asking.values_mut().find(same) {
            if asking.waiting.len() < WAITING_MAX {
                asking.waiting.push_back(session);
            }
            return None;
        }
        self.ask(mark, session, VecDeque::new())
    }

    /// Whoever is gone or shows another hash by now is not asked.
    fn inquire_next(&mut self, mark: Mark, mut waiting: VecDeque<Jid>) -> Option<(u64, Envelope)> {
        while let Some(session) = waiting.pop_front() {
            if self.shows(&session, &mark) {
                return self.ask(mark, session, waiting);
            }
        }
        None
    }

    fn ask(&mut self, mark: Mark, whom: Jid, waiting: VecDeque<Jid>) -> Option<(u64, Envelope)> {
        if self.asking.len() >= ASKING_MAX {
            return None;
        }
        self.last_key += 1;
        let mut query = Envelope::neutral(whom.to_bare(), whom.clone(), Kind::Query(QueryKind::Get));
        query.content = Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body: info_query(&mark).into(),
        };
        self.asking.insert(self.last_key, Asking { mark, whom, waiting });
        Some((self.last_key, query))
    }
}

fn info_query(mark: &Mark) -> Vec<u8> {
    let mut out = Vec::new();
    let node = format!("{}#{}", mark.node, mark.ver);
    Builder::new(&mut out)
        .open("query")
        .attr("xmlns", "http://jabber.org/protocol/disco#info")
        .attr("node", node.as_str());
    out
}

/// What is hashed of an answer that is one, and well-formed.
fn read_info(answer: &Envelope) -> Option<String> {
    if answer.kind != Kind::Query(QueryKind::Result) || answer.content.codec != Codec::Xmpp {
        return None;
    }
    let stanza = xml::stanza(&answer.content).ok()?;
    let stanza = Element::parse(&stanza, CLIENT).ok()?;
    info::hashed(stanza.child("query", "http://jabber.org/protocol/disco#info")?)
}
