//! XEP-0478 Stream Limits Advertisement: the names; it is a stream feature, which the session writes.

/// Namespace of the stream feature `<limits/>`.
pub const NS: &str = "urn:xmpp:stream-limits:0";
/// Child element: most bytes of a first-level element that the server takes.
pub const MAX_BYTES: &str = "max-bytes";
/// Child element: seconds of silence after which the server may close the stream.
pub const IDLE_SECONDS: &str = "idle-seconds";
