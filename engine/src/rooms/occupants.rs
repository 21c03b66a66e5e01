//! Who is in a room.
//!
//! ```text
//!   address (of the session) ─▶ place ─▶ occupant        nickname ─▶ places: the sessions of one account may share it
//! ```
//! Invariants: each session is in at most once; all places of a nickname belong to one account; both indexes are exact.

use std::collections::HashMap;

use super::{Affiliation, OccupantView, Role, Seat};
use crate::envelope::Content;
use crate::jid::Jid;

/// Names an occupant while it is one.
pub type Place = u32;

/// A session in a room.
#[derive(Debug, Clone)]
pub struct Occupant {
    /// `room/nick`.
    pub here: Jid,
    /// The session's full address.
    pub real: Jid,
    /// Where it is.
    pub seat: Seat,
    /// Of its account.
    pub affiliation: Affiliation,
    /// What it may do.
    pub role: Role,
    /// XEP-0421.
    pub occupant_id: Box<str>,
    /// The presence that it last sent.
    pub shows: Content,
}

impl Occupant {
    /// Its nickname.
    #[must_use]
    pub fn nick(&self) -> &str {
        self.here.resource().unwrap_or_default()
    }

    /// As others see it.
    #[must_use]
    pub fn view(&self) -> OccupantView<'_> {
        OccupantView {
            nick: self.nick(),
            real: &self.real,
            affiliation: self.affiliation,
            role: self.role,
            occupant_id: &self.occupant_id,
            shows: &self.shows,
        }
    }
}

/// All of them. An empty one is one word.
#[derive(Debug, Default)]
pub struct Occupants(Option<Box<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    places: Vec<Option<Box<Occupant>>>,
    free: Vec<Place>,
    by_address: HashMap<Jid, Place>,
    by_nick: HashMap<Box<str>, Vec<Place>>,
}

impl Occupants {
    /// How many sessions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |tables| tables.by_address.len())
    }

    /// Nobody?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// By place.
    #[must_use]
    pub fn get(&self, place: Place) -> Option<&Occupant> {
        self.0.as_ref()?.places.get(place as usize)?.as_deref()
    }

    /// By place.
    pub fn get_mut(&mut self, place: Place) -> Option<&mut Occupant> {
        self.0.as_mut()?.places.get_mut(place as usize)?.as_deref_mut()
    }

    /// By the session's full address.
    #[must_use]
    pub fn find(&self, real: &Jid) -> Option<Place> {
        self.0.as_ref()?.by_address.get(real).copied()
    }

    /// The sessions of a nickname; none if nobody has it.
    #[must_use]
    pub fn named(&self, nick: &str) -> &[Place] {
        let places = self.0.as_ref().and_then(|tables| tables.by_nick.get(nick));
        places.map_or(&[], Vec::as_slice)
    }

    /// The sessions of an account.
    #[must_use]
    pub fn of(&self, account: &Jid) -> Vec<Place> {
        let theirs = self.iter().filter(|(_, occupant)| occupant.real.same_bare(account));
        theirs.map(|(place, _)| place).collect()
    }

    /// All, by place.
    pub fn iter(&self) -> impl Iterator<Item = (Place, &Occupant)> {
        let places = self.0.as_ref().map_or(&[][..], |tables| &tables.places[..]);
        let places = places.iter().enumerate();
        places.filter_map(|(place, occupant)| Some((place as Place, occupant.as_deref()?)))
    }

    /// One for each nickname, by place.
    pub fn nicks(&self) -> impl Iterator<Item = (Place, &Occupant)> {
        self.iter()
            .filter(|(place, occupant)| self.named(occupant.nick()).first() == Some(place))
    }

    /// Somebody enters whose address is not in.
    pub fn insert(&mut self, occupant: Occupant) -> Place {
        let tables = self.0.get_or_insert_default();
        let place = tables.free.pop().unwrap_or_else(|| {
            tables.places.push(None);
            (tables.places.len() - 1) as Place
        });
        tables.by_address.insert(occupant.real.clone(), place);
        tables.by_nick.entry(occupant.nick().into()).or_default().push(place);
        tables.places[place as usize] = Some(Box::new(occupant));
        place
    }

    /// Somebody leaves.
    pub fn remove(&mut self, place: Place) -> Option<Box<Occupant>> {
        let tables = self.0.as_mut()?;
        let occupant = tables.places.get_mut(place as usize)?.take()?;
        tables.by_address.remove(&occupant.real);
        tables.unname(place, occupant.nick());
        tables.free.push(place);
        if tables.by_address.is_empty() {
            self.0 = None;
        }
        Some(occupant)
    }

    /// Somebody has another nickname from now on.
    pub fn rename(&mut self, place: Place, here: Jid) {
        let Some(tables) = &mut self.0 else { return };
        let Some(occupant) = tables.places.get_mut(place as usize).and_then(Option::as_mut) else {
            return;
        };
        let old = std::mem::replace(&mut occupant.here, here);
        let new = occupant.nick().into();
        tables.unname(place, old.resource().unwrap_or_default());
        tables.by_nick.entry(new).or_default().push(place);
    }
}

impl Tables {
    fn unname(&mut self, place: Place, nick: &str) {
        if let Some(places) = self.by_nick.get_mut(nick) {
            places.retain(|other| *other != place);
            if places.is_empty() {
                self.by_nick.remove(nick);
            }
        }
    }
}
