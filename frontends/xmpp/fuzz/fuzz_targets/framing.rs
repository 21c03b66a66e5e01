//! RFC 7395 both ways. However messages are cut, they give the same stream and the same fault; what comes of a message that
//! was taken is one element, or the beginning or the end of a stream. However a stream of ours is cut, it gives the same messages.
//!
//! Input: a byte that seeds the cuts, messages divided by zero bytes.
#![no_main]

use crosspoint_xmpp::codec::{Frame, Scan, ScanLimits, Scanner};
use crosspoint_xmpp::framing::{FramingFault, Inbound, Outbound};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/codec_support/mod.rs"]
#[allow(dead_code)]
mod codec_support;

use codec_support::HEADER;

fn inbound(messages: &[&[u8]], piece_bytes: usize) -> Result<Vec<u8>, FramingFault> {
    let (mut inbound, mut stream) = (Inbound::default(), Vec::new());
    for message in messages {
        for piece in message.chunks(piece_bytes) {
            inbound.part(piece, &mut stream)?;
        }
        inbound.end(&mut stream)?;
    }
    Ok(stream)
}

fn outbound(stream: &[u8], piece_bytes: usize) -> Vec<Vec<u8>> {
    let (mut outbound, mut messages) = (Outbound::default(), Vec::new());
    for piece in stream.chunks(piece_bytes) {
        outbound.part(piece, |message| messages.push(message.to_vec()));
    }
    messages
}

fuzz_target!(|data: &[u8]| {
    let [seed, text @ ..] = data else {
        return;
    };
    let messages: Vec<&[u8]> = text.split(|byte| *byte == 0).filter(|message| !message.is_empty()).collect();
    let whole = inbound(&messages, usize::MAX);
    assert_eq!(inbound(&messages, 1).is_ok(), whole.is_ok());
    for piece_bytes in [1, usize::from(*seed).max(2)] {
        let cut = inbound(&messages, piece_bytes);
        assert_eq!(cut, whole, "in pieces of {piece_bytes}");
    }
    // What the scanner takes for a stanza, whoever wrote it, is what a stream of ours may hold.
    let document = [HEADER.as_bytes(), text].concat();
    let mut scanner = Scanner::new(ScanLimits::AFTER_AUTH);
    let (mut at, mut stanzas) = (0, 0);
    while let Ok(Scan::Frame { frame, consumed }) = scanner.scan(&document[at..]) {
        stanzas += usize::from(matches!(frame, Frame::Stanza(_)));
        at += consumed;
        if matches!(frame, Frame::End) {
            break;
        }
    }
    let stream = &document[..at];
    let said = outbound(stream, usize::MAX);
    assert_eq!(outbound(stream, 1), said);
    assert_eq!(outbound(stream, usize::from(*seed).max(2)), said);
    assert!(said.len() >= stanzas, "{stanzas} stanzas are {} messages", said.len());
});
