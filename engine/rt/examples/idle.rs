//! What the runtime facade costs: memory of an idle connection, processor time of an echo, a ring of the doorbell.
//!
//! `cargo run --release -p crosspoint-rt --example idle [CONNECTIONS]`

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crosspoint_rt::{Config, Listener, Ringer, Socket};

const MESSAGE_BYTES: usize = 128;
/// Connections that pay for what is allocated once.
const WARM_UP: usize = 1000;
const SCRATCH_BYTES: usize = 64 * 1024;

fn main() -> std::io::Result<()> {
    crosspoint_rt::probe().map_err(std::io::Error::from)?;
    let limit = crosspoint_rt::raise_fd_limit()?;
    let asked = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(10_000);
    let connections = asked.min(((limit.soft as usize) / 2).saturating_sub(WARM_UP + 50));
    idle(connections)?;
    for window in [1, 32] {
        echo(window, 200_000 / window)?;
    }
    doorbell(20_000)
}

/// Connections whose task waits in `readable()`.
fn idle(connections: usize) -> std::io::Result<()> {
    crosspoint_rt::run(
        &Config {
            core: None,
            ring_entries: 4096,
        },
        async move {
            let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), 1024)?;
            let address = listener.local_addr()?;
            let mut clients = Vec::with_capacity(connections);
            let mut rss_before = 0;
            for number in 0..connections + WARM_UP {
                if number == WARM_UP {
                    crosspoint_rt::sleep(Duration::from_millis(50)).await;
                    rss_before = crosspoint_rt::process_rss_bytes();
                }
                clients.push(TcpStream::connect(address)?);
                let (socket, _) = listener.accept().await?;
                crosspoint_rt::spawn(async move {
                    // The session that waits: nothing but its socket.
                    let _ = socket.readable().await;
                });
            }
            crosspoint_rt::sleep(Duration::from_millis(50)).await;
            let grown = crosspoint_rt::process_rss_bytes() - rss_before;
            println!(
                "idle: {connections} connections, {} bytes of process memory each",
                grown / connections as u64
            );
            Ok(())
        },
    )?
}

/// One client that keeps `window` messages in flight; prints what the shard's thread spends on each.
fn echo(window: usize, rounds: usize) -> std::io::Result<()> {
    let (bound, address) = mpsc::channel::<SocketAddr>();
    let server = thread::spawn(move || {
        crosspoint_rt::run(
            &Config {
                core: None,
                ring_entries: 256,
            },
            async move {
                let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), 16)?;
                let _ = bound.send(listener.local_addr()?);
                let (socket, _) = listener.accept().await?;
                socket.set_nodelay(true)?;
                let before = crosspoint_rt::thread_cpu();
                serve(&socket).await?;
                Ok::<_, std::io::Error>(crosspoint_rt::thread_cpu() - before)
            },
        )?
    });
    let mut client = TcpStream::connect(address.recv().expect("the server listens"))?;
    client.set_nodelay(true)?;
    let messages = vec![7; window * MESSAGE_BYTES];
    let mut echoed = vec![0; window * MESSAGE_BYTES];
    let start = Instant::now();
    for _ in 0..rounds {
        client.write_all(&messages)?;
        client.read_exact(&mut echoed)?;
    }
    let elapsed = start.elapsed();
    drop(client);
    let cpu = server.join().expect("the server panicked")?;
    let count = (rounds * window) as f64;
    println!(
        "echo: window {window:>2}, {:.2} us of the shard's processor time a message, {:.0} messages/s",
        cpu.as_secs_f64() * 1e6 / count,
        count / elapsed.as_secs_f64(),
    );
    Ok(())
}

async fn serve(socket: &Socket) -> std::io::Result<()> {
    let mut scratch = vec![0; SCRATCH_BYTES];
    loop {
        socket.readable().await?;
        let received = socket.recv(&mut scratch)?;
        if received == 0 {
            return Ok(());
        }
        let mut sent = 0;
        while sent < received {
            match socket.send(&scratch[sent..received]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => socket.writable().await?,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Rings a shard that sleeps, and one that is awake (it has not answered the last ring yet).
fn doorbell(rings: u32) -> std::io::Result<()> {
    let ringer = Ringer::new()?;
    let shards = ringer.clone();
    let (answered, answers) = mpsc::channel();
    let shard = thread::spawn(move || {
        crosspoint_rt::run(
            &Config {
                core: None,
                ring_entries: 256,
            },
            async move {
                let doorbell = shards.listen()?;
                let count = Rc::new(Cell::new(0));
                while count.get() < rings {
                    doorbell.rung().await?;
                    count.set(count.get() + 1);
                    let _ = answered.send(());
                }
                Ok::<_, std::io::Error>(())
            },
        )?
    });
    let (mut ringing, mut waiting) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..rings {
        let start = Instant::now();
        ringer.ring();
        ringing += start.elapsed();
        let _ = answers.recv();
        waiting += start.elapsed();
    }
    shard.join().expect("the shard panicked")?;
    let start = Instant::now();
    for _ in 0..rings {
        ringer.ring();
    }
    println!(
        "doorbell: {:.2} us to ring a sleeper, {:.2} us until it has answered, {:.2} us to ring one that is awake",
        ringing.as_secs_f64() * 1e6 / f64::from(rings),
        waiting.as_secs_f64() * 1e6 / f64::from(rings),
        start.elapsed().as_secs_f64() * 1e6 / f64::from(rings),
    );
    Ok(())
}
