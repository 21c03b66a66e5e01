"""Stacks of samples: from `perf script` to folded lines, and from these to a tree.

A folded line is `root;caller;function COUNT`, the form that all flame graph tools read.
"""

import collections
import re

FRAME = re.compile(r"^\s+[0-9a-f]+\s+(?P<name>.*?)(?:\s+\((?P<place>[^()]*)\))?$")
OFFSET = re.compile(r"\+0x[0-9a-f]+$")
HASH = re.compile(r"::h[0-9a-f]{16}$")


def folded(lines):
    """Counts each stack in the output of `perf script`: samples are separated by empty lines, the innermost frame first."""
    counts = collections.Counter()
    stack = []
    for line in (*lines, ""):
        if not line.strip():
            if stack:
                counts[tuple(reversed(stack))] += 1
            stack = []
        elif line[0].isspace() and (frame := FRAME.match(line)):
            stack.append(named(frame["name"], frame["place"] or ""))
    return counts


def named(name, place):
    """A frame's name without offset and hash; what has no name is called by its file."""
    name = HASH.sub("", OFFSET.sub("", name.strip()))
    if name in ("", "[unknown]"):
        return "[%s]" % (place.rsplit("/", 1)[-1].strip("[]") or "unknown")
    return name + "_[k]" if place.startswith("[kernel") or place == "[guest.kernel.kallsyms]" else name


def to_text(counts):
    return "".join("%s %d\n" % (";".join(frame.replace(";", ",") for frame in stack), count)
                   for stack, count in sorted(counts.items()))


class Node:
    """A function as called from its parent: samples in it and below it."""

    def __init__(self, name):
        self.name = name
        self.count = 0
        self.children = {}


def tree(counts):
    root = Node("all")
    for stack, count in counts.items():
        node = root
        node.count += count
        for name in stack:
            node = node.children.setdefault(name, Node(name))
            node.count += count
    return root
