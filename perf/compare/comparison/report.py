"""perf/RESULTS.md: medians with least and most, ratios, and what the figures depend on."""

import statistics

from . import facts, servers as contenders
from .scenarios import COLUMNS, MODES

BEGIN, END = "<!-- perf/compare/run: begin -->", "<!-- perf/compare/run: end -->"
OURS = "crosspoint"


def heading(command, repository, cores, seconds):
    versions = ", ".join("%s %s" % (name, facts.package_version(name) or "(not installed)") for name in facts.PACKAGES)
    return "\n".join((
        "## Comparison with other servers", "",
        "- date: %s" % facts.today(),
        "- machine: %s; server on core %s, load on core %s" % (facts.machine(), *cores),
        "- versions: crosspoint at %s; from Debian: %s" % (facts.commit(repository), versions),
        "- command: `%s`" % command,
        "- each figure is a median of rounds of %g s, with the least and the most in brackets; settings and what is "
        "unlike are in [compare/README.md](compare/README.md)" % seconds))


def sections(all_steps, results):
    """A table for each scenario and mode, in the order of the steps."""
    places = list(dict.fromkeys((step.scenario, step.mode) for step in all_steps))
    parts = []
    for scenario, mode in places:
        servers = list(dict.fromkeys(step.server for step in all_steps if (step.scenario, step.mode) == (scenario, mode)))
        parts.append(table(scenario, mode, servers, results))
    return "\n\n".join(parts)


def table(scenario, mode, servers, results):
    ours = results.rows.get((scenario.name, mode, OURS), [])
    lines = ["### %s, %s (`%s`)" % (scenario.title, MODES[mode], scenario.name), "",
             "| server | %s |" % " | ".join(cell for column in scenario.columns for cell in head(column)),
             "|---" * (1 + sum(len(head(column)) for column in scenario.columns)) + "|"]
    failures = []
    for server in servers:
        rows = results.rows.get((scenario.name, mode, server), [])
        failed = results.failures.get((scenario.name, mode, server), [])
        cells = [cell for column in scenario.columns for cell in written(column, rows, ours)]
        lines.append("| %s%s | %s |" % (server, " (failed)" if failed else "", " | ".join(cells)))
        failures += ["- %s failed %d of %d times: %s" % (server, len(failed), len(failed) + len(rows), failed[0])
                     ] if failed else []
    lines += [""] + promises(scenario, servers) if scenario.promise else []
    return "\n".join(lines + ([""] + failures if failures else []))


def promises(scenario, servers):
    """What an acknowledgement of a message means in this table: a line for each promise, with those who make it."""
    groups = {}
    for server in servers:
        groups.setdefault(contenders.SERVERS[server].promise or scenario.promise, []).append(server)
    return ["- %s: %s" % (promise, ", ".join(names)) for promise, names in groups.items()]


def head(column):
    title, _, better = COLUMNS[column]
    return (title, "against Crosspoint") if better else (title,)


def written(column, rows, ours):
    """The cells of one column: the value with its spread, and the ratio to Crosspoint's median."""
    _, form, better = COLUMNS[column]
    values = sorted(row[column] for row in rows if row.get(column) is not None)
    own = [row[column] for row in ours if row.get(column) is not None]
    ratio = "–"
    if values and own and statistics.median(own):
        ratio = "%.2f x" % (statistics.median(values) / statistics.median(own))
    return (spread(values, form), ratio) if better else (spread(values, form),)


def spread(values, form):
    if not values:
        return "–"
    median = form % statistics.median(values)
    return median if len(values) == 1 else "%s (%s to %s)" % (median, form % values[0], form % values[-1])


def write(path, report, add=False):
    """Puts the report into the file, in the place of what was measured before, or below it."""
    text = path.read_text() if path.exists() else "# Measured results\n"
    before, _, rest = text.partition(BEGIN)
    last, _, after = rest.partition(END)
    if add and last.strip():
        report = "%s\n\n%s" % (last.strip(), report)
    path.write_text("%s\n\n%s\n%s\n%s\n%s" % (before.rstrip(), BEGIN, report, END, after.lstrip()))
