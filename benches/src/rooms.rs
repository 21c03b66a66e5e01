//! Conversations of many: what one message costs for each of those who get it.

use crate::client;
use crate::scenes::{Scene, warm};
use crate::world::{Line, ROOMS, World};

/// Rooms of equal size; nobody is in two.
pub struct Rooms {
    world: World,
    /// Somebody in each room, and what he says.
    speakers: Vec<(Line, String)>,
    occupants: usize,
}

impl Rooms {
    /// Makes them, and sees that everybody hears what is said.
    ///
    /// # Panics
    /// When somebody hears nothing, or twice.
    #[must_use]
    pub fn new(shards: u16, rooms: usize, occupants: usize) -> Rooms {
        let mut world = World::new(shards);
        let mut speakers = Vec::with_capacity(rooms);
        let mut everybody = Vec::with_capacity(rooms * occupants);
        for room in 0..rooms {
            let mut first = None;
            for occupant in 0..occupants {
                let name = format!("user{room}x{occupant}");
                client::found(&mut world, &name);
                let line = client::enter(&mut world, &name);
                let join = format!(
                    "<presence to='room{room}@{ROOMS}/nick{occupant}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
                );
                world.tell(line, join.as_bytes());
                if first.is_none() {
                    let accept = format!(
                        "<iq type='set' id='c1' to='room{room}@{ROOMS}'><query xmlns='http://jabber.org/protocol/muc#owner'>\
                         <x xmlns='jabber:x:data' type='submit'/></query></iq>"
                    );
                    world.tell(line, accept.as_bytes());
                    first = Some(line);
                }
                everybody.push(line);
            }
            let said = format!(
                "<message to='room{room}@{ROOMS}' type='groupchat' id='7f3a-{room}'><body>Wherefore art thou, Romeo? \
                 Deny thy father and refuse thy name</body></message>"
            );
            speakers.extend(first.map(|line| (line, said)));
        }
        let mut scene = Rooms {
            world,
            speakers,
            occupants,
        };
        everybody.iter().for_each(|line| scene.world.listen(*line));
        scene.round();
        for line in everybody {
            let heard = scene.world.heard(line);
            assert_eq!(heard.matches("Wherefore").count(), 1, "{heard}");
            scene.world.ignore(line);
        }
        warm(&mut scene);
        scene
    }
}

impl Scene for Rooms {
    fn round(&mut self) {
        for (line, said) in &self.speakers {
            self.world.tell(*line, said.as_bytes());
        }
    }

    fn units(&self) -> usize {
        self.speakers.len() * self.occupants
    }
}
