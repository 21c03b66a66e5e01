//! What one stanza costs: our scanner beside quick-xml and rxml on the same corpus.
//!
//! ```text
//! cargo run --release -p crosspoint-xmpp --example scan_cost
//! ```
//!
//! Prints nanoseconds per stanza and MB/s, the best of several rounds, on one core. The scanner validates
//! everything and resolves namespaces; quick-xml checks neither characters nor prefixes nor duplicates
//! unless told; rxml does all that and copies.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crosspoint_xmpp::codec::{Frame, Scan, ScanLimits, Scanner};
use rxml::{Parse, WithOptions};

#[path = "../tests/codec_support/mod.rs"]
mod codec_support;

use codec_support::{CORPUS, HEADER};

/// Many short rounds: the best one is little disturbed even on a busy machine.
const ROUNDS: usize = 150;
const ROUND: Duration = Duration::from_millis(5);

fn main() {
    let chat = CORPUS[0].to_owned();
    let long = format!(
        "<message to='a@b' id='1'><body>{}</body></message>",
        "lorem ipsum ".repeat(5_000)
    );
    let mixed = CORPUS.concat();
    let cases = [
        ("chat", &chat, 1),
        ("presence", &CORPUS[2].to_owned(), 1),
        ("roster get", &CORPUS[3].to_owned(), 1),
        ("60 kB body", &long, 1),
        ("corpus", &mixed, CORPUS.len()),
    ];
    println!(
        "{:>12} {:>7}  {:>20} {:>20} {:>20} {:>20}",
        "", "bytes", "scan", "scan+children", "quick-xml", "rxml"
    );
    for (name, stanzas, count) in cases {
        let costs = [
            cost(|| ours(stanzas, false)),
            cost(|| ours(stanzas, true)),
            cost(|| by_quick_xml(stanzas)),
            cost(|| by_rxml(stanzas)),
        ];
        print!("{name:>12} {:>7} ", stanzas.len() / count);
        for ns in costs {
            let (each, rate) = (ns / count as f64, stanzas.len() as f64 * 1e3 / ns);
            print!(" {each:>7.0} ns {rate:>5.0} MB/s");
        }
        println!();
    }
}

/// Nanoseconds for one call of what `make` gives, the best round's mean.
fn cost<F: FnMut()>(make: impl Fn() -> F) -> f64 {
    let mut run = make();
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let (start, mut calls) = (Instant::now(), 0u32);
        while start.elapsed() < ROUND {
            for _ in 0..20 {
                run();
            }
            calls += 20;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(calls));
    }
    best
}

fn ours(stanzas: &str, children: bool) -> impl FnMut() + use<'_> {
    let mut scanner = Scanner::new(ScanLimits::AFTER_AUTH);
    let mut header = HEADER.as_bytes();
    while let Ok(Scan::Frame { consumed, .. }) = scanner.scan(header) {
        header = &header[consumed..];
    }
    move || {
        let mut rest = black_box(stanzas).as_bytes();
        while let Ok(Scan::Frame { frame, consumed }) = scanner.scan(rest) {
            if let Frame::Stanza(stanza) = &frame
                && children
            {
                scanner.children(stanza).for_each(|child| drop(black_box(child)));
            }
            black_box(&frame);
            rest = &rest[consumed..];
        }
        assert!(rest.is_empty());
    }
}

/// Events with their attributes, names unresolved.
fn by_quick_xml(stanzas: &str) -> impl FnMut() + use<'_> {
    use quick_xml::events::Event;
    move || {
        let mut reader = quick_xml::Reader::from_str(black_box(stanzas));
        loop {
            match black_box(reader.read_event()) {
                Ok(Event::Start(tag) | Event::Empty(tag)) => {
                    for attribute in tag.attributes() {
                        let _ = black_box(attribute);
                    }
                }
                Ok(Event::Eof) => break,
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn by_rxml(stanzas: &str) -> impl FnMut() + use<'_> {
    let options = rxml::Options {
        max_token_length: 1 << 16,
        ..Default::default()
    };
    let mut parser = rxml::Parser::with_options(options);
    let mut header = HEADER.as_bytes();
    while parser.parse(&mut header, false).is_ok() {}
    move || {
        let mut rest = black_box(stanzas).as_bytes();
        while let Ok(event) = parser.parse(&mut rest, false) {
            black_box(event);
        }
        assert!(rest.is_empty());
    }
}
