"""What can go wrong, as few kinds as a caller can do something different about.

`WireError` is the peer's fault, found in a frame; `Refused` is the server's word (section 10 of SPEC.md); the rest is
about the client as a whole. All derive from `CrosspointError`.
"""

import enum


class Code(enum.IntEnum):
    """The codes of ERROR and BYE, and of CONDITION in a DELIVER of kind 4 (SPEC.md, section 10)."""

    MALFORMED = 1
    UNEXPECTED_VERB = 2
    FRAME_TOO_LARGE = 3
    RESERVED = 4
    UNSUPPORTED_VERSION = 5
    UNSUPPORTED_VERB = 6
    UNSUPPORTED_EXTENSION = 7
    NOT_AUTHORIZED = 8
    THROTTLED = 9
    MECHANISM = 10
    CREDIT_OVERRUN = 11
    ACK_INVALID = 12
    SLOW_CONSUMER = 13
    IDLE_TIMEOUT = 14
    REPLACED = 15
    ACCOUNT_CHANGED = 16
    SHUTDOWN = 17
    INTERNAL = 18
    REDIRECT_LOOP = 19
    TICKET_INVALID = 20
    TOO_MANY = 21
    UNSUPPORTED = 22
    BACK_END_LOST = 23
    BAD_REQUEST = 33
    CONFLICT = 34
    FEATURE_NOT_IMPLEMENTED = 35
    FORBIDDEN = 36
    INTERNAL_SERVER_ERROR = 37
    ITEM_NOT_FOUND = 38
    JID_MALFORMED = 39
    NOT_ACCEPTABLE = 40
    NOT_ALLOWED = 41
    NOT_AUTHORIZED_CONDITION = 42
    POLICY_VIOLATION = 43
    REMOTE_SERVER_NOT_FOUND = 44
    REMOTE_SERVER_TIMEOUT = 45
    RESOURCE_CONSTRAINT = 46
    SERVICE_UNAVAILABLE = 47
    SUBSCRIPTION_REQUIRED = 48
    UNEXPECTED_REQUEST = 49
    REGISTRATION_REQUIRED = 50


# After these a new attempt cannot succeed: it would say the same again, or only fight with another session of the same user.
FINAL = frozenset((Code.MALFORMED, Code.UNEXPECTED_VERB, Code.FRAME_TOO_LARGE, Code.RESERVED, Code.UNSUPPORTED_VERSION,
                   Code.UNSUPPORTED_VERB, Code.UNSUPPORTED_EXTENSION, Code.NOT_AUTHORIZED, Code.MECHANISM, Code.REPLACED,
                   Code.ACCOUNT_CHANGED))


def code_name(code: int) -> str:
    """The name that SPEC.md gives a code; the number, for one that is not known."""
    try:
        return Code(code).name.lower().removesuffix("_condition").replace("_", "-")
    except ValueError:
        return str(code)


class CrosspointError(Exception):
    """Everything that this package raises on purpose."""


class WireError(CrosspointError):
    """The peer sent what the protocol does not allow. `code` is what a server would answer to it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__("%s: %s" % (code_name(code), text))
        self.code = Code(code)


class Refused(CrosspointError):
    """ERROR or BYE of the server. `retry_after` is in seconds, 0 for no advice."""

    def __init__(self, code: int, temporary: bool = False, fatal: bool = False, retry_after: float = 0.0, text: str = "") -> None:
        super().__init__("%s%s" % (code_name(code), ": " + text if text else ""))
        self.code, self.temporary, self.fatal = code, temporary, fatal
        self.retry_after, self.text = retry_after, text


class AuthenticationFailed(CrosspointError):
    """The server does not accept the credentials, or could not prove that it knows them."""


class ConnectionLost(CrosspointError):
    """The connection could not be made, or ended."""


class OutboxFull(CrosspointError):
    """Too much waits for the server already: nothing was taken. Wait until some of it is accepted, by `drain` or a `Pending`."""


class Closed(CrosspointError):
    """The client was closed, so what was asked of it will not happen any more."""
