"""Privileged components (XEP-0356): one that was granted everything, and one that was granted nothing."""

import asyncio

from slixmpp.exceptions import IqError
from slixmpp.xmlstream import ET

from interop.people import Cast, WAIT_SECONDS
from interop.stage import expect, expect_equal, quiet

from .components_people import OTHER, Service, Services, TRUSTED, stage

play = stage.play
NS = "urn:xmpp:privilege:2"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


async def attached(services, component):
    """The component and what it was told of its privileges."""
    for _ in range(20):
        service = Service(services.server, component)
        services.all.append(service)
        try:
            await service.arrive()
            break
        except ConnectionError:
            await asyncio.sleep(0.2)
    return service


async def ask(service, kind, xml, to):
    iq = service.make_iq(itype=kind, ito=to, ifrom=service.boundjid)
    iq.append(ET.fromstring(xml))
    return await iq.send(timeout=WAIT_SECONDS)


async def refused(service, kind, xml, to):
    try:
        await ask(service, kind, xml, to)
    except IqError as error:
        return condition(error.iq.xml)
    raise AssertionError("it was granted")


def condition(xml):
    """slixmpp looks for it in the namespace of clients."""
    return next(child.tag.partition("}")[2] for child in xml.iter() if child.tag.startswith("{%s}" % STANZAS))


def speak(service, server, person, to, body):
    message = service.make_message(mto=server.domain, mfrom=service.boundjid)
    message.append(ET.fromstring(
        "<privilege xmlns='%s'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='%s' to='%s' "
        "type='chat' id='foo'><body>%s</body></message></forwarded></privilege>" % (NS, person, to, body)))
    message.send()


@play("privileges")
async def privileges_are_announced(server):
    async with Services(server) as services:
        service = await attached(services, TRUSTED)
        message = await service.heard()
        access = {perm.get("access"): perm.get("type") for perm in message.xml.iter("{%s}perm" % NS)}
        expect_equal(access, {"roster": "both", "message": "outgoing", "iq": None, "presence": "managed_entity"}, "perms")


@play("privileges")
async def a_roster_is_read_changed_and_watched(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await attached(services, TRUSTED)
        romeo = await cast.online("romeo")
        contact = "tybalt@" + TRUSTED["name"]
        await ask(service, "set", "<query xmlns='jabber:iq:roster'><item jid='%s' name='Tybalt'/></query>" % contact,
                  romeo.boundjid.bare)
        await romeo.pushed(contact, "none")
        answer = await ask(service, "get", "<query xmlns='jabber:iq:roster'/>", romeo.boundjid.bare)
        expect(contact in str(answer), "the contact in %s" % answer)


@play("privileges")
async def a_message_in_the_name_of_a_user(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await attached(services, TRUSTED)
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet")
        speak(service, server, juliet.boundjid.bare, romeo.boundjid.full, "so it says")
        heard = await romeo.heard("so it says")
        expect_equal(str(heard["from"]), juliet.boundjid.bare, "from")


@play("privileges")
async def a_query_in_the_name_of_a_user(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await attached(services, TRUSTED)
        juliet = await cast.online("juliet")
        inner = ("<privileged_iq xmlns='%s'><iq xmlns='jabber:client' type='get' id='inner'%s>"
                 "<ping xmlns='urn:xmpp:ping'/></iq></privileged_iq>")
        for to in ("", " to='%s'" % server.domain):
            answer = await ask(service, "get", inner % (NS, to), juliet.boundjid.bare)
            forwarded = answer.xml.find(".//{urn:xmpp:forward:0}forwarded/{jabber:client}iq")
            expect_equal((forwarded.get("type"), forwarded.get("id")), ("result", "inner"), "the answer %s" % answer)


@play("privileges")
async def who_comes_and_goes_is_seen(server):
    async with Cast(server) as cast, Services(server) as services:
        romeo = await cast.online("romeo")
        service = await attached(services, TRUSTED)
        juliet = await cast.online("juliet")
        seen = set()
        while {romeo.boundjid.full, juliet.boundjid.full} - seen:
            seen.add(str((await service.saw())["from"]))
        await juliet.leave()
        while (gone := await service.saw())["type"] != "unavailable":
            pass
        expect_equal(str(gone["from"]), juliet.boundjid.full, "who went")


@play("privileges")
async def who_was_granted_nothing_may_nothing(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await attached(services, OTHER)
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet")
        expect_equal(await refused(service, "get", "<query xmlns='jabber:iq:roster'/>", romeo.boundjid.bare),
                     "forbidden", "the roster")
        inner = ("<privileged_iq xmlns='%s'><iq xmlns='jabber:client' type='get' id='inner'>"
                 "<ping xmlns='urn:xmpp:ping'/></iq></privileged_iq>" % NS)
        expect_equal(await refused(service, "get", inner, romeo.boundjid.bare), "forbidden", "a query")
        speak(service, server, juliet.boundjid.bare, romeo.boundjid.full, "forged")
        error = await service.heard()
        expect_equal((error["type"], condition(error.xml)), ("error", "forbidden"), "a message")
        await quiet()
        expect(not [one for one in romeo.inbox if one["body"] == "forged"], "nobody heard it")
        expect(service.presences.empty(), "nobody was seen")
