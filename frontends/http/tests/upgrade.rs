//! The opening handshake: the example of RFC 6455, what is let in, and what is refused with which answer.

use crosspoint_http::head::{FIELDS_MAX, HEAD_BYTES_MAX, HeadFault};
use crosspoint_http::websocket::{Endpoint, Refusal, Upgrade, Upgraded};

/// Section 1.3, line by line.
const LINES: [&str; 8] = [
    "GET /chat HTTP/1.1",
    "Host: server.example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Origin: http://example.com",
    "Sec-WebSocket-Protocol: chat, superchat",
    "Sec-WebSocket-Version: 13",
];

fn request(lines: &[&str]) -> Vec<u8> {
    format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
}

/// The example with another line in the place of that which begins with `name`; without it, if the other is empty.
fn with(name: &str, other: &str) -> Vec<u8> {
    let mut lines = LINES.to_vec();
    let place = lines.iter().position(|line| line.starts_with(name)).unwrap();
    match other {
        "" => drop(lines.remove(place)),
        other => lines[place] = other,
    }
    request(&lines)
}

/// The example with more lines behind it.
fn and(more: &str) -> Vec<u8> {
    request(&[&LINES[..], &[more]].concat())
}

fn endpoint() -> Endpoint {
    Endpoint::new("/chat", "chat")
}

fn read(endpoint: &Endpoint, request: &[u8]) -> (Result<Option<Upgraded>, Refusal>, String) {
    let mut reply = Vec::new();
    let outcome = Upgrade::default().read(endpoint, request, &mut reply);
    (outcome, String::from_utf8(reply).unwrap())
}

#[track_caller]
fn good(endpoint: &Endpoint, request: &[u8]) -> usize {
    let (outcome, reply) = read(endpoint, request);
    let upgraded = outcome.unwrap().expect("the request is whole");
    assert_eq!(upgraded.head_bytes, request.len());
    assert!(reply.starts_with("HTTP/1.1 101 "), "{reply}");
    upgraded.subprotocol
}

#[track_caller]
fn refused(endpoint: &Endpoint, request: &[u8], refusal: Refusal, status: u16) -> String {
    let (outcome, reply) = read(endpoint, request);
    let shown = String::from_utf8_lossy(request);
    assert_eq!(outcome, Err(refusal), "{shown}");
    assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}\n{reply}");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{reply}");
    let connection = head.lines().find(|line| line.starts_with("Connection: ")).unwrap();
    assert!(connection.ends_with("close"), "{reply}");
    reply
}

#[test]
fn the_example_of_the_standard_is_answered_as_there() {
    let (outcome, reply) = read(&endpoint(), &request(&LINES));
    let head_bytes = request(&LINES).len();
    assert_eq!(
        outcome,
        Ok(Some(Upgraded {
            head_bytes,
            subprotocol: 0
        }))
    );
    assert_eq!(
        reply,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    );
}

#[test]
fn frames_behind_the_request_are_left_for_later() {
    let mut bytes = request(&LINES);
    let head_bytes = bytes.len();
    bytes.extend_from_slice(b"\x82\x80GET /\r\n\r\n");
    let (outcome, _) = read(&endpoint(), &bytes);
    assert_eq!(outcome.unwrap().unwrap().head_bytes, head_bytes);
}

#[test]
fn a_request_may_arrive_in_any_pieces() {
    for bytes in [request(&LINES), with("Sec-WebSocket-Key", "")] {
        let whole = read(&endpoint(), &bytes);
        let mut upgrade = Upgrade::default();
        let mut reply = Vec::new();
        for length in 0..bytes.len() {
            let outcome = upgrade.read(&endpoint(), &bytes[..length], &mut reply);
            assert_eq!((outcome, reply.len()), (Ok(None), 0));
        }
        let outcome = upgrade.read(&endpoint(), &bytes, &mut reply);
        assert_eq!((outcome, String::from_utf8(reply).unwrap()), whole);
    }
}

#[test]
fn what_means_the_same_is_let_in() {
    let cases = [
        with("GET", "GET /chat?token=a/b HTTP/1.1"),
        with("GET", "GET http://server.example.com/chat HTTP/1.1"),
        with("GET", "GET HTTPS://SERVER.example.com/chat?x HTTP/1.1"),
        with("Host", "HOST:server.example.com:8080"),
        with("Host", "Host: [2001:db8::1]:8080"),
        with("Upgrade", "upgrade: h2c, WebSocket"),
        with("Connection", "connection: keep-alive,  upgrade"),
        with("Origin", ""),
        with("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol:superchat ,, chat\t"),
        and("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
        and("X-Forwarded-For: 192.0.2.1"),
        and("Content-Length: 0"),
        [b"\r\n", &request(&LINES)[..]].concat(),
    ];
    for request in cases {
        good(&endpoint(), &request);
    }
}

#[test]
fn the_best_of_our_subprotocols_is_chosen_wherever_it_is_offered() {
    let mut endpoint = endpoint();
    endpoint.subprotocols = ["icpp.v2", "superchat", "chat"].map(str::to_owned).to_vec();
    assert_eq!(good(&endpoint, &request(&LINES)), 1);
    assert_eq!(good(&endpoint, &and("Sec-WebSocket-Protocol: icpp.v2")), 0);
    for offer in [
        "",
        "Sec-WebSocket-Protocol: Chat",
        "Sec-WebSocket-Protocol: chat superchat",
    ] {
        let request = with("Sec-WebSocket-Protocol", offer);
        refused(&endpoint, &request, Refusal::Subprotocol, 400);
    }
}

#[test]
fn other_places_and_methods_are_refused() {
    let cases = [
        ("GET / HTTP/1.1", Refusal::Path, 404),
        ("GET /Chat HTTP/1.1", Refusal::Path, 404),
        ("GET /chat/ HTTP/1.1", Refusal::Path, 404),
        ("GET //chat HTTP/1.1", Refusal::Path, 404),
        ("GET /%63hat HTTP/1.1", Refusal::Path, 404),
        ("GET /x/../chat HTTP/1.1", Refusal::Path, 404),
        ("GET http://server.example.com HTTP/1.1", Refusal::Path, 404),
        ("GET http://server.example.com?/chat HTTP/1.1", Refusal::Path, 404),
        ("POST /chat HTTP/1.1", Refusal::Method, 405),
        ("HEAD /chat HTTP/1.1", Refusal::Method, 405),
        ("CONNECT server.example.com:443 HTTP/1.1", Refusal::Method, 405),
        ("Get /chat HTTP/1.1", Refusal::Method, 405),
    ];
    for (line, refusal, status) in cases {
        let reply = refused(&endpoint(), &with("GET", line), refusal, status);
        assert_eq!(reply.contains("\r\nAllow: GET\r\n"), status == 405, "{reply}");
    }
}

#[test]
fn a_handshake_that_is_none_is_refused() {
    let cases = [
        ("Host", "", Refusal::Host, 400),
        ("Host", "Host:", Refusal::Host, 400),
        ("Host", "Host: a, b", Refusal::Host, 400),
        ("Host", "Host: user@server.example.com", Refusal::Host, 400),
        ("Upgrade", "", Refusal::NotUpgrade, 426),
        ("Upgrade", "Upgrade: h2c", Refusal::NotUpgrade, 426),
        ("Connection", "", Refusal::Connection, 400),
        ("Connection", "Connection: keep-alive", Refusal::Connection, 400),
        ("Sec-WebSocket-Version", "", Refusal::Version, 426),
        (
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Version: 8",
            Refusal::Version,
            426,
        ),
        (
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Version: 13, 8",
            Refusal::Version,
            426,
        ),
        ("Sec-WebSocket-Key", "", Refusal::Key, 400),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Key: c2hvcnQ=", Refusal::Key, 400),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ",
            Refusal::Key,
            400,
        ),
        (
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\u{e9}==",
            Refusal::Key,
            400,
        ),
    ];
    for (name, line, refusal, status) in cases {
        let reply = refused(&endpoint(), &with(name, line), refusal, status);
        let told = reply.contains("\r\nSec-WebSocket-Version: 13\r\n") && reply.contains("\r\nUpgrade: websocket\r\n");
        assert_eq!(told, status == 426, "{reply}");
    }
}

#[test]
fn only_the_origins_that_are_listed_are_let_in() {
    let mut endpoint = endpoint();
    endpoint.origins = Some(vec!["https://chat.example".to_owned()]);
    refused(&endpoint, &request(&LINES), Refusal::Origin, 403);
    refused(&endpoint, &with("Origin", "Origin: null"), Refusal::Origin, 403);
    refused(
        &endpoint,
        &with("Origin", "Origin: https://chat.example.evil"),
        Refusal::Origin,
        403,
    );
    refused(
        &endpoint,
        &with("Origin", "Origin: https://chat.example:8443"),
        Refusal::Origin,
        403,
    );
    let twice = with("Origin", "Origin: https://chat.example\r\nOrigin: http://example.com");
    refused(&endpoint, &twice, Refusal::Origin, 403);
    good(&endpoint, &with("Origin", "Origin: https://chat.example"));
    // Not a browser.
    good(&endpoint, &with("Origin", ""));
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    let malformed = Refusal::Head(HeadFault::Malformed);
    let cases = [
        // Folded lines (RFC 9112 section 5.2).
        (and("X: a\r\n b"), malformed),
        (and(" X: a"), malformed),
        (with("Host", " Host: a"), malformed),
        // A space before the colon (section 5.1), a name that is none, a line that is no field.
        (and("Transfer-Encoding : chunked"), malformed),
        (and("X Y: a"), malformed),
        (and(": a"), malformed),
        (and("X"), malformed),
        // Line ends of another kind (section 2.2), and characters that others end a text at.
        (and("X: a\nTransfer-Encoding: chunked"), malformed),
        (and("X: a\rTransfer-Encoding: chunked"), malformed),
        (and("X: a\0b"), malformed),
        (with("GET", "GET /chat HTTP/1.1\n\nGET /chat HTTP/1.1"), malformed),
        // Versions and request lines.
        (with("GET", "GET /chat HTTP/1.0"), malformed),
        (with("GET", "GET /chat HTTP/2.0"), malformed),
        (with("GET", "GET /chat"), malformed),
        (with("GET", "GET  /chat HTTP/1.1"), malformed),
        (with("GET", "GET /chat x HTTP/1.1"), malformed),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), malformed),
        (b"\r\n\r\n".to_vec(), malformed),
        // A body, in any form.
        (and("Transfer-Encoding: chunked"), Refusal::Body),
        (and("Transfer-Encoding: identity"), Refusal::Body),
        (and("Content-Length: 5"), Refusal::Body),
        (and("Content-Length: 0\r\nContent-Length: 5"), Refusal::Body),
        (and("Content-Length: 0, 5"), Refusal::Body),
        (and("Content-Length: +0"), Refusal::Body),
        // Fields that may stand once.
        (and("Host: other.example.com"), Refusal::Host),
        (and("host: server.example.com"), Refusal::Host),
        (and("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), Refusal::Key),
        // Targets for somebody else.
        (
            with("GET", "GET http://other.example.com/chat HTTP/1.1"),
            Refusal::Target,
        ),
        (
            with("GET", "GET http://server.example.com:81/chat HTTP/1.1"),
            Refusal::Target,
        ),
        (
            with("GET", "GET http://server.example.com@evil/chat HTTP/1.1"),
            Refusal::Target,
        ),
        (
            with("GET", "GET ftp://server.example.com/chat HTTP/1.1"),
            Refusal::Target,
        ),
        (with("GET", "GET * HTTP/1.1"), Refusal::Target),
        (with("GET", "GET server.example.com:80 HTTP/1.1"), Refusal::Target),
        (with("GET", "GET chat HTTP/1.1"), Refusal::Target),
    ];
    for (request, refusal) in cases {
        refused(&endpoint(), &request, refusal, 400);
    }
    refused(&endpoint(), &and("Sec-WebSocket-Version: 13"), Refusal::Version, 426);
}

#[test]
fn what_is_not_http_is_refused_at_its_first_byte() {
    refused(&endpoint(), b"\x16", Refusal::Head(HeadFault::Malformed), 400);
    refused(&endpoint(), b"<stream:stream", Refusal::Head(HeadFault::Malformed), 400);
    assert_eq!(read(&endpoint(), b"").0, Ok(None));
}

#[test]
fn a_head_has_bounds() {
    let room = HEAD_BYTES_MAX - and("X: ").len();
    good(&endpoint(), &and(&format!("X: {}", "x".repeat(room))));
    let large = and(&format!("X: {}", "x".repeat(room + 1)));
    refused(&endpoint(), &large, Refusal::Head(HeadFault::TooLarge), 431);
    // Without an end, too, as soon as it is too much.
    assert_eq!(read(&endpoint(), &large[..HEAD_BYTES_MAX - 1]).0, Ok(None));
    refused(
        &endpoint(),
        &large[..HEAD_BYTES_MAX],
        Refusal::Head(HeadFault::TooLarge),
        431,
    );

    let fields = |count: usize| and(&vec!["X: y"; count].join("\r\n"));
    let room = FIELDS_MAX + 1 - LINES.len();
    good(&endpoint(), &fields(room));
    refused(
        &endpoint(),
        &fields(room + 1),
        Refusal::Head(HeadFault::TooManyFields),
        431,
    );
}

#[test]
fn every_refusal_says_something_else() {
    let all = [
        Refusal::Head(HeadFault::Malformed),
        Refusal::Head(HeadFault::TooLarge),
        Refusal::Head(HeadFault::TooManyFields),
        Refusal::Method,
        Refusal::Target,
        Refusal::Path,
        Refusal::Host,
        Refusal::Body,
        Refusal::NotUpgrade,
        Refusal::Connection,
        Refusal::Version,
        Refusal::Key,
        Refusal::Origin,
        Refusal::Subprotocol,
    ];
    let texts: std::collections::HashSet<String> = all.iter().map(Refusal::to_string).collect();
    assert_eq!(texts.len(), all.len());
}
