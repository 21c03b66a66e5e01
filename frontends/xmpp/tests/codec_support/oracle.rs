//! rxml as the oracle: both parsers read the same stream, and must agree on every complete stanza.
//!
//! Intended differences, all in the direction "we refuse what rxml accepts", each with a rule of XMPP:
//! - character data or CDATA between stanzas ([`Fault::BadFormat`]): no such thing in RFC 6120;
//! - a root that is no XMPP stream ([`Fault::BadFormat`], [`Fault::InvalidNamespace`],
//!   [`Fault::BadNamespacePrefix`]): rxml is no XMPP parser;
//! - our limits ([`Fault::PolicyViolation`]);
//! - `xmlns` twice in one tag: rxml keeps the last (`Flaw::DuplicateAttribute`);
//! - `xmlns` as default bound to the name of `xml` or `xmlns`: rxml checks prefixes only
//!   (`Flaw::ReservedPrefix`);
//! - `standalone='YES'`: rxml ignores the case (`Flaw::Declaration`).
//!
//! In the other direction there are two, both before the first stanza, of which nothing is forwarded:
//! - white space before the XML declaration or header, which may be a keep-alive from before a stream
//!   restart, passes; the comparison strips it;
//! - `standalone` without `encoding` passes, as XML 1.0 production 23 has it.
//!
//! rxml 0.14 refuses, or loses, a carriage return in an attribute's value unless a line feed follows,
//! though XML 1.0 section 2.11 makes it a line end. It is therefore shown the stream after that section's
//! normalisation, which a parser has to be equivalent to.
//!
//! rxml 0.14 lacks the range U+FDF0 to U+FFFD in names, which the fifth edition of XML 1.0 has. Both are
//! therefore shown U+F900 in place of these; `codec_rules.rs` holds us to the range.
//!
//! We judge characters and UTF-8 when a stanza is complete, rxml at once: an error that rxml sees in a
//! stanza that never ends leaves us waiting ([`Scan::Partial`]), bounded by `stanza_bytes_max`.

use std::collections::BTreeMap;

use crosspoint_xmpp::codec::tree::Node;
use crosspoint_xmpp::codec::{Element, Fault, Flaw, Frame, Scan, ScanLimits, Scanner, cut, reserialise};
use rxml::{Event, Parse, WithOptions};

/// A tree that both can be turned into.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Plain {
    pub name: (String, String),
    pub attributes: BTreeMap<(String, String), String>,
    pub nodes: Vec<PlainNode>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PlainNode {
    Element(Plain),
    Text(String),
}

/// How a parser's reading ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End<E> {
    Waiting,
    Closed,
    Refused(E),
}

/// What rxml makes of a stream: its complete first-level elements, and how it ended.
pub fn by_rxml(input: &[u8]) -> (Vec<Plain>, End<rxml::Error>) {
    let options = rxml::Options {
        max_token_length: 1 << 16,
        ..Default::default()
    };
    let mut parser = rxml::Parser::with_options(options);
    let (mut done, mut open, mut rest) = (Vec::new(), Vec::<Plain>::new(), input);
    loop {
        match parser.parse(&mut rest, false) {
            Ok(None) => return (done, End::Closed),
            Ok(Some(event)) => {
                if event_into(event, &mut open, &mut done) {
                    return (done, End::Closed);
                }
            }
            Err(rxml::error::EndOrError::NeedMoreData) => return (done, End::Waiting),
            Err(rxml::error::EndOrError::Error(error)) => return (done, End::Refused(error)),
        }
    }
}

/// True if the event closed the root.
fn event_into(event: Event, open: &mut Vec<Plain>, done: &mut Vec<Plain>) -> bool {
    match event {
        Event::XmlDeclaration(..) => {}
        Event::StartElement(_, (namespace, name), attributes) => {
            let attributes = attributes
                .into_iter()
                .map(|((namespace, name), value)| ((namespace.to_string(), name.to_string()), value))
                .collect();
            let name = (namespace.to_string(), name.to_string());
            open.push(Plain {
                name,
                attributes,
                nodes: Vec::new(),
            });
        }
        Event::Text(_, text) => {
            if let Some(parent) = open.last_mut() {
                match parent.nodes.last_mut() {
                    Some(PlainNode::Text(before)) => before.push_str(&text),
                    _ => parent.nodes.push(PlainNode::Text(text)),
                }
            }
        }
        Event::EndElement(_) => {
            let element = open.pop().expect("rxml nests");
            match open.len() {
                0 => return true,
                1 => done.push(element),
                _ => open.last_mut().expect("open").nodes.push(PlainNode::Element(element)),
            }
        }
    }
    false
}

pub fn plain(element: &Element<'_>) -> Plain {
    Plain {
        name: (element.namespace().into(), element.name().into()),
        attributes: element
            .attributes()
            .iter()
            .map(|a| ((a.namespace.to_string(), a.name.to_string()), a.value.to_string()))
            .collect(),
        nodes: element
            .nodes()
            .iter()
            .map(|node| match node {
                Node::Element(child) => PlainNode::Element(plain(child)),
                Node::Text(text) => PlainNode::Text(text.to_string()),
            })
            .collect(),
    }
}

/// What our scanner and tree make of the same stream. On the way it holds every stanza to what the
/// codec promises of it: children and reserialised form have the same tree.
pub fn by_us(input: &[u8]) -> (Vec<Plain>, End<Fault>) {
    let mut scanner = Scanner::new(ScanLimits::AFTER_AUTH);
    let (mut done, mut rest) = (Vec::new(), input);
    loop {
        match scanner.scan(rest) {
            Err(fault) => return (done, End::Refused(fault)),
            Ok(Scan::Partial) => return (done, End::Waiting),
            Ok(Scan::Frame { frame: Frame::End, .. }) => return (done, End::Closed),
            Ok(Scan::Frame { frame, consumed }) => {
                if let Frame::Stanza(stanza) = frame {
                    let tree = plain(&scanner.tree(&stanza).expect("a scanned stanza has a tree"));
                    hold_children(&scanner, &stanza, &tree);
                    hold_reserialised(&scanner, &stanza, &tree);
                    hold_cut(&scanner, &stanza, &tree);
                    done.push(tree);
                }
                rest = &rest[consumed..];
            }
        }
    }
}

fn hold_children(scanner: &Scanner, stanza: &crosspoint_xmpp::codec::Stanza<'_>, tree: &Plain) {
    let children: Vec<Plain> = scanner
        .children(stanza)
        .map(|child| {
            let tree = scanner.child_tree(stanza, &child).expect("a scanned child has a tree");
            assert!(tree.is(child.name, &child.namespace), "{child:?} is {tree:?}");
            plain(&tree)
        })
        .collect();
    let expected: Vec<Plain> = tree
        .nodes
        .iter()
        .filter_map(|node| match node {
            PlainNode::Element(child) => Some(child.clone()),
            PlainNode::Text(_) => None,
        })
        .collect();
    assert_eq!(children, expected);
}

fn hold_reserialised(scanner: &Scanner, stanza: &crosspoint_xmpp::codec::Stanza<'_>, tree: &Plain) {
    let mut out = Vec::new();
    reserialise(stanza, scanner, &mut out);
    let mut again = Scanner::for_stanzas(ScanLimits::AFTER_AUTH);
    match again.scan(&out) {
        Ok(Scan::Frame {
            frame: Frame::Stanza(copy),
            consumed,
        }) => {
            assert_eq!(consumed, out.len());
            if scanner.content_namespace() != "jabber:client" {
                // Between servers the content namespace is another one; the copy leaves it to the stream it is put into,
                // and `again` reads it as a client's.
                return;
            }
            assert_eq!(plain(&again.tree(&copy).expect("tree")), *tree, "{}", copy.raw);
            assert_eq!(copy.verbatim, stanza.namespace == "jabber:client", "{}", copy.raw);
            // Verbatim means: the bytes alone, in a plain stream, are the same stanza.
            if stanza.verbatim {
                assert_eq!(copy.body(), stanza.body());
            }
        }
        other => panic!("{other:?} from {}", String::from_utf8_lossy(&out)),
    }
}

/// Without its odd children a stanza is the tree without them, and still valid.
fn hold_cut(scanner: &Scanner, stanza: &crosspoint_xmpp::codec::Stanza<'_>, tree: &Plain) {
    if stanza.self_closing {
        return;
    }
    let mut count = 0;
    let body = cut(stanza, scanner, |_| {
        count += 1;
        count % 2 == 1
    });
    let tail = &stanza.raw.as_bytes()[stanza.body_end..];
    let rest = [stanza.head().as_bytes(), body.as_bytes(), tail].concat();
    let mut header = String::from("<stream:stream");
    let default = [("", scanner.stream_default())]
        .into_iter()
        .filter(|(_, name)| !name.is_empty());
    for (prefix, name) in default.chain(scanner.stream_prefixes()) {
        let colon = if prefix.is_empty() { "" } else { ":" };
        let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('\"', "&quot;");
        header += &format!(" xmlns{colon}{prefix}=\"{name}\"");
    }
    if !header.contains(" xmlns:stream=") {
        header += " xmlns:stream='http://etherx.jabber.org/streams'";
    }
    let document = [header.as_bytes(), b">", &rest].concat();
    let mut again = Scanner::new(ScanLimits::AFTER_AUTH);
    let start = match again.scan(&document) {
        Ok(Scan::Frame {
            frame: Frame::Header(_),
            consumed,
        }) => consumed,
        // The peer's own `stream` prefix meant something else.
        _ => return,
    };
    match again.scan(&document[start..]) {
        Ok(Scan::Frame {
            frame: Frame::Stanza(copy),
            ..
        }) => {
            assert_eq!(
                plain(&again.tree(&copy).expect("tree")),
                without_odd_children(tree),
                "{}",
                copy.raw
            );
        }
        other => panic!("{other:?} from {}", String::from_utf8_lossy(&rest)),
    }
}

fn without_odd_children(tree: &Plain) -> Plain {
    let mut left = Plain {
        nodes: Vec::new(),
        ..tree.clone()
    };
    let mut count = 0;
    for node in &tree.nodes {
        match (node, left.nodes.last_mut()) {
            (PlainNode::Element(_), _) => {
                count += 1;
                if count % 2 == 0 {
                    left.nodes.push(node.clone());
                }
            }
            (PlainNode::Text(text), Some(PlainNode::Text(before))) => before.push_str(text),
            (PlainNode::Text(_), _) => left.nodes.push(node.clone()),
        }
    }
    left
}

/// Faults of ours that rxml does not know, besides our limits.
pub const STRICTER: &[Fault] = &[
    Fault::BadFormat,
    Fault::InvalidNamespace,
    Fault::BadNamespacePrefix,
    Fault::NotWellFormed(Flaw::DuplicateAttribute),
    Fault::NotWellFormed(Flaw::ReservedPrefix),
    Fault::NotWellFormed(Flaw::Declaration),
];

/// Panics if the two disagree on `input` in any way that is not intended; says whether both accepted it.
pub fn agree(input: &[u8]) -> bool {
    let space = input.iter().take_while(|b| b" \t\r\n".contains(b)).count();
    let input = &input[space..];
    let input = &without_presentation_forms(input)[..];
    let (ours, our_end) = by_us(input);
    let (theirs, their_end) = by_rxml(&line_ends(input));
    if matches!(their_end, End::Refused(rxml::Error::InvalidSyntax(why)) if why.contains("'encoding'")) {
        return false;
    }
    let context = || {
        format!(
            "{}\nours {our_end:?}\ntheirs {their_end:?}",
            String::from_utf8_lossy(input)
        )
    };
    let common = ours.len().min(theirs.len());
    assert_eq!(ours[..common], theirs[..common], "{}", context());
    match (&our_end, &their_end) {
        (End::Refused(_), End::Refused(_)) => {
            // Whoever is stricter stops earlier; where rxml stopped, we must not have gone on.
            assert!(ours.len() <= theirs.len(), "{}", context());
            false
        }
        // rxml judges some tokens only when they end; until it has finished the stanza it has not accepted it.
        (End::Refused(_), End::Waiting) if theirs.len() == ours.len() => false,
        (End::Refused(fault), _) => {
            let intended = STRICTER.contains(fault) || matches!(fault, Fault::PolicyViolation(_));
            assert!(intended, "we refuse, rxml does not: {}", context());
            false
        }
        (End::Waiting, End::Refused(_)) => {
            assert_eq!(ours.len(), theirs.len(), "{}", context());
            false
        }
        (End::Closed, End::Refused(_)) => panic!("rxml refuses, we do not: {}", context()),
        (ours_end, theirs_end) => {
            assert_eq!(ours.len(), theirs.len(), "{}", context());
            assert_eq!(
                matches!(ours_end, End::Closed),
                matches!(theirs_end, End::Closed),
                "{}",
                context()
            );
            true
        }
    }
}

/// XML 1.0 section 2.11.
fn line_ends(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len());
    for (at, &byte) in input.iter().enumerate() {
        match byte {
            b'\n' if at > 0 && input[at - 1] == b'\r' => {}
            b'\r' => out.push(b'\n'),
            byte => out.push(byte),
        }
    }
    out
}

/// U+F900 for each of U+FDF0 to U+FFFD.
fn without_presentation_forms(input: &[u8]) -> Vec<u8> {
    let mut out = input.to_vec();
    for at in 0..out.len() {
        if let [0xEF, 0xB7, 0xB0..=0xBF] | [0xEF, 0xB8..=0xBE, 0x80..=0xBF] | [0xEF, 0xBF, 0x80..=0xBD] =
            out[at..out.len().min(at + 3)]
        {
            out[at + 1..at + 3].copy_from_slice(&[0xA4, 0x80]);
        }
    }
    out
}
