//! A listening socket of one shard. Every shard binds its own to the same address; the kernel deals connections out.

use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::FromRawFd;

use super::socket::{Detached, Socket};
use super::watched::Watched;

/// Connections taken in a row before the others on the shard get their turn.
const ACCEPTS_IN_A_ROW_MAX: u32 = 32;

/// Listens on an address, together with the listeners of the other shards.
#[derive(Debug)]
pub struct Listener {
    watched: Watched,
    in_a_row: Cell<u32>,
}

impl Listener {
    /// Binds with `SO_REUSEPORT` and `SO_REUSEADDR`, and listens. `backlog` is the number of connections that the kernel
    /// completes ahead of us; it silently bounds it by `net.core.somaxconn`.
    ///
    /// # Errors
    /// Those of socket(2), bind(2) and listen(2), such as `AddrInUse` and `PermissionDenied`.
    pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<Self> {
        let kind = socket2::Type::STREAM.nonblocking();
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(Self {
            watched: Watched::new(socket.into())?,
            in_a_row: Cell::new(0),
        })
    }

    /// The next connection and where it comes from. Dropping the future loses no connection.
    ///
    /// # Errors
    /// Out of descriptors or memory (see [`is_out_of_descriptors`]): the connection stays in the backlog, so the caller
    /// must pause before the next call. Other errors are the listener's own and final.
    pub async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        loop {
            if self.in_a_row.get() >= ACCEPTS_IN_A_ROW_MAX {
                self.in_a_row.set(0);
                self.watched.readable().await?;
            }
            match self.with_std(TcpListener::accept) {
                Ok((stream, address)) => {
                    self.in_a_row.set(self.in_a_row.get() + 1);
                    return Ok((Socket::adopt(Detached::from(stream))?, address));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.in_a_row.set(0);
                    self.watched.readable().await?;
                }
                Err(error) if is_already_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The address bound, with the port that the kernel chose if it was asked to.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with_std(TcpListener::local_addr)
    }

    /// Lends the listener to one of std's safe calls.
    fn with_std<T>(&self, call: impl FnOnce(&TcpListener) -> T) -> T {
        // SAFETY: the descriptor is open for as long as `self` is borrowed, and ManuallyDrop keeps the listener from
        // closing it.
        let listener = ManuallyDrop::new(unsafe { TcpListener::from_raw_fd(self.watched.raw()) });
        call(&listener)
    }
}

/// Whether an error of [`Listener::accept`] says that descriptors or memory ran out, which passes.
#[must_use]
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}

/// The connection failed between its arrival and our accept(2), which reports the network's errors as its own; the next
/// one may be well.
fn is_already_gone(error: &io::Error) -> bool {
    const GONE: [i32; 10] = [
        libc::ECONNABORTED,
        libc::EPERM,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::ENETDOWN,
        libc::ENETUNREACH,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::ENONET,
        libc::EOPNOTSUPP,
    ];
    error.raw_os_error().is_some_and(|code| GONE.contains(&code))
}
