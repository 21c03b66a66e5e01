//! Rows of nodes and items on the disk.
//!
//! ```text
//! Table::Pubsub   user NUL NUL             ->  index: 1, then list of (name of a node, bytes of its payloads u64 LE)
//!                 user NUL node NUL        ->  node: 1, configuration, affiliations, subscriptions, items oldest first
//!                 user NUL node NUL item   ->  item: 1, publisher, payload
//!
//! text     length u32 LE, bytes of UTF-8            list    count u32 LE, its entries
//! configuration   access, publish model, last item, type of events: u8 each; flags u8; items max u32; title, description,
//!                 type: texts; roster groups: list of texts
//! affiliations    list of (u8, address)             subscriptions   list of addresses
//! items           list of (stamp u64 LE, bytes u32 LE, name)
//! ```
//! Invariant: what was encoded is decoded to the same; anything else is refused, never misread.

use crosspoint_engine::jid::Jid;

use super::config::{Access, Config, Flags, PublishModel, SendLast};
use super::node::{Affiliation, Kept, Node};

const VERSION: u8 = 1;

/// A row that this version cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// The index of a user's nodes, with the bytes of their payloads.
pub fn encode_index(nodes: &[(String, u64)]) -> Vec<u8> {
    let mut out = vec![VERSION];
    list(&mut out, nodes, |out, (name, bytes)| {
        text(out, name);
        out.extend(bytes.to_le_bytes());
    });
    out
}

/// See [`encode_index`].
pub fn decode_index(row: &[u8]) -> Result<Vec<(String, u64)>, Unreadable> {
    let mut from = Reader::open(row)?;
    let nodes = from.list(|from| Ok((from.text()?, from.u64()?)))?;
    from.end(nodes)
}

/// A node's row.
pub fn encode_node(node: &Node) -> Vec<u8> {
    let mut out = vec![VERSION];
    let Config {
        access,
        publish,
        send_last,
        flags,
        items_max,
        title,
        description,
        kind,
        groups,
    } = &node.config;
    out.extend([*access as u8, *publish as u8, *send_last as u8, flags.bits()]);
    out.extend(items_max.to_le_bytes());
    [title, description, kind]
        .into_iter()
        .for_each(|value| text(&mut out, value));
    list(&mut out, groups, |out, group| text(out, group));
    list(&mut out, &node.affiliations, |out, (who, affiliation)| {
        out.push(*affiliation as u8);
        text(out, who.as_str());
    });
    list(&mut out, &node.subscribers, |out, who| text(out, who.as_str()));
    list(&mut out, &node.items, |out, item| {
        out.extend(item.stamp.to_le_bytes());
        out.extend(item.bytes.to_le_bytes());
        text(out, &item.id);
    });
    out
}

/// See [`encode_node`].
pub fn decode_node(row: &[u8]) -> Result<Node, Unreadable> {
    let mut from = Reader::open(row)?;
    let config = Config {
        access: Access::from_number(from.byte()?).ok_or(Unreadable)?,
        publish: PublishModel::from_number(from.byte()?).ok_or(Unreadable)?,
        send_last: SendLast::from_number(from.byte()?).ok_or(Unreadable)?,
        flags: Flags::from_bits(from.byte()?),
        items_max: from.u32()?,
        title: from.text()?,
        description: from.text()?,
        kind: from.text()?,
        groups: from.list(Reader::text)?,
    };
    let affiliations = from.list(|from| {
        let affiliation = Affiliation::ALL
            .into_iter()
            .nth(from.byte()?.into())
            .ok_or(Unreadable)?;
        Ok((from.address()?, affiliation))
    })?;
    let subscribers = from.list(Reader::address)?;
    let items = from.list(|from| {
        Ok(Kept {
            stamp: from.u64()?,
            bytes: from.u32()?,
            id: from.text()?,
        })
    })?;
    let node = Node {
        config,
        affiliations,
        subscribers,
        items,
    };
    from.end(node)
}

/// An item's row.
pub fn encode_item(publisher: &Jid, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![VERSION];
    text(&mut out, publisher.as_str());
    out.extend_from_slice(payload);
    out
}

/// Publisher and payload; see [`encode_item`].
pub fn decode_item(row: &[u8]) -> Result<(Jid, &[u8]), Unreadable> {
    let mut from = Reader::open(row)?;
    Ok((from.address()?, from.0))
}

fn text(out: &mut Vec<u8>, text: &str) {
    // Bounded with the stanza that it came in.
    out.extend((text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn list<T>(out: &mut Vec<u8>, entries: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.extend((entries.len() as u32).to_le_bytes());
    entries.iter().for_each(|entry| write(out, entry));
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn open(row: &'a [u8]) -> Result<Reader<'a>, Unreadable> {
        match row.split_first() {
            Some((&VERSION, rest)) => Ok(Reader(rest)),
            _ => Err(Unreadable),
        }
    }

    fn end<T>(&self, whole: T) -> Result<T, Unreadable> {
        if self.0.is_empty() { Ok(whole) } else { Err(Unreadable) }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Unreadable)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, Unreadable> {
        let bytes = self.take(4)?.try_into().map_err(|_| Unreadable)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn u64(&mut self) -> Result<u64, Unreadable> {
        let bytes = self.take(8)?.try_into().map_err(|_| Unreadable)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn text(&mut self) -> Result<String, Unreadable> {
        let count = self.u32()? as usize;
        let text = str::from_utf8(self.take(count)?).map_err(|_| Unreadable)?;
        Ok(text.to_owned())
    }

    fn address(&mut self) -> Result<Jid, Unreadable> {
        let count = self.u32()? as usize;
        let text = str::from_utf8(self.take(count)?).map_err(|_| Unreadable)?;
        Jid::parse(text).map_err(|_| Unreadable)
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T, Unreadable>) -> Result<Vec<T>, Unreadable> {
        let count = self.u32()?;
        // No capacity is reserved by what a row merely claims.
        (0..count).map(|_| read(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        let jid = |text| Jid::parse(text).expect("a good address");
        Node {
            config: Config {
                access: Access::Whitelist,
                publish: PublishModel::Open,
                send_last: SendLast::Never,
                items_max: 7,
                title: "t".to_owned(),
                groups: vec!["friends".to_owned()],
                ..Config::default()
            },
            affiliations: vec![(jid("romeo@x.org"), Affiliation::Member)],
            subscribers: vec![jid("nurse@x.org/hall")],
            items: vec![Kept {
                stamp: 3,
                bytes: 9,
                id: "current".to_owned(),
            }],
        }
    }

    #[test]
    fn a_node_comes_back_from_its_row_and_a_cut_row_is_refused() {
        let row = encode_node(&node());
        assert_eq!(decode_node(&row), Ok(node()));
        for end in 0..row.len() {
            assert_eq!(decode_node(&row[..end]), Err(Unreadable), "cut at {end}");
        }
        assert_eq!(decode_node(&[&row[..], &[0]].concat()), Err(Unreadable));
    }

    #[test]
    fn the_bytes_of_a_nodes_row_stay_what_they_are() {
        let row = encode_node(&Node {
            config: Config::default(),
            affiliations: Vec::new(),
            subscribers: Vec::new(),
            items: vec![Kept {
                stamp: 0x0102,
                bytes: 5,
                id: "a".to_owned(),
            }],
        });
        let expected = [
            &[1, 1, 0, 2, 0b0001_1111][..],
            &1u32.to_le_bytes(),
            &[0; 12],
            &[0; 4],
            &[0; 4],
            &[0; 4],
            &[1, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, b'a'],
        ];
        assert_eq!(row, expected.concat());
    }

    #[test]
    fn an_item_and_an_index_come_back() {
        let publisher = Jid::parse("juliet@x.org").expect("a good address");
        let row = encode_item(&publisher, b"<a xmlns='b'/>");
        assert_eq!(decode_item(&row), Ok((publisher, &b"<a xmlns='b'/>"[..])));
        let names = vec![("urn:a".to_owned(), 7), ("b".to_owned(), 0)];
        assert_eq!(decode_index(&encode_index(&names)), Ok(names));
        assert_eq!(decode_index(&[2, 0, 0, 0, 0]), Err(Unreadable));
    }
}
