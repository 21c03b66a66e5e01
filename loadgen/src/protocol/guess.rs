//! What an answer looks like that is not the protocol's: the commonest mistake is a wrong port.

use crosspoint_icpp::codec::{Scan, Verb, scan};

/// A frame before the login is at most so long.
const FRAME_BYTES_MAX: u32 = 4096;

/// What to say behind "it sent what is not ICPP: ..." and the like; nothing if nobody knows.
pub fn hint(input: &[u8]) -> &'static str {
    // Records of TLS begin with their type, 20 to 23, and version 3.
    if matches!(input, [0x14..=0x17, 3, ..]) {
        return "; it looks like TLS (--tls, or another port)";
    }
    if input.starts_with(b"HTTP/") {
        return "; it looks like HTTP (another port)";
    }
    if input.trim_ascii_start().starts_with(b"<") {
        return "; it looks like XMPP (--protocol xmpp, or another port)";
    }
    let verb = match scan(input, FRAME_BYTES_MAX) {
        Ok(Scan::Frame(frame)) => frame.verb().ok().flatten(),
        _ => None,
    };
    match verb {
        Some(Verb::Welcome | Verb::Error | Verb::Bye) => "; it looks like ICPP (--protocol icpp, or another port)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use crosspoint_icpp::codec::{Code, Header, Refusal, write_frame};

    use super::*;

    #[test]
    fn protocols_are_told_by_their_first_bytes() {
        let mut error = Vec::new();
        write_frame(&mut error, Header::push(Verb::Error, 0), |out| {
            Refusal::new(Code::Malformed).write(out)
        });
        for (input, part) in [
            (&b"\x15\x03\x03\x00\x02\x02\x46"[..], "TLS"),
            (b"HTTP/1.1 400 Bad Request", "HTTP"),
            (b"<?xml version='1.0'?>", "XMPP"),
            (b"\n<stream:error>", "XMPP"),
            (&error, "ICPP"),
        ] {
            assert!(hint(input).contains(&format!("looks like {part} ")), "{}", hint(input));
        }
        for input in [&b""[..], b"\x15", b"SSH-2.0", b"\x10\0\0\0"] {
            assert_eq!(hint(input), "");
        }
    }
}
