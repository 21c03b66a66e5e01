//! A folder that a program wrote before there was an archive.

use super::*;

/// Two segments, written by layout version 1: the nurse's 1, Juliet's 2 and 15, Romeo's 4, 8 and 12 are pending, most of them
/// relocated. Name and size of a file, then its lines of 32 bytes that are not zero, with their offsets.
fn folder() -> MemDisk {
    let disk = MemDisk::new();
    let mut file = (String::new(), Vec::new());
    let save = |(name, content): (String, Vec<u8>)| {
        if !name.is_empty() {
            disk.create(&name).unwrap();
            disk.edit(&name, |bytes| *bytes = content);
        }
    };
    for line in include_str!("version_1.txt").lines() {
        let (head, tail) = line.split_once(' ').unwrap();
        if head.ends_with(".seg") {
            let content = vec![0; tail.parse().unwrap()];
            save(std::mem::replace(&mut file, (head.to_owned(), content)));
            continue;
        }
        let start: usize = head.parse().unwrap();
        for at in 0..tail.len() / 2 {
            file.1[start + at] = u8::from_str_radix(&tail[2 * at..2 * at + 2], 16).unwrap();
        }
    }
    save(file);
    disk.sync_directory().unwrap();
    disk
}

#[test]
fn what_waits_in_a_folder_of_version_1_is_found_and_delivered() {
    for archive in [false, true] {
        let disk = folder();
        let open = if archive { open_archive } else { open };
        let mut log = open(disk.clone());
        assert_eq!(waiting(&mut log, NURSE), [1]);
        assert_eq!(waiting(&mut log, JULIET), [2, 15]);
        assert_eq!(waiting(&mut log, ROMEO), [4, 8, 12]);
        assert_eq!((log.pending(ROMEO).last, log.highest_id()), (14, 15));
        assert_eq!(history(&mut log, ROMEO), [], "nothing was archived then");
    }
}

#[test]
fn a_log_of_version_1_goes_on_in_a_segment_of_version_2_and_its_own_are_given_up_in_time() {
    let disk = folder();
    // Without its last batch, the last segment has room for another one.
    disk.edit("0000000011.seg", |bytes| bytes[3 * BLOCK_BYTES..].fill(0));
    let mut log = open_archive(disk.clone());
    let active = log.segments.active().unwrap();
    assert_eq!((active.version, active.filled), (1, 3 * BLOCK_BYTES as u64));
    keep(&mut log, JULIET, 16, 100, Disposition::PendingArchived);
    let active = log.segments.active().unwrap();
    assert_eq!((active.version, active.number), (2, 12));
    log.settle(ROMEO, &[8]).unwrap();
    log.seal().unwrap();
    let disk = disk.crash();
    let mut log = open_archive(disk.clone());
    assert_eq!(waiting(&mut log, JULIET), [2, 16]);
    assert_eq!(waiting(&mut log, ROMEO), [4, 12]);
    assert_eq!(history(&mut log, JULIET), [16]);
    for id in 17..=200 {
        keep(&mut log, NURSE, id, 1000, Disposition::Archived);
        log.upkeep().unwrap();
    }
    assert_eq!(log.segments.oldest().unwrap().version, 2);
    let mut log = open_archive(disk.crash());
    assert_eq!(waiting(&mut log, NURSE), [1]);
    assert_eq!(waiting(&mut log, JULIET), [2, 16]);
    assert_eq!(history(&mut log, JULIET), [16]);
    assert_eq!(history(&mut log, NURSE).len(), 184);
}
