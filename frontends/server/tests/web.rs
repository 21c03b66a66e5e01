//! What browsers are given, by the built binary: routes, origins, bounds, files, XMPP over WebSocket and over HTTP.

mod common;
mod web_support;

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use common::done;
use tungstenite::Message;
use web_support::{Client, PATIENCE, Stage};

/// A part of `/etc/passwd` that shows that it was served.
const OUTSIDE: &str = "root:";

#[test]
fn no_route_leads_out_of_what_is_served() {
    let stage = Stage::new(&[]);
    let mut paths = Vec::new();
    for route in [
        "/upload",
        "/upload/20785-0123456789abcdef0123456789abcdef",
        "/http-bind",
        "/.well-known",
        "/xmpp-websocket",
        "",
    ] {
        for way in [
            "/../../../../../../../../etc/passwd",
            "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
            "/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
            "/....//....//....//etc/passwd",
            "//etc/passwd",
            "/%00/../etc/passwd",
            "/..\\..\\..\\etc\\passwd",
        ] {
            paths.push(format!("{route}{way}"));
        }
    }
    paths.push("/upload/20785-0123456789abcdef0123456789abcdef/../../book.redb".to_owned());
    for path in paths {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"] {
            let answer = stage.ask(method, &path, "", b"");
            let refused = [204, 400, 403, 404, 405, 411].contains(&answer.status);
            assert!(refused, "{method} {path}: {}", answer.head);
            assert!(!answer.text().contains(OUTSIDE), "{method} {path}");
        }
    }
    let made: Vec<_> = std::fs::read_dir(stage.scratch.path().join("uploads"))
        .unwrap()
        .collect();
    assert!(made.is_empty(), "nothing was stored: {made:?}");
}

#[test]
fn pages_of_unknown_origins_are_turned_away_from_every_route() {
    let stage = Stage::new(&["--set", "web.origins=https://chat.example"]);
    let hijacker = Client::connect(stage.socket, Some("https://evil.example"));
    let Err(tungstenite::Error::Http(refusal)) = hijacker.map(|_| ()) else {
        panic!("a page of another origin must not get a WebSocket");
    };
    assert_eq!(refusal.status(), 403);
    assert!(Client::connect(stage.socket, Some("https://chat.example")).is_ok());
    assert!(Client::connect(stage.socket, None).is_ok(), "no browser");
    for path in [
        "/http-bind",
        "/upload/x/y",
        "/.well-known/host-meta",
        "/.well-known/host-meta.json",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let evil = stage.ask(method, path, "Origin: https://evil.example\r\n", b"");
            assert_eq!(evil.status, 403, "{method} {path}");
            assert_eq!(evil.field("Access-Control-Allow-Origin"), None);
            let ours = stage.ask(method, path, "Origin: https://chat.example\r\n", b"");
            assert_ne!(ours.status, 403, "{method} {path}");
            assert_eq!(ours.field("Access-Control-Allow-Origin"), Some("https://chat.example"));
            assert_eq!(ours.field("Vary"), Some("Origin"));
            assert_eq!(ours.field("Access-Control-Allow-Credentials"), None);
        }
    }
}

#[test]
fn answers_for_all_origins_never_allow_credentials() {
    let stage = Stage::new(&[]);
    for path in [
        "/http-bind",
        "/upload/x/y",
        "/.well-known/host-meta",
        "/.well-known/host-meta.json",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let answer = stage.ask(method, path, "Origin: https://any.example\r\nCookie: a=b\r\n", b"");
            assert_eq!(
                answer.field("Access-Control-Allow-Origin"),
                Some("*"),
                "{method} {path}"
            );
            assert_eq!(
                answer.field("Access-Control-Allow-Credentials"),
                None,
                "{method} {path}"
            );
        }
    }
}

#[test]
fn heads_that_are_too_large_or_have_too_many_fields_are_refused() {
    let stage = Stage::new(&[]);
    let large = format!(
        "GET /.well-known/host-meta HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(40 * 1024)
    );
    assert_eq!(stage.raw(large.as_bytes()).status, 431);
    let many = format!(
        "GET /.well-known/host-meta HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "A: b\r\n".repeat(200)
    );
    assert_eq!(stage.raw(many.as_bytes()).status, 431);
    let endless = format!("GET /{}", "x".repeat(1 << 20));
    assert!([0, 400, 414, 431].contains(&stage.raw(endless.as_bytes()).status));
    assert_eq!(
        stage
            .raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
            .status,
        400
    );
    let body = vec![b'x'; 600 * 1024];
    assert_eq!(stage.ask("POST", "/http-bind", "", &body).status, 413);
    assert_eq!(
        stage.ask("GET", "/.well-known/host-meta", "", b"").status,
        200,
        "it is still there"
    );
}

#[test]
fn who_dribbles_a_head_or_a_body_is_let_go() {
    let stage = Stage::new(&[]);
    let mut head = stage.connect();
    let mut body = stage.connect();
    let mut silent = stage.connect();
    body.write_all(b"POST /http-bind HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        .unwrap();
    for (stream, byte) in [(&mut head, b'G'), (&mut body, b'<')] {
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        // A byte now and then keeps no connection: the whole has a time.
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "it is still open");
            let sent = stream.write_all(&[byte]);
            let mut answer = [0; 256];
            match stream.read(&mut answer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) && sent.is_ok() => {}
                Err(_) => break,
            }
        }
    }
    assert_eq!(silent.read(&mut [0; 16]).unwrap_or(0), 0, "and who says nothing");
}

#[test]
fn connections_are_counted() {
    let stage = Stage::new(&["--set", "web.connections=3"]);
    let mut kept: Vec<_> = (0..3).map(|_| stage.connect()).collect();
    for stream in &mut kept {
        stream
            .write_all(b"GET /.well-known/host-meta HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    assert_eq!(
        stage.ask("GET", "/.well-known/host-meta", "", b"").status,
        0,
        "there is no place"
    );
    drop(kept.pop());
    let until = Instant::now() + PATIENCE;
    while stage.ask("GET", "/.well-known/host-meta", "", b"").status != 200 {
        assert!(Instant::now() < until, "the place is not given back");
    }
}

#[test]
fn host_meta_says_where_xmpp_is() {
    let stage = Stage::new(&["--set", "web.websocket_url=wss://localhost/ws"]);
    let port = stage.web.port();
    let xml = stage.ask("GET", "/.well-known/host-meta", "", b"");
    assert_eq!(
        (xml.status, xml.field("Content-Type")),
        (200, Some("application/xrd+xml"))
    );
    let bosh = format!("<Link rel='urn:xmpp:alt-connections:xbosh' href='http://localhost:{port}/http-bind'/>");
    assert!(xml.text().contains(&bosh), "{}", xml.text());
    let json = stage.ask("GET", "/.well-known/host-meta.json", "", b"");
    assert_eq!(
        (json.status, json.field("Content-Type")),
        (200, Some("application/json"))
    );
    let link = "{\"rel\":\"urn:xmpp:alt-connections:websocket\",\"href\":\"wss://localhost/ws\"}";
    assert!(json.text().contains(link), "{}", json.text());
    assert_eq!(stage.ask("HEAD", "/.well-known/host-meta", "", b"").body, b"");
    assert_eq!(stage.ask("DELETE", "/.well-known/host-meta", "", b"").status, 405);
}

#[test]
fn romeo_talks_to_himself_over_a_websocket_and_says_goodbye() {
    let stage = Stage::new(&[]);
    let mut romeo = Client::login(stage.socket);
    romeo.say("<message xmlns='jabber:client' to='romeo@localhost/r'><body>soft</body></message>");
    let heard = romeo.until("soft");
    assert!(
        heard.starts_with("<message xmlns='jabber:client' from=\"romeo@localhost/r\""),
        "{heard}"
    );
    romeo.say("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
    assert_eq!(romeo.hear(), "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
    assert!(romeo.hear().starts_with("closed"));
}

#[test]
fn a_websocket_that_was_cut_is_resumed_on_another() {
    let stage = Stage::new(&[]);
    let mut romeo = Client::login(stage.socket);
    romeo.say("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    let enabled = romeo.until("<enabled");
    let id = enabled
        .split_once(" id=\"")
        .or(enabled.split_once(" id='"))
        .expect("an id")
        .1;
    let id = id.split(['"', '\'']).next().unwrap().to_owned();
    romeo.say("<message xmlns='jabber:client' to='romeo@localhost/r'><body>soft</body></message>");
    romeo.until("soft");
    drop(romeo);
    let mut romeo = Client::connect(stage.socket, None).unwrap();
    romeo.authenticate();
    romeo.say(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>"));
    romeo.until("<resumed");
    romeo.until("soft");
}

#[test]
fn a_message_of_two_elements_or_of_bytes_ends_a_websocket() {
    let stage = Stage::new(&[]);
    let bad = [
        Message::text("<presence xmlns='jabber:client'/><presence xmlns='jabber:client'/>"),
        Message::text("<presence xmlns='jabber:client'>"),
        Message::text("</stream:stream>"),
        Message::text(" "),
        Message::binary("<presence xmlns='jabber:client'/>"),
    ];
    for message in bad {
        let mut romeo = Client::login(stage.socket);
        romeo.0.send(message.clone()).unwrap();
        let mut heard = romeo.hear();
        while !heard.starts_with("closed") {
            heard = romeo.hear();
        }
        assert!(
            heard.contains("Protocol") || heard.contains("Unsupported"),
            "{message:?}: {heard}"
        );
    }
}

#[test]
fn a_file_is_put_once_and_got_by_anybody_and_survives_a_restart() {
    let stage = Stage::new(&[]);
    let mut romeo = Client::login(stage.socket);
    let (put, get) = romeo
        .place("filename='a b&amp;.png' size='5' content-type='image/png'")
        .unwrap();
    let (put, get) = (stage.path(&put).to_owned(), stage.path(&get).to_owned());
    let image = "Content-Type: image/png\r\n";
    assert_eq!(stage.ask("GET", &get, "", b"").status, 404, "nothing is there yet");
    assert_eq!(
        stage.ask("PUT", &put, "Content-Type: text/html\r\n", b"hello").status,
        403,
        "another type"
    );
    assert_eq!(stage.ask("PUT", &put, image, b"hello!").status, 413, "too long");
    assert_eq!(stage.ask("PUT", &put, image, b"hell").status, 400, "too short");
    assert_eq!(
        stage
            .ask("PUT", &put.replace("size=5", "size=6"), image, b"hello!")
            .status,
        403,
        "another size"
    );
    assert_eq!(
        stage.ask("PUT", &put.replace("a%20b", "a%20c"), image, b"hello").status,
        403,
        "another name"
    );
    assert_eq!(stage.ask("PUT", &get, image, b"hello").status, 403, "no place at all");
    assert_eq!(stage.ask("PUT", &put, image, b"hello").status, 201);
    assert_eq!(
        stage.ask("PUT", &put, image, b"other").status,
        409,
        "a place is good once"
    );
    let server = stage.server;
    server.kill();
    let stage = Stage::again(stage.scratch, &[]);
    let got = stage.ask("GET", &get, "", b"");
    assert_eq!((got.status, got.text().as_str()), (200, "hello"));
    assert_eq!(got.field("Content-Type"), Some("image/png"));
    let head = stage.ask("HEAD", &get, "", b"");
    assert_eq!(
        (head.status, head.field("Content-Length"), head.body.len()),
        (200, Some("5"), 0)
    );
    let part = stage.ask("GET", &get, "Range: bytes=1-3\r\n", b"");
    assert_eq!((part.status, part.text().as_str()), (206, "ell"));
    assert_eq!(part.field("Content-Range"), Some("bytes 1-3/5"));
    assert_eq!(stage.ask("GET", &get, "Range: bytes=9-\r\n", b"").status, 416);
    assert_eq!(
        stage.ask("GET", &get.replace("a%20b", "b"), "", b"").status,
        404,
        "another name"
    );
}

/// Whether the server runs or not, and whoever removes the account: itself, or the administrator.
#[test]
fn the_files_of_an_account_go_with_it_and_those_of_others_stay() {
    let stage = Stage::new(&[]);
    stage.server.add_user("juliet@localhost", "secret");
    stage.server.add_user("nurse@localhost", "secret");
    let upload = |user: &str| {
        let (put, get) = Client::login_as(stage.socket, user)
            .place("filename='a' size='5'")
            .unwrap();
        assert_eq!(stage.ask("PUT", stage.path(&put), "", b"hello").status, 201);
        stage.path(&get).to_owned()
    };
    let (romeos, juliets, nurses) = (upload("romeo"), upload("juliet"), upload("nurse"));
    let gone = |path: &str| {
        let until = Instant::now() + PATIENCE;
        while stage.ask("GET", path, "", b"").status != 404 {
            assert!(Instant::now() < until, "the file stays");
        }
    };
    let mut romeo = Client::login(stage.socket);
    romeo.say("<iq xmlns='jabber:client' type='set' id='r'><query xmlns='jabber:iq:register'><remove/></query></iq>");
    gone(&romeos);
    done(&["user", "del", "--data", &stage.server.data(), "juliet@localhost"], "");
    gone(&juliets);
    assert_eq!(stage.ask("GET", &nurses, "", b"").status, 200);
    let (server, scratch) = (stage.server, stage.scratch);
    server.kill();
    let data = scratch.path().to_str().unwrap();
    done(&["user", "del", "--data", data, "nurse@localhost"], "");
    let days = std::fs::read_dir(scratch.path().join("uploads")).unwrap();
    let files = days.flat_map(|day| std::fs::read_dir(day.unwrap().path()).unwrap());
    assert_eq!(files.count(), 0);
}

#[test]
fn what_was_uploaded_as_a_page_cannot_run() {
    let stage = Stage::new(&[]);
    let mut romeo = Client::login(stage.socket);
    let page = b"<script>alert(1)</script>";
    for (name, media) in [
        ("a.html", "text/html"),
        ("a.svg", "image/svg+xml"),
        ("a.xml", "text/xml"),
    ] {
        let place = format!("filename='{name}' size='{}' content-type='{media}'", page.len());
        let (put, get) = romeo.place(&place).unwrap();
        let kind = format!("Content-Type: {media}\r\n");
        assert_eq!(stage.ask("PUT", stage.path(&put), &kind, page).status, 201);
        let got = stage.ask("GET", stage.path(&get), "Accept: text/html\r\n", b"");
        assert_eq!(got.body, page);
        assert_eq!(got.field("Content-Type"), Some("application/octet-stream"));
        assert!(got.field("Content-Disposition").unwrap().starts_with("attachment"));
        assert_eq!(got.field("X-Content-Type-Options"), Some("nosniff"));
        assert!(
            got.field("Content-Security-Policy")
                .unwrap()
                .contains("default-src 'none'")
        );
        assert!(got.field("Content-Security-Policy").unwrap().contains("sandbox"));
    }
}

#[test]
fn quotas_and_sizes_are_kept_and_a_broken_upload_leaves_nothing() {
    let stage = Stage::new(&["--set", "upload.file_bytes=1000", "--set", "upload.user_bytes=1500"]);
    let mut romeo = Client::login(stage.socket);
    let refused = romeo.place("filename='a' size='1001'").unwrap_err();
    assert!(refused.contains("<file-too-large"), "{refused}");
    assert!(refused.contains("<max-file-size>1000</max-file-size>"), "{refused}");
    let refused = romeo.place("filename='../a' size='1'").unwrap_err();
    assert!(refused.contains("bad-request"), "{refused}");
    let (put, get) = romeo.place("filename='a' size='1000'").unwrap();
    let refused = romeo.place("filename='b' size='501'").unwrap_err();
    assert!(
        refused.contains("resource-constraint") && refused.contains("<retry"),
        "{refused}"
    );
    let mut broken = stage.connect();
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
        stage.path(&put)
    );
    broken.write_all(&[head.as_bytes(), &[7; 500]].concat()).unwrap();
    drop(broken);
    // Its part goes when the server has noticed, and the place can be used again.
    let until = Instant::now() + PATIENCE;
    while stage.ask("PUT", stage.path(&put), "", &[8; 1000]).status != 201 {
        assert!(Instant::now() < until, "the place is not given back");
    }
    assert_eq!(stage.ask("GET", stage.path(&get), "", b"").body, [8; 1000]);
    let days = std::fs::read_dir(stage.scratch.path().join("uploads")).unwrap();
    let files = days.flat_map(|day| std::fs::read_dir(day.unwrap().path()).unwrap());
    assert_eq!(files.count(), 1, "and no part is left");
}

#[test]
fn xmpp_over_http_from_the_first_request_to_the_last() {
    let stage = Stage::new(&[]);
    let post = |rid: u64, attributes: &str, payload: &str| {
        let body = format!(
            "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' rid='{rid}' {attributes}>{payload}</body>"
        );
        let answer = stage.ask("POST", "/http-bind", "Content-Type: text/xml\r\n", body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.head);
        answer.text()
    };
    let first = post(1, "to='localhost' hold='1' wait='5' xmpp:version='1.0'", "");
    assert!(first.contains("<mechanism>PLAIN</mechanism>"), "{first}");
    let sid = first.split_once(" sid=\"").unwrap().1.split('"').next().unwrap();
    let sid = format!("sid='{sid}'");
    let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>";
    assert!(post(2, &sid, auth).contains("<success"));
    assert!(post(3, &format!("{sid} xmpp:restart='true'"), "").contains("<bind "));
    let bind = "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    assert!(post(4, &sid, bind).contains("romeo@localhost/"));
    let ping = "<iq xmlns='jabber:client' type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>";
    let pong = post(5, &sid, ping);
    assert!(pong.contains("type=\"result\""), "{pong}");
    assert_eq!(post(5, &sid, ping), pong, "a lost answer is given again");
    assert!(post(6, "sid='0123456789abcdef0123456789abcdef'", "").contains("item-not-found"));
    assert!(post(6, &format!("{sid} type='terminate'"), "").contains("type=\"terminate\""));
    assert!(post(7, &sid, ping).contains("item-not-found"), "it is over");
    assert!(post(8, "to='elsewhere.example' hold='1' wait='5' xmpp:version='1.0'", "").contains("<host-unknown"));
}
