//! Presence, subscriptions, contacts, lists.

use crosspoint_icpp::codec::contacts::{List, Roster, contact_flag, list_op, roster_op};
use crosspoint_icpp::codec::cursor::Cursor;
use crosspoint_icpp::codec::presence::{Presence, Show, Subscription};
use crosspoint_icpp::codec::{Fault, Flags, Header, Verb};

use crate::Side::{Client, Server};
use crate::{Shown, Side, answer, golden, request};

pub(crate) fn all() -> Vec<Shown> {
    [presence(), subscriptions(), roster(), lists()].concat()
}

fn entries(body: &'static [u8]) -> Result<Vec<Presence<'static>>, Fault> {
    let mut cursor = Cursor::new(body);
    let mut entries = Vec::new();
    while !cursor.is_empty() {
        entries.push(Presence::read(&mut cursor)?);
    }
    Ok(entries)
}

fn presence() -> Vec<Shown> {
    let away = Presence {
        show: Show::Away,
        priority: -1,
        address: "j@c.lit",
        status: "gone",
    };
    let gone = Presence {
        show: Show::Unavailable,
        priority: 0,
        address: "n@c.lit/k",
        status: "",
    };
    let write = |entries: &Vec<Presence<'_>>, out: &mut Vec<u8>| entries.iter().for_each(|entry| entry.write(out));
    vec![
        golden(
            Client,
            Header::push(Verb::Presence, 0),
            "30 00 0000 00000000 00000000 03 ff 0700 0400 0000 \"j@c.lit\" \"gone\"",
            vec![away],
            write,
            entries,
        ),
        golden(
            Server,
            Header::push(Verb::Presences, 0),
            "31 00 0000 00000000 00000000 03 ff 0700 0400 0000 \"j@c.lit\" \"gone\" 00 00 0900 0000 0000 \"n@c.lit/k\"",
            vec![away, gone],
            write,
            entries,
        ),
    ]
}

fn subscriptions() -> Vec<Shown> {
    let verbs = [
        (Verb::Subscribe, "32"),
        (Verb::Unsubscribe, "33"),
        (Verb::Approve, "34"),
        (Verb::Deny, "35"),
    ];
    let one = |side: Side, (verb, number): (Verb, &str)| {
        let asks = Subscription {
            address: "j@c.lit",
            note: "hi",
        };
        let text = format!("{number} 00 0000 00000000 00000000 0700 0200 \"j@c.lit\" \"hi\"");
        let header = Header::push(verb, 0);
        golden(side, header, &text, asks, Subscription::write, Subscription::read)
    };
    verbs
        .into_iter()
        .flat_map(|verb| [one(Client, verb), one(Server, verb)])
        .collect()
}

/// Subscription, flags, address, name, groups.
type Entry = (u8, u8, &'static str, &'static str, &'static [&'static str]);

fn roster_frame(side: Side, header: Header, text: &str, op: u8, version: u64, entries: &[Entry]) -> Shown {
    let value: Vec<(u8, u8, &str, &str, Vec<&str>)> = entries
        .iter()
        .map(|entry| (entry.0, entry.1, entry.2, entry.3, entry.4.to_vec()))
        .collect();
    golden(
        side,
        header,
        text,
        (op, version, value),
        |_, out| Roster::write(out, op, version, entries.iter().copied()),
        |body| {
            let roster = Roster::read(body)?;
            let contacts = roster.contacts().map(|contact| {
                let groups: Vec<&str> = contact.groups().collect();
                (
                    contact.subscription,
                    contact.flags,
                    contact.address,
                    contact.name,
                    groups,
                )
            });
            Ok((roster.op, roster.version, contacts.collect()))
        },
    )
}

fn roster() -> Vec<Shown> {
    const JULIET: Entry = (
        2,
        contact_flag::ASKED | contact_flag::APPROVED,
        "j@c.lit",
        "Jul",
        &["A", ""],
    );
    const TYBALT: Entry = (0, contact_flag::REMOVED, "t@c.lit", "", &[]);
    let more = Header {
        flags: Flags::RESP.with(Flags::MORE),
        ..answer(Verb::Roster, 3)
    };
    vec![
        roster_frame(
            Client,
            request(Verb::Roster, 3),
            "40 01 0000 03000000 00000000 00 00 0000 00000000 0900000000000000",
            roster_op::GET,
            9,
            &[],
        ),
        roster_frame(
            Server,
            more,
            "40 0a 0000 03000000 00000000 03 00 0200 00000000 0900000000000000 \
             02 05 0700 0300 0500 \"j@c.lit\" \"Jul\" 0100 \"A\" 0000 00 02 0700 0000 0000 \"t@c.lit\"",
            roster_op::ITEMS,
            9,
            &[JULIET, TYBALT],
        ),
        roster_frame(
            Server,
            Header::push(Verb::Roster, 0),
            "40 00 0000 00000000 00000000 06 00 0100 00000000 0807060504030201 \
             02 05 0700 0300 0500 \"j@c.lit\" \"Jul\" 0100 \"A\" 0000",
            roster_op::PUSH,
            0x0102030405060708,
            &[JULIET],
        ),
    ]
}

fn list(side: Side, header: Header, text: &str, op: u8, addresses: Vec<&'static str>) -> Shown {
    golden(
        side,
        header,
        text,
        (op, addresses),
        |(op, addresses), out| List::write(out, *op, addresses.iter().copied()),
        |body| List::read(body).map(|list| (list.op, list.addresses().collect())),
    )
}

fn lists() -> Vec<Shown> {
    let one = |(verb, number): (Verb, &str)| {
        let two = "01 00 0200 0700 \"j@c.lit\" 0500 \"x.lit\"";
        [
            list(
                Client,
                request(verb, 3),
                &format!("{number} 01 0000 03000000 00000000 {two}"),
                list_op::ADD,
                vec!["j@c.lit", "x.lit"],
            ),
            list(
                Server,
                answer(verb, 3),
                &format!("{number} 02 0000 03000000 00000000 05 00 0000"),
                list_op::DONE,
                vec![],
            ),
            list(
                Server,
                Header::push(verb, 2),
                &format!("{number} 00 0000 00000000 02000000 {two}"),
                list_op::ADD,
                vec!["j@c.lit", "x.lit"],
            ),
        ]
    };
    [(Verb::Block, "41"), (Verb::Allow, "42")]
        .into_iter()
        .flat_map(one)
        .collect()
}
