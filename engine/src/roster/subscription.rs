//! The state machine of subscriptions: RFC 6121 section 3 and appendix A, as two pure functions.
//!
//! "User" is the owner of the roster, "contact" the other side. [`outbound`] is what the user does, [`inbound`] what
//! arrives from the contact; each tells the next [`State`] and what follows from it.
//!
//! Invariants (they leave the nine states of appendix A.1, each with or without pre-approval):
//! - Nobody waits for what he has: `pending_out` excludes To, `pending_in` excludes From.
//! - `pending_in` excludes `approved`: a request that meets an approval is granted at once.

/// Who sees whose presence, from the user's side (RFC 6121 section 2.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Subscription {
    /// Neither.
    #[default]
    None = 0,
    /// The user sees the contact.
    To = 1,
    /// The contact sees the user.
    From = 2,
    /// Each sees the other.
    Both = 3,
}

impl Subscription {
    /// Does the user see the contact?
    pub const fn to(self) -> bool {
        matches!(self, Self::To | Self::Both)
    }

    /// Does the contact see the user?
    pub const fn from(self) -> bool {
        matches!(self, Self::From | Self::Both)
    }

    const fn of(to: bool, from: bool) -> Self {
        match (to, from) {
            (false, false) => Self::None,
            (true, false) => Self::To,
            (false, true) => Self::From,
            (true, true) => Self::Both,
        }
    }
}

/// What one side asks of, or tells, the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Let me see your presence.
    Subscribe,
    /// You may see mine.
    Subscribed,
    /// I no longer want to see yours.
    Unsubscribe,
    /// You may not see mine, or no longer.
    Unsubscribed,
}

impl Kind {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Subscribe, Self::Subscribed, Self::Unsubscribe, Self::Unsubscribed];
}

/// One of the nine states, and whether a request would be granted unasked. The default is that of a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct State {
    subscription: Subscription,
    pending_out: bool,
    pending_in: bool,
    approved: bool,
}

impl State {
    /// The state with these properties, if the invariants allow it.
    pub const fn new(subscription: Subscription, pending_out: bool, pending_in: bool, approved: bool) -> Option<Self> {
        let has_what_it_waits_for = pending_out && subscription.to() || pending_in && subscription.from();
        if has_what_it_waits_for || pending_in && approved {
            return None;
        }
        Some(Self {
            subscription,
            pending_out,
            pending_in,
            approved,
        })
    }

    /// Who sees whom.
    pub const fn subscription(self) -> Subscription {
        self.subscription
    }

    /// Has the user asked, and not been answered? (`ask='subscribe'`)
    pub const fn pending_out(self) -> bool {
        self.pending_out
    }

    /// Has the contact asked, and not been answered? Not shown in the roster.
    pub const fn pending_in(self) -> bool {
        self.pending_in
    }

    /// Will a request of the contact be granted unasked? (RFC 6121 section 3.4)
    pub const fn approved(self) -> bool {
        self.approved
    }

    /// What the roster shows of the state; a change of it is pushed to the user's clients.
    pub const fn visible(self) -> (Subscription, bool, bool) {
        (self.subscription, self.pending_out, self.approved)
    }

    fn set_to(&mut self, to: bool) {
        self.subscription = Subscription::of(to, self.subscription.from());
        self.pending_out = false;
    }

    fn set_from(&mut self, from: bool) {
        self.subscription = Subscription::of(self.subscription.to(), from);
        self.pending_in = false;
    }
}

/// What the contact is to be told of the presence of each of the user's available devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Announce {
    /// The current presence, after whatever is routed or replied.
    Available,
    /// That it is unavailable, before whatever is routed or replied (RFC 6121 section 3.2.2).
    Unavailable,
}

/// What follows from something that the user did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outbound {
    /// The state from now on.
    pub next: State,
    /// Is it routed to the contact?
    pub route: bool,
    /// What the contact is told besides.
    pub announce: Option<Announce>,
}

/// What follows from something that came from the contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inbound {
    /// The state from now on.
    pub next: State,
    /// Is it delivered to the user (before any push)?
    pub deliver: bool,
    /// What is answered in the user's name, from bare address to bare address.
    pub auto_reply: Option<Kind>,
    /// What the contact is told besides.
    pub announce: Option<Announce>,
}

/// The user does something (RFC 6121 appendix A.2, and section 3.4 for approval in advance).
pub fn outbound(state: State, kind: Kind) -> Outbound {
    let mut next = state;
    let (route, announce) = match kind {
        Kind::Subscribe => {
            next.pending_out = !state.subscription.to();
            (true, None)
        }
        Kind::Unsubscribe => {
            next.set_to(false);
            (true, None)
        }
        Kind::Subscribed if state.pending_in => {
            next.set_from(true);
            (true, Some(Announce::Available))
        }
        Kind::Subscribed => {
            next.approved |= !state.subscription.from();
            (false, None)
        }
        Kind::Unsubscribed => {
            next.set_from(false);
            next.approved = false;
            let saw = state.subscription.from();
            (saw || state.pending_in, saw.then_some(Announce::Unavailable))
        }
    };
    Outbound { next, route, announce }
}

/// Something arrives from the contact (RFC 6121 appendix A.3, and section 3.4.2 for the pre-approved).
///
/// A contact that asks for what it has is sent the current presence along with the reply: it would not ask if its own
/// server still knew.
pub fn inbound(state: State, kind: Kind) -> Inbound {
    let mut next = state;
    let (deliver, auto_reply, announce) = match kind {
        Kind::Subscribe if state.subscription.from() || state.approved => {
            next.set_from(true);
            (false, Some(Kind::Subscribed), Some(Announce::Available))
        }
        Kind::Subscribe => {
            next.pending_in = true;
            (!state.pending_in, None, None)
        }
        Kind::Unsubscribe if state.subscription.from() || state.pending_in => {
            next.set_from(false);
            let saw = state.subscription.from();
            (true, Some(Kind::Unsubscribed), saw.then_some(Announce::Unavailable))
        }
        Kind::Subscribed if state.pending_out => {
            next.set_to(true);
            (true, None, None)
        }
        Kind::Unsubscribed if state.subscription.to() || state.pending_out => {
            next.set_to(false);
            (true, None, None)
        }
        Kind::Subscribed | Kind::Unsubscribe | Kind::Unsubscribed => (false, None, None),
    };
    Inbound {
        next,
        deliver,
        auto_reply,
        announce,
    }
}

/// What the contact is sent when the user removes it from the roster, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Farewell {
    /// Each of the user's available devices says that it is unavailable.
    pub unavailable: bool,
    /// The user unsubscribes, or takes its request back.
    pub unsubscribe: bool,
    /// The user withdraws, or denies, the contact's subscription.
    pub unsubscribed: bool,
}

/// RFC 6121 section 2.5.2, extended to requests that wait: they would wait for ever.
pub fn removal(state: State) -> Farewell {
    Farewell {
        unavailable: state.subscription.from(),
        unsubscribe: state.subscription.to() || state.pending_out,
        unsubscribed: state.subscription.from() || state.pending_in,
    }
}
