//! From a client's stanza to what the engine is asked to do with it (RFC 6120 sections 8 and 10, RFC 6121 section 8).
//!
//! Invariants:
//! - Whatever a stanza claims, it is routed as coming from this session's full address.
//! - Every `iq` request is answered: by whom it is routed to, or here by an error.
//! - On the usual road nothing is allocated but the one copy that all stanzas of a call share.

use std::borrow::Cow;

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Hints, Kind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, Context};
use crosspoint_engine::shard::INQUIRY_PREFIX;

use crate::codec::{Child, Cut, Frame, Scan, ScanLimits, Scanner, Stanza, cut, reserialise};
use crate::config::XmppConfig;
use crate::features::{self, mds};
use crate::stanza::{children, kind, write};

use super::errors::StreamError;
use super::established::Established;
use super::inbound::{self, Run};
use super::{Flow, bind, presence};

impl Established {
    /// A stanza whose XML leans on its stream is made self-contained first; then it is like any other.
    pub(super) fn route_rewritten(
        &mut self,
        stanza: &Stanza<'_>,
        scanner: &Scanner,
        config: &XmppConfig,
        cx: &mut Context<'_>,
    ) -> Flow {
        let mut plain = Vec::with_capacity(stanza.raw.len() + 256);
        reserialise(stanza, scanner, &mut plain);
        let limits = config.limits.scan_after_auth();
        // It has passed the limits as it came; its declarations may be longer than its prefixes were.
        let mut again = Scanner::for_stanzas(ScanLimits {
            stanza_bytes_max: u32::MAX,
            ..limits
        });
        match again.scan(&plain) {
            Ok(Scan::Frame {
                frame: Frame::Stanza(stanza),
                ..
            }) if stanza.verbatim => self.route(&stanza, &again, config, &mut Run::new(&plain), cx),
            Err(fault) => Flow::Fail(fault.into()),
            Ok(_) => Flow::Fail(StreamError::InvalidNamespace),
        }
    }

    pub(super) fn route(
        &mut self,
        stanza: &Stanza<'_>,
        scanner: &Scanner,
        config: &XmppConfig,
        run: &mut Run<'_>,
        cx: &mut Context<'_>,
    ) -> Flow {
        let ordinal = self.management.as_mut().map(|management| management.receive());
        if stanza.from.is_some_and(|from| !self.is_own(&from.unescape())) {
            return Flow::Fail(StreamError::InvalidFrom);
        }
        run.start(stanza);
        let pushed = cx.actions.len();
        let outcome = match stanza.name {
            "message" => self.message(stanza, scanner, run, cx.actions),
            "presence" => presence::read(self, stanza, scanner, run, cx.actions),
            _ => self.query(stanza, scanner, config, run, cx.actions),
        };
        match outcome {
            Ok(()) => self.submit(pushed, ordinal, config, cx),
            Err(condition) => {
                self.refuse(stanza, condition, cx);
                self.bounded(config)
            }
        }
    }

    /// What was pushed at this place is on its way to the engine. What the client may take for accepted only when it is
    /// safe, gets a number.
    fn submit(&mut self, pushed: usize, ordinal: Option<u64>, config: &XmppConfig, cx: &mut Context<'_>) -> Flow {
        if let (Some(Action::Route { envelope, seq }), Some(ordinal), Some(management)) =
            (cx.actions.get_mut(pushed), ordinal, &mut self.management)
            && needs_safety(envelope.kind)
        {
            *seq = Some(ordinal);
            management.await_safety(ordinal);
            if management.outstanding() >= config.limits.outstanding_stanzas {
                self.flags.stalled = true;
                cx.actions.push(Action::Pause);
                return Flow::Hold;
            }
        }
        Flow::Next
    }

    fn message(
        &self,
        stanza: &Stanza<'_>,
        scanner: &Scanner,
        run: &mut Run<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Condition> {
        let kind = kind::message(stanza.kind.map(|kind| kind.unescape()).as_deref());
        let to = match stanza.to {
            Some(to) => run.address(to)?,
            None => self.address.to_bare(),
        };
        let survey = children::survey(scanner, stanza, &self.address);
        let body = match survey.forged || survey.assisted {
            false => run.share(stanza.body().as_bytes()),
            true => self.honest_body(stanza, scanner, run),
        };
        actions.push(Action::Route {
            envelope: self.envelope(stanza, Kind::Message(kind), to, body, survey.hints(kind), run),
            seq: None,
        });
        if survey.assisted {
            self.displayed(stanza, scanner, run, actions)?;
        }
        Ok(())
    }

    /// What a message says to the own clients beside the addressee (XEP-0490 section 3.4).
    #[cold]
    fn displayed(
        &self,
        stanza: &Stanza<'_>,
        scanner: &Scanner,
        run: &mut Run<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Condition> {
        let to = match stanza.to {
            Some(to) => run.address(to)?,
            None => self.address.to_bare(),
        };
        let child = scanner.children(stanza).find(|child| mds::is_assisted(child));
        let displayed = child.and_then(|child| scanner.child_tree(stanza, &child).ok());
        let publication = displayed.and_then(|displayed| mds::publication(&self.address, &to, &displayed));
        actions.extend(publication.map(|envelope| Action::Route { envelope, seq: None }));
        Ok(())
    }

    fn query(
        &self,
        stanza: &Stanza<'_>,
        scanner: &Scanner,
        config: &XmppConfig,
        run: &mut Run<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Condition> {
        let kind = kind::query(stanza.kind.map(|kind| kind.unescape()).as_deref()).ok_or(Condition::BadRequest)?;
        if stanza.id.is_none() {
            return Err(Condition::BadRequest);
        }
        let to = match stanza.to {
            Some(to) => Some(run.address(to)?),
            None => None,
        };
        if matches!(kind, QueryKind::Get | QueryKind::Set) {
            let mut children = scanner.children(stanza);
            let (Some(child), None) = (children.next(), children.next()) else {
                return Err(Condition::BadRequest);
            };
            if child.is("bind", bind::NS) {
                return Err(Condition::NotAllowed);
            }
            let at_client = to.as_ref().is_some_and(|to| to.resource().is_some());
            if kind == QueryKind::Set && at_client && features::is_push(&child) {
                return Err(Condition::NotAllowed);
            }
        } else if to
            .as_ref()
            .is_none_or(|to| *to == config.domain || to.as_str() == self.address.bare_str())
            && !stanza.id.is_some_and(|id| id.raw().starts_with(INQUIRY_PREFIX))
        {
            // The answer to a push or a ping of ours: nobody waits for it. To a question, somebody does.
            return Ok(());
        }
        let to = to.unwrap_or_else(|| self.address.to_bare());
        let body = run.share(stanza.body().as_bytes());
        actions.push(Action::Route {
            envelope: self.envelope(stanza, Kind::Query(kind), to, body, Hints::NONE, run),
            seq: None,
        });
        Ok(())
    }

    /// The envelope of a stanza, from this session.
    pub(super) fn envelope(
        &self,
        stanza: &Stanza<'_>,
        kind: Kind,
        to: Jid,
        body: Bytes,
        hints: Hints,
        run: &mut Run<'_>,
    ) -> Envelope {
        let head = inbound::head(stanza, run, self.lang.as_deref());
        Envelope {
            from: self.address.clone(),
            to,
            kind,
            id: stanza.id.map(|id| run.value(id)).unwrap_or_default(),
            content: Content {
                codec: Codec::Xmpp,
                head,
                body,
            },
            hints,
            error: None,
            stamp_ms: None,
            stable: None,
        }
    }

    /// The body without what only the server may say.
    pub(super) fn honest_body(&self, stanza: &Stanza<'_>, scanner: &Scanner, run: &mut Run<'_>) -> Bytes {
        let unsaid = |child: &Child<'_>| children::is_forged(child, &self.address) || mds::is_assisted(child);
        match cut(stanza, scanner, unsaid) {
            Cut::Whole(body) => run.share(body.as_bytes()),
            Cut::Rebuilt(body) => Bytes::from(body),
        }
    }

    /// RFC 6120 section 8.1.2.1: a client's `from` is its own address, full or bare. The RFC ends the stream of one that names another
    /// resource of its account; we do not, since it gains nothing (the engine stamps the real one), and since Converse.js, when it has
    /// resumed a session in a page that was loaded anew, names the resource that it would have bound.
    fn is_own(&self, from: &str) -> bool {
        from == self.address.as_str()
            || from == self.address.bare_str()
            || Jid::parse(from).is_ok_and(|from| from.same_bare(&self.address))
    }

    /// Answers a stanza by an error, unless it is one itself, or an answer (RFC 6120 section 8.3.1).
    fn refuse(&mut self, stanza: &Stanza<'_>, condition: Condition, cx: &mut Context<'_>) {
        if stanza
            .kind
            .is_some_and(|kind| kind == "error" || (stanza.name == "iq" && kind == "result"))
        {
            return;
        }
        let id = stanza.id.map_or(Cow::Borrowed(""), |id| id.unescape());
        let address = self.address.clone();
        // The address that was meant, if it is one.
        let from = stanza.to.and_then(|to| Jid::parse(&to.unescape()).ok());
        let from = from.as_ref().map(|from| from.as_str());
        self.say(cx, |out| {
            write::error(out, stanza.name, id.as_bytes(), from, Some(address.as_str()), condition)
        });
    }
}

/// Messages and subscriptions must not be lost between the client and the log; of the rest RFC 6121 promises nothing.
fn needs_safety(kind: Kind) -> bool {
    match kind {
        Kind::Message(_) => true,
        Kind::Presence(kind) => presence::is_subscription(kind),
        Kind::Query(_) => false,
    }
}
