//! What the shards ask, answered for a whole group with one commit.
//!
//! Invariants:
//! - Requests take effect in the order of the group; a fetch sees what stands before it and nothing that stands after it.
//! - Nothing is answered before what precedes it is durable; if it cannot become so, the answer is `Failed`.
//! - The replies to one shard come in the order of its requests; neighbouring `Committed` are merged into one. What must be read
//!   is the exception if there is a desk for it: it comes from there, when it has been read.

use std::sync::atomic::Ordering::Relaxed;

use super::Log;
use super::error::LogError;
use super::index::Pending;
use super::reader::{Excerpt, Read};
use crate::disk::Disk;
use crate::seam::{JournalReply, JournalRequest, Token};

/// An answer that waits for the commit of batch `covered`.
struct Answer {
    shard: usize,
    token: Token,
    covered: u64,
    content: Content,
}

enum Content {
    Durable,
    Pending(Pending),
    Read(Read),
    Failed(LogError),
}

impl<D: Disk> Log<D> {
    /// Serves a group of requests, tagged with the shards they come from: one group commit (several only if the group is
    /// larger than a batch may be), then the replies, in order. [`Self::upkeep`] is to be called afterwards.
    pub fn serve(&mut self, group: Vec<(usize, JournalRequest)>) -> Vec<(usize, JournalReply)> {
        let mut answers = Vec::with_capacity(group.len());
        for (shard, request) in group {
            self.take(shard, request, &mut answers);
        }
        // A failure poisons the log, and shows in the batch number below.
        let _ = self.commit();
        let mut replies: Vec<(usize, JournalReply)> = Vec::new();
        let mut merge_into: Vec<Option<usize>> = Vec::new();
        for answer in answers {
            let (shard, token) = (answer.shard, answer.token);
            if merge_into.len() <= shard {
                merge_into.resize(shard + 1, None);
            }
            let durable = matches!(answer.content, Content::Durable) && answer.covered < self.next_batch;
            if durable
                && let Some((_, JournalReply::Committed { tokens })) =
                    merge_into[shard].and_then(|at| replies.get_mut(at))
            {
                tokens.push(token);
                continue;
            }
            if let Some(reply) = self.answer(answer) {
                merge_into[shard] = Some(replies.len());
                replies.push((shard, reply));
            }
        }
        replies
    }

    fn take(&mut self, shard: usize, request: JournalRequest, answers: &mut Vec<Answer>) {
        let durable = |outcome: Result<(), LogError>| outcome.map_or_else(Content::Failed, |()| Content::Durable);
        let (token, content) = match request {
            JournalRequest::Settle { user, ids } => {
                // Not answered: if it fails, the log is poisoned, and the records are delivered again after a restart.
                let _ = self.settle(user, &ids);
                return;
            }
            JournalRequest::Append {
                token,
                record,
                disposition,
            } => (token, durable(self.append_as(&record, disposition))),
            JournalRequest::Forget { token, user } => (token, durable(self.forget(user))),
            JournalRequest::Redact { token, user, id } => (token, durable(self.redact(user, id))),
            JournalRequest::Flush { token } => (token, Content::Durable),
            JournalRequest::Pending { token, user } => (token, Content::Pending(self.pending(user))),
            question => {
                let Some(read) = self.read_for(question) else { return };
                (read.token(), Content::Read(read))
            }
        };
        let content = match self.expect_sound() {
            Ok(()) => content,
            Err(error) => Content::Failed(error),
        };
        let covered = if self.batch.is_empty() {
            self.next_batch - 1
        } else {
            self.next_batch
        };
        answers.push(Answer {
            shard,
            token,
            covered,
            content,
        });
    }

    /// What must be read to answer; `None` if nothing.
    fn read_for(&self, request: JournalRequest) -> Option<Read> {
        Some(match request {
            JournalRequest::Fetch {
                token,
                user,
                after,
                records_max,
                bytes_max,
            } => Read::fetch(token, user, self.select(user, after, records_max, bytes_max)),
            JournalRequest::History {
                token,
                user,
                span,
                direction,
                records_max,
                bytes_max,
            } => {
                let excerpt = Excerpt {
                    span,
                    direction,
                    records_max,
                    bytes_max,
                };
                Read::page(token, user, self.chapter(user), excerpt)
            }
            JournalRequest::Extent { token, user } => Read::extent(token, user, self.chapter(user)),
            _ => return None,
        })
    }

    /// `None` if the answer comes from somewhere else.
    fn answer(&mut self, answer: Answer) -> Option<JournalReply> {
        let (shard, token) = (answer.shard, answer.token);
        let content = match answer.content {
            failed @ Content::Failed(_) => failed,
            content if answer.covered < self.next_batch => content,
            _ => {
                let error = self.expect_sound().err();
                Content::Failed(error.unwrap_or(LogError::Poisoned("not written".to_owned())))
            }
        };
        Some(match content {
            Content::Durable => JournalReply::Committed { tokens: vec![token] },
            Content::Pending(Pending { records, bytes, last }) => JournalReply::Pending {
                token,
                records,
                bytes,
                last,
            },
            Content::Read(read) => return self.read(shard, read),
            Content::Failed(error) => JournalReply::Failed {
                token,
                error: error.to_string(),
            },
        })
    }

    fn read(&mut self, shard: usize, read: Read) -> Option<JournalReply> {
        let read = match &mut self.desk {
            Some(desk) => match desk.take(shard, read) {
                Ok(()) => return None,
                Err(read) => {
                    self.stats.reads_in_place.fetch_add(1, Relaxed);
                    read
                }
            },
            None => read,
        };
        Some(self.reader.answer(read))
    }
}
