//! What clients ask of the server: contacts, black list, history, rooms. Answered at the user's home.
//!
//! A query's content is a verb and the frame's body (`parts.rs`); so is an answer's, and the session writes the header.
//!
//! Invariant: every query is answered by exactly one answer without MORE, or refused.

use crosspoint_engine::admitting::AllowList;
use crosspoint_engine::envelope::{Codec, Condition, Envelope};
use crosspoint_engine::jid::{JID_BYTES_MAX, Jid};
use crosspoint_engine::roster::item::{GROUP_BYTES_MAX, GROUPS_MAX, NAME_BYTES_MAX};
use crosspoint_engine::roster::{Item, Since, Subscription};
use crosspoint_engine::service::{Admission, Direction, HistoryPage, Host, Span, Then, ThenHistory};

use crate::codec::contacts::{Contact, List, Roster, contact_flag, list_op, roster_op};
use crate::codec::sync::{History, Synced};
use crate::codec::{Flags, Verb};
use crate::limits::Limits;
use crate::parts;
use crate::rooms::listing;
use crate::session::outbound;

/// Answers a query.
pub(crate) fn on_query(query: Envelope, limits: &Limits, host: &mut dyn Host) {
    let own = query.from.same_bare(&query.to);
    let outcome = match parts::query_head(&query.content) {
        // The room has asked for this.
        Some((Verb::History, _)) if is_room(&query.to, host) => listing::history(&query, limits, host),
        _ if !own => Err(Condition::NotAllowed),
        Some((Verb::Rooms, _)) => listing::rooms(&query, limits, host),
        Some((Verb::Roster, _)) => roster(&query, host),
        Some((Verb::Block, _)) => block(&query, limits, host),
        Some((Verb::Allow, _)) => allow(&query, limits, host),
        Some((Verb::History, _)) => history(&query, limits, host),
        Some(_) => Err(Condition::FeatureNotImplemented),
        None => Err(Condition::BadRequest),
    };
    if let Err(condition) = outcome {
        host.refuse(query, condition);
    }
}

fn is_room(address: &Jid, host: &dyn Host) -> bool {
    let domain = host.rooms_domain().map(Jid::domain);
    address.node().is_some() && domain == Some(address.domain())
}

/// Which page is wanted: where, which way, how many messages at most.
pub(crate) fn page_of(asked: &History<'_>, limits: &Limits) -> (Span, Direction, u32) {
    let (span, direction) = match (asked.forwards, asked.bound) {
        (true, bound) => (Span::ALL.after(bound), Direction::Forward),
        (false, 0) => (Span::ALL, Direction::Backward),
        (false, bound) => (Span::ALL.before(bound), Direction::Backward),
    };
    let limit = match asked.limit {
        0 => limits.history_page,
        limit => limit.min(limits.history_page),
    };
    (span, direction, limit.into())
}

/// A page of what was said: the messages, then where the next page begins.
fn history(query: &Envelope, limits: &Limits, host: &mut dyn Host) -> Result<(), Condition> {
    let asked = History::read(&query.content.body).map_err(|_| Condition::BadRequest)?;
    let with = match asked.with {
        "" => None,
        with => Some(Jid::parse(with).map_err(|_| Condition::JidMalformed)?),
    };
    let (span, direction, limit) = page_of(&asked, limits);
    let (query, bound) = (query.clone(), asked.bound);
    let user = query.to.to_bare();
    let then: ThenHistory = Box::new(move |page, host| match page {
        Ok(page) => send_history(&query, &page, with.as_ref(), bound, host),
        Err(condition) => host.refuse(query, condition),
    });
    host.history(&user, span, direction, limit, then);
    Ok(())
}

fn send_history(query: &Envelope, page: &HistoryPage, with: Option<&Jid>, bound: u64, host: &mut dyn Host) {
    for (record, envelope) in &page.messages {
        let concerns = |with: &Jid| envelope.from.same_bare(with) || envelope.to.same_bare(with);
        if !with.is_none_or(concerns) {
            continue;
        }
        let own = matches!(envelope.content.codec, Codec::Icpp | Codec::Neutral);
        let neutral = if own { None } else { host.neutral(envelope) };
        let said = if own { Some(envelope) } else { neutral.as_ref() };
        if let Some(body) = said.and_then(|said| outbound::item(said, *record)) {
            answer(query, Verb::Items, Flags::MORE, body, host);
        }
    }
    send_synced(query, page.edge, bound, page.complete, host);
}

/// The end of a page.
pub(crate) fn send_synced(query: &Envelope, edge: u64, bound: u64, complete: bool, host: &mut dyn Host) {
    let synced = Synced {
        // The session knows it.
        epoch: 0,
        offset: if edge == 0 { bound } else { edge },
        more: !complete,
    };
    let mut body = Vec::new();
    synced.write(&mut body);
    answer(query, Verb::Synced, Flags::NONE, body, host);
}

/// Sends an answer, or one part of it.
pub(crate) fn answer(query: &Envelope, verb: Verb, flags: Flags, body: Vec<u8>, host: &mut dyn Host) {
    host.send(query.answer(parts::query(verb, flags, body)));
}

/// Answers when a change is durable.
fn when_done(query: &Envelope, body: Vec<u8>) -> Then {
    let query = query.clone();
    Box::new(move |result, host| match (result, parts::query_head(&query.content)) {
        (Ok(()), Some((verb, _))) => answer(&query, verb, Flags::NONE, body, host),
        (Ok(()), None) => host.refuse(query, Condition::InternalServerError),
        (Err(condition), _) => host.refuse(query, condition),
    })
}

fn roster(query: &Envelope, host: &mut dyn Host) -> Result<(), Condition> {
    let body = query.content.body.clone();
    let asked = Roster::read(&body).map_err(|_| Condition::BadRequest)?;
    let user = query.to.to_bare();
    let done = |version| {
        let mut body = Vec::new();
        write_contacts(&mut body, roster_op::DONE, version, std::iter::empty());
        body
    };
    match asked.op {
        roster_op::GET => send_roster(query, asked.version, host),
        roster_op::SET => {
            let contact = the_contact(&asked)?;
            let address = contact_address(&contact, &user)?;
            let groups = contact.groups().map(str::to_owned).collect();
            host.roster_set(&user, &address, contact.name, groups, when_done(query, done(0)));
            Ok(())
        }
        roster_op::REMOVE => {
            let contact = the_contact(&asked)?;
            let address = contact_address(&contact, &user)?;
            host.roster_remove(&user, &address, when_done(query, done(0)));
            Ok(())
        }
        _ => Err(Condition::BadRequest),
    }
}

/// A change is of one contact: of several, some could be durable and others refused.
fn the_contact<'a>(asked: &Roster<'a>) -> Result<Contact<'a>, Condition> {
    let mut contacts = asked.contacts();
    match (contacts.next(), contacts.next()) {
        (Some(contact), None) => Ok(contact),
        _ => Err(Condition::BadRequest),
    }
}

/// A contact is someone else, without a resource.
fn contact_address(contact: &Contact<'_>, user: &Jid) -> Result<Jid, Condition> {
    let address = Jid::parse(contact.address).map_err(|_| Condition::JidMalformed)?;
    match address.is_bare() && address != *user {
        true => Ok(address),
        false => Err(Condition::NotAllowed),
    }
}

/// An answer's frame is closed when it has grown to this. The largest contact, some 36 KiB, still fits behind it.
pub(crate) const FRAME_BYTES_ENOUGH: usize = 16 * 1024;
const _: () = assert!(
    FRAME_BYTES_ENOUGH + 8 + JID_BYTES_MAX + NAME_BYTES_MAX + GROUPS_MAX * (2 + GROUP_BYTES_MAX)
        < crate::codec::FRAME_BYTES as usize
);

fn send_roster(query: &Envelope, known: u64, host: &mut dyn Host) -> Result<(), Condition> {
    let roster = host.roster(&query.to).ok_or(Condition::ItemNotFound)?;
    let version = roster.version();
    let unchanged =
        matches!(roster.since(Some(known).filter(|known| *known > 0)), Since::Pushes(pushes) if pushes.is_empty());
    let mut bodies = Vec::new();
    if unchanged {
        let mut body = Vec::new();
        write_contacts(&mut body, roster_op::UNCHANGED, version, std::iter::empty());
        bodies.push(body);
    } else {
        let mut items = roster.items().peekable();
        while items.peek().is_some() || bodies.is_empty() {
            let mut bytes = 0;
            let entries = std::iter::from_fn(|| {
                let item = items.next_if(|_| bytes < FRAME_BYTES_ENOUGH)?;
                bytes += item_bytes(item);
                Some((item, false))
            });
            let mut body = Vec::new();
            write_contacts(&mut body, roster_op::ITEMS, version, entries);
            bodies.push(body);
        }
    }
    let last = bodies.len() - 1;
    for (index, body) in bodies.into_iter().enumerate() {
        let flags = if index < last { Flags::MORE } else { Flags::NONE };
        answer(query, Verb::Roster, flags, body, host);
    }
    Ok(())
}

fn item_bytes(item: &Item) -> usize {
    let groups: usize = item.groups.iter().map(|group| 2 + group.len()).sum();
    8 + item.jid.as_str().len() + item.name.len() + groups
}

/// Appends the body of a ROSTER frame: contacts, each with whether it was removed.
pub(crate) fn write_contacts<'i>(
    out: &mut Vec<u8>,
    op: u8,
    version: u64,
    contacts: impl Iterator<Item = (&'i Item, bool)>,
) {
    let contacts: Vec<(&Item, bool)> = contacts.collect();
    let groups: Vec<Vec<&str>> = contacts
        .iter()
        .map(|(item, _)| item.groups.iter().map(String::as_str).collect())
        .collect();
    let entries = contacts.iter().zip(&groups).map(|((item, removed), groups)| {
        let mut flags = 0;
        if item.state.pending_out() {
            flags |= contact_flag::ASKED;
        }
        if *removed {
            flags |= contact_flag::REMOVED;
        }
        if item.state.approved() {
            flags |= contact_flag::APPROVED;
        }
        (subscription(item), flags, item.jid.as_str(), &*item.name, &groups[..])
    });
    Roster::write(out, op, version, entries);
}

fn subscription(item: &Item) -> u8 {
    match item.state.subscription() {
        Subscription::None => 0,
        Subscription::To => 1,
        Subscription::From => 2,
        Subscription::Both => 3,
    }
}

/// Addresses in one frame: at their longest they fit.
pub(crate) const ADDRESSES_A_FRAME: usize = 16;
const _: () = assert!(ADDRESSES_A_FRAME * (2 + JID_BYTES_MAX) < crate::codec::FRAME_BYTES as usize - 32);

fn block(query: &Envelope, limits: &Limits, host: &mut dyn Host) -> Result<(), Condition> {
    let (op, addresses) = listed(query, limits)?;
    let user = query.to.to_bare();
    let mut done = Vec::new();
    List::write(&mut done, list_op::DONE, std::iter::empty());
    match op {
        list_op::LIST => return send_blocks(query, host),
        list_op::ADD if addresses.is_empty() => return Err(Condition::BadRequest),
        list_op::ADD => host.block(&user, addresses, when_done(query, done)),
        list_op::REMOVE => host.unblock(&user, addresses, when_done(query, done)),
        _ => return Err(Condition::BadRequest),
    }
    Ok(())
}

/// What a BLOCK or ALLOW asks for.
fn listed(query: &Envelope, limits: &Limits) -> Result<(u8, Vec<Jid>), Condition> {
    let asked = List::read(&query.content.body).map_err(|_| Condition::BadRequest)?;
    let addresses = asked.addresses().take(limits.list_addresses + 1).map(Jid::parse);
    let addresses: Vec<Jid> = addresses
        .collect::<Result<_, _>>()
        .map_err(|_| Condition::JidMalformed)?;
    match addresses.len() > limits.list_addresses {
        true => Err(Condition::NotAcceptable),
        false => Ok((asked.op, addresses)),
    }
}

fn allow(query: &Envelope, limits: &Limits, host: &mut dyn Host) -> Result<(), Condition> {
    let (op, addresses) = listed(query, limits)?;
    let change = match op {
        list_op::LIST => {
            let list = host.admission(&query.to);
            let op = match list.is_some_and(AllowList::in_force) {
                true => list_op::ON,
                false => list_op::OFF,
            };
            let addresses: Vec<Jid> = list.into_iter().flat_map(AllowList::iter).cloned().collect();
            send_list(query, Verb::Allow, op, &addresses, host);
            return Ok(());
        }
        list_op::ADD if addresses.is_empty() => return Err(Condition::BadRequest),
        list_op::ADD => Admission::Add(addresses),
        list_op::REMOVE => Admission::Remove(addresses),
        list_op::ON => Admission::Enforce(true),
        list_op::OFF => Admission::Enforce(false),
        _ => return Err(Condition::BadRequest),
    };
    let mut done = Vec::new();
    List::write(&mut done, list_op::DONE, std::iter::empty());
    host.admit(&query.to.to_bare(), change, when_done(query, done));
    Ok(())
}

fn send_blocks(query: &Envelope, host: &mut dyn Host) -> Result<(), Condition> {
    let blocks = host.blocks(&query.to).ok_or(Condition::ItemNotFound)?;
    let addresses: Vec<Jid> = blocks.iter().cloned().collect();
    send_list(query, Verb::Block, list_op::LIST, &addresses, host);
    Ok(())
}

fn send_list(query: &Envelope, verb: Verb, op: u8, addresses: &[Jid], host: &mut dyn Host) {
    let mut chunks: Vec<&[Jid]> = addresses.chunks(ADDRESSES_A_FRAME).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let last = chunks.len() - 1;
    for (index, chunk) in chunks.into_iter().enumerate() {
        let mut body = Vec::new();
        List::write(&mut body, op, chunk.iter().map(Jid::as_str));
        let flags = if index < last { Flags::MORE } else { Flags::NONE };
        answer(query, verb, flags, body, host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_of_one_contact() {
        let addresses = ["a@c.lit", "b@c.lit"];
        for count in 0..=2 {
            let mut body = Vec::new();
            let entries = addresses[..count].iter().map(|address| (0, 0, *address, "", &[][..]));
            Roster::write(&mut body, roster_op::SET, 0, entries);
            let asked = Roster::read(&body).unwrap();
            let address = the_contact(&asked).map(|contact| contact.address);
            let expected = if count == 1 {
                Ok("a@c.lit")
            } else {
                Err(Condition::BadRequest)
            };
            assert_eq!(address, expected, "{count}");
        }
    }
}
