//! The bytes of a session's stream, to messages for its client.
//!
//! Invariant: the stream is our own, so it is well-formed, and what it says is only cut and completed here.

use crate::codec::frame::Attributes;
use crate::codec::{CLIENT, STREAMS};

use super::NS;
use super::tags::{Tag, Tags};

/// Writes one client's messages.
#[derive(Debug, Default)]
pub struct Outbound {
    tags: Tags,
    depth: u32,
    /// The beginning of an element that has not ended. Without memory while there is none.
    cut: Vec<u8>,
    /// Bytes of `cut` that have been looked at.
    seen: usize,
}

impl Outbound {
    /// Takes a piece of the stream, and gives away each message that it completes.
    pub fn part(&mut self, piece: &[u8], mut message: impl FnMut(&[u8])) {
        let mut joined = std::mem::take(&mut self.cut);
        let bytes = match joined.is_empty() {
            true => piece,
            false => {
                joined.extend_from_slice(piece);
                &joined
            }
        };
        let (mut start, mut at) = (0, std::mem::take(&mut self.seen));
        while at < bytes.len() {
            if at == start && bytes[at].is_ascii_whitespace() {
                // Between elements: to keep a connection alive, which WebSocket does otherwise.
                (start, at) = (at + 1, at + 1);
                continue;
            }
            let Some(tag) = self.tags.next(bytes, &mut at) else {
                break;
            };
            if self.is_complete(tag, &bytes[start..at]) {
                translate(&bytes[start..at], &mut message);
                start = at;
            }
        }
        self.seen = at - start;
        self.cut = bytes[start..].to_vec();
    }

    fn is_complete(&mut self, tag: Tag, element: &[u8]) -> bool {
        match tag {
            Tag::Start if self.depth == 0 && element.starts_with(b"<stream:stream") => return true,
            Tag::Start => self.depth += 1,
            Tag::End => self.depth = self.depth.saturating_sub(1),
            Tag::Empty | Tag::Text | Tag::Other => {}
        }
        self.depth == 0
    }
}

fn translate(element: &[u8], message: &mut impl FnMut(&[u8])) {
    if element.starts_with(b"<?") {
        return;
    }
    if element.starts_with(b"</") {
        return message(format!("<close xmlns='{NS}'/>").as_bytes());
    }
    let (mut at, mut tags) = (0, Tags::default());
    let _ = tags.next(element, &mut at);
    let (head, rest) = element.split_at(at);
    let head = std::str::from_utf8(head).unwrap_or_default();
    let name = head[1..]
        .split([' ', '\t', '\r', '\n', '/', '>'])
        .next()
        .unwrap_or_default();
    if name == "stream:stream" {
        return message(open(head).as_bytes());
    }
    let mut declared = Vec::with_capacity(element.len() + 64);
    declared.push(b'<');
    declared.extend_from_slice(name.as_bytes());
    declare(name, head, &mut declared);
    declared.extend_from_slice(&head.as_bytes()[1 + name.len()..]);
    declared.extend_from_slice(rest);
    message(&declared);
}

/// What the stream's header has declared for an element, and the element does not declare itself.
fn declare(name: &str, head: &str, out: &mut Vec<u8>) {
    if name.starts_with("stream:") {
        out.extend_from_slice(format!(" xmlns:stream='{STREAMS}'").as_bytes());
    } else if !Attributes::of_head(head).any(|attribute| attribute.name == "xmlns") {
        out.extend_from_slice(format!(" xmlns='{CLIENT}'").as_bytes());
    }
}

fn open(head: &str) -> String {
    let mut open = format!("<open xmlns='{NS}'");
    for attribute in Attributes::of_head(head).filter(|it| !it.name.starts_with("xmlns")) {
        open.push(' ');
        open.push_str(attribute.raw);
    }
    open.push_str("/>");
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(pieces: &[&[u8]]) -> Vec<String> {
        let mut outbound = Outbound::default();
        let mut found = Vec::new();
        for piece in pieces {
            outbound.part(piece, |message| {
                found.push(String::from_utf8(message.to_vec()).unwrap())
            });
        }
        assert_eq!(outbound.cut.capacity(), 0, "nothing is kept between elements");
        found
    }

    #[test]
    fn a_stream_is_the_same_messages_however_it_is_cut() {
        let stream = b"<?xml version='1.0'?><stream:stream from='a' id='x' version='1.0' xml:lang='en' \
            xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>\
            <stream:features><mechanisms xmlns='urn:m'><mechanism>PLAIN</mechanism></mechanisms></stream:features>\
            <success xmlns='urn:s'>d</success> \n <message to='a'><body xmlns='b'>c</body></message><presence/><iq id='/'/>\
            <stream:error><conflict xmlns='urn:e'/></stream:error></stream:stream>";
        let expected = [
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='a' id='x' version='1.0' xml:lang='en'/>",
            "<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='urn:m'>\
             <mechanism>PLAIN</mechanism></mechanisms></stream:features>",
            "<success xmlns='urn:s'>d</success>",
            "<message xmlns='jabber:client' to='a'><body xmlns='b'>c</body></message>",
            "<presence xmlns='jabber:client'/>",
            "<iq xmlns='jabber:client' id='/'/>",
            "<stream:error xmlns:stream='http://etherx.jabber.org/streams'><conflict xmlns='urn:e'/></stream:error>",
            "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
        ];
        assert_eq!(messages(&[stream]), expected);
        for one in 0..stream.len() {
            assert_eq!(messages(&[&stream[..one], &stream[one..]]), expected, "{one}");
        }
        let single: Vec<_> = stream.chunks(1).collect();
        assert_eq!(messages(&single), expected);
    }
}
