//! A trunk that is up, as the figures have it.
//!
//! Invariant: however a trunk ends, it is taken out of what is counted now, its passengers with it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::figures::IcppFigures;

/// A trunk's part in the figures, for as long as this is held.
pub(super) struct Counted {
    figures: Arc<IcppFigures>,
    passengers: u32,
    bytes_in: u64,
}

impl Counted {
    pub(super) fn of(figures: &Arc<IcppFigures>) -> Counted {
        figures.trunks.fetch_add(1, Relaxed);
        Counted {
            figures: figures.clone(),
            passengers: 0,
            bytes_in: 0,
        }
    }

    /// Bytes have come: told by [`Counted::tick`].
    pub(super) fn heard(&mut self, bytes: usize) {
        self.bytes_in += bytes as u64;
    }

    pub(super) fn embarked(&mut self) {
        self.passengers += 1;
        self.figures.passengers.fetch_add(1, Relaxed);
    }

    pub(super) fn disembarked(&mut self) {
        if self.passengers > 0 {
            self.passengers -= 1;
            self.figures.passengers.fetch_sub(1, Relaxed);
        }
    }

    pub(super) fn tick(&mut self) {
        self.figures
            .trunk_bytes_in
            .fetch_add(std::mem::take(&mut self.bytes_in), Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.tick();
        self.figures.trunks.fetch_sub(1, Relaxed);
        self.figures.passengers.fetch_sub(self.passengers, Relaxed);
    }
}
