//! The socket's two ends against each other, over a book in memory.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crosspoint_engine::jid::Jid;
use crosspoint_storage::book::BookCore;

use super::client::Client;
use super::server::{Office, serve};
use crate::status::Status;
use crate::testing::Scratch;
use crate::users::offline::Offline;
use crate::users::{Accounts, NewAccount, Page, Refusal};

/// An office whose accounts are a book in memory.
struct Desk {
    book: Arc<Mutex<Offline>>,
    drained: AtomicBool,
}

struct Shared(Arc<Mutex<Offline>>);

impl Office for Desk {
    fn status(&self) -> Status {
        Status {
            domain: "x".to_owned(),
            pid: 42,
            ..Status::default()
        }
    }

    fn drain(&self) {
        self.drained.store(true, Ordering::Relaxed);
    }

    fn remove(&self, jid: &Jid) -> Result<(), Refusal> {
        if jid.node() == Some("romeo") {
            Ok(())
        } else {
            Err(Refusal::NotFound)
        }
    }

    fn accounts(&self) -> Box<dyn Accounts> {
        Box::new(Shared(self.book.clone()))
    }
}

impl Accounts for Shared {
    fn domain(&self) -> Option<String> {
        self.0.lock().unwrap().domain()
    }
    fn add(&mut self, jid: &Jid, password: &str) -> Result<(), Refusal> {
        self.0.lock().unwrap().add(jid, password)
    }
    fn set_password(&mut self, jid: &Jid, password: &str) -> Result<(), Refusal> {
        self.0.lock().unwrap().set_password(jid, password)
    }
    fn list(&mut self, after: &str) -> Result<Page, Refusal> {
        self.0.lock().unwrap().list(after)
    }
    fn import(&mut self, rows: Vec<NewAccount>) -> Result<Vec<bool>, Refusal> {
        self.0.lock().unwrap().import(rows)
    }
    fn iterations(&self) -> u32 {
        4096
    }
}

fn office(scratch: &Scratch) -> (PathBuf, Arc<Desk>) {
    let path = scratch.path().join("admin.sock");
    let book = Offline::new(BookCore::in_memory().unwrap(), Some("x".to_owned()), 4096);
    let desk = Arc::new(Desk {
        book: Arc::new(Mutex::new(book)),
        drained: AtomicBool::new(false),
    });
    serve(&path, desk.clone()).unwrap();
    (path, desk)
}

#[test]
fn accounts_are_managed_through_the_socket() {
    let scratch = Scratch::new();
    let (path, _desk) = office(&scratch);
    let mut client = Client::connect(&path).unwrap().expect("a server listens");
    assert_eq!((client.domain().as_deref(), client.iterations()), (Some("x"), 4096));
    let romeo: Jid = "romeo@x".parse().unwrap();
    client.add(&romeo, "secret").unwrap();
    assert_eq!(client.add(&romeo, "secret"), Err(Refusal::Exists));
    client.set_password(&romeo, "other").unwrap();
    let rows = ["juliet@x", "romeo@x"].map(|jid| NewAccount {
        jid: jid.to_owned(),
        row: vec![0, 255],
    });
    assert_eq!(client.import(rows.to_vec()), Ok(vec![true, false]));
    assert_eq!(client.list("").unwrap().accounts.len(), 2);
    client.remove(&romeo).unwrap();
    assert_eq!(client.remove(&"juliet@x".parse().unwrap()), Err(Refusal::NotFound));
    assert_eq!(client.status().unwrap().pid, 42);
}

#[test]
fn addresses_of_other_domains_are_refused_by_the_server_too() {
    let scratch = Scratch::new();
    let (path, _desk) = office(&scratch);
    let mut client = Client::connect(&path).unwrap().unwrap();
    let stranger: Jid = "romeo@elsewhere".parse().unwrap();
    assert!(matches!(client.add(&stranger, "secret"), Err(Refusal::BadAddress(_))));
    let rows = vec![NewAccount {
        jid: "romeo@elsewhere".to_owned(),
        row: vec![1],
    }];
    assert!(matches!(client.import(rows), Err(Refusal::BadAddress(_))));
}

#[test]
fn a_drain_is_passed_on() {
    let scratch = Scratch::new();
    let (path, desk) = office(&scratch);
    let client = Client::connect(&path).unwrap().unwrap();
    assert_eq!(
        client.drain(std::time::Duration::ZERO),
        Ok(false),
        "this office stays open"
    );
    assert!(desk.drained.load(Ordering::Relaxed));
}

#[test]
fn the_socket_is_for_its_owner_and_replaces_what_a_killed_server_left() {
    let scratch = Scratch::new();
    let path = scratch.path().join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(
        Client::connect(&path).unwrap().is_none(),
        "nobody listens at what is left"
    );
    let (path, _desk) = office(&scratch);
    assert!(Client::connect(&path).unwrap().is_some());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_path_too_long_for_a_socket_is_no_obstacle() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("a-long-name".repeat(20));
    std::fs::create_dir(&folder).unwrap();
    let book = Offline::new(BookCore::in_memory().unwrap(), None, 4096);
    let desk = Desk {
        book: Arc::new(Mutex::new(book)),
        drained: AtomicBool::new(false),
    };
    serve(&folder.join("admin.sock"), Arc::new(desk)).unwrap();
    assert!(Client::connect(&folder.join("admin.sock")).unwrap().is_some());
}

#[test]
fn what_is_no_request_is_answered_without_repeating_it() {
    let scratch = Scratch::new();
    let (path, _desk) = office(&scratch);
    let mut stream = UnixStream::connect(path).unwrap();
    stream
        .write_all(b"{\"do\":\"user-add\",\"password\":\"hunter2\"}\n")
        .unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    assert!(answer.contains("refused") && !answer.contains("hunter2"), "{answer}");
}
