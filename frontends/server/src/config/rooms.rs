//! The `[rooms]` table: conversations of many, and those of them that the configuration makes.
//!
//! Invariant: as in the configuration as a whole, no key is optional; a system room's table may leave out what is as in any new room.

use crosspoint_engine::jid::{Jid, JidError};
use crosspoint_engine::rooms::ConfigChange;
use crosspoint_engine::shard::RoomsSetup;
use serde::{Deserialize, Serialize};

/// The `[rooms]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rooms {
    /// Whether there are any.
    pub enabled: bool,
    /// What stands after the `@` of a room; empty: `conference.` and the domain.
    pub domain: String,
    /// Rooms that are always there.
    pub system: Vec<SystemRoom>,
}

/// A `[[rooms.system]]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SystemRoom {
    /// What stands before the `@`.
    pub address: String,
    /// Shown to people.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// Whether it is in the list of rooms.
    pub public: bool,
    /// Whether only members enter.
    pub members_only: bool,
    /// What must be known to enter; empty: nothing.
    pub password: String,
    /// Whether those without an affiliation have no voice.
    pub moderated: bool,
    /// Whether all see real addresses.
    pub non_anonymous: bool,
    /// Whether participants may change the subject.
    pub subject_by_all: bool,
    /// Whether messages are kept, if the server keeps any.
    pub archived: bool,
    /// Addresses of who may do everything.
    pub owners: Vec<String>,
}

impl Default for Rooms {
    fn default() -> Self {
        Rooms {
            enabled: true,
            domain: String::new(),
            system: Vec::new(),
        }
    }
}

impl Default for SystemRoom {
    fn default() -> Self {
        SystemRoom {
            address: String::new(),
            name: String::new(),
            description: String::new(),
            public: true,
            members_only: false,
            password: String::new(),
            moderated: false,
            non_anonymous: false,
            subject_by_all: false,
            archived: true,
            owners: Vec::new(),
        }
    }
}

impl Rooms {
    /// Where they are.
    ///
    /// # Errors
    /// That is no domain.
    pub fn domain(&self, domain: &str) -> Result<Jid, JidError> {
        match self.domain.as_str() {
            "" => Jid::from_parts(None, &format!("conference.{domain}"), None),
            own => Jid::from_parts(None, own, None),
        }
    }

    /// As the engine wants to have it; `None`: there are none.
    ///
    /// # Errors
    /// An address is none.
    pub fn setup(&self, domain: &str) -> Result<Option<RoomsSetup>, JidError> {
        if !self.enabled {
            return Ok(None);
        }
        let rooms = self.domain(domain)?;
        let system: Result<Vec<_>, JidError> = self.system.iter().map(|room| room.setup(&rooms)).collect();
        Ok(Some(RoomsSetup {
            domain: rooms,
            system: system?,
        }))
    }
}

impl SystemRoom {
    fn setup(&self, domain: &Jid) -> Result<(String, Vec<ConfigChange>), JidError> {
        let room = Jid::from_parts(Some(&self.address), domain.domain(), None)?;
        let owners: Result<Vec<Jid>, JidError> = self.owners.iter().map(|owner| Jid::parse(owner)).collect();
        let changes = vec![
            ConfigChange::Name(self.name.clone()),
            ConfigChange::Description(self.description.clone()),
            ConfigChange::Public(self.public),
            ConfigChange::MembersOnly(self.members_only),
            ConfigChange::Password(self.password.clone()),
            ConfigChange::Moderated(self.moderated),
            ConfigChange::NonAnonymous(self.non_anonymous),
            ConfigChange::SubjectByAll(self.subject_by_all),
            ConfigChange::Archived(self.archived),
            ConfigChange::Owners(owners?),
        ];
        Ok((room.node().unwrap_or_default().to_owned(), changes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_have_a_domain_of_their_own_and_may_be_turned_off() {
        let rooms = Rooms::default();
        let setup = rooms.setup("example.org").unwrap().unwrap();
        assert_eq!(setup.domain.as_str(), "conference.example.org");
        let own = Rooms {
            domain: "talk.example.org".to_owned(),
            ..Rooms::default()
        };
        assert_eq!(own.domain("example.org").unwrap().as_str(), "talk.example.org");
        let off = Rooms {
            enabled: false,
            ..Rooms::default()
        };
        assert!(off.setup("example.org").unwrap().is_none());
    }

    #[test]
    fn a_system_rooms_address_is_prepared_and_its_owners_are_addresses() {
        let room = |address: &str, owner: &str| Rooms {
            system: vec![SystemRoom {
                address: address.to_owned(),
                owners: vec![owner.to_owned()],
                ..SystemRoom::default()
            }],
            ..Rooms::default()
        };
        let setup = room("Lobby", "juliet@example.org")
            .setup("example.org")
            .unwrap()
            .unwrap();
        assert_eq!(setup.system[0].0, "lobby");
        assert!(room("", "juliet@example.org").setup("example.org").is_err());
        assert!(room("lobby", "@").setup("example.org").is_err());
    }
}
