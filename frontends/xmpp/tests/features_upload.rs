//! Asking for a place for a file (XEP-0363), with a store that says what it was asked.

mod features_support;

use std::sync::{Arc, Mutex};

use crosspoint_engine::envelope::{Codec, Content, Envelope, Kind, QueryKind};
use crosspoint_xmpp::features::upload::{PlaceRefusal, PlaceRequest, Places, SharedUploads, Uploads};
use crosspoint_xmpp::features::{FeatureConfig, Features};
use features_support::{FakeHost, jid};

const BYTES_MAX: u64 = 1_000;

/// A store that has place for whatever is not refused by its name.
#[derive(Default)]
struct Store(Mutex<Vec<String>>);

impl Uploads for Store {
    fn file_bytes_max(&self) -> u64 {
        BYTES_MAX
    }

    fn place(&self, asked: &PlaceRequest<'_>) -> Result<Places, PlaceRefusal> {
        self.0.lock().unwrap().push(format!("{asked:?}"));
        match asked.name {
            "large" => Err(PlaceRefusal::TooLarge(BYTES_MAX)),
            "full" => Err(PlaceRefusal::Full { until_ms: 86_400_000 }),
            ".." => Err(PlaceRefusal::Name),
            _ => Ok(Places {
                put: "https://a/p?x=1&y=2".to_owned(),
                get: "https://a/g".to_owned(),
            }),
        }
    }

    fn forget(&self, owner: &str) {
        self.0.lock().unwrap().push(format!("forget {owner}"));
    }
}

struct Stage {
    store: Arc<Store>,
    features: Features,
    host: FakeHost,
}

impl Stage {
    fn new() -> Stage {
        let store = Arc::new(Store::default());
        let config = FeatureConfig {
            uploads: Some(SharedUploads(store.clone())),
            ..FeatureConfig::default()
        };
        Stage {
            store,
            features: Features::new(&config),
            host: FakeHost::new(),
        }
    }

    /// The answer's kind, condition, and content.
    fn ask(&mut self, from: &str, to: &str, payload: &str) -> String {
        let query = Envelope {
            id: "i".into(),
            content: Content {
                codec: Codec::Xmpp,
                head: Default::default(),
                body: payload.to_owned().into(),
            },
            ..Envelope::neutral(jid(from), jid(to), Kind::Query(QueryKind::Get))
        };
        self.features.on_query(query, &mut self.host);
        let answer = self.host.sent.pop().expect("every query is answered");
        let body = String::from_utf8(answer.content.body.to_vec()).unwrap();
        match (answer.kind, answer.error) {
            (Kind::Query(QueryKind::Error), Some(condition)) => format!("error {condition:?}"),
            (Kind::Query(QueryKind::Error), None) => format!("error {body}"),
            _ => body,
        }
    }

    fn place(&mut self, attributes: &str, children: &str) -> String {
        let payload = format!("<request xmlns='urn:xmpp:http:upload:0' {attributes}>{children}</request>");
        self.ask("juliet@capulet.example/balcony", "capulet.example", &payload)
    }
}

#[test]
fn a_place_is_told_as_it_was_given() {
    let mut stage = Stage::new();
    assert_eq!(
        stage.place("filename='a b.png' size='7' content-type='image/png'", ""),
        "<slot xmlns=\"urn:xmpp:http:upload:0\"><put url=\"https://a/p?x=1&amp;y=2\"/><get url=\"https://a/g\"/></slot>"
    );
    let asked = stage.store.0.lock().unwrap().pop().unwrap();
    for part in [
        "owner: \"juliet@capulet.example\"",
        "name: \"a b.png\"",
        "bytes: 7",
        "media: Some(\"image/png\")",
        "now_ms: 1166551115250",
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    let purpose = "<message xmlns='urn:xmpp:http:upload:purpose:0'/>";
    assert!(stage.place("filename='a' size='7'", purpose).starts_with("<slot"));
}

#[test]
fn an_account_that_is_no_more_is_forgotten() {
    let mut stage = Stage::new();
    stage.features.on_account_removed(&jid("juliet@capulet.example"));
    assert_eq!(*stage.store.0.lock().unwrap(), ["forget juliet@capulet.example"]);
}

#[test]
fn refusals_say_what_would_be_taken() {
    let mut stage = Stage::new();
    assert_eq!(
        stage.place("filename='large' size='7'", ""),
        "error <error type=\"modify\"><not-acceptable xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/>\
         <file-too-large xmlns=\"urn:xmpp:http:upload:0\"><max-file-size>1000</max-file-size></file-too-large></error>"
    );
    assert_eq!(
        stage.place("filename='full' size='7'", ""),
        "error <error type=\"wait\"><resource-constraint xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/>\
         <retry xmlns=\"urn:xmpp:http:upload:0\" stamp=\"1970-01-02T00:00:00.000Z\"/></error>"
    );
    assert_eq!(stage.place("filename='..' size='7'", ""), "error BadRequest");
    assert_eq!(stage.place("size='7'", ""), "error BadRequest");
    assert_eq!(stage.place("filename='a' size='-7'", ""), "error BadRequest");
    let profile = "<profile xmlns='urn:xmpp:http:upload:purpose:0'/>";
    assert_eq!(
        stage.place("filename='a' size='7'", profile),
        "error FeatureNotImplemented"
    );
}

#[test]
fn only_users_of_the_domain_are_given_places() {
    let mut stage = Stage::new();
    let payload = "<request xmlns='urn:xmpp:http:upload:0' filename='a' size='7'/>";
    let stranger = stage.ask("romeo@montague.example/orchard", "capulet.example", payload);
    assert_eq!(stranger, "error Forbidden");
    assert!(stage.store.0.lock().unwrap().is_empty());
}

#[test]
fn the_domain_says_that_it_stores_files_and_how_large() {
    let mut stage = Stage::new();
    let payload = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    let info = stage.ask("juliet@capulet.example/balcony", "capulet.example", payload);
    for part in [
        "<identity category=\"store\" type=\"file\"/>",
        "<feature var=\"urn:xmpp:http:upload:0\"/>",
        "<field var=\"max-file-size\" type=\"text-single\"><value>1000</value></field>",
    ] {
        assert!(info.contains(part), "{part} in {info}");
    }
    let without = Features::new(&FeatureConfig::default());
    assert!(!without.domain_features().contains(&"urn:xmpp:http:upload:0"));
}
