//! The real disk: `O_DIRECT | O_DSYNC` writes, buffered reads, one process at a time.
//!
//! Invariants:
//! - The folder is locked while its `FileDisk` is alive; the kernel lets go of the lock when the
//!   process dies, however it dies.
//! - Where the file system refuses `O_DIRECT` (found out by a trial write), writes are buffered and followed by
//!   `fdatasync`: slower, as durable.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{AlignedBuffer, Disk, DiskFile};
use crate::limits::BLOCK_BYTES;

const LOCK_NAME: &str = "lock";
const TRIAL_NAME: &str = "trial.tmp";

/// A folder of the file system.
#[derive(Debug)]
pub struct FileDisk {
    folder: PathBuf,
    direct: bool,
    /// Held for its lock.
    _lock: File,
}

impl FileDisk {
    /// Opens a folder, making it if needed, and takes its lock.
    ///
    /// Another process that holds the lock comes as [`ErrorKind::ResourceBusy`].
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let mut disk = Self::open_buffered(folder)?;
        disk.direct = try_direct(&disk.folder)?;
        if !disk.direct {
            tracing::warn!(
                folder = %disk.folder.display(),
                "this file system refuses O_DIRECT; the log uses buffered writes with fdatasync, which are slower"
            );
        }
        Ok(disk)
    }

    /// Like [`Self::open`], but does not even try `O_DIRECT`.
    pub fn open_buffered(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        make_folder(&folder)?;
        let lock = lock(&folder)?;
        Ok(Self {
            folder,
            direct: false,
            _lock: lock,
        })
    }

    /// Whether writes bypass the page cache.
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    fn handle(&self, name: &str, create: bool) -> io::Result<FileDiskFile> {
        let path = self.folder.join(name);
        let writer = writer(&path, self.direct, create)?;
        let reader = File::open(&path)?;
        Ok(FileDiskFile {
            writer: Some(writer),
            reader,
            direct: self.direct,
        })
    }
}

impl Disk for FileDisk {
    type File = FileDiskFile;

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            if let Ok(name) = entry?.file_name().into_string()
                && name != LOCK_NAME
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<FileDiskFile> {
        self.handle(name, true)
    }

    fn open(&self, name: &str) -> io::Result<FileDiskFile> {
        self.handle(name, false)
    }

    fn open_to_read(&self, name: &str) -> io::Result<FileDiskFile> {
        let reader = File::open(self.folder.join(name))?;
        Ok(FileDiskFile {
            writer: None,
            reader,
            direct: self.direct,
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn place(&self) -> String {
        self.folder.display().to_string()
    }
}

/// A file with one handle for durable writes and one for reads through the page cache (the kernel keeps them coherent).
#[derive(Debug)]
pub struct FileDiskFile {
    /// Not there if it was opened for reading alone.
    writer: Option<File>,
    reader: File,
    direct: bool,
}

impl FileDiskFile {
    fn writer(&self) -> io::Result<&File> {
        let missing = || io::Error::new(ErrorKind::PermissionDenied, "the file was opened for reading alone");
        self.writer.as_ref().ok_or_else(missing)
    }
}

impl DiskFile for FileDiskFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.reader.metadata()?.len())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let writer = self.writer()?;
        if !self.direct {
            writer.write_all_at(bytes, offset)?;
            return writer.sync_data();
        }
        if bytes.as_ptr().align_offset(BLOCK_BYTES) == 0 {
            return writer.write_all_at(bytes, offset);
        }
        let mut aligned = AlignedBuffer::with_capacity(bytes.len());
        aligned.extend(bytes);
        writer.write_all_at(aligned.as_slice(), offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.writer()?.sync_all()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact_at(into, offset)
    }
}

/// The folder's own name is made durable even if it exists: who made it may have died before doing so.
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    let path = folder.join(LOCK_NAME);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            ErrorKind::ResourceBusy,
            format!("the data folder {} is in use by another process", folder.display()),
        )),
    }
}

fn writer(path: &Path, direct: bool, create: bool) -> io::Result<File> {
    let flags = if direct { libc::O_DIRECT | libc::O_DSYNC } else { 0 };
    OpenOptions::new()
        .write(true)
        .create_new(create)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)
}

fn try_direct(folder: &Path) -> io::Result<bool> {
    let path = folder.join(TRIAL_NAME);
    if path.exists() {
        fs::remove_file(&path)?;
    }
    let block = AlignedBuffer::zeroed(BLOCK_BYTES);
    let outcome = writer(&path, true, true).and_then(|file| file.write_all_at(block.as_slice(), 0));
    if path.exists() {
        fs::remove_file(&path)?;
    }
    match outcome {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => Ok(false),
        Err(error) => Err(error),
    }
}
