//! Questions of the server: queries that a front-end sends to a session, and their answers.
//!
//! Invariants:
//! - Every question is answered once: by whom it was addressed to, or by nobody after [`ASK_MS`].
//! - An answer counts only from the address that was asked, under the identifier that it was asked by.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::Shard;
use super::notices::Notice;
use crate::envelope::{Codec, Envelope};
use crate::jid::Jid;

/// Questions of one shard that nobody has answered yet.
pub const ASKS_MAX: usize = 4096;
/// How long an answer may take, in milliseconds.
pub const ASK_MS: u64 = 30_000;
/// Before the number in a question's identifier. Answers under other identifiers are nobody's at home.
pub const ASK_PREFIX: &str = "ask-";

struct Asked {
    whom: Jid,
    codec: Codec,
    key: u64,
}

#[derive(Default)]
pub(super) struct Asks {
    open: HashMap<u64, Asked>,
    /// Until when, the oldest first.
    deadlines: VecDeque<(u64, u64)>,
    last: u64,
}

impl Shard {
    /// For front-ends: sends a query; false if too many are open.
    pub(super) fn ask_session(&mut self, mut query: Envelope, key: u64) -> bool {
        if self.asks.open.len() >= ASKS_MAX {
            return false;
        }
        self.asks.last += 1;
        let number = self.asks.last;
        query.id = Bytes::from(format!("{ASK_PREFIX}{number:x}"));
        let asked = Asked {
            whom: query.to.clone(),
            codec: query.content.codec,
            key,
        };
        self.asks.open.insert(number, asked);
        self.asks.deadlines.push_back((self.now.ms + ASK_MS, number));
        self.dispatch_free(query);
        true
    }

    /// A result or an error has come to a bare address or to the domain: if it was asked for, its front-end hears of it.
    pub(super) fn answer_arrived(&mut self, answer: Envelope) {
        let number = str::from_utf8(&answer.id)
            .ok()
            .and_then(|id| id.strip_prefix(ASK_PREFIX))
            .and_then(|number| u64::from_str_radix(number, 16).ok());
        let Some(number) = number else { return };
        if self
            .asks
            .open
            .get(&number)
            .is_some_and(|asked| asked.whom == answer.from)
        {
            self.close_question(number, Some(answer));
        }
    }

    pub(super) fn expire_asks(&mut self) {
        while let Some((until, number)) = self.asks.deadlines.front().copied() {
            let open = self.asks.open.contains_key(&number);
            if open && until > self.now.ms {
                return;
            }
            self.asks.deadlines.pop_front();
            self.close_question(number, None);
        }
    }

    fn close_question(&mut self, number: u64, answer: Option<Envelope>) {
        if let Some(Asked { codec, key, .. }) = self.asks.open.remove(&number) {
            self.notices.push_back(Notice::Answer { codec, key, answer });
        }
    }
}
