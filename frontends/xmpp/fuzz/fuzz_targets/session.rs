//! A client's whole life: streams, logins and stanzas from their first byte or from a bound session on, in pieces, with what a
//! shard answers in between. Beside not panicking:
//! - nobody is authenticated whose password was not right, and nothing is routed before the binding;
//! - nothing follows the end (`session_support` sees to that).
//!
//! Input: choices (see `tape.rs`).
#![no_main]

use crosspoint_engine::envelope::{Envelope, Kind, MessageKind};
use crosspoint_engine::session::{Action, BindFault, Event, Farewell, Form};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/session_support/mod.rs"]
#[allow(dead_code)]
mod session_support;
mod tape;

use session_support::{Client, HEADER, OPTIONAL, PLAIN, ROMEO, facts, jid, message};
use tape::Tape;

const SAID: [&str; 22] = [
    HEADER,
    "</stream:stream>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHB3</auth>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>biwsbj1yb21lbyxyPWFiYw==</auth>",
    "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Yz1iaXdzLHI9YWJjLHA9QUFBQQ==</response>",
    "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AHJvbWVvAHB3</initial-response>\
     <bind xmlns='urn:xmpp:bind:0'><tag>x</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind></authenticate>",
    "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>orchard</resource></bind></iq>",
    "<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
    "<resume xmlns='urn:xmpp:sm:3' h='0' previd='x'/>",
    "<a xmlns='urn:xmpp:sm:3' h='1'/>",
    "<r xmlns='urn:xmpp:sm:3'/>",
    "<presence/>",
    "<presence type='subscribe' to='juliet@montague.lit'/>",
    "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>",
    "<message to='juliet@montague.lit' type='chat' id='1'><body>x</body><request xmlns='urn:xmpp:receipts'/></message>",
    "<iq type='set' id='m'><query xmlns='urn:xmpp:mam:2' queryid='q'><set xmlns='http://jabber.org/protocol/rsm'><max>9</max></set></query></iq>",
    "<inactive xmlns='urn:xmpp:csi:0'/>",
    "<active xmlns='urn:xmpp:csi:0'/>",
    "<iq type='set' id='e'><enable xmlns='urn:xmpp:carbons:2'/></iq>",
    "<iq type='result' id='e' to='juliet@montague.lit/x'/>",
];

struct Play {
    client: Client,
    right: bool,
    bound: bool,
    envelopes: Vec<Envelope>,
    numbers: Vec<u64>,
}

impl Play {
    fn look(&mut self) {
        self.client.said();
        for action in self.client.asked() {
            match action {
                Action::Route { envelope, seq } => {
                    assert!(self.bound, "something is routed before the binding");
                    self.numbers.extend(seq);
                    if self.envelopes.len() < 8 {
                        self.envelopes.push(envelope);
                    }
                }
                Action::Presence { .. } => assert!(self.bound, "presence before the binding"),
                Action::Authenticated { .. } => assert!(self.right, "nobody has shown a password"),
                _ => {}
            }
        }
    }

    fn act(&mut self, tape: &mut Tape<'_>) {
        match tape.below(10) {
            0..=3 => {
                let text = tape.one_of(&SAID).as_bytes();
                let cut = tape.below(text.len().min(255) + 1);
                self.client.send(&text[..cut]);
                if tape.byte() & 7 != 0 && !self.client.closed {
                    self.client.send(&text[cut..]);
                }
            }
            4 => self.client.send(tape.bytes()),
            5 => {
                let kind = tape.one_of(&["<message to='juliet@montague.lit' ", "<iq type='get' id='a' ", "<iq type='set' id='a' ", "<presence "]);
                let name = &kind[1..kind.find(' ').unwrap_or(1)];
                self.client.send([kind.as_bytes(), b">", tape.bytes(), b"</", name.as_bytes(), b">"].concat());
            }
            6 => self.answer(tape),
            7 => {
                let at = self.client.now.ms + u64::from(tape.u16()) * 8;
                self.client.tick_at(at);
            }
            8 if self.bound => {
                let envelope = match self.envelopes.get(usize::from(tape.byte() & 7)) {
                    Some(envelope) => Envelope { from: jid(ROMEO), ..envelope.clone() },
                    None => message("juliet@montague.lit/x", ROMEO, Kind::Message(MessageKind::Chat), "<body>x</body>"),
                };
                let record = tape.flag().then(|| u64::from(tape.u16()) + 1);
                self.client.deliver(&envelope, tape.one_of(&[Form::Plain, Form::CopyReceived, Form::CopySent]), record);
            }
            _ => match tape.byte() & 15 {
                0 => self.client.event(Event::Lost),
                1 => self.client.event(Event::Superseded),
                2 => self.client.event(Event::Farewell(tape.one_of(&[Farewell::Shutdown, Farewell::Policy, Farewell::Timeout]))),
                3..=7 => {
                    let numbers = std::mem::take(&mut self.numbers);
                    self.client.event(Event::Accepted(numbers));
                }
                _ => self.client.event(Event::Drained),
            },
        }
    }

    /// What a shard answers, as far as it may have been asked.
    fn answer(&mut self, tape: &mut Tape<'_>) {
        let event = match tape.below(8) {
            0 => Event::Keys(crosspoint_engine::scram::keys::fake(&[1; 32], "romeo@montague.lit", 4096)),
            1 => Event::PasswordChecked(false),
            2 => {
                self.right = true;
                Event::PasswordChecked(true)
            }
            3 if self.right => Event::Homed,
            4 if self.right => {
                self.bound = true;
                Event::Bound { address: jid(ROMEO), epoch: 1 }
            }
            5 => Event::ResumeFailed,
            6 => Event::AuthUnavailable { throttled: tape.flag() },
            7 => Event::BindFailed(tape.one_of(&[BindFault::Malformed, BindFault::TooMany])),
            _ => Event::Secured(facts()),
        };
        self.client.event(event);
    }
}

fuzz_target!(|data: &[u8]| {
    let mut tape = Tape::of(data);
    let bound = tape.byte() & 3 != 0;
    let client = match (bound, tape.flag()) {
        (true, _) => Client::bound(),
        (false, true) => Client::connect(PLAIN),
        (false, false) => Client::connect(OPTIONAL),
    };
    let mut play = Play { client, right: bound, bound, envelopes: Vec::new(), numbers: Vec::new() };
    while !tape.is_over() && !play.client.closed {
        play.act(&mut tape);
        play.look();
    }
});
