"""Where to connect next: the client's own URLs with full jitter, and redirects that end (SPEC.md, section 11.1).

Pure: the time and chance are arguments.
"""

import dataclasses
import urllib.parse

DEFAULT_PORTS = {"icpp": 5299, "icpps": 5300, "ws": 80, "wss": 443}
HOPS_MAX = 3
# Logged in for so long, a chain of redirects and a row of failures are over.
SETTLED_SECONDS = 10.0
JITTER_BASE_SECONDS = 0.5
JITTER_MAX_SECONDS = 30.0
URLS_MAX = 16
# The longest that a server may ask us to wait.
ADVICE_SECONDS_MAX = 300.0


@dataclasses.dataclass(frozen=True, slots=True)
class Url:
    """One endpoint."""

    text: str
    scheme: str
    host: str
    port: int
    path: str = "/"

    @property
    def secure(self):
        return self.scheme in ("icpps", "wss")

    @property
    def websocket(self):
        return self.scheme in ("ws", "wss")

    @classmethod
    def parse(cls, text):
        """ValueError if it is not one of the four forms of section 1."""
        parts = urllib.parse.urlsplit(text)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise ValueError("not a URL of ICPP: %r" % text)
        path = parts.path + ("?" + parts.query if parts.query else "")
        return cls(text, parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme], path or "/")


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One attempt: wait, then connect there and say so in HELLO."""

    url: Url
    wait: float = 0.0
    hops: int = 0
    came_from: str | None = None
    ticket: bytes | None = None
    node: str | None = None


class Routes:
    """Chooses the next step. `random` gives a float from 0 to 1."""

    def __init__(self, urls, random):
        self.own = [Url.parse(url) for url in urls]
        if not self.own:
            raise ValueError("no URL to connect to")
        self.random = random
        self.attempts, self.index = 0, 0
        self.advice, self.started = 0.0, False
        self.forget_chain()

    def forget_chain(self):
        self.hops, self.visited, self.queue = 0, set(), []

    def settled(self):
        """Logged in for SETTLED_SECONDS."""
        self.attempts = 0
        self.forget_chain()

    def retry_after(self, seconds):
        """The server's advice for the next attempt at our own URLs."""
        self.advice = max(self.advice, min(seconds, ADVICE_SECONDS_MAX))

    def redirect(self, redirect, here, secure=False):
        """Takes a REDIRECT that came from the node `here` (None if unknown). False if it must not be followed. What came over an encrypted
        connection (`secure`) does not lead to one that is not."""
        if here:
            self.visited.add(here)
        urls = [url for url in _parsed(redirect.urls) if url.secure or not secure]
        if self.hops >= HOPS_MAX or not urls or (redirect.node and redirect.node in self.visited):
            self.forget_chain()
            return False
        self.hops += 1
        wait = min(redirect.after / 1000, ADVICE_SECONDS_MAX)
        self.queue = [Step(url, wait if index == 0 else 0.0, self.hops, here, redirect.ticket, redirect.node)
                      for index, url in enumerate(urls)]
        return True

    def next(self):
        """The next step; to be called once for each attempt."""
        if self.queue:
            return self.queue.pop(0)
        self.forget_chain()
        wait = 0.0
        if self.started:
            wait = self.random() * min(JITTER_MAX_SECONDS, JITTER_BASE_SECONDS * 2 ** min(self.attempts, 16))
        wait, self.advice, self.started = max(wait, self.advice), 0.0, True
        return Step(self.own[self.index % len(self.own)], wait)

    def failed(self, logged_in):
        """The last connection ended before it was settled: the next attempt comes later, and elsewhere if this one did
        not even lead to a login."""
        self.attempts += 1
        if not self.hops and not logged_in:
            self.index += 1


def _parsed(texts):
    """Those of the first URLS_MAX that are URLs of ours."""
    found = []
    for text in texts[:URLS_MAX]:
        try:
            found.append(Url.parse(text))
        except ValueError:
            continue
    return found
