//! One blocking connection to an XMPP server, for what is not measured.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use crosspoint_xmpp::codec::{Element, Frame, Scan, ScanLimits, Scanner};
use rustls::{ClientConnection, StreamOwned};

use crate::net::Security;
use crate::plan::{Plan, Security as Encryption};
use crate::protocol::xmpp::{Common, Xmpp};
use crate::protocol::{Client, Event, Wants};

const STREAMS: &str = "http://etherx.jabber.org/streams";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";

/// A server that says nothing for so long will not.
const PATIENCE: Duration = Duration::from_secs(30);
const READ_BYTES: usize = 16 << 10;
/// The longest answer that is waited for: a roster of some thousands.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// What all connections have in common.
pub struct Server {
    addresses: Vec<SocketAddr>,
    pub domain: String,
    encryption: Encryption,
    security: Security,
    common: Common,
}

/// See the module.
pub struct Talk {
    socket: Socket,
    inbox: Vec<u8>,
    scanner: Scanner,
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Server {
    pub fn new(plan: &Plan) -> Result<Self> {
        Ok(Self {
            addresses: plan.target.socket_addrs().map_err(anyhow::Error::msg)?,
            domain: plan.target.domain.clone(),
            encryption: plan.target.security,
            security: Security::of(&plan.target)?,
            common: Xmpp::common(plan)?,
        })
    }

    /// A connection with a stream on it, encrypted if the plan wants that, not logged in.
    pub fn connect(&self, user: u32) -> Result<Talk> {
        let mut talk = self.dial(user)?;
        let header = format!(
            "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' xmlns:stream='{STREAMS}'>",
            self.domain
        );
        talk.say(&header)?;
        talk.until(|element| element.is("features", STREAMS).then_some(()))?;
        if self.encryption == Encryption::StartTls {
            talk.say(&format!("<starttls xmlns='{TLS}'/>"))?;
            talk.until(|element| element.is("proceed", TLS).then_some(()))?;
            talk = talk.encrypt(&self.security)?;
            talk.say(&header)?;
            talk.until(|element| element.is("features", STREAMS).then_some(()))?;
        }
        Ok(talk)
    }

    /// A session of a user, by number; not available, so that nobody hears of it.
    pub fn log_in(&self, user: u32) -> Result<Talk> {
        let mut talk = self.dial(user)?;
        let wants = Wants {
            presence: false,
            roster: false,
            carbons: false,
            acks: false,
            resume: false,
            archive: 0,
        };
        let mut client = Xmpp::new(user, &self.common);
        let mut out = Vec::new();
        client.open(&self.common, wants, self.encryption == Encryption::DirectTls, &mut out);
        loop {
            talk.send(&out)?;
            out.clear();
            let (event, used) = client.next(&self.common, &talk.inbox, &mut out)?;
            talk.inbox.drain(..used);
            match event {
                Event::Ready => break,
                Event::Secure => talk = talk.encrypt(&self.security)?,
                Event::Ended => bail!("the server ended the session"),
                Event::Partial => talk.read()?,
                _ => {}
            }
        }
        talk.scanner = Scanner::for_stanzas(ScanLimits::AFTER_AUTH);
        Ok(talk)
    }

    fn dial(&self, user: u32) -> Result<Talk> {
        let address = self.addresses[user as usize % self.addresses.len()];
        let socket = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let talk = Talk {
            socket: Socket::Plain(socket),
            inbox: Vec::new(),
            scanner: Scanner::new(ScanLimits::AFTER_AUTH),
        };
        match self.encryption {
            Encryption::DirectTls => talk.encrypt(&self.security),
            _ => Ok(talk),
        }
    }
}

impl Talk {
    pub fn say(&mut self, text: &str) -> Result<()> {
        self.send(text.as_bytes())
    }

    /// Reads stanzas until one is what was waited for.
    pub fn until<T>(&mut self, mut wanted: impl FnMut(&Element<'_>) -> Option<T>) -> Result<T> {
        loop {
            let mut found = None;
            let used = match self
                .scanner
                .scan(&self.inbox)
                .map_err(|fault| anyhow!("not XMPP: {fault}"))?
            {
                Scan::Partial => 0,
                Scan::Frame { frame, consumed } => {
                    match &frame {
                        Frame::Stanza(stanza) => {
                            let tree = self
                                .scanner
                                .tree(stanza)
                                .map_err(|fault| anyhow!("not XMPP: {fault}"))?;
                            if stanza.is("error", STREAMS) || stanza.is("failure", TLS) {
                                bail!("the server said {}", stanza.raw);
                            }
                            found = wanted(&tree);
                        }
                        Frame::End => bail!("the server ended the stream"),
                        _ => {}
                    }
                    consumed
                }
            };
            self.inbox.drain(..used);
            match found {
                Some(found) => return Ok(found),
                None if used == 0 => self.read()?,
                None => {}
            }
        }
    }

    /// Says goodbye; whether it arrives does not matter.
    pub fn close(mut self) {
        let _ = self.say("</stream:stream>");
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.socket {
            _ if bytes.is_empty() => Ok(()),
            Socket::Plain(socket) => socket.write_all(bytes),
            Socket::Tls(socket) => socket.write_all(bytes).and_then(|()| socket.flush()),
        }
        .context("the connection broke")
    }

    fn read(&mut self) -> Result<()> {
        let mut buffer = [0; READ_BYTES];
        let read = match &mut self.socket {
            Socket::Plain(socket) => socket.read(&mut buffer),
            Socket::Tls(socket) => socket.read(&mut buffer),
        };
        let read = read.with_context(|| format!("nothing was heard for {} s", PATIENCE.as_secs()))?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        if self.inbox.len() + read > ANSWER_BYTES_MAX {
            bail!("the server says more than {ANSWER_BYTES_MAX} bytes at once");
        }
        self.inbox.extend_from_slice(&buffer[..read]);
        Ok(())
    }

    /// TLS begins; what arrived in the clear behind that is dropped.
    fn encrypt(self, security: &Security) -> Result<Self> {
        let Socket::Plain(socket) = self.socket else {
            bail!("the connection is encrypted already");
        };
        Ok(Self {
            socket: Socket::Tls(Box::new(StreamOwned::new(security.connection()?, socket))),
            inbox: Vec::new(),
            scanner: Scanner::new(ScanLimits::AFTER_AUTH),
        })
    }
}
