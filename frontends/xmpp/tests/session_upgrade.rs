//! Plays: accounts with keys of SHA-1 alone, and the task by which their clients complete them (XEP-0480).

mod session_support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_engine::scram::AccountKeys;
use crosspoint_engine::scram::keys::derive;
use crosspoint_engine::session::{Action, Event};
use crosspoint_xmpp::XmppConfig;
use hmac::{Hmac, Mac};
use session_support::*;
use sha1::{Digest, Sha1};

const FIRST: &str = "n=romeo,r=fyko+d2lbbFgONRv9qkxdawL";
const UPGRADE: &str = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>";
const NEXT: &str = "<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-256'/>";
/// A hash as the specification shows it; its password is not told.
const HASH: &str = "BzOnw3Pc5H4bOLlPZ/8JAy6wnTpH05aH21KW2+Xfpaw=";
const SALT: &str = "QV9TWENSWFE2c2VrOGJmX1o=";

fn whole() -> AccountKeys {
    derive("pencil", &STANDARD.decode(SALT).unwrap(), 4096).unwrap()
}

fn partial() -> AccountKeys {
    AccountKeys::of_hashed(&whole().hashed()[..1]).unwrap()
}

fn connected() -> Client {
    let mut client = Client::connect(DIRECT);
    client.send(HEADER);
    client.forget();
    client
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// Begins by SCRAM-SHA-1 against these keys, and proves the password.
fn proves(client: &mut Client, gs2: &str, binding: &[u8], keys: AccountKeys, wishes: &str) {
    let mechanism = if gs2.starts_with('p') {
        "SCRAM-SHA-1-PLUS"
    } else {
        "SCRAM-SHA-1"
    };
    let initial = STANDARD.encode(format!("{gs2}{FIRST}"));
    client.send(format!(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='{mechanism}'>{wishes}\
         <initial-response>{initial}</initial-response></authenticate>"
    ));
    assert_eq!(names(&client.asked()), ["FetchKeys"]);
    client.event(Event::Keys(keys));
    let said = client.said();
    let challenge = said.split(['<', '>']).nth(2).unwrap();
    let server_first = String::from_utf8(STANDARD.decode(challenge).unwrap()).unwrap();
    let nonce = server_first.split(',').next().unwrap();
    let header = STANDARD.encode([gs2.as_bytes(), binding].concat());
    let without_proof = format!("c={header},{nonce}");
    let mut salted = [0; 20];
    pbkdf2::pbkdf2_hmac::<Sha1>(b"pencil", &STANDARD.decode(SALT).unwrap(), 4096, &mut salted);
    let client_key = hmac(&salted, b"Client Key");
    let message = format!("{FIRST},{server_first},{without_proof}");
    let signature = hmac(&Sha1::digest(&client_key), message.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
    let last = STANDARD.encode(format!("{without_proof},p={}", STANDARD.encode(proof)));
    client.send(format!("<response xmlns='urn:xmpp:sasl:2'>{last}</response>"));
}

/// Up to the task.
fn tasked() -> Client {
    let mut client = connected();
    proves(&mut client, "n,,", b"", partial(), UPGRADE);
    let said = client.said();
    assert!(
        said.starts_with("<continue xmlns=\"urn:xmpp:sasl:2\"><additional-data>dj"),
        "{said}"
    );
    assert!(
        said.ends_with("</additional-data><tasks><task>UPGR-SCRAM-SHA-256</task></tasks></continue>"),
        "{said}"
    );
    assert!(client.asked().is_empty(), "nobody is authenticated yet");
    client
}

/// Up to the salt.
fn salted() -> Client {
    let mut client = tasked();
    client.send(NEXT);
    assert_eq!(
        client.said(),
        format!(
            "<task-data xmlns=\"urn:xmpp:sasl:2\"><salt xmlns=\"urn:xmpp:scram-upgrade:0\" iterations=\"4096\">\
             {SALT}</salt></task-data>"
        )
    );
    client
}

fn task_data(inner: &str) -> String {
    format!("<task-data xmlns='urn:xmpp:sasl:2'>{inner}</task-data>")
}

fn hash(text: &str) -> String {
    task_data(&format!("<hash xmlns='urn:xmpp:scram-upgrade:0'>{text}</hash>"))
}

fn failure(condition: &str) -> String {
    format!("<failure xmlns='urn:xmpp:sasl:2'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>")
}

#[test]
fn the_task_is_on_offer_where_sasl2_is() {
    for (listener, offered) in [(DIRECT, true), (OPTIONAL, false)] {
        let mut client = Client::connect(listener);
        client.send(HEADER);
        let said = client.said();
        let upgrade =
            "</inline><upgrade xmlns=\"urn:xmpp:sasl:upgrade:0\">UPGR-SCRAM-SHA-256</upgrade></authentication>";
        assert_eq!(said.contains(upgrade), offered, "{said}");
    }
}

#[test]
fn romeos_client_completes_his_keys_and_is_in_when_they_are_durable() {
    let mut client = salted();
    let derived = STANDARD.encode(partial().missing("pencil").unwrap());
    client.send(hash(&format!("\n    {derived}\n  ")));
    let asked = client.asked();
    let [Action::CompleteKeys { account, salted }] = &asked[..] else {
        panic!("{:?}", names(&asked))
    };
    assert_eq!(account.as_str(), "romeo@montague.lit");
    assert_eq!(partial().completed(salted).encode(), whole().encode());
    client.send("<presence/>");
    assert_eq!((client.said().as_str(), client.asked().len()), ("", 0));
    client.event(Event::KeysCompleted);
    assert_eq!(names(&client.asked()), ["Authenticated"]);
    client.event(Event::Homed);
    let said = client.said();
    assert!(
        said.starts_with(
            "<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>romeo@montague.lit</authorization-identifier>\
             </success><stream:features>"
        ),
        "the signature was in the task: {said}"
    );
}

#[test]
fn whoever_does_not_ask_or_lacks_nothing_is_in_at_once() {
    let unknown = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-BLOOP2</upgrade>";
    for (keys, wishes) in [(partial(), ""), (partial(), unknown), (whole(), UPGRADE)] {
        let mut client = connected();
        proves(&mut client, "n,,", b"", keys, wishes);
        assert_eq!(names(&client.asked()), ["Authenticated"]);
        client.event(Event::Homed);
        assert!(
            client
                .said()
                .starts_with("<success xmlns='urn:xmpp:sasl:2'><additional-data>dj")
        );
    }
    let mut client = connected();
    proves(&mut client, "p=tls-exporter,,", &[7; 32], partial(), "");
    assert_eq!(names(&client.asked()), ["Authenticated"], "with channel binding, too");
}

#[test]
fn a_task_that_is_not_set_is_not_taken_up() {
    for wrong in [
        "<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-512'/>",
        "<next xmlns='urn:xmpp:sasl:2'/>",
        &hash(HASH),
        "<response xmlns='urn:xmpp:sasl:2'>biws</response>",
    ] {
        let mut client = tasked();
        client.send(wrong);
        assert_eq!(client.said(), failure("malformed-request"), "{wrong}");
        assert_eq!(names(&client.asked()), ["AuthFailed"], "{wrong}");
        client.send(NEXT);
        assert_eq!(client.ended_with(), "unsupported-stanza-type", "the task is gone");
    }
    for early in [NEXT, &hash(HASH)] {
        let mut client = connected();
        client.send(early);
        assert_eq!(client.ended_with(), "unsupported-stanza-type", "{early}");
    }
}

#[test]
fn a_hash_that_is_none_changes_nothing_and_lets_nobody_in() {
    for (wrong, condition) in [
        (task_data(""), "malformed-request"),
        (task_data("<hash xmlns='urn:x'>QUFB</hash>"), "malformed-request"),
        (hash(""), "malformed-request"),
        (hash("QUFB"), "malformed-request"),
        (hash("!"), "incorrect-encoding"),
        (NEXT.to_owned(), "malformed-request"),
    ] {
        let mut client = salted();
        client.send(&wrong);
        assert_eq!(client.said(), failure(condition), "{wrong}");
        assert_eq!(names(&client.asked()), ["AuthFailed"], "{wrong}");
    }
}

#[test]
fn the_task_can_be_given_up_and_the_client_tries_again() {
    for mut client in [tasked(), salted()] {
        client.send("<abort xmlns='urn:xmpp:sasl:2'/>");
        assert_eq!(client.said(), failure("aborted"));
        assert_eq!(names(&client.asked()), ["AuthFailed"]);
        proves(&mut client, "n,,", b"", partial(), "");
        assert_eq!(names(&client.asked()), ["Authenticated"]);
    }
    let mut client = salted();
    client.send("<presence/>");
    assert_eq!(client.ended_with(), "policy-violation", "nothing else may be said");
}

#[test]
fn keys_that_cannot_be_written_let_nobody_in() {
    let mut client = salted();
    client.send(hash(HASH));
    client.asked();
    client.event(Event::AuthUnavailable { throttled: false });
    assert_eq!(client.said(), failure("temporary-auth-failure"));
    client.event(Event::KeysCompleted);
    assert_eq!(
        (
            client.said().as_str(),
            names(&client.asked()).contains(&"Authenticated")
        ),
        ("", false)
    );
}

#[test]
fn sha256_can_be_left_out_while_there_are_such_accounts() {
    let config = XmppConfig {
        offer_sha256: false,
        ..config()
    };
    let mut client = Client::connect_with(config, DIRECT, Some(facts()));
    client.send(HEADER);
    let said = client.said();
    assert!(!said.contains("<mechanism>SCRAM-SHA-256"), "{said}");
    assert!(
        said.contains("<mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-1</mechanism>"),
        "{said}"
    );
    client.send("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'/>");
    assert_eq!(client.said(), failure("invalid-mechanism"));
    assert_eq!(names(&client.asked()), ["AuthFailed"]);
    proves(&mut client, "n,,", b"", partial(), UPGRADE);
    assert!(client.said().starts_with("<continue "));
}
