//! Waking a shard from other threads, by the bell itself and through a mailbox.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;

use crosspoint_engine::mailbox::{Inbox, mesh};
use crosspoint_engine::rt::{self, Config, Doorbell, Ringer};

fn shard<T>(future: impl Future<Output = T>) -> T {
    rt::run(
        &Config {
            core: None,
            ring_entries: 256,
        },
        future,
    )
    .expect("a ring")
}

async fn rings_now(doorbell: &Doorbell) -> bool {
    let mut rung = pin!(doorbell.rung());
    // The first poll arms the ring's operation, the pause lets it complete.
    let first = poll_fn(|context| Poll::Ready(rung.as_mut().poll(context).is_ready())).await;
    rt::breathe().await.unwrap();
    rt::breathe().await.unwrap();
    first || poll_fn(|context| Poll::Ready(rung.as_mut().poll(context).is_ready())).await
}

#[test]
fn a_ring_before_anyone_listens_is_kept() {
    let ringer = Ringer::new().unwrap();
    ringer.ring();
    shard(async {
        ringer.listen().unwrap().rung().await.unwrap();
    });
}

#[test]
fn many_rings_are_one() {
    shard(async {
        let ringer = Ringer::new().unwrap();
        let doorbell = ringer.listen().unwrap();
        for _ in 0..5 {
            ringer.ring();
        }
        doorbell.rung().await.unwrap();
        assert!(!doorbell.answer(), "four more rings were left");
        assert!(!rings_now(&doorbell).await);
        ringer.ring();
        assert!(rings_now(&doorbell).await);
    });
}

#[test]
fn a_shard_that_sleeps_is_woken_by_another_thread() {
    let ringer = Ringer::new().unwrap();
    let (asleep, is_asleep) = mpsc::channel();
    let other = {
        let ringer = ringer.clone();
        thread::spawn(move || {
            for () in is_asleep {
                ringer.ring();
            }
        })
    };
    shard(async move {
        let doorbell = ringer.listen().unwrap();
        for _ in 0..1000 {
            asleep.send(()).unwrap();
            doorbell.rung().await.unwrap();
        }
    });
    other.join().unwrap();
}

/// Two shards play ping-pong through their mailboxes, each asleep while the other plays; a thread that is no shard serves.
#[test]
fn shards_wake_each_other_through_their_mailboxes() {
    const ROUNDS: u32 = 2000;
    let (mut senders, mut inboxes) = mesh::<u32>(3, 2, 4);
    let mut umpire = senders.pop().unwrap();
    let players: Vec<_> = (0..2_usize)
        .map(|me| {
            let (mut sender, mut inbox) = (senders.remove(0), inboxes.remove(0));
            thread::spawn(move || {
                shard(async move {
                    let ringer = Ringer::new().unwrap();
                    let doorbell = ringer.listen().unwrap();
                    inbox.hang(ringer);
                    loop {
                        let ball = next(&mut inbox, &doorbell).await;
                        if ball < ROUNDS {
                            sender.push(1 - me, ball + 1).unwrap();
                        }
                        if ball + 1 >= ROUNDS {
                            return sender.rings();
                        }
                    }
                })
            })
        })
        .collect();
    umpire.push(0, 0).unwrap();
    let rings: u64 = players.into_iter().map(|player| player.join().unwrap()).sum();
    assert!(rings <= u64::from(ROUNDS), "{rings} rings for {ROUNDS} items");

    async fn next(inbox: &mut Inbox<u32>, doorbell: &Doorbell) -> u32 {
        let mut ball = None;
        while inbox.drain(1, |_, item| ball = Some(item)) == 0 {
            if inbox.park_prepare() {
                doorbell.rung().await.unwrap();
            }
            inbox.awake();
        }
        ball.unwrap()
    }
}
