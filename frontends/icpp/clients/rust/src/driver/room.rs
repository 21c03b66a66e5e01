//! A room, as applications use it (SPEC.md section 14). What it says of itself arrives in [`Client::messages`] as
//! [`Incoming::Room`](crate::core::Incoming::Room), what is said in it as [`Incoming::Message`](crate::core::Incoming::Message).

use crosspoint_icpp::codec::message::{kind, tag as message_tag};
use crosspoint_icpp::codec::presence::Show;
use crosspoint_icpp::codec::rooms::{op, tag};
use crosspoint_icpp::codec::{MessageId, Verb};

use super::client::{Client, Page, Sent};
use super::{RequestFailed, SendError};
use crate::core::{Affiliation, Outgoing, Refused, Role, RoomMember, RoomSettings, ToRoom};

/// One room, by its bare address. Made by [`Client::room`].
///
/// ```no_run
/// # async fn example(client: crosspoint_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use crosspoint_client::core::{Incoming, RoomWord};
///
/// let (garden, mut messages) = (client.room("garden@rooms.example.org"), client.messages());
/// garden.join("juliet")?;
/// while let Some(incoming) = messages.next().await {
///     match incoming {
///         Incoming::Message(message) => println!("{}: {}", message.from, message.text()),
///         Incoming::Room { verb, body } => match RoomWord::read(verb, &body) {
///             Some(RoomWord::Occupant(one)) if one.is_self() => drop(garden.say("Ay me")?),
///             word => println!("* {word:?}"),
///         },
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// What returns at once goes by the outbox: the room does it, or says [`RoomWord::Refused`](crate::core::RoomWord::Refused). What is
/// awaited is done, durably.
#[derive(Debug, Clone)]
pub struct Room {
    client: Client,
    address: String,
}

impl Room {
    pub(super) fn new(client: Client, address: &str) -> Room {
        Room {
            client,
            address: address.to_owned(),
        }
    }

    /// Its bare address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    fn word(&self, verb: Verb) -> ToRoom {
        ToRoom::new(verb, &self.address)
    }

    /// Makes it, and enters. Others enter once it is configured, be it without a change.
    pub fn create(&self, nick: &str) -> Result<(), Refused> {
        self.client.tell_room(&ToRoom::create(&self.address, nick))
    }

    /// Enters, or takes another nickname. A password and how much history is wanted are extensions of [`ToRoom::join`].
    pub fn join(&self, nick: &str) -> Result<(), Refused> {
        self.client.tell_room(&ToRoom::join(&self.address, nick))
    }

    /// Leaves.
    pub fn leave(&self) -> Result<(), Refused> {
        self.client.tell_room(&ToRoom::leave(&self.address))
    }

    /// What the occupant shows from now on, and is called.
    pub fn show(&self, nick: &str, show: Show, status: &str) -> Result<(), Refused> {
        let word = self.word(Verb::Show).text(tag::NICK, nick);
        self.client
            .tell_room(&word.with(tag::SHOW, &[show as u8]).text(tag::STATUS, status))
    }

    /// Says something to all who are in. Accepted is durable where the room is archived.
    pub fn say(&self, text: &str) -> Result<Sent, Refused> {
        self.client.post(&self.to_all(text))
    }

    /// Says something to one of them.
    pub fn whisper(&self, nick: &str, text: &str) -> Result<Sent, Refused> {
        self.client
            .post(&Outgoing::chat(&format!("{}/{nick}", self.address), text))
    }

    /// Replaces what this user said to all.
    pub async fn edit(&self, earlier: MessageId, text: &str) -> Result<MessageId, SendError> {
        let message = self.to_all(text);
        self.client.queue(|core, id| core.edit(id, earlier, message))?.await
    }

    /// Takes it back; with its `record`, if it had one, the archive hides it, too.
    pub async fn recall(&self, earlier: MessageId, record: Option<&str>) -> Result<MessageId, SendError> {
        let mut message = self.to_all("");
        if let Some(record) = record {
            message = message.extension(message_tag::RECORD_REF, record.as_bytes());
        }
        self.client
            .queue(|core, id| core.recall_message(id, earlier, message))?
            .await
    }

    /// Sets the subject.
    pub fn set_subject(&self, subject: &str) -> Result<Sent, Refused> {
        self.client.post(&self.to_all("").subject(subject))
    }

    fn to_all(&self, text: &str) -> Outgoing {
        Outgoing::chat(&self.address, text).kind(kind::GROUPCHAT)
    }

    /// Invites somebody; into a room for members, as a member.
    pub fn invite(&self, address: &str, reason: &str) -> Result<(), Refused> {
        let word = self.word(Verb::Invite).text(tag::TO, address);
        self.client.tell_room(&word.text(tag::REASON, reason))
    }

    /// Declines an invitation of somebody.
    pub fn decline(&self, inviter: &str, reason: &str) -> Result<(), Refused> {
        let word = self.word(Verb::Decline).text(tag::TO, inviter);
        self.client.tell_room(&word.text(tag::REASON, reason))
    }

    /// A visitor asks to be heard.
    pub fn ask_voice(&self) -> Result<(), Refused> {
        self.client.tell_room(&self.word(Verb::Voice))
    }

    /// A moderator answers him.
    pub fn answer_voice(&self, nick: &str, allow: bool) -> Result<(), Refused> {
        let word = self.word(Verb::Voice).text(tag::NICK, nick);
        self.client.tell_room(&word.with(tag::ALLOW, &[allow.into()]))
    }

    /// Nicknames that are in.
    pub async fn occupants(&self) -> Result<Vec<String>, RequestFailed> {
        let members = self.ask_members(self.word(Verb::Members)).await?;
        Ok(members.into_iter().map(|member| member.nick).collect())
    }

    /// Who has this affiliation.
    pub async fn affiliated(&self, affiliation: Affiliation) -> Result<Vec<RoomMember>, RequestFailed> {
        let asked = self.word(Verb::Members).with(tag::AFFILIATION, &[affiliation as u8]);
        self.ask_members(asked).await
    }

    /// Who has this role.
    pub async fn with_role(&self, role: Role) -> Result<Vec<RoomMember>, RequestFailed> {
        self.ask_members(self.word(Verb::Members).with(tag::ROLE, &[role as u8]))
            .await
    }

    async fn ask_members(&self, asked: ToRoom) -> Result<Vec<RoomMember>, RequestFailed> {
        Ok(RoomMember::all(&self.client.ask_room(&asked).await?))
    }

    /// Gives affiliations and roles: all or none.
    pub async fn change(&self, members: &[RoomMember]) -> Result<(), RequestFailed> {
        let asked = ToRoom::change(&self.address, members);
        self.client.ask_room(&asked).await.map(drop)
    }

    /// Puts an occupant out; he may come back.
    pub async fn kick(&self, nick: &str, reason: &str) -> Result<(), RequestFailed> {
        self.set_role(nick, Role::None, reason).await
    }

    /// Puts an account out, for good.
    pub async fn ban(&self, address: &str, reason: &str) -> Result<(), RequestFailed> {
        self.set_affiliation(address, Affiliation::Outcast, reason).await
    }

    /// Gives an occupant a role.
    pub async fn set_role(&self, nick: &str, role: Role, reason: &str) -> Result<(), RequestFailed> {
        let member = RoomMember {
            role: Some(role),
            nick: nick.to_owned(),
            reason: reason.to_owned(),
            ..RoomMember::default()
        };
        self.change(&[member]).await
    }

    /// Gives an account an affiliation.
    pub async fn set_affiliation(
        &self,
        address: &str,
        affiliation: Affiliation,
        reason: &str,
    ) -> Result<(), RequestFailed> {
        let member = RoomMember {
            affiliation: Some(affiliation),
            address: address.to_owned(),
            reason: reason.to_owned(),
            ..RoomMember::default()
        };
        self.change(&[member]).await
    }

    /// What it is; for everybody.
    pub async fn info(&self) -> Result<RoomSettings, RequestFailed> {
        self.settings(op::INFO).await
    }

    /// How it is run; for owners.
    pub async fn configuration(&self) -> Result<RoomSettings, RequestFailed> {
        self.settings(op::GET).await
    }

    async fn settings(&self, op: u8) -> Result<RoomSettings, RequestFailed> {
        let answer = self.client.ask_room(&self.operation(op)).await?;
        Ok(RoomSettings::read(&answer).unwrap_or_default())
    }

    fn operation(&self, op: u8) -> ToRoom {
        self.word(Verb::Configure).with(tag::OP, &[op])
    }

    /// Changes what is named. The first time opens a room just made.
    pub async fn configure(&self, settings: &RoomSettings) -> Result<(), RequestFailed> {
        let asked = ToRoom::configure(&self.address, settings);
        self.client.ask_room(&asked).await.map(drop)
    }

    /// A room just made is no more.
    pub async fn give_up(&self) -> Result<(), RequestFailed> {
        self.client.ask_room(&self.operation(op::CANCEL)).await.map(drop)
    }

    /// Ends it; whoever is in is told to go to the alternative, if there is one.
    pub async fn destroy(&self, reason: &str, alternative: Option<&str>) -> Result<(), RequestFailed> {
        let mut asked = self.word(Verb::Destroy).text(tag::REASON, reason);
        if let Some(alternative) = alternative {
            asked = asked.text(tag::ALTERNATIVE, alternative);
        }
        self.client.ask_room(&asked).await.map(drop)
    }

    /// A page of what was said in it: before `bound`, 0 for the newest.
    pub async fn history(&self, bound: u64, limit: u16) -> Result<Page, RequestFailed> {
        self.client.room_history(&self.address, bound, limit, false).await
    }

    /// The same, after `bound`: 0 for the oldest.
    pub async fn history_after(&self, bound: u64, limit: u16) -> Result<Page, RequestFailed> {
        self.client.room_history(&self.address, bound, limit, true).await
    }
}
