//! XEP-0377 Spam Reporting: a block may say why (section 6). The administrator hears of it; nobody else does.
//!
//! A report is logged without its text; if the installation names an address, it is sent there whole.
//!
//! Invariants:
//! - A report has at most [`TEXT_BYTES_MAX`] bytes of text and names at most [`IDS_MAX`] messages.
//! - Of one user [`REPORTS_PER_USER_MAX`] in an hour are taken; what is beyond blocks and says nothing more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Hints, Kind, MessageKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::{Feature, Xep};
use crate::codec::{Builder, Element};

/// Namespace of `<report/>`.
pub(super) const NS: &str = "urn:xmpp:reporting:1";
const NS_STANZA_ID: &str = "urn:xmpp:sid:0";

/// Reports of the last hour whose reporters a shard remembers.
pub const REPORTS_MAX: usize = 256;
/// Reports of one user that are taken in an hour.
pub const REPORTS_PER_USER_MAX: usize = 10;
/// Longest text of a report, in bytes; the rest is cut.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// Messages that one report may name.
pub const IDS_MAX: usize = 32;
/// Longest reason and identifier, in bytes.
const NAME_BYTES_MAX: usize = 256;
const HOUR_MS: u64 = 60 * 60 * 1_000;

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(377, "0.4.1")],
    enabled: |_| true,
    domain: &[NS],
    account: &[],
    handlers: &[],
};

/// Why somebody was blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub spammer: Jid,
    /// A URN: `urn:xmpp:reporting:spam`.
    pub reason: String,
    pub text: String,
    /// Who gave the message its identifier, and that.
    pub ids: Vec<(String, String)>,
}

/// Where reports go; cheap to clone, for what waits for the disk.
#[derive(Clone, Default)]
pub(super) struct Reporting {
    /// Whom to tell.
    pub to: Option<Jid>,
    /// When, and by whom: those of the last hour. One shard's alone; the lock is never contended.
    last: Arc<Mutex<VecDeque<(u64, Jid)>>>,
}

/// The report within an item of a block.
///
/// # Errors
/// `BadRequest`: it has no reason, or there are two.
pub(super) fn of(item: &Element<'_>, spammer: &Jid) -> Result<Option<Report>, Condition> {
    let mut found = item.children().filter(|child| child.is("report", NS));
    let (Some(report), None) = (found.next(), found.next()) else {
        return if item.children().any(|child| child.is("report", NS)) {
            Err(Condition::BadRequest)
        } else {
            Ok(None)
        };
    };
    let reason = report.attr("reason").filter(|reason| !reason.is_empty());
    let reason = reason
        .filter(|reason| reason.len() <= NAME_BYTES_MAX)
        .ok_or(Condition::BadRequest)?;
    let ids = report.children().filter(|child| child.is("stanza-id", NS_STANZA_ID));
    let ids = ids.filter_map(|id| Some((id.attr("by")?.to_owned(), id.attr("id")?.to_owned())));
    let ids = ids.filter(|(by, id)| by.len() <= NAME_BYTES_MAX && id.len() <= NAME_BYTES_MAX);
    let text = report
        .child("text", NS)
        .map(|text| text.text().into_owned())
        .unwrap_or_default();
    Ok(Some(Report {
        spammer: spammer.clone(),
        reason: reason.to_owned(),
        text: cut(text),
        ids: ids.take(IDS_MAX).collect(),
    }))
}

fn cut(mut text: String) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

impl Reporting {
    /// Tells `to`, if anybody.
    pub fn new(to: Option<Jid>) -> Reporting {
        Reporting {
            to,
            last: Arc::default(),
        }
    }

    /// The block is durable: what its reports say is told to whom it concerns.
    pub fn take(&self, reports: Vec<Report>, from: &Jid, host: &mut dyn Host) {
        let now = host.now().unix_ms;
        for report in reports {
            if !self.admits(from, now) {
                return;
            }
            // The text may be private: it goes to the address that was named for it, and nowhere else.
            tracing::info!(by = %from.to_bare(), of = %report.spammer, reason = report.reason, "an address was reported");
            if let Some(to) = &self.to {
                let letter = letter(&report, from, to, host.domain());
                host.send(letter);
            }
        }
    }

    /// Whether another report of this user is taken; notes it then.
    fn admits(&self, from: &Jid, now: u64) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|(at, _)| now.saturating_sub(*at) < HOUR_MS);
        let own = last.iter().filter(|(_, by)| by.same_bare(from)).count();
        if own >= REPORTS_PER_USER_MAX {
            return false;
        }
        if last.len() >= REPORTS_MAX {
            last.pop_front();
        }
        last.push_back((now, from.to_bare().detached()));
        true
    }
}

/// What the administrator gets: a text for people, and the report for programs.
fn letter(report: &Report, from: &Jid, to: &Jid, domain: &Jid) -> Envelope {
    let from = from.to_bare();
    let mut text = format!("{from} has reported {}: {}", report.spammer, report.reason);
    if !report.text.is_empty() {
        text = [&text, "\n", &report.text].concat();
    }
    for (by, id) in &report.ids {
        text.push_str(&format!("\nmessage {id} of the archive of {by}"));
    }
    let mut body = Vec::new();
    let mut el = Builder::new(&mut body);
    el.open("subject").text("Report of abuse").close();
    el.open("body").text(&text).close();
    el.open("report").attr("xmlns", NS).attr("reason", &*report.reason);
    for (by, id) in &report.ids {
        el.open("stanza-id").attr("xmlns", NS_STANZA_ID);
        el.attr("by", &**by).attr("id", &**id).close();
    }
    if !report.text.is_empty() {
        el.open("text").text(&report.text).close();
    }
    el.finish();
    Envelope {
        content: Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body: Bytes::from(body),
        },
        hints: Hints::STORE,
        ..Envelope::neutral(domain.clone(), to.clone(), Kind::Message(MessageKind::Normal))
    }
}
