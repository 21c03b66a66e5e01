//! The command line's end of the admin socket.

use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crosspoint_engine::jid::Jid;

use super::{Reply, Request, reachable, read_line, write_line};
use crate::status::Status;
use crate::users::{Accounts, NewAccount, Page, Refusal};

/// A server that does not answer for so long is taken for stuck.
pub const ANSWER_TIME: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    domain: String,
    iterations: u32,
}

impl Client {
    /// Connects to the server of a data folder. `None`: no server listens there.
    ///
    /// # Errors
    /// Somebody listens, but not to us.
    pub fn connect(socket: &Path) -> Result<Option<Client>, Refusal> {
        let connected = reachable(socket).and_then(|(short, _folder)| UnixStream::connect(short));
        let stream = match connected {
            Ok(stream) => stream,
            // No socket, or one that a killed server has left behind.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(error) => {
                let what = format!(
                    "cannot reach the server at {}: {error}; run this as the server's user",
                    socket.display()
                );
                return Err(Refusal::Server(what));
            }
        };
        stream.set_read_timeout(Some(ANSWER_TIME)).map_err(lost)?;
        stream.set_write_timeout(Some(ANSWER_TIME)).map_err(lost)?;
        let mut client = Client {
            stream: BufReader::new(stream),
            domain: String::new(),
            iterations: 0,
        };
        match client.ask(&Request::About)? {
            Reply::About { domain, iterations } => Ok(Some(Client {
                domain,
                iterations,
                ..client
            })),
            other => Err(unexpected(&other)),
        }
    }

    /// How the server is.
    ///
    /// # Errors
    /// It does not answer.
    pub fn status(&mut self) -> Result<Status, Refusal> {
        match self.ask(&Request::Status)? {
            Reply::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks it to end gracefully, and waits at most `patience` until it has. `false`: it has not yet.
    ///
    /// # Errors
    /// It does not answer.
    pub fn drain(mut self, patience: Duration) -> Result<bool, Refusal> {
        self.done(&Request::Drain)?;
        self.stream
            .get_ref()
            .set_read_timeout(Some(patience.max(Duration::from_secs(1))))
            .map_err(lost)?;
        // The connection closes with the process.
        Ok(match read_line(&mut self.stream) {
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            Ok(_) => true,
        })
    }

    /// Removes an account and what belongs to it.
    ///
    /// # Errors
    /// There is none, or the server does not answer.
    pub fn remove(&mut self, jid: &Jid) -> Result<(), Refusal> {
        let jid = jid.as_str().to_owned();
        self.done(&Request::UserDel { jid })
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, Refusal> {
        write_line(self.stream.get_mut(), request).map_err(lost)?;
        let line = read_line(&mut self.stream).map_err(lost)?;
        let line = line.ok_or_else(|| lost(io::ErrorKind::UnexpectedEof.into()))?;
        match serde_json::from_str(&line) {
            Ok(Reply::Refused { refusal }) => Err(refusal),
            Ok(reply) => Ok(reply),
            Err(_) => Err(Refusal::Server(
                "the server answers what this command does not understand; use its own version".to_owned(),
            )),
        }
    }

    fn done(&mut self, request: &Request) -> Result<(), Refusal> {
        match self.ask(request)? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

impl Accounts for Client {
    fn domain(&self) -> Option<String> {
        Some(self.domain.clone())
    }

    fn add(&mut self, jid: &Jid, password: &str) -> Result<(), Refusal> {
        self.done(&Request::UserAdd {
            jid: jid.as_str().to_owned(),
            password: password.to_owned(),
        })
    }

    fn set_password(&mut self, jid: &Jid, password: &str) -> Result<(), Refusal> {
        self.done(&Request::UserPasswd {
            jid: jid.as_str().to_owned(),
            password: password.to_owned(),
        })
    }

    fn list(&mut self, after: &str) -> Result<Page, Refusal> {
        match self.ask(&Request::UserList {
            after: after.to_owned(),
        })? {
            Reply::Users(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    fn import(&mut self, rows: Vec<NewAccount>) -> Result<Vec<bool>, Refusal> {
        let count = rows.len();
        match self.ask(&Request::UserImport { rows })? {
            Reply::Imported { made } if made.len() == count => Ok(made),
            other => Err(unexpected(&other)),
        }
    }

    fn iterations(&self) -> u32 {
        self.iterations
    }
}

fn lost(error: io::Error) -> Refusal {
    let what = match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "the server does not answer in time".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
            "the server has ended, or serves too many at its admin socket".to_owned()
        }
        _ => format!("the connection to the server broke: {error}"),
    };
    Refusal::Server(what)
}

fn unexpected(_reply: &Reply) -> Refusal {
    Refusal::Server(
        "the server's answer does not fit the question; use the command of the server's own version".to_owned(),
    )
}
