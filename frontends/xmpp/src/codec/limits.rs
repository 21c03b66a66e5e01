//! The limits of the scanner. Every bound on what a peer can make us hold or do has its name here.
//!
//! Invariant: each field is at most its `*_CEILING`, so that offsets fit the compact records of the
//! scanner; [`ScanLimits::clamped`] enforces it wherever limits enter.

/// Largest stanza that any configuration can allow, in bytes: offsets are kept in 32 bits.
pub const STANZA_BYTES_CEILING: u32 = 64 << 20;
/// Largest qualified name that any configuration can allow, in bytes: lengths are kept in 16 bits.
pub const NAME_BYTES_CEILING: u32 = 4096;
/// Most prefixes in scope that any configuration can allow; those of the stream header are tracked in a 64-bit set.
pub const PREFIXES_CEILING: u32 = 64;
/// Longest XML declaration that is read, in bytes. The usual one has 21 to 38.
pub const DECLARATION_BYTES_MAX: usize = 128;
/// Longest character reference that is read, in digits. The largest code point needs 7 (decimal).
pub const REFERENCE_DIGITS_MAX: usize = 8;

/// What one stream may ask of the scanner.
///
/// All sizes are in bytes of UTF-8 as received. A stanza beyond any of them is
/// [`Fault::PolicyViolation`](super::Fault::PolicyViolation) with the limit's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// Bytes of one first-level element, tags included; also of one stream header.
    /// RFC 6120 section 13.12 asks for at least 10,000.
    pub stanza_bytes_max: u32,
    /// Depth of nested elements; the stanza itself is 1.
    pub depth_max: u32,
    /// Attributes of one element, namespace declarations included.
    pub attributes_max: u32,
    /// First-level children of one stanza. All of them are recorded, so that none escapes a cut.
    pub children_max: u32,
    /// Bytes of one qualified name (prefix, colon and local part).
    pub name_bytes_max: u32,
    /// Namespace prefixes in scope at one point of a stanza, and, apart, in the stream header.
    pub prefixes_max: u32,
}

impl ScanLimits {
    /// For streams that have not authenticated: what SASL, STARTTLS and binding need, and little more.
    pub const BEFORE_AUTH: ScanLimits = ScanLimits {
        stanza_bytes_max: 10_000,
        depth_max: 8,
        attributes_max: 16,
        children_max: 16,
        name_bytes_max: 128,
        prefixes_max: 16,
    };

    /// For authenticated streams.
    pub const AFTER_AUTH: ScanLimits = ScanLimits {
        stanza_bytes_max: 256 << 10,
        depth_max: 64,
        attributes_max: 64,
        children_max: 256,
        name_bytes_max: 1024,
        prefixes_max: 64,
    };

    /// The same limits, each brought under its ceiling.
    pub fn clamped(self) -> ScanLimits {
        ScanLimits {
            stanza_bytes_max: self.stanza_bytes_max.min(STANZA_BYTES_CEILING),
            name_bytes_max: self.name_bytes_max.min(NAME_BYTES_CEILING),
            prefixes_max: self.prefixes_max.min(PREFIXES_CEILING),
            ..self
        }
    }
}

impl Default for ScanLimits {
    fn default() -> Self {
        ScanLimits::AFTER_AUTH
    }
}

const _: () = assert!(NAME_BYTES_CEILING <= u16::MAX as u32);
const _: () = assert!(PREFIXES_CEILING <= u64::BITS);
const _: () = assert!(ScanLimits::BEFORE_AUTH.stanza_bytes_max >= 10_000);
const _: () = assert!(ScanLimits::AFTER_AUTH.stanza_bytes_max <= STANZA_BYTES_CEILING);
