//! Tables over tokens: every way in which one is not good.

use super::*;

const SECRET: [u8; 32] = [7; 32];
const NOW: u64 = 1_700_000_000_000;
const DAY: u64 = 86_400_000;

/// With the fingerprint of keys of this password.
fn maker(password: &str) -> Maker<'static> {
    let digest = hmac(b"fingerprint", &[password.as_bytes()]);
    Maker {
        secret: &SECRET,
        fingerprint: std::array::from_fn(|index| digest[index]),
    }
}

fn owner() -> Owner {
    Owner {
        account: "romeo@montague.lit".parse().unwrap(),
        client: 0xd4565fa7_4d72_4749_b3d3_740edbf87770,
    }
}

fn token(nonce: u8, mechanism: Mechanism) -> Token {
    Token {
        nonce: [nonce; NONCE_BYTES],
        mechanism,
        made_unix_ms: NOW,
        expires_unix_ms: NOW + 21 * DAY,
        count: 0,
    }
}

/// As a client does it, from the token's text alone.
fn show(new: &NewToken, mechanism: Mechanism, binding: &'static [u8], count: Option<u32>) -> Shown {
    Shown {
        owner: owner(),
        mechanism,
        binding: Bytes::from_static(binding),
        proof: hmac(new.text.as_bytes(), &[b"Initiator", binding]),
        count,
        invalidate: false,
    }
}

fn is_good(slots: &mut Slots, shown: &Shown) -> bool {
    matches!(slots.judge(shown, &maker("pencil"), NOW + DAY).0, Verdict::Good { .. })
}

#[test]
fn a_client_with_the_token_gets_in_by_every_mechanism_and_hears_that_we_have_it_too() {
    let cases: [(Mechanism, &[u8]); 3] = [
        (Mechanism::Exporter, &[7; 32]),
        (Mechanism::EndPoint, &[9; 32]),
        (Mechanism::Unbound, b""),
    ];
    for (mechanism, binding) in cases {
        assert_eq!(Mechanism::from_name(mechanism.name()), Some(mechanism));
        let mut slots = Slots::default();
        let new = slots.issue(&owner(), token(1, mechanism), &maker("pencil"));
        assert_eq!(new.text.len(), 43);
        let shown = show(&new, mechanism, binding, None);
        let (verdict, changed) = slots.judge(&shown, &maker("pencil"), NOW);
        let answer = hmac(new.text.as_bytes(), &[b"Responder", binding]);
        let made_unix_ms = NOW;
        assert_eq!(verdict, Verdict::Good { answer, made_unix_ms });
        assert!(changed, "it is in use now");
        assert!(!slots.judge(&shown, &maker("pencil"), NOW).1, "nothing to write");
    }
    assert_eq!(Mechanism::from_name("HT-SHA-256-UNIQ"), None);
}

#[test]
fn nothing_else_opens_the_account() {
    let mut slots = Slots::default();
    let new = slots.issue(&owner(), token(1, Mechanism::Exporter), &maker("pencil"));
    let good = show(&new, Mechanism::Exporter, &[7; 32], None);
    let other = NewToken {
        text: "x".repeat(43),
        ..new.clone()
    };
    let wrong: [(&str, Shown); 6] = [
        ("another token", show(&other, Mechanism::Exporter, &[7; 32], None)),
        ("a weaker mechanism", show(&new, Mechanism::Unbound, b"", None)),
        (
            "another mechanism's name",
            Shown {
                mechanism: Mechanism::EndPoint,
                ..good.clone()
            },
        ),
        (
            "another channel",
            Shown {
                binding: Bytes::from_static(&[8; 32]),
                ..good.clone()
            },
        ),
        (
            "another client",
            Shown {
                owner: Owner { client: 1, ..owner() },
                ..good.clone()
            },
        ),
        (
            "another account",
            Shown {
                owner: Owner {
                    account: "juliet@montague.lit".parse().unwrap(),
                    ..owner()
                },
                ..good.clone()
            },
        ),
    ];
    for (name, shown) in wrong {
        let before = slots.clone();
        assert_eq!(
            slots.judge(&shown, &maker("pencil"), NOW),
            (Verdict::Wrong, false),
            "{name}"
        );
        assert_eq!(slots, before, "{name}");
    }
    for bit in 0..8 * PROOF_BYTES {
        let mut shown = good.clone();
        shown.proof[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_good(&mut slots, &shown), "bit {bit}");
    }
    assert_eq!(
        Slots::default().judge(&good, &maker("pencil"), NOW),
        (Verdict::Wrong, false)
    );
    assert!(is_good(&mut slots, &good));
}

#[test]
fn a_new_password_or_another_installation_makes_it_worthless() {
    let mut slots = Slots::default();
    let new = slots.issue(&owner(), token(1, Mechanism::Unbound), &maker("pencil"));
    let shown = show(&new, Mechanism::Unbound, b"", None);
    assert_eq!(slots.judge(&shown, &maker("pen"), NOW), (Verdict::Wrong, false));
    let elsewhere = Maker {
        secret: &[8; 32],
        ..maker("pencil")
    };
    assert_eq!(slots.judge(&shown, &elsewhere, NOW), (Verdict::Wrong, false));
    assert!(is_good(&mut slots, &shown));
}

#[test]
fn it_expires_and_only_who_has_it_is_told_so() {
    let mut slots = Slots::default();
    let new = slots.issue(&owner(), token(1, Mechanism::Unbound), &maker("pencil"));
    let shown = show(&new, Mechanism::Unbound, b"", None);
    let end = NOW + 21 * DAY;
    let forged = Shown {
        proof: [0; PROOF_BYTES],
        ..shown.clone()
    };
    assert_eq!(slots.judge(&forged, &maker("pencil"), end), (Verdict::Wrong, false));
    assert!(matches!(
        slots.clone().judge(&shown, &maker("pencil"), end - 1).0,
        Verdict::Good { .. }
    ));
    assert_eq!(slots.judge(&shown, &maker("pencil"), end), (Verdict::Expired, true));
    assert!(slots.is_empty());
}

#[test]
fn a_count_is_good_once_and_only_upwards() {
    let mut slots = Slots::default();
    let new = slots.issue(&owner(), token(1, Mechanism::Unbound), &maker("pencil"));
    for (count, good) in [
        (0, false),
        (1, true),
        (1, false),
        (5, true),
        (4, false),
        (5, false),
        (u32::MAX, true),
    ] {
        let shown = show(&new, Mechanism::Unbound, b"", Some(count));
        let (verdict, changed) = slots.judge(&shown, &maker("pencil"), NOW);
        assert_eq!(matches!(verdict, Verdict::Good { .. }), good, "{count}");
        assert_eq!(changed, good, "what was counted must be durable");
    }
}

#[test]
fn a_renewed_token_takes_over_when_it_is_used_and_not_before() {
    let mut slots = Slots::default();
    let first = slots.issue(&owner(), token(1, Mechanism::Unbound), &maker("pencil"));
    let lost = slots.issue(&owner(), token(2, Mechanism::Unbound), &maker("pencil"));
    let [first, lost] = [first, lost].map(|new| show(&new, Mechanism::Unbound, b"", None));
    assert!(!is_good(&mut slots, &first), "an unused one is replaced");
    assert!(is_good(&mut slots, &lost));
    let second = slots.issue(&owner(), token(3, Mechanism::Unbound), &maker("pencil"));
    let second = show(&second, Mechanism::Unbound, b"", None);
    assert!(is_good(&mut slots, &lost), "the answer may have been lost");
    assert!(is_good(&mut slots, &second));
    assert!(!is_good(&mut slots, &lost), "the client has the new one");
    assert!(is_good(&mut slots, &second));
}

#[test]
fn an_invalidated_token_is_good_for_the_last_time() {
    let mut slots = Slots::default();
    let new = slots.issue(&owner(), token(1, Mechanism::Unbound), &maker("pencil"));
    let last = Shown {
        invalidate: true,
        ..show(&new, Mechanism::Unbound, b"", None)
    };
    assert!(is_good(&mut slots, &last));
    assert!(slots.is_empty());
    assert!(!is_good(&mut slots, &last));
}

#[test]
fn rows_come_back_and_damage_does_not() {
    let full = Slots {
        current: Some(token(1, Mechanism::Exporter)),
        next: Some(Token {
            count: 9,
            ..token(2, Mechanism::Unbound)
        }),
    };
    let half = Slots {
        current: None,
        ..full.clone()
    };
    for slots in [full, half, Slots::default()] {
        let bytes = slots.encode();
        assert_eq!(Slots::decode(&bytes), Some(slots));
        for length in 0..bytes.len() {
            assert_eq!(Slots::decode(&bytes[..length]), None, "length {length}");
        }
        assert_eq!(Slots::decode(&[&bytes[..], &[0]].concat()), None);
    }
    assert_eq!(Slots::decode(&[2, 0, 0]), None, "a newer version");
}

#[test]
fn the_layout_of_a_row_is_frozen() {
    let slots = Slots {
        current: Some(token(1, Mechanism::Exporter)),
        next: None,
    };
    let hex: String = slots.encode().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "010101010101010101010101010101010101010068e5cf8b01000000f40a3c8c0100000000000000"
    );
}

#[test]
fn no_row_holds_a_token_or_what_opens_an_account() {
    let mut slots = Slots::default();
    let new = slots.issue(&owner(), token(1, Mechanism::Unbound), &maker("pencil"));
    let row = slots.encode();
    let holds = |part: &[u8]| row.windows(part.len()).any(|window| window == part);
    use sha2::Digest as _;
    assert!(!holds(new.text.as_bytes()));
    assert!(!holds(&URL_SAFE_NO_PAD.decode(&new.text).unwrap()));
    assert!(!holds(&Sha256::digest(&new.text)));
    assert!(!holds(&hmac(new.text.as_bytes(), &[b"Initiator"])));
    let shown = show(&new, Mechanism::Unbound, b"", None);
    assert_eq!(
        format!("{new:?}"),
        format!("NewToken(secret, until {})", NOW + 21 * DAY)
    );
    assert!(format!("{shown:?}").starts_with("Shown(secret, "));
}

#[test]
fn messages_are_cut_in_two() {
    let good = [&b"romeo\0"[..], &[5; 32]].concat();
    assert_eq!(parse(&good), Ok(("romeo", [5; 32])));
    let with_zeros = [&b"romeo\0"[..], &[0; 32]].concat();
    assert_eq!(parse(&with_zeros), Ok(("romeo", [0; 32])));
    for wrong in [
        &b""[..],
        b"romeo",
        b"romeo\0",
        &good[..37],
        &good[5..],
        &[&good[..], &[1]].concat(),
        &[0xff; 38],
    ] {
        assert_eq!(parse(wrong), Err(SaslFault::Malformed), "{wrong:?}");
    }
    assert_eq!(parse(&[b'a'; MESSAGE_BYTES_MAX + 1]), Err(SaslFault::TooLong));
}
