//! Samples kept in a file, and played again.
//!
//! ```text
//!   "XPTOP01\n", then for each sample:
//!    0 unix_ms u64 | 8 monotonic ns u64 | 16 flags u32 (1 the server lives, 2 enters were counted) | 20 kind u32 | 24 bytes u32 | 28 rings u32
//!   32 for each ring: entries u32 | completions u32; both 0 where they are not known
//!      with flag 2 for each ring: enters u64, all bits set where they are not known
//!      kind 0: a whole statistics file
//!      kind 1: what changed in its cells since the sample before: varints of (cells skipped, zigzag difference)
//! ```
//! Appended to only; each run of the recorder begins with a whole file, and so does each run of a server. A few hundred
//! cells change in a second, so a day is some 100 MB.
//!
//! Invariant: a recording that was cut off anywhere plays to its last whole sample.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use crosspoint_engine::metrics::layout::FILE_BYTES_MAX;

use super::ring::Ring;
use super::snapshot::Snapshot;

const MAGIC: [u8; 8] = *b"XPTOP01\n";
const HEAD_BYTES: usize = 32;
const RING_BYTES: usize = 8;
const ALIVE: u32 = 1;
const COUNTED: u32 = 2;
const WHOLE: u32 = 0;
const CHANGES: u32 = 1;

/// Writes samples.
pub struct Recorder {
    file: File,
    last: Option<Snapshot>,
}

impl Recorder {
    /// At the end of a recording, or of a new file for its owner only.
    ///
    /// # Errors
    /// The file cannot be written, or is something else.
    pub fn open(path: &Path) -> Result<Recorder> {
        let mut options = OpenOptions::new();
        let opened = options.read(true).append(true).create(true).mode(0o600).open(path);
        let mut file = opened.with_context(|| format!("cannot write to {}", path.display()))?;
        let mut magic = Vec::new();
        (&file).take(MAGIC.len() as u64).read_to_end(&mut magic)?;
        match magic {
            empty if empty.is_empty() => file.write_all(&MAGIC)?,
            known if known == MAGIC => {}
            _ => bail!(
                "{} is no recording; it is left as it is, name another file",
                path.display()
            ),
        }
        Ok(Recorder { file, last: None })
    }

    /// Appends a sample.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn append(&mut self, sample: &Snapshot) -> io::Result<()> {
        let before = self
            .last
            .as_ref()
            .filter(|last| last.same_run(sample) && last.bytes.len() == sample.bytes.len());
        let (kind, body) = match before {
            Some(before) => (CHANGES, changes(&before.bytes, &sample.bytes)),
            None => (WHOLE, sample.bytes.clone()),
        };
        let mut frame = Vec::with_capacity(HEAD_BYTES + sample.rings.len() * RING_BYTES + body.len());
        frame.extend(sample.taken_unix_ms.to_le_bytes());
        frame.extend(sample.taken_ns.to_le_bytes());
        let counted = sample.enters.len() == sample.rings.len() && !sample.enters.is_empty();
        let flags = u32::from(sample.alive) * ALIVE + u32::from(counted) * COUNTED;
        frame.extend(flags.to_le_bytes());
        frame.extend(kind.to_le_bytes());
        frame.extend((body.len() as u32).to_le_bytes());
        frame.extend((sample.rings.len() as u32).to_le_bytes());
        for ring in &sample.rings {
            let ring = ring.unwrap_or_default();
            frame.extend(ring.entries.to_le_bytes());
            frame.extend(ring.completions.to_le_bytes());
        }
        for enters in sample.enters.iter().filter(|_| counted) {
            frame.extend(enters.unwrap_or(u64::MAX).to_le_bytes());
        }
        frame.extend(body);
        self.file.write_all(&frame)?;
        self.last = Some(sample.clone());
        Ok(())
    }
}

/// Reads samples.
pub struct Player {
    file: BufReader<File>,
    bytes: Vec<u8>,
}

impl Player {
    /// From the beginning of a recording.
    ///
    /// # Errors
    /// The file cannot be read, or is something else.
    pub fn open(path: &Path) -> Result<Player> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut file = BufReader::new(file);
        let mut magic = [0; MAGIC.len()];
        if file.read_exact(&mut magic).is_err() || magic != MAGIC {
            bail!("{} is no recording of `crosspoint top --record`", path.display());
        }
        Ok(Player {
            file,
            bytes: Vec::new(),
        })
    }

    /// The next sample; `None` at the end, or where the recording was cut off.
    ///
    /// # Errors
    /// A sample that contradicts itself, or statistics of another layout.
    pub fn next(&mut self) -> Result<Option<Snapshot>> {
        let mut head = [0; HEAD_BYTES];
        if self.file.read_exact(&mut head).is_err() {
            return Ok(None);
        }
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| head[at + byte]));
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| head[at + byte]));
        let (length, rings) = (number(24) as usize, number(28) as usize);
        if length > FILE_BYTES_MAX || rings > FILE_BYTES_MAX / RING_BYTES {
            bail!("the recording is damaged");
        }
        let counted = if number(16) & COUNTED != 0 { rings } else { 0 };
        let (mut rings, mut body) = (vec![0; rings * RING_BYTES], vec![0; length]);
        let mut enters = vec![0; counted * 8];
        let parts = [&mut rings, &mut enters, &mut body];
        if parts.into_iter().any(|part| self.file.read_exact(part).is_err()) {
            return Ok(None);
        }
        match number(20) {
            WHOLE => self.bytes = body,
            CHANGES => apply(&mut self.bytes, &body).context("the recording is damaged")?,
            kind => bail!("the recording has samples of kind {kind}; use the program that made it"),
        }
        let mut sample = Snapshot::new(self.bytes.clone(), word(0), word(8), number(16) & ALIVE != 0)?;
        sample.rings = rings.as_chunks::<RING_BYTES>().0.iter().map(ring).collect();
        let enters = enters.as_chunks::<8>().0.iter().map(|count| u64::from_le_bytes(*count));
        sample.enters = enters.map(|count| (count != u64::MAX).then_some(count)).collect();
        Ok(Some(sample))
    }
}

/// A ring's counters; one that was made is never without entries, so none are none.
fn ring(bytes: &[u8; RING_BYTES]) -> Option<Ring> {
    let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    let ring = Ring {
        entries: half(0),
        completions: half(4),
    };
    (ring != Ring::default()).then_some(ring)
}

fn changes(before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut skipped = 0;
    for (old, new) in before.as_chunks::<8>().0.iter().zip(after.as_chunks::<8>().0) {
        if old == new {
            skipped += 1;
            continue;
        }
        let difference = u64::from_ne_bytes(*new).wrapping_sub(u64::from_ne_bytes(*old)) as i64;
        varint(&mut body, std::mem::take(&mut skipped));
        varint(&mut body, ((difference << 1) ^ (difference >> 63)) as u64);
    }
    body
}

fn apply(bytes: &mut [u8], mut body: &[u8]) -> Option<()> {
    let (mut cells, _) = bytes.as_chunks_mut::<8>();
    while !body.is_empty() {
        let skipped = usize::try_from(read_varint(&mut body)?).ok()?;
        let difference = read_varint(&mut body)?;
        let difference = (difference >> 1) ^ (difference & 1).wrapping_neg();
        let (cell, rest) = cells.get_mut(skipped..)?.split_first_mut()?;
        *cell = u64::from_ne_bytes(*cell).wrapping_add(difference).to_ne_bytes();
        cells = rest;
    }
    Some(())
}

fn varint(body: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        body.push(value as u8 | 0x80);
        value >>= 7;
    }
    body.push(value as u8);
}

fn read_varint(body: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = body.split_first()?;
        *body = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use crate::top::tests::sample;

    #[test]
    fn what_is_recorded_is_played() {
        let scratch = Scratch::new();
        let path = scratch.path().join("record");
        let (one, mut two) = (sample(1), sample(2));
        two.rings[1] = None;
        two.enters = vec![Some(7), None];
        let mut recorder = Recorder::open(&path).unwrap();
        recorder.append(&one).unwrap();
        recorder.append(&two).unwrap();
        drop(recorder);
        let small = std::fs::metadata(&path).unwrap().len() as usize;
        assert!(
            small < one.bytes.len() + two.bytes.len() / 2,
            "the second is a difference: {small}"
        );
        // A second run appends.
        Recorder::open(&path).unwrap().append(&one).unwrap();
        let mut player = Player::open(&path).unwrap();
        for expected in [&one, &two, &one] {
            let played = player.next().unwrap().unwrap();
            assert!(played.bytes == expected.bytes);
            assert_eq!(played.rings, expected.rings);
            assert_eq!(played.enters, expected.enters);
            assert_eq!((played.taken_ns, played.alive), (expected.taken_ns, expected.alive));
        }
        assert!(player.next().unwrap().is_none());
    }

    #[test]
    fn a_recording_that_was_cut_off_plays_to_its_last_whole_sample() {
        let scratch = Scratch::new();
        let path = scratch.path().join("record");
        let mut recorder = Recorder::open(&path).unwrap();
        recorder.append(&sample(1)).unwrap();
        recorder.append(&sample(2)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for missing in [1, 20, 40] {
            std::fs::write(&path, &whole[..whole.len() - missing]).unwrap();
            let mut player = Player::open(&path).unwrap();
            assert!(player.next().unwrap().is_some());
            assert!(player.next().unwrap().is_none(), "{missing} bytes are missing");
        }
    }

    #[test]
    fn what_is_no_recording_is_refused_and_left_alone() {
        let scratch = Scratch::new();
        let path = scratch.path().join("notes");
        std::fs::write(&path, b"my notes").unwrap();
        assert!(Recorder::open(&path).is_err() && Player::open(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"my notes");
    }

    #[test]
    fn damage_is_an_error_and_never_a_write_beyond_the_end() {
        let mut bytes = vec![0; 16];
        assert_eq!(apply(&mut bytes, &[2, 2]), None, "beyond the end");
        assert_eq!(apply(&mut bytes, &[0x80]), None, "cut off");
        assert_eq!(apply(&mut bytes, &[0xff; 12]), None, "too long");
        assert_eq!(apply(&mut bytes, &[1, 2]), Some(()));
        assert_eq!(bytes[8..], 1_u64.to_ne_bytes());
    }
}
