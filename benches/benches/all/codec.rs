//! Scanning and writing stanzas, beside quick-xml and rxml on the same corpus.
//!
//! The scanner validates everything and resolves namespaces. quick-xml checks neither characters nor prefixes nor duplicate
//! attributes unless told, and here it is not; rxml does all of that, and copies.

use std::hint::black_box;

use criterion::Throughput;
use crosspoint_benches::client::HEADER;
use crosspoint_benches::corpus::CORPUS;
use crosspoint_benches::icpp;
use crosspoint_benches::scenes::{self, WINDOW};
use crosspoint_icpp::codec::message::kind;
use crosspoint_icpp::codec::{FRAME_BYTES, Flags, Header, Message, Verb, write_frame};
use crosspoint_xmpp::codec::{Attrs, Builder, Frame, Scan, ScanLimits, Scanner, write_head};
use rxml::{Parse, WithOptions};

use crate::unit::{counting, noun};

/// Stanzas that are also scanned by themselves.
const ALONE: [&str; 6] = [
    "chat-receipt",
    "typing",
    "presence-caps",
    "roster-result",
    "entities",
    "chat-huge",
];

pub fn benches() {
    scan();
    protocols();
    write();
    write_protocols();
}

/// The same chat message in both protocols: found, checked, and its fields read.
fn protocols() {
    let mut criterion = counting(noun!("messages"));
    let mut group = criterion.benchmark_group("scan/same-message");
    let xmpp: String = (0..WINDOW).map(|id| scenes::chat_message("juliet", 100 + id)).collect();
    let icpp: Vec<u8> = (0..WINDOW)
        .flat_map(|id| icpp::chat_message("juliet", id, Flags::NONE))
        .collect();
    let sized = |bytes: usize| Throughput::ElementsAndBytes {
        elements: WINDOW as u64,
        bytes: bytes as u64,
    };
    group.throughput(sized(xmpp.len()));
    let mut scan = ours(&xmpp, true);
    group.bench_function("xmpp", |bencher| bencher.iter(&mut scan));
    group.throughput(sized(icpp.len()));
    group.bench_function("icpp", |bencher| bencher.iter(|| frames(black_box(&icpp))));
}

fn frames(bytes: &[u8]) {
    let (mut rest, mut count) = (bytes, 0);
    while let Ok(crosspoint_icpp::codec::Scan::Frame(frame)) = crosspoint_icpp::codec::scan(rest, FRAME_BYTES) {
        count += usize::from(black_box(Message::read(frame.body)).is_ok());
        rest = &rest[frame.len()..];
    }
    assert_eq!(count, WINDOW);
}

fn scan() {
    let mut criterion = counting(noun!("stanzas"));
    let corpus: String = CORPUS.iter().map(|(_, stanza)| *stanza).collect();
    let alone = CORPUS.iter().filter(|(name, _)| ALONE.contains(name));
    let cases = alone.map(|(name, stanza)| (*name, (*stanza).to_owned(), 1));
    for (name, text, stanzas) in std::iter::once(("corpus", corpus, CORPUS.len())).chain(cases) {
        let mut group = criterion.benchmark_group(format!("scan/{name}"));
        group.throughput(Throughput::ElementsAndBytes {
            elements: stanzas as u64,
            bytes: text.len() as u64,
        });
        let mut scan = ours(&text, false);
        group.bench_function("crosspoint", |bencher| bencher.iter(&mut scan));
        let mut scan = ours(&text, true);
        group.bench_function("crosspoint and children", |bencher| bencher.iter(&mut scan));
        let mut scan = by_quick_xml(&text);
        group.bench_function("quick-xml", |bencher| bencher.iter(&mut scan));
        let mut scan = by_rxml(&text);
        group.bench_function("rxml", |bencher| bencher.iter(&mut scan));
    }
}

fn ours(stanzas: &str, children: bool) -> impl FnMut() + use<'_> {
    let mut scanner = Scanner::new(ScanLimits::AFTER_AUTH);
    let mut header = HEADER.as_bytes();
    while let Ok(Scan::Frame { consumed, .. }) = scanner.scan(header) {
        header = &header[consumed..];
    }
    move || {
        let mut rest = black_box(stanzas).as_bytes();
        while let Ok(Scan::Frame { frame, consumed }) = scanner.scan(rest) {
            if let Frame::Stanza(stanza) = &frame
                && children
            {
                scanner.children(stanza).for_each(|child| drop(black_box(child)));
            }
            black_box(&frame);
            rest = &rest[consumed..];
        }
        assert!(rest.is_empty());
    }
}

/// Events with their attributes, names unresolved.
fn by_quick_xml(stanzas: &str) -> impl FnMut() + use<'_> {
    use quick_xml::events::Event;
    move || {
        let mut reader = quick_xml::Reader::from_str(black_box(stanzas));
        loop {
            match black_box(reader.read_event()) {
                Ok(Event::Start(tag) | Event::Empty(tag)) => {
                    for attribute in tag.attributes() {
                        let _ = black_box(attribute);
                    }
                }
                Ok(Event::Eof) => break,
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn by_rxml(stanzas: &str) -> impl FnMut() + use<'_> {
    let options = rxml::Options {
        max_token_length: 1 << 16,
        ..Default::default()
    };
    let mut parser = rxml::Parser::with_options(options);
    let mut header = HEADER.as_bytes();
    while parser.parse(&mut header, false).is_ok() {}
    move || {
        let mut rest = black_box(stanzas).as_bytes();
        while let Ok(event) = parser.parse(&mut rest, false) {
            black_box(event);
        }
        assert!(rest.is_empty());
    }
}

const FROM: &str = "romeo@montague.example/orchard-7f3a";
const TO: &str = "juliet@capulet.example/phone";
const ID: &str = "0d1f8a52-6e0b-4b55-9a64-cf2a7dbd90c1";
const BODY: &str = "The train is late again, I will be at the station at about twenty past six & a bit.";
const STATES: &str = "http://jabber.org/protocol/chatstates";

/// A chat message with a body that must be escaped and a payload.
fn write() {
    let mut criterion = counting(noun!("stanzas"));
    let mut group = criterion.benchmark_group("write/chat");
    let mut out = Vec::with_capacity(1024);
    write_ours(&mut out);
    group.throughput(Throughput::ElementsAndBytes {
        elements: 1,
        bytes: out.len() as u64,
    });
    group.bench_function("crosspoint", |bencher| {
        bencher.iter(|| {
            out.clear();
            write_ours(black_box(&mut out));
        });
    });
    group.bench_function("quick-xml", |bencher| {
        bencher.iter(|| {
            out.clear();
            write_by_quick_xml(black_box(&mut out)).expect("memory does not fail");
        });
    });
    let mut encoder = rxml_encoder();
    group.bench_function("rxml", |bencher| {
        bencher.iter(|| {
            out.clear();
            write_by_rxml(&mut encoder, black_box(&mut out)).expect("memory does not fail");
        });
    });
}

/// Appends a message.
type Write = fn(&mut Vec<u8>);

/// The same chat message in both protocols, as it goes to its addressee.
fn write_protocols() {
    let mut criterion = counting(noun!("messages"));
    let mut group = criterion.benchmark_group("write/same-message");
    let mut out = Vec::with_capacity(1024);
    for (name, write) in [("xmpp", write_ours as Write), ("icpp", write_as_icpp)] {
        out.clear();
        write(&mut out);
        group.throughput(Throughput::ElementsAndBytes {
            elements: 1,
            bytes: out.len() as u64,
        });
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                write(black_box(&mut out));
            });
        });
    }
}

/// STATE active.
const ACTIVE: &[u8] = b"\x0b\x00\x01\x00\x00";

fn write_as_icpp(out: &mut Vec<u8>) {
    let message = Message {
        id: [7; 16],
        stamp: 1 << 60,
        kind: kind::CHAT,
        to: TO,
        from: FROM,
        extensions: ACTIVE,
        payload: BODY.as_bytes(),
    };
    write_frame(out, Header::push(Verb::Deliver, 7), |out| message.write(out));
}

fn write_ours(out: &mut Vec<u8>) {
    let attrs = Attrs {
        from: Some(FROM.into()),
        to: Some(TO.into()),
        kind: Some("chat".into()),
        id: Some(ID.into()),
        ..Attrs::default()
    };
    write_head(out, "message", &attrs, false);
    let mut message = Builder::within(out, "message");
    message.open("body").text(BODY).close();
    message.empty("active", STATES);
}

fn write_by_quick_xml(out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut writer = quick_xml::Writer::new(out);
    let message =
        writer
            .create_element("message")
            .with_attributes([("from", FROM), ("to", TO), ("type", "chat"), ("id", ID)]);
    message.write_inner_content(|writer| {
        writer
            .create_element("body")
            .write_text_content(quick_xml::events::BytesText::new(BODY))?;
        writer
            .create_element("active")
            .with_attribute(("xmlns", STATES))
            .write_empty()?;
        Ok(())
    })?;
    Ok(())
}

type Encoder = rxml::Encoder<rxml::writer::SimpleNamespaces>;

/// Inside of a stream, as a server would use it.
fn rxml_encoder() -> Encoder {
    use rxml::{Item, Namespace};
    let mut encoder = Encoder::new();
    let mut out = Vec::new();
    let streams: Namespace<'_> = "http://etherx.jabber.org/streams".into();
    let header = [
        Item::ElementHeadStart(streams, "stream".try_into().expect("a name")),
        Item::ElementHeadEnd,
    ];
    for item in header {
        encoder.encode(item, &mut out).expect("a good header");
    }
    encoder
}

fn write_by_rxml(encoder: &mut Encoder, out: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
    use rxml::{Item, Namespace};
    let client: Namespace<'_> = "jabber:client".into();
    let mut put = |item| encoder.encode(item, out);
    put(Item::ElementHeadStart(client.clone(), "message".try_into()?))?;
    for (name, value) in [("from", FROM), ("to", TO), ("type", "chat"), ("id", ID)] {
        put(Item::Attribute(Namespace::none().clone(), name.try_into()?, value))?;
    }
    put(Item::ElementHeadEnd)?;
    put(Item::ElementHeadStart(client, "body".try_into()?))?;
    put(Item::ElementHeadEnd)?;
    put(Item::Text(BODY))?;
    put(Item::ElementFoot)?;
    put(Item::ElementHeadStart(STATES.into(), "active".try_into()?))?;
    put(Item::ElementFoot)?;
    put(Item::ElementFoot)?;
    Ok(())
}
