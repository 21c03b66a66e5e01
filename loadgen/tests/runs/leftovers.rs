//! What an earlier run has left on the server is not this run's: neither arrived, nor a duplicate, nor damaged.

use super::peer::{Manners, Peer};
use super::people::Scenario;

/// Every message of the run comes behind a copy that another run might have left.
fn among_leftovers(arguments: &[&str]) {
    let peer = Peer::new(Manners {
        leftovers: true,
        ..Manners::default()
    });
    let outcome = peer.run(arguments);
    outcome.assert_ok();
    assert_eq!(outcome.wrong(), [0; 4]);
    assert!(peer.came() > 0);
    let arrived = outcome.count("messages_received") + outcome.count("drained");
    assert_eq!(arrived, peer.came(), "each message once, the leftovers never");
}

#[test]
fn chat() {
    among_leftovers(&[
        "chat",
        "--pairs",
        "2",
        "--window",
        "4",
        "--warmup",
        "0",
        "--seconds",
        "0.3",
    ]);
}

#[test]
fn flood() {
    among_leftovers(&[
        "flood",
        "--pairs",
        "1",
        "--messages",
        "500",
        "--warmup",
        "0",
        "--seconds",
        "0.3",
    ]);
}

#[test]
fn offline() {
    among_leftovers(&["offline", "--receivers", "6", "--senders", "2", "--messages", "20"]);
}

#[test]
fn storm() {
    let text = "name = 'storm'\n[users]\ncount = 4\n[load]\ndrain_s = 30\n[scenario.storm]\nkind = 'resume'\n\
                away_s = 0.1\nrounds = 2\nmessages = 5\n";
    let plan = Scenario::new("storm", text);
    among_leftovers(&["run", plan.path()]);
}

#[test]
fn people() {
    let plan = Scenario::people(
        "leftovers",
        "duration_s = 0.5",
        "message_every_s = 0.05\nneighbours = 2",
    );
    among_leftovers(&["run", plan.path()]);
}
