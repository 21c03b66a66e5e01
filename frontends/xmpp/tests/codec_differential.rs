//! The scanner and rxml read the same streams and must agree: on what is refused, and on the tree of
//! what is accepted. The intended differences are listed in `codec_support/oracle.rs`.

mod codec_support;

use codec_support::oracle::agree;
use codec_support::{CORPUS, HEADER, Seed, mutate, stream};

#[test]
fn real_stanzas_are_accepted_by_both() {
    for stanza in CORPUS {
        assert!(agree([HEADER, stanza].concat().as_bytes()), "{stanza}");
    }
}

#[test]
fn generated_streams_are_accepted_by_both() {
    let accepted = (0..2_000).filter(|&seed| agree(stream(seed).as_bytes())).count();
    // The few others have an attribute twice by expanded name, or a prefix bound to another's namespace.
    assert!(accepted > 1_900, "only {accepted}");
}

#[test]
fn damaged_streams_are_judged_alike() {
    let mut accepted = 0;
    for seed in 0..12_000 {
        let mut g = Seed(seed ^ 0xDA4A6E);
        let document = match g.one_in(3) {
            true => [HEADER, g.pick(CORPUS)].concat(),
            false => stream(seed),
        };
        accepted += usize::from(agree(&mutate(document.as_bytes(), &mut g)));
    }
    // Both kinds must be well represented for the test to mean something.
    assert!((1_500..10_000).contains(&accepted), "{accepted}");
}
