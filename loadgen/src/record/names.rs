//! What is counted and what is timed: two closed lists, each with the names that documents and progress lines use.
//!
//! Invariants: a name never changes its meaning once it has been written to a result file; the place of an entry is
//! its discriminant, so tables indexed by it have `ALL.len()` places.

/// Makes an enum, its table, and the ways between an entry and its name.
macro_rules! names {
    ($(#[$about:meta])* $kind:ident { $($entry:ident $name:literal $help:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(usize)]
        pub enum $kind {
            $(#[doc = $help] $entry,)+
        }

        impl $kind {
            /// Every entry in order, with the name in documents and what it means.
            pub const ALL: &[(Self, &str, &str)] = &[$((Self::$entry, $name, $help),)+];
            /// How many entries there are.
            pub const LEN: usize = Self::ALL.len();

            /// The name in documents.
            pub fn name(self) -> &'static str {
                Self::ALL[self as usize].1
            }

            /// What it means, in words.
            pub fn help(self) -> &'static str {
                Self::ALL[self as usize].2
            }

            /// The entry of a name; `None` for a name of another version.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().find(|entry| entry.1 == name).map(|entry| entry.0)
            }
        }
    };
}

names! {
    /// What is counted.
    Count {
        LoginsOk "logins_ok" "logins that succeeded",
        LoginFailed "login_failed" "logins that failed, for any reason",
        MessagesSent "messages_sent" "messages written to a socket",
        MessagesReceived "messages_received" "messages that arrived at their addressee, each counted once",
        MessagesAcked "messages_acked" "messages that the server acknowledged to their sender",
        PresenceSent "presence_sent" "presence changes written to a socket",
        PresenceReceived "presence_received" "presence changes that arrived at a contact",
        RoomSent "room_sent" "messages written to a room",
        RoomReceived "room_received" "copies of a room's message that arrived at an occupant",
        Stored "stored" "messages that the server took for users who were offline",
        Drained "drained" "stored messages that arrived after the user came back",
        Archived "archived" "messages that an archive query gave back",
        Resumed "resumed" "sessions resumed after a broken connection",
        ResumeFailed "resume_failed" "resumptions that the server refused",
        Typing "typing" "typing notices written to a socket",
        Pings "pings" "pings and queries answered",
        Connections "connections" "connections opened",
        Disconnected "disconnected" "connections that ended though nobody here ended them",
        Stalled "stalled" "times that a socket or a window was full when a message was due",
        BytesIn "bytes_in" "bytes read from sockets, before decryption",
        BytesOut "bytes_out" "bytes written to sockets, after encryption",
        Lost "lost" "messages that never arrived",
        Duplicated "duplicated" "messages that arrived more than once",
        Reordered "reordered" "messages that arrived after a later one of the same sender",
        Damaged "damaged" "messages that arrived with other contents than they were sent with",
        ErrorReplies "error_replies" "error stanzas received",
        ConnectErrors "connect_errors" "connections refused, reset or unreachable",
        TlsErrors "tls_errors" "TLS handshakes that failed",
        AuthErrors "auth_errors" "passwords or mechanisms refused",
        StreamErrors "stream_errors" "streams that the server ended with an error, or that were not well formed",
        TimeoutErrors "timeout_errors" "answers that did not come in time",
    }
}

names! {
    /// What is timed.
    Latency {
        Connect "connect" "TCP connect: call until established",
        Tls "tls" "TLS handshake",
        Login "login" "connect until the session is usable, TLS and roster included",
        Message "message" "the intended time of sending until receipt by the addressee",
        Service "service" "the actual write until receipt by the addressee",
        Ack "ack" "the actual write until the server's acknowledgement at the sender",
        Presence "presence" "a presence change until each contact has it",
        Room "room" "the intended time of sending to a room until each occupant has it",
        Drain "drain" "login after an absence until the last stored message has arrived",
        Archive "archive" "an archive query until its last result",
        Resume "resume" "connect until a broken session is resumed",
        Ping "ping" "a ping until its answer",
    }
}

impl Count {
    /// What makes a run worthless: one of these, and it is not ok.
    pub const WRONG: &[Self] = &[Self::Lost, Self::Duplicated, Self::Reordered, Self::Damaged];

    /// What counts as an error, by kind. A run may allow some.
    pub const ERRORS: &[Self] = &[
        Self::LoginFailed,
        Self::ResumeFailed,
        Self::Disconnected,
        Self::ErrorReplies,
        Self::ConnectErrors,
        Self::TlsErrors,
        Self::AuthErrors,
        Self::StreamErrors,
        Self::TimeoutErrors,
    ];

    /// How many errors there were: each once, though a failed login, say, is counted by what failed and by why.
    pub fn errors(times: impl Fn(Self) -> u64) -> u64 {
        let all = |counts: &[Self]| counts.iter().map(|count| times(*count)).sum::<u64>();
        let broken = all(&[Self::LoginFailed, Self::Disconnected]);
        let causes = all(&[
            Self::ConnectErrors,
            Self::TlsErrors,
            Self::AuthErrors,
            Self::StreamErrors,
            Self::TimeoutErrors,
        ]);
        broken.max(causes) + all(&[Self::ErrorReplies, Self::ResumeFailed])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_login_is_one_error_whether_its_cause_is_known_or_not() {
        let times = |failed, cause, replies| {
            Count::errors(|count| match count {
                Count::LoginFailed => failed,
                Count::AuthErrors => cause,
                Count::ErrorReplies => replies,
                _ => 0,
            })
        };
        assert_eq!(
            [times(5, 5, 0), times(5, 3, 0), times(0, 2, 0), times(5, 5, 4)],
            [5, 5, 2, 9]
        );
    }

    #[test]
    fn an_entry_stands_at_its_own_place_and_is_found_by_its_name() {
        for (place, (entry, name, _)) in Count::ALL.iter().enumerate() {
            assert_eq!((*entry as usize, Count::named(name)), (place, Some(*entry)));
        }
        for (place, (entry, name, _)) in Latency::ALL.iter().enumerate() {
            assert_eq!((*entry as usize, Latency::named(name)), (place, Some(*entry)));
        }
        assert_eq!(Count::named("nonsense"), None);
    }
}
