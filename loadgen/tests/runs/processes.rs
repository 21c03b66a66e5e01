//! Several processes of workers: they exist, their sum is the run's, and one that dies fails the run.

use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::outcome::Outcome;
use super::peer::{Manners, Peer};

const CHAT: [&str; 11] = [
    "chat",
    "--pairs",
    "6",
    "--window",
    "4",
    "--warmup",
    "0",
    "--seconds",
    "0.5",
    "--processes",
    "3",
];
/// Far longer than it takes; only a run that is broken waits for so long.
const PATIENCE: Duration = Duration::from_secs(50);

/// The processes of workers of a load generator that has been let in nowhere yet, so that none of them can have ended.
fn workers(child: &Child) -> Vec<i32> {
    let path = format!("/proc/{0}/task/{0}/children", child.id());
    let until = Instant::now() + PATIENCE;
    loop {
        let children = fs::read_to_string(&path).unwrap_or_default();
        let children: Vec<i32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        if children.len() >= 3 || Instant::now() > until {
            return children;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn closed() -> Peer {
    Peer::new(Manners {
        closed: true,
        ..Manners::default()
    })
}

#[test]
fn each_process_has_a_part_of_the_users_and_the_result_is_their_sum() {
    let peer = closed();
    let child = peer.start(&CHAT);
    let workers = workers(&child);
    assert_eq!(workers.len(), 3);
    peer.open();
    let outcome = Outcome::of(child);
    outcome.assert_ok();
    assert_eq!((outcome.count("logins_ok"), outcome.wrong()), (12, [0; 4]));
    // What the server has seen is what the three have counted, to the last message.
    assert!(peer.came() > 0);
    assert_eq!(outcome.count("messages_sent"), peer.came());
    assert_eq!(outcome.count("messages_received"), peer.came());
}

#[test]
fn a_process_that_dies_fails_the_run() {
    let peer = closed();
    let child = peer.start(&CHAT);
    let victim = rustix::process::Pid::from_raw(workers(&child)[1]).unwrap();
    rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
    peer.open();
    let outcome = Outcome::of(child);
    assert_ne!(outcome.code, 0);
    assert!(outcome.errors.contains("its process has ended"), "{}", outcome.errors);
}
