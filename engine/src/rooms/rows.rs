//! A room in the book.
//!
//! ```text
//!   key                        value
//!   room                       configuration, subject, hash of the picture (below)
//!   room NUL account           0x01 | affiliation u8 | nick text | reason text
//!   room NUL NUL "avatar"      the picture's card, as it came
//!   0x01 room                  name: the list of public rooms that stay
//!   0x02 account NUL room      nothing: the rooms that stay, by who is their owner
//!
//!   configuration, version 1, integers little endian; a text is its length as u32 and its bytes:
//!   0x01 | flags u16 | private messages u8 | occupants u32 | history u32 | name | description | language | password
//!        | picture's hash | subject: u8, and if it is 1: unix ms u64 | text | nick | account
//! ```
//! Invariants: every byte sequence is a row in at most one way; no address holds a control character, so the five kinds of keys
//! never meet.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Affiliated, Affiliation, Role, Room, RoomConfig, Subject, Unsaved};
use crate::jid::Jid;
use crate::service::{BookWrite, Row, Table};
use crate::store;

const VERSION: u8 = 1;
const LISTED: u8 = 1;
const OWNED: u8 = 2;
const AVATAR: &str = "\0avatar";

/// A row that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

/// Key of a room's configuration.
#[must_use]
pub fn config_key(room: &Jid) -> Bytes {
    store::user_key(room)
}

/// Prefix of the rows about accounts.
#[must_use]
pub fn accounts_prefix(room: &Jid) -> Bytes {
    store::user_prefix(room)
}

/// Key of the picture.
#[must_use]
pub fn avatar_key(room: &Jid) -> Bytes {
    store::part_key(room, AVATAR)
}

/// Prefix of the list of public rooms that stay.
#[must_use]
pub fn listed_prefix() -> Bytes {
    Bytes::from_static(&[LISTED])
}

/// The room and its name, from a row of that list.
#[must_use]
pub fn listed(row: &Row) -> Option<(Jid, String)> {
    let room = Jid::parse_bytes(row.key.slice(1.min(row.key.len())..)).ok()?;
    Some((room.detached(), String::from_utf8(row.value.to_vec()).ok()?))
}

/// Prefix of the list of an account's rooms.
#[must_use]
pub fn owned_prefix(account: &Jid) -> Bytes {
    let mut key = BytesMut::new();
    key.put_u8(OWNED);
    key.put_slice(account.bare_str().as_bytes());
    key.put_u8(0);
    key.freeze()
}

fn owned_key(account: &Jid, room: &Jid) -> Bytes {
    let mut key = BytesMut::from(&owned_prefix(account)[..]);
    key.put_slice(room.as_str().as_bytes());
    key.freeze()
}

fn listed_key(room: &Jid) -> Bytes {
    let mut key = BytesMut::new();
    key.put_u8(LISTED);
    key.put_slice(room.as_str().as_bytes());
    key.freeze()
}

/// What must be written now; empties the list of what is unsaved. Nothing for rooms that do not stay.
pub fn unsaved(room: &mut Room) -> Vec<BookWrite> {
    let parts = std::mem::take(&mut room.unsaved);
    if parts.is_empty() {
        return Vec::new();
    }
    if room.ended || room.is_temporary() {
        return match std::mem::take(&mut room.stored) {
            true => removal(room),
            false => Vec::new(),
        };
    }
    if !std::mem::replace(&mut room.stored, true) {
        return everything(room);
    }
    let mut batch = Vec::with_capacity(parts.len() + 1);
    for part in parts {
        match part {
            Unsaved::Config => config_writes(room, &mut batch),
            Unsaved::Affiliation(account) => account_writes(room, &account, &mut batch),
            Unsaved::Avatar(card) if card.is_empty() => batch.push(delete(avatar_key(&room.address))),
            Unsaved::Avatar(card) => batch.push(put(avatar_key(&room.address), card)),
        }
    }
    batch
}

fn everything(room: &Room) -> Vec<BookWrite> {
    let mut batch = Vec::new();
    config_writes(room, &mut batch);
    for entry in room.affiliations.iter() {
        account_writes(room, &entry.account, &mut batch);
    }
    batch
}

fn removal(room: &Room) -> Vec<BookWrite> {
    let mut batch = vec![
        delete(config_key(&room.address)),
        BookWrite::DeletePrefix {
            table: Table::Room,
            prefix: accounts_prefix(&room.address),
        },
        delete(listed_key(&room.address)),
    ];
    batch.extend(
        room.affiliations
            .with(Affiliation::Owner)
            .map(|entry| delete(owned_key(&entry.account, &room.address))),
    );
    batch
}

fn config_writes(room: &Room, batch: &mut Vec<BookWrite>) {
    batch.push(put(config_key(&room.address), encode_config(room)));
    let key = listed_key(&room.address);
    batch.push(match room.is_listed() {
        true => put(key, Bytes::copy_from_slice(room.config.name.as_bytes())),
        false => delete(key),
    });
}

fn account_writes(room: &Room, account: &Jid, batch: &mut Vec<BookWrite>) {
    let key = store::part_key(&room.address, account.as_str());
    let owned = owned_key(account, &room.address);
    batch.push(match room.affiliations.get(account) {
        Some(entry) => put(key, encode_account(entry)),
        None => delete(key),
    });
    batch.push(match room.affiliations.of(account) {
        Affiliation::Owner => put(owned, Bytes::new()),
        _ => delete(owned),
    });
}

fn put(key: Bytes, value: Bytes) -> BookWrite {
    BookWrite::Put {
        table: Table::Room,
        key,
        value,
    }
}

fn delete(key: Bytes) -> BookWrite {
    BookWrite::Delete {
        table: Table::Room,
        key,
    }
}

/// A room from its rows. `None`: there is no such room.
///
/// # Errors
/// A row is damaged, or of a newer version.
pub fn read(address: &Jid, config: &[Row], accounts: &[Row]) -> Result<Option<Room>, Damaged> {
    let Some(row) = config.first() else { return Ok(None) };
    let mut room = decode_config(address, &row.value)?;
    let prefix = accounts_prefix(address);
    for row in accounts {
        let account = row.key.slice(prefix.len().min(row.key.len())..);
        if account.first() == Some(&0) {
            continue;
        }
        let account = Jid::parse_bytes(account).map_err(|_| Damaged)?.detached();
        room.affiliations.set(decode_account(account, &row.value)?);
    }
    room.stored = true;
    Ok(Some(room))
}

fn encode_account(entry: &Affiliated) -> Bytes {
    let mut bytes = vec![VERSION, entry.affiliation as u8];
    put_text(&mut bytes, entry.nick.as_deref().unwrap_or_default());
    put_text(&mut bytes, entry.reason.as_deref().unwrap_or_default());
    bytes.into()
}

fn decode_account(account: Jid, bytes: &[u8]) -> Result<Affiliated, Damaged> {
    let mut rest = bytes;
    if take_u8(&mut rest)? != VERSION {
        return Err(Damaged);
    }
    let affiliation = match take_u8(&mut rest)? {
        0 => Affiliation::Outcast,
        2 => Affiliation::Member,
        3 => Affiliation::Admin,
        4 => Affiliation::Owner,
        _ => return Err(Damaged),
    };
    let optional = |text: String| Some(text).filter(|text| !text.is_empty()).map(String::into_boxed_str);
    let entry = Affiliated {
        account,
        affiliation,
        nick: optional(take_text(&mut rest)?),
        reason: optional(take_text(&mut rest)?),
    };
    all_read(rest)?;
    Ok(entry)
}

/// The flags, in the order of their bits.
fn flags(config: &RoomConfig) -> [bool; 10] {
    [
        config.persistent,
        config.public,
        config.members_only,
        config.moderated,
        config.non_anonymous,
        config.subject_by_all,
        config.invites,
        config.voice_requests,
        config.list_by_all,
        config.archived,
    ]
}

fn encode_config(room: &Room) -> Bytes {
    let config = &room.config;
    let mut bytes = vec![VERSION];
    let bits = flags(config).into_iter().enumerate();
    bytes.put_u16_le(bits.fold(0, |bits, (bit, set)| bits | u16::from(set) << bit));
    bytes.put_u8(match config.private_messages {
        None | Some(Role::None) => 0,
        Some(Role::Visitor) => 1,
        Some(Role::Participant) => 2,
        Some(Role::Moderator) => 3,
    });
    bytes.put_u32_le(config.occupants_max);
    bytes.put_u32_le(config.history_messages);
    let hash = room.avatar_hash.as_deref().unwrap_or_default();
    let texts = [&config.name, &config.description, &config.language, &config.password];
    texts.iter().for_each(|text| put_text(&mut bytes, text));
    put_text(&mut bytes, hash);
    bytes.put_u8(u8::from(room.subject.is_some()));
    if let Some(subject) = &room.subject {
        bytes.put_u64_le(subject.unix_ms);
        put_text(&mut bytes, &subject.text);
        put_text(&mut bytes, &subject.nick);
        put_text(&mut bytes, subject.by.as_str());
    }
    bytes.into()
}

fn decode_config(address: &Jid, bytes: &[u8]) -> Result<Room, Damaged> {
    let mut rest = bytes;
    if take_u8(&mut rest)? != VERSION {
        return Err(Damaged);
    }
    let bits = rest.try_get_u16_le().map_err(|_| Damaged)?;
    let flag = |bit: u32| bits >> bit & 1 == 1;
    if bits >> 10 != 0 {
        return Err(Damaged);
    }
    let private_messages = match take_u8(&mut rest)? {
        0 => None,
        1 => Some(Role::Visitor),
        2 => Some(Role::Participant),
        3 => Some(Role::Moderator),
        _ => return Err(Damaged),
    };
    let occupants_max = rest.try_get_u32_le().map_err(|_| Damaged)?;
    let history_messages = rest.try_get_u32_le().map_err(|_| Damaged)?;
    let config = RoomConfig {
        name: take_text(&mut rest)?,
        description: take_text(&mut rest)?,
        language: take_text(&mut rest)?,
        password: take_text(&mut rest)?,
        persistent: flag(0),
        public: flag(1),
        members_only: flag(2),
        moderated: flag(3),
        non_anonymous: flag(4),
        subject_by_all: flag(5),
        invites: flag(6),
        voice_requests: flag(7),
        list_by_all: flag(8),
        archived: flag(9),
        private_messages,
        occupants_max,
        history_messages,
    };
    let mut room = Room::new(address.clone(), config);
    let hash = take_text(&mut rest)?;
    room.avatar_hash = Some(hash).filter(|hash| !hash.is_empty()).map(String::into_boxed_str);
    room.subject = match take_u8(&mut rest)? {
        0 => None,
        1 => Some(Box::new(Subject {
            unix_ms: rest.try_get_u64_le().map_err(|_| Damaged)?,
            text: take_text(&mut rest)?,
            nick: take_text(&mut rest)?,
            by: Jid::parse(&take_text(&mut rest)?).map_err(|_| Damaged)?,
        })),
        _ => return Err(Damaged),
    };
    all_read(rest)?;
    Ok(room)
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    // Bounded far below 4 GiB by the limits of rooms.
    bytes.put_u32_le(text.len() as u32);
    bytes.put_slice(text.as_bytes());
}

fn take_u8(rest: &mut &[u8]) -> Result<u8, Damaged> {
    rest.try_get_u8().map_err(|_| Damaged)
}

fn take_text(rest: &mut &[u8]) -> Result<String, Damaged> {
    let length = rest.try_get_u32_le().map_err(|_| Damaged)? as usize;
    let (text, tail) = rest.split_at_checked(length).ok_or(Damaged)?;
    *rest = tail;
    String::from_utf8(text.to_vec()).map_err(|_| Damaged)
}

fn all_read(rest: &[u8]) -> Result<(), Damaged> {
    match rest.is_empty() {
        true => Ok(()),
        false => Err(Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn room() -> Room {
        let mut config = RoomConfig::new(&Limits::DEFAULT, true);
        config.persistent = true;
        config.name = "Chamber".to_owned();
        config.password = "cauldron".to_owned();
        config.private_messages = None;
        let founder: Jid = "crone1@shakespeare.lit/desktop".parse().unwrap();
        let mut room = Room::founded("darkcave@chat.shakespeare.lit".parse().unwrap(), &founder, config);
        room.affiliations.set(Affiliated {
            account: "wiccarocks@shakespeare.lit".parse().unwrap(),
            affiliation: Affiliation::Outcast,
            nick: None,
            reason: Some("Treason".into()),
        });
        room.subject = Some(Box::new(Subject {
            text: "Fire Burn".to_owned(),
            nick: "firstwitch".to_owned(),
            by: founder.to_bare(),
            unix_ms: 7,
        }));
        room.avatar_hash = Some("0a".into());
        room
    }

    /// The rows that a batch leaves behind.
    fn rows(batch: &[BookWrite]) -> Vec<Row> {
        let puts = batch.iter().filter_map(|write| match write {
            BookWrite::Put { key, value, .. } => Some(Row {
                key: key.clone(),
                value: value.clone(),
            }),
            _ => None,
        });
        puts.collect()
    }

    fn back(room: &Room, rows: &[Row]) -> Result<Option<Room>, Damaged> {
        let key = config_key(&room.address);
        let prefix = accounts_prefix(&room.address);
        let (config, others): (Vec<Row>, Vec<Row>) = rows.iter().cloned().partition(|row| row.key == key);
        let accounts: Vec<Row> = others.into_iter().filter(|row| row.key.starts_with(&prefix)).collect();
        read(&room.address, &config, &accounts)
    }

    #[test]
    fn what_is_written_comes_back() {
        let mut room = room();
        room.unsaved.insert(Unsaved::Config);
        let rows = rows(&unsaved(&mut room));
        let read = back(&room, &rows).unwrap().unwrap();
        assert_eq!(
            (&read.config, &read.subject, &read.avatar_hash, &read.affiliations),
            (&room.config, &room.subject, &room.avatar_hash, &room.affiliations)
        );
        assert!(read.stored && room.unsaved.is_empty());
        let owned = owned_key(&"crone1@shakespeare.lit".parse().unwrap(), &room.address);
        assert!(rows.iter().any(|row| row.key == owned));
    }

    #[test]
    fn the_layout_of_version_1_is_frozen() {
        let hex: String = encode_config(&room())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            concat!(
                "01c30200d007000014000000070000004368616d6265720000000000000000080000006361756c64726f6e02000000306101",
                "0700000000000000090000004669726520427572",
                "6e0a000000666972737477697463681600000063726f6e65314073",
                "68616b657370656172652e6c6974"
            )
        );
    }

    #[test]
    fn a_room_that_does_not_stay_is_not_written_and_one_that_stays_no_more_is_removed() {
        let mut room = room();
        room.config.persistent = false;
        room.unsaved.insert(Unsaved::Config);
        assert_eq!(unsaved(&mut room), []);
        room.stored = true;
        room.unsaved.insert(Unsaved::Config);
        let batch = unsaved(&mut room);
        assert!(batch.iter().all(|write| !matches!(write, BookWrite::Put { .. })) && batch.len() == 4);
    }

    #[test]
    fn damage_is_found_at_every_length() {
        let room = room();
        let bytes = encode_config(&room);
        for length in 0..bytes.len() {
            assert!(decode_config(&room.address, &bytes[..length]).is_err(), "{length}");
        }
        let entry = room.affiliations.iter().next().unwrap();
        let bytes = encode_account(entry);
        for length in 0..bytes.len() {
            assert!(
                decode_account(entry.account.clone(), &bytes[..length]).is_err(),
                "{length}"
            );
        }
    }
}
