"""A client for ICPP, the binary protocol of the Crosspoint instant-messaging switch. Start with `Client`."""

from .client import Client, Pending
from .errors import (AuthenticationFailed, Closed, Code, ConnectionLost, CrosspointError, OutboxFull, Refused, WireError)
from .events import (Bounced, Connected, Disconnected, Draining, Incoming, ListChanged, Notice, Page, Receipt,
                     Redirected, RosterChanged, Subscription, Synchronized, Typing)
from .rooms import Affiliation, Listed, Member, Role, Word
from .wire import (Activity, Contact, Kind, ListOp, Message, Presence, ReceiptKind, Show, Subscribed, Verb)

__version__ = "0.1.0"
__all__ = ["Activity", "Affiliation", "AuthenticationFailed", "Bounced", "Client", "Closed", "Code", "Connected", "ConnectionLost",
           "Contact", "CrosspointError", "Disconnected", "Draining", "Incoming", "Kind", "ListChanged", "ListOp", "Listed", "Member",
           "Message", "Notice", "OutboxFull", "Page", "Pending", "Presence", "Receipt", "ReceiptKind", "Redirected", "Refused", "Role", "RosterChanged",
           "Show", "Subscribed", "Subscription", "Synchronized", "Typing", "Verb", "WireError", "Word"]
