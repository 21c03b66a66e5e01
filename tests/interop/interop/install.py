"""What the suites need from the registries, by name and version, and where it is put: all under target/interop."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

from .servers import REPOSITORY

HOME = pathlib.Path(os.environ.get("INTEROP_HOME", REPOSITORY / "target" / "interop"))
VENV = HOME / "venv"
SOURCES = HOME / "sources"
SLIXMPP = "slixmpp==1.17.0"
PYTHON_PACKAGES = (SLIXMPP, "pyOpenSSL==25.3.0", "aiohttp==3.14.5", "selenium==4.51.0",
                   "slixmpp-omemo==2.2.0")
NODE = HOME / "node"
# Clients for browsers: what node runs with all that it depends on, and what a page loads as it was built.
NODE_PACKAGES = ("@xmpp/client@0.14.0", "strophe.js@5.0.0", "ws@8", "jsdom@26", "@xmldom/xmldom@0.9")
PAGE_PACKAGES = {"converse.js": "14.0.0"}
DEBIAN_PACKAGES = ("go-sendxmpp", "profanity", "tmux", "openssl", "python3-venv", "python3-aioxmpp", "python3-pytest",
                   "dpkg-dev", "curl", "chromium", "chromium-driver", "dino-im", "xvfb", "xdotool", "dbus", "biboumi")
DEBIAN_SERVERS = {"prosody": ("prosody", "prosody-modules"), "ejabberd": ("ejabberd",)}
SYSTEM_PYTHON = "/usr/bin/python3"
WAIT_FOR_LOCK = ("-o", "DPkg::Lock::Timeout=300")


def install(server):
    """Installs everything that is not there yet. `server` adds the packages of another server than Crosspoint."""
    HOME.mkdir(parents=True, exist_ok=True)
    apt("update", "-q")
    apt("install", "-q", "-y", "--no-install-recommends", *DEBIAN_PACKAGES, *DEBIAN_SERVERS.get(server, ()))
    if not (VENV / "bin" / "python").exists():
        call(sys.executable, "-m", "venv", VENV)
    call(VENV / "bin" / "pip", "install", "-q", "--disable-pip-version-check", *PYTHON_PACKAGES)
    fetch_slixmpp()
    fetch_aioxmpp()
    if not shutil.which("npm"):
        apt("install", "-q", "-y", "--no-install-recommends", "nodejs", "npm")
    fetch_node_packages()
    for package, version in PAGE_PACKAGES.items():
        fetch_page_package(package, version)


def fetch_node_packages():
    """Clients for browsers, which node runs."""
    if not (NODE / "node_modules" / "strophe.js").exists():
        fresh(NODE)
        (NODE / "package.json").write_text('{"private": true}\n')
        call("npm", "install", "--silent", "--no-audit", "--no-fund", *NODE_PACKAGES, cwd=NODE)


def fetch_slixmpp():
    """The source distribution, whose itests/ folder the wheel leaves out."""
    if slixmpp_source():
        return
    folder = fresh(SOURCES / "slixmpp")
    call(VENV / "bin" / "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--no-binary", "slixmpp",
         "-d", folder, SLIXMPP)
    unpack(folder)


def fetch_aioxmpp():
    """Debian's source package: the original tar file alone, which holds the end-to-end tests."""
    if aioxmpp_source():
        return
    folder = fresh(SOURCES / "aioxmpp")
    parts = fresh(folder / "parts")
    lists = fresh(folder / "lists")
    (lists / "partial").mkdir()
    for listed in sorted(pathlib.Path("/etc/apt").glob("sources.list*")):
        for file in sorted(listed.iterdir()) if listed.is_dir() else [listed]:
            copy_as_source(file, parts)
    only_here = ("-o", "Dir::Etc::sourcelist=/dev/null", "-o", "Dir::Etc::sourceparts=%s" % parts,
                 "-o", "Dir::State::lists=%s" % lists, "-o", "APT::Sandbox::User=root")
    apt(*only_here, "update", "-q")
    apt(*only_here, "source", "-q", "--download-only", "--tar-only", "python-aioxmpp", cwd=folder)
    unpack(folder)


def fetch_page_package(package, version):
    """What npm would unpack, without anything that it depends on: for what is built for browsers."""
    folder = SOURCES / package
    if (folder / version).exists():
        return
    fresh(folder)
    call("npm", "pack", "--silent", "%s@%s" % (package, version), cwd=folder)
    archive = next(folder.glob("*.tgz"))
    with tarfile.open(archive) as tar:
        extract(tar, folder / "unpacked")
    (folder / "unpacked" / "package").rename(folder / version)


def converse():
    """The folder with Converse.js's `dist`."""
    return SOURCES / "converse.js" / PAGE_PACKAGES["converse.js"]


def copy_as_source(file, parts):
    """Copies one apt source file with its `deb` entries turned into `deb-src`."""
    lines = file.read_text().splitlines() if file.suffix in (".list", ".sources") else []
    turned = ["Types: deb-src" if line.startswith("Types:") else
              line.replace("deb ", "deb-src ", 1) if line.startswith("deb ") else line for line in lines]
    if lines:
        (parts / file.name).write_text("\n".join(turned) + "\n")


def slixmpp_source():
    return first(SOURCES.glob("slixmpp/slixmpp-*/itests"))


def aioxmpp_source():
    return first(SOURCES.glob("aioxmpp/**/tests/test_e2e.py"))


def first(paths):
    """The first path's folder, or None."""
    return next((path.parent for path in sorted(paths)), None)


def unpack(folder):
    for archive in sorted(folder.glob("*.tar.*")):
        inside = folder / archive.name.partition(".tar")[0]
        with tarfile.open(archive) as tar:
            names = tar.getnames()
            rooted = len({name.split("/")[0] for name in names}) == 1
            extract(tar, folder if rooted else inside)


def extract(tar, folder):
    """Unpacks what stays inside the folder; Debian 12's Python does not know how to see to that."""
    tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def apt(*arguments, cwd=None):
    call("apt-get", *WAIT_FOR_LOCK, *arguments, cwd=cwd, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def call(*command, cwd=None, env=None):
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, cwd=cwd,
                   env=env)
