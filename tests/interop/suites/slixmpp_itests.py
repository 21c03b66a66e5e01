"""slixmpp's own integration tests, from its source distribution, with the library as it was installed.

They find their server by DNS, so the name of the test domain is answered here: SRV records for both ports, and the
server's loopback address. What they need beside accounts is set up here: a component, uploads, and a page that says that
there is no outage. A test that cannot apply is listed with the reason.
"""

import asyncio
import http.server
import os
import pathlib
import signal
import socket
import sys
import threading
import unittest
import warnings

from slixmpp import xmlstream

from interop import install, servers
from interop.raw import Raw
from interop.stage import Tally

TEST_SECONDS = 40
INAPPLICABLE = {
    "test_moderate": "the test looks for an element of XEP-0425's version 0.2, its library for version 0.3",
}
# Tests that can miss what they wait for, whatever the server does: they are tried so many times. A fault of ours shows each time.
RACING = {
    # The other client may hear of the change of nickname, which is an `unavailable` as well, only when it waits for the leaving.
    "test_muc.test_nick_change_leave": 3,
}
COMPONENT = {"name": "itests." + servers.DOMAIN, "secret": "secret-itests"}
STATUS_PORT = 5290
# What only Crosspoint is set up for.
OTHERS = {
    "test_component": "this suite gives it no component",
    "test_httpupload": "this suite gives it no uploads",
    "test_sos": "it has no service outage status (XEP-0455)",
}


def run(server, only=()):
    page = prepare(server) if server.name == "crosspoint" else None
    if server.name == "prosody":
        server.settings["modules"] = servers.PROSODY_MODULES + ' "mam"; "pep";'
    server.start()
    accounts = [("itest%d" % number, "secret-itest%d" % number) for number in (1, 2)]
    server.add_accounts(accounts)
    for number, (user, password) in enumerate(accounts, 1):
        os.environ["CI_ACCOUNT%d" % number] = server.jid(user)
        os.environ["CI_ACCOUNT%d_PASSWORD" % number] = password
    asyncio.run(befriend(server, *accounts))
    os.environ["CI_MUC_SERVER"] = server.rooms
    os.environ["SSL_CERT_FILE"] = str(server.certificate)
    # The test of components runs where it believes its own project's machine to be.
    os.environ["CI"] = "woodpecker"
    answer_names(server)
    try:
        return perform(server, only)
    finally:
        server.stop()
        if page:
            page.shutdown()


def prepare(server):
    """Before the start: what the tests need beside accounts. Gives back the page about outages."""
    server.settings["components"] = [COMPONENT]
    server.serve_web()
    page = http.server.ThreadingHTTPServer((server.address, STATUS_PORT), NoOutage)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    server.settings["environment"]["CROSSPOINT_XMPP_OUTAGE_STATUS"] = "http://%s:%d/status.json" % page.server_address
    return page


class NoOutage(http.server.BaseHTTPRequestHandler):
    """The page that XEP-0455 leads to, when all is well."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")


async def befriend(server, first, second):
    """Subscribes the two accounts to each other: a server need not deliver a stranger's query (RFC 6121, 8.5.3.1)."""
    for one, other in ((first, second), (second, first)):
        asker, giver = await Raw.session(server, *one), await Raw.session(server, *other)
        asker.say("<presence to='%s' type='subscribe'/>" % server.jid(other[0]))
        await asker.ping()
        giver.say("<presence/><presence to='%s' type='subscribed'/>" % server.jid(one[0]))
        await giver.ping()
        for raw in (asker, giver):
            raw.say("</stream:stream>")
            await raw.ended()


def answer_names(server):
    """DNS for the test domain alone: `_xmpp-client` and `_xmpps-client` at the server's address."""
    async def records(self, domain, port=None):
        found = []
        if self.enable_direct_tls:
            found.append(("xmpps-client", domain, server.address, servers.XMPPS_PORT))
        if self.enable_starttls:
            found.append(("xmpp-client", domain, server.address, servers.XMPP_PORT))
        return found
    xmlstream.XMLStream.get_dns_records = records
    ask = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        return ask(server.address if host == server.domain else host, *arguments, **options)
    socket.getaddrinfo = getaddrinfo


def perform(server, only):
    tally = Tally("slixmpp-itests")
    folder = install.slixmpp_source() / "itests"
    sys.path.insert(0, str(alone(folder)))
    warnings.simplefilter("ignore")
    inapplicable = INAPPLICABLE if server.name == "crosspoint" else {**INAPPLICABLE, **OTHERS}
    for file in sorted(folder.glob("test_*.py")):
        if file.stem in inapplicable:
            tally.note("skip", file.stem, inapplicable[file.stem])
        elif not only or any(word in file.stem for word in only):
            perform_module(tally, server, file.stem)
    return tally.close()


def alone(folder):
    """A folder in which only the tests are found, not the library's source beside them, which is not built."""
    place = install.HOME / "itests"
    place.mkdir(exist_ok=True)
    link = place / "itests"
    if not link.exists():
        link.symlink_to(pathlib.Path(folder))
    return place


def perform_module(tally, server, name):
    module = __import__("itests." + name, fromlist=["suite"])
    if name == "test_component":
        module.CI_JID, module.CI_SECRET = COMPONENT["name"], COMPONENT["secret"]
        module.CI_SERVER, module.CI_PORT = server.domain, servers.COMPONENT_PORT
    suite = module.suite
    signal.signal(signal.SIGALRM, too_long)
    for test in suite:
        title = "%s.%s" % (name, test.id().rpartition(".")[2])
        if title in server.lacks:
            tally.note("skip", title, server.lacks[title])
            continue
        for _ in range(RACING.get(title, 1)):
            result = attempt(test)
            faults = result.failures + result.errors
            if not faults:
                break
        if faults:
            print(faults[0][1], file=sys.stderr)
            tally.note("FAIL", title, faults[0][1].strip().splitlines()[-1])
        elif result.skipped:
            tally.note("skip", title, result.skipped[0][1])
        else:
            tally.note("pass", title)


def attempt(test):
    result = unittest.TestResult()
    signal.alarm(TEST_SECONDS)
    try:
        test.run(result)
    finally:
        signal.alarm(0)
    return result


def too_long(*_):
    raise TimeoutError("the test took longer than %d s" % TEST_SECONDS)
