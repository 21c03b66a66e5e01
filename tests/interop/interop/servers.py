"""The servers a suite can be run against: Crosspoint, and two others that show a driver is right.

Each owns one loopback address with the standard ports (5222 STARTTLS, 5223 direct TLS), a folder, and a certificate
for its domain. `kill` is kill -9; `start` after it uses the same folder again.
"""

import csv
import json
import os
import pathlib
import ssl
import subprocess
import urllib.request

from . import process

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
DOMAIN = "interop.test"
XMPP_PORT = 5222
XMPPS_PORT = 5223
ICPP_PORT = 5299
ICPPS_PORT = 5300
ICPP_WS_PORT = 5301
ICPP_WSS_PORT = 5302
ICPP_PORTS = {"icpp": ICPP_PORT, "icpps": ICPPS_PORT, "ws": ICPP_WS_PORT, "wss": ICPP_WSS_PORT}
ADMIN_PORT = 5280
COMPONENT_PORT = 5347
# What browsers use: WebSocket and HTTP, in the clear and in TLS.
WEB_PORTS = {"ws": 5281, "wss": 5282, "http": 5283, "https": 5284}
START_SECONDS = 60


class Server:
    """A server on its own loopback address. `lacks` maps a feature, or the name of a play, to the reason why
    it does not apply there; a `strict` one must choose the very conditions that the RFCs define."""

    name = "?"
    strict = False
    OPEN_REGISTRATION = {}
    ADMINISTRATION = {}
    web_ports = WEB_PORTS
    PERSONAL_EVENTING = {}
    lacks = {}

    def __init__(self, folder, tls="optional", settings=None, prefix=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.domain = DOMAIN
        self.rooms = "conference." + DOMAIN
        self.address = process.loopback_address()
        self.tls = tls
        self.settings = settings or {}
        self.prefix = list(prefix)
        self.child = None
        self.certificate = self.folder / "certificate.pem"
        self.key = self.folder / "key.pem"

    def start(self):
        self.child = self.launch()
        try:
            process.wait_for(self.ready_or_dead, START_SECONDS, self.name + " to listen")
        except TimeoutError:
            self.child.kill()
            raise
        if not self.child.running():
            raise RuntimeError("%s did not start:\n%s" % (self.name, self.child.tail()))
        return self

    def ready_or_dead(self):
        return not self.child.running() or self.ready()

    def ready(self):
        return process.accepts(self.address, XMPP_PORT)

    def stop(self):
        return self.child.stop() if self.child else None

    def kill(self):
        self.child.kill()

    @property
    def pid(self):
        return self.child.pid

    def jid(self, user):
        return "%s@%s" % (user, self.domain)

    def for_browsers(self, folder, origin):
        """The same server in another folder, with what browsers need, for pages of this origin."""
        other = type(self)(folder)
        other.serve_web([origin])
        return other

    @property
    def websocket_url(self):
        return self.web_url("ws") + "/xmpp-websocket"

    @property
    def bosh_url(self):
        return self.web_url("http") + "/http-bind"

    def trust(self, alpn=None):
        """A client's TLS context that trusts this server's certificate, and no other."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if alpn:
            context.set_alpn_protocols([alpn])
        return context

    def icpp_url(self, scheme):
        """Where this server speaks ICPP."""
        return "%s://%s:%d" % (scheme, self.address, ICPP_PORTS[scheme])

    def web_url(self, scheme):
        """Where this server serves browsers, by its address in the clear, and by the domain in its certificate in TLS."""
        host = self.domain if scheme in ("wss", "https") else self.address
        return "%s://%s:%d" % (scheme, host, self.web_ports[scheme])

    def make_certificate(self):
        if self.certificate.exists():
            return
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=" + self.domain,
             "-addext", "subjectAltName=DNS:" + self.domain, "-addext", "basicConstraints=critical,CA:FALSE",
             "-keyout", self.key, "-out", self.certificate],
            check=True, capture_output=True)
        os.chmod(self.key, 0o644)


class Crosspoint(Server):
    """The server of this repository. INTEROP_SERVER names the binary; else the newest one under the target folder."""

    name = "crosspoint"
    strict = True
    ADMINISTRATION = {"environment": {
        "CROSSPOINT_ADMIN_JIDS": "boss@" + DOMAIN, "CROSSPOINT_XMPP_REPORTS_TO": "boss@" + DOMAIN,
        "CROSSPOINT_XMPP_OUTAGE_STATUS": "https://status.example/interop.json",
        "CROSSPOINT_XMPP_SECURITY_CONTACTS": "mailto:security@example.org",
        "CROSSPOINT_XMPP_EXTERNAL_SERVICES": "stun:relay.example,turn:relay.example:3478?transport=udp"}}

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.data = self.folder / "data"
        self.certificate = self.data / "tls" / "cert.pem"

    def command(self):
        return [*self.prefix, binary(), "serve", "--domain", self.domain, "--data", self.data,
                "--xmpp", "%s:%d" % (self.address, XMPP_PORT), "--xmpp-tls", self.tls,
                "--xmpps", "%s:%d" % (self.address, XMPPS_PORT),
                "--icpp", "%s:%d" % (self.address, ICPP_PORT), "--icpps", "%s:%d" % (self.address, ICPPS_PORT),
                "--shards", str(self.settings.get("shards", int(os.environ.get("INTEROP_SHARDS", 2)))),
                "--admin", "%s:%d" % (self.address, ADMIN_PORT),
                "--registration", self.settings.get("registration", "closed"),
                *self.configuration(), *self.settings.get("arguments", [])]

    def configuration(self):
        """What can only be said in a file: the components."""
        if "components" not in self.settings:
            return []
        lines = ["[components]", 'listen = ["%s:%d"]' % (self.address, COMPONENT_PORT)]
        for component in self.settings["components"]:
            lines.append("[[components.component]]")
            lines += ["%s = %s" % (key, toml(value)) for key, value in component.items()]
        file = self.folder / "crosspoint.toml"
        file.write_text("\n".join(lines) + "\n")
        return ["--config", file]

    def serve_web(self, origins=()):
        """Before the start: everything that browsers use is served. Pages of these origins are let in; of all, if none."""
        ports = {"XMPP_LISTEN_WS": "ws", "XMPP_LISTEN_WSS": "wss", "WEB_LISTEN": "http", "WEB_LISTEN_TLS": "https"}
        environment = {"CROSSPOINT_" + key: "%s:%d" % (self.address, WEB_PORTS[scheme]) for key, scheme in ports.items()}
        environment["CROSSPOINT_WEB_URL"] = self.web_url("http")
        environment["CROSSPOINT_WEB_ORIGINS"] = ",".join(origins)
        self.settings.setdefault("environment", {}).update(environment)

    def launch(self):
        environment = {"CROSSPOINT_ICPP_LISTEN_WS": "%s:%d" % (self.address, ICPP_WS_PORT),
                       "CROSSPOINT_ICPP_LISTEN_WSS": "%s:%d" % (self.address, ICPP_WSS_PORT)}
        environment.update(self.settings.get("environment", {}))
        return process.Child(self.command(), self.folder / "server.log", env=environment)

    def ready(self):
        return http_status("http://%s:%d/readyz" % (self.address, ADMIN_PORT)) == 200

    def add_accounts(self, accounts):
        table = self.folder / "accounts.csv"
        with open(table, "w", newline="") as sink:
            writer = csv.writer(sink, lineterminator="\n")
            writer.writerows((self.jid(user), password) for user, password in accounts)
        subprocess.run([binary(), "user", "import", "--data", self.data, table],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class Prosody(Server):
    """Prosody as Debian packages it, with the modules that match what Crosspoint offers."""

    name = "prosody"
    web_ports = {**WEB_PORTS, "ws": 5283, "wss": 5284}
    # Its HTTP is one port for everything.
    ADMINISTRATION = {"modules": '"private"; "vcard"; "version"; "ping"; "offline"; "admin_adhoc"; "announce"; "motd"; "lastlog";',
                      "extra": 'admins = { "boss@' + DOMAIN + '" }'}
    OPEN_REGISTRATION = {"modules": '"register"; "register_limits"; "ping";',
                         "extra": "allow_registration = true; min_seconds_between_registrations = 60"}
    PERSONAL_EVENTING = {"modules": '"pep"; "bookmarks"; "vcard_legacy"; "vcard4"; "presence"; "ping"; "carbons"; "offline";'}
    lacks = {
        "stream-limits": "this Prosody has no XEP-0478",
        "pre-approval": "this Prosody does not offer subscription pre-approval",
        "a_friends_query_reaches_a_resource_and_a_strangers_does_not": "Prosody delivers a stranger's query",
        "guess-budget": "Prosody sets no limit by default",
        "scram-plus": "this Prosody binds to tls-unique only, which TLS 1.3 has not",
        "an_inactive_client_still_gets_its_messages": "Prosody may hold the message for longer than the play waits",
        "sealed-offer": "this Prosody has no XEP-0474",
        "inline-management": "Debian's mod_sasl2_sm needs a newer Prosody",
        "bound-tokens": "this Prosody binds to tls-unique only, which TLS 1.3 has not",
        "no-sasl2-in-the-clear": "Debian's mod_sasl2 offers it there",
        "a_wrong_password_is_refused_and_the_right_one_may_follow": "Debian's mod_sasl2 takes no second try",
        "an_exchange_can_be_aborted": "Debian's mod_sasl2 knows no abort",
        "counted-tokens": "Debian's mod_sasl2_fast does not look at the count",
        "password-ends-tokens": "Debian's mod_sasl2_fast keeps tokens beyond the password",
        "stanza-size": "this Prosody does not announce its limit",
        "deadline": "Prosody gives an unauthenticated client five minutes",
        "cdata_between_stanzas": "Prosody ignores text between stanzas",
        "text_between_stanzas": "Prosody ignores text between stanzas",
        "deep_nesting": "Prosody limits size but not depth",
        "a_second_stream_header": "Prosody answers an unknown element by a stanza error",
        "someone_elses_from": "Prosody overwrites a wrong from",
        "wrong_content_namespace": "Prosody accepts any content namespace",
        "version_0_9": "Prosody accepts any version",
        "no_version": "Prosody accepts any version",
        "version_that_is_no_number": "Prosody accepts any version",
        "too_many_attempts_end_the_stream": "Prosody sets no limit by default",
        "unsubscribing_ends_presence": "Prosody sends no unavailable presence on unsubscribe (RFC 6121, 3.3.3)",
        "wss": "this Prosody is asked for HTTP in the clear only",
        "a_terminal_that_was_never_there_finds_the_history_in_the_archive":
            "profanity looks at the domain, where Prosody does not announce the archive",
        "a_bot_that_is_cut_off_again_and_again_loses_nothing":
            "now and then Prosody drops a stream that was resumed before it noticed the end of the one before",
        "ranges": "this Prosody gives files away whole",
        "host-meta": "this Prosody has no module for it",
        "upload-html": "Prosody keeps the type of a page, and relies on its headers",
        "what_is_not_worth_keeping_is_not_kept": "Prosody keeps chat states without a body for later",
        "forged-results": "Prosody delivers what a client forges; it is for the receiver to see through it",
        "filters_by_full_address": "Prosody ignores the resource of a correspondent (XEP-0313, 4.1.1)",
        "the_last_before_an_identity": "Prosody takes an empty <before/> for the end of the archive, whatever the form says",
        "what_a_form_names_and_is_not_there_is_told": "Prosody shows an empty page (XEP-0313, 4.1.3)",
        "an_unknown_field_is_refused": "Prosody ignores what it does not know (XEP-0313, 4.1.5)",
        "privileges": "this Prosody has no privileged entities",
        "push": "this Prosody has no push notifications",
        "a_handshake_in_capitals_is_not_authorized": "Prosody takes it",
        "nothing_goes_before_the_handshake": "Prosody ignores it and leaves the stream open",
        "a_client_is_not_served_here": "Prosody leaves the stream open",
        "both_addresses_must_be_there": "Prosody answers by a stanza error",
        "an_oversized_stanza_ends_the_stream": "this Prosody takes more from components",
        "much_before_the_handshake_ends_the_stream": "Prosody sets no limit there",
        "the_servers_word_is_not_a_components_to_give": "Prosody passes a component's claims on",
        "offline_messages_wait_for_a_willing_resource": "Prosody delivers offline messages at initial presence only",
        "the_service_is_found_and_says_what_it_is": "this Prosody names stable identifiers for rooms only",
        "a_room_that_is_not_configured_after_all_is_gone": "Prosody keeps the room when its first form is cancelled",
        "a_full_room_lets_only_its_masters_in": "this Prosody has no limit of occupants",
        "a_nickname_is_changed": "this Prosody forgets the occupant id when a nickname ends",
        "kill": "Prosody acknowledges before its storage is on the disk",
        "the_form_says_how_the_room_is_run": "Prosody's form has no field for whether there is a password",
        "a_protected_room_needs_a_password": "Prosody's form has no field for whether there is a password",
        "rooms-rsm": "Prosody lists rooms without pages",
        "a_room_is_destroyed": "this Prosody keeps the name of a destroyed room",
        "a_nickname_is_registered": "Prosody registers members only",
        "room-avatars": "this Prosody has no pictures of rooms",
        "queries_that_a_room_does_not_know_are_refused": "Prosody answers for nodes that do not exist",
        "who_may_not_ban": "Prosody has another condition for who bans himself",
        "changes_that_have_no_shape_are_refused": "Prosody answers not-acceptable",
        "forged-status": "this Prosody passes a forged status on in messages",
        "forged-delay": "this Prosody passes a forged moderation on",
        "private-words-option": "this Prosody lets everybody write to one",
        "moderation": "this Prosody has no moderation (XEP-0425)",
        "an_account_says_that_it_has_personal_eventing": "Prosody does not announce the whitelist that it has",
        "a_stranger_reads_nothing_but_what_is_open": "Prosody says forbidden, whatever the access model",
        "a_whitelist_is_for_who_is_on_it": "Prosody says forbidden, whatever the access model",
        "a_publishers_preconditions_are_kept": "this Prosody has no pages of items (XEP-0059)",
        "bookmarks_are_one_set": "Prosody drops the extensions of a bookmark that an old client changes",
        "an_avatar_is_in_the_vcard_and_in_presence": "Prosody shows a new hash with the client's next presence",
        "a_vcard4_is_a_vcard_too": "Prosody's vCard4 is for contacts by default",
        "how_far_was_read_is_told_to_ones_own_clients_only": "this Prosody does not assist (XEP-0490, 3.4)",
    }

    def serve_web(self, origins=()):
        """All origins are let in."""
        self.settings["modules"] = PROSODY_MODULES.replace('"private";', "") + PROSODY_WEB_MODULES
        self.settings["disabled"] = ""
        self.settings["extra"] = PROSODY_WEB.format(address=self.address, domain=self.domain)

    def launch(self):
        self.make_certificate()
        config = self.folder / "prosody.cfg.lua"
        config.write_text(PROSODY_CONFIG.format(
            folder=self.folder, address=self.address, domain=self.domain, certificate=self.certificate, key=self.key,
            required="true" if self.tls == "required" else "false",
            tls_module='"tls";' if self.tls != "off" else "",
            plain="true" if self.tls == "off" else "false",
            modules=self.settings.get("modules", PROSODY_MODULES),
            storage=self.settings.get("storage", "internal"),
            authentication=self.settings.get("authentication", "internal_plain"),
            disabled=self.settings.get("disabled", '"http";'),
            extra=self.settings.get("extra", ""),
            components="\n".join(map(PROSODY_COMPONENT, self.settings.get("components", []))),
            rooms=PROSODY_ROOMS.format(rooms=self.rooms) if self.settings.get("rooms", True) else ""))
        (self.folder / "data").mkdir(exist_ok=True)
        return process.Child([*self.prefix, "prosody", "-F", "--config", config], self.folder / "server.log")

    def add_accounts(self, accounts):
        """Writes the account files of its internal storage, which it reads at each login."""
        folder = self.folder / "data" / self.domain.replace(".", "%2e") / "accounts"
        folder.mkdir(parents=True, exist_ok=True)
        for user, password in accounts:
            (folder / (user + ".dat")).write_text('return {\n\t["password"] = "%s";\n};\n' % password)


class Ejabberd(Server):
    """ejabberd as Debian packages it, run by its own command's recipe without distribution (no epmd)."""

    name = "ejabberd"
    ADMINISTRATION = {"more": "  mod_adhoc: {}\n  mod_configure: {}\n  mod_announce: {access: announce}\n"}
    lacks = {
        "stream-limits": "this ejabberd has no XEP-0478",
        "what_a_sender_does_not_want_is_not_kept": "ejabberd keeps no markers, and puts an element of its own first",
        "forged-results": "ejabberd delivers what a client forges; it is for the receiver to see through it",
        "mam-extended": "this ejabberd has no urn:xmpp:mam:2#extended",
        "what_is_not_there_is_told": "ejabberd shows an empty page (XEP-0313, 4.3)",
        "nobody_reads_anothers_archive": "ejabberd answers the query with an empty page",
        "pre-approval": "this ejabberd does not offer subscription pre-approval",
        "a_friends_query_reaches_a_resource_and_a_strangers_does_not": "ejabberd delivers a stranger's query",
        "guess-budget": "ejabberd sets no limit by default",
        "scram-plus": "this ejabberd binds to tls-unique only, which TLS 1.3 has not",
        "test_last_activity.test_activity": "ejabberd refuses the query to a stranger's resource",
        "test_privatestorage.test_privatestorage": "ejabberd writes the stored element with other declarations",
        "stanza-size": "this ejabberd does not announce its limit",
        "comment": "ejabberd drops comments and processing instructions silently",
        "comment_between_stanzas": "ejabberd drops comments and processing instructions silently",
        "processing_instruction": "ejabberd drops comments and processing instructions silently",
        "processing_instruction_between_stanzas": "ejabberd drops comments and processing instructions silently",
        "every_split_of_a_bad_stanza_is_refused_alike": "ejabberd drops comments and processing instructions silently",
        "cdata_between_stanzas": "ejabberd ignores what stands between stanzas",
        "text_between_stanzas": "ejabberd ignores what stands between stanzas",
        "unknown_stanza": "ejabberd ignores what stands between stanzas",
        "stanza_of_another_namespace": "ejabberd ignores what stands between stanzas",
        "a_second_stream_header": "ejabberd ignores what stands between stanzas",
        "deep_nesting": "ejabberd limits size but not depth",
        "allowed_xml_is_delivered_unharmed": "ejabberd loses a prefix that the stanza declares",
        "version_0_9": "ejabberd accepts it",
        "no_version": "ejabberd accepts it",
        "another_encoding": "ejabberd accepts it",
        "xml_1_1": "ejabberd accepts it",
        "an_authzid_opens_no_other_account": "ejabberd accepts it",
        "plain_is_not_for_plain_connections": "ejabberd accepts it",
        "too_many_attempts_end_the_stream": "ejabberd sets no limit by default",
        "component-conflict": "ejabberd takes several connections of one component",
        "privileges": "this suite grants ejabberd's components nothing",
        "a_service_that_is_away_is_asked_again": "ejabberd gives up at the first failure",
        "push-inactive": "ejabberd knocks for who sleeps or is away, not for who is inactive",
        "push-quiet": "ejabberd publishes each message",
        "what_is_not_said_to_anybody_wakes_nobody": "ejabberd publishes receipts, too",
        "the_domain_lists_its_components": "this ejabberd lists none",
        "two_services_talk_to_each_other": "a query among components stays unanswered",
        "the_servers_own_domain_is_no_component": "ejabberd says conflict",
        "a_domain_that_nobody_configured_is_unknown": "ejabberd leaves the stream open",
        "another_ones_from_ends_the_stream": "ejabberd leaves the stream open",
        "an_oversized_stanza_ends_the_stream": "ejabberd takes more from components",
        "much_before_the_handshake_ends_the_stream": "ejabberd takes more from components",
        "forbidden_xml_ends_the_stream": "ejabberd drops comments silently",
        "the_servers_word_is_not_a_components_to_give": "ejabberd passes a component's claims on",
        "roster_set_is_pushed_to_every_interested_resource": "ejabberd pushes to every resource",
        "roster_remove_is_pushed_and_final": "ejabberd accepts the removal of an absent item",
        "bad_roster_sets_are_refused": "ejabberd answers service-unavailable",
        "blocking_hides_presence": "ejabberd's mod_blocking sends no unavailable presence",
        "a_vcard_is_shown_to_others": "ejabberd answers a vCard set for someone else by a result",
    }

    def launch(self):
        self.make_certificate()
        pem = self.folder / "both.pem"
        pem.write_text(self.certificate.read_text() + self.key.read_text())
        config = self.folder / "ejabberd.yml"
        starttls = {"off": "", "optional": "starttls: true", "required": "starttls_required: true"}[self.tls]
        config.write_text(EJABBERD_CONFIG.format(
            address=self.address, domain=self.domain, pem=pem, starttls=starttls,
            passwords=self.settings.get("passwords", "plain"), components=self.components(),
            modules=self.settings.get("modules", EJABBERD_MODULES) + "\n" + self.settings.get("more", "")))
        env = {"EJABBERD_CONFIG_PATH": str(config), "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
               "ERL_LIBS": "/usr/lib/x86_64-linux-gnu", "ERL_MAX_PORTS": "32000", "HOME": str(self.folder)}
        return process.Child(
            [*self.prefix, "erl", "-noinput", "+K", "true", "+P", "250000", *self.settings.get("emulator", []),
             "-mnesia", "dir", '"%s"' % (self.folder / "spool"), "-s", "ejabberd"],
            self.folder / "server.log", env=env, cwd=self.folder)

    def components(self):
        """The listener of components, if there are any."""
        hosts = ", ".join('"{name}": {{password: "{secret}"}}'.format_map(one) for one in self.settings.get("components", []))
        listener = '  - {port: %d, ip: "%s", module: ejabberd_service, hosts: {%s}}\n' % (COMPONENT_PORT, self.address, hosts)
        return listener if hosts else ""

    def add_accounts(self, accounts):
        for user, password in accounts:
            body = json.dumps({"user": user, "host": self.domain, "password": password}).encode()
            request = urllib.request.Request("http://%s:%d/api/register" % (self.address, ADMIN_PORT), body,
                                             {"Content-Type": "application/json"})
            try:
                urllib.request.urlopen(request, timeout=20).read()
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    raise RuntimeError(error.read().decode()) from error


SERVERS = {kind.name: kind for kind in (Crosspoint, Prosody, Ejabberd)}


def toml(value):
    """A text, or a table of texts, as TOML."""
    if isinstance(value, dict):
        return "{ %s }" % ", ".join("%s = %s" % (json.dumps(key), toml(inner)) for key, inner in value.items())
    return json.dumps(value)


def binary():
    """The built server: INTEROP_SERVER, or the newest of the usual profiles' outputs."""
    named = os.environ.get("INTEROP_SERVER")
    if named:
        return pathlib.Path(named)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    built = [path for profile in ("release", "ci", "debug") if (path := target / profile / "crosspoint").exists()]
    if not built:
        raise SystemExit("no crosspoint binary: build it (cargo build --release) or set INTEROP_SERVER")
    return max(built, key=lambda path: path.stat().st_mtime)


def http_status(url):
    """The status of a GET, or 0 when nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


PROSODY_MODULES = """"private"; "vcard"; "blocklist"; "version"; "time"; "ping"; "carbons"; "smacks"; "csi_simple"; "offline"; "uptime";"""

PROSODY_COMPONENT = 'Component "{name}"\n  component_secret = "{secret}"'.format_map

PROSODY_WEB_MODULES = ' "bosh"; "websocket"; "http"; "mam"; "pep"; "bookmarks";'

# Files have a host of their own.
PROSODY_WEB = """
http_ports = {{ 5283 }}
http_interfaces = {{ "{address}" }}
http_default_host = "{domain}"
http_external_url = "http://{address}:5283/"
consider_bosh_secure = true
consider_websocket_secure = true
cross_domain_bosh = true
cross_domain_websocket = true
Component "upload.{domain}" "http_file_share"
    http_host = "{domain}"
"""

PROSODY_CONFIG = """
run_as_root = true
data_path = "{folder}/data"
pidfile = "{folder}/prosody.pid"
log = {{ info = "{folder}/prosody.log" }}
interfaces = {{ "{address}" }}
component_ports = {{ 5347 }}
component_interfaces = {{ "{address}" }}
c2s_ports = {{ 5222 }}
c2s_direct_tls_ports = {{ 5223 }}
s2s_ports = {{ }}
modules_enabled = {{ "roster"; "saslauth"; {tls_module} "disco"; {modules} }}
modules_disabled = {{ "s2s"; "https"; {disabled} }}
c2s_require_encryption = {required}
allow_unencrypted_plain_auth = {plain}
authentication = "{authentication}"
storage = "{storage}"
smacks_hibernation_time = 120
ssl = {{ certificate = "{certificate}"; key = "{key}" }}
{extra}
VirtualHost "{domain}"
{components}
{rooms}
"""

PROSODY_ROOMS = """
Component "{rooms}" "muc"
    modules_enabled = {{ "muc_mam"; "ping"; "vcard_legacy" }}
    muc_log_by_default = true
    muc_log_expires_after = "never"
    muc_room_locking = true
"""

EJABBERD_MODULES = """
  mod_roster: {versioning: true}
  mod_offline: {access_max_user_messages: max_offline}
  mod_private: {}
  mod_vcard: {search: false}
  mod_blocking: {}
  mod_privacy: {}
  mod_version: {}
  mod_time: {}
  mod_ping: {}
  mod_carboncopy: {}
  mod_stream_mgmt: {resend_on_timeout: true}
  mod_client_state: {}
  mod_disco: {}
  mod_push: {include_body: false, include_sender: false}
  mod_last: {}
"""

EJABBERD_CONFIG = """
loglevel: info
hosts: ["{domain}"]
certfiles: ["{pem}"]
auth_password_format: {passwords}
shaper_rules:
  max_offline: {{10000: all}}
listen:
  - {{port: 5222, ip: "{address}", module: ejabberd_c2s, max_stanza_size: 262144, backlog: 500, {starttls}}}
  - {{port: 5223, ip: "{address}", module: ejabberd_c2s, max_stanza_size: 262144, tls: true}}
  - {{port: 5280, ip: "{address}", module: ejabberd_http, request_handlers: {{/api: mod_http_api}}}}
{components}acl:
  admin: {{user: ["boss"]}}
  loopback: {{ip: [127.0.0.0/8]}}
access_rules:
  configure: [{{allow: admin}}]
  announce: [{{allow: admin}}]
api_permissions:
  tests: {{who: {{acl: loopback}}, what: ["register", "export_piefxis", "import_piefxis", "change_password"]}}
modules:
  mod_http_api: {{}}
{modules}
"""
