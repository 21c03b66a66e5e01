"""The running servers: started when a step needs them, kept while the same kind of accounts will do, ended after.

Invariant: at any time at most one server of a name runs, but for those a scenario asks for itself.
"""

import itertools

from . import servers

# The rounds of key derivation do not touch memory, and four times ten thousand accounts take minutes at 10,000 rounds.
QUICK_ACCOUNTS = {"CROSSPOINT_ACCOUNTS_SCRAM_ITERATIONS": "4096"}


class Stage:
    """Gives a step its server. `folder` is where servers keep their data."""

    def __init__(self, folder, core):
        self.folder = folder
        self.core = core
        self.standing = {}
        self.numbers = itertools.count()

    def server(self, step, ahead):
        """The server of a step. It has accounts for all the steps ahead that will share it."""
        scenario = step.scenario
        kind = kind_of(scenario)
        standing = self.standing.get(step.server)
        if standing and standing[0] == kind and not scenario.fresh and standing[1].child.alive():
            return standing[1]
        self.stop(step.server)
        sharing = [scenario.accounts] if scenario.fresh else [
            later.scenario.accounts for later in ahead if kind_of(later.scenario) == kind]
        environment = QUICK_ACCOUNTS if scenario.quick_accounts else {}
        server = self.open(step.server, scenario.stored, environment, max(sharing), scenario.shards)
        self.standing[step.server] = (kind, server)
        return server

    def again(self, server, beside=False):
        """Another process with the same accounts: in its place, on the same data, or beside it, on data of its own."""
        if beside:
            return self.open(server.name, server.stored, server.environment, server.accounts)
        server.stop()
        return server.start()

    def open(self, name, stored, environment, accounts, shards=1):
        folder = self.folder / ("%s-%d" % (name, next(self.numbers)))
        # One shard has the server's core, several have the first ones, and the load shares those.
        cores, more = (self.core, {}) if shards == 1 else ("0-%d" % (shards - 1), {"shards": shards})
        server = servers.SERVERS[name](folder, cores, stored, environment, **more)
        try:
            server.start()
            server.accounts = accounts
            server.add_accounts(accounts)
        except BaseException:
            server.stop()
            raise
        return server

    def stop(self, name):
        standing = self.standing.pop(name, None)
        if standing:
            standing[1].stop()


def kind_of(scenario):
    """Scenarios of the same kind can share a server."""
    return scenario.stored, scenario.fresh, scenario.shards
