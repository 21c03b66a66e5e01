"""Who connects to the port for trunks, with the cluster's key and without, and what the rest of the cluster notices."""

import asyncio

from interop.phones import Phones, Wire, wire
from interop.stage import expect, expect_equal

from crosspoint import Connected, Verb
from crosspoint.errors import Code

from .icpp_cluster_stage import TRUNK_PORT, person, play


class Trunk:
    """A stranger at the port for trunks, frame by frame."""

    @classmethod
    async def connect(cls, server):
        reader, writer = await asyncio.open_connection(server.back_end.address, TRUNK_PORT)
        return Wire(server.back_end, reader, writer)


@play(seconds=60)
async def strangers_at_the_port_for_trunks_are_told_to_go(server):
    async with Phones(server) as phones:
        bystander = await person(phones, "juliet")
        hello = trunk_hello("fe1", 0)
        proof = wire.Auth(bytes(32), "TRUNK").encode()
        open_one = (Verb.OPEN, b"\x01\x00\x09\x00127.0.0.1\x02\x00\x01\x00\x01", 0, 0, 9)
        for frames, code in (
                ([(Verb.HELLO, hello), (Verb.AUTH, proof, wire.Flag.REQ, 1)], Code.NOT_AUTHORIZED),
                ([(Verb.HELLO, hello), open_one], Code.UNEXPECTED_VERB),
                ([(Verb.HELLO, trunk_hello("fe1", 999))], Code.MALFORMED),
                ([(Verb.HELLO, wire.Hello(server.jid("romeo")).encode())], Code.UNEXPECTED_VERB),
                ([open_one], Code.UNEXPECTED_VERB)):
            raw = await Trunk.connect(server)
            raw.raw(wire.PREFACE)
            for verb, body, *rest in frames:
                flags, identity, slot = (*rest, 0, 0, 0)[:3]
                raw.say(verb, body, flags, identity, slot=slot)
            fault = await raw.ended()
            expect_equal(fault and fault.code, code, "the answer to %s" % [frame[0].name for frame in frames])
        raw = await Trunk.connect(server)
        raw.raw(b"GET / HTTP/1.1\r\n\r\n")
        expect_equal((await raw.ended()).code, Code.MALFORMED, "the answer to a browser")
        await bystander.settled()
        expect_equal(len([one for one in bystander.happened if isinstance(one, Connected)]), 1, "connections of a bystander")


def trunk_hello(node, shard):
    name = node.encode()
    return b"\x10\x80" + len(name).to_bytes(2, "little") + name + b"\x11\x80\x02\x00" + shard.to_bytes(2, "little")


