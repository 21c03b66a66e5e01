//! The disk fails. What was acknowledged is there afterwards; what could not be written is not acknowledged.

use super::*;
use crate::disk::{FaultyDisk, ReadFault, WriteFault};

const WRITE_FAULTS: [WriteFault; 5] = [
    WriteFault::Error,
    WriteFault::NoSpace,
    WriteFault::Short(BLOCK_BYTES),
    WriteFault::Torn(0b10),
    WriteFault::Torn(u64::MAX),
];

#[test]
fn the_nth_write_fails_and_nothing_acknowledged_is_lost() {
    for fault in WRITE_FAULTS {
        for nth in 1..=30 {
            let disk = MemDisk::new();
            let (faulty, faults) = FaultyDisk::new(disk.clone());
            let mut log = open(faulty);
            faults.on_write(nth, fault);
            let mut kept = Vec::new();
            for id in 1..=60 {
                let replies = log.serve(vec![(0, append(id, record(JULIET, id, 5000)))]);
                kept.extend(acknowledged(&replies));
                let _ = log.upkeep();
            }
            let recovered = waiting(&mut open(disk.crash()), JULIET);
            assert_eq!(recovered[..kept.len()], kept, "{fault:?} at write {nth}");
            let unknown = recovered.len() - kept.len();
            assert!(
                unknown <= usize::from(fault == WriteFault::Torn(u64::MAX)),
                "{fault:?} at write {nth}"
            );
        }
    }
}

#[test]
fn a_failed_write_poisons_the_log_until_it_is_opened_again() {
    let disk = MemDisk::new();
    let (faulty, faults) = FaultyDisk::new(disk.clone());
    let mut log = open(faulty);
    say(&mut log, JULIET, 1, 10);
    faults.on_write(1, WriteFault::NoSpace);
    let replies = log.serve(vec![
        (0, append(1, record(JULIET, 2, 10))),
        (1, JournalRequest::Flush { token: 2 }),
    ]);
    assert_eq!(refused(&replies), [1, 2]);
    assert!(log.stats().poisoned.load(std::sync::atomic::Ordering::Relaxed));

    let writes = faults.changes();
    let fetch = JournalRequest::Fetch {
        token: 4,
        user: JULIET,
        after: 0,
        records_max: 9,
        bytes_max: 9,
    };
    let group = vec![
        (0, append(3, record(JULIET, 3, 10))),
        (0, fetch),
        (0, JournalRequest::Pending { token: 5, user: JULIET }),
        (0, JournalRequest::Flush { token: 6 }),
        (
            0,
            JournalRequest::Settle {
                user: JULIET,
                ids: vec![1],
            },
        ),
    ];
    let replies = log.serve(group);
    assert_eq!(refused(&replies), [3, 4, 5, 6]);
    assert!(log.upkeep().is_err());
    assert_eq!(faults.changes(), writes, "no write is tried again");
    let JournalReply::Failed { error, .. } = &replies[0].1 else {
        panic!()
    };
    assert!(error.contains(FIRST) && error.contains("restart"), "{error}");

    assert_eq!(waiting(&mut open(disk.crash()), JULIET), [1]);
}

#[test]
fn in_a_group_of_several_batches_what_was_written_before_the_failure_is_acknowledged() {
    let disk = MemDisk::new();
    let (faulty, faults) = FaultyDisk::new(disk.clone());
    let mut log = open(faulty);
    faults.on_write(2, WriteFault::Error);
    let replies = log.serve((1..=12).map(|id| (0, append(id, record(JULIET, id, 3000)))).collect());
    let (kept, lost) = (acknowledged(&replies), refused(&replies));
    assert!(!kept.is_empty() && !lost.is_empty());
    assert_eq!([kept.clone(), lost].concat(), (1..=12).collect::<Vec<_>>());
    assert_eq!(waiting(&mut open(disk.crash()), JULIET), kept);
}

#[test]
fn a_failed_read_concerns_one_fetch_only() {
    let (faulty, faults) = FaultyDisk::new(MemDisk::new());
    let mut log = open(faulty);
    say(&mut log, JULIET, 1, 10);
    for fault in [ReadFault::Error, ReadFault::Flip(8 * 50)] {
        faults.on_read(1, fault);
        assert!(log.fetch(JULIET, 0, 10, 1000).is_err());
        assert_eq!(waiting(&mut log, JULIET), [1]);
    }
    say(&mut log, JULIET, 2, 10);
    assert_eq!(waiting(&mut log, JULIET), [1, 2]);
}

#[test]
fn a_bit_that_flipped_on_its_way_to_the_disk_is_never_delivered() {
    for bit in (0..8 * (48 + 48 + 100)).step_by(7) {
        let disk = MemDisk::new();
        let (faulty, faults) = FaultyDisk::new(disk.clone());
        let mut log = open(faulty);
        faults.on_write(1, WriteFault::Flip(bit));
        say(&mut log, JULIET, 1, 100);
        let in_record = bit >= 48 * 8;
        assert_eq!(log.fetch(JULIET, 0, 1, 1000).is_err(), in_record, "bit {bit}");
        say(&mut log, JULIET, 2, 100);
        assert!(refusal(disk).contains("at byte 4096"), "bit {bit}");
    }
}

#[test]
fn a_failed_read_at_start_is_an_error_and_not_a_shorter_log() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    say(&mut log, JULIET, 1, 10);
    say(&mut log, JULIET, 2, 10);
    for nth in 1..=4 {
        let (faulty, faults) = FaultyDisk::new(disk.clone());
        faults.on_read(nth, ReadFault::Error);
        assert!(matches!(try_open(faulty), Err(LogError::Io { .. })), "read {nth}");
    }
}

#[test]
fn a_full_disk_does_not_stop_the_log_while_its_segment_has_room() {
    let (faulty, faults) = FaultyDisk::new(MemDisk::new());
    let mut log = open(faulty);
    for id in 1..=3 {
        say(&mut log, JULIET, id, 3000);
    }
    say(&mut log, JULIET, 4, 3000);
    faults.on_write(1, WriteFault::NoSpace);
    log.upkeep().unwrap();
    say(&mut log, JULIET, 5, 3000);
    assert_eq!(waiting(&mut log, JULIET), [1, 2, 3, 4, 5]);
}
