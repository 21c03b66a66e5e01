//! Answers to the client's requests, of one frame or several (SPEC.md sections 7 to 9).
//!
//! Invariant: an answer that nobody waits for changes nothing.

use crosspoint_icpp::codec::contacts::{List, Roster as RosterBody, list_op, roster_op};
use crosspoint_icpp::codec::sync::Synced;
use crosspoint_icpp::codec::{Flags, Frame, Message, Verb};

use super::contacts::Contact;
use super::fault::{RequestError, ServerFault};
use super::inbox::Mark;
use super::limits::ROSTER_CONTACTS_MAX;
use super::message::Received;
use super::requests::{Answer, Pending, RequestId};
use super::session::told;
use super::{Core, Event, Output};

impl Core {
    /// One frame of an answer. Where nobody waits for it, it is of a connection before this one.
    pub(super) fn answered(&mut self, verb: Verb, frame: Frame<'_>) -> Result<(), ServerFault> {
        let id = frame.header.id;
        let last = !frame.header.flags.has(Flags::MORE);
        let Some(pending) = self.requests.part(id, frame.len())? else {
            return Ok(());
        };
        if verb == Verb::Error {
            return self.request_refused(id, frame);
        }
        let mut answer = None;
        match (pending, verb) {
            (Pending::Ping, Verb::Pong) | (Pending::Sync | Pending::History(_), Verb::Synced) => {}
            (Pending::Roster(contacts), Verb::Roster) => roster_part(contacts, frame.body)?,
            (Pending::RosterChange, Verb::Roster) | (Pending::ListChange, Verb::Block | Verb::Allow) => {
                answer = Some(Answer::Done);
            }
            (Pending::List { addresses, in_force }, Verb::Block | Verb::Allow) => {
                let list = List::read(frame.body)?;
                addresses.extend(list.addresses().map(str::to_owned));
                if verb == Verb::Allow {
                    *in_force = Some(list.op == list_op::ON || *in_force == Some(true));
                }
            }
            (Pending::Room(asked, body), _) if *asked == verb => body.extend_from_slice(frame.body),
            (Pending::History(messages), Verb::Items) => messages.push(Received::new(&Message::read(frame.body)?)),
            _ => return Err(ServerFault::UnexpectedVerb(verb as u8)),
        }
        if !last {
            return Ok(());
        }
        let Some(pending) = self.requests.close(id) else {
            return Ok(());
        };
        self.complete(id, pending, answer, frame)
    }

    fn request_refused(&mut self, id: u32, frame: Frame<'_>) -> Result<(), ServerFault> {
        let (told, refusal) = told(frame.body)?;
        match self.requests.close(id) {
            // Ours: nobody waits for them.
            Some(Pending::Ping | Pending::Roster(_) | Pending::Sync) | None => {
                self.tell(Event::Refused(told.clone()));
            }
            Some(_) => {
                let error = RequestError::Refused(told.clone());
                self.outputs.push_back(Output::Answer(RequestId(id), Err(error)));
            }
        }
        if refusal.fatal {
            self.ended_by_server(told, refusal.retry_after_ms);
        }
        Ok(())
    }

    /// The last frame of an answer has been taken up.
    fn complete(
        &mut self,
        id: u32,
        pending: Pending,
        answer: Option<Answer>,
        frame: Frame<'_>,
    ) -> Result<(), ServerFault> {
        let answer = match pending {
            Pending::Ping => None,
            Pending::Roster(contacts) => {
                let roster = RosterBody::read(frame.body)?;
                if roster.op == roster_op::ITEMS {
                    self.roster.replace(roster.version, contacts);
                    self.tell(Event::RosterChanged(String::new()));
                }
                None
            }
            Pending::Sync => {
                self.synced(Synced::read(frame.body)?);
                None
            }
            Pending::List { addresses, in_force } => Some(Answer::Addresses { addresses, in_force }),
            Pending::History(messages) => {
                let synced = Synced::read(frame.body)?;
                Some(Answer::History {
                    messages,
                    bound: synced.offset,
                    more: synced.more,
                })
            }
            Pending::Room(_, body) => Some(Answer::Room(body)),
            Pending::RosterChange | Pending::ListChange => answer,
        };
        let answered = answer.map(|answer| Output::Answer(RequestId(id), Ok(answer)));
        self.outputs.extend(answered);
        Ok(())
    }

    /// Everything up to there has been sent: once it has been taken, so has the log.
    fn synced(&mut self, synced: Synced) {
        if synced.epoch != self.epoch {
            (self.epoch, self.offset) = (synced.epoch, 0);
            self.arrived_offset = 0;
        }
        self.arrived_offset = self.arrived_offset.max(synced.offset);
        self.sync_open = false;
        let mark = Mark {
            seen: None,
            offset: Some(self.arrived_offset),
        };
        self.inbox.push(false, 0, None, mark);
        self.tell(Event::Synced);
    }
}

fn roster_part(contacts: &mut Vec<Contact>, body: &[u8]) -> Result<(), ServerFault> {
    let roster = RosterBody::read(body)?;
    contacts.extend(roster.contacts().filter_map(|contact| Contact::new(&contact)));
    match contacts.len() <= ROSTER_CONTACTS_MAX {
        true => Ok(()),
        false => Err(ServerFault::AnswerTooLong),
    }
}
