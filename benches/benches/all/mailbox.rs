//! The mailbox beside channels of the ecosystem: items of 16 bytes in chunks of 1, 8 and 64.
//!
//! On one thread (push, then take) the instructions count; between two threads the figure is processor time of both,
//! since wall time would tell mostly how the machine schedules them. Making and freeing the chunk is part of each.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use criterion::Throughput;
use crosspoint_engine::mailbox::{Inbox, Senders, mesh};
use crosspoint_engine::rt;

use crate::unit::{counting, noun};

type Item = [u64; 2];
type Chunk = Vec<Item>;

const LANE_CHUNKS: usize = 64;

/// A bounded channel's two ends; what does not fit comes back.
trait Channel {
    type Sender: FnMut(Chunk) -> Result<(), Chunk> + Send + 'static;
    type Receiver: FnMut() -> Option<Chunk>;
    const NAME: &'static str;

    fn open() -> (Self::Sender, Self::Receiver);
}

type Push = Box<dyn FnMut(Chunk) -> Result<(), Chunk> + Send>;
type Take = Box<dyn FnMut() -> Option<Chunk>>;

struct Mailbox;

impl Channel for Mailbox {
    type Sender = Push;
    type Receiver = Take;
    const NAME: &'static str = "mailbox";

    fn open() -> (Push, Take) {
        let (mut senders, mut inboxes): (Vec<Senders<Chunk>>, Vec<Inbox<Chunk>>) = mesh(1, 1, LANE_CHUNKS);
        let (mut sender, mut inbox) = (senders.remove(0), inboxes.remove(0));
        let take = move || {
            let mut taken = None;
            inbox.drain(1, |_, chunk| taken = Some(chunk));
            taken
        };
        (Box::new(move |chunk| sender.push(0, chunk)), Box::new(take))
    }
}

struct Crossbeam;

impl Channel for Crossbeam {
    type Sender = Push;
    type Receiver = Take;
    const NAME: &'static str = "crossbeam";

    fn open() -> (Push, Take) {
        let (sender, receiver) = crossbeam_channel::bounded::<Chunk>(LANE_CHUNKS);
        let push = move |chunk| {
            sender
                .try_send(chunk)
                .map_err(crossbeam_channel::TrySendError::into_inner)
        };
        (Box::new(push), Box::new(move || receiver.try_recv().ok()))
    }
}

struct Flume;

impl Channel for Flume {
    type Sender = Push;
    type Receiver = Take;
    const NAME: &'static str = "flume";

    fn open() -> (Push, Take) {
        let (sender, receiver) = flume::bounded::<Chunk>(LANE_CHUNKS);
        let push = move |chunk| sender.try_send(chunk).map_err(flume::TrySendError::into_inner);
        (Box::new(push), Box::new(move || receiver.try_recv().ok()))
    }
}

pub fn benches() {
    for length in [1, 8, 64] {
        bench::<Mailbox>(length);
        bench::<Crossbeam>(length);
        bench::<Flume>(length);
    }
}

fn bench<C: Channel>(length: usize) {
    let mut criterion = counting(noun!("items"));
    let mut group = criterion.benchmark_group(format!("mailbox/one thread/{length} a chunk"));
    group.throughput(Throughput::Elements(length as u64));
    let (mut push, mut take) = C::open();
    group.bench_function(C::NAME, |bencher| {
        bencher.iter(|| {
            push(chunk(length)).expect("taken after every push");
            black_box(take())
        });
    });
    drop(group);
    let mut group = criterion.benchmark_group(format!("mailbox/two threads, their processor time/{length} a chunk"));
    group.throughput(Throughput::Elements(length as u64));
    group.bench_function(C::NAME, |bencher| {
        bencher.iter_custom(|chunks| between_threads::<C>(chunks, length));
    });
}

fn chunk(length: usize) -> Chunk {
    vec![[7, 7]; length]
}

/// Both ends give way when the lane is full, or empty.
fn between_threads<C: Channel>(chunks: u64, length: usize) -> Duration {
    let (mut push, mut take) = C::open();
    let before = rt::process_cpu();
    let producer = thread::spawn(move || {
        for _ in 0..chunks {
            let mut waiting = chunk(length);
            while let Err(back) = push(waiting) {
                waiting = back;
                thread::yield_now();
            }
        }
    });
    let mut received = 0;
    while received < chunks {
        match take() {
            Some(chunk) => {
                received += 1;
                drop(black_box(chunk));
            }
            None => thread::yield_now(),
        }
    }
    producer.join().expect("the producer panicked");
    rt::process_cpu() - before
}
