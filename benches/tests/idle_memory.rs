//! What an idle session holds on the heap: logged in with the real front-end, available, and silent. No sockets: the link,
//! its reader's task and the ring's own come on top, some 450 bytes, pinned in `engine/src/drive`.
#![forbid(unsafe_code)]

use crosspoint_benches::client;
use crosspoint_benches::counting::{self, Counting};
use crosspoint_benches::world::World;

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
