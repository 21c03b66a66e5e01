"""The server of this repository: by XMPP and by ICPP, with and without an archive, directly and through a front-end.

Over ICPP a message is acknowledged when it is durable or in its addressee's hands; NOSTORE asks for less. A contender's
`promise` says so in the report, for a durable and a volatile message are not the same work.
"""

import csv
import os
import secrets
import subprocess
import urllib.request

from . import children
from .server import ADMIN_PORT, DOMAIN, PASSWORD, PORT, START_SECONDS, Server, listens

ICPP_PORT, ICPPS_PORT, TRUNK_PORT = 5299, 5300, 5298
ICPP_PORTS = {"plain": ICPP_PORT, "tls": ICPPS_PORT}
DURABLE = "acknowledged when durable or in the addressee's hands"
VOLATILE = "acknowledged when taken, kept for nobody (NOSTORE)"


class Crosspoint(Server):
    """One shard, as it comes but for the STARTTLS of the port being optional, no archive, and as much presence as users like."""

    name = "crosspoint"
    binary = None
    settings = {}

    def __init__(self, *arguments, shards=1, **options):
        super().__init__(*arguments, **options)
        self.shards = shards
        # As the others are set: no archive, and no limit of its own is measured.
        self.environment = {"CROSSPOINT_ARCHIVE_ENABLED": "false",
                            "CROSSPOINT_LIMITS_PRESENCE_TELLS_PER_SECOND": "1000000000",
                            "CROSSPOINT_LIMITS_PRESENCE_TELLS_BURST": "1000000000", **self.environment}

    def launch(self):
        settings = [word for key, value in self.settings.items() for word in ("--set", "%s=%s" % (key, value))]
        return children.Child(
            [*self.pin, self.binary, "serve", "--domain", DOMAIN, "--data", self.folder / "data", "--xmpp",
             "%s:%d" % (self.address, PORT), "--xmpp-tls", "optional", "--xmpps", "%s:%d" % (self.address, PORT + 1),
             "--icpp", "%s:%d" % (self.address, ICPP_PORT), "--icpps", "%s:%d" % (self.address, ICPPS_PORT),
             "--shards", str(self.shards), "--admin", "%s:%d" % (self.address, ADMIN_PORT), *settings],
            self.folder / "server.log", env=self.environment)

    def add_accounts(self, count):
        table = self.folder / "accounts.csv"
        with open(table, "w", newline="") as sink:
            rows = (("u%d@%s" % (number, DOMAIN), PASSWORD) for number in range(count))
            csv.writer(sink, lineterminator="\n").writerows(rows)
        subprocess.run([str(self.binary), "user", "import", "--data", str(self.folder / "data"), str(table)],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env={**os.environ, **self.environment})

    def figure(self, name):
        """A figure of /metrics, of all shards together."""
        with urllib.request.urlopen("http://%s:%d/metrics" % (self.address, ADMIN_PORT), timeout=5) as page:
            lines = page.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((name + " ", name + "{")))


class CrosspointArchive(Crosspoint):
    """As it comes: what is said is kept, for both sides."""

    name = "crosspoint-archive"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.environment["CROSSPOINT_ARCHIVE_ENABLED"] = "true"


class CrosspointIcpp(Crosspoint):
    """By the binary protocol. Rosters are made by XMPP beforehand."""

    name = "crosspoint-icpp"
    promise = DURABLE

    def target(self, mode="plain"):
        target = super().target(mode)
        target["target"].update({"protocol": "icpp", "addresses": ["%s:%d" % (self.address, ICPP_PORTS[mode])],
                                 "xmpp": "%s:%d" % (self.address, PORT)})
        return target


class CrosspointIcppVolatile(CrosspointIcpp):
    """Its messages are kept for nobody, as those of a plain XMPP chat are while both are there."""

    name = "crosspoint-icpp-volatile"
    chat = {"store": False}
    promise = VOLATILE


class CrosspointIcppArchive(CrosspointIcpp, CrosspointArchive):
    name = "crosspoint-icpp-archive"


class CrosspointIcppFront(CrosspointIcpp):
    """Clients connect to a front-end, which passes all on to a back-end by trunks. Both are kept to the same core, and the
    CPU and the memory of both count.
    """

    name = "crosspoint-icpp-front"

    def __init__(self, folder, *arguments, **options):
        super().__init__(folder / "front", *arguments, **options)
        self.back = CrosspointIcpp(folder / "back", *arguments, **options)
        self.key = folder / "cluster.key"
        trunks = "%s:%d" % (self.back.address, TRUNK_PORT)
        self.back.settings = {"icpp.cluster_key": self.key, "role": "backend", "icpp.node": "back",
                              "icpp.trunk_listen": trunks}
        self.settings = {"icpp.cluster_key": self.key, "role": "frontend", "icpp.node": "front",
                         "edge.back_ends": trunks, "edge.urls": "icpp://%s:%d" % (self.address, ICPP_PORT)}

    def start(self):
        self.key.touch(mode=0o600)
        self.key.write_bytes(secrets.token_bytes(32))
        try:
            self.back.start()
            super().start()
            children.wait_for(self.joined, START_SECONDS, "trunks from every shard to every shard")
        except BaseException:
            self.stop()
            raise
        return self

    def joined(self):
        return self.figure("crosspoint_icpp_trunks") >= self.shards * self.back.shards

    def stop(self):
        super().stop()
        self.back.stop()

    def ready(self):
        return listens(self.address, ICPP_PORT) and listens(self.address, ADMIN_PORT)

    @property
    def pids(self):
        return super().pids + self.back.pids

    def target(self, mode="plain"):
        target = super().target(mode)
        target["target"]["xmpp"] = "%s:%d" % (self.back.address, PORT)
        return target

    def add_accounts(self, count):
        self.back.add_accounts(count)


class CrosspointIcppFrontVolatile(CrosspointIcppFront):
    name = "crosspoint-icpp-front-volatile"
    chat = {"store": False}
    promise = VOLATILE
