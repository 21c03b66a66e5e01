//! What follows from a change of a node elsewhere: the same thing under another specification's name.
//!
//! Invariant: it happens within the turn of the change that it follows from, and nothing follows from it in its turn.

use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::super::{avatar, bookmarks, vcard4};
use super::sheet::Next;

/// Does what follows, then `next`.
pub fn after(owner: &Jid, node: &str, next: Next, host: &mut dyn Host) {
    match node {
        bookmarks::NS => bookmarks::native_changed(owner, next, host),
        bookmarks::NS_STORAGE => bookmarks::storage_changed(owner, next, host),
        avatar::METADATA => avatar::metadata_changed(owner, next, host),
        vcard4::NODE => vcard4::changed(owner, next, host),
        _ => next(Ok(()), host),
    }
}
