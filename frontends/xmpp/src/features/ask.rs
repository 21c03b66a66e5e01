//! A query on its way through a handler, and its answer.
//!
//! Invariant: [`Later::finish`] is the only place that answers, and it consumes what it needs for that.

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::{Outcome, Target};
use crate::codec::Element;
use crate::stanza::condition;

/// A query that its handler may answer.
pub(super) struct Ask<'a> {
    /// As it was sent.
    pub query: &'a Envelope,
    /// Its one child, parsed.
    pub payload: &'a Element<'a>,
    /// Whom it is addressed to.
    pub target: Target,
}

impl Ask<'_> {
    /// The account that the query is about: the addressee's, or the sender's own for queries to the domain.
    pub fn account(&self) -> Jid {
        match self.target {
            Target::Domain => self.query.from.to_bare(),
            Target::Own | Target::Other => self.query.to.to_bare(),
        }
    }

    /// The session that asks.
    pub fn session(&self) -> &Jid {
        &self.query.from
    }

    /// What a continuation needs in order to answer; holds nothing of the request's bytes.
    pub fn later(&self) -> Later {
        Later::new(self.query)
    }

    /// `forbidden` for users of other servers: the domain keeps nothing for them.
    pub fn local_only(&self, host: &dyn Host) -> Result<(), Condition> {
        let local = self.session().domain() == host.domain().domain();
        if local { Ok(()) } else { Err(Condition::Forbidden) }
    }

    /// `service-unavailable` for who may not see the account, as if it did not exist.
    pub fn seen_only(&self, host: &dyn Host) -> Result<(), Condition> {
        if self.may_see(host) {
            Ok(())
        } else {
            Err(Condition::ServiceUnavailable)
        }
    }

    /// Whether the sender may know of the account's presence (and hence of its existence).
    pub fn may_see(&self, host: &dyn Host) -> bool {
        match self.target {
            Target::Domain | Target::Own => true,
            Target::Other => {
                let account = self.account();
                host.exists(&account) && host.may_see(&account, self.session())
            }
        }
    }
}

/// What a handler answers.
pub(super) enum Reply {
    /// An empty result.
    Empty,
    /// A result with this payload.
    Body(Vec<u8>),
    /// A result with this payload, from the book.
    Stored(Bytes),
    /// Nothing yet: a continuation answers, or the handler has.
    Later,
}

/// The identifier of a query that the server makes of something else that a client said. No client can send it.
pub(super) const FOR_NOBODY: &[u8] = b"\0";

/// The right, and the duty, to answer a query.
pub(super) struct Later {
    query: Envelope,
}

impl Later {
    pub(super) fn new(query: &Envelope) -> Later {
        let mut query = Envelope {
            content: Content::default(),
            ..query.clone()
        };
        query.compact();
        Later { query }
    }

    /// Answers.
    pub fn finish(self, outcome: Outcome, host: &mut dyn Host) {
        let body = match outcome {
            Ok(Reply::Later) => return,
            _ if self.query.id == FOR_NOBODY => return,
            Ok(Reply::Empty) => Bytes::new(),
            Ok(Reply::Body(body)) => Bytes::from(body),
            Ok(Reply::Stored(body)) => body,
            Err(condition) => return host.refuse(self.query, condition),
        };
        let content = Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body,
        };
        host.send(self.query.answer(content));
    }

    /// Answers by an error with a condition of the application's own (RFC 6120 section 8.3.2).
    pub fn refuse_as(self, condition: Condition, name: &str, ns: &str, host: &mut dyn Host) {
        let mut body = Vec::new();
        condition::write_with(&mut body, condition, name, ns);
        self.fail(body, host);
    }

    /// Answers by an error that says more than a condition: the whole `<error/>` element.
    pub fn fail(self, error: Vec<u8>, host: &mut dyn Host) {
        if self.query.id == FOR_NOBODY {
            return;
        }
        let content = Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body: Bytes::from(error),
        };
        host.send(Envelope {
            kind: Kind::Query(QueryKind::Error),
            ..self.query.answer(content)
        });
    }

    /// Answers a change: an empty result when it is durable.
    pub fn done(self, result: Result<(), Condition>, host: &mut dyn Host) {
        self.finish(result.map(|()| Reply::Empty), host);
    }
}
