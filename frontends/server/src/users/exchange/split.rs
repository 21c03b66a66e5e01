//! A file of XEP-0227, cut into the elements that belong to each user. It is read once, from front to back.
//!
//! Invariants:
//! - Memory does not grow with the file: one element of a user's is held at a time, of at most [`ELEMENT_BYTES_MAX`] bytes and
//!   [`DEPTH_MAX`] levels; what is read without an end to it ends the import.
//! - There are no entities but the five of XML and characters by number: a document type is refused.
//! - An element that is handed on declares all prefixes that are in scope where it stood.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use crosspoint_xmpp::exchange::{NS, NS_ARCHIVE};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Longest element of a user's; of lists, each entry is one.
pub const ELEMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Deepest nesting within one.
pub const DEPTH_MAX: usize = 128;

const NS_INCLUDE: &str = "http://www.w3.org/2001/XInclude";

/// What stands in a file, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The users that follow are of this domain.
    Host(String),
    /// A user begins.
    User {
        /// The address's user part.
        name: String,
        /// The password, if the file has it.
        password: Option<String>,
    },
    /// Something that belongs to the user.
    Element(Within, String),
    /// The user ends.
    End,
    /// What stands in another file belongs here.
    Include(String),
    /// Something that is no part of the format.
    Unknown(String),
}

/// Where an element stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// In the user itself.
    User,
    /// In the roster.
    Roster,
    /// In the private documents.
    Private,
    /// In the messages that wait, or in the archive.
    Messages,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    File,
    Data,
    Host,
    User,
    List(Within),
    Skipped,
}

/// Cuts a file up. `sink` is given each part; what it fails with ends the work.
///
/// # Errors
/// The file cannot be read, is not well-formed, or breaks a bound.
pub fn split(input: impl BufRead, sink: &mut dyn FnMut(Part) -> Result<()>) -> Result<()> {
    let since = Rc::new(Cell::new(0));
    let mut reader = Reader::from_reader(Guarded {
        inner: input,
        since: since.clone(),
    });
    let mut splitter = Splitter {
        levels: vec![At::File],
        scopes: Vec::new(),
        element: None,
        sink,
    };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        since.set(0);
        let position = reader.buffer_position();
        let event = reader
            .read_event_into(&mut buffer)
            .with_context(|| format!("byte {position}"))?;
        if matches!(event, Event::Eof) {
            return splitter.end();
        }
        splitter.take(event).with_context(|| format!("byte {position}"))?;
    }
}

struct Splitter<'s> {
    levels: Vec<At>,
    /// Prefixes and their namespaces, of each open element.
    scopes: Vec<Vec<(String, String)>>,
    element: Option<Element>,
    sink: &'s mut dyn FnMut(Part) -> Result<()>,
}

/// An element on its way to the sink.
struct Element {
    within: Within,
    text: String,
    depth: usize,
}

impl Element {
    fn push(&mut self, parts: &[&str]) -> Result<()> {
        parts.iter().for_each(|part| self.text.push_str(part));
        if self.text.len() > ELEMENT_BYTES_MAX {
            bail!("an element is longer than {ELEMENT_BYTES_MAX} bytes");
        }
        Ok(())
    }
}

impl Splitter<'_> {
    fn take(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Start(start) => self.open(&start),
            Event::Empty(start) => {
                self.open(&start)?;
                self.close(start.name().as_ref())
            }
            Event::End(end) => self.close(end.name().as_ref()),
            Event::Text(text) => self.text(&text),
            Event::CData(text) => self.text(&quick_xml::escape::escape(&*text)),
            Event::GeneralRef(name) => {
                let known = matches!(&*name, "lt" | "gt" | "amp" | "apos" | "quot") || name.starts_with('#');
                if !known {
                    bail!("an entity &{}; that is not known", &*name);
                }
                self.text(&["&", &*name, ";"].concat())
            }
            Event::DocType(_) => bail!("a document type, which is not taken: it could define entities"),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::Eof => Ok(()),
        }
    }

    fn text(&mut self, text: &str) -> Result<()> {
        match &mut self.element {
            Some(element) => element.push(&[text]),
            None => Ok(()),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<()> {
        self.scopes.push(declared(start)?);
        if self.scopes.len() > 2 * DEPTH_MAX {
            bail!("elements are nested deeper than {} levels", 2 * DEPTH_MAX);
        }
        if let Some(element) = &mut self.element {
            element.depth += 1;
            if element.depth > DEPTH_MAX {
                bail!("elements are nested deeper than {DEPTH_MAX} levels");
            }
            return element.push(&["<", start, ">"]);
        }
        let (name, namespace) = self.name_of(start)?;
        let at = self.levels.last().copied().unwrap_or(At::Skipped);
        let next = match (at, name.as_str(), namespace.as_str()) {
            (At::File, "server-data", NS) => At::Data,
            (At::File | At::Data, "host", NS) => {
                (self.sink)(Part::Host(needed(start, "jid")?))?;
                At::Host
            }
            (At::File | At::Host, "user", NS) => {
                let (name, password) = (needed(start, "name")?, attribute(start, "password")?);
                (self.sink)(Part::User { name, password })?;
                At::User
            }
            // What includes anything deeper within a user is the user's own (section 5).
            (At::Data | At::Host | At::User, "include", NS_INCLUDE) => {
                (self.sink)(Part::Include(needed(start, "href")?))?;
                At::Skipped
            }
            (At::User, "offline-messages", NS) | (At::User, "archive", NS_ARCHIVE) => At::List(Within::Messages),
            (At::User, "query", "jabber:iq:roster") => At::List(Within::Roster),
            (At::User, "query", "jabber:iq:private") => At::List(Within::Private),
            (At::User, ..) => return self.begin(start, Within::User),
            (At::List(within), ..) => return self.begin(start, within),
            (At::Skipped, ..) => At::Skipped,
            (At::File | At::Data | At::Host, ..) => {
                (self.sink)(Part::Unknown(format!("<{name} xmlns='{namespace}'/>")))?;
                At::Skipped
            }
        };
        self.levels.push(next);
        Ok(())
    }

    /// An element for the sink begins: all that is in scope is declared on it.
    fn begin(&mut self, start: &BytesStart<'_>, within: Within) -> Result<()> {
        let mut element = Element {
            within,
            text: String::new(),
            depth: 1,
        };
        element.push(&["<", start])?;
        let mut known: Vec<&str> = Vec::new();
        let (own, outer) = self.scopes.split_last().context("no element is open")?;
        known.extend(own.iter().map(|(prefix, _)| prefix.as_str()));
        for (prefix, namespace) in outer.iter().rev().flatten() {
            if known.contains(&prefix.as_str()) {
                continue;
            }
            known.push(prefix);
            let name = if prefix.is_empty() {
                String::new()
            } else {
                format!(":{prefix}")
            };
            let value = quick_xml::escape::escape(namespace.as_str());
            element.push(&[" xmlns", &*name, "=\"", &*value, "\""])?;
        }
        element.push(&[">"])?;
        self.element = Some(element);
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<()> {
        self.scopes.pop();
        if let Some(element) = &mut self.element {
            element.push(&["</", name, ">"])?;
            element.depth -= 1;
            if element.depth > 0 {
                return Ok(());
            }
            let Some(element) = self.element.take() else {
                return Ok(());
            };
            return (self.sink)(Part::Element(element.within, element.text));
        }
        match self.levels.pop() {
            Some(At::User) => (self.sink)(Part::End),
            _ => Ok(()),
        }
    }

    fn end(&self) -> Result<()> {
        if self.levels.len() != 1 || self.element.is_some() {
            bail!("the file ends within an element");
        }
        Ok(())
    }

    fn name_of(&self, start: &BytesStart<'_>) -> Result<(String, String)> {
        let name = start.name();
        let name: &str = name.as_ref();
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let found = self.scopes.iter().rev().flatten().find(|(known, _)| known == prefix);
        let namespace = match found {
            Some((_, namespace)) => namespace.clone(),
            None if prefix.is_empty() => String::new(),
            None => bail!("the prefix {prefix} is not declared"),
        };
        Ok((local.to_owned(), namespace))
    }
}

/// The namespaces that a start tag declares, by prefix; the default one under the empty prefix.
fn declared(start: &BytesStart<'_>) -> Result<Vec<(String, String)>> {
    let mut declared = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.context("an attribute")?;
        let key: &str = attribute.key.as_ref();
        let prefix = match key.split_once(':') {
            None if key == "xmlns" => "",
            Some(("xmlns", prefix)) => prefix,
            _ => continue,
        };
        declared.push((prefix.to_owned(), value(&attribute.value)?));
    }
    Ok(declared)
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>> {
    let found = start.try_get_attribute(name).context("an attribute")?;
    found.map(|attribute| value(&attribute.value)).transpose()
}

fn needed(start: &BytesStart<'_>, name: &str) -> Result<String> {
    attribute(start, name)?.with_context(|| format!("an element without its attribute {name}"))
}

fn value(raw: &str) -> Result<String> {
    Ok(quick_xml::escape::unescape(raw).context("a value")?.into_owned())
}

/// Ends what has no end: more bytes for one event than there may be.
struct Guarded<R> {
    inner: R,
    since: Rc<Cell<usize>>,
}

impl<R: BufRead> BufRead for Guarded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.since.get() > ELEMENT_BYTES_MAX {
            let what = format!("a tag or text is longer than {ELEMENT_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.since.set(self.since.get() + count);
        self.inner.consume(count);
    }
}

impl<R: BufRead> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.since.set(self.since.get() + count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        split(text.as_bytes(), &mut |part| {
            parts.push(part);
            Ok(())
        })?;
        Ok(parts)
    }

    fn refused(text: &str) -> String {
        format!("{:#}", parts(text).expect_err("it is refused"))
    }

    #[test]
    fn a_file_is_cut_into_what_belongs_to_each_user() {
        let text = "<?xml version='1.0'?><!-- made by hand --><server-data xmlns='urn:xmpp:pie:0' xmlns:x='urn:x'>\
            <host jid='a.example'><user name='b' password='&lt;&#x41;'>\
            <query xmlns='jabber:iq:roster'><item jid='c@d'/><item jid='e@f'><group>G</group></item></query>\
            <x:thing a='1'><![CDATA[<&]]>&amp;<y/></x:thing>\
            </user><other xmlns='urn:o'><user name='no'/></other></host></server-data>";
        let declared = "xmlns:x=\"urn:x\"";
        let roster = |inner: &str| Part::Element(Within::Roster, inner.to_owned());
        let wanted = [
            Part::Host("a.example".to_owned()),
            Part::User {
                name: "b".to_owned(),
                password: Some("<A".to_owned()),
            },
            roster(&format!(
                "<item jid='c@d' xmlns=\"jabber:iq:roster\" {declared}></item>"
            )),
            roster(&format!(
                "<item jid='e@f' xmlns=\"jabber:iq:roster\" {declared}><group>G</group></item>"
            )),
            Part::Element(
                Within::User,
                format!("<x:thing a='1' xmlns=\"urn:xmpp:pie:0\" {declared}>&lt;&amp;&amp;<y></y></x:thing>"),
            ),
            Part::End,
            Part::Unknown("<other xmlns='urn:o'/>".to_owned()),
        ];
        assert_eq!(parts(text).unwrap(), wanted);
    }

    #[test]
    fn nothing_expands() {
        let bomb =
            "<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><server-data xmlns='urn:xmpp:pie:0'>&b;</server-data>";
        assert!(refused(bomb).contains("document type"));
        let entity = "<server-data xmlns='urn:xmpp:pie:0'>&b;</server-data>";
        assert!(refused(entity).contains("&b;"));
    }

    #[test]
    fn nothing_is_without_an_end() {
        let user = |inner: &str| {
            format!(
                "<server-data xmlns='urn:xmpp:pie:0'><host jid='a'><user name='b'>{inner}</user></host></server-data>"
            )
        };
        let deep = user(&"<a>".repeat(DEPTH_MAX + 2));
        assert!(refused(&deep).contains("nested deeper"));
        let outside = "<a>".repeat(2 * DEPTH_MAX + 2);
        assert!(refused(&outside).contains("nested deeper"));
        let long = user(&format!("<a>{}</a>", "<b/>".repeat(ELEMENT_BYTES_MAX / 4)));
        assert!(refused(&long).contains("longer than"));
        let tag = format!("<a b='{}", "x".repeat(2 * ELEMENT_BYTES_MAX));
        assert!(refused(&tag).contains("longer than"));
    }

    #[test]
    fn what_is_cut_off_or_mismatched_is_refused() {
        for text in [
            "<server-data xmlns='urn:xmpp:pie:0'>",
            "<server-data xmlns='urn:xmpp:pie:0'></other>",
            "<server-data xmlns='urn:xmpp:pie:0'><host/></server-data>",
            "<p:server-data/>",
        ] {
            refused(text);
        }
    }
}
