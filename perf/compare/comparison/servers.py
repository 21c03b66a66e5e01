"""The contenders by their names, and how the peers are configured, started on their core, and given their accounts.

Each has port 5222 (STARTTLS offered, not required) on an address of its own. What each setting is for stands in
perf/compare/README.md. Accounts are `u0`, `u1`... with one password; `stored` says how passwords are kept, "scram" (as
shipped) or "plain" (peers only; Crosspoint keeps no readable passwords).
"""

import base64
import hashlib
import hmac
import json
import urllib.request

from . import children
from .crosspoint import (Crosspoint, CrosspointArchive, CrosspointIcpp, CrosspointIcppArchive, CrosspointIcppFront,
                         CrosspointIcppFrontVolatile, CrosspointIcppVolatile)
from .relays import Relay, RelayEpoll, RelayEpollIcpp, RelayMonoio, RelayMonoioIcpp, RelayRing, RelayRingIcpp
from .server import ADMIN_PORT, DOMAIN, PASSWORD, Server

SALT = b"one salt for all"


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


SERVERS = {kind.name: kind for kind in (
    Crosspoint, CrosspointArchive, CrosspointIcpp, CrosspointIcppVolatile, CrosspointIcppArchive, CrosspointIcppFront,
    CrosspointIcppFrontVolatile, Ejabberd, Prosody, RelayEpoll, RelayMonoio, RelayRing, RelayEpollIcpp, RelayMonoioIcpp,
    RelayRingIcpp)}


def scram_keys(password, salt, iterations, digest="sha1"):
    """StoredKey and ServerKey of RFC 5802 section 3."""
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", digest)
    return hashlib.new(digest, client_key).digest(), hmac.digest(salted, b"Server Key", digest)


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
