//! What a peer can get wrong at the level of XML, and the stream error that answers it.
//!
//! Invariant: every [`Fault`] names exactly one condition of RFC 6120 section 4.9.3; the detail inside
//! is for logs and metrics and never reaches the peer unless the caller writes it.

use std::fmt;

/// A peer's mistake. After one, the stream is beyond repair: the scanner returns the same fault for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Character data, or a CDATA section, between two stanzas; or a stream root that is no `stream`
    /// element (RFC 6120 section 4.9.3.1).
    BadFormat,
    /// The root is called `stream` but has no prefix and is not in the stream namespace
    /// (RFC 6120 sections 4.9.3.2 and 4.8.5).
    BadNamespacePrefix,
    /// The prefix of the stream root is bound to something else than
    /// `http://etherx.jabber.org/streams` (RFC 6120 section 4.9.3.10).
    InvalidNamespace,
    /// XML 1.0 or Namespaces in XML is violated (RFC 6120 sections 4.9.3.13 and 11.3).
    NotWellFormed(Flaw),
    /// A limit of ours is exceeded (RFC 6120 section 4.9.3.14).
    PolicyViolation(Limit),
    /// A comment, processing instruction, DTD, `standalone='no'`, or a reference to an entity that is
    /// not predefined (RFC 6120 sections 4.9.3.18 and 11.1).
    RestrictedXml,
    /// Bytes that are no UTF-8, or a declared encoding other than UTF-8
    /// (RFC 6120 sections 4.9.3.22 and 11.6).
    UnsupportedEncoding,
}

/// Which rule of XML 1.0 or of Namespaces in XML 1.0 is violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// Something other than an XML declaration or the root before the root; or anything after its end.
    Outside,
    /// The XML declaration is misspelt, or its version is not 1.0.
    Declaration,
    /// A name is empty, has an illegal character, or is no QName.
    Name,
    /// A tag is not of the grammar: a missing space, quote, equals sign or bracket, or `<` in a value.
    Tag,
    /// An end tag closes another element than the one that is open.
    Mismatch,
    /// Two attributes of one element have the same name, as written or after resolving prefixes.
    DuplicateAttribute,
    /// A character reference is misspelt, or names no XML character.
    Reference,
    /// A character outside of XML's range: most controls, U+FFFE, U+FFFF.
    Character,
    /// `]]>` in text.
    CdataEnd,
    /// A prefix is used that nothing declares.
    UndeclaredPrefix,
    /// `xml` or `xmlns`, or one of their namespace names, is bound, or used, as it must not be.
    ReservedPrefix,
    /// `xmlns:p=''`: Namespaces in XML 1.0 cannot undeclare a prefix.
    EmptyPrefix,
}

/// Which limit of [`ScanLimits`](super::ScanLimits) is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// `stanza_bytes_max`
    StanzaBytes,
    /// `depth_max`
    Depth,
    /// `attributes_max`
    Attributes,
    /// `children_max`
    Children,
    /// `name_bytes_max`
    NameBytes,
    /// `prefixes_max`
    Prefixes,
    /// [`REFERENCE_DIGITS_MAX`](super::limits::REFERENCE_DIGITS_MAX)
    ReferenceDigits,
    /// [`DECLARATION_BYTES_MAX`](super::limits::DECLARATION_BYTES_MAX)
    DeclarationBytes,
    /// [`TREE_NODES_MAX`](super::tree::TREE_NODES_MAX)
    TreeNodes,
}

impl Fault {
    /// The condition's element name in `urn:ietf:params:xml:ns:xmpp-streams`.
    pub fn condition(self) -> &'static str {
        match self {
            Fault::BadFormat => "bad-format",
            Fault::BadNamespacePrefix => "bad-namespace-prefix",
            Fault::InvalidNamespace => "invalid-namespace",
            Fault::NotWellFormed(_) => "not-well-formed",
            Fault::PolicyViolation(_) => "policy-violation",
            Fault::RestrictedXml => "restricted-xml",
            Fault::UnsupportedEncoding => "unsupported-encoding",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NotWellFormed(flaw) => write!(f, "{}: {flaw:?}", self.condition()),
            Fault::PolicyViolation(limit) => write!(f, "{}: {limit:?}", self.condition()),
            _ => f.write_str(self.condition()),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Flaw> for Fault {
    fn from(flaw: Flaw) -> Self {
        Fault::NotWellFormed(flaw)
    }
}

impl From<Limit> for Fault {
    fn from(limit: Limit) -> Self {
        Fault::PolicyViolation(limit)
    }
}
