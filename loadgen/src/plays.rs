//! The chat against relays that are not what they should be: what goes wrong must be counted, or no figure is worth
//! anything.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use mio::{Poll, Token};

use crate::chat::{self, Outcome, Plan};
use crate::gauge::Gauge;
use crate::link::Link;
use crate::text::Bodies;

/// Works on the bytes of one direction; every message has the same length.
type Mischief = fn(&mut Vec<Vec<u8>>);

/// One pair chats for a moment through a relay that does `mischief` to the first ten messages of one direction.
fn chat_through(mischief: Mischief) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut poll = Poll::new().unwrap();
    let mut links = Vec::new();
    let mut ends = Vec::new();
    for place in 0..2 {
        let mut link = Link::bare(TcpStream::connect(addr).unwrap()).unwrap();
        link.register(poll.registry(), Token(place)).unwrap();
        links.push(link);
        ends.push(listener.accept().unwrap().0);
    }
    let (there, back) = (ends[0].try_clone().unwrap(), ends[1].try_clone().unwrap());
    let (one, two) = (ends.remove(0), ends.remove(0));
    let first = thread::spawn(move || relay(one, back, mischief));
    let second = thread::spawn(move || relay(two, there, |_| ()));
    let plan = Plan {
        window: 10,
        warmup: Duration::ZERO,
        time: Duration::from_millis(50),
        // Only what is lost is waited for.
        drain: Duration::from_secs(2),
    };
    let addresses = ["u0@localhost".to_owned(), "u1@localhost".to_owned()];
    let gauge = Gauge::default();
    let outcome = chat::run(
        &mut links.iter_mut().collect::<Vec<_>>(),
        &mut poll,
        &addresses,
        Bodies::new(20..=20),
        &plan,
        &gauge,
    )
    .unwrap();
    drop(links);
    first.join().unwrap();
    second.join().unwrap();
    outcome
}

fn relay(mut from: TcpStream, mut to: TcpStream, mischief: Mischief) {
    let message = "<message to='u0@localhost' type='chat' id='0000000000'><body>0000000000 the quick</body></message>";
    let mut first = vec![0; 10 * message.len()];
    from.read_exact(&mut first).unwrap();
    let mut messages: Vec<Vec<u8>> = first.chunks(message.len()).map(<[u8]>::to_vec).collect();
    mischief(&mut messages);
    to.write_all(&messages.concat()).unwrap();
    // Ends by an error when either side has gone.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn an_honest_relay_delivers_everything_once_and_in_order() {
    let outcome = chat_through(|_| ());
    assert!(outcome.wrong.nothing(), "{}", outcome.wrong);
    assert!(outcome.readings.len() >= 2);
}

#[test]
fn a_relay_that_loses_one_is_found_out() {
    let wrong = chat_through(|messages| drop(messages.remove(3))).wrong;
    assert_eq!(
        (wrong.lost, wrong.duplicated, wrong.reordered, wrong.damaged),
        (1, 0, 0, 0)
    );
}

#[test]
fn a_relay_that_doubles_one_is_found_out() {
    let wrong = chat_through(|messages| messages.insert(3, messages[2].clone())).wrong;
    assert_eq!(
        (wrong.lost, wrong.duplicated, wrong.reordered, wrong.damaged),
        (0, 1, 0, 0)
    );
}

#[test]
fn a_relay_that_swaps_two_is_found_out() {
    let wrong = chat_through(|messages| messages.swap(3, 4)).wrong;
    assert_eq!(
        (wrong.lost, wrong.duplicated, wrong.reordered, wrong.damaged),
        (0, 0, 1, 0)
    );
}

#[test]
fn a_relay_that_rewrites_one_is_found_out() {
    let wrong = chat_through(|messages| {
        let last = messages[3].len() - "</body></message>".len() - 1;
        messages[3][last] = b'X';
    })
    .wrong;
    assert_eq!(
        (wrong.lost, wrong.duplicated, wrong.reordered, wrong.damaged),
        (1, 0, 0, 1)
    );
}
