"""The rest of what both protocols can say, row by row: each play says one thing in each direction, to who is there and to who
is not, and looks for it in the histories of both, and on the other devices of both."""

import asyncio
import contextlib

from slixmpp.xmlstream import ET

from interop.people import WAIT_SECONDS
from interop.stage import expect, expect_equal

MAM = "urn:xmpp:mam:2"
FORWARD = "urn:xmpp:forward:0"


@contextlib.asynccontextmanager
async def archiving(server):
    """A server of its own that keeps an archive."""
    settings = {"environment": {"CROSSPOINT_ARCHIVE_ENABLED": "true"}}
    other = type(server)(server.folder.with_name(server.folder.name + "-archive"), settings=settings)
    await asyncio.to_thread(other.start)
    try:
        yield other
    finally:
        if other.child and other.child.running():
            await asyncio.to_thread(other.stop)


async def archived(phone, peer="", room=False):
    """The newest of a history by HISTORY: (text, message)."""
    page = await asyncio.wait_for(phone.client.history(peer, limit=50, room=room), WAIT_SECONDS)
    return [(one.text, one) for one in page.messages]


async def mam(person, peer=None, to=None):
    """The newest of an archive by XEP-0313: message elements."""
    results = []

    def keep(stanza):
        found = stanza.xml.find("{%s}result/{%s}forwarded/{jabber:client}message" % (MAM, FORWARD))
        if found is not None:
            results.append(found)
        return found is not None
    wanted = "" if peer is None else (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>%s</value></field>"
        "<field var='with'><value>%s</value></field></x>" % (MAM, peer))
    await person.ask("set", "<query xmlns='%s'>%s<set xmlns='http://jabber.org/protocol/rsm'><max>50</max><before/></set></query>" % (
        MAM, wanted), to=to)
    for stanza in [one for one in person.inbox if keep(one)]:
        person.inbox.remove(stanza)
    return results
