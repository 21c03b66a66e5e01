"""The rooms suite: plays with people who meet in rooms (XEP-0045 and what came after it)."""

from interop import conference, servers

from . import rooms_bots, rooms_entering, rooms_lasting, rooms_owning, rooms_ranks, rooms_talking
from .rooms_entering import stage

assert rooms_bots and rooms_lasting and rooms_owning and rooms_ranks and rooms_talking and rooms_entering


def run(server, only=()):
    conference.STRICT = server.strict
    if server.name == "prosody":
        server.settings["modules"] = servers.PROSODY_MODULES + ' "mam";'
    server.start()
    try:
        return stage.run("rooms", server, only)
    finally:
        server.stop()
