//! Running tasks on a shard: order, fairness, panics, time.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use crosspoint_rt::{Clock, Config, Listener, Notify};

fn shard<T>(future: impl Future<Output = T>) -> T {
    crosspoint_rt::run(
        &Config {
            core: None,
            ring_entries: 256,
        },
        future,
    )
    .expect("a ring")
}

#[test]
fn the_probe_finds_a_ring_where_these_tests_run() {
    if let Err(unavailable) = crosspoint_rt::probe() {
        panic!("{unavailable}");
    }
}

#[test]
fn a_run_ends_with_its_future_and_leaves_waiting_tasks_alone() {
    struct Loud;
    impl Drop for Loud {
        fn drop(&mut self) {
            panic!("a waiting task was dropped with the ring");
        }
    }
    let answer = shard(async {
        crosspoint_rt::spawn(async {
            let _loud = Loud;
            let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), 1).unwrap();
            let _ = listener.accept().await;
        });
        crosspoint_rt::breathe().await.unwrap();
        42
    });
    assert_eq!(answer, 42);
}

#[test]
fn tasks_run_in_the_order_in_which_they_were_spawned() {
    let order = shard(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        for number in 0..5 {
            let order = Rc::clone(&order);
            crosspoint_rt::spawn(async move { order.borrow_mut().push(number) });
        }
        crosspoint_rt::breathe().await.unwrap();
        order.take()
    });
    assert_eq!(order, [0, 1, 2, 3, 4]);
}

#[test]
fn a_pinned_shard_runs_on_its_core_only() {
    let core = crosspoint_rt::cores()[0];
    let cores = std::thread::spawn(move || {
        crosspoint_rt::run(
            &Config {
                core: Some(core),
                ring_entries: 256,
            },
            async { crosspoint_rt::cores() },
        )
        .unwrap()
    });
    assert_eq!(cores.join().unwrap(), [core]);
}

#[test]
fn a_core_that_does_not_exist_is_refused() {
    for core in [1023, 1 << 20] {
        assert!(
            crosspoint_rt::run(
                &Config {
                    core: Some(core),
                    ring_entries: 256
                },
                async {}
            )
            .is_err()
        );
    }
}

#[test]
fn a_panic_ends_its_session_and_no_other() {
    let ended = shard(async {
        let ended = Rc::new(RefCell::new(Vec::new()));
        for number in 0..3 {
            let ended = Rc::clone(&ended);
            crosspoint_rt::spawn(async move {
                let session = crosspoint_rt::guard(async move {
                    crosspoint_rt::breathe().await.unwrap();
                    assert_ne!(number, 1, "session {number} goes wrong");
                    number
                });
                let outcome = session.await;
                ended.borrow_mut().push(outcome);
            });
        }
        while ended.borrow().len() < 3 {
            crosspoint_rt::breathe().await.unwrap();
        }
        ended.take()
    });
    assert_eq!((&ended[0], &ended[2]), (&Ok(0), &Ok(2)));
    let panicked = ended[1].as_ref().unwrap_err();
    assert!(panicked.0.contains("session 1 goes wrong"), "{panicked}");
}

#[test]
fn a_panic_while_a_session_is_dropped_is_caught_too() {
    struct Trap;
    impl Drop for Trap {
        fn drop(&mut self) {
            panic!("on the way out");
        }
    }
    let outcome = shard(crosspoint_rt::guard(async {
        std::future::ready(Trap).await;
    }));
    assert_eq!(outcome.unwrap_err().0, "on the way out");
}

#[test]
fn guarding_costs_a_session_one_word() {
    let word = 7_u64;
    let bare = async move { pending::<u64>().await + word };
    let bytes = size_of_val(&bare);
    assert!(size_of_val(&crosspoint_rt::guard(bare)) <= bytes + size_of::<usize>());
}

#[test]
fn many_notifications_are_one_turn_and_it_comes_after_all_who_were_ready() {
    let turns = shard(async {
        let notify = Rc::new(Notify::new());
        let appended = Rc::new(Cell::new(0));
        let turns = Rc::new(RefCell::new(Vec::new()));
        {
            let (notify, appended, turns) = (notify.clone(), appended.clone(), turns.clone());
            crosspoint_rt::spawn(async move {
                loop {
                    notify.notified().await;
                    turns.borrow_mut().push(appended.take());
                }
            });
        }
        crosspoint_rt::breathe().await.unwrap();
        for round in [10, 3] {
            for _ in 0..round {
                let (notify, appended) = (notify.clone(), appended.clone());
                crosspoint_rt::spawn(async move {
                    appended.set(appended.get() + 1);
                    notify.notify();
                });
            }
            crosspoint_rt::breathe().await.unwrap();
        }
        turns.take()
    });
    assert_eq!(turns, [10, 3], "one flush for each round, with everything in it");
}

#[test]
fn a_notification_is_kept_for_who_comes_later() {
    shard(async {
        let notify = Notify::new();
        notify.notify();
        notify.notify();
        notify.notified().await;
        let mut again = std::pin::pin!(notify.notified());
        let first = std::future::poll_fn(|context| std::task::Poll::Ready(again.as_mut().poll(context).is_ready()));
        assert!(!first.await, "two notifications were one");
    });
}

#[test]
fn a_task_that_breathes_for_ever_keeps_nobody_from_anything() {
    shard(async {
        crosspoint_rt::spawn(async {
            loop {
                crosspoint_rt::breathe().await.unwrap();
            }
        });
        crosspoint_rt::sleep(Duration::from_millis(5)).await;
        crosspoint_rt::breathe().await.unwrap();
    });
}

#[test]
fn the_shorter_sleep_ends_first() {
    let order = shard(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        for ms in [30, 10] {
            let order = Rc::clone(&order);
            crosspoint_rt::spawn(async move {
                crosspoint_rt::sleep(Duration::from_millis(ms)).await;
                order.borrow_mut().push(ms);
            });
        }
        crosspoint_rt::sleep(Duration::from_millis(50)).await;
        order.take()
    });
    assert_eq!(order, [10, 30]);
}

#[test]
fn the_clock_counts_forward_from_zero_and_knows_the_year() {
    let clock = Clock::start();
    let copy = clock;
    let (first, second) = (clock.now_us(), copy.now_us());
    assert!(first <= second);
    assert!(clock.now_ms() <= clock.now_us());
    assert!(clock.wall_ms() > 1_700_000_000_000, "after November 2023");
}

#[test]
fn work_shows_in_the_processor_clocks_and_memory_in_the_resident_set() {
    let (thread_before, process_before) = (crosspoint_rt::thread_cpu(), crosspoint_rt::process_cpu());
    let mut sum = 0_u64;
    while crosspoint_rt::thread_cpu() == thread_before {
        sum = std::hint::black_box(sum + 1);
    }
    assert!(crosspoint_rt::process_cpu() > process_before);
    assert!(crosspoint_rt::process_rss_bytes() > 100_000);
}
