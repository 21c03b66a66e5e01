"""What figures depend on: machine, kernel, versions, date."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

PACKAGES = ("ejabberd", "prosody")


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return "%s, %d cores, kernel %s" % (model[1] if model else platform.machine(), os.cpu_count(), platform.release())


def package_version(name):
    """Version of an installed Debian package, or None."""
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Status}|${Version}", name], capture_output=True, text=True)
    status, _, version = done.stdout.partition("|")
    return version if status.endswith("installed") else None


def commit(repository):
    """The commit that is measured, with a mark if the tree has changes."""
    done = subprocess.run(["git", "-C", str(repository), "describe", "--always", "--dirty", "--abbrev=10"],
                          capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def today():
    return datetime.date.today().isoformat()


def open_files():
    """How many files one process may have open."""
    import resource
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def install(packages=PACKAGES):
    """Installs what is not there, without letting Debian start a server of it."""
    missing = [name for name in (*packages, "openssl") if not package_version(name)]
    if not missing:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-q"]
    subprocess.run([*apt, "update"], check=True, env=environment)
    subprocess.run([*apt, "install", "-y", "--no-install-recommends", *missing], check=True, env=environment)
