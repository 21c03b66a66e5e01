//! One node on the table: read from the book, changed, written back, and told of, as one turn of its owner.
//!
//! Invariants:
//! - Changes of one user's nodes happen one after the other, each with the rows that the one before has left.
//! - Nobody hears of a change before it is durable. A fault changes nothing and ends the turn.
//! - The index has exactly the nodes that have a row, and the bytes of their payloads.

use bytes::Bytes;
use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{BookRead, BookWrite, Host, Row, Table};

use super::config::Config;
use super::error::{Detail, Fault};
use super::follow;
use super::node::Node;
use super::notify::{self, Event};
use super::row;
use super::{BYTES_PER_USER_MAX, NODES_PER_USER_MAX};

/// A user's node under change.
pub struct Sheet {
    pub owner: Jid,
    pub name: String,
    /// `None`: there is no such node.
    pub node: Option<Node>,
    /// What is to be said of it.
    pub events: Vec<Event>,
    index: Index,
    writes: Vec<BookWrite>,
    existed: bool,
}

/// The nodes of a user, with the bytes of their payloads.
pub type Index = Vec<(String, u64)>;

/// What is done with a sheet.
pub type Edit<T> = Box<dyn FnOnce(&mut Sheet, &dyn Host) -> Result<T, Fault> + Send>;
/// What is done when it is durable.
pub type Done<T> = Box<dyn FnOnce(Result<T, Fault>, &mut dyn Host) + Send>;

/// What is done next, with the turn still taken.
pub type Next = Done<()>;

/// Changes a node of a user whose home is here, in a turn of its own, with all that follows from it elsewhere.
pub fn edit<T: Send + 'static>(owner: &Jid, name: &str, edit: Edit<T>, done: Done<T>, host: &mut dyn Host) {
    let owner = owner.to_bare().detached();
    let (turn, name) = (owner.clone(), name.to_owned());
    let begin = move |granted: Result<(), Condition>, host: &mut dyn Host| {
        if let Err(condition) = granted {
            return done(Err(condition.into()), host);
        }
        let (of, node) = (owner.clone(), name.clone());
        let end = move |result: Result<T, Fault>, host: &mut dyn Host| {
            let turn = owner.clone();
            let failed = result.is_err();
            let end = move |followed: Result<(), Fault>, host: &mut dyn Host| {
                host.end_turn(&turn);
                done(result.and_then(|said| followed.map(|()| said)), host);
            };
            match failed {
                true => end(Ok(()), host),
                false => follow::after(&owner, &name, Box::new(end), host),
            }
        };
        in_turn(&of, &node, edit, Box::new(end), host);
    };
    host.take_turn(&turn, Box::new(begin));
}

/// Changes a node within a turn that the caller has taken, and has to end when `done` was called. Nothing follows.
pub fn in_turn<T: Send + 'static>(owner: &Jid, name: &str, edit: Edit<T>, done: Done<T>, host: &mut dyn Host) {
    let (owner, name) = (owner.clone(), name.to_owned());
    let reads = vec![get(index_key(&owner)), get(node_key(&owner, &name))];
    let go_on = move |rows: Result<Vec<Vec<Row>>, Condition>, host: &mut dyn Host| {
        let sheet = rows
            .map_err(Fault::from)
            .and_then(|rows| Sheet::read(owner, name, &rows));
        match sheet.and_then(|mut sheet| edit(&mut sheet, host).map(|said| (sheet, said))) {
            Ok((sheet, said)) => sheet.commit(said, done, host),
            Err(fault) => done(Err(fault), host),
        }
    };
    host.look_up(reads, Box::new(go_on));
}

/// A node with its payloads, by the names of the items, oldest first.
pub type Contents = (Node, Vec<(String, Bytes)>);

/// Called once with a node that was read, or that there is none.
pub type ThenContents = Done<Option<Contents>>;

/// Reads a node with everything in it.
pub fn contents(owner: &Jid, name: &str, then: ThenContents, host: &mut dyn Host) {
    let (owner, name) = (owner.clone(), name.to_owned());
    let reads = vec![get(index_key(&owner)), get(node_key(&owner, &name))];
    let found = move |rows: Result<Vec<Vec<Row>>, Condition>, host: &mut dyn Host| {
        let node = match rows.map_err(Fault::from).and_then(|rows| decode(&rows)) {
            Ok((_, Some(node))) => node,
            Ok((_, None)) => return then(Ok(None), host),
            Err(fault) => return then(Err(fault), host),
        };
        let kept = node.items.iter();
        let reads = kept.map(|kept| get(item_key(&owner, &name, &kept.id))).collect();
        let read = move |rows: Result<Vec<Vec<Row>>, Condition>, host: &mut dyn Host| {
            let rows = match rows {
                Ok(rows) => rows,
                Err(condition) => return then(Err(condition.into()), host),
            };
            let payload = |rows: &Vec<Row>| {
                let row = &rows.first()?.value;
                let payload = row::decode_item(row).ok()?.1;
                Some(row.slice(row.len() - payload.len()..))
            };
            let pairs = node.items.iter().zip(&rows);
            let items = pairs.filter_map(|(kept, rows)| Some((kept.id.clone(), payload(rows)?)));
            let items = items.collect();
            then(Ok(Some((node, items))), host);
        };
        host.look_up(reads, Box::new(read));
    };
    host.look_up(reads, Box::new(found));
}

impl Sheet {
    fn read(owner: Jid, name: String, rows: &[Vec<Row>]) -> Result<Sheet, Fault> {
        let (index, node) = decode(rows)?;
        Ok(Sheet {
            existed: node.is_some(),
            owner,
            name,
            node,
            events: Vec::new(),
            index,
            writes: Vec::new(),
        })
    }

    /// The node, or that there is none.
    pub fn node(&mut self) -> Result<&mut Node, Fault> {
        self.node.as_mut().ok_or(Condition::ItemNotFound.into())
    }

    /// A new node.
    pub fn create(&mut self, config: Config) -> Result<&mut Node, Fault> {
        if self.index.len() >= NODES_PER_USER_MAX {
            return Err(Fault::new(Condition::ResourceConstraint, Detail::MaxNodesExceeded));
        }
        Ok(self.node.insert(Node::new(config)))
    }

    /// Makes the node, as it is by default, if there is none.
    pub fn ensure(&mut self) -> Result<&mut Node, Fault> {
        if self.node.is_none() {
            self.create(Config::of_new(&self.name.clone()))?;
        }
        self.node()
    }

    /// Publishes an item; gives its name.
    pub fn publish(
        &mut self,
        publisher: &Jid,
        id: Option<String>,
        payload: Bytes,
        unix_ms: u64,
    ) -> Result<String, Fault> {
        let node = self.node.as_mut().ok_or(Fault::from(Condition::ItemNotFound))?;
        // Bounded with the payload's own bound.
        let (id, gone) = node.put(id, payload.len() as u32, unix_ms);
        if node.config.flags.persist_items {
            self.writes.push(BookWrite::Put {
                table: Table::Pubsub,
                key: item_key(&self.owner, &self.name, &id),
                value: row::encode_item(&publisher.to_bare(), &payload).into(),
            });
        }
        self.forget(&gone);
        self.events.push(Event::Item {
            id: id.clone(),
            payload,
        });
        Ok(id)
    }

    /// Takes an item back; `item-not-found` if there is none.
    pub fn retract(&mut self, id: &str, notify: bool) -> Result<(), Fault> {
        let node = self.node()?;
        if !node.take(id) {
            return Err(Condition::ItemNotFound.into());
        }
        if notify || node.config.flags.notify_retract {
            self.events.push(Event::Retracted { id: id.to_owned() });
        }
        self.forget(&[id.to_owned()]);
        Ok(())
    }

    /// Deletes the rows of these items.
    pub fn forget(&mut self, ids: &[String]) {
        let keys = ids.iter().map(|id| item_key(&self.owner, &self.name, id));
        self.writes.extend(keys.map(|key| BookWrite::Delete {
            table: Table::Pubsub,
            key,
        }));
    }

    /// Deletes the node with its items.
    pub fn delete(&mut self) {
        if let Some(node) = self.node.take().filter(|node| node.config.flags.notify_delete) {
            self.events.push(Event::Deleted(Box::new(node)));
        }
        self.writes.push(BookWrite::DeletePrefix {
            table: Table::Pubsub,
            prefix: node_key(&self.owner, &self.name),
        });
    }

    fn commit<T: Send + 'static>(mut self, said: T, done: Done<T>, host: &mut dyn Host) {
        if let Err(fault) = self.balance() {
            return done(Err(fault), host);
        }
        let Sheet {
            owner,
            name,
            node,
            events,
            writes,
            ..
        } = self;
        let finish = move |result: Result<(), Condition>, host: &mut dyn Host| {
            if result.is_ok() {
                notify::tell(&owner, &name, node.as_ref(), &events, host);
            }
            done(result.map(|()| said).map_err(Fault::from), host);
        };
        host.write(writes, Box::new(finish));
    }

    /// Writes the node's and the index's rows, within the bound of bytes.
    fn balance(&mut self) -> Result<(), Fault> {
        let bytes = self.node.as_ref().map(Node::bytes);
        let before = self.index.clone();
        self.index.retain(|(name, _)| *name != self.name);
        if let (Some(bytes), Some(node)) = (bytes, &self.node) {
            self.index.push((self.name.clone(), bytes));
            self.index.sort_unstable();
            self.writes.push(BookWrite::Put {
                table: Table::Pubsub,
                key: node_key(&self.owner, &self.name),
                value: row::encode_node(node).into(),
            });
        }
        let sum = |index: &[(String, u64)]| index.iter().map(|(_, bytes)| *bytes).sum::<u64>();
        if sum(&self.index) > BYTES_PER_USER_MAX.max(sum(&before)) {
            return Err(Condition::ResourceConstraint.into());
        }
        if self.index != before || self.existed != self.node.is_some() {
            self.writes.push(BookWrite::Put {
                table: Table::Pubsub,
                key: index_key(&self.owner),
                value: row::encode_index(&self.index).into(),
            });
        }
        Ok(())
    }
}

/// The index and the node from the answers to a look-up of both.
pub fn decode(rows: &[Vec<Row>]) -> Result<(Index, Option<Node>), Fault> {
    let unreadable = |_| Fault::from(Condition::InternalServerError);
    let first = |at: usize| rows.get(at).and_then(|rows| rows.first()).map(|row| &row.value);
    let index = first(0)
        .map_or(Ok(Vec::new()), |row| row::decode_index(row))
        .map_err(unreadable)?;
    let node = first(1)
        .map(|row| row::decode_node(row))
        .transpose()
        .map_err(unreadable)?;
    Ok((index, node))
}

/// One row of the table.
pub fn get(key: Bytes) -> BookRead {
    BookRead::Get {
        table: Table::Pubsub,
        key,
    }
}

pub fn index_key(owner: &Jid) -> Bytes {
    [owner.bare_str(), "\0\0"].concat().into()
}

pub fn node_key(owner: &Jid, node: &str) -> Bytes {
    [owner.bare_str(), "\0", node, "\0"].concat().into()
}

pub fn item_key(owner: &Jid, node: &str, id: &str) -> Bytes {
    [owner.bare_str(), "\0", node, "\0", id].concat().into()
}
