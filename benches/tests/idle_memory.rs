//! What an idle session holds on the heap: logged in with the real front-end, available, and silent. No sockets: the link,
//! its reader's task and the ring's own come on top, some 450 bytes, pinned in `engine/src/drive`. And what a room holds that
//! stays, has an owner, a name, a subject and two members, and that nobody is in.
#![forbid(unsafe_code)]

use crosspoint_benches::client;
use crosspoint_benches::counting::{self, Counting};
use crosspoint_benches::world::{ROOMS, World};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SESSIONS: usize = 1024;
/// Bytes a session, as asked for (the allocator adds 8 to 24 to each of its ten blocks), tables and timers included. What
/// was measured, and a little air: whoever lowers the figure lowers the bound.
const PLAIN_BYTES_MAX: i64 = 1010;
const MANAGED_BYTES_MAX: i64 = 1610;

/// Bytes that each session of the second thousand holds, after its login is forgotten and its timers have come to rest.
fn each(appear: impl Fn(&mut World, &str)) -> i64 {
    let mut world = World::new(1);
    let names: Vec<String> = (0..2 * SESSIONS).map(|number| format!("idle{number}")).collect();
    for name in &names {
        client::found(&mut world, name);
    }
    let mut held = [0; 2];
    for (thousand, held) in names.chunks(SESSIONS).zip(&mut held) {
        for name in thousand {
            appear(&mut world, name);
        }
        // Past the deadlines of the login, within those of silence.
        for _ in 0..20 {
            world.pass(5_000);
        }
        *held = counting::held();
    }
    (held[1] - held[0]) / SESSIONS as i64
}

#[test]
fn an_idle_session_is_small() {
    let plain = each(|world, name| {
        client::appear(world, name);
    });
    let managed = each(|world, name| {
        client::appear_managed(world, name);
    });
    println!("{plain} bytes, {managed} with stream management");
    assert!(plain <= PLAIN_BYTES_MAX, "{plain} bytes");
    assert!(managed <= MANAGED_BYTES_MAX, "{managed} bytes with stream management");
}

const ROOMS_COUNT: usize = 100;
/// Bytes a room, as asked for: what was promised.
const ROOM_BYTES_MAX: i64 = 1024;

#[test]
fn an_idle_room_is_small() {
    let mut world = World::new(1);
    client::found(&mut world, "owner");
    let owner = client::enter(&mut world, "owner");
    let room = |number: usize| format!("room{number}@{ROOMS}");
    for number in 0..ROOMS_COUNT {
        let room = room(number);
        let field =
            |name: &str, value: &str| format!("<field var='muc#roomconfig_{name}'><value>{value}</value></field>");
        let words = [
            format!("<presence to='{room}/owner'><x xmlns='http://jabber.org/protocol/muc'/></presence>"),
            format!(
                "<iq type='set' id='c' to='{room}'><query xmlns='http://jabber.org/protocol/muc#owner'>\
                 <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
                 <value>http://jabber.org/protocol/muc#roomconfig</value></field>{}{}</x></query></iq>",
                field("persistentroom", "1"),
                field("roomname", "A room for the idle"),
            ),
            format!(
                "<iq type='set' id='a' to='{room}'><query xmlns='http://jabber.org/protocol/muc#admin'>\
                 <item affiliation='member' jid='romeo@montague.example'/>\
                 <item affiliation='member' jid='juliet@montague.example'/></query></iq>"
            ),
            format!("<message type='groupchat' to='{room}'><subject>Nothing much</subject></message>"),
            format!("<presence type='unavailable' to='{room}/owner'/>"),
        ];
        words.iter().for_each(|word| world.tell(owner, word.as_bytes()));
    }
    // They leave memory, and come back when somebody asks what they are.
    for _ in 0..20 {
        world.pass(5_000);
    }
    let (before, loaded) = (counting::held(), world.rooms());
    assert_eq!(loaded, 0, "rooms are still in memory");
    for number in 0..ROOMS_COUNT {
        let ask = format!(
            "<iq type='get' id='d' to='{}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
            room(number)
        );
        world.tell(owner, ask.as_bytes());
    }
    world.pass(1_000);
    assert_eq!(world.rooms(), ROOMS_COUNT as u64);
    let each = (counting::held() - before) / ROOMS_COUNT as i64;
    println!("{each} bytes a room");
    assert!(each <= ROOM_BYTES_MAX, "{each} bytes a room");
}
