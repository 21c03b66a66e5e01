//! A client's frames.
#![allow(dead_code)]

use crosspoint_http::websocket::{Fault, Frames};

/// The mask of section 5.7.
pub const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame with this first byte, its length in the shortest form, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// What became of bytes: plain ones, answers, whether the peer has closed or which mistake it has made.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub plain: Vec<u8>,
    pub reply: Vec<u8>,
    pub end: Result<bool, Fault>,
}

/// Gives the pieces to a connection as a driver does: what was not consumed is shown again.
pub fn read<'a>(frames: &mut Frames, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut outcome = Outcome {
        plain: Vec::new(),
        reply: Vec::new(),
        end: Ok(false),
    };
    let mut input = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        match frames.read(&input, &mut outcome.plain, &mut outcome.reply) {
            Ok(progress) => {
                input.drain(..progress.consumed);
                assert!(input.len() <= 131, "{} bytes are left", input.len());
                outcome.end = Ok(progress.peer_closed);
            }
            Err(fault) => {
                outcome.end = Err(fault);
                break;
            }
        }
    }
    outcome
}
