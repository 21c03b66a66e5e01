//! A connected stream socket: wait for it on the ring, then receive and send without blocking.

use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::ManuallyDrop;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use super::notify::Notify;
use super::watched::Watched;

/// A connected socket on this shard. Not `Send`; see [`Socket::detach`]. Closed when dropped.
#[derive(Debug)]
pub struct Socket {
    watched: Watched,
}

/// A connected socket that belongs to no shard: can be sent to another thread, and closes when dropped.
#[derive(Debug)]
pub struct Detached(OwnedFd);

impl Socket {
    /// Takes a socket in on this shard.
    ///
    /// # Errors
    /// As the runtime's registration; none is known.
    pub fn adopt(detached: Detached) -> io::Result<Self> {
        Ok(Self {
            watched: Watched::new(detached.0)?,
        })
    }

    /// Connects to an address. Names are resolved elsewhere: a shard does not block.
    ///
    /// # Errors
    /// Those of connect(2).
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::connect_from(None, address).await
    }

    /// As [`Socket::connect`], from one of this machine's own addresses. A port is chosen when the connection is made, so
    /// that each source address has all of them for each address connected to (`IP_BIND_ADDRESS_NO_PORT`).
    ///
    /// # Errors
    /// Those of bind(2) and connect(2).
    pub async fn connect_from(source: Option<IpAddr>, address: SocketAddr) -> io::Result<Self> {
        let kind = socket2::Type::STREAM.nonblocking();
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind, None)?;
        if let Some(source) = source {
            choose_port_late(&socket)?;
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        let socket = Self::adopt(Detached(socket.into()))?;
        socket.writable().await?;
        match socket.with_std(TcpStream::take_error)? {
            Some(error) => Err(error),
            None => Ok(socket),
        }
    }

    /// Waits until there is something to receive: bytes, the peer's end, or an error. Dropping the wait loses nothing.
    ///
    /// # Errors
    /// Those of the poll itself; an error of the connection shows in [`Socket::recv`].
    pub async fn readable(&self) -> io::Result<()> {
        self.watched.readable().await
    }

    /// Waits for something to receive (true), or for `told` to be notified (false), whichever comes first. For
    /// connections that are idle: the wait is as small as it can be.
    pub fn readable_or<'a>(&'a self, told: &'a Notify) -> impl Future<Output = bool> + use<'a> {
        self.watched.readable_or(told)
    }

    /// Waits until some bytes can be sent, or the connection has failed.
    ///
    /// # Errors
    /// As [`Socket::readable`].
    pub async fn writable(&self) -> io::Result<()> {
        self.watched.writable().await
    }

    /// Receives what is there, at most `buffer.len()` bytes; 0 when the peer has ended its half.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there; else those of recv(2).
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let received = retry(|| {
            // SAFETY: the pointer and the length describe `buffer`, which is ours to write for the duration of the call.
            unsafe {
                libc::recv(
                    self.watched.raw(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                    libc::MSG_DONTWAIT,
                )
            }
        });
        crosspoint_probes::socket_read(self.watched.raw(), outcome(&received));
        received
    }

    /// Sends as many bytes as the send buffer takes, and says how many.
    ///
    /// # Errors
    /// `WouldBlock` when it takes none; else those of send(2). A closed connection is `BrokenPipe`, never a signal.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let sent = retry(|| {
            // SAFETY: the pointer and the length describe `bytes`, which outlives the call.
            unsafe { libc::send(self.watched.raw(), bytes.as_ptr().cast(), bytes.len(), SEND_FLAGS) }
        });
        crosspoint_probes::socket_write(self.watched.raw(), outcome(&sent));
        sent
    }

    /// As [`Socket::send`], from several slices with one call. At most the first 1024 slices are sent.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub fn send_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // SAFETY: all zeroes is a valid msghdr: no address, no control data, no slices.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        // IoSlice is laid out as iovec (documented); sendmsg(2) does not write through it in spite of the mutable type.
        message.msg_iov = slices.as_ptr().cast_mut().cast();
        message.msg_iovlen = slices.len().min(SLICES_MAX) as _;
        let sent = retry(|| {
            // SAFETY: `message` points to `msg_iovlen` valid slices that outlive the call.
            unsafe { libc::sendmsg(self.watched.raw(), &message, SEND_FLAGS) }
        });
        crosspoint_probes::socket_write(self.watched.raw(), outcome(&sent));
        sent
    }

    /// Ends both directions at once: whoever waits in [`Socket::readable`] wakes and then receives 0 bytes.
    pub fn shutdown(&self) {
        // The only failure is "not connected any more", which is what was wanted.
        let _ = self.with_std(|stream| stream.shutdown(Shutdown::Both));
    }

    /// Ends our direction: what was sent is delivered, then the peer sees the end.
    pub fn shutdown_send(&self) {
        let _ = self.with_std(|stream| stream.shutdown(Shutdown::Write));
    }

    /// Switches Nagle's algorithm off (`true`). We coalesce writes ourselves.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.with_std(|stream| stream.set_nodelay(nodelay))
    }

    /// Bounds the kernel's send buffer, in bytes (the kernel doubles it for its bookkeeping).
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn set_send_buffer_bytes(&self, bytes: usize) -> io::Result<()> {
        socket2::SockRef::from(self).set_send_buffer_size(bytes)
    }

    /// Address and port of the other end.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.with_std(TcpStream::peer_addr)
    }

    /// Address and port of this end.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with_std(TcpStream::local_addr)
    }

    /// Takes the socket off this shard. Nothing of it stays behind, even if a wait was abandoned half-way.
    ///
    /// # Errors
    /// Only after an abandoned wait, when the process is out of descriptors.
    pub fn detach(self) -> io::Result<Detached> {
        self.watched.into_fd().map(Detached)
    }

    /// Lends the socket to one of std's safe calls.
    fn with_std<T>(&self, call: impl FnOnce(&TcpStream) -> T) -> T {
        // SAFETY: the descriptor is open for as long as `self` is borrowed, and ManuallyDrop keeps the stream from
        // closing it.
        let stream = ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(self.watched.raw()) });
        call(&stream)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.fd()
    }
}

impl Detached {
    /// Gives the bare descriptor to the caller, who then has to close it.
    #[must_use]
    pub fn into_raw(self) -> RawFd {
        self.0.into_raw_fd()
    }

    /// Takes a bare descriptor over.
    ///
    /// # Safety
    /// `fd` must be an open stream socket that nobody else owns.
    #[must_use]
    pub unsafe fn from_raw(fd: RawFd) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// The descriptor's number, for logs.
    #[must_use]
    pub fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Detached {
    /// Two ends of a stream within this process.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        one.set_nonblocking(true)?;
        other.set_nonblocking(true)?;
        Ok((Self(one.into()), Self(other.into())))
    }
}

impl From<TcpStream> for Detached {
    fn from(stream: TcpStream) -> Self {
        Self(stream.into())
    }
}

/// Without this, bind(2) takes a port for itself alone, whatever it will be connected to.
fn choose_port_late(socket: &socket2::Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the pointer and the length describe `on`, which outlives the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if set < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

const SEND_FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
/// IOV_MAX of Linux.
const SLICES_MAX: usize = 1024;

/// For the probes: the bytes, or -1.
fn outcome(moved: &io::Result<usize>) -> isize {
    moved.as_ref().map_or(-1, |bytes| *bytes as isize)
}

/// Repeats a call that a signal interrupted, and turns -1 into the error.
fn retry(mut call: impl FnMut() -> libc::ssize_t) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
