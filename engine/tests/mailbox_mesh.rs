//! Mailboxes between real threads, and what a consumer may rely on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crosspoint_engine::mailbox::{Bell, Inbox, Senders, mesh};

/// Counts its rings.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Bell for Counter {
    fn ring(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counter {
    fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn pair<T: Send>(lane_capacity: usize) -> (Senders<T>, Inbox<T>) {
    let (mut senders, mut inboxes) = mesh(1, 1, lane_capacity);
    (senders.remove(0), inboxes.remove(0))
}

fn drained<T: Send>(inbox: &mut Inbox<T>, budget: usize) -> Vec<(usize, T)> {
    let mut items = Vec::new();
    let taken = inbox.drain(budget, |producer, item| items.push((producer, item)));
    assert_eq!(taken, items.len());
    items
}

#[test]
fn items_arrive_in_order_and_say_where_they_come_from() {
    let (mut senders, mut inboxes) = mesh::<&str>(2, 2, 8);
    senders[0].push(1, "first").unwrap();
    senders[0].push(1, "second").unwrap();
    senders[1].push(1, "other").unwrap();
    assert!(inboxes[0].is_empty());
    let items = drained(&mut inboxes[1], 100);
    assert_eq!(items.len(), 3);
    let of_0: Vec<_> = items
        .iter()
        .filter(|(producer, _)| *producer == 0)
        .map(|(_, item)| *item)
        .collect();
    assert_eq!(of_0, ["first", "second"]);
    assert!(items.contains(&(1, "other")));
    assert!(inboxes[1].is_empty());
}

#[test]
fn what_is_emptied_goes_back_to_its_producer_with_its_memory() {
    let (mut senders, mut inboxes) = mesh::<Vec<u32>>(2, 2, 8);
    assert_eq!(senders[1].spare(0), None);
    let chunk = vec![7; 5];
    let place = chunk.as_ptr();
    senders[1].push(0, chunk).unwrap();
    for (producer, mut chunk) in drained(&mut inboxes[0], 1) {
        chunk.clear();
        inboxes[0].give_back(producer, chunk);
    }
    assert!(inboxes[0].is_empty() && inboxes[1].is_empty(), "it is no mail");
    assert_eq!((senders[0].spare(0), senders[1].spare(1)), (None, None));
    let chunk = senders[1].spare(0).expect("it has come back");
    assert_eq!((chunk.as_ptr(), chunk.len(), chunk.capacity()), (place, 0, 5));
    assert_eq!(senders[1].spare(0), None, "once");
}

#[test]
fn no_more_comes_back_than_is_kept_and_the_rest_is_freed() {
    let (mut sender, mut inbox) = pair::<Arc<()>>(8);
    let item = Arc::new(());
    for _ in 0..5 {
        inbox.give_back(0, item.clone());
    }
    assert_eq!(Arc::strong_count(&item), 1 + 2);
    drop(sender.spare(0));
    assert_eq!(Arc::strong_count(&item), 1 + 1);
    drop((sender, inbox));
    assert_eq!(Arc::strong_count(&item), 1, "what nobody fetches ends with the mesh");
}

#[test]
fn a_full_lane_gives_the_item_back_and_takes_it_when_there_is_room() {
    let (mut sender, mut inbox) = pair(2);
    assert_eq!(sender.room(0), 2);
    sender.push(0, 1).unwrap();
    sender.push(0, 2).unwrap();
    assert_eq!(sender.room(0), 0);
    assert_eq!(sender.push(0, 3), Err(3));
    assert_eq!(drained(&mut inbox, 1), [(0, 1)]);
    assert_eq!(sender.push(0, 3), Ok(()));
    assert_eq!(drained(&mut inbox, 9), [(0, 2), (0, 3)]);
}

#[test]
fn a_lane_is_rounded_up_to_a_power_of_two() {
    for (asked, given) in [(0, 1), (1, 1), (3, 4), (8, 8)] {
        let (mut sender, _inbox) = pair(asked);
        assert_eq!((0..100).take_while(|item| sender.push(0, *item).is_ok()).count(), given);
    }
}

#[test]
fn a_busy_producer_does_not_keep_a_quiet_one_waiting() {
    let (mut senders, mut inboxes) = mesh::<u32>(3, 1, 16);
    for item in 0..10 {
        senders[0].push(0, item).unwrap();
    }
    senders[2].push(0, 100).unwrap();
    assert!(
        drained(&mut inboxes[0], 3).contains(&(2, 100)),
        "one round serves every lane"
    );
    assert_eq!(drained(&mut inboxes[0], 4).len(), 4, "a budget is used up");
    assert_eq!(drained(&mut inboxes[0], 100).len(), 4, "and the rest comes next");
}

#[test]
fn the_bell_rings_once_for_a_sleeper_and_never_for_one_who_is_awake() {
    let bell = Counter::default();
    let (mut sender, mut inbox) = pair(8);
    inbox.hang(bell.clone());
    sender.push(0, 1).unwrap();
    assert_eq!(bell.rings(), 0, "awake since the beginning");
    assert!(!inbox.park_prepare(), "something is there");
    sender.push(0, 2).unwrap();
    assert_eq!(bell.rings(), 0, "a refused sleep leaves it awake");
    assert_eq!(drained(&mut inbox, 9).len(), 2);
    assert!(inbox.park_prepare());
    sender.push(0, 3).unwrap();
    sender.push(0, 4).unwrap();
    assert_eq!((bell.rings(), sender.rings()), (1, 1), "the first of two wakes it");
    assert_eq!(drained(&mut inbox, 9).len(), 2);
    assert!(inbox.park_prepare());
    inbox.awake();
    sender.push(0, 5).unwrap();
    assert_eq!(bell.rings(), 1, "woken by something else");
}

#[test]
fn without_a_bell_nothing_rings_and_everything_arrives() {
    let (mut sender, mut inbox) = pair(4);
    assert!(inbox.park_prepare());
    sender.push(0, "simulated").unwrap();
    inbox.awake();
    assert_eq!(drained(&mut inbox, 9), [(0, "simulated")]);
    assert_eq!(sender.rings(), 0);
}

#[test]
fn what_is_never_taken_is_dropped_once_whoever_goes_first() {
    for consumer_first in [true, false] {
        let witness = Arc::new(());
        let (mut sender, inbox) = pair(4);
        for _ in 0..3 {
            sender.push(0, Arc::clone(&witness)).unwrap();
        }
        if consumer_first {
            drop(inbox);
            drop(sender);
        } else {
            drop(sender);
            drop(inbox);
        }
        assert_eq!(Arc::strong_count(&witness), 1);
    }
}

/// Each of three threads sends to each of two sleepy consumers, through lanes that are mostly full or mostly empty.
#[test]
fn threads_lose_nothing_and_double_nothing() {
    const PRODUCERS: usize = 3;
    const CONSUMERS: usize = 2;
    const ITEMS: u64 = 30_000;
    for lane_capacity in [1, 64] {
        let (senders, inboxes) = mesh::<u64>(PRODUCERS, CONSUMERS, lane_capacity);
        let producers: Vec<_> = senders
            .into_iter()
            .map(|mut sender| {
                thread::spawn(move || {
                    for item in 0..ITEMS * CONSUMERS as u64 {
                        let consumer = item as usize % CONSUMERS;
                        let mut kept = item;
                        while let Err(back) = sender.push(consumer, kept) {
                            kept = back;
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let consumers: Vec<_> = inboxes
            .into_iter()
            .enumerate()
            .map(|(number, inbox)| thread::spawn(move || consume(inbox, number as u64, CONSUMERS as u64)))
            .collect();
        for producer in producers {
            producer.join().unwrap();
        }
        for consumer in consumers {
            assert_eq!(consumer.join().unwrap(), ITEMS * PRODUCERS as u64);
        }
    }

    /// Checks that each lane brings `first`, `first + step`, ... and returns how many items came in all.
    fn consume(mut inbox: Inbox<u64>, first: u64, step: u64) -> u64 {
        inbox.hang(thread::current());
        let mut next = vec![first; inbox.producers()];
        let mut received = 0;
        while received < ITEMS * PRODUCERS as u64 {
            let taken = inbox.drain(7, |producer, item| {
                assert_eq!(item, next[producer]);
                next[producer] += step;
            });
            received += taken as u64;
            if taken == 0 {
                inbox.park(Duration::from_secs(60));
            }
        }
        received
    }
}
