//! Everything in one file: a journal of changes, written anew when it has grown.
//!
//! A change is in the file, though not necessarily on the disk, before anything that follows from it is sent: it survives the end
//! of the program, not the loss of power. After that, the last changes may be missing: a message that was accepted is sent again,
//! under the same id, or one that was not is lost, as if the program had ended before `send`.
//!
//! Invariants: a tail that was not written whole is cut off; one program uses the file at a time; only its owner can read it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{StateStore, record};
use crate::core::{Change, Kept};

const MAGIC: &[u8; 8] = b"CPKEPT1\n";
/// A journal below this is not worth writing anew.
const JOURNAL_BYTES_MIN: u64 = 1 << 20;
/// How much longer the journal may be than what it has to say.
const GROWTH: u64 = 4;
/// Largest journal that is read: far beyond what the limits of the core allow.
const JOURNAL_BYTES_MAX: u64 = 1 << 30;

/// See the module.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    file: File,
    kept: Kept,
    bytes: u64,
    renew_at: u64,
}

impl FileStore {
    /// Opens the file, or makes it.
    ///
    /// Errors: what the file system says; `WouldBlock` if another program uses the file; `InvalidData` if it is another kind of file.
    pub fn open(path: impl AsRef<Path>) -> io::Result<FileStore> {
        let path = path.as_ref().to_owned();
        let mut file = options().read(true).open(&path)?;
        lock(&file)?;
        let length = file.metadata()?.len();
        if length > JOURNAL_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the state file is too long"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (kept, whole) = replay(&bytes)?;
        if whole == 0 {
            file.write_all(MAGIC)?;
        }
        let whole = whole.max(MAGIC.len() as u64);
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        Ok(FileStore {
            path,
            file,
            kept,
            bytes: whole,
            renew_at: JOURNAL_BYTES_MIN,
        })
    }

    /// Writes what is kept into a new file, and puts it in the place of the old one.
    fn renew(&mut self) -> io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        for change in changes(&self.kept) {
            record::write(&mut bytes, &change);
        }
        let new_path = beside(&self.path);
        let mut file = options().truncate(true).open(&new_path)?;
        lock(&file)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&new_path, &self.path)?;
        self.file = file;
        self.bytes = bytes.len() as u64;
        self.renew_at = JOURNAL_BYTES_MIN.max(self.bytes * GROWTH);
        Ok(())
    }
}

impl StateStore for FileStore {
    fn load(&mut self) -> io::Result<Kept> {
        Ok(self.kept.clone())
    }

    fn keep(&mut self, change: &Change) -> io::Result<()> {
        self.kept.apply(change);
        let mut bytes = Vec::new();
        record::write(&mut bytes, change);
        if let Err(error) = self.file.write_all(&bytes) {
            // Half a record would hide all that follow it.
            self.file.set_len(self.bytes)?;
            self.file.seek(SeekFrom::Start(self.bytes))?;
            return Err(error);
        }
        self.bytes += bytes.len() as u64;
        match self.bytes > self.renew_at {
            true => self.renew(),
            false => Ok(()),
        }
    }
}

/// The name of the journal that is being written anew: the whole name and an ending, since files that differ in their endings alone
/// belong to different clients.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::new(io::ErrorKind::WouldBlock, "another program uses the state file"),
        TryLockError::Error(error) => error,
    })
}

/// What a journal says, and how many of its bytes are whole.
fn replay(bytes: &[u8]) -> io::Result<(Kept, u64)> {
    let mut kept = Kept::default();
    if MAGIC.starts_with(bytes) && bytes.len() < MAGIC.len() {
        return Ok((kept, 0));
    }
    if !bytes.starts_with(MAGIC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a state file"));
    }
    let mut at = MAGIC.len();
    while let Some((change, length)) = record::read(&bytes[at..]) {
        kept.apply(&change);
        at += length;
    }
    Ok((kept, at as u64))
}

/// The changes that lead from nothing to this.
fn changes(kept: &Kept) -> impl Iterator<Item = Change> + '_ {
    let seen = kept.seen.iter().map(|key| Change::Taken {
        seen: Some(*key),
        position: None,
    });
    let position = std::iter::once(Change::Taken {
        seen: None,
        position: Some((kept.epoch, kept.offset)),
    });
    let ticket = std::iter::once(Change::Ticket(kept.ticket.clone()));
    let resource = std::iter::once(Change::Resource(kept.resource.clone()));
    let outbox = kept.outbox.iter().cloned().map(Change::Queued);
    seen.chain(position).chain(ticket).chain(resource).chain(outbox)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Queued;
    use crosspoint_icpp::codec::Verb;

    /// A path of its own that is removed in the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let name = format!("crosspoint-client-{name}-{}", std::process::id());
            Scratch(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn queued(byte: u8, bytes: usize) -> Change {
        Change::Queued(Queued {
            verb: Verb::Send,
            nostore: false,
            id: Some([byte; 16]),
            body: vec![byte; bytes],
        })
    }

    #[test]
    fn what_was_kept_is_there_again_whatever_the_tail_looks_like() {
        let scratch = Scratch::new("tail");
        let mut store = FileStore::open(&scratch.0).unwrap();
        store.keep(&queued(1, 10)).unwrap();
        store.keep(&queued(2, 10)).unwrap();
        store.keep(&Change::Accepted(1)).unwrap();
        let expected = store.load().unwrap();
        drop(store);
        let whole = std::fs::read(&scratch.0).unwrap();
        let mut torn = whole.clone();
        torn.extend_from_slice(&[9, 0, 0, 0, 1]);
        std::fs::write(&scratch.0, torn).unwrap();
        let mut store = FileStore::open(&scratch.0).unwrap();
        assert_eq!(store.load().unwrap(), expected);
        assert_eq!(expected.outbox.len(), 1);
        drop(store);
        assert_eq!(std::fs::read(&scratch.0).unwrap(), whole, "the tail is cut off");
    }

    #[test]
    fn the_journal_is_written_anew_before_it_grows_without_end() {
        let scratch = Scratch::new("renewed");
        let mut store = FileStore::open(&scratch.0).unwrap();
        for _ in 0..200 {
            store.keep(&queued(1, 10_000)).unwrap();
            store.keep(&Change::Accepted(1)).unwrap();
        }
        store
            .keep(&Change::Taken {
                seen: Some([3; 16]),
                position: Some((7, 8)),
            })
            .unwrap();
        let expected = store.load().unwrap();
        drop(store);
        assert!(std::fs::metadata(&scratch.0).unwrap().len() < JOURNAL_BYTES_MIN);
        assert_eq!(FileStore::open(&scratch.0).unwrap().load().unwrap(), expected);
        assert_eq!((expected.epoch, expected.offset), (7, 8));
    }

    /// Found by reading: `a.state` and `a.other` were both written anew as `a.new`, each over the other.
    #[test]
    fn files_that_differ_in_their_endings_alone_do_not_meet() {
        let scratch = Scratch::new("endings");
        let other = scratch.0.with_extension("new");
        std::fs::write(&other, "another client's").unwrap();
        let mut store = FileStore::open(scratch.0.with_extension("state")).unwrap();
        store.keep(&queued(1, 10)).unwrap();
        store.renew().unwrap();
        let (kept, path) = (std::fs::read(&other).unwrap(), store.path.clone());
        let again = store.load().unwrap();
        drop(store);
        assert_eq!(FileStore::open(&path).unwrap().load().unwrap(), again);
        for file in [&other, &path] {
            std::fs::remove_file(file).unwrap();
        }
        assert_eq!(kept, b"another client's");
    }

    #[test]
    fn one_program_at_a_time_and_no_other_files() {
        let scratch = Scratch::new("lock");
        let store = FileStore::open(&scratch.0).unwrap();
        let error = FileStore::open(&scratch.0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(store);
        std::fs::write(&scratch.0, "something else").unwrap();
        let error = FileStore::open(&scratch.0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
