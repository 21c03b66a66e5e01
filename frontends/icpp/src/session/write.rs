//! Writing frames of the server's own.

use crate::codec::{Code, Flags, Frame, Header, Refusal, Verb, write_frame};

use super::Flow;

/// Where a session's frames go: what each header says beside its verb.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) slot: u16,
}

impl Place {
    /// The header of a push.
    pub(super) fn push(self, verb: Verb, ack: u32) -> Header {
        Header {
            slot: self.slot,
            ..Header::push(verb, ack)
        }
    }

    /// The header of an answer.
    pub(super) fn answer(self, verb: Verb, flags: Flags, id: u32, ack: u32) -> Header {
        Header {
            flags: flags.with(Flags::RESP),
            id,
            ..self.push(verb, ack)
        }
    }

    /// Appends a refusal: of a request, or of everything (`id` 0).
    pub(super) fn refuse(self, out: &mut Vec<u8>, id: u32, ack: u32, refusal: &Refusal<'_>) {
        let header = match id {
            0 => self.push(Verb::Error, ack),
            id => self.answer(Verb::Error, Flags::ERR, id, ack),
        };
        write_frame(out, header, |body| refusal.write(body));
    }

    /// Appends the refusal of a request that ends nothing.
    pub(super) fn refuse_by(self, out: &mut Vec<u8>, id: u32, ack: u32, code: Code) {
        self.refuse(out, id, ack, &Refusal::new(code));
    }

    /// PING: a request of nothing but a header.
    pub(super) fn pong(self, frame: &Frame<'_>, ack: u32, out: &mut Vec<u8>) -> Flow {
        if !is_request(frame) || !frame.body.is_empty() {
            return Flow::Fail(Code::Malformed);
        }
        write_frame(out, self.answer(Verb::Pong, Flags::NONE, frame.header.id, ack), |_| {});
        Flow::Next
    }

    /// A verb of a version to come (SPEC.md section 3): a push is ignored, a request refused.
    pub(super) fn unknown(self, frame: &Frame<'_>, ack: u32, out: &mut Vec<u8>) -> Flow {
        if is_request(frame) {
            self.refuse_by(out, frame.header.id, ack, Code::UnsupportedVerb);
        }
        Flow::Next
    }
}

/// Whether a frame asks something.
pub(super) fn is_request(frame: &Frame<'_>) -> bool {
    frame.header.flags.has(Flags::REQ) && frame.header.id != 0
}

/// Whether a frame answers something. Version 1 of the server asks nothing of clients.
pub(super) fn is_answer(frame: &Frame<'_>) -> bool {
    frame.header.flags.has(Flags::RESP) || frame.header.flags.has(Flags::ERR)
}
