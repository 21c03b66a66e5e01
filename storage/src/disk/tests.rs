//! Plays about disks.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::*;
use crate::limits::BLOCK_BYTES;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("crosspoint-disk-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn block(byte: u8) -> Vec<u8> {
    vec![byte; BLOCK_BYTES]
}

/// The same play for every disk: what is written can be read, whatever the alignment.
fn behaves_like_a_disk(disk: &impl Disk) {
    let file = disk.create("a").unwrap();
    assert_eq!(
        disk.create("a").err().map(|error| error.kind()),
        Some(ErrorKind::AlreadyExists)
    );
    assert_eq!(
        disk.open("b").err().map(|error| error.kind()),
        Some(ErrorKind::NotFound)
    );
    file.write_at(0, &block(1)).unwrap();
    file.write_at(BLOCK_BYTES as u64, &[block(2), block(3)].concat())
        .unwrap();
    assert_eq!(file.length().unwrap(), 3 * BLOCK_BYTES as u64);
    let mut shifted = AlignedBuffer::zeroed(2 * BLOCK_BYTES);
    shifted.as_mut_slice()[1..=BLOCK_BYTES].fill(4);
    file.write_at(0, &shifted.as_slice()[1..=BLOCK_BYTES]).unwrap();
    let mut bytes = [0; 3];
    file.read_at(BLOCK_BYTES as u64 - 1, &mut bytes).unwrap();
    assert_eq!(bytes, [4, 2, 2]);
    let end = file.read_at(3 * BLOCK_BYTES as u64 - 2, &mut bytes).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::UnexpectedEof);

    disk.rename("a", "c").unwrap();
    disk.sync_directory().unwrap();
    file.write_at(0, &block(5)).unwrap();
    let again = disk.open("c").unwrap();
    again.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, [5, 5, 5], "a handle outlives the name");
    let reader = disk.open_to_read("c").unwrap();
    file.write_at(0, &block(6)).unwrap();
    reader.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, [6, 6, 6], "who only reads sees what others write");
    assert_eq!(
        disk.open_to_read("d").err().map(|error| error.kind()),
        Some(ErrorKind::NotFound)
    );
    assert_eq!(disk.list().unwrap(), ["c"]);
    disk.remove("c").unwrap();
    assert!(disk.list().unwrap().is_empty());
}

#[test]
fn the_file_system_behaves_like_a_disk() {
    let folder = Folder::new("files");
    let disk = FileDisk::open(&folder.0).unwrap();
    println!("O_DIRECT: {}", disk.is_direct());
    behaves_like_a_disk(&disk);
}

#[test]
fn a_file_system_without_direct_writes_behaves_like_a_disk_too() {
    let folder = Folder::new("buffered");
    behaves_like_a_disk(&FileDisk::open_buffered(&folder.0).unwrap());
}

#[test]
fn memory_behaves_like_a_disk() {
    behaves_like_a_disk(&MemDisk::new());
    behaves_like_a_disk(&FaultyDisk::new(MemDisk::new()).0);
}

#[test]
fn a_folder_in_use_is_refused_until_it_is_free() {
    let folder = Folder::new("lock");
    let disk = FileDisk::open(&folder.0).unwrap();
    let error = FileDisk::open(&folder.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(error.to_string().contains("in use by another process"));
    drop(disk);
    FileDisk::open(&folder.0).unwrap();
}

#[test]
fn in_memory_a_crash_takes_the_names_that_were_not_synchronised() {
    let disk = MemDisk::new();
    disk.create("kept").unwrap().write_at(0, &block(1)).unwrap();
    disk.sync_directory().unwrap();
    disk.create("lost").unwrap();
    disk.rename("kept", "renamed").unwrap();
    let after = disk.crash();
    assert_eq!(after.list().unwrap(), ["kept"]);
    disk.open("renamed").unwrap().write_at(0, &block(9)).unwrap();
    assert_eq!(after.content("kept")[0], 1, "who died writes no more");
}

#[test]
fn faults_happen_when_planned_and_once() {
    let (disk, faults) = FaultyDisk::new(MemDisk::new());
    let file = disk.create("a").unwrap();
    faults.on_write(2, WriteFault::Short(2 * BLOCK_BYTES - 1));
    faults.on_write(3, WriteFault::Flip(9));
    faults.on_read(2, ReadFault::Error);
    let three = [block(1), block(1), block(1)].concat();
    file.write_at(0, &three).unwrap();
    assert!(file.write_at(0, &[block(2), block(2)].concat()).is_err());
    let mut bytes = [0; BLOCK_BYTES + 1];
    file.read_at(0, &mut bytes).unwrap();
    assert_eq!((bytes[0], bytes[BLOCK_BYTES]), (2, 1), "one block of two arrived");
    assert!(file.read_at(0, &mut bytes).is_err());
    file.write_at(0, &three).unwrap();
    file.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes[..3], [1, 3, 1]);
    faults.die_at(2, 0b100);
    disk.sync_directory().unwrap();
    assert!(file.write_at(0, &[block(7), block(7), block(7)].concat()).is_err());
    assert!(disk.sync_directory().is_err() && file.write_at(0, &three).is_err());
    file.read_at(2 * BLOCK_BYTES as u64 - 1, &mut bytes[..2]).unwrap();
    assert_eq!(bytes[..2], [1, 7]);
}
