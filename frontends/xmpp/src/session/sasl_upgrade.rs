//! SASL upgrade tasks (XEP-0480): an account whose keys came from another server without those of SHA-256 gets them from its
//! client, which has the password.
//!
//! ```text
//!   <authenticate> + <upgrade/> ──▶ SCRAM-SHA-1, proved ──▶ <continue/> ──▶ <next/> ──▶ <task-data><salt/>
//!                                                  ──▶ <task-data><hash/> ──▶ CompleteKeys ─▶ KeysCompleted ─▶ Authenticated
//! ```
//!
//! Invariants:
//! - The task is on offer to everybody, and is set only to whom asks for it and lacks the keys: nobody else notices it.
//! - The client is authenticated when its new keys are durable, not before; until then it may give up.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::scram::{AccountKeys, SALTED_BYTES};
use crosspoint_engine::session::{Action, Context};

use crate::codec::{Builder, Element, Scanner, Stanza};
use crate::config::XmppConfig;

use super::negotiate::{Negotiation, Stage};
use super::sasl::{self, Exchange};
use super::sasl_words::Failure;
use super::{Flow, sasl2};

/// Namespace of what is offered and asked for.
const NS: &str = "urn:xmpp:sasl:upgrade:0";
/// Namespace of what the task is about.
const NS_SCRAM: &str = "urn:xmpp:scram-upgrade:0";
/// The only task.
const TASK: &str = "UPGR-SCRAM-SHA-256";

/// What an `<authenticate/>` says of it.
#[derive(Debug, Default)]
pub(super) struct Wish {
    wanted: bool,
    lacking: Option<Derivation>,
}

/// By what the client is to derive its SaltedPassword.
#[derive(Debug, Clone)]
pub(super) struct Derivation {
    salt: Box<[u8]>,
    iterations: u32,
}

impl Wish {
    /// Tasks that are not on offer are never set.
    pub(super) fn read(element: &Element<'_>) -> Wish {
        let mut asked = element.children().filter(|child| child.is("upgrade", NS));
        Wish {
            wanted: asked.any(|child| child.text().trim() == TASK),
            lacking: None,
        }
    }

    /// The keys that the client has to prove.
    pub(super) fn look_at(&mut self, keys: &AccountKeys) {
        self.lacking = (self.wanted && keys.is_partial()).then(|| Derivation {
            salt: keys.salt().into(),
            iterations: keys.iterations(),
        });
    }

    /// The task to be set now, if one is.
    pub(super) fn take(&mut self) -> Option<Derivation> {
        self.lacking.take()
    }
}

/// What the features say of it.
pub(super) fn write_feature(builder: &mut Builder<'_, '_>) {
    builder.open("upgrade").attr("xmlns", NS).text(TASK).close();
}

/// The client has proved who it is: sets it the task.
pub(super) fn set(
    negotiation: &mut Negotiation,
    account: Jid,
    derivation: Derivation,
    server_final: &[u8],
    cx: &mut Context<'_>,
) -> Flow {
    let text = STANDARD.encode(server_final);
    let mut builder = Builder::new(cx.outbox);
    builder.open("continue").attr("xmlns", sasl2::NS);
    builder.open("additional-data").text(&text).close();
    builder.open("tasks").open("task").text(TASK);
    builder.finish();
    negotiation.stage = Stage::Sasl(Box::new(Exchange::Tasked { account, derivation }));
    Flow::Next
}

/// `<next task=".."/>`: the client takes the task up.
pub(super) fn on_next(
    negotiation: &mut Negotiation,
    stanza: &Stanza<'_>,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    let mut attributes = stanza.attributes();
    let named = attributes.any(|attribute| attribute.name == "task" && attribute.value.unescape() == TASK);
    let (account, derivation) = match take(negotiation) {
        Some(Exchange::Tasked { account, derivation }) if named => (account, derivation),
        _ => return sasl::fail(negotiation, None, Failure::MalformedRequest, config, cx),
    };
    let (salt, iterations) = (STANDARD.encode(&derivation.salt), derivation.iterations.to_string());
    let mut builder = Builder::new(cx.outbox);
    builder.open("task-data").attr("xmlns", sasl2::NS);
    builder
        .open("salt")
        .attr("xmlns", NS_SCRAM)
        .attr("iterations", &*iterations)
        .text(&salt);
    builder.finish();
    negotiation.stage = Stage::Sasl(Box::new(Exchange::AwaitingHash { account }));
    Flow::Next
}

/// `<task-data><hash/></task-data>`: the client's SaltedPassword.
pub(super) fn on_task_data(
    negotiation: &mut Negotiation,
    stanza: &Stanza<'_>,
    scanner: &Scanner,
    config: &XmppConfig,
    cx: &mut Context<'_>,
) -> Flow {
    let Some(Exchange::AwaitingHash { account }) = take(negotiation) else {
        return sasl::fail(negotiation, None, Failure::MalformedRequest, config, cx);
    };
    let element = scanner.tree(stanza);
    let hash = element
        .as_ref()
        .ok()
        .and_then(|element| element.child("hash", NS_SCRAM));
    let salted = hash
        .ok_or(Failure::MalformedRequest)
        .and_then(|hash| salted(&hash.text()));
    match salted {
        Ok(salted) => {
            negotiation.stage = Stage::Sasl(Box::new(Exchange::Completing {
                account: account.clone(),
            }));
            cx.actions.push(Action::Pause);
            cx.actions.push(Action::CompleteKeys { account, salted });
            Flow::Hold
        }
        Err(failure) => sasl::fail(negotiation, Some(account), failure, config, cx),
    }
}

/// The account's keys are whole.
pub(super) fn on_completed(negotiation: &mut Negotiation, cx: &mut Context<'_>) -> Flow {
    let Stage::Sasl(exchange) = &negotiation.stage else {
        return Flow::Next;
    };
    let Exchange::Completing { account } = &**exchange else {
        return Flow::Next;
    };
    // What the mechanism had to say was said when the task was set.
    sasl::succeed(negotiation, account.clone(), b"", cx);
    Flow::Hold
}

/// The exchange under way, which goes on as another or not at all.
fn take(negotiation: &mut Negotiation) -> Option<Exchange> {
    match std::mem::replace(&mut negotiation.stage, Stage::Choice) {
        Stage::Sasl(exchange) => Some(*exchange),
        _ => None,
    }
}

/// Base64 of [`SALTED_BYTES`] bytes; the specification's own example has white space around it.
fn salted(text: &str) -> Result<Box<[u8; SALTED_BYTES]>, Failure> {
    let bytes = STANDARD.decode(text.trim()).map_err(|_| Failure::IncorrectEncoding)?;
    let salted = <[u8; SALTED_BYTES]>::try_from(bytes).map_err(|_| Failure::MalformedRequest)?;
    Ok(Box::new(salted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_the_specification_shows_it() {
        let example = "\n      BzOnw3Pc5H4bOLlPZ/8JAy6wnTpH05aH21KW2+Xfpaw=\n    ";
        let salted = super::salted(example).unwrap();
        assert_eq!((salted[0], salted[31]), (0x07, 0xac));
        for (wrong, failure) in [
            ("", Failure::MalformedRequest),
            ("QUFB", Failure::MalformedRequest),
            (
                "BzOnw3Pc5H4bOLlPZ/8JAy6wnTpH05aH21KW2+XfpaxB",
                Failure::MalformedRequest,
            ),
            (
                "BzOnw3Pc5H4bOLlPZ/8JAy6wnTpH05aH21KW2+Xfpaw",
                Failure::IncorrectEncoding,
            ),
            (
                "BzOnw3Pc5H4bOLlPZ/8JAy6w nTpH05aH21KW2+Xfpaw=",
                Failure::IncorrectEncoding,
            ),
            ("=", Failure::IncorrectEncoding),
        ] {
            assert_eq!(super::salted(wrong), Err(failure), "{wrong:?}");
        }
    }

    #[test]
    fn the_task_is_wanted_only_by_its_name() {
        for (wishes, wanted) in [
            ("", false),
            (
                "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>",
                true,
            ),
            (
                "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'> UPGR-SCRAM-SHA-256 </upgrade>",
                true,
            ),
            (
                "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-BLOOP2</upgrade>\
              <upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>",
                true,
            ),
            (
                "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>",
                false,
            ),
            (
                "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256-PLUS</upgrade>",
                false,
            ),
            ("<upgrade xmlns='urn:xmpp:sasl:upgrade:0'/>", false),
            ("<upgrade>UPGR-SCRAM-SHA-256</upgrade>", false),
        ] {
            let text = format!("<authenticate xmlns='urn:xmpp:sasl:2'>{wishes}</authenticate>");
            let element = Element::parse(&text, "").unwrap();
            assert_eq!(Wish::read(&element).wanted, wanted, "{wishes}");
        }
    }
}
