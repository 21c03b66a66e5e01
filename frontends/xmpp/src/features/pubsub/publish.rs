//! Publishing and retracting (XEP-0060 sections 7.1 and 7.2), with nodes that make themselves (section 7.1.4) and a
//! publisher's preconditions (section 7.1.5).

use bytes::Bytes;
use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::Host;

use super::super::form::Form;
use super::super::xml;
use super::config::{Config, PUBLISH_OPTIONS};
use super::sheet::{self, Sheet};
use super::{Begun, Case, Detail, Fault, ITEM_BYTES_MAX, NS, Reply, Request, item_name, read};
use crate::codec::{Builder, Element};

/// An item on its way into a node.
pub struct Publication {
    /// Who publishes.
    pub who: Jid,
    /// Its name, if it has one yet.
    pub id: Option<String>,
    /// An element that stands on its own.
    pub payload: Bytes,
    /// What the node must be, and is when it has to be made.
    pub demands: Option<OwnedForm>,
}

/// A form that outlives its stanza.
pub type OwnedForm = Form<'static>;

pub fn publish(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node());
    let (id, payload) = read!(case, only_item(request));
    let options = request.pubsub.child("publish-options", NS);
    let demands = read!(
        case,
        options.map_or(Ok(None), |options| request.form(options, PUBLISH_OPTIONS))
    );
    let publication = Publication {
        who: case.who.clone(),
        id,
        payload,
        demands: demands.map(Form::into_owned),
    };
    let name = node.to_owned();
    let owner = case.owner.clone();
    let done = Box::new(move |published: Result<String, Fault>, host: &mut dyn Host| {
        let reply = published.map(|id| Reply::Body(published_body(&name, &id)));
        case.answer(reply, host);
    });
    into_node(&owner, node, publication, done, host);
    Ok(())
}

/// Publishes; `done` gets the item's name.
pub fn into_node(owner: &Jid, node: &str, publication: Publication, done: sheet::Done<String>, host: &mut dyn Host) {
    let edit = move |sheet: &mut Sheet, host: &dyn Host| publication.put(sheet, host);
    sheet::edit(owner, node, Box::new(edit), done, host);
}

impl Publication {
    fn put(self, sheet: &mut Sheet, host: &dyn Host) -> Result<String, Fault> {
        match &sheet.node {
            None => self.make_node(sheet)?,
            Some(node) => {
                node.may_publish(&sheet.owner, &self.who)?;
                if let Some(demands) = &self.demands {
                    node.config.meets(demands)?;
                }
            }
        }
        sheet.publish(&self.who, self.id, self.payload, host.now().unix_ms)
    }

    /// Only the owner's publishing makes a node; to others there is none.
    fn make_node(&self, sheet: &mut Sheet) -> Result<(), Fault> {
        if !self.who.same_bare(&sheet.owner) {
            return Err(Condition::ItemNotFound.into());
        }
        let config = Config::of_new(&sheet.name);
        let config = match &self.demands {
            Some(demands) => config
                .with(demands)
                .map_err(|_| Fault::new(Condition::Conflict, Detail::PreconditionNotMet))?,
            None => config,
        };
        sheet.create(config).map(drop)
    }
}

/// A publication has one item with one payload.
fn only_item(request: &Request<'_>) -> Result<(Option<String>, Bytes), Fault> {
    let mut items = request.main.children().filter(|child| child.is("item", NS));
    let item = items
        .next()
        .ok_or(Fault::new(Condition::BadRequest, Detail::ItemRequired))?;
    if items.next().is_some() {
        return Err(Fault::new(Condition::NotAllowed, Detail::MaxItemsExceeded));
    }
    let mut payloads = item.children();
    let payload = payloads
        .next()
        .ok_or(Fault::new(Condition::BadRequest, Detail::PayloadRequired))?;
    if payloads.next().is_some() || payload.namespace().is_empty() {
        return Err(Fault::new(Condition::BadRequest, Detail::InvalidPayload));
    }
    let id = item.attr("id").filter(|id| !id.is_empty()).map(item_name).transpose()?;
    Ok((id, payload_bytes(payload)?))
}

/// A payload as it is kept.
pub fn payload_bytes(payload: &Element<'_>) -> Result<Bytes, Fault> {
    xml::standalone(payload, ITEM_BYTES_MAX).ok_or(Fault::new(Condition::NotAcceptable, Detail::PayloadTooBig))
}

fn published_body(node: &str, id: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("pubsub").attr("xmlns", NS).open("publish").attr("node", node);
    el.open("item").attr("id", id);
    el.finish();
    out
}

pub fn retract(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node());
    let ids = read!(case, request.item_ids());
    if ids.is_empty() {
        return Err((case, Fault::new(Condition::BadRequest, Detail::ItemRequired)));
    }
    let notify = matches!(request.main.attr("notify"), Some("1" | "true"));
    let (owner, who) = (case.owner.clone(), case.who.clone());
    let edit = move |sheet: &mut Sheet, _: &dyn Host| {
        let owner = sheet.owner.clone();
        sheet.node()?.may_publish(&owner, &who)?;
        ids.iter().try_for_each(|id| sheet.retract(id, notify))
    };
    let done = |done: Result<(), Fault>, host: &mut dyn Host| case.answer(done.map(|()| Reply::Empty), host);
    sheet::edit(&owner, node, Box::new(edit), Box::new(done), host);
    Ok(())
}
