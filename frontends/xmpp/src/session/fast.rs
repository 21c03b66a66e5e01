//! FAST (XEP-0484): a token in place of a password, so that whoever comes back is in with his first element.
//!
//! ```text
//!   <authenticate mechanism='HT-..'> + <fast/> ──▶ CheckToken ─▶ TokenChecked ─▶ Authenticated ─▶ Homed ─▶ (IssueToken) ─▶ ..
//!   <authenticate mechanism='SCRAM-..'> + <request-token/> ──▶ .. Homed ─▶ IssueToken ─▶ <success> .. <token/></success>
//! ```
//!
//! Invariants:
//! - A token is given only to a client that has authenticated, that names its installation, and over TLS.
//! - A token that is invalidated is not renewed. One that is old is, and stays good until the new one is used.

use bytes::Bytes;
use crosspoint_engine::session::{Action, Context};
use crosspoint_engine::tokens::{self, Mechanism, NewToken, Owner, Shown, Verdict};

use crate::codec::{Builder, Element};
use crate::config::XmppConfig;
use crate::stanza::time;

use super::Flow;
use super::negotiate::{Negotiation, Stage};
use super::sasl::{self, Exchange};
use super::sasl_words::{self as words, Failure};

/// Namespace of the protocol.
pub(super) const NS: &str = "urn:xmpp:fast:0";

/// Age from which a token that is used is renewed, in milliseconds: a day, so that a client that comes every day keeps its
/// access for ever, and one that comes every minute does not write to the book each time.
const RENEW_AFTER_MS: u64 = 86_400_000;

/// What an `<authenticate/>` says of tokens.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// `<fast/>`: a token is shown.
    shown: Option<Use>,
    /// `<request-token/>`: one is wanted, for this mechanism.
    wanted: Option<Mechanism>,
}

#[derive(Debug, Clone, Copy)]
struct Use {
    count: Option<u32>,
    invalidate: bool,
}

impl Wish {
    /// Nothing is wanted of an installation that does not give its name, or that wants what is not on offer.
    pub(super) fn read(element: &Element<'_>, named: bool, offered: &[Mechanism]) -> Result<Wish, Failure> {
        let mut wish = Wish::default();
        if let Some(fast) = element.child("fast", NS) {
            let count = fast.attr("count").map(str::parse).transpose();
            wish.shown = Some(Use {
                count: count.map_err(|_| Failure::MalformedRequest)?,
                invalidate: matches!(fast.attr("invalidate"), Some("true" | "1")),
            });
        }
        let wanted = element.child("request-token", NS).filter(|_| named);
        wish.wanted = wanted
            .and_then(|request| Mechanism::from_name(request.attr("mechanism")?))
            .filter(|mechanism| offered.contains(mechanism));
        Ok(wish)
    }

    /// The token to be made now, if one is; asked once.
    pub(super) fn take_wanted(&mut self) -> Option<Mechanism> {
        self.wanted.take()
    }
}

/// The mechanisms by which tokens can be shown on this connection, strongest first; none if tokens are not given.
pub(super) fn offered(negotiation: &Negotiation, config: &XmppConfig) -> Vec<Mechanism> {
    let bindings = negotiation.bindings();
    let possible = |mechanism: &Mechanism| mechanism.binding().is_none_or(|kind| bindings.get(kind).is_some());
    let given = config.limits.token_seconds > 0;
    Mechanism::ALL
        .into_iter()
        .filter(|mechanism| given && possible(mechanism))
        .collect()
}

/// What the features say of it.
pub(super) fn write_feature(builder: &mut Builder<'_, '_>, offered: &[Mechanism]) {
    if offered.is_empty() {
        return;
    }
    builder.open("fast").attr("xmlns", NS);
    for mechanism in offered {
        builder.open("mechanism").text(mechanism.name()).close();
    }
    builder.close();
}

/// The client has chosen a mechanism for tokens.
pub(super) fn begin(
    negotiation: &mut Negotiation,
    mechanism: Mechanism,
    initial: Option<&str>,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    match read(negotiation, mechanism, initial, config) {
        Ok(shown) => {
            let account = shown.owner.account.clone();
            negotiation.stage = Stage::Sasl(Box::new(Exchange::AwaitingToken { account, mechanism }));
            cx.actions.push(Action::Pause);
            cx.actions.push(Action::CheckToken(Box::new(shown)));
            Flow::Hold
        }
        Err(failure) => sasl::fail(negotiation, None, failure, config, cx),
    }
}

fn read(
    negotiation: &Negotiation,
    mechanism: Mechanism,
    initial: Option<&str>,
    config: &XmppConfig,
) -> Result<Shown, Failure> {
    let request = negotiation.request.as_ref().ok_or(Failure::InvalidMechanism)?;
    let used = request.fast.shown.ok_or(Failure::MalformedRequest)?;
    let client = request.client.ok_or(Failure::MalformedRequest)?;
    if !offered(negotiation, config).contains(&mechanism) {
        return Err(Failure::InvalidMechanism);
    }
    // One round trip is the point: the first message must be there.
    let message = words::decode(initial.ok_or(Failure::MalformedRequest)?).ok_or(Failure::IncorrectEncoding)?;
    let (authcid, proof) = tokens::parse(&message)?;
    let account = sasl::account(negotiation, authcid, None, config)?;
    let bindings = negotiation.bindings();
    let binding = mechanism.binding().and_then(|kind| bindings.get(kind)).cloned();
    Ok(Shown {
        owner: Owner { account, client },
        mechanism,
        binding: binding.unwrap_or(Bytes::new()),
        proof,
        count: used.count,
        invalidate: used.invalidate,
    })
}

/// The token has been looked at.
pub(super) fn on_checked(
    negotiation: &mut Negotiation,
    verdict: Verdict,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    let Stage::Sasl(exchange) = &negotiation.stage else {
        return Flow::Next;
    };
    let Exchange::AwaitingToken { account, mechanism } = &**exchange else {
        return Flow::Next;
    };
    let (account, mechanism) = (account.clone(), *mechanism);
    let (answer, made_unix_ms) = match verdict {
        Verdict::Good { answer, made_unix_ms } => (answer, made_unix_ms),
        Verdict::Wrong | Verdict::Expired => {
            cx.actions.push(Action::Continue);
            let failure = match verdict {
                Verdict::Expired => Failure::CredentialsExpired,
                _ => Failure::NotAuthorized,
            };
            return sasl::fail(negotiation, Some(account), failure, config, cx);
        }
    };
    if let Some(request) = &mut negotiation.request {
        let old = cx.now.unix_ms.saturating_sub(made_unix_ms) >= RENEW_AFTER_MS;
        let lasting = request.fast.shown.is_some_and(|used| !used.invalidate);
        if old && lasting {
            request.fast.wanted.get_or_insert(mechanism);
        }
    }
    sasl::succeed(negotiation, account, &answer, cx);
    Flow::Hold
}

/// Appends `<token/>`.
pub(super) fn write_token(new: &NewToken, out: &mut Vec<u8>) {
    let mut expiry = Vec::with_capacity(24);
    time::write(&mut expiry, new.expires_unix_ms);
    Builder::new(out)
        .open("token")
        .attr("xmlns", NS)
        .attr("expiry", &*String::from_utf8_lossy(&expiry))
        .attr("token", &*new.text);
}
