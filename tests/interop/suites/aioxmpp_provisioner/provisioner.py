"""A provisioner for aioxmpp's end-to-end tests that never gives an account out twice.

A server need not deliver a query to the resource of somebody who does not share presence with the asker (RFC 6121,
section 8.5.3.1). The tests that ask each other such queries take that for granted, so for them the clients of one test
share presence, by directed presence. The tests of the server's commands get the last account, which administers the server.
"""

import os

import aioxmpp
from aioxmpp.e2etest.provision import StaticPasswordProvisioner

COMMANDING = "TestAdHocClient"
SHARING = ("tests/ibb/", "tests/ping/", "tests/version/")


class FreshAccounts(StaticPasswordProvisioner):
    """Keeps counting through its list where the original starts again for each test."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.present = []

    async def _make_client(self, logger):
        if COMMANDING not in os.environ.get("PYTEST_CURRENT_TEST", ""):
            return await super()._make_client(logger)
        used = self._StaticPasswordProvisioner__nused_accounts
        self._StaticPasswordProvisioner__nused_accounts = -1
        try:
            return await super()._make_client(logger)
        finally:
            self._StaticPasswordProvisioner__nused_accounts = used

    async def get_connected_client(self, *arguments, **options):
        client = await super().get_connected_client(*arguments, **options)
        if any(area in os.environ.get("PYTEST_CURRENT_TEST", "") for area in SHARING):
            for other in self.present:
                await share(client, other)
                await share(other, client)
        self.present.append(client)
        return client

    async def teardown(self):
        used = self._StaticPasswordProvisioner__nused_accounts
        self.present = []
        await super().teardown()
        self._StaticPasswordProvisioner__nused_accounts = used


async def share(giver, taker):
    """Directed presence from one client to the other."""
    await giver.send(aioxmpp.Presence(type_=aioxmpp.PresenceType.AVAILABLE, to=taker.local_jid))
