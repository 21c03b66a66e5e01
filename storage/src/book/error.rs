//! What can go wrong with the book. The messages say what happened, where, and what to do.

/// An error of the book.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// Another process has it open.
    #[error(
        "the data folder is in use by another process, which has {0} open; stop that process, or give this one another \
         data folder"
    )]
    InUse(String),
    /// Written by another version of this program, or not by this program at all.
    #[error(
        "the book {path} has format version {}, this program reads version {known}; start it with the version that wrote \
         it, or restore a backup",
        found.map_or("unknown".to_owned(), |found| found.to_string())
    )]
    Version {
        /// The file.
        path: String,
        /// Version in the file, if there is one.
        found: Option<u32>,
        /// Version of this program.
        known: u32,
    },
    /// The database or the disk under it.
    #[error("the book cannot be read or written: {0}; check the disk and its free space")]
    Database(#[source] Box<redb::Error>),
}

impl From<redb::Error> for BookError {
    fn from(error: redb::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

impl From<redb::StorageError> for BookError {
    fn from(error: redb::StorageError) -> Self {
        Self::from(redb::Error::from(error))
    }
}
