"""The icpp-python suite: plays with the Python client of ICPP, alone, with XMPP people, under kill -9, and with bad manners."""

from interop.stage import Tally

from . import (icpp_python_across, icpp_python_crash, icpp_python_hostile, icpp_python_invited,
               icpp_python_keeping, icpp_python_presence, icpp_python_rooms, icpp_python_xmpp)
from .icpp_python_people import stage

assert icpp_python_across and icpp_python_crash and icpp_python_hostile
assert icpp_python_invited and icpp_python_keeping and icpp_python_presence and icpp_python_rooms and icpp_python_xmpp


def run(server, only=()):
    if server.name != "crosspoint":
        tally = Tally("icpp-python")
        tally.note("skip", "icpp", "no other server speaks it")
        return tally.close()
    server.start()
    server.add_accounts([("bystander", "secret-bystander"), ("mallory", "secret-mallory"), ("king", "secret-king")])
    try:
        return stage.run("icpp-python", server, only)
    finally:
        server.stop()
