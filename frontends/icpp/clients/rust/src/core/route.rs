//! Where to connect next, and when (SPEC.md section 11.1): the application's own URLs in turn, with full jitter between
//! attempts; or where a server has sent us.
//!
//! Invariants: at most [`REDIRECTS_MAX`] redirects in a row; never back to a node of the same chain; never from an encrypted
//! connection to one that is not.

use std::collections::VecDeque;

use crosspoint_icpp::codec::elsewhere::Redirect;

use super::fault::RedirectFault;
use super::limits::{ADVICE_MS_MAX, BACKOFF_MS, BACKOFF_MS_MAX, REDIRECTS_MAX, TOKEN_BYTES_MAX, URLS_MAX};
use super::url::Endpoint;

/// See the module.
#[derive(Debug)]
pub struct Route {
    own: Vec<Endpoint>,
    next_own: usize,
    /// Of the redirect that is being followed, in their order.
    targets: VecDeque<Endpoint>,
    ticket: Option<Vec<u8>>,
    hops: u8,
    /// Nodes that have sent us on; the last one is where we came from.
    chain: Vec<String>,
    attempts: u32,
    not_before: u64,
}

impl Route {
    /// With the application's URLs.
    pub fn new(own: Vec<Endpoint>) -> Route {
        Route {
            own,
            next_own: 0,
            targets: VecDeque::new(),
            ticket: None,
            hops: 0,
            chain: Vec::new(),
            attempts: 0,
            not_before: 0,
        }
    }

    /// Redirects followed in a row.
    pub fn hops(&self) -> u8 {
        self.hops
    }

    /// The node that sent us here.
    pub fn came_from(&self) -> Option<&str> {
        self.chain.last().map(String::as_str)
    }

    /// Whether a redirect is being followed.
    pub fn is_redirected(&self) -> bool {
        !self.targets.is_empty()
    }

    /// The ticket of the redirect that is being followed, once.
    pub fn take_ticket(&mut self) -> Option<Vec<u8>> {
        self.ticket.take()
    }

    /// When to try next. `random` is uniform.
    pub fn due(&self, now: u64, random: u64) -> u64 {
        if self.is_redirected() || self.attempts == 0 {
            return self.not_before.max(now);
        }
        let most = BACKOFF_MS
            .saturating_mul(1 << self.attempts.min(10))
            .min(BACKOFF_MS_MAX);
        self.not_before.max(now + random % (most + 1))
    }

    /// When a redirect may be followed.
    pub fn redirect_due(&self) -> u64 {
        self.not_before
    }

    /// Where to try next. `None` if the application named nothing.
    pub fn next(&mut self) -> Option<Endpoint> {
        if let Some(target) = self.targets.front() {
            return Some(target.clone());
        }
        let endpoint = self.own.get(self.next_own % self.own.len().max(1))?.clone();
        self.next_own += 1;
        Some(endpoint)
    }

    /// The connection is there: the other URLs of the redirect are not needed.
    pub fn arrived(&mut self) {
        self.targets.clear();
    }

    /// An attempt failed, or a connection ended. `advice_ms` is how long the server wants to be left alone.
    pub fn failed(&mut self, now: u64, advice_ms: u64) {
        self.targets.pop_front();
        if self.targets.is_empty() {
            self.forget_chain();
        }
        self.attempts = self.attempts.saturating_add(1);
        self.not_before = now + advice_ms.min(ADVICE_MS_MAX);
    }

    /// A target of a redirect cannot be reached, while the session goes on elsewhere.
    pub fn target_failed(&mut self) {
        self.targets.pop_front();
        if self.targets.is_empty() {
            self.ticket = None;
        }
    }

    /// A login has held: redirects and attempts are counted from 0 again.
    pub fn stable(&mut self) {
        self.attempts = 0;
        self.forget_chain();
    }

    fn forget_chain(&mut self) {
        self.hops = 0;
        self.chain.clear();
        self.ticket = None;
    }

    /// A server, whose name is `node`, sends us elsewhere.
    pub fn redirect(
        &mut self,
        redirect: &Redirect<'_>,
        node: &str,
        secure: bool,
        now: u64,
    ) -> Result<(), RedirectFault> {
        // Before WELCOME, only the redirect itself says who it is from.
        let node = if redirect.from.is_empty() { node } else { redirect.from };
        if self.hops >= REDIRECTS_MAX {
            return Err(RedirectFault::TooMany);
        }
        let seen = |target: &str| target == node || self.chain.iter().any(|earlier| earlier == target);
        if !redirect.node.is_empty() && seen(redirect.node) {
            return Err(RedirectFault::Loop);
        }
        let usable = |endpoint: &Endpoint| endpoint.transport.is_secure() || !secure;
        let targets: VecDeque<Endpoint> = redirect
            .urls()
            .filter_map(|url| url.parse().ok())
            .filter(usable)
            .take(URLS_MAX)
            .collect();
        if targets.is_empty() {
            return Err(RedirectFault::NoUrl);
        }
        self.targets = targets;
        self.hops += 1;
        self.chain.push(node.to_owned());
        let ticket = redirect.ticket.filter(|ticket| ticket.len() <= TOKEN_BYTES_MAX);
        self.ticket = ticket.map(<[u8]>::to_vec);
        self.not_before = now + u64::from(redirect.after_ms).min(ADVICE_MS_MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crosspoint_icpp::codec::elsewhere::Reason;

    fn route() -> Route {
        let own = ["icpp://one", "icpp://two"].map(|url| url.parse().unwrap());
        Route::new(own.to_vec())
    }

    fn redirect(route: &mut Route, url: &str, to: &str, from: &str, secure: bool) -> Result<(), RedirectFault> {
        let mut body = Vec::new();
        let mut written = Redirect::to(to, Reason::Load, from);
        written.ticket = Some(b"ticket");
        written.write(&mut body, [url]);
        route.redirect(&Redirect::read(&body).unwrap(), "", secure, 0)
    }

    #[test]
    fn own_urls_take_turns_and_waits_grow_up_to_a_limit() {
        let mut route = route();
        assert_eq!(route.due(5, u64::MAX), 5, "at once the first time");
        assert_eq!(route.next().unwrap().host, "one");
        let mut longest = Vec::new();
        for _ in 0..8 {
            route.failed(0, 0);
            assert!(route.due(0, 0) == 0);
            longest.push((0..60_000).map(|random| route.due(0, random)).max().unwrap());
        }
        assert_eq!(longest[..6], [1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
        assert_eq!(longest[7], 30_000);
        assert_eq!(route.next().unwrap().host, "two");
        assert_eq!(route.next().unwrap().host, "one");
    }

    #[test]
    fn advice_is_followed_within_reason() {
        let mut route = route();
        route.failed(1_000, 5_000);
        assert!(route.due(1_000, 0) == 6_000);
        route.failed(1_000, u64::MAX);
        assert_eq!(route.due(1_000, 0), 1_000 + ADVICE_MS_MAX);
    }

    #[test]
    fn chains_end() {
        let mut route = route();
        assert_eq!(redirect(&mut route, "icpp://a", "a", "one", false), Ok(()));
        assert_eq!((route.hops(), route.came_from()), (1, Some("one")));
        assert_eq!(route.next().unwrap().host, "a");
        assert_eq!(route.take_ticket().as_deref(), Some(&b"ticket"[..]));
        route.arrived();
        assert_eq!(
            redirect(&mut route, "icpp://one", "one", "a", false),
            Err(RedirectFault::Loop)
        );
        assert_eq!(
            redirect(&mut route, "icpp://a", "a", "a", false),
            Err(RedirectFault::Loop)
        );
        assert_eq!(redirect(&mut route, "icpp://b", "b", "a", false), Ok(()));
        assert_eq!(redirect(&mut route, "icpp://c", "c", "b", false), Ok(()));
        assert_eq!(
            redirect(&mut route, "icpp://d", "d", "c", false),
            Err(RedirectFault::TooMany)
        );
        route.stable();
        assert_eq!(redirect(&mut route, "icpp://a", "a", "c", false), Ok(()));
    }

    #[test]
    fn encryption_is_not_given_up() {
        let mut route = route();
        assert_eq!(
            redirect(&mut route, "icpp://a", "a", "one", true),
            Err(RedirectFault::NoUrl)
        );
        assert_eq!(redirect(&mut route, "icpps://a", "a", "one", true), Ok(()));
        assert_eq!(
            redirect(&mut route, "http://b", "b", "a", true),
            Err(RedirectFault::NoUrl)
        );
    }
}
