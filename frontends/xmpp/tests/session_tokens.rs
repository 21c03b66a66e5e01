//! Plays: tokens that log in (XEP-0484), and the one round trip in which a client is back.

mod session_support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_engine::session::{Action, Event};
use crosspoint_engine::tokens::{Mechanism, NewToken, Shown, Verdict};
use crosspoint_xmpp::XmppConfig;
use crosspoint_xmpp::limits::Limits;
use session_support::*;

const NS: &str = "urn:xmpp:sasl:2";
const CLIENT: u128 = 0xd4565fa7_4d72_4749_b3d3_740edbf87770;
const AGENT: &str = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/>";
const FAST: &str = "<fast xmlns='urn:xmpp:fast:0'/>";
const MESSAGE: &str = "romeo\0PROOF-PROOF-PROOF-PROOF-PROOF-12";
const DAY: u64 = 86_400_000;

fn authenticate(mechanism: &str, initial: &str, wishes: &str) -> String {
    let initial = STANDARD.encode(initial);
    format!(
        "<authenticate xmlns='{NS}' mechanism='{mechanism}'><initial-response>{initial}</initial-response>{wishes}</authenticate>"
    )
}

fn failure(condition: &str) -> String {
    format!("<failure xmlns='{NS}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>")
}

fn connected(listener: usize) -> (Client, String) {
    let mut client = Client::connect(listener);
    client.send(HEADER);
    let said = client.said();
    client.forget();
    (client, said)
}

/// By password, wanting a token; up to the home.
fn wanting(mechanism: &str, wishes: &str) -> Client {
    let (mut client, _) = connected(DIRECT);
    let request = format!("<request-token xmlns='urn:xmpp:fast:0' mechanism='{mechanism}'/>{wishes}");
    client.send(authenticate("PLAIN", "\0romeo\0pw", &request));
    client.event(Event::PasswordChecked(true));
    client.event(Event::Homed);
    let asked = client.asked();
    assert_eq!(names(&asked)[..2], ["CheckPassword", "Authenticated"]);
    assert!(asked.len() <= 3, "{:?}", names(&asked));
    if let Some(action) = asked.into_iter().nth(2) {
        keep(&mut client, &action);
    }
    client
}

/// Answers what was asked of the shard, as the shard does.
fn keep(client: &mut Client, action: &Action) {
    match action {
        Action::IssueToken {
            client: owner,
            mechanism,
            lifetime_ms,
        } => {
            assert_eq!(
                (*owner, *mechanism, *lifetime_ms),
                (CLIENT, Mechanism::Exporter, 21 * DAY)
            );
            client.event(Event::TokenIssued(Some(Box::new(NewToken {
                text: "fresh".to_owned(),
                expires_unix_ms: 1_700_000_000_000,
            }))));
        }
        other => panic!("{}", name(other)),
    }
}

const TOKEN: &str = "<token xmlns=\"urn:xmpp:fast:0\" expiry=\"2023-11-14T22:13:20.000Z\" token=\"fresh\"/>";

/// Shows a token; gives what the shard is asked about it.
fn show(client: &mut Client, mechanism: &str, wishes: &str) -> Box<Shown> {
    client.send(authenticate(mechanism, MESSAGE, wishes));
    match client.asked().into_iter().next() {
        Some(Action::CheckToken(shown)) => shown,
        _ => panic!("no token is checked: {}", client.said()),
    }
}

fn good(made_unix_ms: u64) -> Event {
    let answer = [6; 32];
    Event::TokenChecked(Verdict::Good { answer, made_unix_ms })
}

#[test]
fn tokens_are_on_offer_by_the_bindings_that_there_are() {
    let all = "<fast xmlns=\"urn:xmpp:fast:0\"><mechanism>HT-SHA-256-EXPR</mechanism>\
               <mechanism>HT-SHA-256-ENDP</mechanism><mechanism>HT-SHA-256-NONE</mechanism></fast></inline>";
    assert!(connected(DIRECT).1.contains(all));
    let unbound = "<fast xmlns=\"urn:xmpp:fast:0\"><mechanism>HT-SHA-256-NONE</mechanism></fast></inline>";
    assert!(connected(PROXIED).1.contains(unbound));
    let none = XmppConfig {
        limits: Limits {
            token_seconds: 0,
            ..Limits::DEFAULT
        },
        ..config()
    };
    let mut client = Client::connect_with(none, DIRECT, Some(facts()));
    client.send(HEADER);
    assert!(!client.said().contains("urn:xmpp:fast:0"));
    client.forget();
    client.send(authenticate("HT-SHA-256-NONE", MESSAGE, &format!("{AGENT}{FAST}")));
    assert_eq!(client.said(), failure("invalid-mechanism"));
}

#[test]
fn who_asks_for_a_token_gets_it_with_his_success() {
    let mut client = wanting("HT-SHA-256-EXPR", AGENT);
    let said = client.said();
    assert!(
        said.contains(&format!(
            "</authorization-identifier>{TOKEN}</success><stream:features>"
        )),
        "{said}"
    );
    let bind = format!("{AGENT}<bind xmlns='urn:xmpp:bind:0'/>");
    let mut client = wanting("HT-SHA-256-EXPR", &bind);
    assert_eq!(names(&client.asked()), ["Bind"], "the token is made first");
    client.event(Event::Bound {
        address: jid(ROMEO),
        epoch: 1,
    });
    let said = client.said();
    assert!(
        said.contains(&format!("<bound xmlns='urn:xmpp:bind:0'/>{TOKEN}</success>")),
        "{said}"
    );
}

#[test]
fn nobody_gets_a_token_who_does_not_say_for_what_and_for_which_installation() {
    for (mechanism, wishes) in [
        ("HT-SHA-256-EXPR", ""),
        ("HT-SHA-256-UNIQ", AGENT),
        ("HT-SHA-512-EXPR", AGENT),
        ("PLAIN", AGENT),
    ] {
        let mut client = wanting(mechanism, wishes);
        let said = client.said();
        assert!(
            said.contains("</authorization-identifier></success>"),
            "{mechanism}: {said}"
        );
    }
    let (mut client, _) = connected(DIRECT);
    let request = format!("{AGENT}<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/>");
    client.send(authenticate("PLAIN", "\0romeo\0wrong", &request));
    client.event(Event::PasswordChecked(false));
    assert_eq!(
        names(&client.asked()),
        ["CheckPassword", "AuthFailed"],
        "nor whoever is not let in"
    );
}

#[test]
fn a_token_that_cannot_be_made_is_no_reason_not_to_let_him_in() {
    let (mut client, _) = connected(DIRECT);
    let request = format!("{AGENT}<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>");
    client.send(authenticate("PLAIN", "\0romeo\0pw", &request));
    client.event(Event::PasswordChecked(true));
    client.event(Event::Homed);
    client.event(Event::TokenIssued(None));
    assert!(
        client
            .said()
            .contains("</authorization-identifier></success><stream:features>")
    );
}

#[test]
fn a_token_opens_the_account_over_what_it_is_bound_to() {
    let cases: [(&str, Mechanism, &[u8]); 3] = [
        ("HT-SHA-256-EXPR", Mechanism::Exporter, &[7; 32]),
        ("HT-SHA-256-ENDP", Mechanism::EndPoint, &[9; 32]),
        ("HT-SHA-256-NONE", Mechanism::Unbound, b""),
    ];
    for (name, mechanism, binding) in cases {
        let (mut client, _) = connected(DIRECT);
        let shown = show(
            &mut client,
            name,
            &format!("{AGENT}<fast xmlns='urn:xmpp:fast:0' count='12'/>"),
        );
        assert_eq!(shown.owner.account.as_str(), "romeo@montague.lit");
        assert_eq!((shown.owner.client, shown.mechanism), (CLIENT, mechanism));
        assert_eq!(
            (&shown.binding[..], &shown.proof[..]),
            (binding, &MESSAGE.as_bytes()[6..])
        );
        assert_eq!((shown.count, shown.invalidate), (Some(12), false));
        client.event(good(client.now.unix_ms));
        assert_eq!(names(&client.asked()), ["Authenticated"]);
        client.event(Event::Homed);
        assert!(client.asked().is_empty(), "a young token is not renewed");
        let answer = STANDARD.encode([6; 32]);
        let said = client.said();
        assert!(
            said.starts_with(&format!("<success xmlns='{NS}'><additional-data>{answer}<")),
            "{said}"
        );
        assert!(!said.contains("<token"), "{said}");
    }
}

#[test]
fn an_old_token_is_renewed_when_it_is_used_unless_it_is_for_the_last_time() {
    for (fast, age, renewed) in [
        ("<fast xmlns='urn:xmpp:fast:0'/>", DAY - 1, false),
        ("<fast xmlns='urn:xmpp:fast:0'/>", DAY, true),
        ("<fast xmlns='urn:xmpp:fast:0' invalidate='false'/>", DAY, true),
        ("<fast xmlns='urn:xmpp:fast:0' invalidate='1'/>", DAY, false),
        ("<fast xmlns='urn:xmpp:fast:0' invalidate='true'/>", 20 * DAY, false),
    ] {
        let (mut client, _) = connected(DIRECT);
        let shown = show(&mut client, "HT-SHA-256-EXPR", &format!("{AGENT}{fast}"));
        assert_eq!(shown.invalidate, fast.contains("'1'") || fast.contains("'true'"));
        client.event(good(client.now.unix_ms - age));
        client.event(Event::Homed);
        let asked = client.asked();
        assert_eq!(names(&asked).contains(&"IssueToken"), renewed, "{fast} {age}");
        if renewed {
            keep(&mut client, &asked[1]);
            assert!(client.said().contains(TOKEN));
        }
    }
}

#[test]
fn who_invalidates_may_ask_for_another_in_the_same_breath() {
    let (mut client, _) = connected(DIRECT);
    let wishes = format!(
        "{AGENT}<fast xmlns='urn:xmpp:fast:0' invalidate='1'/>\
         <request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/>"
    );
    show(&mut client, "HT-SHA-256-EXPR", &wishes);
    client.event(good(client.now.unix_ms));
    client.event(Event::Homed);
    assert_eq!(names(&client.asked()), ["Authenticated", "IssueToken"]);
}

#[test]
fn a_token_that_is_not_good_opens_nothing() {
    for (event, condition, counted) in [
        (Event::TokenChecked(Verdict::Wrong), "not-authorized", true),
        (Event::TokenChecked(Verdict::Expired), "credentials-expired", true),
        (
            Event::AuthUnavailable { throttled: false },
            "temporary-auth-failure",
            false,
        ),
    ] {
        let (mut client, _) = connected(DIRECT);
        show(&mut client, "HT-SHA-256-EXPR", &format!("{AGENT}{FAST}"));
        client.event(event);
        assert_eq!(client.said(), failure(condition));
        assert_eq!(names(&client.asked()).contains(&"AuthFailed"), counted, "{condition}");
        client.send(authenticate("PLAIN", "\0romeo\0pw", ""));
        assert_eq!(
            names(&client.asked()),
            ["CheckPassword"],
            "he falls back to his password"
        );
    }
}

#[test]
fn a_verdict_that_nobody_waits_for_changes_nothing() {
    let (mut client, _) = connected(DIRECT);
    client.event(good(0));
    assert!(client.asked().is_empty() && client.said().is_empty());
}

#[test]
fn every_wrong_way_of_showing_one_has_its_condition() {
    let good = format!("{AGENT}{FAST}");
    let long = format!("{}\0{}", "r".repeat(1024), "p".repeat(32));
    let table = [
        (authenticate("HT-SHA-256-EXPR", MESSAGE, AGENT), "malformed-request"),
        (authenticate("HT-SHA-256-EXPR", MESSAGE, FAST), "malformed-request"),
        (authenticate("HT-SHA-256-UNIQ", MESSAGE, &good), "invalid-mechanism"),
        (authenticate("HT-SHA-256-EXPR", "romeo", &good), "malformed-request"),
        (
            authenticate("HT-SHA-256-EXPR", "romeo\0short", &good),
            "malformed-request",
        ),
        (authenticate("HT-SHA-256-EXPR", &long, &good), "malformed-request"),
        (
            authenticate("HT-SHA-256-EXPR", &MESSAGE.replace("romeo", "ro meo"), &good),
            "not-authorized",
        ),
        (
            authenticate(
                "HT-SHA-256-EXPR",
                MESSAGE,
                &format!("{AGENT}<fast xmlns='urn:xmpp:fast:0' count='x'/>"),
            ),
            "malformed-request",
        ),
        (
            authenticate(
                "HT-SHA-256-EXPR",
                MESSAGE,
                &format!("{AGENT}<fast xmlns='urn:xmpp:fast:0' count='-1'/>"),
            ),
            "malformed-request",
        ),
        (
            format!("<authenticate xmlns='{NS}' mechanism='HT-SHA-256-EXPR'>{good}</authenticate>"),
            "malformed-request",
        ),
        (
            format!(
                "<authenticate xmlns='{NS}' mechanism='HT-SHA-256-EXPR'><initial-response>*</initial-response>{good}</authenticate>"
            ),
            "incorrect-encoding",
        ),
        (
            format!(
                "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='HT-SHA-256-EXPR'>{}</auth>",
                STANDARD.encode(MESSAGE)
            ),
            "invalid-mechanism",
        ),
    ];
    for (request, condition) in table {
        let (mut client, _) = connected(DIRECT);
        client.send(&request);
        let said = client.said();
        assert!(said.contains(&format!("<{condition}")), "{request}: {said}");
        assert_eq!(names(&client.asked()), ["AuthFailed"], "{request}");
    }
    let (mut client, _) = connected(PROXIED);
    client.send(authenticate("HT-SHA-256-EXPR", MESSAGE, &good));
    assert_eq!(
        client.said(),
        failure("invalid-mechanism"),
        "there is nothing to bind to"
    );
}

/// What a phone does each time it finds a network: everything in one write, and everything that it needs in one answer.
#[test]
fn a_client_is_back_within_one_round_trip() {
    let (mut first, token) = asleep();
    let mut second = Client::connect(DIRECT);
    let everything = format!(
        "{HEADER}{}",
        authenticate(
            "HT-SHA-256-EXPR",
            MESSAGE,
            &format!("{AGENT}{FAST}<resume xmlns='urn:xmpp:sm:3' previd='{token}' h='0'/>")
        )
    );
    let mut writes = 0;
    second.send(everything);
    writes += 1;
    assert!(
        matches!(second.asked()[..], [Action::CheckToken(_)]),
        "without another word of the client"
    );
    second.event(good(second.now.unix_ms));
    second.event(Event::Homed);
    assert!(matches!(
        second.asked()[..],
        [Action::Authenticated { .. }, Action::Resume { .. }]
    ));
    second.event(Event::Resumed {
        old: first.session.take().unwrap(),
        address: jid(ROMEO),
    });
    let said = second.said();
    assert!(
        said.contains("<resumed ") && said.contains("</success><stream:features>"),
        "{said}"
    );
    second.send("<message to='juliet@montague.lit'><body>I am back</body></message>");
    assert_eq!(second.routed().len(), 1, "stanzas flow");
    assert_eq!(writes, 1, "round trips before that");
}

/// A managed session of Romeo's that has lost its transport, and its token.
fn asleep() -> (Client, String) {
    let (mut first, _) = connected(DIRECT);
    let wishes = "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>";
    first.send(authenticate("PLAIN", "\0romeo\0pw", wishes));
    first.event(Event::PasswordChecked(true));
    first.event(Event::Homed);
    first.event(Event::Bound {
        address: jid(ROMEO),
        epoch: 1,
    });
    let said = first.said();
    first.event(Event::Lost);
    first.forget();
    let token = said.split_once("<enabled ").unwrap().1;
    let token = token
        .split_once(" id=\"")
        .unwrap()
        .1
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    (first, token)
}
