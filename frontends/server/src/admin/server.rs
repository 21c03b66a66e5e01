//! The running server's end of the admin socket.
//!
//! Blocking threads, one a connection, at most [`CONNECTIONS_MAX`]: an administrator is in no hurry, and the shards must
//! not notice.

use std::fs;
use std::io::{self, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crosspoint_engine::jid::Jid;

use super::{Reply, Request, reachable, read_line, write_line};
use crate::status::Status;
use crate::users::{Accounts, PAGE_ROWS_MAX, Refusal, account_address};

/// Connections served at a time.
pub const CONNECTIONS_MAX: usize = 16;

/// A connection that says nothing for so long is closed.
pub const IDLE_TIME: Duration = Duration::from_secs(600);

/// How long to wait when no connection can be accepted, for want of descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the socket gives access to.
pub trait Office: Send + Sync {
    /// How the server is.
    fn status(&self) -> Status;
    /// Asks it to end gracefully; returns at once.
    fn drain(&self);
    /// Removes an account and what belongs to it.
    ///
    /// # Errors
    /// There is none, or the book cannot be written.
    fn remove(&self, jid: &Jid) -> Result<(), Refusal>;
    /// Its accounts.
    fn accounts(&self) -> Box<dyn Accounts>;
}

/// Serves for as long as the process lives, on a thread of its own. What an earlier server left at this path is
/// replaced, so the caller must be the only server of this data folder (the book's lock says so).
///
/// # Errors
/// The socket cannot be made.
pub fn serve(path: &Path, office: Arc<dyn Office>) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (short, _folder) = reachable(path)?;
    let listener = UnixListener::bind(short)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    thread::Builder::new()
        .name("admin-socket".into())
        .spawn(move || accept(&listener, &office))?;
    Ok(())
}

fn accept(listener: &UnixListener, office: &Arc<dyn Office>) {
    let served = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(ACCEPT_PAUSE);
            continue;
        };
        if served.load(Ordering::Relaxed) >= CONNECTIONS_MAX {
            continue;
        }
        served.fetch_add(1, Ordering::Relaxed);
        let (office, counted) = (office.clone(), served.clone());
        let started = thread::Builder::new().name("admin-request".into()).spawn(move || {
            // Whoever asked has gone away: there is nobody to tell.
            let _ = attend(&stream, &*office);
            counted.fetch_sub(1, Ordering::Relaxed);
        });
        if started.is_err() {
            served.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn attend(stream: &UnixStream, office: &dyn Office) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE_TIME))?;
    stream.set_write_timeout(Some(IDLE_TIME))?;
    let mut input = BufReader::new(stream);
    let mut output = stream;
    while let Some(line) = read_line(&mut input)? {
        let reply = match serde_json::from_str(&line) {
            Ok(request) => answer(request, office),
            // The line may hold a password: only the place is told.
            Err(error) => refused(Refusal::Server(format!(
                "this server does not understand the request (column {}); use the command of the server's own version",
                error.column()
            ))),
        };
        write_line(&mut output, &reply)?;
    }
    Ok(())
}

fn answer(request: Request, office: &dyn Office) -> Reply {
    match request {
        Request::Status => Reply::Status(Box::new(office.status())),
        Request::Drain => {
            office.drain();
            Reply::Done
        }
        request => user_request(request, office).unwrap_or_else(refused),
    }
}

fn user_request(request: Request, office: &dyn Office) -> Result<Reply, Refusal> {
    let mut accounts = office.accounts();
    let domain = accounts.domain();
    let address = |jid: &str| account_address(jid, domain.as_deref());
    match request {
        Request::UserAdd { jid, password } => accounts.add(&address(&jid)?, &password).map(|()| Reply::Done),
        Request::UserDel { jid } => office.remove(&address(&jid)?).map(|()| Reply::Done),
        Request::UserPasswd { jid, password } => {
            accounts.set_password(&address(&jid)?, &password).map(|()| Reply::Done)
        }
        Request::UserList { after } => {
            let page = accounts.list(&after)?;
            debug_assert!(page.accounts.len() <= PAGE_ROWS_MAX);
            Ok(Reply::Users(page))
        }
        Request::UserImport { rows } => {
            for row in &rows {
                address(&row.jid)?;
            }
            accounts.import(rows).map(|made| Reply::Imported { made })
        }
        Request::About => Ok(Reply::About {
            domain: domain.unwrap_or_default(),
            iterations: accounts.iterations(),
        }),
        Request::Status | Request::Drain => Err(Refusal::Server("not a request about accounts".to_owned())),
    }
}

fn refused(refusal: Refusal) -> Reply {
    Reply::Refused { refusal }
}
