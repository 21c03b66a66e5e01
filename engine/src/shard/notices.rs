//! What front-ends are told of their users at home, and whom they choose for it: presence, probes, events.
//!
//! Invariant: a notice is taken when no front-end is at work, so a front-end is never re-entered, whatever it sends.

use super::Shard;
use super::table::SessionId;
use super::turns::Turn;
use crate::envelope::{Codec, Envelope};
use crate::jid::Jid;
use crate::service::Frontend;
use crate::session::Form;

/// Something that a front-end is told at the end of a call.
pub(super) enum Notice {
    /// A session of this front-end shows something new, or is gone.
    Presence { frontend: usize, presence: Envelope },
    /// A user sees somebody from now on.
    Subscribed { user: Jid, contact: Jid },
    /// A front-end asks on behalf of a user who may see this one.
    Probe(Envelope),
    /// An event for those sessions of a user that want it.
    Event(Envelope),
    /// An account is gone.
    Removed(Jid),
    /// Whoever waited for a turn has it.
    Turn(Turn),
}

impl Shard {
    /// Whether front-ends are to be told or have asked for anything. Looked at after every call, so no more than looked at.
    #[inline]
    pub(super) fn has_errand(&self) -> bool {
        let told = self.wakes.are_due() || !self.roster_changes.is_empty();
        !self.notices.is_empty() || self.inquiries.are_unsent() || told
    }

    /// Does one of these; false if there is none.
    #[inline(never)]
    pub(super) fn run_errand_of_frontends(&mut self) -> bool {
        self.take_notice() || self.tell_waiting() || self.send_inquiry() || self.tell_roster_change()
    }

    /// Takes one notice; false if there is none.
    fn take_notice(&mut self) -> bool {
        let Some(notice) = self.notices.pop_front() else {
            return false;
        };
        match notice {
            Notice::Presence { frontend, presence } => {
                self.lend_frontend(frontend, |front, shard| front.on_presence(&presence, shard));
            }
            Notice::Subscribed { user, contact } => {
                for frontend in 0..self.frontends.len() {
                    self.lend_frontend(frontend, |front, shard| front.on_subscribed(&user, &contact, shard));
                }
            }
            Notice::Probe(probe) => {
                let codec = probe.content.codec;
                self.lend_writer(codec, |front, shard| front.on_probe(probe, shard));
            }
            Notice::Event(event) => self.hand_out(&event),
            Notice::Removed(user) => {
                for frontend in 0..self.frontends.len() {
                    self.lend_frontend(frontend, |front, _| front.on_account_removed(&user));
                }
            }
            Notice::Turn(turn) => turn(self),
        }
        true
    }

    /// A session shows something, or is gone: its front-end will hear of it.
    pub(super) fn note_presence(&mut self, id: SessionId, presence: &Envelope) {
        let Some(entry) = self.sessions.get(id) else { return };
        self.notices.push_back(Notice::Presence {
            frontend: usize::from(entry.frontend),
            presence: presence.clone(),
        });
    }

    /// To those available sessions of the addressee whose front-ends say that they want it.
    fn hand_out(&mut self, event: &Envelope) {
        let Some(user) = self.user_at(&event.to) else { return };
        let sessions: Vec<_> = user
            .available()
            .map(|(resource, _)| (resource.session, resource.address.clone()))
            .collect();
        for (session, address) in sessions {
            let Some(frontend) = self.sessions.get(session).map(|entry| usize::from(entry.frontend)) else {
                continue;
            };
            let wants = self.lend_frontend(frontend, |front, _| front.wants(&address, event));
            if wants == Some(true) {
                self.deliver(session, event, Form::Plain, None);
            }
        }
    }

    fn lend_writer<R>(&mut self, codec: Codec, f: impl FnOnce(&mut dyn Frontend, &mut Shard) -> R) -> Option<R> {
        let index = self.codecs.iter().position(|(own, _)| *own == codec)?;
        self.lend_frontend(index, f)
    }
}
