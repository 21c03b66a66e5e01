//! Addresses: `node@domain/resource`, always in prepared (normalised) form.
//!
//! ```text
//!   j u l i e t @ e x a m p l e . c o m / b a l c o n y
//!                 ^ domain_start        ^ bare_end           one reference-counted text, two u16 indexes
//! ```
//!
//! Invariants:
//! - A [`Jid`] holds prepared text only (RFC 6122, see [`prep`]), so equality of addresses is equality of bytes, and
//!   preparing a `Jid`'s text again gives the same text.
//! - Every part that is present has 1 to [`PART_BYTES_MAX`] bytes, hence the whole has at most [`JID_BYTES_MAX`].
//! - Cloning, and cutting to the bare form, share the text and never allocate.
//!
//! This module knows nothing of accounts or of what an address stands for.
#![forbid(unsafe_code)]

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use bytes::Bytes;
use bytestring::ByteString;

pub mod prep;
mod scan;
#[cfg(test)]
mod tests;

/// Most bytes of one part of an address, prepared (RFC 6122 section 2.1).
pub const PART_BYTES_MAX: usize = 1023;

/// Most bytes of a whole address: three parts and two separators. Longer input is refused before it is prepared.
pub const JID_BYTES_MAX: usize = 3 * PART_BYTES_MAX + 2;

const _: () = assert!(JID_BYTES_MAX < u16::MAX as usize, "indexes are u16");

/// The part of an address at which a [`JidError`] points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Before the `@`: the user, or the room.
    Node,
    /// The server.
    Domain,
    /// After the `/`: the device, or the occupant.
    Resource,
}

/// Why a text is no address. All are the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JidError {
    /// Not UTF-8.
    NotUtf8,
    /// The whole is longer than [`JID_BYTES_MAX`].
    TooLong,
    /// A part is missing where its separator, or the grammar, demands one; or preparation left nothing of it.
    PartEmpty(Part),
    /// A part, prepared, is longer than [`PART_BYTES_MAX`], or a domain's label is longer than 63 bytes.
    PartTooLong(Part),
    /// A part holds something that its profile prohibits, or breaks the rules for right-to-left text.
    PartForbidden(Part),
}

impl fmt::Display for JidError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => write!(out, "the address is not UTF-8"),
            Self::TooLong => write!(out, "the address is longer than {JID_BYTES_MAX} bytes"),
            Self::PartEmpty(part) => write!(out, "the address's {part} is empty"),
            Self::PartTooLong(part) => write!(out, "the address's {part} is too long"),
            Self::PartForbidden(part) => {
                write!(out, "the address's {part} has forbidden characters")
            }
        }
    }
}

impl std::error::Error for JidError {}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Node => "node",
            Self::Domain => "domain",
            Self::Resource => "resource",
        })
    }
}

/// A prepared address. Forty bytes, cheap to clone; compares, orders and hashes as its text.
#[derive(Clone)]
pub struct Jid {
    text: ByteString,
    /// Where the domain begins: 0, or one past the `@`.
    domain_start: u16,
    /// Where the bare address ends: the index of the `/`, or the length of the text.
    bare_end: u16,
}

impl Jid {
    /// Parses and prepares an address; copies it once.
    pub fn parse(text: &str) -> Result<Self, JidError> {
        match scan::prepared_ascii(text.as_bytes()) {
            Some(bounds) => Ok(Self::assemble(ByteString::from(text), bounds)),
            None => Self::parse_slow(text),
        }
    }

    /// Parses an address out of shared bytes; borrows them (no copy) when they are prepared already.
    ///
    /// Such a `Jid` keeps the whole buffer behind `text` alive: what is to be kept for long should be
    /// [detached](Self::detached).
    pub fn parse_bytes(text: Bytes) -> Result<Self, JidError> {
        let bounds = scan::prepared_ascii(&text);
        let text = ByteString::try_from(text).map_err(|_| JidError::NotUtf8)?;
        if let Some(bounds) = bounds {
            return Ok(Self::assemble(text, bounds));
        }
        let prepared = Self::parse_slow(&text)?;
        Ok(if prepared.text == text {
            Self { text, ..prepared }
        } else {
            prepared
        })
    }

    /// Prepares each part, and puts an address together. `node` and `resource` may hold separators only where their
    /// profile allows them.
    pub fn from_parts(node: Option<&str>, domain: &str, resource: Option<&str>) -> Result<Self, JidError> {
        let node = node.map(prep::node).transpose()?;
        let domain = prep::domain(domain)?;
        let resource = resource.map(prep::resource).transpose()?;
        Ok(Self::join(node, domain, resource))
    }

    /// The same bare address with another resource, which is prepared first.
    pub fn with_resource(&self, resource: &str) -> Result<Self, JidError> {
        let resource = prep::resource(resource)?;
        let mut text = String::with_capacity(self.bare_str().len() + 1 + resource.len());
        text.push_str(self.bare_str());
        text.push('/');
        text.push_str(&resource);
        Ok(Self {
            text: text.into(),
            domain_start: self.domain_start,
            bare_end: self.bare_end,
        })
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The whole text as shared bytes.
    pub fn as_bytes(&self) -> &Bytes {
        self.text.as_bytes()
    }

    /// What stands before the `@`.
    pub fn node(&self) -> Option<&str> {
        self.domain_start.checked_sub(1).map(|at| &self.text[..at as usize])
    }

    /// With a node?
    #[inline]
    pub fn has_node(&self) -> bool {
        self.domain_start > 0
    }

    /// The domain; never empty.
    pub fn domain(&self) -> &str {
        &self.text[self.domain_start as usize..self.bare_end as usize]
    }

    /// What stands after the first `/`.
    pub fn resource(&self) -> Option<&str> {
        self.text.get(self.bare_end as usize + 1..)
    }

    /// `node@domain`, or the domain alone.
    pub fn bare_str(&self) -> &str {
        &self.text[..self.bare_end as usize]
    }

    /// Without a resource?
    pub fn is_bare(&self) -> bool {
        self.bare_end as usize == self.text.len()
    }

    /// With a resource?
    pub fn is_full(&self) -> bool {
        !self.is_bare()
    }

    /// The bare address, sharing this one's text.
    pub fn to_bare(&self) -> Self {
        if self.is_bare() {
            return self.clone();
        }
        Self {
            text: self.text.slice_ref(self.bare_str()),
            domain_start: self.domain_start,
            bare_end: self.bare_end,
        }
    }

    /// The bare address of the domain alone, sharing this one's text.
    pub fn to_domain(&self) -> Self {
        let text = self.text.slice_ref(self.domain());
        let bare_end = self.bare_end - self.domain_start;
        Self {
            text,
            domain_start: 0,
            bare_end,
        }
    }

    /// Do both have the same bare address?
    pub fn same_bare(&self, other: &Self) -> bool {
        self.bare_str() == other.bare_str()
    }

    /// Are both of the same domain? Asked for every envelope, hence of bytes: they need no look at where characters begin.
    #[inline]
    pub fn same_domain(&self, other: &Self) -> bool {
        let domain = |jid: &Self| jid.domain_start as usize..jid.bare_end as usize;
        self.as_bytes()[domain(self)] == other.as_bytes()[domain(other)]
    }

    /// A copy in an allocation of its own, which keeps no larger buffer alive.
    pub fn detached(&self) -> Self {
        Self {
            text: ByteString::from(self.as_str()),
            domain_start: self.domain_start,
            bare_end: self.bare_end,
        }
    }

    /// Does the text use code points that Unicode 3.2, on which RFC 6122 rests, did not know?
    ///
    /// Such addresses are routed (RFC 3454 section 7 calls them queries), but no account should be created under one:
    /// a later table may prepare them differently.
    pub fn has_unassigned(&self) -> bool {
        !self.text.is_ascii() && self.text.chars().any(stringprep::tables::unassigned_code_point)
    }

    fn parse_slow(text: &str) -> Result<Self, JidError> {
        if text.len() > JID_BYTES_MAX {
            return Err(JidError::TooLong);
        }
        // RFC 7622 section 3.1: cut at the first '/', then at the first '@' before it.
        let (bare, resource) = match text.split_once('/') {
            Some((bare, resource)) => (bare, Some(resource)),
            None => (text, None),
        };
        let (node, domain) = match bare.split_once('@') {
            Some((node, domain)) => (Some(node), domain),
            None => (None, bare),
        };
        Self::from_parts(node, domain, resource)
    }

    fn join(node: Option<Cow<'_, str>>, domain: Cow<'_, str>, resource: Option<Cow<'_, str>>) -> Self {
        let mut text = String::with_capacity(JID_BYTES_MAX.min(128));
        if let Some(node) = node {
            text.push_str(&node);
            text.push('@');
        }
        let domain_start = text.len();
        text.push_str(&domain);
        let bare_end = text.len();
        if let Some(resource) = resource {
            text.push('/');
            text.push_str(&resource);
        }
        // Copied to its exact size: addresses are kept by the million.
        Self::assemble(ByteString::from(text.as_str()), scan::Bounds { domain_start, bare_end })
    }

    fn assemble(text: ByteString, bounds: scan::Bounds) -> Self {
        // Both fit: every part has been measured, and JID_BYTES_MAX is below u16::MAX.
        Self {
            text,
            domain_start: bounds.domain_start as u16,
            bare_end: bounds.bare_end as u16,
        }
    }
}

impl PartialEq for Jid {
    fn eq(&self, other: &Self) -> bool {
        // Copies of one address share its text, as a rule.
        std::ptr::eq(self.as_str(), other.as_str()) || self.as_str() == other.as_str()
    }
}

impl Eq for Jid {}

impl Hash for Jid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for Jid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Jid {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

/// Maps keyed by `Jid` can be asked with prepared text.
impl Borrow<str> for Jid {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Jid {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Jid {
    type Err = JidError;

    fn from_str(text: &str) -> Result<Self, JidError> {
        Self::parse(text)
    }
}

impl fmt::Display for Jid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for Jid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.as_str())
    }
}
