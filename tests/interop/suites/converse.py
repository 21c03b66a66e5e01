"""Converse.js in Chromium: a person in a browser chats with one in slixmpp, in a room too, and finds the history again.

Over WebSocket (RFC 7395), and once over BOSH. The page is typed into and read, as a person would.
"""

import asyncio
import pathlib

from interop.browser import Converse, Site
from interop.people import Person, account
from interop.stage import Stage, expect_equal

stage = Stage()
play = stage.play

def run(server, only=()):
    site = Site()
    web = server.for_browsers(pathlib.Path(str(server.folder) + "-web"), site.origin)
    web.start()
    try:
        return stage.run("converse", web, only, site=site)
    finally:
        web.stop()
        site.close()


class Scene:
    """Juliet in a browser, Romeo in slixmpp."""

    def __init__(self, server, site, transport="websocket"):
        self.server = server
        juliet, romeo = account(server, "juliet"), account(server, "romeo")
        connection = {"websocket_url": server.websocket_url} if transport == "websocket" else {"bosh_service_url": server.bosh_url}
        self.juliet = Converse(site, server.jid(juliet[0]), juliet[1], connection)
        self.romeo = Person(server, *romeo, "garden", ("xep_0045", "xep_0280"))

    async def __aenter__(self):
        await self.romeo.arrive()
        await asyncio.to_thread(self.juliet.__enter__)
        return self.juliet, self.romeo

    async def __aexit__(self, *failure):
        await asyncio.to_thread(self.juliet.__exit__, *failure)
        self.romeo.abort()


async def in_browser(function, *arguments):
    """What is done in the browser blocks; others must not."""
    return await asyncio.to_thread(function, *arguments)


async def both_say_something(juliet, romeo):
    """Each says a line, and the other one sees it."""
    address = romeo.boundjid.bare
    await in_browser(juliet.open_chat, address)
    await in_browser(juliet.say, address, "O Romeo, Romeo")
    heard = await romeo.heard("O Romeo, Romeo")
    romeo.send_message(heard["from"], "Shall I hear more?", mtype="chat")
    await in_browser(juliet.hear, address, ["O Romeo, Romeo", "Shall I hear more?"])
    return address


@play(seconds=90)
async def a_person_in_a_browser_chats_over_websocket(server, site):
    async with Scene(server, site) as (juliet, romeo):
        await both_say_something(juliet, romeo)


@play(seconds=90)
async def and_over_bosh(server, site):
    async with Scene(server, site, "bosh") as (juliet, romeo):
        await both_say_something(juliet, romeo)


@play(seconds=120)
async def a_browser_that_forgets_finds_its_history_in_the_archive(server, site):
    async with Scene(server, site) as (juliet, romeo):
        address = await both_say_something(juliet, romeo)
        await in_browser(juliet.forget)
        await in_browser(juliet.enter_page)
        await in_browser(juliet.open_chat, address)
        await in_browser(juliet.hear, address, ["O Romeo, Romeo", "Shall I hear more?"])


@play(seconds=120)
async def in_a_room_with_others_and_again_after_a_reload(server, site):
    async with Scene(server, site) as (juliet, romeo):
        room = "verona-%s@conference.%s" % (romeo.boundjid.user, server.domain)
        await in_browser(juliet.enter_room, room, "Juliet")
        await romeo["xep_0045"].join_muc_wait(room, "Romeo", maxstanzas=0, timeout=10)
        await in_browser(juliet.say, room, "What's in a name?")
        await romeo.heard("What's in a name?")
        romeo.send_message(room, "Call me but love", mtype="groupchat")
        await in_browser(juliet.hear, room, ["What's in a name?", "Call me but love"])
        await in_browser(juliet.enter_page)
        await in_browser(juliet.enter_room, room, "Juliet")
        await in_browser(juliet.hear, room, ["What's in a name?", "Call me but love"])
        members = await in_browser(juliet.occupants, room)
        expect_equal(members, ["Juliet", "Romeo"], "occupants that the page knows")
