//! What a presence says of its client's capabilities: `<c/>` (XEP-0115 section 4).
//!
//! Every change of a presence comes by here, and nearly always with the capabilities that it had before. So the element is looked
//! for where clients put it, without a tree of everything else; what is written in another way is read in full.
//!
//! Invariant: both ways see the same in what both can read.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::LazyLock;

use crosspoint_engine::envelope::Content;
use memchr::{memchr, memchr3, memmem};

use super::super::{caps, xml};
use crate::codec::frame::Attributes;

/// Longest hash or node that is looked at, in bytes.
pub const CAPS_BYTES_MAX: usize = 1_024;

/// Made once: to search for a name is cheaper than to prepare for it.
static NAMESPACE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(caps::NS));

/// A client's capabilities, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub node: String,
    pub ver: String,
    /// Whether it is a hash that we can check.
    pub sha1: bool,
}

impl Mark {
    pub fn hash(&self) -> u64 {
        hash(&self.node, &self.ver, self.sha1)
    }
}

/// A mark in the presence that shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown<'a> {
    node: Cow<'a, str>,
    ver: Cow<'a, str>,
    sha1: bool,
}

impl Shown<'_> {
    /// As [`Mark::hash`].
    pub fn hash(&self) -> u64 {
        hash(&self.node, &self.ver, self.sha1)
    }

    pub fn into_mark(self) -> Mark {
        Mark {
            node: self.node.into_owned(),
            ver: self.ver.into_owned(),
            sha1: self.sha1,
        }
    }
}

fn hash(node: &str, ver: &str, sha1: bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    (node, ver, sha1).hash(&mut hasher);
    hasher.finish()
}

/// The mark in the content of a presence, if there is one.
pub(super) fn of(content: &Content) -> Option<Shown<'_>> {
    let at = NAMESPACE.find(&content.body)?;
    let shown = match usual(&content.body, at) {
        Some(shown) => shown,
        None => careful(content)?,
    };
    (shown.node.len() + shown.ver.len() <= CAPS_BYTES_MAX).then_some(shown)
}

/// From a child `<c xmlns='...' .../>` whose namespace stands at this place.
fn usual(body: &[u8], at: usize) -> Option<Shown<'_>> {
    let tag = str::from_utf8(child_around(body, at)?).ok()?;
    if !tag.starts_with("<c ") {
        return None;
    }
    let (mut ours, mut node, mut ver, mut sha1) = (false, None, None, false);
    for attribute in Attributes::of_head(tag) {
        match attribute.name {
            "xmlns" => ours = attribute.value == *caps::NS,
            "node" => node = Some(attribute.value),
            "ver" => ver = Some(attribute.value),
            "hash" => sha1 = attribute.value == *"sha-1",
            _ => {}
        }
    }
    let (node, ver) = (node?.unescape(), ver?.unescape());
    ours.then_some(Shown { node, ver, sha1 })
}

/// The start tag around this place, if it is that of a first-level child. `None` also where that is not plain to see.
fn child_around(body: &[u8], at: usize) -> Option<&[u8]> {
    let (mut depth, mut place) = (0u32, 0);
    loop {
        let open = place + memchr(b'<', &body[place..])?;
        let end = tag_end(body, open)?;
        if open > at {
            return None;
        }
        if end > at {
            return (depth == 0).then_some(&body[open..=end]);
        }
        match (body[open + 1], body[end - 1]) {
            (b'/', _) => depth = depth.checked_sub(1)?,
            // What is not markup may look like it.
            (b'!' | b'?', _) => return None,
            (_, b'/') => {}
            _ => depth += 1,
        }
        place = end + 1;
    }
}

/// Where the tag that begins here ends: its values may hold what ends others.
fn tag_end(body: &[u8], open: usize) -> Option<usize> {
    let mut place = open + 1;
    loop {
        place += memchr3(b'>', b'\'', b'"', body.get(place..)?)?;
        let byte = body[place];
        if byte == b'>' {
            return Some(place);
        }
        place += 1;
        place += memchr(byte, body.get(place..)?)? + 1;
    }
}

/// From the tree of everything.
fn careful(content: &Content) -> Option<Shown<'static>> {
    let stanza = xml::stanza(content).ok()?;
    let stanza = xml::parse(&stanza).ok()?;
    let c = stanza.child("c", caps::NS)?;
    Some(Shown {
        node: Cow::Owned(c.attr("node")?.to_owned()),
        ver: Cow::Owned(c.attr("ver")?.to_owned()),
        sha1: c.attr("hash") == Some("sha-1"),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use crosspoint_engine::envelope::Codec;

    use super::*;

    fn content(body: &str) -> Content {
        Content {
            codec: Codec::Xmpp,
            head: Bytes::new(),
            body: body.to_owned().into(),
        }
    }

    fn seen(body: &str) -> Option<Shown<'_>> {
        usual(body.as_bytes(), NAMESPACE.find(body.as_bytes())?)
    }

    #[test]
    fn both_ways_see_the_same() {
        let ns = "http://jabber.org/protocol/caps";
        for body in [
            format!("<c xmlns='{ns}' hash='sha-1' node='n' ver='v='/>"),
            format!("<show>away</show><status>a &lt; b</status><c xmlns=\"{ns}\" node='n' ver='v'/>"),
            format!("<x xmlns='a' b='>/>'><y/><z>t</z></x>\n<c ver='a&amp;b' node='n\tm' xmlns='{ns}' ></c>"),
            format!("<c ext='e'\n xmlns = '{ns}' hash='sha-256' node='' ver=''/><show>xa</show>"),
        ] {
            let expected = careful(&content(&body)).expect("one that is read in full");
            assert_eq!(seen(&body), Some(expected), "{body}");
        }
    }

    #[test]
    fn what_is_not_plain_is_read_in_full() {
        let ns = "http://jabber.org/protocol/caps";
        for body in [
            format!("<p:c xmlns:p='{ns}' node='n' ver='v'/>"),
            format!("<x xmlns='a' about='{ns}'/><c xmlns='{ns}' node='n' ver='v'/>"),
            format!("<f xmlns='a'><c xmlns='{ns}' node='false' ver='false'/></f><c xmlns='{ns}' node='n' ver='v'/>"),
            format!("<status>{ns}</status><c xmlns='{ns}' node='n' ver='v'/>"),
            format!("<status><![CDATA[<a>]]></status><c xmlns='{ns}' node='n' ver='v'/>"),
        ] {
            assert_eq!(seen(&body), None, "{body}");
            let expected = Mark {
                node: "n".into(),
                ver: "v".into(),
                sha1: false,
            };
            assert_eq!(of(&content(&body)).map(Shown::into_mark), Some(expected), "{body}");
        }
    }

    #[test]
    fn what_is_no_mark_is_none() {
        let ns = "http://jabber.org/protocol/caps";
        for body in [
            format!("<c xmlns='a' node='{ns}' ver='v'/>"),
            format!("<c xmlns='{ns}' node='n'/>"),
            format!("<status>{ns}</status>"),
            format!("<show '{ns}"),
            format!("<c xmlns='{ns}' node='{}' ver='v'/>", "n".repeat(CAPS_BYTES_MAX)),
            String::new(),
        ] {
            assert_eq!(of(&content(&body)), None, "{body}");
        }
    }
}
