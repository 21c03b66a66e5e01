//! RFC 6121 appendix A, tables 2 to 9, row by row, and what pre-approval (section 3.4) adds to them.

use super::super::subscription::{Inbound, Outbound, State, inbound, outbound, removal};
use super::*;

const NONE: State = state(Subscription::None, false, false);
const NONE_OUT: State = state(Subscription::None, true, false);
const NONE_IN: State = state(Subscription::None, false, true);
const NONE_OUT_IN: State = state(Subscription::None, true, true);
const TO: State = state(Subscription::To, false, false);
const TO_IN: State = state(Subscription::To, false, true);
const FROM: State = state(Subscription::From, false, false);
const FROM_OUT: State = state(Subscription::From, true, false);
const BOTH: State = state(Subscription::Both, false, false);

/// In the order of the tables.
const ALL: [State; 9] = [NONE, NONE_OUT, NONE_IN, NONE_OUT_IN, TO, TO_IN, FROM, FROM_OUT, BOTH];

const MUST: bool = true;
/// MUST NOT, and SHOULD NOT, which we do not either.
const NOT: bool = false;

const fn state(subscription: Subscription, pending_out: bool, pending_in: bool) -> State {
    State::new(subscription, pending_out, pending_in, false).expect("one of the nine")
}

fn approved(state: State) -> State {
    State::new(state.subscription(), state.pending_out(), state.pending_in(), true).unwrap()
}

fn check_outbound(kind: Kind, rows: [(bool, State); 9]) {
    for (existing, (route, next)) in ALL.into_iter().zip(rows) {
        let outcome = outbound(existing, kind);
        assert_eq!(
            (outcome.route, outcome.next),
            (route, next),
            "{kind:?} sent in {existing:?}"
        );
        // Sections 3.1.5 and 3.2.2: presence follows what the contact may see.
        let announce = match (existing.subscription().from(), next.subscription().from()) {
            (false, true) => Some(Announce::Available),
            (true, false) => Some(Announce::Unavailable),
            _ => None,
        };
        assert_eq!(outcome.announce, announce, "{kind:?} sent in {existing:?}");
    }
}

fn check_inbound(kind: Kind, rows: [(bool, State, Option<Kind>); 9]) {
    for (existing, (deliver, next, auto_reply)) in ALL.into_iter().zip(rows) {
        let outcome = inbound(existing, kind);
        let got = (outcome.deliver, outcome.next, outcome.auto_reply);
        assert_eq!(got, (deliver, next, auto_reply), "{kind:?} arrives in {existing:?}");
        let announce = match (existing.subscription().from(), next.subscription().from()) {
            (true, false) => Some(Announce::Unavailable),
            (true, true) if auto_reply.is_some() => Some(Announce::Available),
            _ => None,
        };
        assert_eq!(outcome.announce, announce, "{kind:?} arrives in {existing:?}");
    }
}

#[test]
fn table_2_outbound_subscribe() {
    check_outbound(
        Kind::Subscribe,
        [
            (MUST, NONE_OUT),
            (MUST, NONE_OUT),
            (MUST, NONE_OUT_IN),
            (MUST, NONE_OUT_IN),
            (MUST, TO),
            (MUST, TO_IN),
            (MUST, FROM_OUT),
            (MUST, FROM_OUT),
            (MUST, BOTH),
        ],
    );
}

#[test]
fn table_3_outbound_unsubscribe() {
    check_outbound(
        Kind::Unsubscribe,
        [
            (MUST, NONE),
            (MUST, NONE),
            (MUST, NONE_IN),
            (MUST, NONE_IN),
            (MUST, NONE),
            (MUST, NONE_IN),
            (MUST, FROM),
            (MUST, FROM),
            (MUST, FROM),
        ],
    );
}

#[test]
fn table_4_outbound_subscribed() {
    check_outbound(
        Kind::Subscribed,
        [
            (NOT, approved(NONE)),
            (NOT, approved(NONE_OUT)),
            (MUST, FROM),
            (MUST, FROM_OUT),
            (NOT, approved(TO)),
            (MUST, BOTH),
            (NOT, FROM),
            (NOT, FROM_OUT),
            (NOT, BOTH),
        ],
    );
}

#[test]
fn table_5_outbound_unsubscribed() {
    check_outbound(
        Kind::Unsubscribed,
        [
            (NOT, NONE),
            (NOT, NONE_OUT),
            (MUST, NONE),
            (MUST, NONE_OUT),
            (NOT, TO),
            (MUST, TO),
            (MUST, NONE),
            (MUST, NONE_OUT),
            (MUST, TO),
        ],
    );
}

#[test]
fn table_6_inbound_subscribe() {
    let yes = Some(Kind::Subscribed);
    check_inbound(
        Kind::Subscribe,
        [
            (MUST, NONE_IN, None),
            (MUST, NONE_OUT_IN, None),
            (NOT, NONE_IN, None),
            (NOT, NONE_OUT_IN, None),
            (MUST, TO_IN, None),
            (NOT, TO_IN, None),
            (NOT, FROM, yes),
            (NOT, FROM_OUT, yes),
            (NOT, BOTH, yes),
        ],
    );
}

#[test]
fn table_7_inbound_unsubscribe() {
    let gone = Some(Kind::Unsubscribed);
    check_inbound(
        Kind::Unsubscribe,
        [
            (NOT, NONE, None),
            (NOT, NONE_OUT, None),
            (MUST, NONE, gone),
            (MUST, NONE_OUT, gone),
            (NOT, TO, None),
            (MUST, TO, gone),
            (MUST, NONE, gone),
            (MUST, NONE_OUT, gone),
            (MUST, TO, gone),
        ],
    );
}

#[test]
fn table_8_inbound_subscribed() {
    check_inbound(
        Kind::Subscribed,
        [
            (NOT, NONE, None),
            (MUST, TO, None),
            (NOT, NONE_IN, None),
            (MUST, TO_IN, None),
            (NOT, TO, None),
            (NOT, TO_IN, None),
            (NOT, FROM, None),
            (MUST, BOTH, None),
            (NOT, BOTH, None),
        ],
    );
}

#[test]
fn table_9_inbound_unsubscribed() {
    check_inbound(
        Kind::Unsubscribed,
        [
            (NOT, NONE, None),
            (MUST, NONE, None),
            (NOT, NONE_IN, None),
            (MUST, NONE_IN, None),
            (MUST, NONE, None),
            (MUST, NONE_IN, None),
            (NOT, FROM, None),
            (MUST, FROM, None),
            (MUST, FROM, None),
        ],
    );
}

#[test]
fn an_approval_in_advance_grants_the_request_unasked() {
    for (existing, next) in [(NONE, FROM), (NONE_OUT, FROM_OUT), (TO, BOTH)] {
        let expected = Inbound {
            next: approved(next),
            deliver: false,
            auto_reply: Some(Kind::Subscribed),
            announce: Some(Announce::Available),
        };
        assert_eq!(inbound(approved(existing), Kind::Subscribe), expected, "{existing:?}");
    }
}

#[test]
fn an_approval_in_advance_is_taken_back_without_a_word() {
    for existing in [NONE, NONE_OUT, TO] {
        let expected = Outbound {
            next: existing,
            route: false,
            announce: None,
        };
        assert_eq!(
            outbound(approved(existing), Kind::Unsubscribed),
            expected,
            "{existing:?}"
        );
    }
    for (existing, next) in [(FROM, NONE), (FROM_OUT, NONE_OUT), (BOTH, TO)] {
        let expected = Outbound {
            next,
            route: true,
            announce: Some(Announce::Unavailable),
        };
        assert_eq!(
            outbound(approved(existing), Kind::Unsubscribed),
            expected,
            "{existing:?}"
        );
    }
}

#[test]
fn an_approval_outlives_what_the_contact_does() {
    for existing in [NONE, NONE_OUT, TO, FROM, FROM_OUT, BOTH] {
        for kind in Kind::ALL {
            let (plain, with) = (inbound(existing, kind), inbound(approved(existing), kind));
            assert!(with.next.approved(), "{kind:?} arrives in {existing:?}");
            if kind != Kind::Subscribe {
                assert_eq!(
                    with,
                    Inbound {
                        next: approved(plain.next),
                        ..plain
                    },
                    "{kind:?} arrives in {existing:?}"
                );
            }
        }
    }
}

#[test]
fn no_step_leads_out_of_the_nine_states() {
    let sound = |next: State| {
        State::new(
            next.subscription(),
            next.pending_out(),
            next.pending_in(),
            next.approved(),
        ) == Some(next)
    };
    let with_approval = ALL.into_iter().filter(|state| !state.pending_in()).map(approved);
    for existing in ALL.into_iter().chain(with_approval) {
        for kind in Kind::ALL {
            assert!(sound(outbound(existing, kind).next), "{kind:?} sent in {existing:?}");
            assert!(sound(inbound(existing, kind).next), "{kind:?} arrives in {existing:?}");
        }
    }
}

#[test]
fn the_replies_of_two_servers_come_to_rest() {
    // Whatever the two believe of each other, one act of the user never makes them answer for ever.
    for (user, contact, kind) in ALL.into_iter().flat_map(|user| {
        ALL.into_iter()
            .flat_map(move |contact| Kind::ALL.into_iter().map(move |kind| (user, contact, kind)))
    }) {
        let mut sides = [outbound(user, kind).next, contact];
        let (mut on_the_way, mut receiver) = (Some(kind), 1);
        for _ in 0..3 {
            let Some(kind) = on_the_way else { break };
            let outcome = inbound(sides[receiver], kind);
            sides[receiver] = outcome.next;
            on_the_way = outcome.auto_reply;
            receiver = 1 - receiver;
        }
        assert_eq!(on_the_way, None, "{kind:?} from {user:?} to {contact:?}");
    }
}

#[test]
fn a_removal_says_what_the_contact_must_know() {
    let farewell = |unavailable, unsubscribe, unsubscribed| Farewell {
        unavailable,
        unsubscribe,
        unsubscribed,
    };
    let rows = [
        farewell(false, false, false),
        farewell(false, true, false),
        farewell(false, false, true),
        farewell(false, true, true),
        farewell(false, true, false),
        farewell(false, true, true),
        farewell(true, false, true),
        farewell(true, true, true),
        farewell(true, true, true),
    ];
    for (existing, expected) in ALL.into_iter().zip(rows) {
        assert_eq!(removal(existing), expected, "{existing:?}");
    }
}
