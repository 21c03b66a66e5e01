//! Files over HTTP.
//!
//! Invariants:
//! - Nothing that was uploaded can run in a browser: only types that cannot are shown as what they are, all others are bytes
//!   to be saved, and the page that such a file would be may load and do nothing.
//! - A body is never longer than its place, and takes no longer than [`put_ms`].

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, StatusCode};

use super::Store;
use super::files::{Facts, Part, Stored};
use super::place::{Id, Place, Query, escape, unescape};
use crate::web::pool::Pool;
use crate::web::reply::{Content, Next, Pieces, Reply, Step, empty, text};
use crate::web::watch::Watch;

/// Bytes written, or read, at once.
const PIECE_BYTES: usize = 256 * 1024;

/// What a body may take beside its bytes.
const PUT_MS: u64 = 30_000;

/// The slowest that a body may come, in bytes a millisecond.
const PUT_BYTES_PER_MS: u64 = 8;

/// Types that browsers show and that have no way to run anything. Not among them, on purpose: everything of XML (SVG), HTML,
/// PDF.
const SHOWN: [&str; 16] = [
    "audio/aac",
    "audio/flac",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/opus",
    "audio/wav",
    "audio/webm",
    "image/avif",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "video/mp4",
    "video/ogg",
    "video/webm",
];

/// What all others are.
const BYTES: &str = "application/octet-stream";

const REFERRER_POLICY: HeaderName = HeaderName::from_static("referrer-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// For how long a body of this size may come.
fn put_ms(bytes: u64) -> u64 {
    PUT_MS + bytes / PUT_BYTES_PER_MS
}

/// `20786-0f3a...e1/holiday.jpg`
fn parse(path: &str) -> Option<(Id, String)> {
    let (id, name) = path.split_once('/')?;
    Some((Id::parse(id)?, unescape(name)?))
}

/// Takes a file in.
pub async fn put(store: Arc<Store>, pool: &Pool, watch: &Watch, now_ms: u64, request: Request<Incoming>) -> Reply {
    let (place, facts) = match judge(&store, now_ms, &request) {
        Ok(judged) => judged,
        Err((status, why)) => return text(status, why),
    };
    if !store.ledger().take(place.owner, place.random) {
        return text(StatusCode::CONFLICT, "this place has been used");
    }
    watch.allow(put_ms(place.size));
    let mut taken = Taken {
        store: store.clone(),
        place,
        pool: pool.clone(),
        part: None,
        kept: false,
    };
    let outcome = taken.fill(facts, request.into_body()).await;
    watch.done();
    match outcome {
        Ok(()) => {
            taken.kept = true;
            if store.ledger().finish(place.owner, place.random, place.day) {
                return empty(StatusCode::CREATED);
            }
            pool.leave(move || store.drop_file(place.id()));
            text(StatusCode::GONE, "whose it was is no more")
        }
        Err(error) => match error.kind() {
            io::ErrorKind::AlreadyExists => text(StatusCode::CONFLICT, "this place has been used"),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                tracing::warn!(%error, "there is no space for uploads");
                text(StatusCode::INSUFFICIENT_STORAGE, "there is no space for it now")
            }
            io::ErrorKind::WouldBlock => text(StatusCode::SERVICE_UNAVAILABLE, "too much is going on, try again"),
            io::ErrorKind::InvalidInput => text(StatusCode::BAD_REQUEST, "the body is not as long as was said"),
            _ => {
                tracing::warn!(%error, "an upload failed");
                text(StatusCode::INTERNAL_SERVER_ERROR, "it could not be stored")
            }
        },
    }
}

type Judged = Result<(Place, Facts), (StatusCode, &'static str)>;

/// Whether this PUT is what a place was given for.
fn judge(store: &Store, now_ms: u64, request: &Request<Incoming>) -> Judged {
    const FORBIDDEN: (StatusCode, &str) = (StatusCode::FORBIDDEN, "this is not a place that was given");
    let path = request.uri().path().strip_prefix(super::PATH).and_then(parse);
    let (id, name) = path.ok_or((StatusCode::NOT_FOUND, "nothing here"))?;
    let query = request.uri().query().and_then(Query::parse).ok_or(FORBIDDEN)?;
    let place = Place::of(id, query);
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let media = header(CONTENT_TYPE).unwrap_or_default();
    // A place without a type takes any, and forgets it.
    let media = [media, ""]
        .into_iter()
        .find(|media| store.seal.is_good(&place, &name, media, &query));
    let media = media.ok_or(FORBIDDEN)?;
    if now_ms >= place.until_ms {
        return Err((
            StatusCode::FORBIDDEN,
            "this place was good for a few minutes, which are over",
        ));
    }
    let length = header(CONTENT_LENGTH).and_then(|length| length.parse().ok());
    check_length(length, place.size)?;
    let facts = Facts {
        owner: place.owner,
        bytes: place.size,
        media: if media.is_empty() {
            BYTES.to_owned()
        } else {
            media.to_owned()
        },
        name,
    };
    Ok((place, facts))
}

fn check_length(said: Option<u64>, wanted: u64) -> Result<(), (StatusCode, &'static str)> {
    match said {
        None => Err((StatusCode::LENGTH_REQUIRED, "the length has to be said")),
        Some(said) if said > wanted => Err((StatusCode::PAYLOAD_TOO_LARGE, "the place is for a smaller file")),
        Some(said) if said < wanted => Err((StatusCode::BAD_REQUEST, "the place is for a larger file")),
        Some(_) => Ok(()),
    }
}

/// A place in use. Dropped with nothing to show, it leaves no part behind, and may be tried again.
struct Taken {
    store: Arc<Store>,
    place: Place,
    pool: Pool,
    part: Option<Part>,
    kept: bool,
}

impl Taken {
    async fn fill(&mut self, facts: Facts, mut body: Incoming) -> io::Result<()> {
        let id = Id {
            day: self.place.day,
            random: self.place.random,
        };
        let store = self.store.clone();
        self.part = Some(self.pool.run(move || store.files.create(id, &facts)).await??);
        let (mut gathered, mut total) = (Vec::new(), 0);
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
            let last = frame.is_none();
            let data = frame
                .transpose()
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            if let Some(data) = data.and_then(|frame| frame.into_data().ok()) {
                total += data.len() as u64;
                gathered.extend_from_slice(&data);
            }
            if total > self.place.size || (last && total < self.place.size) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            if gathered.len() >= PIECE_BYTES || last {
                self.write(std::mem::take(&mut gathered)).await?;
            }
            if last {
                break;
            }
        }
        let Some(part) = self.part.take() else { return Ok(()) };
        self.pool.run(move || part.finish()).await?
    }

    async fn write(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let Some(mut part) = self.part.take() else {
            return Ok(());
        };
        let part = self
            .pool
            .run(move || {
                let outcome = part.write(&bytes);
                outcome.map(|()| part)
            })
            .await?;
        self.part = Some(part?);
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Some(part) = self.part.take() {
            self.pool.leave(move || drop(part));
        }
        self.store.ledger().give_back(self.place.owner, self.place.random);
    }
}

/// Gives a file away, or, for `HEAD`, says what it would be.
pub async fn get(store: Arc<Store>, pool: &Pool, path: &str, headers: &HeaderMap) -> Reply {
    let Some((id, name)) = path.strip_prefix(super::PATH).and_then(parse) else {
        return text(StatusCode::NOT_FOUND, "nothing here");
    };
    let stored = match pool.run(move || store.files.get(id)).await {
        Ok(Ok(stored)) if stored.facts.name == name => Arc::new(stored),
        Ok(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "an uploaded file could not be read");
            return text(StatusCode::INTERNAL_SERVER_ERROR, "it cannot be read");
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return text(StatusCode::SERVICE_UNAVAILABLE, "too much is going on, try again");
        }
        _ => return text(StatusCode::NOT_FOUND, "nothing here"),
    };
    let all = stored.facts.bytes;
    let (status, first, count) = match headers.get(RANGE).map(|range| span(range, all)) {
        None | Some(None) => (StatusCode::OK, 0, all),
        Some(Some(Some((first, count)))) => (StatusCode::PARTIAL_CONTENT, first, count),
        Some(Some(None)) => {
            let mut reply = text(StatusCode::RANGE_NOT_SATISFIABLE, "there is less");
            set(&mut reply, CONTENT_RANGE, format!("bytes */{all}"));
            return reply;
        }
    };
    let pieces = pieces(stored.clone(), Rc::new(pool.clone()), first);
    let mut reply = Reply::new(Content::Pieces(count, Step::Ready(pieces)));
    *reply.status_mut() = status;
    if status == StatusCode::PARTIAL_CONTENT {
        set(
            &mut reply,
            CONTENT_RANGE,
            format!("bytes {first}-{}/{all}", first + count - 1),
        );
    }
    dress(&mut reply, &stored.facts);
    reply
}

/// What the one range of a header is in a file: `None`: no range that is understood, so all of it; `Some(None)`: beyond it.
fn span(range: &HeaderValue, all: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (first, last) = match (first.trim().is_empty(), last.trim().is_empty()) {
        (true, _) => (all.saturating_sub(number(last)?.min(all)), all.checked_sub(1)?),
        (false, true) => (number(first)?, all.checked_sub(1)?),
        (false, false) => (number(first)?, number(last)?.min(all.checked_sub(1)?)),
    };
    Some((first <= last && first < all).then(|| (first, last - first + 1)))
}

fn pieces(stored: Arc<Stored>, pool: Rc<Pool>, offset: u64) -> Pieces {
    Pieces(Box::new(move || -> Next {
        Box::pin(async move {
            let file = stored.clone();
            let bytes = pool.run(move || file.read_at(offset, PIECE_BYTES)).await??;
            let next = offset + bytes.len() as u64;
            Ok((Bytes::from(bytes), pieces(stored, pool, next)))
        })
    }))
}

/// The headers under which it goes out.
fn dress(reply: &mut Reply, facts: &Facts) {
    let media = facts
        .media
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let shown = SHOWN.binary_search(&media.as_str()).is_ok();
    let (media, how) = match shown {
        true => (media.as_str(), "inline"),
        false => (BYTES, "attachment"),
    };
    set(reply, CONTENT_TYPE, media.to_owned());
    set(
        reply,
        CONTENT_DISPOSITION,
        format!("{how}; filename*=UTF-8''{}", escape(&facts.name)),
    );
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        ),
        (REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, "cross-origin"),
        (CACHE_CONTROL, "private, max-age=86400, immutable"),
        (ACCEPT_RANGES, "bytes"),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

fn set(reply: &mut Reply, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::from_str(&value) {
        reply.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dressed(media: &str) -> HeaderMap {
        let mut reply = empty(StatusCode::OK);
        let facts = Facts {
            owner: 0,
            bytes: 0,
            media: media.to_owned(),
            name: "a\" b.html".to_owned(),
        };
        dress(&mut reply, &facts);
        reply.headers().clone()
    }

    #[test]
    fn what_is_uploaded_cannot_run_in_a_browser() {
        for media in [
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
            "application/pdf",
            "text/javascript",
            "text/plain",
            "image/png/../html",
            "",
        ] {
            let headers = dressed(media);
            assert_eq!(headers[CONTENT_TYPE], BYTES, "{media}");
            assert_eq!(
                headers[CONTENT_DISPOSITION], "attachment; filename*=UTF-8''a%22%20b.html",
                "{media}"
            );
        }
        for media in ["image/png", "Image/PNG; x=y", "video/mp4", "image/svg+xml"] {
            let headers = dressed(media);
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(
                policy.contains("default-src 'none'") && policy.ends_with("sandbox"),
                "{policy}"
            );
        }
        assert_eq!(dressed("Image/PNG; x=y")[CONTENT_TYPE], "image/png");
        assert!(SHOWN.is_sorted(), "it is searched by halves");
    }

    #[test]
    fn one_range_is_understood_and_others_are_all_of_it() {
        let spanned = |text: &'static str| span(&HeaderValue::from_static(text), 10);
        assert_eq!(spanned("bytes=2-4"), Some(Some((2, 3))));
        assert_eq!(spanned("bytes=2-"), Some(Some((2, 8))));
        assert_eq!(spanned("bytes=-3"), Some(Some((7, 3))));
        assert_eq!(spanned("bytes=-30"), Some(Some((0, 10))));
        assert_eq!(spanned("bytes=2-400"), Some(Some((2, 8))));
        assert_eq!(spanned("bytes=10-"), Some(None));
        assert_eq!(spanned("bytes=4-2"), Some(None));
        assert_eq!(spanned("bytes=-0"), Some(None));
        assert_eq!(spanned("bytes=0-1,3-4"), None);
        assert_eq!(spanned("lines=0-1"), None);
        assert_eq!(spanned("bytes=x-"), None);
        assert_eq!(span(&HeaderValue::from_static("bytes=0-"), 0), None);
    }
}
