//! However a client's frames are cut, they give the same payloads, the same answers and the same fault, and never a panic.
//! What is answered is never more than what was said, and nothing follows a close frame.
//!
//! Input: a byte of choices, a byte that seeds the cuts, then frames: two bytes of a header as they are, a length that may
//! lie, and a payload.
#![no_main]

use crosspoint_http::websocket::{Fault, Frames};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    /// The payloads, and where messages end in them.
    plain: Vec<u8>,
    ends: Vec<usize>,
    reply: Vec<u8>,
    fault: Option<Fault>,
    closed: bool,
}

fn read(text: bool, bytes_max: u64, pieces: &[&[u8]]) -> Heard {
    let mut frames = match text {
        true => Frames::text(bytes_max),
        false => Frames::new(bytes_max),
    };
    let (mut heard, mut unread) = (Heard::default(), Vec::new());
    for piece in pieces {
        unread.extend_from_slice(piece);
        loop {
            match frames.read(&unread, &mut heard.plain, &mut heard.reply) {
                Ok(progress) => {
                    unread.drain(..progress.consumed);
                    heard.closed |= progress.peer_closed;
                    match progress.message_ended {
                        true => heard.ends.push(heard.plain.len()),
                        false => break,
                    }
                }
                Err(fault) => {
                    heard.fault = Some(fault);
                    return heard;
                }
            }
        }
        assert!(unread.len() <= 131, "{} bytes are kept", unread.len());
    }
    heard
}

/// A client's frames, of which the headers may be wrong in any way.
fn written(mut script: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let [first, second, length, rest @ ..] = script {
        let payload = &rest[..rest.len().min(usize::from(*length))];
        out.push(*first);
        // One in eight has no mask, or a length of its own.
        match second & 7 {
            0 => out.push(*second),
            1 => out.extend_from_slice(&[0xfe, 0, *length]),
            2 => out.extend_from_slice(&[0xff, 0, 0, 0, 0, 0, 0, 0, *length]),
            3 if *length > 125 => out.extend_from_slice(&[0xfe, 0, *length]),
            _ => out.push(0x80 | length & 0x7f),
        }
        out.extend_from_slice(&[*second, 1, 2, 3]);
        out.extend_from_slice(payload);
        script = &rest[payload.len()..];
    }
    out
}

fuzz_target!(|data: &[u8]| {
    let [choice, seed, script @ ..] = data else {
        return;
    };
    let text = choice & 1 != 0;
    let bytes_max = if choice & 2 != 0 { 1 << 24 } else { 60 };
    let bytes = match choice & 4 {
        0 => written(script),
        _ => script.to_vec(),
    };
    let whole = read(text, bytes_max, &[&bytes]);
    assert!(whole.reply.len() <= bytes.len() + 4, "{} bytes answer {}", whole.reply.len(), bytes.len());
    let dribble: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(text, bytes_max, &dribble), whole);
    let chunks: Vec<&[u8]> = bytes.chunks(usize::from(*seed).max(2)).collect();
    assert_eq!(read(text, bytes_max, &chunks), whole);
});
