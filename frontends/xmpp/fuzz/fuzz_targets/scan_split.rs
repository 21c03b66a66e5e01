//! However a stream is cut, the scanner gives the same frames and the same fault, and never panics.
//!
//! Input: one byte whose bits choose small limits and a header, one byte that seeds the cuts, the stream.
#![no_main]

use crosspoint_xmpp::codec::ScanLimits;
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/codec_support/mod.rs"]
mod codec_support;

use codec_support::{HEADER, Seed, scan_split, scan_whole};

fuzz_target!(|data: &[u8]| {
    let [choice, cuts, stream @ ..] = data else {
        return;
    };
    let limits = match choice & 1 {
        0 => ScanLimits::AFTER_AUTH,
        _ => ScanLimits { stanza_bytes_max: 200, depth_max: 3, name_bytes_max: 9, ..ScanLimits::BEFORE_AUTH },
    };
    let document = match choice & 2 {
        0 => [HEADER.as_bytes(), stream].concat(),
        _ => stream.to_vec(),
    };
    let whole = scan_whole(&document, limits);
    let mut seed = Seed(u64::from(*cuts));
    let mut cuts: Vec<usize> = (0..8).map(|_| seed.below(document.len() + 1)).collect();
    cuts.sort_unstable();
    assert_eq!(scan_split(&document, &cuts, limits), whole);
    let dribble: Vec<usize> = (1..document.len()).collect();
    assert_eq!(scan_split(&document, &dribble, limits), whole);
});
