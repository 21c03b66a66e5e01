//! Every limit of the core, by name. What the server says beyond them is cut to them, or ends the connection.

/// Messages that are known to have been taken by the application: eight times what SPEC.md section 5 asks for, since all that waits may be
/// taken before what the server sends again is read.
pub const SEEN_MAX: usize = 8_192;

/// Frames that wait for the server to accept them.
pub const OUTBOX_FRAMES_MAX: usize = 4_096;
/// Bytes of those.
pub const OUTBOX_BYTES_MAX: usize = 8 << 20;

/// Frames that wait for the application. Beyond, nothing more is read from the connection. More than a server leaves outstanding by default
/// before it calls this client slow, so that it can be heard saying so.
pub const UNTAKEN_FRAMES_MAX: usize = 5_120;
/// Frames that one read of 64 KiB may bring beyond that.
const READ_FRAMES_MAX: usize = 1_024;
/// Bytes of those.
pub const UNTAKEN_BYTES_MAX: usize = 4 << 20;

/// Bytes that wait for the socket, beyond which nothing more is read and typing is left out.
pub const OUTPUT_BYTES_MAX: usize = 256 << 10;
/// Bytes that wait for the socket, beyond which the outbox waits too.
pub const OUTPUT_BYTES_FULL: usize = 64 << 10;

/// Events that nobody has asked for yet; the oldest go first.
pub const EVENTS_MAX: usize = 256;
/// Changes of presence that nobody has asked for yet; the oldest go first.
pub const PRESENCE_CHANGES_MAX: usize = 1_024;
/// Sessions of contacts whose presence is remembered.
pub const PRESENCES_MAX: usize = 16_384;
/// Contacts.
pub const ROSTER_CONTACTS_MAX: usize = 16_384;

/// Requests that are open.
pub const REQUESTS_MAX: usize = 64;
/// Bytes of one answer, over all of its frames.
pub const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Largest frame, whatever the server says.
pub const FRAME_BYTES_MAX: u32 = 1 << 20;
/// Bytes of a ticket or a token.
pub const TOKEN_BYTES_MAX: usize = 1_024;
/// Bytes of an address (RFC 7622 section 3.1: three parts of 1,023, and two separators).
pub const ADDRESS_BYTES_MAX: usize = 3_071;
/// Bytes of an account, a resource or an agent in HELLO, so that it fits in a frame before login.
pub const HELLO_TEXT_BYTES_MAX: usize = 512;

/// Redirects that are followed in a row (SPEC.md section 11.1).
pub const REDIRECTS_MAX: u8 = 3;
/// URLs of a redirect, or of the application.
pub const URLS_MAX: usize = 8;
/// Bytes of one of them.
pub const URL_BYTES_MAX: usize = 512;
/// How long a login must have held for redirects and attempts to be counted from 0 again.
pub const STABLE_MS: u64 = 10_000;
/// The longest that a server may ask a client to wait.
pub const ADVICE_MS_MAX: u64 = 300_000;
/// The first wait between attempts.
pub const BACKOFF_MS: u64 = 500;
/// The longest.
pub const BACKOFF_MS_MAX: u64 = 30_000;

/// How long a login may take.
pub const LOGIN_MS_MAX: u64 = 30_000;
/// How long an acknowledgement may wait for something to carry it: half of what SPEC.md section 6 allows.
pub const ACK_DELAY_MS: u64 = 500;
/// Heartbeat, where the server names none.
pub const HEARTBEAT_S: u16 = 60;

/// Rounds of key derivation that are too few to protect a password (RFC 7677 section 4).
pub const ITERATIONS_MIN: u32 = 4_096;
/// Rounds that would stall the client.
pub const ITERATIONS_MAX: u32 = 1_000_000;

const _: () = assert!(SEEN_MAX >= 1_024, "SPEC.md section 5");
const _: () = assert!(SEEN_MAX >= UNTAKEN_FRAMES_MAX + READ_FRAMES_MAX);
const _: () = assert!(OUTPUT_BYTES_FULL < OUTPUT_BYTES_MAX);
const _: () = assert!(ACK_DELAY_MS <= 1_000, "SPEC.md section 6");
