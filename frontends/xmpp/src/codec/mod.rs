//! The codec: bytes of an XMPP stream to validated, borrowed frames, and back.
//!
//! Pure: no I/O, no clock, no session state; in steady state nothing is allocated per stanza. The scanner
//! is the validator of everything that is forwarded: only bytes that [`Scanner::scan`] has passed may be
//! copied into another stream, and only if [`Stanza::verbatim`] says so. quick-xml ([`tree`]) reads
//! nothing but slices of such stanzas.
//!
//! How a front uses it:
//!
//! ```
//! use crosspoint_xmpp::codec::{Attrs, Frame, Scan, ScanLimits, Scanner, cut, write_head, write_tail};
//!
//! let mut scanner = Scanner::new(ScanLimits::BEFORE_AUTH);
//! let mut input: &[u8] = b"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
//!     xmlns:stream='http://etherx.jabber.org/streams'>\
//!     <message to='juliet@localhost'><body>Soft!</body></message>";
//! let mut out = Vec::new();
//! while let Scan::Frame { frame, consumed } = scanner.scan(input)? {
//!     if let Frame::Stanza(stanza) = frame {
//!         let attrs = Attrs {
//!             from: Some("romeo@localhost/orchard".into()),
//!             to: stanza.to.map(Into::into),
//!             rest: stanza.rest(),
//!             ..Attrs::default()
//!         };
//!         write_head(&mut out, stanza.name, &attrs, false);
//!         let body = cut(&stanza, &scanner, |child| child.is("delay", "urn:xmpp:delay"));
//!         out.extend_from_slice(body.as_bytes());
//!         write_tail(&mut out, stanza.name);
//!     }
//!     input = &input[consumed..];
//! }
//! assert_eq!(
//!     String::from_utf8_lossy(&out),
//!     "<message from=\"romeo@localhost/orchard\" to=\"juliet@localhost\"><body>Soft!</body></message>"
//! );
//! # Ok::<(), crosspoint_xmpp::codec::Fault>(())
//! ```
//!
//! A stanza that is not `verbatim` goes through [`reserialise`] into a buffer, and that buffer through
//! [`Scanner::for_stanzas`]; from there on it is like any other.

mod cut;
mod fault;
mod find;
pub(crate) mod frame;
mod head;
mod header;
pub mod limits;
mod machine;
mod reserialise;
mod scan;
mod state;
mod token;
pub mod tree;
mod usual;
mod value;
mod work;
pub mod write;

pub use cut::{Cut, cut};
pub use fault::{Fault, Flaw, Limit};
pub use frame::{Attribute, Attributes, Child, Frame, Header, Name, Rest, Scan, Stanza};
pub use limits::ScanLimits;
pub use reserialise::reserialise;
pub use scan::Scanner;
pub use tree::Element;
pub use value::{Value, unescape_text};
pub use write::{Attr, Attrs, Builder, write_head, write_tail};

/// Content namespace of client streams (RFC 6120 section 4.8.2).
pub const CLIENT: &str = "jabber:client";
/// Content namespace of server streams (RFC 6120 section 4.8.2).
pub const SERVER: &str = "jabber:server";
/// Content namespace of components' streams (XEP-0114): what is in it is read as if it were in [`CLIENT`].
pub const COMPONENT: &str = "jabber:component:accept";
/// The stream namespace (RFC 6120 section 4.8.1).
pub const STREAMS: &str = "http://etherx.jabber.org/streams";
/// What the `xml` prefix is bound to (Namespaces in XML 1.0 section 3).
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// What the `xmlns` prefix is bound to (Namespaces in XML 1.0 section 3).
pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
