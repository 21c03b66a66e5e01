//! What the log does when nothing goes wrong.

use super::*;

#[test]
fn romeo_writes_while_juliet_is_away_and_she_finds_it_after_a_restart() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    say(&mut log, JULIET, 1, 100);
    say(&mut log, JULIET, 2, 3000);
    say(&mut log, ROMEO, 3, 0);

    let mut log = open(disk.crash());
    assert_eq!(waiting(&mut log, JULIET), [1, 2]);
    assert_eq!(waiting(&mut log, ROMEO), [3]);
    assert_eq!(waiting(&mut log, NURSE), []);
    assert_eq!(log.highest_id(), 3);
}

#[test]
fn what_is_settled_stays_settled() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    for id in 1..=5 {
        say(&mut log, JULIET, id, 10);
    }
    log.settle(JULIET, &[2, 4]).unwrap();
    log.settle(JULIET, &[2, 99]).unwrap();
    log.commit().unwrap();
    assert_eq!(waiting(&mut log, JULIET), [1, 3, 5]);

    let mut log = open(disk.crash());
    assert_eq!(waiting(&mut log, JULIET), [1, 3, 5]);
}

#[test]
fn settling_what_is_not_pending_writes_nothing() {
    let mut log = open(MemDisk::new());
    say(&mut log, JULIET, 1, 10);
    log.settle(JULIET, &[1]).unwrap();
    log.commit().unwrap();
    let commits = log.next_batch;
    log.settle(JULIET, &[1, 2]).unwrap();
    log.settle(ROMEO, &[1]).unwrap();
    log.commit().unwrap();
    assert_eq!(log.next_batch, commits);
}

#[test]
fn what_was_not_committed_is_gone_after_a_crash() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    say(&mut log, JULIET, 1, 10);
    log.append(&record(JULIET, 2, 10)).unwrap();
    let mut log = open(disk.crash());
    assert_eq!(waiting(&mut log, JULIET), [1]);
    assert_eq!(log.highest_id(), 1);
}

#[test]
fn a_fetch_sees_what_stands_before_it_and_not_what_stands_after_it() {
    let mut log = open(MemDisk::new());
    let fetch = |token| JournalRequest::Fetch {
        token,
        user: JULIET,
        after: 0,
        records_max: 10,
        bytes_max: 10_000,
    };
    let replies = log.serve(vec![
        (0, append(1, record(JULIET, 1, 10))),
        (0, append(2, record(JULIET, 2, 10))),
        (
            0,
            JournalRequest::Settle {
                user: JULIET,
                ids: vec![1],
            },
        ),
        (0, fetch(3)),
        (
            0,
            JournalRequest::Settle {
                user: JULIET,
                ids: vec![2],
            },
        ),
        (0, append(4, record(JULIET, 3, 10))),
        (0, fetch(5)),
    ]);
    let seen = |reply: &JournalReply| match reply {
        JournalReply::Committed { tokens } => format!("committed {tokens:?}"),
        JournalReply::Fetched { token, records, more } => {
            format!(
                "fetched {token} {:?} {more}",
                records.iter().map(|record| record.id).collect::<Vec<_>>()
            )
        }
        other => format!("{other:?}"),
    };
    let seen: Vec<_> = replies.iter().map(|(_, reply)| seen(reply)).collect();
    assert_eq!(
        seen,
        [
            "committed [1, 2]",
            "fetched 3 [2] false",
            "committed [4]",
            "fetched 5 [3] false"
        ]
    );
}

#[test]
fn a_group_of_many_shards_is_one_commit_and_one_reply_a_shard() {
    let mut log = open(MemDisk::new());
    let before = log.next_batch;
    let group = (0..30u64)
        .map(|n| ((n % 3) as usize, append(n, record(USERS[n as usize % 3], n + 1, 20))))
        .collect();
    let replies = log.serve(group);
    assert_eq!(log.next_batch, before + 1);
    assert_eq!(replies.len(), 3);
    for (shard, reply) in replies {
        let JournalReply::Committed { tokens } = reply else {
            panic!("{reply:?}")
        };
        assert_eq!(tokens, (0..10).map(|n| n * 3 + shard as u64).collect::<Vec<_>>());
    }
}

#[test]
fn pending_tells_number_size_and_highest_id() {
    let mut log = open(MemDisk::new());
    for id in [10, 20, 30] {
        say(&mut log, JULIET, id, id as usize);
    }
    log.settle(JULIET, &[30, 10]).unwrap();
    let replies = log.serve(vec![(1, JournalRequest::Pending { token: 9, user: JULIET })]);
    let [
        (
            1,
            JournalReply::Pending {
                token: 9,
                records: 1,
                bytes: 20,
                last: 30,
            },
        ),
    ] = replies[..]
    else {
        panic!("{replies:?}")
    };
}

#[test]
fn the_highest_id_of_a_user_is_remembered_over_a_restart_while_anything_is_pending() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    say(&mut log, JULIET, 1, 1);
    say(&mut log, JULIET, 2, 1);
    log.settle(JULIET, &[2]).unwrap();
    log.commit().unwrap();
    let mut log = open(disk.crash());
    assert_eq!(log.pending(JULIET).last, 2);
    log.settle(JULIET, &[1]).unwrap();
    log.commit().unwrap();
    let log = open(disk.crash());
    assert_eq!(
        log.pending(JULIET).last,
        2,
        "the settling was on the disk that the crash left behind"
    );
}

#[test]
fn an_id_that_does_not_increase_is_refused_and_the_log_goes_on() {
    let mut log = open(MemDisk::new());
    say(&mut log, JULIET, 5, 1);
    let replies = log.serve(vec![
        (0, append(1, record(JULIET, 5, 1))),
        (0, append(2, record(JULIET, 6, 1))),
    ]);
    assert_eq!((refused(&replies), acknowledged(&replies)), (vec![1], vec![2]));
}

#[test]
fn a_record_above_the_limit_is_refused_and_one_at_the_limit_is_kept() {
    let mut log = open(MemDisk::new());
    let replies = log.serve(vec![
        (0, append(1, record(JULIET, 1, 8001))),
        (0, append(2, record(JULIET, 2, 8000))),
    ]);
    assert_eq!((refused(&replies), acknowledged(&replies)), (vec![1], vec![2]));
    assert_eq!(waiting(&mut log, JULIET), [2]);
}

#[test]
fn a_fetch_keeps_to_its_limits_but_returns_at_least_one() {
    let mut log = open(MemDisk::new());
    for id in 1..=6 {
        say(&mut log, JULIET, id, 1000);
    }
    let mut ids = |after, records_max, bytes_max| {
        let (records, more) = log.fetch(JULIET, after, records_max, bytes_max).unwrap();
        (records.iter().map(|record| record.id).collect::<Vec<_>>(), more)
    };
    assert_eq!(ids(0, 2, u32::MAX), (vec![1, 2], true));
    assert_eq!(ids(2, 100, 2999), (vec![3, 4], true));
    assert_eq!(ids(2, 100, 3000), (vec![3, 4, 5], true));
    assert_eq!(ids(4, 0, 0), (vec![5], true));
    assert_eq!(ids(5, 1, 0), (vec![6], false));
    assert_eq!(ids(6, 1, 0), (vec![], false));
}

#[test]
fn a_group_larger_than_a_batch_becomes_several_and_loses_nothing() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    let group = (1..=60).map(|id| (0, append(id, record(JULIET, id, 1500)))).collect();
    let replies = log.serve(group);
    assert_eq!(acknowledged(&replies), (1..=60).collect::<Vec<_>>());
    assert!(log.next_batch > 4 && log.segments() > 1);
    assert_eq!(waiting(&mut open(disk.crash()), JULIET), (1..=60).collect::<Vec<_>>());
}

#[test]
fn a_flush_without_anything_to_write_is_answered_at_once() {
    let mut log = open(MemDisk::new());
    let before = log.next_batch;
    let replies = log.serve(vec![(0, JournalRequest::Flush { token: 1 })]);
    assert_eq!(acknowledged(&replies), [1]);
    assert_eq!(log.next_batch, before);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for (segment_bytes, record_bytes_max) in [(SEGMENT as u64 + 1, 100), (4096, 100), (SEGMENT as u64, SEGMENT)] {
        let options = LogOptions {
            segment_bytes,
            record_bytes_max,
            ..options()
        };
        assert!(matches!(Log::open(MemDisk::new(), options), Err(LogError::Options(_))));
    }
}
