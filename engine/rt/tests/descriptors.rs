//! Running out of descriptors, and giving them back. Alone in its process, because the limit and the count are the process's.

use std::future::poll_fn;
use std::net::{Ipv4Addr, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use crosspoint_rt::{Config, Listener, Socket};

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn set_soft_limit(soft: u64) {
    let hard = crosspoint_rt::raise_fd_limit().unwrap().hard;
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: `limit` is a valid rlimit to read from.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}

#[test]
fn a_shard_out_of_descriptors_says_so_and_goes_on_when_there_are_some() {
    crosspoint_rt::run(
        &Config {
            core: None,
            ring_entries: 256,
        },
        async {
            let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), 64).unwrap();
            let address = listener.local_addr().unwrap();
            crosspoint_rt::breathe().await.unwrap();
            let before = open_descriptors();
            refuse_and_recover(&listener).await;
            for _ in 0..50 {
                come_and_go(&listener, TcpStream::connect(address).unwrap()).await;
            }
            // An abandoned wait lets go of its descriptor only when the ring has cancelled it.
            crosspoint_rt::breathe().await.unwrap();
            crosspoint_rt::breathe().await.unwrap();
            assert_eq!(open_descriptors(), before, "descriptors leaked");
        },
    )
    .unwrap();
}

async fn refuse_and_recover(listener: &Listener) {
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let spare = std::fs::File::open("/dev/null").unwrap();
    set_soft_limit(1);
    let error = listener.accept().await.unwrap_err();
    assert!(crosspoint_rt::is_out_of_descriptors(&error), "{error}");
    drop(spare);
    let limit = crosspoint_rt::raise_fd_limit().unwrap();
    assert_eq!(limit.soft, limit.hard);
    listener.accept().await.expect("the connection waited in the backlog");
}

/// A connection that ends with a wait abandoned, on a socket and on its duplicate after a move.
async fn come_and_go(listener: &Listener, client: TcpStream) {
    let (socket, _) = listener.accept().await.unwrap();
    abandon(socket.readable()).await;
    let moved = Rc::new(Socket::adopt(socket.detach().unwrap()).unwrap());
    abandon(moved.readable()).await;
    drop((moved, client));
}

async fn abandon(wait: impl Future) {
    let mut wait = pin!(wait);
    poll_fn(|context| {
        assert!(wait.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
}
