//! Whole runs without any server: a relay on loopback that is not always what it should be. What goes wrong must be
//! counted, or no figure is worth anything.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::fleet;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::record::Count;
use crate::result::Run;

/// Works on the first messages of one direction.
type Mischief = fn(&mut Vec<Vec<u8>>);

const WINDOW: usize = 10;

/// One pair chats for a moment through a relay that does `mischief` to the first ten messages of one direction.
fn chat_through(mischief: Mischief) -> Run {
    chat_by("xmpp", mischief)
}

fn chat_by(protocol: &str, mischief: Mischief) -> Run {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let relay = thread::spawn(move || {
        let (one, _) = listener.accept().unwrap();
        let (other, _) = listener.accept().unwrap();
        let (there, back) = (other.try_clone().unwrap(), one.try_clone().unwrap());
        let back = thread::spawn(move || relay(other, back, |_| ()));
        relay(one, there, mischief);
        back.join().unwrap();
    });
    let run = run_floor(&address.to_string(), 1, protocol);
    relay.join().unwrap();
    run
}

fn run_floor(address: &str, pairs: usize, protocol: &str) -> Run {
    let text = format!(
        "name = 'relay'\n\
         [target]\naddresses = ['{address}']\nprotocol = '{protocol}'\n\
         [users]\ncount = {}\n\
         [load]\nwarmup_s = 0\nduration_s = 0.2\ndrain_s = 0.5\n\
         [scenario.floor]\nwindow = {WINDOW}\nbody_bytes = 20\n",
        2 * pairs
    );
    let plan = Plan::parse("the test", &text, &[]).unwrap();
    let outcome = fleet::conduct(&plan, "test".to_owned(), &mut Progress::new(true)).unwrap();
    assert!(!outcome.shut_out);
    outcome.run
}

fn relay(mut from: TcpStream, mut to: TcpStream, mischief: Mischief) {
    let mut messages: Vec<Vec<u8>> = vec![Vec::new()];
    let mut byte = [0];
    while messages.len() <= WINDOW && from.read_exact(&mut byte).is_ok() {
        let last = messages.last_mut().unwrap();
        last.push(byte[0]);
        if is_whole(last) {
            messages.push(Vec::new());
        }
    }
    messages.pop();
    mischief(&mut messages);
    to.write_all(&messages.concat()).unwrap();
    // Ends by an error when either side has gone.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// Whether this is all of a message: ICPP says first how long it is, and no message is as long as one that begins with `<`.
fn is_whole(message: &[u8]) -> bool {
    match message.first_chunk() {
        Some(b"<mes") => message.ends_with(b"</message>"),
        Some(length) => u32::from_le_bytes(*length) as usize == message.len(),
        None => false,
    }
}

/// What was found to be wrong.
fn wrong(run: &Run) -> [u64; 4] {
    [Count::Lost, Count::Duplicated, Count::Reordered, Count::Damaged].map(|count| run.whole(count))
}

#[test]
fn an_honest_relay_delivers_everything_once_and_in_order() {
    let run = chat_through(|_| ());
    assert!(run.verdict.ok, "{:?}", run.verdict);
    assert!(run.measured.count > 0);
    assert_eq!(run.whole(Count::MessagesSent), run.whole(Count::MessagesReceived));
}

#[test]
fn two_by_two_in_the_order_in_which_they_come() {
    // A relay that joins its connections as the one of perf/floor does; many pairs, so that an order that is not kept shows.
    const PAIRS: usize = 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let relays = thread::spawn(move || {
        let pair = |_| {
            let (one, other) = (listener.accept().unwrap().0, listener.accept().unwrap().0);
            let (there, back) = (other.try_clone().unwrap(), one.try_clone().unwrap());
            [
                thread::spawn(move || relay(one, there, |_| ())),
                thread::spawn(move || relay(other, back, |_| ())),
            ]
        };
        let all: Vec<_> = (0..PAIRS).flat_map(pair).collect();
        all.into_iter().for_each(|relay| relay.join().unwrap());
    });
    let run = run_floor(&address.to_string(), PAIRS, "xmpp");
    relays.join().unwrap();
    assert!(run.verdict.ok, "{:?}", run.verdict);
}

#[test]
fn a_relay_that_loses_one_is_found_out() {
    let run = chat_through(|messages| drop(messages.remove(3)));
    assert_eq!((wrong(&run), run.verdict.ok), ([1, 0, 0, 0], false));
}

#[test]
fn a_relay_that_loses_the_last_is_found_out() {
    // There is a next one, but it is the receiver's: loss is not told by gaps alone.
    let run = chat_through(|messages| drop(messages.pop()));
    assert_eq!((wrong(&run), run.verdict.ok), ([1, 0, 0, 0], false));
}

#[test]
fn a_relay_that_doubles_one_is_found_out() {
    let run = chat_through(|messages| messages.insert(3, messages[2].clone()));
    assert_eq!((wrong(&run), run.verdict.ok), ([0, 1, 0, 0], false));
}

#[test]
fn a_relay_that_swaps_two_is_found_out() {
    let run = chat_through(|messages| messages.swap(3, 4));
    assert_eq!((wrong(&run), run.verdict.ok), ([0, 0, 1, 0], false));
}

#[test]
fn a_relay_that_rewrites_one_is_found_out() {
    let run = chat_through(|messages| {
        let last = messages[3].len() - "</body></message>".len() - 1;
        messages[3][last] = b'X';
    });
    assert_eq!((wrong(&run), run.verdict.ok), ([1, 0, 0, 1], false));
}

#[test]
fn over_icpp_the_same_is_found_out() {
    let honest = chat_by("icpp", |_| ());
    assert!(honest.verdict.ok && honest.measured.count > 0, "{:?}", honest.verdict);
    let cases: [(Mischief, [u64; 4]); 4] = [
        (|messages| drop(messages.remove(3)), [1, 0, 0, 0]),
        (|messages| messages.insert(3, messages[2].clone()), [0, 1, 0, 0]),
        (|messages| messages.swap(3, 4), [0, 0, 1, 0]),
        (|messages| *messages[3].last_mut().unwrap() = b'X', [1, 0, 0, 1]),
    ];
    for (mischief, expected) in cases {
        let run = chat_by("icpp", mischief);
        assert_eq!((wrong(&run), run.verdict.ok), (expected, false));
    }
}
