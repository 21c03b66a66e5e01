//! The archive gives up whole segments, oldest first, by size and by age.

use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::seam::RECORD_ID_SHIFT;

fn open_with(disk: MemDisk, age_ms: u64, segments: u64) -> Log<MemDisk> {
    let bytes = segments * SEGMENT as u64;
    let archive = Some(ArchiveOptions { age_ms, bytes });
    Log::open(disk, LogOptions { archive, ..options() }).ok().unwrap()
}

/// Archives records of 1000 bytes, each in a commit of its own.
fn talk<D: Disk>(log: &mut Log<D>, user: UserKey, ids: impl IntoIterator<Item = u64>) {
    for id in ids {
        keep(log, user, id, 1000, Disposition::Archived);
        log.upkeep().unwrap();
    }
}

/// What is left is the newest part of what there was, without a gap.
fn suffix_of(ids: &[u64], last: u64) {
    let first = ids.first().copied().unwrap_or(last + 1);
    assert_eq!(ids, (first..=last).collect::<Vec<_>>());
}

#[test]
fn the_archive_keeps_to_its_size_and_loses_its_oldest_records() {
    let disk = MemDisk::new();
    let mut log = open_with(disk.clone(), u64::MAX, 5);
    talk(&mut log, ROMEO, [1]);
    talk(&mut log, JULIET, 1..=300);
    assert!(log.segments() <= 5, "{}", log.segments());
    assert!(
        disk.bytes() <= 9 * SEGMENT as u64,
        "five, two spares, one half built, a checkpoint"
    );
    assert!(log.stats().expired_segments.load(Relaxed) > 10);
    for mut log in [open_with(disk.crash(), u64::MAX, 5), log] {
        let left = history(&mut log, JULIET);
        assert!((60..=75).contains(&left.len()), "{} of 15 a segment", left.len());
        suffix_of(&left, 300);
        assert_eq!(extent(&mut log, JULIET), (left.len() as u64, left[0], 300));
        assert_eq!(history(&mut log, ROMEO), []);
        assert_eq!(log.tails.len(), 1, "an owner of whom nothing is left costs nothing");
    }
}

#[test]
fn a_segment_goes_when_its_newest_record_is_too_old() {
    let disk = MemDisk::new();
    let hour = 3_600_000;
    let mut log = open_with(disk.clone(), 24 * hour, 1000);
    for hours in 0..100 {
        talk(
            &mut log,
            JULIET,
            (1..=4).map(|n| ((hours * hour) << RECORD_ID_SHIFT) + n),
        );
    }
    let left = history(&mut log, JULIET);
    let oldest = left[0] >> RECORD_ID_SHIFT;
    // A segment holds nearly four hours.
    assert!(
        (99 - 24 - 4) * hour <= oldest && oldest <= (99 - 24) * hour,
        "{}",
        oldest / hour
    );
    assert_eq!(history(&mut open_with(disk.crash(), 24 * hour, 1000), JULIET), left);
}

#[test]
fn what_is_pending_in_a_segment_that_is_too_old_moves_on_and_is_history_no_more() {
    let disk = MemDisk::new();
    let mut log = open_with(disk.clone(), 10, 1000);
    for id in 1..=10 {
        keep(&mut log, NURSE, id, 1000, Disposition::PendingArchived);
    }
    let at = |ms: u64| ms << RECORD_ID_SHIFT;
    talk(&mut log, JULIET, (1..=100).map(at));
    assert!(log.segments.oldest().unwrap().number > 1);
    for mut log in [open_with(disk.crash(), 10, 1000), log] {
        assert_eq!(waiting(&mut log, NURSE), (1..=10).collect::<Vec<_>>());
        assert_eq!(history(&mut log, NURSE), []);
    }
}

#[test]
fn a_segment_that_is_too_old_is_left_even_by_much_that_is_pending_and_while_the_log_is_small() {
    let mut log = open_with(MemDisk::new(), 10, 1000);
    for id in 1..=10 {
        keep(&mut log, NURSE, id, 1000, Disposition::PendingArchived);
    }
    talk(&mut log, JULIET, (1..=20).map(|ms| ms << RECORD_ID_SHIFT));
    assert_eq!((log.segments.oldest().unwrap().number, log.segments()), (2, 2));
    assert_eq!(waiting(&mut log, NURSE), (1..=10).collect::<Vec<_>>());
}

#[test]
fn while_it_is_retained_a_segment_is_neither_retired_nor_relocated_from() {
    let disk = MemDisk::new();
    let mut log = open_with(disk.clone(), u64::MAX, 1000);
    for id in 1..=200 {
        keep(&mut log, JULIET, id, 1000, Disposition::PendingArchived);
        log.settle(JULIET, &[id]).unwrap();
        log.commit().unwrap();
        log.upkeep().unwrap();
    }
    keep(&mut log, JULIET, 201, 1000, Disposition::PendingArchived);
    assert_eq!(
        (
            log.stats().relocated.load(Relaxed),
            log.segments.oldest().unwrap().number
        ),
        (0, 1)
    );
    assert_eq!(history(&mut log, JULIET).len(), 201);
    assert_eq!(waiting(&mut log, JULIET), [201]);
}

#[test]
fn much_pending_and_a_small_archive_make_twice_the_pending_and_no_more() {
    let mut log = open_with(MemDisk::new(), u64::MAX, 4);
    for id in 1..=400 {
        log.append(&record(NURSE, id, 2000)).unwrap();
    }
    log.commit().unwrap();
    let pending = log.segments() as u64;
    for id in 1..=2000 {
        keep(&mut log, ROMEO, id, 3000, Disposition::PendingArchived);
        log.settle(ROMEO, &[id]).unwrap();
        log.commit().unwrap();
        log.upkeep().unwrap();
        assert!(
            (log.segments() as u64) <= 2 * pending + 5,
            "{} segments for {pending}",
            log.segments()
        );
    }
    assert_eq!(waiting(&mut log, NURSE).len(), 400);
}

#[test]
fn tombstones_and_redactions_are_kept_as_long_as_what_they_hide_and_no_longer() {
    let disk = MemDisk::new();
    let mut log = open_with(disk.clone(), u64::MAX, 6);
    talk(&mut log, JULIET, 1..=3);
    talk(&mut log, ROMEO, 1..=3);
    log.forget(JULIET).unwrap();
    log.redact(ROMEO, 2).unwrap();
    log.commit().unwrap();
    for id in 1..=200 {
        talk(&mut log, NURSE, [id]);
        if id % 10 == 0 {
            let mut log = open_with(disk.crash(), u64::MAX, 6);
            assert_eq!(history(&mut log, JULIET), []);
            assert!(!history(&mut log, ROMEO).contains(&2));
        }
    }
    assert_eq!((log.redactions.len(), log.tails.len()), (0, 1));
}

#[test]
fn a_read_that_comes_after_its_segment_was_retired_finds_the_end_and_no_damage() {
    let mut log = open_with(MemDisk::new(), u64::MAX, 4);
    talk(&mut log, JULIET, 1..=30);
    let excerpt = super::super::reader::Excerpt {
        span: Span::ALL,
        direction: Direction::Backward,
        records_max: 1000,
        bytes_max: u32::MAX,
    };
    let read = || super::super::reader::Read::page(1, JULIET, log.chapter(JULIET), excerpt);
    let (early, late) = (read(), read());
    let mut reader = log.reader();
    let before = page_of(&reader.answer(early)).unwrap();
    assert_eq!(before.0.len(), 30);
    talk(&mut log, ROMEO, 1..=200);
    assert_eq!(page_of(&reader.answer(late)), Some((vec![], true, 0)));
    assert_eq!(log.stats().damaged.load(Relaxed), 0);
}

#[test]
fn a_segment_from_which_a_fetch_is_about_to_read_waits() {
    let mut log = open(MemDisk::new());
    say(&mut log, JULIET, 1, 1000);
    let selection = log.select(JULIET, 0, 9, 9999);
    log.settle(JULIET, &[1]).unwrap();
    let live = |log: &mut Log<MemDisk>, ids: std::ops::RangeInclusive<u64>| {
        for id in ids {
            say(log, ROMEO, id, 3000);
            log.settle(ROMEO, &[id]).unwrap();
            log.commit().unwrap();
            log.upkeep().unwrap();
        }
    };
    live(&mut log, 1..=60);
    assert_eq!(log.segments.oldest().unwrap().number, 1);
    let read = super::super::reader::Read::fetch(1, JULIET, selection);
    let JournalReply::Fetched { records, .. } = log.reader().answer(read) else {
        panic!()
    };
    assert_eq!(records, [record(JULIET, 1, 1000)]);
    live(&mut log, 61..=62);
    assert!(log.segments.oldest().unwrap().number > 1);
}
