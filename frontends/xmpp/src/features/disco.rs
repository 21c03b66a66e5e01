//! XEP-0030 Service Discovery: what the server and its accounts are and can do.
//!
//! Invariant: who may not see an account's presence gets the same answer as for an account that does not exist
//! (section 8): `service-unavailable` for info, no items for items.

use crosspoint_engine::envelope::{Condition, QueryKind};
use crosspoint_engine::service::Host;

use super::ask::{Ask, Reply};
use super::caps::{self, Form, Identity};
use super::config::FeatureConfig;
use super::{Facts, Feature, Handler, Outcome, Reach, Target, Xep, commands, contact, outage, pubsub, upload};
use crate::codec::Builder;

pub(super) const NS_INFO: &str = "http://jabber.org/protocol/disco#info";
pub(super) const NS_ITEMS: &str = "http://jabber.org/protocol/disco#items";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(30, "2.5.0"), Xep::new(128, "1.0.1"), Xep::new(157, "1.1.1")],
    enabled: |_| true,
    domain: &[NS_INFO, NS_ITEMS],
    account: &[NS_INFO, NS_ITEMS],
    handlers: &[
        Handler {
            kind: QueryKind::Get,
            name: "query",
            ns: NS_INFO,
            reach: Reach::ALL,
            run: info,
        },
        Handler {
            kind: QueryKind::Get,
            name: "query",
            ns: NS_ITEMS,
            reach: Reach::ALL,
            run: items,
        },
    ],
};

/// The answers, written once.
pub(super) struct Tables {
    domain_features: Vec<&'static str>,
    account_features: Vec<&'static str>,
    domain_info: Vec<u8>,
    account_info: Vec<u8>,
    ver: String,
}

impl Tables {
    pub fn new(config: &FeatureConfig, mut domain: Vec<&'static str>, mut account: Vec<&'static str>) -> Tables {
        domain.sort_unstable();
        account.sort_unstable();
        let server = Identity {
            category: "server",
            kind: "im",
            name: config.software.name.clone(),
        };
        let servers: Vec<Identity> = [Some(server), upload::identity(config)].into_iter().flatten().collect();
        let user = Identity {
            category: "account",
            kind: "registered",
            name: String::new(),
        };
        let forms = [
            contact::form(&config.contacts),
            outage::form(&config.status_urls),
            upload::form(config),
        ];
        let forms: Vec<Form> = forms.into_iter().flatten().collect();
        Tables {
            domain_info: info_children(&servers, &domain, &forms),
            account_info: [pubsub::identity("pep"), info_children(&[user], &account, &[])].concat(),
            ver: caps::ver(&servers, &domain, &forms),
            domain_features: domain,
            account_features: account,
        }
    }

    pub fn ver(&self) -> &str {
        &self.ver
    }

    pub fn domain_features(&self) -> &[&'static str] {
        &self.domain_features
    }

    pub fn account_features(&self) -> &[&'static str] {
        &self.account_features
    }
}

fn info(ask: &Ask<'_>, facts: &Facts, host: &mut dyn Host) -> Outcome {
    if let Some(outcome) = commands::info(ask, NS_INFO, host) {
        return outcome;
    }
    let node = ask.payload.attr("node");
    // Who may know of a node is the node's own business.
    if node.is_none() || ask.target == Target::Domain {
        ask.seen_only(host)?;
    }
    let children = match (ask.target, node) {
        (Target::Domain, None) => &facts.disco.domain_info,
        (Target::Domain, Some(node)) if caps::is_own_node(node, facts.disco.ver()) => &facts.disco.domain_info,
        (Target::Own | Target::Other, None) => &facts.disco.account_info,
        (Target::Domain, Some(_)) => return Err(Condition::ItemNotFound),
        (Target::Own | Target::Other, Some(node)) => return pubsub::node_info(ask, node, host),
    };
    let mut out = Vec::with_capacity(children.len() + 128);
    Builder::new(&mut out)
        .open("query")
        .attr("xmlns", NS_INFO)
        .attr_opt("node", node)
        .raw(children);
    Ok(Reply::Body(out))
}

fn items(ask: &Ask<'_>, facts: &Facts, host: &mut dyn Host) -> Outcome {
    if let Some(outcome) = commands::items(ask, NS_ITEMS, host) {
        return outcome;
    }
    let visible = ask.may_see(host);
    match (ask.target, ask.payload.attr("node")) {
        (Target::Domain, Some(_)) => return Err(Condition::ItemNotFound),
        (Target::Own | Target::Other, Some(node)) => return pubsub::node_items(ask, node, host),
        (Target::Own | Target::Other, None) => return pubsub::nodes(ask, visible, host),
        (Target::Domain, None) => {}
    }
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("query").attr("xmlns", NS_ITEMS);
    if let Some(rooms) = host.rooms_domain() {
        el.open("item").attr("jid", rooms.as_str()).close();
    }
    for service in &facts.config.items {
        el.open("item").attr("jid", &**service).close();
    }
    el.finish();
    Ok(Reply::Body(out))
}

fn info_children(identities: &[Identity], features: &[&str], forms: &[Form]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    for identity in identities {
        let name = (!identity.name.is_empty()).then_some(identity.name.as_str());
        el.open("identity")
            .attr("category", identity.category)
            .attr("type", identity.kind);
        el.attr_opt("name", name).close();
    }
    for feature in features {
        el.open("feature").attr("var", *feature).close();
    }
    for form in forms {
        write_form(&mut el, form);
    }
    el.finish();
    out
}

/// A result form (XEP-0004 section 3.2, XEP-0128 section 2).
fn write_form(el: &mut Builder<'_, '_>, form: &Form) {
    el.open("x").attr("xmlns", "jabber:x:data").attr("type", "result");
    el.open("field").attr("var", "FORM_TYPE").attr("type", "hidden");
    el.open("value").text(form.form_type).close().close();
    for (var, values) in &form.fields {
        el.open("field").attr("var", *var).attr("type", form.kind);
        for value in values {
            el.open("value").text(value).close();
        }
        el.close();
    }
    el.close();
}
