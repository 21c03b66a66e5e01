//! XEP-0049 Private XML Storage: small documents of a user, by the name and namespace of their one element.
//!
//! ```text
//! Table::Document   user NUL namespace NUL name   ->  the element
//!                   user NUL NUL slot             ->  nothing: the slot is taken by a document
//! ```
//!
//! Invariant: a user has at most [`PRIVATE_DOCUMENTS_MAX`] documents, since a new one must take a free slot, in the same
//! batch, and slots are never given back (there is no way to delete a document; an empty one replaces it). An element
//! must have a namespace, so that slots and documents never share a key.

use std::ops::Range;

use bytes::Bytes;
use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{BookWrite, Host, Row, Table};

use super::ask::{Ask, Later, Reply};
use super::{Facts, Feature, Handler, Outcome, Reach, Xep, bookmarks, xml};
use crate::codec::{Builder, Element};

pub(super) const NS: &str = "jabber:iq:private";

/// Largest document, in bytes as stored.
pub const PRIVATE_BYTES_MAX: usize = 64 * 1024;
/// Longest name and namespace of a document together, in bytes.
pub const PRIVATE_NAME_BYTES_MAX: usize = 512;
/// Documents of one user.
pub const PRIVATE_DOCUMENTS_MAX: u8 = 64;

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(49, "1.2")],
    enabled: |_| true,
    domain: &[NS],
    account: &[],
    handlers: &[
        Handler {
            kind: QueryKind::Get,
            name: "query",
            ns: NS,
            reach: Reach::OWN,
            run: get,
        },
        Handler {
            kind: QueryKind::Set,
            name: "query",
            ns: NS,
            reach: Reach::OWN,
            run: set,
        },
    ],
};

fn get(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let element = only_element(ask)?;
    if element.is("storage", bookmarks::NS_STORAGE) {
        return bookmarks::private_get(ask, host);
    }
    let mut empty = Vec::new();
    Builder::new(&mut empty).empty(element.name(), element.namespace());
    let later = ask.later();
    let answer = move |rows: Result<Vec<Row>, _>, host: &mut dyn Host| {
        let document = rows.map(|rows| match rows.into_iter().next() {
            Some(row) => wrap(&row.value),
            None => wrap(&empty),
        });
        later.finish(document.map(Reply::Body), host);
    };
    host.read(Table::Document, key(&ask.account(), element), Box::new(answer));
    Ok(Reply::Later)
}

fn set(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    let element = only_element(ask)?;
    if element.is("storage", bookmarks::NS_STORAGE) {
        return bookmarks::private_set(ask, element, host);
    }
    let key = key(&ask.account(), element);
    let value = xml::standalone(element, PRIVATE_BYTES_MAX).ok_or(Condition::NotAcceptable)?;
    let put = BookWrite::Put {
        table: Table::Document,
        key: key.clone(),
        value,
    };
    let (user, later) = (ask.account(), ask.later());
    let store = move |rows: Result<Vec<Row>, _>, host: &mut dyn Host| match rows {
        Ok(rows) if rows.is_empty() => store_new(user, put, 0..PRIVATE_DOCUMENTS_MAX, later, host),
        Ok(_) => host.write(vec![put], Box::new(move |result, host| later.done(result, host))),
        Err(condition) => later.done(Err(condition), host),
    };
    host.read(Table::Document, key, Box::new(store));
    Ok(Reply::Later)
}

/// Stores a new document: looks for the first free slot, then takes it together with the write. `unknown` are the slots of
/// which nothing is known; below it all are taken (slots fill in order), above it none was when we looked.
fn store_new(user: Jid, put: BookWrite, unknown: Range<u8>, later: Later, host: &mut dyn Host) {
    if unknown.is_empty() {
        return take_slot(user, put, unknown.start, later, host);
    }
    let middle = unknown.start + (unknown.end - unknown.start) / 2;
    let key = slot_key(&user, middle);
    let narrow = move |rows: Result<Vec<Row>, _>, host: &mut dyn Host| match rows {
        Ok(rows) if rows.is_empty() => store_new(user, put, unknown.start..middle, later, host),
        Ok(_) => store_new(user, put, middle + 1..unknown.end, later, host),
        Err(condition) => later.done(Err(condition), host),
    };
    host.read(Table::Document, key, Box::new(narrow));
}

/// Another request may have been faster: then the whole batch is refused, and the next slot is tried.
fn take_slot(user: Jid, put: BookWrite, slot: u8, later: Later, host: &mut dyn Host) {
    if slot >= PRIVATE_DOCUMENTS_MAX {
        return later.done(Err(Condition::ResourceConstraint), host);
    }
    let key = slot_key(&user, slot);
    let take = BookWrite::Insert {
        table: Table::Document,
        key,
        value: Bytes::new(),
    };
    let batch = vec![take, put.clone()];
    let next = move |result: Result<(), Condition>, host: &mut dyn Host| match result {
        Err(Condition::Conflict) => take_slot(user, put, slot + 1, later, host),
        result => later.done(result, host),
    };
    host.write(batch, Box::new(next));
}

/// The query's one child, in a namespace of its own (XEP-0049 sections 3 and 4).
fn only_element<'a>(ask: &Ask<'a>) -> Result<&'a Element<'a>, Condition> {
    let mut children = ask.payload.children();
    let element = children.next().ok_or(Condition::NotAcceptable)?;
    if children.next().is_some() {
        return Err(Condition::BadRequest);
    }
    let name_bytes = element.name().len() + element.namespace().len();
    if element.namespace().is_empty() || element.namespace() == NS || name_bytes > PRIVATE_NAME_BYTES_MAX {
        return Err(Condition::NotAcceptable);
    }
    Ok(element)
}

pub(super) fn wrap(document: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(document.len() + 64);
    Builder::new(&mut out).open("query").attr("xmlns", NS).raw(document);
    out
}

fn key(user: &Jid, element: &Element<'_>) -> Bytes {
    [user.bare_str(), "\0", element.namespace(), "\0", element.name()]
        .concat()
        .into()
}

/// The rows of these documents, by namespace and name, each once; those beyond the bound are left out.
pub(super) fn rows(user: &Jid, documents: &[(String, String, Bytes)]) -> Vec<BookWrite> {
    let table = Table::Document;
    let mut rows: Vec<BookWrite> = Vec::new();
    let mut known: Vec<Bytes> = Vec::new();
    for (namespace, name, document) in documents.iter().rev() {
        let key: Bytes = [user.bare_str(), "\0", namespace, "\0", name].concat().into();
        let slot = known.len();
        if slot >= usize::from(PRIVATE_DOCUMENTS_MAX) || known.contains(&key) {
            continue;
        }
        known.push(key.clone());
        let value = document.clone();
        rows.push(BookWrite::Put { table, key, value });
        let (key, value) = (slot_key(user, slot as u8), Bytes::new());
        rows.push(BookWrite::Put { table, key, value });
    }
    rows
}

fn slot_key(user: &Jid, slot: u8) -> Bytes {
    format!("{}\0\0{slot:02}", user.bare_str()).into()
}
