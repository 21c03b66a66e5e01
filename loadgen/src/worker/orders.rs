//! What the coordinator tells workers, and what they tell it. Both travel between threads, and as JSON lines between
//! processes.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use crosspoint_rt::Ringer;
use serde::{Deserialize, Serialize};

use crate::record::Slice;

/// From the coordinator. Times are nanoseconds since the run's epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Log in; slices are cut every second from `at_ns` on.
    LogIn { at_ns: u64 },
    /// An act of the play begins at `at_ns`; slices are cut then, and every `slice_ns` from then on.
    Start { act: u32, at_ns: u64, slice_ns: u64 },
    /// Another rate, for all workers together.
    Rate { per_s: f64 },
    /// From then on nothing new is sent.
    Stop { at_ns: u64 },
    /// It is over: say goodbye, report, end.
    End,
}

/// From a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Report {
    /// Everybody who was to log in has done so, or failed.
    LoggedIn {
        ok: u32,
        failed: u32,
        trouble: Option<String>,
    },
    /// What happened since the last slice.
    Slice(Box<Slice>),
    /// How many deliveries there should be by now, and are; whether nothing is under way within the worker; whether the
    /// play has come to its own end. Several times a second.
    Balance {
        expected: u64,
        arrived: u64,
        quiet: bool,
        finished: bool,
    },
    /// The last report.
    Done {
        expected: u64,
        arrived: u64,
        trouble: Option<String>,
    },
    /// The worker cannot work.
    Failed(String),
}

/// The coordinator's end of the line to a worker.
#[derive(Clone)]
pub struct Line {
    orders: Arc<Mutex<Vec<Order>>>,
    ringer: Ringer,
}

/// The worker's end.
pub struct Desk {
    pub(super) orders: Arc<Mutex<Vec<Order>>>,
    pub(super) ringer: Ringer,
    /// Reports are marked with the worker's number.
    pub(super) reports: Sender<(u32, Report)>,
}

impl Desk {}

impl Line {
    /// A line to a worker whose reports go to `reports`.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn new(reports: Sender<(u32, Report)>) -> std::io::Result<(Self, Desk)> {
        let (orders, ringer) = (Arc::new(Mutex::new(Vec::new())), Ringer::new()?);
        let line = Self {
            orders: orders.clone(),
            ringer: ringer.clone(),
        };
        Ok((
            line,
            Desk {
                orders,
                ringer,
                reports,
            },
        ))
    }

    /// Gives an order.
    pub fn order(&self, order: Order) {
        // A poisoned lock means that a worker panicked; its thread is gone, and nobody hears the order.
        if let Ok(mut orders) = self.orders.lock() {
            orders.push(order);
        }
        self.ringer.ring();
    }
}
