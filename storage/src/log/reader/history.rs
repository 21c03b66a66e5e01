//! Pages of a user's history.
//!
//! A chain leads backwards only, so a page that goes forward is found by number: the record before it is sought by id, the last
//! one of the page by its ordinal, and the page is read from there back.
//!
//! Invariants:
//! - A page reads as many records as it may have, one more, and what it takes to find its start; nothing depends on the size of
//!   the archive but that.
//! - Hidden records count as looked at, so that a page ends even where everything is hidden. They stand beside the page, not in it.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use super::chain::{Node, Step, end_of};
use super::files::Toward;
use super::{Chapter, Excerpt, Reader, owned};
use crate::disk::Disk;
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_RECORDS_MAX};
use crate::log::error::LogError;
use crate::log::tails::Tail;
use crate::seam::{Direction, JournalReply, Record, RecordId, Span, Token, UserKey};

/// A page being gathered, from its newest record to its oldest.
#[derive(Default)]
struct Page {
    /// What was looked at, oldest first, and whether it is hidden.
    looked_at: VecDeque<(Record, bool)>,
    /// Of their payloads.
    bytes: u64,
    complete: bool,
}

impl Page {
    /// Of a span in which nothing is.
    fn empty() -> Self {
        Self {
            complete: true,
            ..Self::default()
        }
    }

    fn add(&mut self, record: Record, hidden: bool) {
        self.bytes += record.payload.len() as u64;
        self.looked_at.push_front((record, hidden));
    }

    /// A page that goes forward is read from its newest record back: what is too much lies at its newer end.
    fn drop_newest(&mut self, bytes_max: u64) {
        while self.bytes > bytes_max && self.looked_at.len() > 1 {
            let Some((dropped, _)) = self.looked_at.pop_back() else {
                return;
            };
            self.bytes -= dropped.payload.len() as u64;
            self.complete = false;
        }
    }

    fn reply(self, token: Token, direction: Direction) -> JournalReply {
        let edge = match direction {
            Direction::Forward => self.looked_at.back(),
            Direction::Backward => self.looked_at.front(),
        };
        let edge = edge.map_or(0, |(record, _)| record.id);
        let (hidden, records): (Vec<_>, Vec<_>) = self.looked_at.into_iter().partition(|(_, hidden)| *hidden);
        let bare = |records: Vec<(Record, bool)>| records.into_iter().map(|(record, _)| record).collect();
        JournalReply::Page {
            token,
            edge,
            records: bare(records),
            hidden: bare(hidden),
            complete: self.complete,
        }
    }
}

impl Chapter {
    fn hides(&self, id: RecordId) -> bool {
        self.hidden.binary_search(&id).is_ok()
    }
}

impl<D: Disk> Reader<D> {
    pub(super) fn page(
        &mut self,
        token: Token,
        user: UserKey,
        chapter: &Chapter,
        excerpt: Excerpt,
    ) -> Result<JournalReply, LogError> {
        self.stats.pages.fetch_add(1, Relaxed);
        let excerpt = Excerpt {
            records_max: excerpt.records_max.clamp(1, HISTORY_RECORDS_MAX),
            bytes_max: excerpt.bytes_max.min(HISTORY_BYTES_MAX),
            ..excerpt
        };
        let page = match (&chapter.tail, excerpt.direction) {
            (None, _) => Page::empty(),
            (Some(tail), Direction::Backward) => self.backward(user, tail, chapter, excerpt)?,
            (Some(tail), Direction::Forward) => self.forward(user, tail, chapter, excerpt)?,
        };
        Ok(page.reply(token, excerpt.direction))
    }

    pub(super) fn extent(&mut self, token: Token, user: UserKey, chapter: &Chapter) -> Result<JournalReply, LogError> {
        self.stats.pages.fetch_add(1, Relaxed);
        let oldest = self.oldest(user, chapter)?;
        let (Some(tail), Some(first)) = (&chapter.tail, oldest) else {
            let (records, first, last) = (0, 0, 0);
            return Ok(JournalReply::Extent {
                token,
                records,
                first,
                last,
            });
        };
        let hidden = chapter.hidden.iter().filter(|id| **id >= first.id).count() as u64;
        Ok(JournalReply::Extent {
            token,
            records: u64::from(tail.ordinal() - first.links.ordinal + 1).saturating_sub(hidden),
            first: first.id,
            last: tail.last(),
        })
    }

    /// The newest records of a span.
    fn backward(&mut self, user: UserKey, tail: &Tail, chapter: &Chapter, excerpt: Excerpt) -> Result<Page, LogError> {
        let mut page = Page::default();
        let mut step = self.newest_before(user, tail, excerpt.span)?;
        while let Some(at) = step {
            let Some((node, record)) = self.view(user, at, Toward::Earlier)? else {
                break;
            };
            if node.id <= excerpt.span.after {
                break;
            }
            let bytes = page.bytes + record.payload.len() as u64;
            let too_much = !page.looked_at.is_empty() && bytes > u64::from(excerpt.bytes_max);
            if too_much || page.looked_at.len() >= excerpt.records_max as usize {
                return Ok(page);
            }
            page.add(owned(&record), chapter.hides(node.id));
            step = Some(node.back());
        }
        page.complete = true;
        Ok(page)
    }

    /// The oldest records of a span.
    fn forward(&mut self, user: UserKey, tail: &Tail, chapter: &Chapter, excerpt: Excerpt) -> Result<Page, LogError> {
        let Some((first, last)) = self.ordinals(user, tail, chapter, excerpt.span)? else {
            return Ok(Page::empty());
        };
        let end = last.min(first.saturating_add(excerpt.records_max - 1));
        let newest = if end == tail.ordinal() {
            Some(end_of(tail))
        } else {
            let found = self.seek(user, tail, |node| node.links.ordinal > end)?;
            found.map(|node| node.arrival())
        };
        let mut page = Page {
            complete: end == last,
            ..Page::default()
        };
        let mut step = newest;
        while let Some(at) = step {
            let Some((node, record)) = self.view(user, at, Toward::Earlier)? else {
                break;
            };
            if node.links.ordinal < first {
                break;
            }
            page.add(owned(&record), chapter.hides(node.id));
            page.drop_newest(u64::from(excerpt.bytes_max));
            step = (node.links.ordinal > first).then(|| node.back());
        }
        Ok(page)
    }

    /// First and last ordinal of a span; `None` if nothing is in it.
    fn ordinals(
        &mut self,
        user: UserKey,
        tail: &Tail,
        chapter: &Chapter,
        span: Span,
    ) -> Result<Option<(u32, u32)>, LogError> {
        let last = if span.before > tail.last() {
            tail.ordinal()
        } else {
            match self.seek(user, tail, |node| node.id >= span.before)? {
                Some(node) => node.links.ordinal,
                None => return Ok(None),
            }
        };
        let below = if span.after == 0 {
            None
        } else {
            self.seek(user, tail, |node| node.id > span.after)?
        };
        let first = match below {
            Some(node) => node.links.ordinal.saturating_add(1),
            None => match self.oldest(user, chapter)? {
                Some(node) => node.links.ordinal,
                None => return Ok(None),
            },
        };
        Ok((first <= last).then_some((first, last)))
    }

    /// The step to the newest record below the upper end of a span.
    fn newest_before(&mut self, user: UserKey, tail: &Tail, span: Span) -> Result<Option<Step>, LogError> {
        if span.before > tail.last() {
            return Ok(Some(end_of(tail)));
        }
        let found = self.seek(user, tail, |node| node.id >= span.before)?;
        Ok(found.map(|node: Node| node.arrival()))
    }
}
