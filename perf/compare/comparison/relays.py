"""The floor: the raw relay of perf/floor with each of its engines, fed with what clients of either protocol write."""

from . import children
from .server import Server


class Relay(Server):
    """No protocol, so only the load of `floor` runs through it."""

    is_switch = False
    engine = "epoll"
    protocol = "xmpp"
    binary = None
    promise = "bytes are passed on unread"

    def launch(self):
        return children.Child([*self.pin, self.binary, "--engine", self.engine, "--listen",
                               "%s:%d" % (self.address, self.port)], self.folder / "server.log")

    def add_accounts(self, count):
        """There are none."""

    def target(self, mode="plain"):
        return {"target": {"addresses": ["%s:%d" % (self.address, self.port)], "protocol": self.protocol},
                "watch": {"server_pids": self.pids}}


class RelayEpoll(Relay):
    name, engine = "relay-epoll", "epoll"


class RelayMonoio(Relay):
    name, engine = "relay-monoio", "monoio"


class RelayRing(Relay):
    name, engine = "relay-ring", "ring"


class RelayEpollIcpp(Relay):
    """What ICPP clients write: the floor of `crosspoint-icpp`."""

    name, engine, protocol = "relay-epoll-icpp", "epoll", "icpp"


class RelayMonoioIcpp(Relay):
    name, engine, protocol = "relay-monoio-icpp", "monoio", "icpp"


class RelayRingIcpp(Relay):
    name, engine, protocol = "relay-ring-icpp", "ring", "icpp"
