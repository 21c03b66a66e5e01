//! The end of a turn: connections open, everything that was said leaves, connections close.
//!
//! Invariants: one write for all that a session said in the turn; while its socket takes no more, one task waits for it.

use std::cmp::Reverse;
use std::rc::Rc;

use crosspoint_rt as rt;

use super::stage::{KEY_PATIENCE, KEY_RAMP, State, Timer};
use super::{Core, LOGIN_NS_MAX, Place, Worker, reader};
use crate::net::{Link, Sent};
use crate::play::Play;
use crate::protocol::Client;
use crate::record::Count;

/// One task, for as long as the worker lives.
pub(super) async fn turns<C: Client, P: Play<C>>(worker: Rc<Worker<C, P>>) {
    let (mut dirty, mut starting, mut leaving) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        worker.work.notified().await;
        let more = {
            let mut core = worker.core.borrow_mut();
            core.stage.now_ns = worker.now_ns();
            core.begin_logins();
            let turn = &mut core.stage.turn;
            std::mem::swap(&mut turn.dirty, &mut dirty);
            std::mem::swap(&mut turn.starting, &mut starting);
            std::mem::swap(&mut turn.leaving, &mut leaving);
            for place in dirty.drain(..) {
                worker.flush(&mut core, place);
            }
            for place in leaving.drain(..) {
                if let Some(link) = &core.stage.sessions[place as usize].link {
                    link.finish();
                }
            }
            worker.after(&mut core);
            for place in starting.drain(..) {
                let life = core.stage.sessions[place as usize].life;
                reader::start(worker.clone(), place, life);
            }
            core.stage.has_work()
        };
        if more {
            // Whoever was waked by this turn's own work has his turn before the next one.
            let _ = rt::breathe().await;
        }
    }
}

impl<C: Client, P: Play<C>> Core<C, P> {
    /// As many logins as pace and concurrency allow.
    fn begin_logins(&mut self) {
        let stage = &mut self.stage;
        let now_ns = stage.now_ns;
        while stage.ramp.may_go(now_ns)
            && let Some(place) = stage.ramp.waiting.pop_front()
        {
            let session = &mut stage.sessions[place as usize];
            session.state = State::Connecting;
            session.began_ns = now_ns;
            session.life += 1;
            stage.ramp.under_way += 1;
            stage.ramp.next_ns += stage.ramp.gap_ns;
            stage.turn.starting.push(place);
            let at_ns = now_ns + LOGIN_NS_MAX;
            let key = KEY_PATIENCE;
            stage.timers.push(Reverse(Timer { at_ns, place, key }));
        }
        if !stage.ramp.waiting.is_empty() && stage.ramp.gap_ns > 0 && stage.ramp.next_ns > now_ns {
            let (at_ns, place, key) = (stage.ramp.next_ns, 0, KEY_RAMP);
            stage.timers.push(Reverse(Timer { at_ns, place, key }));
        }
    }
}

impl<C: Client, P: Play<C>> Worker<C, P> {
    /// Writes a session's outbox, as far as its socket takes it.
    fn flush(self: &Rc<Self>, core: &mut Core<C, P>, place: Place) {
        let session = &mut core.stage.sessions[place as usize];
        session.dirty = false;
        let Some(link) = &session.link else { return };
        if link.blocked.get() {
            return;
        }
        match link.send(&mut session.outbox) {
            Sent::All(bytes) => {
                core.stage.recorder.add(Count::BytesOut, bytes as u64);
                let outbox = std::mem::take(&mut session.outbox);
                core.stage.recycle(outbox);
                core.play.flushed(&mut core.stage, place);
            }
            Sent::Blocked(bytes) => {
                core.stage.recorder.add(Count::BytesOut, bytes as u64);
                link.blocked.set(true);
                rt::spawn(unblock(self.clone(), place, link.clone()));
            }
            // The reader wakes and sees the end.
            Sent::Broken => link.cut(),
        }
    }
}

/// Waits until a blocked socket takes bytes again.
async fn unblock<C: Client, P: Play<C>>(worker: Rc<Worker<C, P>>, place: Place, link: Rc<Link>) {
    let writable = link.writable().await;
    link.blocked.set(false);
    if writable.is_err() {
        return;
    }
    worker.enter(|core, _| {
        let current = core.stage.sessions[place as usize].link.as_ref();
        if current.is_some_and(|current| Rc::ptr_eq(current, &link)) {
            core.stage.touch(place);
        }
    });
}
