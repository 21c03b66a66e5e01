//! Every verb to its bytes, as SPEC.md draws them, and back, from each side that says it. The hex is written by hand from the document, not
//! from the code.
//!
//! Invariant: a verb, a side or a form that section 12 of SPEC.md has and this test has not fails it.

mod contacts;
mod elsewhere;
mod login;
mod messages;
mod rooms;

use std::collections::HashSet;
use std::fmt::Debug;

use crosspoint_icpp::codec::{Fault, Flags, Frame, Header, Scan, Verb, scan, write_frame};

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Client,
    Server,
    /// Either end of a trunk.
    Trunk,
}

/// As what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    Request,
    Answer,
    Push,
}

/// Of what a golden frame is one.
type What = (Verb, Side, Form);

/// A golden frame that was held to.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    what: What,
    bytes: &'static [u8],
}

/// Hex with blanks, and texts in quotes.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: String = part.split_whitespace().collect();
        let pairs = (0..digits.len()).step_by(2);
        out.extend(pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()));
    }
    out
}

pub(crate) fn request(verb: Verb, id: u32) -> Header {
    Header {
        flags: Flags::REQ,
        id,
        ..Header::push(verb, 0)
    }
}

pub(crate) fn answer(verb: Verb, id: u32) -> Header {
    Header {
        flags: Flags::RESP,
        ..request(verb, id)
    }
}

pub(crate) fn on_trunk(header: Header, slot: u16) -> Header {
    Header { slot, ..header }
}

/// Holds that `value`, written under `header`, is these bytes, and that they are read as both. The four bytes of the length, which
/// `text` begins without, are counted here, so that the tables can be read.
pub(crate) fn golden<T: PartialEq + Debug>(
    side: Side,
    header: Header,
    text: &str,
    value: T,
    write: impl Fn(&T, &mut Vec<u8>),
    read: impl Fn(&'static [u8]) -> Result<T, Fault>,
) -> Shown {
    let rest = bytes(text);
    let length = (rest.len() + 4) as u32;
    let golden: &'static [u8] = Vec::leak([&length.to_le_bytes()[..], &rest].concat());
    let mut written = Vec::new();
    write_frame(&mut written, header, |out| write(&value, out));
    assert_eq!(written, golden, "{value:?} is written as drawn");
    let body = &golden[16..];
    assert_eq!(scan(golden, 1 << 20), Ok(Scan::Frame(Frame { header, body })));
    for cut in 0..body.len() {
        // A text to the end of the frame may be shorter, and extensions fewer; the value is another one then.
        assert_ne!(read(&body[..cut]).as_ref(), Ok(&value), "cut at {cut}");
    }
    assert_eq!(read(body), Ok(value), "and read again");
    let form = match header.flags {
        flags if flags.has(Flags::REQ) => Form::Request,
        flags if flags.has(Flags::RESP) => Form::Answer,
        _ => Form::Push,
    };
    Shown {
        what: (Verb::from_number(header.verb).unwrap(), side, form),
        bytes: golden,
    }
}

/// One that is its header alone.
pub(crate) fn bare(side: Side, header: Header, text: &str) -> Shown {
    let read = |body: &[u8]| match body {
        [] => Ok(()),
        _ => Err(Fault::Malformed),
    };
    golden(side, header, text, (), |(), _| {}, read)
}

#[test]
fn a_header_has_its_fields_where_they_are_drawn() {
    let header = Header {
        verb: Verb::Ping as u8,
        flags: Flags::REQ,
        slot: 0x0203,
        id: 0x04050607,
        ack: 0x08090a0b,
    };
    let golden = bytes("10000000 06 01 0302 07060504 0b0a0908");
    let mut written = Vec::new();
    write_frame(&mut written, header, |_| {});
    assert_eq!(written, golden);
    assert_eq!(scan(&golden, 16), Ok(Scan::Frame(Frame { header, body: &[] })));
}

#[test]
fn of_the_login_and_the_session() {
    assert!(!login::all().is_empty());
}

#[test]
fn of_messages() {
    assert!(!messages::all().is_empty());
}

#[test]
fn of_contacts() {
    assert!(!contacts::all().is_empty());
}

#[test]
fn of_elsewhere_and_trunks() {
    assert!(!elsewhere::all().is_empty());
}

#[test]
fn of_rooms() {
    assert!(!rooms::all().is_empty());
}

fn every_frame() -> Vec<Shown> {
    [
        login::all(),
        messages::all(),
        contacts::all(),
        elsewhere::all(),
        rooms::all(),
    ]
    .concat()
}

#[test]
fn a_stream_of_every_frame_may_be_cut_anywhere() {
    let frames = every_frame();
    for pair in frames.windows(2) {
        let stream = [pair[0].bytes, pair[1].bytes].concat();
        for cut in 0..=stream.len() {
            let mut seen = 0;
            let mut kept = Vec::new();
            for piece in [&stream[..cut], &stream[cut..]] {
                kept.extend_from_slice(piece);
                loop {
                    match scan(&kept, 1 << 20) {
                        Ok(Scan::Frame(frame)) => {
                            let length = frame.len();
                            assert_eq!(&kept[..length], pair[seen].bytes, "cut at {cut}");
                            kept.drain(..length);
                            seen += 1;
                        }
                        Ok(Scan::Partial) => break,
                        Err(fault) => panic!("cut at {cut}: {fault}"),
                    }
                }
            }
            assert_eq!((seen, kept.len()), (2, 0), "cut at {cut}");
        }
    }
}

/// A line of the table of section 12.
struct Row {
    number: u8,
    name: &'static str,
    sides: Vec<Side>,
    forms: Vec<Form>,
    reliable: &'static str,
}

fn table() -> Vec<Row> {
    let text = include_str!("../../SPEC.md");
    let section = text.split("\n## 12. Verbs").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| 0x"));
    lines.map(row).collect()
}

fn row(line: &'static str) -> Row {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, number, name, from, form, reliable, _body, _] = cells[..] else {
        panic!("{line}")
    };
    let sides = from.split(", ").flat_map(|side| match side {
        "client" => vec![Side::Client],
        "server" => vec![Side::Server],
        "both" => vec![Side::Client, Side::Server],
        "trunk" => vec![Side::Trunk],
        _ => panic!("{line}"),
    });
    let forms = form.split("; ").map(|form| match form.split([' ', ',']).next() {
        Some("request") => Form::Request,
        Some("answer") => Form::Answer,
        Some("push") => Form::Push,
        _ => panic!("{line}"),
    });
    Row {
        number: u8::from_str_radix(&number[2..], 16).unwrap(),
        name,
        sides: sides.collect(),
        forms: forms.collect(),
        reliable,
    }
}

/// What a line promises: clients ask, servers answer; of what is asked for, only servers push.
fn promised(row: &Row, verb: Verb) -> Vec<What> {
    let asks = row.forms.contains(&Form::Request);
    let says = |side: &Side, form: &Form| match (side, form) {
        (Side::Client, Form::Answer) | (Side::Server, Form::Request) => false,
        (Side::Client, Form::Push) => !asks,
        _ => true,
    };
    let all = row
        .sides
        .iter()
        .flat_map(|side| row.forms.iter().map(move |form| (side, form)));
    all.filter(|(side, form)| says(side, form))
        .map(|(side, form)| (verb, *side, *form))
        .collect()
}

#[test]
fn every_verb_has_its_bytes_from_each_side_in_each_form() {
    let shown: HashSet<What> = every_frame().iter().map(|shown| shown.what).collect();
    let rows = table();
    let mut expected = HashSet::new();
    for row in &rows {
        let verb = Verb::from_number(row.number).unwrap_or_else(|| panic!("{} is not known", row.name));
        let promised = promised(row, verb);
        assert!(!promised.is_empty(), "{}", row.name);
        expected.extend(promised);
    }
    let missing: Vec<_> = expected.difference(&shown).collect();
    assert!(missing.is_empty(), "no golden bytes: {missing:?}");
    let beyond: Vec<_> = shown.difference(&expected).collect();
    assert!(beyond.is_empty(), "not in section 12: {beyond:?}");
}

#[test]
fn the_verbs_are_those_of_the_document() {
    let rows = table();
    let known: Vec<(u8, String)> = Verb::ALL
        .iter()
        .map(|verb| (*verb as u8, format!("{verb:?}").to_uppercase()))
        .collect();
    let drawn: Vec<(u8, String)> = rows.iter().map(|row| (row.number, row.name.to_owned())).collect();
    assert_eq!(drawn, known);
    for row in &rows {
        let verb = Verb::from_number(row.number).unwrap();
        let counted = (
            matches!(row.reliable, "client" | "both"),
            matches!(row.reliable, "server" | "server: push" | "both"),
        );
        let counts = (verb.is_reliable_from_client(), verb.is_reliable_from_server());
        assert_eq!(counted, counts, "{}", row.name);
    }
}
