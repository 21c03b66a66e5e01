//! Whatever bytes come, each body is read or refused, and what is read as a message is written as the same bytes.
#![no_main]

use crosspoint_icpp::codec::contacts::{List, Roster};
use crosspoint_icpp::codec::cursor::Cursor;
use crosspoint_icpp::codec::elsewhere::{Drain, Node, Open, Redirect};
use crosspoint_icpp::codec::hello::{Auth, Authed, Hello, Welcome};
use crosspoint_icpp::codec::presence::{Presence, Subscription};
use crosspoint_icpp::codec::rooms::Body;
use crosspoint_icpp::codec::sync::{History, Sync, Synced};
use crosspoint_icpp::codec::{Message, Refusal, Verb, preface, scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = (preface(data), scan(data, 65_536));
    if let Ok(message) = Message::read(data) {
        let mut again = Vec::new();
        message.write(&mut again);
        assert_eq!(again, data);
    }
    let _ = (Hello::read(data).is_ok(), Welcome::read(data).is_ok(), Auth::read(data).is_ok(), Authed::read(data).is_ok());
    let _ = Roster::read(data).map(|roster| roster.contacts().map(|contact| contact.groups().count()).sum::<usize>());
    let _ = List::read(data).map(|list| list.addresses().count());
    let _ = (Sync::read(data), Synced::read(data), History::read(data).is_ok(), Refusal::read(data).is_ok());
    let _ = Redirect::read(data).map(|redirect| redirect.urls().count());
    let _ = (Drain::read(data), Open::read(data).is_ok(), Subscription::read(data).is_ok());
    for verb in Verb::ALL {
        let _ = Body::read(*verb, data).map(|body| body.members().count() + body.listed().count() + body.codes().count());
    }
    let mut cursor = Cursor::new(data);
    while Presence::read(&mut cursor).is_ok() && !cursor.is_empty() {}
    let mut cursor = Cursor::new(data);
    while Node::read(&mut cursor).is_ok() && !cursor.is_empty() {}
});
