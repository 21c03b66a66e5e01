"""The slixmpp suite: plays with people whose client is built on slixmpp."""

from . import slixmpp_extensions
from .slixmpp_people import stage

assert slixmpp_extensions


def run(server, only=()):
    server.start()
    try:
        return stage.run("slixmpp", server, only)
    finally:
        server.stop()
