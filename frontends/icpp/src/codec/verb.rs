//! The verbs (SPEC.md section 12).

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// What a frame is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Verb { $($(#[$doc])* $name = $number,)* }

        impl Verb {
            /// All of them.
            pub const ALL: &[Verb] = &[$(Verb::$name,)*];

            /// By its number on the wire.
            #[must_use]
            pub fn from_number(number: u8) -> Option<Verb> {
                match number { $($number => Some(Verb::$name),)* _ => None }
            }
        }
    };
}

verbs! {
    /// The client names its account.
    Hello = 0x01;
    /// The server names its limits.
    Welcome = 0x02;
    /// A step of SASL.
    Auth = 0x03;
    /// A new session.
    Authed = 0x04;
    /// An earlier session goes on.
    Resumed = 0x05;
    /// Is anybody there?
    Ping = 0x06;
    /// Yes.
    Pong = 0x07;
    /// Foreground or background.
    State = 0x08;
    /// The session ends.
    Bye = 0x09;
    /// Go there.
    Redirect = 0x10;
    /// This front-end is about to end.
    Drain = 0x11;
    /// Who else there is (trunks).
    Topology = 0x12;
    /// A session begins on a trunk.
    Open = 0x13;
    /// A session's connection has ended (trunks).
    Close = 0x14;
    /// A session's frames shall wait, or need not any more (trunks).
    Hold = 0x15;
    /// Another window.
    Credit = 0x18;
    /// A refusal.
    Error = 0x19;
    /// A message, from its sender.
    Send = 0x20;
    /// Nothing but `ack`.
    Accepted = 0x21;
    /// A message, for its addressee.
    Deliver = 0x22;
    /// A message was delivered or displayed.
    Receipt = 0x23;
    /// Typing.
    Note = 0x24;
    /// Replaces an earlier message.
    Edit = 0x25;
    /// Takes an earlier message back.
    Recall = 0x26;
    /// What this session shows.
    Presence = 0x30;
    /// What others show.
    Presences = 0x31;
    /// Asks to see somebody's presence.
    Subscribe = 0x32;
    /// Gives that up.
    Unsubscribe = 0x33;
    /// Grants it.
    Approve = 0x34;
    /// Refuses or revokes it.
    Deny = 0x35;
    /// Contacts.
    Roster = 0x40;
    /// The black list.
    Block = 0x41;
    /// The white list.
    Allow = 0x42;
    /// Makes a room and enters it.
    Create = 0x50;
    /// Enters a room, or asks for everything anew.
    Join = 0x51;
    /// Leaves it.
    Leave = 0x52;
    /// Another status there, or another nickname.
    Show = 0x53;
    /// An invitation.
    Invite = 0x54;
    /// An invitation is declined.
    Decline = 0x55;
    /// A voice is asked for, or granted.
    Voice = 0x56;
    /// An occupant is there, has changed, or leaves.
    Occupant = 0x57;
    /// The room's subject.
    Subject = 0x58;
    /// Something else about the room.
    Notice = 0x59;
    /// The room has refused what was said to it.
    Refused = 0x5A;
    /// Lists of occupants and affiliations.
    Members = 0x5B;
    /// Changes affiliations and roles.
    Change = 0x5C;
    /// How the room is run.
    Configure = 0x5D;
    /// Ends it.
    Destroy = 0x5E;
    /// The list of public rooms.
    Rooms = 0x5F;
    /// Asks for what waited.
    Sync = 0x60;
    /// That was all of it.
    Synced = 0x61;
    /// Asks for what was said.
    History = 0x62;
    /// One message of the answer.
    Items = 0x63;
}

impl Verb {
    /// Whether frames of this verb from a client are counted (SPEC.md section 6).
    #[must_use]
    pub fn is_reliable_from_client(self) -> bool {
        matches!(
            self,
            Verb::Send
                | Verb::Receipt
                | Verb::Edit
                | Verb::Recall
                | Verb::Subscribe
                | Verb::Unsubscribe
                | Verb::Approve
                | Verb::Deny
        ) || self.is_of_rooms_from_client()
    }

    /// Whether it is what a client says to a room, and no request.
    #[must_use]
    pub fn is_of_rooms_from_client(self) -> bool {
        matches!(
            self,
            Verb::Create | Verb::Join | Verb::Leave | Verb::Show | Verb::Invite | Verb::Decline | Verb::Voice
        )
    }

    /// Whether it is what a room tells a client, and no answer.
    #[must_use]
    pub fn is_of_rooms_from_server(self) -> bool {
        matches!(
            self,
            Verb::Occupant | Verb::Subject | Verb::Notice | Verb::Refused | Verb::Invite | Verb::Decline | Verb::Voice
        )
    }

    /// Whether its answers are extensions, which may come in several frames.
    #[must_use]
    pub fn is_cut(self) -> bool {
        matches!(
            self,
            Verb::Members | Verb::Change | Verb::Configure | Verb::Destroy | Verb::Rooms
        )
    }

    /// Whether frames of this verb from a server are counted, unless they are answers.
    #[must_use]
    pub fn is_reliable_from_server(self) -> bool {
        matches!(
            self,
            Verb::Deliver
                | Verb::Receipt
                | Verb::Edit
                | Verb::Recall
                | Verb::Subscribe
                | Verb::Unsubscribe
                | Verb::Approve
                | Verb::Deny
                | Verb::Roster
                | Verb::Block
                | Verb::Allow
        ) || self.is_of_rooms_from_server()
    }

    /// Whether its body is that of messages (SPEC.md section 5).
    #[must_use]
    pub fn is_message(self) -> bool {
        matches!(
            self,
            Verb::Send | Verb::Deliver | Verb::Receipt | Verb::Note | Verb::Edit | Verb::Recall | Verb::Items
        )
    }
}
