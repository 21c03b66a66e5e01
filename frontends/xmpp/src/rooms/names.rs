//! Affiliations and roles on the wire (XEP-0045 section 5), and records as identifiers (XEP-0359).
//!
//! Invariant: each is read as it is written, and nothing else is read.

use crosspoint_engine::rooms::{Affiliation, Role};
use crosspoint_engine::store::RecordId;

/// The value of `affiliation`.
pub(super) fn affiliation(affiliation: Affiliation) -> &'static str {
    match affiliation {
        Affiliation::Outcast => "outcast",
        Affiliation::None => "none",
        Affiliation::Member => "member",
        Affiliation::Admin => "admin",
        Affiliation::Owner => "owner",
    }
}

/// From the value of `affiliation`.
pub(super) fn to_affiliation(name: &str) -> Option<Affiliation> {
    Some(match name {
        "outcast" => Affiliation::Outcast,
        "none" => Affiliation::None,
        "member" => Affiliation::Member,
        "admin" => Affiliation::Admin,
        "owner" => Affiliation::Owner,
        _ => return None,
    })
}

/// The value of `role`.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::None => "none",
        Role::Visitor => "visitor",
        Role::Participant => "participant",
        Role::Moderator => "moderator",
    }
}

/// From the value of `role`.
pub(super) fn to_role(name: &str) -> Option<Role> {
    Some(match name {
        "none" => Role::None,
        "visitor" => Role::Visitor,
        "participant" => Role::Participant,
        "moderator" => Role::Moderator,
        _ => return None,
    })
}

/// Digits of a record's identifier.
const RECORD_DIGITS: usize = 16;

/// A record as clients know it.
pub(super) fn record(record: RecordId) -> String {
    format!("{record:0width$x}", width = RECORD_DIGITS)
}

/// The record of an identifier; `None` if no record is called so.
pub(super) fn to_record(text: &str) -> Option<RecordId> {
    let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let whole = digits && text.len() == RECORD_DIGITS;
    whole.then(|| RecordId::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_as_it_is_written() {
        use Affiliation as A;
        for known in [A::Outcast, A::None, A::Member, A::Admin, A::Owner] {
            assert_eq!(to_affiliation(affiliation(known)), Some(known));
        }
        for known in [Role::None, Role::Visitor, Role::Participant, Role::Moderator] {
            assert_eq!(to_role(role(known)), Some(known));
        }
        for known in [0, 1, 1 << 20, RecordId::MAX] {
            assert_eq!(to_record(&record(known)), Some(known));
        }
        for strange in [
            "",
            "Owner",
            "owner ",
            "7",
            "+000000000000007",
            "00000000000000AB",
            "00000000000000001",
        ] {
            assert_eq!(
                (to_affiliation(strange), to_role(strange), to_record(strange)),
                (None, None, None)
            );
        }
    }
}
