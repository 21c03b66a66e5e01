//! XEP-0060 Publish-Subscribe on accounts, as XEP-0163 Personal Eventing has it: every account is a service of its own nodes.
//!
//! `row.rs` is what the disk has, `node.rs` who may do what, `sheet.rs` how a node is changed, `notify.rs` who hears of it,
//! `publish.rs`, `subscribe.rs`, `manage.rs` and `retrieve.rs` what is asked, `config.rs` and `error.rs` forms and refusals.
//!
//! Invariants:
//! - Nodes are changed at their owner's home, in turns, and what is acknowledged is durable.
//! - Events come from the owner's bare address and from nowhere else; no client can send from there.
//! - Everything is bounded by the constants below, and a user's payloads together by [`BYTES_PER_USER_MAX`].

use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::ask::{Ask, Later, Reply};
use super::form::{self, Form};
use super::{Facts, Feature, Handler, Outcome, Reach, Xep};
use crate::codec::Element;

pub(super) mod config;
mod discover;
mod error;
mod follow;
mod manage;
mod node;
mod notify;
mod publish;
mod retrieve;
mod row;
pub(super) mod sheet;
mod subscribe;
mod welcome;

pub(super) use discover::{identity, node_info, node_items, nodes};
pub(super) use error::{Detail, Fault};
pub(super) use notify::node_of;
pub(super) use publish::{Publication, into_node};
pub(super) use welcome::{ask_for_last, welcome, welcomed};

/// Requests of everybody.
pub(super) const NS: &str = "http://jabber.org/protocol/pubsub";
/// Requests of owners.
pub(super) const NS_OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
/// What is told.
pub(super) const NS_EVENT: &str = "http://jabber.org/protocol/pubsub#event";

/// Nodes of one user.
pub const NODES_PER_USER_MAX: usize = 256;
/// Items that a node keeps.
pub const ITEMS_PER_NODE_MAX: u32 = 1_000;
/// Largest payload, in bytes as stored: room for a picture, within one stanza.
pub const ITEM_BYTES_MAX: usize = 128 * 1024;
/// Payloads of one user together, in bytes.
pub const BYTES_PER_USER_MAX: u64 = 16 * 1024 * 1024;
/// Payloads in one answer, in bytes, about; what is beyond is fetched by a next page.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Explicit subscriptions to one node.
pub const SUBSCRIBERS_PER_NODE_MAX: usize = 256;
/// Affiliations of one node beside its owner's.
pub const AFFILIATIONS_PER_NODE_MAX: usize = 256;
/// Longest name of a node or an item, in bytes.
pub const NAME_BYTES_MAX: usize = 512;
/// Longest title, description or type of a node, in bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// Groups of contacts that may read a node.
pub const ROSTER_GROUPS_MAX: usize = 32;

/// What a session's client may be sent is within what it may send.
const _: () = assert!(ITEM_BYTES_MAX < ANSWER_BYTES_MAX && (ANSWER_BYTES_MAX as u64) < BYTES_PER_USER_MAX);

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(60, "1.30.0"), Xep::new(163, "1.2.2"), Xep::new(223, "1.1.1")],
    enabled: |_| true,
    domain: &[],
    account: &[
        NS,
        NS_EVENT,
        NS_OWNER,
        "http://jabber.org/protocol/pubsub#access-open",
        "http://jabber.org/protocol/pubsub#access-presence",
        "http://jabber.org/protocol/pubsub#access-roster",
        "http://jabber.org/protocol/pubsub#access-whitelist",
        "http://jabber.org/protocol/pubsub#auto-create",
        "http://jabber.org/protocol/pubsub#auto-subscribe",
        "http://jabber.org/protocol/pubsub#config-node",
        "http://jabber.org/protocol/pubsub#config-node-max",
        "http://jabber.org/protocol/pubsub#create-and-configure",
        "http://jabber.org/protocol/pubsub#create-nodes",
        "http://jabber.org/protocol/pubsub#delete-items",
        "http://jabber.org/protocol/pubsub#delete-nodes",
        "http://jabber.org/protocol/pubsub#filtered-notifications",
        "http://jabber.org/protocol/pubsub#item-ids",
        "http://jabber.org/protocol/pubsub#last-published",
        "http://jabber.org/protocol/pubsub#manage-subscriptions",
        "http://jabber.org/protocol/pubsub#member-affiliation",
        "http://jabber.org/protocol/pubsub#meta-data",
        "http://jabber.org/protocol/pubsub#modify-affiliations",
        "http://jabber.org/protocol/pubsub#multi-items",
        "http://jabber.org/protocol/pubsub#outcast-affiliation",
        "http://jabber.org/protocol/pubsub#persistent-items",
        "http://jabber.org/protocol/pubsub#publish",
        "http://jabber.org/protocol/pubsub#publish-only-affiliation",
        "http://jabber.org/protocol/pubsub#publish-options",
        "http://jabber.org/protocol/pubsub#publisher-affiliation",
        "http://jabber.org/protocol/pubsub#purge-nodes",
        "http://jabber.org/protocol/pubsub#retract-items",
        "http://jabber.org/protocol/pubsub#retrieve-affiliations",
        "http://jabber.org/protocol/pubsub#retrieve-default",
        "http://jabber.org/protocol/pubsub#retrieve-items",
        "http://jabber.org/protocol/pubsub#retrieve-subscriptions",
        "http://jabber.org/protocol/pubsub#rsm",
        "http://jabber.org/protocol/pubsub#subscribe",
    ],
    handlers: &[
        handler(QueryKind::Get, NS, get),
        handler(QueryKind::Set, NS, set),
        handler(QueryKind::Get, NS_OWNER, owner_get),
        handler(QueryKind::Set, NS_OWNER, owner_set),
    ],
};

const fn handler(kind: QueryKind, ns: &'static str, run: fn(&Ask<'_>, &Facts, &mut dyn Host) -> Outcome) -> Handler {
    Handler {
        kind,
        name: "pubsub",
        ns,
        reach: Reach::ACCOUNTS,
        run,
    }
}

/// A request that was read, and whoever waits for its answer.
pub(super) struct Case {
    /// Whose node.
    pub owner: Jid,
    /// Who asks; a full address.
    pub who: Jid,
    later: Later,
}

impl Case {
    /// Answers.
    pub fn answer(self, outcome: Result<Reply, Fault>, host: &mut dyn Host) {
        match outcome {
            Ok(reply) => self.later.finish(Ok(reply), host),
            Err(Fault {
                condition,
                detail: None,
            }) => self.later.finish(Err(condition), host),
            Err(fault) => self.later.fail(fault.element(), host),
        }
    }
}

/// What a request's reader gives: the work, under way, or why there is none.
type Begun = Result<(), (Box<Case>, Fault)>;

fn begin(
    ask: &Ask<'_>,
    ns: &'static str,
    host: &mut dyn Host,
    run: fn(Box<Case>, &Request<'_>, &mut dyn Host) -> Begun,
) -> Outcome {
    let case = Box::new(Case {
        owner: ask.account(),
        who: ask.session().clone(),
        later: ask.later(),
    });
    // Whether there is such an account is not asked: one that does not exist has no nodes, and says what one without says.
    let begun = match Request::read(ask.payload, ns) {
        Ok(request) => run(case, &request, host),
        Err(fault) => Err((case, fault)),
    };
    if let Err((case, fault)) = begun {
        case.answer(Err(fault), host);
    }
    Ok(Reply::Later)
}

fn get(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    begin(ask, NS, host, |case, request, host| match request.verb {
        "items" => retrieve::items(case, request, host),
        "subscriptions" => subscribe::mine(case, request, host),
        "affiliations" => manage::my_affiliations(case, request, host),
        "options" => Err((case, Fault::unsupported("subscription-options"))),
        "default" => Err((case, Fault::unsupported("retrieve-default-sub"))),
        _ => Err((case, Condition::BadRequest.into())),
    })
}

fn set(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    begin(ask, NS, host, |case, request, host| match request.verb {
        "publish" => publish::publish(case, request, host),
        "retract" => publish::retract(case, request, host),
        "subscribe" => subscribe::subscribe(case, request, host),
        "unsubscribe" => subscribe::unsubscribe(case, request, host),
        "create" => manage::create(case, request, host),
        "options" => Err((case, Fault::unsupported("subscription-options"))),
        _ => Err((case, Condition::BadRequest.into())),
    })
}

fn owner_get(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    begin(ask, NS_OWNER, host, |case, request, host| match request.verb {
        "configure" => manage::configuration(case, request, host),
        "default" => manage::default(case, host),
        "affiliations" => manage::affiliations(case, request, host),
        "subscriptions" => manage::subscriptions(case, request, host),
        _ => Err((case, Condition::BadRequest.into())),
    })
}

fn owner_set(ask: &Ask<'_>, _: &Facts, host: &mut dyn Host) -> Outcome {
    begin(ask, NS_OWNER, host, |case, request, host| match request.verb {
        "configure" => manage::configure(case, request, host),
        "delete" => manage::delete(case, request, host),
        "purge" => manage::purge(case, request, host),
        "affiliations" => manage::affiliate(case, request, host),
        "subscriptions" => manage::set_subscriptions(case, request, host),
        _ => Err((case, Condition::BadRequest.into())),
    })
}

/// `<pubsub/>`, opened: what is asked, of which node, with what beside it.
struct Request<'a> {
    /// The name of the first child.
    verb: &'a str,
    /// The first child.
    main: &'a Element<'a>,
    pubsub: &'a Element<'a>,
    ns: &'static str,
}

impl<'a> Request<'a> {
    fn read(pubsub: &'a Element<'a>, ns: &'static str) -> Result<Request<'a>, Fault> {
        let main = pubsub
            .children()
            .find(|child| child.namespace() == ns)
            .ok_or(Condition::BadRequest)?;
        Ok(Request {
            verb: main.name(),
            main,
            pubsub,
            ns,
        })
    }

    /// The node that is named, which must be.
    fn node(&self) -> Result<&'a str, Fault> {
        match self.main.attr("node") {
            None | Some("") => Err(Fault::new(Condition::BadRequest, Detail::NodeIdRequired)),
            Some(node) if node.len() > NAME_BYTES_MAX => Err(Condition::NotAcceptable.into()),
            Some(node) => Ok(node),
        }
    }

    /// The form in a child beside or within the first one, if there is one that is submitted.
    fn form(&self, of: &'a Element<'a>, form_type: &str) -> Result<Option<Form<'a>>, Fault> {
        let Some(x) = of.child("x", form::NS) else {
            return Ok(None);
        };
        let form = Form::read(x)?;
        if form.kind == "cancel" {
            return Ok(None);
        }
        if form.kind != "submit" || !(form.form_type.is_empty() || form.form_type == form_type) {
            return Err(Condition::BadRequest.into());
        }
        Ok(Some(form))
    }

    /// The names of the `<item/>` children.
    fn item_ids(&self) -> Result<Vec<String>, Fault> {
        let items = self.main.children().filter(|child| child.is("item", self.ns));
        items
            .map(|item| match item.attr("id") {
                None | Some("") => Err(Fault::new(Condition::BadRequest, Detail::ItemRequired)),
                Some(id) => item_name(id),
            })
            .collect()
    }
}

/// A name for an item, within the bound.
fn item_name(id: &str) -> Result<String, Fault> {
    if id.len() > NAME_BYTES_MAX {
        return Err(Condition::NotAcceptable.into());
    }
    Ok(id.to_owned())
}

/// `forbidden` for all but the owner.
fn owner_only(case: &Case) -> Result<(), Fault> {
    match case.who.same_bare(&case.owner) {
        true => Ok(()),
        false => Err(Condition::Forbidden.into()),
    }
}

/// Goes on with what was read, or gives the case back with the fault.
macro_rules! read {
    ($case:ident, $read:expr) => {
        match $read {
            Ok(value) => value,
            Err(fault) => return Err(($case, Fault::from(fault))),
        }
    };
}
use read;
