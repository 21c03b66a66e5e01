//! Answers: their bodies, and those that are always the same.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use super::watch::Watch;

/// What comes of a file, and how to go on.
pub type Next = Pin<Box<dyn Future<Output = io::Result<(Bytes, Pieces)>>>>;

/// Asks for the next piece.
pub struct Pieces(pub Box<dyn FnOnce() -> Next>);

/// An answer's body.
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// So many bytes, a piece at a time.
    Pieces(u64, Step),
}

/// Between two pieces, or waiting for one.
pub enum Step {
    /// To be asked for.
    Ready(Pieces),
    /// Asked for.
    Waiting(Next),
    /// Broken off: what was announced does not come.
    Broken,
}

/// An answer.
pub type Reply = Response<Content>;

/// A line of text.
pub fn text(status: StatusCode, line: &str) -> Reply {
    whole(status, "text/plain; charset=utf-8", format!("{line}\n"))
}

/// A body of this type.
pub fn whole(status: StatusCode, media: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Content::Whole(body.into()));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media));
    reply
}

/// No body.
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Content::Whole(Bytes::new()));
    *reply.status_mut() = status;
    reply
}

/// A body that tells its connection's watch when it has been sent.
pub struct Tracked {
    content: Content,
    watch: Rc<Watch>,
}

impl Tracked {
    /// Of the answer to this connection's request.
    pub fn new(content: Content, watch: Rc<Watch>) -> Tracked {
        Tracked { content, watch }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.watch.answered();
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Pieces(0, _) => Poll::Ready(None),
            Content::Pieces(left, step) => {
                let piece = ready!(step.poll(*left, context));
                if let Ok(bytes) = &piece {
                    *left -= bytes.len() as u64;
                }
                Poll::Ready(Some(piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Pieces(left, _) => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.content {
            Content::Whole(bytes) => bytes.len() as u64,
            Content::Pieces(left, _) => *left,
        })
    }
}

impl Step {
    fn poll(&mut self, left: u64, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut next = match std::mem::replace(self, Step::Broken) {
            Step::Ready(ask) => ask.0(),
            Step::Waiting(next) => next,
            Step::Broken => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        };
        match next.as_mut().poll(context) {
            Poll::Pending => {
                *self = Step::Waiting(next);
                Poll::Pending
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // A file that is shorter than it was.
            Poll::Ready(Ok((bytes, _))) if bytes.is_empty() => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(Ok((mut bytes, ask))) => {
                bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                *self = Step::Ready(ask);
                Poll::Ready(Ok(bytes))
            }
        }
    }
}

/// Reads a request's body into memory, up to a bound.
///
/// # Errors
/// `Err(None)`: it is longer. `Err(Some(_))`: the connection is gone.
pub async fn read_whole<B>(mut body: B, bytes_max: usize) -> Result<Vec<u8>, Option<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut whole = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame.map_err(Some)?.into_data() {
            if whole.len() + data.len() > bytes_max {
                return Err(None);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole)
}

/// Nothing goes wrong in making an answer.
pub type Never = Infallible;
