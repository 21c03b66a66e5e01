//! XEP-0084 User Avatars, converted to and from those of vCards (XEP-0398), and their hash in presence (XEP-0153).
//!
//! ```text
//!   urn:xmpp:avatar:data, urn:xmpp:avatar:metadata   ◀── follows ──▶   PHOTO of the vCard   ──▶ badge ──▶ every presence
//! ```
//! Invariants:
//! - A picture is taken over only if its name is its SHA-1, and from nodes only if everybody may read them: so may everybody
//!   the vCard.
//! - The badge is the hash of the vCard's photo, and nothing while it has none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crosspoint_engine::envelope::{Condition, Envelope};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;
use memchr::memmem;
use sha1::{Digest, Sha1};

use super::pubsub::config::Access;
use super::pubsub::sheet::{self, Contents, Next, Sheet};
use super::pubsub::{Fault, ITEM_BYTES_MAX};
use super::{Feature, Xep, vcard, xml};
use crate::codec::{Builder, Element};

/// The node of pictures.
const DATA: &str = "urn:xmpp:avatar:data";
/// The node of what is said of them.
pub const METADATA: &str = "urn:xmpp:avatar:metadata";
/// In presence.
const NS_UPDATE: &str = "vcard-temp:x:update";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(84, "1.1.4"), Xep::new(153, "1.1.1"), Xep::new(398, "1.0.0")],
    enabled: |_| true,
    domain: &[],
    account: &["urn:xmpp:pep-vcard-conversion:0"],
    handlers: &[],
};

/// A picture, as both forms have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Photo {
    /// The media type.
    pub kind: String,
    /// In base64, without white space.
    pub base64: String,
    /// SHA-1 of the picture, hexadecimal.
    pub hash: String,
    /// Of the picture itself.
    pub bytes: usize,
}

impl Photo {
    /// From base64, which may hold white space; nothing if it is none or empty.
    pub fn new(kind: &str, base64: &str) -> Option<Photo> {
        let base64: String = base64.split_ascii_whitespace().collect();
        let picture = STANDARD.decode(&base64).ok().filter(|picture| !picture.is_empty())?;
        let hash = Sha1::digest(&picture)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Some(Photo {
            kind: kind.to_owned(),
            base64,
            hash,
            bytes: picture.len(),
        })
    }
}

/// Metadata were published or retracted: the vCard has the picture now, or none.
pub(super) fn metadata_changed(owner: &Jid, next: Next, host: &mut dyn Host) {
    let user = owner.clone();
    let found = move |metadata: Result<Option<Contents>, Fault>, host: &mut dyn Host| {
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(fault) => return next(Err(fault), host),
        };
        let last = metadata.and_then(|(_, items)| items.into_iter().next_back());
        let Some((id, kind)) = last.and_then(|(_, payload)| info(&payload)) else {
            return vcard::set_photo(&user, None, next, host);
        };
        take_over(user, id, kind, next, host);
    };
    sheet::contents(owner, METADATA, Box::new(found), host);
}

/// The picture of this name becomes the vCard's, if it is what it should be.
fn take_over(user: Jid, id: String, kind: String, next: Next, host: &mut dyn Host) {
    let of = user.clone();
    let found = move |data: Result<Option<Contents>, Fault>, host: &mut dyn Host| {
        let open = match data {
            Ok(data) => data.filter(|(node, _)| node.config.access == Access::Open),
            Err(fault) => return next(Err(fault), host),
        };
        let item = open.and_then(|(_, items)| items.into_iter().find(|(known, _)| *known == id));
        let photo = item.and_then(|(_, payload)| Photo::new(&kind, &data_text(&payload)?));
        match photo.filter(|photo| photo.hash.eq_ignore_ascii_case(&id)) {
            Some(photo) => vcard::set_photo(&user, Some(photo), next, host),
            None => next(Ok(()), host),
        }
    };
    sheet::contents(&of, DATA, Box::new(found), host);
}

/// The picture that is not elsewhere (XEP-0398 section 3.1): its name and media type.
fn info(payload: &[u8]) -> Option<(String, String)> {
    let metadata = Element::parse(str::from_utf8(payload).ok()?, "").ok()?;
    let mut infos = metadata.children().filter(|child| child.is("info", METADATA));
    let info = infos.find(|info| info.attr("url").is_none())?;
    Some((
        info.attr("id")?.to_owned(),
        info.attr("type").unwrap_or("image/png").to_owned(),
    ))
}

fn data_text(payload: &[u8]) -> Option<String> {
    let data = Element::parse(str::from_utf8(payload).ok()?, "").ok()?;
    data.is("data", DATA).then(|| data.text().into_owned())
}

/// The vCard's photo has changed: it is published (section 3.2), or it is said that there is none.
pub(super) fn photo_changed(owner: &Jid, photo: Option<Photo>, next: Next, host: &mut dyn Host) {
    let metadata = Bytes::from(metadata_of(photo.as_ref()));
    let Some(photo) = photo else {
        return publish(owner, METADATA, "current".to_owned(), metadata, next, host);
    };
    let mut data = Vec::new();
    Builder::new(&mut data)
        .open("data")
        .attr("xmlns", DATA)
        .text(&photo.base64);
    if data.len() > ITEM_BYTES_MAX {
        return next(Ok(()), host);
    }
    let (user, id) = (owner.clone(), photo.hash.clone());
    let then = move |done: Result<(), Fault>, host: &mut dyn Host| match done {
        Ok(()) => publish(&user, METADATA, id, metadata, next, host),
        Err(fault) => next(Err(fault), host),
    };
    publish(owner, DATA, photo.hash, data.into(), Box::new(then), host);
}

/// Publishes within the turn; a node that has to be made is open, as the vCard is.
fn publish(owner: &Jid, node: &str, id: String, payload: Bytes, next: Next, host: &mut dyn Host) {
    let edit = move |sheet: &mut Sheet, host: &dyn Host| {
        if sheet.node.is_none() {
            sheet.ensure()?.config.access = Access::Open;
        }
        let owner = sheet.owner.clone();
        sheet.publish(&owner, Some(id), payload, host.now().unix_ms).map(drop)
    };
    sheet::in_turn(owner, node, Box::new(edit), next, host);
}

fn metadata_of(photo: Option<&Photo>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("metadata").attr("xmlns", METADATA);
    if let Some(photo) = photo {
        let bytes = photo.bytes.to_string();
        el.open("info")
            .attr("bytes", bytes.as_str())
            .attr("id", photo.hash.as_str());
        el.attr("type", photo.kind.as_str());
    }
    el.finish();
    out
}

/// Shows the hash in a presence (section 4): not where the client says that there is no picture, instead of whatever else it
/// says. Without a hash, what an earlier one has left is taken out.
pub(crate) fn dress(presence: &mut Envelope, badge: &[u8]) {
    let content = &mut presence.content;
    let mut body = content.body.to_vec();
    if memmem::find(&body, NS_UPDATE.as_bytes()).is_some() {
        let Some(stripped) = xml::stanza(content).ok().and_then(|stanza| undress(&stanza)) else {
            return;
        };
        body = stripped;
    }
    if !badge.is_empty() {
        let mut el = Builder::new(&mut body);
        el.open("x").attr("xmlns", NS_UPDATE).open("photo");
        el.text(&String::from_utf8_lossy(badge));
        el.finish();
    }
    content.body = body.into();
}

/// The children without those that tell of a picture; nothing if one of those says that there is none.
fn undress(stanza: &str) -> Option<Vec<u8>> {
    let stanza = xml::parse(stanza).ok()?;
    let mut out = Vec::new();
    for child in stanza.children() {
        if !child.is("x", NS_UPDATE) {
            out.extend_from_slice(&xml::standalone(child, usize::MAX)?);
        } else if child
            .child("photo", NS_UPDATE)
            .is_some_and(|photo| photo.nodes().is_empty())
        {
            return None;
        }
    }
    Some(out)
}

/// Gives the user the badge of this photo, when that is another.
pub(super) fn set_badge(owner: &Jid, photo: Option<&Photo>, next: Next, host: &mut dyn Host) {
    let badge = photo.map(|photo| Bytes::copy_from_slice(photo.hash.as_bytes()));
    if host.badge(owner) == badge {
        return next(Ok(()), host);
    }
    let done = |result: Result<(), Condition>, host: &mut dyn Host| next(result.map_err(Fault::from), host);
    host.set_badge(owner, badge, Box::new(done));
}

#[cfg(test)]
mod tests {
    use crosspoint_engine::envelope::{Codec, Content, Kind, PresenceKind};

    use super::*;

    fn dressed(body: &str, badge: &str) -> String {
        let jid: Jid = "romeo@montague.tld/garden".parse().expect("a good address");
        let mut presence = Envelope::neutral(jid.clone(), jid, Kind::Presence(PresenceKind::Available));
        presence.content = Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body: body.to_owned().into(),
        };
        dress(&mut presence, badge.as_bytes());
        String::from_utf8(presence.content.body.to_vec()).expect("text")
    }

    /// XEP-0398 section 4.
    #[test]
    fn the_hash_is_in_presence_unless_the_client_says_that_there_is_no_picture() {
        let x = |inner: &str| format!("<x xmlns=\"vcard-temp:x:update\">{inner}</x>");
        let hash = x("<photo>cafe</photo>");
        let empty = "<x xmlns='vcard-temp:x:update'><photo/></x>";
        let table = [
            (String::new(), "cafe", hash.clone()),
            (
                "<show>away</show>".to_owned(),
                "cafe",
                format!("<show>away</show>{hash}"),
            ),
            ("<x xmlns='vcard-temp:x:update'/>".to_owned(), "cafe", hash.clone()),
            (x("<photo>dead</photo>"), "cafe", hash.clone()),
            (hash.clone(), "cafe", hash.clone()),
            (empty.to_owned(), "cafe", empty.to_owned()),
            (hash.clone(), "", String::new()),
            ("<show>away</show>".to_owned(), "", "<show>away</show>".to_owned()),
        ];
        for (body, badge, expected) in table {
            assert_eq!(dressed(&body, badge), expected, "{body} with {badge}");
        }
        let others = format!(
            "<show>away</show>{}<c xmlns='urn:c' a='&amp;'/>",
            x("<photo>dead</photo>")
        );
        let expected = format!("<show xmlns=\"jabber:client\">away</show><c xmlns=\"urn:c\" a=\"&amp;\"/>{hash}");
        assert_eq!(dressed(&others, "cafe"), expected, "the others stay");
    }
}
