"""The contenders: how each is configured, started on its core, and given its accounts.

Each owns a loopback address with port 5222 (STARTTLS offered, not required) and a folder of its own; Crosspoint listens for
ICPP besides. What each setting
is for stands in perf/compare/README.md. Accounts are `u0`, `u1`... with one password; `stored` says how passwords are
kept, "scram" (as shipped) or "plain" (peers only; Crosspoint keeps no readable passwords).
"""

import base64
import csv
import hashlib
import hmac
import json
import os
import random
import socket
import subprocess
import urllib.request

from . import children

DOMAIN = "compare.test"
PASSWORD = "secret-load"
PORT, ADMIN_PORT = 5222, 5280
ICPP_PORT, ICPPS_PORT = 5299, 5300
START_SECONDS = 60
SALT = b"one salt for all"


class Server:
    """A server on its own address, pinned to a core."""

    name = "?"
    is_switch = True
    security = {"plain": "plain", "tls": "starttls"}

    def __init__(self, folder, core, stored="scram", environment=None):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pin = ["taskset", "-c", str(core)]
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


class Crosspoint(Server):
    """The server of this repository, one shard, as it comes but for the STARTTLS of the port being optional, and no archive."""

    name = "crosspoint"
    binary = None

    def __init__(self, *arguments, shards=1, **options):
        super().__init__(*arguments, **options)
        self.shards = shards
        # As the others are set: no archive.
        self.environment = {"CROSSPOINT_ARCHIVE_ENABLED": "false", **self.environment}

    def launch(self):
        return children.Child(
            [*self.pin, self.binary, "serve", "--domain", DOMAIN, "--data", self.folder / "data", "--xmpp",
             "%s:%d" % (self.address, PORT), "--xmpp-tls", "optional", "--xmpps", "%s:%d" % (self.address, PORT + 1),
             "--icpp", "%s:%d" % (self.address, ICPP_PORT), "--icpps", "%s:%d" % (self.address, ICPPS_PORT),
             "--shards", str(self.shards), "--admin", "%s:%d" % (self.address, ADMIN_PORT)],
            self.folder / "server.log", env=self.environment)

    def add_accounts(self, count):
        table = self.folder / "accounts.csv"
        with open(table, "w", newline="") as sink:
            rows = (("u%d@%s" % (number, DOMAIN), PASSWORD) for number in range(count))
            csv.writer(sink, lineterminator="\n").writerows(rows)
        subprocess.run([str(self.binary), "user", "import", "--data", str(self.folder / "data"), str(table)],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env={**os.environ, **self.environment})


class CrosspointArchive(Crosspoint):
    """The same server as it comes: what is said is kept, for both sides."""

    name = "crosspoint-archive"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.environment["CROSSPOINT_ARCHIVE_ENABLED"] = "true"


class CrosspointIcpp(Crosspoint):
    """The same server, by the binary protocol. Rosters are made by XMPP beforehand."""

    name = "crosspoint-icpp"
    ports = {"plain": ICPP_PORT, "tls": ICPPS_PORT}

    def target(self, mode="plain"):
        target = super().target(mode)
        target["target"].update({"protocol": "icpp", "addresses": ["%s:%d" % (self.address, self.ports[mode])],
                                 "xmpp": "%s:%d" % (self.address, PORT)})
        return target


class Prosody(Server):
    """Prosody as Debian packages it: epoll, internal storage, no limits, only what the scenarios use."""

    name = "prosody"
    iterations = 10_000

    def launch(self):
        certificate, key = self.make_certificate()
        (self.folder / "data").mkdir(exist_ok=True)
        config = self.folder / "prosody.cfg.lua"
        config.write_text(PROSODY_CONFIG.format(
            folder=self.folder, address=self.address, domain=DOMAIN, certificate=certificate, key=key,
            authentication={"scram": "internal_hashed", "plain": "internal_plain"}[self.stored]))
        return children.Child([*self.pin, "prosody", "-F", "--config", config], self.folder / "server.log")

    def add_accounts(self, count):
        """Writes the account files of its internal storage, which it reads at each login."""
        folder = self.folder / "data" / DOMAIN.replace(".", "%2e") / "accounts"
        folder.mkdir(parents=True, exist_ok=True)
        row = {"password": PASSWORD}
        if self.stored == "scram":
            stored_key, server_key = scram_keys(PASSWORD, SALT, self.iterations)
            row = {"iteration_count": self.iterations, "salt": SALT.decode(), "stored_key": stored_key.hex(),
                   "server_key": server_key.hex()}
        text = "return {\n%s};\n" % "".join("\t[%s] = %s;\n" % (json.dumps(name), json.dumps(entry))
                                            for name, entry in row.items())
        for number in range(count):
            (folder / ("u%d.dat" % number)).write_text(text)


class Ejabberd(Server):
    """ejabberd as Debian packages it, one scheduler that does not wait busily, Mnesia, no shapers."""

    name = "ejabberd"
    iterations = 4096

    def launch(self):
        certificate, key = self.make_certificate()
        pem = self.folder / "both.pem"
        pem.write_text(certificate.read_text() + key.read_text())
        config = self.folder / "ejabberd.yml"
        config.write_text(EJABBERD_CONFIG.format(address=self.address, domain=DOMAIN, pem=pem, stored=self.stored))
        env = {"EJABBERD_CONFIG_PATH": str(config), "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
               "ERL_LIBS": "/usr/lib/x86_64-linux-gnu", "HOME": str(self.folder)}
        return children.Child(
            [*self.pin, "erl", "-noinput", "+K", "true", "+P", "250000", "+Q", "65536", "+S", "1:1", "+sbwt", "none",
             "+sbwtdcpu", "none", "+sbwtdio", "none", "-mnesia", "dir", '"%s"' % (self.folder / "spool"),
             "-s", "ejabberd"], self.folder / "server.log", env=env, cwd=self.folder)

    def add_accounts(self, count):
        """Loads the account table from a text dump: the way of its own backups, and quick for many."""
        dump = self.folder / "accounts.dump"
        password = '<<"%s">>' % PASSWORD
        if self.stored == "scram":
            keys = (*scram_keys(PASSWORD, SALT, self.iterations), SALT)
            password = "{scram,%s,sha,%d}" % (
                ",".join('<<"%s">>' % base64.b64encode(part).decode() for part in keys), self.iterations)
        with open(dump, "w") as sink:
            sink.write("{tables,[{passwd,[{record_name,passwd},{attributes,[us,password]}]}]}.\n")
            for number in range(count):
                sink.write('{passwd,{<<"u%d">>,<<"%s">>},%s}.\n' % (number, DOMAIN, password))
        body = json.dumps({"file": str(dump)}).encode()
        request = urllib.request.Request("http://%s:%d/api/load" % (self.address, ADMIN_PORT), body,
                                         {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=120).read()


class Relay(Server):
    """The raw relay of perf/floor with one of its engines: no protocol, so only the load of `floor` runs through it."""

    is_switch = False
    engine = "epoll"
    protocol = "xmpp"
    binary = None

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


class RelayRingIcpp(Relay):
    name, engine, protocol = "relay-ring-icpp", "ring", "icpp"


SERVERS = {kind.name: kind for kind in (Crosspoint, CrosspointArchive, CrosspointIcpp, Ejabberd, Prosody, RelayEpoll,
                                        RelayMonoio, RelayRing, RelayEpollIcpp, RelayRingIcpp)}


def scram_keys(password, salt, iterations, digest="sha1"):
    """StoredKey and ServerKey of RFC 5802 section 3."""
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", digest)
    return hashlib.new(digest, client_key).digest(), hmac.digest(salted, b"Server Key", digest)


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


PROSODY_CONFIG = """
run_as_root = true
data_path = "{folder}/data"
pidfile = "{folder}/prosody.pid"
log = {{ warn = "{folder}/prosody.log" }}
network_backend = "epoll"
network_settings = {{ tcp_backlog = 1024; read_size = 65536 }}
interfaces = {{ "{address}" }}
c2s_ports = {{ 5222 }}
c2s_direct_tls_ports = {{ }}
s2s_ports = {{ }}
modules_enabled = {{ "roster"; "saslauth"; "tls"; "disco"; "offline"; "smacks" }}
modules_disabled = {{ "s2s"; "http"; "https"; "admin_shell"; "limits" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "{authentication}"
storage = "internal"
ssl = {{ certificate = "{certificate}"; key = "{key}" }}
VirtualHost "{domain}"
Component "conference.{domain}" "muc"
max_history_messages = 0
muc_room_default_public = false
"""

EJABBERD_CONFIG = """
loglevel: warning
hosts: ["{domain}"]
certfiles: ["{pem}"]
auth_method: mnesia
auth_password_format: {stored}
default_db: mnesia
shaper_rules:
  max_offline: {{100000: all}}
listen:
  - {{port: 5222, ip: "{address}", module: ejabberd_c2s, max_stanza_size: 262144, backlog: 1024, starttls: true}}
  - {{port: 5280, ip: "{address}", module: ejabberd_http, request_handlers: {{/api: mod_http_api}}}}
acl:
  loopback: {{ip: [127.0.0.0/8]}}
api_permissions:
  compare: {{who: {{acl: loopback}}, what: ["load"]}}
modules:
  mod_http_api: {{}}
  mod_roster: {{}}
  mod_offline: {{access_max_user_messages: max_offline}}
  mod_stream_mgmt: {{}}
  mod_disco: {{}}
  mod_muc:
    host: "conference.{domain}"
    max_users: 20000
    max_user_conferences: 1000
    max_rooms_discoitems: 0
    min_message_interval: 0
    history_size: 0
    default_room_options: {{max_users: 20000}}
"""
