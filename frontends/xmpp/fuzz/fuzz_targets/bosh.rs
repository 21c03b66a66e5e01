//! A BOSH session between requests in any order and a stream of ours. Beside not panicking:
//! - each request is answered once at most, and when the session is over none is left without an answer;
//! - what goes into the stream is what a scanner takes;
//! - no more requests wait than the window holds.
//!
//! Input: choices (see `tape.rs`).
#![no_main]

use std::collections::BTreeSet;

use crosspoint_xmpp::bosh::{Bosh, Output, QUEUE_BYTES_MAX, Request};
use crosspoint_xmpp::codec::{Scan, ScanLimits, Scanner};
use libfuzzer_sys::fuzz_target;

mod tape;

use tape::Tape;

const PIECES: [&str; 7] = [
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='a&amp;b'>",
    "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>",
    "<message from='a@b'><body>x</body></message>",
    "<presence/>",
    "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    "</stream:stream>",
];

struct Play {
    bosh: Bosh,
    open: BTreeSet<u64>,
    next_http: u64,
    rid: u64,
    now_ms: u64,
    stream: Vec<u8>,
    closed: bool,
}

impl Play {
    fn note(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Answer { http, .. } => assert!(self.open.remove(&http), "request {http} is answered twice"),
                Output::Stream(bytes) => {
                    assert!(!self.closed, "the stream was let go");
                    self.stream.extend_from_slice(&bytes);
                }
                Output::Close => {
                    assert!(!self.closed, "closed twice");
                    self.closed = true;
                }
            }
        }
        assert!(self.open.len() <= 4, "{} requests wait", self.open.len());
        if self.bosh.is_over() {
            assert!(self.open.is_empty() && self.closed, "over, and {:?} wait", self.open);
        }
    }

    fn act(&mut self, tape: &mut Tape<'_>) {
        let mut out = Vec::new();
        match tape.below(6) {
            0..=2 => {
                let text = request(self.rid.wrapping_add(u64::from(tape.byte() & 3)).wrapping_sub(1), tape);
                let Ok(request) = Request::parse(text.as_bytes()) else { return };
                self.rid = self.rid.max(request.rid + 1);
                let http = self.next_http;
                self.next_http += 1;
                self.open.insert(http);
                self.bosh.on_request(request, http, self.now_ms, &mut out);
            }
            3 if self.bosh.takes_more() => {
                let piece = tape.one_of(&PIECES).as_bytes();
                let cut = tape.below(piece.len() + 1);
                self.bosh.on_stream(&piece[..cut], self.now_ms, &mut out);
                self.bosh.on_stream(&piece[cut..], self.now_ms, &mut out);
            }
            4 => {
                self.now_ms += u64::from(tape.u16()) * 4;
                self.bosh.on_tick(self.now_ms, &mut out);
            }
            5 if tape.byte() & 7 == 0 => self.bosh.on_stream_end(&mut out),
            _ => {}
        }
        self.note(out);
    }
}

/// A request's body, with what a client may say, and what none says.
fn request(rid: u64, tape: &mut Tape<'_>) -> String {
    let mut text = format!("<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' rid='{rid}'");
    let choices = tape.byte();
    let number = tape.byte();
    for (bit, attribute) in [
        format!(" hold='{}'", number & 3),
        format!(" wait='{number}'"),
        " xmpp:restart='true'".to_owned(),
        format!(" pause='{number}'"),
        " type='terminate'".to_owned(),
        " to='montague.lit' xmpp:version='1.0'".to_owned(),
        format!(" key='{}'", tape.text().replace(['\'', '<', '&'], "")),
        " newkey='ca3942b6a1bdd5e5e5d5c5b3a2f1d0e0c0b0a090'".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        if choices & 1 << bit != 0 && (bit != 4 || number & 3 == 0) {
            text.push_str(attribute);
        }
    }
    text.push('>');
    match tape.byte() & 3 {
        0 => {}
        1 => text.push_str("<presence xmlns='jabber:client'/>"),
        _ => text.push_str(tape.text()),
    }
    text.push_str("</body>");
    text
}

fuzz_target!(|data: &[u8]| {
    let _ = Request::parse(data);
    let mut tape = Tape::of(data);
    let text = request(u64::from(tape.byte()) + 1, &mut tape);
    let Ok(first) = Request::parse(text.as_bytes()) else { return };
    let (rid, mut out) = (first.rid + 1, Vec::new());
    let bosh = Bosh::open("sid".to_owned(), first, 0, 0, &mut out);
    let mut play = Play { bosh, open: [0].into(), next_http: 1, rid, now_ms: 0, stream: Vec::new(), closed: false };
    play.note(out);
    for _ in 0..64 {
        if tape.is_over() || play.closed {
            break;
        }
        play.act(&mut tape);
    }
    assert!(QUEUE_BYTES_MAX > 0);
    if play.stream.windows(14).filter(|bytes| *bytes == b"<stream:stream").count() == 1 {
        let mut scanner = Scanner::new(ScanLimits::AFTER_AUTH);
        let mut rest = &play.stream[..];
        loop {
            match scanner.scan(rest) {
                Ok(Scan::Frame { consumed, .. }) if consumed > 0 && consumed < rest.len() => rest = &rest[consumed..],
                Ok(_) => break,
                Err(fault) => panic!("no stream: {fault:?} in {}", String::from_utf8_lossy(&play.stream)),
            }
        }
    }
});
