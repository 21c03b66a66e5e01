//! The archive: what is asked, what is refused, and whether pages add up to what was said (XEP-0313, XEP-0059).

mod features_support;

use crosspoint_engine::envelope::{Condition, Kind, MessageKind};
use crosspoint_xmpp::features::{FeatureConfig, archive};
use features_support::{Stage, jid};
use proptest::prelude::*;

const JULIET: &str = "juliet@capulet.example/balcony";
const JULIETS: &str = "juliet@capulet.example";
const ROMEO: &str = "romeo@montague.example/orchard";
const NURSE: &str = "nurse@capulet.example/kitchen";

fn stage() -> Stage {
    Stage::with(&FeatureConfig {
        archive: true,
        ..FeatureConfig::default()
    })
}

/// What was said, one message a second from this moment on: 2010-06-07T00:00:00Z.
const BEGAN_MS: u64 = 1_275_868_800_000;

fn say(stage: &mut Stage, count: usize) -> Vec<String> {
    let said = (0..count).map(|number| {
        let (from, to) = match number % 3 {
            0 => (ROMEO, JULIETS),
            1 => (JULIET, ROMEO),
            _ => (NURSE, JULIET),
        };
        let stamp_ms = BEGAN_MS + 1000 * number as u64;
        let body = format!("<body>m{number}</body>");
        stage
            .host
            .archives
            .add(JULIETS, from, to, stamp_ms, 1, &body)
            .to_string()
    });
    said.collect()
}

/// The answer to a query: the bodies of the results, in order, and the answer's own text.
fn ask(stage: &mut Stage, inside: &str) -> (Vec<String>, String) {
    let query = format!("<query xmlns='urn:xmpp:mam:2' queryid='f27'>{inside}</query>");
    stage.send(JULIET, JULIETS, "set", "", &query);
    stage.host.settle();
    let answer = stage.host.sent.pop().expect("an answer");
    let told = std::mem::take(&mut stage.host.told);
    let results = told.iter().map(|result| {
        assert_eq!(result.kind, Kind::Message(MessageKind::Normal));
        assert_eq!((result.from.as_str(), result.to.as_str()), (JULIETS, JULIET));
        let text = String::from_utf8(result.content.body.to_vec()).unwrap();
        assert!(
            text.starts_with("<result xmlns='urn:xmpp:mam:2' queryid=\"f27\" id=\""),
            "{text}"
        );
        let (_, rest) = text.split_once("<body>").expect("a body");
        rest.split_once("</body>").expect("its end").0.to_owned()
    });
    (results.collect(), features_support::show(&answer))
}

fn form(fields: &str) -> String {
    format!(
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>{fields}</x>"
    )
}

fn field(name: &str, value: &str) -> String {
    form(&format!("<field var='{name}'><value>{value}</value></field>"))
}

fn set(inside: &str) -> String {
    format!("<set xmlns='http://jabber.org/protocol/rsm'>{inside}</set>")
}

fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("m{number}")).collect()
}

fn fin(complete: bool, first: &str, last: &str) -> String {
    let complete = if complete { " complete=\"true\"" } else { "" };
    let set = match first {
        "" => "<set xmlns=\"http://jabber.org/protocol/rsm\"/>".to_owned(),
        _ => format!("<set xmlns=\"http://jabber.org/protocol/rsm\"><first>{first}</first><last>{last}</last></set>"),
    };
    format!("result <fin xmlns=\"urn:xmpp:mam:2\"{complete}>{set}</fin>")
}

#[test]
fn a_result_is_the_message_as_it_was_with_its_time_beside_it() {
    let mut stage = stage();
    let id = stage
        .host
        .archives
        .add(JULIETS, ROMEO, JULIETS, BEGAN_MS, 1, "<body>Hail &amp; to thee</body>");
    let query = "<query xmlns='urn:xmpp:mam:2'/>";
    stage.send(JULIET, JULIETS, "set", "", query);
    stage.host.settle();
    let result = String::from_utf8(stage.host.told[0].content.body.to_vec()).unwrap();
    let expected = format!(
        "<result xmlns='urn:xmpp:mam:2' id=\"{id}\"><forwarded xmlns='urn:xmpp:forward:0'>\
         <delay xmlns='urn:xmpp:delay' stamp='2010-06-07T00:00:00.000Z'/>\
         <message xmlns=\"jabber:client\" from=\"{ROMEO}\" to=\"{JULIETS}\" type=\"chat\"><body>Hail &amp; to thee</body></message>\
         </forwarded></result>"
    );
    assert_eq!(result, expected);
    assert_eq!(
        features_support::show(&stage.host.sent[0]),
        fin(true, &id.to_string(), &id.to_string())
    );
}

/// The queries of XEP-0313's examples, over seven messages.
#[test]
fn queries_of_the_specification() {
    let mut stage = stage();
    let ids = say(&mut stage, 7);
    let range = form(&format!(
        "<field var='after-id'><value>{}</value></field><field var='before-id'><value>{}</value></field>",
        ids[1], ids[4]
    ));
    let some = form(&format!(
        "<field var='ids'><value>{}</value><value>{}</value></field>",
        ids[5], ids[2]
    ));
    let table: Vec<(String, Vec<usize>, bool)> = vec![
        (String::new(), (0..7).collect(), true),
        (field("with", "romeo@montague.example"), vec![0, 1, 3, 4, 6], true),
        (field("with", ROMEO), vec![0, 1, 3, 4, 6], true),
        (field("with", "romeo@montague.example/tomb"), vec![], true),
        (field("with", "nurse@capulet.example"), vec![2, 5], true),
        (field("with", JULIETS), vec![], true),
        (field("start", "2010-06-07T00:00:05Z"), vec![5, 6], true),
        (field("end", "2010-06-07T00:00:01Z"), vec![0, 1], true),
        (field("end", "2010-06-07T02:00:01.000+02:00"), vec![0, 1], true),
        (field("before-id", &ids[2]), vec![0, 1], true),
        (range, vec![2, 3], true),
        (some, vec![2, 5], true),
        (field("include-groupchat", "false"), (0..7).collect(), true),
        (field("start", ""), (0..7).collect(), true),
        (set("<max>3</max>"), vec![0, 1, 2], false),
        (
            set(&format!("<max>3</max><after>{}</after>", ids[3])),
            vec![4, 5, 6],
            true,
        ),
        (set("<max>2</max><before/>"), vec![5, 6], false),
        (
            set(&format!("<max>2</max><before>{}</before>", ids[2])),
            vec![0, 1],
            true,
        ),
        (
            format!("{}<flip-page/>", set("<max>2</max><before/>")),
            vec![6, 5],
            false,
        ),
        (set("<max>0</max>"), vec![], false),
        (set("<max>4000000000</max>"), (0..7).collect(), true),
    ];
    for (query, expected, complete) in table {
        let (said, answer) = ask(&mut stage, &query);
        assert_eq!(said, names(expected.iter().copied()), "{query}");
        let ends = (expected.iter().min(), expected.iter().max());
        let (first, last) = match ends {
            (Some(first), Some(last)) => (&*ids[*first], &*ids[*last]),
            _ => ("", ""),
        };
        assert_eq!(answer, fin(complete, first, last), "{query}");
    }
}

#[test]
fn what_is_malformed_unknown_or_not_there_is_refused() {
    let mut stage = stage();
    let ids = say(&mut stage, 3);
    let stranger = stage.host.archives.hide(77).to_string();
    let many: String = (0..=archive::IDS_MAX)
        .map(|_| format!("<value>{}</value>", ids[0]))
        .collect();
    let table = [
        (set(&format!("<after>{stranger}</after>")), Condition::ItemNotFound),
        (set("<after>09af3-cc343-b409f</after>"), Condition::ItemNotFound),
        (set(&format!("<before>{stranger}</before>")), Condition::ItemNotFound),
        (field("after-id", &stranger), Condition::ItemNotFound),
        (field("before-id", "0"), Condition::ItemNotFound),
        (field("ids", &stranger), Condition::ItemNotFound),
        (
            form(&format!("<field var='ids'>{many}</field>")),
            Condition::ResourceConstraint,
        ),
        (set("<max>10</max><index>3</index>"), Condition::FeatureNotImplemented),
        (set("<max>-1</max>"), Condition::BadRequest),
        (field("with", "@"), Condition::JidMalformed),
        (field("start", "yesterday"), Condition::BadRequest),
        (field("end", "2010-02-30T00:00:00Z"), Condition::BadRequest),
        (field("include-groupchat", "perhaps"), Condition::BadRequest),
        (field("{urn:example}mood", "lonely"), Condition::FeatureNotImplemented),
        (form("<field><value>x</value></field>"), Condition::BadRequest),
        (
            "<x xmlns='jabber:x:data' type='submit'/>".to_owned(),
            Condition::BadRequest,
        ),
        (
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:1</value></field></x>"
                .to_owned(),
            Condition::BadRequest,
        ),
    ];
    for (query, condition) in table {
        assert_eq!(
            ask(&mut stage, &query),
            (vec![], format!("error {condition:?}")),
            "{query}"
        );
    }
    let long = "q".repeat(archive::QUERY_ID_BYTES_MAX + 1);
    let answer = stage.ask(
        JULIET,
        JULIETS,
        "set",
        &format!("<query xmlns='urn:xmpp:mam:2' queryid='{long}'/>"),
    );
    assert_eq!(answer, "error BadRequest");
    let answer = stage.ask(
        JULIET,
        JULIETS,
        "set",
        "<query xmlns='urn:xmpp:mam:2' node='fdp/submitted'/>",
    );
    assert_eq!(answer, "error ItemNotFound");
}

#[test]
fn nobody_reads_anothers_archive() {
    let mut stage = stage();
    say(&mut stage, 3);
    for (kind, payload) in [
        ("set", "<query xmlns='urn:xmpp:mam:2'/>"),
        ("get", "<metadata xmlns='urn:xmpp:mam:2'/>"),
    ] {
        for whose in [JULIETS, "nobody@capulet.example"] {
            assert_eq!(stage.ask(NURSE, whose, kind, payload), "error Forbidden");
        }
    }
    assert_eq!(stage.host.archives.pages, 0);
}

#[test]
fn the_ends_of_an_archive() {
    let mut stage = stage();
    let ask = "<metadata xmlns='urn:xmpp:mam:2'/>";
    assert_eq!(
        stage.ask(JULIET, JULIETS, "get", ask),
        "result <metadata xmlns=\"urn:xmpp:mam:2\"/>"
    );
    let ids = say(&mut stage, 3);
    let expected = format!(
        "result <metadata xmlns=\"urn:xmpp:mam:2\"><start id=\"{}\" timestamp=\"2010-06-07T00:00:00.000Z\"/>\
         <end id=\"{}\" timestamp=\"2010-06-07T00:00:02.000Z\"/></metadata>",
        ids[0], ids[2]
    );
    assert_eq!(stage.ask(JULIET, JULIETS, "get", ask), expected);
}

#[test]
fn the_form_has_the_fields_of_the_specification() {
    let mut stage = stage();
    let answer = stage.ask(JULIET, JULIETS, "get", "<query xmlns='urn:xmpp:mam:2'/>");
    for field in [
        "with",
        "start",
        "end",
        "before-id",
        "after-id",
        "ids",
        "include-groupchat",
    ] {
        assert!(answer.contains(&format!(" var=\"{field}\"")), "{field} in {answer}");
    }
    assert!(answer.contains("<open/></validate>"), "{answer}");
}

/// profanity asks nobody but the domain whether there is an archive, and reads none if it is not told so there.
#[test]
fn the_archive_is_announced_by_the_account_and_by_the_domain() {
    let stage = stage();
    assert!(stage.features.account_features().contains(&"urn:xmpp:mam:2"));
    assert!(stage.features.domain_features().contains(&"urn:xmpp:mam:2"));
}

#[test]
fn an_installation_without_an_archive_does_not_speak_of_it() {
    let mut stage = Stage::with(&FeatureConfig {
        archive: false,
        ..FeatureConfig::default()
    });
    assert!(!stage.features.account_features().contains(&"urn:xmpp:mam:2"));
    assert!(!stage.features.domain_features().contains(&"urn:xmpp:mam:2"));
    let answer = stage.ask(JULIET, JULIETS, "set", "<query xmlns='urn:xmpp:mam:2'/>");
    assert_eq!(answer, "error ServiceUnavailable");
}

/// The preferences of XEP-0441's examples.
#[test]
fn preferences_are_what_was_said_last() {
    let mut stage = stage();
    let get = "<prefs xmlns='urn:xmpp:mam:2'/>";
    let said = |default: &str, always: &str, never: &str| {
        let list = |name: &str, entry: &str| match entry {
            "" => format!("<{name}/>"),
            entry => format!("<{name}><jid>{entry}</jid></{name}>"),
        };
        let (always, never) = (list("always", always), list("never", never));
        format!("result <prefs xmlns=\"urn:xmpp:mam:2\" default=\"{default}\">{always}{never}</prefs>")
    };
    assert_eq!(stage.ask(JULIET, JULIETS, "get", get), said("always", "", ""));
    let set = |default: &str, lists: &str| format!("<prefs xmlns='urn:xmpp:mam:2' default='{default}'>{lists}</prefs>");
    let lists = "<always><jid>romeo@montague.lit</jid></always><never><jid>montague@montague.lit</jid></never>";
    let roster = said("roster", "romeo@montague.lit", "montague@montague.lit");
    assert_eq!(stage.ask(JULIET, JULIETS, "set", &set("roster", lists)), roster);
    assert_eq!(stage.ask(JULIET, JULIETS, "get", get), roster);
    assert_eq!(
        stage.ask(JULIET, JULIETS, "set", &set("never", "")),
        said("never", "", "")
    );
    let many: String = (0..=256).map(|number| format!("<jid>u{number}@m.lit</jid>")).collect();
    for (wish, condition) in [
        (set("sometimes", ""), Condition::BadRequest),
        ("<prefs xmlns='urn:xmpp:mam:2'/>".to_owned(), Condition::BadRequest),
        (set("always", "<never><jid>@</jid></never>"), Condition::JidMalformed),
        (
            set("always", &format!("<always>{many}</always>")),
            Condition::NotAcceptable,
        ),
        (
            set("always", &format!("<never>{many}</never>")),
            Condition::NotAcceptable,
        ),
    ] {
        assert_eq!(
            stage.ask(JULIET, JULIETS, "set", &wish),
            format!("error {condition:?}"),
            "{wish}"
        );
    }
    assert_eq!(stage.ask(NURSE, JULIETS, "set", &set("never", "")), "error Forbidden");
    assert_eq!(
        stage.ask(JULIET, JULIETS, "get", get),
        said("never", "", ""),
        "refusals change nothing"
    );
}

/// A page costs memory for the client that does not read it.
#[test]
fn who_does_not_read_what_he_asks_for_is_asked_to_wait() {
    let mut stage = stage();
    say(&mut stage, 3);
    stage.host.behind.insert(jid(JULIET));
    assert_eq!(ask(&mut stage, ""), (vec![], "error ResourceConstraint".to_owned()));
}

#[test]
fn a_page_is_full_by_its_bytes_too() {
    let mut stage = stage();
    let long = format!("<body>{}</body>", "x".repeat(60_000));
    for number in 0..5 {
        stage
            .host
            .archives
            .add(JULIETS, ROMEO, JULIETS, BEGAN_MS + number, 1, &long);
    }
    let (said, answer) = ask(&mut stage, "");
    let most = archive::RESULT_BYTES_MAX / 60_000 + 1;
    assert!(
        (1..=most).contains(&said.len()) && !answer.contains("complete"),
        "{} {answer}",
        said.len()
    );
}

/// One query looks at so many records and no more; the client goes on where it has stopped, and comes to the end.
#[test]
fn who_looks_for_a_needle_looks_in_pieces() {
    let mut stage = stage();
    let needle = "capulet@capulet.example/hall";
    let last = archive::LOOKED_AT_MAX as u64 * 5 / 2;
    for number in 0..last {
        let from = if number == 0 { needle } else { NURSE };
        stage
            .host
            .archives
            .add(JULIETS, from, JULIET, BEGAN_MS + number, 1, "<body>hay</body>");
    }
    let with = field("with", needle);
    let mut before = String::new();
    for round in 0..3 {
        let pages = stage.host.archives.pages;
        let (said, answer) = ask(
            &mut stage,
            &format!("{with}{}", set(&format!("<before>{before}</before>"))),
        );
        assert_eq!(
            (said.len(), answer.contains("complete")),
            if round < 2 { (0, false) } else { (1, true) },
            "{answer}"
        );
        assert!(stage.host.archives.pages - pages <= archive::LOOKED_AT_MAX / 1000 + 2);
        let (_, rest) = answer.split_once("<first>").expect("where to go on");
        before = rest[..16].to_owned();
    }
}

#[test]
fn an_archive_that_cannot_be_read_is_an_error_and_no_end() {
    let mut stage = stage();
    say(&mut stage, 3);
    stage.host.failure = Some(Condition::InternalServerError);
    assert_eq!(ask(&mut stage, ""), (vec![], "error InternalServerError".to_owned()));
}

/// Reads a whole archive page by page, in one direction, as a client does.
fn read_all(stage: &mut Stage, filter: &str, max: usize, backward: bool) -> Vec<String> {
    let (mut all, mut edge) = (Vec::new(), String::new());
    for _ in 0..200 {
        let page = match (backward, &*edge) {
            (false, "") => format!("<max>{max}</max>"),
            (false, edge) => format!("<max>{max}</max><after>{edge}</after>"),
            (true, edge) => format!("<max>{max}</max><before>{edge}</before>"),
        };
        let (said, answer) = ask(stage, &format!("{filter}{}", set(&page)));
        assert!(said.len() <= max, "{} of {max}", said.len());
        all = if backward {
            [said, all].concat()
        } else {
            [all, said].concat()
        };
        if answer.contains("complete=\"true\"") {
            return all;
        }
        let tag = if backward { "<first>" } else { "<last>" };
        let (_, rest) = answer.split_once(tag).unwrap_or_else(|| panic!("no way on: {answer}"));
        edge = rest[..16].to_owned();
    }
    panic!("no end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the size of pages, the client's or the log's, and whichever the direction: they add up to what was said.
    #[test]
    fn pages_add_up(count in 0usize..60, max in 1usize..20, log_max in 1usize..25, backward: bool, filter in 0usize..3) {
        let mut stage = stage();
        let ids = say(&mut stage, count);
        stage.host.archives.records_max = log_max;
        let (filter, expected): (String, Vec<usize>) = match filter {
            0 => (String::new(), (0..count).collect()),
            1 => (field("with", "nurse@capulet.example"), (0..count).filter(|number| number % 3 == 2).collect()),
            _ if count > 4 => (field("after-id", &ids[3]), (4..count).collect()),
            _ => (String::new(), (0..count).collect()),
        };
        prop_assert_eq!(read_all(&mut stage, &filter, max, backward), names(expected));
    }
}
