//! XEP-0227 Portable Import/Export Format: what belongs to a user, as elements, and back. Files, and where the data lies, are
//! the server's business (`frontends/server/src/users/exchange`).
//!
//! ```text
//!   <server-data><host jid><user name>
//!     account        ours: when it was made, whether it is disabled      <vCard/>, <query private/>   XEP-0054, XEP-0049
//!     scram-credentials, one for each hash                                <query privacy/>             the black list (XEP-0016)
//!     <query roster/>, <presence type='subscribe'/>                       <archive/>, <offline-messages/>
//! ```
//! PEP nodes (section 4.10) are passed over: their rows are [`Table::Pubsub`](crosspoint_engine::service::Table); the elements
//! would be two more kinds of [`Piece`], read and written here.
//!
//! Invariant: what is read keeps the bounds that clients must keep, or is refused piece by piece.

mod read;
mod write;

pub use read::{Piece, Refused, document_rows, read, read_document};
pub use write::{account, archived, black_list, credentials, roster_item, subscription_request, waiting};

use super::{Feature, Xep};

/// Namespace of `<server-data/>`, `<host/>` and `<user/>`.
pub const NS: &str = "urn:xmpp:pie:0";
/// Namespace of `<scram-credentials/>`.
pub const NS_SCRAM: &str = "urn:xmpp:pie:0#scram";
/// Namespace of `<archive/>`.
pub const NS_ARCHIVE: &str = "urn:xmpp:pie:0#mam";
/// Namespace of what the specification has no word for: `<account created='...' disabled='true'/>`.
pub const NS_ACCOUNT: &str = "urn:x-crosspoint:account";

const NS_ROSTER: &str = "jabber:iq:roster";
const NS_PRIVACY: &str = "jabber:iq:privacy";
const NS_MAM: &str = "urn:xmpp:mam:2";
const NS_FORWARD: &str = "urn:xmpp:forward:0";
const NS_DELAY: &str = "urn:xmpp:delay";
/// The name of the list that we write.
const LIST: &str = "blocklist";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(227, "1.1")],
    enabled: |_| true,
    domain: &[],
    account: &[],
    handlers: &[],
};
