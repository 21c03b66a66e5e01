"""SASL for ICPP: SCRAM (RFC 5802, RFC 7677) and PLAIN (RFC 4616), each as a small object that knows no connection.

`first` gives the first DATA, `answer` that to a challenge, `verify` judges the server's last word: it raises
`AuthenticationFailed` unless the server has proved that it knows the password's keys.
"""

import base64
import dataclasses
import hashlib
import hmac
import os
import stringprep
import unicodedata

from .errors import AuthenticationFailed

# Fewer rounds than RFC 7677 asks for would let a false server learn the password cheaply; more than the upper bound
# would let it keep us busy.
ITERATIONS_MIN = 4096
ITERATIONS_MAX = 1_000_000
# A server's challenge is a nonce, a salt and a number.
CHALLENGE_BYTES_MAX = 2048
PLUS = "-PLUS"
PREFERENCE = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN")


@dataclasses.dataclass(frozen=True, slots=True)
class Binding:
    """A channel binding: its name (RFC 5929, RFC 9266) and, not to be shown, what it binds to."""

    name: str
    data: bytes = dataclasses.field(repr=False)


def choose(offered, secure, wanted=None, binding=None):
    """The best mechanism of those `offered`, or None: PLAIN only where the connection is encrypted, -PLUS where it has a `binding`."""
    for name in (wanted,) if wanted else PREFERENCE:
        if name in offered and (secure or name != "PLAIN") and (binding or not name.endswith(PLUS)):
            return name
    return None


def mechanism(name, user, password, nonce=None, binding=None):
    """The exchange of that name for a local part and a password."""
    if name == "PLAIN":
        return Plain(user, password)
    return Scram(name, user, password, nonce, binding)


class Plain:
    """The password itself; the server proves nothing, so only TLS says who it is."""

    name = "PLAIN"

    def __init__(self, user, password):
        self.data = b"\0%s\0%s" % (user.encode(), saslprep(password).encode())

    def first(self):
        return self.data

    def answer(self, challenge):
        raise AuthenticationFailed("PLAIN has no challenge")

    def verify(self, data):
        return None


class Scram:
    """One SCRAM exchange. With -PLUS it is bound to the connection; without, though there is a `binding`, it says that it could have been, so
    that the server finds out whether somebody in between has hidden its offer."""

    def __init__(self, name, user, password, nonce=None, binding=None):
        self.name = name
        self.hash = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}[name.removesuffix(PLUS)]
        bound = name.endswith(PLUS)
        if bound and binding is None:
            raise AuthenticationFailed("%s needs a channel binding, and this connection has none" % name)
        self.header = "p=%s,," % binding.name if bound else "y,," if binding else "n,,"
        self.bound = self.header.encode() + (binding.data if bound else b"")
        self.password = saslprep(password).encode()
        self.nonce = nonce or base64.b64encode(os.urandom(18)).decode()
        self.bare = "n=%s,r=%s" % (saslprep(user).replace("=", "=3D").replace(",", "=2C"), self.nonce)
        self.signature = None

    def first(self):
        return (self.header + self.bare).encode()

    def answer(self, challenge):
        """The client's final message to the server's first (RFC 5802, section 3)."""
        if self.signature is not None:
            raise AuthenticationFailed("a second challenge")
        nonce, salt, iterations = self._read(challenge)
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, salt, iterations)
        unproved = "c=%s,r=%s" % (base64.b64encode(self.bound).decode(), nonce)
        text = ",".join((self.bare, challenge.decode(), unproved)).encode()
        client_key = self._mac(salted, b"Client Key")
        mask = self._mac(hashlib.new(self.hash, client_key).digest(), text)
        proof = bytes(one ^ two for one, two in zip(client_key, mask))
        self.signature = self._mac(self._mac(salted, b"Server Key"), text)
        return ("%s,p=%s" % (unproved, base64.b64encode(proof).decode())).encode()

    def verify(self, data):
        wanted = b"v=" + base64.b64encode(self.signature or b"")
        if self.signature is None or not hmac.compare_digest((data or b"").partition(b",")[0], wanted):
            raise AuthenticationFailed("the server did not prove that it knows the password")

    def _read(self, challenge):
        if len(challenge) > CHALLENGE_BYTES_MAX:
            raise AuthenticationFailed("a challenge of %d bytes" % len(challenge))
        try:
            fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
            nonce, salt, iterations = fields["r"], base64.b64decode(fields["s"], validate=True), int(fields["i"])
        except (ValueError, KeyError) as error:
            raise AuthenticationFailed("a challenge that is none: %r" % error) from None
        if "m" in fields:
            raise AuthenticationFailed("an extension that is not known")
        if not nonce.startswith(self.nonce) or nonce == self.nonce:
            raise AuthenticationFailed("the server's nonce does not go on from ours")
        if not ITERATIONS_MIN <= iterations <= ITERATIONS_MAX:
            raise AuthenticationFailed("%d rounds" % iterations)
        return nonce, salt, iterations

    def _mac(self, key, text):
        return hmac.new(key, text, self.hash).digest()


def saslprep(text):
    """RFC 4013 for a stored string. Raises ValueError for what it prohibits."""
    mapped = "".join(" " if stringprep.in_table_c12(one) else one for one in text if not stringprep.in_table_b1(one))
    prepared = unicodedata.normalize("NFKC", mapped)
    prohibited = (stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
                  stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
                  stringprep.in_table_c9, stringprep.in_table_a1)
    if any(table(one) for one in prepared for table in prohibited):
        raise ValueError("a character that SASLprep prohibits")
    if any(stringprep.in_table_d1(one) for one in prepared):
        if any(stringprep.in_table_d2(one) for one in prepared) or not (
                stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])):
            raise ValueError("text of mixed direction")
    return prepared
