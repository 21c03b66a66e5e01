//! XEP-0313 Message Archive Management: a user reads what was said, in pages (XEP-0059), under stable identities (XEP-0359).
//!
//! ```text
//!  query.rs   what is asked: form and page          reading.rs   pages of the log until the answer is full
//!  write.rs   results, <fin/>, form, metadata       prefs.rs     what is archived at all (XEP-0441)
//!                                                  rooms.rs     what was said in a room
//! ```
//! Everything but `prefs.rs` serves any archive: see [`Source`].
//!
//! Invariants:
//! - A page holds at most [`RESULTS_MAX`] results and about [`RESULT_BYTES_MAX`] of markup; a query looks at about [`LOOKED_AT_MAX`]
//!   records, however few of them it wants. What is left is asked for by the next query.
//! - An identity that is not in the archive is told (`item-not-found`), so that a client knows when retention has overtaken it.
//! - `<fin/>` follows the last result.

use crosspoint_engine::envelope::{Condition, Envelope, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{Direction, Host, Span, ThenHistory};

use super::ask::{Ask, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach, Xep};

mod prefs;
mod query;
mod reading;
mod rooms;
mod write;

pub(super) use prefs::FEATURE as PREFERENCES;
pub(super) use rooms::answer as answer_room;

pub(super) const NS: &str = "urn:xmpp:mam:2";
const EXTENDED: &str = "urn:xmpp:mam:2#extended";
/// `include-groupchat` is understood; users' archives hold no groupchat (XEP-0313 section 7.1).
const GROUPCHAT_FIELD: &str = "urn:xmpp:mam:2#groupchat-field";
const STABLE_IDS: &str = "urn:xmpp:sid:0";

/// Results of a page, if the query does not say how many.
pub const RESULTS_DEFAULT: u32 = 50;
/// Results of a page at most.
pub const RESULTS_MAX: u32 = 250;
/// A page is full when its results have so many bytes: an absent client's may all be kept for it (XEP-0198).
pub const RESULT_BYTES_MAX: usize = 128 * 1024;
/// A query that looks for a correspondent gives up for now when it has looked at so many records.
pub const LOOKED_AT_MAX: usize = 20_000;
/// Identities that one query may name.
pub const IDS_MAX: usize = 50;
/// Longest `queryid`, which comes back in each result.
pub const QUERY_ID_BYTES_MAX: usize = 256;

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(59, "1.0"), Xep::new(313, "1.1.3"), Xep::new(359, "0.7.0")],
    enabled: |config| config.archive,
    // Clients like profanity look here, and nowhere else.
    domain: &[NS],
    account: &[NS, EXTENDED, GROUPCHAT_FIELD, STABLE_IDS],
    handlers: &[
        Handler {
            kind: QueryKind::Get,
            name: "query",
            ns: NS,
            reach: Reach::OWN,
            run: form,
        },
        Handler {
            kind: QueryKind::Set,
            name: "query",
            ns: NS,
            reach: Reach::OWN,
            run: page,
        },
        Handler {
            kind: QueryKind::Get,
            name: "metadata",
            ns: NS,
            reach: Reach::OWN,
            run: metadata,
        },
    ],
};

/// An archive: where its messages come from, and who is asked.
pub(super) trait Source: Clone + Send + 'static {
    /// The archive's address.
    fn address(&self) -> &Jid;

    /// A page of it.
    fn read(&self, span: Span, direction: Direction, records_max: u32, then: ThenHistory, host: &mut dyn Host);

    /// Whether a message of it is one with this correspondent.
    fn concerns(&self, message: &Envelope, with: &Jid) -> bool;
}

/// The archive of a user.
#[derive(Clone)]
struct Own(Jid);

impl Source for Own {
    fn address(&self) -> &Jid {
        &self.0
    }

    fn read(&self, span: Span, direction: Direction, records_max: u32, then: ThenHistory, host: &mut dyn Host) {
        host.history(&self.0, span, direction, records_max, then);
    }

    /// XEP-0313 section 4.1.1: a bare address means its resources, too; one's own means what one said to oneself.
    fn concerns(&self, message: &Envelope, with: &Jid) -> bool {
        let is = |address: &Jid| match with.is_bare() {
            true => address.same_bare(with),
            false => address == with,
        };
        match *with == self.0 {
            true => is(&message.from) && is(&message.to),
            false => is(&message.from) || is(&message.to),
        }
    }
}

fn form(_: &Ask<'_>, _: &Facts, _: &mut dyn Host) -> Outcome {
    Ok(Reply::Body(write::form()))
}

fn page(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let query = query::Query::read(ask.payload, host)?;
    reading::begin(Own(ask.account()), query, ask.session().clone(), ask.later(), host);
    Ok(Reply::Later)
}

fn metadata(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    if ask.payload.children().next().is_some() {
        return Err(Condition::BadRequest);
    }
    reading::metadata(Own(ask.account()), ask.later(), host);
    Ok(Reply::Later)
}
