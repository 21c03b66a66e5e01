//! With a client that others have written, tungstenite, over a wire in memory.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use crosspoint_http::websocket::{CloseCode, Endpoint, Frames, MESSAGE_BYTES_MAX, Upgrade};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::client::Request;
use tungstenite::protocol::frame::coding::CloseCode as TheirCode;
use tungstenite::{Error, Message, WebSocket};

/// A server that gives back what it hears, and the wire to it.
#[derive(Default)]
struct Server {
    received: Vec<u8>,
    sent: Vec<u8>,
    upgrade: Upgrade,
    frames: Option<Frames>,
    heard: Vec<u8>,
    peer_closed: bool,
}

impl Server {
    fn work(&mut self) {
        if self.frames.is_none() {
            let endpoint = Endpoint::new("/icpp", "icpp.v1");
            match self.upgrade.read(&endpoint, &self.received, &mut self.sent) {
                Ok(Some(upgraded)) => {
                    self.received.drain(..upgraded.head_bytes);
                    self.frames = Some(Frames::new(MESSAGE_BYTES_MAX));
                }
                _ => return,
            }
        }
        let frames = self.frames.as_mut().unwrap();
        let mut plain = Vec::new();
        let progress = frames.read(&self.received, &mut plain, &mut self.sent);
        let progress = progress.expect("a well-behaved client");
        self.received.drain(..progress.consumed);
        self.peer_closed = progress.peer_closed;
        frames.seal(&plain, &mut self.sent);
        self.heard.extend(plain);
    }
}

/// The client's end. It writes in pieces of a prime length, and reads what is there.
#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Server>>);

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let sent = &mut self.0.borrow_mut().sent;
        if sent.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = sent.len().min(buffer.len());
        buffer[..count].copy_from_slice(&sent[..count]);
        sent.drain(..count);
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut server = self.0.borrow_mut();
        for piece in bytes.chunks(997) {
            server.received.extend_from_slice(piece);
            server.work();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn request(url: &str, subprotocol: &str) -> Request {
    let mut request = url.into_client_request().unwrap();
    let value = subprotocol.parse().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", value);
    request
}

fn connected() -> (WebSocket<Wire>, Wire) {
    let wire = Wire::default();
    let (client, answer) = tungstenite::client(request("ws://localhost/icpp", "icpp.v1"), wire.clone()).unwrap();
    assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], "icpp.v1");
    (client, wire)
}

#[test]
fn bytes_go_there_and_back() {
    let (mut client, wire) = connected();
    let mut all = Vec::new();
    for length in [1, 125, 126, 65_535, 65_536, 300_000] {
        let bytes: Vec<u8> = (0..length).map(|place: usize| (place * 7) as u8).collect();
        client.send(Message::binary(bytes.clone())).unwrap();
        all.extend_from_slice(&bytes);
        let mut back = Vec::new();
        while back.len() < length {
            back.extend(client.read().unwrap().into_data());
        }
        assert_eq!(back, bytes);
    }
    assert_eq!(wire.0.borrow().heard, all);
}

#[test]
fn a_ping_is_answered_and_a_goodbye_too() {
    let (mut client, wire) = connected();
    client.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong("are you there".into()));
    client.close(None).unwrap();
    assert!(matches!(client.read(), Ok(Message::Close(None))));
    assert!(wire.0.borrow().peer_closed);
    assert_eq!(wire.0.borrow().received, []);
}

#[test]
fn a_goodbye_of_the_server_is_understood() {
    let (mut client, wire) = connected();
    {
        let server = &mut *wire.0.borrow_mut();
        let frames = server.frames.as_mut().unwrap();
        frames.close(CloseCode::GoingAway, &mut server.sent);
    }
    let Ok(Message::Close(Some(close))) = client.read() else {
        panic!("no goodbye")
    };
    assert_eq!(close.code, TheirCode::Away);
    client.flush().unwrap();
    assert!(wire.0.borrow().peer_closed);
}

#[test]
fn a_refusal_is_understood() {
    for (url, subprotocol, status) in [
        ("ws://localhost/elsewhere", "icpp.v1", 404),
        ("ws://localhost/icpp", "mqtt", 400),
    ] {
        let refused = tungstenite::client(request(url, subprotocol), Wire::default());
        let Err(HandshakeError::Failure(Error::Http(answer))) = refused else {
            panic!("not refused")
        };
        assert_eq!(answer.status(), status);
    }
}
