//! What rustls says in passing during a handshake and not afterwards: the exporter secret and the server name.
//!
//! The unbuffered connection has no exporter and no server name to ask for. But the configuration's key log is told the
//! exporter secret, and its certificate resolver the server name, on the thread that processes the records. So a session
//! opens the tap around that call and takes what came out.
//!
//! Invariants: outside of [`listen`] the tap is shut and everything is ignored; a secret lives in it only until the call that
//! produced it has returned, is turned into the channel binding at once, and is overwritten (`OkmBlock` zeroizes itself).

use std::cell::RefCell;
use std::sync::Arc;

use rustls::crypto::tls13::OkmBlock;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{KeyLog, SupportedCipherSuite};

const EXPORTER_SECRET: &str = "EXPORTER_SECRET";

thread_local! {
    static TAP: RefCell<Option<Heard>> = const { RefCell::new(None) };
}

/// What came out of the tap.
#[derive(Default)]
pub(crate) struct Heard {
    /// TLS 1.3: exporter_secret of RFC 8446 section 7.1.
    pub(crate) exporter_secret: Option<OkmBlock>,
    /// The name that the client asked for (RFC 6066 section 3).
    pub(crate) server_name: Option<Box<str>>,
}

/// Opens the tap for the duration of `call`.
pub(crate) fn listen<R>(call: impl FnOnce() -> R) -> (R, Heard) {
    /// Shuts the tap even if `call` panics.
    struct Shut;
    impl Drop for Shut {
        fn drop(&mut self) {
            TAP.take();
        }
    }
    TAP.set(Some(Heard::default()));
    let shut = Shut;
    let result = call();
    let heard = TAP.take().unwrap_or_default();
    drop(shut);
    (result, heard)
}

fn hear(note: impl FnOnce(&mut Heard)) {
    TAP.with_borrow_mut(|tap| {
        if let Some(heard) = tap {
            note(heard);
        }
    });
}

/// The key log that goes with the tap.
#[derive(Debug)]
pub(crate) struct ExporterTap;

impl KeyLog for ExporterTap {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        if label == EXPORTER_SECRET && secret.len() <= OkmBlock::MAX_LEN {
            hear(|heard| heard.exporter_secret = Some(OkmBlock::new(secret)));
        }
    }

    fn will_log(&self, label: &str) -> bool {
        label == EXPORTER_SECRET
    }
}

/// The certificate resolver that goes with the tap: one certificate for every name.
#[derive(Debug)]
pub(crate) struct NameTap(pub(crate) Arc<CertifiedKey>);

impl ResolvesServerCert for NameTap {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hear(|heard| heard.server_name = hello.server_name().map(Box::from));
        Some(Arc::clone(&self.0))
    }
}

/// The channel binding tls-exporter (RFC 9266 section 2): 32 bytes exported under the label EXPORTER-Channel-Binding with
/// an empty context, by the exporter of TLS 1.3 (RFC 8446 section 7.5):
///
/// ```text
/// HKDF-Expand-Label(Derive-Secret(exporter_secret, label, ""), "exporter", Hash(context), 32)
/// ```
///
/// None for TLS 1.2: there the binding needs the extended master secret on both sides, and peers disagree on whether an
/// empty context is a context (RFC 5705 section 4), so tls-server-end-point is what remains.
pub(crate) fn channel_binding(suite: SupportedCipherSuite, secret: &OkmBlock) -> Option<[u8; 32]> {
    let suite = suite.tls13()?;
    let hash_of_nothing = suite.common.hash_provider.hash(&[]);
    let expander = suite.hkdf_provider.expander_for_okm(secret);
    let hash_bytes = u16::try_from(expander.hash_len()).ok()?;
    let label = b"EXPORTER-Channel-Binding";
    let derived = expander.expand_block(&expand_label(hash_bytes, label, hash_of_nothing.as_ref()).parts());
    let expander = suite.hkdf_provider.expander_for_okm(&derived);
    let mut binding = [0_u8; 32];
    let info = expand_label(32, b"exporter", hash_of_nothing.as_ref());
    expander.expand_slice(&info.parts(), &mut binding).ok()?;
    Some(binding)
}

/// HkdfLabel of RFC 8446 section 7.1.
///
/// ```text
/// | length u16 | 6 + label length u8 | "tls13 " | label | context length u8 | context |
/// ```
struct HkdfLabel<'a> {
    length: [u8; 2],
    label_length: [u8; 1],
    label: &'a [u8],
    context_length: [u8; 1],
    context: &'a [u8],
}

/// `label` and `context` are ours and short: at most 249 and 255 bytes.
fn expand_label<'a>(length: u16, label: &'a [u8], context: &'a [u8]) -> HkdfLabel<'a> {
    HkdfLabel {
        length: length.to_be_bytes(),
        label_length: [b"tls13 ".len() as u8 + label.len() as u8],
        label,
        context_length: [context.len() as u8],
        context,
    }
}

impl HkdfLabel<'_> {
    fn parts(&self) -> [&[u8]; 6] {
        [
            &self.length,
            &self.label_length,
            b"tls13 ",
            self.label,
            &self.context_length,
            self.context,
        ]
    }
}
