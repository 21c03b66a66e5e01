"""Plays with slixmpp people: login, roster, presence, messages, and the small extensions, as a person meets them."""

import slixmpp

from interop.people import Cast
from interop.stage import Stage, expect, expect_equal, quiet

stage = Stage()
play = stage.play


@play()
async def login_over_starttls_with_scram_sha_256(server):
    async with Cast(server) as cast:
        romeo = await cast.someone("romeo", mechanism="SCRAM-SHA-256").arrive()
        expect_equal(romeo.socket.version() is not None, True, "the session is encrypted")
        expect_equal(romeo["feature_mechanisms"].mech.name, "SCRAM-SHA-256", "mechanism")


@play()
async def login_over_direct_tls(server):
    async with Cast(server) as cast:
        romeo = await cast.someone("romeo").arrive(direct=True)
        expect_equal(romeo.transport.get_extra_info("peername")[1], 5223, "port")
        await romeo.settled()


@play()
async def login_with_scram_sha_1(server):
    async with Cast(server) as cast:
        await cast.someone("romeo", mechanism="SCRAM-SHA-1").arrive()


@play()
async def login_with_plain_under_tls(server):
    async with Cast(server) as cast:
        await cast.someone("romeo", mechanism="PLAIN").arrive()


@play()
async def the_certificate_is_for_the_domain(server):
    async with Cast(server) as cast:
        romeo = cast.someone("romeo")
        romeo.ca_certs = None
        try:
            await romeo.arrive()
        except (ConnectionError, TimeoutError):
            return
        raise AssertionError("a client that does not trust the certificate logged in")


@play()
async def a_wrong_password_is_refused(server):
    async with Cast(server) as cast:
        romeo = cast.someone("romeo")
        romeo.password = "not the password"
        try:
            await romeo.arrive()
        except ConnectionError as error:
            expect("refused" in str(error), str(error))
        else:
            raise AssertionError("logged in with a wrong password")
        await cast.online("romeo", "two")


@play()
async def an_unknown_user_is_refused(server):
    async with Cast(server) as cast:
        await cast.online("juliet")
        cast.accounts["nobody"] = ("nobody-at-all", "whatever")
        try:
            await cast.online("nobody")
        except ConnectionError as error:
            expect("refused" in str(error), str(error))
        else:
            raise AssertionError("an account that does not exist logged in")


@play()
async def binding_gives_the_resource_asked_for(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", "balcony")
        expect_equal(romeo.boundjid.full, cast.jid("romeo") + "/balcony", "bound address")
        other = cast.someone("romeo", None)
        await other.arrive(presence=False)
        expect(other.boundjid.resource not in ("", "balcony"), "the server makes a resource: %s" % other.boundjid)


@play()
async def a_second_session_with_the_same_resource_is_a_conflict(server):
    async with Cast(server) as cast:
        first = await cast.online("romeo", "balcony")
        errors = []
        first.add_event_handler("stream_error", errors.append)
        second = cast.someone("romeo", "balcony")
        await second.arrive()
        await quiet(0.5)
        if second.boundjid.full == cast.jid("romeo") + "/balcony":
            expect_equal([error["condition"] for error in errors], ["conflict"], "the first session's end")
        else:
            await first.settled()
        await second.settled()


@play()
async def a_fresh_roster_is_empty(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        expect_equal(await romeo.roster_now(), {}, "roster")


@play()
async def roster_set_is_pushed_to_every_interested_resource(server):
    async with Cast(server) as cast:
        desk, phone = await cast.online("romeo", "desk"), await cast.online("romeo", "phone")
        deaf = await cast.online("romeo", "deaf", roster=False)
        contact = server.jid("nurse")
        await desk.ask("set", "<query xmlns='jabber:iq:roster'><item jid='%s' name='The Nurse'>"
                       "<group>Servants</group><group>Capulets</group></item></query>" % contact)
        for one in (desk, phone):
            await one.pushed(contact, "none")
        await quiet()
        expect_equal(deaf.pushes, [], "pushes to a resource that never asked for the roster")
        expect_equal(await phone.roster_now(),
                     {contact: ("none", "", "The Nurse", ["Capulets", "Servants"])}, "roster")


@play()
async def roster_remove_is_pushed_and_final(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        contact = server.jid("nurse")
        await romeo.ask("set", "<query xmlns='jabber:iq:roster'><item jid='%s'/></query>" % contact)
        await romeo.pushed(contact, "none")
        remove = "<query xmlns='jabber:iq:roster'><item jid='%s' subscription='remove'/></query>" % contact
        await romeo.ask("set", remove)
        await romeo.pushed(contact, "remove")
        expect_equal(await romeo.roster_now(), {}, "roster")
        await refused(romeo.ask("set", remove), "item-not-found")


async def refused(query, *conditions):
    """The query is answered by an error of one of these conditions."""
    try:
        await query
    except slixmpp.exceptions.IqError as error:
        expect(error.condition in conditions, "%s instead of %s" % (error.condition, conditions))
    else:
        raise AssertionError("answered by a result instead of %s" % (conditions,))


@play()
async def bad_roster_sets_are_refused(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        item = "<item jid='%s'/>" % server.jid("nurse")
        await refused(romeo.ask("set", "<query xmlns='jabber:iq:roster'>%s%s</query>" % (
            item, item.replace("nurse", "tybalt"))), "bad-request", "not-allowed")
        await refused(romeo.ask("set", "<query xmlns='jabber:iq:roster'/>"), "bad-request", "not-allowed")
        juliet = await cast.online("juliet")
        await refused(romeo.ask("get", "<query xmlns='jabber:iq:roster'/>", to=juliet.boundjid.bare),
                      "forbidden", "service-unavailable", "not-allowed", "not-authorized")
        await refused(romeo.ask("set", "<query xmlns='jabber:iq:roster'>%s</query>" % item, to=juliet.boundjid.bare),
                      "forbidden", "service-unavailable", "not-allowed", "not-authorized")


@play()
async def the_subscription_handshake(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.online("romeo"), await cast.online("juliet")
        his, hers = romeo.boundjid.bare, juliet.boundjid.bare
        romeo.send_presence(pto=hers, ptype="subscribe")
        await romeo.pushed(hers, "none", ask="subscribe")
        await juliet.heard_of(his, "subscribe")
        juliet.send_presence(pto=his, ptype="subscribed")
        await juliet.pushed(his, "from")
        await romeo.heard_of(hers, "subscribed")
        await romeo.pushed(hers, "to")
        await romeo.heard_of(juliet.boundjid.full, "available")
        juliet.send_presence(pto=his, ptype="subscribe")
        await juliet.pushed(his, "from", ask="subscribe")
        await romeo.heard_of(hers, "subscribe")
        romeo.send_presence(pto=hers, ptype="subscribed")
        await romeo.pushed(hers, "both")
        await juliet.pushed(his, "both")
        await juliet.heard_of(romeo.boundjid.full, "available")


@play()
async def a_request_waits_for_a_person_who_is_offline(server):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo")
        juliet = cast.someone("juliet")
        romeo.send_presence(pto=juliet.boundjid.bare, ptype="subscribe")
        await romeo.settled()
        await juliet.arrive()
        await juliet.heard_of(romeo.boundjid.bare, "subscribe")
        juliet.send_presence(pto=romeo.boundjid.bare, ptype="unsubscribed")
        await romeo.pushed(juliet.boundjid.bare, "none")


@play()
async def unsubscribing_ends_presence(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.friends("romeo", "juliet")
        romeo.send_presence(pto=juliet.boundjid.bare, ptype="unsubscribe")
        await romeo.pushed(juliet.boundjid.bare, "from")
        await juliet.pushed(romeo.boundjid.bare, "to")
        await romeo.heard_of(juliet.boundjid.full, "unavailable")
        juliet.send_presence(pshow="away")
        await juliet.settled()
        await romeo.settled()
        expect_equal([str(one) for one in romeo.presences if one["show"] == "away"], [], "presence after unsubscribing")


@play()
async def cancelling_a_subscription_ends_presence(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.friends("romeo", "juliet")
        romeo.send_presence(pto=juliet.boundjid.bare, ptype="unsubscribed")
        await juliet.heard_of(romeo.boundjid.full, "unavailable")
        await juliet.pushed(romeo.boundjid.bare, "from")
        await romeo.pushed(juliet.boundjid.bare, "to")


@play()
async def removing_a_friend_cancels_both_ways(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.friends("romeo", "juliet")
        await romeo.ask("set", "<query xmlns='jabber:iq:roster'><item jid='%s' subscription='remove'/></query>"
                        % juliet.boundjid.bare)
        await juliet.pushed(romeo.boundjid.bare, "none")
        await juliet.heard_of(romeo.boundjid.full, "unavailable")
        expect_equal(await romeo.roster_now(), {}, "roster")


@play()
async def presence_reaches_friends_and_ends_with_the_session(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.friends("romeo", "juliet")
        romeo.send_presence(pshow="dnd", pstatus="fighting", ppriority=3)
        seen = await juliet.took_presence(lambda one: one["show"] == "dnd", "dnd")
        expect_equal((seen["status"], seen["priority"]), ("fighting", 3), "status and priority")
        await romeo.leave()
        await juliet.heard_of(romeo.boundjid.full, "unavailable")


@play()
async def presence_ends_when_the_connection_is_cut(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.friends("romeo", "juliet")
        romeo.vanish()
        await juliet.heard_of(romeo.boundjid.full, "unavailable")


@play()
async def arriving_one_sees_who_is_there(server):
    async with Cast(server) as cast:
        romeo, juliet = await cast.friends("romeo", "juliet")
        juliet.send_presence(pshow="chat")
        await juliet.settled()
        phone = await cast.online("romeo", "phone")
        seen = await phone.heard_of(juliet.boundjid.full, "chat")
        expect_equal(seen["show"], "chat", "her presence")
        await phone.heard_of(romeo.boundjid.full, "available")
        await romeo.heard_of(phone.boundjid.full, "available")


@play()
async def strangers_see_nothing(server):
    async with Cast(server) as cast:
        romeo, tybalt = await cast.online("romeo"), await cast.online("tybalt")
        romeo.send_presence(pshow="away")
        await romeo.settled()
        await tybalt.settled()
        expect_equal([str(one) for one in tybalt.presences], [], "presence to a stranger")


@play()
async def directed_presence_ends_with_the_session(server):
    async with Cast(server) as cast:
        romeo, tybalt = await cast.online("romeo"), await cast.online("tybalt")
        romeo.send_presence(pto=tybalt.boundjid.full)
        await tybalt.heard_of(romeo.boundjid.full, "available")
        romeo.vanish()
        await tybalt.heard_of(romeo.boundjid.full, "unavailable")
