//! `<stream:features/>`: what a client may choose next (RFC 6120 section 4.3.2).
//!
//! Invariant: what is not offered is refused, by the same conditions (see [`Negotiation`]).

use crosspoint_engine::scram::{BindingType, Mechanism};

use crate::codec::Builder;
use crate::config::XmppConfig;
use crate::features::stream_limits;
use crate::stanza::write;

use super::Shared;
use super::negotiate::{NS_SASL, NS_TLS, Negotiation};

/// Appends the features for the present state of the negotiation.
pub(super) fn write(negotiation: &Negotiation, shared: &Shared, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<stream:features>");
    if negotiation.account.is_some() {
        after_auth(shared, out);
    } else {
        before_auth(negotiation, &shared.config, out);
        limits(out, shared.config.limits.stanza_bytes_before_auth, &shared.config);
    }
    out.extend_from_slice(b"</stream:features>");
}

fn before_auth(negotiation: &Negotiation, config: &XmppConfig, out: &mut Vec<u8>) {
    let required = negotiation.demands_tls(config);
    if negotiation.offers_tls(config) {
        let mut builder = Builder::new(out);
        builder.open("starttls").attr("xmlns", NS_TLS);
        if required {
            builder.open("required").close();
        }
        builder.finish();
    }
    if required {
        return;
    }
    mechanisms(negotiation, config, out);
    if negotiation.may_register(config) {
        out.extend_from_slice(b"<register xmlns='http://jabber.org/features/iq-register'/>");
    }
}

/// The SASL mechanisms, strongest first, and what can be bound to (XEP-0440).
fn mechanisms(negotiation: &Negotiation, config: &XmppConfig, out: &mut Vec<u8>) {
    let bindings = negotiation.bindings();
    let mut builder = Builder::new(out);
    builder.open("mechanisms").attr("xmlns", NS_SASL);
    for mechanism in Mechanism::ALL {
        if !mechanism.plus || !bindings.is_empty() {
            builder.open("mechanism").text(mechanism.name()).close();
        }
    }
    if negotiation.takes_passwords(config) {
        builder.open("mechanism").text("PLAIN").close();
    }
    builder.close();
    if !bindings.is_empty() {
        builder.open("sasl-channel-binding").attr("xmlns", "urn:xmpp:sasl-cb:0");
        for kind in BindingType::ALL
            .into_iter()
            .filter(|kind| bindings.get(*kind).is_some())
        {
            builder.open("channel-binding").attr("type", kind.name()).close();
        }
        builder.close();
    }
}

fn after_auth(shared: &Shared, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
          <session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>\
          <sm xmlns='urn:xmpp:sm:3'/>\
          <csi xmlns='urn:xmpp:csi:0'/>\
          <ver xmlns='urn:xmpp:features:rosterver'/>\
          <sub xmlns='urn:xmpp:features:pre-approval'/>",
    );
    out.extend_from_slice(shared.caps.as_bytes());
    limits(out, shared.config.limits.stanza_bytes_after_auth, &shared.config);
}

/// XEP-0478.
fn limits(out: &mut Vec<u8>, stanza_bytes: u32, config: &XmppConfig) {
    let mut digits = Vec::new();
    let mut number = |value: u64| {
        digits.clear();
        write::number(&mut digits, value);
        String::from_utf8_lossy(&digits).into_owned()
    };
    let mut builder = Builder::new(out);
    builder.open("limits").attr("xmlns", stream_limits::NS);
    builder
        .open(stream_limits::MAX_BYTES)
        .text(&number(stanza_bytes.into()))
        .close();
    if config.limits.idle_ms > 0 {
        builder
            .open(stream_limits::IDLE_SECONDS)
            .text(&number(config.limits.idle_ms / 1_000))
            .close();
    }
    builder.finish();
}
