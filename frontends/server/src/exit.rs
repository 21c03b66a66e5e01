//! How the process ends, for scripts: see the list at the end of `crosspoint --help`.

/// An exit code with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Exit {
    /// All is done.
    Done = 0,
    /// Something failed; it has been said what.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Done in part: rows of an import were refused, or a server is not well.
    Partly = 3,
    /// Drained, but sessions were left at the deadline.
    Deadline = 4,
    /// A second signal ended it at once.
    Interrupted = 130,
}
