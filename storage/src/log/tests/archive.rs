//! What the archive does when nothing goes wrong.

use super::*;
use crate::seam::{Direction, RECORD_ID_SHIFT, Span};
use Direction::{Backward, Forward};

#[test]
fn what_was_delivered_long_ago_is_still_there_to_be_read() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    for id in 1..=5 {
        keep(&mut log, JULIET, id, 300, Disposition::PendingArchived);
    }
    log.settle(JULIET, &[1, 2, 3, 4, 5]).unwrap();
    log.commit().unwrap();
    let mut log = open_archive(disk.crash());
    assert_eq!(waiting(&mut log, JULIET), []);
    assert_eq!(history(&mut log, JULIET), [1, 2, 3, 4, 5]);
    assert_eq!(history(&mut log, ROMEO), []);
}

#[test]
fn a_record_is_pending_or_archived_or_both_as_was_asked_for() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    keep(&mut log, JULIET, 1, 10, Disposition::Pending);
    keep(&mut log, JULIET, 2, 10, Disposition::Archived);
    keep(&mut log, JULIET, 3, 10, Disposition::PendingArchived);
    for mut log in [log, open_archive(disk.crash())] {
        assert_eq!(waiting(&mut log, JULIET), [1, 3]);
        assert_eq!(history(&mut log, JULIET), [2, 3]);
        assert_eq!(log.highest_id(), 3);
    }
}

#[test]
fn one_message_to_queue_and_history_is_one_write() {
    let (faulty, faults) = crate::disk::FaultyDisk::new(MemDisk::new());
    let mut log = open_archive(faulty);
    let before = faults.changes();
    keep(&mut log, JULIET, 1, 300, Disposition::PendingArchived);
    assert_eq!(faults.changes(), before + 1);
}

#[test]
fn history_can_be_paged_from_both_ends_and_from_anywhere() {
    let mut log = open_archive(MemDisk::new());
    for id in 1..=100 {
        keep(&mut log, JULIET, id * 10, 20, Disposition::Archived);
        keep(&mut log, ROMEO, id * 10, 20, Disposition::Archived);
    }
    let mut page = |span, direction, records| page(&mut log, JULIET, span, direction, records, u32::MAX);
    let ids = |from: u64, to: u64| (from..=to).map(|id| id * 10).collect::<Vec<_>>();
    assert_eq!(page(Span::ALL, Backward, 3), (ids(98, 100), false, 980));
    assert_eq!(page(Span::ALL.before(980), Backward, 3), (ids(95, 97), false, 950));
    assert_eq!(page(Span::ALL.before(40), Backward, 3), (ids(1, 3), true, 10));
    assert_eq!(page(Span::ALL.before(10), Backward, 3), (vec![], true, 0));
    assert_eq!(page(Span::ALL, Forward, 3), (ids(1, 3), false, 30));
    assert_eq!(page(Span::ALL.after(30), Forward, 3), (ids(4, 6), false, 60));
    assert_eq!(page(Span::ALL.after(34), Forward, 3), (ids(4, 6), false, 60));
    assert_eq!(page(Span::ALL.after(970), Forward, 3), (ids(98, 100), true, 1000));
    assert_eq!(page(Span::ALL.after(1000), Forward, 3), (vec![], true, 0));
    assert_eq!(
        page(Span::ALL.after(500).before(530), Forward, 9),
        (ids(51, 52), true, 520)
    );
    assert_eq!(
        page(Span::ALL.after(500).before(530), Backward, 9),
        (ids(51, 52), true, 510)
    );
    assert_eq!(
        page(Span::ALL.after(500).before(530), Backward, 1),
        (ids(52, 52), false, 520)
    );
    assert_eq!(page(Span::ALL.after(530).before(500), Forward, 1), (vec![], true, 0));
}

#[test]
fn a_span_of_time_is_a_span_of_ids() {
    let mut log = open_archive(MemDisk::new());
    let at = |ms: u64, n: u64| (ms << RECORD_ID_SHIFT) + n;
    for id in [at(5, 0), at(5, 1), at(7, 0), at(7, 9), at(8, 0)] {
        keep(&mut log, JULIET, id, 1, Disposition::Archived);
    }
    let mut between = |start, end| page(&mut log, JULIET, Span::ALL.start(start).end(end), Forward, 9, 99).0;
    assert_eq!(between(5, 7), [at(5, 0), at(5, 1), at(7, 0), at(7, 9)]);
    assert_eq!(between(6, 6), []);
    assert_eq!(between(7, u64::MAX), [at(7, 0), at(7, 9), at(8, 0)]);
    assert_eq!(between(u64::MAX, u64::MAX), []);
    assert_eq!(between(0, 0), []);
}

#[test]
fn a_page_keeps_to_its_bytes_but_looks_at_one_record_at_least() {
    let mut log = open_archive(MemDisk::new());
    for id in 1..=6 {
        keep(&mut log, JULIET, id, 1000, Disposition::Archived);
    }
    let mut page = |span, direction, bytes| page(&mut log, JULIET, span, direction, 9, bytes);
    assert_eq!(page(Span::ALL, Backward, 2999), (vec![5, 6], false, 5));
    assert_eq!(page(Span::ALL, Backward, 3000), (vec![4, 5, 6], false, 4));
    assert_eq!(page(Span::ALL, Forward, 2999), (vec![1, 2], false, 2));
    assert_eq!(page(Span::ALL.after(2), Forward, 3000), (vec![3, 4, 5], false, 5));
    assert_eq!(page(Span::ALL.after(5), Forward, 0), (vec![6], true, 6));
    assert_eq!(page(Span::ALL.before(2), Backward, 0), (vec![1], true, 1));
}

#[test]
fn the_extent_tells_number_first_and_last() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    assert_eq!(extent(&mut log, JULIET), (0, 0, 0));
    for id in 11..=3000 {
        log.append_as(&record(JULIET, id, 1), Disposition::Archived).unwrap();
    }
    log.redact(JULIET, 12).unwrap();
    log.commit().unwrap();
    for mut log in [log, open_archive(disk.crash())] {
        assert_eq!(extent(&mut log, JULIET), (2989, 11, 3000));
        assert_eq!(extent(&mut log, ROMEO), (0, 0, 0));
    }
}

#[test]
fn a_forgotten_history_is_unreadable_at_once_and_for_ever_and_a_new_one_can_begin() {
    let mut disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    for id in 1..=50 {
        keep(&mut log, JULIET, id, 10, Disposition::PendingArchived);
        keep(&mut log, ROMEO, id, 10, Disposition::Archived);
    }
    let replies = log.serve(vec![(0, JournalRequest::Forget { token: 7, user: JULIET })]);
    assert_eq!(acknowledged(&replies), [7]);
    for round in 0..2 {
        assert_eq!(history(&mut log, JULIET), [], "{round}");
        assert_eq!(extent(&mut log, JULIET), (0, 0, 0));
        assert_eq!(waiting(&mut log, JULIET).len(), 50, "what is pending stays so");
        assert_eq!(history(&mut log, ROMEO).len(), 50);
        disk = disk.crash();
        log = open_archive(disk.clone());
    }
    keep(&mut log, JULIET, 51, 10, Disposition::Archived);
    for mut log in [log, open_archive(disk.crash())] {
        assert_eq!(history(&mut log, JULIET), [51]);
        assert_eq!(extent(&mut log, JULIET), (1, 51, 51));
    }
}

#[test]
fn a_redacted_record_is_in_no_page_but_the_page_goes_on_behind_it() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    for id in 1..=6 {
        keep(&mut log, JULIET, id, 10, Disposition::Archived);
    }
    let redact = |token, id| JournalRequest::Redact {
        token,
        user: JULIET,
        id,
    };
    let replies = log.serve(vec![
        (0, redact(1, 3)),
        (0, redact(2, 4)),
        (0, redact(3, 4)),
        (0, redact(4, 99)),
    ]);
    assert_eq!(acknowledged(&replies), [1, 2, 3, 4]);
    for mut log in [log, open_archive(disk.crash())] {
        assert_eq!(history(&mut log, JULIET), [1, 2, 5, 6]);
        let mut page = |span, direction| page(&mut log, JULIET, span, direction, 2, 99);
        assert_eq!(page(Span::ALL.before(5), Backward), (vec![], false, 3));
        assert_eq!(page(Span::ALL.before(6), Backward), (vec![5], false, 4));
        assert_eq!(page(Span::ALL.after(2), Forward), (vec![], false, 4));
        assert_eq!(hidden(&mut log), [3, 4], "they stand beside the page");
        assert_eq!(log.redactions.len(), 2, "what is not there is not noted");
    }
}

fn hidden(log: &mut Log<MemDisk>) -> Vec<RecordId> {
    let request = JournalRequest::History {
        token: 1,
        user: JULIET,
        span: Span::ALL,
        direction: Forward,
        records_max: 99,
        bytes_max: 99,
    };
    match &log.serve(vec![(0, request)])[..] {
        [(_, JournalReply::Page { hidden, .. })] => hidden.iter().map(|record| record.id).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_id_that_does_not_increase_within_a_history_is_refused() {
    let mut log = open_archive(MemDisk::new());
    keep(&mut log, JULIET, 5, 10, Disposition::Archived);
    for disposition in [Disposition::Archived, Disposition::PendingArchived] {
        let refused = log.append_as(&record(JULIET, 5, 10), disposition);
        assert!(matches!(refused, Err(LogError::OutOfOrder { last: 5, .. })));
    }
    log.append_as(&record(JULIET, 6, 10), Disposition::Archived).unwrap();
}

#[test]
fn a_page_sees_what_stands_before_it_and_nothing_that_stands_after_it() {
    let mut log = open_archive(MemDisk::new());
    let append = |token, id| JournalRequest::Append {
        token,
        record: record(JULIET, id, 10),
        disposition: Disposition::Archived,
    };
    let question = |token| ask(token, JULIET, Span::ALL, Backward, 9, 999);
    let forget = JournalRequest::Forget { token: 5, user: JULIET };
    let group = vec![
        append(1, 1),
        append(2, 2),
        question(3),
        append(4, 3),
        forget,
        question(6),
    ];
    let replies = log.serve(group.into_iter().map(|request| (0, request)).collect());
    let pages: Vec<_> = replies.iter().filter_map(|(_, reply)| page_of(reply)).collect();
    assert_eq!(pages, [(vec![1, 2], true, 1), (vec![], true, 0)]);
}

#[test]
fn without_an_archive_the_wish_is_ignored_and_the_log_stays_small() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    for id in 1..=500 {
        keep(&mut log, JULIET, id, 1000, Disposition::PendingArchived);
        keep(&mut log, ROMEO, id, 1000, Disposition::Archived);
        log.settle(JULIET, &[id]).unwrap();
        log.commit().unwrap();
        log.upkeep().unwrap();
    }
    assert_eq!((history(&mut log, JULIET), history(&mut log, ROMEO)), (vec![], vec![]));
    assert!(log.segments() < 4);
    assert!(!disk.list().unwrap().contains(&"checkpoint".to_owned()));
}

#[test]
fn an_archive_that_was_turned_off_is_retired_and_what_was_hidden_meanwhile_stays_hidden() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    for id in 1..=40 {
        keep(&mut log, JULIET, id, 100, Disposition::Archived);
        keep(&mut log, ROMEO, id, 100, Disposition::Archived);
    }
    let mut log = open(disk.crash());
    assert_eq!(history(&mut log, JULIET), []);
    let disk = {
        let disk = MemDisk::new();
        let mut log = open_archive(disk.clone());
        for id in 1..=4 {
            keep(&mut log, JULIET, id, 100, Disposition::Archived);
            keep(&mut log, ROMEO, id, 100, Disposition::Archived);
        }
        let mut log = open(disk.clone());
        log.forget(JULIET).unwrap();
        log.redact(ROMEO, 2).unwrap();
        log.commit().unwrap();
        disk
    };
    let mut again = open_archive(disk.crash());
    assert_eq!(
        (history(&mut again, JULIET), history(&mut again, ROMEO)),
        (vec![], vec![1, 3, 4])
    );
    for id in 1..=100 {
        say(&mut log, NURSE, id, 3000);
        log.settle(NURSE, &[id]).unwrap();
        log.commit().unwrap();
        log.upkeep().unwrap();
    }
    assert!(log.segments.oldest().unwrap().number > 2, "the former archive is gone");
}

#[test]
fn a_chain_and_its_skips_are_what_the_layout_says() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    for id in 1..=33 {
        log.append_as(&record(JULIET, id, 0), Disposition::Archived).unwrap();
    }
    log.commit().unwrap();
    let batch = &disk.content(FIRST)[BLOCK_BYTES..];
    let place = |ordinal: u64| 1 << 32 | (BLOCK_BYTES as u64 + 48 * ordinal);
    let at = |ordinal: usize, offset: usize| {
        let start = 48 * ordinal + offset + if ordinal > 32 { 8 } else { 0 };
        u64::from_le_bytes(batch[start..start + 8].try_into().unwrap())
    };
    assert_eq!((at(1, 32), at(2, 32), at(32, 32)), (0, place(1), place(31)));
    assert_eq!(at(32, 48), 0, "there is no multiple of 32 before the first one");
    assert_eq!(at(33, 32), place(32));
    assert_eq!(batch[48 * 32 + 11], 1);
}
