//! The lock-free parts of the mailbox under every interleaving and memory order that the language allows.
//!
//! `lane.rs` and `wake.rs` are compiled a second time here, beside a `sync` module whose atomics belong to the model checker
//! (loom). It runs each play again and again, with another schedule each time, until it has seen all (up to three
//! preemptions); a lost wake-up shows as a deadlock, a race on a slot as a violation.

#[allow(dead_code)]
#[path = "../src/mailbox/lane.rs"]
mod lane;
#[allow(dead_code)]
#[path = "../src/mailbox/wake.rs"]
mod wake;

mod sync {
    //! The model checker's stand-ins for what `mailbox/sync.rs` takes from std.

    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

    pub(crate) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::cell::UnsafeCell::new(value))
        }

        pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
            self.0.with_mut(access)
        }
    }
}

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use lane::{Consumer, lane};
use wake::Idle;

/// A bell that remembers a ring until somebody has answered it, as an eventfd or a parked thread does.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.heard.notify_one();
    }

    fn sleep(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.heard.wait(rung).unwrap();
        }
        *rung = false;
    }
}

fn explore(play: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(play);
}

/// The consumer's loop of `mailbox/mod.rs`, until `expected` items have come.
fn receive(ins: &mut [Consumer<u32>], idle: &Idle, bell: &Bell, expected: usize) -> Vec<u32> {
    let mut received = Vec::new();
    while received.len() < expected {
        for lane in ins.iter_mut() {
            while let Some(item) = lane.pop() {
                received.push(item);
            }
        }
        if received.len() < expected && idle.prepare(|| ins.iter().all(Consumer::is_empty)) {
            bell.sleep();
        }
        idle.awake();
    }
    received
}

#[test]
fn a_lane_keeps_the_order_and_loses_nothing_when_it_wraps_around() {
    explore(|| {
        let (mut producer, mut consumer) = lane::<u32>(2);
        let writer = thread::spawn(move || {
            let mut refused = 0;
            for item in 0..4 {
                while producer.push(item).is_err() {
                    refused += 1;
                    assert!(refused < 100, "the lane stays full");
                    thread::yield_now();
                }
            }
        });
        for expected in 0..4 {
            let item = loop {
                match consumer.pop() {
                    Some(item) => break item,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(item, expected);
        }
        writer.join().unwrap();
        assert!(consumer.is_empty());
    });
}

#[test]
fn a_full_lane_gives_the_item_back_and_what_is_left_is_dropped_once() {
    explore(|| {
        let witness = Arc::new(());
        let (mut producer, mut consumer) = lane::<Arc<()>>(1);
        let item = Arc::clone(&witness);
        let writer = thread::spawn(move || {
            producer.push(item.clone()).expect("an empty lane has room");
            let second = producer.push(item);
            second.is_ok()
        });
        let popped = usize::from(consumer.pop().is_some());
        let second_went_in = writer.join().unwrap();
        assert!(popped == 1 || !second_went_in, "a lane of one held two");
        drop(consumer);
        assert_eq!(Arc::strong_count(&witness), 1, "an item leaked");
    });
}

#[test]
fn a_sleeper_hears_of_every_item_of_one_producer() {
    explore(|| {
        let (mut producer, consumer) = lane::<u32>(2);
        let door = Arc::new((Idle::new(), Bell::default()));
        let outside = Arc::clone(&door);
        let writer = thread::spawn(move || {
            for item in [1, 2] {
                producer.push(item).expect("two fit");
                if outside.0.must_ring() {
                    outside.1.ring();
                }
            }
        });
        assert_eq!(receive(&mut [consumer], &door.0, &door.1, 2), [1, 2]);
        writer.join().unwrap();
    });
}

#[test]
fn a_sleeper_hears_of_the_items_of_two_producers() {
    explore(|| {
        let door = Arc::new((Idle::new(), Bell::default()));
        let mut ins = Vec::new();
        let writers: Vec<_> = [1, 2]
            .into_iter()
            .map(|item| {
                let (mut producer, consumer) = lane::<u32>(1);
                ins.push(consumer);
                let outside = Arc::clone(&door);
                thread::spawn(move || {
                    producer.push(item).expect("one fits");
                    if outside.0.must_ring() {
                        outside.1.ring();
                    }
                })
            })
            .collect();
        let mut received = receive(&mut ins, &door.0, &door.1, 2);
        received.sort_unstable();
        assert_eq!(received, [1, 2]);
        for writer in writers {
            writer.join().unwrap();
        }
    });
}
