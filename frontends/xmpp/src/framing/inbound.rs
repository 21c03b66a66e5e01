//! A client's messages, to the bytes of a stream.

use crate::codec::{CLIENT, Frame, STREAMS, Scan, ScanLimits, Scanner, Stanza};

use super::NS;
use super::tags::{Tag, Tags};

/// Bytes of an `<open/>` or a `<close/>`.
pub const FRAME_BYTES_MAX: usize = 4 * 1024;

/// Bytes of an element's name, with its prefix, while it is not known which one it is.
const NAME_BYTES_MAX: usize = 256;

/// What of an `<open/>` a stream header has, too.
const HEADER_ATTRIBUTES: [&str; 4] = ["to", "from", "version", "xml:lang"];

/// A message is not one whole element (RFC 7395 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramingFault;

/// Reads one client's messages.
#[derive(Debug, Default)]
pub struct Inbound {
    tags: Tags,
    /// Elements that are open.
    depth: u32,
    stage: Stage,
    /// The message, as long as it is not passed on. Without memory otherwise.
    kept: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// It is not known yet which element this is.
    #[default]
    Name,
    /// It may be an `<open/>` or a `<close/>`.
    Framing,
    /// It is something else, and passed on.
    Passing,
    /// Its element has ended.
    Complete,
}

impl Inbound {
    /// Takes a part of a message, and appends what it means to `stream`.
    ///
    /// # Errors
    /// What is no element, or more than one.
    pub fn part(&mut self, bytes: &[u8], stream: &mut Vec<u8>) -> Result<(), FramingFault> {
        match self.stage {
            Stage::Passing | Stage::Complete => return self.pass(bytes, stream),
            Stage::Name | Stage::Framing => self.kept.extend_from_slice(bytes),
        }
        if self.stage == Stage::Name {
            match may_be_framing(&self.kept)? {
                None => return Ok(()),
                Some(true) => self.stage = Stage::Framing,
                Some(false) => {
                    self.stage = Stage::Passing;
                    let kept = std::mem::take(&mut self.kept);
                    return self.pass(&kept, stream);
                }
            }
        }
        match self.kept.len() {
            ..=FRAME_BYTES_MAX => Ok(()),
            _ => Err(FramingFault),
        }
    }

    /// The message has ended.
    ///
    /// # Errors
    /// Its element has not.
    pub fn end(&mut self, stream: &mut Vec<u8>) -> Result<(), FramingFault> {
        let kept = std::mem::take(&mut self.kept);
        match std::mem::take(&mut self.stage) {
            Stage::Complete => Ok(()),
            Stage::Framing => translate(&kept, stream),
            Stage::Name | Stage::Passing => Err(FramingFault),
        }
    }

    fn pass(&mut self, bytes: &[u8], stream: &mut Vec<u8>) -> Result<(), FramingFault> {
        self.count(bytes)?;
        stream.extend_from_slice(bytes);
        Ok(())
    }

    /// Sees to it that there is one element, and nothing beside it.
    fn count(&mut self, bytes: &[u8]) -> Result<(), FramingFault> {
        let mut at = 0;
        while at < bytes.len() {
            if self.depth == 0 && self.tags.is_between() {
                match bytes[at] {
                    b'<' if self.stage == Stage::Passing => {}
                    b' ' | b'\t' | b'\n' | b'\r' if self.stage == Stage::Complete => {
                        at += 1;
                        continue;
                    }
                    _ => return Err(FramingFault),
                }
            }
            match self.tags.next(bytes, &mut at) {
                None => break,
                Some(Tag::Start) => self.depth += 1,
                Some(Tag::End) => self.depth = self.depth.checked_sub(1).ok_or(FramingFault)?,
                Some(Tag::Empty) => {}
                Some(Tag::Text | Tag::Other) if self.depth == 0 => return Err(FramingFault),
                Some(Tag::Text | Tag::Other) => {}
            }
            if self.depth == 0 {
                self.stage = Stage::Complete;
            }
        }
        Ok(())
    }
}

/// Whether this is named like `<open/>` or `<close/>`, with whichever prefix; `None` while the name has not ended.
fn may_be_framing(bytes: &[u8]) -> Result<Option<bool>, FramingFault> {
    let rest = match bytes {
        [] => return Ok(None),
        [b'<', rest @ ..] => rest,
        _ => return Err(FramingFault),
    };
    let end = rest.iter().position(|byte| b" \t\r\n/>".contains(byte));
    match end {
        Some(end) => {
            let local = rest[..end].rsplit(|byte| *byte == b':').next();
            Ok(Some(matches!(local, Some(b"open" | b"close"))))
        }
        None if rest.len() > NAME_BYTES_MAX => Err(FramingFault),
        None => Ok(None),
    }
}

/// The header or the end of a stream; whatever else is named like them, as it is.
fn translate(message: &[u8], stream: &mut Vec<u8>) -> Result<(), FramingFault> {
    let mut scanner = Scanner::for_stanzas(ScanLimits::BEFORE_AUTH);
    let (stanza, consumed) = match scanner.scan(message) {
        Ok(Scan::Frame {
            frame: Frame::Stanza(stanza),
            consumed,
        }) => (stanza, consumed),
        _ => return Err(FramingFault),
    };
    if !message[consumed..].trim_ascii().is_empty() {
        return Err(FramingFault);
    }
    match stanza.name {
        _ if stanza.namespace != NS => stream.extend_from_slice(message),
        "open" => header(&stanza, stream),
        _ => stream.extend_from_slice(b"</stream:stream>"),
    }
    Ok(())
}

fn header(open: &Stanza<'_>, stream: &mut Vec<u8>) {
    stream.extend_from_slice(b"<stream:stream");
    for attribute in open.attributes().filter(|it| HEADER_ATTRIBUTES.contains(&it.name)) {
        stream.push(b' ');
        stream.extend_from_slice(attribute.raw.as_bytes());
    }
    stream.extend_from_slice(format!(" xmlns='{CLIENT}' xmlns:stream='{STREAMS}'>").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Result<String, FramingFault> {
        let mut whole = Vec::new();
        let mut inbound = Inbound::default();
        let outcome = inbound
            .part(message.as_bytes(), &mut whole)
            .and_then(|()| inbound.end(&mut whole));
        for cut in 1..message.len() {
            let mut stream = Vec::new();
            let mut inbound = Inbound::default();
            let (one, other) = message.as_bytes().split_at(cut);
            let again = inbound
                .part(one, &mut stream)
                .and_then(|()| inbound.part(other, &mut stream))
                .and_then(|()| inbound.end(&mut stream));
            assert_eq!(again, outcome, "{message} cut at {cut}");
            if outcome.is_ok() {
                assert_eq!(stream, whole, "{message} cut at {cut}");
            }
        }
        outcome.map(|()| String::from_utf8(whole).unwrap())
    }

    #[test]
    fn an_open_is_a_stream_header_and_a_close_its_end() {
        let header = "<stream:stream to=\"a.example\" version=\"1.0\" xml:lang='de' xmlns='jabber:client' \
            xmlns:stream='http://etherx.jabber.org/streams'>";
        let open = "<open xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" to=\"a.example\" version=\"1.0\" xml:lang='de' id='x'/>";
        assert_eq!(read(open).as_deref(), Ok(header));
        let prefixed = "<f:open xmlns:f=\"urn:ietf:params:xml:ns:xmpp-framing\" to=\"a.example\" version=\"1.0\" xml:lang='de'></f:open>";
        assert_eq!(read(prefixed).as_deref(), Ok(header));
        let close = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";
        assert_eq!(read(close).as_deref(), Ok("</stream:stream>"));
    }

    #[test]
    fn one_whole_element_is_passed_on_as_it_is() {
        for message in [
            "<message xmlns='jabber:client' to='a'><body>&lt;b&gt;</body></message>",
            "<iq xmlns='jabber:client' a='>'/>",
            "<a><![CDATA[</a>]]></a>\n",
            "<open xmlns='urn:example'/>",
        ] {
            assert_eq!(read(message).as_deref(), Ok(message));
        }
    }

    #[test]
    fn what_is_not_one_whole_element_is_refused() {
        for message in [
            "",
            " ",
            "text",
            " <a/>",
            "<a/><b/>",
            "<a/>text",
            "<a>",
            "<a",
            "</stream:stream>",
            "<a/></stream:stream>",
            "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>",
            "<?xml version='1.0'?><a/>",
            "<a/><![CDATA[x]]>",
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/><a/>",
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'>",
        ] {
            assert_eq!(read(message), Err(FramingFault), "{message}");
        }
    }

    #[test]
    fn what_is_kept_of_a_message_is_bounded() {
        let mut inbound = Inbound::default();
        let mut stream = Vec::new();
        assert_eq!(inbound.part(b"<open xmlns='", &mut stream), Ok(()));
        assert_eq!(inbound.part(&[b'a'; FRAME_BYTES_MAX], &mut stream), Err(FramingFault));
        let mut inbound = Inbound::default();
        assert_eq!(inbound.part(b"<", &mut stream), Ok(()));
        assert_eq!(
            inbound.part(&[b'a'; NAME_BYTES_MAX + 1], &mut stream),
            Err(FramingFault)
        );
        let mut inbound = Inbound::default();
        assert_eq!(inbound.part(b"<message><body>", &mut stream), Ok(()));
        assert_eq!(inbound.part(&[b'a'; 1 << 20], &mut stream), Ok(()));
        assert_eq!(inbound.kept.capacity(), 0, "what is passed on is not kept");
    }
}
