//! The disk, as the log sees it: one flat folder of files that are written in whole blocks.
//!
//! Invariants that every implementation keeps:
//! - [`DiskFile::write_at`] returns `Ok` only when the bytes survive a power cut (given that the name does).
//! - A name created, renamed or removed survives a power cut only after [`Disk::sync_directory`].
//! - A write that failed, or that a crash interrupted, may have left any part of its blocks written.
//!
//! [`FileDisk`] is the real one, [`MemDisk`] lives in memory and can crash, [`FaultyDisk`] makes any of them fail.

mod buffer;
mod faulty;
mod file;
mod memory;

#[cfg(test)]
mod tests;

use std::io;

pub use buffer::AlignedBuffer;
pub use faulty::{Faults, FaultyDisk, FaultyFile, ReadFault, WriteFault};
pub use file::{FileDisk, FileDiskFile};
pub use memory::{MemDisk, MemFile};

/// A folder of files.
pub trait Disk: Send + Sync {
    /// A file of this folder.
    type File: DiskFile;

    /// Names of all files, in no particular order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new, empty file. An existing one is an error ([`io::ErrorKind::AlreadyExists`]).
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Opens an existing file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Opens an existing file for reading alone; writing to it is an error.
    fn open_to_read(&self, name: &str) -> io::Result<Self::File> {
        self.open(name)
    }

    /// Gives a file a new name; open handles stay valid. A file that already has that name is replaced.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all names durable as they are now.
    fn sync_directory(&self) -> io::Result<()>;

    /// Where the folder is, for messages to people.
    fn place(&self) -> String;
}

/// An open file.
pub trait DiskFile: Send {
    /// Current length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Writes durably. `offset` and the length of `bytes` are multiples of [`crate::limits::BLOCK_BYTES`]; if `bytes`
    /// comes from an [`AlignedBuffer`], nothing is copied. Writing past the end extends the file.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes durable what another process, now dead, has written to this file.
    fn sync(&self) -> io::Result<()>;

    /// Fills `into` from `offset`; the end of the file comes as [`io::ErrorKind::UnexpectedEof`]. No alignment needed.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}
