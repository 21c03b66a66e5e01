//! What the shards ask, answered for a whole group with one commit.
//!
//! Invariants:
//! - Requests take effect in the order of the group; a fetch sees what stands before it and nothing that stands after it.
//! - Nothing is answered before what precedes it is durable; if it cannot become so, the answer is `Failed`.
//! - The replies to one shard come in the order of its requests; neighbouring `Committed` are merged into one.

use super::Log;
use super::error::LogError;
use super::index::{Entry, Pending};
use crate::disk::Disk;
use crate::seam::{JournalReply, JournalRequest, Token, UserKey};

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
    Fetched {
        user: UserKey,
        entries: Vec<Entry>,
        more: bool,
    },
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
            let shard = answer.shard;
            if merge_into.len() <= shard {
                merge_into.resize(shard + 1, None);
            }
            match (
                self.answer(answer),
                merge_into[shard].and_then(|at| replies.get_mut(at)),
            ) {
                (JournalReply::Committed { tokens }, Some((_, JournalReply::Committed { tokens: earlier }))) => {
                    earlier.extend(tokens);
                }
                (reply, _) => {
                    merge_into[shard] = Some(replies.len());
                    replies.push((shard, reply));
                }
            }
        }
        replies
    }

    fn take(&mut self, shard: usize, request: JournalRequest, answers: &mut Vec<Answer>) {
        let (token, content) = match request {
            JournalRequest::Settle { user, ids } => {
                // Not answered: if it fails, the log is poisoned, and the records are delivered again after a restart.
                let _ = self.settle(user, &ids);
                return;
            }
            JournalRequest::Append { token, record } => (
                token,
                self.append(&record).map_or_else(Content::Failed, |()| Content::Durable),
            ),
            JournalRequest::Flush { token } => (token, Content::Durable),
            JournalRequest::Pending { token, user } => (token, Content::Pending(self.pending(user))),
            JournalRequest::Fetch {
                token,
                user,
                after,
                records_max,
                bytes_max,
            } => {
                let (entries, more) = self.index.select(user, after, records_max, bytes_max);
                (token, Content::Fetched { user, entries, more })
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

    fn answer(&self, answer: Answer) -> JournalReply {
        let token = answer.token;
        let failed = |error: LogError| JournalReply::Failed {
            token,
            error: error.to_string(),
        };
        if let Content::Failed(error) = answer.content {
            return failed(error);
        }
        if answer.covered >= self.next_batch {
            return failed(
                self.expect_sound()
                    .err()
                    .unwrap_or(LogError::Poisoned("not written".to_owned())),
            );
        }
        match answer.content {
            Content::Durable => JournalReply::Committed { tokens: vec![token] },
            Content::Pending(Pending { records, bytes, last }) => JournalReply::Pending {
                token,
                records,
                bytes,
                last,
            },
            Content::Fetched { user, entries, more } => match self.read_all(user, &entries) {
                Ok(records) => JournalReply::Fetched { token, records, more },
                Err(error) => failed(error),
            },
            Content::Failed(error) => failed(error),
        }
    }
}
