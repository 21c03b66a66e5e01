//! What is said to rooms, what rooms say, and what is asked of them.

use crosspoint_icpp::codec::rooms::{Body, Listed, Member, UNSAID, tag, write_text};
use crosspoint_icpp::codec::{Flags, Header, Verb, ext};

use crate::Side::{Client, Server};
use crate::{Shown, Side, answer, golden, request};

/// Tag and value, each.
type Extensions = &'static [(u16, &'static [u8])];

const ROOM: (u16, &[u8]) = (tag::ROOM, b"g@r.lit");

pub(crate) fn all() -> Vec<Shown> {
    [said_to_rooms(), said_by_rooms(), asked(), answered(), listed()].concat()
}

/// A frame of extensions: `text` is what follows ROOM.
fn frame(side: Side, header: Header, head: &str, room: bool, extensions: Extensions, text: &str) -> Shown {
    let verb = Verb::from_number(header.verb).unwrap();
    let (all, about) = match room {
        true => ([&[ROOM], extensions].concat(), "0180 0700 \"g@r.lit\""),
        false => (extensions.to_vec(), ""),
    };
    let read = |body| match room {
        true => Body::read(verb, body),
        false => Body::answer(body),
    };
    golden(
        side,
        header,
        &format!("{head} {about} {text}"),
        all,
        |all, out| all.iter().for_each(|(tag, value)| ext::write(out, *tag, value)),
        |body| read(body).map(|body| body.extensions().map(|ext| (ext.tag, ext.value)).collect()),
    )
}

fn pushed(side: Side, verb: Verb, number: &str, extensions: Extensions, text: &str) -> Shown {
    let head = format!("{number} 00 0000 00000000 00000000");
    frame(side, Header::push(verb, 0), &head, true, extensions, text)
}

fn said_to_rooms() -> Vec<Shown> {
    vec![
        pushed(
            Client,
            Verb::Create,
            "50",
            &[(tag::NICK, b"romeo")],
            "0200 0500 \"romeo\"",
        ),
        pushed(
            Client,
            Verb::Join,
            "51",
            &[
                (tag::NICK, b"romeo"),
                (tag::PASSWORD, b"rose"),
                (tag::SHOW, &[3]),
                (tag::STATUS, b"out"),
                (tag::HISTORY_MESSAGES, &[5, 0, 0, 0]),
                (tag::HISTORY_SINCE, &[1, 2, 3, 4, 5, 6, 7, 8]),
            ],
            "0200 0500 \"romeo\" 0300 0400 \"rose\" 0500 0100 03 0600 0300 \"out\" 0f00 0400 05000000 1200 0800 0102030405060708",
        ),
        pushed(Client, Verb::Leave, "52", &[], ""),
        pushed(
            Client,
            Verb::Show,
            "53",
            &[(tag::NICK, b"r"), (tag::SHOW, &[5])],
            "0200 0100 \"r\" 0500 0100 05",
        ),
        pushed(
            Client,
            Verb::Invite,
            "54",
            &[(tag::TO, b"a@b"), (tag::TO, b"c@d"), (tag::REASON, b"x")],
            "1700 0300 \"a@b\" 1700 0300 \"c@d\" 0400 0100 \"x\"",
        ),
        pushed(Client, Verb::Decline, "55", &[(tag::TO, b"a@b")], "1700 0300 \"a@b\""),
        pushed(
            Client,
            Verb::Voice,
            "56",
            &[(tag::NICK, b"v"), (tag::ALLOW, &[1])],
            "0200 0100 \"v\" 1d00 0100 01",
        ),
    ]
}

fn said_by_rooms() -> Vec<Shown> {
    vec![
        pushed(
            Server,
            Verb::Invite,
            "54",
            &[
                (tag::BY, b"a@b"),
                (tag::REASON, b"x"),
                (tag::PASSWORD, b"p"),
                (tag::CONTINUES, b"t"),
            ],
            "0c00 0300 \"a@b\" 0400 0100 \"x\" 0300 0100 \"p\" 1800 0100 \"t\"",
        ),
        pushed(Server, Verb::Decline, "55", &[(tag::BY, b"a@b")], "0c00 0300 \"a@b\""),
        pushed(
            Server,
            Verb::Voice,
            "56",
            &[(tag::NICK, b"v"), (tag::REAL, b"a@b/c")],
            "0200 0100 \"v\" 0a00 0500 \"a@b/c\"",
        ),
        pushed(
            Server,
            Verb::Occupant,
            "57",
            &[
                (tag::NICK, b"r"),
                (tag::AFFILIATION, &[4]),
                (tag::ROLE, &[3]),
                (tag::OCCUPANT_ID, b"id"),
                (tag::REAL, b"a@b/c"),
                (tag::CODES, &[110, 0, 201, 0]),
                (tag::NEW_NICK, b"q"),
                (tag::DESTROYED, b""),
            ],
            "0200 0100 \"r\" 0700 0100 04 0800 0100 03 0900 0200 \"id\" 0a00 0500 \"a@b/c\" 0b00 0400 6e00 c900 0d00 0100 \"q\" 1400 0000",
        ),
        pushed(
            Server,
            Verb::Subject,
            "58",
            &[(tag::SUBJECT, b"s"), (tag::STAMP, &[9, 0, 0, 0, 0, 0, 0, 0])],
            "1500 0100 \"s\" 1600 0800 0900000000000000",
        ),
        pushed(
            Server,
            Verb::Notice,
            "59",
            &[(tag::ACCOUNT, b"a@b"), (tag::AFFILIATION, &[2]), (tag::RECORD, b"0f")],
            "1e00 0300 \"a@b\" 0700 0100 02 1f00 0200 \"0f\"",
        ),
        pushed(
            Server,
            Verb::Refused,
            "5a",
            &[(tag::VERB, &[0x51]), (tag::CONDITION, &[36, 0])],
            "1900 0100 51 0e00 0200 2400",
        ),
    ]
}

fn asked() -> Vec<Shown> {
    let asks = |verb, number: &str, room, extensions, text: &str| {
        let head = format!("{number} 01 0000 03000000 00000000");
        frame(Client, request(verb, 3), &head, room, extensions, text)
    };
    vec![
        asks(Verb::Members, "5b", true, &[(tag::AFFILIATION, &[0])], "0700 0100 00"),
        asks(
            Verb::Members,
            "5b",
            true,
            &[(tag::ACCOUNT, b"a@b")],
            "1e00 0300 \"a@b\"",
        ),
        asks(
            Verb::Change,
            "5c",
            true,
            &[(tag::NICK, b"thane")],
            "0200 0500 \"thane\"",
        ),
        asks(
            Verb::Change,
            "5c",
            true,
            &[(tag::REASON, b"spam"), (tag::RECORD, b"5a1c0e7f93b2d846")],
            "0400 0400 \"spam\" 1f00 1000 \"5a1c0e7f93b2d846\"",
        ),
        asks(
            Verb::Configure,
            "5d",
            true,
            &[
                (tag::OP, &[1]),
                (tag::NAME, b"G"),
                (tag::PERSISTENT, &[1]),
                (tag::ENTRY_PASSWORD, b""),
                (tag::PRIVATE_MESSAGES, &[0]),
                (tag::OCCUPANTS_MAX, &[16, 0, 0, 0]),
                (tag::OWNER, b"a@b"),
                (tag::OWNER, b"c@d"),
            ],
            "1c00 0100 01 2000 0100 \"G\" 2300 0100 01 2600 0000 2c00 0100 00 2e00 0400 10000000 3100 0300 \"a@b\" 3100 0300 \"c@d\"",
        ),
        asks(
            Verb::Destroy,
            "5e",
            true,
            &[(tag::REASON, b"x"), (tag::ALTERNATIVE, b"h@r.lit")],
            "0400 0100 \"x\" 1300 0700 \"h@r.lit\"",
        ),
        asks(
            Verb::Rooms,
            "5f",
            false,
            &[(tag::AFTER, b"a@r.lit"), (tag::LIMIT, &[2, 1])],
            "3600 0700 \"a@r.lit\" 3800 0200 0201",
        ),
    ]
}

fn answered() -> Vec<Shown> {
    let answers = |verb, number: &str, extensions, text: &str| {
        let head = format!("{number} 02 0000 03000000 00000000");
        frame(Server, answer(verb, 3), &head, false, extensions, text)
    };
    vec![
        answers(Verb::Members, "5b", &[(tag::NICK, b"thane")], "0200 0500 \"thane\""),
        answers(Verb::Change, "5c", &[], ""),
        answers(
            Verb::Configure,
            "5d",
            &[(tag::NAME, b"G"), (tag::PUBLIC, &[1]), (tag::OCCUPANTS, &[7, 0, 0, 0])],
            "2000 0100 \"G\" 2400 0100 01 3900 0400 07000000",
        ),
        answers(Verb::Destroy, "5e", &[], ""),
    ]
}

/// MEMBER and LISTED.
fn listed() -> Vec<Shown> {
    let kicked = Member {
        affiliation: UNSAID,
        role: 0,
        address: "a@b",
        nick: "v",
        reason: "why",
    };
    let member = "1a00 0f00 ff 00 0300 0100 0300 \"a@b\" \"v\" \"why\"";
    let garden = Listed {
        occupants: 7,
        address: "g@r.lit",
        name: "G",
    };
    let more = Header {
        flags: Flags::RESP.with(Flags::MORE),
        ..answer(Verb::Members, 3)
    };
    vec![
        golden(
            Client,
            request(Verb::Change, 3),
            &format!("5c 01 0000 03000000 00000000 0180 0700 \"g@r.lit\" {member}"),
            vec![kicked],
            |members, out| {
                write_text(out, tag::ROOM, "g@r.lit");
                members.iter().for_each(|member| member.write(out));
            },
            |body| Body::read(Verb::Change, body).map(|body| body.members().collect()),
        ),
        golden(
            Server,
            more,
            &format!("5b 0a 0000 03000000 00000000 {member} {member}"),
            vec![kicked, kicked],
            |members, out| members.iter().for_each(|member| member.write(out)),
            |body| Body::answer(body).map(|body| body.members().collect()),
        ),
        golden(
            Server,
            answer(Verb::Rooms, 3),
            "5f 02 0000 03000000 00000000 3300 0500 \"r.lit\" 1b00 1000 07000000 0700 0100 \"g@r.lit\" \"G\"",
            vec![garden],
            |rooms, out| {
                write_text(out, tag::DOMAIN, "r.lit");
                rooms.iter().for_each(|room| room.write(out));
            },
            |body| Body::answer(body).map(|body| body.listed().collect()),
        ),
    ]
}
