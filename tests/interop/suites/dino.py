"""Dino under Xvfb: a person with a windowed client chats with one in slixmpp, in a room too, and finds the history again."""

import pathlib

from interop.dino import CHAT, ROOM, Dino
from interop.people import Person, account
from interop.stage import Stage

PERSISTENT = ("<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"
              "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
              "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>")

BOOKMARK = ("<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>"
            "<conference jid='%s' autojoin='true' name='Verona'><nick>Juliet</nick></conference></storage></query>")

stage = Stage()
play = stage.play


def run(server, only=()):
    modern = server.for_browsers(pathlib.Path(str(server.folder) + "-modern"), "http://localhost")
    modern.start()
    try:
        return stage.run("dino", modern, only)
    finally:
        modern.stop()


class Scene:
    """Juliet uses Dino, Romeo slixmpp. Each `dino` is a new one that knows nothing."""

    def __init__(self, server):
        self.server = server
        self.juliet, romeo = account(server, "juliet"), account(server, "romeo")
        self.romeo = Person(server, *romeo, "garden", ("xep_0045", "xep_0280"))
        self.address = server.jid(romeo[0])
        self.room = "verona-%s@conference.%s" % (romeo[0], server.domain)

    async def __aenter__(self):
        await self.romeo.arrive()
        return self

    async def __aexit__(self, *failure):
        self.romeo.abort()

    async def bookmark(self):
        """Juliet's other client keeps a bookmark, by which Dino enters."""
        other = await Person(self.server, *self.juliet, "phone").arrive()
        await other.ask("set", BOOKMARK % self.room)
        other.abort()

    def dino(self, address, kind=CHAT, nick=None):
        return Dino(self.server, *self.juliet, [(address, kind, nick)])


@play(seconds=90)
async def both_ways_and_again_from_the_archive(server):
    async with Scene(server) as scene:
        async with scene.dino(scene.address) as juliet:
            await juliet.say("O Romeo, Romeo")
            heard = await scene.romeo.heard("O Romeo, Romeo")
            scene.romeo.send_message(heard["from"], "Shall I hear more?", mtype="chat")
            await juliet.hear(scene.address, ["O Romeo, Romeo", "Shall I hear more?"])
        async with scene.dino(scene.address) as another:
            await another.hear(scene.address, ["O Romeo, Romeo", "Shall I hear more?"])


@play(seconds=90)
async def in_a_room_and_again_from_its_archive(server):
    async with Scene(server) as scene:
        await scene.romeo["xep_0045"].join_muc_wait(scene.room, "Romeo", maxstanzas=0, timeout=10)
        await scene.romeo.ask("set", PERSISTENT, scene.room)
        await scene.bookmark()
        async with scene.dino(scene.room, ROOM, "Juliet") as juliet:
            await scene.romeo.heard_of(scene.room + "/Juliet", "available")
            scene.romeo.send_message(scene.room, "Call me but love", mtype="groupchat")
            await juliet.hear(scene.room, ["Call me but love"])
            await juliet.say("What's in a name?")
            await scene.romeo.heard("What's in a name?")
        async with scene.dino(scene.room, ROOM, "Juliet") as another:
            await another.hear(scene.room, ["Call me but love", "What's in a name?"])
