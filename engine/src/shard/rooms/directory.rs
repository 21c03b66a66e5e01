//! The list of public rooms: each shard has all of it, in the order of their addresses.
//!
//! A room's home tells all shards when its room appears, is renamed or disappears at once, and how many are in some ten times a
//! second. Rooms that stay and that nobody has entered since the start are read from the book when somebody first asks.
//!
//! Invariants: sorted, no room twice, at most `Limits::rooms_listed`; a page costs what is on it.

use std::collections::HashSet;

use crosspoint_storage::seam::{BookRead, BookRequest, Table};
use xxhash_rust::xxh3::xxh3_64;

use super::super::ledger::Outcome;
use super::super::{Item, Shard};
use super::hall::{Hall, RoomId, State};
use crate::envelope::Condition;
use crate::jid::Jid;
use crate::rooms::{ConfigChange, rows};
use crate::service::{RoomListed, RoomsPage, RoomsWanted, ThenRooms};

/// Queries that wait for the list to be read.
const WAITING_MAX: usize = 1024;

/// A line of the list, on its way to all shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    room: Jid,
    /// `None`: it is in the list no more.
    name: Option<String>,
    occupants: u32,
}

/// What the list says of a room, as its home remembers it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    /// XXH3-64 of its name.
    name: u64,
    occupants: u32,
}

/// The list.
#[derive(Default)]
pub(in super::super) struct Directory {
    lines: Vec<RoomListed>,
    state: Reading,
    /// Rooms here whose number of occupants is not what the list says.
    stale: Vec<RoomId>,
}

enum Reading {
    /// Nobody has asked; what disappeared since the start.
    Unread(HashSet<Jid>),
    /// The book is being read.
    Under(HashSet<Jid>, Vec<(RoomsWanted, ThenRooms)>),
    Read,
}

impl Default for Reading {
    fn default() -> Reading {
        Reading::Unread(HashSet::new())
    }
}

impl Directory {
    fn place(&self, room: &Jid) -> Result<usize, usize> {
        self.lines.binary_search_by(|line| line.room.cmp(room))
    }

    fn set(&mut self, listing: Listing, max: usize) {
        let Listing { room, name, occupants } = listing;
        let place = self.place(&room);
        if let Reading::Unread(gone) | Reading::Under(gone, _) = &mut self.state {
            match name {
                Some(_) => drop(gone.remove(&room)),
                None if gone.len() < max => drop(gone.insert(room.clone())),
                None => {}
            }
        }
        match (place, name) {
            (Ok(place), Some(name)) => self.lines[place] = RoomListed { room, name, occupants },
            (Ok(place), None) => drop(self.lines.remove(place)),
            (Err(place), Some(name)) if self.lines.len() < max => {
                self.lines.insert(place, RoomListed { room, name, occupants });
            }
            (Err(_), _) => {}
        }
    }

    fn page(&self, wanted: &RoomsWanted) -> RoomsPage {
        let count = wanted.rooms_max as usize;
        let (from, to) = match (&wanted.edge, wanted.backward) {
            (None, false) => (0, count.min(self.lines.len())),
            (None, true) => (self.lines.len().saturating_sub(count), self.lines.len()),
            (Some(edge), false) => {
                let from = self.place(edge).map_or_else(|place| place, |place| place + 1);
                (from, from.saturating_add(count).min(self.lines.len()))
            }
            (Some(edge), true) => {
                let to = self.place(edge).unwrap_or_else(|place| place);
                (to.saturating_sub(count), to)
            }
        };
        RoomsPage {
            rooms: self.lines[from..to].to_vec(),
            index: from as u32,
            total: self.lines.len() as u32,
        }
    }
}

impl Shard {
    /// For handlers: a part of the list.
    pub(in super::super) fn list_rooms(&mut self, wanted: RoomsWanted, then: ThenRooms) {
        let Some(rooms) = &self.setup.rooms else {
            return then(Err(Condition::FeatureNotImplemented), self);
        };
        match &mut self.rooms.directory.state {
            Reading::Read => {
                let page = self.rooms.directory.page(&wanted);
                return then(Ok(page), self);
            }
            Reading::Under(_, waiting) if waiting.len() < WAITING_MAX => return waiting.push((wanted, then)),
            Reading::Under(..) => return then(Err(Condition::ResourceConstraint), self),
            Reading::Unread(_) => {}
        }
        let max = self.setup.limits.rooms_listed;
        for (name, changes) in &rooms.system {
            let Ok(room) = Jid::from_parts(Some(name), rooms.domain.domain(), None) else {
                continue;
            };
            let shown = changes.iter().rev().find_map(|change| match change {
                ConfigChange::Name(name) => Some(name.clone()),
                _ => None,
            });
            if !changes.contains(&ConfigChange::Public(false)) && self.rooms.directory.place(&room).is_err() {
                let listing = Listing {
                    room,
                    name: Some(shown.unwrap_or_default()),
                    occupants: 0,
                };
                self.rooms.directory.set(listing, max);
            }
        }
        let directory = &mut self.rooms.directory;
        let Reading::Unread(gone) = std::mem::take(&mut directory.state) else {
            return;
        };
        directory.state = Reading::Under(gone, vec![(wanted, then)]);
        let reads = vec![BookRead::Prefix {
            table: Table::Room,
            prefix: rows::listed_prefix(),
            after: bytes::Bytes::new(),
            rows_max: u32::try_from(max).unwrap_or(u32::MAX),
        }];
        let token = self.expect(|shard, outcome| shard.directory_read(outcome));
        self.outgoing.book.push(BookRequest::Read { token, reads });
    }

    fn directory_read(&mut self, outcome: Outcome) {
        let max = self.setup.limits.rooms_listed;
        let directory = &mut self.rooms.directory;
        let Reading::Under(gone, waiting) = std::mem::replace(&mut directory.state, Reading::Read) else {
            return;
        };
        if let Outcome::Rows(results) = &outcome {
            for (room, name) in results.iter().flatten().filter_map(rows::listed) {
                if !gone.contains(&room) && directory.place(&room).is_err() {
                    let listing = Listing {
                        room,
                        name: Some(name),
                        occupants: 0,
                    };
                    directory.set(listing, max);
                }
            }
        } else {
            directory.state = Reading::Unread(gone);
        }
        let failed = !matches!(outcome, Outcome::Rows(_));
        for (wanted, then) in waiting {
            let page = match failed {
                true => Err(Condition::InternalServerError),
                false => Ok(self.rooms.directory.page(&wanted)),
            };
            then(page, self);
        }
    }

    /// A line from a room's home.
    pub(in super::super) fn room_listed(&mut self, listing: Listing) {
        let max = self.setup.limits.rooms_listed;
        self.rooms.directory.set(listing, max);
    }

    /// Something about a room may have changed that the list shows.
    pub(super) fn list_room(&mut self, id: RoomId, hall: &mut Hall) {
        let Some(room) = hall.room() else { return };
        let shown = room.is_listed().then(|| &room.config().name);
        let occupants = room.occupants().len() as u32;
        let mark = shown.map(|name| xxh3_64(name.as_bytes()));
        match hall.listed {
            None if mark.is_none() => {}
            Some(listed) if Some(listed.name) == mark => {
                if listed.occupants != occupants && !std::mem::replace(&mut hall.stale, true) {
                    self.rooms.directory.stale.push(id);
                }
            }
            _ => {
                let listing = Listing {
                    room: room.address().clone(),
                    name: shown.cloned(),
                    occupants,
                };
                hall.listed = mark.map(|name| Listed { name, occupants });
                self.tell_all_shards(listing);
            }
        }
    }

    /// A room is no more.
    pub(super) fn unlist_room(&mut self, hall: &mut Hall) {
        if hall.listed.take().is_some() {
            self.tell_all_shards(Listing {
                room: hall.address.clone(),
                name: None,
                occupants: 0,
            });
        }
    }

    fn tell_all_shards(&mut self, listing: Listing) {
        for shard in 0..self.setup.table.shards() {
            if shard != self.id {
                self.outgoing.lanes[usize::from(shard)].push(Item::RoomListed(Box::new(listing.clone())));
            }
        }
        self.room_listed(listing);
    }

    /// How many are in, for those rooms where that has changed.
    pub(in super::super) fn refresh_directory(&mut self) {
        for id in std::mem::take(&mut self.rooms.directory.stale) {
            let Some(hall) = self.rooms.halls.get_mut(id) else {
                continue;
            };
            hall.stale = false;
            let Some(listed) = &mut hall.listed else { continue };
            let State::Open(room) = &hall.state else { continue };
            listed.occupants = room.occupants().len() as u32;
            let listing = Listing {
                room: room.address().clone(),
                name: Some(room.config().name.clone()),
                occupants: listed.occupants,
            };
            self.tell_all_shards(listing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(names: &[&str]) -> Directory {
        let mut directory = Directory::default();
        for name in names {
            let listing = Listing {
                room: format!("{name}@rooms.lit").parse().unwrap(),
                name: Some(String::new()),
                occupants: 1,
            };
            directory.set(listing, 5);
        }
        directory
    }

    fn page(directory: &Directory, edge: Option<&str>, backward: bool, rooms_max: u32) -> (String, u32, u32) {
        let edge = edge.map(|name| format!("{name}@rooms.lit").parse().unwrap());
        let page = directory.page(&RoomsWanted {
            edge,
            backward,
            rooms_max,
        });
        let names = page.rooms.iter().map(|line| line.room.node().unwrap()).collect();
        (names, page.index, page.total)
    }

    #[test]
    fn pages_lead_through_the_whole_list_either_way() {
        let list = directory(&["c", "a", "e", "b", "d", "f"]);
        assert_eq!(
            page(&list, None, false, 2),
            ("ab".into(), 0, 5),
            "the sixth found no room"
        );
        assert_eq!(page(&list, Some("c"), false, 2), ("de".into(), 3, 5));
        assert_eq!(page(&list, None, true, 2), ("de".into(), 3, 5));
        assert_eq!(page(&list, Some("d"), true, 9), ("abc".into(), 0, 5));
        assert_eq!(page(&list, Some("e"), false, 9), (String::new(), 5, 5));
        assert_eq!(
            page(&list, Some("bb"), false, 1),
            ("c".into(), 2, 5),
            "an edge that is gone"
        );
    }
}
