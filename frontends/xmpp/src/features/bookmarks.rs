//! XEP-0402 PEP Native Bookmarks, one set with those of XEP-0048, be they in private XML (XEP-0049) or in PEP.
//!
//! ```text
//!   urn:xmpp:bookmarks:1   an item for each room          ◀── follows ──▶   storage:bookmarks   one item with all
//!                                                                                  ▲
//!                                                     jabber:iq:private is another name of it
//! ```
//! Invariants:
//! - After every change, within its turn, both nodes have the same rooms with the same names, nicks, passwords and autojoin.
//! - What only one of them knows (`<extensions/>` here, `<url/>` there) outlives a change of the other.

use bytes::Bytes;
use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{Host, Row, Table};

use super::ask::{Ask, Later, Reply};
use super::pubsub::sheet::{self, Contents, Done, Next, Sheet};
use super::pubsub::{self, Fault, Publication};
use super::{Feature, Outcome, Xep, private, xml};
use crate::codec::{Builder, Element};

/// The node of native bookmarks, and their namespace.
pub const NS: &str = "urn:xmpp:bookmarks:1";
/// The node of the older ones, and their namespace.
pub const NS_STORAGE: &str = "storage:bookmarks";
/// All bookmarks of a user as one element, in bytes; beyond, the older form of them is left as it was.
pub const STORAGE_BYTES_MAX: usize = 512 * 1024;

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(402, "1.2.0"), Xep::new(48, "1.2")],
    enabled: |_| true,
    domain: &[],
    account: &["urn:xmpp:bookmarks:1#compat", "urn:xmpp:bookmarks:1#compat-pep"],
    handlers: &[],
};

/// Bookmarks in private XML (XEP-0048 as of version 1.0): the item of the older node.
pub(super) fn private_get(ask: &Ask<'_>, host: &mut dyn Host) -> Outcome {
    let (later, owner) = (ask.later(), ask.account());
    let of = owner.clone();
    let found = move |storage: Result<Option<Bytes>, Fault>, host: &mut dyn Host| match storage {
        Ok(Some(storage)) => later.finish(Ok(Reply::Body(private::wrap(&storage))), host),
        Ok(None) => old_document(&owner, later, host),
        Err(fault) => later.finish(Err(fault.condition), host),
    };
    last_storage(&of, Box::new(found), host);
    Ok(Reply::Later)
}

/// The document of a time before there were nodes.
fn old_document(owner: &Jid, later: Later, host: &mut dyn Host) {
    let key = Bytes::from([owner.bare_str(), "\0", NS_STORAGE, "\0storage"].concat());
    let found = move |rows: Result<Vec<Row>, Condition>, host: &mut dyn Host| {
        let document = rows.map(|rows| match rows.first() {
            Some(row) => private::wrap(&row.value),
            None => private::wrap(b"<storage xmlns=\"storage:bookmarks\"/>"),
        });
        later.finish(document.map(Reply::Body), host);
    };
    host.read(Table::Document, key, Box::new(found));
}

/// The older node's item.
fn last_storage(owner: &Jid, then: Done<Option<Bytes>>, host: &mut dyn Host) {
    let last = |contents: Option<Contents>| Some(contents?.1.pop()?.1);
    let found = move |contents: Result<Option<Contents>, Fault>, host: &mut dyn Host| then(contents.map(last), host);
    sheet::contents(owner, NS_STORAGE, Box::new(found), host);
}

pub(super) fn private_set(ask: &Ask<'_>, storage: &Element<'_>, host: &mut dyn Host) -> Outcome {
    let payload = xml::standalone(storage, private::PRIVATE_BYTES_MAX).ok_or(Condition::NotAcceptable)?;
    let later = ask.later();
    let publication = Publication {
        who: ask.account(),
        id: Some("current".to_owned()),
        payload,
        demands: None,
    };
    let done = |published: Result<String, Fault>, host: &mut dyn Host| {
        later.done(published.map(drop).map_err(|fault| fault.condition), host);
    };
    pubsub::into_node(&ask.account(), NS_STORAGE, publication, Box::new(done), host);
    Ok(Reply::Later)
}

/// Both forms of a user's bookmarks: the native ones by room, and the older item if there is one.
type Forms = (Vec<(String, Bytes)>, Option<Bytes>);

fn both(owner: &Jid, then: Done<Forms>, host: &mut dyn Host) {
    let user = owner.clone();
    let found = move |native: Result<Option<Contents>, Fault>, host: &mut dyn Host| match native {
        Ok(native) => {
            let native = native.map(|(_, items)| items).unwrap_or_default();
            let pair = move |storage: Result<Option<Bytes>, Fault>, host: &mut dyn Host| {
                then(storage.map(|storage| (native, storage)), host);
            };
            last_storage(&user, Box::new(pair), host);
        }
        Err(fault) => then(Err(fault), host),
    };
    sheet::contents(owner, NS, Box::new(found), host);
}

/// Native bookmarks have changed: the older form of them is written anew.
pub(super) fn native_changed(owner: &Jid, next: Next, host: &mut dyn Host) {
    let user = owner.clone();
    let found = move |forms: Result<Forms, Fault>, host: &mut dyn Host| {
        let (native, before) = match forms {
            Ok(forms) => forms,
            Err(fault) => return next(Err(fault), host),
        };
        let after = Bytes::from(collate(&native, before.as_deref().unwrap_or_default()));
        if before.as_ref() == Some(&after) || after.len() > STORAGE_BYTES_MAX {
            return next(Ok(()), host);
        }
        let edit = move |sheet: &mut Sheet, host: &dyn Host| {
            let id = sheet
                .ensure()?
                .items
                .last()
                .map_or("current".to_owned(), |last| last.id.clone());
            let owner = sheet.owner.clone();
            sheet.publish(&owner, Some(id), after, host.now().unix_ms).map(drop)
        };
        sheet::in_turn(&user, NS_STORAGE, Box::new(edit), next, host);
    };
    both(owner, Box::new(found), host);
}

/// The older form has changed: what is new or different is published natively, what is gone is retracted.
pub(super) fn storage_changed(owner: &Jid, next: Next, host: &mut dyn Host) {
    let user = owner.clone();
    let found = move |forms: Result<Forms, Fault>, host: &mut dyn Host| {
        let (native, storage) = match forms {
            Ok(forms) => forms,
            Err(fault) => return next(Err(fault), host),
        };
        // Whoever clears the older form away does not mean to forget the rooms.
        let changes = storage.map(|storage| changes(&native, &storage)).unwrap_or_default();
        if changes.is_empty() {
            return next(Ok(()), host);
        }
        let edit = move |sheet: &mut Sheet, host: &dyn Host| apply(sheet, changes, host);
        sheet::in_turn(&user, NS, Box::new(edit), next, host);
    };
    both(owner, Box::new(found), host);
}

fn apply(sheet: &mut Sheet, changes: Vec<(String, Option<Bytes>)>, host: &dyn Host) -> Result<(), Fault> {
    sheet.ensure()?;
    let owner = sheet.owner.clone();
    for (room, payload) in changes {
        match payload {
            Some(payload) => drop(sheet.publish(&owner, Some(room), payload, host.now().unix_ms)?),
            None => sheet.retract(&room, true)?,
        }
    }
    Ok(())
}

/// What both forms know of a room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Room {
    name: Option<String>,
    autojoin: bool,
    nick: Option<String>,
    password: Option<String>,
}

impl Room {
    fn read(conference: &Element<'_>, ns: &str) -> Room {
        let text = |name| conference.child(name, ns).map(|child| child.text().into_owned());
        Room {
            name: conference.attr("name").map(str::to_owned),
            autojoin: matches!(conference.attr("autojoin"), Some("1" | "true")),
            nick: text("nick"),
            password: text("password"),
        }
    }

    /// Writes `<conference>` and leaves it open.
    fn open(&self, el: &mut Builder<'_, '_>, ns: Option<&str>, jid: Option<&str>) {
        el.open("conference").attr_opt("xmlns", ns).attr_opt("jid", jid);
        el.attr_opt("name", self.name.as_deref());
        if self.autojoin {
            el.attr("autojoin", "true");
        }
        for (name, value) in [("nick", &self.nick), ("password", &self.password)] {
            if let Some(value) = value {
                el.open(name).text(value).close();
            }
        }
    }
}

/// All rooms as one `<storage/>`, with what else the former one held.
fn collate(native: &[(String, Bytes)], before: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("storage").attr("xmlns", NS_STORAGE);
    for (jid, payload) in native {
        let conference = str::from_utf8(payload)
            .ok()
            .and_then(|text| Element::parse(text, "").ok());
        if let Some(conference) = conference.filter(|conference| conference.is("conference", NS)) {
            Room::read(&conference, NS).open(&mut el, None, Some(jid));
            el.close();
        }
    }
    let before = str::from_utf8(before)
        .ok()
        .and_then(|text| Element::parse(text, "").ok());
    for other in before.iter().flat_map(|storage| storage.children()) {
        if !other.is("conference", NS_STORAGE)
            && let Some(kept) = xml::standalone(other, STORAGE_BYTES_MAX)
        {
            el.raw(&kept);
        }
    }
    el.finish();
    out
}

/// What must be published (with its payload) and retracted so that the native bookmarks are those of the storage.
fn changes(native: &[(String, Bytes)], storage: &[u8]) -> Vec<(String, Option<Bytes>)> {
    let storage = str::from_utf8(storage)
        .ok()
        .and_then(|text| Element::parse(text, "").ok());
    let conferences = storage.iter().flat_map(|storage| storage.children());
    let mut wanted: Vec<(String, Room)> = Vec::new();
    for conference in conferences.filter(|child| child.is("conference", NS_STORAGE)) {
        let Some(jid) = conference
            .attr("jid")
            .filter(|jid| !jid.is_empty() && jid.len() <= pubsub::NAME_BYTES_MAX)
        else {
            continue;
        };
        // Of two for one room the last counts.
        wanted.retain(|(known, _)| known != jid);
        wanted.push((jid.to_owned(), Room::read(conference, NS_STORAGE)));
    }
    let gone = native
        .iter()
        .filter(|(jid, _)| !wanted.iter().any(|(wanted, _)| wanted == jid));
    let mut changes: Vec<_> = gone.map(|(jid, _)| (jid.clone(), None)).collect();
    let max = pubsub::ITEMS_PER_NODE_MAX as usize;
    for (jid, room) in wanted.into_iter().take(max) {
        let before = native
            .iter()
            .find(|(known, _)| *known == jid)
            .map(|(_, payload)| &payload[..]);
        if let Some(payload) = native_of(&room, before.unwrap_or_default()) {
            changes.push((jid, Some(payload)));
        }
    }
    changes
}

/// A room's native bookmark, with what the former one held beside; nothing if that says the same.
fn native_of(room: &Room, before: &[u8]) -> Option<Bytes> {
    let before = str::from_utf8(before)
        .ok()
        .and_then(|text| Element::parse(text, "").ok());
    let before = before.filter(|conference| conference.is("conference", NS));
    if before.as_ref().is_some_and(|before| Room::read(before, NS) == *room) {
        return None;
    }
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    room.open(&mut el, Some(NS), None);
    let others = before.iter().flat_map(|conference| conference.children());
    for other in others.filter(|child| !child.is("nick", NS) && !child.is("password", NS)) {
        if let Some(kept) = xml::standalone(other, pubsub::ITEM_BYTES_MAX) {
            el.raw(&kept);
        }
    }
    el.finish();
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NATIVE: &str = "<conference xmlns=\"urn:xmpp:bookmarks:1\" name=\"The Play&apos;s the Thing\" autojoin=\"true\">\
        <nick>JC</nick><extensions><state xmlns=\"http://myclient.example/bookmark/state\" minimized=\"true\"/></extensions></conference>";
    const STORAGE: &str = "<storage xmlns='storage:bookmarks'><conference name='The Play&apos;s the Thing' autojoin='1' \
        jid='theplay@conference.shakespeare.lit'><nick>JC</nick></conference><url name='Works' url='http://x.org/'/></storage>";

    fn native() -> Vec<(String, Bytes)> {
        vec![(
            "theplay@conference.shakespeare.lit".to_owned(),
            Bytes::from_static(NATIVE.as_bytes()),
        )]
    }

    /// XEP-0402 section 3.3 and XEP-0048 section 4.
    #[test]
    fn both_forms_say_the_same() {
        assert_eq!(changes(&native(), STORAGE.as_bytes()), [], "nothing to do");
        let collated = String::from_utf8(collate(&native(), STORAGE.as_bytes())).expect("text");
        assert_eq!(
            collated,
            "<storage xmlns=\"storage:bookmarks\"><conference jid=\"theplay@conference.shakespeare.lit\" \
             name=\"The Play&apos;s the Thing\" autojoin=\"true\"><nick>JC</nick></conference>\
             <url xmlns=\"storage:bookmarks\" name=\"Works\" url=\"http://x.org/\"/></storage>"
        );
    }

    #[test]
    fn what_one_form_does_not_know_outlives_its_change() {
        let renamed = STORAGE.replace("<nick>JC</nick>", "<nick>Caesar</nick>");
        let changes = changes(&native(), renamed.as_bytes());
        let [(room, Some(payload))] = &changes[..] else {
            panic!("{changes:?}")
        };
        assert_eq!(room, "theplay@conference.shakespeare.lit");
        let payload = str::from_utf8(payload).expect("text");
        assert!(
            payload.contains("<nick>Caesar</nick>") && payload.contains("minimized=\"true\""),
            "{payload}"
        );
    }

    #[test]
    fn what_is_gone_is_retracted_and_what_is_twice_is_once() {
        assert_eq!(
            changes(&native(), b"<storage xmlns='storage:bookmarks'/>"),
            [("theplay@conference.shakespeare.lit".to_owned(), None)]
        );
        let twice =
            "<storage xmlns='storage:bookmarks'><conference jid='a@b'/><conference jid='a@b' name='c'/></storage>";
        assert_eq!(changes(&[], twice.as_bytes()).len(), 1);
    }
}
