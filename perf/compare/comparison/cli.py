"""The command: options, what they mean for the whole, and an orderly end whatever happens."""

import argparse
import datetime
import os
import pathlib
import shlex
import shutil
import signal
import sys
import tempfile

from . import children, facts, loadgen, presets, report, scenarios, schedule, servers, stage

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
SERVER_CORE, LOAD_CORE = 1, 0
USUAL = argparse.Namespace(rounds=5, seconds=10, warmup=2)
ABOUT = """Compares Crosspoint with ejabberd and Prosody (both from Debian) on one core, with the raw relays below them.

Needs two cores and `cargo build --release -p crosspoint -p crosspoint-loadgen -p crosspoint-floor`. The server is kept
to core 1, the load generator to core 0. Rounds go A B C A B C. Medians, least and most go to perf/RESULTS.md."""


def main():
    options = arguments()
    if options.list:
        return listed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="compare-"))
    try:
        sys.exit(compared(options, folder))
    except KeyboardInterrupt:
        sys.exit("interrupted; nothing was written")
    finally:
        children.stop_all()
        if options.keep_raw:
            keep(folder)
        shutil.rmtree(folder, ignore_errors=True)


def compared(options, folder):
    """Measures, writes, and returns the exit code: 1 if a step failed."""
    prepared(options)
    all_steps = steps(options)
    generator = loadgen.Loadgen(built("crosspoint-loadgen"), folder, LOAD_CORE)
    scene = stage.Stage(folder, SERVER_CORE)
    bench = scenarios.Bench(generator, options.seconds, options.warmup, open_server=scene.again)
    results = schedule.carry_out(all_steps, scene, bench, say=schedule.to_stderr)
    command = shlex.join(["perf/compare/run", *sys.argv[1:]])
    heading = report.heading(command, REPOSITORY, (SERVER_CORE, LOAD_CORE), options.seconds)
    concluded = "\n".join(options.preset.conclude(results.rows)) if options.preset else ""
    text = "\n\n".join(part for part in (heading, options.note, report.sections(all_steps, results), concluded) if part)
    print(text)
    if not options.no_write:
        report.write(REPOSITORY / "perf" / "RESULTS.md", text, options.add)
    return 1 if results.failures else 0


def steps(options):
    """Of the preset, or of what was chosen."""
    if options.preset:
        return options.preset.steps(options.rounds)
    return schedule.steps(scenarios.chosen(options.only), options.servers, options.modes, options.rounds)


def prepared(options):
    """Checks what the machine must have; installs the peers if that was asked for."""
    if os.cpu_count() < 2:
        sys.exit("two cores are needed: one for the server, one for the load")
    if options.install:
        facts.install([name for name in facts.PACKAGES if name in options.servers])
    for name in facts.PACKAGES:
        if name in options.servers and not facts.package_version(name):
            sys.exit("%s is not installed: add --install, or leave it out with --servers" % name)
    servers.Crosspoint.binary = built("crosspoint")
    servers.Relay.binary = built("relay")


def arguments(words_given=None):
    parser = argparse.ArgumentParser(prog="perf/compare/run", description=ABOUT,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install ejabberd and Prosody from Debian if absent")
    parser.add_argument("--preset", choices=presets.PRESETS, help="a whole run: %s" % "; ".join(
        "%s: %s" % (name, preset.about) for name, preset in presets.PRESETS.items()))
    parser.add_argument("--rounds", type=int, help="rounds of each scenario (memory: one; default 5, or the preset's)")
    parser.add_argument("--seconds", type=float, help="measured seconds of a run (default 10, or the preset's)")
    parser.add_argument("--warmup", type=float, help="seconds before them (default 2, or the preset's)")
    parser.add_argument("--only", type=words, default=[], help="scenarios, with commas; see --list")
    parser.add_argument("--servers", type=among(servers.SERVERS),
                        help="contenders, with commas: %s" % ", ".join(servers.SERVERS))
    parser.add_argument("--modes", type=among(scenarios.MODES),
                        help="with commas: %s" % ", ".join(scenarios.MODES))
    parser.add_argument("--note", help="a sentence for the report: what else the machine did, say")
    parser.add_argument("--keep-raw", action="store_true", help="keep scenario files and documents in perf/results/")
    parser.add_argument("--no-write", action="store_true", help="do not write perf/RESULTS.md")
    parser.add_argument("--add", action="store_true", help="write below what was measured before, not in its place")
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    options = parser.parse_args(words_given)
    try:
        scenarios.chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    if options.preset and (options.only or options.servers or options.modes):
        parser.error("--preset chooses scenarios, servers and modes itself")
    return completed(options)


def completed(options):
    """Puts in what was not said: the preset's, or the usual."""
    options.preset = presets.PRESETS.get(options.preset)
    usual = options.preset or USUAL
    for name in ("rounds", "seconds", "warmup"):
        if getattr(options, name) is None:
            setattr(options, name, getattr(usual, name))
    options.servers = options.preset.servers() if options.preset else options.servers or list(servers.SERVERS)
    options.modes = options.modes or list(scenarios.MODES)
    return options


def words(text):
    return [word for word in text.split(",") if word]


def among(known):
    def parsed(text):
        chosen = words(text)
        for word in chosen:
            if word not in known:
                raise argparse.ArgumentTypeError("%r is none of %s" % (word, ", ".join(known)))
        return chosen
    return parsed


def listed():
    for scenario in scenarios.TABLE:
        print("%-17s %s; %s; %s" % (scenario.name, scenario.title, ", ".join(scenario.modes), ", ".join(scenario.contenders)))


def built(name):
    path = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "release" / name
    if not path.exists():
        sys.exit("%s is not built: cargo build --release -p crosspoint -p crosspoint-loadgen -p crosspoint-floor" % path)
    return path


def keep(folder):
    """Scenario files and documents of all runs, under the time at which they ended."""
    kept = REPOSITORY / "perf" / "results" / datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
    kept.mkdir(parents=True)
    for path in (*folder.glob("*.toml"), *folder.glob("*.json")):
        shutil.copy(path, kept)
