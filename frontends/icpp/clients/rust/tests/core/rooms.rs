//! Rooms: what is not said in their shape is not said at all, and what they say is understood.

use crosspoint_client::codec::rooms::tag;
use crosspoint_client::codec::{Flags, Verb, ext};
use crosspoint_client::core::{Affiliation, Incoming, Refused, Role, RoomMember, RoomWord, ToRoom};

use crate::peer::Peer;
use crate::world::World;

const ROOM: &str = "garden@rooms.lit";

#[test]
fn what_a_verb_does_not_take_is_refused_before_it_is_sent() {
    let mut world = World::new(Peer::default());
    world.connect();
    let long = "x".repeat(60_000);
    for (said, refused) in [
        (ToRoom::new(Verb::Join, ROOM), Refused::Shape),
        (ToRoom::new(Verb::Members, ROOM), Refused::Shape),
        (ToRoom::new(Verb::Leave, ""), Refused::Address),
        (ToRoom::leave(ROOM).with(tag::SHOW, b"12"), Refused::Shape),
        (ToRoom::leave(ROOM).text(tag::STATUS, &long), Refused::TooLarge),
    ] {
        assert_eq!(world.core.tell_room(&said), Err(refused), "{said:?}");
    }
    assert_eq!(world.core.ask_room(&ToRoom::leave(ROOM)), Err(Refused::Shape));
    assert_eq!(world.core.outbox_len(), 0);
    world.core.tell_room(&ToRoom::leave(ROOM)).unwrap();
}

/// The example of SPEC.md section 14.4: what Romeo's client gets at last.
#[test]
fn an_occupant_is_understood() {
    let mut body = Vec::new();
    for (tag, value) in [
        (tag::ROOM, ROOM.as_bytes()),
        (tag::NICK, b"romeo"),
        (tag::SHOW, &[1]),
        (tag::AFFILIATION, &[1]),
        (tag::ROLE, &[2]),
        (tag::OCCUPANT_ID, b"0b275b0b"),
        (tag::CODES, &110u16.to_le_bytes()),
    ] {
        ext::write(&mut body, tag, value);
    }
    let mut world = World::new(Peer::default());
    world.connect();
    world.peer.put_reliable(Verb::Occupant, body, None);
    world.talk();
    world.take();
    let Some(Incoming::Room { verb, body }) = world.heard.pop() else {
        panic!("{:?}", world.heard);
    };
    let Some(RoomWord::Occupant(one)) = RoomWord::read(verb, &body) else {
        panic!("{verb:?}");
    };
    assert!(one.is_self());
    assert_eq!((one.room.as_str(), one.nick.as_str()), (ROOM, "romeo"));
    assert_eq!((one.affiliation, one.role), (Affiliation::None, Role::Participant));
    assert_eq!(one.occupant_id.as_deref(), Some("0b275b0b"));
    assert_eq!(RoomWord::read(Verb::Deliver, &body), None);
}

/// The example of SPEC.md section 14.4: Tybalt is kicked.
#[test]
fn a_kick_is_said_as_it_is_specified() {
    let member = RoomMember {
        role: Some(Role::None),
        nick: "tybalt".to_owned(),
        reason: "enough".to_owned(),
        ..RoomMember::default()
    };
    let mut world = World::new(Peer::default());
    world.connect();
    world.core.ask_room(&ToRoom::change(ROOM, &[member])).unwrap();
    let output = std::mem::take(world.core.output());
    let expected = [
        &[0x01, 0x80, 0x10, 0x00][..],
        ROOM.as_bytes(),
        &[0x1a, 0x00, 0x14, 0x00, 0xff, 0x00, 0, 0, 6, 0, 6, 0],
        b"tybaltenough",
    ]
    .concat();
    assert_eq!(output[16..], expected);
    assert_eq!((output[4], output[5]), (Verb::Change as u8, Flags::REQ.0));
}
