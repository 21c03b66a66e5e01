//! The bytes on disk, fixed for ever. If one of these fails, the layout needs a new version, not the test a new number.

use super::super::layout::{BatchHeader, HeaderFault, LAYOUT_VERSION, SegmentHeader};
use super::super::record::{Kind, Links, RecordFault, RecordView};
use super::*;
use crate::disk::AlignedBuffer;

fn hex(bytes: &[u8]) -> String {
    let lines = bytes
        .chunks(16)
        .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_bytes_of_a_segment_header() {
    let header = SegmentHeader {
        version: LAYOUT_VERSION,
        segment: 3,
        segment_bytes: 0x10000,
        salt: 0x0102_0304_0506_0708,
        first_batch: 9,
        chain: 0xA1A2_A3A4_A5A6_A7A8,
        highest: 77,
    };
    let bytes = header.encode();
    assert_eq!(hex(&bytes), include_str!("golden_segment_header_2.txt").trim_end());
    assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
    let former = SegmentHeader { version: 1, ..header };
    assert_eq!(
        hex(&former.encode()),
        include_str!("golden_segment_header_1.txt").trim_end()
    );
    assert_eq!(SegmentHeader::decode(&former.encode()), Ok(former));
}

#[test]
fn the_bytes_of_a_batch_with_a_message_and_a_settlement() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone());
    let payload = Bytes::from_static(b"O Romeo, Romeo");
    log.append(&Record {
        user: ROMEO,
        id: 258,
        version: 5,
        payload,
    })
    .unwrap();
    log.append(&Record {
        user: JULIET,
        id: 259,
        version: 1,
        payload: Bytes::new(),
    })
    .unwrap();
    log.settle(ROMEO, &[258]).unwrap();
    log.commit().unwrap();
    let batch = &disk.content(FIRST)[BLOCK_BYTES..2 * BLOCK_BYTES];
    assert_eq!(hex(&batch[..216]), include_str!("golden_batch_1.txt").trim_end());
    assert!(batch[216..].iter().all(|byte| *byte == 0));
}

#[test]
fn the_bytes_of_a_batch_of_the_archive() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    let record = |id, payload: &'static [u8]| Record {
        user: ROMEO,
        id,
        version: 5,
        payload: Bytes::from_static(payload),
    };
    for id in 1..=30 {
        log.append_as(&record(id, b""), Disposition::Archived).unwrap();
    }
    log.commit().unwrap();
    log.append_as(&record(31, b"O"), Disposition::PendingArchived).unwrap();
    log.append_as(&record(32, b"Romeo"), Disposition::Archived).unwrap();
    log.redact(ROMEO, 31).unwrap();
    log.forget(ROMEO).unwrap();
    log.append_as(&record(33, b""), Disposition::Archived).unwrap();
    log.commit().unwrap();
    let batch = &disk.content(FIRST)[2 * BLOCK_BYTES..3 * BLOCK_BYTES];
    let length = u32::from_le_bytes(batch[32..36].try_into().unwrap()) as usize;
    assert_eq!(hex(&batch[..length]), include_str!("golden_batch_2.txt").trim_end());
}

#[test]
fn the_bytes_of_a_checkpoint() {
    let disk = MemDisk::new();
    let mut log = open_archive(disk.clone());
    log.append_as(&record(ROMEO, 1, 7000), Disposition::PendingArchived)
        .unwrap();
    log.append_as(&record(JULIET, 2, 7000), Disposition::Archived).unwrap();
    log.redact(JULIET, 1).unwrap();
    log.commit().unwrap();
    while !disk.list().unwrap().contains(&"checkpoint".to_owned()) {
        log.append_as(&record(JULIET, log.highest_id() + 1, 7000), Disposition::Archived)
            .unwrap();
        log.commit().unwrap();
        log.upkeep().unwrap();
    }
    let content = disk.content("checkpoint");
    let length = u64::from_le_bytes(content[16..24].try_into().unwrap()) as usize;
    // Two owners, in no particular order.
    let (owners, row) = (80 + 2 * 56, 56);
    let mut content = content[..length].to_vec();
    if content[owners] == 0x11 {
        content[owners..owners + 2 * row].rotate_left(row);
    }
    assert_eq!(
        hex(&content[..length - 8]),
        include_str!("golden_checkpoint_1.txt").trim_end()
    );
}

#[test]
fn a_segment_header_with_any_bit_flipped_is_damaged() {
    let header = SegmentHeader {
        version: LAYOUT_VERSION,
        segment: 1,
        segment_bytes: 2,
        salt: 3,
        first_batch: 4,
        chain: 5,
        highest: 6,
    };
    for bit in 0..64 * 8 {
        let mut bytes = header.encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Damaged), "bit {bit}");
    }
}

#[test]
fn a_batch_with_any_bit_flipped_is_none() {
    let header = BatchHeader {
        check: 0,
        segment: 1,
        batch: 2,
        previous: 3,
        length: 0,
        records: 1,
    };
    let mut batch = vec![9; 100];
    header.seal(&mut batch, 42);
    assert!(BatchHeader::decode(&batch).unwrap().verify(&batch, 42));
    assert!(
        !BatchHeader::decode(&batch).unwrap().verify(&batch, 43),
        "the salt counts"
    );
    for bit in 0..batch.len() * 8 {
        let mut flipped = batch.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let accepted = BatchHeader::decode(&flipped).is_some_and(|header| header.verify(&flipped, 42));
        assert!(!accepted, "bit {bit}");
    }
}

#[test]
fn a_record_with_any_bit_flipped_is_none() {
    let payload = words(ROMEO, 1, 33);
    let view = RecordView {
        kind: Kind::Message,
        version: 1,
        pending: false,
        user: ROMEO,
        id: 1,
        links: Links {
            ordinal: 64,
            back: 2,
            skips: [3, 0, 0],
        },
        last: 1,
        payload: &payload,
    };
    let mut buffer = AlignedBuffer::with_capacity(128);
    view.encode(42, &mut buffer);
    assert_eq!(RecordView::decode(buffer.as_slice(), 42), Ok((view, 48 + 8 + 33)));
    for bit in 0..(48 + 8 + 33) * 8 {
        let mut flipped = buffer.as_slice().to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let fault = RecordView::decode(&flipped, 42).err();
        assert!(
            matches!(fault, Some(RecordFault::Check | RecordFault::Length)),
            "bit {bit}"
        );
    }
}
