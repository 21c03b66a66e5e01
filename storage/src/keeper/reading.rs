//! The thread that reads for the log: a cold disk delays whoever wants to know what is on it, and nobody's commit.
//!
//! Invariants:
//! - At most [`READS_WAITING_MAX`] reads wait; the log does further ones itself, which is the backpressure.
//! - Everything taken is answered, also when the log ends: dropping the desk waits for it.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::{Obituary, Sinks};
use crate::disk::Disk;
use crate::limits::READS_WAITING_MAX;
use crate::log::{Read, ReadDesk, Reader};
use crate::seam::JournalReply;
use crate::stats::KeeperStats;

type Errand = (usize, Read);

/// The log's end of the queue.
pub(crate) struct ReadingThread {
    /// `None` only while it is being dropped.
    sender: Option<Sender<Errand>>,
    thread: Option<JoinHandle<()>>,
}

impl ReadingThread {
    pub(crate) fn start<D: Disk + 'static>(
        reader: Reader<D>,
        sinks: Sinks<JournalReply>,
        stats: Arc<KeeperStats>,
    ) -> io::Result<Self>
    where
        D::File: 'static,
    {
        let (sender, receiver) = bounded(READS_WAITING_MAX);
        let run = move || {
            let _obituary = Obituary(stats);
            answer_all(reader, &receiver, &sinks);
        };
        let thread = thread::Builder::new().name("log-reader".to_owned()).spawn(run)?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
        })
    }
}

fn answer_all<D: Disk>(mut reader: Reader<D>, receiver: &Receiver<Errand>, sinks: &Sinks<JournalReply>) {
    for (shard, read) in receiver {
        let reply = reader.answer(read);
        sinks.send(shard, vec![reply]);
        if receiver.is_empty() {
            reader.rest();
        }
    }
}

impl ReadDesk for ReadingThread {
    fn take(&mut self, shard: usize, read: Read) -> Result<(), Read> {
        let Some(sender) = &self.sender else {
            return Err(read);
        };
        sender.try_send((shard, read)).map_err(|error| match error {
            TrySendError::Full((_, read)) | TrySendError::Disconnected((_, read)) => read,
        })
    }
}

impl Drop for ReadingThread {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic has been reported already.
            let _ = thread.join();
        }
    }
}
