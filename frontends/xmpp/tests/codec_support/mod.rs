//! Shared by the codec's tests and its fuzz targets: a corpus, a generator of streams,
//! a mutator, and drivers that turn scans into comparable values. Deterministic: everything random comes
//! from a seed.
#![allow(dead_code)]

pub mod oracle;

use crosspoint_xmpp::codec::{Fault, Frame, Scan, ScanLimits, Scanner};

pub const HEADER: &str = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xml:lang='en' \
    xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

/// Stanzas as real clients send them.
pub const CORPUS: &[&str] = &[
    // A chat message with marks and receipts, 340 bytes.
    "<message from='romeo@montague.example/orchard-7f3a' to='juliet@capulet.example' type='chat' \
     id='5c1f7a9e-8f0b-4a55-a8a4-3f2a7bbd90c1' xml:lang='en'><body>But soft, what light through yonder \
     window breaks? It is the east, and Juliet is the sun &amp; more.</body><active \
     xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/></message>",
    "<presence/>",
    "<presence><show>away</show><status>B\u{fc}cher &lt;3 \u{1F389}</status><priority>-1</priority>\
     <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://gajim.org' \
     ver='q07IKJEyjvHSyhy//CH0CxmKi8w='/></presence>",
    "<iq type='get' id='a1'><query xmlns='jabber:iq:roster' ver=''/></iq>",
    "<iq id='x' type=\"set\" to='pubsub.example'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
     <publish node='urn:xmpp:omemo:2:devices'><item id='current'><devices xmlns='urn:xmpp:omemo:2'>\
     <device id='12345'/><device id='4223' label='Gajim on \"Ubuntu\"'/></devices></item></publish>\
     </pubsub></iq>",
    "<message to='a@b'  type = 'groupchat' ><x:y xmlns:x='urn:x' x:k='1' k='2'/>\n <body>]] ]>]&gt;\
     <![CDATA[<&]]]]>t</body\t></message >",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>",
    "<r xmlns='urn:xmpp:sm:3'/>",
    "<message xmlns='jabber:client'><html xmlns='http://jabber.org/protocol/xhtml-im'><body \
     xmlns='http://www.w3.org/1999/xhtml'><p style='font-weight:bold'>h&#xE9;!<br/>\u{4f60}\u{597d}</p>\
     </body></html></message>",
    "<iq type='result'><\u{e9}l\u{e9}ment xmlns='urn:\u{4f60}' \u{4f60}='&#10;a&#x1F600;\n\tb'/></iq>",
];

/// What a scan gave, in a form that can be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    pub frames: Vec<String>,
    pub fault: Option<Fault>,
    pub left: usize,
}

/// Feeds `input` in the pieces that `cuts` (ascending offsets) make of it.
pub fn scan_split(input: &[u8], cuts: &[usize], limits: ScanLimits) -> Scanned {
    let mut scanner = Scanner::new(limits);
    let mut out = Scanned {
        frames: Vec::new(),
        fault: None,
        left: 0,
    };
    let mut start = 0;
    let ends = cuts.iter().copied().filter(|&c| c <= input.len()).chain([input.len()]);
    for end in ends {
        // A buffer of its own for each window: the scanner may keep no hold on the last one.
        let window = input[start..end].to_vec();
        let mut rest = &window[..];
        loop {
            match scanner.scan(rest) {
                Err(fault) => {
                    (out.fault, out.left) = (Some(fault), 0);
                    return out;
                }
                Ok(Scan::Partial) => break,
                Ok(Scan::Frame { frame, consumed }) => {
                    note(&scanner, &frame, &mut out.frames);
                    rest = &rest[consumed..];
                }
            }
        }
        start = end - rest.len();
        out.left = rest.len();
    }
    out
}

pub fn scan_whole(input: &[u8], limits: ScanLimits) -> Scanned {
    scan_split(input, &[], limits)
}

/// White space may come in any number of pieces; all else is noted in full.
fn note(scanner: &Scanner, frame: &Frame<'_>, frames: &mut Vec<String>) {
    match frame {
        Frame::Space => {}
        Frame::Stanza(stanza) => {
            let children: Vec<_> = scanner.children(stanza).collect();
            frames.push(format!("{stanza:?} {children:?}"));
        }
        frame => frames.push(format!("{frame:?}")),
    }
}

/// The fault of `<stream header>` + `stanzas`, if any.
pub fn fault_of(stanzas: &str) -> Option<Fault> {
    scan_whole([HEADER, stanzas].concat().as_bytes(), ScanLimits::AFTER_AUTH).fault
}

/// SplitMix64: small, and the same everywhere.
pub struct Seed(pub u64);

impl Seed {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.below(from.len())]
    }
}

/// A valid stream: header, stanzas and white space, perhaps the root's end.
pub fn stream(seed: u64) -> String {
    let mut g = Seed(seed);
    let mut out = String::new();
    if !g.one_in(3) {
        out += g.pick(&[
            "<?xml version='1.0'?>",
            "<?xml version=\"1.0\" encoding='UTF-8' ?>",
            "<?xml  version = '1.0' encoding=\"utf-8\" standalone='yes'?>\n",
        ]);
    }
    out += g.pick(&[
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
        "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' xmlns:p='urn:p' to='a'>",
        "<stream xmlns='http://etherx.jabber.org/streams' xmlns:p='jabber:client' version='1.0'\n>",
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns:p='jabber:client' >",
    ]);
    let prefix: &str = ["stream:", "s:", "", "stream:"][[out.contains("<stream:"), out.contains("<s:"), true]
        .iter()
        .position(|&b| b)
        .unwrap_or(0)];
    let has_p = out.contains("xmlns:p");
    for _ in 0..1 + g.below(4) {
        let mut scope = if has_p { vec!["p"] } else { Vec::new() };
        element(&mut g, &mut out, 0, &mut scope);
        out += g.pick(&["", "", "\n", " \r\n\t"]);
    }
    if g.one_in(3) {
        out += "</";
        out += prefix;
        out += "stream>";
    }
    out
}

const NAMES: &[&str] = &[
    "message",
    "iq",
    "presence",
    "body",
    "x",
    "a-1.b",
    "_z",
    "\u{e9}t\u{e9}",
    "\u{4f60}",
];
const URIS: &[&str] = &[
    "urn:a",
    "urn:b",
    "jabber:client",
    "urn:xmpp:delay",
    "urn:&amp;&#x41;",
    "urn:\u{e9}",
];
const RUNS: &[&str] = &[
    "soft",
    "  ",
    "\n",
    "\r\n",
    "\r",
    "&amp;",
    "&lt;",
    "&gt;",
    "&quot;",
    "&apos;",
    "&#65;",
    "&#x1F600;",
    "]]",
    "]",
    ">",
    "\u{fc}",
    "\u{1F389}",
    "\u{fffd}",
    "=",
    "/",
    "0",
    "\u{85}",
    "\t",
    "]&gt;",
    "<![CDATA[]]>",
    "<![CDATA[a]]&<>]]>",
    "<![CDATA[\r\n]]]>",
];

fn element(g: &mut Seed, out: &mut String, depth: usize, scope: &mut Vec<&'static str>) {
    let outer = scope.len();
    let mut declared = Vec::new();
    if g.one_in(4) {
        declared.push(g.pick(&["p", "q", "\u{fc}"]));
        scope.extend(&declared);
    }
    let mut name = String::new();
    if !scope.is_empty() && g.one_in(3) {
        name = format!("{}:", g.pick(scope));
    }
    name += if depth == 0 { g.pick(&NAMES[..3]) } else { g.pick(NAMES) };
    *out += "<";
    *out += &name;
    for prefix in declared {
        attribute(g, out, &format!("xmlns:{prefix}"), true);
    }
    if g.one_in(3) {
        attribute(g, out, "xmlns", true);
    }
    let names = ["to", "from", "type", "id", "xml:lang", "xml:space", "k", "\u{e9}"];
    for name in names {
        if g.one_in(4) {
            attribute(g, out, name, false);
        }
    }
    if !scope.is_empty() && g.one_in(4) {
        let name = format!("{}:k", g.pick(scope));
        attribute(g, out, &name, false);
    }
    *out += g.pick(&["", "", " ", "\n"]);
    if g.one_in(4) {
        *out += "/>";
    } else {
        *out += ">";
        content(g, out, depth, scope);
        *out += &format!("</{name}{}>", g.pick(&["", "", " "]));
    }
    scope.truncate(outer);
}

fn content(g: &mut Seed, out: &mut String, depth: usize, scope: &mut Vec<&'static str>) {
    for _ in 0..g.below(4) {
        if depth < 5 && g.one_in(2) {
            element(g, out, depth + 1, scope);
        } else {
            let run = g.pick(RUNS);
            // `]]` + `>` would be illegal; CDATA and `&gt;` may follow.
            let illegal = run.starts_with('>') && out.ends_with(']');
            *out += if illegal { "." } else { run };
        }
    }
}

fn attribute(g: &mut Seed, out: &mut String, name: &str, uri: bool) {
    let quote = g.pick(&["'", "\""]);
    *out += g.pick(&[" ", " ", "  ", "\n", "\t"]);
    *out += name;
    *out += g.pick(&["=", "=", " = ", "=\n"]);
    *out += quote;
    if uri {
        *out += g.pick(URIS);
    } else {
        for _ in 0..g.below(4) {
            let run = g.pick(RUNS);
            let other = if quote == "'" { "\"" } else { "'" };
            *out += if run.contains('<') { other } else { run };
        }
    }
    *out += quote;
}

const INSERTS: &[&str] = &[
    "<",
    ">",
    "/",
    "&",
    ";",
    "'",
    "\"",
    "=",
    "]]>",
    "<!--x-->",
    "<![CDATA[",
    "<?p?>",
    "<!DOCTYPE a>",
    "&foo;",
    "&#0;",
    "&#xFFFE;",
    "&#xD800;",
    " a='1'",
    " a=\"1\"",
    " xmlns=''",
    " xmlns:q=''",
    " xmlns:q='urn:a'",
    " xmlns:xml='u'",
    "p:",
    "q:",
    "zz:",
    "xmlns:",
    "xml:",
    ":",
    " ",
    "\n",
    "\0",
    "\u{1}",
    "\u{b}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{d7}",
    "\u{b7}",
    "</",
    "/>",
    "<a>",
    "</a>",
    "<a/>",
    " p:k='1' q:k='2'",
    " xmlns:p='urn:a' xmlns:q='urn:a' p:k='' q:k=''",
    "0",
    "-",
    " xmlns:xmlns='urn:a'",
    " xmlns='http://www.w3.org/2000/xmlns/'",
    "<?xml version='1.0'?>",
    "&#99999999;",
    "&#x000000041;",
    "&am",
    "]]",
];

/// Damages a document in one place, seldom in two.
pub fn mutate(document: &[u8], g: &mut Seed) -> Vec<u8> {
    let mut bytes = document.to_vec();
    for _ in 0..1 + usize::from(g.one_in(4)) {
        let at = g.below(bytes.len() + 1);
        let to = (at + g.below(12)).min(bytes.len());
        match g.below(6) {
            0 => drop(bytes.drain(at..to)),
            1 => {
                let piece = bytes[at..to].to_vec();
                let at = g.below(bytes.len() + 1);
                bytes.splice(at..at, piece);
            }
            2 if at < bytes.len() => bytes[at] ^= 1 << g.below(8),
            _ => {
                let piece = g.pick(INSERTS).bytes();
                // Mostly where a token ends, where it is likelier to nearly fit.
                let at = match g.one_in(3) {
                    true => at,
                    false => at + bytes[at..].iter().position(|b| b"<>'\" /".contains(b)).unwrap_or(0),
                };
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}
