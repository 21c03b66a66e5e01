//! Every bound of the engine, by name. Front-ends have their own for their wire formats.
//!
//! Each bound has a default, a metric that counts how often it was hit (see `metrics.rs`) and a test. Relations between
//! bounds are asserted at compile time over the defaults and by [`Limits::check`] over a configuration.

/// About how long a session lingers ([`Action::Linger`](crate::session::Action::Linger)), in milliseconds; twice that at most, while
/// the shard keeps up.
pub const LINGER_MS: u64 = 2;

/// The bounds of a switch. All are per user or per session unless the name says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bound sessions of one account.
    pub sessions_per_user: usize,
    /// Connections of one shard, authenticated or not.
    pub connections_per_shard: usize,
    /// Connections of one shard that have not authenticated yet.
    pub unauthenticated_per_shard: usize,
    /// Connections of one shard from one address (for IPv6: one /64) that have not authenticated yet.
    pub unauthenticated_per_address: usize,
    /// Outbox bytes above which presence and typing are shed and messages go through the log.
    pub outbox_soft_bytes: usize,
    /// Outbox bytes above which a session ends with a policy error.
    pub outbox_hard_bytes: usize,
    /// The soft bound of the outbox of a connection that carries the bytes of many.
    pub carrier_soft_bytes: usize,
    /// The hard bound of such an outbox.
    pub carrier_hard_bytes: usize,
    /// Bytes that a passenger may leave unread before its client is asked to wait; it ends with a policy error at 64 times as
    /// many.
    pub passenger_unread_bytes: usize,
    /// Offline messages of one user.
    pub queue_records: u64,
    /// Offline bytes of one user.
    pub queue_bytes: u64,
    /// Offline messages fetched from the log at a time.
    pub queue_page_records: u32,
    /// Offline bytes fetched from the log at a time.
    pub queue_page_bytes: u32,
    /// Envelopes waiting for a user to be loaded from the book.
    pub parked_per_user: usize,
    /// Addresses that a session has sent directed presence to.
    pub directed_per_session: usize,
    /// Envelopes of presence that one user's sessions may cause in a second, by what they show to all...
    pub presence_tells_per_second: u32,
    /// ...and how many at once. What is shown beyond that is told later, the latest of it.
    pub presence_tells_burst: u32,
    /// How long a user without sessions stays in memory, in milliseconds.
    pub user_idle_ms: u64,
    /// Users without sessions in the memory of one shard.
    pub idle_users_per_shard: usize,
    /// Requests of one shard that the keepers have not answered yet.
    pub requests_per_shard: usize,
    /// Rooms in the memory of one shard.
    pub rooms_per_shard: usize,
    /// Rooms that one account may have made: those that stay, and on one shard those that do not.
    pub rooms_per_owner: usize,
    /// Occupants of one room, whatever its configuration says.
    pub occupants_per_room: usize,
    /// Accounts with an affiliation to one room.
    pub affiliations_per_room: usize,
    /// Bytes of a nickname.
    pub room_nick_bytes: usize,
    /// Bytes of a subject.
    pub room_subject_bytes: usize,
    /// Bytes of any other text of a room: its name, its description, its password, a reason.
    pub room_text_bytes: usize,
    /// Bytes of a room's picture.
    pub room_avatar_bytes: usize,
    /// Invitations by one message.
    pub room_invitations: usize,
    /// Invitations of a room whose refusal still finds an inviter who has left.
    pub room_invitations_open: usize,
    /// Changes of affiliations and roles by one query.
    pub room_changes: usize,
    /// Deliveries that one account may cause in the rooms of one shard in a second...
    pub room_deliveries_per_second: u32,
    /// ...and how many at once.
    pub room_deliveries_burst: u32,
    /// How often one account may enter rooms of one shard in a minute...
    pub room_joins_per_minute: u32,
    /// ...and how often at once.
    pub room_joins_burst: u32,
    /// Envelopes waiting for a room that is being read, or whose change is being written.
    pub parked_per_room: usize,
    /// Messages of a room kept in memory for who enters.
    pub room_recent_messages: u32,
    /// Their bytes.
    pub room_recent_bytes: usize,
    /// How long a room without occupants stays in memory, in milliseconds.
    pub room_idle_ms: u64,
    /// Public rooms in the list of rooms.
    pub rooms_listed: usize,
}

impl Limits {
    /// The defaults, as documented in the shipped example configuration.
    pub const DEFAULT: Limits = Limits {
        sessions_per_user: 32,
        connections_per_shard: 200_000,
        unauthenticated_per_shard: 20_000,
        unauthenticated_per_address: 2_000,
        outbox_soft_bytes: 256 * 1024,
        outbox_hard_bytes: 4 * 1024 * 1024,
        carrier_soft_bytes: 4 * 1024 * 1024,
        carrier_hard_bytes: 64 * 1024 * 1024,
        passenger_unread_bytes: 256 * 1024,
        queue_records: 1_000,
        queue_bytes: 4 * 1024 * 1024,
        queue_page_records: 64,
        queue_page_bytes: 64 * 1024,
        parked_per_user: 1_024,
        directed_per_session: 256,
        presence_tells_per_second: 5_000,
        presence_tells_burst: 20_000,
        user_idle_ms: 60_000,
        idle_users_per_shard: 50_000,
        requests_per_shard: 262_144,
        rooms_per_shard: 100_000,
        rooms_per_owner: 100,
        occupants_per_room: 2_000,
        affiliations_per_room: 5_000,
        room_nick_bytes: 256,
        room_subject_bytes: 4_096,
        room_text_bytes: 2_048,
        room_avatar_bytes: 96 * 1024,
        room_invitations: 16,
        room_invitations_open: 64,
        room_changes: 256,
        room_deliveries_per_second: 100_000,
        room_deliveries_burst: 500_000,
        room_joins_per_minute: 120,
        room_joins_burst: 300,
        parked_per_room: 4_096,
        room_recent_messages: 50,
        room_recent_bytes: 128 * 1024,
        room_idle_ms: 60_000,
        rooms_listed: 50_000,
    };

    /// Says which relation between two bounds a configuration breaks.
    pub const fn check(&self) -> Result<(), &'static str> {
        if self.outbox_soft_bytes >= self.outbox_hard_bytes {
            return Err("outbox_soft_bytes must be below outbox_hard_bytes");
        }
        if self.carrier_soft_bytes >= self.carrier_hard_bytes {
            return Err("carrier_soft_bytes must be below carrier_hard_bytes");
        }
        if self.queue_page_bytes as usize > self.outbox_hard_bytes - self.outbox_soft_bytes {
            return Err(
                "a page of offline messages (queue_page_bytes) must fit between the outbox's soft and hard bounds",
            );
        }
        if self.occupants_per_room > self.room_deliveries_burst as usize {
            return Err(
                "room_deliveries_burst must not be below occupants_per_room: nobody could speak in a full room",
            );
        }
        if self.queue_page_records as u64 > self.queue_records {
            return Err("queue_page_records must not be above queue_records");
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const _: () = assert!(Limits::DEFAULT.check().is_ok());
