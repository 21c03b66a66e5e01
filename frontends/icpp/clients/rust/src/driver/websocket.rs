//! A WebSocket as a stream of bytes (SPEC.md section 1): binary messages of whole frames, subprotocol `icpp.v1`.
//!
//! Invariants: what is written at once becomes one message, so that messages hold whole frames as long as writes do, and the core's
//! output does; a message is bounded; text is a fault of the server.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::socket::Stream;
use crate::core::Endpoint;
use crate::core::limits::FRAME_BYTES_MAX;

/// The subprotocol.
const PROTOCOL: &str = "icpp.v1";
/// A message holds one or several frames.
const MESSAGE_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX as usize;

/// See the module.
pub(super) struct WebSocket {
    inner: WebSocketStream<Box<dyn Stream>>,
    /// Of the last message: what has not been read.
    unread: Bytes,
}

impl WebSocket {
    /// Asks the server, which must speak the subprotocol.
    pub async fn open(stream: Box<dyn Stream>, endpoint: &Endpoint) -> io::Result<WebSocket> {
        let mut request = endpoint.to_string().into_client_request().map_err(io::Error::other)?;
        let protocol = HeaderValue::from_static(PROTOCOL);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
        let (inner, _) = opened.map_err(io::Error::other)?;
        Ok(WebSocket {
            inner,
            unread: Bytes::new(),
        })
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                // Answered below us.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(Message::Text(_) | Message::Frame(_))) => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a message that is not binary",
                    )));
                }
                Some(Err(error)) => return Poll::Ready(ended(error)),
            }
        }
        let count = self.unread.len().min(out.remaining());
        let taken = self.unread.split_to(count);
        out.put_slice(&taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.inner).poll_ready(context)).map_err(io::Error::other)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.inner)
            .start_send(message)
            .map_err(io::Error::other)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context).map_err(io::Error::other)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(context).map_err(io::Error::other)
    }
}

/// An orderly end is no error.
fn ended(error: Error) -> io::Result<()> {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => Ok(()),
        Error::Io(error) => Err(error),
        error => Err(io::Error::other(error)),
    }
}
