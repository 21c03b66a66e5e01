//! When a client is told that what it has sent is safe (SPEC.md section 6): at once, or with the next message of a conversation.

mod session_support;

use crosspoint_engine::envelope::{Kind, MessageKind};
use crosspoint_engine::neutral::Neutral;
use crosspoint_engine::session::{Action, Event, Form};
use crosspoint_icpp::codec::Verb;
use crosspoint_icpp::limits::Limits;
use session_support::*;

const CHAT: Kind = Kind::Message(MessageKind::Chat);

/// Somebody else's message arrives.
fn hears(client: &mut Client, record: u64) {
    let said = Neutral {
        text: Some("Hi".into()),
        ..Neutral::default()
    };
    client.deliver(&neutral(CHAT, said.pack()), Form::Plain, Some(record));
}

fn lingers(client: &mut Client) -> usize {
    let wishes = |action: &&Action| matches!(action, Action::Linger);
    client.actions.iter().filter(wishes).count()
}

#[test]
fn who_only_sends_is_told_at_once() {
    let mut client = Client::established(Limits::DEFAULT);
    client.say(1, "one");
    client.event(Event::Accepted(vec![1]));
    let told = client.told_one();
    assert_eq!((told.verb, told.ack), (Verb::Accepted, 1));
    assert_eq!(lingers(&mut client), 0);
}

#[test]
fn in_a_conversation_the_next_message_says_it() {
    let mut client = Client::established(Limits::DEFAULT);
    hears(&mut client, 1);
    client.told();
    client.say(1, "one");
    client.say(2, "two");
    client.event(Event::Accepted(vec![1]));
    client.event(Event::Accepted(vec![2]));
    assert!(client.told().is_empty(), "it waits for a moment");
    assert_eq!(lingers(&mut client), 1, "once");
    hears(&mut client, 2);
    let told = client.told_one();
    assert_eq!((told.verb, told.ack), (Verb::Deliver, 2));
    client.event(Event::Lingered);
    assert!(client.told().is_empty(), "it has been said");
}

#[test]
fn when_the_moment_is_over_it_is_said_by_itself() {
    let mut client = Client::established(Limits::DEFAULT);
    hears(&mut client, 1);
    client.told();
    client.say(1, "one");
    client.event(Event::Accepted(vec![1]));
    client.event(Event::Lingered);
    let told = client.told_one();
    assert_eq!((told.verb, told.ack), (Verb::Accepted, 1));
    client.pass(20);
    client.say(2, "two");
    client.event(Event::Accepted(vec![2]));
    assert_eq!(client.told_one().verb, Verb::Accepted, "the conversation is over");
}

#[test]
fn half_of_the_window_does_not_wait() {
    let limits = Limits {
        window: 4,
        ..Limits::DEFAULT
    };
    let mut client = Client::established(limits);
    hears(&mut client, 1);
    client.told();
    client.say(1, "one");
    client.say(2, "two");
    client.event(Event::Accepted(vec![1, 2]));
    let told = client.told_one();
    assert_eq!((told.verb, told.ack), (Verb::Accepted, 2));
}

#[test]
fn a_moment_that_outlives_its_connection_is_harmless() {
    let mut client = Client::established(Limits::DEFAULT);
    hears(&mut client, 1);
    client.told();
    client.say(1, "one");
    client.event(Event::Accepted(vec![1]));
    client.event(Event::Lost);
    client.event(Event::Lingered);
    assert!(client.told().is_empty() && !client.closed);
}
