//! A very small HTTP/1.1 server for the admin port: `GET` of a few fixed texts, one request a connection.
//!
//! Written out instead of taken from a framework because it serves three texts and must never cost the shards anything:
//! blocking threads, started on demand, few.
//!
//! Invariants:
//! - At most [`CONNECTIONS_MAX`] connections are served at a time; beyond it they are closed at once.
//! - A connection has [`REQUEST_TIME`] from its first byte to its last, and [`HEAD_BYTES_MAX`] bytes for its request.
//! - Bodies are not read; the connection closes after the answer.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Connections served at a time.
pub const CONNECTIONS_MAX: usize = 16;

/// Bytes of a request's head.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Header fields of a request.
pub const FIELDS_MAX: usize = 64;

/// Time that a connection may take in all.
pub const REQUEST_TIME: Duration = Duration::from_secs(5);

/// How long to wait when no connection can be accepted, for want of descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Media type.
    pub media: &'static str,
    /// Body.
    pub body: String,
}

impl Reply {
    /// A line of plain text.
    pub fn text(status: u16, line: &str) -> Reply {
        Reply {
            status,
            media: "text/plain; charset=utf-8",
            body: format!("{line}\n"),
        }
    }
}

/// What answers a path (without its query); `None`: there is nothing there.
pub type Routes = Arc<dyn Fn(&str) -> Option<Reply> + Send + Sync>;

/// Serves for as long as the process lives, on a thread of its own.
///
/// # Errors
/// When no thread can be started.
pub fn serve(listener: TcpListener, routes: Routes) -> io::Result<()> {
    thread::Builder::new()
        .name("admin-http".into())
        .spawn(move || accept(&listener, &routes))?;
    Ok(())
}

fn accept(listener: &TcpListener, routes: &Routes) {
    let served = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(ACCEPT_PAUSE);
            continue;
        };
        let Some(place) = Place::take(&served) else { continue };
        let routes = routes.clone();
        // When no thread can be had, the connection is dropped, and so closed.
        let _ = thread::Builder::new().name("admin-http-request".into()).spawn(move || {
            let _place = place;
            // The peer went away, or took too long: there is nobody to tell.
            let _ = answer(stream, &routes);
        });
    }
}

/// One of the [`CONNECTIONS_MAX`] places; given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(served: &Arc<AtomicUsize>) -> Option<Place> {
        let taken = served.fetch_add(1, Ordering::Relaxed);
        let place = Place(served.clone());
        (taken < CONNECTIONS_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn answer(mut stream: TcpStream, routes: &Routes) -> io::Result<()> {
    let deadline = Instant::now() + REQUEST_TIME;
    let head = read_head(&mut stream, deadline)?;
    let (reply, body_wanted) = respond(&head, routes);
    let mut bytes = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        reply.status,
        reason(reply.status),
        reply.media,
        reply.body.len()
    );
    if body_wanted {
        bytes.push_str(&reply.body);
    }
    write_all(&mut stream, bytes.as_bytes(), deadline)
}

/// Reads up to the empty line, or up to the bound.
fn read_head(stream: &mut TcpStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(1024);
    let mut chunk = [0; 1024];
    while head.len() <= HEAD_BYTES_MAX && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.set_read_timeout(Some(remaining(deadline)?))?;
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => head.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(head)
}

fn write_all(stream: &mut TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(remaining(deadline)?))?;
        match stream.write(bytes)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => bytes = &bytes[count..],
        }
    }
    Ok(())
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}

/// The reply to a request's head, and whether its body goes with it.
fn respond(head: &[u8], routes: &Routes) -> (Reply, bool) {
    if head.len() > HEAD_BYTES_MAX {
        return (Reply::text(431, "the request's head is too large"), true);
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Err(httparse::Error::TooManyHeaders) => (Reply::text(431, "too many header fields"), true),
        Err(_) | Ok(httparse::Status::Partial) => (Reply::text(400, "this is not HTTP/1.1"), true),
        Ok(httparse::Status::Complete(_)) => {
            let path = request.path.unwrap_or_default();
            let path = path.split('?').next().unwrap_or_default();
            match request.method.unwrap_or_default() {
                "GET" => (routes(path).unwrap_or_else(nothing), true),
                "HEAD" => (routes(path).unwrap_or_else(nothing), false),
                _ => (Reply::text(405, "only GET and HEAD"), true),
            }
        }
    }
}

fn nothing() -> Reply {
    Reply::text(404, "nothing here; there are /metrics, /healthz and /readyz")
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        Arc::new(|path| (path == "/healthz").then(|| Reply::text(200, "ok")))
    }

    fn ask(request: &[u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        serve(listener, routes()).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_get_is_answered_and_the_connection_closed() {
        let answer = ask(b"GET /healthz?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer.contains("\r\nContent-Length: 3\r\n") && answer.ends_with("\r\n\r\nok\n"),
            "{answer}"
        );
    }

    #[test]
    fn a_head_has_no_body() {
        let answer = ask(b"HEAD /healthz HTTP/1.1\r\n\r\n");
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }

    #[test]
    fn what_is_not_there_not_allowed_or_not_http_is_said_so() {
        assert!(ask(b"GET /secret HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(ask(b"POST /healthz HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert!(ask(b"<stream:stream>\r\n\r\n").starts_with("HTTP/1.1 400 "));
    }

    #[test]
    fn a_head_without_end_is_refused() {
        // Exactly as much as the server reads before it gives up, so that closing leaves nothing unread.
        let mut request = b"GET /healthz HTTP/1.1\r\nX: ".to_vec();
        request.resize(HEAD_BYTES_MAX + 1024, b'x');
        let (reply, _) = respond(&request, &routes());
        assert_eq!(reply.status, 431);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_MAX + 1));
        assert_eq!(respond(many.as_bytes(), &routes()).0.status, 431);
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let served = Arc::new(AtomicUsize::new(0));
        let places: Vec<_> = (0..CONNECTIONS_MAX).map(|_| Place::take(&served).unwrap()).collect();
        assert!(Place::take(&served).is_none());
        drop(places);
        assert!(Place::take(&served).is_some());
    }
}
