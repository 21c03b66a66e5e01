//! A place for one file: its URL, and the seal that makes it good once.
//!
//! ```text
//!   /upload/20786-0f3a...e1/holiday.jpg?until=1795838400000&size=81920&owner=00c0ffee00c0ffee&seal=<64 hex digits>
//!           day   random    name
//! ```
//! Invariant: the seal covers everything that a place is, so nothing has to be remembered of it but what it may cost.

use std::fmt::Write as _;
use std::io;

use crosspoint_xmpp::features::upload::PlaceRequest;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::DAY_MS;

/// For how long a place is good.
pub const PLACE_MS: u64 = 5 * 60 * 1000;

/// Bytes of a file's name.
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes of a media type.
pub const MEDIA_BYTES_MAX: usize = 127;

/// Names a file on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id {
    /// Since 1970, of its place.
    pub day: u64,
    /// Nobody guesses it.
    pub random: u128,
}

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// See [`Id`].
    pub day: u64,
    /// See [`Id`].
    pub random: u128,
    /// Of the file, in bytes.
    pub size: u64,
    /// Whose it is: a digest of the address.
    pub owner: u64,
    /// When it is good no longer.
    pub until_ms: u64,
}

/// What a PUT's query says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    until_ms: u64,
    size: u64,
    owner: u64,
    seal: &'a str,
}

impl Id {
    /// `20786-0f3a...e1`, and nothing else.
    pub fn parse(text: &str) -> Option<Id> {
        let (day, random) = text.split_once('-')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !digits(day) || day.len() > 6 || random.len() != 32 || !random.bytes().all(hexadecimal) {
            return None;
        }
        Some(Id {
            day: day.parse().ok()?,
            random: u128::from_str_radix(random, 16).ok()?,
        })
    }
}

impl Place {
    /// A new one; `None` if the name or the type cannot be one.
    pub fn new(request: &PlaceRequest<'_>) -> Option<Place> {
        let name = request.name;
        let dots = name == "." || name == "..";
        let bad = |character: char| character.is_control() || character == '/' || character == '\\';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || dots || name.contains(bad) {
            return None;
        }
        if request.media.is_some_and(|media| !is_media(media)) {
            return None;
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        Some(Place {
            day: request.now_ms / DAY_MS,
            random: u128::from_be_bytes(random),
            size: request.bytes,
            owner: owner(request.owner),
            until_ms: request.now_ms + PLACE_MS,
        })
    }

    /// The URL's end, with the name in it.
    pub fn path(&self, name: &str) -> String {
        format!("{}-{:032x}/{}", self.day, self.random, escape(name))
    }

    /// Its file's name on the disk.
    pub fn id(&self) -> Id {
        Id {
            day: self.day,
            random: self.random,
        }
    }

    /// Of a PUT.
    pub fn of(id: Id, query: Query<'_>) -> Place {
        Place {
            day: id.day,
            random: id.random,
            size: query.size,
            owner: query.owner,
            until_ms: query.until_ms,
        }
    }
}

impl<'a> Query<'a> {
    /// Each of its four parts, once.
    pub fn parse(text: &'a str) -> Option<Query<'a>> {
        let mut parts = text.split('&');
        let mut part = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
        let query = Query {
            until_ms: part("until")?.parse().ok()?,
            size: part("size")?.parse().ok()?,
            owner: u64::from_str_radix(part("owner")?, 16).ok()?,
            seal: part("seal")?,
        };
        parts.next().is_none().then_some(query)
    }
}

/// Seals places, with a key that nobody else has. A place does not outlive the process.
pub struct Seal([u8; 32]);

impl Seal {
    /// With a new key.
    ///
    /// # Errors
    /// No random bytes.
    pub fn fresh() -> io::Result<Seal> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Seal(key))
    }

    /// The query of a place's PUT.
    pub fn query(&self, place: &Place, name: &str, media: &str) -> String {
        let mut text = format!(
            "until={}&size={}&owner={:016x}&seal=",
            place.until_ms, place.size, place.owner
        );
        for byte in self.mac(place, name, media).finalize().into_bytes() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// Whether this place, for a file of this name and type, was sealed here.
    pub fn is_good(&self, place: &Place, name: &str, media: &str, query: &Query<'_>) -> bool {
        let byte = |pair: &[u8]| {
            std::str::from_utf8(pair)
                .ok()
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        };
        let given: Option<Vec<u8>> = query.seal.as_bytes().chunks(2).map(byte).collect();
        // In constant time.
        given.is_some_and(|given| self.mac(place, name, media).verify_slice(&given).is_ok())
    }

    fn mac(&self, place: &Place, name: &str, media: &str) -> Hmac<Sha256> {
        // Any length of key will do.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(&place.day.to_be_bytes());
        mac.update(&place.random.to_be_bytes());
        mac.update(&place.size.to_be_bytes());
        mac.update(&place.owner.to_be_bytes());
        mac.update(&place.until_ms.to_be_bytes());
        mac.update(&(name.len() as u64).to_be_bytes());
        mac.update(name.as_bytes());
        mac.update(media.as_bytes());
        mac
    }
}

/// What stands for an account in the files: the same in each process.
pub fn owner(bare: &str) -> u64 {
    let digest = Sha256::digest(bare.as_bytes());
    digest
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// `image/png`, with parameters or without; nothing that could end a header.
fn is_media(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    text.len() <= MEDIA_BYTES_MAX && text.contains('/') && text.bytes().all(plain)
}

/// A name as a segment of a path (RFC 3986): everything but unreserved characters in percent.
pub fn escape(name: &str) -> String {
    let mut escaped = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}

/// The name that a segment stands for; `None` if it is none.
pub fn unescape(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let digit = |digit: u8| char::from(digit).to_digit(16);
                (digit(high)? * 16 + digit(low)?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 20_786 * DAY_MS + 1;

    fn request(name: &str) -> PlaceRequest<'_> {
        PlaceRequest {
            owner: "romeo@localhost",
            name,
            bytes: 10,
            media: Some("image/png"),
            now_ms: NOW,
        }
    }

    #[test]
    fn a_seal_is_good_for_what_it_was_made_for_and_nothing_else() {
        let seal = Seal::fresh().unwrap();
        let place = Place::new(&request("ä b.png")).unwrap();
        let text = seal.query(&place, "ä b.png", "image/png");
        let query = Query::parse(&text).unwrap();
        let path = place.path("ä b.png");
        let (id, name) = path.split_once('/').unwrap();
        assert_eq!(unescape(name).as_deref(), Some("ä b.png"));
        let again = Place::of(Id::parse(id).unwrap(), query);
        assert_eq!(again, place);
        assert!(seal.is_good(&place, "ä b.png", "image/png", &query));
        assert!(!seal.is_good(&place, "a b.png", "image/png", &query), "another name");
        assert!(!seal.is_good(&place, "ä b.png", "text/html", &query), "another type");
        assert!(
            !Seal::fresh().unwrap().is_good(&place, "ä b.png", "image/png", &query),
            "another key"
        );
        for other in [
            Place { size: 11, ..place },
            Place { owner: 1, ..place },
            Place {
                until_ms: u64::MAX,
                ..place
            },
            Place { random: 1, ..place },
            Place { day: 1, ..place },
        ] {
            assert!(!seal.is_good(&other, "ä b.png", "image/png", &query), "{other:?}");
        }
    }

    #[test]
    fn names_that_are_paths_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "a\\b",
            "a\0",
            "a\r\nb",
            &"a".repeat(NAME_BYTES_MAX + 1),
        ] {
            assert_eq!(Place::new(&request(name)), None, "{name:?}");
        }
        let media = PlaceRequest {
            media: Some("text/html\r\nX: y"),
            ..request("a")
        };
        assert_eq!(Place::new(&media), None);
    }

    #[test]
    fn only_a_day_and_a_random_number_name_a_file() {
        let random = "0f".repeat(16);
        assert!(Id::parse(&format!("20786-{random}")).is_some());
        for text in [
            "..",
            "20786",
            "20786-..",
            &format!("../20786-{random}"),
            &format!("-{random}"),
            &format!("+1-{random}"),
            &format!("20786-{}", random.to_uppercase()),
            &format!("20786-{random}0"),
            &format!("20786-{random}.part"),
            &format!("1234567-{random}"),
        ] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }
}
