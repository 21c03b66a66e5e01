"""The go-sendxmpp suite: a client in Go sends and listens, over both ports, online and offline."""

from interop.people import account
from interop.programs import GoSendxmpp
from interop.stage import Stage, expect_equal, quiet

stage = Stage()
play = stage.play


def run(server, only=()):
    server.start()
    try:
        return stage.run("go-sendxmpp", server, only)
    finally:
        server.stop()


class Pair:
    """Two accounts, both used by go-sendxmpp."""

    def __init__(self, server):
        self.romeo, self.juliet = [GoSendxmpp(server, *account(server, stem)) for stem in ("romeo", "juliet")]

    async def __aenter__(self):
        return self.romeo, self.juliet

    async def __aexit__(self, *failure):
        for one in (self.romeo, self.juliet):
            one.leave()


async def online(one, other, direct=False):
    """Comes online, and knows it: a message from the other arrives."""
    one.listen(direct)
    await other.say(one.jid, "ready")
    await one.hear(1)


@play()
async def a_message_reaches_the_listener(server):
    async with Pair(server) as (romeo, juliet):
        await online(juliet, romeo)
        await romeo.say(juliet.jid, "O, she doth teach <the> torches & to burn bright \u00e9")
        heard = await juliet.hear(2)
        expect_equal(heard[1:], [(romeo.jid, "O, she doth teach <the> torches & to burn bright \u00e9")], "heard")


@play()
async def both_ways_and_over_direct_tls(server):
    async with Pair(server) as (romeo, juliet):
        await online(juliet, romeo)
        await online(romeo, juliet, direct=True)
        await romeo.say(juliet.jid, "over 5223", direct=True)
        await juliet.say(romeo.jid, "over 5222")
        expect_equal((await juliet.hear(2))[1:], [(romeo.jid, "over 5223")], "she heard")
        expect_equal((await romeo.hear(2))[1:], [(juliet.jid, "over 5222")], "he heard")


@play()
async def messages_wait_for_a_listener_that_is_offline(server):
    async with Pair(server) as (romeo, juliet):
        for number in range(5):
            await romeo.say(juliet.jid, "line %d" % number)
        juliet.listen()
        await juliet.hear(5)
        await quiet(1)
        expect_equal(juliet.heard(), [(romeo.jid, "line %d" % number) for number in range(5)], "heard")


@play()
async def a_wrong_password_is_refused(server):
    async with Pair(server) as (romeo, juliet):
        romeo.password = "wrong"
        try:
            await romeo.say(juliet.jid, "never")
        except RuntimeError:
            return
        raise AssertionError("sent with a wrong password")
