//! XEP-0054 vcard-temp: one card a user, kept as it was written; its owner may change it, anyone may read it.
//!
//! Invariant: to others, no card and no account are the same answer (XEP-0054 section 3.3).

use bytes::Bytes;
use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::service::{BookWrite, Host, Row, Table};

use super::ask::{Ask, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach, Target, Xep, xml};

const NS: &str = "vcard-temp";

/// Largest card, in bytes as stored: room for a photograph, within one stanza.
pub const VCARD_BYTES_MAX: usize = 128 * 1024;

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(54, "1.3.0")],
    enabled: |_| true,
    domain: &[NS],
    account: &[NS],
    handlers: &[
        Handler {
            kind: QueryKind::Get,
            name: "vCard",
            ns: NS,
            reach: Reach::ACCOUNTS,
            run: get,
        },
        Handler {
            kind: QueryKind::Set,
            name: "vCard",
            ns: NS,
            reach: Reach::OWN,
            run: set,
        },
    ],
};

fn get(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let missing = match ask.target {
        Target::Other => Condition::ServiceUnavailable,
        Target::Domain | Target::Own => Condition::ItemNotFound,
    };
    let later = ask.later();
    let answer = move |rows: Result<Vec<Row>, _>, host: &mut dyn Host| {
        let card = rows.and_then(|rows| rows.into_iter().next().ok_or(missing));
        later.finish(card.map(|row| Reply::Stored(row.value)), host);
    };
    host.read(Table::Vcard, key(ask), Box::new(answer));
    Ok(Reply::Later)
}

fn set(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let value = xml::standalone(ask.payload, VCARD_BYTES_MAX).ok_or(Condition::NotAcceptable)?;
    let later = ask.later();
    let put = BookWrite::Put {
        table: Table::Vcard,
        key: key(ask),
        value,
    };
    host.write(vec![put], Box::new(move |result, host| later.done(result, host)));
    Ok(Reply::Later)
}

fn key(ask: &Ask<'_>) -> Bytes {
    Bytes::copy_from_slice(ask.account().as_str().as_bytes())
}
