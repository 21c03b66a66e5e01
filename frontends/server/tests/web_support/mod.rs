//! A server with everything that is for browsers, and the least of a browser: one HTTP request, one WebSocket login.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::common::{Scratch, Server, address};

/// Longer than anything here takes; a play that hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A running server with one user, romeo.
pub struct Stage {
    pub scratch: Scratch,
    pub server: Server,
    pub web: SocketAddr,
    pub socket: SocketAddr,
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// A field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Stage {
    pub fn new(more: &[&str]) -> Stage {
        let scratch = Scratch::new();
        let stage = Stage::again(scratch, more);
        stage.server.add_user("romeo@localhost", "secret");
        stage
    }

    /// Over a folder that has been used.
    pub fn again(scratch: Scratch, more: &[&str]) -> Stage {
        let mut arguments = vec!["--set", "web.listen=127.0.0.1:0", "--set", "xmpp.listen_ws=127.0.0.1:0"];
        arguments.extend(more);
        let server = Server::anywhere(scratch.path(), &arguments);
        Stage {
            web: address(&server.banner, "/http-bind"),
            socket: address(&server.banner, ", WebSocket in the clear"),
            scratch,
            server,
        }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.web).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// One request, as it is, on a connection of its own.
    pub fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // The server may answer, and close, before it has read all.
        let _ = stream.write_all(request);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        Answer {
            status,
            body: bytes.get(end + 4..).unwrap_or_default().to_vec(),
            head,
        }
    }

    pub fn ask(&self, method: &str, path: &str, fields: &str, body: &[u8]) -> Answer {
        let length = match body.is_empty() && method != "PUT" {
            true => String::new(),
            false => format!("Content-Length: {}\r\n", body.len()),
        };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}{fields}\r\n");
        self.raw(&[head.as_bytes(), body].concat())
    }

    /// The path of a URL of this server.
    pub fn path<'a>(&self, url: &'a str) -> &'a str {
        let rest = url.strip_prefix("http://localhost:").expect("a URL of this server");
        &rest[rest.find('/').expect("a path")..]
    }
}

/// A WebSocket that speaks XMPP.
pub struct Client(pub WebSocket<TcpStream>);

impl Client {
    pub fn connect(address: SocketAddr, origin: Option<&str>) -> Result<Client, tungstenite::Error> {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut request = "ws://localhost/xmpp-websocket".into_client_request()?;
        let fields = request.headers_mut();
        fields.insert("Sec-WebSocket-Protocol", "xmpp".parse().expect("a value"));
        if let Some(origin) = origin {
            fields.insert("Origin", origin.parse().expect("a value"));
        }
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Client(socket)),
            Err(tungstenite::HandshakeError::Failure(error)) => Err(error),
            Err(tungstenite::HandshakeError::Interrupted(_)) => panic!("no answer in time"),
        }
    }

    pub fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).expect("it is there");
    }

    /// The next element.
    pub fn hear(&mut self) -> String {
        loop {
            match self.0.read().expect("something is said") {
                Message::Text(text) => return text.to_string(),
                Message::Close(frame) => return format!("closed {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next one that holds this.
    pub fn until(&mut self, part: &str) -> String {
        loop {
            let heard = self.hear();
            assert!(!heard.starts_with("closed"), "{part} never came: {heard}");
            if heard.contains(part) {
                return heard;
            }
        }
    }

    pub fn open(&mut self) {
        self.say("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>");
        let open = self.hear();
        assert!(
            open.starts_with("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'"),
            "{open}"
        );
        let features = self.hear();
        assert!(
            features.starts_with("<stream:features xmlns:stream='http://etherx.jabber.org/streams'>"),
            "{features}"
        );
    }

    /// Romeo has proved who he is.
    pub fn authenticate(&mut self) {
        self.authenticate_as("romeo");
    }

    fn authenticate_as(&mut self, user: &str) {
        let plain = STANDARD.encode(format!("\0{user}\0secret"));
        self.open();
        self.say(&format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>"
        ));
        self.until("<success");
        self.open();
    }

    pub fn login(address: SocketAddr) -> Client {
        Client::login_as(address, "romeo")
    }

    pub fn login_as(address: SocketAddr, user: &str) -> Client {
        let mut client = Client::connect(address, None).expect("he is let in");
        client.authenticate_as(user);
        client.say("<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>");
        client.until(&format!("{user}@localhost/r"));
        client
    }

    /// A place for a file: where to put it, and where it will be.
    pub fn place(&mut self, attributes: &str) -> Result<(String, String), String> {
        self.say(&format!(
            "<iq xmlns='jabber:client' type='get' id='u' to='localhost'><request xmlns='urn:xmpp:http:upload:0' {attributes}/></iq>"
        ));
        let answer = self.until("id=\"u\"");
        let url = |before: &str| {
            let rest = answer.split_once(before)?.1.split_once("url=\"")?.1;
            Some(rest.split_once('"')?.0.replace("&amp;", "&"))
        };
        url("<put").zip(url("<get")).ok_or(answer.clone())
    }
}
