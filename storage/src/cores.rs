//! The log and the book as what a keeper keeps.
//!
//! Invariant: nothing is decided here; the simulator calls the same functions without a thread.

use std::io;
use std::sync::Arc;

use crate::book::BookCore;
use crate::disk::{Disk, FileDisk};
use crate::keeper::reading::ReadingThread;
use crate::keeper::{Core, Keeper, Sinks};
use crate::limits::{FETCH_BYTES_MAX, HISTORY_BYTES_MAX};
use crate::log::Log;
use crate::seam::{BookReply, BookRequest, BookWrite, JournalReply, JournalRequest};
use crate::stats::KeeperStats;

/// The thread that keeps the log.
pub type LogKeeper<D = FileDisk> = Keeper<Log<D>>;

/// The thread that keeps the book.
pub type BookKeeper = Keeper<BookCore>;

/// Around the payload of a request, in memory.
const REQUEST_BYTES: usize = 64;

impl<D: Disk + 'static> Core for Log<D>
where
    D::File: 'static,
{
    type Request = JournalRequest;
    type Reply = JournalReply;

    fn start(&mut self, sinks: &Sinks<JournalReply>, stats: &Arc<KeeperStats>) -> io::Result<()> {
        let thread = ReadingThread::start(self.reader(), sinks.clone(), Arc::clone(stats))?;
        self.send_reads_to(Some(Box::new(thread)));
        Ok(())
    }

    fn serve(&mut self, group: Vec<(usize, JournalRequest)>) -> Vec<(usize, JournalReply)> {
        Log::serve(self, group)
    }

    fn upkeep(&mut self) {
        // A failure has poisoned the log and has been reported; it shows in the next reply.
        let _ = Log::upkeep(self);
    }

    fn finish(&mut self) {
        // Waits until what has been taken is answered.
        self.send_reads_to(None);
        // As above; the log is as good without the seal, only less able to tell damage from a torn tail.
        let _ = Log::seal(self);
    }

    fn bytes(request: &JournalRequest) -> usize {
        REQUEST_BYTES
            + match request {
                JournalRequest::Append { record, .. } => record.payload.len(),
                JournalRequest::Settle { ids, .. } => ids.len() * 8,
                JournalRequest::Fetch { bytes_max, .. } => (*bytes_max).min(FETCH_BYTES_MAX) as usize,
                JournalRequest::History { bytes_max, .. } => (*bytes_max).min(HISTORY_BYTES_MAX) as usize,
                JournalRequest::Pending { .. }
                | JournalRequest::Extent { .. }
                | JournalRequest::Forget { .. }
                | JournalRequest::Redact { .. }
                | JournalRequest::Flush { .. } => 0,
            }
    }
}

impl Core for BookCore {
    type Request = BookRequest;
    type Reply = BookReply;

    fn serve(&mut self, group: Vec<(usize, BookRequest)>) -> Vec<(usize, BookReply)> {
        BookCore::serve(self, group)
    }

    fn bytes(request: &BookRequest) -> usize {
        let of_write = |write: &BookWrite| match write {
            BookWrite::Put { key, value, .. } | BookWrite::Insert { key, value, .. } => key.len() + value.len(),
            BookWrite::Replace { key, old, value, .. } => key.len() + old.len() + value.len(),
            BookWrite::Delete { key, .. } => key.len(),
            BookWrite::DeletePrefix { prefix, .. } => prefix.len(),
        };
        match request {
            BookRequest::Read { reads, .. } => REQUEST_BYTES * (1 + reads.len()),
            BookRequest::Write { batch, .. } => {
                REQUEST_BYTES + batch.iter().map(|write| REQUEST_BYTES + of_write(write)).sum::<usize>()
            }
        }
    }
}
