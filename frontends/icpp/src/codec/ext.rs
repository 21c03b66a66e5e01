//! Extensions: tagged values (SPEC.md section 3.1).
//!
//! Invariant: a sequence that [`check`] has passed is read without another fault.

use super::fault::Fault;

/// Tags with this bit must be known to whoever reads them.
pub const CRITICAL: u16 = 0x8000;

/// One tagged value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ext<'a> {
    /// What it is.
    pub tag: u16,
    /// Its value.
    pub value: &'a [u8],
}

/// Walks over a sequence of extensions. Stops after the first fault.
#[derive(Debug, Clone, Copy)]
pub struct Exts<'a> {
    rest: &'a [u8],
}

impl<'a> Exts<'a> {
    /// Over these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Exts<'a> {
        Exts { rest: bytes }
    }

    /// The value of a tag, in a sequence that has been checked.
    #[must_use]
    pub fn find(self, tag: u16) -> Option<&'a [u8]> {
        self.flatten().find(|ext| ext.tag == tag).map(|ext| ext.value)
    }
}

impl<'a> Iterator for Exts<'a> {
    type Item = Result<Ext<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let whole = std::mem::take(&mut self.rest);
        let Some((head, rest)) = whole.split_first_chunk::<4>() else {
            return Some(Err(Fault::Malformed));
        };
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let Some((value, rest)) = rest.split_at_checked(length) else {
            return Some(Err(Fault::Malformed));
        };
        self.rest = rest;
        let tag = u16::from_le_bytes([head[0], head[1]]);
        Some(Ok(Ext { tag, value }))
    }
}

/// Walks over all of it: `known` says whether a tag is known, and may look at its value. A known tag that stands twice, unless
/// `many` allows it, and an unknown critical one are faults.
pub fn check<'a>(
    bytes: &'a [u8],
    many: &[u16],
    mut known: impl FnMut(Ext<'a>) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    // No verb has more tags than there are bits here, by which those that were seen are known.
    let mut seen = 0u64;
    for ext in Exts::new(bytes) {
        let ext = ext?;
        if !known(ext)? {
            if ext.tag & CRITICAL != 0 {
                return Err(Fault::UnknownExtension(ext.tag));
            }
            continue;
        }
        let bit = 1u64 << (ext.tag & 0x3f);
        if seen & bit != 0 && !many.contains(&ext.tag) {
            return Err(Fault::Malformed);
        }
        seen |= bit;
    }
    Ok(())
}

/// Appends an extension. Values beyond 65,535 bytes are cut: nothing that is written here is that long.
pub fn write(out: &mut Vec<u8>, tag: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
}

/// Appends it if there is a value.
pub fn write_some(out: &mut Vec<u8>, tag: u16, value: Option<&[u8]>) {
    if let Some(value) = value {
        write(out, tag, value);
    }
}
