//! After any requests, in any order: what holds of a room, and of what its occupants were told.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 5] = ["owner", "owner2", "member", "stranger/1", "stranger/2"];
const NICKS: [&str; 4] = ["owner", "member", "stranger", "other"];

fn a_request() -> impl Strategy<Value = (usize, usize, RoomRequest)> {
    let affiliation = prop_oneof![
        Just(Affiliation::Outcast),
        Just(Affiliation::None),
        Just(Affiliation::Member),
        Just(Affiliation::Admin),
        Just(Affiliation::Owner),
    ];
    let role = prop_oneof![
        Just(Role::None),
        Just(Role::Visitor),
        Just(Role::Participant),
        Just(Role::Moderator),
    ];
    let flag = prop_oneof![
        any::<bool>().prop_map(ConfigChange::MembersOnly),
        any::<bool>().prop_map(ConfigChange::Moderated),
        any::<bool>().prop_map(ConfigChange::NonAnonymous),
        Just(ConfigChange::Owners(vec![session("member")])),
        Just(ConfigChange::Admins(vec![session("member"), session("owner")])),
    ];
    let query = |query| RoomRequest::Query(query);
    let request = prop_oneof![
        6 => Just(RoomRequest::Join(Join::default())),
        2 => Just(RoomRequest::Show),
        3 => Just(RoomRequest::Leave),
        1 => Just(RoomRequest::Undelivered),
        2 => Just(RoomRequest::Say { retracts: None }),
        1 => Just(RoomRequest::Subject("x".into())),
        2 => (0..NAMES.len(), affiliation).prop_map(move |(name, affiliation)| {
            let target = Target::Account(session(NAMES[name]));
            query(RoomQuery::Change(vec![change(target, Some(affiliation), None)]))
        }),
        2 => (0..NICKS.len(), role).prop_map(move |(nick, role)| {
            let target = Target::Nick(NICKS[nick].to_owned());
            query(RoomQuery::Change(vec![change(target, None, Some(role))]))
        }),
        1 => flag.prop_map(move |flag| query(RoomQuery::SetConfig(vec![flag]))),
        1 => (0..NICKS.len()).prop_map(move |nick| query(RoomQuery::Register(NICKS[nick].to_owned()))),
        1 => Just(query(RoomQuery::Unregister)),
    ];
    (0..NAMES.len(), 0..NICKS.len(), request)
}

fn check(room: &Room) {
    let mut of_nick: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (place, occupant) in room.occupants().iter() {
        assert_eq!(room.occupants().find(&occupant.real), Some(place));
        assert!(room.occupants().named(occupant.nick()).contains(&place));
        assert_eq!(occupant.affiliation, room.affiliations().of(&occupant.real));
        assert_ne!(occupant.affiliation, Affiliation::Outcast);
        assert_ne!(occupant.role, Role::None);
        assert!(!room.config().members_only || occupant.affiliation >= Affiliation::Member);
        if occupant.affiliation >= Affiliation::Admin {
            assert_eq!(occupant.role, Role::Moderator, "{}", occupant.real);
        }
        of_nick
            .entry(occupant.nick())
            .or_default()
            .insert(occupant.real.bare_str());
        if let Some(holder) = room.affiliations().holder(occupant.nick()) {
            assert!(holder.same_bare(&occupant.real), "a reserved name is its holder's");
        }
    }
    assert!(of_nick.values().all(|accounts| accounts.len() == 1), "{of_nick:?}");
    assert!(room.affiliations().with(Affiliation::Owner).next().is_some());
    assert_eq!(room.occupants().iter().count(), room.occupants().len());
}

/// Who each occupant believes to be in, by what it was told: the same as who is.
fn believed(told: &[String], beliefs: &mut BTreeMap<String, BTreeSet<String>>) {
    for line in told {
        let (to, rest) = line.split_once("<-").unwrap();
        let (from, what) = rest.split_once(": ").unwrap();
        let first = what.split(' ').next().unwrap();
        let known = beliefs.entry(to.to_owned()).or_default();
        match first {
            "None" => drop(known.remove(from)),
            "Visitor" | "Participant" | "Moderator" => drop(known.insert(from.to_owned())),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_room_keeps_its_invariants(requests in proptest::collection::vec(a_request(), 1..60)) {
        let mut log = log();
        let config = RoomConfig::new(&log.limits, true);
        let mut room = Room::founded(jid("hall@rooms.lit"), &session("owner"), config);
        room.locked = false;
        for (who, nick, request) in requests {
            let before = log.told.len();
            let who = NAMES[who];
            let changes = !matches!(request, RoomRequest::Leave | RoomRequest::Undelivered);
            let outcome = asks(&mut room, &mut log, who, NICKS[nick], request);
            if outcome.is_err() {
                prop_assert!(changes);
                prop_assert_eq!(log.told.len(), before, "what is refused is told to nobody");
            }
            check(&room);
        }
    }

    /// Whoever is alone under its nickname knows exactly who is in. (The log names listeners by nickname.)
    #[test]
    fn occupants_know_who_is_in(requests in proptest::collection::vec(a_request(), 1..60)) {
        let mut log = log();
        let config = RoomConfig::new(&log.limits, true);
        let mut room = Room::founded(jid("hall@rooms.lit"), &session("owner"), config);
        room.locked = false;
        let mut beliefs = BTreeMap::new();
        for (who, nick, request) in requests {
            // One session an account, and no renaming: then a nickname is a listener.
            if NAMES[who].ends_with("/2") || matches!(request, RoomRequest::Show) {
                continue;
            }
            let is_in = room.occupants().find(&session(NAMES[who])).is_some();
            if is_in && matches!(request, RoomRequest::Join(_)) {
                continue;
            }
            log.told.clear();
            let _ = asks(&mut room, &mut log, NAMES[who], NICKS[nick], request);
            believed(&log.told, &mut beliefs);
            let present: BTreeSet<String> = room.occupants().iter().map(|(_, one)| one.nick().to_owned()).collect();
            for nick in &present {
                prop_assert_eq!(&beliefs[nick], &present, "what {} was told", nick);
            }
            beliefs.retain(|nick, _| present.contains(nick));
        }
    }
}
