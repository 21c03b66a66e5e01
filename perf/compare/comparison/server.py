"""What all contenders have in common: an address and a core of their own, a start, an end, and a target for the load.

Each owns a loopback address, so that it can have the standard ports to itself, and a folder.
"""

import os
import random
import socket
import subprocess

from . import children

DOMAIN = "compare.test"
PASSWORD = "secret-load"
PORT, ADMIN_PORT = 5222, 5280
START_SECONDS = 60


class Server:
    """A server on its own address, kept to its cores: a number, or a list as `taskset` reads it."""

    name = "?"
    is_switch = True
    # Keys of the load generator's `[scenario.chat]`; what an acknowledgement means, if the protocol alone says it.
    chat = {}
    promise = None
    security = {"plain": "plain", "tls": "starttls"}

    def __init__(self, folder, core, stored="scram", environment=None):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.core = str(core)
        self.pin = ["taskset", "-c", self.core]
        self.stored = stored
        self.environment = environment or {}
        self.address = free_address()
        self.child = None

    def start(self):
        self.child = self.launch()
        children.wait_for(lambda: not self.child.alive() or self.ready(), START_SECONDS, self.name + " to listen")
        if not self.child.alive():
            raise RuntimeError("%s did not start:\n%s" % (self.name, self.child.tail()))
        return self

    def ready(self):
        return listens(self.address, self.port)

    def stop(self):
        if self.child:
            self.child.stop()

    @property
    def port(self):
        return PORT

    @property
    def pids(self):
        return children.family(self.child.pid)

    def target(self, mode="plain"):
        """The load generator's `[target]` and `[watch]`."""
        return {"target": {"addresses": ["%s:%d" % (self.address, self.port)], "domain": DOMAIN,
                           "security": self.security[mode]},
                "users": {"password": PASSWORD}, "watch": {"server_pids": self.pids}}

    def make_certificate(self):
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
             "30", "-subj", "/CN=" + DOMAIN, "-addext", "subjectAltName=DNS:" + DOMAIN, "-keyout", key, "-out",
             certificate], check=True, capture_output=True)
        os.chmod(key, 0o644)
        return certificate, key


def free_address():
    """An address of 127.0.0.0/8 that nobody listens on, so that a server can have the standard ports to itself."""
    while True:
        address = "127.%d.%d.%d" % (random.randint(16, 250), random.randint(1, 250), random.randint(1, 250))
        if not listens(address, PORT):
            return address


def listens(address, port):
    """Whether a socket listens there; looked up, since a connection to try it would be one end of a relay's pair."""
    local = socket.inet_aton(address)[::-1].hex().upper()
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    places = {"%s:%04X" % (host, port) for host in (local, "00000000")}
    return any(row[1] in places and row[3] == "0A" for row in rows)
