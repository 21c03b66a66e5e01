//! A node: who may do what with it, and which items it keeps.
//!
//! Invariants:
//! - The items are sorted by their stamps, which increase strictly; no name is there twice.
//! - The owner is the account itself, always; affiliations are of others, by bare address, none twice.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::config::{Access, Config, PublishModel};
use super::error::{Detail, Fault};

/// A user's place towards a node (XEP-0060 section 4.1). The numbers are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Affiliation {
    /// The account whose node it is.
    Owner = 0,
    /// May publish and read.
    Publisher,
    /// May publish, not read.
    PublishOnly,
    /// May read where others may not.
    Member,
    /// Nothing special.
    None,
    /// May do nothing.
    Outcast,
}

impl Affiliation {
    pub const ALL: [Affiliation; 6] = [
        Affiliation::Owner,
        Affiliation::Publisher,
        Affiliation::PublishOnly,
        Affiliation::Member,
        Affiliation::None,
        Affiliation::Outcast,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Affiliation::Owner => "owner",
            Affiliation::Publisher => "publisher",
            Affiliation::PublishOnly => "publish-only",
            Affiliation::Member => "member",
            Affiliation::None => "none",
            Affiliation::Outcast => "outcast",
        }
    }

    pub fn from_name(name: &str) -> Option<Affiliation> {
        Affiliation::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// An item that a node keeps; its payload is in a row of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// When it was published: Unix milliseconds, or a little more.
    pub stamp: u64,
    /// Of its payload.
    pub bytes: u32,
    /// Its name.
    pub id: String,
}

/// A node without its payloads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    pub config: Config,
    pub affiliations: Vec<(Jid, Affiliation)>,
    /// Who has subscribed explicitly, by the address under which events are wanted.
    pub subscribers: Vec<Jid>,
    /// Oldest first.
    pub items: Vec<Kept>,
}

impl Node {
    pub fn new(config: Config) -> Node {
        Node {
            config,
            ..Node::default()
        }
    }

    pub fn affiliation(&self, owner: &Jid, who: &Jid) -> Affiliation {
        if who.same_bare(owner) {
            return Affiliation::Owner;
        }
        let found = self.affiliations.iter().find(|(known, _)| known.same_bare(who));
        found.map_or(Affiliation::None, |(_, affiliation)| *affiliation)
    }

    /// Whether somebody may read and subscribe (XEP-0060 section 4.5).
    pub fn may_read(&self, owner: &Jid, who: &Jid, host: &dyn Host) -> Result<(), Fault> {
        match self.affiliation(owner, who) {
            Affiliation::Owner | Affiliation::Publisher | Affiliation::Member => return Ok(()),
            Affiliation::Outcast | Affiliation::PublishOnly => return Err(Condition::Forbidden.into()),
            Affiliation::None => {}
        }
        let contact = host.roster(owner).and_then(|roster| roster.get(who));
        match self.config.access {
            Access::Open => Ok(()),
            Access::Presence if contact.is_some_and(|contact| contact.state.subscription().from()) => Ok(()),
            Access::Presence => Err(Fault::new(
                Condition::NotAuthorized,
                Detail::PresenceSubscriptionRequired,
            )),
            Access::Roster
                if contact.is_some_and(|contact| contact.groups.iter().any(|g| self.config.groups.contains(g))) =>
            {
                Ok(())
            }
            Access::Roster => Err(Fault::new(Condition::NotAuthorized, Detail::NotInRosterGroup)),
            Access::Whitelist => Err(Fault::new(Condition::NotAllowed, Detail::ClosedNode)),
        }
    }

    /// Whether somebody may publish and retract (XEP-0060 section 7.1.3.1).
    pub fn may_publish(&self, owner: &Jid, who: &Jid) -> Result<(), Fault> {
        let by_model = match self.config.publish {
            PublishModel::Publishers => false,
            PublishModel::Subscribers => self.subscribers.iter().any(|known| known.same_bare(who)),
            PublishModel::Open => true,
        };
        match self.affiliation(owner, who) {
            Affiliation::Owner | Affiliation::Publisher | Affiliation::PublishOnly => Ok(()),
            Affiliation::Member | Affiliation::None if by_model => Ok(()),
            Affiliation::Member | Affiliation::None | Affiliation::Outcast => Err(Condition::Forbidden.into()),
        }
    }

    /// Puts an item last, under its name or one made up; gives the name, and the names of those that had to leave.
    pub fn put(&mut self, id: Option<String>, bytes: u32, unix_ms: u64) -> (String, Vec<String>) {
        let stamp = self.items.last().map_or(0, |last| last.stamp + 1).max(unix_ms);
        let id = id.unwrap_or_else(|| self.fresh_name(stamp));
        self.items.retain(|kept| kept.id != id);
        self.items.push(Kept {
            stamp,
            bytes,
            id: id.clone(),
        });
        (id, self.shrink())
    }

    /// Lets the oldest items go until as many are left as may be; gives their names.
    pub fn shrink(&mut self) -> Vec<String> {
        let kept = if self.config.flags.persist_items {
            self.config.items_max as usize
        } else {
            0
        };
        let leaving = self.items.len().saturating_sub(kept);
        self.items.drain(..leaving).map(|kept| kept.id).collect()
    }

    /// Of all payloads.
    pub fn bytes(&self) -> u64 {
        self.items.iter().map(|kept| u64::from(kept.bytes)).sum()
    }

    /// Removes an item; false if there was none.
    pub fn take(&mut self, id: &str) -> bool {
        let before = self.items.len();
        self.items.retain(|kept| kept.id != id);
        self.items.len() < before
    }

    fn fresh_name(&self, stamp: u64) -> String {
        let taken = |name: &String| self.items.iter().any(|kept| kept.id == *name);
        (stamp..)
            .map(|number| format!("{number:x}"))
            .find(|name| !taken(name))
            .unwrap_or_default()
    }
}
