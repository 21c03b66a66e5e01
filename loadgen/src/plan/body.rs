//! How long the bodies of messages are: one number of bytes, or a range from which each message takes its length.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Least bytes of a body: number, stamp and a space, so that every message can be told from every other.
pub const BODY_BYTES_MIN: usize = 16;
/// Most bytes of a body.
pub const BODY_BYTES_MAX: usize = 16 << 10;

/// `100`, or `"16-100"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyBytes {
    pub least: usize,
    pub most: usize,
}

impl BodyBytes {
    /// The length of the body of message `number`: spread evenly, and neighbours apart.
    #[inline]
    pub fn of(self, number: u32) -> usize {
        // Fibonacci hashing.
        let spread = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        self.least + ((spread * (self.most - self.least + 1) as u64) >> 32) as usize
    }

    fn new(least: usize, most: usize) -> Result<Self, String> {
        if least < BODY_BYTES_MIN || most > BODY_BYTES_MAX {
            return Err(format!(
                "bodies have {BODY_BYTES_MIN} to {BODY_BYTES_MAX} bytes, not {least}-{most}"
            ));
        }
        if least > most {
            return Err(format!(
                "the range {least}-{most} is empty: write the smaller number first"
            ));
        }
        Ok(Self { least, most })
    }
}

impl Default for BodyBytes {
    fn default() -> Self {
        Self { least: 100, most: 100 }
    }
}

impl FromStr for BodyBytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (least, most) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| {
            text.trim()
                .parse()
                .map_err(|_| format!("{text:?} is no number of bytes; write 100, or \"16-100\""))
        };
        Self::new(number(least)?, number(most)?)
    }
}

impl fmt::Display for BodyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.least == self.most {
            true => write!(f, "{}", self.least),
            false => write!(f, "{}-{}", self.least, self.most),
        }
    }
}

impl Serialize for BodyBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.least == self.most {
            true => serializer.serialize_u64(self.least as u64),
            false => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for BodyBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = BodyBytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or a range like \"16-100\"")
            }

            fn visit_i64<E: Error>(self, bytes: i64) -> Result<BodyBytes, E> {
                let bytes = usize::try_from(bytes).map_err(|_| E::custom("a body has no negative length"))?;
                BodyBytes::new(bytes, bytes).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<BodyBytes, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
