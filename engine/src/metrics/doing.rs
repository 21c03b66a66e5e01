//! What a shard is at: the word that stands in its statistics while it works, and that stalls are counted under.

/// An activity of a shard. The numbers are in the statistics file, beside their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Doing {
    /// Nothing: it waits on its ring.
    Waiting = 0,
    /// Letting connections in.
    Accept = 1,
    /// A TLS handshake.
    Handshake = 2,
    /// A login: keys looked up, proofs checked, a resource bound.
    Login = 3,
    /// Users brought into memory: answers of the book.
    Load = 4,
    /// Envelopes from other shards.
    Mail = 5,
    /// Answers of the log: commits, and what waited for somebody.
    Log = 6,
    /// Sessions that move here.
    Adopt = 7,
    /// Timers, idle users.
    Tick = 8,
    /// Requests handed to the log, the book and the support thread.
    Submit = 9,
    /// Outboxes written to sockets.
    Flush = 10,
    /// Connections closed, paused, moved away.
    Orders = 11,
    /// Chunks handed to other shards.
    Ship = 12,
    /// Anything else.
    Other = 13,
    /// Input of the first protocol; the others follow.
    Read = 16,
}

/// Protocols that are told apart; what comes later is counted with the last.
pub const PROTOCOLS_MAX: usize = 4;

/// Activities in all.
pub const DOINGS: usize = Doing::Read as usize + PROTOCOLS_MAX;

/// A protocol's place among the figures, by the index of its front-end.
#[inline]
pub fn protocol(frontend: usize) -> usize {
    frontend.min(PROTOCOLS_MAX - 1)
}

/// The number of [`Doing::Read`] for a front-end.
#[inline]
pub fn reading(frontend: usize) -> usize {
    Doing::Read as usize + protocol(frontend)
}

const NAMES: [(Doing, &str); 14] = [
    (Doing::Waiting, "wait"),
    (Doing::Accept, "accept"),
    (Doing::Handshake, "handshake"),
    (Doing::Login, "login"),
    (Doing::Load, "load users"),
    (Doing::Mail, "mailbox"),
    (Doing::Log, "log answers"),
    (Doing::Adopt, "adopt"),
    (Doing::Tick, "timers"),
    (Doing::Submit, "submit"),
    (Doing::Flush, "flush"),
    (Doing::Orders, "orders"),
    (Doing::Ship, "ship"),
    (Doing::Other, "other"),
];

/// An activity's name, for the server's own log.
pub fn doing_name(doing: usize) -> &'static str {
    let known = NAMES.iter().find(|(known, _)| *known as usize == doing);
    known.map_or("read", |(_, name)| name)
}

/// The names of all activities, by number; empty where there is none.
pub fn names(protocols: &[&str]) -> Vec<String> {
    let mut names = vec![String::new(); DOINGS];
    for (doing, name) in NAMES {
        names[doing as usize] = name.to_owned();
    }
    for (place, name) in protocols.iter().take(PROTOCOLS_MAX).enumerate() {
        names[reading(place)] = format!("read {name}");
    }
    names
}
