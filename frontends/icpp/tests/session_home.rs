//! A server that knows where accounts belong sends clients there before they log in, and nobody in circles.

mod session_support;

use crosspoint_icpp::codec::elsewhere::{Reason, Redirect};
use crosspoint_icpp::codec::hello::Hello;
use crosspoint_icpp::codec::{Code, Header, PREFACE, Verb, write_frame};
use crosspoint_icpp::limits::Limits;
use crosspoint_icpp::redirect::Home;
use session_support::{Client, Told, config};

/// What a client is told that says HELLO so, to a server that believes this of an account's home, and what was counted.
fn answer(home: Home, hello: &Hello<'_>) -> (Vec<Told>, u64) {
    let mut config = config(Limits::DEFAULT);
    config.homes = vec![home];
    let figures = config.figures.clone();
    let mut client = Client::connect(config, 0);
    let mut bytes = PREFACE.to_vec();
    write_frame(&mut bytes, Header::push(Verb::Hello, 0), |out| hello.write(out));
    client.send(&bytes);
    (client.told(), figures.redirects.of(Reason::Home))
}

fn at(first: u16, last: u16, node: &str) -> Home {
    Home {
        first,
        last,
        node: node.to_owned(),
        urls: vec!["icpps://two.example:5300".to_owned()],
    }
}

#[test]
fn whoever_belongs_elsewhere_is_told_where_before_it_logs_in() {
    let romeo = Hello {
        account: "romeo@montague.lit",
        ..Hello::default()
    };
    // Slot 3643.
    let (told, counted) = answer(at(3643, 3643, "two"), &romeo);
    let redirect = Redirect::read(&told[0].body).unwrap();
    assert_eq!((told.len(), told[0].verb, counted), (1, Verb::Redirect, 1));
    assert_eq!(
        (redirect.node, redirect.reason, redirect.ticket),
        ("two", Reason::Home, None)
    );
    assert!(redirect.urls().eq(["icpps://two.example:5300"]));
    let here = [
        at(0, 3642, "two"),
        at(3644, 4095, "two"),
        at(0, 4095, "fe1"),
        Home {
            urls: Vec::new(),
            ..at(0, 4095, "two")
        },
    ];
    for home in here {
        let (told, counted) = answer(home.clone(), &romeo);
        assert_eq!((told[0].verb, counted), (Verb::Welcome, 0), "{home:?}");
    }
}

#[test]
fn whoever_comes_from_there_is_let_in_and_whoever_has_gone_far_is_refused() {
    let hello = |came_from, hops| Hello {
        account: "romeo@montague.lit",
        came_from,
        hops,
        ..Hello::default()
    };
    let told = |hello: &Hello<'_>| answer(at(0, 4095, "two"), hello).0;
    assert_eq!(told(&hello(Some("two"), 1))[0].verb, Verb::Welcome);
    assert_eq!(told(&hello(Some("three"), 2))[0].verb, Verb::Redirect);
    let told = told(&hello(Some("three"), 3));
    assert_eq!((told[0].verb, told[0].code()), (Verb::Error, Code::RedirectLoop as u16));
}
