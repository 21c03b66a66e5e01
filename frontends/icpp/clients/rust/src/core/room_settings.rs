//! How a room is run: what CONFIGURE asks and says (SPEC.md section 14.3).

use crosspoint_icpp::codec::rooms::{Body, tag};

use super::room_words::Role;
use super::rooms::ToRoom;

/// What a room is, and how it is run. To change it, name what is to change; the rest stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomSettings {
    /// What it is called.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// RFC 5646.
    pub language: Option<String>,
    /// Stays when nobody is in.
    pub persistent: Option<bool>,
    /// Is in the list of rooms.
    pub public: Option<bool>,
    /// Only members enter.
    pub members_only: Option<bool>,
    /// Needed to enter; empty for none. For owners.
    pub entry_password: Option<String>,
    /// Who has no affiliation is a visitor.
    pub moderated: Option<bool>,
    /// Real addresses are shown to all, not to moderators alone.
    pub non_anonymous: Option<bool>,
    /// Participants set the subject, not moderators alone.
    pub subject_by_all: Option<bool>,
    /// Every occupant invites.
    pub invites: Option<bool>,
    /// Visitors may ask for a voice.
    pub voice_requests: Option<bool>,
    /// From which role on occupants write to each other; none for nobody.
    pub private_messages: Option<Role>,
    /// Any occupant sees the affiliations.
    pub list_by_all: Option<bool>,
    /// How many may be in.
    pub occupants_max: Option<u32>,
    /// What is said is kept.
    pub archived: Option<bool>,
    /// Messages shown to who enters.
    pub history_length: Option<u32>,
    /// The whole list. For owners.
    pub owners: Option<Vec<String>>,
    /// The whole list. For owners.
    pub admins: Option<Vec<String>>,
    /// The subject. Not changed by this.
    pub subject: Option<String>,
    /// Nicknames that are in. Not changed by this.
    pub occupants: Option<u32>,
}

impl RoomSettings {
    /// Of an answer.
    #[must_use]
    pub fn read(answer: &[u8]) -> Option<RoomSettings> {
        let body = Body::answer(answer).ok()?;
        let text = |tag| body.text(tag).map(str::to_owned);
        let yes = |tag| body.u8(tag).map(|value| value != 0);
        let list = |tag| Some(body.texts(tag).map(str::to_owned).collect());
        Some(RoomSettings {
            name: text(tag::NAME),
            description: text(tag::DESCRIPTION),
            language: text(tag::LANGUAGE),
            persistent: yes(tag::PERSISTENT),
            public: yes(tag::PUBLIC),
            members_only: yes(tag::MEMBERS_ONLY),
            entry_password: text(tag::ENTRY_PASSWORD),
            moderated: yes(tag::MODERATED),
            non_anonymous: yes(tag::NON_ANONYMOUS),
            subject_by_all: yes(tag::SUBJECT_BY_ALL),
            invites: yes(tag::INVITES),
            voice_requests: yes(tag::VOICE_REQUESTS),
            private_messages: body.u8(tag::PRIVATE_MESSAGES).and_then(Role::from_number),
            list_by_all: yes(tag::LIST_BY_ALL),
            occupants_max: body.u32(tag::OCCUPANTS_MAX),
            archived: yes(tag::ARCHIVED),
            history_length: body.u32(tag::HISTORY_LENGTH),
            owners: list(tag::OWNER),
            admins: list(tag::ADMIN),
            subject: text(tag::SUBJECT),
            occupants: body.u32(tag::OCCUPANTS),
        })
    }

    /// Appends what is named, and can be changed.
    pub(super) fn write(&self, mut to: ToRoom) -> ToRoom {
        let texts = [
            (tag::NAME, &self.name),
            (tag::DESCRIPTION, &self.description),
            (tag::LANGUAGE, &self.language),
            (tag::ENTRY_PASSWORD, &self.entry_password),
        ];
        for (tag, text) in texts {
            to = text.iter().fold(to, |to, text| to.text(tag, text));
        }
        let switches = [
            (tag::PERSISTENT, self.persistent),
            (tag::PUBLIC, self.public),
            (tag::MEMBERS_ONLY, self.members_only),
            (tag::MODERATED, self.moderated),
            (tag::NON_ANONYMOUS, self.non_anonymous),
            (tag::SUBJECT_BY_ALL, self.subject_by_all),
            (tag::INVITES, self.invites),
            (tag::VOICE_REQUESTS, self.voice_requests),
            (tag::LIST_BY_ALL, self.list_by_all),
            (tag::ARCHIVED, self.archived),
        ];
        for (tag, switch) in switches {
            to = switch.iter().fold(to, |to, on| to.with(tag, &[u8::from(*on)]));
        }
        let role = self.private_messages.map(|role| role as u8);
        to = role
            .iter()
            .fold(to, |to, role| to.with(tag::PRIVATE_MESSAGES, &[*role]));
        let numbers = [
            (tag::OCCUPANTS_MAX, self.occupants_max),
            (tag::HISTORY_LENGTH, self.history_length),
        ];
        for (tag, number) in numbers {
            to = number.iter().fold(to, |to, number| to.with(tag, &number.to_le_bytes()));
        }
        for (tag, list) in [(tag::OWNER, &self.owners), (tag::ADMIN, &self.admins)] {
            to = match list.as_deref() {
                None => to,
                // A list that is empty is said by one value that is.
                Some([]) => to.text(tag, ""),
                Some(list) => list.iter().fold(to, |to, address| to.text(tag, address)),
            };
        }
        to
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crosspoint_icpp::codec::Verb;

    #[test]
    fn what_is_written_is_read_and_what_is_not_named_is_not_said() {
        let settings = RoomSettings {
            name: Some("Garden".to_owned()),
            persistent: Some(true),
            public: Some(false),
            private_messages: Some(Role::Participant),
            occupants_max: Some(7),
            owners: Some(vec!["juliet@c.lit".to_owned(), "nurse@c.lit".to_owned()]),
            admins: Some(Vec::new()),
            ..RoomSettings::default()
        };
        let written = settings.write(ToRoom::new(Verb::Configure, "garden@rooms.lit"));
        let read = RoomSettings::read(written.body()).unwrap();
        let admins = Some(vec![String::new()]);
        assert_eq!(read, RoomSettings { admins, ..settings });
    }
}
