//! XEP-0363 HTTP File Upload: asking for a place. Where places are, and who may have one, the composition root knows.
//!
//! Invariant: nothing is kept here; what is asked is passed on, and what is answered is told.

use std::fmt;
use std::sync::Arc;

use crosspoint_engine::envelope::{Codec, Condition, Content, Envelope, Kind, QueryKind};
use crosspoint_engine::service::Host;

use super::ask::{Ask, Reply};
use super::caps::{Form, Identity};
use super::config::FeatureConfig;
use super::{Facts, Feature, Handler, Outcome, Reach, Xep};
use crate::codec::Builder;
use crate::stanza::time;

const NS: &str = "urn:xmpp:http:upload:0";

/// Purposes (section 8): what is kept for as long as messages are. For anything longer there is no place of its own.
const NS_PURPOSE: &str = "urn:xmpp:http:upload:purpose:0";
const MESSAGE: &str = "urn:xmpp:http:upload:purpose:0#message";

pub(super) const FEATURE: Feature = Feature {
    xeps: &[Xep::new(363, "1.2.0")],
    enabled: |config| config.uploads.is_some(),
    domain: &[NS, MESSAGE],
    account: &[],
    handlers: &[Handler {
        kind: QueryKind::Get,
        name: "request",
        ns: NS,
        reach: Reach::DOMAIN,
        run: request,
    }],
};

/// What keeps files. Called on shards: it neither blocks nor does I/O.
pub trait Uploads: Send + Sync {
    /// Of the largest file that is taken.
    fn file_bytes_max(&self) -> u64;

    /// A place for one file.
    ///
    /// # Errors
    /// Why there is none.
    fn place(&self, request: &PlaceRequest<'_>) -> Result<Places, PlaceRefusal>;

    /// This account, a bare address, is no more: neither are its files, soon.
    fn forget(&self, owner: &str);
}

/// A place that is wished for.
#[derive(Debug, Clone, Copy)]
pub struct PlaceRequest<'a> {
    /// Whose, a bare address.
    pub owner: &'a str,
    /// The file's name, without a path.
    pub name: &'a str,
    /// Its size.
    pub bytes: u64,
    /// Its media type, if that is known.
    pub media: Option<&'a str>,
    /// Unix milliseconds.
    pub now_ms: u64,
}

/// Where it goes, and where it will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// For the one PUT.
    pub put: String,
    /// For anybody's GET.
    pub get: String,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceRefusal {
    /// Files have at most so many bytes.
    TooLarge(u64),
    /// Not before this time (Unix milliseconds).
    Full {
        /// When to ask again.
        until_ms: u64,
    },
    /// The name, or the type, cannot be one.
    Name,
}

/// What keeps files, for all shards.
#[derive(Clone)]
pub struct SharedUploads(pub Arc<dyn Uploads>);

impl fmt::Debug for SharedUploads {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "files of up to {} bytes", self.0.file_bytes_max())
    }
}

impl PartialEq for SharedUploads {
    fn eq(&self, other: &SharedUploads) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SharedUploads {}

/// What disco#info says that the domain is, too (section 4).
pub(super) fn identity(config: &FeatureConfig) -> Option<Identity> {
    config.uploads.as_ref().map(|_| Identity {
        category: "store",
        kind: "file",
        name: String::new(),
    })
}

/// What disco#info says of the bound (section 4).
pub(super) fn form(config: &FeatureConfig) -> Option<Form> {
    let uploads = config.uploads.as_ref()?;
    Some(Form {
        form_type: NS,
        kind: "text-single",
        fields: vec![("max-file-size", vec![uploads.0.file_bytes_max().to_string()])],
    })
}

fn request(ask: &Ask<'_>, facts: &Facts, host: &mut dyn Host) -> Outcome {
    ask.local_only(host)?;
    let uploads = facts.config.uploads.as_ref().ok_or(Condition::ServiceUnavailable)?;
    let bytes = ask.payload.attr("size").and_then(|size| size.parse().ok());
    let (Some(name), Some(bytes)) = (ask.payload.attr("filename"), bytes) else {
        return Err(Condition::BadRequest);
    };
    let purposes = ask.payload.children().filter(|child| child.namespace() == NS_PURPOSE);
    if purposes.into_iter().any(|purpose| purpose.name() != "message") {
        return Err(Condition::FeatureNotImplemented);
    }
    let account = ask.account();
    let placed = uploads.0.place(&PlaceRequest {
        owner: account.as_str(),
        name,
        bytes,
        media: ask.payload.attr("content-type"),
        now_ms: host.now().unix_ms,
    });
    match placed {
        Ok(places) => Ok(Reply::Body(slot(&places))),
        Err(PlaceRefusal::Name) => Err(Condition::BadRequest),
        Err(PlaceRefusal::TooLarge(bytes_max)) => {
            refuse(ask, &too_large(bytes_max), host);
            Ok(Reply::Later)
        }
        Err(PlaceRefusal::Full { until_ms }) => {
            refuse(ask, &full(until_ms), host);
            Ok(Reply::Later)
        }
    }
}

fn slot(places: &Places) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("slot").attr("xmlns", NS);
    el.open("put").attr("url", places.put.as_str()).close();
    el.open("get").attr("url", places.get.as_str()).close();
    el.finish();
    out
}

/// Answers by an error with more in it than a condition (section 5).
fn refuse(ask: &Ask<'_>, error: &[u8], host: &mut dyn Host) {
    let content = Content {
        codec: Codec::Xmpp,
        head: bytes::Bytes::new(),
        body: bytes::Bytes::copy_from_slice(error),
    };
    host.send(Envelope {
        kind: Kind::Query(QueryKind::Error),
        ..ask.query.answer(content)
    });
}

fn error(kind: &str, condition: &str, write: impl FnOnce(&mut Builder<'_, '_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut el = Builder::new(&mut out);
    el.open("error").attr("type", kind);
    el.open(condition)
        .attr("xmlns", "urn:ietf:params:xml:ns:xmpp-stanzas")
        .close();
    write(&mut el);
    el.finish();
    out
}

fn too_large(bytes_max: u64) -> Vec<u8> {
    error("modify", "not-acceptable", |el| {
        el.open("file-too-large").attr("xmlns", NS);
        el.open("max-file-size").text(&bytes_max.to_string()).close().close();
    })
}

fn full(until_ms: u64) -> Vec<u8> {
    let mut stamp = Vec::new();
    time::write(&mut stamp, until_ms);
    let stamp = String::from_utf8_lossy(&stamp).into_owned();
    error("wait", "resource-constraint", |el| {
        el.open("retry").attr("xmlns", NS).attr("stamp", stamp.as_str()).close();
    })
}
