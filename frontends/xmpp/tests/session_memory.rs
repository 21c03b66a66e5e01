//! What an idle session weighs: there are ten thousands of them.

mod session_support;

use crosspoint_engine::session::Session;
use crosspoint_xmpp::session::XmppSession;
use session_support::*;

/// The struct itself; its heap is measured by the next test.
#[test]
fn the_struct_is_small() {
    assert!(size_of::<XmppSession>() <= 184, "{} bytes", size_of::<XmppSession>());
}

#[test]
fn an_idle_bound_session_weighs_less_than_300_bytes() {
    let mut client = Client::bound();
    client.send("<message to='juliet@capulet.lit'><body>Hi</body></message>");
    client.forget();
    let idle = client.now.ms + 40_000;
    client.tick_at(idle);
    let session: Box<dyn Session> = client.session.take().unwrap();
    let session = session.into_any().downcast::<XmppSession>().unwrap();
    let bytes = session.memory_bytes();
    assert!(bytes <= 300, "{bytes} bytes");
}
