//! How a room is run: the defaults, and what a change of them is.
//!
//! Invariant: a configuration in force is within the bounds.

use super::{ConfigChange, Role, RoomConfig};
use crate::envelope::Condition;
use crate::limits::Limits;

impl RoomConfig {
    /// Of a room just made.
    #[must_use]
    pub fn new(limits: &Limits, archived: bool) -> RoomConfig {
        RoomConfig {
            name: String::new(),
            description: String::new(),
            language: String::new(),
            persistent: false,
            public: true,
            members_only: false,
            password: String::new(),
            moderated: false,
            non_anonymous: false,
            subject_by_all: false,
            invites: true,
            voice_requests: true,
            private_messages: Some(Role::Visitor),
            list_by_all: false,
            occupants_max: u32::try_from(limits.occupants_per_room).unwrap_or(u32::MAX),
            archived,
            history_messages: limits.room_recent_messages.min(20),
        }
    }

    /// Changes one field. The lists are not in here.
    ///
    /// # Errors
    /// `NotAcceptable` for what is beyond a bound.
    pub fn change(&mut self, change: &ConfigChange, limits: &Limits) -> Result<(), Condition> {
        let text = |field: &mut String, new: &str| match new.len() <= limits.room_text_bytes {
            true => {
                new.clone_into(field);
                Ok(())
            }
            false => Err(Condition::NotAcceptable),
        };
        match change {
            ConfigChange::Name(new) => return text(&mut self.name, new),
            ConfigChange::Description(new) => return text(&mut self.description, new),
            ConfigChange::Language(new) => return text(&mut self.language, new),
            ConfigChange::Password(new) => return text(&mut self.password, new),
            ConfigChange::Persistent(new) => self.persistent = *new,
            ConfigChange::Public(new) => self.public = *new,
            ConfigChange::MembersOnly(new) => self.members_only = *new,
            ConfigChange::Moderated(new) => self.moderated = *new,
            ConfigChange::NonAnonymous(new) => self.non_anonymous = *new,
            ConfigChange::SubjectByAll(new) => self.subject_by_all = *new,
            ConfigChange::Invites(new) => self.invites = *new,
            ConfigChange::VoiceRequests(new) => self.voice_requests = *new,
            ConfigChange::PrivateMessages(new) => self.private_messages = *new,
            ConfigChange::ListByAll(new) => self.list_by_all = *new,
            ConfigChange::OccupantsMax(new) => {
                if *new == 0 || *new as usize > limits.occupants_per_room {
                    return Err(Condition::NotAcceptable);
                }
                self.occupants_max = *new;
            }
            ConfigChange::Archived(new) => self.archived = *new,
            ConfigChange::HistoryMessages(new) => self.history_messages = (*new).min(limits.room_recent_messages),
            ConfigChange::Owners(_) | ConfigChange::Admins(_) => {}
        }
        Ok(())
    }
}
