//! The scanner and rxml agree on what is refused and on the tree of what is accepted; reserialised
//! stanzas keep their tree. The intended differences are listed in `tests/codec_support/oracle.rs`.
//!
//! Input: one byte that chooses whether a header is put before it, one that is skipped, the stream.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/codec_support/mod.rs"]
mod codec_support;

use codec_support::HEADER;

fuzz_target!(|data: &[u8]| {
    let [choice, _, stream @ ..] = data else {
        return;
    };
    let document = match choice & 2 {
        0 => [HEADER.as_bytes(), stream].concat(),
        _ => stream.to_vec(),
    };
    codec_support::oracle::agree(&document);
});
