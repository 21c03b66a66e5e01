//! XEP-0292 vCard4 over XMPP, converted to and from vcard-temp (XEP-0054).
//!
//! ```text
//!   urn:xmpp:vcard4   ◀── follows ──▶   vcard-temp
//!   fn nickname title role note url bday tz        FN NICKNAME TITLE ROLE DESC URL BDAY TZ
//!   n org adr tel email impp geo                   N ORG ADR TEL EMAIL JABBERID GEO
//! ```
//! Invariants:
//! - Only a node that everybody may read is converted: so may everybody the vCard.
//! - What the other form has no word for stays there as it is: in vcard-temp the photo, which is the avatar's business.

use bytes::Bytes;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::pubsub::config::Access;
use super::pubsub::sheet::{self, Contents, Next, Sheet};
use super::pubsub::{Fault, ITEM_BYTES_MAX};
use super::{Feature, Xep, vcard, xml};
use crate::codec::{Builder, Element};

/// The node.
pub const NODE: &str = "urn:xmpp:vcard4";
const NS: &str = "urn:ietf:params:xml:ns:vcard-4.0";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(292, "0.12.0")],
    enabled: |_| true,
    domain: &[],
    account: &[NS],
    handlers: &[],
};

/// What is one text in both: the names, and what the text is wrapped in.
const TEXTS: [(&str, &str, &str); 8] = [
    ("FN", "fn", "text"),
    ("NICKNAME", "nickname", "text"),
    ("TITLE", "title", "text"),
    ("ROLE", "role", "text"),
    ("DESC", "note", "text"),
    ("URL", "url", "uri"),
    ("BDAY", "bday", "date"),
    ("TZ", "tz", "text"),
];
/// The names in both forms, and those of the parts.
type Parts = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What has several parts of one text each.
const PARTS: [Parts; 2] = [
    (
        "N",
        "n",
        &[
            ("FAMILY", "surname"),
            ("GIVEN", "given"),
            ("MIDDLE", "additional"),
            ("PREFIX", "prefix"),
            ("SUFFIX", "suffix"),
        ],
    ),
    (
        "ADR",
        "adr",
        &[
            ("POBOX", "pobox"),
            ("EXTADD", "ext"),
            ("STREET", "street"),
            ("LOCALITY", "locality"),
            ("REGION", "region"),
            ("PCODE", "code"),
            ("CTRY", "country"),
        ],
    ),
];
/// Kinds of addresses that both know.
const KINDS: [(&str, &str); 7] = [
    ("HOME", "home"),
    ("WORK", "work"),
    ("VOICE", "voice"),
    ("FAX", "fax"),
    ("CELL", "cell"),
    ("PAGER", "pager"),
    ("VIDEO", "video"),
];
/// The elements of vcard-temp that the other form can say.
const SAID: [&str; 15] = [
    "FN", "NICKNAME", "TITLE", "ROLE", "DESC", "URL", "BDAY", "TZ", "N", "ADR", "ORG", "TEL", "EMAIL", "JABBERID",
    "GEO",
];

/// The node has changed: so has the card.
pub(super) fn changed(owner: &Jid, next: Next, host: &mut dyn Host) {
    let user = owner.clone();
    let found = move |contents: Result<Option<Contents>, Fault>, host: &mut dyn Host| {
        let contents = match contents {
            Ok(contents) => contents,
            Err(fault) => return next(Err(fault), host),
        };
        let open = contents.filter(|(node, _)| node.config.access == Access::Open);
        let Some((_, payload)) = open.and_then(|(_, items)| items.into_iter().next_back()) else {
            return next(Ok(()), host);
        };
        vcard::rewrite(&user, Box::new(move |before| to_temp(&payload, before)), next, host);
    };
    sheet::contents(owner, NODE, Box::new(found), host);
}

/// The card has changed: so has the node, unless its owner keeps it from others.
pub(super) fn publish(owner: &Jid, card: Option<Vec<u8>>, next: Next, host: &mut dyn Host) {
    let Some(card) = card.filter(|card| card.len() <= ITEM_BYTES_MAX) else {
        return next(Ok(()), host);
    };
    let edit = move |sheet: &mut Sheet, host: &dyn Host| {
        if sheet.ensure()?.config.access != Access::Open {
            return Ok(());
        }
        let owner = sheet.owner.clone();
        let id = sheet
            .node()?
            .items
            .last()
            .map_or("current".to_owned(), |last| last.id.clone());
        sheet
            .publish(&owner, Some(id), Bytes::from(card), host.now().unix_ms)
            .map(drop)
    };
    let done = |done: Result<(), Fault>, host: &mut dyn Host| next(done, host);
    sheet::in_turn(owner, NODE, Box::new(edit), Box::new(done), host);
}

/// vcard-temp in the words of vCard4; nothing if there is nothing to say.
pub(super) fn from_temp(card: &[u8]) -> Option<Vec<u8>> {
    let card = Element::parse(str::from_utf8(card).ok()?, "").ok()?;
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("vcard").attr("xmlns", NS);
    let mut said = false;
    for child in card.children().filter(|child| child.namespace() == vcard::NS) {
        said |= say_natively(&mut el, child);
    }
    el.finish();
    said.then_some(out)
}

fn say_natively(el: &mut Builder<'_, '_>, child: &Element<'_>) -> bool {
    let text = |name| {
        child
            .child(name, vcard::NS)
            .map(|child| child.text().into_owned())
            .unwrap_or_default()
    };
    if let Some((_, name, wrap)) = TEXTS.iter().find(|(temp, ..)| *temp == child.name()) {
        let value = child.text();
        return !value.is_empty() && valued(el, name, &[], wrap, &value);
    }
    if let Some((_, name, parts)) = PARTS.iter().find(|(temp, ..)| *temp == child.name()) {
        el.open(name);
        kinds(el, &kinds_of(child));
        for (temp, part) in *parts {
            el.open(part).text(&text(temp)).close();
        }
        el.close();
        return true;
    }
    match child.name() {
        "ORG" => valued(el, "org", &[], "text", &text("ORGNAME")),
        "TEL" => valued(el, "tel", &kinds_of(child), "text", &text("NUMBER")),
        "EMAIL" => valued(el, "email", &kinds_of(child), "text", &text("USERID")),
        "JABBERID" => valued(el, "impp", &[], "uri", &format!("xmpp:{}", child.text())),
        "GEO" => valued(el, "geo", &[], "uri", &format!("geo:{},{}", text("LAT"), text("LON"))),
        _ => false,
    }
}

/// Writes `<name><parameters/><wrap>value</wrap></name>`.
fn valued<'n>(el: &mut Builder<'_, 'n>, name: &'n str, of: &[&str], wrap: &'n str, value: &str) -> bool {
    el.open(name);
    kinds(el, of);
    el.open(wrap).text(value).close().close();
    true
}

fn kinds(el: &mut Builder<'_, '_>, of: &[&str]) {
    if of.is_empty() {
        return;
    }
    el.open("parameters").open("type");
    for kind in of {
        el.open("text").text(kind).close();
    }
    el.close().close();
}

fn kinds_of(child: &Element<'_>) -> Vec<&'static str> {
    let known = KINDS.iter().filter(|(temp, _)| child.child(temp, vcard::NS).is_some());
    known.map(|(_, kind)| *kind).collect()
}

/// vCard4 in the words of vcard-temp, with what the former card had that vCard4 has no word for.
fn to_temp(payload: &[u8], before: Option<&Element<'_>>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("vCard").attr("xmlns", vcard::NS);
    let card = str::from_utf8(payload)
        .ok()
        .and_then(|text| Element::parse(text, "").ok());
    for child in card
        .iter()
        .flat_map(|card| card.children())
        .filter(|child| child.namespace() == NS)
    {
        say_temporarily(&mut el, child);
    }
    let kept = before.into_iter().flat_map(|card| card.children());
    for child in kept.filter(|child| !(child.namespace() == vcard::NS && SAID.contains(&child.name()))) {
        el.raw(&xml::within(child, vcard::NS, vcard::VCARD_BYTES_MAX).unwrap_or_default());
    }
    el.finish();
    out
}

fn say_temporarily(el: &mut Builder<'_, '_>, child: &Element<'_>) {
    let text = |name| {
        child
            .child(name, NS)
            .map(|child| child.text().into_owned())
            .unwrap_or_default()
    };
    // A value is in whatever element says of which type it is.
    let value = || {
        let typed = child.children().find(|child| child.name() != "parameters");
        typed.map(|child| child.text().into_owned()).unwrap_or_default()
    };
    if let Some((temp, ..)) = TEXTS.iter().find(|(_, name, _)| *name == child.name()) {
        el.open(temp).text(&value()).close();
    } else if let Some((temp, _, parts)) = PARTS.iter().find(|(_, name, _)| *name == child.name()) {
        el.open(temp);
        flags(el, child);
        for (part, name) in *parts {
            el.open(part).text(&text(name)).close();
        }
        el.close();
    } else {
        let uri = |scheme| value().trim_start_matches(scheme).to_owned();
        match child.name() {
            "org" => part(el, child, "ORG", "ORGNAME", &value()),
            "tel" => part(el, child, "TEL", "NUMBER", &uri("tel:")),
            "email" => part(el, child, "EMAIL", "USERID", &value()),
            "impp" if value().starts_with("xmpp:") => drop(el.open("JABBERID").text(&uri("xmpp:")).close()),
            "geo" => {
                let place = uri("geo:");
                let (lat, lon) = place.split_once(',').unwrap_or((&place, ""));
                el.open("GEO").open("LAT").text(lat).close();
                el.open("LON").text(lon).close().close();
            }
            _ => {}
        }
    }
}

fn part<'n>(el: &mut Builder<'_, 'n>, child: &Element<'_>, name: &'n str, of: &'n str, value: &str) {
    el.open(name);
    flags(el, child);
    el.open(of).text(value).close().close();
}

/// The kinds as vcard-temp has them: empty elements.
fn flags(el: &mut Builder<'_, '_>, child: &Element<'_>) {
    let types = child
        .child("parameters", NS)
        .and_then(|parameters| parameters.child("type", NS));
    let types: Vec<_> = types
        .iter()
        .flat_map(|types| types.children())
        .map(|text| text.text().to_lowercase())
        .collect();
    for (temp, kind) in KINDS {
        if types.iter().any(|known| known == kind) {
            el.open(temp).close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMP: &str = "<vCard xmlns=\"vcard-temp\"><FN>Peter Saint-Andre</FN><N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN>\
        <MIDDLE/><PREFIX/><SUFFIX/></N><NICKNAME>stpeter</NICKNAME><TEL><WORK/><VOICE/><NUMBER>+1-303-308-3282</NUMBER></TEL>\
        <EMAIL><HOME/><USERID>stpeter@jabber.org</USERID></EMAIL><JABBERID>stpeter@jabber.org</JABBERID>\
        <GEO><LAT>39.59</LAT><LON>-105.01</LON></GEO></vCard>";

    /// After XEP-0292 section 3.1 and XEP-0054 section 3.1.
    #[test]
    fn a_card_comes_back_from_the_other_form() {
        let native = from_temp(TEMP.as_bytes()).expect("something to say");
        let text = str::from_utf8(&native).expect("text");
        assert!(text.contains("<fn><text>Peter Saint-Andre</text></fn>"), "{text}");
        assert!(
            text.contains("<tel><parameters><type><text>work</text><text>voice</text></type></parameters>"),
            "{text}"
        );
        assert_eq!(String::from_utf8(to_temp(&native, None)).expect("text"), TEMP);
    }

    #[test]
    fn what_the_other_form_has_no_word_for_stays() {
        let before = "<vCard xmlns='vcard-temp'><FN>Old</FN><PHOTO><BINVAL>AA==</BINVAL></PHOTO></vCard>";
        let before = Element::parse(before, "").expect("well-formed");
        let native = b"<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>New</text></fn></vcard>";
        assert_eq!(
            String::from_utf8(to_temp(native, Some(&before))).expect("text"),
            "<vCard xmlns=\"vcard-temp\"><FN>New</FN><PHOTO><BINVAL>AA==</BINVAL></PHOTO></vCard>"
        );
    }
}
