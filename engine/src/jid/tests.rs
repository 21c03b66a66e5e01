//! Addresses: the tables of the specifications, the fixed point, and the agreement of the two paths.

use proptest::prelude::*;

use super::Part::{Domain, Node, Resource};
use super::*;

fn jid(text: &str) -> Jid {
    Jid::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn owned(prepared: Result<Cow<'_, str>, JidError>) -> Result<String, JidError> {
    prepared.map(Cow::into_owned)
}

#[test]
fn the_legal_addresses_of_rfc_7622_are_prepared_as_rfc_6122_says() {
    // RFC 7622 table 1. Where the two differ (6, 7, 9 to 11), the older profiles fold more.
    let table = [
        ("juliet@example.com", "juliet@example.com"),
        ("juliet@example.com/foo", "juliet@example.com/foo"),
        ("juliet@example.com/foo bar", "juliet@example.com/foo bar"),
        ("juliet@example.com/foo@bar", "juliet@example.com/foo@bar"),
        ("foo\\20bar@example.com", "foo\\20bar@example.com"),
        ("fussball@example.com", "fussball@example.com"),
        ("fu\u{df}ball@example.com", "fussball@example.com"),
        ("\u{3c0}@example.com", "\u{3c0}@example.com"),
        ("\u{3a3}@example.com/foo", "\u{3c3}@example.com/foo"),
        ("\u{3c3}@example.com/foo", "\u{3c3}@example.com/foo"),
        ("\u{3c2}@example.com/foo", "\u{3c3}@example.com/foo"),
        ("king@example.com/\u{265a}", "king@example.com/\u{265a}"),
        ("example.com", "example.com"),
        ("example.com/foobar", "example.com/foobar"),
        ("a.example.com/b@example.net", "a.example.com/b@example.net"),
        // Violations under RFC 7622 that the profiles of RFC 6122 map or allow.
        ("juliet@example.com/ foo", "juliet@example.com/ foo"),
        ("henry\u{2163}@example.com", "henryiv@example.com"),
        ("\u{265a}@example.com", "\u{265a}@example.com"),
    ];
    for (text, prepared) in table {
        assert_eq!(jid(text).as_str(), prepared, "{text:?}");
    }
}

#[test]
fn each_malformed_address_has_its_own_fault() {
    let long = "a".repeat(PART_BYTES_MAX + 1);
    let label = "a".repeat(64);
    let table = [
        ("\"juliet\"@example.com".into(), JidError::PartForbidden(Node)),
        ("foo bar@example.com".into(), JidError::PartForbidden(Node)),
        ("@example.com/".into(), JidError::PartEmpty(Node)),
        ("@example.com".into(), JidError::PartEmpty(Node)),
        ("juliet@".into(), JidError::PartEmpty(Domain)),
        ("/foobar".into(), JidError::PartEmpty(Domain)),
        (String::new(), JidError::PartEmpty(Domain)),
        (".".into(), JidError::PartEmpty(Domain)),
        ("example..com".into(), JidError::PartEmpty(Domain)),
        ("example.com..".into(), JidError::PartEmpty(Domain)),
        ("example.com/".into(), JidError::PartEmpty(Resource)),
        // Nothing is left of a zero-width joiner.
        ("\u{200d}@example.com".into(), JidError::PartEmpty(Node)),
        ("example.com/\u{200d}".into(), JidError::PartEmpty(Resource)),
        ("a@b@example.com".into(), JidError::PartForbidden(Domain)),
        ("juliet@exa mple.com".into(), JidError::PartForbidden(Domain)),
        ("juliet@-example.com".into(), JidError::PartForbidden(Domain)),
        ("juliet@example.com-".into(), JidError::PartForbidden(Domain)),
        // U+2100 would become a/c and smuggle a separator in.
        ("juliet@ex\u{2100}mple.com".into(), JidError::PartForbidden(Domain)),
        ("juliet@xn--a".into(), JidError::PartForbidden(Domain)),
        ("juliet@[::1".into(), JidError::PartForbidden(Domain)),
        ("juliet@[::1]x".into(), JidError::PartForbidden(Domain)),
        ("juliet@[fe80::1%eth0]".into(), JidError::PartForbidden(Domain)),
        ("juliet@example.com/a\u{7}".into(), JidError::PartForbidden(Resource)),
        ("juliet@example.com/a\nb".into(), JidError::PartForbidden(Resource)),
        (format!("{long}@example.com"), JidError::PartTooLong(Node)),
        (format!("example.com/{long}"), JidError::PartTooLong(Resource)),
        (format!("juliet@{label}.com"), JidError::PartTooLong(Domain)),
        (format!("juliet@{}", "a.".repeat(513)), JidError::PartTooLong(Domain)),
        ("a".repeat(JID_BYTES_MAX + 1), JidError::TooLong),
    ];
    for (text, fault) in table {
        assert_eq!(Jid::parse(&text), Err(fault), "{text:?}");
        assert_eq!(
            Jid::parse_bytes(Bytes::from(text.clone())),
            Err(fault),
            "{text:?} as bytes"
        );
    }
    assert_eq!(
        Jid::parse_bytes(Bytes::from_static(b"a\xff@example.com")),
        Err(JidError::NotUtf8)
    );
}

#[test]
fn a_node_refuses_every_separator_and_quote() {
    for forbidden in " \"&'/:<>@\u{7f}\u{0}\t".chars() {
        let node = format!("a{forbidden}b");
        assert_eq!(prep::node(&node), Err(JidError::PartForbidden(Node)), "{node:?}");
    }
    // Compatibility forms of the separators are refused after mapping: full-width @, /, : and <.
    for forbidden in "\u{ff20}\u{ff0f}\u{ff1a}\u{ff1c}\u{a0}\u{2003}".chars() {
        let node = format!("a{forbidden}b");
        assert_eq!(prep::node(&node), Err(JidError::PartForbidden(Node)), "{node:?}");
    }
}

#[test]
fn both_refuse_what_stringprep_prohibits() {
    // One of each: C.2.2, C.3, C.4, C.6, C.7, C.8, C.9.
    for forbidden in "\u{85}\u{e000}\u{fdd0}\u{fffd}\u{2ff0}\u{202e}\u{e0041}".chars() {
        let text = format!("a{forbidden}b");
        assert_eq!(prep::node(&text), Err(JidError::PartForbidden(Node)), "{text:?}");
        assert_eq!(
            prep::resource(&text),
            Err(JidError::PartForbidden(Resource)),
            "{text:?}"
        );
    }
}

#[test]
fn right_to_left_text_is_not_mixed_with_left_to_right() {
    assert!(prep::resource("\u{627}1\u{628}").is_ok(), "digits between letters");
    assert_eq!(
        prep::resource("\u{627}1"),
        Err(JidError::PartForbidden(Resource)),
        "ends in a digit"
    );
    assert_eq!(
        prep::resource("\u{627}a\u{628}"),
        Err(JidError::PartForbidden(Resource)),
        "mixed"
    );
    assert_eq!(
        prep::node("a\u{5d0}"),
        Err(JidError::PartForbidden(Node)),
        "begins left to right"
    );
}

#[test]
fn case_is_folded_in_node_and_domain_and_kept_in_the_resource() {
    assert_eq!(jid("Juliet@Example.COM/Balcony").as_str(), "juliet@example.com/Balcony");
    assert_eq!(
        jid("\u{c4}NNCHEN@B\u{dc}CHER.example").as_str(),
        "\u{e4}nnchen@b\u{fc}cher.example"
    );
}

#[test]
fn one_domain_has_one_form() {
    let forms = [
        "b\u{fc}cher.example",
        "B\u{dc}CHER.EXAMPLE",
        "xn--bcher-kva.example",
        "XN--BCHER-KVA.example.",
    ];
    for form in forms {
        assert_eq!(jid(form).as_str(), "b\u{fc}cher.example", "{form}");
    }
    assert_eq!(
        jid("juliet@example.com.").as_str(),
        "juliet@example.com",
        "the root's dot is dropped"
    );
    assert_eq!(
        jid("juliet@example\u{3002}com").as_str(),
        "juliet@example.com",
        "ideographic full stop"
    );
    assert_eq!(
        jid("juliet@xmpp_1.test").as_str(),
        "juliet@xmpp_1.test",
        "underscores, as test networks have them"
    );
    assert_eq!(jid("juliet@192.0.2.1").as_str(), "juliet@192.0.2.1");
    assert_eq!(jid("juliet@[2001:DB8:0:0::1]/x").as_str(), "juliet@[2001:db8::1]/x");
}

#[test]
fn the_longest_parts_fit() {
    let part = "a".repeat(PART_BYTES_MAX);
    let domain = format!("{}a", "a.".repeat(511));
    let longest = jid(&format!("{part}@{domain}/{part}"));
    assert_eq!(longest.as_str().len(), JID_BYTES_MAX);
    assert_eq!(longest.resource(), Some(part.as_str()));
    assert_eq!(longest.domain(), domain);
}

#[test]
fn the_parts_are_found() {
    let full = jid("juliet@example.com/balcony/left");
    assert_eq!((full.node(), full.domain()), (Some("juliet"), "example.com"));
    assert_eq!(full.resource(), Some("balcony/left"));
    assert!(full.is_full() && !full.is_bare());
    let bare = full.to_bare();
    assert_eq!(bare.as_str(), "juliet@example.com");
    assert_eq!((bare.node(), bare.resource()), (Some("juliet"), None));
    assert!(bare.is_bare() && bare.same_bare(&full) && bare != full);
    assert_eq!(full.to_domain(), jid("example.com"));
    assert_eq!((full.to_domain().node(), full.to_domain().resource()), (None, None));
    assert_eq!(jid("example.com/x").node(), None);
}

#[test]
fn prepared_bytes_are_shared_and_a_detached_copy_is_not() {
    let buffer = Bytes::from_static(b"to='juliet@example.com/balcony'");
    let shared = Jid::parse_bytes(buffer.slice(4..30)).unwrap();
    assert_eq!(shared.as_bytes().as_ptr(), buffer[4..].as_ptr(), "no copy");
    assert_eq!(
        shared.to_bare().as_bytes().as_ptr(),
        buffer[4..].as_ptr(),
        "nor for the bare form"
    );
    assert_ne!(shared.detached().as_bytes().as_ptr(), buffer[4..].as_ptr());
    assert_eq!(shared.detached(), shared);

    let prepared = Bytes::from("\u{3c0}@example.com");
    let shared = Jid::parse_bytes(prepared.clone()).unwrap();
    assert_eq!(
        shared.as_bytes().as_ptr(),
        prepared.as_ptr(),
        "prepared text that is not ASCII is shared too"
    );
}

#[test]
fn a_resource_can_be_put_on_and_is_prepared() {
    let juliet = jid("juliet@example.com/old");
    assert_eq!(
        juliet.with_resource("a/b@c").unwrap().as_str(),
        "juliet@example.com/a/b@c"
    );
    assert_eq!(juliet.with_resource("\u{ff21}").unwrap().resource(), Some("A"));
    assert_eq!(juliet.with_resource(""), Err(JidError::PartEmpty(Resource)));
    assert_eq!(jid("example.com").with_resource("x").unwrap(), jid("example.com/x"));
}

#[test]
fn parts_that_hold_separators_make_no_other_address() {
    assert_eq!(
        Jid::from_parts(Some("a@evil.example/"), "example.com", None),
        Err(JidError::PartForbidden(Node))
    );
    assert_eq!(
        Jid::from_parts(None, "a@example.com", None),
        Err(JidError::PartForbidden(Domain))
    );
    assert_eq!(
        Jid::from_parts(Some("a"), "example.com", Some("b/c")).unwrap(),
        jid("a@example.com/b/c")
    );
}

#[test]
fn newer_code_points_are_routed_but_marked() {
    let room = jid("\u{1f980}@rooms.example.com/\u{1f44b}");
    assert!(room.has_unassigned());
    assert!(!jid("\u{3c0}@example.com/foo").has_unassigned());
    // U+1F130 normalises to a capital letter, which must be folded in turn.
    assert_eq!(jid("\u{1f130}@example.com").as_str(), "a@example.com");
}

#[test]
fn a_map_keyed_by_addresses_is_asked_with_text() {
    let map: std::collections::HashMap<Jid, u8> = [(jid("juliet@example.com"), 1)].into();
    assert_eq!(map.get("juliet@example.com"), Some(&1));
}

/// Text that is near enough to an address to get past the first check often.
fn addressish() -> impl Strategy<Value = String> {
    let any_char = prop_oneof![
        8 => proptest::char::range('a', 'z'),
        2 => proptest::char::range(' ', '~'),
        2 => proptest::sample::select("@/.-xn[]:\u{df}\u{130}\u{3a3}\u{ff20}\u{2100}\u{5d0}\u{200d}\u{1f130}".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ];
    proptest::collection::vec(any_char, 0..24).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn preparing_prepared_text_changes_nothing(text in addressish()) {
        if let Ok(prepared) = Jid::parse(&text) {
            let again = Jid::parse(prepared.as_str());
            prop_assert_eq!(again.as_ref(), Ok(&prepared));
            let again = again.unwrap();
            prop_assert_eq!(again.node(), prepared.node());
            prop_assert_eq!(again.domain(), prepared.domain());
            prop_assert_eq!(again.resource(), prepared.resource());
        }
    }

    #[test]
    fn any_two_characters_settle(first in any::<char>(), second in any::<char>()) {
        let text: String = [first, second].into_iter().collect();
        if let Ok(node) = prep::node(&text) {
            prop_assert_eq!(owned(prep::node(&node)), Ok(node.to_string()));
        }
        if let Ok(domain) = prep::domain(&text) {
            prop_assert_eq!(owned(prep::domain(&domain)), Ok(domain.to_string()));
        }
        if let Ok(resource) = prep::resource(&text) {
            prop_assert_eq!(owned(prep::resource(&resource)), Ok(resource.to_string()));
        }
    }

    #[test]
    fn the_fast_path_takes_only_what_full_preparation_leaves_alone(text in "[ -~]{0,12}(@[ -~]{0,12})?[a-z.-]{0,8}(/[ -~]{0,8})?") {
        if let Some(bounds) = scan::prepared_ascii(text.as_bytes()) {
            let bare = &text[..bounds.bare_end];
            let node = bare[..bounds.domain_start].strip_suffix('@');
            if let Some(node) = node {
                prop_assert_eq!(stringprep::nodeprep(node).unwrap(), node);
            }
            prop_assert_eq!(prep::domain_name(&bare[bounds.domain_start..]), Ok(bare[bounds.domain_start..].to_string()));
            if let Some(resource) = text[bounds.bare_end..].strip_prefix('/') {
                prop_assert_eq!(stringprep::resourceprep(resource).unwrap(), resource);
            }
        }
    }

    #[test]
    fn folding_ascii_is_all_that_preparation_does_to_it(text in "[!-~]{1,8}") {
        if let Ok(node) = prep::node(&text) {
            prop_assert_eq!(stringprep::nodeprep(&text).unwrap(), node);
        }
        if let Ok(domain) = prep::domain(&text) && !text.starts_with('[') {
            prop_assert_eq!(prep::domain_name(&text), Ok(domain.into_owned()));
        }
    }

    #[test]
    fn our_profiles_agree_with_the_strict_ones_on_unicode_3_2(text in "\\PC{0,6}") {
        // Where the strict profile says yes and is itself at rest, we say the same.
        if let Ok(strict) = stringprep::nodeprep(&text)
            && !strict.is_empty()
            && stringprep::nodeprep(&strict).is_ok_and(|again| again == strict)
        {
            prop_assert_eq!(owned(prep::node(&text)), Ok(strict.to_string()));
        }
        if let Ok(strict) = stringprep::resourceprep(&text)
            && !strict.is_empty()
            && stringprep::resourceprep(&strict).is_ok_and(|again| again == strict)
        {
            prop_assert_eq!(owned(prep::resource(&text)), Ok(strict.to_string()));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Jid::parse_bytes(Bytes::from(bytes));
    }
}

#[test]
fn domains_are_compared_without_what_stands_around_them() {
    let jid = |text: &str| Jid::parse(text).unwrap();
    for (one, other, same) in [
        ("a@example.com/x", "example.com", true),
        ("example.com/example.org", "b@example.com", true),
        ("a@example.com", "a@example.org", false),
        ("a@m.example.com", "a@example.com", false),
        ("example.co", "example.com", false),
    ] {
        assert_eq!(jid(one).same_domain(&jid(other)), same, "{one} {other}");
        assert_eq!(jid(one).domain() == jid(other).domain(), same);
    }
    for (text, node) in [("a@b", true), ("b", false), ("b/a@b", false), ("a@b/c", true)] {
        assert_eq!(jid(text).has_node(), node, "{text}");
        assert_eq!(jid(text).node().is_some(), node);
    }
}
