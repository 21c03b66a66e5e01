//! From a request to what answers it, and what pages of other origins may see of the answer.
//!
//! Invariants:
//! - A route is a fixed path, or a fixed path and a file's own name. No path of the disk is made of a request's.
//! - Answers never allow credentials: what a browser would send by itself means nothing here.

use std::rc::Rc;
use std::sync::Arc;

use crosspoint_engine::rt::Clock;
use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, Request, StatusCode};

use super::bosh::Bosh;
use super::door::Guest;
use super::hostmeta::{self, HostMeta};
use super::pool::Pool;
use super::reply::{Reply, empty, text, whole};
use super::{BOSH_PATH, upload};

/// Everything that is served.
pub struct Site {
    /// Where to find what.
    pub meta: HostMeta,
    /// Pages of these origins may see the answers; `None`: all.
    pub origins: Option<Vec<String>>,
    /// XMPP over HTTP.
    pub bosh: Option<Rc<Bosh>>,
    /// Files.
    pub uploads: Option<Arc<upload::Store>>,
    /// For what blocks.
    pub pool: Pool,
    /// The time.
    pub clock: Clock,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    HostMeta,
    HostMetaJson,
    Bosh,
    Upload,
}

impl Route {
    fn of(path: &str) -> Option<Route> {
        match path {
            hostmeta::XML_PATH => Some(Route::HostMeta),
            hostmeta::JSON_PATH => Some(Route::HostMetaJson),
            BOSH_PATH => Some(Route::Bosh),
            path => path.starts_with(upload::PATH).then_some(Route::Upload),
        }
    }

    fn methods(self) -> &'static str {
        match self {
            Route::HostMeta | Route::HostMetaJson => "GET, HEAD, OPTIONS",
            Route::Bosh => "POST, OPTIONS",
            Route::Upload => "GET, HEAD, PUT, OPTIONS",
        }
    }
}

/// Answers one request.
pub async fn answer(site: Rc<Site>, guest: Rc<Guest>, request: Request<Incoming>) -> Reply {
    let origin = request.headers().get(ORIGIN).cloned();
    let Some(route) = Route::of(request.uri().path()) else {
        return text(StatusCode::NOT_FOUND, "nothing here");
    };
    if !is_welcome(&site, origin.as_ref()) {
        return text(StatusCode::FORBIDDEN, "pages of this origin are not let in");
    }
    let mut reply = if request.method() == Method::OPTIONS {
        preflight(route)
    } else {
        match route {
            Route::HostMeta => fixed(&request, "application/xrd+xml", &site.meta.xml),
            Route::HostMetaJson => fixed(&request, "application/json", &site.meta.json),
            Route::Bosh => match &site.bosh {
                Some(bosh) if request.method() == Method::POST => bosh.clone().post(&guest, request).await,
                Some(_) => not_allowed(route),
                None => text(StatusCode::NOT_FOUND, "nothing here"),
            },
            Route::Upload => uploads(&site, &guest, request).await,
        }
    };
    allow(reply.headers_mut(), site.origins.is_some(), origin);
    reply
}

async fn uploads(site: &Site, guest: &Guest, request: Request<Incoming>) -> Reply {
    let Some(store) = site.uploads.clone() else {
        return text(StatusCode::NOT_FOUND, "nothing here");
    };
    match *request.method() {
        Method::GET | Method::HEAD => upload::get(store, &site.pool, request.uri().path(), request.headers()).await,
        Method::PUT => upload::put(store, &site.pool, &guest.watch, site.clock.wall_ms(), request).await,
        _ => not_allowed(Route::Upload),
    }
}

fn fixed(request: &Request<Incoming>, media: &'static str, body: &str) -> Reply {
    match *request.method() {
        Method::GET | Method::HEAD => whole(StatusCode::OK, media, body.to_owned()),
        _ => not_allowed(Route::HostMeta),
    }
}

fn not_allowed(route: Route) -> Reply {
    let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "not this way");
    reply
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(route.methods()));
    reply
}

fn is_welcome(site: &Site, origin: Option<&HeaderValue>) -> bool {
    match (&site.origins, origin) {
        (None, _) | (_, None) => true,
        (Some(known), Some(origin)) => known
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes())),
    }
}

/// What a browser asks before it lets a page ask (Fetch, section 4.8).
fn preflight(route: Route) -> Reply {
    let mut reply = empty(StatusCode::NO_CONTENT);
    let headers = reply.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(route.methods()));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Content-Type, Range"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    reply
}

/// Lets pages see the answer: of all origins, or of the one that was found welcome.
fn allow(headers: &mut HeaderMap, listed: bool, origin: Option<HeaderValue>) {
    let allowed = match (listed, origin) {
        (false, _) => HeaderValue::from_static("*"),
        (true, Some(origin)) => origin,
        (true, None) => return,
    };
    if listed {
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Content-Length, Content-Range"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_its_route() {
        for path in [
            "/",
            "//",
            "/..",
            "/upload",
            "/../upload/x",
            "/.well-known/../http-bind",
            "/.well-known/host-meta/",
            "/.well-known/host-meta/../../etc/passwd",
            "/.well-known/host-meta.json/..",
            "/.well-known/%68ost-meta",
            "/http-bind/",
            "/http-bind/../../etc/passwd",
            "/http-bind%2f..",
            "/HTTP-BIND",
            "/xmpp-websocket",
        ] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }

    #[test]
    fn credentials_are_never_allowed() {
        for (listed, origin) in [
            (false, None),
            (false, Some("https://a")),
            (true, Some("https://a")),
            (true, None),
        ] {
            let mut headers = HeaderMap::new();
            allow(&mut headers, listed, origin.map(HeaderValue::from_static));
            assert!(!headers.contains_key("access-control-allow-credentials"));
            let allowed = headers
                .get(ACCESS_CONTROL_ALLOW_ORIGIN)
                .map(|value| value.to_str().unwrap());
            assert_eq!(allowed, if listed { origin } else { Some("*") });
        }
    }
}
