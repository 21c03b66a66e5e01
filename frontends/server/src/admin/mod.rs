//! The administrator's way into a running server: a socket in the data folder, for its owner only.
//!
//! One JSON object a line, a reply for each request, in order:
//! ```text
//!   {"do":"user-add","jid":"romeo@example.org","password":"..."}      -->
//!                                                                     <--  {"is":"done"}
//! ```
//!
//! Invariants:
//! - Lines are at most [`LINE_BYTES_MAX`] long; a longer one ends the connection.
//! - Who may open the socket may do everything: the folder's and the socket's rights are the only guard.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::status::Status;
use crate::users::{NewAccount, Page, Refusal};

pub mod client;
pub mod server;
#[cfg(test)]
mod tests;

/// Most bytes of a request or a reply.
pub const LINE_BYTES_MAX: u64 = 8 << 20;

/// What can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// What is the domain, and how are keys derived? Answered by `About`.
    About,
    /// How is it? Answered by `Status`.
    Status,
    /// End gracefully. Answered by `Done` at once; the connection closes when the server is gone.
    Drain,
    /// Make an account.
    UserAdd {
        /// Bare.
        jid: String,
        /// Never logged.
        password: String,
    },
    /// Remove an account.
    UserDel {
        /// Bare.
        jid: String,
    },
    /// Set a password.
    UserPasswd {
        /// Bare.
        jid: String,
        /// Never logged.
        password: String,
    },
    /// Answered by `Users`.
    UserList {
        /// Begin above this address.
        after: String,
    },
    /// Make many accounts. Answered by `Imported`.
    UserImport {
        /// Their rows, derived by the client so that the server's cores are left alone.
        rows: Vec<NewAccount>,
    },
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Reply {
    /// It is done, and durable.
    Done,
    /// Answer to `About`.
    About {
        /// The domain served.
        domain: String,
        /// Rounds of key derivation for new passwords.
        iterations: u32,
    },
    /// Answer to `Status`.
    Status(Box<Status>),
    /// Answer to `UserList`.
    Users(Page),
    /// Answer to `UserImport`: for each row, whether it was made; if not, it existed.
    Imported {
        /// In the order of the rows.
        made: Vec<bool>,
    },
    /// It was not done.
    Refused {
        /// Why.
        refusal: Refusal,
    },
}

/// Reads one line; `None` at the end of the input.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let count = io::Read::take(input, LINE_BYTES_MAX).read_line(&mut line)?;
    match (count, line.ends_with('\n')) {
        (0, _) => Ok(None),
        (_, true) => Ok(Some(line)),
        (_, false) if count as u64 == LINE_BYTES_MAX => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"))
        }
        (_, false) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Writes one line.
fn write_line(output: &mut impl io::Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    output.write_all(&line)
}

/// A path by which a socket can be reached although its own path may be longer than the kernel's 107 bytes: through an
/// open descriptor of its folder, which must be kept open for as long as the path is used.
fn reachable(socket: &Path) -> io::Result<(PathBuf, Option<std::fs::File>)> {
    const PATH_BYTES_MAX: usize = 107;
    if socket.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok((socket.to_owned(), None));
    }
    let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let folder = std::fs::File::open(folder)?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
    Ok((
        Path::new("/proc/self/fd").join(number.to_string()).join(name),
        Some(folder),
    ))
}
