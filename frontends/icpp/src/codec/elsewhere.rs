//! REDIRECT, DRAIN, and what only trunks say: OPEN and TOPOLOGY (SPEC.md section 11).

use super::cursor::{Cursor, text};
use super::ext::{self, Exts};
use super::fault::Fault;

/// Why a client is sent elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// The account's home is there.
    Home = 1,
    /// There is less to do.
    Load = 2,
    /// This front-end ends.
    Drain = 3,
}

/// Go there: all fields are extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redirect<'a> {
    /// Name of the target.
    pub node: &'a str,
    /// Opens the account there.
    pub ticket: Option<&'a [u8]>,
    /// Why.
    pub reason: Reason,
    /// Wait so many milliseconds first.
    pub after_ms: u32,
    /// Name of who says it.
    pub from: &'a str,
    body: &'a [u8],
}

impl<'a> Redirect<'a> {
    const URL: u16 = 0x0001;
    const NODE: u16 = 0x0002;
    const TICKET: u16 = 0x0003;
    const REASON: u16 = 0x0004;
    const AFTER: u16 = 0x0005;
    const FROM: u16 = 0x0006;

    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<Redirect<'a>, Fault> {
        let mut redirect = Redirect {
            node: "",
            ticket: None,
            reason: Reason::Load,
            after_ms: 0,
            from: "",
            body,
        };
        ext::check(body, &[Self::URL], |ext| {
            match ext.tag {
                Self::URL => drop(text(ext.value)?),
                Self::NODE => redirect.node = text(ext.value)?,
                Self::FROM => redirect.from = text(ext.value)?,
                Self::TICKET => redirect.ticket = Some(ext.value),
                Self::REASON => {
                    redirect.reason = match ext.value {
                        [1] => Reason::Home,
                        [2] => Reason::Load,
                        [3] => Reason::Drain,
                        _ => return Err(Fault::Malformed),
                    }
                }
                Self::AFTER => {
                    redirect.after_ms = u32::from_le_bytes(ext.value.try_into().map_err(|_| Fault::Malformed)?);
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(redirect)
    }

    /// Where: to be tried in this order.
    pub fn urls(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let urls = Exts::new(self.body).flatten().filter(|ext| ext.tag == Self::URL);
        urls.filter_map(|ext| text(ext.value).ok())
    }

    /// A body without URLs, to be written.
    #[must_use]
    pub fn to(node: &'a str, reason: Reason, from: &'a str) -> Redirect<'a> {
        Redirect {
            node,
            ticket: None,
            reason,
            after_ms: 0,
            from,
            body: &[],
        }
    }

    /// Appends the body, with these URLs.
    pub fn write<'u>(&self, out: &mut Vec<u8>, urls: impl IntoIterator<Item = &'u str>) {
        for url in urls {
            ext::write(out, Self::URL, url.as_bytes());
        }
        ext::write(out, Self::NODE, self.node.as_bytes());
        ext::write_some(out, Self::TICKET, self.ticket);
        ext::write(out, Self::REASON, &[self.reason as u8]);
        if self.after_ms > 0 {
            ext::write(out, Self::AFTER, &self.after_ms.to_le_bytes());
        }
        if !self.from.is_empty() {
            ext::write(out, Self::FROM, self.from.as_bytes());
        }
    }
}

/// This front-end is about to end: `0 u8 phase   1 zero   4 u32 deadline, ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// 1: open nothing new. 2: what is not acknowledged was not taken.
    pub phase: u8,
    /// Milliseconds.
    pub deadline_ms: u32,
}

impl Drain {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Drain, Fault> {
        let mut cursor = Cursor::new(body);
        let phase = cursor.u8()?;
        cursor.zero(3)?;
        let deadline_ms = cursor.u32()?;
        cursor.end()?;
        match phase {
            1 | 2 => Ok(Drain { phase, deadline_ms }),
            _ => Err(Fault::Malformed),
        }
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.phase, 0, 0, 0]);
        out.extend_from_slice(&self.deadline_ms.to_le_bytes());
    }
}

/// A session begins on a trunk: all fields are extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open<'a> {
    /// Address of the client.
    pub peer: &'a str,
    /// Whether it came encrypted.
    pub secure: bool,
}

impl<'a> Open<'a> {
    const PEER: u16 = 0x0001;
    const SECURE: u16 = 0x0002;

    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<Open<'a>, Fault> {
        let mut open = Open {
            peer: "",
            secure: false,
        };
        ext::check(body, &[], |ext| {
            match (ext.tag, ext.value) {
                (Self::PEER, value) => open.peer = text(value)?,
                (Self::SECURE, [0]) => open.secure = false,
                (Self::SECURE, [1]) => open.secure = true,
                (Self::SECURE, _) => return Err(Fault::Malformed),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(open)
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        ext::write(out, Self::PEER, self.peer.as_bytes());
        ext::write(out, Self::SECURE, &[u8::from(self.secure)]);
    }
}

/// How a front-end is: one entry of TOPOLOGY.
///
/// ```text
/// 0 u16 node   2 u16 urls   4 u32 sessions   8 u16 cpu, permille   10 u16 weight   12 u32 outbox bytes   16 u8 state   17 zero   20 node | urls
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<'a> {
    /// Its name.
    pub node: &'a str,
    /// Where it is reached, separated by spaces.
    pub urls: &'a str,
    /// Clients connected.
    pub sessions: u32,
    /// Share of its cores that is busy.
    pub cpu_permille: u16,
    /// How much it may have, beside others.
    pub weight: u16,
    /// Bytes that wait for its clients.
    pub outbox_bytes: u32,
    /// 0 serving, 1 draining, 2 gone.
    pub state: u8,
}

impl<'a> Node<'a> {
    /// Serves.
    pub const SERVING: u8 = 0;
    /// Takes nobody new.
    pub const DRAINING: u8 = 1;
    /// Its trunks have ended.
    pub const GONE: u8 = 2;

    /// Reads the next entry.
    pub fn read(cursor: &mut Cursor<'a>) -> Result<Node<'a>, Fault> {
        let (node, urls) = (cursor.u16()?, cursor.u16()?);
        let sessions = cursor.u32()?;
        let (cpu_permille, weight) = (cursor.u16()?, cursor.u16()?);
        let outbox_bytes = cursor.u32()?;
        let state = cursor.u8()?;
        cursor.zero(3)?;
        if state > Self::GONE {
            return Err(Fault::Malformed);
        }
        Ok(Node {
            node: cursor.text(node.into())?,
            urls: cursor.text(urls.into())?,
            sessions,
            cpu_permille,
            weight,
            outbox_bytes,
            state,
        })
    }

    /// Appends the entry.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.node.len() as u16).to_le_bytes());
        out.extend_from_slice(&(self.urls.len() as u16).to_le_bytes());
        out.extend_from_slice(&self.sessions.to_le_bytes());
        out.extend_from_slice(&self.cpu_permille.to_le_bytes());
        out.extend_from_slice(&self.weight.to_le_bytes());
        out.extend_from_slice(&self.outbox_bytes.to_le_bytes());
        out.extend_from_slice(&[self.state, 0, 0, 0]);
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(self.urls.as_bytes());
    }
}
