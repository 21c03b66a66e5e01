"""Clusters of other shapes: who belongs where, who sends whom elsewhere, and what happens between two homes."""

import asyncio
import os

from interop.phones import Phones, Wire, wire
from interop.programs import eventually
from interop.stage import expect, expect_equal

from crosspoint import Bounced, Verb
from crosspoint.errors import Code

from .icpp_cluster_stage import HALVES, Load, Node, Pair, person, slot_of, where

async def everybody_is_sent_home(server):
    async with Phones(server) as phones:
        await server.aware()
        romeo, juliet = await person(phones, "romeo", 0), await person(phones, "juliet", 1)
        expect_equal((where(romeo), where(juliet)), ("fe2", "fe2"), "where they are")
        expect_equal(server.front_ends[0].figure("crosspoint_icpp_redirects_total", 'reason="home"'), 1, "sent home")
        await romeo.client.send(juliet.address, "But, soft!")
        await juliet.heard("But, soft!")
        await asyncio.to_thread(server.front_ends[1].kill)
        await eventually(lambda: romeo.client._online.is_set() and where(romeo) == "fe1", "romeo elsewhere", 25)
        await asyncio.to_thread(server.front_ends[1].start)


async def new_clients_go_where_there_is_less_to_do(server):
    async with Phones(server) as phones:
        await server.aware()
        first = [await person(phones, "p%d" % number) for number in range(6)]
        expect_equal({where(phone) for phone in first}, {"fe1"}, "where the first are")
        await server.aware()
        late = [await person(phones, "q%d" % number) for number in range(2)]
        expect_equal({where(phone) for phone in late}, {"fe2"}, "where the later ones are")
        expect_equal(server.front_ends[0].figure("crosspoint_icpp_redirects_total", 'reason="load"'), 2, "sent away")


async def follow(server, user, forget):
    """Follows redirects from the first front-end on; `forget`: without saying who sent it. Returns the nodes, and the end."""
    ends = {end.icpp_url("icpp"): end for end in server.front_ends}
    end, hops, came_from, seen = server.front_ends[0], 0, None, []
    while True:
        seen.append(end.node)
        raw = await Wire.connect(end)
        raw.hello(server.jid(user), hops=hops, came_from=None if forget else came_from)
        frame = await raw.next()
        raw.abort()
        if frame.verb != Verb.REDIRECT:
            return seen, frame
        redirect = wire.Redirect.decode(frame.body)
        end, hops, came_from = ends[redirect.urls[0]], hops + 1, end.node


async def misconfigured_front_ends_send_nobody_in_circles(server):
    async with Phones(server) as phones:
        await server.aware()
        user, _ = phones.credentials("romeo")
        seen, frame = await follow(server, user, False)
        expect_equal((seen, frame.verb), (["fe1", "fe2"], Verb.WELCOME), "who says who sent it is not sent back")
        seen, frame = await follow(server, user, True)
        expect_equal((seen, frame.verb), (["fe1", "fe2", "fe1", "fe2"], Verb.WELCOME), "who does not say is let in where it is, after three")
        raw = await Wire.connect(server.front_ends[0])
        raw.hello(server.jid(user), hops=4)
        expect_equal((await raw.ended()).code, Code.REDIRECT_LOOP, "the end of a client that goes on")
        expect_equal(server.front_ends[0].figure("crosspoint_icpp_redirect_loops_total"), 1, "counted")
        romeo = await person(phones, "juliet")
        expect_equal(where(romeo), "fe2", "where a client of the package ends")


async def new_clients_go_where_processors_have_less_to_do(server):
    """Only processor time counts here, and all of the load is at the first."""
    async with Phones(server) as phones:
        await server.aware()
        pairs = [Pair(await person(phones, "s%d" % number), await person(phones, "r%d" % number)) for number in range(2)]
        load, busy = Load(pairs), 0
        for number in range(40):
            late = await person(phones, "q%d" % number)
            if where(late) == "fe2":
                break
            busy = max(busy, server.front_ends[0].figure("crosspoint_icpp_edge_cpu_permille"))
            await late.leave()
            phones.people.remove(late)
            await asyncio.sleep(0.5)
        expect_equal(where(late), "fe2", "where a later one is, with %d permille of the cores busy" % busy)
        await load.end()
        expect(server.front_ends[0].figure("crosspoint_icpp_redirects_total", 'reason="load"') >= 1, "counted")
        return "%d messages" % await Load.judge(pairs)


async def new_clients_go_where_less_waits_for_slow_ones(server):
    """Only waiting bytes count here. At the first front-end is somebody who asks for much and reads nothing."""
    async with Phones(server) as phones:
        await server.aware()
        romeo = await person(phones, "romeo")
        slow, user, password = server.front_ends[0], *phones.credentials("juliet")
        for number in range(60):
            romeo.client.post(server.jid(user), str(number) + "x" * 50000)
        await asyncio.wait_for(romeo.client.drain(), 20)
        raw = await Wire.session(slow, user, password)
        raw.writer.transport.pause_reading()
        # Page by page, until more is there than the kernel takes; what waits for one client has a bound, too.
        for _ in range(20):
            raw.ask(Verb.HISTORY, wire.History(peer=romeo.address, limit=60).encode())
            await asyncio.sleep(1.2)
            if slow.figure("crosspoint_icpp_edge_waiting_bytes") > 100_000:
                break
        await server.aware()
        late = await person(phones, "late")
        expect_equal(where(late), "fe2", "where a later one is")
        expect(slow.figure("crosspoint_icpp_redirects_total", 'reason="load"') >= 1, "counted")
        await romeo.settled()
        raw.abort()
        await eventually(lambda: slow.figure("crosspoint_icpp_edge_waiting_bytes") == 0, "nothing to wait", 20)


def stems(server, back_end, count, first="p"):
    """Names whose accounts live at a back-end. Accounts get a number behind the stem; so they are made here."""
    found, number = [], 0
    while len(found) < count:
        user = "%s%d" % (first, number)
        if server.home_of(server.jid(user)) is back_end:
            found.append(user)
        number += 1
    return found


class Town(Phones):
    """Phones whose accounts are made with names that decide where they live."""

    def found(self, users):
        self.server.add_accounts([(user, "secret-" + user) for user in users])
        self.accounts.update({user: (user, "secret-" + user) for user in users})
        return users


async def two_back_ends_have_half_of_the_accounts_each(server):
    """Clients come to either front-end and land at the one of their home; each account lives at one back-end alone."""
    async with Town(server) as phones:
        await server.aware()
        low, high = (phones.found(stems(server, back_end, 2 + 2)) for back_end in server.back_ends)
        for users, node in ((low, "fe1"), (high, "fe2")):
            people = [await person(phones, user, index % 2) for index, user in enumerate(users[:2])]
            expect_equal({where(phone) for phone in people}, {node}, "where clients of %s are" % users)
            await people[0].client.send(people[1].address, "But, soft!")
            await people[1].heard("But, soft!")
        for end in server.front_ends:
            expect_equal(end.figure("crosspoint_icpp_redirects_total", 'reason="home"'), 1, "sent home by " + end.node)
        romeo, _, juliet, _ = phones.people
        # Nothing goes from one home to another: to the one the other's accounts are none. The sender is told.
        await romeo.client.send(juliet.address, "from one home to the other")
        told = (await romeo.saw(Bounced)).condition
        expect_equal(told, Code.SERVICE_UNAVAILABLE, "why it came back")
        # Its back-end is gone: nobody else's concern.
        pairs = [Pair(romeo, phones.people[1]), Pair(juliet, phones.people[3])]
        load = Load(pairs[:1])
        await asyncio.to_thread(server.back_ends[1].kill)
        await eventually(lambda: not juliet.client._online.is_set(), "the loss to be noticed", 20)
        expect(romeo.client._online.is_set(), "romeo stays")
        for end in server.front_ends:
            expect_equal(end.readiness(), (200, "ready"), end.node)
            labels = [end.figure("crosspoint_icpp_trunks", 'back_end="%s"' % back_end.trunks(server.tls)) for back_end in server.back_ends]
            expect_equal(labels, [4, 0], "trunks of " + end.node)
        for number in range(50):
            pairs[1].post()
        await asyncio.to_thread(server.back_ends[1].start)
        await eventually(lambda: all(end.ready() for end in server.front_ends), "all trunks", 20)
        await load.end()
        shown = await Load.judge(pairs)
        # In a drain, all go to the other: a trunk leads from there to either home.
        server.front_ends[0].signal_drain()
        expect_equal(await server.front_ends[0].drained(), 0, "the exit status")
        for phone in phones.people:
            await eventually(lambda: phone.client._online.is_set() and where(phone) == "fe2", "%s at fe2" % phone.address, 20)
        await asyncio.to_thread(server.front_ends[0].start)
        return "%d messages; between homes: %s" % (shown, Code(told).name)


async def servers_send_clients_to_the_server_of_their_home(server):
    """Two servers that know nothing of each other but where they are."""
    one, two = server
    async with Phones(one) as phones:
        users = {}
        for back_end, half in ((one, 0), (two, 1)):
            users[back_end] = [user for user in ("p%d" % number for number in range(40)) if slot_of(one.jid(user)) // 2048 == half][:2]
            back_end.add_accounts([(user, "secret") for user in users[back_end]])
            phones.accounts.update({user: (user, "secret") for user in users[back_end]})
        for home in (one, two):
            for user in users[home]:
                phone = await phones.online(user)
                expect_equal(where(phone), home.node, "where %s is" % user)
            first, second = phones.people[-2:]
            await first.client.send(second.address, "But, soft!")
            await second.heard("But, soft!")
        expect_equal(one.figure("crosspoint_icpp_redirects_total", 'reason="home"'), 2, "sent home")
        stranger = users[two][0]
        for fields, wanted in (({"came_from": "two", "hops": 1}, Verb.WELCOME), ({"hops": 1}, Verb.REDIRECT)):
            raw = await Wire.connect(one)
            raw.hello(one.jid(stranger), **fields)
            expect_equal((await raw.next()).verb, wanted, "the answer to %s" % fields)
            raw.abort()
        raw = await Wire.connect(one)
        raw.hello(one.jid(stranger), hops=3)
        expect_equal((await raw.ended()).code, Code.REDIRECT_LOOP, "the answer to who has followed three already")
        expect_equal(one.figure("crosspoint_icpp_redirect_loops_total"), 1, "counted")


class Islands:
    """Two of them."""

    def __init__(self, folder):
        key = folder / "cluster.key"
        key.write_bytes(os.urandom(32))
        self.nodes = [Node(name, folder, key) for name in ("one", "two")]
        homes = ["%s %s %s" % (half, node.node, node.icpp_url("icpp")) for half, node in zip(HALVES, self.nodes)]
        for node in self.nodes:
            node.pairs["edge.homes"] = ",".join(homes)

    def start(self):
        for node in self.nodes:
            node.start()
        return self.nodes

    def stop(self):
        for node in self.nodes:
            if node.child and node.child.running():
                node.kill()
