//! The tables of privileges and of errors, row by row.

use super::*;

fn said() -> RoomRequest {
    RoomRequest::Say { retracts: None }
}

/// Section 7.2.
#[test]
fn entering_is_refused_as_the_table_says() {
    type Prepare = fn(&mut Room);
    let rows: [(&str, Prepare, &str, &str, Condition); 9] = [
        (
            "a password is needed",
            |room| room.config.password = "x".into(),
            "new",
            "new",
            Condition::NotAuthorized,
        ),
        (
            "members only",
            |room| room.config.members_only = true,
            "new",
            "new",
            Condition::RegistrationRequired,
        ),
        ("banned", |_| {}, "outcast", "new", Condition::Forbidden),
        ("the nickname is in use", |_| {}, "new", "member", Condition::Conflict),
        (
            "the nickname is reserved",
            |room| {
                let mut entry = room.affiliations.get(&session("member")).unwrap().clone();
                entry.nick = Some("thane".into());
                room.affiliations.set(entry);
            },
            "new",
            "thane",
            Condition::Conflict,
        ),
        (
            "full",
            |room| room.config.occupants_max = 8,
            "new",
            "new",
            Condition::ServiceUnavailable,
        ),
        (
            "locked",
            |room| room.locked = true,
            "new",
            "new",
            Condition::ItemNotFound,
        ),
        ("no nickname", |_| {}, "new", "", Condition::JidMalformed),
        (
            "a long nickname",
            |_| {},
            "new",
            "0123456789abcdefg",
            Condition::NotAcceptable,
        ),
    ];
    for (what, prepare, who, nick, condition) in rows {
        let (mut room, mut log) = court();
        prepare(&mut room);
        let asked = asks(&mut room, &mut log, who, nick, RoomRequest::Join(Join::default()));
        assert_eq!(asked, Err(condition), "{what}");
        assert!(log.told.is_empty() && room.occupants().len() == 8, "{what}");
    }
}

/// Who wants to make a room wants no other's, nor his own of before.
#[test]
fn a_room_that_is_there_cannot_be_made() {
    let founds = || {
        RoomRequest::Join(Join {
            founds: true,
            ..Join::default()
        })
    };
    for (who, nick) in [("new", "new"), ("owner", "owner")] {
        let (mut room, mut log) = court();
        let refused = asks(&mut room, &mut log, who, nick, founds());
        assert_eq!(refused, Err(Condition::Conflict), "{who}");
    }
    let (mut room, mut log) = court();
    room.locked = true;
    asks(&mut room, &mut log, "owner", "", RoomRequest::Leave).unwrap();
    assert_eq!(
        asks(&mut room, &mut log, "owner", "owner", founds()),
        Ok(()),
        "it was just made"
    );
}

#[test]
fn who_may_enter_enters() {
    let (mut room, mut log) = court();
    room.config.password = "x".into();
    let join = Join {
        password: Some("x".into()),
        ..Join::default()
    };
    assert_eq!(asks(&mut room, &mut log, "new", "new", RoomRequest::Join(join)), Ok(()));
    let (mut room, mut log) = court();
    room.config.occupants_max = 1;
    asks(&mut room, &mut log, "admin", "", RoomRequest::Leave).unwrap();
    assert_eq!(
        super::join(&mut room, &mut log, "admin"),
        Ok(()),
        "a full room lets admins in"
    );
}

/// Sections 5.1.1, 7.4, 7.5, 8.1 and 17.4.
#[test]
fn what_each_role_may_say() {
    let rows: [(&str, &str, RoomRequest, Result<(), Condition>); 14] = [
        ("nobody", "", said(), Err(Condition::NotAcceptable)),
        ("mute", "", said(), Err(Condition::Forbidden)),
        ("stranger", "", said(), Ok(())),
        ("guest", "", said(), Ok(())),
        ("mute", "", RoomRequest::Subject("x".into()), Err(Condition::Forbidden)),
        (
            "stranger",
            "",
            RoomRequest::Subject("x".into()),
            Err(Condition::Forbidden),
        ),
        ("guest", "", RoomRequest::Subject("x".into()), Ok(())),
        (
            "guest",
            "",
            RoomRequest::Subject("0123456789abcdefg".into()),
            Err(Condition::NotAcceptable),
        ),
        ("nobody", "member", RoomRequest::Private, Err(Condition::NotAcceptable)),
        ("mute", "member", RoomRequest::Private, Ok(())),
        ("mute", "gone", RoomRequest::Private, Err(Condition::ItemNotFound)),
        (
            "nobody",
            "member",
            RoomRequest::Relay { ping: true },
            Err(Condition::NotAcceptable),
        ),
        (
            "mute",
            "gone",
            RoomRequest::Relay { ping: true },
            Err(Condition::ItemNotFound),
        ),
        ("mute", "mute", RoomRequest::Relay { ping: true }, Ok(())),
    ];
    for (who, nick, request, outcome) in rows {
        let (mut room, mut log) = court();
        let what = format!("{who} to {nick}: {request:?}");
        assert_eq!(asks(&mut room, &mut log, who, nick, request), outcome, "{what}");
        if outcome.is_err() {
            assert!(
                log.told.is_empty() && log.answers.is_empty() && room.unsaved.is_empty(),
                "{what}"
            );
        }
    }
}

#[test]
fn configuration_changes_what_may_be_said() {
    let (mut room, mut log) = court();
    room.config.private_messages = Some(Role::Moderator);
    let whisper = |room: &mut Room, log: &mut Log, who| asks(room, log, who, "member", RoomRequest::Private);
    assert_eq!(whisper(&mut room, &mut log, "stranger"), Err(Condition::Forbidden));
    assert_eq!(whisper(&mut room, &mut log, "guest"), Ok(()));
    room.config.private_messages = None;
    assert_eq!(whisper(&mut room, &mut log, "owner"), Err(Condition::Forbidden));
    room.config.subject_by_all = true;
    let subject = RoomRequest::Subject("x".into());
    assert_eq!(asks(&mut room, &mut log, "stranger", "", subject.clone()), Ok(()));
    assert_eq!(
        asks(&mut room, &mut log, "mute", "", subject),
        Err(Condition::Forbidden)
    );
    let invite = |name: &str| {
        RoomRequest::Invite(vec![Invitation {
            to: session(name),
            reason: String::new(),
            continues: None,
        }])
    };
    assert_eq!(asks(&mut room, &mut log, "stranger", "", invite("x")), Ok(()));
    room.config.invites = false;
    assert_eq!(
        asks(&mut room, &mut log, "stranger", "", invite("x")),
        Err(Condition::Forbidden)
    );
    assert_eq!(asks(&mut room, &mut log, "guest", "", invite("x")), Ok(()));
    room.config.members_only = true;
    assert_eq!(
        asks(&mut room, &mut log, "guest", "", invite("y")),
        Err(Condition::Forbidden),
        "not an admin"
    );
    assert_eq!(asks(&mut room, &mut log, "admin", "", invite("y")), Ok(()));
    assert_eq!(room.affiliations().of(&session("y")), Affiliation::Member);
}

/// Sections 8.2 to 8.4, 9.6 and 9.7: who, whom, to which role.
#[test]
fn who_may_change_which_role() {
    use Condition::{Forbidden, ItemNotFound, NotAllowed};
    let rows: [(&str, &str, Role, Result<(), Condition>); 26] = [
        // Kicks.
        ("stranger", "mute", Role::None, Err(Forbidden)),
        ("mute", "stranger", Role::None, Err(Forbidden)),
        ("nobody", "stranger", Role::None, Err(Forbidden)),
        ("guest", "stranger", Role::None, Ok(())),
        ("guest", "member", Role::None, Err(NotAllowed)),
        ("guest", "admin", Role::None, Err(NotAllowed)),
        ("guest", "owner", Role::None, Err(NotAllowed)),
        ("admin", "owner", Role::None, Err(NotAllowed)),
        ("admin", "member", Role::None, Ok(())),
        ("owner", "admin", Role::None, Ok(())),
        ("guest", "gone", Role::None, Err(ItemNotFound)),
        // Voices.
        ("stranger", "mute", Role::Participant, Err(Forbidden)),
        ("guest", "mute", Role::Participant, Ok(())),
        ("guest", "stranger", Role::Visitor, Ok(())),
        ("guest", "member", Role::Visitor, Err(NotAllowed)),
        ("guest", "owner", Role::Visitor, Err(NotAllowed)),
        ("admin", "admin2", Role::Visitor, Err(NotAllowed)),
        ("owner", "admin", Role::Visitor, Err(NotAllowed)),
        ("owner", "owner2", Role::Visitor, Err(NotAllowed)),
        // Moderators.
        ("guest", "stranger", Role::Moderator, Err(Forbidden)),
        ("admin", "stranger", Role::Moderator, Ok(())),
        ("owner", "member", Role::Moderator, Ok(())),
        ("stranger", "guest", Role::Participant, Err(Forbidden)),
        ("admin", "guest", Role::Participant, Ok(())),
        ("admin", "admin2", Role::Participant, Err(NotAllowed)),
        ("admin", "owner", Role::Participant, Err(NotAllowed)),
    ];
    for (who, target, new, outcome) in rows {
        let (mut room, mut log) = court();
        let what = format!("{who} makes {target} {new:?}");
        assert_eq!(role(&mut room, &mut log, who, target, new), outcome, "{what}");
        assert_eq!(log.answers.len(), usize::from(outcome.is_ok()), "{what}");
        if outcome.is_ok() {
            let has = room
                .occupants()
                .named(target)
                .first()
                .map(|place| room.occupants().get(*place).unwrap().role);
            assert_eq!(has.unwrap_or(Role::None), new, "{what}");
        }
    }
}

/// Section 5.2.1, and 9.1 to 9.5, 10.3 to 10.8: who, whom, to which affiliation.
#[test]
fn who_may_change_which_affiliation() {
    use Affiliation::{Admin, Member, None, Outcast, Owner};
    use Condition::{Conflict, Forbidden, NotAllowed};
    let rows: [(&str, &str, Affiliation, Result<(), Condition>); 30] = [
        // Bans.
        ("stranger", "mute", Outcast, Err(Forbidden)),
        ("guest", "mute", Outcast, Err(Forbidden)),
        ("member", "mute", Outcast, Err(Forbidden)),
        ("nobody", "mute", Outcast, Err(Forbidden)),
        ("admin", "mute", Outcast, Ok(())),
        ("admin", "member", Outcast, Ok(())),
        ("admin", "admin2", Outcast, Err(NotAllowed)),
        ("admin", "owner", Outcast, Err(NotAllowed)),
        ("owner", "admin", Outcast, Ok(())),
        ("owner", "owner2", Outcast, Ok(())),
        ("admin", "admin", Outcast, Err(Conflict)),
        ("owner", "owner", Outcast, Err(Conflict)),
        ("admin", "outcast", None, Ok(())),
        // Members.
        ("guest", "mute", Member, Err(Forbidden)),
        ("member", "mute", Member, Err(Forbidden)),
        ("admin", "mute", Member, Ok(())),
        ("admin", "member", None, Ok(())),
        ("member", "member", None, Err(Forbidden)),
        // Admins.
        ("admin", "mute", Admin, Err(Forbidden)),
        ("admin", "admin2", Member, Err(Forbidden)),
        ("admin", "admin", Member, Ok(())),
        ("owner", "mute", Admin, Ok(())),
        ("owner", "admin", None, Ok(())),
        ("owner", "owner2", Admin, Ok(())),
        // Owners.
        ("admin", "mute", Owner, Err(Forbidden)),
        ("admin", "admin", Owner, Err(Forbidden)),
        ("admin", "owner", None, Err(Forbidden)),
        ("owner", "mute", Owner, Ok(())),
        ("owner", "owner2", None, Ok(())),
        ("owner", "owner", None, Ok(())),
    ];
    for (who, target, new, outcome) in rows {
        let (mut room, mut log) = court();
        let what = format!("{who} makes {target} {new:?}");
        let before = room.affiliations().of(&session(target));
        assert_eq!(affiliate(&mut room, &mut log, who, target, new), outcome, "{what}");
        let expected = if outcome.is_ok() { new } else { before };
        assert_eq!(room.affiliations().of(&session(target)), expected, "{what}");
        assert_eq!(room.unsaved.is_empty(), outcome.is_err(), "{what}");
        let is_in = !room.occupants().of(&session(target)).is_empty();
        assert_eq!(is_in, expected != Outcast && before != Outcast, "{what}");
    }
}

/// Sections 10.2, 10.4 and 10.5.
#[test]
fn the_last_owner_stays_one() {
    let (mut room, mut log) = court();
    affiliate(&mut room, &mut log, "owner", "owner2", Affiliation::None).unwrap();
    for new in [Affiliation::None, Affiliation::Member, Affiliation::Admin] {
        let asked = affiliate(&mut room, &mut log, "owner", "owner", new);
        assert_eq!(asked, Err(Condition::Conflict), "{new:?}");
    }
    let empty = RoomQuery::SetConfig(vec![ConfigChange::Owners(Vec::new())]);
    assert_eq!(
        asks(&mut room, &mut log, "owner", "", RoomRequest::Query(empty)),
        Err(Condition::Conflict)
    );
    let other = RoomQuery::SetConfig(vec![ConfigChange::Owners(vec![session("member")])]);
    assert_eq!(
        asks(&mut room, &mut log, "owner", "", RoomRequest::Query(other)),
        Ok(())
    );
    assert_eq!(room.affiliations().of(&session("member")), Affiliation::Owner);
    assert_eq!(room.affiliations().of(&session("owner")), Affiliation::Member);
}

/// Sections 9.2, 9.5, 10.5 and 10.8, 8.5, 9.8; and what only owners may (10.2, 10.9).
#[test]
fn who_may_ask_for_which_list_and_run_the_room() {
    use Condition::Forbidden;
    type Row = (&'static str, fn() -> RoomQuery, &'static [&'static str]);
    let queries: [Row; 12] = [
        (
            "bans",
            || RoomQuery::Affiliates(Affiliation::Outcast),
            &["admin", "owner"],
        ),
        (
            "members",
            || RoomQuery::Affiliates(Affiliation::Member),
            &["admin", "owner"],
        ),
        ("admins", || RoomQuery::Affiliates(Affiliation::Admin), &["owner"]),
        ("owners", || RoomQuery::Affiliates(Affiliation::Owner), &["owner"]),
        (
            "voices",
            || RoomQuery::Roles(Role::Participant),
            &["guest", "admin", "owner"],
        ),
        (
            "moderators",
            || RoomQuery::Roles(Role::Moderator),
            &["guest", "admin", "owner"],
        ),
        ("configuration", || RoomQuery::GetConfig, &["owner"]),
        ("a new configuration", || RoomQuery::SetConfig(Vec::new()), &["owner"]),
        ("giving it up", || RoomQuery::CancelConfig, &["owner"]),
        (
            "the end",
            || RoomQuery::Destroy {
                alternative: None,
                password: None,
                reason: String::new(),
            },
            &["owner"],
        ),
        (
            "a picture",
            || RoomQuery::SetAvatar {
                card: Bytes::from_static(b"card"),
                hash: "0a".into(),
            },
            &["owner"],
        ),
        (
            "history",
            || RoomQuery::History,
            &["mute", "stranger", "guest", "member", "admin", "owner"],
        ),
    ];
    for (what, query, allowed) in queries {
        for who in [
            "nobody", "outcast", "mute", "stranger", "guest", "member", "admin", "owner",
        ] {
            let (mut room, mut log) = court();
            let asked = asks(&mut room, &mut log, who, "", RoomRequest::Query(query()));
            let expected = if allowed.contains(&who) { Ok(()) } else { Err(Forbidden) };
            assert_eq!(asked, expected, "{who} asks for {what}");
            assert_eq!(log.answers.len(), usize::from(asked.is_ok()), "{who} asks for {what}");
        }
    }
}

/// Section 7.10.
#[test]
fn registration_is_refused_as_the_section_says() {
    type Prepare = fn(&mut Room);
    type Row = (&'static str, Prepare, &'static str, &'static str, Result<(), Condition>);
    let rows: [Row; 8] = [
        ("a stranger", |_| {}, "new", "thane", Ok(())),
        ("an outcast", |_| {}, "outcast", "thane", Err(Condition::Forbidden)),
        ("the name is used", |_| {}, "new", "member", Err(Condition::Conflict)),
        ("his own name is used by him", |_| {}, "member", "member", Ok(())),
        ("no name", |_| {}, "new", "", Err(Condition::BadRequest)),
        (
            "members only",
            |room| room.config.members_only = true,
            "new",
            "thane",
            Err(Condition::NotAllowed),
        ),
        (
            "moderated",
            |room| room.config.moderated = true,
            "new",
            "thane",
            Err(Condition::NotAllowed),
        ),
        (
            "a member",
            |room| room.config.members_only = true,
            "member",
            "thane",
            Ok(()),
        ),
    ];
    for (what, prepare, who, nick, outcome) in rows {
        let (mut room, mut log) = court();
        prepare(&mut room);
        let query = RoomQuery::Register(nick.to_owned());
        assert_eq!(
            asks(&mut room, &mut log, who, "", RoomRequest::Query(query)),
            outcome,
            "{what}"
        );
        let holder = room
            .affiliations()
            .holder(nick)
            .is_some_and(|holder| holder.same_bare(&session(who)));
        assert_eq!(holder, outcome.is_ok(), "{what}");
    }
}

/// Sections 7.13 and 8.6.
#[test]
fn a_voice_is_asked_for_by_visitors_and_given_by_moderators() {
    let (mut room, mut log) = court();
    let answer = |nick: &str, allow| {
        RoomRequest::AnswerVoice(VoiceRequest {
            nick: nick.to_owned(),
            allow,
        })
    };
    assert_eq!(
        asks(&mut room, &mut log, "nobody", "", RoomRequest::AskVoice),
        Err(Condition::NotAcceptable)
    );
    assert_eq!(
        asks(&mut room, &mut log, "stranger", "", RoomRequest::AskVoice),
        Err(Condition::BadRequest)
    );
    assert_eq!(asks(&mut room, &mut log, "mute", "", RoomRequest::AskVoice), Ok(()));
    assert_eq!(log.told.len(), 5, "the moderators: {:?}", log.told);
    assert_eq!(
        asks(&mut room, &mut log, "stranger", "", answer("mute", true)),
        Err(Condition::Forbidden)
    );
    assert_eq!(
        asks(&mut room, &mut log, "guest", "", answer("gone", true)),
        Err(Condition::ItemNotFound)
    );
    assert_eq!(asks(&mut room, &mut log, "guest", "", answer("mute", false)), Ok(()));
    assert_eq!(asks(&mut room, &mut log, "mute", "", said()), Err(Condition::Forbidden));
    assert_eq!(asks(&mut room, &mut log, "guest", "", answer("mute", true)), Ok(()));
    assert_eq!(asks(&mut room, &mut log, "mute", "", said()), Ok(()));
    room.config.voice_requests = false;
    role(&mut room, &mut log, "owner", "mute", Role::Visitor).unwrap();
    assert_eq!(
        asks(&mut room, &mut log, "mute", "", RoomRequest::AskVoice),
        Err(Condition::Forbidden)
    );
}

/// XEP-0425, and who may take a message back (XEP-0424).
#[test]
fn messages_are_hidden_by_moderators_and_taken_back_by_their_writers() {
    let (mut room, mut log) = court();
    let moderate = || {
        RoomRequest::Query(RoomQuery::Moderate {
            record: stable(7),
            reason: String::new(),
        })
    };
    for (who, outcome) in [
        ("nobody", Err(Condition::NotAcceptable)),
        ("mute", Err(Condition::Forbidden)),
        ("member", Err(Condition::Forbidden)),
        ("guest", Ok(())),
    ] {
        assert_eq!(asks(&mut room, &mut log, who, "", moderate()), outcome, "{who}");
    }
    assert_eq!(log.hidden, [(stable(7), None)]);
    let retract = RoomRequest::Say {
        retracts: Some(stable(9)),
    };
    assert_eq!(asks(&mut room, &mut log, "stranger", "", retract), Ok(()));
    assert_eq!(log.hidden[1], (stable(9), Some(session("stranger").to_bare())));
}

/// Found by `a_room_keeps_its_invariants`: a form whose list of admins names the only owner would have left none.
#[test]
fn a_forms_list_of_admins_does_not_take_the_last_owner_away() {
    let (mut room, mut log) = court();
    let admins = RoomQuery::SetConfig(vec![ConfigChange::Admins(vec![session("owner"), session("owner2")])]);
    let asked = asks(&mut room, &mut log, "owner", "", RoomRequest::Query(admins));
    assert_eq!(asked, Err(Condition::Conflict));
    assert!(log.told.is_empty() && room.unsaved.is_empty());
}
