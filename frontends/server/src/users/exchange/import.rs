//! `crosspoint user import FILE.xml`: accounts with all that belongs to them, from a file of XEP-0227.
//!
//! Invariants:
//! - An account that exists is not touched. One that is new appears with everything that the book keeps of it, or not at all;
//!   its messages are on the disk before that.
//! - What is not taken is said, and why; an import that was interrupted can be run again.
//! - Other files are included only from the folder of the first one.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use crosspoint_engine::accounts::{self, Account};
use crosspoint_engine::blocking::BLOCKED_MAX;
use crosspoint_engine::envelope::Envelope;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::roster::{ITEMS_MAX, Item, REQUESTS_MAX, Roster, State};
use crosspoint_engine::scram::{AccountKeys, HashedPassword};
use crosspoint_engine::service::{BookWrite, Table};
use crosspoint_engine::store::{self, RecordId};
use crosspoint_storage::seam::Disposition;
use crosspoint_xmpp::exchange::{self, Piece};

use super::split::{Part, Within, split};
use super::vault::Vault;
use crate::users::keys;

/// Files within files.
pub const INCLUDES_DEEP_MAX: usize = 4;
/// Messages that wait for one user; more are refused, as a server would.
pub const WAITING_MAX: usize = 1_000;

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Accounts made.
    pub users: u64,
    /// Those of them that have keys for SCRAM-SHA-1 alone (XEP-0480).
    pub partial: u64,
    /// Accounts, and parts of accounts, that were not taken.
    pub refused: u64,
    /// Messages, those that wait included.
    pub messages: u64,
}

/// Told while an import goes on.
pub trait Listener {
    /// This account was made.
    fn made(&mut self, user: &str);
    /// Something was not taken.
    fn refused(&mut self, what: &str, why: &str);
    /// So many bytes of a file were read.
    fn read(&mut self, bytes: u64);
}

/// Imports a file, with those that it includes.
///
/// # Errors
/// A file cannot be read or is no such file, or something cannot be written; accounts that were made stay.
pub fn import(
    vault: &mut Vault,
    domain: Option<&str>,
    iterations: u32,
    file: &Path,
    listener: &mut dyn Listener,
) -> Result<Imported> {
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    let mut import = Import {
        vault,
        domain,
        iterations,
        folder,
        listener,
        host: None,
        user: None,
        imported: Imported::default(),
    };
    import.file(file, 0)?;
    import.vault.commit()?;
    Ok(import.imported)
}

struct Import<'i> {
    vault: &'i mut Vault,
    /// The one that this server serves, if it is known.
    domain: Option<&'i str>,
    iterations: u32,
    folder: PathBuf,
    listener: &'i mut dyn Listener,
    host: Option<String>,
    user: Option<Incoming>,
    imported: Imported,
}

/// A user that is being read.
struct Incoming {
    jid: Jid,
    password: Option<String>,
    hashed: Vec<HashedPassword>,
    created_unix_ms: u64,
    disabled: bool,
    contacts: Vec<Item>,
    requests: Vec<Item>,
    card: Option<Bytes>,
    documents: Vec<(String, String, Bytes)>,
    blocked: Vec<Jid>,
    waiting: Vec<Envelope>,
    archived: bool,
    last: RecordId,
}

impl Import<'_> {
    fn file(&mut self, path: &Path, depth: usize) -> Result<()> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut counted = Counted { inner: file, bytes: 0 };
        let mut take = |part: Part| match part {
            Part::Include(href) => self.include(path, &href, depth),
            part => self.part(part),
        };
        split(BufReader::new(&mut counted), &mut take).with_context(|| path.display().to_string())?;
        let bytes = counted.bytes;
        self.listener.read(bytes);
        Ok(())
    }

    /// A relative reference to a file that lies below the first one's folder (section 5).
    fn include(&mut self, from: &Path, href: &str, depth: usize) -> Result<()> {
        if depth >= INCLUDES_DEEP_MAX {
            bail!("files include each other deeper than {INCLUDES_DEEP_MAX} times");
        }
        let Some(reference) = decoded(href) else {
            bail!("`{href}` is no relative reference");
        };
        let relative = Path::new(&reference);
        let tame = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if !tame || reference.contains(':') {
            bail!("`{href}` leads out of the folder of the first file");
        }
        let path = from.parent().unwrap_or(Path::new("")).join(relative);
        let (root, real) = (self.folder.canonicalize_or_here()?, path.canonicalize());
        let real = real.with_context(|| format!("cannot read {}", path.display()))?;
        if !real.starts_with(&root) {
            bail!("`{href}` leads out of the folder of the first file");
        }
        self.file(&path, depth + 1)
    }

    fn part(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Host(jid) => self.host = Some(jid),
            Part::User { name, password } => self.begin(&name, password)?,
            Part::Element(within, text) => self.element(within, &text)?,
            Part::End => self.end()?,
            Part::Unknown(what) => self.refuse(&what, "is not known here"),
            Part::Include(_) => {}
        }
        Ok(())
    }

    fn refuse(&mut self, what: &str, why: &str) {
        self.imported.refused += 1;
        self.listener.refused(what, why);
    }

    fn begin(&mut self, name: &str, password: Option<String>) -> Result<()> {
        self.user = None;
        let Some(host) = self.host.clone() else {
            bail!("a user outside of a host");
        };
        let Ok(jid) = Jid::from_parts(Some(name), &host, None) else {
            self.refuse(&format!("{name}@{host}"), "is no address");
            return Ok(());
        };
        if self.domain.is_some_and(|domain| domain != jid.domain()) {
            self.refuse(jid.as_str(), "is not of the domain that this server serves");
            return Ok(());
        }
        if self.vault.row(Table::Account, store::user_key(&jid))?.is_some() {
            self.refuse(jid.as_str(), "exists already");
            return Ok(());
        }
        let last = self.vault.forget(&jid)?;
        self.user = Some(Incoming {
            jid,
            // ejabberd writes keys so, of one mechanism only.
            password: password.filter(|password| !password.is_empty() && !password.starts_with("scram:")),
            hashed: Vec::new(),
            created_unix_ms: 0,
            disabled: false,
            contacts: Vec::new(),
            requests: Vec::new(),
            card: None,
            documents: Vec::new(),
            blocked: Vec::new(),
            waiting: Vec::new(),
            archived: false,
            last,
        });
        Ok(())
    }

    fn element(&mut self, within: Within, text: &str) -> Result<()> {
        let Some(user) = &mut self.user else { return Ok(()) };
        let read = match within {
            Within::Private => exchange::read_document(text),
            _ => exchange::read(text, &user.jid),
        };
        let verdict = match read {
            Ok(Piece::Archived(envelope)) if self.vault.archives => {
                user.archived = true;
                let stamp = envelope.stamp_ms.unwrap_or_default();
                user.last = store::record_after(user.last, stamp);
                self.imported.messages += 1;
                let payload = store::encode(&envelope, stamp);
                return self.vault.append(&user.jid, user.last, payload, Disposition::Archived);
            }
            Ok(Piece::Archived(_)) => Err("is history, and archive.enabled is false".to_owned()),
            Ok(piece) => user.keep(piece),
            Err(refused) => Err(refused.to_string()),
        };
        if let Err(why) = verdict {
            let jid = user.jid.clone();
            self.refuse(jid.as_str(), &why);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let Some(mut user) = self.user.take() else {
            return Ok(());
        };
        let now = keys::now_unix_ms();
        let waiting = std::mem::take(&mut user.waiting);
        // What waits is history as well, unless the file has that by itself.
        let disposition = match self.vault.archives && !user.archived {
            true => Disposition::PendingArchived,
            false => Disposition::Pending,
        };
        for envelope in &waiting {
            let stamp = envelope.stamp_ms.unwrap_or(now);
            user.last = store::record_after(user.last, stamp);
            let payload = store::encode(envelope, stamp);
            self.vault.append(&user.jid, user.last, payload, disposition)?;
        }
        self.imported.messages += waiting.len() as u64;
        self.vault.commit()?;
        let (account, open) = user.account(self.iterations, now)?;
        if !open {
            let why = "has no password, nor keys of SCRAM-SHA-1 of 4,096 rounds or more; set one by \
                       `crosspoint user passwd`";
            self.refuse(user.jid.as_str(), why);
        }
        if !self.vault.write(&user.rows(&account, now))? {
            self.refuse(user.jid.as_str(), "exists already");
            return Ok(());
        }
        self.imported.users += 1;
        self.imported.partial += u64::from(account.keys.is_partial());
        self.listener.made(user.jid.as_str());
        Ok(())
    }
}

impl Incoming {
    /// Remembers a piece, within the bounds that a server keeps.
    fn keep(&mut self, piece: Piece) -> Result<(), String> {
        let full = |what: &str, max: usize| Err(format!("has more than {max} {what}"));
        match piece {
            Piece::Account {
                created_unix_ms,
                disabled,
            } => {
                (self.created_unix_ms, self.disabled) = (created_unix_ms, disabled);
            }
            Piece::Credentials(hashed) => {
                self.hashed.retain(|known| known.mechanism != hashed.mechanism);
                self.hashed.push(hashed);
            }
            Piece::Contact(item) if item.jid == self.jid => return Err("has itself as a contact".to_owned()),
            Piece::Contact(_) if self.contacts.len() >= ITEMS_MAX => return full("contacts", ITEMS_MAX),
            Piece::Contact(item) => self.contacts.push(item),
            Piece::Request(_) if self.requests.len() >= REQUESTS_MAX => {
                return full("requests for subscription", REQUESTS_MAX);
            }
            Piece::Request(item) => self.requests.push(item),
            Piece::Card(card) => self.card = Some(card),
            Piece::Document(namespace, name, document) => self.documents.push((namespace, name, document)),
            Piece::Blocked(addresses) if self.blocked.len() + addresses.len() > BLOCKED_MAX => {
                return full("blocked addresses", BLOCKED_MAX);
            }
            Piece::Blocked(addresses) => self.blocked.extend(addresses),
            Piece::Waiting(_) if self.waiting.len() >= WAITING_MAX => return full("messages that wait", WAITING_MAX),
            Piece::Waiting(envelope) => self.waiting.push(envelope),
            Piece::Archived(_) => {}
        }
        Ok(())
    }

    /// The account, and whether anybody can log in to it.
    fn account(&self, iterations: u32, now: u64) -> Result<(Account, bool)> {
        let made = match &self.password {
            Some(password) => keys::account(password, iterations).ok(),
            None => AccountKeys::of_hashed(&self.hashed).ok().map(|keys| Account {
                keys,
                created_unix_ms: now,
                disabled: false,
            }),
        };
        let open = made.is_some();
        let mut account = match made {
            Some(account) => account,
            None => keys::account(&keys::unguessable()?, iterations)?,
        };
        if self.created_unix_ms > 0 {
            account.created_unix_ms = self.created_unix_ms;
        }
        account.disabled = self.disabled;
        Ok((account, open))
    }

    /// Everything that the book keeps.
    fn rows(&self, account: &Account, now: u64) -> Vec<BookWrite> {
        let user = &self.jid;
        let put = |table, key, value| BookWrite::Put { table, key, value };
        let mut rows = vec![accounts::creation(user, account)];
        let roster = self.roster();
        if !roster.is_empty() {
            rows.push(put(
                Table::Roster,
                store::user_prefix(user),
                Roster::empty(now).header(),
            ));
        }
        for item in &roster {
            rows.push(put(
                Table::Roster,
                store::part_key(user, item.jid.as_str()),
                item.encode(),
            ));
        }
        if let Some(card) = &self.card {
            rows.push(put(Table::Vcard, store::user_key(user), card.clone()));
        }
        rows.extend(exchange::document_rows(user, &self.documents));
        for address in &self.blocked {
            rows.push(put(Table::Block, store::part_key(user, address.as_str()), Bytes::new()));
        }
        rows
    }

    /// Contacts, each once, with who waits for an answer.
    fn roster(&self) -> Vec<Item> {
        let mut items = self.contacts.clone();
        items.sort_by(|left, right| left.jid.cmp(&right.jid));
        items.dedup_by(|right, left| right.jid == left.jid);
        let mut strangers: Vec<Item> = Vec::new();
        for request in &self.requests {
            if let Ok(place) = items.binary_search_by(|item| item.jid.cmp(&request.jid)) {
                let item = &mut items[place];
                let state = item.state;
                if let Some(state) = State::new(state.subscription(), state.pending_out(), true, false) {
                    (item.state, item.request) = (state, request.request.clone());
                }
            } else if !strangers.iter().any(|known| known.jid == request.jid) {
                strangers.push(request.clone());
            }
        }
        items.extend(strangers);
        items
    }
}

trait Canonical {
    fn canonicalize_or_here(&self) -> std::io::Result<PathBuf>;
}

impl Canonical for PathBuf {
    /// A file without a folder lies in this one.
    fn canonicalize_or_here(&self) -> std::io::Result<PathBuf> {
        match self.as_os_str().is_empty() {
            true => Path::new(".").canonicalize(),
            false => self.canonicalize(),
        }
    }
}

/// Undoes what `%41` stands for; `None` if that is no text.
fn decoded(href: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(href.len());
    let mut rest = href.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

struct Counted {
    inner: File,
    bytes: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}
