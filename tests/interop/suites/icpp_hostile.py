"""The icpp-hostile suite: whatever a client does over real sockets ends in the error that SPEC.md defines, and two people who chat
all the while, one over ICPP and one over XMPP, lose nothing."""

import os
import resource
import struct
import subprocess
import time

from interop import lines, servers
from interop.lines import Line
from interop.stage import Tally, expect, expect_equal

from . import icpp_hostile_floods, icpp_hostile_frames, icpp_hostile_web
from .icpp_cluster import Cluster
from .icpp_hostile_stage import CODES, NUMBERS, Health, Mallory, Pair, ends, fresh_source, heard, play, refused, stage

assert icpp_hostile_floods and icpp_hostile_frames and icpp_hostile_web

TICKET_SECONDS = 2
# Codes that no client can bring about: said here, and where each is played.
ELSEWHERE = {"internal": "our own fault: session_codes.rs", "back-end-lost": "icpp-cluster, and session_codes.rs"}


@play(seconds=120)
async def the_other_ends_of_a_session(server, pair, mallory, odd):
    """Codes that are nobody's attack: a mechanism that is not offered, a session replaced, a password changed, too many, and a farewell."""
    refused(mallory.welcomed().auth("GS2-KRB5", b""), "mechanism", "a mechanism that is not offered")
    refused(mallory.welcomed().login("king", "wrong"), "not-authorized", "another account than HELLO's")
    name = mallory.names[9]
    first, second = [Line.connect(server, fresh_source()).greet(server.jid(name), resource="same") for _ in range(2)]
    for line in (first, second):
        expect_equal(line.scram(name, "secret")[0], lines.AUTHED, "a login")
    ends(first, "replaced", "the same resource again")
    subprocess.run([servers.binary(), "user", "passwd", "--data", server.data, server.jid(name)], input=b"another\n", check=True, capture_output=True)
    ends(second, "account-changed", "another password")
    name, crowd = mallory.names[10], []
    for _ in range(32):
        crowd.append(mallory.session(name))
    last = Line.connect(server, fresh_source()).greet(server.jid(name))
    found = last.scram(name, "secret")
    expect_equal((found[0], CODES.get(found[1])), (lines.ERROR, "too-many"), "the thirty-third session")
    ends(last, "too-many", "what follows")
    crowd[0].raw(lines.frame(lines.SEND, lines.message(server.jid("king"), "x", extensions=lines.ext(0x80FF, b""))))
    ends(crowd[0], "unsupported-extension", "a critical extension that is not known")
    for line in crowd:
        line.close()
    line = Line.session(odd, "king", "secret", fresh_source())
    asked = line.ask(lines.HISTORY, bytes(16))
    while (answer := line.next())[2] != asked:
        pass
    refused((answer[0], struct.unpack_from("<H", answer[4])[0]), "unsupported", "a history where there is no archive")
    deaf, busy = [mallory.session(mallory.names[11]) for _ in range(2)]
    addresses = [("nobody%04d-whose-name-is-long@%s" % (number, server.domain)).encode() for number in range(1000)]
    added = struct.pack("<BBH", 1, 0, len(addresses)) + b"".join(struct.pack("<H", len(one)) + one for one in addresses)
    for _ in range(30):
        for body in (added, struct.pack("<BBH", 2, 0, 0)):
            asked = busy.ask(lines.BLOCK, body)
            while busy.next()[2] != asked:
                pass
        busy.say(lines.ACCEPTED)
    ends(deaf, "slow-consumer", "who never acknowledges")
    busy.close()
    pair.check()


@play(seconds=400)
async def the_same_through_a_front_end(server, pair, mallory, **_):
    """Frames that are none, floods and openings that are given up, at a front-end that passes on: the same errors, its back-end is well, and
    who came through it before goes on."""
    folder = server.folder.with_name(server.folder.name + "-cluster")
    folder.mkdir(parents=True)
    cluster = Cluster(folder)
    cluster.start()
    try:
        front, back = cluster.front_ends[0], cluster.back_end
        front.add_accounts = back.add_accounts
        back.add_accounts([("king", "secret"), ("romeo", "secret"), ("juliet", "secret")])
        through = Pair(back, ("romeo", "secret"), ("juliet", "secret"), icpp=front)
        through.start()
        attacker, health = Mallory(front), Health(back)
        for attack in (icpp_hostile_frames.lengths_that_lie, icpp_hostile_frames.every_verb_as_push_and_as_request_in_every_state,
                       icpp_hostile_frames.reserved_bits_and_fields, icpp_hostile_frames.acknowledgements_of_what_was_not_sent_or_was_before,
                       icpp_hostile_frames.more_than_the_window, icpp_hostile_frames.circles,
                       icpp_hostile_floods.floods_of_pings_greetings_and_logins, icpp_hostile_floods.connections_that_come_and_go):
            await attack(server=front, pair=through, mallory=attacker)
        for verb in (lines.OPEN, lines.CLOSE, lines.HOLD, lines.TOPOLOGY, lines.REDIRECT):
            line = attacker.session()
            line.raw(lines.frame(verb, b"\1"))
            ends(line, "unexpected-verb", "a client's %#x" % verb)
        through.check()
        told = health.check()
        expect_equal(front.figure("crosspoint_icpp_trunks"), 4, "trunks that are up")
        through.leaving.set()
        through.join(15)
    finally:
        cluster.stop()
    pair.check()
    return "the two waited %.2f s at most, the back-end %s" % (through.longest, told)


@play(seconds=60)
async def zz_a_farewell(server, pair, mallory, odd):
    line = Line.session(odd, "king", "secret", fresh_source())
    odd.stop()
    ends(line, "shutdown", "the end of the server")
    pair.check()


@play(seconds=30)
async def zz_every_code_of_the_specification_was_heard(server, pair, mallory, **_):
    missing = {name for number, name in CODES.items() if number not in heard and name not in ELSEWHERE}
    expect(not missing, "no play has heard %s" % ", ".join(sorted(missing)))
    expect_equal(set(ELSEWHERE) - set(CODES.values()), set(), "codes that are not in the table")
    return "%d codes; the two exchanged %d messages, none lost, none twice; they waited %.2f s at most" % (
        len(heard & set(CODES)), pair.back, pair.longest)


class Odd(servers.Crosspoint):
    """Tickets and heartbeats of two seconds, small outboxes, no archive, and a port for trunks."""

    def __init__(self, folder):
        super().__init__(folder)
        self.key_file = self.folder / "cluster.key"
        self.key_file.write_bytes(os.urandom(32))
        self.settings = {"shards": 1, "environment": {
            "CROSSPOINT_ICPP_TICKET_S": str(TICKET_SECONDS), "CROSSPOINT_ICPP_HEARTBEAT_S": "2", "CROSSPOINT_ICPP_HEARTBEAT_BACKGROUND_S": "8",
            "CROSSPOINT_ARCHIVE_ENABLED": "false", "CROSSPOINT_ICPP_CLUSTER_KEY": str(self.key_file), "CROSSPOINT_DRAIN_DEADLINE_S": "4",
            "CROSSPOINT_ICPP_TRUNK_LISTEN": "%s:%d" % (self.address, icpp_hostile_floods.TRUNK_PORT)}}

    def wait_for_tickets_to_expire(self):
        time.sleep(TICKET_SECONDS + 1)


def run(server, only=()):
    if server.name != "crosspoint":
        tally = Tally("icpp-hostile")
        tally.note("skip", "icpp", "no other server speaks it")
        return tally.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    odd = Odd(server.folder.with_name(server.folder.name + "-odd"))
    server.start()
    odd.start()
    server.add_accounts([("king", "secret"), ("romeo", "secret"), ("juliet", "secret")])
    odd.add_accounts([("king", "secret")])
    pair = Pair(server, ("romeo", "secret"), ("juliet", "secret"))
    pair.start()
    # The last plays are last whatever the order in which files were read.
    stage.plays.sort(key=lambda one: one[0].__name__.startswith("zz_"))
    try:
        return stage.run("icpp-hostile", server, only, pair=pair, mallory=Mallory(server), odd=odd)
    finally:
        pair.leaving.set()
        pair.join(15)
        odd.stop()
        server.stop()
