//! The statistics file: how its bytes lie, for whoever reads it while the server runs, is wedged, or has been killed.
//!
//! ```text
//!    0  magic "XPSTATS\n"      8 bytes
//!    8  layout                 u32, 1; a reader of another layout says so and stops
//!   12  head                   u32, bytes of everything before the first block
//!   16  process                u64, its number
//!   24  started                u64, milliseconds since 1970-01-01 UTC
//!   32  shards                 u32
//!   36  columns                u32, entries of the table of columns
//!   40  labels                 u32, entries of the table of labels
//!   44  process block          u32, its offset
//!   48  shard blocks           u32, offset of the first
//!   52  stride                 u32, from one shard's block to the next
//!   56  zero                   8 bytes
//!   64  version                32 bytes, text, NUL-padded
//!   96  domain                 32 bytes, text, NUL-padded (cut if longer)
//!  128  columns, 64 bytes each:
//!         0 name 32 bytes | 32 scope u32 (0 process, 1 shard) | 36 kind u32 | 40 offset u32, within the block
//!         44 count u32, cells | 48 zero 16 bytes
//!       labels, 32 bytes each:
//!         0 set u16 | 2 index u16 | 4 text 28 bytes
//!       the process block, then one block a shard: cells of 8 bytes
//! ```
//! Everything is in the byte order of the machine, which is the only one that has the file. Columns are found by name, so
//! a reader and a server of different versions understand each other as far as they know the same names.
//!
//! Invariant: [`Head::decode`] believes nothing: whatever the bytes are, what it returns lies within them.

use std::fmt;

/// The first bytes.
pub const MAGIC: [u8; 8] = *b"XPSTATS\n";
/// The layout above.
pub const LAYOUT: u32 = 1;
/// Bytes of a statistics file that a reader is willing to hold.
pub const FILE_BYTES_MAX: usize = 64 << 20;

const HEAD_BYTES: usize = 128;
const COLUMN_BYTES: usize = 64;
const LABEL_BYTES: usize = 32;
const NAME_BYTES: usize = 32;
const TEXT_BYTES: usize = 28;
/// Blocks begin at multiples of this.
const BLOCK_ALIGN: usize = 128;

/// Whose block a column is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// There is one.
    Process = 0,
    /// Each shard has one.
    Shard = 1,
}

/// How a column's cells are to be read. A reader that does not know a kind may still compare its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until it wraps.
    Counter = 1,
    /// A value of this moment.
    Gauge = 2,
    /// The counts of a histogram, bucketed as by `crosspoint_storage::stats::bucket`.
    Histogram = 3,
    /// Entries of `talkers.rs`.
    Talkers = 4,
}

/// A set of labels: what the indexes of a column's cells mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// Activities.
    Doing = 1,
    /// Stages of a message's road.
    Stage = 2,
    /// Protocols.
    Protocol = 3,
}

/// Cells with one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Known to readers by this.
    pub name: String,
    /// Where it is.
    pub scope: Scope,
    /// See [`Kind`]; a number because a newer server may know more.
    pub kind: u32,
    /// Bytes from the beginning of the block.
    pub offset: usize,
    /// Cells.
    pub count: usize,
}

/// Everything before the first block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The server's process.
    pub process: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub started_unix_ms: u64,
    /// The server's version.
    pub version: String,
    /// What it serves.
    pub domain: String,
    /// How many.
    pub shards: usize,
    /// Sorted as in the file.
    pub columns: Vec<Column>,
    /// Set, index, text.
    pub labels: Vec<(u16, u16, String)>,
    /// Offsets in bytes.
    pub blocks: Blocks,
}

/// Where the blocks are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Blocks {
    /// Of the process.
    pub process: usize,
    /// Of the first shard.
    pub shards: usize,
    /// From one shard to the next.
    pub stride: usize,
}

/// Why bytes are not a statistics file that can be read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is something else.
    NotStatistics,
    /// It has another layout than this program knows.
    Layout(u32),
    /// It ends too early, or contradicts itself.
    Broken,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::NotStatistics => write!(out, "it is not a statistics file"),
            Unreadable::Layout(layout) => write!(
                out,
                "its layout is {layout} and this program knows {LAYOUT}: use the program of the server's own version"
            ),
            Unreadable::Broken => write!(out, "it is damaged or cut off"),
        }
    }
}

impl std::error::Error for Unreadable {}

impl Blocks {
    /// Blocks of these sizes behind so many columns and labels.
    pub fn behind(columns: usize, labels: usize, process_bytes: usize, shard_bytes: usize) -> Blocks {
        let head = HEAD_BYTES + columns * COLUMN_BYTES + labels * LABEL_BYTES;
        let process = head.next_multiple_of(BLOCK_ALIGN);
        Blocks {
            process,
            shards: (process + process_bytes).next_multiple_of(BLOCK_ALIGN),
            stride: shard_bytes.next_multiple_of(BLOCK_ALIGN),
        }
    }

    /// Bytes of a file with so many shards.
    pub fn file_bytes(&self, shards: usize) -> usize {
        self.shards + shards * self.stride
    }
}

impl Head {
    /// The bytes of the head.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.blocks.process);
        let number = |bytes: &mut Vec<u8>, value: usize| bytes.extend((value as u32).to_ne_bytes());
        bytes.extend(MAGIC);
        bytes.extend(LAYOUT.to_ne_bytes());
        number(&mut bytes, self.blocks.process);
        bytes.extend(self.process.to_ne_bytes());
        bytes.extend(self.started_unix_ms.to_ne_bytes());
        number(&mut bytes, self.shards);
        number(&mut bytes, self.columns.len());
        number(&mut bytes, self.labels.len());
        number(&mut bytes, self.blocks.process);
        number(&mut bytes, self.blocks.shards);
        number(&mut bytes, self.blocks.stride);
        bytes.extend([0; 8]);
        padded(&mut bytes, &self.version, 32);
        padded(&mut bytes, &self.domain, 32);
        for column in &self.columns {
            padded(&mut bytes, &column.name, NAME_BYTES);
            number(&mut bytes, column.scope as usize);
            bytes.extend(column.kind.to_ne_bytes());
            number(&mut bytes, column.offset);
            number(&mut bytes, column.count);
            bytes.extend([0; 16]);
        }
        for (set, index, text) in &self.labels {
            bytes.extend(set.to_ne_bytes());
            bytes.extend(index.to_ne_bytes());
            padded(&mut bytes, text, TEXT_BYTES);
        }
        bytes.resize(self.blocks.process, 0);
        bytes
    }

    /// Reads the head of a whole file.
    ///
    /// # Errors
    /// The bytes are not a whole statistics file of this layout.
    pub fn decode(file: &[u8]) -> Result<Head, Unreadable> {
        if file.get(..8) != Some(&MAGIC) {
            return Err(Unreadable::NotStatistics);
        }
        let layout = number(file, 8)?;
        if layout != LAYOUT as usize {
            return Err(Unreadable::Layout(layout as u32));
        }
        let blocks = Blocks {
            process: number(file, 44)?,
            shards: number(file, 48)?,
            stride: number(file, 52)?,
        };
        let (shards, columns, labels) = (number(file, 32)?, number(file, 36)?, number(file, 40)?);
        let labels_at = columns.checked_mul(COLUMN_BYTES).ok_or(Unreadable::Broken)? + HEAD_BYTES;
        let end = labels.checked_mul(LABEL_BYTES).ok_or(Unreadable::Broken)? + labels_at;
        let shards_end = shards.checked_mul(blocks.stride).ok_or(Unreadable::Broken)? + blocks.shards;
        let ordered = end <= blocks.process && blocks.process <= blocks.shards && shards_end <= file.len();
        let aligned = [blocks.process, blocks.shards, blocks.stride]
            .iter()
            .all(|offset| offset.is_multiple_of(8));
        if !ordered || !aligned {
            return Err(Unreadable::Broken);
        }
        let columns: Result<_, _> = (0..columns)
            .map(|index| column(&file[HEAD_BYTES + index * COLUMN_BYTES..], &blocks))
            .collect();
        Ok(Head {
            process: word(file, 16)?,
            started_unix_ms: word(file, 24)?,
            version: text(&file[64..96]),
            domain: text(&file[96..128]),
            shards,
            columns: columns?,
            labels: (0..labels)
                .map(|index| label(&file[labels_at + index * LABEL_BYTES..]))
                .collect(),
            blocks,
        })
    }

    /// A column by its name.
    pub fn column(&self, scope: Scope, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.scope == scope && column.name == name)
    }

    /// A label's text; empty if it has none.
    pub fn label(&self, set: Labels, index: usize) -> &str {
        let is = |label: &&(u16, u16, String)| label.0 == set as u16 && usize::from(label.1) == index;
        self.labels.iter().find(is).map_or("", |label| &label.2)
    }
}

fn column(bytes: &[u8], blocks: &Blocks) -> Result<Column, Unreadable> {
    let scope = match number(bytes, 32)? {
        0 => Scope::Process,
        1 => Scope::Shard,
        _ => return Err(Unreadable::Broken),
    };
    let block_bytes = match scope {
        Scope::Process => blocks.shards - blocks.process,
        Scope::Shard => blocks.stride,
    };
    let (offset, count) = (number(bytes, 40)?, number(bytes, 44)?);
    let within = count * 8 + offset <= block_bytes && offset.is_multiple_of(8);
    within.then_some(()).ok_or(Unreadable::Broken)?;
    Ok(Column {
        name: text(&bytes[..NAME_BYTES]),
        scope,
        kind: number(bytes, 36)? as u32,
        offset,
        count,
    })
}

fn label(bytes: &[u8]) -> (u16, u16, String) {
    let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
    (half(0), half(2), text(&bytes[4..LABEL_BYTES]))
}

fn number(bytes: &[u8], at: usize) -> Result<usize, Unreadable> {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map(|four| u32::from_ne_bytes(four) as usize)
        .ok_or(Unreadable::Broken)
}

fn word(bytes: &[u8], at: usize) -> Result<u64, Unreadable> {
    let eight = bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok());
    eight.map(u64::from_ne_bytes).ok_or(Unreadable::Broken)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The beginning of a text, of whole characters and at most this many bytes.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn padded(bytes: &mut Vec<u8>, text: &str, length: usize) {
    let end = bytes.len() + length;
    bytes.extend(cut(text, length).as_bytes());
    bytes.resize(end, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let column = |name: &str, scope, kind, offset, count| Column {
            name: name.to_owned(),
            scope,
            kind: kind as u32,
            offset,
            count,
        };
        Head {
            process: 42,
            started_unix_ms: 1_000,
            version: "0.1.0".to_owned(),
            domain: "x".to_owned(),
            shards: 2,
            columns: vec![
                column("commits", Scope::Process, Kind::Counter, 8, 1),
                column("turns", Scope::Shard, Kind::Histogram, 16, 3),
            ],
            labels: vec![(1, 0, "wait".to_owned())],
            blocks: Blocks::behind(2, 1, 16, 40),
        }
    }

    fn file() -> Vec<u8> {
        let mut file = head().encode();
        file.resize(head().blocks.file_bytes(2), 0);
        file
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn golden_bytes() {
        let mut golden = Vec::new();
        golden.extend(b"XPSTATS\n");
        golden.extend([1, 0, 0, 0, 0x80, 1, 0, 0]);
        golden.extend([42, 0, 0, 0, 0, 0, 0, 0, 0xe8, 3, 0, 0, 0, 0, 0, 0]);
        golden.extend([2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0x80, 1, 0, 0]);
        golden.extend([0, 2, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        golden.extend(b"0.1.0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        golden.extend(b"x\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        golden.extend(b"commits\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        golden.extend([0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0]);
        golden.extend([0; 16]);
        golden.extend(b"turns\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        golden.extend([1, 0, 0, 0, 3, 0, 0, 0, 16, 0, 0, 0, 3, 0, 0, 0]);
        golden.extend([0; 16]);
        golden.extend(b"\x01\0\0\0wait\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        golden.resize(384, 0);
        assert_eq!(head().encode(), golden);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let decoded = Head::decode(&file()).unwrap();
        assert_eq!(decoded, head());
        assert_eq!(decoded.label(Labels::Doing, 0), "wait");
        assert_eq!(decoded.label(Labels::Doing, 1), "");
        assert_eq!(decoded.column(Scope::Shard, "turns").unwrap().count, 3);
    }

    #[test]
    fn another_layout_is_named() {
        let mut other = file();
        other[8] = 7;
        assert_eq!(Head::decode(&other), Err(Unreadable::Layout(7)));
        assert!(Unreadable::Layout(7).to_string().contains("its layout is 7"));
        assert_eq!(Head::decode(b"#!/bin/sh"), Err(Unreadable::NotStatistics));
        assert_eq!(Head::decode(b""), Err(Unreadable::NotStatistics));
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_refused() {
        let file = file();
        for end in 0..file.len() {
            assert!(Head::decode(&file[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn numbers_that_lie_are_refused_or_stay_within_the_file() {
        let whole = file();
        for place in (8..head().blocks.process).step_by(4) {
            for lie in [u32::MAX, 1 << 30, 4096, 13] {
                let mut file = whole.clone();
                file[place..place + 4].copy_from_slice(&lie.to_ne_bytes());
                let Ok(head) = Head::decode(&file) else { continue };
                for column in &head.columns {
                    let (block, length) = match column.scope {
                        Scope::Process => (head.blocks.process, head.blocks.shards - head.blocks.process),
                        Scope::Shard => (head.blocks.shards, head.blocks.stride),
                    };
                    assert!(column.offset + column.count * 8 <= length && block + length <= file.len().max(block));
                }
            }
        }
    }
}
