//! No bytes but those of a ticket open anything: what was made opens what it was made for, and whatever is changed, put
//! together from two, or made up opens nothing.
//!
//! Input: choices (see `tape.rs`).
#![no_main]

use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Now, Random};
use crosspoint_icpp::ticket::Tickets;
use libfuzzer_sys::fuzz_target;

mod tape;

use tape::Tape;

struct Counting(u8);

impl Random for Counting {
    fn fill(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut tape = Tape::of(data);
    let tickets = Tickets::new([7; 32], 1_000);
    let juliet: Jid = "juliet@capulet.lit/balcony".parse().unwrap();
    let now = Now { ms: 0, unix_ms: 2_000 };
    let node: String = tape.text().chars().take(60).collect();
    let mut random = Counting(tape.byte());
    let made: Vec<Vec<u8>> = (0..2).map(|_| tickets.make(&juliet, &[1; 16], &node, 60, now, &mut random)).collect();
    for ticket in &made {
        assert!(tickets.read(ticket, &juliet, &[1; 16], &node, now).is_ok());
    }
    let mut forged = made[0].clone();
    while !tape.is_over() {
        let at = usize::from(tape.u16()) % (forged.len() + 1);
        match tape.below(5) {
            0 if at < forged.len() => forged[at] ^= tape.byte(),
            1 => forged.truncate(at),
            2 => forged.extend_from_slice(tape.bytes()),
            3 => forged = [&forged[..at], made[1].get(at..).unwrap_or_default()].concat(),
            4 => forged.splice(at..at, tape.bytes().iter().copied()).for_each(drop),
            _ => {}
        }
        let right = tickets.read(&forged, &juliet, &[1; 16], &node, now);
        assert_eq!(right.is_ok(), made.contains(&forged), "{forged:02x?}");
    }
});
