"""The hostile suite: bad input ends in its defined error, and another connected session never notices."""

from . import hostile_xml
from . import hostile_load
from . import hostile_handshake
from .hostile_stage import Bystander, stage

assert hostile_xml and hostile_load and hostile_handshake


def run(server, only=()):
    guarded = type(server)(server.folder.with_name(server.folder.name + "-guarded"), tls="required")
    server.start()
    server.mallory = ("mallory", "secret-mallory")
    server.add_accounts([server.mallory, ("king", "secret-king"), ("bystander", "secret-bystander")])
    guarded.start()
    bystander = Bystander(server, "bystander", "secret-bystander")
    bystander.start()
    bystander.arrived.wait(20)
    try:
        return stage.run("hostile", server, only, bystander=bystander, guarded=guarded)
    finally:
        bystander.leaving.set()
        bystander.join(10)
        server.stop()
        guarded.stop()
