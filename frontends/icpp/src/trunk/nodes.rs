//! The front-ends of a cluster, as they have said how they are. Shared by all trunks of a back-end.
//!
//! Invariants:
//! - At most [`NODES_MAX`] are known; one that has no trunk left is said to be gone for [`GONE_MS`], then forgotten.
//! - The lock is taken once a second a trunk, never for a session's frame.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::codec::elsewhere::Node;

/// Front-ends that are told apart.
pub const NODES_MAX: usize = 256;
/// Longest list of URLs of one of them.
pub const URLS_BYTES_MAX: usize = 1024;
/// How long one whose trunks have ended is still spoken of.
pub const GONE_MS: u64 = 10_000;

/// What is known of all.
#[derive(Debug, Clone, Default)]
pub struct Nodes(Arc<Mutex<BTreeMap<String, Known>>>);

/// A front-end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Where clients reach it, separated by spaces.
    pub urls: String,
    /// Clients connected.
    pub sessions: u32,
    /// Share of its cores that is busy.
    pub cpu_permille: u16,
    /// How much it may have, beside others.
    pub weight: u16,
    /// Bytes that wait for its clients.
    pub outbox_bytes: u32,
    /// As in TOPOLOGY.
    pub state: u8,
    /// Trunks that it has here.
    trunks: u32,
    gone_at_ms: u64,
}

impl Known {
    /// How a node is that speaks for itself.
    #[must_use]
    pub fn own(sessions: u32, cpu_permille: u16, weight: u16, outbox_bytes: u32, state: u8) -> Known {
        Known {
            sessions,
            cpu_permille,
            weight,
            outbox_bytes,
            state,
            ..Known::default()
        }
    }

    /// From an entry of TOPOLOGY.
    #[must_use]
    pub fn of(node: &Node<'_>) -> Known {
        Known {
            urls: bounded(node.urls).to_owned(),
            sessions: node.sessions,
            cpu_permille: node.cpu_permille,
            weight: node.weight,
            outbox_bytes: node.outbox_bytes,
            state: node.state,
            ..Known::default()
        }
    }

    /// As an entry of TOPOLOGY.
    #[must_use]
    pub fn entry<'a>(&'a self, node: &'a str) -> Node<'a> {
        Node {
            node,
            urls: &self.urls,
            sessions: self.sessions,
            cpu_permille: self.cpu_permille,
            weight: self.weight,
            outbox_bytes: self.outbox_bytes,
            state: self.state,
        }
    }
}

/// A trunk's part in it: while one is held, its node is there.
#[derive(Debug)]
pub struct Joined {
    nodes: Nodes,
    node: String,
}

impl Nodes {
    /// A trunk of this node is there. `None`: there are too many nodes.
    #[must_use]
    pub fn join(&self, node: &str) -> Option<Joined> {
        let mut all = self.all();
        if all.len() >= NODES_MAX && !all.contains_key(node) {
            return None;
        }
        let known = all.entry(node.to_owned()).or_default();
        known.trunks += 1;
        if known.state == Node::GONE {
            known.state = Node::SERVING;
        }
        drop(all);
        Some(Joined {
            nodes: self.clone(),
            node: node.to_owned(),
        })
    }

    /// Appends all of them, as entries of TOPOLOGY.
    pub fn write(&self, now_ms: u64, out: &mut Vec<u8>) {
        let mut all = self.all();
        for known in all
            .values_mut()
            .filter(|known| known.trunks == 0 && known.gone_at_ms == 0)
        {
            known.gone_at_ms = now_ms.max(1);
        }
        all.retain(|_, known| known.trunks > 0 || known.gone_at_ms + GONE_MS > now_ms);
        for (node, known) in &*all {
            known.entry(node).write(out);
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Joined {
    /// The node has said how it is.
    pub fn tell(&self, said: &Node<'_>) {
        if let Some(known) = self.nodes.all().get_mut(&self.node) {
            let trunks = known.trunks;
            *known = Known {
                trunks,
                ..Known::of(said)
            };
        }
    }

    /// Its name.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(known) = self.nodes.all().get_mut(&self.node) {
            known.trunks = known.trunks.saturating_sub(1);
            if known.trunks == 0 {
                (known.state, known.gone_at_ms) = (Node::GONE, 0);
            }
        }
    }
}

/// Whole URLs, as many as there may be.
fn bounded(urls: &str) -> &str {
    if urls.len() <= URLS_BYTES_MAX {
        return urls;
    }
    let mut end = URLS_BYTES_MAX;
    while !urls.is_char_boundary(end) {
        end -= 1;
    }
    urls[..end].rsplit_once(' ').map_or("", |(whole, _)| whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::cursor::Cursor;

    fn written(nodes: &Nodes, now_ms: u64) -> Vec<(String, u32, u8)> {
        let mut out = Vec::new();
        nodes.write(now_ms, &mut out);
        let mut cursor = Cursor::new(&out);
        let mut all = Vec::new();
        while !cursor.is_empty() {
            let node = Node::read(&mut cursor).unwrap();
            all.push((node.node.to_owned(), node.sessions, node.state));
        }
        all
    }

    #[test]
    fn a_node_is_gone_with_its_last_trunk_and_forgotten_later() {
        let nodes = Nodes::default();
        let (first, second) = (nodes.join("fe1").unwrap(), nodes.join("fe1").unwrap());
        let known = Known {
            sessions: 7,
            ..Known::default()
        };
        first.tell(&known.entry("whatever it calls itself"));
        assert_eq!(written(&nodes, 1), [("fe1".to_owned(), 7, Node::SERVING)]);
        drop(first);
        assert_eq!(written(&nodes, 2), [("fe1".to_owned(), 7, Node::SERVING)]);
        drop(second);
        assert_eq!(written(&nodes, 3), [("fe1".to_owned(), 7, Node::GONE)]);
        assert_eq!(written(&nodes, 3 + GONE_MS), []);
    }

    #[test]
    fn a_node_that_comes_back_serves_again() {
        let nodes = Nodes::default();
        drop(nodes.join("fe1").unwrap());
        let _back = nodes.join("fe1").unwrap();
        assert_eq!(written(&nodes, GONE_MS * 2), [("fe1".to_owned(), 0, Node::SERVING)]);
    }

    /// A list whose bound fell into a character was kept as long as it was, and any other was cut in the middle of a URL.
    #[test]
    fn of_a_long_list_of_urls_whole_ones_are_kept() {
        let long = format!("icpp://one:5299 icpp://{}", "\u{e9}".repeat(URLS_BYTES_MAX));
        assert_eq!(bounded(&long), "icpp://one:5299");
        let next = format!("{}x", "a ".repeat(URLS_BYTES_MAX));
        assert_eq!(bounded(&next).len(), URLS_BYTES_MAX - 1);
        assert_eq!(bounded("icpp://one:5299 ws://two/"), "icpp://one:5299 ws://two/");
        assert_eq!(bounded(&"x".repeat(URLS_BYTES_MAX + 1)), "");
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let nodes = Nodes::default();
        let all: Vec<Joined> = (0..NODES_MAX)
            .map_while(|number| nodes.join(&number.to_string()))
            .collect();
        assert_eq!(all.len(), NODES_MAX);
        assert!(nodes.join("one more").is_none());
        assert!(nodes.join("7").is_some(), "known already");
    }
}
