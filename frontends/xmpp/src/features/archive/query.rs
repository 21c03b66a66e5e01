//! What is asked of an archive: the form's fields (XEP-0313 section 4.1) and the page (XEP-0059).
//!
//! Invariant: what cannot be understood is refused, never ignored: a filter that is ignored shows what was not asked for.

use crosspoint_engine::envelope::Condition;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{Direction, Host, Span};
use crosspoint_engine::stable::StableId;
use crosspoint_engine::store::RecordId;

use super::{IDS_MAX, NS, QUERY_ID_BYTES_MAX, RESULTS_DEFAULT, RESULTS_MAX};
use crate::codec::Element;
use crate::stanza::time;

const FORMS: &str = "jabber:x:data";
const PAGES: &str = "http://jabber.org/protocol/rsm";

/// A query, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// Comes back in each result.
    pub queryid: Option<String>,
    /// Only messages with this correspondent.
    pub with: Option<Jid>,
    /// Only these, if any is named.
    pub ids: Vec<RecordId>,
    /// Only what lies between.
    pub span: Span,
    /// Where the page is taken from.
    pub direction: Direction,
    /// Results at most.
    pub results_max: u32,
    /// The newest is sent first.
    pub flip: bool,
    /// Must be in the archive.
    pub must_exist: Vec<RecordId>,
    /// Must be in the archive, just before the first record of the page in the query's direction: found on the way there.
    pub anchor: Option<RecordId>,
}

impl Query {
    /// Reads a `<query/>`. Errors: `bad-request`, `item-not-found` for what is no identity of ours, `feature-not-implemented` for
    /// an unknown field or a page by its number.
    pub fn read(payload: &Element<'_>, host: &dyn Host) -> Result<Query, Condition> {
        let queryid = payload.attr("queryid").map(str::to_owned);
        if queryid.as_ref().is_some_and(|id| id.len() > QUERY_ID_BYTES_MAX) {
            return Err(Condition::BadRequest);
        }
        if payload.attr("node").is_some() {
            // XEP-0442: archives of nodes.
            return Err(Condition::ItemNotFound);
        }
        let mut query = Query {
            queryid,
            with: None,
            ids: Vec::new(),
            span: Span::ALL,
            direction: Direction::Forward,
            results_max: RESULTS_DEFAULT,
            flip: payload.child("flip-page", NS).is_some(),
            must_exist: Vec::new(),
            anchor: None,
        };
        if let Some(form) = payload.child("x", FORMS) {
            query.read_form(form, host)?;
        }
        if let Some(set) = payload.child("set", PAGES) {
            query.read_page(set, host)?;
        }
        query.choose_anchor();
        Ok(query)
    }

    fn read_form(&mut self, form: &Element<'_>, host: &dyn Host) -> Result<(), Condition> {
        let mut named = false;
        let fields = form.children().filter(|child| child.is("field", FORMS));
        for field in fields {
            let mut values = field
                .children()
                .filter(|child| child.is("value", FORMS))
                .map(Element::text);
            let name = field.attr("var").ok_or(Condition::BadRequest)?;
            if name == "ids" {
                self.ids = values.map(|id| record(&id, host)).collect::<Result<_, _>>()?;
                if self.ids.len() > IDS_MAX {
                    return Err(Condition::ResourceConstraint);
                }
                continue;
            }
            // A field without a value is one that was left empty.
            let Some(value) = values.next().filter(|value| !value.is_empty()) else {
                continue;
            };
            match name {
                "FORM_TYPE" if value == NS => named = true,
                "with" => self.with = Some(Jid::parse(&value).map_err(|_| Condition::JidMalformed)?),
                "start" => self.span = self.span.start(moment(&value)?),
                "end" => self.span = self.span.end(moment(&value)?),
                "after-id" => self.span = self.span.after(self.known(&value, host)?),
                "before-id" => self.span = self.span.before(self.known(&value, host)?),
                "include-groupchat" if matches!(&*value, "true" | "false" | "1" | "0") => {}
                "FORM_TYPE" | "include-groupchat" => return Err(Condition::BadRequest),
                _ => return Err(Condition::FeatureNotImplemented),
            }
        }
        if named { Ok(()) } else { Err(Condition::BadRequest) }
    }

    /// XEP-0059 section 2.
    fn read_page(&mut self, set: &Element<'_>, host: &dyn Host) -> Result<(), Condition> {
        if set.child("index", PAGES).is_some() {
            return Err(Condition::FeatureNotImplemented);
        }
        if let Some(max) = set.child("max", PAGES) {
            let max: u32 = max.text().trim().parse().map_err(|_| Condition::BadRequest)?;
            self.results_max = max.min(RESULTS_MAX);
        }
        if let Some(after) = set.child("after", PAGES).map(Element::text).filter(|id| !id.is_empty()) {
            self.span = self.span.after(self.known(&after, host)?);
        }
        if let Some(before) = set.child("before", PAGES) {
            self.direction = Direction::Backward;
            let before = before.text();
            if !before.is_empty() {
                self.span = self.span.before(self.known(&before, host)?);
            }
        }
        Ok(())
    }

    /// What bounds the span at the end where the page begins needs no look-up of its own.
    fn choose_anchor(&mut self) {
        if !self.ids.is_empty() {
            return;
        }
        let bound = match self.direction {
            Direction::Forward => self.span.after,
            Direction::Backward => self.span.before,
        };
        if let Some(place) = self.must_exist.iter().position(|known| *known == bound) {
            self.anchor = Some(self.must_exist.swap_remove(place));
        }
    }

    fn known(&mut self, id: &str, host: &dyn Host) -> Result<RecordId, Condition> {
        let record = record(id, host)?;
        self.must_exist.push(record);
        Ok(record)
    }
}

fn record(id: &str, host: &dyn Host) -> Result<RecordId, Condition> {
    let id = StableId::parse(id).ok_or(Condition::ItemNotFound)?;
    Ok(host.record_of(id))
}

fn moment(text: &str) -> Result<u64, Condition> {
    time::read(text.trim()).ok_or(Condition::BadRequest)
}
