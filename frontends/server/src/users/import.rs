//! Making many accounts from a file: rows are read on one thread, keys derived on all cores, the book written in batches.
//!
//! ```text
//!   rows ──(bounded)──▶ derive, one thread a core ──(bounded)──▶ batches ──▶ Accounts::import
//! ```
//!
//! Invariants:
//! - What is counted as imported is durable.
//! - Every bad row is named by its line; with `strict` the first one ends the import.
//! - Memory does not grow with the file.

use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::csv::{Row, Rows};
use super::{Accounts, NewAccount, Refusal, account_address, keys};

/// Rows that wait between two stages.
const WAITING_ROWS_MAX: usize = 256;

/// A batch that does not fill is written after this time all the same.
const BATCH_PATIENCE: Duration = Duration::from_millis(500);

/// How an import runs.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Threads that derive keys; at least one.
    pub threads: usize,
    /// Stop at the first bad row.
    pub strict: bool,
    /// Accounts written at once; at most [`super::BATCH_ROWS_MAX`].
    pub batch_rows: usize,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Accounts made.
    pub imported: u64,
    /// Rows that were not.
    pub refused: u64,
}

/// Told while an import goes on.
pub trait Watcher {
    /// So many rows are done.
    fn rows(&mut self, count: u64);
    /// This line was not imported.
    fn refused(&mut self, line: u64, why: &str);
}

/// Imports rows of `jid,password`. A first row that reads `jid,password` is a heading and skipped.
///
/// # Errors
/// The book or the server fails: the import ends, what was written stays.
pub fn import(
    input: impl BufRead + Send,
    accounts: &mut dyn Accounts,
    options: Options,
    watcher: &mut dyn Watcher,
) -> Result<Summary, Refusal> {
    let (domain, iterations) = (accounts.domain(), accounts.iterations());
    let stop = AtomicBool::new(false);
    let (rows_in, rows_out) = sync_channel(WAITING_ROWS_MAX);
    let (done_in, done_out) = sync_channel(WAITING_ROWS_MAX);
    let rows_out = Mutex::new(rows_out);
    thread::scope(|scope| {
        let reader_done = done_in.clone();
        let domain = domain.as_deref();
        let stop = &stop;
        scope.spawn(move || read(input, domain, stop, &rows_in, &reader_done));
        for _ in 0..options.threads.max(1) {
            let (rows_out, done_in) = (&rows_out, done_in.clone());
            scope.spawn(move || derive(rows_out, iterations, &done_in));
        }
        drop(done_in);
        let outcome = Collector {
            accounts,
            watcher,
            options,
            stop,
            batch: Vec::new(),
            summary: Summary::default(),
        }
        .collect(&done_out);
        // The threads end when nobody takes what they have done.
        stop.store(true, Ordering::Relaxed);
        drop(done_out);
        outcome
    })
}

/// A row that is an account's, its password still plain.
struct Wanted {
    line: u64,
    jid: String,
    password: String,
}

/// A row after it has passed all stages but the book, or what is wrong with it.
type Done = (u64, Result<NewAccount, String>);

fn read(
    input: impl BufRead,
    domain: Option<&str>,
    stop: &AtomicBool,
    rows: &SyncSender<Wanted>,
    done: &SyncSender<Done>,
) {
    for (line, row) in Rows::new(input) {
        let row = match row {
            Ok(row) if line == 1 && is_heading(&row) => continue,
            Ok(row) => wanted(row, domain),
            Err(error) => Err(error.to_string()),
        };
        let sent = match row {
            Ok(row) => rows.send(row).is_ok(),
            Err(why) => done.send((line, Err(why))).is_ok(),
        };
        if !sent || stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

fn is_heading(row: &Row) -> bool {
    matches!(row.fields.as_slice(), [jid, password] if jid.eq_ignore_ascii_case("jid") && password.eq_ignore_ascii_case("password"))
}

fn wanted(row: Row, domain: Option<&str>) -> Result<Wanted, String> {
    let line = row.line;
    let [jid, password] = <[String; 2]>::try_from(row.fields).map_err(|fields| {
        format!(
            "expected two columns, jid and password, found {}; quote what holds a comma",
            fields.len()
        )
    })?;
    let jid = account_address(jid.trim(), domain).map_err(|refusal| refusal.to_string())?;
    Ok(Wanted {
        line,
        jid: jid.as_str().to_owned(),
        password,
    })
}

fn derive(rows: &Mutex<Receiver<Wanted>>, iterations: u32, done: &SyncSender<Done>) {
    loop {
        let received = rows.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Wanted { line, jid, password }) = received else {
            return;
        };
        let account = keys::account(&password, iterations);
        let outcome = account
            .map(|account| NewAccount {
                jid,
                row: account.encode().to_vec(),
            })
            .map_err(|refusal| refusal.to_string());
        if done.send((line, outcome)).is_err() {
            return;
        }
    }
}

/// The last stage.
struct Collector<'a> {
    accounts: &'a mut dyn Accounts,
    watcher: &'a mut dyn Watcher,
    options: Options,
    stop: &'a AtomicBool,
    batch: Vec<(u64, NewAccount)>,
    summary: Summary,
}

impl Collector<'_> {
    fn collect(mut self, done: &Receiver<Done>) -> Result<Summary, Refusal> {
        while !self.ended() {
            match done.recv_timeout(BATCH_PATIENCE) {
                Ok((line, Ok(account))) => {
                    self.batch.push((line, account));
                    if self.batch.len() >= self.options.batch_rows {
                        self.write()?;
                    }
                }
                Ok((line, Err(why))) => self.refuse(line, &why),
                Err(RecvTimeoutError::Timeout) => self.write()?,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.write()?;
        Ok(self.summary)
    }

    fn ended(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn write(&mut self) -> Result<(), Refusal> {
        if self.batch.is_empty() {
            return Ok(());
        }
        // Keys are derived out of order; of two rows for one account the first in the file counts.
        self.batch.sort_by_key(|(line, _)| *line);
        let (lines, rows): (Vec<u64>, Vec<NewAccount>) = std::mem::take(&mut self.batch).into_iter().unzip();
        let count = rows.len() as u64;
        let made = self.accounts.import(rows)?;
        for (line, _) in lines.into_iter().zip(&made).filter(|(_, made)| !**made) {
            self.refuse(line, "the account exists already");
        }
        self.summary.imported += made.iter().filter(|made| **made).count() as u64;
        self.watcher.rows(count);
        Ok(())
    }

    fn refuse(&mut self, line: u64, why: &str) {
        self.summary.refused += 1;
        self.watcher.refused(line, why);
        if self.options.strict {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use crosspoint_storage::book::BookCore;

    use super::*;
    use crate::users::offline::Offline;

    #[derive(Default)]
    struct Notes {
        rows: u64,
        refused: Vec<(u64, String)>,
    }

    impl Watcher for Notes {
        fn rows(&mut self, count: u64) {
            self.rows += count;
        }

        fn refused(&mut self, line: u64, why: &str) {
            self.refused.push((line, why.to_owned()));
        }
    }

    const BATCH: usize = 20;

    fn run(text: &str, strict: bool) -> (Summary, Notes, Vec<String>) {
        let mut offline = Offline::new(BookCore::in_memory().unwrap(), Some("x".to_owned()), 4096);
        let mut notes = Notes::default();
        let summary = import(
            text.as_bytes(),
            &mut offline,
            Options {
                threads: 2,
                strict,
                batch_rows: BATCH,
            },
            &mut notes,
        )
        .unwrap();
        notes.refused.sort();
        let accounts = offline
            .list("")
            .unwrap()
            .accounts
            .into_iter()
            .map(|account| account.jid)
            .collect();
        (summary, notes, accounts)
    }

    #[test]
    fn good_rows_are_imported_and_bad_ones_named() {
        let text = "jid,password\nromeo@x,\"a,b\"\nnobody\nJuliet@x,c\njuliet@y,c\nbenvolio@x,\nromeo@x,again\n";
        let (summary, notes, accounts) = run(text, false);
        assert_eq!(accounts, ["juliet@x", "romeo@x"]);
        assert_eq!(
            summary,
            Summary {
                imported: 2,
                refused: 4
            }
        );
        let said = |line| {
            notes
                .refused
                .iter()
                .find(|(at, _)| *at == line)
                .map(|(_, why)| why.as_str())
                .unwrap_or_default()
        };
        assert!(said(3).starts_with("expected two columns"));
        assert!(said(5).contains("not of the domain"));
        assert!(said(6).contains("empty"));
        assert_eq!(said(7), "the account exists already");
    }

    #[test]
    fn strict_ends_at_the_first_bad_row() {
        let mut text = String::from("nobody\n");
        for n in 0..10 * WAITING_ROWS_MAX {
            text.push_str(&format!("u{n}@y,p\n"));
        }
        let (summary, notes, accounts) = run(&text, true);
        assert_eq!((summary.imported, summary.refused, accounts.len()), (0, 1, 0));
        assert_eq!(notes.refused[0].0, 1);
    }

    #[test]
    fn more_rows_than_a_batch() {
        let text: String = (0..BATCH + 3).map(|n| format!("u{n}@x,p\n")).collect();
        let (summary, notes, _) = run(&text, false);
        assert_eq!(
            summary,
            Summary {
                imported: BATCH as u64 + 3,
                refused: 0
            }
        );
        assert_eq!(notes.rows, summary.imported);
    }
}
