//! `<stream:features/>`: what a client may choose next (RFC 6120 section 4.3.2).
//!
//! Invariant: what is not offered is refused, by the same conditions (see [`Negotiation`]).

use crosspoint_engine::scram::{BindingType, Hash, Mechanism, Offer};

use crate::codec::Builder;
use crate::config::XmppConfig;
use crate::features::stream_limits;
use crate::stanza::write;

use super::negotiate::{NS_SASL, NS_TLS, Negotiation};
use super::{Shared, sasl_upgrade, sasl2};

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
    authentication(negotiation, config, out);
    if negotiation.may_register(config) {
        out.extend_from_slice(b"<register xmlns='http://jabber.org/features/iq-register'/>");
    }
}

/// Whether this one is on offer.
pub(super) fn offers(mechanism: Mechanism, negotiation: &Negotiation, config: &XmppConfig) -> bool {
    let bindable = !mechanism.plus || !negotiation.bindings().is_empty();
    bindable && (config.offer_sha256 || mechanism.hash == Hash::Sha1)
}

/// The SASL mechanisms, strongest first; both profiles have the same.
fn offered(negotiation: &Negotiation, config: &XmppConfig) -> impl Iterator<Item = &'static str> + use<> {
    let scram = Mechanism::ALL.map(|mechanism| Some(mechanism).filter(|one| offers(*one, negotiation, config)));
    let scram = scram.into_iter().flatten();
    let plain = negotiation.takes_passwords(config).then_some("PLAIN");
    scram.map(Mechanism::name).chain(plain)
}

/// The types of channel binding that the connection has, stronger first.
fn binding_types(negotiation: &Negotiation) -> impl Iterator<Item = &'static str> + use<> {
    let bindings = negotiation.bindings();
    let has = move |kind: &BindingType| bindings.get(*kind).is_some();
    BindingType::ALL.into_iter().filter(has).map(BindingType::name)
}

/// What has been offered, for the seal that XEP-0474 puts on it.
pub(super) fn offer(negotiation: &Negotiation, config: &XmppConfig) -> Offer<'static> {
    Offer {
        mechanisms: offered(negotiation, config).collect(),
        bindings: Some(binding_types(negotiation).collect()).filter(|types: &Vec<_>| !types.is_empty()),
    }
}

/// SASL in both profiles, and what can be bound to (XEP-0440).
fn authentication(negotiation: &Negotiation, config: &XmppConfig, out: &mut Vec<u8>) {
    let mut builder = Builder::new(out);
    builder.open("mechanisms").attr("xmlns", NS_SASL);
    for name in offered(negotiation, config) {
        builder.open("mechanism").text(name).close();
    }
    builder.close();
    if negotiation.encrypted(config) {
        builder.open("authentication").attr("xmlns", sasl2::NS);
        for name in offered(negotiation, config) {
            builder.open("mechanism").text(name).close();
        }
        builder.open("inline");
        sasl2::write_inline(&mut builder, negotiation, config);
        builder.close();
        sasl_upgrade::write_feature(&mut builder);
        builder.close();
    }
    if !negotiation.bindings().is_empty() {
        builder.open("sasl-channel-binding").attr("xmlns", "urn:xmpp:sasl-cb:0");
        for name in binding_types(negotiation) {
            builder.open("channel-binding").attr("type", name).close();
        }
        builder.close();
    }
}

/// What is left to choose for a client that has bound or resumed in the same breath (XEP-0388 section 2.6.1).
pub(super) fn write_bound(managed: bool, shared: &Shared, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<stream:features>");
    if !managed {
        out.extend_from_slice(b"<sm xmlns='urn:xmpp:sm:3'/>");
    }
    lasting(shared, out);
    out.extend_from_slice(b"</stream:features>");
}

fn after_auth(shared: &Shared, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
          <session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>\
          <sm xmlns='urn:xmpp:sm:3'/>",
    );
    lasting(shared, out);
}

/// What can be used for as long as the stream lasts.
fn lasting(shared: &Shared, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<csi xmlns='urn:xmpp:csi:0'/>\
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
