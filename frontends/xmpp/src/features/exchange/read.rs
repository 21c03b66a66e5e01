//! The elements of XEP-0227, read.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crosspoint_engine::envelope::{Codec, Content, Envelope, Hints, Kind, PresenceKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::roster::item::{GROUP_BYTES_MAX, GROUPS_MAX, NAME_BYTES_MAX, REQUEST_BYTES_MAX};
use crosspoint_engine::roster::{Item, State, Subscription};
use crosspoint_engine::scram::HashedPassword;
use crosspoint_engine::service::BookWrite;
use crosspoint_engine::store;

use super::{NS_ACCOUNT, NS_DELAY, NS_FORWARD, NS_MAM, NS_PRIVACY, NS_ROSTER, NS_SCRAM};
use crate::codec::tree::Node;
use crate::codec::{CLIENT, Element};
use crate::features::private::{self, PRIVATE_BYTES_MAX, PRIVATE_NAME_BYTES_MAX};
use crate::features::vcard::VCARD_BYTES_MAX;
use crate::features::xml;
use crate::stanza::{kind, time};

/// Longest message that is taken, in bytes as stored.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Something that belongs to a user.
#[derive(Debug)]
pub enum Piece {
    /// When the account was made, and whether it is disabled.
    Account {
        /// Unix milliseconds; 0 if it does not say.
        created_unix_ms: u64,
        /// Nobody may log in.
        disabled: bool,
    },
    /// What proves the password by one mechanism.
    Credentials(HashedPassword),
    /// A contact.
    Contact(Item),
    /// Somebody who waits for an answer.
    Request(Item),
    /// The card, as it is stored.
    Card(Bytes),
    /// A private document: its namespace and name, and itself.
    Document(String, String, Bytes),
    /// These are blocked.
    Blocked(Vec<Jid>),
    /// A message that waits.
    Waiting(Envelope),
    /// A message of the history; its stamp is set.
    Archived(Envelope),
}

/// Why an element was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Reads one element of a user's, or of a container of his, that stands on its own: it declares the prefixes that it uses.
/// `owner` is the user's bare address.
///
/// # Errors
/// What is wrong with it. It is not well-formed, too deep or too large; a bound is broken; nobody here knows it.
pub fn read(text: &str, owner: &Jid) -> Result<Piece, Refused> {
    let element = Element::parse(text, "").map_err(|fault| refused(format!("is no XML that we take: {fault:?}")))?;
    match (element.name(), element.namespace()) {
        ("account", NS_ACCOUNT) => Ok(account(&element)),
        ("scram-credentials", NS_SCRAM) => credentials(&element).map(Piece::Credentials),
        ("item", NS_ROSTER) => contact(&element).map(Piece::Contact),
        ("presence", CLIENT) if element.attr("type") == Some("subscribe") => {
            request(&element, owner).map(Piece::Request)
        }
        ("vCard", "vcard-temp") => xml::standalone(&element, VCARD_BYTES_MAX)
            .map(Piece::Card)
            .ok_or_else(|| refused("is too large")),
        ("query", NS_PRIVACY) => Ok(Piece::Blocked(blocked(&element)?)),
        ("message", CLIENT) => message(&element, owner, None).map(Piece::Waiting),
        ("result", NS_MAM) => archived(&element, owner).map(Piece::Archived),
        (name, namespace) => Err(refused(format!("<{name} xmlns='{namespace}'/> is not known here"))),
    }
}

/// A private document, of whatever name.
///
/// # Errors
/// As [`read`].
pub fn read_document(text: &str) -> Result<Piece, Refused> {
    let element = Element::parse(text, "").map_err(|fault| refused(format!("is no XML that we take: {fault:?}")))?;
    let (name, namespace) = (element.name(), element.namespace());
    if namespace.is_empty() || name.len() + namespace.len() > PRIVATE_NAME_BYTES_MAX {
        return Err(refused("has no namespace, or too long a name"));
    }
    let document = xml::standalone(&element, PRIVATE_BYTES_MAX).ok_or_else(|| refused("is too large"))?;
    Ok(Piece::Document(namespace.to_owned(), name.to_owned(), document))
}

/// The rows of private documents, by namespace and name. The last of two with one name counts.
#[must_use]
pub fn document_rows(user: &Jid, documents: &[(String, String, Bytes)]) -> Vec<BookWrite> {
    private::rows(user, documents)
}

fn refused(why: impl Into<String>) -> Refused {
    Refused(why.into())
}

fn account(element: &Element<'_>) -> Piece {
    Piece::Account {
        created_unix_ms: element.attr("created").and_then(time::read).unwrap_or_default(),
        disabled: element.attr("disabled") == Some("true"),
    }
}

fn credentials(element: &Element<'_>) -> Result<HashedPassword, Refused> {
    let mechanism = match element.attr("mechanism") {
        Some("SCRAM-SHA-1") => "SCRAM-SHA-1",
        Some("SCRAM-SHA-256") => "SCRAM-SHA-256",
        other => {
            return Err(refused(format!(
                "keys of {} are not kept here",
                other.unwrap_or("no mechanism")
            )));
        }
    };
    let text = |name| {
        element
            .child(name, NS_SCRAM)
            .map(|child| child.text().trim().to_owned())
    };
    let bytes = |name| text(name).and_then(|text| STANDARD.decode(text).ok());
    let whole = (|| {
        Some(HashedPassword {
            mechanism,
            iterations: text("iter-count")?.parse().ok()?,
            salt: bytes("salt")?,
            stored: bytes("stored-key")?,
            server: bytes("server-key")?,
        })
    })();
    whole.ok_or_else(|| refused("has no iteration count, salt, stored key and server key"))
}

fn contact(element: &Element<'_>) -> Result<Item, Refused> {
    let jid = element.attr("jid").and_then(|text| Jid::parse(text).ok());
    let jid = jid.ok_or_else(|| refused("names no address"))?;
    let subscription = match element.attr("subscription") {
        Some("both") => Subscription::Both,
        Some("to") => Subscription::To,
        Some("from") => Subscription::From,
        _ => Subscription::None,
    };
    let asked = element.attr("ask") == Some("subscribe") && !subscription.to();
    let approved = matches!(element.attr("approved"), Some("true" | "1"));
    let mut groups: Vec<String> = Vec::new();
    for group in element.children().filter(|child| child.is("group", NS_ROSTER)) {
        let name = group.text().into_owned();
        if !name.is_empty() && !groups.contains(&name) {
            groups.push(name);
        }
    }
    let name = element.attr("name").unwrap_or_default().to_owned();
    let fits = name.len() <= NAME_BYTES_MAX
        && groups.len() <= GROUPS_MAX
        && groups.iter().all(|group| group.len() <= GROUP_BYTES_MAX);
    if !fits {
        return Err(refused(format!(
            "the contact {jid} has too long a name, or too many groups"
        )));
    }
    Ok(Item {
        name,
        groups,
        state: State::new(subscription, asked, false, approved).unwrap_or_default(),
        listed: true,
        ..Item::stranger(&jid)
    })
}

fn request(element: &Element<'_>, owner: &Jid) -> Result<Item, Refused> {
    let from = element.attr("from").and_then(|text| Jid::parse(text).ok());
    let from = from.ok_or_else(|| refused("names no address"))?.to_bare();
    let envelope = Envelope {
        content: content(element)?,
        ..Envelope::neutral(from.clone(), owner.clone(), Kind::Presence(PresenceKind::Subscribe))
    };
    let kept = Some(store::encode(&envelope, 0)).filter(|bytes| bytes.len() <= REQUEST_BYTES_MAX);
    Ok(Item {
        state: State::new(Subscription::None, false, true, false).unwrap_or_default(),
        request: kept,
        ..Item::stranger(&from)
    })
}

/// Those whom the list in force denies everything. Other rules have no equal here.
fn blocked(element: &Element<'_>) -> Result<Vec<Jid>, Refused> {
    let default = element
        .child("default", NS_PRIVACY)
        .and_then(|default| default.attr("name"));
    let lists = element.children().filter(|child| child.is("list", NS_PRIVACY));
    let mut blocked = Vec::new();
    for list in lists.filter(|list| list.attr("name") == default) {
        for item in list.children().filter(|child| child.is("item", NS_PRIVACY)) {
            let all = item.children().next().is_none();
            if item.attr("action") == Some("allow") && item.attr("type").is_none() {
                break;
            }
            let address = item.attr("value").and_then(|text| Jid::parse(text).ok());
            match (item.attr("type"), item.attr("action"), address) {
                (Some("jid"), Some("deny"), Some(address)) if all => blocked.push(address),
                _ => {
                    return Err(refused(
                        "a privacy list has rules other than that somebody is denied everything",
                    ));
                }
            }
        }
    }
    Ok(blocked)
}

fn archived(element: &Element<'_>, owner: &Jid) -> Result<Envelope, Refused> {
    let forwarded = element
        .child("forwarded", NS_FORWARD)
        .ok_or_else(|| refused("forwards nothing"))?;
    let stamp = forwarded.child("delay", NS_DELAY).and_then(|delay| delay.attr("stamp"));
    let stamp = stamp.and_then(time::read).ok_or_else(|| refused("has no time"))?;
    let stanza = forwarded
        .child("message", CLIENT)
        .ok_or_else(|| refused("forwards no message"))?;
    message(stanza, owner, Some(stamp))
}

/// A message to, or from, the owner. Its time is that of the archive, or of its last delay.
fn message(element: &Element<'_>, owner: &Jid, stamp: Option<u64>) -> Result<Envelope, Refused> {
    let address = |name| {
        element
            .attr(name)
            .map_or_else(|| Some(owner.clone()), |text| Jid::parse(text).ok())
    };
    let (Some(from), Some(to)) = (address("from"), address("to")) else {
        return Err(refused("has an address that is none"));
    };
    if !from.same_bare(owner) && !to.same_bare(owner) {
        return Err(refused("is neither from its owner nor to him"));
    }
    let delays = element.children().filter(|child| child.is("delay", NS_DELAY));
    let delayed = delays
        .filter_map(|delay| delay.attr("stamp").and_then(time::read))
        .last();
    Ok(Envelope {
        id: Bytes::copy_from_slice(element.attr("id").unwrap_or_default().as_bytes()),
        content: content(element)?,
        hints: Hints::STORE.with(Hints::COPY),
        stamp_ms: stamp.or(delayed),
        ..Envelope::neutral(from, to, Kind::Message(kind::message(element.attr("type"))))
    })
}

/// What stands in a stanza, but the time of its delay, which the server itself writes.
fn content(element: &Element<'_>) -> Result<Content, Refused> {
    let mut body = Vec::new();
    for node in element.nodes() {
        let Node::Element(child) = node else { continue };
        if child.is("delay", NS_DELAY) {
            continue;
        }
        let left = MESSAGE_BYTES_MAX.saturating_sub(body.len());
        let child = xml::within(child, CLIENT, left).ok_or_else(|| refused("is too large"))?;
        body.extend_from_slice(&child);
    }
    let mut head = Vec::new();
    if let Some(lang) = element.lang() {
        crate::codec::write::attribute(&mut head, "xml:lang", lang);
    }
    Ok(Content {
        codec: Codec::Xmpp,
        head: Bytes::from(head),
        body: Bytes::from(body),
    })
}
