//! Whatever a body is written from, it is read as that again, for every body; cut short, or with something behind it, it is not.

use crosspoint_icpp::codec::contacts::{List, Roster};
use crosspoint_icpp::codec::cursor::Cursor;
use crosspoint_icpp::codec::elsewhere::{Drain, Node, Open, Reason, Redirect};
use crosspoint_icpp::codec::hello::{Auth, Authed, Hello, Welcome};
use crosspoint_icpp::codec::presence::{Presence, Show, Subscription};
use crosspoint_icpp::codec::rooms::{Body, Listed, tag};
use crosspoint_icpp::codec::sync::{History, Sync, Synced};
use crosspoint_icpp::codec::{Fault, Refusal, Verb, ext};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Where a body may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Where its lengths say, and nowhere else.
    Counted,
    /// Anywhere from this byte on: its last text goes to the end of the frame.
    Text(usize),
    /// Behind this many extensions, and each further one.
    Extensions(usize),
}

/// Holds that what is written comes back, and that no shorter or longer body is taken for it. `read` says whether it is the same.
fn comes_back(end: End, write: impl Fn(&mut Vec<u8>), read: impl Fn(&[u8]) -> Result<bool, Fault>) {
    let mut body = Vec::new();
    write(&mut body);
    assert_eq!(read(&body), Ok(true));
    let ends = ends(end, &body);
    for cut in 0..body.len() {
        match ends.contains(&cut) {
            true => assert_eq!(read(&body[..cut]), Ok(false), "cut at {cut}"),
            false => assert!(read(&body[..cut]).is_err(), "cut at {cut}"),
        }
    }
    if end == End::Counted {
        body.push(0);
        assert!(read(&body).is_err(), "one byte more");
    }
}

/// Where a shorter body is one, too.
fn ends(end: End, body: &[u8]) -> Vec<usize> {
    match end {
        End::Counted => Vec::new(),
        End::Text(from) => (from..body.len()).collect(),
        End::Extensions(needed) => {
            let lengths = ext::Exts::new(body).map(|ext| 4 + ext.unwrap().value.len());
            let mut at = 0;
            let behind = lengths.map(|length| {
                at += length;
                at
            });
            std::iter::once(0).chain(behind).skip(needed).collect()
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-z@./é]{0,30}"
}

/// Where nothing is no value.
fn word() -> impl Strategy<Value = String> {
    "[a-z@./é]{1,30}"
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

proptest! {
    #[test]
    fn hello(
        account in word(),
        agent in option::of(text()),
        resource in option::of(text()),
        resume in option::of(blob()),
        hops: u8,
        came_from in option::of(text()),
    ) {
        let hello = Hello {
            account: &account,
            agent: agent.as_deref(),
            resource: resource.as_deref(),
            resume: resume.as_deref(),
            hops,
            came_from: came_from.as_deref(),
            ..Hello::default()
        };
        let read = |body: &[u8]| Hello::read(body).map(|read| read == hello);
        comes_back(End::Extensions(1), |out| hello.write(out), read);
    }

    #[test]
    fn hello_of_a_trunk(node in word(), shard: u16) {
        let hello = Hello { trunk: Some(&node), shard: Some(shard), ..Hello::default() };
        let read = |body: &[u8]| Hello::read(body).map(|read| read == hello);
        comes_back(End::Extensions(1), |out| hello.write(out), read);
    }

    #[test]
    fn welcome(
        (version, node, mechanisms) in (1u8.., word(), word()),
        (frame_max, window, unacked_frames, unacked_bytes) in (1u32.., 1u32.., 1u32.., 1u32..),
        (heartbeat_s, heartbeat_background_s) in (1u16.., 1u16..),
        nonce: Option<[u8; 32]>,
        shards: Option<u16>,
    ) {
        let welcome = Welcome {
            version,
            node: &node,
            mechanisms: &mechanisms,
            frame_max,
            heartbeat_s,
            heartbeat_background_s,
            window,
            unacked_frames,
            unacked_bytes,
            nonce,
            shards,
        };
        let read = |body: &[u8]| Welcome::read(body).map(|read| read == welcome);
        comes_back(End::Extensions(0), |out| welcome.write(out), read);
    }

    #[test]
    fn auth(mechanism in option::of(text()), data in option::of(blob())) {
        let auth = Auth { mechanism: mechanism.as_deref(), data: data.as_deref() };
        let read = |body: &[u8]| Auth::read(body).map(|read| read == auth);
        comes_back(End::Extensions(0), |out| auth.write(out), read);
    }

    #[test]
    fn authed(
        (address, data, token, ticket) in (word(), option::of(blob()), blob(), blob()),
        (resume_s, epoch, ticket_s) in (1u32.., 1u64.., 1u32..),
    ) {
        let authed = Authed {
            address: &address,
            data: data.as_deref(),
            token: Some(&token),
            resume_s,
            epoch,
            ticket: Some(&ticket),
            ticket_s,
        };
        let read = |body: &[u8]| Authed::read(body).map(|read| read == authed);
        comes_back(End::Extensions(0), |out| authed.write(out), read);
    }

    #[test]
    fn presence(show in 0u8..6, priority: i8, address in text(), status in text()) {
        let show = Show::from_number(show).unwrap();
        let presence = Presence { show, priority, address: &address, status: &status };
        let read = |body: &[u8]| {
            let mut cursor = Cursor::new(body);
            let read = Presence::read(&mut cursor)?;
            cursor.end().map(|()| read == presence)
        };
        comes_back(End::Counted, |out| presence.write(out), read);
    }

    #[test]
    fn subscription(address in text(), note in text()) {
        let subscription = Subscription { address: &address, note: &note };
        let read = |body: &[u8]| Subscription::read(body).map(|read| read == subscription);
        comes_back(End::Counted, |out| subscription.write(out), read);
    }

    #[test]
    fn roster(op: u8, version: u64, entries in vec((0u8..4, any::<u8>(), text(), text(), vec(text(), 0..4)), 0..5)) {
        let groups: Vec<Vec<&str>> = entries.iter().map(|entry| strs(&entry.4)).collect();
        let write = |out: &mut Vec<u8>| {
            let contacts = entries.iter().zip(&groups).map(|((subscription, flags, address, name, _), groups)| {
                (*subscription, *flags, &**address, &**name, &groups[..])
            });
            Roster::write(out, op, version, contacts);
        };
        let read = |body: &[u8]| {
            let read = Roster::read(body)?;
            let same = read.contacts().zip(entries.iter().zip(&groups)).all(|(contact, (entry, groups))| {
                let head = (contact.subscription, contact.flags, contact.address, contact.name);
                head == (entry.0, entry.1, &*entry.2, &*entry.3) && contact.groups().eq(groups.iter().copied())
            });
            Ok(same && (read.op, read.version, read.contacts().count()) == (op, version, entries.len()))
        };
        comes_back(End::Counted, write, read);
    }

    #[test]
    fn list(op: u8, addresses in vec(text(), 0..6)) {
        let write = |out: &mut Vec<u8>| List::write(out, op, strs(&addresses).into_iter());
        let read = |body: &[u8]| {
            let read = List::read(body)?;
            Ok(read.op == op && read.addresses().eq(strs(&addresses)))
        };
        comes_back(End::Counted, write, read);
    }

    #[test]
    fn sync_and_history(epoch: u64, offset: u64, more: bool, limit: u16, forwards: bool, room: bool, with in text()) {
        let sync = Sync { epoch, offset };
        comes_back(End::Counted, |out| sync.write(out), |body| Sync::read(body).map(|read| read == sync));
        let synced = Synced { epoch, offset, more };
        comes_back(End::Counted, |out| synced.write(out), |body| Synced::read(body).map(|read| read == synced));
        let history = History { bound: offset, limit, forwards, room, with: &with };
        let read = |body: &[u8]| History::read(body).map(|read| read == history);
        comes_back(End::Counted, |out| history.write(out), read);
    }

    #[test]
    fn refusal(code: u16, temporary: bool, fatal: bool, retry_after_ms: u32, text in "[a-z -]{0,40}") {
        let refusal = Refusal { code, temporary, fatal, retry_after_ms, text: &text };
        let read = |body: &[u8]| Refusal::read(body).map(|read| read == refusal);
        comes_back(End::Text(8), |out| refusal.write(out), read);
    }

    #[test]
    fn redirect(
        (urls, node, from) in (vec(word(), 0..4), word(), word()),
        ticket in option::of(blob()),
        (reason, after_ms) in (1u8..4, 1u32..),
    ) {
        let reason = [Reason::Home, Reason::Load, Reason::Drain].into_iter().find(|known| *known as u8 == reason).unwrap();
        let write = |out: &mut Vec<u8>| {
            let mut redirect = Redirect::to(&node, reason, &from);
            (redirect.ticket, redirect.after_ms) = (ticket.as_deref(), after_ms);
            redirect.write(out, strs(&urls));
        };
        let read = |body: &[u8]| {
            let read = Redirect::read(body)?;
            let parts = (read.node, read.ticket, read.reason, read.after_ms, read.from);
            Ok(parts == (&*node, ticket.as_deref(), reason, after_ms, &*from) && read.urls().eq(strs(&urls)))
        };
        comes_back(End::Extensions(0), write, read);
    }

    #[test]
    fn drain_and_open(phase in 1u8..3, deadline_ms: u32, peer in word()) {
        let drain = Drain { phase, deadline_ms };
        comes_back(End::Counted, |out| drain.write(out), |body| Drain::read(body).map(|read| read == drain));
        let open = Open { peer: &peer, secure: true };
        comes_back(End::Extensions(0), |out| open.write(out), |body| Open::read(body).map(|read| read == open));
    }

    #[test]
    fn topology(
        (node, urls, state) in (text(), text(), 0u8..3),
        (sessions, cpu_permille, weight, outbox_bytes) in any::<(u32, u16, u16, u32)>(),
    ) {
        let node = Node { node: &node, urls: &urls, sessions, cpu_permille, weight, outbox_bytes, state };
        let read = |body: &[u8]| {
            let mut cursor = Cursor::new(body);
            let read = Node::read(&mut cursor)?;
            cursor.end().map(|()| read == node)
        };
        comes_back(End::Counted, |out| node.write(out), read);
    }

    #[test]
    fn words_to_rooms(room in word(), nick in word(), texts in vec(text(), 0..4), occupants: u32, name in text()) {
        let listed = Listed { occupants, address: &room, name: &name };
        let write = |out: &mut Vec<u8>| {
            ext::write(out, tag::ROOM, room.as_bytes());
            ext::write(out, tag::NICK, nick.as_bytes());
            texts.iter().for_each(|text| ext::write(out, tag::TO, text.as_bytes()));
            listed.write(out);
        };
        let read = |body: &[u8]| {
            let read = Body::read(Verb::Join, body)?;
            let named = (read.text(tag::ROOM), read.text(tag::NICK)) == (Some(&*room), Some(&*nick));
            Ok(named && read.texts(tag::TO).eq(strs(&texts)) && read.listed().eq([listed]))
        };
        comes_back(End::Extensions(2), write, read);
    }
}
