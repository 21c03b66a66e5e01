//! Extensible SASL (XEP-0388): one element that authenticates and says what else the client wants, one that grants all of it.
//!
//! ```text
//!   <authenticate>  ──▶ the exchange (sasl.rs) ──▶ Homed ─▶ token? ─▶ resume? ─▶ bind? ─▶ <success/> <stream:features/>
//!     <user-agent/>                                             │                      ▲
//!     <resume/> <bind/>                                         └── resumed ───────────┘
//! ```
//!
//! Invariants:
//! - It is offered, and taken, only where nobody can listen on the way (section 6).
//! - What the client wants beside is kept until the exchange has succeeded, and thrown away when it fails.
//! - The stream is not restarted: the new features follow `<success/>` at once.

use bytes::Bytes;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, BindFault, Context};
use crosspoint_engine::tokens::NewToken;

use crate::codec::{Builder, Element, Scanner, Stanza};
use crate::config::XmppConfig;

use super::bind2::{self, Wish};
use super::established::Established;
use super::negotiate::{Negotiation, Stage};
use super::sasl_words::{Failure, Profile};
use super::{Flow, State, XmppSession, fast, sasl, sasl_upgrade, stream_features, stream_management as sm};

/// Namespace of the profile.
pub(super) const NS: &str = "urn:xmpp:sasl:2";

/// What comes with an authentication.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// The installation of the client, by the UUID of its `<user-agent/>`.
    pub(super) client: Option<u128>,
    /// The session to come back to: its token, and the last stanza that the client has of it.
    resume: Option<(Bytes, u32)>,
    bind: Option<Wish>,
    /// What it says of tokens.
    pub(super) fast: fast::Wish,
    /// What it says of upgrades.
    pub(super) upgrade: sasl_upgrade::Wish,
    /// What the mechanism says at the end.
    pub(super) additional: Vec<u8>,
    /// What became of the wishes, as it will stand in `<success/>`: before the address...
    results: Vec<u8>,
    /// ...and behind it.
    token: Vec<u8>,
}

impl Request {
    fn read(element: &Element<'_>, negotiation: &Negotiation, config: &XmppConfig) -> Result<Request, Failure> {
        let mut request = Request::default();
        if let Some(id) = element.child("user-agent", NS).and_then(|agent| agent.attr("id")) {
            request.client = Some(uuid(id).ok_or(Failure::MalformedRequest)?);
        }
        if let Some(resume) = element
            .child("resume", sm::NS)
            .filter(|_| config.limits.resume_seconds > 0)
        {
            let h = resume.attr("h").and_then(|h| h.parse().ok());
            match (resume.attr("previd"), h) {
                (Some(token), Some(h)) => request.resume = Some((Bytes::copy_from_slice(token.as_bytes()), h)),
                _ => sm::write_failed(&mut request.results, "bad-request"),
            }
        }
        let offered = fast::offered(negotiation, config);
        request.fast = fast::Wish::read(element, request.client.is_some(), &offered)?;
        request.upgrade = sasl_upgrade::Wish::read(element);
        request.bind = element.child("bind", bind2::NS).map(Wish::read);
        Ok(request)
    }
}

/// A UUID as XEP-0388 section 8 has it: 32 hexadecimal digits in five groups.
fn uuid(text: &str) -> Option<u128> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    if !lengths.eq([8, 4, 4, 4, 12]) || !text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(&groups.concat(), 16).ok()
}

/// What the features say can come with an authentication.
pub(super) fn write_inline(builder: &mut Builder<'_, '_>, negotiation: &Negotiation, config: &XmppConfig) {
    bind2::write_feature(builder);
    if config.limits.resume_seconds > 0 {
        builder.empty("sm", sm::NS);
    }
    fast::write_feature(builder, &fast::offered(negotiation, config));
}

/// `<authenticate mechanism=".."/>`.
pub(super) fn on_authenticate(
    negotiation: &mut Negotiation,
    stanza: &Stanza<'_>,
    scanner: &Scanner,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    negotiation.profile = Profile::Extensible;
    if !negotiation.encrypted(config) {
        return sasl::fail(negotiation, None, Failure::EncryptionRequired, config, cx);
    }
    let Ok(element) = scanner.tree(stanza) else {
        return sasl::fail(negotiation, None, Failure::MalformedRequest, config, cx);
    };
    match Request::read(&element, negotiation, config) {
        Ok(request) => negotiation.request = Some(Box::new(request)),
        Err(failure) => return sasl::fail(negotiation, None, failure, config, cx),
    }
    let initial = element.child("initial-response", NS).map(Element::text);
    sasl::choose(negotiation, element.attr("mechanism"), initial.as_deref(), config, cx)
}

/// Begins `<success/>`; what became of the wishes, and the end tag, follow.
fn write_success(request: &Request, address: &Jid, out: &mut Vec<u8>) {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    out.extend_from_slice(b"<success xmlns='urn:xmpp:sasl:2'>");
    let mut builder = Builder::new(out);
    if !request.additional.is_empty() {
        let text = STANDARD.encode(&request.additional);
        builder.open("additional-data").text(&text).close();
    }
    builder.open("authorization-identifier").text(address.as_str());
    builder.finish();
    out.extend_from_slice(&request.results);
}

/// Ends `<success/>`.
fn end_success(request: &Request, out: &mut Vec<u8>) {
    out.extend_from_slice(&request.token);
    out.extend_from_slice(b"</success>");
}

/// Around `<resumed/>`, for a client whose return is still to be told.
#[derive(Debug)]
pub(super) struct Welcome {
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
}

impl Welcome {
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.before.capacity() + self.after.capacity()
    }
}

impl XmppSession {
    /// The client's wishes one after the other, and `<success/>` when none is left.
    pub(super) fn fulfil(&mut self, cx: &mut Context<'_>) {
        let State::Negotiating(negotiation) = &mut self.state else {
            return;
        };
        let (Some(request), Some(account)) = (&mut negotiation.request, &negotiation.account) else {
            return;
        };
        if let (Some(mechanism), Some(client)) = (request.fast.take_wanted(), request.client) {
            negotiation.stage = Stage::Fulfilling;
            return cx.actions.push(Action::IssueToken {
                client,
                mechanism,
                lifetime_ms: u64::from(self.shared.config.limits.token_seconds) * 1_000,
            });
        }
        if let Some((token, h)) = request.resume.take() {
            negotiation.stage = Stage::Resuming(h);
            return cx.actions.push(Action::Resume { token });
        }
        if let Some(wish) = &request.bind {
            let resource = wish.resource(account, request.client, cx.random);
            negotiation.stage = Stage::Fulfilling;
            return cx.actions.push(Action::Bind {
                resource: Some(resource),
            });
        }
        write_success(request, account, cx.outbox);
        end_success(request, cx.outbox);
        negotiation.stage = Stage::Choice;
        negotiation.request = None;
        stream_features::write(negotiation, &self.shared, cx.outbox);
        cx.actions.push(Action::Continue);
    }

    /// The client's new token, unless none could be made: then it goes on without.
    pub(super) fn token_issued(&mut self, new: Option<&NewToken>, cx: &mut Context<'_>) {
        if let State::Negotiating(negotiation) = &mut self.state
            && let Some(request) = &mut negotiation.request
            && let Some(new) = new
        {
            fast::write_token(new, &mut request.token);
        }
        self.fulfil(cx);
    }

    /// There is no such session to come back to: that is said, and the other wishes count.
    pub(super) fn inline_resume_failed(&mut self, cx: &mut Context<'_>) {
        if let State::Negotiating(negotiation) = &mut self.state
            && let Some(request) = &mut negotiation.request
        {
            sm::write_failed(&mut request.results, "item-not-found");
        }
        self.fulfil(cx);
    }

    /// The client is authenticated, but has no address: it may ask for one as before.
    pub(super) fn inline_bind_failed(&mut self, fault: BindFault, cx: &mut Context<'_>) {
        if let State::Negotiating(negotiation) = &mut self.state
            && let Some(request) = &mut negotiation.request
        {
            request.bind = None;
            bind2::write_failed(fault, &mut request.results);
        }
        self.fulfil(cx);
    }

    /// The client has its address: everything else is turned on before it is told.
    pub(super) fn inline_bound(&mut self, address: Jid, cx: &mut Context<'_>) -> Option<Established> {
        let State::Negotiating(negotiation) = &mut self.state else {
            return None;
        };
        let request = negotiation.request.take()?;
        let wish = request.bind.as_ref()?;
        write_success(&request, &address, cx.outbox);
        let mut established = Established::new(address, negotiation.lang.take(), cx.now);
        wish.fulfil(&mut established, &self.shared.config, cx);
        end_success(&request, cx.outbox);
        stream_features::write_bound(established.management.is_some(), &self.shared, cx.outbox);
        Some(established)
    }

    /// What frames the news of a resumed stream; `None` if the client has asked by the old road.
    pub(super) fn welcome(&mut self, address: &Jid) -> Option<Box<Welcome>> {
        let State::Negotiating(negotiation) = &mut self.state else {
            return None;
        };
        let request = negotiation.request.take()?;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        write_success(&request, address, &mut before);
        end_success(&request, &mut after);
        stream_features::write_bound(true, &self.shared, &mut after);
        Some(Box::new(Welcome { before, after }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_five_groups_of_hexadecimal_digits() {
        assert_eq!(
            uuid("d4565fa7-4d72-4749-b3d3-740EDBF87770"),
            Some(0xd4565fa7_4d72_4749_b3d3_740edbf87770)
        );
        for wrong in [
            "",
            "d4565fa7",
            "d4565fa74d724749b3d3740edbf87770",
            "d4565fa7-4d72-4749-b3d3-740edbf8777",
            "d4565fa7-4d72-4749-b3d3-740edbf87770-",
            "+4565fa7-4d72-4749-b3d3-740edbf87770",
            "g4565fa7-4d72-4749-b3d3-740edbf87770",
        ] {
            assert_eq!(uuid(wrong), None, "{wrong:?}");
        }
    }
}
