"""Push notifications (XEP-0357) with a real app server: a component that is published to, and a phone that it wakes."""

import asyncio

from slixmpp.xmlstream import ET
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

from interop.people import Cast, WAIT_SECONDS
from interop.stage import expect, expect_equal, quiet

from .components_people import ECHO, OTHER, Service, Services, stage

play = stage.play

PUBSUB = "{http://jabber.org/protocol/pubsub}"
DATA = "{jabber:x:data}"
OPTIONS = "http://jabber.org/protocol/pubsub#publish-options"
# Longer than the quiet time between two notifications about the same device.
QUIET_SECONDS = 14


class AppServer(Service):
    """Takes publications, answers each by a result or by the error that it is told to use, and remembers them."""

    def __init__(self, server, component=ECHO):
        super().__init__(server, component)
        self.published = asyncio.Queue()
        self.refuse_with = None
        self.register_handler(Callback("publications", StanzaPath("iq@type=set/pubsub"), self.publication))
        self.register_plugin("xep_0060")

    def publication(self, iq):
        reply = iq.reply()
        if self.refuse_with:
            reply["type"] = "error"
            reply["error"]["type"] = "cancel"
            reply["error"]["condition"] = self.refuse_with
        reply.send()
        self.published.put_nowait((iq, iq.xml))

    async def next(self, seconds=WAIT_SECONDS):
        """(node, summary, options, the whole stanza) of the next publication."""
        iq, xml = await asyncio.wait_for(self.published.get(), seconds)
        publish = xml.find(".//%spublish" % PUBSUB)
        form = xml.find(".//{urn:xmpp:push:0}notification/%sx" % DATA)
        options = xml.find(".//%spublish-options/%sx" % (PUBSUB, DATA))
        return publish.get("node"), fields(form), fields(options), iq


def fields(form):
    """A form's fields by name."""
    if form is None:
        return {}
    return {field.get("var"): field.findtext(DATA + "value") for field in form.iter(DATA + "field")}


def counts(server, summary, messages):
    """The summary says how many wait. (ejabberd says nothing when it is to show neither sender nor body.)"""
    if server.strict:
        expect_equal(summary.get("message-count"), str(messages), "how many wait")


async def enable(person, node, secret=None, service=ECHO):
    form = ""
    if secret:
        form = ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>%s</value></field>"
                "<field var='secret'><value>%s</value></field></x>" % (OPTIONS, secret))
    await person.ask("set", "<enable xmlns='urn:xmpp:push:0' jid='%s' node='%s'>%s</enable>" % (
        service["name"], node, form))


async def app_server(services, component=ECHO):
    for _ in range(20):
        service = AppServer(services.server, component)
        services.all.append(service)
        try:
            return await service.arrive()
        except ConnectionError:
            await asyncio.sleep(0.2)
    raise ConnectionError("never attached")


@play("push")
async def an_account_says_that_it_can_be_woken(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        info = await romeo["xep_0030"].get_info(jid=romeo.boundjid.bare, timeout=WAIT_SECONDS)
        expect("urn:xmpp:push:0" in info["disco_info"]["features"], "the account's feature")


@play("push")
async def a_phone_that_sleeps_is_woken_and_resumes(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await app_server(services)
        juliet = await cast.online("juliet")
        romeo = await cast.online("romeo", "phone", plugins=("xep_0198",))
        await enable(romeo, "phone-of-romeo", "s3cret&amp;")
        romeo.vanish()
        await quiet()
        juliet.send_message(mto=romeo.boundjid.bare, mbody="wake up", mtype="chat")
        node, summary, options, iq = await service.next()
        expect_equal((node, options.get("secret")), ("phone-of-romeo", "s3cret&"), "the notification")
        counts(server, summary, 1)
        expect("wake up" not in str(iq), "what was said stays here")
        expect_equal(iq["from"].bare, server.domain if server.strict else iq["from"].bare, "who publishes")
        romeo.connect(server.address, 5222)
        await romeo.heard("wake up")


@play("push")
async def who_is_offline_is_woken(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await app_server(services)
        juliet = await cast.online("juliet")
        romeo = await cast.online("romeo", "phone")
        await enable(romeo, "n1")
        address = romeo.boundjid.bare
        await romeo.leave()
        juliet.send_message(mto=address, mbody="one", mtype="chat")
        node, summary, _, _ = await service.next()
        expect_equal(node, "n1", "the notification")
        counts(server, summary, 1)


@play("push", "push-quiet", seconds=60)
async def many_messages_are_two_notifications(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await app_server(services)
        juliet = await cast.online("juliet")
        romeo = await cast.online("romeo", "phone")
        await enable(romeo, "n2")
        address = romeo.boundjid.bare
        await romeo.leave()
        for number in range(30):
            juliet.send_message(mto=address, mbody=str(number), mtype="chat")
        await service.next()
        _, summary, _, _ = await service.next(QUIET_SECONDS)
        counts(server, summary, 30)
        await asyncio.sleep(QUIET_SECONDS)
        expect(service.published.empty(), "and then there is quiet")


@play("push")
async def what_is_not_said_to_anybody_wakes_nobody(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await app_server(services)
        juliet = await cast.online("juliet")
        romeo = await cast.online("romeo", "phone")
        await enable(romeo, "n3")
        address = romeo.boundjid.bare
        await romeo.leave()
        for payload in ("<received xmlns='urn:xmpp:receipts' id='1'/>",
                        "<composing xmlns='http://jabber.org/protocol/chatstates'/>"):
            message = juliet.make_message(mto=address, mtype="chat")
            message.append(ET.fromstring(payload))
            message.send()
        await juliet.settled()
        await quiet()
        expect(service.published.empty(), "nothing was published")


@play("push")
async def a_phone_that_is_there_is_not_knocked_for(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await app_server(services)
        juliet = await cast.online("juliet")
        romeo = await cast.online("romeo", "phone")
        await enable(romeo, "n4")
        juliet.send_message(mto=romeo.boundjid.bare, mbody="here", mtype="chat")
        await romeo.heard("here")
        await quiet()
        expect(service.published.empty(), "nothing was published")


@play("push", "push-inactive")
async def a_phone_at_which_nobody_looks_is_knocked_for(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await app_server(services)
        juliet = await cast.online("juliet")
        romeo = await cast.online("romeo", "phone")
        await enable(romeo, "n5")
        romeo.send_raw("<inactive xmlns='urn:xmpp:csi:0'/>")
        await romeo.settled()
        juliet.send_message(mto=romeo.boundjid.bare, mbody="look", mtype="chat")
        await romeo.heard("look")
        expect_equal((await service.next())[0], "n5", "node")


@play("push")
async def what_is_disabled_is_not_published_to(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await app_server(services)
        juliet = await cast.online("juliet")
        romeo = await cast.online("romeo", "phone")
        await enable(romeo, "n6")
        await romeo.ask("set", "<disable xmlns='urn:xmpp:push:0' jid='%s'/>" % ECHO["name"])
        address = romeo.boundjid.bare
        await romeo.leave()
        juliet.send_message(mto=address, mbody="one", mtype="chat")
        await juliet.settled()
        await quiet()
        expect(service.published.empty(), "nothing was published")


@play("push", "push-final", seconds=60)
async def a_service_that_refuses_is_asked_no_more(server):
    async with Cast(server) as cast, Services(server) as services:
        service = await app_server(services)
        service.refuse_with = "item-not-found"
        juliet = await cast.online("juliet")
        romeo = await cast.online("romeo", "phone")
        await enable(romeo, "n7")
        address = romeo.boundjid.bare
        await romeo.leave()
        juliet.send_message(mto=address, mbody="one", mtype="chat")
        await service.next()
        romeo = await cast.online("romeo", "phone")
        await romeo.heard("one")
        await romeo.leave()
        await asyncio.sleep(QUIET_SECONDS)
        juliet.send_message(mto=address, mbody="two", mtype="chat")
        await juliet.settled()
        await quiet(1)
        expect(service.published.empty(), "it was asked again")


@play("push", "push-final", seconds=60)
async def a_service_that_is_away_is_asked_again(server):
    async with Cast(server) as cast, Services(server) as services:
        juliet = await cast.online("juliet")
        romeo = await cast.online("romeo", "phone")
        await enable(romeo, "n8", service=OTHER)
        address = romeo.boundjid.bare
        await romeo.leave()
        juliet.send_message(mto=address, mbody="one", mtype="chat")
        await juliet.settled()
        service = await app_server(services, OTHER)
        await asyncio.sleep(QUIET_SECONDS)
        juliet.send_message(mto=address, mbody="two", mtype="chat")
        expect_equal((await service.next())[0], "n8", "node")
