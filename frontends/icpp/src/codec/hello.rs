//! How a session begins: HELLO, WELCOME, AUTH, AUTHED, RESUMED (SPEC.md section 4). All bodies are extensions.

use super::cursor::text;
use super::ext;
use super::fault::Fault;

/// A value that is a little-endian number.
fn number<const N: usize>(value: &[u8]) -> Result<[u8; N], Fault> {
    value.try_into().map_err(|_| Fault::Malformed)
}

/// The client names its account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Bare address; empty only on trunks.
    pub account: &'a str,
    /// Name and version of the program.
    pub agent: Option<&'a str>,
    /// The resource that it would like.
    pub resource: Option<&'a str>,
    /// The token of the session to be resumed.
    pub resume: Option<&'a [u8]>,
    /// Redirects followed in a row.
    pub hops: u8,
    /// The node that redirected it here.
    pub came_from: Option<&'a str>,
    /// This is a trunk from the node of this name.
    pub trunk: Option<&'a str>,
    /// The shard that the trunk is for.
    pub shard: Option<u16>,
}

impl<'a> Hello<'a> {
    const ACCOUNT: u16 = 0x8001;
    const AGENT: u16 = 0x0002;
    const RESOURCE: u16 = 0x0003;
    const RESUME: u16 = 0x8004;
    const HOPS: u16 = 0x0005;
    const CAME_FROM: u16 = 0x0006;
    const TRUNK: u16 = 0x8010;
    const SHARD: u16 = 0x8011;

    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<Hello<'a>, Fault> {
        let mut hello = Hello::default();
        ext::check(body, &[], |ext| {
            match ext.tag {
                Self::ACCOUNT => hello.account = text(ext.value)?,
                Self::AGENT => hello.agent = Some(text(ext.value)?),
                Self::RESOURCE => hello.resource = Some(text(ext.value)?),
                Self::RESUME => hello.resume = Some(ext.value),
                Self::HOPS => hello.hops = u8::from_le_bytes(number(ext.value)?),
                Self::CAME_FROM => hello.came_from = Some(text(ext.value)?),
                Self::TRUNK => hello.trunk = Some(text(ext.value)?),
                Self::SHARD => hello.shard = Some(u16::from_le_bytes(number(ext.value)?)),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        match hello.account.is_empty() == hello.trunk.is_some() {
            true => Ok(hello),
            false => Err(Fault::Malformed),
        }
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        if !self.account.is_empty() {
            ext::write(out, Self::ACCOUNT, self.account.as_bytes());
        }
        ext::write_some(out, Self::AGENT, self.agent.map(str::as_bytes));
        ext::write_some(out, Self::RESOURCE, self.resource.map(str::as_bytes));
        ext::write_some(out, Self::RESUME, self.resume);
        if self.hops > 0 {
            ext::write(out, Self::HOPS, &[self.hops]);
        }
        ext::write_some(out, Self::CAME_FROM, self.came_from.map(str::as_bytes));
        ext::write_some(out, Self::TRUNK, self.trunk.map(str::as_bytes));
        ext::write_some(
            out,
            Self::SHARD,
            self.shard.map(u16::to_le_bytes).as_ref().map(|b| &b[..]),
        );
    }
}

/// The server names its limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Welcome<'a> {
    /// Spoken from here on.
    pub version: u8,
    /// Name of this front-end.
    pub node: &'a str,
    /// SASL mechanisms and `TICKET`, separated by spaces.
    pub mechanisms: &'a str,
    /// Largest frame, in bytes.
    pub frame_max: u32,
    /// Seconds, in the foreground.
    pub heartbeat_s: u16,
    /// Seconds, in the background.
    pub heartbeat_background_s: u16,
    /// Reliable frames that the client may have outstanding.
    pub window: u32,
    /// Reliable frames that the server leaves outstanding.
    pub unacked_frames: u32,
    /// Bytes of those.
    pub unacked_bytes: u32,
    /// For trunks.
    pub nonce: Option<[u8; 32]>,
    /// For trunks: how many shards there are.
    pub shards: Option<u16>,
}

impl<'a> Welcome<'a> {
    const VERSION: u16 = 0x0001;
    const NODE: u16 = 0x0002;
    const MECHANISMS: u16 = 0x0003;
    const FRAME_MAX: u16 = 0x0004;
    const HEARTBEAT: u16 = 0x0005;
    const HEARTBEAT_BACKGROUND: u16 = 0x0006;
    const WINDOW: u16 = 0x0007;
    const UNACKED_FRAMES: u16 = 0x0008;
    const UNACKED_BYTES: u16 = 0x0009;
    const NONCE: u16 = 0x000A;
    const SHARDS: u16 = 0x000B;

    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<Welcome<'a>, Fault> {
        let mut welcome = Welcome::default();
        ext::check(body, &[], |ext| {
            match ext.tag {
                Self::VERSION => welcome.version = u8::from_le_bytes(number(ext.value)?),
                Self::NODE => welcome.node = text(ext.value)?,
                Self::MECHANISMS => welcome.mechanisms = text(ext.value)?,
                Self::FRAME_MAX => welcome.frame_max = u32::from_le_bytes(number(ext.value)?),
                Self::HEARTBEAT => welcome.heartbeat_s = u16::from_le_bytes(number(ext.value)?),
                Self::HEARTBEAT_BACKGROUND => welcome.heartbeat_background_s = u16::from_le_bytes(number(ext.value)?),
                Self::WINDOW => welcome.window = u32::from_le_bytes(number(ext.value)?),
                Self::UNACKED_FRAMES => welcome.unacked_frames = u32::from_le_bytes(number(ext.value)?),
                Self::UNACKED_BYTES => welcome.unacked_bytes = u32::from_le_bytes(number(ext.value)?),
                Self::NONCE => welcome.nonce = Some(number(ext.value)?),
                Self::SHARDS => welcome.shards = Some(u16::from_le_bytes(number(ext.value)?)),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(welcome)
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        ext::write(out, Self::VERSION, &[self.version]);
        ext::write(out, Self::NODE, self.node.as_bytes());
        ext::write(out, Self::MECHANISMS, self.mechanisms.as_bytes());
        ext::write(out, Self::FRAME_MAX, &self.frame_max.to_le_bytes());
        ext::write(out, Self::HEARTBEAT, &self.heartbeat_s.to_le_bytes());
        ext::write(
            out,
            Self::HEARTBEAT_BACKGROUND,
            &self.heartbeat_background_s.to_le_bytes(),
        );
        ext::write(out, Self::WINDOW, &self.window.to_le_bytes());
        ext::write(out, Self::UNACKED_FRAMES, &self.unacked_frames.to_le_bytes());
        ext::write(out, Self::UNACKED_BYTES, &self.unacked_bytes.to_le_bytes());
        ext::write_some(out, Self::NONCE, self.nonce.as_ref().map(|nonce| &nonce[..]));
        ext::write_some(
            out,
            Self::SHARDS,
            self.shards.map(u16::to_le_bytes).as_ref().map(|b| &b[..]),
        );
    }
}

/// A step of SASL, either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Auth<'a> {
    /// In the client's first step.
    pub mechanism: Option<&'a str>,
    /// As the mechanism defines it.
    pub data: Option<&'a [u8]>,
}

impl<'a> Auth<'a> {
    const MECHANISM: u16 = 0x0001;
    const DATA: u16 = 0x0002;

    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<Auth<'a>, Fault> {
        let mut auth = Auth::default();
        ext::check(body, &[], |ext| {
            match ext.tag {
                Self::MECHANISM => auth.mechanism = Some(text(ext.value)?),
                Self::DATA => auth.data = Some(ext.value),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(auth)
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        ext::write_some(out, Self::MECHANISM, self.mechanism.map(str::as_bytes));
        ext::write_some(out, Self::DATA, self.data);
    }
}

/// The body of AUTHED and of RESUMED.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Authed<'a> {
    /// Full; empty on trunks.
    pub address: &'a str,
    /// The mechanism's last word.
    pub data: Option<&'a [u8]>,
    /// To resume this session.
    pub token: Option<&'a [u8]>,
    /// Seconds that it may be away.
    pub resume_s: u32,
    /// Names the server's log.
    pub epoch: u64,
    /// For the next login.
    pub ticket: Option<&'a [u8]>,
    /// Seconds that it is good.
    pub ticket_s: u32,
}

impl<'a> Authed<'a> {
    const ADDRESS: u16 = 0x0001;
    const DATA: u16 = 0x0002;
    const TOKEN: u16 = 0x0003;
    const RESUME_S: u16 = 0x0004;
    const EPOCH: u16 = 0x0005;
    const TICKET: u16 = 0x0006;
    const TICKET_S: u16 = 0x0007;

    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<Authed<'a>, Fault> {
        let mut authed = Authed::default();
        ext::check(body, &[], |ext| {
            match ext.tag {
                Self::ADDRESS => authed.address = text(ext.value)?,
                Self::DATA => authed.data = Some(ext.value),
                Self::TOKEN => authed.token = Some(ext.value),
                Self::RESUME_S => authed.resume_s = u32::from_le_bytes(number(ext.value)?),
                Self::EPOCH => authed.epoch = u64::from_le_bytes(number(ext.value)?),
                Self::TICKET => authed.ticket = Some(ext.value),
                Self::TICKET_S => authed.ticket_s = u32::from_le_bytes(number(ext.value)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(authed)
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.address.is_empty() {
            return;
        }
        ext::write(out, Self::ADDRESS, self.address.as_bytes());
        ext::write_some(out, Self::DATA, self.data);
        if let Some(token) = self.token {
            ext::write(out, Self::TOKEN, token);
            ext::write(out, Self::RESUME_S, &self.resume_s.to_le_bytes());
        }
        ext::write(out, Self::EPOCH, &self.epoch.to_le_bytes());
        if let Some(ticket) = self.ticket {
            ext::write(out, Self::TICKET, ticket);
            ext::write(out, Self::TICKET_S, &self.ticket_s.to_le_bytes());
        }
    }
}
