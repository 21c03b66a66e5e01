//! The front-ends of a cluster as one back-end tells of them: how each is, and where clients reach it.
//!
//! Invariant: at most [`NODES_MAX`] are known, and only what the last TOPOLOGY said.

use crate::codec::cursor::Cursor;
use crate::codec::elsewhere::Node;
use crate::redirect::Figures;
use crate::trunk::nodes::{Known, NODES_MAX};

/// What one back-end has told.
#[derive(Debug, Clone, Default)]
pub(super) struct Neighbours {
    nodes: Vec<Figures>,
    /// In the same order.
    urls: Vec<String>,
}

impl Neighbours {
    /// The body of a TOPOLOGY.
    pub(super) fn learn(&mut self, body: &[u8]) {
        let mut cursor = Cursor::new(body);
        self.nodes.clear();
        self.urls.clear();
        while !cursor.is_empty() && self.nodes.len() < NODES_MAX {
            let Ok(node) = Node::read(&mut cursor) else { return };
            let known = Known::of(&node);
            self.nodes.push(figures_of(node.node, &known));
            self.urls.push(known.urls);
        }
    }

    pub(super) fn nodes(&self) -> &[Figures] {
        &self.nodes
    }

    pub(super) fn urls_of(&self, node: &str) -> Option<&str> {
        let place = self.nodes.iter().position(|figures| figures.node == node)?;
        self.urls.get(place).map(String::as_str)
    }

    /// Everybody that any back-end has told of, once; who serves for one of them serves.
    pub(super) fn all(told: &[Neighbours]) -> Vec<Figures> {
        let mut all: Vec<Figures> = Vec::new();
        for node in told.iter().flat_map(Neighbours::nodes) {
            match all.iter_mut().find(|known| known.node == node.node) {
                Some(known) if node.serving && !known.serving => *known = node.clone(),
                Some(_) => {}
                None => all.push(node.clone()),
            }
        }
        all
    }
}

/// How a node is, as load is judged.
pub(super) fn figures_of(node: &str, known: &Known) -> Figures {
    Figures {
        node: node.to_owned(),
        serving: known.state == Node::SERVING && !known.urls.is_empty(),
        sessions: known.sessions,
        cpu_permille: known.cpu_permille,
        outbox_bytes: known.outbox_bytes,
        weight: known.weight,
    }
}
