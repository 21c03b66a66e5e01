//! A room's picture: a vCard of the room's own (XEP-0486, XEP-0054).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crosspoint_engine::envelope::Condition;
use crosspoint_engine::rooms::RoomQuery;
use sha1::{Digest as _, Sha1};

use crate::codec::Element;
use crate::features::{VCARD_BYTES_MAX, standalone};

/// XEP-0054.
pub(super) const NS: &str = "vcard-temp";

/// A `set`. An empty card takes the picture away; what is no picture is a bad request.
pub(super) fn read(card: &Element<'_>) -> Result<RoomQuery, Condition> {
    if card.children().next().is_none() {
        return Ok(RoomQuery::SetAvatar {
            card: Bytes::new(),
            hash: String::new(),
        });
    }
    let photo = card.child("PHOTO", NS).and_then(|photo| photo.child("BINVAL", NS));
    let hash = match photo {
        Some(picture) => hash(&picture.text())?,
        None => String::new(),
    };
    let card = standalone(card, VCARD_BYTES_MAX).ok_or(Condition::NotAcceptable)?;
    Ok(RoomQuery::SetAvatar { card, hash })
}

/// XEP-0153 section 3.1: SHA-1 of the picture's bytes, in hex. Base64 may be broken into lines.
fn hash(base64: &str) -> Result<String, Condition> {
    let compact: String = base64.split_ascii_whitespace().collect();
    let picture = STANDARD.decode(compact).map_err(|_| Condition::BadRequest)?;
    let digest = Sha1::digest(picture);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
