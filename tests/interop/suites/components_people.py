"""Plays with components built on slixmpp: how people meet a service, and what a service can do."""

import asyncio

import slixmpp
from slixmpp.componentxmpp import ComponentXMPP
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from interop import servers
from interop.people import Cast, WAIT_SECONDS
from interop.stage import Stage, expect, expect_equal

ECHO = {"name": "echo." + servers.DOMAIN, "secret": "wherefore-echo"}
OTHER = {"name": "other." + servers.DOMAIN, "secret": "wherefore-other"}
TRUSTED = {"name": "trusted." + servers.DOMAIN, "secret": "wherefore-trusted", "roster": "both", "message": "outgoing",
           "presence": "managed_entity", "iq": {"urn:xmpp:ping": "get"}}
IRC = {"name": "irc." + servers.DOMAIN, "secret": "wherefore-irc"}
COMPONENTS = [ECHO, OTHER, TRUSTED, IRC]

# What is said of a service that is not there.
AWAY = ("remote-server-timeout", "service-unavailable", "remote-server-not-found")

stage = Stage()
play = stage.play


class Service(ComponentXMPP):
    """A component that remembers what it receives, answers disco and echoes messages."""

    def __init__(self, server, component=ECHO, secret=None):
        super().__init__(component["name"], secret or component["secret"], server.address, servers.COMPONENT_PORT,
                         plugin_config={}, plugin_whitelist=[])
        self.inbox, self.presences = asyncio.Queue(), asyncio.Queue()
        for plugin in ("xep_0030", "xep_0199", "xep_0050"):
            self.register_plugin(plugin)
        self["xep_0030"].add_identity(category="gateway", itype="echo", name="Echo")
        self["xep_0030"].add_feature("urn:example:echo")
        everything = MatchXPath("{jabber:component:accept}message")
        self.register_handler(Callback("inbox", everything, self.inbox.put_nowait))
        for kind in ("subscribe", "subscribed", "unsubscribe", "available", "unavailable", "probe"):
            self.add_event_handler("presence_" + kind, self.presences.put_nowait)
        self.auto_authorize = None

    async def arrive(self):
        outcome = asyncio.get_running_loop().create_future()

        def settle(event, answer):
            self.add_event_handler(event, lambda _: outcome.done() or outcome.set_result(answer), disposable=True)
        settle("session_start", "started")
        settle("disconnected", "refused")
        self.connect()
        answer = await asyncio.wait_for(outcome, WAIT_SECONDS)
        if answer != "started":
            raise ConnectionError(answer)
        return self

    async def heard(self):
        return await asyncio.wait_for(self.inbox.get(), WAIT_SECONDS)

    async def saw(self):
        return await asyncio.wait_for(self.presences.get(), WAIT_SECONDS)


class Services:
    """Components of one play, which leave with it."""

    def __init__(self, server):
        self.server, self.all = server, []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *failure):
        for service in self.all:
            service.abort()
        await asyncio.sleep(0)

    async def attached(self, component=ECHO):
        service = Service(self.server, component)
        self.all.append(service)
        for _ in range(20):
            try:
                return await service.arrive()
            except ConnectionError:
                # The one of the play before may still be on its way out.
                await asyncio.sleep(0.2)
        raise ConnectionError("never attached")


@play()
async def a_service_answers_discovery(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await services.attached()
        romeo = await cast.online("romeo")
        info = await romeo["xep_0030"].get_info(jid=ECHO["name"], timeout=WAIT_SECONDS)
        expect("urn:example:echo" in info["disco_info"]["features"], "the service's own feature")
        del service


@play()
async def the_domain_lists_its_components(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        items = await romeo["xep_0030"].get_items(jid=server.domain, timeout=WAIT_SECONDS)
        names = {item[0] for item in items["disco_items"]["items"]}
        expect({ECHO["name"], OTHER["name"]} <= names, "both components in %s" % names)


@play()
async def messages_go_both_ways_with_any_address_of_the_domain(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await services.attached()
        romeo = await cast.online("romeo")
        for number, node in enumerate(("anyone@", "", "someone.else@")):
            to = node + ECHO["name"] + ("/there" if node else "")
            romeo.send_message(mto=to, mbody="m%d" % number, mtype="chat")
            heard = await service.heard()
            expect_equal((str(heard["to"]), heard["body"], heard["from"].full), (to, "m%d" % number,
                         romeo.boundjid.full), "what the service heard")
            service.send_message(mto=heard["from"], mfrom=to, mbody="back %d" % number, mtype="chat")
            answer = await romeo.heard("back %d" % number)
            expect_equal(str(answer["from"]), to, "who answered")


@play()
async def a_services_message_waits_for_who_is_away(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await services.attached()
        romeo = await cast.online("romeo")
        address = romeo.boundjid.bare
        await romeo.leave()
        service.send_message(mto=address, mfrom="a@" + ECHO["name"], mbody="for later", mtype="chat")
        romeo = await cast.online("romeo", "two")
        await romeo.heard("for later")


@play()
async def a_contact_at_a_gateway(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await services.attached()
        romeo = await cast.online("romeo")
        contact = "tybalt@" + ECHO["name"]
        romeo.send_presence(pto=contact, ptype="subscribe")
        asked = await service.saw()
        expect_equal((asked["type"], asked["to"].bare), ("subscribe", contact), "the request")
        service.send_presence(pto=asked["from"].bare, pfrom=contact, ptype="subscribed")
        service.send_presence(pto=asked["from"].bare, pfrom=contact + "/hall", pstatus="fencing")
        await romeo.heard_of(contact, "subscribed")
        shown = await romeo.heard_of(contact + "/hall", "available")
        expect_equal(shown["status"], "fencing", "status")
        service.send_presence(pto=asked["from"].bare, pfrom=contact, ptype="subscribe")
        await romeo.heard_of(contact, "subscribe")
        romeo.send_presence(pto=contact, ptype="subscribed")
        while (seen := await service.saw())["type"] != "subscribed":
            pass
        expect_equal(seen["from"].bare, romeo.boundjid.bare, "who granted it")
        await romeo.leave()
        while (seen := await service.saw())["type"] != "unavailable":
            pass


@play()
async def a_service_that_is_away_is_an_error_and_not_a_queue(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        romeo.send_message(mto="a@" + OTHER["name"], mbody="anybody?", mtype="chat")
        error = await romeo.take(romeo.inbox, lambda message: message["type"] == "error", "an error")
        expect(error["error"]["condition"] in AWAY,
               "the condition is " + error["error"]["condition"])
        try:
            await romeo.ask("get", "<ping xmlns='urn:xmpp:ping'/>", OTHER["name"])
        except slixmpp.exceptions.IqError as error:
            expect(error.condition in AWAY, error.condition)
        else:
            raise AssertionError("somebody answered")


@play()
async def two_services_talk_to_each_other(server):
    async with Services(server) as services:
        echo, other = await services.attached(), await services.attached(OTHER)
        echo.send_message(mto="b@" + OTHER["name"], mfrom="a@" + ECHO["name"], mbody="hello")
        heard = await other.heard()
        expect_equal((str(heard["from"]), heard["body"]), ("a@" + ECHO["name"], "hello"), "what the other heard")
        info = await echo["xep_0030"].get_info(jid=OTHER["name"], ifrom=ECHO["name"], timeout=WAIT_SECONDS)
        expect("urn:example:echo" in info["disco_info"]["features"], "disco among services")


@play()
async def a_service_asks_the_server(server):
    async with Services(server) as services:
        service = await services.attached()
        info = await service["xep_0030"].get_info(jid=server.domain, ifrom=ECHO["name"], timeout=WAIT_SECONDS)
        expect("urn:xmpp:ping" in info["disco_info"]["features"], "the server's features")


@play("component-conflict")
async def one_domain_has_one_connection(server):
    async with Services(server) as services:
        await services.attached()
        second = Service(server)
        services.all.append(second)
        try:
            await second.arrive()
        except ConnectionError:
            return
        raise AssertionError("two services have one domain")
