//! Who knows whom: all users in a ring, and each knows the same number before and after him.
//!
//! ```text
//!  half = 2:   ... 3  4 [5] 6  7 ...      slots of user 5:   6: 0   7: 1   4: 2   3: 3
//! ```
//! Invariants: it is mutual; it follows from the plan alone, so that workers need not ask each other.

use crate::plan::Users;

/// See the module. Users are named by their numbers.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    first: u32,
    count: u32,
    half: u32,
}

impl Ring {
    /// `half` neighbours on each side, as far as there are so many users.
    pub fn new(users: &Users, half: u32) -> Self {
        Self {
            first: users.first,
            count: users.count,
            half: half.min(users.count.saturating_sub(1) / 2),
        }
    }

    /// Neighbours of each user.
    pub fn degree(&self) -> u32 {
        2 * self.half
    }

    /// The neighbour of a user in a slot below `degree`.
    pub fn neighbour(&self, user: u32, slot: u32) -> u32 {
        let place = user - self.first;
        let place = match slot < self.half {
            true => place + slot + 1,
            false => place + self.count - (slot - self.half + 1),
        };
        self.first + place % self.count
    }

    /// In which slot of a user another one is; nothing if they are no neighbours.
    pub fn slot(&self, user: u32, other: u32) -> Option<usize> {
        let place = |user: u32| user.checked_sub(self.first).filter(|place| *place < self.count);
        let (own, other) = (place(user)?, place(other)?);
        let ahead = (other + self.count - own) % self.count;
        let behind = self.count - ahead;
        match (ahead, behind) {
            (0, _) => None,
            (ahead, _) if ahead <= self.half => Some(ahead as usize - 1),
            (_, behind) if behind <= self.half => Some((self.half + behind) as usize - 1),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_mutual_and_the_contacts_of_the_roster() {
        for (first, count, size) in [(0, 3, 2), (100, 5, 4), (7, 20, 6), (0, 7, 40), (0, 2, 2)] {
            let mut users = Users {
                first,
                count,
                ..Users::default()
            };
            users.roster.size = size;
            let ring = Ring::new(&users, size / 2);
            assert_eq!(ring.degree() as usize, users.roster.contacts(0, count).count());
            for place in 0..count {
                let user = first + place;
                let found: Vec<u32> = (0..ring.degree()).map(|slot| ring.neighbour(user, slot)).collect();
                let contacts: Vec<u32> = users
                    .roster
                    .contacts(place, count)
                    .map(|contact| first + contact)
                    .collect();
                assert_eq!(found, contacts);
                for (slot, other) in found.iter().enumerate() {
                    assert_eq!(ring.slot(user, *other), Some(slot));
                    assert!(ring.slot(*other, user).is_some());
                }
                assert_eq!(ring.slot(user, user), None);
            }
        }
        let ring = Ring::new(&Users::default(), 1);
        assert_eq!((ring.slot(0, 5), ring.slot(0, 1000)), (None, None));
    }
}
