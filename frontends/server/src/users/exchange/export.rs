//! `crosspoint user export`: everything that belongs to the accounts, as a file of XEP-0227, or as a folder of files, one for
//! each user (section 5.1).
//!
//! Invariant: what is written can be read by its owner alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use crosspoint_engine::accounts::Account;
use crosspoint_engine::envelope::{Codec, Envelope};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::roster::Item;
use crosspoint_engine::service::Table;
use crosspoint_engine::store;
use crosspoint_xmpp::exchange::{self, NS, NS_ARCHIVE};

use super::vault::Vault;

/// The first file of a folder.
pub const MAIN: &str = "main.xml";

const DECLARATION: &str = "<?xml version='1.0' encoding='UTF-8'?>\n";
const NS_INCLUDE: &str = "http://www.w3.org/2001/XInclude";

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Accounts.
    pub users: u64,
    /// Messages, those that wait included.
    pub messages: u64,
    /// Messages that cannot be said in XML.
    pub unsaid: u64,
}

/// Writes all accounts of the domain. `told` is called after each.
///
/// # Errors
/// Something cannot be read or written.
pub fn export(vault: &mut Vault, domain: &Jid, to: &Path, told: &mut dyn FnMut(&Jid)) -> Result<Exported> {
    let whole = to.extension().is_some_and(|extension| extension == "xml");
    let mut writer = match whole {
        true => Writer::one_file(to, domain)?,
        false => Writer::folder(to, domain)?,
    };
    let mut exported = Exported::default();
    let mut after = String::new();
    loop {
        let accounts = vault.accounts(&after)?;
        let Some(last) = accounts.last() else { break };
        after = String::from_utf8_lossy(&last.key).into_owned();
        for row in &accounts {
            let user = Jid::parse_bytes(row.key.clone()).context("an account's address cannot be read")?;
            if user.domain() != domain.domain() {
                continue;
            }
            let account = Account::decode(&row.value)
                .ok()
                .context("an account's row cannot be read")?;
            let mut one = writer.user(&user)?;
            write_user(&mut one, vault, &user, domain, &account, &mut exported)?;
            one.write_all(b"</user>\n")?;
            writer.take_back(one)?;
            exported.users += 1;
            told(&user);
        }
    }
    writer.end()?;
    Ok(exported)
}

type Out = BufWriter<File>;

fn write_user(
    out: &mut Out,
    vault: &mut Vault,
    user: &Jid,
    domain: &Jid,
    account: &Account,
    exported: &mut Exported,
) -> Result<()> {
    let mut text = Vec::new();
    exchange::account(&mut text, account);
    // ejabberd 23.01 keeps the last ones that it reads, whatever they are for, and takes them for SCRAM-SHA-1.
    for hashed in account.keys.hashed().iter().rev() {
        exchange::credentials(&mut text, hashed);
    }
    roster(&mut text, vault, user)?;
    if let Some(card) = vault.row(Table::Vcard, store::user_key(user))? {
        text.extend_from_slice(&card);
    }
    documents(&mut text, vault, user)?;
    black_list(&mut text, vault, user)?;
    out.write_all(&text)?;
    archive(out, vault, user, domain, exported)?;
    waiting(out, vault, user, domain, exported)
}

fn roster(text: &mut Vec<u8>, vault: &Vault, user: &Jid) -> Result<()> {
    let header = store::user_prefix(user);
    let rows = vault.rows_of(Table::Roster, user)?;
    let items = rows.iter().filter(|row| row.key != header);
    let items: Vec<Item> = items
        .map(|row| Item::decode(&row.value).with_context(|| format!("the roster of {user}")))
        .collect::<Result<_>>()?;
    text.extend_from_slice(b"<query xmlns='jabber:iq:roster'>");
    let listed = items.iter().filter(|item| item.listed);
    listed.for_each(|item| exchange::roster_item(text, item));
    text.extend_from_slice(b"</query>");
    for item in items.iter().filter(|item| item.state.pending_in()) {
        let request = item
            .request
            .as_ref()
            .and_then(|bytes| store::decode(store::ENVELOPE_VERSION, bytes).ok());
        exchange::subscription_request(text, item, request.as_ref());
    }
    Ok(())
}

/// Keys that begin with a control character are no documents (slots, and the white list).
fn documents(text: &mut Vec<u8>, vault: &Vault, user: &Jid) -> Result<()> {
    let start = store::user_prefix(user).len();
    let rows = vault.rows_of(Table::Document, user)?;
    let mut documents = rows
        .iter()
        .filter(|row| row.key.get(start).is_some_and(|byte| *byte >= b' '))
        .peekable();
    if documents.peek().is_some() {
        text.extend_from_slice(b"<query xmlns='jabber:iq:private'>");
        documents.for_each(|row| text.extend_from_slice(&row.value));
        text.extend_from_slice(b"</query>");
    }
    Ok(())
}

fn black_list(text: &mut Vec<u8>, vault: &Vault, user: &Jid) -> Result<()> {
    let start = store::user_prefix(user).len();
    let rows = vault.rows_of(Table::Block, user)?;
    let blocked: Vec<Jid> = rows
        .iter()
        .filter_map(|row| Jid::parse_bytes(row.key.slice(start..)).ok())
        .collect();
    exchange::black_list(text, blocked.iter());
    Ok(())
}

fn archive(out: &mut Out, vault: &mut Vault, user: &Jid, domain: &Jid, exported: &mut Exported) -> Result<()> {
    if !vault.archives {
        return Ok(());
    }
    write!(out, "<archive xmlns='{NS_ARCHIVE}'>")?;
    let mut after = 0;
    loop {
        let (records, next) = vault.history(user, after)?;
        for record in &records {
            let Ok(envelope) = store::decode(record.version, &record.payload) else {
                continue;
            };
            if !envelope.to.same_bare(user) && !envelope.from.same_bare(user) {
                continue;
            }
            let mut text = Vec::new();
            let said = exchange::archived(&mut text, record.id, &envelope, domain, neutral(&envelope));
            count(said, exported);
            out.write_all(&text)?;
        }
        match next {
            Some(edge) => after = edge,
            None => break,
        }
    }
    out.write_all(b"</archive>")?;
    Ok(())
}

fn waiting(out: &mut Out, vault: &mut Vault, user: &Jid, domain: &Jid, exported: &mut Exported) -> Result<()> {
    out.write_all(b"<offline-messages>")?;
    let mut after = 0;
    loop {
        let records = vault.waiting(user, after)?;
        let Some(last) = records.last() else { break };
        after = last.id;
        for record in &records {
            let Ok(envelope) = store::decode(record.version, &record.payload) else {
                continue;
            };
            if !envelope.to.same_bare(user) {
                continue;
            }
            let mut text = Vec::new();
            let said = exchange::waiting(&mut text, &envelope, domain, neutral(&envelope));
            count(said, exported);
            out.write_all(&text)?;
        }
    }
    out.write_all(b"</offline-messages>")?;
    Ok(())
}

fn neutral(envelope: &Envelope) -> Option<Envelope> {
    (envelope.content.codec == Codec::Icpp)
        .then(|| crosspoint_icpp::to_neutral(envelope))
        .flatten()
}

fn count(said: bool, exported: &mut Exported) {
    match said {
        true => exported.messages += 1,
        false => exported.unsaid += 1,
    }
}

/// One file, or three kinds of them.
enum Writer {
    Whole(Option<Out>),
    Folder { host: Out, users: PathBuf, domain: String },
}

impl Writer {
    fn one_file(path: &Path, domain: &Jid) -> Result<Writer> {
        let mut out = create(path)?;
        write!(out, "{DECLARATION}<server-data xmlns='{NS}'>\n<host jid='{domain}'>\n")?;
        Ok(Writer::Whole(Some(out)))
    }

    fn folder(path: &Path, domain: &Jid) -> Result<Writer> {
        let users = path.join(domain.domain());
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&users)
            .with_context(|| format!("cannot make {}", users.display()))?;
        let mut main = create(&path.join(MAIN))?;
        write!(main, "{DECLARATION}<server-data xmlns='{NS}' xmlns:xi='{NS_INCLUDE}'>")?;
        writeln!(main, "<xi:include href='{domain}.xml'/></server-data>")?;
        finish(main)?;
        let mut host = create(&path.join(format!("{domain}.xml")))?;
        writeln!(
            host,
            "{DECLARATION}<host xmlns='{NS}' xmlns:xi='{NS_INCLUDE}' jid='{domain}'>"
        )?;
        Ok(Writer::Folder {
            host,
            users,
            domain: domain.to_string(),
        })
    }

    /// The file that a user is written to, its start tag written.
    fn user(&mut self, user: &Jid) -> Result<Out> {
        let name = user.node().unwrap_or_default();
        match self {
            Writer::Whole(out) => {
                let mut out = out.take().context("a user is being written already")?;
                write!(out, "<user name='{}'>", escaped(name))?;
                Ok(out)
            }
            Writer::Folder { host, users, domain } => {
                let file = format!("{name}.xml");
                writeln!(host, "<xi:include href='{domain}/{}'/>", escaped(&encoded(&file)))?;
                let mut out = create(&users.join(&file))?;
                write!(out, "{DECLARATION}<user xmlns='{NS}' name='{}'>", escaped(name))?;
                Ok(out)
            }
        }
    }

    fn take_back(&mut self, one: Out) -> Result<()> {
        match self {
            Writer::Whole(out) => {
                *out = Some(one);
                Ok(())
            }
            Writer::Folder { .. } => finish(one),
        }
    }

    fn end(self) -> Result<()> {
        match self {
            Writer::Whole(out) => {
                let mut out = out.context("a user is being written still")?;
                out.write_all(b"</host>\n</server-data>\n")?;
                finish(out)
            }
            Writer::Folder { mut host, .. } => {
                host.write_all(b"</host>\n")?;
                finish(host)
            }
        }
    }
}

fn create(path: &Path) -> Result<Out> {
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    Ok(BufWriter::new(
        open.with_context(|| format!("cannot make {}", path.display()))?,
    ))
}

/// On the disk.
fn finish(out: Out) -> Result<()> {
    let file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    Ok(file.sync_all()?)
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

/// A file's name as a relative reference (RFC 3986): what is not plain is written by its bytes.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let each = |byte: u8| {
        if plain(byte) {
            (byte as char).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    name.bytes().map(each).collect()
}
