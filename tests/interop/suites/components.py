"""The components suite: services under domains of their own (XEP-0114), on slixmpp, on bare streams and from Debian."""

from . import components_biboumi, components_hostile, components_people, components_privileged, components_push
from .components_people import COMPONENTS, stage

assert components_biboumi and components_hostile and components_people and components_privileged and components_push


def run(server, only=()):
    server.settings["components"] = COMPONENTS
    server.start()
    try:
        return stage.run("components", server, only)
    finally:
        server.stop()
