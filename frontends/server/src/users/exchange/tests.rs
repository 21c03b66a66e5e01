//! A folder is filled, exported, and imported into another one, which then says the same.

use std::fs;
use std::path::{Path, PathBuf};

use crosspoint_engine::accounts::{self, Account};
use crosspoint_engine::envelope::{Codec, Content, Envelope, Hints, Kind, MessageKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::roster::{Item, Roster, State, Subscription};
use crosspoint_engine::scram::HashedPassword;
use crosspoint_engine::scram::keys::{derive, verify_password};
use crosspoint_engine::service::{BookWrite, Table};
use crosspoint_engine::store;
use crosspoint_storage::seam::Disposition;

use crosspoint_xmpp::exchange;

use super::export::{MAIN, export};
use super::import::{Imported, Listener, import};
use super::vault::Vault;
use crate::config::Config;
use crate::home::Home;
use crate::testing::Scratch;

const ROUNDS: u32 = 4096;
const JULIET: &str = "juliet@capulet.example";

#[derive(Default)]
struct Notes {
    made: Vec<String>,
    refused: Vec<String>,
}

impl Listener for Notes {
    fn made(&mut self, user: &str) {
        self.made.push(user.to_owned());
    }

    fn refused(&mut self, what: &str, why: &str) {
        self.refused.push(format!("{what}: {why}"));
    }

    fn read(&mut self, _bytes: u64) {}
}

fn jid(text: &str) -> Jid {
    Jid::parse(text).unwrap()
}

fn vault(folder: &Path) -> Vault {
    let mut config = Config::default();
    config.archive.enabled = true;
    let home = Home::at(folder);
    home.create().unwrap();
    Vault::open(&home, &config).unwrap()
}

fn message(from: &str, to: &str, body: &str, stamp_ms: u64) -> Envelope {
    Envelope {
        id: "m1".into(),
        content: Content {
            codec: Codec::Xmpp,
            head: " xml:lang=\"en\"".into(),
            body: body.to_owned().into(),
        },
        hints: Hints::STORE.with(Hints::COPY),
        stamp_ms: Some(stamp_ms),
        ..Envelope::neutral(jid(from), jid(to), Kind::Message(MessageKind::Chat))
    }
}

/// Juliet, with some of everything, and Tybalt, who is disabled and has nothing.
fn fill(vault: &mut Vault) {
    let user = jid(JULIET);
    let account = |password, disabled| Account {
        keys: derive(password, &[3; 16], ROUNDS).unwrap(),
        created_unix_ms: 1_166_551_115_250,
        disabled,
    };
    let put = |table, key, value: &str| BookWrite::Put {
        table,
        key,
        value: value.to_owned().into(),
    };
    let romeo = Item {
        name: "R & \"J\"".to_owned(),
        groups: vec!["Friends".to_owned(), "<Lovers>".to_owned()],
        state: State::new(Subscription::Both, false, false, false).unwrap(),
        listed: true,
        ..Item::stranger(&jid("romeo@montague.example"))
    };
    let paris = Item {
        state: State::new(Subscription::None, false, true, false).unwrap(),
        ..Item::stranger(&jid("paris@verona.example"))
    };
    let item = |item: &Item| BookWrite::Put {
        table: Table::Roster,
        key: store::part_key(&user, item.jid.as_str()),
        value: item.encode(),
    };
    let rows = [
        accounts::creation(&user, &account("r0m30", false)),
        accounts::creation(&jid("tybalt@capulet.example"), &account("x", true)),
        BookWrite::Put {
            table: Table::Roster,
            key: store::user_prefix(&user),
            value: Roster::empty(7).header(),
        },
        item(&romeo),
        item(&paris),
        put(
            Table::Vcard,
            store::user_key(&user),
            "<vCard xmlns=\"vcard-temp\"><FN>J &amp; C</FN></vCard>",
        ),
        put(
            Table::Document,
            store::part_key(&user, "urn:prefs\0prefs"),
            "<prefs xmlns=\"urn:prefs\"><a b=\"1\"/></prefs>",
        ),
        put(Table::Document, store::part_key(&user, "\u{0}00"), ""),
        put(Table::Block, store::part_key(&user, "tybalt@x.example"), ""),
    ];
    assert!(vault.write(&rows).unwrap());
    let said = [
        message(
            "romeo@montague.example/o",
            JULIET,
            "<body>Call me but love &lt;3</body>",
            1_278_803_305_000,
        ),
        message(
            "juliet@capulet.example/b",
            "romeo@montague.example",
            "<body>What man art thou?</body>",
            1_278_803_372_000,
        ),
    ];
    let mut last = 0;
    for envelope in &said {
        let stamp = envelope.stamp_ms.unwrap();
        last = store::record_after(last, stamp);
        vault
            .append(&user, last, store::encode(envelope, stamp), Disposition::Archived)
            .unwrap();
    }
    let waits = message(
        "nurse@capulet.example/k",
        JULIET,
        "<body>Madam!</body><x xmlns=\"urn:x\"/>",
        1_278_803_400_000,
    );
    last = store::record_after(last, 1_278_803_400_000);
    let payload = store::encode(&waits, 1_278_803_400_000);
    vault.append(&user, last, payload, Disposition::Pending).unwrap();
    vault.commit().unwrap();
}

fn read(vault: &mut Vault, file: &Path) -> (Imported, Notes) {
    let mut notes = Notes::default();
    let imported = import(vault, Some("capulet.example"), ROUNDS, file, &mut notes).unwrap();
    (imported, notes)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn what_is_exported_and_imported_says_the_same_when_it_is_exported_again() {
    let scratch = Scratch::new();
    let domain = jid("capulet.example");
    let mut first = vault(&scratch.path().join("one"));
    fill(&mut first);
    for form in ["whole.xml", "folder"] {
        let to = scratch.path().join(form);
        let exported = export(&mut first, &domain, &to, &mut |_| {}).unwrap();
        assert_eq!((exported.users, exported.messages, exported.unsaid), (2, 3, 0));
        let main = if to.is_dir() { to.join(MAIN) } else { to.clone() };
        let mut second = vault(&scratch.path().join(format!("into-{form}")));
        let (imported, notes) = read(&mut second, &main);
        assert_eq!(notes.refused, [] as [String; 0]);
        assert_eq!((imported.users, imported.messages), (2, 3));
        let again = scratch.path().join(format!("again-{form}.xml"));
        export(&mut second, &domain, &again, &mut |_| {}).unwrap();
        let whole = scratch.path().join("whole.xml");
        assert_eq!(
            fs::read_to_string(&whole).unwrap(),
            fs::read_to_string(&again).unwrap(),
            "{form}"
        );
        let row = second
            .row(Table::Account, store::user_key(&jid(JULIET)))
            .unwrap()
            .unwrap();
        assert!(verify_password("r0m30", &Account::decode(&row).unwrap().keys).is_ok());
        let (repeated, notes) = read(&mut second, &main);
        assert_eq!(
            (repeated.users, repeated.refused),
            (0, 2),
            "nobody is touched twice: {:?}",
            notes.refused
        );
    }
    use std::os::unix::fs::PermissionsExt;
    for file in files(&scratch.path().join("folder")) {
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o077,
            0,
            "{}",
            file.display()
        );
    }
    assert!(
        export(&mut first, &domain, &scratch.path().join("whole.xml"), &mut |_| {}).is_err(),
        "nothing is overwritten"
    );
}

fn imported(inner: &str) -> (Vault, Imported, Notes, Scratch) {
    let scratch = Scratch::new();
    let file = scratch.path().join("in.xml");
    let text = format!("<server-data xmlns='urn:xmpp:pie:0'><host jid='capulet.example'>{inner}</host></server-data>");
    fs::write(&file, text).unwrap();
    let mut vault = vault(&scratch.path().join("data"));
    let (imported, notes) = read(&mut vault, &file);
    (vault, imported, notes, scratch)
}

#[test]
fn what_other_servers_write_is_taken() {
    let (vault, imported, notes, _scratch) = imported(
        "<user name='juliet' password='secret'>\
         <query xmlns='jabber:iq:roster' version='7'><item jid='romeo@montague.example' ask='subscribe' subscription='from'/>\
         <item jid='romeo@montague.example' subscription='none'/><item jid='juliet@capulet.example'/></query>\
         <presence xmlns='jabber:client' type='subscribe' from='paris@verona.example'/>\
         <query xmlns='jabber:iq:privacy'><default name='a'/><list name='a'>\
         <item type='jid' value='x.example' action='deny' order='1'/></list><list name='b'>\
         <item type='jid' value='y.example' action='deny' order='1'/></list></query>\
         <pubsub xmlns='http://jabber.org/protocol/pubsub'/>\
         <offline-messages><message xmlns='jabber:client' from='romeo@montague.example/o' to='juliet@capulet.example'>\
         <body>Hi</body><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/></message></offline-messages></user>\
         <user name='hashed'><scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'>\
         <iter-count>4096</iter-count><salt>QUFB</salt><server-key>QUFB</server-key><stored-key>QUFB</stored-key>\
         </scram-credentials></user>",
    );
    assert_eq!((imported.users, imported.messages), (2, 1));
    let user = jid(JULIET);
    let item = vault
        .row(Table::Roster, store::part_key(&user, "romeo@montague.example"))
        .unwrap()
        .unwrap();
    let item = Item::decode(&item).unwrap();
    assert!(item.state.subscription() == Subscription::From && item.state.pending_out());
    let paris = vault
        .row(Table::Roster, store::part_key(&user, "paris@verona.example"))
        .unwrap()
        .unwrap();
    assert!(Item::decode(&paris).unwrap().state.pending_in());
    let blocked: Vec<_> = vault
        .rows_of(Table::Block, &user)
        .unwrap()
        .into_iter()
        .map(|row| row.key)
        .collect();
    assert_eq!(
        blocked,
        [store::part_key(&user, "x.example")],
        "the list in force alone"
    );
    let refused = notes.refused.join("\n");
    for why in ["itself", "pubsub", "has no password"] {
        assert!(refused.contains(why), "{why}: {refused}");
    }
    assert_eq!(notes.refused.len(), 3, "{refused}");
}

#[test]
fn an_account_with_keys_of_sha1_alone_is_taken_as_it_is() {
    let keys = derive("secret", &[3; 16], ROUNDS).unwrap();
    let write = |hashed: &HashedPassword| {
        let mut text = Vec::new();
        exchange::credentials(&mut text, hashed);
        String::from_utf8(text).unwrap()
    };
    let (sha1, sha256) = (&keys.hashed()[0], &keys.hashed()[1]);
    let (sha1, whole) = (write(sha1), write(sha256));
    let other = write(&derive("secret", &[4; 16], ROUNDS).unwrap().hashed()[1]);
    let (mut vault, imported, notes, scratch) = imported(&format!(
        "<user name='juliet'>{sha1}</user><user name='romeo'>{sha1}{whole}</user><user name='paris'>{other}{sha1}</user>\
         <user name='tybalt'>{whole}</user>"
    ));
    assert_eq!((imported.users, imported.partial, imported.refused), (4, 2, 1));
    assert!(
        notes.refused[0].contains("nor keys of SCRAM-SHA-1"),
        "{:?}",
        notes.refused
    );
    let keys_of = |name: &str| {
        let row = vault.row(
            Table::Account,
            store::user_key(&jid(&format!("{name}@capulet.example"))),
        );
        Account::decode(&row.unwrap().unwrap()).unwrap().keys
    };
    for (name, partial) in [("juliet", true), ("romeo", false), ("paris", true)] {
        let keys = keys_of(name);
        assert_eq!(keys.is_partial(), partial, "{name}");
        assert!(verify_password("secret", &keys).is_ok(), "{name}");
        assert!(verify_password("Secret", &keys).is_err(), "{name}");
    }
    assert!(verify_password("secret", &keys_of("tybalt")).is_err());
    let file = scratch.path().join("out.xml");
    export(&mut vault, &jid("capulet.example"), &file, &mut |_| {}).unwrap();
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(
        written.matches("SCRAM-SHA-1'").count() + written.matches("SCRAM-SHA-1\"").count(),
        4
    );
    assert_eq!(
        written.matches("SCRAM-SHA-256").count(),
        2,
        "stand-ins are not handed on"
    );
}

#[test]
fn nobody_elses_messages_and_domains_are_taken() {
    let (_, imported, notes, _scratch) = imported(
        "<user name='juliet' password='secret'><offline-messages>\
         <message xmlns='jabber:client' from='a@b' to='c@d'><body>Hi</body></message></offline-messages></user></host>\
         <host jid='montague.example'><user name='romeo' password='x'/>",
    );
    assert_eq!(
        (imported.users, imported.messages, imported.refused),
        (1, 0, 2),
        "{:?}",
        notes.refused
    );
}

#[test]
fn no_file_outside_of_the_folder_is_included() {
    let include = |href: &str| {
        format!(
            "<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='{href}'/></server-data>"
        )
    };
    let scratch = Scratch::new();
    let inside = scratch.path().join("in");
    fs::create_dir(&inside).unwrap();
    fs::write(scratch.path().join("secret.xml"), include("x")).unwrap();
    std::os::unix::fs::symlink("../secret.xml", inside.join("link.xml")).unwrap();
    fs::write(inside.join("loop.xml"), include("loop.xml")).unwrap();
    let mut vault = vault(&scratch.path().join("data"));
    for (href, why) in [
        ("../secret.xml", "leads out"),
        ("%2e%2e/secret.xml", "leads out"),
        ("/etc/passwd", "leads out"),
        ("file:///etc/passwd", "leads out"),
        ("link.xml", "leads out"),
        ("loop.xml", "deeper than"),
        ("%zz", "no relative"),
    ] {
        let file = inside.join("main.xml");
        fs::write(&file, include(href)).unwrap();
        let outcome = import(&mut vault, None, ROUNDS, &file, &mut Notes::default());
        let error = format!("{:#}", outcome.expect_err(href));
        assert!(error.contains(why), "{href}: {error}");
    }
}
