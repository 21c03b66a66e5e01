//! The support thread that derives keys from passwords: milliseconds each, never on a shard.
//!
//! Invariants: every request is answered once, to the shard that asked; the queue is bounded, and a shard that finds it
//! full stops reading sockets.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::drive::Chunk;
use crate::mailbox::Senders;
use crate::scram::keys;
use crate::shard::{Item, KeyReply, KeyRequest};

/// Requests that may wait: at some milliseconds each, more would time out anyway.
const WAITING_MAX: usize = 1024;
/// How long to wait for a shard whose lane is full.
const LANE_FULL_PAUSE: Duration = Duration::from_millis(1);

/// Starts the thread; it ends when all senders are gone.
pub(crate) fn start(lanes: Senders<Chunk>) -> io::Result<SyncSender<(u16, KeyRequest)>> {
    let (sender, receiver) = sync_channel(WAITING_MAX);
    thread::Builder::new()
        .name("keys".into())
        .spawn(move || serve(&receiver, lanes))?;
    Ok(sender)
}

fn serve(requests: &Receiver<(u16, KeyRequest)>, mut lanes: Senders<Chunk>) {
    for (shard, request) in requests {
        let mut chunk = vec![Item::Keys(answer(request))];
        while let Err(back) = lanes.push(shard as usize, chunk) {
            chunk = back;
            thread::sleep(LANE_FULL_PAUSE);
        }
    }
}

/// The work itself; the simulator calls it without a thread.
#[must_use]
pub fn answer(request: KeyRequest) -> KeyReply {
    match request {
        KeyRequest::Check {
            token,
            password,
            keys: known,
        } => {
            let good = keys::verify_password(&password, &known).is_ok();
            let missing = known.missing(&password).filter(|_| good);
            KeyReply::Checked { token, good, missing }
        }
        KeyRequest::Derive {
            token,
            password,
            salt,
            iterations,
        } => KeyReply::Derived {
            token,
            keys: keys::derive(&password, &salt, iterations).ok().map(Box::new),
        },
    }
}
