"""Accounts out of and into other servers as XEP-0227: Prosody keeps its own in such files, ejabberd exports and imports them."""

import json
import pathlib
import shutil
import subprocess
import urllib.request

from slixmpp.xmlstream import ET

from interop import servers
from interop.people import Cast, Person
from interop.stage import Skip, Stage, expect, expect_equal

PIE = "urn:xmpp:pie:0"
PREFS = "<prefs xmlns='urn:example:prefs'><tune volume='11'>Greensleeves &amp; more</tune></prefs>"
PRIVATE = "<query xmlns='jabber:iq:private'>%s</query>"
CARD = "<vCard xmlns='vcard-temp'><FN>Juliet &amp; Co</FN></vCard>"
OFFLINE = "Where art thou?"

stage = Stage()
play = stage.play


def run(server, only=()):
    return stage.run("exchange", server, only)


def another(server, kind, name, **settings):
    """A server of that kind in a folder of its own."""
    program = {"prosody": "prosody", "ejabberd": "ejabberdctl"}.get(kind.name)
    if program and not (shutil.which(program) or shutil.which(program, path="/usr/sbin")):
        raise Skip("%s is not installed" % kind.name)
    return kind(pathlib.Path("%s-%s" % (server.folder, name)), settings=settings)


def crosspoint(*arguments):
    return subprocess.run([servers.binary(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)


def take_in(server, file):
    """Imports a file while the server does not run."""
    done = crosspoint("user", "import", "--data", server.data, file)
    expect(done.returncode in (0, 3), "import of %s: %s %s" % (file, done.stdout, done.stderr))
    return done.stdout + done.stderr


def person(cast, server, name, password, plugins=()):
    one = Person(server, name, password, "here", plugins)
    cast.people.append(one)
    return one


async def settle_in(server):
    """Juliet has some of everything, and something waits for her."""
    async with Cast(server) as cast:
        juliet = await person(cast, server, "juliet", "secret-juliet").arrive()
        romeo = await person(cast, server, "romeo", "secret-romeo").arrive()
        juliet.update_roster(server.jid("romeo"), name="My <Romeo>", groups=["Friends", "Lovers"])
        juliet.send_presence(pto=server.jid("romeo"), ptype="subscribe")
        await romeo.heard_of(server.jid("juliet"), "subscribe")
        romeo.send_presence(pto=server.jid("juliet"), ptype="subscribed")
        await juliet.heard_of(server.jid("romeo"), "subscribed")
        await juliet.ask("set", PRIVATE % PREFS)
        await juliet.ask("set", CARD)
        await juliet.settled()
        await juliet.leave()
        romeo.send_message(mto=server.jid("juliet"), mbody=OFFLINE, mtype="chat")
        await romeo.settled()
        await romeo.leave()


async def is_settled(server):
    """She has it all again."""
    async with Cast(server) as cast:
        juliet = await person(cast, server, "juliet", "secret-juliet").arrive()
        await juliet.heard(OFFLINE)
        roster = await juliet.roster_now()
        expect_equal(roster, {server.jid("romeo"): ("to", "", "My <Romeo>", ["Friends", "Lovers"])}, "roster")
        private = (await juliet.ask("get", PRIVATE % "<prefs xmlns='urn:example:prefs'/>")).xml
        tune = private.find(".//{urn:example:prefs}tune")
        expect(tune is not None and (tune.get("volume"), tune.text) == ("11", "Greensleeves & more"),
               ET.tostring(private, "unicode"))
        card = (await juliet.ask("get", "<vCard xmlns='vcard-temp'/>")).xml
        expect_equal(card.findtext(".//{vcard-temp}FN"), "Juliet & Co", "card")
        romeo = await person(cast, server, "romeo", "secret-romeo").arrive()
        roster = await romeo.roster_now()
        expect_equal({jid: one[0] for jid, one in roster.items()} or {server.jid("juliet"): "from"},
                     {server.jid("juliet"): "from"}, "the other side")


@play(seconds=90)
async def out_of_one_crosspoint_and_into_another(server):
    first, second = (another(server, servers.Crosspoint, name) for name in ("first", "second"))
    first.start()
    first.add_accounts([("juliet", "secret-juliet"), ("romeo", "secret-romeo")])
    await settle_in(first)
    refused = crosspoint("user", "export", "--data", first.data, first.folder / "early.xml")
    expect(refused.returncode == 1 and "runs" in refused.stderr, "a running server was exported: " + refused.stderr)
    first.stop()
    for form in ("whole.xml", "folder"):
        done = crosspoint("user", "export", "--data", first.data, first.folder / form)
        expect_equal(done.returncode, 0, done.stderr)
    said = take_in(second, first.folder / "folder" / "main.xml")
    expect("2 accounts" in said and "0 things refused" in said, said)
    second.start()
    try:
        await is_settled(second)
    finally:
        second.stop()


def prosody(server, name, **extra):
    """One that keeps its accounts in files of XEP-0227."""
    modules = '"private"; "vcard"; "version"; "ping"; "offline";'
    return another(server, servers.Prosody, name, storage="xep0227", modules=modules, **extra)


def prosody_file(one, user):
    return one.folder / "data" / ("%s@%s.xml" % (user, one.domain))


@play(seconds=90)
async def what_prosody_writes_is_read(server):
    first, second = prosody(server, "prosody"), another(server, servers.Crosspoint, "from-prosody")
    (first.folder / "data").mkdir()
    for user in ("juliet", "romeo"):
        prosody_file(first, user).write_text(
            "<server-data xmlns='%s'><host jid='%s'><user name='%s' password='secret-%s'/></host></server-data>"
            % (PIE, first.domain, user, user))
    first.start()
    try:
        await settle_in(first)
    finally:
        first.stop()
    if OFFLINE not in prosody_file(first, "juliet").read_text():
        # This Prosody's driver keeps no offline messages: they are put where it would put them.
        text = prosody_file(first, "juliet").read_text()
        message = ("<offline-messages><message xmlns='jabber:client' from='%s' to='%s' type='chat'><body>%s</body>"
                   "</message></offline-messages></user>") % (first.jid("romeo"), first.jid("juliet"), OFFLINE)
        prosody_file(first, "juliet").write_text(text.replace("</user>", message))
    for user in ("juliet", "romeo"):
        take_in(second, prosody_file(first, user))
    second.start()
    try:
        await is_settled(second)
    finally:
        second.stop()


@play(seconds=90)
async def what_crosspoint_writes_prosody_reads(server):
    first = another(server, servers.Crosspoint, "to-prosody")
    second = prosody(server, "prosody-reads", authentication="internal_hashed")
    first.start()
    first.add_accounts([("juliet", "secret-juliet"), ("romeo", "secret-romeo")])
    await settle_in(first)
    first.stop()
    done = crosspoint("user", "export", "--data", first.data, first.folder / "folder")
    expect_equal(done.returncode, 0, done.stderr)
    (second.folder / "data").mkdir()
    for user in ("juliet", "romeo"):
        text = (first.folder / "folder" / first.domain / (user + ".xml")).read_text().split("?>", 1)[1]
        prosody_file(second, user).write_text(
            "<server-data xmlns='%s'><host jid='%s'>%s</host></server-data>" % (PIE, first.domain, text))
    second.start()
    try:
        async with Cast(second) as cast:
            juliet = await person(cast, second, "juliet", "secret-juliet").arrive()
            roster = await juliet.roster_now()
            expect_equal(roster, {second.jid("romeo"): ("to", "", "My <Romeo>", ["Friends", "Lovers"])}, "roster")
            card = (await juliet.ask("get", "<vCard xmlns='vcard-temp'/>")).xml
            expect_equal(card.findtext(".//{vcard-temp}FN"), "Juliet & Co", "card")
            private = (await juliet.ask("get", PRIVATE % "<prefs xmlns='urn:example:prefs'/>")).xml
            expect(private.find(".//{urn:example:prefs}tune") is not None, ET.tostring(private, "unicode"))
    finally:
        second.stop()


def call(one, command, **arguments):
    """A command of ejabberd's API."""
    request = urllib.request.Request("http://%s:%d/api/%s" % (one.address, servers.ADMIN_PORT, command),
                                     json.dumps(arguments).encode(), {"Content-Type": "application/json"})
    return urllib.request.urlopen(request, timeout=30).read()


@play(seconds=120)
async def what_ejabberd_writes_is_read_and_what_it_is_given_back(server):
    first, second = another(server, servers.Ejabberd, "ejabberd"), another(server, servers.Crosspoint, "from-ejabberd")
    first.start()
    try:
        first.add_accounts([("juliet", "secret-juliet"), ("romeo", "secret-romeo")])
        await settle_in(first)
        out = first.folder / "export"
        out.mkdir()
        call(first, "export_piefxis", dir=str(out))
    finally:
        first.stop()
    mains = [file for file in out.glob("*.xml") if "include" in file.read_text() and "server-data" in file.read_text()]
    expect_equal(len(mains), 1, "main files among %s" % [file.name for file in out.iterdir()])
    take_in(second, mains[0])
    second.start()
    try:
        await is_settled(second)
    finally:
        second.stop()
    whole = second.folder / "whole.xml"
    done = crosspoint("user", "export", "--data", second.data, whole)
    expect_equal(done.returncode, 0, done.stderr)
    third = another(server, servers.Ejabberd, "ejabberd-reads", passwords="scram", more="  mod_admin_extra: {}\n")
    third.start()
    try:
        call(third, "import_piefxis", file=str(whole))
        # ejabberd 23.01 stumbles over the keys that it imports itself, so Juliet gets a password anew.
        call(third, "change_password", user="juliet", host=third.domain, newpass="secret-juliet")
        async with Cast(third) as cast:
            juliet = await person(cast, third, "juliet", "secret-juliet").arrive()
            roster = await juliet.roster_now()
            expect_equal(roster, {third.jid("romeo"): ("to", "", "My <Romeo>", ["Friends", "Lovers"])}, "roster")
            card = (await juliet.ask("get", "<vCard xmlns='vcard-temp'/>")).xml
            expect_equal(card.findtext(".//{vcard-temp}FN"), "Juliet & Co", "card")
    finally:
        third.stop()
