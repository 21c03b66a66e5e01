//! What servers say in a session (SPEC.md sections 5 to 9 and 11).

use crosspoint_icpp::codec::contacts::{List, Roster as RosterBody, roster_op};
use crosspoint_icpp::codec::cursor::Cursor;
use crosspoint_icpp::codec::elsewhere::{Drain, Redirect};
use crosspoint_icpp::codec::message::{ROOM_BYTES, kind, receipt, tag};
use crosspoint_icpp::codec::presence::{Presence, Subscription};
use crosspoint_icpp::codec::rooms::Body;
use crosspoint_icpp::codec::{Code, Fault, Flags, Frame, HEADER_BYTES, Message, Refusal, Verb};

use super::fault::{Ending, ServerFault, Told};
use super::inbox::Mark;
use super::limits::{ACK_DELAY_MS, OUTPUT_BYTES_FULL, OUTPUT_BYTES_MAX, PRESENCE_CHANGES_MAX, STABLE_MS};
use super::message::{Activity, Asked, Incoming, Received};
use super::{Change, Core, Event, Output, Shown, seen};

/// The counter in the lower bits of a stamp: not 0 for what is in the log.
const STAMP_COUNTER: u64 = (1 << 20) - 1;

/// A body of ERROR or BYE, owned and as it is.
pub(super) fn told(body: &[u8]) -> Result<(Told, Refusal<'_>), ServerFault> {
    let refusal = Refusal::read(body)?;
    Ok((Told::from(&refusal), refusal))
}

fn empty(frame: Frame<'_>) -> Result<(), ServerFault> {
    match frame.body.is_empty() {
        true => Ok(()),
        false => Err(ServerFault::Frame(Fault::Malformed)),
    }
}

impl Core {
    /// A whole frame.
    pub(super) fn frame(&mut self, frame: Frame<'_>) -> Result<(), ServerFault> {
        if frame.header.slot != 0 {
            return Err(ServerFault::Slot);
        }
        let Some(verb) = frame.verb()? else {
            // An extension of a later day.
            return Ok(());
        };
        if !self.link.as_ref().is_some_and(|link| link.is_in_session()) {
            return self.login_frame(verb, frame);
        }
        self.acknowledged(frame.header.ack)?;
        match frame.header.flags.has(Flags::RESP) {
            true => self.answered(verb, frame),
            false => self.pushed(verb, frame),
        }
    }

    /// The server has taken so many of our reliable frames.
    pub(super) fn acknowledged(&mut self, ack: u32) -> Result<(), ServerFault> {
        let mut count = 0;
        let safe = self.outbox.acknowledge(ack).ok_or(ServerFault::AckInvalid)?;
        for frame in safe {
            count += 1;
            self.outputs.extend(frame.id.map(Output::Accepted));
        }
        if count > 0 {
            self.keep(Change::Accepted(count));
        }
        Ok(())
    }

    fn pushed(&mut self, verb: Verb, frame: Frame<'_>) -> Result<(), ServerFault> {
        if verb.is_reliable_from_server() && self.inbox.comes_again() {
            return Ok(());
        }
        match verb {
            Verb::Accepted => empty(frame),
            Verb::Deliver | Verb::Receipt | Verb::Edit | Verb::Recall => self.message(verb, frame),
            Verb::Note => self.note(frame),
            Verb::Presences => self.presences(frame),
            Verb::Subscribe | Verb::Unsubscribe | Verb::Approve | Verb::Deny => self.subscription(verb, frame),
            Verb::Roster => self.roster_push(frame),
            Verb::Block | Verb::Allow => {
                List::read(frame.body)?;
                self.inbox.push(true, frame.len(), None, Mark::default());
                self.tell(Event::ListsChanged);
                Ok(())
            }
            verb if verb.is_of_rooms_from_server() => self.of_room(verb, frame),
            Verb::Credit => {
                let mut cursor = Cursor::new(frame.body);
                let window = cursor.u32()?;
                cursor.end()?;
                self.outbox.set_window(window);
                Ok(())
            }
            _ => self.common_frame(verb, frame),
        }
    }

    /// What may come before and after a login.
    pub(super) fn common_frame(&mut self, verb: Verb, frame: Frame<'_>) -> Result<(), ServerFault> {
        match verb {
            Verb::Ping => {
                empty(frame)?;
                self.put(Verb::Pong, Flags::RESP, frame.header.id, |_| {});
            }
            Verb::Redirect => self.redirected(&Redirect::read(frame.body)?),
            Verb::Drain => self.draining(Drain::read(frame.body)?),
            Verb::Error => {
                let (told, refusal) = told(frame.body)?;
                match refusal.fatal {
                    true => self.ended_by_server(told, refusal.retry_after_ms),
                    false => self.tell(Event::Refused(told)),
                }
            }
            Verb::Bye => {
                let (told, refusal) = told(frame.body)?;
                // The session has ended, unless it lives elsewhere than this server.
                if !matches!(refusal.known(), Some(Code::Shutdown | Code::BackEndLost)) {
                    self.resumable = None;
                }
                self.ended_by_server(told, refusal.retry_after_ms);
            }
            _ => return Err(ServerFault::UnexpectedVerb(verb as u8)),
        }
        Ok(())
    }

    /// A message, or something about one.
    fn message(&mut self, verb: Verb, frame: Frame<'_>) -> Result<(), ServerFault> {
        let message = Message::read(frame.body)?;
        let item = incoming(verb, &message)?;
        let aspect = match (verb, message.kind, message.extension(tag::COPY)) {
            (Verb::Deliver, kind::ERROR, _) => seen::Aspect::Returned,
            (_, _, Some([2])) => seen::Aspect::Copy,
            _ => seen::Aspect::Itself,
        };
        let author = message.text_extension(tag::OCCUPANT_ID).unwrap_or_default();
        let key = seen::key(message.from, author, message.id, aspect);
        let offset = self.log_offset(message.stamp);
        let mark = match self.seen.arrives(key) {
            true => Mark {
                seen: Some(key),
                offset,
            },
            // Its first copy is in front of it in the inbox, or taken.
            false => Mark { seen: None, offset },
        };
        let item = item.filter(|_| mark.seen.is_some());
        self.inbox.push(true, frame.len(), item, mark);
        Ok(())
    }

    /// How far the log has come with this stamp. While a SYNC is open, older messages may follow.
    fn log_offset(&mut self, stamp: u64) -> Option<u64> {
        if stamp & STAMP_COUNTER == 0 {
            return None;
        }
        self.arrived_offset = self.arrived_offset.max(stamp);
        (!self.sync_open).then_some(self.arrived_offset)
    }

    /// Typing. May be lost, so it waits only where there is room.
    fn note(&mut self, frame: Frame<'_>) -> Result<(), ServerFault> {
        let message = Message::read(frame.body)?;
        let Some(activity) = Activity::from_number(message.kind) else {
            // Of a later day.
            return Ok(());
        };
        let item = Incoming::Activity {
            from: message.from.to_owned(),
            activity,
        };
        if self.inbox.has_room() {
            self.inbox.push(false, frame.len(), Some(item), Mark::default());
        }
        Ok(())
    }

    fn presences(&mut self, frame: Frame<'_>) -> Result<(), ServerFault> {
        let mut cursor = Cursor::new(frame.body);
        while !cursor.is_empty() {
            let shown = Shown::new(&Presence::read(&mut cursor)?);
            self.presences.change(&shown);
            if self.presence_changes.len() >= PRESENCE_CHANGES_MAX {
                self.presence_changes.pop_front();
            }
            self.presence_changes.push_back(shown);
        }
        Ok(())
    }

    fn subscription(&mut self, verb: Verb, frame: Frame<'_>) -> Result<(), ServerFault> {
        let subscription = Subscription::read(frame.body)?;
        let item = Incoming::Subscription {
            from: subscription.address.to_owned(),
            asked: match verb {
                Verb::Subscribe => Asked::Subscribe,
                Verb::Unsubscribe => Asked::Unsubscribe,
                Verb::Approve => Asked::Approved,
                _ => Asked::Denied,
            },
            note: subscription.note.to_owned(),
        };
        self.inbox.push(true, frame.len(), Some(item), Mark::default());
        Ok(())
    }

    fn of_room(&mut self, verb: Verb, frame: Frame<'_>) -> Result<(), ServerFault> {
        Body::read(verb, frame.body)?;
        let item = Incoming::Room {
            verb,
            body: frame.body.to_vec(),
        };
        self.inbox.push(true, frame.len(), Some(item), Mark::default());
        Ok(())
    }

    fn roster_push(&mut self, frame: Frame<'_>) -> Result<(), ServerFault> {
        let roster = RosterBody::read(frame.body)?;
        if roster.op != roster_op::PUSH {
            return Err(ServerFault::Frame(Fault::Malformed));
        }
        self.inbox.push(true, frame.len(), None, Mark::default());
        for contact in roster.contacts() {
            self.roster.change(roster.version, &contact)?;
            self.tell(Event::RosterChanged(contact.address.to_owned()));
        }
        Ok(())
    }

    fn redirected(&mut self, redirect: &Redirect<'_>) {
        let Some(link) = &self.link else { return };
        let in_session = link.is_in_session();
        if link.logged_in_at.is_some_and(|at| self.now >= at + STABLE_MS) {
            self.route.stable();
        }
        let secure = link.endpoint.transport.is_secure();
        let followed = self.route.redirect(redirect, &link.node, secure, self.now);
        self.tell(match followed {
            Ok(()) => Event::Redirected {
                node: redirect.node.to_owned(),
                reason: redirect.reason,
            },
            Err(fault) => Event::RedirectRefused(fault),
        });
        if !in_session {
            // The server closes after it.
            self.end_link(Ending::Redirected, 0);
        }
    }

    fn draining(&mut self, drain: Drain) {
        if drain.phase == 1 {
            self.tell(Event::Draining {
                deadline_ms: drain.deadline_ms,
            });
        } else if let Some(link) = &mut self.link {
            link.taking_nothing = true;
        }
    }

    /// Lets go what the application has taken, acknowledges it in time, and sends what may be sent.
    pub(super) fn pump(&mut self) {
        self.leave_inbox();
        self.pump_outbox();
        self.plan_acknowledgement();
        if self.leaving && self.outbox.is_empty() {
            self.close();
        }
    }

    fn leave_inbox(&mut self) {
        while let Some(mark) = self.inbox.leave() {
            if let Some(key) = mark.seen {
                self.seen.taken(key);
            }
            let position = mark.offset.filter(|offset| *offset > self.offset);
            if let Some(offset) = position {
                self.offset = offset;
            }
            if mark.seen.is_some() || position.is_some() {
                self.keep(Change::Taken {
                    seen: mark.seen,
                    position: position.map(|offset| (self.epoch, offset)),
                });
            }
        }
    }

    fn pump_outbox(&mut self) {
        loop {
            let ready = self
                .link
                .as_ref()
                .filter(|link| link.is_in_session() && !link.taking_nothing);
            let Some(frame_max) = ready.map(|link| link.terms.frame_max as usize) else {
                return;
            };
            if self.output.len() >= OUTPUT_BYTES_FULL {
                return;
            }
            let Some((frame, sent_before)) = self.outbox.take_next() else {
                return;
            };
            let mut flags = Flags::NONE;
            if frame.nostore {
                flags = flags.with(Flags::NOSTORE);
            }
            if sent_before && frame.verb.is_message() {
                flags = flags.with(Flags::DUP);
            }
            if frame.body.len() + HEADER_BYTES + ROOM_BYTES as usize > frame_max {
                if let Some((index, frame)) = self.outbox.drop_last() {
                    self.keep(Change::Dropped(index));
                    self.outputs.extend(frame.id.map(Output::Dropped));
                }
                continue;
            }
            let (verb, body) = (frame.verb, frame.body.clone());
            self.put(verb, flags, 0, |out| out.extend_from_slice(&body));
        }
    }

    fn plan_acknowledgement(&mut self) {
        let (frames, bytes) = self.inbox.untold();
        let Some(link) = self.link.as_mut().filter(|link| link.is_in_session()) else {
            return;
        };
        if frames == 0 {
            return;
        }
        if frames >= (link.terms.unacked_frames / 2).max(1) || bytes >= link.terms.unacked_bytes as usize / 2 {
            self.put(Verb::Accepted, Flags::NONE, 0, |_| {});
        } else if link.ack_due.is_none() {
            link.ack_due = Some(self.now + ACK_DELAY_MS);
        }
    }

    /// Whether what may be lost should be, because the socket takes nothing.
    pub(super) fn is_congested(&self) -> bool {
        self.output.len() >= OUTPUT_BYTES_MAX
    }
}

/// What a message is to the application; nothing, if it is a receipt of a kind that is not known here, which has to be borne.
fn incoming(verb: Verb, message: &Message<'_>) -> Result<Option<Incoming>, ServerFault> {
    let received = Received::new(message);
    let refers = received.reference.is_some();
    Ok(Some(match (verb, message.kind) {
        (Verb::Deliver, kind::ERROR) => Incoming::Returned(received),
        (Verb::Deliver, _) => Incoming::Message(received),
        _ if !refers => return Err(ServerFault::Frame(Fault::Malformed)),
        (Verb::Receipt, receipt::DELIVERED) => Incoming::Delivered(received),
        (Verb::Receipt, receipt::DISPLAYED) => Incoming::Displayed(received),
        (Verb::Edit, _) => Incoming::Edited(received),
        (Verb::Recall, _) => Incoming::Recalled(received),
        _ => return Ok(None),
    }))
}
