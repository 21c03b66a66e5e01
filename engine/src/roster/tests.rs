//! Rosters as plays; the tables of RFC 6121 appendix A are next door, in `appendix_a`.

use proptest::prelude::*;

use super::*;

mod appendix_a;

fn jid(text: &str) -> Jid {
    text.parse().unwrap()
}

fn juliet() -> Jid {
    jid("juliet@example.com")
}

fn roster_of(contacts: &[&str]) -> Roster {
    let mut roster = Roster::empty(100);
    for contact in contacts {
        roster.set(&jid(contact), String::new(), vec![]).unwrap();
    }
    roster
}

/// What a restart would bring back.
fn reload(roster: &Roster) -> Roster {
    let items: Vec<Bytes> = roster.items.iter().map(Item::encode).collect();
    Roster::load(&roster.header(), items.iter().map(|item| &item[..])).unwrap()
}

#[test]
fn a_contact_is_added_renamed_and_removed() {
    let mut roster = Roster::empty(100);
    let added = roster
        .set(&jid("nurse@example.com/x"), "Nurse".into(), vec!["Servants".into()])
        .unwrap();
    let push = added.push.unwrap();
    assert_eq!(
        (push.version, push.jid.as_str()),
        (101, "nurse@example.com"),
        "bare, whatever was asked"
    );
    assert_eq!(push.item.unwrap().name, "Nurse");
    assert!(added.header_write.is_some() && added.item_write.unwrap().1.is_some());

    let renamed = roster.set(&jid("nurse@example.com"), String::new(), vec![]).unwrap();
    assert_eq!(renamed.push.unwrap().version, 102);
    assert_eq!(
        (
            roster.len(),
            roster.get(&jid("nurse@example.com")).unwrap().groups.len()
        ),
        (1, 0)
    );

    let (removed, farewell) = roster.remove(&jid("nurse@example.com")).unwrap();
    assert_eq!(removed.push.unwrap().item, None);
    assert_eq!(removed.item_write, Some((jid("nurse@example.com"), None)));
    assert_eq!(farewell, Farewell::default(), "nobody saw anybody");
    assert_eq!(roster.remove(&jid("nurse@example.com")), Err(RosterFault::ItemNotFound));
    assert!(roster.is_empty());
}

#[test]
fn a_rename_keeps_the_subscription() {
    let mut roster = roster_of(&[]);
    roster.outbound(&juliet(), Kind::Subscribe).unwrap();
    roster.set(&juliet(), "Juliet".into(), vec![]).unwrap();
    assert!(roster.state(&juliet()).pending_out());
}

#[test]
fn two_become_acquainted() {
    let (mut romeo, mut julia) = (Roster::empty(1), Roster::empty(1));
    let romeos = jid("romeo@example.net");

    let (asked, change) = romeo.outbound(&juliet(), Kind::Subscribe).unwrap();
    assert!(asked.route && change.push.is_some());
    let request = Bytes::from_static(b"<presence>please</presence>");
    let (arrived, change) = julia.inbound(&romeos, Kind::Subscribe, Some(&request)).unwrap();
    assert!(
        arrived.deliver && change.push.is_none(),
        "she is asked, but her roster does not show it"
    );
    assert!(julia.is_empty());
    assert_eq!(julia.requests().next().unwrap().request.as_ref(), Some(&request));
    julia = reload(&julia);
    assert_eq!(
        julia.requests().next().unwrap().request.as_ref(),
        Some(&request),
        "nor does she forget"
    );

    let (granted, change) = julia.outbound(&romeos, Kind::Subscribed).unwrap();
    assert!(granted.route && granted.announce == Some(Announce::Available));
    assert_eq!(
        change.push.unwrap().item.unwrap().state.subscription(),
        Subscription::From
    );
    assert_eq!((julia.requests().count(), julia.len()), (0, 1));
    assert_eq!(julia.get(&romeos).unwrap().request, None);

    let (told, change) = romeo.inbound(&juliet(), Kind::Subscribed, None).unwrap();
    assert!(told.deliver && change.push.is_some());
    assert_eq!(romeo.subscriptions().collect::<Vec<_>>(), [&juliet()]);
    assert_eq!(julia.subscribers().collect::<Vec<_>>(), [&romeos]);
    assert_eq!((romeo.subscribers().count(), julia.subscriptions().count()), (0, 0));
}

#[test]
fn a_request_that_is_denied_leaves_no_trace() {
    let mut roster = Roster::empty(1);
    let (_, change) = roster.inbound(&juliet(), Kind::Subscribe, None).unwrap();
    assert!(change.item_write.unwrap().1.is_some() && change.header_write.is_none());
    let (denied, change) = roster.outbound(&juliet(), Kind::Unsubscribed).unwrap();
    assert!(denied.route && denied.announce.is_none());
    assert_eq!((change.push, change.item_write), (None, Some((juliet(), None))));
    assert_eq!(roster, Roster::empty(1));
}

#[test]
fn a_request_that_is_repeated_is_kept_once_and_shown_once() {
    let mut roster = Roster::empty(1);
    let (first, second) = (Bytes::from_static(b"first"), Bytes::from_static(b"second"));
    assert!(
        roster
            .inbound(&juliet(), Kind::Subscribe, Some(&first))
            .unwrap()
            .0
            .deliver
    );
    let (again, change) = roster.inbound(&juliet(), Kind::Subscribe, Some(&second)).unwrap();
    assert!(!again.deliver);
    assert_eq!(change, Change::default());
    assert_eq!(roster.requests().next().unwrap().request, Some(first));
}

#[test]
fn a_contact_that_is_expected_is_let_in_at_once() {
    let mut roster = Roster::empty(1);
    let (approved, change) = roster.outbound(&juliet(), Kind::Subscribed).unwrap();
    assert!(!approved.route);
    assert!(change.push.unwrap().item.unwrap().state.approved());
    roster = reload(&roster);
    let (asked, change) = roster.inbound(&juliet(), Kind::Subscribe, None).unwrap();
    assert_eq!((asked.deliver, asked.auto_reply), (false, Some(Kind::Subscribed)));
    assert_eq!(asked.announce, Some(Announce::Available));
    assert_eq!(
        change.push.unwrap().item.unwrap().state.subscription(),
        Subscription::From
    );

    let (revoked, change) = roster.outbound(&juliet(), Kind::Unsubscribed).unwrap();
    assert!(revoked.route && change.push.is_some());
    assert_eq!(roster.state(&juliet()), State::default());
}

#[test]
fn a_stranger_that_waits_cannot_be_removed_but_can_be_added() {
    let mut roster = Roster::empty(1);
    roster.inbound(&juliet(), Kind::Subscribe, None).unwrap();
    assert_eq!(roster.remove(&juliet()), Err(RosterFault::ItemNotFound));
    roster.set(&juliet(), "Juliet".into(), vec![]).unwrap();
    assert_eq!((roster.len(), roster.requests().count()), (1, 1));
    let (_, farewell) = roster.remove(&juliet()).unwrap();
    assert_eq!(
        farewell,
        Farewell {
            unavailable: false,
            unsubscribe: false,
            unsubscribed: true
        },
        "that is a no"
    );
    assert_eq!(roster.requests().count(), 0);
}

#[test]
fn each_unacceptable_name_or_group_has_its_own_fault() {
    let mut roster = Roster::empty(1);
    let before = roster.clone();
    let long = "x".repeat(1024);
    let groups = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let many = (0..=item::GROUPS_MAX).map(|number| number.to_string()).collect();
    let table = [
        (long.clone(), vec![], RosterFault::NameTooLong),
        (String::new(), groups(&[""]), RosterFault::GroupEmpty),
        (String::new(), groups(&[&long]), RosterFault::GroupTooLong),
        (String::new(), groups(&["a", "b", "a"]), RosterFault::GroupTwice),
        (String::new(), many, RosterFault::GroupsTooMany),
    ];
    for (name, groups, fault) in table {
        assert_eq!(roster.set(&juliet(), name, groups), Err(fault));
    }
    assert_eq!(roster, before);
    assert!(roster.set(&juliet(), "x".repeat(1023), groups(&["a", "A"])).is_ok());
}

#[test]
fn a_full_roster_takes_nobody_in_but_serves_those_within() {
    let mut roster = Roster::empty(1);
    for number in 0..ITEMS_MAX {
        roster
            .set(&jid(&format!("{number:05}@example.com")), String::new(), vec![])
            .unwrap();
    }
    let before = roster.clone();
    assert_eq!(
        roster.set(&juliet(), String::new(), vec![]),
        Err(RosterFault::RosterFull)
    );
    assert_eq!(
        roster.outbound(&juliet(), Kind::Subscribe),
        Err(RosterFault::RosterFull)
    );
    assert_eq!(
        roster.outbound(&juliet(), Kind::Subscribed),
        Err(RosterFault::RosterFull)
    );
    assert_eq!(roster, before);
    assert!(roster.outbound(&jid("00000@example.com"), Kind::Subscribe).is_ok());
    assert!(
        roster.inbound(&juliet(), Kind::Subscribe, None).is_ok(),
        "requests have room of their own"
    );
}

#[test]
fn strangers_cannot_fill_the_book() {
    let mut roster = Roster::empty(1);
    for number in 0..REQUESTS_MAX {
        roster
            .inbound(&jid(&format!("{number}@example.com")), Kind::Subscribe, None)
            .unwrap();
    }
    assert_eq!(
        roster.inbound(&juliet(), Kind::Subscribe, None),
        Err(RosterFault::RequestsFull)
    );
    let huge = Bytes::from(vec![b'x'; item::REQUEST_BYTES_MAX + 1]);
    roster.outbound(&jid("0@example.com"), Kind::Unsubscribed).unwrap();
    roster.inbound(&juliet(), Kind::Subscribe, Some(&huge)).unwrap();
    assert_eq!(
        roster.get(&juliet()).unwrap().request,
        None,
        "the request stays, what came with it does not"
    );
    assert!(roster.state(&juliet()).pending_in());
}

#[test]
fn a_client_that_was_away_is_told_what_it_missed() {
    let mut roster = roster_of(&["a@x", "b@x", "c@x", "d@x"]);
    let held = roster.version();
    assert_eq!(roster.since(Some(held)), Since::Pushes(vec![]));
    roster.set(&jid("b@x"), "B".into(), vec![]).unwrap();
    roster.remove(&jid("c@x")).unwrap();
    roster.set(&jid("a@x"), "A".into(), vec![]).unwrap();
    roster.set(&jid("b@x"), "Bee".into(), vec![]).unwrap();

    for roster in [&roster, &reload(&roster)] {
        let Since::Pushes(pushes) = roster.since(Some(held)) else {
            panic!("the version is known")
        };
        let told: Vec<_> = pushes
            .iter()
            .map(|push| {
                (
                    push.version - held,
                    push.jid.as_str(),
                    push.item.as_ref().map(|item| item.name.as_str()),
                )
            })
            .collect();
        assert_eq!(
            told,
            [(2, "c@x", None), (3, "a@x", Some("A")), (4, "b@x", Some("Bee"))],
            "the last word of each"
        );
    }
    roster.set(&jid("c@x"), String::new(), vec![]).unwrap();
    let Since::Pushes(pushes) = roster.since(Some(held)) else {
        panic!("the version is known")
    };
    assert!(pushes.iter().all(|push| push.item.is_some()), "c is back");
}

#[test]
fn a_client_whose_version_is_unknown_gets_the_whole() {
    let mut roster = roster_of(&["a@x", "b@x"]);
    assert_eq!(roster.since(None), Since::Whole, "it holds none");
    assert_eq!(roster.since(Some(99)), Since::Whole, "from before this roster was");
    assert_eq!(
        roster.since(Some(roster.version() + 1)),
        Since::Whole,
        "from the future"
    );
    let held = roster.version();
    for number in 0..=REMOVALS_MAX {
        let passer_by = jid(&format!("{number}@x"));
        roster.set(&passer_by, String::new(), vec![]).unwrap();
        roster.remove(&passer_by).unwrap();
    }
    assert_eq!(roster.since(Some(held)), Since::Whole, "the first removal is forgotten");
    assert_ne!(roster.since(Some(roster.version() - 2)), Since::Whole);
}

#[test]
fn more_changes_than_contacts_are_sent_as_the_whole() {
    let mut roster = roster_of(&["a@x", "b@x", "c@x"]);
    let held = roster.version();
    roster.remove(&jid("a@x")).unwrap();
    roster.remove(&jid("b@x")).unwrap();
    assert_eq!(roster.since(Some(held)), Since::Whole);
}

#[test]
fn an_item_is_kept_in_the_drawn_layout() {
    let item = Item {
        jid: jid("j@x"),
        name: "J".into(),
        groups: vec!["a".into(), "bc".into()],
        state: State::new(Subscription::To, false, true, false).unwrap(),
        listed: true,
        request: Some(Bytes::from_static(b"<r/>")),
        version: 0x0102,
    };
    let golden = b"\x01\x69\x02\x01\0\0\0\0\0\0\x03\0j@x\x01\0J\x02\x01\0a\x02\0bc\x04\0\0\0<r/>";
    assert_eq!(&item.encode()[..], golden);
    assert_eq!(Item::decode(golden), Ok(item));
}

#[test]
fn a_header_is_kept_in_the_drawn_layout() {
    let mut roster = Roster::empty(7);
    roster.set(&jid("j@x"), String::new(), vec![]).unwrap();
    roster.remove(&jid("j@x")).unwrap();
    let golden = b"\x01\x09\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x01\x09\0\0\0\0\0\0\0\x03\0j@x";
    assert_eq!(&roster.header()[..], golden);
    assert_eq!(Roster::load(golden, []), Ok(roster));
}

#[test]
fn damaged_bytes_are_refused() {
    let golden = b"\x01\x69\x02\x01\0\0\0\0\0\0\x03\0j@x\x01\0J\x02\x01\0a\x02\0bc\x04\0\0\0<r/>";
    let header = b"\x01\x09\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x01\x09\0\0\0\0\0\0\0\x03\0j@x";
    for cut in 0..golden.len() {
        assert_eq!(Item::decode(&golden[..cut]), Err(Undecodable), "item cut at {cut}");
    }
    for cut in 0..header.len() {
        assert_eq!(
            Roster::load(&header[..cut], []),
            Err(Undecodable),
            "header cut at {cut}"
        );
    }
    let with = |at: usize, byte: u8| Item::decode(&[&golden[..at], &[byte], &golden[at + 1..]].concat());
    assert_eq!(with(0, 2), Err(Undecodable), "a newer version");
    assert_eq!(with(1, 0xe9), Err(Undecodable), "an unknown flag");
    assert_eq!(
        with(1, 0x6d),
        Err(Undecodable),
        "an impossible state: To, and waiting for it"
    );
    assert_eq!(with(12, b'J'), Err(Undecodable), "an address that is not prepared");
    assert_eq!(with(13, b'/'), Err(Undecodable), "an address that is not bare");
    assert_eq!(
        Item::decode(&[&golden[..], b"x"].concat()),
        Err(Undecodable),
        "a byte too many"
    );
    assert_eq!(
        Roster::load(&[&header[..], b"x"].concat(), []),
        Err(Undecodable),
        "a byte too many"
    );

    let empty = Roster::empty(0x0102).header();
    assert!(Roster::load(&empty, [&golden[..]]).is_ok());
    assert_eq!(
        Roster::load(&empty, [&golden[..], &golden[..]]),
        Err(Undecodable),
        "the same contact twice"
    );
    assert_eq!(
        Roster::load(&Roster::empty(1).header(), [&golden[..]]),
        Err(Undecodable),
        "newer than the roster"
    );
}

#[derive(Debug, Clone)]
enum Act {
    Set(usize),
    Remove(usize),
    Out(usize, Kind),
    In(usize, Kind),
}

fn act() -> impl Strategy<Value = Act> {
    let kind = || proptest::sample::select(Kind::ALL.to_vec());
    prop_oneof![
        (0..6usize).prop_map(Act::Set),
        (0..6usize).prop_map(Act::Remove),
        (0..6usize, kind()).prop_map(|(who, kind)| Act::Out(who, kind)),
        (0..6usize, kind()).prop_map(|(who, kind)| Act::In(who, kind)),
    ]
}

fn perform(roster: &mut Roster, act: &Act) -> Option<Change> {
    let who = |number: usize| jid(&format!("{number}@x"));
    match act {
        Act::Set(number) => roster.set(&who(*number), "name".into(), vec![]).ok(),
        Act::Remove(number) => roster.remove(&who(*number)).ok().map(|(change, _)| change),
        Act::Out(number, kind) => roster.outbound(&who(*number), *kind).ok().map(|(_, change)| change),
        Act::In(number, kind) => roster
            .inbound(&who(*number), *kind, None)
            .ok()
            .map(|(_, change)| change),
    }
}

proptest! {
    /// Two clients, one that hears every push and one that was away, and a restart from what was written, all see the
    /// same roster.
    #[test]
    fn pushes_versions_and_writes_agree(acts in proptest::collection::vec(act(), 0..60), away_at in 0..60usize) {
        let mut roster = Roster::empty(100);
        let mut book = std::collections::BTreeMap::new();
        let mut header = roster.header();
        let mut live = std::collections::BTreeMap::new();
        let mut away = (live.clone(), roster.version());
        for (index, act) in acts.iter().enumerate() {
            if index == away_at {
                away = (live.clone(), roster.version());
            }
            let Some(change) = perform(&mut roster, act) else { continue };
            if let Some((jid, bytes)) = change.item_write {
                match bytes {
                    Some(bytes) => drop(book.insert(jid, bytes)),
                    None => drop(book.remove(&jid)),
                }
            }
            prop_assert_eq!(change.push.is_some(), change.header_write.is_some());
            header = change.header_write.unwrap_or(header);
            if let Some(push) = change.push {
                prop_assert_eq!(push.version, roster.version());
                apply(&mut live, push);
            }
        }
        let shown: std::collections::BTreeMap<_, _> = roster.items().map(|item| (item.jid.clone(), seen(item))).collect();
        prop_assert_eq!(&live, &shown);
        prop_assert_eq!(roster.len(), shown.len());
        if let Since::Pushes(pushes) = roster.since(Some(away.1)) {
            pushes.into_iter().for_each(|push| apply(&mut away.0, push));
            prop_assert_eq!(&away.0, &shown);
        }
        prop_assert_eq!(Roster::load(&header, book.values().map(|bytes| &bytes[..])), Ok(roster));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let bytes = [&[1], &bytes[..]].concat();
        let _ = Item::decode(&bytes);
        let _ = Roster::load(&bytes, []);
    }
}

/// What a client knows of a contact.
fn seen(item: &Item) -> (String, (Subscription, bool, bool)) {
    (item.name.clone(), item.state.visible())
}

fn apply(known: &mut std::collections::BTreeMap<Jid, (String, (Subscription, bool, bool))>, push: Push) {
    match push.item {
        Some(item) => drop(known.insert(push.jid, seen(&item))),
        None => drop(known.remove(&push.jid)),
    }
}
