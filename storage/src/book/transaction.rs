//! One group of requests, served with one transaction.
//!
//! Invariant: a group without a write costs no disk access but reading; a group with one costs one commit.

use std::sync::atomic::Ordering::Relaxed;

use super::table::Tables;
use super::{BookCore, BookError, Outcome};
use crate::seam::{BookReply, BookRequest, Token};

pub(super) fn serve(book: &BookCore, group: Vec<(usize, BookRequest)>) -> Vec<(usize, BookReply)> {
    if group
        .iter()
        .any(|(_, request)| matches!(request, BookRequest::Write { .. }))
    {
        return match write_group(book, &group) {
            Ok(replies) => replies,
            Err(error) => fail_all(&group, &error),
        };
    }
    let answer = |(shard, request)| match request {
        BookRequest::Read { token, reads } => (shard, rows(token, book.read(&reads))),
        BookRequest::Write { token, .. } => (
            shard,
            BookReply::Failed {
                token,
                error: String::new(),
            },
        ),
    };
    group.into_iter().map(answer).collect()
}

fn write_group(book: &BookCore, group: &[(usize, BookRequest)]) -> Result<Vec<(usize, BookReply)>, BookError> {
    let transaction = book.database.begin_write().map_err(redb::Error::from)?;
    let mut replies = Vec::with_capacity(group.len());
    {
        let mut tables = Tables::open(&transaction)?;
        for (shard, request) in group {
            let reply = match request {
                BookRequest::Read { token, reads } => {
                    rows(*token, reads.iter().map(|read| tables.look_up(read)).collect())
                }
                BookRequest::Write { token, batch } => match tables.apply(batch)? {
                    Outcome::Written => BookReply::Written { token: *token },
                    Outcome::Exists => BookReply::Exists { token: *token },
                },
            };
            replies.push((*shard, reply));
        }
    }
    transaction.commit().map_err(redb::Error::from)?;
    book.stats.commits.fetch_add(1, Relaxed);
    Ok(replies)
}

fn rows(token: Token, results: Result<Vec<Vec<crate::seam::Row>>, BookError>) -> BookReply {
    match results {
        Ok(results) => BookReply::Rows { token, results },
        Err(error) => BookReply::Failed {
            token,
            error: error.to_string(),
        },
    }
}

fn fail_all(group: &[(usize, BookRequest)], error: &BookError) -> Vec<(usize, BookReply)> {
    let error = error.to_string();
    tracing::error!(error, "a transaction of the book failed");
    let failed = |(shard, request): &(usize, BookRequest)| {
        let (BookRequest::Read { token, .. } | BookRequest::Write { token, .. }) = request;
        (
            *shard,
            BookReply::Failed {
                token: *token,
                error: error.clone(),
            },
        )
    };
    group.iter().map(failed).collect()
}
