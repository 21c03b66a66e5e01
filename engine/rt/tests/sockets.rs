//! Sockets on a shard: what they carry, how they end, and how they move.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use crosspoint_rt::{Config, Detached, Listener, Socket};

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

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Juliet and Romeo, connected.
async fn pair() -> (Socket, Socket) {
    let listener = Listener::bind(loopback(), 16).unwrap();
    let romeo = Socket::connect(listener.local_addr().unwrap()).await.unwrap();
    let (juliet, from) = listener.accept().await.unwrap();
    assert_eq!(from, romeo.local_addr().unwrap());
    assert_eq!(juliet.peer_addr().unwrap(), from);
    (juliet, romeo)
}

async fn hear(socket: &Socket) -> Vec<u8> {
    let mut buffer = [0; 1024];
    socket.readable().await.unwrap();
    let count = socket.recv(&mut buffer).unwrap();
    buffer[..count].to_vec()
}

/// Begins to wait, and gives up.
async fn abandon(wait: impl Future) {
    let mut wait = pin!(wait);
    poll_fn(|context| {
        assert!(wait.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[test]
fn what_is_sent_arrives_and_silence_would_block() {
    shard(async {
        let (juliet, romeo) = pair().await;
        juliet.set_nodelay(true).unwrap();
        assert_eq!(juliet.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(romeo.send(b"wherefore").unwrap(), 9);
        assert_eq!(hear(&juliet).await, b"wherefore");
    });
}

#[test]
fn slices_are_sent_as_one() {
    shard(async {
        let (juliet, romeo) = pair().await;
        let sent = romeo.send_vectored(&[IoSlice::new(b"where"), IoSlice::new(b""), IoSlice::new(b"fore")]);
        assert_eq!(sent.unwrap(), 9);
        assert_eq!(hear(&juliet).await, b"wherefore");
        let many = vec![IoSlice::new(b"x"); 2000];
        assert_eq!(
            romeo.send_vectored(&many).unwrap(),
            1024,
            "the kernel's limit of slices"
        );
    });
}

#[test]
fn the_end_of_the_peer_is_zero_bytes() {
    shard(async {
        let (juliet, romeo) = pair().await;
        romeo.send(b"adieu").unwrap();
        drop(romeo);
        assert_eq!(hear(&juliet).await, b"adieu");
        assert_eq!(hear(&juliet).await, b"");
    });
}

#[test]
fn half_an_end_lets_the_answer_through() {
    shard(async {
        let (juliet, romeo) = pair().await;
        romeo.shutdown_send();
        assert_eq!(hear(&juliet).await, b"");
        juliet.send(b"so soon?").unwrap();
        assert_eq!(hear(&romeo).await, b"so soon?");
    });
}

#[test]
fn sending_to_one_who_has_gone_is_an_error_and_no_signal() {
    shard(async {
        let (juliet, romeo) = pair().await;
        drop(romeo);
        let error = loop {
            match juliet.send(b"anyone?") {
                Ok(_) => crosspoint_rt::breathe().await.unwrap(),
                Err(error) => break error,
            }
        };
        assert!(
            matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
            "{error}"
        );
    });
}

#[test]
fn a_full_send_buffer_would_block_until_the_peer_has_read() {
    shard(async {
        let (juliet, romeo) = pair().await;
        let chunk = vec![7; 64 * 1024];
        let mut sent = 0;
        loop {
            match romeo.send(&chunk) {
                Ok(count) => sent += count,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        let writable = Rc::new(Cell::new(false));
        let seen = Rc::clone(&writable);
        crosspoint_rt::spawn(async move {
            romeo.writable().await.unwrap();
            seen.set(true);
        });
        let (mut buffer, mut received) = (vec![0; 64 * 1024], 0);
        while received < sent || !writable.get() {
            match juliet.recv(&mut buffer) {
                Ok(0) => break,
                Ok(count) => received += count,
                Err(_) => crosspoint_rt::breathe().await.unwrap(),
            }
        }
        assert_eq!((received, writable.get()), (sent, true));
    });
}

#[test]
fn a_shutdown_from_elsewhere_wakes_the_reader() {
    shard(async {
        let (juliet, _romeo) = pair().await;
        let juliet = Rc::new(juliet);
        let closer = Rc::clone(&juliet);
        crosspoint_rt::spawn(async move {
            closer.shutdown();
        });
        assert_eq!(hear(&juliet).await, b"");
    });
}

#[test]
fn an_abandoned_wait_loses_no_bytes_and_no_connection() {
    shard(async {
        let (juliet, romeo) = pair().await;
        for word in [&b"wherefore"[..], b"art", b"thou"] {
            abandon(juliet.readable()).await;
            romeo.send(word).unwrap();
            assert_eq!(hear(&juliet).await, word);
        }
        let listener = Listener::bind(loopback(), 16).unwrap();
        abandon(listener.accept()).await;
        let _late = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.accept().await.expect("the connection is still there");
    });
}

#[test]
fn a_socket_moves_to_another_shard_in_the_middle_of_a_talk() {
    for abandoned in [false, true] {
        let (detached, mut romeo) = shard(async {
            let listener = Listener::bind(loopback(), 16).unwrap();
            let mut romeo = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (juliet, _) = listener.accept().await.unwrap();
            romeo.write_all(b"before").unwrap();
            assert_eq!(hear(&juliet).await, b"before");
            if abandoned {
                abandon(juliet.readable()).await;
            }
            let detached = juliet.detach().unwrap();
            // An abandoned wait lets go of its descriptor only when the ring has cancelled it.
            crosspoint_rt::breathe().await.unwrap();
            crosspoint_rt::breathe().await.unwrap();
            (detached, romeo)
        });
        romeo.write_all(b"meanwhile").unwrap();
        let other = std::thread::spawn(move || {
            shard(async move {
                let juliet = Socket::adopt(detached).unwrap();
                assert_eq!(hear(&juliet).await, b"meanwhile");
                juliet.send(b"after").unwrap();
            });
        });
        let mut answer = Vec::new();
        romeo.read_to_end(&mut answer).expect("closed once, at the end");
        assert_eq!(answer, b"after");
        other.join().unwrap();
    }
}

#[test]
fn a_detached_socket_that_nobody_adopts_is_closed() {
    let (detached, mut romeo) = shard(async {
        let listener = Listener::bind(loopback(), 16).unwrap();
        let romeo = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().await.unwrap().0.detach().unwrap(), romeo)
    });
    std::thread::spawn(move || drop(detached)).join().unwrap();
    assert_eq!(romeo.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_stream_of_the_standard_library_can_be_adopted() {
    shard(async {
        let listener = Listener::bind(loopback(), 16).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let romeo = Socket::adopt(Detached::from(stream)).unwrap();
        let (juliet, _) = listener.accept().await.unwrap();
        juliet.send(b"hello").unwrap();
        assert_eq!(hear(&romeo).await, b"hello");
    });
}

#[test]
fn nobody_listens_is_an_error() {
    shard(async {
        let gone = Listener::bind(loopback(), 16).unwrap().local_addr().unwrap();
        assert_eq!(
            Socket::connect(gone).await.unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
    });
}

#[test]
fn every_shard_listens_on_the_same_address() {
    shard(async {
        let first = Listener::bind(loopback(), 16).unwrap();
        let address = first.local_addr().unwrap();
        let second = Listener::bind(address, 16).unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
        let stranger = std::net::TcpListener::bind(address).unwrap_err();
        assert_eq!(stranger.kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn a_rush_of_connections_leaves_the_others_their_turn() {
    const RUSH: usize = 100;
    shard(async {
        let listener = Listener::bind(loopback(), 2 * RUSH as u32).unwrap();
        let address = listener.local_addr().unwrap();
        let _clients: Vec<_> = (0..RUSH).map(|_| TcpStream::connect(address).unwrap()).collect();
        let accepted = Rc::new(RefCell::new(Vec::new()));
        let hall = Rc::clone(&accepted);
        crosspoint_rt::spawn(async move {
            loop {
                let guest = listener.accept().await.unwrap();
                hall.borrow_mut().push(guest);
            }
        });
        crosspoint_rt::breathe().await.unwrap();
        let first_turn = accepted.borrow().len();
        assert!(first_turn < RUSH, "the listener took all {first_turn} in its turn");
        while accepted.borrow().len() < RUSH {
            crosspoint_rt::breathe().await.unwrap();
        }
    });
}

#[test]
fn a_connection_comes_from_the_address_that_was_asked_for() {
    shard(async {
        let listener = Listener::bind(loopback(), 16).unwrap();
        let source = Ipv4Addr::new(127, 0, 0, 77).into();
        let romeo = Socket::connect_from(Some(source), listener.local_addr().unwrap())
            .await
            .unwrap();
        let (_, from) = listener.accept().await.unwrap();
        assert_eq!((from, from.ip()), (romeo.local_addr().unwrap(), source));
    });
}

#[test]
fn an_alarm_rings_once_for_the_time_that_was_set_last() {
    shard(async {
        let alarm = crosspoint_rt::Alarm::new().unwrap();
        let before = crosspoint_rt::monotonic_ns();
        alarm.set(std::time::Duration::from_secs(3600)).unwrap();
        alarm.set(std::time::Duration::from_millis(2)).unwrap();
        alarm.rung().await.unwrap();
        assert!(crosspoint_rt::monotonic_ns() - before >= 2_000_000);
    });
}
