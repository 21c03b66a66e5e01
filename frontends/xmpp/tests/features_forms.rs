//! One thing under several specifications' names: bookmarks, avatars, cards, and how far was read.

mod features_support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crosspoint_engine::envelope::Condition;
use features_support::{Stage, jid};
use sha1::Digest as _;

const JULIET: &str = "juliet@capulet.example/balcony";
const JULIETS: &str = "juliet@capulet.example";
const ROMEO: &str = "romeo@capulet.example/orchard";
const NATIVE: &str = "urn:xmpp:bookmarks:1";

fn own(stage: &mut Stage, kind: &str, payload: &str) -> String {
    stage.ask(JULIET, JULIETS, kind, payload)
}

fn publish(node: &str, id: &str, payload: &str, access: &str) -> String {
    format!(
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'><item id='{id}'>{payload}</item></publish>\
         <publish-options><x xmlns='jabber:x:data' type='submit'><field var='pubsub#access_model'><value>{access}</value>\
         </field></x></publish-options></pubsub>"
    )
}

fn items(stage: &mut Stage, node: &str) -> String {
    let items = format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/></pubsub>");
    own(stage, "get", &items)
}

/// The nodes that were told of, in order.
fn told(stage: &mut Stage) -> Vec<String> {
    let node = |event: &str| event.split("node=\"").nth(1)?.split('"').next().map(str::to_owned);
    stage.told().iter().filter_map(|(_, event)| node(event)).collect()
}

mod bookmarks {
    use super::*;

    const GET: &str = "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>";

    fn conference(nick: &str) -> String {
        format!("<conference xmlns='{NATIVE}' name='Play' autojoin='1'><nick>{nick}</nick></conference>")
    }

    fn set(conferences: &str) -> String {
        format!("<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>{conferences}</storage></query>")
    }

    #[test]
    fn a_native_bookmark_is_in_both_older_forms() {
        let mut stage = Stage::new();
        own(
            &mut stage,
            "set",
            &publish(NATIVE, "a@b", &conference("JC"), "whitelist"),
        );
        let storage = "<storage xmlns=\"storage:bookmarks\"><conference jid=\"a@b\" name=\"Play\" autojoin=\"true\">\
                       <nick>JC</nick></conference></storage>";
        assert_eq!(
            own(&mut stage, "get", GET),
            format!("result <query xmlns=\"jabber:iq:private\">{storage}</query>")
        );
        assert!(items(&mut stage, "storage:bookmarks").contains(storage));
        assert_eq!(told(&mut stage), [NATIVE, "storage:bookmarks"]);
        let retract = format!(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><retract node='{NATIVE}'><item id='a@b'/></retract></pubsub>"
        );
        assert_eq!(own(&mut stage, "set", &retract), "result");
        assert!(own(&mut stage, "get", GET).contains("<storage xmlns=\"storage:bookmarks\"/>"));
    }

    #[test]
    fn the_older_forms_become_native_bookmarks() {
        let mut stage = Stage::new();
        assert_eq!(
            own(
                &mut stage,
                "set",
                &set("<conference jid='a@b'><nick>JC</nick></conference>")
            ),
            "result"
        );
        let found = items(&mut stage, NATIVE);
        assert!(
            found.contains("<item id=\"a@b\"><conference xmlns=\"urn:xmpp:bookmarks:1\"><nick>JC</nick>"),
            "{found}"
        );
        assert_eq!(told(&mut stage), ["storage:bookmarks", NATIVE]);
        let one = "<storage xmlns='storage:bookmarks'><conference jid='c@d' name='New'/></storage>";
        own(
            &mut stage,
            "set",
            &publish("storage:bookmarks", "current", one, "whitelist"),
        );
        let found = items(&mut stage, NATIVE);
        assert!(found.contains("c@d") && !found.contains("a@b"), "{found}");
        stage.ask(
            ROMEO,
            JULIETS,
            "get",
            &format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{NATIVE}'/></pubsub>"),
        );
    }

    #[test]
    fn an_unchanged_set_changes_and_tells_nothing_natively() {
        let mut stage = Stage::new();
        let same = set("<conference jid='a@b'><nick>JC</nick></conference>");
        own(&mut stage, "set", &same);
        told(&mut stage);
        own(&mut stage, "set", &same);
        assert_eq!(told(&mut stage), ["storage:bookmarks"]);
    }

    /// A client that has moved to the native form may tidy up behind itself.
    #[test]
    fn deleting_the_older_form_forgets_no_room() {
        let mut stage = Stage::new();
        own(
            &mut stage,
            "set",
            &publish(NATIVE, "a@b", &conference("JC"), "whitelist"),
        );
        let delete =
            "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='storage:bookmarks'/></pubsub>";
        assert_eq!(own(&mut stage, "set", delete), "result");
        assert!(items(&mut stage, NATIVE).contains("a@b"));
    }

    /// What the answer says has happened in all forms.
    #[test]
    fn a_failure_in_the_other_form_is_told() {
        let mut stage = Stage::new();
        stage.send(
            JULIET,
            JULIETS,
            "set",
            "",
            &publish(NATIVE, "a@b", &conference("JC"), "whitelist"),
        );
        for _ in 0..6 {
            assert!(stage.host.settle_one(), "turn, look-up, write; two nodes, one's items");
        }
        stage.host.failure = Some(Condition::InternalServerError);
        stage.host.settle();
        assert_eq!(
            features_support::show(&stage.host.sent.remove(0)),
            "error InternalServerError"
        );
    }
}

mod avatars {
    use super::*;

    const DATA: &str = "urn:xmpp:avatar:data";
    const METADATA: &str = "urn:xmpp:avatar:metadata";
    const PICTURE: &[u8] = b"not really a picture";
    const GET: &str = "<vCard xmlns='vcard-temp'/>";

    fn hash(picture: &[u8]) -> String {
        sha1::Sha1::digest(picture)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn upload(stage: &mut Stage, id: &str, access: &str) {
        let data = format!("<data xmlns='{DATA}'>\n{}\n</data>", STANDARD.encode(PICTURE));
        let info = format!(
            "<metadata xmlns='{METADATA}'><info bytes='1' id='elsewhere' type='image/gif' url='http://x.org/a.gif'/>\
             <info bytes='20' id='{id}' type='image/png'/></metadata>"
        );
        assert!(own(stage, "set", &publish(DATA, id, &data, access)).starts_with("result"));
        assert!(own(stage, "set", &publish(METADATA, id, &info, access)).starts_with("result"));
    }

    fn badge(stage: &Stage) -> Option<String> {
        let badge: Option<&Bytes> = stage.host.badges.get(&jid(JULIETS));
        badge.map(|badge| String::from_utf8_lossy(badge).into_owned())
    }

    /// XEP-0398 section 3.1.
    #[test]
    fn a_published_avatar_is_the_vcards_photo_and_its_hash_is_shown() {
        let mut stage = Stage::new();
        own(&mut stage, "set", "<vCard xmlns='vcard-temp'><FN>Juliet</FN></vCard>");
        upload(&mut stage, &hash(PICTURE), "open");
        assert_eq!(
            stage.ask(ROMEO, JULIETS, "get", GET),
            format!(
                "result <vCard xmlns=\"vcard-temp\"><FN>Juliet</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>{}</BINVAL></PHOTO></vCard>",
                STANDARD.encode(PICTURE)
            )
        );
        assert_eq!(badge(&stage), Some(hash(PICTURE)));
        let none = publish(METADATA, "current", &format!("<metadata xmlns='{METADATA}'/>"), "open");
        own(&mut stage, "set", &none);
        assert!(!stage.ask(ROMEO, JULIETS, "get", GET).contains("PHOTO"));
        assert_eq!(badge(&stage), None);
    }

    /// Its name is what others believe about a picture; and a vCard is for everybody.
    #[test]
    fn a_picture_under_a_wrong_name_or_for_contacts_only_is_not_taken_over() {
        for (id, access) in [(hash(b"another"), "open"), (hash(PICTURE), "presence")] {
            let mut stage = Stage::new();
            upload(&mut stage, &id, access);
            assert_eq!(own(&mut stage, "get", GET), "error ItemNotFound", "{access}");
            assert_eq!(badge(&stage), None);
        }
    }

    /// XEP-0398 section 3.2.
    #[test]
    fn a_vcards_photo_is_published_for_everybody_once() {
        let mut stage = Stage::new();
        let card = format!(
            "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/gif</TYPE><BINVAL>{}</BINVAL></PHOTO></vCard>",
            STANDARD.encode(PICTURE)
        );
        assert_eq!(own(&mut stage, "set", &card), "result");
        let id = hash(PICTURE);
        assert!(items(&mut stage, DATA).contains(&format!(
            "<item id=\"{id}\"><data xmlns=\"{DATA}\">{}",
            STANDARD.encode(PICTURE)
        )));
        let metadata = format!("<info bytes=\"20\" id=\"{id}\" type=\"image/gif\"/>");
        assert!(items(&mut stage, METADATA).contains(&metadata));
        let open = format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{DATA}'/></pubsub>");
        assert!(
            stage.ask(ROMEO, JULIETS, "get", &open).starts_with("result"),
            "as the vCard is"
        );
        assert_eq!(badge(&stage), Some(id));
        assert_eq!(told(&mut stage), [DATA, METADATA]);
        own(&mut stage, "set", &card);
        assert_eq!(told(&mut stage), [""; 0], "the same photo again is no news");
        own(&mut stage, "set", "<vCard xmlns='vcard-temp'><FN>J</FN></vCard>");
        assert!(items(&mut stage, METADATA).contains(&format!("<metadata xmlns=\"{METADATA}\"/>")));
        assert_eq!(badge(&stage), None);
    }
}

mod cards {
    use super::*;

    #[test]
    fn a_vcard4_becomes_a_vcard_and_back_if_it_is_for_everybody() {
        let mut stage = Stage::new();
        let native = |name: &str| {
            format!("<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>{name}</text></fn></vcard>")
        };
        own(
            &mut stage,
            "set",
            &publish("urn:xmpp:vcard4", "1", &native("Juliet"), "open"),
        );
        let get = "<vCard xmlns='vcard-temp'/>";
        assert_eq!(
            stage.ask(ROMEO, JULIETS, "get", get),
            "result <vCard xmlns=\"vcard-temp\"><FN>Juliet</FN></vCard>"
        );
        own(&mut stage, "set", "<vCard xmlns='vcard-temp'><FN>Capulet</FN></vCard>");
        assert!(items(&mut stage, "urn:xmpp:vcard4").contains("<item id=\"1\"><vcard xmlns=\"urn:ietf:params:xml:ns:vcard-4.0\"><fn><text>Capulet</text></fn></vcard></item>"));

        let mut stage = Stage::new();
        own(
            &mut stage,
            "set",
            &publish("urn:xmpp:vcard4", "1", &native("Juliet"), "presence"),
        );
        assert_eq!(own(&mut stage, "get", get), "error ItemNotFound", "contacts only");
        own(&mut stage, "set", "<vCard xmlns='vcard-temp'><FN>Capulet</FN></vCard>");
        assert!(items(&mut stage, "urn:xmpp:vcard4").contains("Juliet"), "left as it is");
    }
}
