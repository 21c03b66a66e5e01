//! What the core tells: events for people, and outputs for whoever drives it.

use crosspoint_icpp::codec::MessageId;
use crosspoint_icpp::codec::elsewhere::Reason;

use super::fault::{Ending, Final, RedirectFault, RequestError, Told};
use super::kept::Change;
use super::requests::{Answer, RequestId};

/// Something has happened to the connection, or to what the client knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A new session.
    Connected {
        /// Its full address.
        address: String,
        /// The server's node.
        node: String,
    },
    /// The earlier session goes on; nothing was lost.
    Resumed {
        /// Its full address.
        address: String,
        /// The server's node.
        node: String,
    },
    /// Everything that waited has arrived.
    Synced,
    /// A server sends us to another node.
    Redirected {
        /// The node.
        node: String,
        /// Why.
        reason: Reason,
    },
    /// A redirect was not followed.
    RedirectRefused(RedirectFault),
    /// The server is about to end; where to go follows as `Redirected`, if there is somewhere.
    Draining {
        /// Milliseconds left.
        deadline_ms: u32,
    },
    /// The server ended the connection because nothing was read, or nothing acknowledged.
    SlowConsumer,
    /// The connection ended. The client tries again.
    Disconnected(Ending),
    /// The contacts have changed: of this address, or (empty) as a whole.
    RosterChanged(String),
    /// The black or white list was changed by another session.
    ListsChanged,
    /// The server refused something that has no name of its own.
    Refused(Told),
    /// What should be kept could not be; the text says why. The client goes on without.
    StoreFailed(String),
    /// The client has stopped for good.
    Ended(Final),
}

/// For whoever drives the core. To be asked for after each call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The server has this message; it can no longer be lost.
    Accepted(MessageId),
    /// This message is longer than this server allows, and has been dropped.
    Dropped(MessageId),
    /// The answer to a request.
    Answer(RequestId, Result<Answer, RequestError>),
    /// To be kept, before anything else is written to the socket.
    Keep(Change),
}
