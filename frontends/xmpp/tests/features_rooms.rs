//! The service that hosts the rooms: what it is, and its list, page by page. Rooms themselves have their tests beside `rooms/`.

mod features_support;

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::service::RoomListed;
use features_support::{Stage, jid};

const JULIET: &str = "juliet@capulet.example/balcony";
const SERVER: &str = "capulet.example";
const ROOMS: &str = "conference.capulet.example";
const ITEMS: &str = "<query xmlns='http://jabber.org/protocol/disco#items'/>";

/// A stage with so many public rooms, `room00` and on.
fn stage(rooms: usize) -> Stage {
    let mut stage = Stage::new();
    stage.host.public_rooms = (0..rooms)
        .map(|number| RoomListed {
            room: jid(&format!("room{number:03}@{ROOMS}")),
            name: if number == 0 {
                "The <First>".to_owned()
            } else {
                String::new()
            },
            occupants: 1,
        })
        .collect();
    stage
}

fn page(stage: &mut Stage, set: &str) -> String {
    let query = format!(
        "<query xmlns='http://jabber.org/protocol/disco#items'><set xmlns='http://jabber.org/protocol/rsm'>{set}</set></query>"
    );
    stage.ask(JULIET, ROOMS, "get", &query)
}

/// `first..last of count` of an answer, and how many items it has.
fn summary(answer: &str) -> (String, usize) {
    let text = |name: &str| {
        let from = answer
            .find(&format!("<{name}"))
            .map(|at| at + answer[at..].find('>').expect("a tag") + 1);
        from.map_or("", |from| {
            &answer[from..from + answer[from..].find("</").expect("an end")]
        })
    };
    let part = |text: &str| text.split('@').next().unwrap_or_default().to_owned();
    let shown = format!("{}..{} of {}", part(text("first")), part(text("last")), text("count"));
    (shown, answer.matches("<item ").count())
}

#[test]
fn the_server_names_its_rooms() {
    let answer = stage(0).ask(JULIET, SERVER, "get", ITEMS);
    let item = format!(r#"<item jid="{ROOMS}"/>"#);
    assert!(answer.contains(&item), "{answer}");
}

#[test]
fn the_service_says_what_it_is() {
    let answer = stage(0).ask(
        JULIET,
        ROOMS,
        "get",
        "<query xmlns='http://jabber.org/protocol/disco#info'/>",
    );
    for part in [
        r#"<identity category="conference" type="text" name="Rooms"/>"#,
        r#"<feature var="http://jabber.org/protocol/muc"/>"#,
        r#"<feature var="http://jabber.org/protocol/muc#stable_id"/>"#,
        r#"<feature var="urn:xmpp:occupant-id:0"/>"#,
        r#"<feature var="http://jabber.org/protocol/rsm"/>"#,
        r#"<feature var="vcard-temp"/>"#,
    ] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
}

#[test]
fn the_list_of_rooms() {
    let answer = stage(2).ask(JULIET, ROOMS, "get", ITEMS);
    let wanted = concat!(
        r#"result <query xmlns="http://jabber.org/protocol/disco#items">"#,
        r#"<item jid="room000@conference.capulet.example" name="The &lt;First&gt;"/>"#,
        r#"<item jid="room001@conference.capulet.example" name="room001"/>"#,
        r#"<set xmlns="http://jabber.org/protocol/rsm"><first index="0">room000@conference.capulet.example</first>"#,
        r#"<last>room001@conference.capulet.example</last><count>2</count></set></query>"#,
    );
    assert_eq!(answer, wanted);
}

#[test]
fn the_list_is_read_in_pages_either_way() {
    let mut stage = stage(250);
    let table = [
        ("", "room000..room099 of 250", 100),
        ("<max>1000</max>", "room000..room099 of 250", 100),
        ("<max>3</max>", "room000..room002 of 250", 3),
        (
            "<max>3</max><after>room002@conference.capulet.example</after>",
            "room003..room005 of 250",
            3,
        ),
        (
            "<max>9</max><after>room247@conference.capulet.example</after>",
            "room248..room249 of 250",
            2,
        ),
        (
            "<max>3</max><after>room249@conference.capulet.example</after>",
            ".. of 250",
            0,
        ),
        // A room that is gone meanwhile leads on, too.
        (
            "<max>1</max><after>room002a@conference.capulet.example</after>",
            "room003..room003 of 250",
            1,
        ),
        ("<max>2</max><before/>", "room248..room249 of 250", 2),
        (
            "<max>2</max><before>room248@conference.capulet.example</before>",
            "room246..room247 of 250",
            2,
        ),
        ("<max>0</max>", ".. of 250", 0),
    ];
    for (set, shown, items) in table {
        assert_eq!(summary(&page(&mut stage, set)), (shown.to_owned(), items), "{set}");
    }
}

#[test]
fn what_the_service_does_not_answer() {
    let mut stage = stage(1);
    for (set, condition) in [
        ("<max>many</max>", "error BadRequest"),
        ("<max>-1</max>", "error BadRequest"),
        ("<index>7</index>", "error FeatureNotImplemented"),
        ("<after>@</after>", "error ItemNotFound"),
    ] {
        assert_eq!(page(&mut stage, set), condition, "{set}");
    }
    for (kind, query, condition) in [
        (
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>",
            "error ItemNotFound",
        ),
        (
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#items' node='x'/>",
            "error ItemNotFound",
        ),
        ("set", ITEMS, "error NotAllowed"),
        ("get", "<query xmlns='jabber:iq:roster'/>", "error ServiceUnavailable"),
        ("set", "<vCard xmlns='vcard-temp'/>", "error ServiceUnavailable"),
        ("get", "<ping xmlns='urn:xmpp:ping'/>", "result"),
    ] {
        assert_eq!(stage.ask(JULIET, ROOMS, kind, query), condition, "{kind} {query}");
    }
    stage.host.failure = Some(Condition::InternalServerError);
    assert_eq!(stage.ask(JULIET, ROOMS, "get", ITEMS), "error InternalServerError");
}
