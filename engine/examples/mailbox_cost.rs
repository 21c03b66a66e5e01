//! What a mailbox costs per item, beside a channel of the ecosystem.
//!
//! `cargo run --release -p crosspoint-engine --example mailbox_cost`
//!
//! One producer thread and one consumer thread, which give way when the lane is full or empty; items are 16 bytes and travel
//! in chunks of 1, 8 and 64. The figures are processor time of both threads together, allocation of the chunk included.

use std::thread;
use std::time::Duration;

use crosspoint_engine::mailbox::mesh;
use crosspoint_engine::rt;

type Item = [u64; 2];

const CHUNKS: u64 = 1_000_000;
const LANE_CHUNKS: usize = 64;

fn main() {
    println!(
        "{:>6} {:>16} {:>18} {:>16}",
        "chunk", "mailbox ns/item", "crossbeam ns/item", "same thread"
    );
    for length in [1, 8, 64] {
        let chunks = CHUNKS / (1 + length as u64 / 8);
        println!(
            "{length:>6} {:>16.1} {:>18.1} {:>16.1}",
            through_mailbox(chunks, length),
            through_channel(chunks, length),
            on_one_thread(chunks, length),
        );
    }
}

fn chunk(length: usize) -> Vec<Item> {
    vec![[7, 7]; length]
}

fn through_mailbox(chunks: u64, length: usize) -> f64 {
    let (mut senders, mut inboxes) = mesh::<Vec<Item>>(1, 1, LANE_CHUNKS);
    let (mut sender, mut inbox) = (senders.remove(0), inboxes.remove(0));
    let before = rt::process_cpu();
    let producer = thread::spawn(move || {
        for _ in 0..chunks {
            let mut item = chunk(length);
            while let Err(back) = sender.push(0, item) {
                item = back;
                thread::yield_now();
            }
        }
    });
    let mut received = 0;
    while received < chunks * length as u64 {
        if inbox.drain(LANE_CHUNKS, |_, items| received += items.len() as u64) == 0 {
            thread::yield_now();
        }
    }
    producer.join().expect("the producer panicked");
    per_item(before, chunks, length)
}

fn through_channel(chunks: u64, length: usize) -> f64 {
    let (sender, receiver) = crossbeam_channel::bounded::<Vec<Item>>(LANE_CHUNKS);
    let before = rt::process_cpu();
    let producer = thread::spawn(move || {
        for _ in 0..chunks {
            let mut item = chunk(length);
            while let Err(back) = sender.try_send(item) {
                item = back.into_inner();
                thread::yield_now();
            }
        }
    });
    let mut received = 0;
    while received < chunks * length as u64 {
        match receiver.try_recv() {
            Ok(items) => received += items.len() as u64,
            Err(_) => thread::yield_now(),
        }
    }
    producer.join().expect("the producer panicked");
    per_item(before, chunks, length)
}

/// Push and drain in turns: the instructions alone, without a second core.
fn on_one_thread(chunks: u64, length: usize) -> f64 {
    let (mut senders, mut inboxes) = mesh::<Vec<Item>>(1, 1, LANE_CHUNKS);
    let before = rt::process_cpu();
    for _ in 0..chunks {
        senders[0].push(0, chunk(length)).expect("drained after every push");
        inboxes[0].drain(LANE_CHUNKS, |_, items| drop(std::hint::black_box(items)));
    }
    per_item(before, chunks, length)
}

fn per_item(before: Duration, chunks: u64, length: usize) -> f64 {
    (rt::process_cpu() - before).as_nanos() as f64 / (chunks * length as u64) as f64
}
