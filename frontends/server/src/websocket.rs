//! The engine's [`Cipher`] over crosspoint-http's WebSocket: alone, and within TLS. A session behind either reads and writes
//! the plain stream of bytes that the messages carry, in the way of one of two framings.
//!
//! Invariants:
//! - Alone it encrypts nothing, and says so: it has no facts.
//! - A message of the server holds whole frames, or one whole element, of the session's protocol. An outbox holds such, but a
//!   long one is sealed in pieces: the beginning of one at a piece's end waits for the next piece, which follows at once.

use std::sync::Arc;

use crosspoint_engine::service::{Cipher, CipherFault, CipherState};
use crosspoint_engine::session::TlsFacts;
use crosspoint_http::websocket::{CloseCode, Endpoint, Fault, Frames, MESSAGE_BYTES_MAX, Progress, Upgrade};
use crosspoint_xmpp::framing::{Inbound, Outbound};

use crate::cipher::{Certificates, Protocols};

/// What a client of WebSocket within TLS may ask for by ALPN: the handshake is one of HTTP/1.1 (RFC 6455 section 3).
pub const PROTOCOLS: Protocols = &[b"http/1.1"];

/// How many of these bytes, which begin where a frame of the session's protocol begins, are whole frames.
pub type Whole = fn(&[u8]) -> usize;

/// How a session's stream of bytes stands in messages.
#[derive(Debug, Clone, Copy)]
pub enum Framing {
    /// Binary messages, cut anywhere by the client, and between frames by the server.
    Bytes(Whole),
    /// Text messages, each of which is one element (RFC 7395).
    Elements,
}

/// The server's end of a new connection that begins with an upgrade request.
#[must_use]
pub fn clear(endpoint: Arc<Endpoint>, framing: Framing) -> Box<dyn Cipher> {
    Box::new(WebSocket::new(endpoint, framing))
}

/// The server's end of a new connection that begins with a TLS handshake, and within it an upgrade request. `None` if TLS
/// itself refuses. `certificates` are those that offer [`PROTOCOLS`].
pub fn within_tls(certificates: &Certificates, endpoint: Arc<Endpoint>, framing: Framing) -> Option<Box<dyn Cipher>> {
    Some(Box::new(Within {
        outer: certificates.cipher()?,
        inner: WebSocket::new(endpoint, framing),
        opened: Vec::new(),
    }))
}

/// One connection's WebSocket.
struct WebSocket {
    stage: Stage,
    framing: Framing,
}

enum Stage {
    /// The request has not arrived in full.
    Upgrading(Upgrade, Arc<Endpoint>),
    Upgraded(Frames, Content),
}

/// What the framing remembers.
enum Content {
    /// The beginning of a frame that was cut by the end of a piece. Without memory while there is none.
    Bytes(Whole, Vec<u8>),
    Elements(Inbound, Outbound),
}

impl WebSocket {
    fn new(endpoint: Arc<Endpoint>, framing: Framing) -> WebSocket {
        WebSocket {
            stage: Stage::Upgrading(Upgrade::default(), endpoint),
            framing,
        }
    }
}

impl Framing {
    fn begin(self) -> Stage {
        match self {
            Framing::Bytes(whole) => Stage::Upgraded(Frames::new(MESSAGE_BYTES_MAX), Content::Bytes(whole, Vec::new())),
            Framing::Elements => {
                let content = Content::Elements(Inbound::default(), Outbound::default());
                Stage::Upgraded(Frames::text(MESSAGE_BYTES_MAX), content)
            }
        }
    }
}

impl Cipher for WebSocket {
    fn open(
        &mut self,
        input: &mut Vec<u8>,
        plain: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) -> Result<CipherState, CipherFault> {
        let mut done = 0;
        if let Stage::Upgrading(upgrade, endpoint) = &mut self.stage {
            let upgraded = upgrade.read(endpoint, input, output);
            match upgraded.map_err(|refusal| CipherFault(refusal.to_string()))? {
                None => return Ok(CipherState::Handshaking),
                Some(upgraded) => done = upgraded.head_bytes,
            }
            self.stage = self.framing.begin();
        }
        let Stage::Upgraded(frames, content) = &mut self.stage else {
            return Ok(CipherState::Handshaking);
        };
        let received = &input[done..];
        let progress = match content {
            Content::Bytes(..) => frames.read(received, plain, output),
            Content::Elements(inbound, _) => messages(frames, inbound, received, plain, output),
        };
        let progress = progress.map_err(|fault| CipherFault(fault.to_string()))?;
        input.drain(..done + progress.consumed);
        Ok(match progress.peer_closed {
            true => CipherState::Closed,
            false => CipherState::Open,
        })
    }

    fn seal(&mut self, plain: &[u8], output: &mut Vec<u8>) {
        // Before the upgrade there is no session that could write.
        match &mut self.stage {
            Stage::Upgrading(..) => {}
            Stage::Upgraded(frames, Content::Elements(_, outbound)) => {
                outbound.part(plain, |message| frames.seal(message, output));
            }
            Stage::Upgraded(frames, Content::Bytes(whole, cut)) => whole_frames(frames, *whole, cut, plain, output),
        }
    }

    fn close(&mut self, output: &mut Vec<u8>) {
        if let Stage::Upgraded(frames, content) = &mut self.stage {
            if let Content::Bytes(_, cut) = content {
                frames.seal(&std::mem::take(cut), output);
            }
            frames.close(CloseCode::Normal, output);
        }
    }

    fn facts(&mut self) -> Option<TlsFacts> {
        None
    }
}

/// Reads all messages that are there. What comes before a mistake is in `plain`.
fn messages(
    frames: &mut Frames,
    inbound: &mut Inbound,
    received: &[u8],
    plain: &mut Vec<u8>,
    output: &mut Vec<u8>,
) -> Result<Progress, Fault> {
    let mut consumed = 0;
    let mut text = Vec::new();
    loop {
        text.clear();
        let progress = frames.read(&received[consumed..], &mut text, output);
        // Bytes before a fault of a frame are a part of a message that will not end.
        let mut progress = progress?;
        consumed += progress.consumed;
        let mut read = match text.is_empty() {
            true => Ok(()),
            false => inbound.part(&text, plain),
        };
        if progress.message_ended {
            read = read.and_then(|()| inbound.end(plain));
        }
        read.map_err(|_| frames.refuse(Fault::Message, output))?;
        if !progress.message_ended {
            progress.consumed = consumed;
            return Ok(progress);
        }
    }
}

/// Seals what is whole, and keeps the rest.
fn whole_frames(frames: &mut Frames, whole: Whole, cut: &mut Vec<u8>, plain: &[u8], output: &mut Vec<u8>) {
    let mut joined = std::mem::take(cut);
    let plain = match joined.is_empty() {
        true => plain,
        false => {
            joined.extend_from_slice(plain);
            &joined
        }
    };
    let (complete, rest) = plain.split_at(whole(plain).min(plain.len()));
    frames.seal(complete, output);
    cut.extend_from_slice(rest);
}

/// A WebSocket within an encrypted connection.
struct Within {
    outer: Box<dyn Cipher>,
    inner: WebSocket,
    /// Decrypted, and no whole request, header or control frame yet. Without memory while there is nothing.
    opened: Vec<u8>,
}

impl Cipher for Within {
    fn open(
        &mut self,
        input: &mut Vec<u8>,
        plain: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) -> Result<CipherState, CipherFault> {
        let mut opened = std::mem::take(&mut self.opened);
        let outer = self.outer.open(input, &mut opened, output)?;
        if outer == CipherState::Handshaking {
            return Ok(outer);
        }
        let mut reply = Vec::new();
        let inner = self.inner.open(&mut opened, plain, &mut reply);
        if !reply.is_empty() {
            self.outer.seal(&reply, output);
        }
        if !matches!(inner, Ok(CipherState::Handshaking | CipherState::Open)) {
            self.outer.close(output);
        }
        if !opened.is_empty() {
            self.opened = opened;
        }
        match (outer, inner?) {
            // Whoever goes before the upgrade was never there.
            (CipherState::Closed, CipherState::Handshaking) => Err(CipherFault("closed before the upgrade".to_owned())),
            (CipherState::Closed, _) => Ok(CipherState::Closed),
            (_, inner) => Ok(inner),
        }
    }

    fn seal(&mut self, plain: &[u8], output: &mut Vec<u8>) {
        let mut framed = Vec::new();
        self.inner.seal(plain, &mut framed);
        if !framed.is_empty() {
            self.outer.seal(&framed, output);
        }
    }

    fn close(&mut self, output: &mut Vec<u8>) {
        let mut framed = Vec::new();
        self.inner.close(&mut framed);
        if !framed.is_empty() {
            self.outer.seal(&framed, output);
        }
        self.outer.close(output);
    }

    fn facts(&mut self) -> Option<TlsFacts> {
        self.outer.facts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET /icpp HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: icpp.v1\r\n\r\n";

    /// Of a protocol whose frames are lines.
    fn lines(bytes: &[u8]) -> usize {
        bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
    }

    fn opened() -> Box<dyn Cipher> {
        let mut cipher = clear(Arc::new(Endpoint::new("/icpp", "icpp.v1")), Framing::Bytes(lines));
        let (mut plain, mut output) = (Vec::new(), Vec::new());
        cipher.seal(b"nobody is there\n", &mut output);
        cipher.close(&mut output);
        assert_eq!(output, b"", "before the upgrade nothing is said");
        let state = cipher.open(&mut REQUEST.to_vec(), &mut plain, &mut output);
        assert_eq!(state, Ok(CipherState::Open));
        cipher
    }

    #[test]
    fn messages_hold_whole_frames_however_an_outbox_is_cut() {
        let mut cipher = opened();
        let mut output = Vec::new();
        for piece in ["a\nbc\nd", "e", "f", "g\nh\n", "i\n"] {
            cipher.seal(piece.as_bytes(), &mut output);
        }
        assert_eq!(output, b"\x82\x05a\nbc\n\x82\x07defg\nh\n\x82\x02i\n");
    }

    #[test]
    fn last_words_are_said_even_if_they_are_no_frame() {
        let mut cipher = opened();
        let mut output = Vec::new();
        cipher.seal(b"a\nb", &mut output);
        cipher.close(&mut output);
        assert_eq!(output, b"\x82\x02a\n\x82\x01b\x88\x02\x03\xe8");
    }

    #[test]
    fn what_is_incomplete_stays_in_the_input() {
        let mut cipher = clear(Arc::new(Endpoint::new("/icpp", "icpp.v1")), Framing::Bytes(lines));
        let (mut input, mut plain, mut output) = (REQUEST[..40].to_vec(), Vec::new(), Vec::new());
        let state = cipher.open(&mut input, &mut plain, &mut output);
        assert_eq!((state, input.len()), (Ok(CipherState::Handshaking), 40));
        input.extend_from_slice(&REQUEST[40..]);
        input.extend_from_slice(b"\x82\x83\0\0\0\0a\nb\x89\x83\0\0\0\0x");
        let state = cipher.open(&mut input, &mut plain, &mut output);
        assert_eq!(state, Ok(CipherState::Open));
        assert_eq!((&plain[..], &input[..]), (&b"a\nb"[..], &b"\x89\x83\0\0\0\0x"[..]));
        assert!(cipher.facts().is_none(), "nothing is encrypted");
    }
    /// A frame of a client, masked by nothing.
    fn text(payload: &[u8]) -> Vec<u8> {
        [&[0x81, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
    }

    #[test]
    fn elements_come_and_go_a_message_each() {
        let mut cipher = clear(Arc::new(Endpoint::new("/icpp", "icpp.v1")), Framing::Elements);
        let (mut plain, mut output) = (Vec::new(), Vec::new());
        let mut input = [
            REQUEST,
            &text(b"<iq xmlns='a'/>"),
            &text(b"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"),
        ]
        .concat();
        assert_eq!(cipher.open(&mut input, &mut plain, &mut output), Ok(CipherState::Open));
        assert_eq!(plain, b"<iq xmlns='a'/></stream:stream>");
        output.clear();
        cipher.seal(b"<iq xmlns='a'/><iq", &mut output);
        cipher.seal(b" xmlns='b'/>", &mut output);
        assert_eq!(output, b"\x81\x0f<iq xmlns='a'/>\x81\x0f<iq xmlns='b'/>");
        output.clear();
        let outcome = cipher.open(&mut text(b"<a/><b/>"), &mut plain, &mut output);
        assert!(outcome.is_err(), "two elements are no message");
        assert_eq!(output, b"\x88\x02\x03\xea");
    }
}
