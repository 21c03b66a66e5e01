//! What a client says: one `<body/>`.

use crate::codec::{Frame, Scan, ScanLimits, Scanner, Stanza};

use super::NS;

/// Bytes of one request's body.
pub const BODY_BYTES_MAX: usize = 512 * 1024;

/// Elements in one.
const CHILDREN_MAX: u32 = 256;

/// Largest number of a request (XEP-0124 section 14.1: exact in any number format).
const RID_MAX: u64 = 9_007_199_254_740_991;

const LIMITS: ScanLimits = ScanLimits {
    stanza_bytes_max: BODY_BYTES_MAX as u32,
    children_max: CHILDREN_MAX as _,
    ..ScanLimits::AFTER_AUTH
};

/// No `<body/>`, or not one of this protocol: answered by `bad-request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadBody;

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub rid: u64,
    /// The session; `None`: a new one.
    pub sid: Option<String>,
    /// The domain that is asked for.
    pub to: Option<String>,
    /// `xml:lang`
    pub lang: Option<String>,
    /// `xmpp:version`
    pub version: Option<String>,
    /// Longest time that the client waits for an answer, in seconds.
    pub wait_s: u64,
    /// Requests that the client lets wait.
    pub hold: usize,
    /// The client wants to know what has been received.
    pub acks: bool,
    /// A new stream is to begin (XEP-0206).
    pub restart: bool,
    /// The session is to end.
    pub terminate: bool,
    /// The client will be away for so many seconds.
    pub pause_s: Option<u64>,
    /// Proves that this is the same client.
    pub key: Option<String>,
    /// What the next key is proved by.
    pub new_key: Option<String>,
    /// The elements in it, one behind the other.
    pub payload: Vec<u8>,
}

impl Request {
    /// Reads a request's body.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(bytes: &[u8]) -> Result<Request, BadBody> {
        let bytes = bytes.trim_ascii();
        let bytes = match bytes.starts_with(b"<?xml") {
            true => {
                let end = bytes.windows(2).position(|pair| pair == b"?>").ok_or(BadBody)?;
                bytes[end + 2..].trim_ascii_start()
            }
            false => bytes,
        };
        let mut scanner = Scanner::for_stanzas(LIMITS);
        let Ok(Scan::Frame {
            frame: Frame::Stanza(body),
            consumed,
        }) = scanner.scan(bytes)
        else {
            return Err(BadBody);
        };
        if consumed != bytes.len() || !body.is("body", NS) {
            return Err(BadBody);
        }
        let mut request = Request::of(&body)?;
        for child in scanner.children(&body) {
            request.payload.extend_from_slice(child.raw.as_bytes());
        }
        Ok(request)
    }

    fn of(body: &Stanza<'_>) -> Result<Request, BadBody> {
        let mut request = Request::default();
        let mut rid = None;
        for attribute in body.attributes() {
            let value = attribute.value.unescape();
            let number = || value.trim().parse::<u64>().map_err(|_| BadBody);
            let text = || Some(value.clone().into_owned());
            match attribute.name {
                "rid" => rid = Some(number()?),
                "sid" => request.sid = text(),
                "to" => request.to = text(),
                "xml:lang" => request.lang = text(),
                "wait" => request.wait_s = number()?,
                "hold" => request.hold = usize::try_from(number()?).map_err(|_| BadBody)?,
                "ack" => request.acks = value == "1",
                "type" => request.terminate = value == "terminate",
                "pause" => request.pause_s = Some(number()?),
                "key" => request.key = text(),
                "newkey" => request.new_key = text(),
                // Whatever prefix XEP-0206's namespace has.
                name if name.ends_with(":version") => request.version = text(),
                name if name.ends_with(":restart") => request.restart = value == "true" || value == "1",
                _ => {}
            }
        }
        request.rid = rid.filter(|rid| *rid <= RID_MAX).ok_or(BadBody)?;
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_and_what_is_in_it() {
        let body = b"<?xml version='1.0'?>\n<body rid='7' sid='s' xmlns='http://jabber.org/protocol/httpbind' xmpp:restart='true' \
            xmlns:xmpp='urn:xmpp:xbosh' key='k'><message xmlns='jabber:client'><body>a</body></message><presence xmlns='jabber:client'/></body>";
        let request = Request::parse(body).unwrap();
        assert_eq!(
            (request.rid, request.sid.as_deref(), request.restart),
            (7, Some("s"), true)
        );
        assert_eq!(
            String::from_utf8(request.payload).unwrap(),
            "<message xmlns='jabber:client'><body>a</body></message><presence xmlns='jabber:client'/>"
        );
    }

    #[test]
    fn what_is_no_body_is_refused() {
        for body in [
            "",
            "<body/>",
            "<body rid='1'/>",
            "<body xmlns='http://jabber.org/protocol/httpbind'/>",
            "<body xmlns='http://jabber.org/protocol/httpbind' rid='x'/>",
            "<body xmlns='http://jabber.org/protocol/httpbind' rid='9007199254740992'/>",
            "<body xmlns='http://jabber.org/protocol/httpbind' rid='1'>",
            "<body xmlns='http://jabber.org/protocol/httpbind' rid='1'/><a/>",
            "<body xmlns='http://jabber.org/protocol/httpbind' rid='1'><!-- x --></body>",
            "<!DOCTYPE a><body xmlns='http://jabber.org/protocol/httpbind' rid='1'/>",
            "<a xmlns='http://jabber.org/protocol/httpbind' rid='1'/>",
        ] {
            assert_eq!(Request::parse(body.as_bytes()), Err(BadBody), "{body}");
        }
    }
}
