//! What can go wrong with the log. The messages say what happened, where, and what to do.

use std::io;

use crate::seam::{RecordId, UserKey};

/// An error of the log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The folder belongs to another process.
    #[error("{0}; stop that process, or give this one another data folder")]
    InUse(String),
    /// The operating system refused.
    #[error("cannot {action} {file}: {source}")]
    Io {
        /// What was tried: open, read, write, ...
        action: &'static str,
        /// Folder and name.
        file: String,
        /// Its answer.
        source: io::Error,
    },
    /// Something that was durable is not what was written. The log refuses to start rather than to lose it silently.
    #[error(
        "the log is damaged: {file} at byte {offset}: {what}. Check the disk, then restore the log's folder from a \
         backup; or, to go on without the messages in this segment and all later ones, move those files away"
    )]
    Damaged {
        /// Folder and name.
        file: String,
        /// Offset in the file.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// Written by another version of this program.
    #[error(
        "{file} has layout version {found}, this program reads version {known}; start it with the version that wrote it"
    )]
    Version {
        /// Folder and name.
        file: String,
        /// Version in the file.
        found: u32,
        /// Version of this program.
        known: u32,
    },
    /// The options contradict each other.
    #[error("the log cannot be set up like this: {0}")]
    Options(String),
    /// A payload is larger than the limit.
    #[error("a record of {bytes} bytes is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Of the payload.
        bytes: usize,
        /// See [`super::LogOptions::record_bytes_max`].
        limit: usize,
    },
    /// Record ids must increase within a user.
    #[error("record {id} of user {user:016x} does not come after record {last}, which is already in the log")]
    OutOfOrder {
        /// Whose.
        user: UserKey,
        /// The refused id.
        id: RecordId,
        /// The highest id so far.
        last: RecordId,
    },
    /// The limit of what can be hidden one by one is reached.
    #[error("{limit} archived records are hidden already; there is room again when retention has removed some")]
    Redactions {
        /// See [`crate::limits::REDACTIONS_MAX`].
        limit: usize,
    },
    /// An earlier write failed; nothing more is acknowledged until the log is opened again.
    #[error("the log stopped after a failed write ({0}); make the disk well again, then restart")]
    Poisoned(String),
}

impl LogError {
    pub(super) fn io(action: &'static str, file: String) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::ResourceBusy => Self::InUse(source.to_string()),
            _ => Self::Io { action, file, source },
        }
    }
}
