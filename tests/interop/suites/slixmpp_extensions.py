"""Plays with slixmpp people: messages between resources, offline, blocked, resumed, and the small extensions."""

import datetime

import slixmpp

from interop.people import Cast
from interop.stage import Skip, expect, expect_equal, quiet

from .slixmpp_people import refused, stage

play = stage.play


def bodies(person):
    return [message["body"] for message in person.inbox if message["body"]]


@play()
async def a_message_arrives_as_it_was_said(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet")
        body = "<&>'\" \u00e9\u4e16\U0001f339 two\nlines]]"
        romeo.send_message(mto=juliet.boundjid.bare, mbody=body, mtype="chat", msubject="Love")
        got = await juliet.heard(body)
        expect_equal((got["from"].full, got["to"].bare, got["type"], got["subject"]),
                     (romeo.boundjid.full, juliet.boundjid.bare, "chat", "Love"), "addressing")


@play()
async def messages_arrive_in_order(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet")
        for number in range(500):
            romeo.send_message(mto=juliet.boundjid, mbody=str(number), mtype="chat")
        await juliet.heard("499")
        expect_equal(bodies(juliet), [str(number) for number in range(499)], "order")


@play()
async def an_absent_account_bounces(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        romeo.send_message(mto=server.jid("no-such-person"), mbody="anyone?", mtype="chat")
        got = await romeo.take(romeo.inbox, lambda one: one["type"] == "error", "an error")
        expect_equal(got["error"]["condition"], "service-unavailable", "condition")
        await refused(romeo.ask("get", "<query xmlns='made-up'/>", to=server.jid("no-such-person")),
                      "service-unavailable")


@play()
async def a_query_to_an_absent_resource_is_refused(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet")
        await refused(romeo.ask("get", "<query xmlns='made-up'/>", to=juliet.boundjid.bare + "/nowhere"),
                      "service-unavailable")


@play()
async def a_friends_query_reaches_a_resource_and_a_strangers_does_not(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.friends("romeo", "juliet")
        info = await romeo.ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=juliet.boundjid.full)
        expect_equal(info["from"].full, juliet.boundjid.full, "who answers")
        paris = await cast.online("paris")
        await refused(paris.ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
                                to=juliet.boundjid.full), "service-unavailable")


@play()
async def negative_priority_gets_no_messages_to_the_bare_address(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        desk, shy = await cast.online("juliet", "desk"), await cast.online("juliet", "shy")
        shy.send_presence(ppriority=-1)
        await shy.settled()
        romeo.send_message(mto=desk.boundjid.bare, mbody="hello", mtype="chat")
        await desk.heard("hello")
        romeo.send_message(mto=shy.boundjid.full, mbody="psst", mtype="chat")
        await shy.heard("psst")
        expect_equal(bodies(shy), [], "messages for the shy resource")


@play()
async def carbons_copy_both_directions(server):
    async with Cast(server) as cast:
        plugins = ("xep_0280",)
        romeo = await cast.online("romeo")
        desk, phone = [await cast.online("juliet", name, plugins) for name in ("desk", "phone")]
        received, sent = [], []
        phone.add_event_handler("carbon_received", lambda one: received.append(one["carbon_received"]["body"]))
        phone.add_event_handler("carbon_sent", lambda one: sent.append(one["carbon_sent"]["body"]))
        for one in (desk, phone):
            await one["xep_0280"].enable()
        romeo.send_message(mto=desk.boundjid.full, mbody="to the desk", mtype="chat")
        await desk.heard("to the desk")
        desk.send_message(mto=romeo.boundjid.full, mbody="from the desk", mtype="chat")
        await romeo.heard("from the desk")
        private = desk.make_message(mto=romeo.boundjid.full, mbody="secret", mtype="chat")
        private.append(slixmpp.xmlstream.ET.fromstring("<private xmlns='urn:xmpp:carbons:2'/>"))
        private.append(slixmpp.xmlstream.ET.fromstring("<no-copy xmlns='urn:xmpp:hints'/>"))
        private.send()
        await romeo.heard("secret")
        await phone.settled()
        expect_equal((received, sent), (["to the desk"], ["from the desk"]), "carbons")
        await phone["xep_0280"].disable()
        desk.send_message(mto=romeo.boundjid.full, mbody="no more", mtype="chat")
        await romeo.heard("no more")
        await phone.settled()
        expect_equal(sent, ["from the desk"], "carbons after disabling")


@play()
async def offline_messages_wait_in_order_with_a_stamp(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo"), cast.someone("juliet", plugins=("xep_0203",))
        before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=2)
        for number in range(10):
            romeo.send_message(mto=juliet.boundjid.bare, mbody=str(number), mtype="chat")
        await romeo.settled()
        await juliet.arrive()
        got = [await juliet.heard(str(number)) for number in range(10)]
        expect_equal(bodies(juliet), [], "further messages")
        after = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
        for message in got:
            stamp = message["delay"]["stamp"]
            expect(before <= stamp <= after, "delay stamp %s" % stamp)
            expect_equal(message["from"].full, romeo.boundjid.full, "sender")
        await juliet.leave()
        again = await cast.online("juliet", "later")
        await again.settled()
        await quiet()
        expect_equal(bodies(again), [], "messages delivered a second time")


@play()
async def what_is_not_worth_keeping_is_not_kept(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo"), cast.someone("juliet")
        romeo.send_message(mto=juliet.boundjid.bare, mbody="headline", mtype="headline")
        state = romeo.make_message(mto=juliet.boundjid.bare, mtype="chat")
        state.append(slixmpp.xmlstream.ET.fromstring("<composing xmlns='http://jabber.org/protocol/chatstates'/>"))
        state.send()
        romeo.send_message(mto=juliet.boundjid.bare, mbody="keep me", mtype="chat")
        await romeo.settled()
        await juliet.arrive()
        await juliet.heard("keep me")
        expect_equal([str(one) for one in juliet.inbox], [], "other messages")


@play()
async def offline_messages_wait_for_a_willing_resource(server):
    async with Cast(server) as cast:
        romeo, shy = await cast.online("romeo"), cast.someone("juliet", "shy")
        romeo.send_message(mto=shy.boundjid.bare, mbody="hello", mtype="chat")
        await romeo.settled()
        await shy.arrive(presence=False)
        shy.send_presence(ppriority=-1)
        await shy.settled()
        await quiet()
        expect_equal(bodies(shy), [], "messages at negative priority")
        shy.send_presence(ppriority=0)
        await shy.heard("hello")


@play()
async def a_cut_stream_resumes_and_nothing_is_lost(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet", plugins=("xep_0198",))
        romeo.send_message(mto=juliet.boundjid.full, mbody="0", mtype="chat")
        await juliet.heard("0")
        resumed, restarted = [], []
        juliet.add_event_handler("session_resumed", resumed.append)
        juliet.add_event_handler("session_start", restarted.append)
        juliet.vanish()
        for number in range(1, 20):
            romeo.send_message(mto=juliet.boundjid.full, mbody=str(number), mtype="chat")
        await romeo.settled()
        juliet.connect(server.address, 5222)
        await juliet.heard("19")
        expect_equal(bodies(juliet), [str(number) for number in range(1, 19)], "what came after resuming")
        expect_equal((len(resumed), len(restarted)), (1, 0), "resumed and restarted")
        juliet.send_message(mto=romeo.boundjid.full, mbody="still here", mtype="chat")
        await romeo.heard("still here")


@play()
async def friends_do_not_notice_a_resumed_session(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.friends("romeo", "juliet", plugins=("xep_0198",))
        juliet.vanish()
        await quiet()
        juliet.connect(server.address, 5222)
        await juliet.wait_until("session_resumed", timeout=8)
        await juliet.settled()
        await romeo.settled()
        expect_equal([str(one) for one in romeo.presences], [], "presence about a resumed session")


@play()
async def acknowledgements_count_what_was_handled(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo", plugins=("xep_0198",)), await cast.online("juliet")
        acked = []
        romeo.add_event_handler("stanza_acked", lambda one: acked.append(one.get("body", "")))
        for number in range(20):
            romeo.send_message(mto=juliet.boundjid.full, mbody=str(number), mtype="chat")
        await juliet.heard("19")
        romeo["xep_0198"].request_ack()
        await romeo.settled()
        await quiet()
        expect_equal([body for body in acked if body], [str(number) for number in range(20)], "acknowledged")


@play()
async def the_blocked_are_neither_heard_nor_told(server):
    async with Cast(server) as cast:
        plugins = ("xep_0191",)
        juliet, phone = await cast.online("juliet", "desk", plugins), await cast.online("juliet", "phone", plugins)
        paris = await cast.online("paris")
        pushed = []
        phone.add_event_handler("blocked", lambda iq: pushed.append(
            [item.get("jid") for item in iq.xml.iter("{urn:xmpp:blocking}item")]))
        await phone["xep_0191"].get_blocked_jids()
        await juliet["xep_0191"].block(paris.boundjid.bare)
        expect_equal({str(jid) for jid in await juliet["xep_0191"].get_blocked_jids()}, {paris.boundjid.bare}, "list")
        paris.send_message(mto=juliet.boundjid.bare, mbody="marry me", mtype="chat")
        await refused(paris.ask("get", "<query xmlns='jabber:iq:version'/>", to=juliet.boundjid.full),
                      "service-unavailable")
        juliet.send_message(mto=paris.boundjid.bare, mbody="never", mtype="chat")
        got = await juliet.take(juliet.inbox, lambda one: one["type"] == "error", "an error")
        expect_equal(got["error"]["condition"], "not-acceptable", "writing to someone blocked")
        await juliet["xep_0191"].unblock(paris.boundjid.bare)
        paris.send_message(mto=juliet.boundjid.bare, mbody="sorry", mtype="chat")
        await juliet.heard("sorry")
        await phone.settled()
        expect(not any(body == "marry me" for body in bodies(juliet) + bodies(phone)), "a blocked message came")
        expect_equal(pushed, [[paris.boundjid.bare]], "block pushes on the other resource")


@play()
async def blocking_hides_presence(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.friends("romeo", "juliet", plugins=("xep_0191",))
        await juliet["xep_0191"].block(romeo.boundjid.bare)
        await romeo.heard_of(juliet.boundjid.full, "unavailable")
        juliet.send_presence(pshow="away")
        await juliet.settled()
        await romeo.settled()
        expect_equal([str(one) for one in romeo.presences], [], "presence to someone blocked")
        await juliet["xep_0191"].unblock(romeo.boundjid.bare)
        await romeo.took_presence(lambda one: one["show"] == "away", "her presence again")


@play()
async def private_xml_is_kept_for_its_owner(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet")
        note = "<query xmlns='jabber:iq:private'><note xmlns='interop:note'>%s</note></query>"
        await romeo.ask("set", note % "poison &amp; dagger")
        answer = await romeo.ask("get", note % "")
        expect_equal(answer.xml.find(".//{interop:note}note").text, "poison & dagger", "the note")
        answer = await juliet.ask("get", note % "")
        expect(not answer.xml.find(".//{interop:note}note").text, "someone else's note is empty")


@play()
async def a_vcard_is_shown_to_others(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet")
        await romeo.ask("set", "<vCard xmlns='vcard-temp'><FN>Romeo Montague</FN></vCard>")
        answer = await juliet.ask("get", "<vCard xmlns='vcard-temp'/>", to=romeo.boundjid.bare)
        expect_equal(answer.xml.find(".//{vcard-temp}FN").text, "Romeo Montague", "full name")
        await refused(juliet.ask("set", "<vCard xmlns='vcard-temp'><FN>Mine</FN></vCard>", to=romeo.boundjid.bare),
                      "forbidden", "not-allowed", "not-authorized", "service-unavailable", "auth")


@play()
async def the_server_says_what_it_is(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        info = (await romeo["xep_0030"].get_info(server.domain))["disco_info"]
        expect(("server", "im") in {(one[0], one[1]) for one in info["identities"]}, "identity server/im")
        wanted = {"http://jabber.org/protocol/disco#info", "urn:xmpp:ping", "jabber:iq:version", "urn:xmpp:time",
                  "urn:xmpp:blocking", "urn:xmpp:carbons:2", "vcard-temp"}
        own = (await romeo["xep_0030"].get_info(romeo.boundjid.bare))["disco_info"]
        expect_equal(wanted - set(info["features"]) - set(own["features"]), set(), "features not announced")
        expect(("account", "registered") in {(one[0], one[1]) for one in own["identities"]}, "account/registered")
        await romeo["xep_0030"].get_items(server.domain)


@play()
async def ping_version_and_time(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        await romeo["xep_0199"].send_ping(server.domain)
        await romeo["xep_0199"].send_ping(romeo.boundjid.bare)
        answer = await romeo.ask("get", "<query xmlns='jabber:iq:version'/>", to=server.domain)
        expect(answer.xml.find(".//{jabber:iq:version}name").text, "a name")
        answer = await romeo.ask("get", "<time xmlns='urn:xmpp:time'/>", to=server.domain)
        stamp = answer.xml.find(".//{urn:xmpp:time}utc").text
        then = datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00"))
        now = datetime.datetime.now(datetime.timezone.utc)
        expect(abs((now - then).total_seconds()) < 5, "the time is %s" % stamp)
        expect(answer.xml.find(".//{urn:xmpp:time}tzo").text is not None, "a time zone")


@play()
async def an_unknown_query_is_refused(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        for to in (server.domain, romeo.boundjid.bare, None):
            await refused(romeo.ask("get", "<query xmlns='made-up'/>", to=to),
                          "service-unavailable", "feature-not-implemented")


@play()
async def an_inactive_client_still_gets_its_messages(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.friends("romeo", "juliet", plugins=("xep_0352",))
        juliet["xep_0352"].send_inactive()
        romeo.send_presence(pshow="away")
        romeo.send_message(mto=juliet.boundjid.bare, mbody="urgent", mtype="chat")
        await juliet.heard("urgent")
        juliet["xep_0352"].send_active()
        await juliet.took_presence(lambda one: one["show"] == "away", "the latest presence")


@play("stream-limits")
async def the_stream_announces_its_limits(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        expect((romeo.limits.max_bytes or 0) >= 10000, "max-bytes of %r" % (romeo.limits,))


@play("pre-approval")
async def a_subscription_can_be_approved_beforehand(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet")
        juliet.send_presence(pto=romeo.boundjid.bare, ptype="subscribed")
        await juliet.pushed(romeo.boundjid.bare, "none")
        romeo.send_presence(pto=juliet.boundjid.bare, ptype="subscribe")
        await romeo.heard_of(juliet.boundjid.bare, "subscribed")
        await romeo.heard_of(juliet.boundjid.full, "available")
        await juliet.pushed(romeo.boundjid.bare, "from")


@play()
async def an_unchanged_roster_is_not_sent_again(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        await romeo.ask("set", "<query xmlns='jabber:iq:roster'><item jid='%s'/></query>" % server.jid("nurse"))
        if "rosterver" not in romeo.features:
            raise Skip("the server does not offer roster versions")
        answer = await romeo.ask("get", "<query xmlns='jabber:iq:roster' ver=''/>")
        version = answer.xml.find("{jabber:iq:roster}query").get("ver")
        expect(version, "a version")
        answer = await romeo.ask("get", "<query xmlns='jabber:iq:roster' ver='%s'/>" % version)
        expect(answer.xml.find("{jabber:iq:roster}query") is None, "an empty answer, got %s" % answer)
