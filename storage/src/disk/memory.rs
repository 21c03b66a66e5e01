//! A disk in memory, for tests and for the simulator.
//!
//! Invariants:
//! - Clones share one content. [`MemDisk::crash`] makes a new disk from what was durable and leaves the old one behind, so
//!   a log that is still open on the old one can no longer reach the new one.
//! - A file's bytes are durable when written; its name is durable only after `sync_directory`.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};
use crate::limits::BLOCK_BYTES;

type Content = Arc<Mutex<Vec<u8>>>;
type Names = BTreeMap<String, Content>;

/// A folder in memory.
#[derive(Debug, Clone, Default)]
pub struct MemDisk {
    folder: Arc<Mutex<Folder>>,
}

#[derive(Debug, Default)]
struct Folder {
    names: Names,
    durable: Names,
}

impl MemDisk {
    /// An empty folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a machine finds that has lost its power now: the names as of the last `sync_directory`, and their bytes.
    pub fn crash(&self) -> Self {
        let folder = locked(&self.folder);
        let copy = |(name, content): (&String, &Content)| (name.clone(), Arc::new(Mutex::new(locked(content).clone())));
        let durable: Names = folder.durable.iter().map(copy).collect();
        Self {
            folder: Arc::new(Mutex::new(Folder {
                names: durable.clone(),
                durable,
            })),
        }
    }

    /// Changes the bytes of a file behind the log's back. Nothing happens if there is no such file.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(content) = locked(&self.folder).names.get(name) {
            change(&mut locked(content));
        }
    }

    /// A copy of the bytes of a file; empty if there is no such file.
    pub fn content(&self, name: &str) -> Vec<u8> {
        locked(&self.folder)
            .names
            .get(name)
            .map(|content| locked(content).clone())
            .unwrap_or_default()
    }

    /// Bytes of all files together.
    pub fn bytes(&self) -> u64 {
        locked(&self.folder)
            .names
            .values()
            .map(|content| locked(content).len() as u64)
            .sum()
    }
}

impl Disk for MemDisk {
    type File = MemFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(locked(&self.folder).names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<MemFile> {
        let mut folder = locked(&self.folder);
        if folder.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let content = Content::default();
        folder.names.insert(name.to_owned(), content.clone());
        Ok(MemFile { content })
    }

    fn open(&self, name: &str) -> io::Result<MemFile> {
        let folder = locked(&self.folder);
        let content = folder.names.get(name).ok_or(ErrorKind::NotFound)?.clone();
        Ok(MemFile { content })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut folder = locked(&self.folder);
        let content = folder.names.remove(from).ok_or(ErrorKind::NotFound)?;
        folder.names.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut folder = locked(&self.folder);
        folder
            .names
            .remove(name)
            .map(drop)
            .ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut folder = locked(&self.folder);
        folder.durable = folder.names.clone();
        Ok(())
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

/// A file in memory.
#[derive(Debug)]
pub struct MemFile {
    content: Content,
}

impl DiskFile for MemFile {
    fn length(&self) -> io::Result<u64> {
        Ok(locked(&self.content).len() as u64)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if !(offset as usize).is_multiple_of(BLOCK_BYTES) || !bytes.len().is_multiple_of(BLOCK_BYTES) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "write is not in whole blocks"));
        }
        let mut content = locked(&self.content);
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let content = locked(&self.content);
        let start = offset as usize;
        let bytes = content.get(start..start + into.len()).ok_or(ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(bytes);
        Ok(())
    }
}

/// A panic of another test thread does not make the bytes wrong.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
