"""aioxmpp's end-to-end tests, from Debian's source package, with Debian's library and its python.

Each client gets an account that no test used before. Tests of services that the server does not announce skip
themselves; those are counted with the reason that they give, and what skips is compared with the list below, so that a
feature that is no longer announced is a failure and not one more skip.
"""

import os
import pathlib
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

from interop import install, servers
from interop.stage import Tally

ACCOUNTS = 160
TEST_SECONDS = 15
# For the tests that list the server's commands, which are all for those who administer it.
BOSS = ("boss", "secret-boss")
# What skips for the reason that the server has no such service: test file's folder -> the service.
INAPPLICABLE = {
    "pubsub": "no publish-subscribe service beside the accounts (XEP-0060)",
}
# Tests that skip for a reason of their own.
EXCUSED = {
    "adhoc.test_ping": "the command `ping` is an example of XEP-0050, and not among the server's",
    "adhoc.test_ping_with_async_cm": "the command `ping` is an example of XEP-0050, and not among the server's",
    "general.test_handle_malformed_iq_error_gracefully": "the test itself does not run with stream management",
    "general.test_handle_id_less_IQ_request_gracefully": "the test itself does not run with stream management",
}
# What only Crosspoint is set up for here.
OTHERS = {
    "adhoc": "this suite makes nobody an administrator there",
    "httpupload": "this suite gives it no uploads",
}


def run(server, only=()):
    if server.name == "crosspoint":
        server.serve_web()
        server.settings["environment"]["CROSSPOINT_ADMIN_JIDS"] = server.jid(BOSS[0])
    server.start()
    accounts = [("aio%d" % number, "secret-aio%d" % number) for number in range(ACCOUNTS)] + [BOSS]
    server.add_accounts(accounts)
    try:
        return perform(server, accounts, only)
    finally:
        server.stop()


def perform(server, accounts, only):
    tally = Tally("aioxmpp")
    place = server.folder / "aioxmpp"
    shutil.copytree(install.aioxmpp_source(), place / "tests")
    (place / "e2etest.ini").write_text(configuration(server, accounts))
    report = place / "report.xml"
    provisioners = pathlib.Path(__file__).resolve().parent / "aioxmpp_provisioner"
    files = sorted(str(file.relative_to(place)) for file in place.glob("tests/**/test_e2e.py"))
    wanted = ["-k", " or ".join(only)] if only else []
    done = subprocess.run(
        [install.SYSTEM_PYTHON, "-m", "pytest", "-p", "aioxmpp.e2etest", "-p", "no:cacheprovider", "--tb=short",
         "--import-mode=importlib", "--e2etest-config=e2etest.ini", "--e2etest-only", "--junitxml=%s" % report,
         *wanted, *files],
        cwd=place, env={**os.environ, "PYTHONPATH": str(provisioners)}, stdin=subprocess.DEVNULL)
    if not report.exists():
        tally.note("FAIL", "pytest", "exit status %d" % done.returncode)
        return tally.close()
    for case in ElementTree.parse(report).iter("testcase"):
        note(tally, case, server)
    return tally.close()


def configuration(server, accounts):
    name = "provisioner.FreshAccounts"
    return "\n".join((
        "[global]", "provisioner=" + name, "timeout=%d" % TEST_SECONDS, "[%s]" % name,
        "host=" + server.address, "domain=" + server.domain, "port=%d" % servers.XMPP_PORT, "no_verify=true",
        "accounts=%r" % accounts, 'quirks=["#no-adhoc-ping"]', ""))


def note(tally, case, server):
    """Counts one test case of the report."""
    area = (re.findall(r"tests\.(\w+)\.test_e2e", case.get("classname")) or ["general"])[0]
    title = "%s.%s" % (area, case.get("name"))
    excuses = [EXCUSED.get(title), INAPPLICABLE.get(area), OTHERS.get(area) if server.name != "crosspoint" else None]
    excuse = next(filter(None, excuses), None)
    fault = case.find("failure") if case.find("failure") is not None else case.find("error")
    skipped = case.find("skipped")
    if fault is not None:
        tally.note("FAIL", title, " ".join((fault.get("message") or "").split())[:200])
    elif skipped is None:
        tally.note("pass", title)
    elif excuse:
        tally.note("skip", title, excuse)
    else:
        tally.note("FAIL", title, "skipped, which was not expected: %s" % skipped.get("message"))
