//! Affiliations and roles on the wire (XEP-0045 section 5).
//!
//! Invariant: each is read as it is written, and nothing else is read.

use crosspoint_engine::rooms::{Affiliation, Role};

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
        for strange in ["", "Owner", "owner ", "7"] {
            assert_eq!((to_affiliation(strange), to_role(strange)), (None, None));
        }
    }
}
