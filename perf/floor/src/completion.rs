//! The relay on monoio, written as its manual would: one task a direction, `read` and `write_all` as operations of io_uring.
//!
//! The ring has no flags but monoio's own, so its price is what a straightforward program pays. A buffer of 16 KiB is lent
//! to the kernel for each idle connection.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Result;
use monoio::io::{AsyncReadRent, AsyncWriteRent, AsyncWriteRentExt, Splitable};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, RuntimeBuilder};

const BUFFER_BYTES: usize = 16 << 10;
const RING_ENTRIES: u32 = 4096;

/// Relays for ever.
pub(crate) fn run(listen: SocketAddr) -> Result<()> {
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new()
        .with_entries(RING_ENTRIES)
        .build()?;
    let Err(error) = runtime.block_on(serve(listen));
    Err(error)
}

async fn serve(listen: SocketAddr) -> Result<Infallible> {
    let listener = TcpListener::bind(listen)?;
    loop {
        let (one, two) = (accept(&listener).await?, accept(&listener).await?);
        let ((from_one, to_one), (from_two, to_two)) = (one.into_split(), two.into_split());
        monoio::spawn(relay(from_one, to_two));
        monoio::spawn(relay(from_two, to_one));
    }
}

async fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let (socket, _) = listener.accept().await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// One direction, until either end has gone; then the other direction is told by a shutdown.
async fn relay(mut from: impl AsyncReadRent, mut to: impl AsyncWriteRent) {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    loop {
        let (read, filled) = from.read(buffer).await;
        if !matches!(read, Ok(1..)) {
            break;
        }
        let (written, emptied) = to.write_all(filled).await;
        if written.is_err() {
            break;
        }
        buffer = emptied;
        buffer.clear();
    }
    // The peer may have gone already; there is nobody to tell then.
    let _ = to.shutdown().await;
}
