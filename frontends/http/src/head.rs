//! A request's head (RFC 9112): found in what has been received, and parsed by `httparse`.
//!
//! Strict where two readers of the same bytes could disagree, since one of them may be a proxy in front of us that lets
//! only some requests through: every line ends in CRLF (no bare CR, no bare LF), no field is folded over two lines, and no
//! space stands between a field's name and its colon.
//!
//! Invariants:
//! - At most [`HEAD_BYTES_MAX`] bytes and [`FIELDS_MAX`] fields are looked at.
//! - A head is parsed once, when all of it is there; looking for its end costs each byte once, in any pieces.

use std::fmt;

/// Bytes of a request's head, its empty line included.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Header fields of a request.
pub const FIELDS_MAX: usize = 64;

/// What ends a head: the last field's line, and an empty one.
const END: &[u8] = b"\r\n\r\n";

/// Room for the fields of a head.
pub type Fields<'bytes> = [httparse::Header<'bytes>; FIELDS_MAX];

/// Room with nothing in it.
#[must_use]
pub fn fields<'bytes>() -> Fields<'bytes> {
    [httparse::EMPTY_HEADER; FIELDS_MAX]
}

/// Why bytes are no head of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadFault {
    /// Not HTTP/1.1, or not in its strict form.
    Malformed,
    /// More than [`HEAD_BYTES_MAX`].
    TooLarge,
    /// More than [`FIELDS_MAX`].
    TooManyFields,
}

/// Looks for the end of a head in bytes that arrive in pieces.
#[derive(Debug, Clone, Default)]
pub struct HeadEnd {
    /// Bytes in which no end has begun.
    searched: usize,
}

impl HeadEnd {
    /// `received` is everything since the connection's first byte. The head's length, once all of it is there.
    ///
    /// # Errors
    /// `TooLarge`; and `Malformed` at the first byte if that begins no request, so that who speaks something else (TLS, say)
    /// is told at once.
    pub fn find(&mut self, received: &[u8]) -> Result<Option<usize>, HeadFault> {
        let within = &received[..received.len().min(HEAD_BYTES_MAX)];
        let begins = |first: &u8| first.is_ascii_uppercase() || *first == b'\r';
        if !within.first().is_none_or(begins) {
            return Err(HeadFault::Malformed);
        }
        let from = self.searched.min(within.len());
        if let Some(place) = within[from..].windows(END.len()).position(|bytes| bytes == END) {
            return Ok(Some(from + place + END.len()));
        }
        self.searched = within.len().saturating_sub(END.len() - 1);
        match within.len() {
            HEAD_BYTES_MAX => Err(HeadFault::TooLarge),
            _ => Ok(None),
        }
    }
}

/// A request's head.
#[derive(Debug)]
pub struct Head<'fields, 'bytes> {
    /// `GET`, in capitals as it was sent.
    pub method: &'bytes str,
    /// The request target (RFC 9112 section 3.2), as it was sent.
    pub target: &'bytes str,
    fields: &'fields [httparse::Header<'bytes>],
}

/// A field stands more than once that may stand only once, or has bytes that are not ASCII text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadField;

impl<'fields, 'bytes> Head<'fields, 'bytes> {
    /// Parses `head`, which ends with its empty line.
    ///
    /// # Errors
    /// `Malformed` and `TooManyFields`.
    pub fn parse(head: &'bytes [u8], fields: &'fields mut Fields<'bytes>) -> Result<Self, HeadFault> {
        if !lines_are_strict(head) {
            return Err(HeadFault::Malformed);
        }
        let mut request = httparse::Request::new(fields);
        match request.parse(head) {
            Ok(httparse::Status::Complete(bytes)) if bytes == head.len() && request.version == Some(1) => Ok(Head {
                method: request.method.unwrap_or_default(),
                target: request.path.unwrap_or_default(),
                fields: request.headers,
            }),
            Err(httparse::Error::TooManyHeaders) => Err(HeadFault::TooManyFields),
            _ => Err(HeadFault::Malformed),
        }
    }

    /// The values of all fields of this name, in the order in which they stand.
    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &'bytes [u8]> {
        let named = move |field: &&httparse::Header<'bytes>| field.name.eq_ignore_ascii_case(name);
        self.fields.iter().filter(named).map(|field| field.value.trim_ascii())
    }

    /// The value of a field that may stand once; `None` if it does not stand.
    ///
    /// # Errors
    /// It stands more than once, or is not ASCII.
    pub fn one(&self, name: &'static str) -> Result<Option<&'bytes str>, BadField> {
        let mut values = self.all(name);
        let value = values.next();
        match (value, values.next()) {
            (_, Some(_)) => Err(BadField),
            (Some(value), None) if value.is_ascii() => std::str::from_utf8(value).map(Some).map_err(|_| BadField),
            (Some(_), None) => Err(BadField),
            (None, None) => Ok(None),
        }
    }

    /// The elements of a field that is a list (RFC 9110 section 5.6.1), which may be spread over several.
    pub fn list(&self, name: &'static str) -> impl Iterator<Item = &'bytes [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }
}

/// Whether CR and LF stand only as CRLF.
fn lines_are_strict(head: &[u8]) -> bool {
    let mut before = 0;
    for &byte in head {
        if (before == b'\r') != (byte == b'\n') {
            return false;
        }
        before = byte;
    }
    before != b'\r'
}

impl fmt::Display for HeadFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeadFault::Malformed => out.write_str("not a request of HTTP/1.1"),
            HeadFault::TooLarge => write!(out, "the request's head has more than {HEAD_BYTES_MAX} bytes"),
            HeadFault::TooManyFields => write!(out, "the request has more than {FIELDS_MAX} header fields"),
        }
    }
}

impl std::error::Error for HeadFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_in_any_pieces() {
        let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nmore";
        let mut end = HeadEnd::default();
        for length in 0..bytes.len() {
            let found = end.find(&bytes[..length]);
            let expected = (length >= bytes.len() - 4).then_some(bytes.len() - 4);
            assert_eq!(found, Ok(expected), "{length}");
        }
    }

    #[test]
    fn a_head_of_the_largest_size_is_found_and_a_larger_one_is_not() {
        let mut bytes = vec![b'A'; HEAD_BYTES_MAX - 4];
        bytes.extend_from_slice(END);
        assert_eq!(HeadEnd::default().find(&bytes), Ok(Some(HEAD_BYTES_MAX)));
        bytes.insert(0, b'A');
        assert_eq!(HeadEnd::default().find(&bytes), Err(HeadFault::TooLarge));
    }

    #[test]
    fn what_begins_no_request_is_known_by_its_first_byte() {
        for bytes in [&b"\x16\x03\x01"[..], b"<stream:stream", b"\0", b"\x81", b"get"] {
            assert_eq!(HeadEnd::default().find(bytes), Err(HeadFault::Malformed));
        }
    }

    #[test]
    fn lists_are_spread_over_fields_and_single_fields_are_single() {
        let bytes = b"GET / HTTP/1.1\r\nA: x, y\r\nB: 1\r\na:z ,,\r\nC: \xff\r\n\r\n";
        let mut room = fields();
        let head = Head::parse(bytes, &mut room).unwrap();
        assert_eq!(head.list("A").collect::<Vec<_>>(), [b"x", b"y", b"z"]);
        assert_eq!(head.one("A"), Err(BadField));
        assert_eq!(head.one("b"), Ok(Some("1")));
        assert_eq!(head.one("C"), Err(BadField));
        assert_eq!(head.one("D"), Ok(None));
    }
}
