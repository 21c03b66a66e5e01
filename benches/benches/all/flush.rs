//! The end of a turn: the outboxes of many sessions, each written to its socket with one call through the runtime facade.
//!
//! Sockets of the loopback, the other ends read outside of the measured time. What is measured is mostly the kernel's.

use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, Throughput};
use crosspoint_engine::rt::{self, Detached, Socket};

use crate::unit::{Named, counting, noun};

/// A chat message as it is delivered.
const MESSAGE_BYTES: usize = 256;

pub fn benches() {
    if let Err(unavailable) = rt::probe() {
        println!("flush: left out: {unavailable}");
        return;
    }
    rt::run(&rt::Config::default(), async {
        let mut criterion = counting(noun!("messages"));
        for messages in [1, 32] {
            let mut group = criterion.benchmark_group(format!("flush/{messages} messages a session"));
            for sessions in [1, 32, 256] {
                flush(&mut group, sessions, messages).expect("loopback sockets can be had");
            }
        }
    })
    .expect("the ring was probed");
}

fn flush(group: &mut BenchmarkGroup<'_, Named>, sessions: usize, messages: usize) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut pairs = (0..sessions).map(|_| pair(&listener)).collect::<io::Result<Vec<_>>>()?;
    let full = vec![b'x'; MESSAGE_BYTES * messages];
    let mut outboxes = vec![Vec::new(); sessions];
    group.throughput(Throughput::ElementsAndBytes {
        elements: (sessions * messages) as u64,
        bytes: (sessions * full.len()) as u64,
    });
    group.bench_function(format!("{sessions} sessions"), |bencher| {
        bencher.iter_custom(|turns| {
            let mut taken = Duration::ZERO;
            for _ in 0..turns {
                outboxes.iter_mut().for_each(|outbox| outbox.extend_from_slice(&full));
                let start = Instant::now();
                write_out(&pairs, &mut outboxes);
                taken += start.elapsed();
                read_all(&mut pairs, full.len());
            }
            taken
        });
    });
    Ok(())
}

fn write_out(pairs: &[(Socket, TcpStream)], outboxes: &mut [Vec<u8>]) {
    for ((socket, _), outbox) in pairs.iter().zip(outboxes) {
        let sent = socket.send(outbox).expect("the other end reads");
        assert_eq!(sent, outbox.len(), "the send buffer takes a turn's worth");
        outbox.clear();
    }
}

fn read_all(pairs: &mut [(Socket, TcpStream)], bytes: usize) {
    let mut scratch = vec![0; bytes];
    for (_, client) in pairs {
        client.read_exact(&mut scratch).expect("what was sent arrives");
    }
}

fn pair(listener: &TcpListener) -> io::Result<(Socket, TcpStream)> {
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    server.set_nonblocking(true)?;
    let socket = Socket::adopt(Detached::from(server))?;
    socket.set_nodelay(true)?;
    Ok((socket, client))
}
