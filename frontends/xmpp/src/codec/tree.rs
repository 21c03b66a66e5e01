//! A small element tree for IQ payloads and forms, off the hot path.
//!
//! Invariants: it is built by quick-xml, and only from slices that the scanner has passed, because
//! quick-xml alone accepts what XMPP forbids; namespaces are resolved here. Depth and number of nodes are
//! bounded. Names and unescaped runs borrow from the slice.

use std::borrow::Cow;

use quick_xml::events::Event;

use super::XML;
use super::fault::{Fault, Flaw, Limit};
use super::frame::{Attributes, Child, Stanza};
use super::scan::Scanner;
use super::value::unescape_text;

/// Deepest tree that is built; the scanner's `depth_max` is usually lower or the same.
pub const TREE_DEPTH_MAX: usize = 128;
/// Most elements and text runs of one tree.
pub const TREE_NODES_MAX: usize = 10_000;

/// An element with its resolved name.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Element<'a> {
    name: &'a str,
    namespace: Cow<'a, str>,
    attributes: Vec<TreeAttribute<'a>>,
    nodes: Vec<Node<'a>>,
}

/// An attribute with its resolved name; declarations are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeAttribute<'a> {
    /// Its namespace; empty for names without a prefix.
    pub namespace: Cow<'a, str>,
    /// The local part of its name.
    pub name: &'a str,
    /// Its value, unescaped.
    pub value: Cow<'a, str>,
}

/// A part of an element's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// A child element.
    Element(Element<'a>),
    /// Character data, unescaped. Two never stand side by side, and none is empty.
    Text(Cow<'a, str>),
}

impl<'a> Element<'a> {
    /// Builds the tree of one scanned element, which stands where `default_ns` is the default namespace
    /// and no prefix is declared: `child.raw` of a stanza that declares none, in the usual case.
    /// [`Scanner::tree`] and [`Scanner::child_tree`] know the prefixes, too.
    pub fn parse(slice: &'a str, default_ns: &'a str) -> Result<Element<'a>, Fault> {
        let scope = vec![(Cow::Borrowed(""), Cow::Borrowed(default_ns))];
        TreeBuilder {
            slice,
            scope,
            ..TreeBuilder::default()
        }
        .build()
    }

    /// The local part of its name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Its namespace; empty if none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether it has this local name and namespace.
    pub fn is(&self, name: &str, namespace: &str) -> bool {
        self.name == name && self.namespace == namespace
    }

    /// The value of the attribute with this name and no prefix.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attr_ns(name, "")
    }

    /// The value of the attribute with this local name in this namespace.
    pub fn attr_ns(&self, name: &str, namespace: &str) -> Option<&str> {
        let found = self
            .attributes
            .iter()
            .find(|a| a.name == name && a.namespace == namespace);
        found.map(|a| &*a.value)
    }

    /// Its own `xml:lang`.
    pub fn lang(&self) -> Option<&str> {
        self.attr_ns("lang", XML)
    }

    /// All its attributes.
    pub fn attributes(&self) -> &[TreeAttribute<'a>] {
        &self.attributes
    }

    /// Its content in order.
    pub fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// Its child elements in order.
    pub fn children(&self) -> impl Iterator<Item = &Element<'a>> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first child with this local name and namespace.
    pub fn child(&self, name: &str, namespace: &str) -> Option<&Element<'a>> {
        self.children().find(|child| child.is(name, namespace))
    }

    /// Its own character data, without that of its children.
    pub fn text(&self) -> Cow<'_, str> {
        let mut texts = self.nodes.iter().filter_map(|node| match node {
            Node::Text(text) => Some(&**text),
            Node::Element(_) => None,
        });
        match (texts.next(), texts.next()) {
            (None, _) => Cow::Borrowed(""),
            (Some(only), None) => Cow::Borrowed(only),
            (Some(first), Some(second)) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }
}

impl Scanner {
    /// The tree of the stanza that the last scan gave.
    pub fn tree<'a>(&self, stanza: &Stanza<'a>) -> Result<Element<'a>, Fault> {
        let scope = self.stream_scope();
        TreeBuilder {
            slice: stanza.raw,
            scope,
            ..TreeBuilder::default()
        }
        .build()
    }

    /// The tree of one child of the stanza that the last scan gave.
    pub fn child_tree<'a>(&self, stanza: &Stanza<'a>, child: &Child<'a>) -> Result<Element<'a>, Fault> {
        let mut scope = self.stream_scope();
        declarations(stanza.attributes(), &mut scope);
        TreeBuilder {
            slice: child.raw,
            scope,
            ..TreeBuilder::default()
        }
        .build()
    }

    fn stream_scope<'a>(&self) -> Scope<'a> {
        let known = |name: &str| match [super::CLIENT, super::SERVER].iter().find(|k| **k == name) {
            Some(known) => Cow::Borrowed(*known),
            None => Cow::Owned(name.to_owned()),
        };
        // Prefixes of the header are looked up only by stanzas that use them.
        let used = self
            .inherited()
            .map(|(prefix, name)| (Cow::Owned(prefix.to_owned()), known(name)));
        let default = (Cow::Borrowed(""), known(self.stream_default()));
        std::iter::once(default).chain(used).collect()
    }
}

/// Prefixes (empty: the default) and what they are bound to, innermost last.
type Scope<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

fn declarations<'a>(attributes: Attributes<'a>, scope: &mut Scope<'a>) {
    for attribute in attributes {
        match attribute.name.split_once(':') {
            Some(("xmlns", prefix)) => scope.push((prefix.into(), attribute.value.unescape())),
            None if attribute.name == "xmlns" => {
                scope.push(("".into(), attribute.value.unescape()));
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct TreeBuilder<'a> {
    slice: &'a str,
    scope: Scope<'a>,
    /// Open elements, each with the length of the scope outside of it.
    open: Vec<(Element<'a>, usize)>,
    nodes: usize,
}

impl<'a> TreeBuilder<'a> {
    fn build(mut self) -> Result<Element<'a>, Fault> {
        let mut reader = quick_xml::Reader::from_str(self.slice);
        loop {
            let start = reader.buffer_position() as usize;
            let event = reader.read_event().map_err(|_| Flaw::Tag)?;
            let slice = self.slice;
            let raw = slice.get(start..reader.buffer_position() as usize).unwrap_or_default();
            let complete = match event {
                Event::Start(_) => self.start(raw).map(|()| None)?,
                Event::Empty(_) => self.start(raw).map(|()| self.end())?,
                Event::End(_) => self.end(),
                Event::Text(_) | Event::GeneralRef(_) => self.text(unescape_text(raw)).map(|()| None)?,
                Event::CData(_) => {
                    let inner = raw.strip_prefix("<![CDATA[").and_then(|r| r.strip_suffix("]]>"));
                    self.text(line_ends(inner.unwrap_or_default())).map(|()| None)?
                }
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => {
                    return Err(Fault::RestrictedXml);
                }
                Event::Eof => return Err(Flaw::Outside.into()),
            };
            if let Some(element) = complete {
                return Ok(element);
            }
        }
    }

    fn start(&mut self, head: &'a str) -> Result<(), Fault> {
        self.count()?;
        if self.open.len() >= TREE_DEPTH_MAX {
            return Err(Limit::Depth.into());
        }
        let outside = self.scope.len();
        let attributes = Attributes::of_head(head);
        declarations(attributes.clone(), &mut self.scope);
        let name_end = head.find([' ', '\t', '\n', '\r', '/', '>']).unwrap_or(head.len());
        let (namespace, name) = self.resolve(head.get(1..name_end).unwrap_or_default(), true)?;
        let mut element = Element {
            name,
            namespace,
            ..Element::default()
        };
        for attribute in attributes {
            if attribute.name == "xmlns" || attribute.name.starts_with("xmlns:") {
                continue;
            }
            let (namespace, name) = self.resolve(attribute.name, false)?;
            let value = attribute.value.unescape();
            element.attributes.push(TreeAttribute { namespace, name, value });
        }
        self.open.push((element, outside));
        Ok(())
    }

    /// Closes the innermost element; gives it back if it was the outermost.
    fn end(&mut self) -> Option<Element<'a>> {
        let (element, outside) = self.open.pop()?;
        self.scope.truncate(outside);
        match self.open.last_mut() {
            None => Some(element),
            Some((parent, _)) => {
                parent.nodes.push(Node::Element(element));
                None
            }
        }
    }

    fn text(&mut self, text: Cow<'a, str>) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        self.count()?;
        let Some((parent, _)) = self.open.last_mut() else {
            return Err(Flaw::Outside.into());
        };
        match parent.nodes.last_mut() {
            Some(Node::Text(before)) => before.to_mut().push_str(&text),
            _ => parent.nodes.push(Node::Text(text)),
        }
        Ok(())
    }

    fn resolve(&self, qname: &'a str, element: bool) -> Result<(Cow<'a, str>, &'a str), Fault> {
        let (prefix, local) = match qname.split_once(':') {
            Some((prefix, local)) => (prefix, local),
            None if !element => return Ok((Cow::Borrowed(""), qname)),
            None => ("", qname),
        };
        if prefix == "xml" {
            return Ok((Cow::Borrowed(XML), local));
        }
        match self.scope.iter().rev().find(|(known, _)| *known == prefix) {
            Some((_, namespace)) => Ok((namespace.clone(), local)),
            None if prefix.is_empty() => Ok((Cow::Borrowed(""), local)),
            None => Err(Flaw::UndeclaredPrefix.into()),
        }
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > TREE_NODES_MAX {
            Err(Limit::TreeNodes.into())
        } else {
            Ok(())
        }
    }
}

/// XML 1.0 section 2.11.
fn line_ends(raw: &str) -> Cow<'_, str> {
    match raw.contains('\r') {
        true => Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n")),
        false => Cow::Borrowed(raw),
    }
}
