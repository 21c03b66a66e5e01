"""Service administration (XEP-0050, XEP-0133) by slixmpp's plugins: every command of the specification, and who may not."""

import asyncio
import datetime
import pathlib

import slixmpp
from slixmpp.xmlstream import ET

from interop.people import Cast, Person
from interop.programs import Profanity
from interop.stage import Stage, expect, expect_equal, quiet

from .slixmpp_people import refused

COMMANDS = "http://jabber.org/protocol/commands"
ADMIN = "http://jabber.org/protocol/admin#"
BOSS = ("boss", "secret-boss")
WAIT_SECONDS = 10

stage = Stage()
play = stage.play

# What others were seen to do with these plays; each has some of the commands.
DIFFERS = {
    "prosody": {
        "the_commands_are_listed_for_the_administrator_alone": "Prosody has some of the 30 commands",
        "a_session_is_kept_cancelled_and_nobody_elses": "Prosody does not answer an action that it does not know",
        "an_account_is_made_used_and_deleted": "Prosody completes what it did not do, with a note",
        "a_roster_is_shown": "Prosody shows rosters in a form of its own",
        "a_shutdown_ends_the_process": "Prosody does not answer",
    },
    "ejabberd": {
        "the_commands_are_listed_for_the_administrator_alone": "ejabberd has some of the 30 commands",
        "a_session_is_kept_cancelled_and_nobody_elses": "ejabberd's errors have no condition of their own",
        "a_session_is_ended_or_all_of_them": "ejabberd's form names one account",
        "the_last_login_is_known_and_so_are_figures": "ejabberd's form names one account",
        "an_announcement_reaches_everybody_online": "ejabberd's form wants a subject",
        "the_message_of_the_day_comes_once_to_each": "ejabberd's form wants a subject",
    },
}
ABSENT = (
    "a_disabled_user_is_sent_away_and_comes_back_when_enabled", "a_roster_is_shown",
    "the_last_login_is_known_and_so_are_figures", "users_are_counted_and_listed", "the_blacklisted_reach_nobody",
    "the_white_list_is_kept", "the_message_of_the_day_comes_once_to_each", "newcomers_are_welcomed_once",
    "another_administrator_is_named_and_relieved", "a_restart_is_announced_and_keeps_everything",
    "a_shutdown_ends_the_process", "a_report_blocks_and_reaches_the_administrator",
    "relays_contacts_and_the_outage_page_are_found",
)


def run(server, only=()):
    folder = pathlib.Path(str(server.folder) + "-managed")
    managed = type(server)(folder, settings=server.ADMINISTRATION)
    if server.name in DIFFERS:
        absent = dict.fromkeys(ABSENT, "%s lacks what this play is about" % server.name)
        managed.lacks = {**server.lacks, **absent, **DIFFERS[server.name]}
    managed.start()
    managed.add_accounts([BOSS])
    try:
        return stage.run("admin", managed, only)
    finally:
        managed.stop()


class Failed(Exception):
    """A command was answered by an error; the text is its condition."""


async def boss(cast, resource="desk"):
    """The administrator, online."""
    person = Person(cast.server, *BOSS, resource, ("xep_0004", "xep_0050", "xep_0133"))
    cast.people.append(person)
    return await person.arrive()


async def order(person, name, **fields):
    """Executes a command of XEP-0133; returns the answer that completed it, and the form that was asked for, if any."""
    commands, node, asked = person["xep_0050"], ADMIN + name, None
    try:
        iq = await commands.send_command(cast_domain(person), node, timeout=WAIT_SECONDS)
        if iq["command"]["status"] == "executing":
            asked = iq["command"]["form"]
            iq = await commands.send_command(cast_domain(person), node, action="complete", payload=submission(fields),
                                             sessionid=iq["command"]["sessionid"], timeout=WAIT_SECONDS)
    except slixmpp.exceptions.IqError as error:
        raise Failed(error.iq["error"]["condition"]) from None
    expect_equal(iq["command"]["status"], "completed", "status of " + name)
    return iq, asked


async def by_the_plugin(person, name, **fields):
    """The same as slixmpp's own workflow does it."""
    done = asyncio.get_running_loop().create_future()

    def answered(iq, session):
        if iq["command"]["status"] == "executing":
            session["payload"] = submission(fields)
            person["xep_0050"].continue_command(session, "complete")
        else:
            done.set_result((iq, session))

    getattr(person["xep_0133"], name.replace("-", "_"))(cast_domain(person), {"next": answered})
    return await asyncio.wait_for(done, WAIT_SECONDS)


async def gone(person):
    """The server has ended this person's stream."""
    for _ in range(80):
        if person.transport is None or person.transport.is_closing():
            return person.abort()
        await asyncio.sleep(0.1)
    raise AssertionError("%s is still connected" % person.boundjid)


def cast_domain(person):
    return person.host_server.domain


def submission(fields):
    form = slixmpp.plugins.xep_0004.Form()
    form["type"] = "submit"
    form.add_field(var="FORM_TYPE", ftype="hidden", value=ADMIN[:-1])
    for var, value in fields.items():
        kind = "jid-multi" if isinstance(value, list) else "text-single"
        field = form.add_field(var=var.replace("__", "-"), ftype=kind)
        field["value"] = value
    return form


def values(answer, var):
    """The values of a field of the completed command's form."""
    iq, _ = answer
    return [value.text or "" for field in iq.xml.iter("{jabber:x:data}field") if field.get("var") == var
            for value in field.iter("{jabber:x:data}value")]


def notes(answer):
    return [note.text for note in answer[0].xml.iter("{%s}note" % COMMANDS)]


async def not_ordered(wish, *conditions):
    try:
        await wish
    except Failed as failure:
        expect(str(failure) in conditions, "condition %s" % failure)
        return
    raise AssertionError("it was done")


async def locked_out(person):
    """The person cannot log in."""
    try:
        await person.arrive(roster=False, presence=False)
    except (ConnectionError, TimeoutError):
        return
    raise AssertionError("%s logged in" % person.boundjid)


async def until(look, wanted, what):
    """Waits for what the server comes to see a little later."""
    for _ in range(40):
        got = await look()
        if got == wanted:
            return
        await asyncio.sleep(0.1)
    expect_equal(got, wanted, what)


@play()
async def the_commands_are_listed_for_the_administrator_alone(server):
    async with Cast(server) as cast:
        chief, romeo = await boss(cast), await cast.online("romeo", plugins=("xep_0050",))
        items = await chief["xep_0133"].get_commands(server.domain)
        nodes = {node for _, node, _ in items["disco_items"]["items"]}
        wanted = {ADMIN + name for name in (
            "add-user delete-user disable-user reenable-user end-user-session change-user-password get-user-roster "
            "get-user-lastlogin user-stats edit-blacklist edit-whitelist get-registered-users-num "
            "get-disabled-users-num get-online-users-num get-active-users-num get-idle-users-num "
            "get-registered-users-list get-disabled-users-list get-online-users-list get-active-users get-idle-users "
            "announce set-motd edit-motd delete-motd set-welcome delete-welcome edit-admin restart shutdown").split()}
        expect_equal(wanted - nodes, set(), "commands that are not listed")
        info = await chief["xep_0030"].get_info(server.domain, node=ADMIN + "add-user")
        expect(("automation", "command-node") in {one[:2] for one in info["disco_info"]["identities"]}, str(info))
        expect(COMMANDS in info["disco_info"]["features"], str(info))
        others = await romeo["xep_0050"].get_commands(server.domain)
        expect_equal(set(others["disco_items"]["items"]) & wanted, set(), "commands listed for others")
        await refused(romeo.ask("set", "<command xmlns='%s' node='%sadd-user'/>" % (COMMANDS, ADMIN), to=server.domain),
                      "forbidden")


@play()
async def a_session_is_kept_cancelled_and_nobody_elses(server):
    async with Cast(server) as cast:
        chief = await boss(cast)
        start = "<command xmlns='%s' node='%sadd-user' action='execute'/>" % (COMMANDS, ADMIN)
        begun = (await chief.ask("set", start, to=server.domain)).xml.find("{%s}command" % COMMANDS)
        expect_equal(begun.get("status"), "executing", "status")
        again = "<command xmlns='%s' node='%sadd-user' sessionid='%s' action='%%s'/>" % (
            COMMANDS, ADMIN, begun.get("sessionid"))
        for action, application in (("dance", "malformed-action"), ("prev", "bad-action"), ("complete", "bad-payload")):
            try:
                await chief.ask("set", again % action, to=server.domain)
            except slixmpp.exceptions.IqError as error:
                expect(error.iq.xml.find(".//{%s}%s" % (COMMANDS, application)) is not None, str(error.iq))
                expect_equal(error.iq["error"]["condition"], "bad-request", action)
            else:
                raise AssertionError("%s was accepted" % action)
        other = await boss(cast, "elsewhere")
        await refused(other.ask("set", again % "cancel", to=server.domain), "bad-request")
        ended = (await chief.ask("set", again % "cancel", to=server.domain)).xml.find("{%s}command" % COMMANDS)
        expect_equal(ended.get("status"), "canceled", "status")
        try:
            await chief.ask("set", again % "cancel", to=server.domain)
        except slixmpp.exceptions.IqError as error:
            expect(error.iq.xml.find(".//{%s}bad-sessionid" % COMMANDS) is not None, str(error.iq))


@play()
async def an_account_is_made_used_and_deleted(server):
    async with Cast(server) as cast:
        chief = await boss(cast)
        jid = server.jid("newcomer")
        await order(chief, "add-user", accountjid=jid, password="first", password__verify="first",
                    email="n@example.org", given_name="New", surname="Comer")
        newcomer = Person(server, "newcomer", "first", "one")
        cast.people.append(newcomer)
        await newcomer.arrive()
        await not_ordered(order(chief, "add-user", accountjid=jid, password="x", password__verify="x"), "conflict")
        await order(chief, "delete-user", accountjids=[jid])
        await gone(newcomer)
        again = Person(server, "newcomer", "first", "one")
        cast.people.append(again)
        await locked_out(again)


@play()
async def a_disabled_user_is_sent_away_and_comes_back_when_enabled(server):
    async with Cast(server) as cast:
        chief, romeo = await boss(cast), await cast.online("romeo")
        jid = cast.jid("romeo")
        await order(chief, "disable-user", accountjids=[jid])
        await gone(romeo)
        expect_equal(values(await order(chief, "get-disabled-users-num"), "disabledusersnum"), ["1"], "disabled")
        listed = await order(chief, "get-disabled-users-list", max_items="25")
        expect_equal(values(listed, "disableduserjids"), [jid], "disabled")
        await locked_out(cast.someone("romeo", "again"))
        await order(chief, "change-user-password", accountjid=jid, password="other")
        cast.accounts["romeo"] = (cast.accounts["romeo"][0], "other")
        await locked_out(cast.someone("romeo", "third"))
        chief.send_message(mto=jid, mbody="still there?", mtype="chat")
        await order(chief, "reenable-user", accountjids=[jid])
        back = await cast.online("romeo", "back")
        await back.heard("still there?")
        expect_equal(values(await order(chief, "get-disabled-users-num"), "disabledusersnum"), ["0"], "disabled")


@play()
async def a_session_is_ended_or_all_of_them(server):
    async with Cast(server) as cast:
        chief = await boss(cast)
        one, two = await cast.online("romeo", "one"), await cast.online("romeo", "two")
        await order(chief, "end-user-session", accountjids=[one.boundjid.full])
        await gone(one)
        await two.settled()
        await order(chief, "end-user-session", accountjids=[two.boundjid.bare])
        await gone(two)
        await (await cast.online("romeo", "three")).settled()


@play()
async def a_password_is_changed(server):
    async with Cast(server) as cast:
        chief, romeo = await boss(cast), await cast.online("romeo")
        await order(chief, "change-user-password", accountjid=romeo.boundjid.bare, password="better")
        name, old = cast.accounts["romeo"]
        romeo.abort()
        await locked_out(cast.someone("romeo", "old"))
        cast.accounts["romeo"] = (name, "better")
        await cast.online("romeo", "new")


@play()
async def a_roster_is_shown(server):
    async with Cast(server) as cast:
        chief = await boss(cast)
        romeo, juliet = await cast.friends("romeo", "juliet")
        iq, _ = await order(chief, "get-user-roster", accountjids=[romeo.boundjid.bare])
        items = [item.get("jid") for item in iq.xml.iter("{jabber:iq:roster}item")]
        expect_equal(items, [juliet.boundjid.bare], "roster")


@play()
async def the_last_login_is_known_and_so_are_figures(server):
    async with Cast(server) as cast:
        chief = await boss(cast)
        romeo = await cast.online("romeo", "orchard")
        stamp = values(await order(chief, "get-user-lastlogin", accountjids=[romeo.boundjid.bare]), "lastlogin")[0]
        when = datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00"))
        age = datetime.datetime.now(datetime.timezone.utc) - when
        expect(datetime.timedelta(seconds=-2) < age < datetime.timedelta(minutes=1), stamp)
        figures = await order(chief, "user-stats", accountjid=romeo.boundjid.bare)
        expect_equal(values(figures, "onlineresources"), ["orchard"], "resources")
        expect_equal(values(figures, "rostersize"), ["0"], "roster size")
        expect(all(address.startswith("127.") for address in values(figures, "ipaddresses")), str(figures))
        await not_ordered(order(chief, "user-stats", accountjid=server.jid("no-such-person")), "item-not-found")


@play()
async def users_are_counted_and_listed(server):
    async with Cast(server) as cast:
        chief = await boss(cast)
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet")
        juliet.send_presence(pshow="away")
        await juliet.settled()

        async def lists():
            online = values(await order(chief, "get-online-users-list", max_items="100"), "onlineuserjids")
            active = values(await order(chief, "get-active-users", max_items="none"), "activeuserjids")
            idle = values(await order(chief, "get-idle-users", max_items="none"), "activeuserjids")
            return sorted(online), sorted(active), sorted(idle)
        here = sorted(person.boundjid.bare for person in (chief, romeo, juliet))
        active = sorted(person.boundjid.bare for person in (chief, romeo))
        await until(lists, (here, active, [juliet.boundjid.bare]), "lists")
        for name, var, crowd in (("get-online-users", "onlineuserjids", here), ("get-active-users", "activeuserjids", active),
                                 ("get-idle-users-num", "idleusersnum", ["1"])):
            expect_equal(sorted(values(await by_the_plugin(chief, name, max_items="none"), var)), crowd, name)
        for name, var, count in (("online", "onlineusersnum", "3"), ("active", "activeusersnum", "2"),
                                 ("idle", "idleusersnum", "1")):
            expect_equal(values(await order(chief, "get-%s-users-num" % name), var), [count], name)
        everybody = values(await order(chief, "get-registered-users-list", max_items="none"), "registereduserjids")
        expect({romeo.boundjid.bare, juliet.boundjid.bare, chief.boundjid.bare} <= set(everybody), str(everybody))
        count = values(await order(chief, "get-registered-users-num"), "registeredusersnum")
        expect_equal(count, [str(len(everybody))], "registered")


@play()
async def the_blacklisted_reach_nobody(server):
    async with Cast(server) as cast:
        chief = await boss(cast)
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet")
        await order(chief, "edit-blacklist", blacklistjids=[romeo.boundjid.bare])
        romeo.send_message(mto=juliet.boundjid.bare, mbody="unheard", mtype="chat")
        await romeo.take(romeo.inbox, lambda one: one["type"] == "error", "an error")
        juliet.send_message(mto=romeo.boundjid.bare, mbody="unheard", mtype="chat")
        await juliet.take(juliet.inbox, lambda one: one["type"] == "error", "an error")
        await romeo.settled()
        await not_ordered(order(chief, "edit-blacklist", blacklistjids=[server.domain]), "not-allowed")
        await order(chief, "edit-blacklist", blacklistjids=[])
        romeo.send_message(mto=juliet.boundjid.bare, mbody="heard", mtype="chat")
        await juliet.heard("heard")


@play()
async def the_white_list_is_kept(server):
    async with Cast(server) as cast:
        chief = await boss(cast)
        await order(chief, "edit-whitelist", whitelistjids=["friends.example"])
        _, asked = await order(chief, "edit-whitelist", whitelistjids=["friends.example", "others.example"])
        expect_equal(asked.get_values()["whitelistjids"], ["friends.example"], "what the form shows")
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet")
        romeo.send_message(mto=juliet.boundjid.bare, mbody="own domain", mtype="chat")
        await juliet.heard("own domain")
        await order(chief, "edit-whitelist", whitelistjids=[])


@play()
async def an_announcement_reaches_everybody_online(server):
    async with Cast(server) as cast:
        chief = await boss(cast)
        romeo, juliet, late = await cast.online("romeo"), await cast.online("juliet"), cast.someone("nurse")
        await order(chief, "announce", announcement=["Attention!", "Down in 2 minutes."])
        for person in (chief, romeo, juliet):
            got = await person.heard("Attention!\nDown in 2 minutes.")
            expect_equal(got["from"].full, server.domain, "sender")
        await late.arrive()
        await late.settled()
        await quiet()
        expect_equal([one["body"] for one in late.inbox], [], "what came later")


@play()
async def the_message_of_the_day_comes_once_to_each(server):
    async with Cast(server) as cast:
        chief = await boss(cast)
        romeo, late = await cast.online("romeo"), cast.someone("juliet")
        await order(chief, "set-motd", motd="Grand re-opening tomorow")
        await romeo.heard("Grand re-opening tomorow")
        await romeo.leave()
        _, asked = await order(chief, "edit-motd", motd="Grand re-opening tomorrow")
        expect_equal(asked.get_values()["motd"].strip() if isinstance(asked.get_values()["motd"], str) else "\n".join(asked.get_values()["motd"]), "Grand re-opening tomorow", "what the form shows")
        await late.arrive()
        await late.heard("Grand re-opening tomorrow")
        again = await cast.online("romeo", "again")
        second = await cast.online("juliet", "second")
        for person in (again, second):
            await person.settled()
            await quiet()
            expect_equal([one["body"] for one in person.inbox], [], "what came twice")
        await order(chief, "delete-motd")
        nurse = await cast.online("nurse")
        await nurse.settled()
        await quiet()
        expect_equal([one["body"] for one in nurse.inbox], [], "a deleted message")


@play()
async def newcomers_are_welcomed_once(server):
    async with Cast(server) as cast:
        chief, romeo = await boss(cast), await cast.online("romeo")
        await order(chief, "set-welcome", welcome="Welcome to Verona")
        juliet = await cast.online("juliet")
        await juliet.heard("Welcome to Verona")
        again = await cast.online("juliet", "again")
        old = await cast.online("romeo", "again")
        for person in (again, old):
            await person.settled()
            await quiet()
            expect_equal([one["body"] for one in person.inbox], [], "a welcome that is not due")
        await order(chief, "delete-welcome")
        nurse = await cast.online("nurse")
        await nurse.settled()
        await quiet()
        expect_equal([one["body"] for one in nurse.inbox], [], "a deleted welcome")


@play()
async def a_report_blocks_and_reaches_the_administrator(server):
    async with Cast(server) as cast:
        chief, juliet = await boss(cast), await cast.online("juliet", plugins=("xep_0191",))
        paris = await cast.online("paris")
        await juliet.ask("set", "<block xmlns='urn:xmpp:blocking'><item jid='%s'><report xmlns='urn:xmpp:reporting:1' "
                         "reason='urn:xmpp:reporting:spam'><text>Marry me!</text></report></item></block>" % cast.jid("paris"))
        blocked = {str(jid) for jid in await juliet["xep_0191"].get_blocked_jids()}
        expect_equal(blocked, {paris.boundjid.bare}, "blocked")
        letter = await chief.take(chief.inbox, lambda one: paris.boundjid.bare in one["body"], "the report")
        expect_equal(letter["from"].full, server.domain, "sender")
        expect("Marry me!" in letter["body"] and juliet.boundjid.bare in letter["body"], letter["body"])


@play()
async def relays_contacts_and_the_outage_page_are_found(server):
    async with Cast(server) as cast:
        juliet = await cast.online("juliet")
        services = (await juliet.ask("get", "<services xmlns='urn:xmpp:extdisco:2'/>", to=server.domain)).xml
        found = {(one.get("type"), one.get("host"), one.get("port"))
                 for one in services.iter("{urn:xmpp:extdisco:2}service")}
        expect_equal(found, {("stun", "relay.example", "3478"), ("turn", "relay.example", "3478")}, "relays")
        info = (await juliet["xep_0030"].get_info(server.domain)).xml
        told = [value.text for value in info.iter("{jabber:x:data}value")]
        for wanted in ("urn:xmpp:sos:0", "https://status.example/interop.json", "mailto:security@example.org"):
            expect(wanted in told, "%s in %s" % (wanted, told))


@play()
async def another_administrator_is_named_and_relieved(server):
    async with Cast(server) as cast:
        chief = await boss(cast)
        romeo = await cast.online("romeo", plugins=("xep_0004", "xep_0050", "xep_0133"))
        await not_ordered(order(romeo, "get-online-users-num"), "forbidden")
        await order(chief, "edit-admin", adminjids=[romeo.boundjid.bare])
        await order(romeo, "get-online-users-num")
        await order(chief, "edit-admin", adminjids=[])
        await not_ordered(order(romeo, "get-online-users-num"), "forbidden")
        await order(chief, "get-online-users-num")


@play()
async def a_person_at_a_terminal_administers(server):
    terminal = Profanity(server, *BOSS)
    await terminal.start()
    try:
        terminal.type("/cmd list " + server.domain)
        await terminal.see("admin#get-registered-users-num")
        terminal.type("/cmd exec %sannounce %s" % (ADMIN, server.domain))
        await terminal.see("Fill out this form to make an announcement")
    finally:
        terminal.leave()


@play()
async def a_restart_is_announced_and_keeps_everything(server):
    async with Cast(server) as cast:
        chief, romeo = await boss(cast), await cast.online("romeo")
        await order(chief, "set-motd", motd="before the restart")
        await romeo.heard("before the restart")
        pid = server.pid
        await order(chief, "restart", delay="1", announcement="Back soon")
        await romeo.heard("Back soon")
        await gone(romeo)
        for person in (chief, romeo):
            person.abort()
        await asyncio.get_running_loop().run_in_executor(None, back, server)
        expect_equal(server.pid, pid, "process")
        again = await cast.online("romeo", "again")
        nurse = await cast.online("nurse")
        await nurse.heard("before the restart")
        await again.settled()
        expect_equal([one["body"] for one in again.inbox], [], "what came twice")
        await order(await boss(cast), "delete-motd")


@play()
async def a_shutdown_ends_the_process(server):
    async with Cast(server) as cast:
        chief, romeo = await boss(cast), await cast.online("romeo")
        await not_ordered(order(chief, "shutdown", delay="never"), "bad-request")
        await order(chief, "shutdown", delay="1", announcement="Farewell")
        await romeo.heard("Farewell")
        await gone(romeo)
        for _ in range(100):
            if not server.child.running():
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the server still runs")


def back(server):
    from interop import process
    process.wait_for(server.ready, 30, "the server to be back")
