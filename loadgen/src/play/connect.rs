//! All users log in, and hold: the login storm is the measured part, then memory and CPU of idle sessions.

use super::Play;
use crate::protocol::{Client, Event};
use crate::worker::{Place, Stage};

/// See the module.
pub struct Connect;

impl<C: Client> Play<C> for Connect {
    fn ready(&mut self, stage: &mut Stage<C>, place: Place) {
        stage.rest(place);
    }

    fn start(&mut self, stage: &mut Stage<C>, _: u32, _: u64) {
        for place in stage.part().places() {
            stage.rest(place);
        }
    }

    fn event(&mut self, _: &mut Stage<C>, _: Place, _: Event) {}

    fn finish(&mut self, _: &mut Stage<C>) {}

    fn balance(&self) -> (u64, u64) {
        (0, 0)
    }
}
