//! Reading: items (XEP-0060 section 6.5), pages of them (XEP-0059), and the last ones for whoever comes (XEP-0163 section 4.3).
//!
//! Invariants:
//! - Oldest first, always. What an answer cannot hold is left to the next page, and the answer says so.
//! - A payload is read only for who may read the node.

use bytes::Bytes;
use crosspoint_engine::envelope::{Condition, Hints};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{Host, Row};

use super::config::SendLast;
use super::node::{Kept, Node};
use super::sheet::{self, get, index_key, item_key, node_key};
use super::{ANSWER_BYTES_MAX, Begun, Case, Fault, NS, Reply, Request, notify, read, row};
use crate::codec::Builder;

/// XEP-0059.
const NS_RSM: &str = "http://jabber.org/protocol/rsm";
/// Nodes whose last items somebody is sent at once.
pub const LAST_ITEMS_MAX: usize = 32;

/// Which items are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wish {
    ids: Vec<String>,
    /// The most recent so many.
    newest: Option<usize>,
    page: Option<Page>,
}

/// XEP-0059 section 2.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Page {
    max: Option<usize>,
    after: Option<String>,
    /// An empty one asks for the last page.
    before: Option<String>,
}

/// What is answered, before its payloads are read.
struct Selection {
    kept: Vec<Kept>,
    /// Where the first of them stands among all.
    index: usize,
    count: usize,
    partial: bool,
}

pub fn items(case: Box<Case>, request: &Request<'_>, host: &mut dyn Host) -> Begun {
    let node = read!(case, request.node()).to_owned();
    let wish = read!(case, Wish::read(request));
    let reads = vec![get(index_key(&case.owner)), get(node_key(&case.owner, &node))];
    let go_on = move |rows: Result<Vec<Vec<Row>>, Condition>, host: &mut dyn Host| {
        let selected = rows
            .map_err(Fault::from)
            .and_then(|rows| select(&case, &wish, &rows, host));
        match selected {
            Ok(selection) => fetch(case, node, selection, wish.page.is_some(), host),
            Err(fault) => case.answer(Err(fault), host),
        }
    };
    host.look_up(reads, Box::new(go_on));
    Ok(())
}

fn select(case: &Case, wish: &Wish, rows: &[Vec<Row>], host: &dyn Host) -> Result<Selection, Fault> {
    let (_, node) = sheet::decode(rows)?;
    let node = node.ok_or(Condition::ItemNotFound)?;
    node.may_read(&case.owner, &case.who, host)?;
    wish.choose(&node.items)
}

fn fetch(case: Box<Case>, node: String, selection: Selection, paged: bool, host: &mut dyn Host) {
    let keys = selection
        .kept
        .iter()
        .map(|kept| get(item_key(&case.owner, &node, &kept.id)));
    let reads = keys.collect();
    let answer = move |rows: Result<Vec<Vec<Row>>, Condition>, host: &mut dyn Host| {
        let body = rows.map(|rows| Reply::Body(selection.body(&node, &rows, paged)));
        case.answer(body.map_err(Fault::from), host);
    };
    host.look_up(reads, Box::new(answer));
}

impl Wish {
    fn read(request: &Request<'_>) -> Result<Wish, Fault> {
        let newest = match request.main.attr("max_items") {
            Some(number) => Some(number.parse().map_err(|_| Condition::BadRequest)?),
            None => None,
        };
        let set = request.pubsub.child("set", NS_RSM);
        let page = set.map(|set| {
            let text = |name| set.child(name, NS_RSM).map(|child| child.text().into_owned());
            let max = text("max").map(|max| max.trim().parse().map_err(|_| Condition::BadRequest));
            Ok::<_, Condition>(Page {
                max: max.transpose()?,
                after: text("after"),
                before: text("before"),
            })
        });
        Ok(Wish {
            ids: request.item_ids()?,
            newest,
            page: page.transpose()?,
        })
    }

    fn choose(&self, all: &[Kept]) -> Result<Selection, Fault> {
        if !self.ids.is_empty() {
            let named = all.iter().filter(|kept| self.ids.contains(&kept.id));
            let kept: Vec<Kept> = named.cloned().collect();
            return Ok(Selection::of(kept, 0, all.len(), false));
        }
        let newest = self.newest.unwrap_or(all.len()).min(all.len());
        let offered = &all[all.len() - newest..];
        let Some(page) = &self.page else {
            return Ok(Selection::of(offered.to_vec(), 0, offered.len(), true));
        };
        let place = |id: &String| {
            offered
                .iter()
                .position(|kept| kept.id == *id)
                .ok_or(Condition::ItemNotFound)
        };
        let start = page.after.as_ref().map(place).transpose()?.map_or(0, |at| at + 1);
        let before = page.before.as_ref().filter(|before| !before.is_empty());
        let end = before.map(place).transpose()?.unwrap_or(offered.len()).max(start);
        let max = page.max.unwrap_or(usize::MAX).min(end - start);
        let (from, to) = match page.before.is_some() {
            true => (end - max, end),
            false => (start, start + max),
        };
        Ok(Selection::of(
            offered[from..to].to_vec(),
            from,
            offered.len(),
            page.before.is_some(),
        ))
    }
}

impl Selection {
    /// As much as an answer can hold; `newest`: rather the end than the beginning.
    fn of(mut kept: Vec<Kept>, index: usize, count: usize, newest: bool) -> Selection {
        let mut bytes = 0;
        let mut fits = |kept: &&Kept| {
            bytes += kept.bytes as usize;
            bytes <= ANSWER_BYTES_MAX
        };
        let fitting = match newest {
            true => kept.iter().rev().take_while(&mut fits).count(),
            false => kept.iter().take_while(&mut fits).count(),
        };
        let partial = fitting < kept.len();
        let skipped = if newest { kept.len() - fitting } else { 0 };
        kept.drain(..skipped);
        kept.truncate(fitting);
        Selection {
            kept,
            index: index + skipped,
            count,
            partial,
        }
    }

    fn body(&self, node: &str, rows: &[Vec<Row>], paged: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let mut el = Builder::new(&mut out);
        el.open("pubsub").attr("xmlns", NS).open("items").attr("node", node);
        for (kept, rows) in self.kept.iter().zip(rows) {
            // One that has left since the node was read is not there.
            let Some((_, payload)) = rows.first().and_then(|row| row::decode_item(&row.value).ok()) else {
                continue;
            };
            el.open("item").attr("id", kept.id.as_str()).raw(payload).close();
        }
        el.close();
        if paged || self.partial {
            el.open("set").attr("xmlns", NS_RSM);
            if let (Some(first), Some(last)) = (self.kept.first(), self.kept.last()) {
                el.open("first")
                    .attr("index", self.index.to_string().as_str())
                    .text(&first.id)
                    .close();
                el.open("last").text(&last.id).close();
            }
            el.open("count").text(&self.count.to_string()).close();
        }
        el.finish();
        out
    }
}

/// Called once with names and nodes.
type ThenNodes = Box<dyn FnOnce(Result<Vec<(String, Node)>, Fault>, &mut dyn Host) + Send>;

/// Reads one node of a user, which must be there, or all of them.
pub fn with_nodes(owner: &Jid, only: Option<String>, then: ThenNodes, host: &mut dyn Host) {
    let owner = owner.clone();
    let index = vec![get(index_key(&owner))];
    let found = move |rows: Result<Vec<Vec<Row>>, Condition>, host: &mut dyn Host| {
        let index = rows.map_err(Fault::from).and_then(|rows| sheet::decode(&rows));
        let index = match index {
            Ok((index, _)) => index,
            Err(fault) => return then(Err(fault), host),
        };
        let names = index.into_iter().map(|(name, _)| name);
        let names: Vec<String> = names
            .filter(|name| only.as_ref().is_none_or(|only| only == name))
            .collect();
        if names.is_empty() && only.is_some() {
            return then(Err(Condition::ItemNotFound.into()), host);
        }
        let reads = names.iter().map(|name| get(node_key(&owner, name))).collect();
        host.look_up(
            reads,
            Box::new(move |rows, host| then(rows.map_err(Fault::from).map(|rows| pair(names, &rows)), host)),
        );
    };
    host.look_up(index, Box::new(found));
}

fn pair(names: Vec<String>, rows: &[Vec<Row>]) -> Vec<(String, Node)> {
    let nodes = names.into_iter().zip(rows).filter_map(|(name, rows)| {
        let node = row::decode_node(&rows.first()?.value).ok()?;
        Some((name, node))
    });
    nodes.collect()
}

/// Why somebody is sent last items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// An explicit subscription.
    Subscribed,
    /// It has become available, or wants something more.
    Came,
}

/// Sends the last items of those nodes that exist, may be read by the address, and are sent on this occasion.
pub fn send_last(owner: &Jid, to: &Jid, nodes: Vec<String>, occasion: Occasion, host: &mut dyn Host) {
    let (owner, to) = (owner.to_bare().detached(), to.detached());
    let reads = nodes
        .iter()
        .take(LAST_ITEMS_MAX)
        .map(|name| get(node_key(&owner, name)))
        .collect();
    let found = move |rows: Result<Vec<Vec<Row>>, Condition>, host: &mut dyn Host| {
        let Ok(rows) = rows else { return };
        let sent = |node: &Node| match node.config.send_last {
            SendLast::Never => false,
            SendLast::OnSub => occasion == Occasion::Subscribed,
            SendLast::OnSubAndPresence => true,
        };
        let nodes = pair(nodes, &rows).into_iter();
        let last: Vec<(String, Node, Kept)> = nodes
            .filter(|(_, node)| sent(node) && node.may_read(&owner, &to, host).is_ok())
            .filter_map(|(name, node)| Some((name, node.items.last()?.clone(), node)))
            .map(|(name, kept, node)| (name, node, kept))
            .collect();
        if !last.is_empty() {
            send_items(owner, to, last, host);
        }
    };
    host.look_up(reads, Box::new(found));
}

fn send_items(owner: Jid, to: Jid, last: Vec<(String, Node, Kept)>, host: &mut dyn Host) {
    let keys = last.iter().map(|(name, _, kept)| get(item_key(&owner, name, &kept.id)));
    let reads = keys.collect();
    let found = move |rows: Result<Vec<Vec<Row>>, Condition>, host: &mut dyn Host| {
        for ((name, node, kept), rows) in last.iter().zip(rows.unwrap_or_default()) {
            let Some((_, payload)) = rows.first().and_then(|row| row::decode_item(&row.value).ok()) else {
                continue;
            };
            let payload = node.config.flags.deliver_payloads.then_some(payload);
            let body = Bytes::from(notify::item_body(name, &kept.id, payload, Some(kept.stamp)));
            host.send(notify::message(&owner, to.clone(), node, body, Hints::NONE));
        }
    };
    host.look_up(reads, Box::new(found));
}
