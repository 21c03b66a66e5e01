"""A provisioner for aioxmpp's end-to-end tests that never gives an account out twice."""

from aioxmpp.e2etest.provision import StaticPasswordProvisioner


class FreshAccounts(StaticPasswordProvisioner):
    """Keeps counting through its list where the original starts again for each test."""

    async def teardown(self):
        used = self._StaticPasswordProvisioner__nused_accounts
        await super().teardown()
        self._StaticPasswordProvisioner__nused_accounts = used
