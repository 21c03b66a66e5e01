//! From a query to its answer: pages of the log are read until the answer is full, or the archive is at its end.
//!
//! ```text
//!   what must exist ──one by one──▶ pages of the span, each beginning at the last one's edge ──▶ results, <fin/>
//! ```
//! Invariant: the query is answered once, whatever the log says.

use crosspoint_engine::envelope::{Condition, Envelope};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{Direction, HistoryPage, Host, Span};
use crosspoint_engine::store::RecordId;

use super::query::Query;
use super::{LOOKED_AT_MAX, RESULT_BYTES_MAX, RESULTS_MAX, Source, write};
use crate::features::ask::{Later, Reply};

/// A query that is being answered.
struct Reading<S> {
    source: S,
    query: Query,
    /// Who asks: a full address.
    session: Jid,
    later: Later,
    /// What the results are made of, in the direction of the query.
    found: Vec<Envelope>,
    bytes: usize,
    /// Records that were looked at, and the last of them that is a message.
    looked_at: usize,
    seen: Option<Envelope>,
}

/// Begins to answer a query.
pub(super) fn begin<S: Source>(source: S, query: Query, session: Jid, later: Later, host: &mut dyn Host) {
    let reading = Reading {
        source,
        query,
        session,
        later,
        found: Vec::new(),
        bytes: 0,
        looked_at: 0,
        seen: None,
    };
    reading.look_up(host);
}

/// Only this record.
fn exactly(id: RecordId) -> Span {
    Span::ALL.after(id.saturating_sub(1)).before(id.saturating_add(1))
}

impl<S: Source> Reading<S> {
    /// Looks for what the query names: first what must be there, then what is to be shown by name, then the span.
    fn look_up(mut self, host: &mut dyn Host) {
        let shown = self.query.must_exist.is_empty();
        let Some(id) = self.query.must_exist.pop().or_else(|| self.query.ids.pop()) else {
            return self.turn_page(host);
        };
        let last = shown && self.query.ids.is_empty();
        self.source_read(
            exactly(id),
            Direction::Forward,
            1,
            host,
            move |mut reading, page, host| {
                let Some((_, message)) = page.messages.into_iter().next() else {
                    return reading.refuse(Condition::ItemNotFound, host);
                };
                if shown {
                    reading.found.push(message);
                }
                match last {
                    true => {
                        reading
                            .found
                            .sort_by_key(|message| message.stable.map(|id| host.record_of(id)));
                        reading.query.direction = Direction::Forward;
                        reading.finish(true, host);
                    }
                    false => reading.look_up(host),
                }
            },
        );
    }

    /// Reads the next page of the span.
    fn turn_page(self, host: &mut dyn Host) {
        let wanted = match self.query.with {
            // Perhaps few of them are meant.
            Some(_) => RESULTS_MAX * 4,
            None => self.query.results_max.max(1),
        };
        let (mut span, direction) = (self.query.span, self.query.direction);
        match (self.query.anchor, direction) {
            (None, _) => {}
            (Some(anchor), Direction::Forward) => span.after = anchor.saturating_sub(1),
            (Some(anchor), Direction::Backward) => span.before = anchor.saturating_add(1),
        }
        let records_max = wanted + u32::from(self.query.anchor.is_some());
        self.source_read(span, direction, records_max, host, Reading::take);
    }

    fn source_read(
        self,
        span: Span,
        direction: Direction,
        records_max: u32,
        host: &mut dyn Host,
        then: impl FnOnce(Self, HistoryPage, &mut dyn Host) + Send + 'static,
    ) where
        Self: Send,
    {
        // The source is asked for the page by a source of its own: the reading goes into the continuation.
        let source = self.source.clone();
        let then = move |page: Result<HistoryPage, Condition>, host: &mut dyn Host| match page {
            Ok(page) => then(self, page, host),
            Err(condition) => self.refuse(condition, host),
        };
        source.read(span, direction, records_max, Box::new(then), host);
    }

    /// A page has come: takes what is wanted of it, and asks for the next one while there is need and room.
    fn take(mut self, page: HistoryPage, host: &mut dyn Host) {
        self.looked_at += page.messages.len();
        let mut in_order: Box<dyn Iterator<Item = _>> = match self.query.direction {
            Direction::Forward => Box::new(page.messages.into_iter()),
            Direction::Backward => Box::new(page.messages.into_iter().rev()),
        };
        if let Some(anchor) = self.query.anchor.take()
            && in_order.next().is_none_or(|(record, _)| record != anchor)
        {
            return self.refuse(Condition::ItemNotFound, host);
        }
        let mut left_over = false;
        for (_, message) in in_order {
            let wanted = (self.query.with.as_ref()).is_none_or(|with| self.source.concerns(&message, with));
            if wanted && self.is_full() {
                left_over = true;
                break;
            }
            if wanted {
                self.bytes += write::result_bytes(&message);
                self.found.push(message);
            } else {
                self.seen = Some(message);
            }
        }
        let spent = self.is_full() || self.looked_at >= LOOKED_AT_MAX;
        if page.complete || left_over || spent || page.edge == 0 {
            return self.finish(page.complete && !left_over, host);
        }
        self.query.span = match self.query.direction {
            Direction::Forward => self.query.span.after(page.edge),
            Direction::Backward => self.query.span.before(page.edge),
        };
        self.turn_page(host);
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.query.results_max as usize || self.bytes >= RESULT_BYTES_MAX
    }

    /// Sends the results, then what became of the query.
    fn finish(mut self, complete: bool, host: &mut dyn Host) {
        if host.is_behind(&self.session) {
            // It does not read what it asks for.
            return self.refuse(Condition::ResourceConstraint, host);
        }
        if self.query.direction == Direction::Backward {
            self.found.reverse();
        }
        let edges = match (self.found.first(), self.found.last()) {
            (Some(first), Some(last)) => first.stable.zip(last.stable),
            // Nothing yet, but there is more to look at: the next page begins where this one has stopped.
            _ if !complete => self.seen.as_ref().and_then(|seen| seen.stable).map(|id| (id, id)),
            _ => None,
        };
        if self.query.flip {
            self.found.reverse();
        }
        let archive = self.source.address();
        for message in &self.found {
            if let Some(result) = write::result(message, archive, &self.session, self.query.queryid.as_deref(), host) {
                host.send(result);
            }
        }
        self.later.finish(Ok(Reply::Body(write::fin(edges, complete))), host);
    }

    fn refuse(self, condition: Condition, host: &mut dyn Host) {
        self.later.finish(Err(condition), host);
    }
}

/// Answers with the archive's first and last messages (XEP-0313 section 6).
pub(super) fn metadata<S: Source>(source: S, later: Later, host: &mut dyn Host) {
    let again = source.clone();
    let first = move |page: Result<HistoryPage, Condition>, host: &mut dyn Host| {
        let first = match page {
            Ok(page) => page.messages.into_iter().next(),
            Err(condition) => return later.finish(Err(condition), host),
        };
        let last = move |page: Result<HistoryPage, Condition>, host: &mut dyn Host| {
            let answer = page.map(|page| {
                let last = page.messages.into_iter().next();
                Reply::Body(write::metadata(
                    first.zip(last).map(|((_, first), (_, last))| (first, last)),
                ))
            });
            later.finish(answer, host);
        };
        again.read(Span::ALL, Direction::Backward, 1, Box::new(last), host);
    };
    source.read(Span::ALL, Direction::Forward, 1, Box::new(first), host);
}
