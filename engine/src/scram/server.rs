//! The server's side of one SCRAM exchange, as two states that consume each other.
//!
//! Invariants:
//! - An exchange ends with the first fault; a state cannot be used twice.
//! - The client's header is checked against what it sends in the end, so that nobody in the middle can change it.
//! - The nonce is the client's followed by ours, and ours is new for every exchange.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use subtle::ConstantTimeEq;

use super::keys::Credentials;
use super::message::{self, Flag};
use super::{Mechanism, Offer, SaslFault};

/// Random bytes in our part of the nonce.
pub const NONCE_BYTES: usize = 18;

/// The channel binding types that we know. `tls-unique` is not among them: it is broken, and absent from TLS 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BindingType {
    /// Keying material exported from TLS (RFC 9266).
    TlsExporter,
    /// A hash of the server's certificate (RFC 5929 section 4).
    TlsServerEndPoint,
}

impl BindingType {
    /// Both, stronger first.
    pub const ALL: [Self; 2] = [Self::TlsExporter, Self::TlsServerEndPoint];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TlsExporter => "tls-exporter",
            Self::TlsServerEndPoint => "tls-server-end-point",
        }
    }
}

/// The binding data of the channel under this exchange, for each type that it offers. Empty means that no `-PLUS`
/// mechanism was offered.
#[derive(Debug, Clone, Default)]
pub struct ChannelBindings {
    /// For [`BindingType::TlsExporter`].
    pub tls_exporter: Option<Bytes>,
    /// For [`BindingType::TlsServerEndPoint`].
    pub tls_server_end_point: Option<Bytes>,
}

impl ChannelBindings {
    /// The data of a type, if the channel has it.
    pub fn get(&self, kind: BindingType) -> Option<&Bytes> {
        match kind {
            BindingType::TlsExporter => self.tls_exporter.as_ref(),
            BindingType::TlsServerEndPoint => self.tls_server_end_point.as_ref(),
        }
    }

    /// Does the channel offer none?
    pub fn is_empty(&self) -> bool {
        BindingType::ALL.iter().all(|kind| self.get(*kind).is_none())
    }
}

/// The client has said who it is. Now its account is looked up, see [`super::account`].
#[derive(Debug)]
pub struct Started {
    mechanism: Mechanism,
    authcid: String,
    authzid: Option<String>,
    client_nonce: String,
    client_first_bare: String,
    /// What the client must send as `c=`: base64 of its header and the channel's data.
    binding_expected: String,
}

/// The client has been sent salt and nonce. Now it must prove itself.
#[derive(Debug)]
pub struct Challenged {
    credentials: Credentials,
    client_first_bare: String,
    server_first: String,
    nonce: String,
    binding_expected: String,
}

/// The client holds the password.
#[derive(Debug, PartialEq, Eq)]
pub struct Success {
    /// `v=...`, by which we prove ourselves in turn; to be sent with the outcome.
    pub server_final: String,
}

impl Started {
    /// Reads the client's first message. `bindings` are those of the channel, whatever the mechanism.
    pub fn parse(mechanism: Mechanism, client_first: &[u8], bindings: &ChannelBindings) -> Result<Self, SaslFault> {
        let first = message::client_first(client_first)?;
        let data = binding_data(mechanism, first.flag, bindings)?;
        let mut binding = Vec::with_capacity(first.gs2_header.len() + data.len());
        binding.extend_from_slice(first.gs2_header.as_bytes());
        binding.extend_from_slice(data);
        Ok(Self {
            mechanism,
            client_nonce: first.nonce.to_owned(),
            client_first_bare: first.bare.to_owned(),
            binding_expected: STANDARD.encode(binding),
            authcid: first.authcid,
            authzid: first.authzid,
        })
    }

    /// The user name, unescaped, not yet prepared.
    pub fn authcid(&self) -> &str {
        &self.authcid
    }

    /// As whom the client wants to act, if it says so.
    pub fn authzid(&self) -> Option<&str> {
        self.authzid.as_deref()
    }

    /// The mechanism, for choosing [`Credentials`].
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Makes the challenge, `r=...,s=...,i=...`. `nonce` is fresh randomness; the credentials are the account's under
    /// this mechanism's hash, or [fake](super::keys::fake) ones.
    pub fn challenge(self, credentials: Credentials, nonce: [u8; NONCE_BYTES]) -> (Challenged, String) {
        self.challenge_with(credentials, &STANDARD.encode(nonce), None)
    }

    /// As [`Started::challenge`], with `h=...`, which says what was on offer (XEP-0474).
    pub fn challenge_sealed(
        self,
        credentials: Credentials,
        nonce: [u8; NONCE_BYTES],
        offer: &Offer<'_>,
    ) -> (Challenged, String) {
        self.challenge_with(credentials, &STANDARD.encode(nonce), Some(offer))
    }

    pub(super) fn challenge_with(
        self,
        credentials: Credentials,
        server_nonce: &str,
        offer: Option<&Offer<'_>>,
    ) -> (Challenged, String) {
        debug_assert_eq!(
            credentials.hash, self.mechanism.hash,
            "the caller asked for the mechanism's credentials"
        );
        let nonce = self.client_nonce + server_nonce;
        let salt = STANDARD.encode(&credentials.salt);
        let mut server_first = format!("r={nonce},s={salt},i={}", credentials.iterations);
        if let Some(offer) = offer {
            server_first.push_str(",h=");
            server_first.push_str(&offer.digest(credentials.hash));
        }
        let challenged = Challenged {
            credentials,
            client_first_bare: self.client_first_bare,
            server_first: server_first.clone(),
            nonce,
            binding_expected: self.binding_expected,
        };
        (challenged, server_first)
    }
}

impl Challenged {
    /// Checks the client's final message. A few microseconds.
    pub fn finish(self, client_final: &[u8]) -> Result<Success, SaslFault> {
        let last = message::client_final(client_final)?;
        if !same(last.binding, &self.binding_expected) {
            return Err(SaslFault::BindingMismatch);
        }
        if !same(last.nonce, &self.nonce) {
            return Err(SaslFault::NonceMismatch);
        }
        let digest_bytes = self.credentials.hash.digest_bytes();
        let proof = STANDARD.decode(last.proof).map_err(|_| SaslFault::Malformed)?;
        if proof.len() != digest_bytes {
            return Err(SaslFault::Malformed);
        }
        let auth_message: [&[u8]; 5] = [
            self.client_first_bare.as_bytes(),
            b",",
            self.server_first.as_bytes(),
            b",",
            last.without_proof.as_bytes(),
        ];
        if !self.credentials.proves(&proof, &auth_message) {
            return Err(SaslFault::WrongProof);
        }
        let signature = self.credentials.signature(&auth_message);
        Ok(Success {
            server_final: format!("v={}", STANDARD.encode(&signature[..digest_bytes])),
        })
    }
}

/// The rules for the client's flag (RFC 5802 section 6), and the data that go with it.
fn binding_data<'a>(
    mechanism: Mechanism,
    flag: Flag<'_>,
    bindings: &'a ChannelBindings,
) -> Result<&'a [u8], SaslFault> {
    match (mechanism.plus, flag) {
        (true, Flag::Bound(name)) => {
            let kind = BindingType::ALL.into_iter().find(|kind| kind.name() == name);
            let data = kind.and_then(|kind| bindings.get(kind));
            data.map(|data| &data[..]).ok_or(SaslFault::BindingTypeUnsupported)
        }
        (false, Flag::Unable) => Ok(b""),
        (false, Flag::Able) if bindings.is_empty() => Ok(b""),
        (false, Flag::Able) => Err(SaslFault::Downgrade),
        (true, Flag::Unable | Flag::Able) | (false, Flag::Bound(_)) => Err(SaslFault::BindingFlagMismatch),
    }
}

fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}
