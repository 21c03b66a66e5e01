//! What a page costs, in reads of the disk, when one owner has a million records.

use super::*;
use crate::disk::FaultyDisk;

const MILLION: u64 = 1_000_000;

/// Segments are opened anew for each page by nobody: only the first time costs a read of the header.
const HEADERS: u64 = crate::limits::READER_FILES_MAX as u64;

/// To find a record: what a million divided by 32^3 leaves at the top, 32 on each level below, one too far on each.
const SEEK: u64 = MILLION / (32 * 32 * 32) + 3 * 32 + 4;

#[test]
fn a_page_costs_what_is_on_it_whatever_the_size_of_the_archive() {
    let (faulty, faults) = FaultyDisk::new(MemDisk::new());
    let options = LogOptions {
        segment_bytes: 8 << 20,
        batch_bytes_max: 1 << 20,
        ..archive_options()
    };
    let mut log = Log::open(faulty, options).ok().unwrap();
    let mut newest_page = Vec::new();
    for id in 1..=MILLION {
        log.append_as(&record(JULIET, id, 8), Disposition::Archived).unwrap();
        if id == MILLION / 100 || id == MILLION {
            log.commit().unwrap();
            newest_page.push(reads(
                &mut log,
                &faults,
                Span::ALL,
                Direction::Backward,
                (id - 49..=id).collect(),
            ));
        }
    }
    println!("reads for the newest page: {newest_page:?}");
    assert!(newest_page.iter().all(|reads| *reads <= 2 + 1), "{newest_page:?}");
    let mut most = [0, 0];
    for nth in 0..200 {
        let id = 1 + nth * 4999;
        let forward = reads(
            &mut log,
            &faults,
            Span::ALL.after(id),
            Direction::Forward,
            (id + 1..id + 51).collect(),
        );
        let earlier = id.saturating_sub(50).max(1)..id;
        let backward = reads(
            &mut log,
            &faults,
            Span::ALL.before(id),
            Direction::Backward,
            earlier.collect(),
        );
        most = [most[0].max(forward), most[1].max(backward)];
    }
    println!("most reads for a page after, and before, some record: {most:?}");
    assert!(
        most[0] <= 2 * SEEK + HEADERS + 2 && most[1] <= SEEK + HEADERS + 2,
        "{most:?}"
    );
    let before = faults.reads();
    assert_eq!(extent(&mut log, JULIET), (MILLION, 1, MILLION));
    assert!(faults.reads() - before <= SEEK + HEADERS);
}

/// Reads a page of 50, checks it, and tells how many reads it took.
fn reads<D: Disk>(
    log: &mut Log<D>,
    faults: &crate::disk::Faults,
    span: Span,
    direction: Direction,
    expected: Vec<u64>,
) -> u64 {
    let before = faults.reads();
    let found = page(log, JULIET, span, direction, 50, u32::MAX);
    assert_eq!(found.0, expected);
    faults.reads() - before
}
