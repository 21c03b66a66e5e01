//! Counters in memory that other processes can read: a file that is mapped, or plain memory where there is none.
//!
//! Invariants:
//! - What lies in a region is made of [`Cell`]s and nothing else, so any bits are a valid value and nobody can see a torn
//!   one; a reader needs no lock and no help from the writer.
//! - A file's blocks are written before they are mapped, so that a full disk is an error at the start and not a signal
//!   later.
//! - The file stays locked (flock(2)) for as long as the region lives, so a reader can tell a living server from what a
//!   killed one has left.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Alignment of what is placed in a region: two cache lines, because processors fetch them in pairs.
pub const CELLS_ALIGN: usize = 128;

/// A counter or gauge with one writer.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Adds to a counter.
    #[inline]
    pub fn add(&self, n: u64) {
        // One writer: a load and a store, no locked instruction.
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    /// Sets a gauge.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Sets a high-water mark: the value, if it is higher than what is there.
    #[inline]
    pub fn raise(&self, value: u64) {
        if value > self.get() {
            self.set(value);
        }
    }

    /// Reads.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What may lie in a region: [`Cell`]s, arrays of them, and the structs that [`shared_cells!`](crate::shared_cells) makes.
///
/// # Safety
/// The type consists of `Cell`s, has a fixed layout (`repr(C)` or `repr(transparent)`), and asks for an alignment of at
/// most [`CELLS_ALIGN`].
// SAFETY: promised by whoever implements it.
pub unsafe trait Cells {}

// SAFETY: it is the cell itself.
unsafe impl Cells for Cell {}
// SAFETY: an array has no bytes but those of its elements.
unsafe impl<T: Cells, const N: usize> Cells for [T; N] {}

/// Declares a struct that may lie in a region. Its fields are [`Cell`]s, arrays of them, or other such structs.
#[macro_export]
macro_rules! shared_cells {
    ($(#[$outer:meta])* pub struct $name:ident { $($(#[$doc:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$outer])*
        #[derive(Debug)]
        #[repr(C, align(128))]
        pub struct $name { $($(#[$doc])* pub $field: $type,)* }

        #[allow(unsafe_code)]
        const _: () = {
            const fn made_of_cells<T: $crate::Cells>() {}
            $(made_of_cells::<$type>();)*
            assert!(std::mem::align_of::<$name>() <= $crate::CELLS_ALIGN);
            // SAFETY: every field has just been found to be made of cells, and the layout is fixed above.
            unsafe impl $crate::Cells for $name {}
        };
    };
}

/// A piece of memory for cells, zero at first, in a file or not.
#[derive(Debug)]
pub struct Region {
    start: NonNull<u8>,
    bytes: usize,
    /// Held for its lock; `None` for plain memory.
    file: Option<File>,
}

// SAFETY: the memory is only reached through atomics, and it is given back when the last owner is gone.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Plain memory, `bytes` long (at least one cell).
    #[must_use]
    pub fn plain(bytes: usize) -> Arc<Region> {
        let layout = layout(bytes);
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else {
            handle_alloc_error(layout)
        };
        let bytes = layout.size();
        Arc::new(Region {
            start,
            bytes,
            file: None,
        })
    }

    /// A new file, `bytes` long, for its owner only, mapped and locked. It must not exist yet.
    ///
    /// # Errors
    /// Those of open(2), write(2), flock(2) and mmap(2); what was made of the file is removed then.
    pub fn in_file(path: &Path, bytes: usize) -> io::Result<Arc<Region>> {
        let bytes = layout(bytes).size();
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let outcome = map(&file, bytes);
        if outcome.is_err() {
            // The error that matters is the first one.
            let _ = std::fs::remove_file(path);
        }
        Ok(Arc::new(Region {
            start: outcome?,
            bytes,
            file: Some(file),
        }))
    }

    /// Whether others can see it.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// The cells of a type at an offset in bytes; `None` if they do not fit there, or are not aligned.
    #[must_use]
    pub fn place<T: Cells>(self: &Arc<Self>, offset: usize) -> Option<Shared<T>> {
        let end = offset.checked_add(size_of::<T>())?;
        let fits = end <= self.bytes && offset.is_multiple_of(align_of::<T>());
        // SAFETY: the result lies within the region, as has just been checked.
        let cells = fits.then(|| unsafe { self.start.add(offset) }.cast())?;
        Some(Shared {
            cells,
            region: Arc::clone(self),
        })
    }

    /// `count` cells at an offset in bytes; `None` if they do not fit there, or are not aligned.
    #[must_use]
    pub fn row(self: &Arc<Self>, offset: usize, count: usize) -> Option<Shared<[Cell]>> {
        let end = count.checked_mul(size_of::<Cell>())?.checked_add(offset)?;
        let fits = end <= self.bytes && offset.is_multiple_of(align_of::<Cell>());
        // SAFETY: the result lies within the region, as has just been checked.
        let first = fits.then(|| unsafe { self.start.add(offset) }.cast())?;
        Some(Shared {
            cells: NonNull::slice_from_raw_parts(first, count),
            region: Arc::clone(self),
        })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        match self.file {
            // SAFETY: the mapping was made with this length, and nobody holds a part of it: parts hold the region.
            Some(_) => drop(unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) }),
            // SAFETY: allocated with this layout, and nobody holds a part of it.
            None => unsafe { dealloc(self.start.as_ptr(), layout(self.bytes)) },
        }
    }
}

/// Cells in a region, which stays for as long as they do.
pub struct Shared<T: ?Sized> {
    cells: NonNull<T>,
    region: Arc<Region>,
}

// SAFETY: only made by `Region::place` and `Region::row`, so these are cells, which are atomics.
unsafe impl<T: ?Sized> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized> Sync for Shared<T> {}

impl<T: ?Sized> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: within the region, which lives; aligned; zero at first, which is a valid value of cells.
        unsafe { self.cells.as_ref() }
    }
}

impl<T: ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared {
            cells: self.cells,
            region: Arc::clone(&self.region),
        }
    }
}

impl<T: ?Sized + std::fmt::Debug> std::fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

fn layout(bytes: usize) -> Layout {
    let bytes = bytes.max(size_of::<Cell>()).next_multiple_of(CELLS_ALIGN);
    Layout::from_size_align(bytes, CELLS_ALIGN).expect("a region is smaller than the address space")
}

fn map(mut file: &File, bytes: usize) -> io::Result<NonNull<u8>> {
    file.try_lock()?;
    file.write_all(&vec![0; bytes])?;
    let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping of a file that is ours and has this length; nothing else is touched.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, file.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    shared_cells! {
        /// Two figures.
        pub struct Figures {
            /// One.
            pub one: Cell,
            /// Three more.
            pub more: [Cell; 3],
        }
    }

    fn scratch(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("crosspoint-shared-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn what_is_written_into_cells_is_read_from_the_file() {
        let path = scratch("read");
        let region = Region::in_file(&path, 256).unwrap();
        let figures = region.place::<Figures>(128).unwrap();
        figures.one.add(7);
        figures.more[2].set(9);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 256);
        let word = |offset: usize| u64::from_ne_bytes(bytes[offset..offset + 8].try_into().unwrap());
        assert_eq!((word(0), word(128), word(128 + 24)), (0, 7, 9));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_lock_lives_as_long_as_the_last_cell() {
        let path = scratch("lock");
        let region = Region::in_file(&path, 64).unwrap();
        let row = region.row(8, 2).unwrap();
        drop(region);
        let reader = File::open(&path).unwrap();
        assert!(reader.try_lock_shared().is_err(), "somebody counts");
        row[1].raise(5);
        assert_eq!(row[1].get(), 5);
        drop(row);
        assert!(reader.try_lock_shared().is_ok(), "nobody does");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn nothing_is_placed_across_the_end_or_askew() {
        let region = Region::plain(200);
        assert!(region.place::<Figures>(128).is_some(), "rounded up to what fits");
        assert!(region.place::<Figures>(8).is_none(), "not aligned");
        assert!(region.place::<Figures>(256).is_none());
        assert!(region.row(248, 1).is_some());
        assert!(region.row(248, 2).is_none());
        assert!(region.row(usize::MAX - 7, 1).is_none());
        assert!(region.row(0, usize::MAX).is_none());
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let path = scratch("there");
        std::fs::write(&path, b"mine").unwrap();
        assert!(Region::in_file(&path, 64).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn high_water_only_rises() {
        let cell = Cell::default();
        cell.raise(3);
        cell.raise(2);
        assert_eq!(cell.get(), 3);
    }
}
