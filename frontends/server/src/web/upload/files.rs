//! Uploaded files on the disk.
//!
//! ```text
//!   uploads/20786/0f3a...e1         a file, in the folder of its day
//!   uploads/20786/0f3a...e1.part    one that is not all there
//!
//!   "CPUPLD01" | owner 8 | content bytes 8 | type bytes 2 | name bytes 2 | type | name | content      (little-endian)
//! ```
//! Invariants:
//! - A file has its name when all of it is on the disk, and never changes then.
//! - Whatever is here may be called from threads that may block, and only there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::place::{Id, MEDIA_BYTES_MAX, NAME_BYTES_MAX};

const MAGIC: &[u8; 8] = b"CPUPLD01";

/// What stands before type and name.
const FIXED_BYTES: usize = 28;

/// The folder.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
}

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Digest of its owner's address.
    pub owner: u64,
    /// Of its content, in bytes.
    pub bytes: u64,
    /// Its type, as its owner had it.
    pub media: String,
    /// Its name, as its owner had it.
    pub name: String,
}

/// A file that is being written. Dropped before it is finished, it is removed.
#[derive(Debug)]
pub struct Part {
    file: File,
    finished: bool,
    part: PathBuf,
    whole: PathBuf,
}

/// A file that is there.
#[derive(Debug)]
pub struct Stored {
    file: File,
    /// Where its content begins.
    start: u64,
    /// What it is.
    pub facts: Facts,
}

impl Files {
    /// Makes the folder if there is none.
    ///
    /// # Errors
    /// Those of the folder.
    pub fn open(folder: &Path) -> io::Result<Files> {
        fs::create_dir_all(folder)?;
        Ok(Files {
            folder: folder.to_owned(),
        })
    }

    fn path(&self, id: Id) -> PathBuf {
        self.folder.join(id.day.to_string()).join(format!("{:032x}", id.random))
    }

    /// Begins a file.
    ///
    /// # Errors
    /// `AlreadyExists` if it is there, or begun; those of the disk.
    pub fn create(&self, id: Id, facts: &Facts) -> io::Result<Part> {
        let whole = self.path(id);
        if whole.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let part = whole.with_extension("part");
        if let Some(day) = whole.parent() {
            fs::create_dir_all(day)?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)?;
        let mut made = Part {
            file,
            finished: false,
            part,
            whole,
        };
        made.write(&facts.encode())?;
        Ok(made)
    }

    /// Opens one for reading.
    ///
    /// # Errors
    /// `NotFound`; `InvalidData` if it is damaged; those of the disk.
    pub fn get(&self, id: Id) -> io::Result<Stored> {
        let mut file = File::open(self.path(id))?;
        let (facts, start) = Facts::read(&mut file)?;
        match file.metadata()?.len() == start + facts.bytes {
            true => Ok(Stored { file, start, facts }),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Tells of each file its day, its owner and its bytes. Parts of an earlier process are removed.
    ///
    /// # Errors
    /// Those of the folder. A file that cannot be read is told of in the log, and left alone.
    pub fn each(&self, mut tell: impl FnMut(u64, u64, u64)) -> io::Result<()> {
        for (day, folder) in self.days()? {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_some() {
                    fs::remove_file(&path)?;
                    continue;
                }
                match File::open(&path).and_then(|mut file| Facts::read(&mut file)) {
                    Ok((facts, _)) => tell(day, facts.owner, facts.bytes),
                    Err(error) => tracing::warn!(file = %path.display(), %error, "this is no uploaded file"),
                }
            }
        }
        Ok(())
    }

    /// Removes all files of days before this one; how many days there were.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn remove_before(&self, first: u64) -> io::Result<usize> {
        let old = self.days()?.into_iter().filter(|(day, _)| *day < first);
        let mut count = 0;
        for (_, folder) in old {
            fs::remove_dir_all(folder)?;
            count += 1;
        }
        Ok(count)
    }

    /// Removes one.
    ///
    /// # Errors
    /// `NotFound`; those of the disk.
    pub fn remove(&self, id: Id) -> io::Result<()> {
        fs::remove_file(self.path(id))
    }

    /// Removes all files of an owner, of these days or, without any, of all; how many there were.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn remove_of(&self, owner: u64, days: Option<&[u64]>) -> io::Result<usize> {
        let mut count = 0;
        let wanted = |day: &u64| days.is_none_or(|days| days.contains(day));
        for (_, folder) in self.days()?.into_iter().filter(|(day, _)| wanted(day)) {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                let whole = path.extension().is_none();
                let facts = File::open(&path).and_then(|mut file| Facts::read(&mut file));
                if whole && facts.is_ok_and(|(facts, _)| facts.owner == owner) {
                    fs::remove_file(&path)?;
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    fn days(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut days = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let day = entry.file_name().to_str().and_then(|name| name.parse().ok());
            days.extend(day.map(|day| (day, entry.path())));
        }
        Ok(days)
    }
}

impl Part {
    /// Appends.
    ///
    /// # Errors
    /// Those of the disk, a full one among them.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// All is there: after this it survives anything.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.part, &self.whole)?;
        self.finished = true;
        match self.whole.parent() {
            Some(day) => {
                File::open(day)?.sync_all()?;
                day.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
            }
            None => Ok(()),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if let Err(error) = fs::remove_file(&self.part) {
            tracing::warn!(file = %self.part.display(), %error, "a part of an upload could not be removed");
        }
    }
}

impl Stored {
    /// Reads from this byte of the content on, at most so many; none at its end.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn read_at(&self, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.facts.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut piece = vec![0; bytes.min(left)];
        self.file.read_exact_at(&mut piece, self.start + offset)?;
        Ok(piece)
    }
}

impl Facts {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.media.len() + self.name.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.owner.to_le_bytes());
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        bytes.extend_from_slice(&(self.media.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&(self.name.len() as u16).to_le_bytes());
        bytes.extend_from_slice(self.media.as_bytes());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }

    /// And where the content begins.
    fn read(file: &mut File) -> io::Result<(Facts, u64)> {
        let mut fixed = [0; FIXED_BYTES];
        file.read_exact(&mut fixed)?;
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| fixed[at + index]));
        let length = |at: usize| usize::from(u16::from_le_bytes([fixed[at], fixed[at + 1]]));
        let (media, name) = (length(24), length(26));
        if !fixed.starts_with(MAGIC) || media > MEDIA_BYTES_MAX || name > NAME_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut text = |bytes: usize| {
            let mut room = vec![0; bytes];
            file.read_exact(&mut room)?;
            String::from_utf8(room).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
        };
        let facts = Facts {
            owner: number(8),
            bytes: number(16),
            media: text(media)?,
            name: text(name)?,
        };
        Ok((facts, (FIXED_BYTES + media + name) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    fn facts(bytes: u64) -> Facts {
        Facts {
            owner: 0x0102,
            bytes,
            media: "image/png".to_owned(),
            name: "ä.png".to_owned(),
        }
    }

    const ID: Id = Id { day: 9, random: 0xabc };

    #[test]
    fn a_file_is_there_when_all_of_it_is() {
        let scratch = Scratch::new();
        let files = Files::open(scratch.path()).unwrap();
        let mut part = files.create(ID, &facts(5)).unwrap();
        part.write(b"hel").unwrap();
        let missing = files.get(ID).unwrap_err().kind();
        assert_eq!(missing, io::ErrorKind::NotFound);
        let twice = files.create(ID, &facts(5)).unwrap_err().kind();
        assert_eq!(twice, io::ErrorKind::AlreadyExists, "it is begun");
        part.write(b"lo").unwrap();
        part.finish().unwrap();
        let stored = files.get(ID).unwrap();
        assert_eq!(stored.facts, facts(5));
        assert_eq!(stored.read_at(1, 3).unwrap(), b"ell");
        assert_eq!(stored.read_at(4, 99).unwrap(), b"o");
        let twice = files.create(ID, &facts(5)).unwrap_err().kind();
        assert_eq!(twice, io::ErrorKind::AlreadyExists, "it is there");
    }

    #[test]
    fn the_bytes_of_a_file_are_as_drawn() {
        let scratch = Scratch::new();
        let files = Files::open(scratch.path()).unwrap();
        let mut part = files.create(ID, &facts(1)).unwrap();
        part.write(b"!").unwrap();
        part.finish().unwrap();
        let bytes = fs::read(scratch.path().join("9").join(format!("{:032x}", 0xabc))).unwrap();
        assert_eq!(
            bytes,
            b"CPUPLD01\x02\x01\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x09\0\x06\0image/png\xc3\xa4.png!"
        );
    }

    #[test]
    fn a_start_counts_what_is_there_and_removes_what_is_not_all_there() {
        let scratch = Scratch::new();
        let files = Files::open(scratch.path()).unwrap();
        let mut part = files.create(ID, &facts(1)).unwrap();
        part.write(b"!").unwrap();
        part.finish().unwrap();
        // A process that was killed leaves it there.
        std::mem::forget(files.create(Id { day: 8, random: 1 }, &facts(1)).unwrap());
        let mut seen = Vec::new();
        files.each(|day, owner, bytes| seen.push((day, owner, bytes))).unwrap();
        assert_eq!(seen, [(9, 0x0102, 1)]);
        assert_eq!(fs::read_dir(scratch.path().join("8")).unwrap().count(), 0);
        assert_eq!(files.remove_before(9).unwrap(), 1);
        assert_eq!(files.remove_before(10).unwrap(), 1);
        assert!(files.get(ID).is_err());
    }

    #[test]
    fn the_files_of_one_owner_go_and_those_of_others_stay() {
        let scratch = Scratch::new();
        let files = Files::open(scratch.path()).unwrap();
        let mut ids = Vec::new();
        for (day, owner) in [(7, 1), (8, 1), (8, 2), (9, 1)] {
            let id = Id { day, random: owner };
            let of = Facts {
                owner: owner as u64,
                ..facts(0)
            };
            files.create(id, &of).unwrap().finish().unwrap();
            ids.push(id);
        }
        let left = || -> Vec<bool> { ids.iter().map(|id| files.get(*id).is_ok()).collect() };
        assert_eq!(files.remove_of(1, Some(&[7, 8])).unwrap(), 2);
        assert_eq!(left(), [false, false, true, true]);
        assert_eq!(files.remove_of(1, None).unwrap(), 1);
        assert_eq!(left(), [false, false, true, false]);
    }

    #[test]
    fn a_damaged_file_is_not_served() {
        let scratch = Scratch::new();
        let files = Files::open(scratch.path()).unwrap();
        let mut part = files.create(ID, &facts(5)).unwrap();
        part.write(b"four").unwrap();
        part.finish().unwrap();
        assert_eq!(files.get(ID).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
