//! Bind 2 (XEP-0386): an address, and what the session shall be from its first moment on.
//!
//! Invariants:
//! - What is asked for is in force before `<bound/>` is written: nothing falls between.
//! - The identifier of the client's installation is not to be read off its resource; the same installation under the same
//!   tag gets the same resource, so that its new session takes the place of its old one (section 3.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::session::{Action, BindFault, Context, Random};
use sha2::{Digest, Sha256};

use crate::codec::{Builder, Element};
use crate::config::XmppConfig;

use super::established::Established;
use super::stream_management as sm;

/// Namespace of the protocol.
pub(super) const NS: &str = "urn:xmpp:bind:0";

const NS_CARBONS: &str = "urn:xmpp:carbons:2";
const NS_CSI: &str = "urn:xmpp:csi:0";

/// What can be turned on within `<bind/>`.
const INLINE: [&str; 3] = [NS_CARBONS, NS_CSI, sm::NS];

/// Most bytes of a tag; a longer one is left out, as is one that no resource can begin with.
const TAG_BYTES_MAX: usize = 256;

/// Bytes of the identifier behind the tag.
const IDENTIFIER_BYTES: usize = 9;

/// A `<bind/>`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wish {
    tag: Option<String>,
    carbons: bool,
    inactive: bool,
    management: Option<sm::Enable>,
}

impl Wish {
    pub(super) fn read(bind: &Element<'_>) -> Wish {
        let tag = bind.child("tag", NS).map(|tag| tag.text().into_owned());
        Wish {
            tag: tag.filter(|tag| !tag.is_empty() && tag.len() <= TAG_BYTES_MAX),
            carbons: bind.child("enable", NS_CARBONS).is_some(),
            inactive: bind.child("inactive", NS_CSI).is_some(),
            management: bind
                .child("enable", sm::NS)
                .map(|enable| sm::Enable::read(enable.attr("resume"), enable.attr("max"))),
        }
    }

    /// `tag/identifier`, or the identifier alone.
    pub(super) fn resource(&self, account: &Jid, client: Option<u128>, random: &mut dyn Random) -> String {
        let mut identifier = [0; IDENTIFIER_BYTES];
        match client {
            Some(client) => {
                let digest = Sha256::new()
                    .chain_update(b"bind 2\0")
                    .chain_update(account.bare_str())
                    .chain_update(b"\0")
                    .chain_update(client.to_be_bytes())
                    .finalize();
                identifier.copy_from_slice(&digest[..IDENTIFIER_BYTES]);
            }
            None => random.fill(&mut identifier),
        }
        let identifier = URL_SAFE_NO_PAD.encode(identifier);
        let tagged = self.tag.as_ref().map(|tag| format!("{tag}/{identifier}"));
        tagged
            .filter(|tagged| account.with_resource(tagged).is_ok())
            .unwrap_or(identifier)
    }

    /// Turns on what was asked for, and says so.
    pub(super) fn fulfil(&self, established: &mut Established, config: &XmppConfig, cx: &mut Context<'_>) {
        // XEP-0386 section 3: the archive has what it has missed, so nothing is sent twice.
        cx.actions.push(Action::ReadsArchive);
        if self.carbons {
            cx.actions.push(Action::Listen {
                copies: true,
                changes: false,
            });
        }
        if self.inactive {
            established.held.get_or_insert_default();
        }
        cx.outbox.extend_from_slice(b"<bound xmlns='urn:xmpp:bind:0'");
        match self.management {
            Some(enable) => {
                cx.outbox.push(b'>');
                established.enable(enable, config, cx);
                cx.outbox.extend_from_slice(b"</bound>");
            }
            None => cx.outbox.extend_from_slice(b"/>"),
        }
    }
}

/// What the features say of it.
pub(super) fn write_feature(builder: &mut Builder<'_, '_>) {
    builder.open("bind").attr("xmlns", NS).open("inline");
    for feature in INLINE {
        builder.open("feature").attr("var", feature).close();
    }
    builder.close().close();
}

/// In place of `<bound/>`.
pub(super) fn write_failed(fault: BindFault, out: &mut Vec<u8>) {
    let condition = match fault {
        BindFault::Malformed => "bad-request",
        BindFault::TooMany => "resource-constraint",
    };
    Builder::new(out)
        .open("failed")
        .attr("xmlns", NS)
        .empty(condition, "urn:ietf:params:xml:ns:xmpp-stanzas");
}
