//! People: accounts in the book, and how a client logs in (RFC 6120, SCRAM-SHA-256 by RFC 7677).
//!
//! Invariant: all accounts share one password whose salted form is known, so that nobody ever pays for its derivation.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crosspoint_engine::accounts::{self, Account};
use crosspoint_engine::roster::{Item, Roster, State, Subscription};
use crosspoint_engine::scram::AccountKeys;
use crosspoint_engine::scram::keys::ITERATIONS_MIN;
use crosspoint_engine::store;
use crosspoint_storage::seam::{BookWrite, Table};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::world::{DOMAIN, Line, World, address};

/// What the password of everybody is after PBKDF2.
const SALTED: [u8; 32] = [0x5a; 32];
const SALT: [u8; 16] = [3; 16];
const CLIENT_NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";

/// The resource of every client.
pub const RESOURCE: &str = "phone";

/// Opens a stream.
pub const HEADER: &str = "<?xml version='1.0'?><stream:stream to='montague.example' version='1.0' xml:lang='en' \
    xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
/// Closes it.
pub const FOOTER: &str = "</stream:stream>";

/// Makes an account.
pub fn found(world: &mut World, name: &str) {
    let account = Account {
        keys: account_keys(),
        created_unix_ms: 1,
        disabled: false,
    };
    world.keepers.write(accounts::creation(&address(name), &account));
}

/// What the book has of everybody's password.
///
/// # Panics
/// When the layout of keys in the book (`engine/src/scram/keys.rs`) has changed.
#[must_use]
pub fn account_keys() -> AccountKeys {
    let client_key = hmac(&SALTED, b"Client Key");
    let mut row = vec![1];
    row.extend_from_slice(&ITERATIONS_MIN.to_le_bytes());
    row.push(SALT.len() as u8);
    row.extend_from_slice(&SALT);
    row.extend_from_slice(&[0; 40]);
    row.extend_from_slice(&Sha256::digest(client_key));
    row.extend_from_slice(&hmac(&SALTED, b"Server Key"));
    AccountKeys::decode(&row).expect("keys of version 1")
}

/// Writes a roster: the user and each contact see each other.
///
/// # Panics
/// When that is no state of a subscription any more.
pub fn befriend(world: &mut World, name: &str, contacts: &[String]) {
    let user = address(name);
    let mut put = |key, value| {
        world.keepers.write(BookWrite::Put {
            table: Table::Roster,
            key,
            value,
        });
    };
    put(store::user_prefix(&user), Roster::empty(1).header());
    for contact in contacts {
        let contact = address(contact);
        let item = Item {
            state: State::new(Subscription::Both, false, false, false).expect("friends"),
            listed: true,
            ..Item::stranger(&contact)
        };
        put(store::part_key(&user, contact.as_str()), item.encode());
    }
}

/// Logs in and binds [`RESOURCE`]; nothing is sent after that.
///
/// # Panics
/// When the server does not let the client in.
pub fn enter(world: &mut World, name: &str) -> Line {
    let line = world.connect(name);
    let words = transcript(world, name, line);
    world.tell(line, words.last().expect("a login has steps").as_bytes());
    let said = world.heard(line);
    assert!(said.contains(&format!("{name}@{DOMAIN}/{RESOURCE}")), "{said}");
    world.ignore(line);
    line
}

/// As [`enter`]; then the client says that it is available.
pub fn appear(world: &mut World, name: &str) -> Line {
    let line = enter(world, name);
    world.tell(line, b"<presence/>");
    line
}

/// As [`enter`], with stream management (XEP-0198), and available. Also says how many stanzas the client has had since.
///
/// # Panics
/// When the server does not enable it.
pub fn appear_managed(world: &mut World, name: &str) -> (Line, u32) {
    let line = enter(world, name);
    world.listen(line);
    world.tell(line, b"<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    assert!(world.heard(line).contains("<enabled"), "streams are managed");
    world.tell(line, b"<presence/>");
    // It is told about its own presence, too (RFC 6121 section 4.2.2).
    let received = world.heard(line).matches("<presence").count();
    world.ignore(line);
    (line, received as u32)
}

/// What a client says to log in, recorded: valid for as long as the server's dice fall the same way
/// ([`World::rewind_dice`]), at no cost for the client.
#[must_use]
pub fn rehearse(world: &mut World, name: &str) -> Vec<String> {
    world.rewind_dice();
    let line = world.connect(name);
    let words = transcript(world, name, line);
    world.tell(line, words.last().expect("a login has steps").as_bytes());
    world.tell(line, FOOTER.as_bytes());
    assert!(!world.is_open(line), "who says goodbye is let go");
    words
}

/// Says all but the last words of a login, and returns all of them.
fn transcript(world: &mut World, name: &str, line: Line) -> Vec<String> {
    world.listen(line);
    let first_bare = first_bare(name);
    let auth = format!(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{}</auth>",
        STANDARD.encode(format!("n,,{first_bare}"))
    );
    world.tell(line, HEADER.as_bytes());
    world.tell(line, auth.as_bytes());
    let said = world.heard(line);
    let challenge = between(&said, "<challenge xmlns=\"urn:ietf:params:xml:ns:xmpp-sasl\">", "<");
    let challenge = STANDARD.decode(challenge).expect("base64");
    let last = prove(&first_bare, std::str::from_utf8(&challenge).expect("text"));
    let response = format!(
        "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{}</response>",
        STANDARD.encode(last)
    );
    let bind = format!(
        "<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{RESOURCE}</resource></bind></iq>"
    );
    world.tell(line, response.as_bytes());
    assert!(world.heard(line).contains("<success"), "{name} is let in");
    world.tell(line, HEADER.as_bytes());
    vec![HEADER.to_owned(), auth, response, HEADER.to_owned(), bind]
}

/// The client's first message without its header (RFC 5802 section 7).
#[must_use]
pub fn first_bare(name: &str) -> String {
    format!("n={name},r={CLIENT_NONCE}")
}

/// The client's last message (RFC 5802 section 3).
#[must_use]
pub fn prove(first_bare: &str, server_first: &str) -> String {
    let nonce = between(server_first, "r=", ",");
    let without_proof = format!("c=biws,r={nonce}");
    let auth_message = format!("{first_bare},{server_first},{without_proof}");
    let client_key = hmac(&SALTED, b"Client Key");
    let signature = hmac(&Sha256::digest(client_key), auth_message.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
    format!("{without_proof},p={}", STANDARD.encode(proof))
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{before} in {text}"));
    rest.split_once(after).map_or(rest, |(inner, _)| inner)
}
