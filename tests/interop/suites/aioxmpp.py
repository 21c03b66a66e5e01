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
# What skips for the reason that the server has no such service: test file's folder -> the service.
INAPPLICABLE = {
    "adhoc": "no ad-hoc commands on the server (XEP-0050)",
    "httpupload": "no HTTP upload (XEP-0363)",
    "pubsub": "no publish-subscribe service beside the accounts (XEP-0060)",
}
# Tests that skip or are left out for a reason of their own.
EXCUSED = {
    "test_handle_malformed_iq_error_gracefully": "the test itself does not run with stream management",
    "test_handle_id_less_IQ_request_gracefully": "the test itself does not run with stream management",
}


def run(server, only=()):
    server.start()
    accounts = [("aio%d" % number, "secret-aio%d" % number) for number in range(ACCOUNTS)]
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
        note(tally, case)
    return tally.close()


def configuration(server, accounts):
    name = "provisioner.FreshAccounts"
    return "\n".join((
        "[global]", "provisioner=" + name, "timeout=%d" % TEST_SECONDS, "[%s]" % name,
        "host=" + server.address, "domain=" + server.domain, "port=%d" % servers.XMPP_PORT, "no_verify=true",
        "accounts=%r" % accounts, 'quirks=["#no-adhoc-ping"]', ""))


def note(tally, case):
    """Counts one test case of the report."""
    area = (re.findall(r"tests\.(\w+)\.test_e2e", case.get("classname")) or ["general"])[0]
    title = "%s.%s" % (area, case.get("name"))
    fault = case.find("failure") if case.find("failure") is not None else case.find("error")
    skipped = case.find("skipped")
    if fault is not None:
        tally.note("FAIL", title, " ".join((fault.get("message") or "").split())[:200])
    elif skipped is None:
        tally.note("pass", title)
    elif area in INAPPLICABLE or case.get("name") in EXCUSED:
        tally.note("skip", title, INAPPLICABLE.get(area) or EXCUSED[case.get("name")])
    else:
        tally.note("FAIL", title, "skipped, which was not expected: %s" % skipped.get("message"))
