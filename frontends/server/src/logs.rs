//! The server's own log, on standard error: lines for people, or JSON.
//!
//! Invariant: whoever logs never waits. Lines go through a bounded queue to a thread that writes them; when it is full,
//! because whoever reads standard error does not, lines are dropped and counted.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{Log, LogFormat};

/// Lines that wait to be written.
const WAITING_LINES_MAX: usize = 4_096;

/// How long the end of the process waits for the last lines.
const FLUSH_TIME: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<SyncSender<Entry>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

enum Entry {
    Line(Vec<u8>),
    /// Answered when everything before it has been written.
    Flush(SyncSender<()>),
}

/// Begins logging. Later calls change nothing.
///
/// # Errors
/// When no thread can be started.
pub fn start(log: &Log) -> io::Result<()> {
    let (queue, entries) = sync_channel(WAITING_LINES_MAX);
    if QUEUE.set(queue).is_err() {
        return Ok(());
    }
    thread::Builder::new()
        .name("log-lines".into())
        .spawn(move || write_out(&entries, &mut io::stderr()))?;
    // The filter has been checked with the configuration.
    let filter = log.filter.parse().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines);
    // An error says that somebody else's log is there already, which is good enough.
    let _ = match log.format {
        LogFormat::Human => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// Waits a little until what was logged is written; for the end of the process.
pub fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let (done, written) = sync_channel(1);
    if queue.try_send(Entry::Flush(done)).is_ok() {
        // Whoever does not read standard error gets no more.
        let _ = written.recv_timeout(FLUSH_TIME);
    }
}

/// Lines dropped so far.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

fn write_out(entries: &Receiver<Entry>, out: &mut impl Write) {
    while let Ok(entry) = entries.recv() {
        match entry {
            // A log that cannot be written has nobody to complain to.
            Entry::Line(line) => drop(out.write_all(&line)),
            Entry::Flush(done) => drop(done.send(())),
        }
    }
}

/// Makes the writer of one event.
struct Lines;

/// One event: written as a whole, or dropped.
struct Line;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line
    }
}

impl Write for Line {
    /// The subscriber formats an event completely and writes it at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let queued = QUEUE
            .get()
            .is_some_and(|queue| queue.try_send(Entry::Line(line.to_vec())).is_ok());
        if !queued {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_in_order_and_a_flush_waits_for_them() {
        let (queue, entries) = sync_channel(8);
        let (done, written) = sync_channel(1);
        for line in ["one\n", "two\n"] {
            queue.send(Entry::Line(line.into())).unwrap();
        }
        queue.send(Entry::Flush(done)).unwrap();
        drop(queue);
        let mut out = Vec::new();
        write_out(&entries, &mut out);
        assert_eq!(out, b"one\ntwo\n");
        assert!(written.try_recv().is_ok());
    }
}
