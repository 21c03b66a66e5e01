//! A client that has logged in sends anything, in two pieces; the session answers with whole frames and never panics.
//!
//! Input: one byte that chooses where the cut is, the stream.
#![no_main]

use crosspoint_icpp::limits::Limits;
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/session_support/mod.rs"]
mod session_support;

use session_support::Client;

fuzz_target!(|data: &[u8]| {
    let [cut, stream @ ..] = data else {
        return;
    };
    let mut client = Client::established(Limits::DEFAULT);
    let (first, second) = stream.split_at(usize::from(*cut).min(stream.len()));
    client.send(first);
    client.send(second);
    client.told();
});
