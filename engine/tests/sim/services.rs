//! Plays about services that are attached under domains of their own: `capulet.lit`, and `mantua.lit`, which is trusted to speak
//! for users and to see who is there.
//!
//! A line of the third listener is a service. It says `attach DOMAIN`, `say FROM TO ID`, `ask FROM TO ID`, `answer FROM TO ID`, `beg FROM TO` and
//! `for FROM TO ID`, with whole addresses.

use std::any::Any;

use bytes::Bytes;
use crosspoint_engine::attached::{Attached, Services};
use crosspoint_engine::envelope::{Envelope, Hints, Kind, MessageKind, PresenceKind, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, Context, Delivery, Event, Session};

use super::client::{address, say};
use super::play;

/// The services of all plays.
pub fn services() -> Services {
    let service = |domain: &str, trusted| Attached {
        domain: domain.parse().expect("a good name"),
        speaks_for_users: trusted,
        sees_presence: trusted,
    };
    Services::new([service("capulet.lit", false), service("mantua.lit", true)])
}

#[derive(Default)]
pub struct ServiceSession {
    wants: Option<Jid>,
}

impl ServiceSession {
    fn command(&mut self, line: &str, cx: &mut Context<'_>) {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["attach", domain] = words[..] {
            let domain: Jid = domain.parse().expect("a good name");
            self.wants = Some(domain.clone());
            return cx.actions.push(Action::Attach { domain });
        }
        let envelope = |kind| {
            let mut envelope = Envelope::neutral(address(words[1]), address(words[2]), kind);
            envelope.id = Bytes::copy_from_slice(words.get(3).unwrap_or(&"").as_bytes());
            envelope.hints = Hints::STORE;
            envelope
        };
        let envelope = match words[0] {
            "ask" => envelope(Kind::Query(QueryKind::Get)),
            "answer" => envelope(Kind::Query(QueryKind::Result)),
            "beg" => envelope(Kind::Presence(PresenceKind::Subscribe)),
            _ => envelope(Kind::Message(MessageKind::Chat)),
        };
        cx.actions.push(match words[0] {
            "for" => Action::SpeakFor { envelope },
            _ => Action::Route { envelope, seq: None },
        });
    }
}

impl Session for ServiceSession {
    fn on_input(&mut self, input: &[u8], cx: &mut Context<'_>) -> usize {
        for line in std::str::from_utf8(input).expect("plays are text").lines() {
            self.command(line, cx);
        }
        input.len()
    }

    fn on_event(&mut self, event: Event, cx: &mut Context<'_>) {
        match event {
            Event::Placed => {
                let domain = self.wants.clone().expect("it asked");
                cx.actions.push(Action::Attach { domain });
            }
            Event::Attached(good) => say(0, cx, format_args!("attached {good}")),
            Event::Lost => cx.actions.push(Action::Close),
            Event::Farewell(why) => {
                say(0, cx, format_args!("bye {why:?}"));
                cx.actions.push(Action::Close);
            }
            _ => {}
        }
    }

    fn on_deliver(&mut self, delivery: &Delivery<'_>, cx: &mut Context<'_>) {
        let Envelope { from, to, kind, id, .. } = delivery.envelope;
        say(
            0,
            cx,
            format_args!("got {kind:?} {from} {to} {}", String::from_utf8_lossy(id)),
        );
    }

    fn on_tick(&mut self, _cx: &mut Context<'_>) {}

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[test]
fn whatever_is_sent_to_a_domain_reaches_its_service_wherever_both_connected() {
    play(|world| {
        let service = world.service("capulet.lit");
        let romeo = world.enter("romeo", "orchard", false);
        for number in 0..5 {
            world.type_in(romeo, &format!("send tybalt{number}@capulet.lit/x m{number}"));
        }
        world.type_in(romeo, "send capulet.lit house");
        world.settle();
        let expected: Vec<String> = (0..5)
            .map(|number| format!("got Message(Chat) romeo@verona.lit/orchard tybalt{number}@capulet.lit/x m{number}"))
            .chain(["got Message(Chat) romeo@verona.lit/orchard capulet.lit house".to_owned()])
            .collect();
        assert_eq!(world.heard_of(service, "got"), expected);
    });
}

#[test]
fn a_service_speaks_from_any_address_of_its_domain_and_from_no_other() {
    play(|world| {
        let service = world.service("capulet.lit");
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "available 0");
        world.until(romeo, "Available");
        for line in [
            "say tybalt@capulet.lit/hall romeo@verona.lit one",
            "say juliet@verona.lit romeo@verona.lit forged",
            "say verona.lit romeo@verona.lit forged",
            "say mantua.lit romeo@verona.lit forged",
            "for juliet@verona.lit romeo@verona.lit forged",
            "say capulet.lit romeo@verona.lit two",
        ] {
            world.type_in(service, line);
        }
        world.settle();
        assert_eq!(
            world.heard_of(romeo, "message"),
            ["message tybalt@capulet.lit/hall one", "message capulet.lit two"]
        );
    });
}

#[test]
fn a_trusted_service_speaks_for_users_and_the_switch_but_not_for_another_service() {
    play(|world| {
        let service = world.service("mantua.lit");
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "available 0");
        world.until(romeo, "Available");
        for line in [
            "for juliet@verona.lit romeo@verona.lit one",
            "for verona.lit romeo@verona.lit two",
            "for juliet@verona.lit/balcony romeo@verona.lit forged",
            "for capulet.lit romeo@verona.lit forged",
        ] {
            world.type_in(service, line);
        }
        world.settle();
        assert_eq!(
            world.heard_of(romeo, "message"),
            ["message juliet one", "message verona.lit two"]
        );
    });
}

#[test]
fn a_domain_has_one_service_at_a_time() {
    play(|world| {
        let first = world.service("capulet.lit");
        let second = world.connect_service();
        world.type_in(second, "attach capulet.lit");
        world.until(second, "attached false");
        world.cut(first);
        world.settle();
        let third = world.service("capulet.lit");
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "send capulet.lit hello");
        world.until(third, "got Message(Chat) romeo@verona.lit/orchard capulet.lit hello");
    });
}

#[test]
fn nobody_attaches_under_a_domain_that_is_not_configured() {
    play(|world| {
        for domain in ["verona.lit", "padua.lit", "sub.capulet.lit"] {
            let line = world.connect_service();
            world.type_in(line, &format!("attach {domain}"));
            world.until(line, "attached false");
        }
    });
}

#[test]
fn who_writes_to_a_service_that_is_away_is_told_and_nothing_is_kept() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", true);
        world.type_in(romeo, "send tybalt@capulet.lit hello");
        world.until(romeo, "error tybalt@capulet.lit hello");
        world.until(romeo, "accepted 1");
        world.type_in(romeo, "available 0");
        world.until(romeo, "Available");
        world.type_in(romeo, "subscribe tybalt@capulet.lit");
        world.until(romeo, "Error tybalt@capulet.lit");
        let service = world.service("capulet.lit");
        world.settle();
        assert!(world.heard_of(service, "got").is_empty());
    });
}

#[test]
fn a_service_that_does_not_read_is_busy_and_then_gone() {
    play(|world| {
        let service = world.service("capulet.lit");
        let romeo = world.enter("romeo", "orchard", false);
        world.stall(service);
        for number in 0..40 {
            world.type_in(romeo, &format!("send tybalt@capulet.lit m{number}"));
        }
        world.settle();
        let refused = world.heard_of(romeo, "error").len();
        assert!(refused > 0, "its outbox is bounded");
        world.unstall(service);
        world.settle();
        assert_eq!(world.heard_of(service, "got").len(), 40 - refused);
    });
}

#[test]
fn a_subscription_from_a_service_waits_for_its_addressee() {
    play(|world| {
        let service = world.service("capulet.lit");
        world.type_in(service, "beg tybalt@capulet.lit romeo@verona.lit");
        world.settle();
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "available 0");
        world.until(romeo, "Subscribe tybalt@capulet.lit");
        world.type_in(romeo, "subscribed tybalt@capulet.lit");
        world.until(service, "got Presence(Subscribed) romeo@verona.lit tybalt@capulet.lit");
    });
}

#[test]
fn a_service_that_may_see_it_is_told_who_comes_and_goes_and_who_is_there_already() {
    play(|world| {
        let romeo = world.enter("romeo", "orchard", false);
        world.type_in(romeo, "available 0");
        world.until(romeo, "Available");
        // What is still on its way when the service comes, it is told of twice.
        world.settle();
        let blind = world.service("capulet.lit");
        let service = world.service("mantua.lit");
        world.until(service, "got Presence(Available) romeo@verona.lit/orchard mantua.lit ");
        world.settle();
        let juliet = world.enter("juliet", "balcony", false);
        world.type_in(juliet, "available 0");
        world.until(service, "got Presence(Available) juliet@verona.lit/balcony mantua.lit ");
        // Only the first one is worth telling.
        world.type_in(juliet, "available 1");
        world.settle();
        let told = world.heard_of(service, "got");
        assert_eq!(told.len(), 2, "{told:?}");
        world.cut(juliet);
        world.until(
            service,
            "got Presence(Unavailable) juliet@verona.lit/balcony mantua.lit ",
        );
        assert!(world.heard_of(blind, "got").is_empty());
    });
}

#[test]
fn a_drain_says_goodbye_to_services_too() {
    play(|world| {
        let service = world.service("capulet.lit");
        world.drain();
        world.until(service, "bye Shutdown");
        world.settle();
        assert!(world.is_drained());
    });
}
