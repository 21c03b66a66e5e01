"""Memory of idle sessions: resident memory of the server's processes at several numbers of sessions, and the slope.

A slope does not depend on what the process takes without sessions, nor on what the first thousand happen to touch.
Each point is a fresh process, so that garbage of earlier logins is no part of it. Kernel memory of the sockets is not
counted: it is the same for all.
"""

from . import loadgen

POINTS = (1000, 9000, 18_000)
MOST = max(POINTS)
PROCESSES, EACH = 3, 9000
ACCOUNTS_FOR_SEVERAL = PROCESSES * EACH
SETTLE_S = 8.0
LOGINS_PER_S_LEAST = 250
MILLION = 1_000_000


def slope(bench, server, mode):
    """Fits a line through the points; returns bytes a session, and what a million of them would take."""
    points = []
    for count in POINTS:
        run = hold(bench, [server], mode, count)
        points.append((count, run["server"]["resident_end_bytes"]))
        start = run["server"]["resident_start_bytes"]
        if count != POINTS[-1]:
            server = bench.open_server(server)
    each, base = line(points)
    return {"session_bytes": each, "start_mib": start / 2**20, "million_gib": (base + each * MILLION) / 2**30}


def several(bench, server, mode):
    """The same number of sessions on each of several processes: growth of all together, divided by all. Sessions go to
    the processes in turn, so each of these knows all accounts.
    """
    servers = [server] + [bench.open_server(server, beside=True) for _ in range(PROCESSES - 1)]
    try:
        run = hold(bench, servers, mode, EACH)
    finally:
        for more in servers[1:]:
            more.stop()
    grown = run["server"]["resident_end_bytes"] - run["server"]["resident_start_bytes"]
    return {"session_bytes": grown / run["whole"]["logins_ok"]}


def hold(bench, servers, mode, count):
    """Sessions on each server, held until memory has settled; one process of the generator for each server."""
    targets = [server.target(mode) for server in servers]
    document = {
        "target": {"addresses": [address for target in targets for address in target["target"]["addresses"]]},
        "watch": {"server_pids": [pid for target in targets for pid in target["watch"]["server_pids"]]},
        "users": {"count": count * len(servers)},
        "load": {"processes": len(servers)},
        "scenario": {"connect": {"hold_s": SETTLE_S}},
    }
    sessions = count * len(servers)
    run = bench.run("memory-%d" % sessions, servers[0], mode, document, allow=sessions / LOGINS_PER_S_LEAST)
    if run["whole"].get("logins_ok") != sessions:
        raise loadgen.Failed("%s of %d sessions" % (run["whole"].get("logins_ok", 0), sessions))
    return run


def line(points):
    """Least squares: (slope, value at 0)."""
    count = len(points)
    mean_x, mean_y = (sum(column) / count for column in zip(*points))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    each = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return each, mean_y - each * mean_x
