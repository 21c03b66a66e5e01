"""A play with two clients that encrypt by OMEMO (XEP-0384): device lists and bundles are nodes of personal eventing."""

import asyncio

from interop.people import Cast
from interop.stage import Skip, expect_equal

from .pep import PEP, stage

try:
    from omemo.storage import Just, Nothing, Storage
    from slixmpp.plugins.base import register_plugin
    from slixmpp_omemo import XEP_0384
except ImportError:
    XEP_0384 = None


def omemo_plugin():
    """A plugin that trusts everybody and keeps its keys in memory."""
    class Memory(Storage):
        def __init__(self):
            super().__init__()
            self.values = {}

        async def _load(self, key):
            return Just(self.values[key]) if key in self.values else Nothing()

        async def _store(self, key, value):
            self.values[key] = value

        async def _delete(self, key):
            self.values.pop(key, None)

    class Trusting(XEP_0384):
        def plugin_init(self):
            self.memory = Memory()
            super().plugin_init()

        @property
        def storage(self):
            return self.memory

        @property
        def _btbv_enabled(self):
            return True

        async def _devices_blindly_trusted(self, blindly_trusted, identifier):
            pass

        async def _prompt_manual_trust(self, manually_trusted, identifier):
            raise AssertionError("nothing is to be trusted by hand")

    register_plugin(Trusting)
    return Trusting


async def ready(cast, stem):
    """A client whose keys are published."""
    person = cast.someone(stem, plugins=(*PEP, "xep_0334", "xep_0380", "xep_0280", "xep_0384"))
    published = asyncio.get_running_loop().create_future()
    person.add_event_handler("omemo_initialized", lambda _: published.done() or published.set_result(True))
    await person.arrive()
    await asyncio.wait_for(published, 20)
    return person


async def say(sender, to, text):
    message = sender.make_message(mto=to.bare, mtype="chat")
    message["body"] = text
    encrypted, errors = await sender["xep_0384"].encrypt_message(message, {to})
    expect_equal(list(errors), [], "errors of encryption")
    encrypted.send()


async def hear(person):
    """The next message that says something: a client answers a first message by an empty one, for the keys' sake."""
    while True:
        encrypted = await person.take(person.inbox, lambda one: person["xep_0384"].is_encrypted(one), "an encrypted message")
        decrypted, _ = await person["xep_0384"].decrypt_message(encrypted)
        if decrypted["body"]:
            return decrypted["body"]


@stage.play(seconds=90)
async def two_clients_speak_by_omemo(server):
    if XEP_0384 is None:
        raise Skip("slixmpp-omemo is not installed")
    omemo_plugin()
    async with Cast(server) as cast:
        romeo, juliet = await ready(cast, "romeo"), await ready(cast, "juliet")
        await say(romeo, juliet.boundjid, "under the rose")
        expect_equal(await hear(juliet), "under the rose", "what was decrypted")
        await say(juliet, romeo.boundjid, "sub rosa")
        expect_equal(await hear(romeo), "sub rosa", "what was decrypted")
