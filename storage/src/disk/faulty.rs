//! A disk that fails on demand.
//!
//! Invariant: a fault happens once, at the operation it was planned for; [`Faults::die_at`] is the exception: from that
//! operation on, nothing works any more, as if the process had been killed there.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};
use crate::limits::BLOCK_BYTES;

/// How a write goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// Nothing is written; `EIO`.
    Error,
    /// Nothing is written; `ENOSPC`.
    NoSpace,
    /// Only this many bytes are written (rounded down to whole blocks); `EIO`.
    Short(usize),
    /// Only the blocks whose bit is set are written (bit 0: the first); `EIO`.
    Torn(u64),
    /// Everything is written, but this bit of it is flipped; no error.
    Flip(usize),
}

/// How a read goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFault {
    /// `EIO`.
    Error,
    /// This bit of what was read is flipped; no error.
    Flip(usize),
}

/// The plan of a [`FaultyDisk`], to be held by the test. Counting starts at 1.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    writes: u64,
    reads: u64,
    changes: u64,
    write_faults: BTreeMap<u64, WriteFault>,
    read_faults: BTreeMap<u64, ReadFault>,
    die_at: Option<(u64, u64)>,
}

impl Faults {
    /// The `nth` write from now on (1: the next one) goes wrong.
    pub fn on_write(&self, nth: u64, fault: WriteFault) {
        let mut plan = self.plan();
        let at = plan.writes + nth;
        plan.write_faults.insert(at, fault);
    }

    /// The `nth` read from now on goes wrong.
    pub fn on_read(&self, nth: u64, fault: ReadFault) {
        let mut plan = self.plan();
        let at = plan.reads + nth;
        plan.read_faults.insert(at, fault);
    }

    /// The `nth` operation from now on that would change the disk, and all later ones, fail. If that operation is a
    /// write, the blocks whose bit is set in `torn` still reach the disk.
    pub fn die_at(&self, nth: u64, torn: u64) {
        let mut plan = self.plan();
        let at = plan.changes + nth;
        plan.die_at = Some((at, torn));
    }

    /// Reads so far, whole or not.
    pub fn reads(&self) -> u64 {
        self.plan().reads
    }

    /// Operations so far that changed the disk, or would have.
    pub fn changes(&self) -> u64 {
        self.plan().changes
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> io::Result<()> {
        let mut plan = self.plan();
        plan.changes += 1;
        match plan.die_at {
            Some((at, _)) if plan.changes >= at => Err(errno(libc::EIO)),
            _ => Ok(()),
        }
    }

    fn write_fault(&self) -> Option<WriteFault> {
        let mut plan = self.plan();
        plan.writes += 1;
        plan.changes += 1;
        let nth = plan.writes;
        match plan.die_at {
            Some((at, torn)) if plan.changes == at => Some(WriteFault::Torn(torn)),
            Some((at, _)) if plan.changes > at => Some(WriteFault::Error),
            _ => plan.write_faults.remove(&nth),
        }
    }

    fn read_fault(&self) -> Option<ReadFault> {
        let mut plan = self.plan();
        plan.reads += 1;
        let nth = plan.reads;
        plan.read_faults.remove(&nth)
    }
}

/// A disk with a plan of faults.
#[derive(Debug)]
pub struct FaultyDisk<D> {
    disk: D,
    faults: Faults,
}

impl<D: Disk> FaultyDisk<D> {
    /// Wraps a disk; the second value is for planning what goes wrong.
    pub fn new(disk: D) -> (Self, Faults) {
        let faults = Faults::default();
        (
            Self {
                disk,
                faults: faults.clone(),
            },
            faults,
        )
    }
}

impl<D: Disk> Disk for FaultyDisk<D> {
    type File = FaultyFile<D::File>;

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str) -> io::Result<Self::File> {
        self.faults.change()?;
        Ok(FaultyFile {
            file: self.disk.create(name)?,
            faults: self.faults.clone(),
        })
    }

    fn open(&self, name: &str) -> io::Result<Self::File> {
        Ok(FaultyFile {
            file: self.disk.open(name)?,
            faults: self.faults.clone(),
        })
    }

    fn open_to_read(&self, name: &str) -> io::Result<Self::File> {
        Ok(FaultyFile {
            file: self.disk.open_to_read(name)?,
            faults: self.faults.clone(),
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.faults.change()?;
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.faults.change()?;
        self.disk.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.faults.change()?;
        self.disk.sync_directory()
    }

    fn place(&self) -> String {
        self.disk.place()
    }
}

/// A file of a [`FaultyDisk`].
#[derive(Debug)]
pub struct FaultyFile<F> {
    file: F,
    faults: Faults,
}

impl<F: DiskFile> FaultyFile<F> {
    fn write_blocks(&self, offset: u64, bytes: &[u8], wanted: u64) -> io::Result<()> {
        for (index, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
            if wanted >> index.min(63) & 1 == 1 {
                self.file.write_at(offset + (index * BLOCK_BYTES) as u64, block)?;
            }
        }
        Ok(())
    }
}

impl<F: DiskFile> DiskFile for FaultyFile<F> {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match self.faults.write_fault() {
            None => self.file.write_at(offset, bytes),
            Some(WriteFault::Error) => Err(errno(libc::EIO)),
            Some(WriteFault::NoSpace) => Err(errno(libc::ENOSPC)),
            Some(WriteFault::Short(length)) => {
                let length = length.min(bytes.len()) / BLOCK_BYTES * BLOCK_BYTES;
                self.file.write_at(offset, &bytes[..length])?;
                Err(errno(libc::EIO))
            }
            Some(WriteFault::Torn(blocks)) => {
                self.write_blocks(offset, bytes, blocks)?;
                Err(errno(libc::EIO))
            }
            Some(WriteFault::Flip(bit)) => self.file.write_at(offset, &flipped(bytes, bit)),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.change()?;
        self.file.sync()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, into)?;
        match self.faults.read_fault() {
            None => Ok(()),
            Some(ReadFault::Error) => Err(errno(libc::EIO)),
            Some(ReadFault::Flip(bit)) => {
                let copy = flipped(into, bit);
                into.copy_from_slice(&copy);
                Ok(())
            }
        }
    }
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    let bit = bit % (copy.len() * 8).max(1);
    if let Some(byte) = copy.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    copy
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}
