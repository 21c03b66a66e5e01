"""Scenario files for the load generator: nested dictionaries written as TOML.

Only what those files need: tables, strings, numbers, booleans, and lists of these. A value of None is left out.
"""

import json
import re

PLAIN_KEY = re.compile(r"^[A-Za-z0-9_-]+$")


def to_toml(document, path=()):
    """The document as TOML: a table's own values first, then its tables."""
    own = ["%s = %s" % (key(name), value(entry)) for name, entry in document.items()
           if entry is not None and not isinstance(entry, dict)]
    parts = []
    if own or path and not any(isinstance(entry, dict) for entry in document.values()):
        head = ["[%s]" % ".".join(key(name) for name in path)] if path else []
        parts.append("\n".join(head + own))
    parts += [to_toml(entry, (*path, name)) for name, entry in document.items() if isinstance(entry, dict)]
    return "\n\n".join(part for part in parts if part) + ("" if path else "\n")


def key(name):
    return name if PLAIN_KEY.match(name) else json.dumps(name)


def value(entry):
    if isinstance(entry, bool):
        return "true" if entry else "false"
    if isinstance(entry, (int, float)):
        return repr(entry)
    if isinstance(entry, (list, tuple)):
        return "[%s]" % ", ".join(value(member) for member in entry)
    return json.dumps(str(entry), ensure_ascii=False)


def merged(*documents):
    """One document of several; the later ones win, table by table."""
    whole = {}
    for document in documents:
        for name, entry in document.items():
            both = isinstance(entry, dict) and isinstance(whole.get(name), dict)
            whole[name] = merged(whole[name], entry) if both else entry
    return whole
