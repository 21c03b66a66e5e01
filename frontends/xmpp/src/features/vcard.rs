//! XEP-0054 vcard-temp: one card a user, kept as it was written; its owner may change it, anyone may read it.
//!
//! Invariants:
//! - To others, no card and no account are the same answer (XEP-0054 section 3.3).
//! - A card changes within a turn of its owner, and with it what says the same elsewhere: avatar (XEP-0398), vCard4 (XEP-0292).

use bytes::Bytes;
use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{BookWrite, Host, Row, Table};

use super::ask::{Ask, Later, Reply};
use super::avatar::{self, Photo};
use super::pubsub::Fault;
use super::pubsub::sheet::Next;
use super::{Facts, Feature, Handler, Outcome, Reach, Target, Xep, vcard4, xml};
use crate::codec::{Builder, Element};

/// The namespace of cards.
pub(super) const NS: &str = "vcard-temp";

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
    host.read(Table::Vcard, key(&ask.account()), Box::new(answer));
    Ok(Reply::Later)
}

fn set(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let card = xml::standalone(ask.payload, VCARD_BYTES_MAX).ok_or(Condition::NotAcceptable)?;
    let (owner, later) = (ask.account(), ask.later());
    let turn = owner.clone();
    let begin = move |granted: Result<(), Condition>, host: &mut dyn Host| match granted {
        Ok(()) => replace(owner, card, later, host),
        Err(condition) => later.done(Err(condition), host),
    };
    host.take_turn(&turn, Box::new(begin));
    Ok(Reply::Later)
}

/// The owner's new card, within a turn that ends with the answer.
fn replace(owner: Jid, card: Bytes, later: Later, host: &mut dyn Host) {
    let turn = owner.clone();
    let finish: Next = Box::new(move |done: Result<(), Fault>, host: &mut dyn Host| {
        host.end_turn(&turn);
        later.done(done.map_err(|fault| fault.condition), host);
    });
    let user = owner.clone();
    let read = move |rows: Result<Vec<Row>, Condition>, host: &mut dyn Host| {
        let before = match rows {
            Ok(rows) => rows.into_iter().next().map(|row| row.value),
            Err(condition) => return finish(Err(condition.into()), host),
        };
        let (had, has) = (before.as_deref().and_then(photo_of), photo_of(&card));
        let of = user.clone();
        let native = vcard4::from_temp(&card);
        let convert: Next = Box::new(move |done: Result<(), Fault>, host: &mut dyn Host| match done {
            Ok(()) => vcard4::publish(&of, native, finish, host),
            Err(fault) => finish(Err(fault), host),
        });
        write(&user, card, had, has, convert, host);
    };
    host.read(Table::Vcard, key(&owner), Box::new(read));
}

fn write(user: &Jid, card: Bytes, had: Option<Photo>, has: Option<Photo>, next: Next, host: &mut dyn Host) {
    let of = user.clone();
    let changed = had.as_ref().map(|photo| &photo.hash) != has.as_ref().map(|photo| &photo.hash);
    let photo = has.clone();
    let published: Next = match changed {
        true => Box::new(move |done, host| match done {
            Ok(()) => avatar::photo_changed(&of, photo, next, host),
            Err(fault) => next(Err(fault), host),
        }),
        false => next,
    };
    let of = user.clone();
    let stored = move |done: Result<(), Condition>, host: &mut dyn Host| match done {
        Ok(()) => avatar::set_badge(&of, has.as_ref(), published, host),
        Err(condition) => published(Err(condition.into()), host),
    };
    host.write(vec![put(user, card)], Box::new(stored));
}

/// For the avatar's sake: the card with another photo, or none, and the badge with it.
pub(super) fn set_photo(owner: &Jid, photo: Option<Photo>, next: Next, host: &mut dyn Host) {
    rewrite(
        owner,
        Box::new(move |card| {
            let mut out = Vec::new();
            let mut el = Builder::new(&mut out);
            el.open("vCard").attr("xmlns", NS);
            for child in card
                .iter()
                .flat_map(|card| card.children())
                .filter(|child| !child.is("PHOTO", NS))
            {
                el.raw(&xml::within(child, NS, VCARD_BYTES_MAX).unwrap_or_default());
            }
            if let Some(photo) = photo {
                el.open("PHOTO").open("TYPE").text(&photo.kind).close();
                el.open("BINVAL").text(&photo.base64);
            }
            el.finish();
            out
        }),
        next,
        host,
    );
}

/// How a card is made out of the former one.
pub(super) type Rewrite = Box<dyn FnOnce(Option<&Element<'_>>) -> Vec<u8> + Send>;

/// Makes a card out of the former one, within a turn; one that would be too large is not taken, and nothing changes.
pub(super) fn rewrite(owner: &Jid, make: Rewrite, next: Next, host: &mut dyn Host) {
    let user = owner.clone();
    let read = move |rows: Result<Vec<Row>, Condition>, host: &mut dyn Host| {
        let rows = match rows {
            Ok(rows) => rows,
            Err(condition) => return next(Err(condition.into()), host),
        };
        let before = rows.first().and_then(|row| str::from_utf8(&row.value).ok());
        let before = before.and_then(|card| Element::parse(card, "").ok());
        let card = Bytes::from(make(before.as_ref()));
        if card.len() > VCARD_BYTES_MAX {
            return next(Ok(()), host);
        }
        let has = photo_of(&card);
        let of = user.clone();
        let stored = move |done: Result<(), Condition>, host: &mut dyn Host| match done {
            Ok(()) => avatar::set_badge(&of, has.as_ref(), next, host),
            Err(condition) => next(Err(condition.into()), host),
        };
        host.write(vec![put(&user, card)], Box::new(stored));
    };
    host.read(Table::Vcard, key(owner), Box::new(read));
}

fn photo_of(card: &[u8]) -> Option<Photo> {
    let card = Element::parse(str::from_utf8(card).ok()?, "").ok()?;
    let photo = card.child("PHOTO", NS)?;
    let text = |name| photo.child(name, NS).map(|child| child.text().into_owned());
    Photo::new(text("TYPE").as_deref().unwrap_or("image/png").trim(), &text("BINVAL")?)
}

fn put(owner: &Jid, value: Bytes) -> BookWrite {
    BookWrite::Put {
        table: Table::Vcard,
        key: key(owner),
        value,
    }
}

fn key(owner: &Jid) -> Bytes {
    Bytes::copy_from_slice(owner.bare_str().as_bytes())
}
