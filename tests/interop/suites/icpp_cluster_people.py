"""A cluster serves its people as one server does: what is passed on, tickets, rooms, and who may not speak for others."""

import asyncio

from interop.conference import Company
from interop.phones import Phones, Wire, wire
from interop.programs import eventually
from interop.stage import Stage, expect, expect_equal

from crosspoint import Connected, Show, Verb
from crosspoint.errors import Code

from .icpp_cluster_stage import person, where
from .icpp_python_rooms import made, noticed

stage = Stage()
play = stage.play

TICKET_MARGIN_SECONDS = 1.5


@play(seconds=60)
async def people_of_two_front_ends_chat(server):
    async with Phones(server) as phones:
        romeo, juliet = await person(phones, "romeo", 0), await person(phones, "juliet", 1)
        expect_equal((where(romeo), where(juliet)), ("fe1", "fe2"), "where they are")
        await romeo.client.send(juliet.address, "But, soft!")
        expect_equal((await juliet.heard("But, soft!")).sender, romeo.client.session.address, "the sender")
        await juliet.client.send(romeo.address, "x" * 40000)
        await romeo.heard("x" * 40000)
        for number in range(300):
            romeo.client.post(juliet.address, str(number))
        await asyncio.wait_for(romeo.client.drain(), 20)
        await eventually(lambda: len(juliet.inbox) >= 300, "all of the messages", 20)
        expect_equal([one.text for one in juliet.inbox], [str(number) for number in range(300)], "what was shown")
        juliet.vanish()
        await juliet.saw(Connected)
        expect((await juliet.saw(Connected)).resumed, "the session was resumed")
        await romeo.client.send(juliet.address, "Again")
        await juliet.heard("Again")


@play(seconds=60)
async def a_password_that_is_shown_in_tls_reaches_the_back_end(server):
    """It is told how a client came."""
    async with Phones(server) as phones:
        juliet = await phones.online("juliet", "icpps", mechanism="PLAIN")
        romeo = await phones.online("romeo")
        await romeo.client.send(juliet.address, "x" * 30000)
        await juliet.heard("x" * 30000)


@play(seconds=60)
async def a_ticket_opens_once_and_only_where_it_is_for(server):
    async with Phones(server) as phones:
        user, password = phones.credentials("romeo")
        first = server.front_ends[0]
        raw = await Wire.session(first, user, password)
        ticket = raw.authed.ticket
        raw.abort()
        raw = await Wire.connect(server.front_ends[1])
        await raw.greet(server.jid(user))
        frame = await raw.auth(ticket, "TICKET")
        expect_equal(wire.Fault.decode(frame.body).code, Code.TICKET_INVALID, "the answer elsewhere")
        raw.abort()
        for wanted in (Verb.AUTHED, Verb.ERROR):
            raw = await Wire.connect(first)
            await raw.greet(server.jid(user))
            frame = await raw.auth(ticket, "TICKET")
            expect_equal(frame.verb, wanted, "the answer to the ticket")
            raw.abort()


@play(seconds=60)
async def a_client_cannot_speak_for_others(server):
    async with Phones(server) as phones:
        bystander = await person(phones, "juliet")
        user, password = phones.credentials("romeo")
        for verb, slot, code in ((Verb.CLOSE, 0, Code.UNEXPECTED_VERB), (Verb.OPEN, 0, Code.UNEXPECTED_VERB),
                                 (Verb.REDIRECT, 0, Code.UNEXPECTED_VERB), (Verb.TOPOLOGY, 0, Code.UNEXPECTED_VERB),
                                 (Verb.PING, 1, Code.RESERVED), (Verb.CLOSE, 1, Code.RESERVED)):
            raw = await Wire.session(server.front_ends[0], user, password)
            raw.say(verb, slot=slot)
            fault = await raw.ended()
            expect_equal(fault and fault.code, code, "the answer to %s at slot %d" % (verb.name, slot))
        await bystander.settled()
        expect_equal(len([one for one in bystander.happened if isinstance(one, Connected)]), 1, "connections of a bystander")


async def answer_to(ticket, node, user):
    """What a ticket does at a node: AUTHED, or the code of its refusal; and what AUTHED gives for next time."""
    raw = await Wire.connect(node)
    await raw.greet(node.jid(user))
    frame = await raw.auth(ticket, "TICKET")
    raw.opened(frame)
    raw.abort()
    if raw.authed is not None:
        return frame.verb, raw.authed.ticket
    return wire.Fault.decode(frame.body).code, None


async def fresh_ticket(node, user, password):
    raw = await Wire.session(node, user, password)
    raw.abort()
    return raw.authed.ticket


@play(seconds=90)
async def a_ticket_is_good_once_whatever_is_restarted(server):
    """Used tickets are remembered where the account lives. A restart there forgets them, and with them all that were given
    before it; a front-end's restart is nothing to tickets."""
    async with Phones(server) as phones:
        user, password = phones.credentials("romeo")
        first, back_end = server.front_ends[0], server.back_end
        used, unused, waiting = [await fresh_ticket(first, user, password) for _ in range(3)]
        verb, following = await answer_to(used, first, user)
        expect_equal(verb, Verb.AUTHED, "the first use")
        await asyncio.to_thread(first.kill)
        await asyncio.to_thread(first.start)
        expect_equal((await answer_to(used, first, user))[0], Code.TICKET_INVALID, "used, then the front-end is another process")
        expect_equal((await answer_to(unused, first, user))[0], Verb.AUTHED, "not used, and the front-end is another process")
        expect_equal((await answer_to(following, server.front_ends[1], user))[0], Code.TICKET_INVALID, "at another front-end")
        refused = {why: back_end.figure("crosspoint_icpp_tickets_refused_total", 'reason="%s"' % why)
                   for why in ("forged", "elsewhere", "old", "expired", "used")}
        expect(refused["used"] >= 1 and refused["elsewhere"] >= 1 and refused["old"] == 0, "counted: %s" % refused)
        expect(back_end.figure("crosspoint_icpp_tickets_used_total") >= 2, "uses are counted")
        expect(back_end.figure("crosspoint_icpp_tickets_issued_total") >= 5, "tickets are counted")
        await asyncio.to_thread(back_end.kill)
        await asyncio.to_thread(back_end.start)
        await eventually(first.ready, "trunks", 20)
        for ticket, what in ((used, "used"), (unused, "used"), (waiting, "never used"), (following, "never used")):
            expect_equal((await answer_to(ticket, first, user))[0], Code.TICKET_INVALID, what + ", then the back-end is another process")
        expect_equal(back_end.figure("crosspoint_icpp_tickets_refused_total", 'reason="old"'), 4, "older than the process")
        after = await fresh_ticket(first, user, password)
        expect_equal((await answer_to(after, first, user))[0], Verb.AUTHED, "a new one")


@play(seconds=60)
async def a_front_end_is_ready_when_a_trunk_is_up(server):
    lonely = server.front_end("fe9")
    lonely.patient = False
    lonely.pairs["edge.back_ends"] = "%s:%d" % (lonely.address, 1)
    child = lonely.launch()
    lonely.child = child
    try:
        await eventually(lambda: not child.running() or _answers(lonely), "the admin port", 20)
        await eventually(lambda: lonely.readiness()[1] != "starting", "it to listen", 20)
        for _ in range(10):
            expect_equal(lonely.readiness(), (503, "waiting for a back-end"), "without a back-end")
            await asyncio.sleep(0.1)
        raw = await Wire.connect(lonely)
        raw.hello(server.jid("romeo"))
        fault = await raw.ended()
        expect_equal((fault.code, fault.temporary, fault.retry_after > 0), (Code.BACK_END_LOST, True, True), "what a client is told")
        expect_equal(lonely.figure("crosspoint_icpp_trunks_wanted"), 2, "trunks that there should be")
    finally:
        child.kill()
    first, back_end = server.front_ends[0], server.back_end
    expect_equal(first.readiness(), (200, "ready"), "with one")
    await asyncio.to_thread(back_end.kill)
    await eventually(lambda: first.readiness() == (503, "waiting for a back-end"), "the loss to be noticed", 20)
    await asyncio.to_thread(back_end.start)
    await eventually(lambda: first.readiness() == (200, "ready"), "the back-end to be found again", 20)
    await eventually(lambda: all(end.ready() for end in server.front_ends), "all trunks", 20)


def _answers(node):
    try:
        return node.readiness()[0] in (200, 503)
    except OSError:
        return False


@play(seconds=60)
async def both_ends_count_trunks_and_who_is_in_them(server):
    async with Phones(server) as phones:
        await person(phones, "romeo", 0)
        await person(phones, "juliet", 1)
        back_end = server.back_end
        trunks = sum(end.figure("crosspoint_icpp_trunks") for end in server.front_ends)
        expect_equal(back_end.figure("crosspoint_icpp_trunks_here"), trunks, "trunks at both ends")
        clients = sum(end.figure("crosspoint_icpp_edge_sessions") for end in server.front_ends)
        await eventually(lambda: back_end.figure("crosspoint_icpp_passengers") == sum(
            end.figure("crosspoint_icpp_edge_sessions") for end in server.front_ends) >= 2, "passengers at both ends: %d" % clients, 10)
        before = [end.figure("crosspoint_icpp_edge_bytes_out_total") for end in server.front_ends]
        await phones.people[0].client.send(phones.people[1].address, "x" * 30000)
        await phones.people[1].heard("x" * 30000)
        await eventually(lambda: server.front_ends[0].figure("crosspoint_icpp_edge_bytes_out_total") >= before[0] + 30000
                         and server.front_ends[1].figure("crosspoint_icpp_edge_bytes_in_total") >= 30000
                         and back_end.figure("crosspoint_icpp_trunk_bytes_in_total") >= 30000, "bytes are counted", 10)


@play(seconds=90)
async def people_of_two_front_ends_and_of_xmpp_meet_in_a_room(server):
    """One of the front-ends is killed in the middle of it: whoever came through it resumes, and is still in."""
    company = Company(server.back_end)
    async with Phones(server, company.accounts) as phones:
        romeo, mercutio = await person(phones, "romeo", 0), await person(phones, "mercutio", 1)
        juliet = await company.online("juliet")
        room = "garden-%s@%s" % (romeo.address.partition("@")[0], server.back_end.rooms)
        await made(romeo, room, "romeo")
        await mercutio.client.rooms.join(room, "mercutio")
        await noticed(romeo, "mercutio")
        await juliet.come_in(room, "juliet")
        for phone in (romeo, mercutio):
            await noticed(phone, "juliet")

        async def everybody_heard(text):
            senders = {(await phone.heard(text)).sender for phone in (romeo, mercutio)}
            senders.add(str((await juliet.heard(text))["from"]))
            expect_equal(len(senders), 1, "who said %r" % text)
        await romeo.client.rooms.say(room, "from the first")
        await everybody_heard("from the first")
        await mercutio.client.rooms.say(room, "from the second")
        await everybody_heard("from the second")
        juliet.say(room, "from XMPP")
        await everybody_heard("from XMPP")
        await asyncio.to_thread(server.front_ends[0].kill)
        juliet.say(room, "while he is cut off")
        await eventually(lambda: romeo.client._online.is_set() and where(romeo) == "fe2", "romeo at the other", 25)
        expect([one for one in romeo.happened if isinstance(one, Connected)][-1].resumed, "he was resumed")
        await everybody_heard("while he is cut off")
        await romeo.client.rooms.say(room, "from the other side")
        await everybody_heard("from the other side")
        await romeo.client.rooms.show(room, "romeo", Show.AWAY, "climbing")
        await juliet.saw(room, "romeo", "away")
        await asyncio.to_thread(server.front_ends[0].start)
        for phone in (romeo, mercutio):
            await phone.settled()
            expect_equal([one.text for one in phone.inbox], [], "shown twice")
    await company.__aexit__(None, None, None)


async def a_ticket_expires(server):
    """Here they are good for a second."""
    async with Phones(server) as phones:
        user, password = phones.credentials("romeo")
        first = server.front_ends[0]
        expect_equal((await answer_to(await fresh_ticket(first, user, password), first, user))[0], Verb.AUTHED, "at once")
        late = await fresh_ticket(first, user, password)
        await asyncio.sleep(1 + TICKET_MARGIN_SECONDS)
        expect_equal((await answer_to(late, first, user))[0], Code.TICKET_INVALID, "late")
        expect_equal(server.back_end.figure("crosspoint_icpp_tickets_refused_total", 'reason="expired"'), 1, "counted")


async def a_back_end_with_another_certificate_is_not_spoken_to(server):
    """Neither by a front-end that was told of another one, nor by one that goes by issuers and finds another name; and one that
    speaks in the clear to a port for TLS gets nowhere either."""
    stranger = server.front_ends[0].certificate
    wrongs = {
        "pin": {"edge.trunk_pins": "00" * 32},
        "issuer": {"edge.trunk_ca": stranger},
        "name": {"edge.trunk_ca": server.back_end.certificate, "edge.trunk_name": "elsewhere.example"},
        "clear": {},
    }
    for what, pairs in wrongs.items():
        front_end = server.front_end("fe-" + what, **pairs)
        front_end.patient = False
        front_end.child = front_end.launch()
        try:
            await eventually(lambda: _answers(front_end) and front_end.readiness()[1] != "starting", "it to listen", 20)
            await asyncio.sleep(3)
            expect_equal(front_end.readiness(), (503, "waiting for a back-end"), what)
            log = (front_end.folder / "server.log").read_text()
            expect(what == "clear" or "untrusted-certificate" in log, "the log says why: %s" % log[-300:])
        finally:
            front_end.child.kill()
    right = server.front_end("fe-right", **{"edge.trunk_ca": server.back_end.certificate})
    right.patient = False
    right.child = right.launch()
    try:
        await eventually(lambda: _answers(right) and right.readiness() == (200, "ready"), "the right one to be let in", 20)
    finally:
        right.child.kill()
