//! The log stays small, and a crash in the middle of making it small changes nothing.

use super::*;
use crate::disk::FaultyDisk;

/// Every tenth message stays pending, nine of ten are settled at once: the worst neighbours for each other.
fn live_a_while<D: Disk>(log: &mut Log<D>, from: u64, to: u64) -> Result<(), LogError> {
    for id in from..=to {
        log.append(&record(JULIET, id, 1000))?;
        log.commit()?;
        if id % 10 != 0 || id > 10 * KEPT {
            log.settle(JULIET, &[id])?;
            log.commit()?;
        }
        log.upkeep()?;
    }
    Ok(())
}

const KEPT: u64 = 20;

fn kept() -> Vec<u64> {
    (1..=KEPT).map(|n| n * 10).collect()
}

#[test]
fn disk_use_is_bounded_by_what_is_pending() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    let mut most = 0;
    for round in 0..20 {
        live_a_while(&mut log, round * 100 + 1, round * 100 + 100).unwrap();
        most = most.max(disk.bytes() / SEGMENT as u64);
    }
    // 20 KB pending: one segment, twice; slack of three; two spares; one half built.
    assert!(most <= 2 + 3 + 2 + 1 + 1, "{most} segments");
    assert!(log.stats().relocated.load(std::sync::atomic::Ordering::Relaxed) > KEPT);
    assert_eq!(waiting(&mut log, JULIET), kept());
    let mut log = open(disk.crash());
    assert_eq!(waiting(&mut log, JULIET), kept());
    assert_eq!((log.highest_id(), log.pending(JULIET).last), (2000, 2000));
}

#[test]
fn much_pending_and_much_traffic_still_make_twice_the_pending_and_no_more() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    for id in 1..=400 {
        log.append(&record(NURSE, id, 2000)).unwrap();
    }
    log.commit().unwrap();
    let pending = log.segments() as u64;
    for id in 1..=3000 {
        say(&mut log, ROMEO, id, 3000);
        log.settle(ROMEO, &[id]).unwrap();
        log.commit().unwrap();
        log.upkeep().unwrap();
        assert!(
            (log.segments() as u64) <= 2 * pending + 5,
            "{} segments for {pending}",
            log.segments()
        );
    }
    assert_eq!(waiting(&mut open(disk.crash()), NURSE), (1..=400).collect::<Vec<_>>());
}

#[test]
fn a_crash_at_any_step_leaves_each_pending_record_exactly_once() {
    let (faulty, faults) = FaultyDisk::new(MemDisk::new());
    live_a_while(&mut open(faulty), 1, 420).unwrap();
    let steps = faults.changes();
    let mut crashes = 0;
    for step in (steps / 4)..steps {
        let torn = [0, 0b1, 0b110, u64::MAX][step as usize % 4];
        let disk = MemDisk::new();
        let (faulty, faults) = FaultyDisk::new(disk.clone());
        faults.die_at(step, torn);
        let Ok(mut log) = try_open(faulty) else {
            continue;
        };
        assert!(live_a_while(&mut log, 1, 420).is_err());
        crashes += 1;
        let reached = log.highest_id();
        let disk = disk.crash();
        let mut log = open(disk.clone());
        let found = waiting(&mut log, JULIET);
        let expected: Vec<_> = kept().into_iter().filter(|id| *id < reached).collect();
        let certain: Vec<_> = found.iter().copied().filter(|id| *id + 1 < reached).collect();
        let certain_expected: Vec<_> = expected.iter().copied().filter(|id| *id + 1 < reached).collect();
        assert_eq!(certain, certain_expected, "died at step {step}");
        assert_eq!(
            log.stats().pending_records.load(std::sync::atomic::Ordering::Relaxed) as usize,
            found.len()
        );

        live_a_while(&mut log, reached + 1, reached + 60).unwrap();
        let still: Vec<_> = waiting(&mut open(disk.crash()), JULIET);
        assert_eq!(
            still.iter().filter(|id| **id + 1 < reached).count(),
            certain.len(),
            "died at step {step}"
        );
    }
    assert!(crashes > 500, "{crashes}");
}

#[test]
fn a_relocated_message_that_is_settled_does_not_come_back() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    say(&mut log, NURSE, 1, 500);
    live_a_while(&mut log, 1, 300).unwrap();
    assert!(
        log.segments.oldest().unwrap().number > 1,
        "the nurse's message has moved"
    );
    log.settle(NURSE, &[1]).unwrap();
    log.commit().unwrap();
    let mut log = open(disk.crash());
    assert_eq!(waiting(&mut log, NURSE), []);
    live_a_while(&mut log, 301, 900).unwrap();
    assert_eq!(waiting(&mut log, NURSE), []);
}

#[test]
fn the_highest_id_of_a_user_moves_along_with_what_is_pending() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    say(&mut log, NURSE, 1, 500);
    say(&mut log, NURSE, 7, 500);
    log.settle(NURSE, &[7]).unwrap();
    live_a_while(&mut log, 1, 300).unwrap();
    let mut log = open(disk.crash());
    assert_eq!(log.pending(NURSE).last, 7);
    assert!(log.append(&record(NURSE, 7, 1)).is_err());
}

#[test]
fn a_segment_whose_living_cannot_be_read_is_kept() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    say(&mut log, NURSE, 1, 500);
    disk.edit(FIRST, |bytes| bytes[BLOCK_BYTES + 100] ^= 1);
    live_a_while(&mut log, 1, 300).unwrap();
    assert_eq!(log.segments.oldest().unwrap().number, 1);
    assert!(log.stats().damaged.load(std::sync::atomic::Ordering::Relaxed) > 0);
    assert!(refusal(disk).contains("at byte 4096"));
}

#[test]
fn what_is_acknowledged_after_a_kill_survives_a_power_cut_even_if_the_kill_came_before_a_name_was_durable() {
    let (faulty, faults) = FaultyDisk::new(MemDisk::new());
    live_a_while(&mut open(faulty), 1, 120).unwrap();
    for step in 1..faults.changes() {
        let disk = MemDisk::new();
        let (faulty, faults) = FaultyDisk::new(disk.clone());
        faults.die_at(step, u64::MAX);
        if let Ok(mut log) = try_open(faulty) {
            assert!(live_a_while(&mut log, 1, 120).is_err());
        }
        // Only the process has died: the names are as it left them, durable or not.
        let mut log = open(disk.clone());
        say(&mut log, ROMEO, 5000, 10);
        let mut log = try_open(disk.crash()).unwrap_or_else(|error| panic!("killed at step {step}: {error}"));
        assert_eq!(waiting(&mut log, ROMEO), [5000], "killed at step {step}");
    }
}
