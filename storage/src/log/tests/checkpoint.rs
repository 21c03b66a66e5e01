//! A checkpoint shortens the start and changes nothing else.

use std::collections::BTreeMap;

use super::super::layout::Place;
use super::*;
use crate::disk::{FaultyDisk, WriteFault};

const NAME: &str = "checkpoint";

/// Everything that the log knows, in words: links to segments that are gone are as good as none.
fn knowledge<D: Disk>(log: &Log<D>) -> String {
    let oldest = log.segments.oldest().unwrap().number;
    let living = |link: u64| Place::of_link(link).filter(|place| place.segment >= oldest);
    let tails: BTreeMap<_, _> = log
        .tails
        .iter()
        .map(|(user, tail)| (user, (tail.last(), tail.ordinal(), tail.links().map(living))))
        .collect();
    let index: BTreeMap<_, _> = log
        .index
        .iter()
        .map(|(user, last, entries)| (user, (last, entries.clone())))
        .collect();
    let redactions: std::collections::BTreeSet<_> = log.redactions.iter().collect();
    let segment = |segment: &super::super::segment::Segment<D::File>| {
        let live = (
            segment.live_records,
            segment.live_bytes,
            segment.archived,
            segment.newest,
        );
        (segment.number, segment.filled, segment.last_batch, live)
    };
    let segments: Vec<_> = log.segments.iter().map(segment).collect();
    let totals = (
        log.highest,
        log.next_batch,
        log.chain,
        log.segments.live_bytes(),
        log.segments.bytes(),
    );
    format!("{tails:?}\n{index:?}\n{redactions:?}\n{segments:?}\n{totals:?}")
}

/// Of everything a little, until there are some segments.
fn live_a_while<D: Disk>(log: &mut Log<D>, ids: std::ops::RangeInclusive<u64>) -> Result<(), LogError> {
    for id in ids {
        let user = USERS[id as usize % 3];
        let disposition = [
            Disposition::PendingArchived,
            Disposition::Archived,
            Disposition::Pending,
        ][id as usize / 3 % 3];
        log.append_as(&record(user, id, 700), disposition)?;
        log.commit()?;
        if id % 20 > 3 {
            log.settle(user, &[id])?;
        }
        if id % 37 == 0 {
            log.redact(user, id.saturating_sub(30))?;
        }
        if id % 150 == 0 {
            log.forget(ROMEO)?;
        }
        log.commit()?;
        log.upkeep()?;
    }
    Ok(())
}

fn without_checkpoint(disk: &MemDisk) -> MemDisk {
    let disk = disk.crash();
    disk.remove(NAME).unwrap();
    disk
}

#[test]
fn with_and_without_a_checkpoint_the_same_is_found() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    for round in 0..20 {
        live_a_while(&mut log, round * 40 + 1..=round * 40 + 40).unwrap();
        let after = disk.crash();
        if !after.list().unwrap().contains(&NAME.to_owned()) {
            continue;
        }
        let found = knowledge(&open_archive(after.clone()));
        assert_eq!(found, knowledge(&log));
        assert_eq!(found, knowledge(&open_archive(without_checkpoint(&after))));
    }
    assert!(log.stats().checkpoints.load(std::sync::atomic::Ordering::Relaxed) > 3);
}

#[test]
fn a_start_with_a_checkpoint_reads_what_is_newer_and_the_headers() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    live_a_while(&mut log, 1..=2000).unwrap();
    let reads = |disk: MemDisk| {
        let (faulty, faults) = FaultyDisk::new(disk);
        drop(open_archive(faulty));
        faults.reads()
    };
    let (short, long) = (reads(disk.crash()), reads(without_checkpoint(&disk)));
    let segments = log.segments() as u64;
    // A header each, and about the batches of two segments, of one block each.
    assert!(
        short < segments + 60 && long > 3000,
        "{short} and {long} reads for {segments} segments"
    );
}

#[test]
fn a_damaged_or_shortened_checkpoint_is_ignored() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    live_a_while(&mut log, 1..=100).unwrap();
    let expected = knowledge(&log);
    let length = disk.content(NAME).len();
    let used = u64::from_le_bytes(disk.content(NAME)[16..24].try_into().unwrap()) as usize;
    for at in (0..used).step_by(13) {
        let disk = disk.crash();
        disk.edit(NAME, |bytes| bytes[at] ^= 0x10);
        assert_eq!(knowledge(&open_archive(disk)), expected, "byte {at}");
    }
    for shorter in [0, 1, 16, 23, 24, used - 1] {
        let disk = disk.crash();
        disk.edit(NAME, |bytes| bytes.truncate(shorter));
        assert_eq!(knowledge(&open_archive(disk)), expected, "{shorter} of {length} bytes");
    }
}

#[test]
fn a_checkpoint_of_another_life_is_ignored() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    live_a_while(&mut log, 1..=60).unwrap();
    let backup = disk.crash();
    let expected = knowledge(&log);
    live_a_while(&mut log, 61..=75).unwrap();
    let early = disk.content(NAME);
    live_a_while(&mut log, 76..=300).unwrap();
    // The segments come from a backup, or from another folder: the checkpoint knows more than they do.
    for checkpoint in [early, disk.content(NAME)] {
        let disk = backup.crash();
        if !disk.list().unwrap().contains(&NAME.to_owned()) {
            disk.create(NAME).unwrap();
        }
        disk.edit(NAME, |bytes| *bytes = checkpoint);
        assert_eq!(knowledge(&open_archive(disk)), expected);
    }
}

#[test]
fn a_checkpoint_that_cannot_be_written_stops_nothing_and_is_tried_again() {
    let disk = MemDisk::new();
    let (faulty, faults) = FaultyDisk::new(disk.clone());
    let mut log = open_archive(faulty);
    let mut failed = false;
    for id in 1..=400 {
        keep(&mut log, JULIET, id, 1000, Disposition::Archived);
        let under_way = disk.list().unwrap().contains(&"checkpoint.tmp".to_owned());
        if under_way && !failed {
            // The spare is there by now: the next write is the checkpoint's.
            faults.on_write(1, WriteFault::NoSpace);
            failed = true;
        }
        log.upkeep().unwrap();
    }
    assert!(failed && log.stats().checkpoints.load(std::sync::atomic::Ordering::Relaxed) > 1);
    assert_eq!(history(&mut open_archive(disk.crash()), JULIET).len(), 400);
}

#[test]
fn damage_in_the_archive_before_the_checkpoint_stops_no_start_and_hides_only_what_no_skip_leads_to() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    for id in 1..=100 {
        keep(&mut log, JULIET, id, 1000, Disposition::Archived);
        log.upkeep().unwrap();
    }
    // Each segment has fifteen, a block each: this is number 70.
    let (name, offset) = ("0000000005.seg", 10 * BLOCK_BYTES + 48);
    disk.edit(name, |bytes| bytes[offset + 200] ^= 1);
    let mut log = open_archive(disk.crash());
    let mut page = |span, direction| try_page(&mut log, JULIET, span, direction, 20, u32::MAX).map(|page| page.0);
    assert_eq!(page(Span::ALL, Direction::Backward), Ok((81..=100).collect()));
    assert_eq!(page(Span::ALL.after(70), Direction::Forward).map_err(|_| ()), Err(()));
    let error = page(Span::ALL.before(81), Direction::Backward).unwrap_err();
    assert!(error.contains(&format!("{name} at byte {offset}")), "{error}");
    assert!(
        page(Span::ALL.before(67), Direction::Backward).is_err(),
        "the links lead through it"
    );
    assert_eq!(page(Span::ALL.before(64), Direction::Backward), Ok((44..=63).collect()));
    assert_eq!(page(Span::ALL.after(43), Direction::Forward), Ok((44..=63).collect()));
    assert!(log.stats().damaged.load(std::sync::atomic::Ordering::Relaxed) > 0);
    let refused = Log::open(without_checkpoint(&disk), archive_options())
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains(name), "{refused}");
}

#[test]
fn killed_at_any_step_the_archive_holds_what_was_acknowledged() {
    let (faulty, faults) = FaultyDisk::new(MemDisk::new());
    live_a_while(&mut open_archive(faulty), 1..=160).unwrap();
    for step in 1..faults.changes() {
        let disk = MemDisk::new();
        let (faulty, faults) = FaultyDisk::new(disk.clone());
        faults.die_at(step, step % 7);
        let Ok(mut log) = Log::open(faulty, archive_options()) else {
            continue;
        };
        // It ends in good order if it died while it wrote the last checkpoint.
        let _ = live_a_while(&mut log, 1..=160);
        let disk = disk.crash();
        let log = open_archive(disk.clone());
        let (found, reached) = (knowledge(&log), log.highest_id());
        if disk.list().unwrap().contains(&NAME.to_owned()) {
            assert_eq!(
                found,
                knowledge(&open_archive(without_checkpoint(&disk))),
                "died at step {step}"
            );
        }
        // What a life without accident has archived up to there; the last settlement and the like may be missing.
        let mut twin = open_archive(MemDisk::new());
        live_a_while(&mut twin, 1..=reached.saturating_sub(1)).unwrap();
        let mut log = open_archive(disk.crash());
        for user in USERS {
            let ids: Vec<_> = history(&mut log, user).into_iter().filter(|id| *id < reached).collect();
            let after = reached % 150 == 0 || reached % 37 == 0;
            assert!(
                ids == history(&mut twin, user) || after,
                "died at step {step}, user {user:x}: {ids:?}"
            );
        }
    }
}
