//! `crosspoint user ...`: finds the accounts, does what is asked, says what was done.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::slots::Slot;
use crosspoint_storage::book::BookCore;
use indicatif::{ProgressBar, ProgressStyle};

use super::exchange::export::{Exported, export};
use super::exchange::import::{Imported, Listener, import as import_file};
use super::exchange::vault::Vault;
use super::import::{Options, Summary, Watcher, import};
use super::offline::Offline;
use super::{Accounts, BATCH_ROWS_MAX, account_address, password};
use crate::admin::client::Client;
use crate::cli::{ListForm, Place, User};
use crate::config::Config;
use crate::exit::Exit;
use crate::home::Home;
use crate::{sources, web, wiring};

/// Runs one command.
///
/// # Errors
/// What happened, where, and what to do.
pub fn run(command: &User) -> Result<Exit> {
    match command {
        User::Add { place, jid } => {
            let mut accounts = open(place, true)?;
            let jid = account_address(jid, accounts.domain().as_deref())?;
            accounts
                .add(&jid, &password::ask(jid.as_str())?)
                .with_context(|| jid.to_string())?;
            println!("{jid} can log in");
        }
        User::Del { place, jid } => println!("{} is gone", remove(place, jid)?),
        User::Passwd { place, jid } => {
            let mut accounts = open(place, false)?;
            let jid = account_address(jid, accounts.domain().as_deref())?;
            accounts
                .set_password(&jid, &password::ask(jid.as_str())?)
                .with_context(|| jid.to_string())?;
            println!("{jid} has a new password");
        }
        User::List {
            place,
            after,
            limit,
            format,
        } => list(&mut *open(place, false)?, after, *limit, *format)?,
        User::Slot { jids } => {
            for jid in jids {
                let jid = account_address(jid, None)?;
                println!("{:>4}  {jid}", Slot::of(&jid).number());
            }
        }
        User::Export { place, to } => return export_users(place, to),
        User::Import { place, file, .. } if file.extension().is_some_and(|extension| extension == "xml") => {
            return import_users(place, file);
        }
        User::Import {
            place,
            file,
            strict,
            threads,
        } => return run_import(place, file, *strict, *threads),
    }
    Ok(Exit::Done)
}

/// Where the accounts are.
enum Found {
    /// A server runs.
    Running(Client),
    /// None does; its folder, and the configuration as far as it is known.
    Stopped(Home, Box<Config>),
}

fn find(place: &Place, create: bool) -> Result<Found> {
    let config = sources::load(&place.settings())?.config;
    let home = Home::at(&config.data);
    if let Some(client) = Client::connect(&home.admin_socket())? {
        return Ok(Found::Running(client));
    }
    let folder = home.root().display();
    if !home.exists() && !create {
        bail!("there is no data folder {folder}; name the server's with --data or --config, or start the server once");
    }
    home.create()
        .with_context(|| format!("cannot make the data folder {folder}"))?;
    Ok(Found::Stopped(home, Box::new(config)))
}

/// The accounts: through the running server, or else in the book's file. A folder is made where none is, if `create`.
fn open(place: &Place, create: bool) -> Result<Box<dyn Accounts>> {
    match find(place, create)? {
        Found::Running(client) => Ok(Box::new(client)),
        Found::Stopped(home, config) => {
            let domain = domain(place, &home, &config);
            let book = BookCore::open(wiring::book_path(home.root())).with_context(|| {
                let (folder, socket) = (home.root().display(), home.admin_socket());
                format!(
                    "cannot open the accounts in {folder}, and no server answers at {}",
                    socket.display()
                )
            })?;
            Ok(Box::new(Offline::new(book, domain, config.accounts.scram_iterations)))
        }
    }
}

/// The domain that the folder's server serves, if that can be known.
fn domain(place: &Place, home: &Home, config: &Config) -> Option<String> {
    let configured = place.config.as_ref().map(|_| config.domain.clone());
    home.domain().or(configured)
}

/// Removes an account. More than its rows hang on it, so without a server a switch is started for that alone.
fn remove(place: &Place, jid: &str) -> Result<Jid> {
    match find(place, false)? {
        Found::Running(mut client) => {
            let jid = account_address(jid, client.domain().as_deref())?;
            client.remove(&jid).with_context(|| jid.to_string())?;
            Ok(jid)
        }
        Found::Stopped(home, config) => {
            let jid = account_address(jid, domain(place, &home, &config).as_deref())?;
            wiring::remove_account(&config, &jid).with_context(|| jid.to_string())?;
            let removed = web::remove_uploads(&home.uploads(), &jid);
            removed.with_context(|| format!("{jid} is gone, but not its files in {}", home.uploads().display()))?;
            Ok(jid)
        }
    }
}

fn list(accounts: &mut dyn Accounts, after: &str, limit: usize, format: ListForm) -> Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut after = after.to_owned();
    let mut left = if limit == 0 { usize::MAX } else { limit };
    loop {
        let page = accounts.list(&after)?;
        for account in page.accounts.iter().take(left) {
            match format {
                ListForm::Plain => writeln!(out, "{}", account.jid)?,
                ListForm::Json => writeln!(out, "{}", serde_json::to_string(account)?)?,
            }
        }
        left = left.saturating_sub(page.accounts.len());
        match page.accounts.last() {
            Some(last) if page.more && left > 0 => after.clone_from(&last.jid),
            _ => return Ok(out.flush()?),
        }
    }
}

fn run_import(place: &Place, file: &Path, strict: bool, threads: usize) -> Result<Exit> {
    let mut accounts = open(place, true)?;
    let threads = if threads == 0 {
        crosspoint_engine::rt::cores().len()
    } else {
        threads
    };
    let (input, bytes): (Box<dyn Read + Send>, Option<u64>) = if file == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let open = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        let bytes = open.metadata()?.len();
        (Box::new(open), Some(bytes))
    };
    let read = Arc::new(AtomicU64::new(0));
    let input = BufReader::new(Counted {
        inner: input,
        read: read.clone(),
    });
    let mut progress = Progress::new(bytes, read, file);
    let began = Instant::now();
    let summary = import(
        input,
        &mut *accounts,
        Options {
            threads,
            strict,
            batch_rows: BATCH_ROWS_MAX,
        },
        &mut progress,
    )?;
    progress.end(&summary, began.elapsed().as_secs_f64(), threads);
    Ok(if summary.refused == 0 { Exit::Done } else { Exit::Partly })
}

/// A stopped server's accounts, with all that belongs to them.
fn vault(place: &Place, create: bool) -> Result<(Vault, Option<String>, Box<Config>)> {
    match find(place, create)? {
        Found::Running(_) => {
            bail!("the server runs; end it first (`crosspoint drain`): all of an account must be of one moment")
        }
        Found::Stopped(home, config) => {
            let domain = domain(place, &home, &config);
            Ok((Vault::open(&home, &config)?, domain, config))
        }
    }
}

fn export_users(place: &Place, to: &Path) -> Result<Exit> {
    let (mut vault, domain, config) = vault(place, false)?;
    let domain = domain.unwrap_or_else(|| config.domain.clone());
    let domain = Jid::parse(&domain).with_context(|| format!("the domain {domain}"))?;
    let bar = spinner();
    let exported = export(&mut vault, &domain, to, &mut |user| {
        bar.inc(1);
        bar.set_message(user.to_string());
    })?;
    bar.finish_and_clear();
    let Exported {
        users,
        messages,
        unsaid,
    } = exported;
    println!("{users} accounts and {messages} messages written to {}", to.display());
    if unsaid > 0 {
        println!("{unsaid} messages of other protocols have no words in XML and were left out");
    }
    Ok(Exit::Done)
}

fn import_users(place: &Place, file: &Path) -> Result<Exit> {
    let (mut vault, domain, config) = vault(place, true)?;
    let mut progress = Users { bar: spinner() };
    let iterations = config.accounts.scram_iterations;
    let imported = import_file(&mut vault, domain.as_deref(), iterations, file, &mut progress)?;
    progress.bar.finish_and_clear();
    let Imported {
        users,
        partial,
        refused,
        messages,
    } = imported;
    println!("{users} accounts and {messages} messages imported, {refused} things refused");
    if partial > 0 {
        println!(
            "{partial} of them have keys for SCRAM-SHA-1 alone: until their clients have left others, they need \
             xmpp.scram_sha256 = false"
        );
    }
    Ok(if refused == 0 { Exit::Done } else { Exit::Partly })
}

/// Nobody knows how many users there are.
fn spinner() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} accounts, {per_sec}: {msg}") {
        bar.set_style(style);
    }
    bar
}

struct Users {
    bar: ProgressBar,
}

impl Listener for Users {
    fn made(&mut self, user: &str) {
        self.bar.inc(1);
        self.bar.set_message(user.to_owned());
    }

    fn refused(&mut self, what: &str, why: &str) {
        self.bar.suspend(|| eprintln!("{what}: {why}"));
    }

    fn read(&mut self, _bytes: u64) {}
}

/// Counts what is read from the file: the progress, since nobody knows how many rows there are.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A bar on a terminal; bad rows on standard error.
struct Progress {
    bar: ProgressBar,
    read: Arc<AtomicU64>,
    rows: u64,
    file: String,
}

impl Progress {
    fn new(bytes: Option<u64>, read: Arc<AtomicU64>, file: &Path) -> Progress {
        let bar = match bytes {
            _ if !io::stderr().is_terminal() => ProgressBar::hidden(),
            Some(bytes) => ProgressBar::new(bytes),
            None => ProgressBar::new_spinner(),
        };
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {msg} accounts, {eta} left") {
            bar.set_style(style);
        }
        Progress {
            bar,
            read,
            rows: 0,
            file: file.display().to_string(),
        }
    }

    fn end(&self, summary: &Summary, seconds: f64, threads: usize) {
        self.bar.finish_and_clear();
        let Summary { imported, refused } = summary;
        let pace = *imported as f64 * 60.0 / seconds.max(1e-3) / threads.max(1) as f64;
        println!(
            "{imported} accounts imported, {refused} rows refused; {seconds:.1} s on {threads} threads, {pace:.0} a minute and thread"
        );
    }
}

impl Watcher for Progress {
    fn rows(&mut self, count: u64) {
        self.rows += count;
        self.bar.set_position(self.read.load(Ordering::Relaxed));
        self.bar.set_message(self.rows.to_string());
    }

    fn refused(&mut self, line: u64, why: &str) {
        let text = format!("{}:{line}: {why}", self.file);
        self.bar.suspend(|| eprintln!("{text}"));
    }
}
