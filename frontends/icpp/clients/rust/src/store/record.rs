//! Changes as bytes.
//!
//! ```text
//! record:    0 u32 length of the change   4 u32 first bytes of its SHA-256   8 change
//! queued:    0 u8 1   1 u8 verb   2 u8 nostore   3 u8 has id   4 id, 16 bytes   20 body
//! accepted:  0 u8 2   1 u32 count
//! dropped:   0 u8 3   1 u32 place
//! taken:     0 u8 4   1 u8 has key   2 key, 16 bytes   18 u8 has position   19 u64 epoch   27 u64 offset
//! ticket:    0 u8 5   1 u16 length of the URL; 0: none   3 URL | ticket
//! resource:  0 u8 6   1 text
//! ```
//! Invariant: what is not a whole, intact record is none.

use crosspoint_icpp::codec::Verb;
use crosspoint_icpp::codec::cursor::Cursor;
use sha2::{Digest, Sha256};

use crate::core::{Change, Queued, Ticket};

const HEAD_BYTES: usize = 8;
/// Longer than any change.
const CHANGE_BYTES_MAX: usize = 1 << 17;

/// Appends a record.
pub fn write(out: &mut Vec<u8>, change: &Change) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    write_change(out, change);
    let (length, sum) = (out.len() - start - HEAD_BYTES, checksum(&out[start + HEAD_BYTES..]));
    out[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
    out[start + 4..start + HEAD_BYTES].copy_from_slice(&sum);
}

fn write_change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Queued(frame) => {
            out.extend_from_slice(&[1, frame.verb as u8, frame.nostore.into(), frame.id.is_some().into()]);
            out.extend_from_slice(&frame.id.unwrap_or_default());
            out.extend_from_slice(&frame.body);
        }
        Change::Accepted(count) => {
            out.push(2);
            out.extend_from_slice(&count.to_le_bytes());
        }
        Change::Dropped(place) => {
            out.push(3);
            out.extend_from_slice(&place.to_le_bytes());
        }
        Change::Taken { seen, position } => {
            out.extend_from_slice(&[4, seen.is_some().into()]);
            out.extend_from_slice(&seen.unwrap_or_default());
            out.push(position.is_some().into());
            let (epoch, offset) = position.unwrap_or_default();
            out.extend_from_slice(&epoch.to_le_bytes());
            out.extend_from_slice(&offset.to_le_bytes());
        }
        Change::Ticket(ticket) => {
            let (url, bytes) = ticket
                .as_ref()
                .map_or(("", &[][..]), |ticket| (&ticket.url, &ticket.bytes));
            out.push(5);
            out.extend_from_slice(&(url.len() as u16).to_le_bytes());
            out.extend_from_slice(url.as_bytes());
            out.extend_from_slice(bytes);
        }
        Change::Resource(resource) => {
            out.push(6);
            out.extend_from_slice(resource.as_bytes());
        }
    }
}

fn checksum(change: &[u8]) -> [u8; 4] {
    let digest = Sha256::digest(change);
    [digest[0], digest[1], digest[2], digest[3]]
}

/// The change at the beginning of some bytes, and how many they are; `None` if there is no whole, intact one.
pub fn read(bytes: &[u8]) -> Option<(Change, usize)> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let change = rest.get(..length).filter(|change| change.len() <= CHANGE_BYTES_MAX)?;
    if checksum(change)[..] != head[4..] {
        return None;
    }
    Some((read_change(change)?, HEAD_BYTES + length))
}

fn read_change(bytes: &[u8]) -> Option<Change> {
    let mut cursor = Cursor::new(bytes);
    match cursor.u8().ok()? {
        1 => {
            let verb = Verb::from_number(cursor.u8().ok()?)?;
            let (nostore, has_id) = (cursor.u8().ok()? == 1, cursor.u8().ok()? == 1);
            let id = cursor.id().ok()?;
            Some(Change::Queued(Queued {
                verb,
                nostore,
                id: has_id.then_some(id),
                body: cursor.rest().to_vec(),
            }))
        }
        2 => Some(Change::Accepted(cursor.u32().ok()?)),
        3 => Some(Change::Dropped(cursor.u32().ok()?)),
        4 => {
            let has_key = cursor.u8().ok()? == 1;
            let key = cursor.id().ok()?;
            let has_position = cursor.u8().ok()? == 1;
            let position = (cursor.u64().ok()?, cursor.u64().ok()?);
            Some(Change::Taken {
                seen: has_key.then_some(key),
                position: has_position.then_some(position),
            })
        }
        5 => {
            let url = cursor.counted_text().ok()?;
            let ticket = Ticket {
                bytes: cursor.rest().to_vec(),
                url: url.to_owned(),
            };
            Some(Change::Ticket((!url.is_empty()).then_some(ticket)))
        }
        6 => Some(Change::Resource(std::str::from_utf8(cursor.rest()).ok()?.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_damaged_is_not() {
        let changes = [
            Change::Queued(Queued {
                verb: Verb::Send,
                nostore: true,
                id: Some([7; 16]),
                body: b"body".to_vec(),
            }),
            Change::Accepted(3),
            Change::Dropped(2),
            Change::Taken {
                seen: Some([9; 16]),
                position: Some((1, 2)),
            },
            Change::Taken {
                seen: None,
                position: None,
            },
            Change::Ticket(Some(Ticket {
                bytes: b"t".to_vec(),
                url: "icpp://a".to_owned(),
            })),
            Change::Ticket(None),
            Change::Resource("balcony".to_owned()),
        ];
        for change in changes {
            let mut bytes = Vec::new();
            write(&mut bytes, &change);
            assert_eq!(read(&bytes), Some((change.clone(), bytes.len())));
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), None, "{change:?} cut at {cut}");
                let mut damaged = bytes.clone();
                damaged[cut] ^= 1;
                assert_eq!(read(&damaged), None, "{change:?} damaged at {cut}");
            }
        }
    }
}
