//! What the log finds when it is opened again.

use super::super::layout::BatchHeader;
use super::*;

/// Three batches in the first segment: Juliet's 1, Romeo's 2, and Juliet's next ones of these sizes.
fn three_batches(sizes: &[usize]) -> (MemDisk, usize, usize) {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    say(&mut log, JULIET, 1, 100);
    say(&mut log, ROMEO, 2, 5000);
    let start = log.segments.active().unwrap().filled as usize;
    for (id, bytes) in (3..).zip(sizes) {
        log.append(&record(JULIET, id, *bytes)).unwrap();
    }
    log.commit().unwrap();
    let end = log.segments.active().unwrap().filled as usize;
    (disk, start, end)
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_the_log_goes_on() {
    let (disk, start, end) = three_batches(&[4500]);
    let whole = disk.content(FIRST);
    let length = 48 + 48 + 4504;
    for torn in start..end {
        let disk = disk.crash();
        disk.edit(FIRST, |bytes| bytes[torn..].fill(0));
        let is_whole = torn >= start + length || whole[torn..start + length].iter().all(|byte| *byte == 0);
        let mut log = open(disk.clone());
        let expected: &[u64] = if is_whole { &[1, 3] } else { &[1] };
        assert_eq!(waiting(&mut log, JULIET), expected, "torn at byte {torn}");
        if torn % 512 == 0 {
            say(&mut log, JULIET, 4, 200);
            let mut log = open(disk.crash());
            assert_eq!(
                waiting(&mut log, JULIET),
                [expected, &[4]].concat(),
                "torn at byte {torn}"
            );
            assert_eq!(waiting(&mut log, ROMEO), [2]);
        }
    }
}

#[test]
fn a_tail_of_which_only_some_blocks_arrived_is_cut() {
    let (disk, start, end) = three_batches(&[7000, 7000]);
    let blocks = (end - start) / BLOCK_BYTES;
    for arrived in 0..(1usize << blocks) - 1 {
        let disk = disk.crash();
        disk.edit(FIRST, |bytes| {
            for block in (0..blocks).filter(|block| arrived >> block & 1 == 0) {
                bytes[start + block * BLOCK_BYTES..][..BLOCK_BYTES].fill(0xA5);
            }
        });
        let mut log = open(disk);
        assert_eq!(waiting(&mut log, JULIET), [1], "blocks {arrived:b}");
    }
}

#[test]
fn a_damaged_batch_with_valid_ones_after_it_is_not_cut_but_reported() {
    let (disk, start, _) = three_batches(&[100]);
    for (byte, place) in [(BLOCK_BYTES + 10, BLOCK_BYTES), (start - 4000, 2 * BLOCK_BYTES)] {
        let disk = disk.crash();
        disk.edit(FIRST, |bytes| bytes[byte] ^= 1);
        let before = disk.content(FIRST);
        let report = refusal(disk.clone());
        assert!(report.contains(&format!("memory/{FIRST} at byte {place}")), "{report}");
        assert_eq!(disk.content(FIRST), before);
    }
}

#[test]
fn after_a_clean_end_even_damage_to_the_last_batch_is_reported() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    say(&mut log, JULIET, 1, 100);
    log.seal().unwrap();
    assert_eq!(waiting(&mut open(disk.crash()), JULIET), [1]);
    disk.edit(FIRST, |bytes| bytes[BLOCK_BYTES + 60] ^= 1);
    assert!(refusal(disk).contains("at byte 4096"));
}

#[test]
fn damage_at_the_end_of_a_segment_is_seen_by_the_next_one() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    let mut last = 0;
    for id in 1.. {
        let filled = log.segments.active().unwrap().filled as usize;
        say(&mut log, JULIET, id, 3000);
        if log.segments() == 2 {
            break;
        }
        last = filled;
    }
    disk.edit(FIRST, |bytes| bytes[last + 100] ^= 1);
    let report = refusal(disk);
    assert!(report.contains(&format!("{FIRST} at byte {last}")), "{report}");
}

#[test]
fn a_missing_segment_is_reported() {
    let disk = three_segments();
    disk.remove("0000000002.seg").unwrap();
    let report = refusal(disk);
    assert!(
        report.contains("0000000002.seg") && report.contains("missing"),
        "{report}"
    );
}

#[test]
fn a_damaged_or_shortened_segment_header_is_reported() {
    for name in [FIRST, "0000000003.seg"] {
        let disk = three_segments();
        disk.edit(name, |bytes| bytes[20] ^= 1);
        assert!(refusal(disk).contains(name));
        let disk = three_segments();
        disk.edit(name, |bytes| bytes.truncate(3 * BLOCK_BYTES));
        assert!(refusal(disk).contains(name));
        let disk = three_segments();
        disk.edit(name, |bytes| bytes.truncate(30));
        assert!(refusal(disk).contains(name));
    }
}

#[test]
fn a_log_of_a_later_version_is_reported_as_such() {
    let disk = three_segments();
    disk.edit(FIRST, |bytes| {
        bytes[8] = 3;
        let check = xxhash_rust::xxh3::xxh3_64(&bytes[..56]);
        bytes[56..64].copy_from_slice(&check.to_le_bytes());
    });
    let report = refusal(disk);
    assert!(report.contains("version 3") && report.contains("version 2"), "{report}");
}

#[test]
fn a_recycled_file_full_of_old_batches_counts_only_what_was_written_in_this_life() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    for id in 1..=100 {
        say(&mut log, JULIET, id, 3000);
        log.settle(JULIET, &[id]).unwrap();
        log.commit().unwrap();
        log.upkeep().unwrap();
    }
    assert!(log.segments.active().unwrap().number > 5);
    say(&mut log, JULIET, 101, 10);
    let mut log = open(disk.crash());
    assert_eq!(waiting(&mut log, JULIET), [101]);
    assert_eq!(log.highest_id(), 101);
}

#[test]
fn the_highest_id_survives_the_recycling_of_every_segment_that_knew_it() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    say(&mut log, ROMEO, 1_000_000, 10);
    log.settle(ROMEO, &[1_000_000]).unwrap();
    for id in 1..=60 {
        say(&mut log, JULIET, id, 3000);
        log.settle(JULIET, &[id]).unwrap();
        log.upkeep().unwrap();
        log.commit().unwrap();
        log.upkeep().unwrap();
    }
    assert!(log.segments.oldest().unwrap().number > 1);
    assert_eq!(open(disk.crash()).highest_id(), 1_000_000);
}

#[test]
fn what_was_half_built_is_removed_and_spares_of_another_size_too() {
    let disk = MemDisk::new();
    say(&mut open(disk.clone()), JULIET, 1, 10);
    for name in ["building.tmp", "spare-0000000009.seg"] {
        disk.create(name).unwrap();
    }
    let mut log = open(disk.clone());
    assert_eq!(disk.list().unwrap(), [FIRST]);
    assert_eq!(waiting(&mut log, JULIET), [1]);
}

#[test]
fn segments_of_another_size_are_still_read() {
    let disk = MemDisk::new();
    say(&mut open(disk.clone()), JULIET, 1, 10);
    let larger = LogOptions {
        segment_bytes: 2 * SEGMENT as u64,
        ..options()
    };
    let mut log = Log::open(disk.clone(), larger).ok().unwrap();
    assert_eq!(waiting(&mut log, JULIET), [1]);
    for id in 2..=60 {
        say(&mut log, JULIET, id, 3000);
    }
    assert_eq!(waiting(&mut open(disk.crash()), JULIET).len(), 60);
}

fn three_segments() -> MemDisk {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    for id in 1.. {
        if log.segments() == 3 {
            break;
        }
        say(&mut log, JULIET, id, 6000);
    }
    say(&mut log, JULIET, 1000, 10);
    disk.crash()
}

#[test]
fn a_batch_that_does_not_follow_from_the_one_before_it_is_reported() {
    let (disk, start, _) = three_batches(&[100]);
    let header = BatchHeader::decode(&disk.content(FIRST)[start..]).unwrap();
    let length = header.length as usize;
    let stranger = BatchHeader {
        previous: header.previous ^ 1,
        ..header
    };
    disk.edit(FIRST, |bytes| {
        stranger.seal(&mut bytes[start..start + length], 42);
    });
    assert!(refusal(disk).contains(&format!("at byte {start}")));
}
