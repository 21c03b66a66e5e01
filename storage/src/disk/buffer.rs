//! A byte buffer whose content starts at an address that `O_DIRECT` accepts.
//!
//! Invariant: the content always starts at a multiple of [`BLOCK_BYTES`], also after it has grown.

use crate::limits::BLOCK_BYTES;

/// Growing buffer, aligned to [`BLOCK_BYTES`] by allocating one block too many.
#[derive(Debug)]
pub struct AlignedBuffer {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl AlignedBuffer {
    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let memory = vec![0; capacity + BLOCK_BYTES];
        let start = memory.as_ptr().align_offset(BLOCK_BYTES).min(BLOCK_BYTES);
        Self {
            memory,
            start,
            length: 0,
        }
    }

    /// A buffer of `length` zeros.
    pub fn zeroed(length: usize) -> Self {
        Self {
            length,
            ..Self::with_capacity(length)
        }
    }

    /// Bytes of content.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Forgets the content, keeps the memory.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Appends `bytes`.
    pub fn extend(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.make_room(end);
        self.memory[self.start + self.length..self.start + end].copy_from_slice(bytes);
        self.length = end;
    }

    /// Appends zeros until the length is a multiple of `unit`.
    pub fn pad_to(&mut self, unit: usize) {
        let end = self.length.next_multiple_of(unit);
        self.make_room(end);
        self.memory[self.start + self.length..self.start + end].fill(0);
        self.length = end;
    }

    /// The content.
    pub fn as_slice(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.length]
    }

    /// The content, to be changed in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.length]
    }

    fn make_room(&mut self, length: usize) {
        if self.start + length <= self.memory.len() {
            return;
        }
        let mut larger = Self::with_capacity(length.next_power_of_two());
        larger.memory[larger.start..larger.start + self.length].copy_from_slice(self.as_slice());
        larger.length = self.length;
        *self = larger;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_stays_aligned_and_intact_while_it_grows() {
        let mut buffer = AlignedBuffer::with_capacity(16);
        let mut expected = Vec::new();
        for step in 0..200u8 {
            buffer.extend(&[step; 77]);
            expected.extend([step; 77]);
            assert_eq!(buffer.as_slice().as_ptr().align_offset(BLOCK_BYTES), 0);
        }
        assert_eq!(buffer.as_slice(), expected);
    }

    #[test]
    fn padding_is_zero_even_where_older_content_was() {
        let mut buffer = AlignedBuffer::with_capacity(64);
        buffer.extend(&[7; 60]);
        buffer.clear();
        buffer.extend(&[1; 3]);
        buffer.pad_to(8);
        assert_eq!(buffer.as_slice(), [1, 1, 1, 0, 0, 0, 0, 0]);
    }
}
