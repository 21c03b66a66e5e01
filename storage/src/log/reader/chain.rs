//! Along the links of one owner's chain.
//!
//! ```text
//! looking for the newest record that is old enough:
//!
//!   tail ──third skip──▶ · ──▶ too new ──▶ old enough: back, one level down
//!                                 └──second skip──▶ too new ──▶ old enough: one level down ... until the links from record to record
//! ```
//! Invariants:
//! - Places and ids decrease along every link, so that a walk ends whatever the disk says.
//! - Finding a record reads at most 32 records of each level, and as many of the highest as there are.

use super::files::{Toward, damaged};
use super::{Chapter, Reader};
use crate::disk::Disk;
use crate::log::error::LogError;
use crate::log::layout::Place;
use crate::log::record::{Links, RecordView, SKIP_LEVELS};
use crate::log::tails::Tail;
use crate::seam::{RecordId, UserKey};

/// One archived record, without its payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub place: Place,
    pub id: RecordId,
    pub links: Links,
    skips: usize,
}

impl Node {
    fn of(place: Place, record: &RecordView<'_>) -> Self {
        Self {
            place,
            id: record.id,
            links: record.links,
            skips: record.skips(),
        }
    }

    /// To itself, for a walk that begins here.
    pub fn arrival(&self) -> Step {
        Step {
            link: self.place.packed(),
            before: AFTER_ALL,
            below: RecordId::MAX,
        }
    }

    /// The one before it.
    pub fn back(&self) -> Step {
        Step {
            link: self.links.back,
            before: self.place,
            below: self.id,
        }
    }
}

/// A link, and what it must not reach.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    link: u64,
    before: Place,
    below: RecordId,
}

/// Links of all levels, from some record or from the end of the chain.
struct Tower {
    links: [u64; 1 + SKIP_LEVELS],
    before: Place,
    below: RecordId,
}

impl Tower {
    fn of(tail: &Tail) -> Self {
        Self {
            links: tail.links(),
            before: AFTER_ALL,
            below: RecordId::MAX,
        }
    }

    fn step(&self, level: usize) -> Step {
        Step {
            link: self.links[level],
            before: self.before,
            below: self.below,
        }
    }

    /// Goes on from a record; links of levels that it does not have are of no use any more.
    fn climb(&mut self, node: &Node) {
        self.links[0] = node.links.back;
        self.links[1..=node.skips].copy_from_slice(&node.links.skips[..node.skips]);
        (self.before, self.below) = (node.place, node.id);
    }
}

const AFTER_ALL: Place = Place {
    segment: u32::MAX,
    offset: u32::MAX,
};

/// The end of a chain.
pub(super) fn end_of(tail: &Tail) -> Step {
    Tower::of(tail).step(0)
}

impl<D: Disk> Reader<D> {
    /// The record that a step leads to; `None` at the end of the chain, or of what retention has left of it.
    pub(super) fn view(
        &mut self,
        user: UserKey,
        step: Step,
        toward: Toward,
    ) -> Result<Option<(Node, RecordView<'_>)>, LogError> {
        let Some(place) = Place::of_link(step.link) else {
            return Ok(None);
        };
        if place >= step.before {
            return Err(self
                .files
                .damage(step.before, "its link does not lead to an earlier record".to_owned()));
        }
        let disk = self.files.disk();
        let Some(record) = self.files.record(place, 0, toward)? else {
            return Ok(None);
        };
        if record.user != user || !record.archived() || record.id >= step.below {
            let what = "a link of the archive leads here, but not to the record meant".to_owned();
            return Err(damaged(&*disk, place, what));
        }
        Ok(Some((Node::of(place, &record), record)))
    }

    /// The newest record of a chain that is not too new.
    pub(super) fn seek(
        &mut self,
        user: UserKey,
        tail: &Tail,
        too_new: impl Fn(&Node) -> bool,
    ) -> Result<Option<Node>, LogError> {
        let mut tower = Tower::of(tail);
        let mut level = SKIP_LEVELS;
        loop {
            let toward = if level == 0 { Toward::Earlier } else { Toward::Elsewhere };
            let found = self.view(user, tower.step(level), toward)?.map(|(node, _)| node);
            match found {
                Some(node) if too_new(&node) => tower.climb(&node),
                found if level == 0 => return Ok(found),
                _ => level -= 1,
            }
        }
    }

    /// The oldest record that retention has left.
    pub(super) fn oldest(&mut self, user: UserKey, chapter: &Chapter) -> Result<Option<Node>, LogError> {
        let Some(tail) = &chapter.tail else {
            return Ok(None);
        };
        let (mut tower, mut level, mut oldest) = (Tower::of(tail), SKIP_LEVELS, None);
        loop {
            let toward = if level == 0 { Toward::Earlier } else { Toward::Elsewhere };
            let found = self.view(user, tower.step(level), toward)?.map(|(node, _)| node);
            match found {
                Some(node) => {
                    tower.climb(&node);
                    oldest = Some(node);
                }
                None if level == 0 => return Ok(oldest),
                None => level -= 1,
            }
        }
    }
}
