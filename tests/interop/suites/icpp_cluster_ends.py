"""A cluster under load whose parts are drained, killed and held up: no accepted message is lost, none is shown twice."""

import asyncio
import os
import random

from interop.phones import Phones
from interop.programs import eventually
from interop.stage import Stage, expect, expect_equal

from crosspoint import Connected
from crosspoint.routes import SETTLED_SECONDS

from .icpp_cluster_stage import Load, pairs_at, settled_at, where

stage = Stage()
play = stage.play

LOAD_SECONDS = (0.05, 1.0)
# INTEROP_KILLS: how often each part is killed, for those who have the time.
KILLS = int(os.environ.get("INTEROP_KILLS", 3))
SECONDS = 120 + 40 * KILLS
# An end of a trunk that is silent for so long is given up (SPEC.md section 11.3).
SILENCE_SECONDS = 15


@play(seconds=120)
async def a_drained_front_end_hands_its_clients_to_the_other(server):
    """There and back again: both are drained, one after the other, under load."""
    async with Phones(server) as phones:
        await server.aware()
        pairs = await pairs_at(phones, 0)
        for leaving, staying in (server.front_ends, server.front_ends[::-1]):
            load = Load(pairs, every=0.01)
            await asyncio.sleep(0.5)
            sent = 0
            leaving.signal_drain()
            while leaving.child.running():
                try:
                    sent = max(sent, leaving.figure("crosspoint_icpp_redirects_total", 'reason="drain"'))
                except OSError:
                    pass
                await asyncio.sleep(0.05)
            expect_equal(await leaving.drained(), 0, "the exit status of " + leaving.node)
            await load.end()
            for phone in phones.people:
                await eventually(lambda: phone.client._online.is_set() and where(phone) == staying.node,
                                 "%s at %s" % (phone.address, staying.node), 20)
            expect(sent > 0, "nobody was sent elsewhere")
            for phone in phones.people:
                came = [one for one in phone.happened if isinstance(one, Connected)][-1]
                expect(came.resumed, "%s was not resumed" % phone.address)
            let_in = sum(phone.client.session.exchange is None for phone in phones.people)
            expect(let_in >= sent, "%d were sent with a ticket, and %d let in by one" % (sent, let_in))
            await asyncio.to_thread(leaving.start)
            # Within ten seconds of a redirect a client does not go back to where it came from.
            await asyncio.sleep(SETTLED_SECONDS + 0.5)
        shown = await Load.judge(pairs)
        return "%d messages" % shown


@play(seconds=SECONDS)
async def kill_9_of_a_front_end_under_load(server):
    async with Phones(server) as phones:
        pairs = await pairs_at(phones, 0)
        for _ in range(KILLS):
            for victim in server.front_ends:
                load = Load(pairs)
                await asyncio.sleep(random.uniform(*LOAD_SECONDS))
                await asyncio.to_thread(victim.kill)
                await asyncio.sleep(0.3)
                await load.end()
                await Load.settle(pairs)
                await asyncio.to_thread(victim.start)
        shown = await Load.judge(pairs)
        return "%d kills, %d messages" % (2 * KILLS, shown)


@play(seconds=SECONDS)
async def kill_9_of_the_back_end_under_load(server):
    async with Phones(server) as phones:
        pairs = await pairs_at(phones, 0)
        for _ in range(KILLS):
            load = Load(pairs)
            await asyncio.sleep(random.uniform(*LOAD_SECONDS))
            await asyncio.to_thread(server.back_end.kill)
            await load.end()
            await asyncio.to_thread(server.back_end.start)
            await Load.settle(pairs)
        shown = await Load.judge(pairs)
        return "%d kills, %d messages" % (KILLS, shown)


@play(seconds=90)
async def a_drained_back_end_comes_back_and_nothing_is_lost(server):
    async with Phones(server) as phones:
        pairs = await pairs_at(phones, 0)
        load = Load(pairs, every=0.005)
        await asyncio.sleep(0.5)
        expect_equal(await asyncio.to_thread(server.back_end.stop), 0, "the exit status")
        await asyncio.to_thread(server.back_end.start)
        await asyncio.sleep(0.5)
        await load.end()
        return "%d messages" % await Load.judge(pairs)


@play(seconds=90)
async def parts_that_stand_still_for_a_while_lose_nothing(server):
    """A front-end and the back-end are stopped (not killed) under load, for less than it takes to be given up."""
    async with Phones(server) as phones:
        pairs = await pairs_at(phones, 0)
        for victim in (server.front_ends[0], server.back_end):
            load = Load(pairs)
            await asyncio.sleep(0.3)
            victim.stand_still(True)
            await asyncio.sleep(2)
            victim.stand_still(False)
            await asyncio.sleep(0.3)
            await load.end()
            await Load.settle(pairs)
        for phone in phones.people:
            expect_equal(len([one for one in phone.happened if isinstance(one, Connected)]), 1, "connections")
        return "%d messages" % await Load.judge(pairs)


@play(seconds=SECONDS)
async def kill_9_in_the_middle_of_a_drain(server):
    """Of the front-end that is being drained, and of the back-end: some clients have been sent elsewhere by then, and some not."""
    async with Phones(server) as phones:
        await server.aware()
        pairs = await pairs_at(phones, 0)
        leaving, staying = server.front_ends
        for number in range(KILLS):
            victim = (leaving, server.back_end)[number % 2]
            load = Load(pairs, every=0.005)
            await asyncio.sleep(0.3)
            leaving.signal_drain()
            # It is spread over half of what the drain may take.
            await asyncio.sleep(random.uniform(0, 3))
            if victim.child.running():
                await asyncio.to_thread(victim.kill)
            await asyncio.sleep(random.uniform(0, 1))
            await load.end()
            if victim is server.back_end:
                await asyncio.to_thread(victim.start)
                await leaving.drained()
            await settled_at(phones, [staying], 40)
            await Load.settle(pairs)
            await asyncio.to_thread(leaving.start)
            await asyncio.sleep(SETTLED_SECONDS + 0.5)
            # And back, for the next time.
            await asyncio.to_thread(staying.kill)
            await settled_at(phones, [leaving], 40)
            await asyncio.to_thread(staying.start)
            await asyncio.sleep(SETTLED_SECONDS + 0.5)
        return "%d kills, %d messages" % (KILLS, await Load.judge(pairs))


@play(seconds=150)
async def parts_that_vanish_without_a_word_lose_nothing(server):
    """A front-end and the back-end stand still for so long that the others give them up: no FIN and no RST says so."""
    async with Phones(server) as phones:
        pairs = await pairs_at(phones, 0)
        for victim in (server.front_ends[0], server.back_end):
            load = Load(pairs, every=0.02)
            await asyncio.sleep(0.3)
            victim.stand_still(True)
            await asyncio.sleep(SILENCE_SECONDS + 3)
            if victim is server.back_end:
                for end in server.front_ends:
                    expect_equal((end.readiness()[0], end.figure("crosspoint_icpp_trunks")), (503, 0), end.node)
            else:
                expect_equal(server.back_end.figure("crosspoint_icpp_trunks_here"), 4, "trunks that are left")
            victim.stand_still(False)
            await load.end()
            await settled_at(phones, server.front_ends, 40)
            await Load.settle(pairs)
            await eventually(lambda: all(end.ready() for end in server.front_ends), "all trunks", 30)
        return "%d messages" % await Load.judge(pairs)
