//! How owners run a room: its configuration, and its end (XEP-0045 sections 10.1, 10.2 and 10.9).
//!
//! Invariant: a configuration is changed as a whole or not at all.

use super::room::{Asker, How, Unsaved};
use super::{Affiliated, Affiliation, Audience, ConfigChange, Room, RoomAnswer, RoomConfig, Stage, Status};
use crate::envelope::Condition;
use crate::jid::Jid;

impl Room {
    pub(super) fn get_config(&self, asker: Asker<'_>, stage: &mut dyn Stage) -> Result<(), Condition> {
        if asker.affiliation != Affiliation::Owner {
            return Err(Condition::Forbidden);
        }
        let accounts = |which| self.affiliations.with(which).map(|entry| &entry.account).collect();
        stage.answer(RoomAnswer::Config {
            info: self.info(),
            owners: accounts(Affiliation::Owner),
            admins: accounts(Affiliation::Admin),
        });
        Ok(())
    }

    pub(super) fn set_config(
        &mut self,
        asker: Asker<'_>,
        changes: &[ConfigChange],
        stage: &mut dyn Stage,
    ) -> Result<(), Condition> {
        if asker.affiliation != Affiliation::Owner {
            return Err(Condition::Forbidden);
        }
        let mut config = self.config.clone();
        for change in changes {
            config.change(change, stage.limits())?;
        }
        let entries = self.listed(changes, stage)?;
        let before = std::mem::replace(&mut self.config, config);
        self.locked = false;
        self.unsaved.insert(Unsaved::Config);
        for entry in entries {
            self.affiliate(entry, None, "", stage);
        }
        self.tell_config(&before, stage);
        if self.config.members_only && !before.members_only {
            self.expel_strangers(stage);
        }
        if before.non_anonymous != self.config.non_anonymous {
            self.roll += 1;
        }
        stage.answer(RoomAnswer::Done);
        Ok(())
    }

    /// The affiliations that a form's lists change.
    fn listed(&self, changes: &[ConfigChange], stage: &dyn Stage) -> Result<Vec<Affiliated>, Condition> {
        let known =
            |entries: &[Affiliated], account: &Jid| entries.iter().any(|known| known.account.same_bare(account));
        let mut entries: Vec<Affiliated> = Vec::new();
        for change in changes {
            let (list, which) = match change {
                ConfigChange::Owners(list) => (list, Affiliation::Owner),
                ConfigChange::Admins(list) => (list, Affiliation::Admin),
                _ => continue,
            };
            if list.len() > stage.limits().room_changes {
                return Err(Condition::ResourceConstraint);
            }
            if which == Affiliation::Owner && list.is_empty() {
                return Err(Condition::Conflict);
            }
            let of = |account: &Jid, affiliation| Affiliated {
                account: account.to_bare().detached(),
                affiliation,
                nick: self.affiliations.get(account).and_then(|entry| entry.nick.clone()),
                reason: None,
            };
            let old = self.affiliations.with(which);
            let gone = old.filter(|entry| !list.iter().any(|account| account.same_bare(&entry.account)));
            let gone: Vec<Affiliated> = gone.map(|entry| of(&entry.account, Affiliation::Member)).collect();
            // Who goes from one list to the other is in the other.
            for entry in gone {
                if !known(&entries, &entry.account) {
                    entries.push(entry);
                }
            }
            for account in list {
                let entry = of(account, which);
                match entries.iter_mut().find(|known| known.account == entry.account) {
                    Some(known) if known.affiliation < which => *known = entry,
                    Some(_) => {}
                    None => entries.push(entry),
                }
            }
        }
        let stays = |owner: &Affiliated| !known(&entries, &owner.account);
        let named = entries.iter().any(|entry| entry.affiliation == Affiliation::Owner);
        if !named && !self.affiliations.with(Affiliation::Owner).any(stays) {
            return Err(Condition::Conflict);
        }
        if self.affiliations.len() + entries.len() > stage.limits().affiliations_per_room {
            return Err(Condition::ResourceConstraint);
        }
        Ok(entries)
    }

    /// Section 10.2.1.
    fn tell_config(&self, before: &RoomConfig, stage: &mut dyn Stage) {
        let mut statuses = Vec::with_capacity(3);
        let same = RoomConfig {
            archived: self.config.archived,
            non_anonymous: self.config.non_anonymous,
            ..before.clone()
        };
        if same != self.config {
            statuses.push(Status::ConfigChanged);
        }
        match (before.archived, self.config.archived) {
            (false, true) => statuses.push(Status::LoggingOn),
            (true, false) => statuses.push(Status::LoggingOff),
            _ => {}
        }
        match (before.non_anonymous, self.config.non_anonymous) {
            (false, true) => statuses.push(Status::NowNonAnonymous),
            (true, false) => statuses.push(Status::NowSemiAnonymous),
            _ => {}
        }
        if !statuses.is_empty() {
            self.tell_statuses(&statuses, stage);
        }
    }

    pub(super) fn cancel_config(&mut self, asker: Asker<'_>, stage: &mut dyn Stage) -> Result<(), Condition> {
        if asker.affiliation != Affiliation::Owner {
            return Err(Condition::Forbidden);
        }
        if self.locked {
            self.end(None, None, "", stage);
        }
        stage.answer(RoomAnswer::Done);
        Ok(())
    }

    pub(super) fn destroy(
        &mut self,
        asker: Asker<'_>,
        alternative: Option<&Jid>,
        password: Option<&str>,
        reason: &str,
        stage: &mut dyn Stage,
    ) -> Result<(), Condition> {
        if asker.affiliation != Affiliation::Owner {
            return Err(Condition::Forbidden);
        }
        if self.system {
            return Err(Condition::NotAllowed);
        }
        Room::fits(reason, stage.limits())?;
        self.end(alternative, password, reason, stage);
        stage.answer(RoomAnswer::Done);
        Ok(())
    }

    /// Each occupant hears of its own removal alone, with where to go.
    fn end(&mut self, alternative: Option<&Jid>, password: Option<&str>, reason: &str, stage: &mut dyn Stage) {
        let everybody: Vec<_> = self.occupants.iter().map(|(place, _)| place).collect();
        for place in everybody {
            let Some(occupant) = self.occupants.get(place) else {
                continue;
            };
            let how = How {
                gone: true,
                affiliation: Some(Affiliation::None),
                destroyed: Some((alternative, reason, password)),
                ..How::default()
            };
            self.tell_presence(Audience::Those(&[place]), occupant, how, stage);
            self.occupants.remove(place);
        }
        self.roll += 1;
        self.ended = true;
        self.unsaved.insert(Unsaved::Config);
    }
}
