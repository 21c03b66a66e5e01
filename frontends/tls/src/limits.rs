//! The limits of this crate, each with its reason.

/// Bytes that a client may send before its handshake is complete. A ClientHello with a post-quantum key share and several
/// tickets takes about 4 KiB; this server asks for no client certificate.
pub const HANDSHAKE_BYTES_MAX: usize = 32 * 1024;

/// Plaintext in one record (RFC 8446 section 5.1).
pub(crate) const RECORD_PLAIN_BYTES_MAX: usize = 16 * 1024;

/// What a record adds to its plaintext, at most: header 5, explicit nonce 8 (TLS 1.2) or content type 1 (TLS 1.3), tag 16.
pub(crate) const RECORD_OVERHEAD_BYTES_MAX: usize = 5 + 8 + 16;

/// A close_notify alert as a record: 2 bytes and the overhead, rounded up.
pub(crate) const ALERT_BYTES_MAX: usize = 64;

const _: () = assert!(HANDSHAKE_BYTES_MAX >= RECORD_PLAIN_BYTES_MAX + RECORD_OVERHEAD_BYTES_MAX);
const _: () = assert!(ALERT_BYTES_MAX >= 2 + RECORD_OVERHEAD_BYTES_MAX);
