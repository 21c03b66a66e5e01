//! The beginning of a stream: its header, the features, and what a client may choose of them (RFC 6120 sections 4 to 7).
//!
//! Invariants:
//! - Before authentication only STARTTLS, SASL and, where open, registration are understood; a stanza is `not-authorized`.
//! - What a client sends before it has authenticated is bounded in bytes and in time.

use bytes::Bytes;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::scram::ChannelBindings;
use crosspoint_engine::session::{Context, Peer, TlsFacts};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::codec::{CLIENT, Frame, Header, Scanner, Stanza};
use crate::config::{Listener, TlsPolicy, XmppConfig};
use crate::stanza::write;

use super::errors::StreamError;
use super::sasl::Exchange;
use super::sasl_words::Profile;
use super::sasl2::{self, NS as NS_SASL2, Request};
use super::{Flow, Shared, bind, register, sasl, sasl_upgrade, starttls, stream_features, stream_management};

/// Namespace of STARTTLS (RFC 6120 section 5).
pub(super) const NS_TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// Namespace of SASL (RFC 6120 section 6).
pub(super) const NS_SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// The language that our own texts are in, and what `xml:lang` says in our header.
const LANG: &str = "en";

/// Random bytes of a stream identifier (RFC 6120 section 4.7.3: unpredictable).
const STREAM_ID_BYTES: usize = 15;

/// A stream that has no resource yet.
pub(super) struct Negotiation {
    pub(super) listener: usize,
    pub(super) tls: Option<TlsFacts>,
    pub(super) stage: Stage,
    /// Whether our header of the current stream is out.
    pub(super) header_sent: bool,
    /// Who it is, once proved.
    pub(super) account: Option<Jid>,
    /// Who it says that it is, in its header: believed by nobody.
    pub(super) claimed: Option<Jid>,
    /// How the latest exchange is carried.
    pub(super) profile: Profile,
    /// What the client wants to come with its authentication (XEP-0388), until it has come.
    pub(super) request: Option<Box<Request>>,
    /// What the old profile says at home.
    pub(super) success: Vec<u8>,
    pub(super) deadline_ms: u64,
    /// Bytes read before authentication.
    bytes: u64,
    pub(super) auth_failures: u8,
    pub(super) registrations: u8,
    /// ` xml:lang="..."` if the client's header names another language than ours.
    pub(super) lang: Option<Box<Bytes>>,
}

/// What the stream waits for.
pub(super) enum Stage {
    /// The client's header.
    Header,
    /// The client's choice.
    Choice,
    /// The end of the TLS handshake.
    Handshake,
    /// The next step of an authentication exchange.
    Sasl(Box<Exchange>),
    /// To be at home.
    Homing,
    /// An answer to one of the wishes that came with the authentication.
    Fulfilling,
    /// A resource; the query's identifier.
    Binding(Vec<u8>),
    /// An earlier session; the last stanza that the client has of it.
    Resuming(u32),
    /// A new account; the query's identifier.
    Registering(Vec<u8>),
}

impl Negotiation {
    pub(super) fn new(peer: &Peer, deadline_ms: u64) -> Negotiation {
        Negotiation {
            listener: peer.listener,
            tls: peer.tls.clone(),
            stage: Stage::Header,
            header_sent: false,
            account: None,
            claimed: None,
            profile: Profile::Rfc6120,
            request: None,
            success: Vec::new(),
            deadline_ms,
            bytes: 0,
            auth_failures: 0,
            registrations: 0,
            lang: None,
        }
    }

    /// Whether reading waits for an answer.
    pub(super) fn holds(&self) -> bool {
        match &self.stage {
            Stage::Header | Stage::Choice | Stage::Handshake => false,
            Stage::Sasl(exchange) => exchange.holds(),
            Stage::Homing | Stage::Fulfilling | Stage::Binding(_) | Stage::Resuming(_) | Stage::Registering(_) => true,
        }
    }

    /// The exchange is over, and was in vain.
    pub(super) fn give_up_exchange(&mut self) {
        self.stage = Stage::Choice;
        self.request = None;
    }

    /// Whether an exchange of XEP-0388 is under way, during which nothing else may be said.
    fn is_within_sasl2(&self) -> bool {
        self.profile == Profile::Extensible && matches!(self.stage, Stage::Sasl(_))
    }

    /// Whether the client was set a task (XEP-0480).
    fn has_task(&self) -> bool {
        let task = |exchange: &Exchange| matches!(exchange, Exchange::Tasked { .. } | Exchange::AwaitingHash { .. });
        matches!(&self.stage, Stage::Sasl(exchange) if task(exchange))
    }

    /// Between `<proceed/>` and the end of the handshake there is no stream, and nothing is read.
    pub(super) fn is_between_streams(&self) -> bool {
        matches!(self.stage, Stage::Handshake)
    }

    pub(super) fn on_frame(
        &mut self,
        frame: &Frame<'_>,
        scanner: &Scanner,
        shared: &Shared,
        consumed: usize,
        cx: &mut Context<'_>,
    ) -> Flow {
        if self.account.is_none() {
            self.bytes += consumed as u64;
            if self.bytes > shared.config.limits.negotiation_bytes {
                return Flow::Fail(StreamError::PolicyViolation);
            }
        }
        match frame {
            Frame::Space => Flow::Next,
            Frame::Header(header) => self.on_header(header, shared, cx),
            Frame::Stanza(stanza) if self.account.is_some() => self.authenticated(stanza, scanner, &shared.config, cx),
            Frame::Stanza(stanza) => self.unauthenticated(stanza, scanner, &shared.config, cx),
            Frame::End => Flow::Finish,
        }
    }

    fn unauthenticated(
        &mut self,
        stanza: &Stanza<'_>,
        scanner: &Scanner,
        config: &XmppConfig,
        cx: &mut Context<'_>,
    ) -> Flow {
        match (&*stanza.namespace, stanza.name) {
            (NS_SASL2, "response") => sasl::on_response(self, Profile::Extensible, stanza, config, cx),
            (NS_SASL2, "next") if self.has_task() => sasl_upgrade::on_next(self, stanza, config, cx),
            (NS_SASL2, "task-data") if self.has_task() => sasl_upgrade::on_task_data(self, stanza, scanner, config, cx),
            (NS_SASL2, "abort") => sasl::on_abort(self, Profile::Extensible, config, cx),
            // XEP-0388 section 2.4: whoever says anything else in between is disconnected.
            _ if self.is_within_sasl2() => Flow::Fail(StreamError::PolicyViolation),
            (NS_SASL2, "authenticate") => sasl2::on_authenticate(self, stanza, scanner, config, cx),
            (NS_TLS, "starttls") => starttls::on_request(self, config, cx),
            (NS_SASL, "auth") => sasl::on_auth(self, stanza, config, cx),
            (NS_SASL, "response") => sasl::on_response(self, Profile::Rfc6120, stanza, config, cx),
            (NS_SASL, "abort") => sasl::on_abort(self, Profile::Rfc6120, config, cx),
            (CLIENT, "iq") if self.may_register(config) => register::on_iq(self, stanza, scanner, config, cx),
            (CLIENT, "message" | "presence" | "iq") => Flow::Fail(StreamError::NotAuthorized),
            _ => Flow::Fail(StreamError::UnsupportedStanzaType),
        }
    }

    fn authenticated(
        &mut self,
        stanza: &Stanza<'_>,
        scanner: &Scanner,
        config: &XmppConfig,
        cx: &mut Context<'_>,
    ) -> Flow {
        match (&*stanza.namespace, stanza.name) {
            (CLIENT, "iq") => bind::on_iq(self, stanza, scanner, cx),
            (CLIENT, "message" | "presence") => Flow::Fail(StreamError::NotAuthorized),
            (stream_management::NS, "resume") => stream_management::on_resume(self, stanza, config, cx),
            (stream_management::NS, "enable") => stream_management::refuse(cx, "unexpected-request"),
            _ => Flow::Fail(StreamError::UnsupportedStanzaType),
        }
    }

    /// RFC 6120 section 4.7: checks the client's header, answers with ours and with what is on offer.
    fn on_header(&mut self, header: &Header<'_>, shared: &Shared, cx: &mut Context<'_>) -> Flow {
        let from = header.from.and_then(|from| Jid::parse(&from.unescape()).ok());
        self.write_header(&shared.config, from.as_ref(), cx);
        if let Err(error) = check(header, &shared.config) {
            return Flow::Fail(error);
        }
        if shared
            .config
            .see_other_host
            .as_ref()
            .is_some_and(|other| other.new_streams)
        {
            return Flow::Fail(StreamError::SeeOtherHost);
        }
        self.lang = header.lang.filter(|lang| *lang != LANG).map(|lang| {
            let mut attribute = Vec::new();
            crate::codec::write::raw_attribute(&mut attribute, "xml:lang", lang);
            Box::new(Bytes::from(attribute))
        });
        self.claimed = from.map(|from| from.to_bare());
        stream_features::write(self, shared, cx.outbox);
        self.stage = Stage::Choice;
        Flow::Next
    }

    /// Our header: what everything else, errors included, must follow (RFC 6120 section 4.9.1.2).
    pub(super) fn write_header(&mut self, config: &XmppConfig, to: Option<&Jid>, cx: &mut Context<'_>) {
        let mut id = [0; STREAM_ID_BYTES];
        cx.random.fill(&mut id);
        let out = &mut *cx.outbox;
        out.extend_from_slice(b"<?xml version='1.0'?><stream:stream");
        write::attribute(out, "from", config.domain.as_str().as_bytes());
        write::attribute(out, "id", STANDARD.encode(id).as_bytes());
        if let Some(to) = to {
            write::attribute(out, "to", to.bare_str().as_bytes());
        }
        out.extend_from_slice(b" version='1.0' xml:lang='");
        out.extend_from_slice(LANG.as_bytes());
        out.extend_from_slice(b"' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
        self.header_sent = true;
    }

    /// Forgets the current stream: the client opens a new one (RFC 6120 section 4.3.3).
    pub(super) fn restart(&mut self) {
        self.stage = Stage::Header;
        self.header_sent = false;
    }

    /// Whether nobody can listen on the way, as far as the switch can know.
    pub(super) fn encrypted(&self, config: &XmppConfig) -> bool {
        self.tls.is_some() || self.of(config).behind_tls_proxy
    }

    /// Whether STARTTLS is on offer.
    pub(super) fn offers_tls(&self, config: &XmppConfig) -> bool {
        let listener = self.of(config);
        !self.encrypted(config) && !listener.direct_tls && listener.tls != TlsPolicy::Off
    }

    /// Whether nothing but STARTTLS is on offer.
    pub(super) fn demands_tls(&self, config: &XmppConfig) -> bool {
        !self.encrypted(config) && self.of(config).tls == TlsPolicy::Required
    }

    /// Whether a password may be sent as it is: under TLS, and where the listener is to know nothing of TLS.
    pub(super) fn takes_passwords(&self, config: &XmppConfig) -> bool {
        self.encrypted(config) || self.of(config).tls == TlsPolicy::Off
    }

    /// Whether accounts can be created here and now.
    pub(super) fn may_register(&self, config: &XmppConfig) -> bool {
        config.registration_open && self.account.is_none() && self.takes_passwords(config)
    }

    /// What the connection gives to bind to.
    pub(super) fn bindings(&self) -> ChannelBindings {
        let Some(tls) = &self.tls else {
            return ChannelBindings::default();
        };
        let end_point = Some(&tls.server_end_point).filter(|data| !data.is_empty());
        ChannelBindings {
            tls_exporter: tls.exporter.map(|data| Bytes::copy_from_slice(&data)),
            tls_server_end_point: end_point.map(|data| Bytes::copy_from_slice(data)),
        }
    }

    fn of(&self, config: &XmppConfig) -> Listener {
        config.listener(self.listener)
    }
}

/// RFC 6120 sections 4.7 and 4.9.3. (The stream namespace has been checked by the scanner.)
fn check(header: &Header<'_>, config: &XmppConfig) -> Result<(), StreamError> {
    if header.default_namespace != CLIENT {
        return Err(StreamError::InvalidNamespace);
    }
    let to = header.to.ok_or(StreamError::ImproperAddressing)?;
    let to = Jid::parse(&to.unescape()).map_err(|_| StreamError::ImproperAddressing)?;
    if to != config.domain {
        return Err(StreamError::HostUnknown);
    }
    let version = header
        .version
        .map(|version| version.unescape().into_owned())
        .unwrap_or_default();
    let major = version
        .split_once('.')
        .and_then(|(major, minor)| minor.parse::<u32>().ok().and(major.parse::<u32>().ok()));
    match major {
        Some(1..) => Ok(()),
        _ => Err(StreamError::UnsupportedVersion),
    }
}
