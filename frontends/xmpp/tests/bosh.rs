//! BOSH sessions, as plays: what a client posts, what its stream says, and what is answered when.

use crosspoint_xmpp::bosh::{Bosh, INACTIVITY_MS, Output, QUEUE_BYTES_MAX, REQUESTS_PER_S_MAX, Request, WAIT_S_MAX};

const HEADER: &str = "<?xml version='1.0'?><stream:stream to=\"localhost\" version=\"1.0\" xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams'>";
const EMPTY: &str = "<body xmlns='http://jabber.org/protocol/httpbind'/>";
const ITS: &str = "<?xml version='1.0'?><stream:stream from='localhost' id='x7' version='1.0' xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams'><stream:features/>";

/// A client's session, and the time.
struct Stage {
    bosh: Bosh,
    now_ms: u64,
    http: u64,
}

fn request(attributes: &str, payload: &str) -> Request {
    let body = format!("<body xmlns='http://jabber.org/protocol/httpbind' {attributes}>{payload}</body>");
    Request::parse(body.as_bytes()).expect("a body")
}

fn answers(out: &[Output]) -> Vec<(u64, String)> {
    let answer = |output: &Output| match output {
        Output::Answer { http, body } => Some((*http, String::from_utf8(body.to_vec()).unwrap())),
        _ => None,
    };
    out.iter().filter_map(answer).collect()
}

fn stream(out: &[Output]) -> String {
    let bytes = out.iter().filter_map(|output| match output {
        Output::Stream(bytes) => Some(String::from_utf8(bytes.clone()).unwrap()),
        _ => None,
    });
    bytes.collect()
}

fn ended(condition: &str) -> String {
    format!("<body xmlns='http://jabber.org/protocol/httpbind' type=\"terminate\" condition=\"{condition}\"/>")
}

fn with(elements: &str) -> String {
    format!("<body xmlns='http://jabber.org/protocol/httpbind'>{elements}</body>")
}

impl Stage {
    /// Request 10 has opened a session, and has been answered.
    fn open(attributes: &str) -> Stage {
        let mut out = Vec::new();
        let asked = request(
            &format!("rid='10' to='localhost' xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0' {attributes}"),
            "",
        );
        let bosh = Bosh::open("s1".to_owned(), asked, 0, 0, &mut out);
        assert_eq!(
            out,
            [Output::Stream(HEADER.as_bytes().to_vec())],
            "nothing is answered yet"
        );
        let mut stage = Stage {
            bosh,
            now_ms: 0,
            http: 0,
        };
        let out = stage.hear(ITS);
        let first = answers(&out);
        assert_eq!(first.len(), 1);
        for part in [
            "sid=\"s1\"",
            "authid=\"x7\"",
            "inactivity=\"30\"",
            "requests=\"3\"",
            "<stream:features ",
        ] {
            assert!(first[0].1.contains(part), "{part} in {}", first[0].1);
        }
        stage
    }

    fn usual() -> Stage {
        Stage::open("hold='1' wait='60'")
    }

    /// The client posts; requests are named 1, 2, 3...
    fn post(&mut self, rid: u64, attributes: &str, payload: &str) -> Vec<Output> {
        let mut out = Vec::new();
        self.http += 1;
        let asked = request(&format!("rid='{rid}' sid='s1' {attributes}"), payload);
        self.bosh.on_request(asked, self.http, self.now_ms, &mut out);
        out
    }

    /// The stream says something.
    fn hear(&mut self, text: &str) -> Vec<Output> {
        let mut out = Vec::new();
        self.bosh.on_stream(text.as_bytes(), self.now_ms, &mut out);
        out
    }

    fn wait(&mut self, ms: u64) -> Vec<Output> {
        let mut out = Vec::new();
        self.now_ms += ms;
        self.bosh.on_tick(self.now_ms, &mut out);
        out
    }
}

#[test]
fn a_request_waits_for_what_the_stream_has_to_say() {
    let mut stage = Stage::usual();
    assert_eq!(
        stage.post(11, "", "<presence xmlns='jabber:client'/>"),
        [Output::Stream(b"<presence xmlns='jabber:client'/>".to_vec())]
    );
    let out = stage.hear("<message id='1'><body>a</body></message>");
    assert_eq!(
        answers(&out),
        [(
            1,
            with("<message xmlns='jabber:client' id='1'><body>a</body></message>")
        )]
    );
    assert_eq!(stage.hear("<iq/>"), [], "nobody waits");
    let out = stage.post(12, "", "");
    assert_eq!(
        answers(&out),
        [(2, with("<iq xmlns='jabber:client'/>"))],
        "it had been kept"
    );
}

#[test]
fn one_request_waits_at_a_time_and_not_for_ever() {
    let mut stage = Stage::usual();
    assert_eq!(stage.post(11, "", ""), []);
    assert_eq!(answers(&stage.post(12, "", "")), [(1, EMPTY.to_owned())]);
    assert_eq!(stage.wait(WAIT_S_MAX * 1_000 - 1), []);
    assert_eq!(answers(&stage.wait(1)), [(2, EMPTY.to_owned())]);
}

#[test]
fn requests_are_acted_upon_in_order_whenever_they_come() {
    let mut stage = Stage::usual();
    assert_eq!(stage.post(12, "", "<b xmlns='x'/>"), [], "it waits for the one before");
    let out = stage.post(11, "", "<a xmlns='x'/>");
    assert_eq!(stream(&out), "<a xmlns='x'/><b xmlns='x'/>");
    assert_eq!(answers(&out), [(2, EMPTY.to_owned())], "number 11 came second");
}

#[test]
fn a_lost_answer_is_given_again() {
    let mut stage = Stage::usual();
    stage.post(11, "", "<a xmlns='x'/>");
    let told = answers(&stage.hear("<iq/>"));
    let out = stage.post(11, "", "<a xmlns='x'/>");
    assert_eq!(answers(&out), [(2, told[0].1.clone())]);
    assert_eq!(stream(&out), "", "it is not acted upon twice");
    stage.post(12, "", "");
    let out = stage.post(12, "", "");
    assert_eq!(answers(&out), [(3, EMPTY.to_owned())], "the first of the two is let go");
    assert_eq!(
        answers(&stage.hear("<iq/>")).len(),
        1,
        "the second one waits in its place"
    );
}

#[test]
fn a_number_that_cannot_be_ends_the_session() {
    for rid in [1, 14, 9_007_199_254_740_991] {
        let mut stage = Stage::usual();
        stage.post(11, "", "");
        let out = stage.post(rid, "", "");
        let expected = if rid == 14 {
            vec![]
        } else {
            vec![(2, ended("item-not-found")), (1, ended("item-not-found"))]
        };
        assert_eq!(answers(&out), expected, "{rid}");
        assert_eq!(stage.bosh.is_over(), rid != 14);
    }
    let mut stage = Stage::usual();
    assert_eq!(
        answers(&stage.post(14, "", "")),
        [(1, ended("item-not-found"))],
        "beyond the window"
    );
    let out = stage.post(11, "", "");
    assert_eq!(answers(&out), [(2, ended("item-not-found"))], "it is over");
}

#[test]
fn a_client_that_lets_no_request_wait_has_left() {
    let mut stage = Stage::usual();
    assert_eq!(stage.wait(INACTIVITY_MS - 1), []);
    assert_eq!(stage.post(11, "", ""), []);
    assert_eq!(stage.wait(INACTIVITY_MS), [], "a request waits");
    stage.hear("<iq/>");
    assert_eq!(
        stage.wait(INACTIVITY_MS),
        [Output::Close],
        "its stream is not closed: it may be resumed"
    );
}

/// Found by fuzzing: a request that came before its time was left without an answer when its client had left.
#[test]
fn who_has_left_is_told_so_by_the_request_that_came_too_early() {
    let mut stage = Stage::usual();
    assert_eq!(stage.post(12, "", ""), [], "it waits for the one before");
    let out = stage.wait(INACTIVITY_MS);
    let [Output::Answer { http: 1, body }, Output::Close] = &out[..] else {
        panic!("{out:?}")
    };
    assert!(String::from_utf8(body.to_vec()).unwrap().contains("terminate"));
}

#[test]
fn a_client_may_say_that_it_will_be_away() {
    let mut stage = Stage::usual();
    assert_eq!(answers(&stage.post(11, "pause='60'", "")), [(1, EMPTY.to_owned())]);
    assert_eq!(stage.wait(59_999), []);
    assert_eq!(stage.wait(1), [Output::Close]);
    let mut stage = Stage::usual();
    stage.post(11, "pause='999999'", "");
    assert_eq!(stage.wait(120_000), [Output::Close], "not for ever");
}

#[test]
fn a_client_leaves() {
    let mut stage = Stage::usual();
    stage.post(11, "", "");
    let out = stage.post(
        12,
        "type='terminate'",
        "<presence xmlns='jabber:client' type='unavailable'/>",
    );
    assert_eq!(
        stream(&out),
        "<presence xmlns='jabber:client' type='unavailable'/></stream:stream>"
    );
    let last = "<body xmlns='http://jabber.org/protocol/httpbind' type=\"terminate\"/>".to_owned();
    assert_eq!(answers(&out), [(1, last.clone()), (2, last)]);
    assert_eq!(out.last(), Some(&Output::Close));
}

#[test]
fn a_stream_that_ends_tells_why() {
    let mut stage = Stage::usual();
    stage.post(11, "", "");
    let out = stage.hear("<stream:error><conflict xmlns='e'/></stream:error></stream:stream>");
    let text = &answers(&out)[0].1;
    assert!(text.contains("condition=\"remote-stream-error\""), "{text}");
    assert!(text.contains("<conflict xmlns='e'/>"), "{text}");
    assert_eq!(out.last(), Some(&Output::Close));
    let mut stage = Stage::usual();
    stage.post(11, "", "");
    let mut out = Vec::new();
    stage.bosh.on_stream_end(&mut out);
    assert_eq!(answers(&out), [(1, ended("remote-connection-failed"))]);
}

#[test]
fn a_restart_is_a_new_header() {
    let mut stage = Stage::usual();
    let out = stage.post(11, "xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='true'", "");
    assert_eq!(stream(&out), HEADER);
    let told = answers(&stage.hear(ITS));
    assert_eq!(
        told,
        [(
            1,
            with("<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>")
        )]
    );
}

#[test]
fn who_polls_or_posts_too_often_is_let_go() {
    let mut stage = Stage::open("hold='0' wait='0'");
    assert_eq!(answers(&stage.post(11, "", "")), [(1, EMPTY.to_owned())]);
    stage.wait(1_999);
    assert_eq!(answers(&stage.post(12, "", "")), [(2, ended("policy-violation"))]);
    let mut stage = Stage::usual();
    for rid in 0..u64::from(REQUESTS_PER_S_MAX) {
        stage.post(11 + rid, "", "<a xmlns='x'/>");
        assert!(!stage.bosh.is_over());
    }
    stage.post(11 + u64::from(REQUESTS_PER_S_MAX), "", "<a xmlns='x'/>");
    assert!(stage.bosh.is_over());
}

#[test]
fn a_session_with_keys_is_its_clients_alone() {
    // SHA-1 of "two" is the first key's proof, of "one" the second's.
    let (one, two) = (
        "fe05bcdcdc4928012781a5f1a2a77cbb5398e106",
        "ad782ecdac770fc6eb9a62e44f90873fb97fb26b",
    );
    let mut stage = Stage::open(&format!("hold='1' wait='60' newkey='{two}'"));
    assert_eq!(stage.post(11, &format!("key='two' newkey='{one}'"), ""), []);
    assert_eq!(answers(&stage.post(12, "key='one'", "")), [(1, EMPTY.to_owned())]);
    let out = stage.post(13, "key='one'", "<a xmlns='x'/>");
    assert_eq!(stream(&out), "", "the key has been used");
    assert!(stage.bosh.is_over());
}

#[test]
fn what_waits_for_a_client_is_bounded() {
    let mut stage = Stage::usual();
    let message = format!("<message><body>{}</body></message>", "x".repeat(1_000));
    let mut heard = 0;
    while stage.bosh.takes_more() {
        stage.hear(&message);
        heard += 1;
    }
    assert!(heard * message.len() < QUEUE_BYTES_MAX + 10 * message.len());
    stage.post(11, "", "");
    assert!(stage.bosh.takes_more(), "the client has it");
}

/// Found by fuzzing: before the stream had answered, each request waited, however many came.
#[test]
fn before_the_stream_is_open_no_more_requests_wait_than_the_window_holds() {
    let mut out = Vec::new();
    let mut bosh = Bosh::open(
        "s1".to_owned(),
        request("rid='10' to='localhost' wait='60' hold='1'", ""),
        0,
        0,
        &mut out,
    );
    out.clear();
    for (rid, http) in [(11, 1), (12, 2)] {
        bosh.on_request(
            request(&format!("rid='{rid}' sid='s1'"), "<presence xmlns='jabber:client'/>"),
            http,
            0,
            &mut out,
        );
    }
    assert_eq!(answers(&out), [], "three are under way");
    bosh.on_request(request("rid='13' sid='s1'", ""), 3, 0, &mut out);
    let answered: Vec<u64> = answers(&out).into_iter().map(|(http, _)| http).collect();
    assert_eq!(answered.len(), 4, "all of them: {answered:?}");
    assert!(
        answers(&out)
            .iter()
            .any(|(http, body)| *http == 3 && *body == ended("policy-violation"))
    );
    assert!(bosh.is_over());
}
