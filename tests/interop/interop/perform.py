"""Runs one suite in this process: perform.py SUITE SERVER FOLDER [PLAY ...]. The exit status says whether it passed."""

import importlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from interop import process, servers  # noqa: E402


def main():
    suite, kind, folder, *only = sys.argv[1:]
    process.NOTES = pathlib.Path(folder)
    server = servers.SERVERS[kind](pathlib.Path(folder) / "server")
    module = importlib.import_module("suites." + suite.replace("-", "_"))
    sys.exit(module.run(server, only))


if __name__ == "__main__":
    main()
