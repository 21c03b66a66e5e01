//! A fuzzer's bytes as choices. Whatever is missing at the end reads as zero, so every input is a play.

#![allow(dead_code)]

pub struct Tape<'a>(&'a [u8]);

impl<'a> Tape<'a> {
    pub fn of(data: &'a [u8]) -> Tape<'a> {
        Tape(data)
    }

    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub fn u32(&mut self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }

    /// One of so many.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    pub fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())]
    }

    /// A length of one byte, and as many bytes as there are of it.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    /// The same as text, if it is one.
    pub fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.bytes()).unwrap_or("x")
    }

    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}
