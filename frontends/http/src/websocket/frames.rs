//! A connection after its upgrade: the client's frames become a stream of bytes, and bytes become the server's frames.
//!
//! Payloads are passed on as they arrive, without waiting for the end of a frame or a message. Where messages end means
//! nothing to a stream of bytes, which comes in binary messages; in text it is said.
//!
//! Invariants:
//! - Nothing is kept but a few numbers: what is incomplete (a header, a control frame) stays with the caller, and is at most
//!   131 bytes.
//! - A ping is longer than its pong, and nothing but a ping is answered more than once.
//! - Nothing follows a close frame of ours.

use super::close::{self, CloseCode};
use super::fault::Fault;
use super::header::{self, Header, Opcode};

/// Payload of one message, in all its fragments, unless the caller says otherwise. It costs no memory here, but a message
/// without end is no message.
pub const MESSAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The server's end of a WebSocket that carries bytes.
#[derive(Debug)]
pub struct Frames {
    /// What messages are: [`Opcode::Binary`] or [`Opcode::Text`].
    kind: Opcode,
    message_bytes_max: u64,
    /// Bytes of the message so far, while it is not known to be in its last fragment.
    message: Option<u64>,
    /// The current frame is the last one of its message.
    last: bool,
    /// Bytes of the current frame's payload that have not arrived.
    left: u64,
    /// Begins with the byte for the next one of the payload.
    mask: [u8; 4],
    ended: Option<Ended>,
    /// A close frame was sent.
    closed: bool,
}

/// How the client's direction has ended.
#[derive(Debug, Clone, Copy)]
enum Ended {
    /// By a close frame.
    Closed,
    /// By a mistake.
    Fault(Fault),
}

/// What [`Frames::read`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are done with; the others are to be shown again, with more behind them.
    pub consumed: usize,
    /// The client has sent a close frame, and has been answered: nothing more comes, and nothing more can be sent.
    pub peer_closed: bool,
    /// Only of text: what was appended last is the end of a message. There may be more to read behind it.
    pub message_ended: bool,
}

impl Frames {
    /// Binary messages, with a bound for the payload of one, in bytes.
    #[must_use]
    pub fn new(message_bytes_max: u64) -> Frames {
        Frames::of(Opcode::Binary, message_bytes_max)
    }

    /// Text messages, with a bound for the payload of one, in bytes. Whether they are UTF-8 is for their reader to find out.
    #[must_use]
    pub fn text(message_bytes_max: u64) -> Frames {
        Frames::of(Opcode::Text, message_bytes_max)
    }

    fn of(kind: Opcode, message_bytes_max: u64) -> Frames {
        Frames {
            kind,
            message_bytes_max,
            message: None,
            last: false,
            left: 0,
            mask: [0; 4],
            ended: None,
            closed: false,
        }
    }

    /// Takes what was received, in any pieces. Appends the payloads of messages to `plain`, and what is to be sent (pong,
    /// close) to `reply`. Of text it takes one message at a time.
    ///
    /// # Errors
    /// The client's mistake, with the close frame that says so appended to `reply`: send that, then end the connection. What
    /// came before the mistake is in `plain`, and is good.
    pub fn read(&mut self, received: &[u8], plain: &mut Vec<u8>, reply: &mut Vec<u8>) -> Result<Progress, Fault> {
        let mut consumed = 0;
        loop {
            let rest = &received[consumed..];
            consumed += match self.ended {
                Some(Ended::Fault(fault)) => return Err(fault),
                // What follows a close frame is ignored (section 1.4).
                Some(Ended::Closed) => rest.len(),
                None if self.left > 0 => self.payload(rest, plain),
                None => self.frame(rest, reply).inspect_err(|fault| self.fail(*fault, reply))?,
            };
            let message_ended = self.kind == Opcode::Text && self.last && self.left == 0;
            // Nothing was there, or nothing could be done with it yet.
            if message_ended || consumed == received.len() - rest.len() {
                self.last &= !message_ended;
                return Ok(Progress {
                    consumed,
                    peer_closed: self.ended.is_some(),
                    message_ended,
                });
            }
        }
    }

    /// Appends a message with these bytes to `out`; nothing if there are none, or after a close frame.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        if !self.closed && !plain.is_empty() {
            append(self.kind, plain, out);
        }
    }

    /// The client breaks a rule of what the messages carry: it is told so, once, and nothing more is read.
    pub fn refuse(&mut self, fault: Fault, out: &mut Vec<u8>) -> Fault {
        self.fail(fault, out);
        fault
    }

    /// Says goodbye: appends a close frame to `out`, once.
    pub fn close(&mut self, code: CloseCode, out: &mut Vec<u8>) {
        self.say_closed(&code.number().to_be_bytes(), out);
    }

    fn say_closed(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.closed, true) {
            append(Opcode::Close, payload, out);
        }
    }

    fn fail(&mut self, fault: Fault, reply: &mut Vec<u8>) {
        self.ended = Some(Ended::Fault(fault));
        self.close(fault.code(), reply);
    }

    /// Passes on what is there of a payload.
    fn payload(&mut self, rest: &[u8], plain: &mut Vec<u8>) -> usize {
        let count = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
        let start = plain.len();
        plain.extend_from_slice(&rest[..count]);
        header::unmask(&mut plain[start..], self.mask);
        self.mask.rotate_left(count % 4);
        self.left -= count as u64;
        count
    }

    /// Begins a data frame, or works through a control frame if all of it is there. Returns the bytes that are done with.
    fn frame(&mut self, rest: &[u8], reply: &mut Vec<u8>) -> Result<usize, Fault> {
        let Some((header, header_bytes)) = Header::parse(rest)? else {
            return Ok(0);
        };
        if !header.opcode.is_control() {
            self.begin(&header)?;
            return Ok(header_bytes);
        }
        // At most `CONTROL_BYTES_MAX`, as the header's parser has seen to.
        let frame_bytes = header_bytes + header.length as usize;
        let Some(masked) = rest.get(header_bytes..frame_bytes) else {
            return Ok(0);
        };
        let mut room = [0; header::CONTROL_BYTES_MAX];
        let payload = &mut room[..masked.len()];
        payload.copy_from_slice(masked);
        header::unmask(payload, header.mask);
        self.control(header.opcode, payload, reply)?;
        Ok(frame_bytes)
    }

    /// The rules of fragmentation (section 5.4), and the bound of a message.
    fn begin(&mut self, header: &Header) -> Result<(), Fault> {
        let before = match (header.opcode, self.message) {
            (Opcode::Continuation, Some(before)) => before,
            (Opcode::Continuation, None) => return Err(Fault::NothingToContinue),
            (_, Some(_)) => return Err(Fault::MessageInMessage),
            (Opcode::Text, None) if self.kind == Opcode::Binary => return Err(Fault::Text),
            (Opcode::Binary, None) if self.kind == Opcode::Text => return Err(Fault::Binary),
            (_, None) => 0,
        };
        let message = before.saturating_add(header.length);
        if message > self.message_bytes_max {
            return Err(Fault::MessageTooLarge);
        }
        self.message = (!header.fin).then_some(message);
        self.last = header.fin;
        self.left = header.length;
        self.mask = header.mask;
        Ok(())
    }

    fn control(&mut self, opcode: Opcode, payload: &[u8], reply: &mut Vec<u8>) -> Result<(), Fault> {
        match opcode {
            Opcode::Ping if !self.closed => append(Opcode::Pong, payload, reply),
            Opcode::Close => {
                let code = close::code(payload)?;
                self.ended = Some(Ended::Closed);
                // The code goes back as it came (section 5.5.1).
                match code {
                    Some(code) => self.say_closed(&code.to_be_bytes(), reply),
                    None => self.say_closed(&[], reply),
                }
            }
            // A pong that nobody asked for is allowed, and means nothing (section 5.5.3).
            _ => {}
        }
        Ok(())
    }
}

fn append(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    header::write(opcode, payload.len(), out);
    out.extend_from_slice(payload);
}
