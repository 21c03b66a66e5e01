"""Documents of runs as the load generator writes them, cut down to what is read."""


def figures(unit, per_second=1000.0, cpu_us=5.0, latency=None):
    timed = {column: 100.0 for column in ("p50_us", "p99_us", "p999_us", "max_us")}
    return {"unit": unit, "count": 10, "per_second": per_second, "server_cpu_us_each": cpu_us,
            "latencies": {latency: timed} if latency else {}}


def run(measured, phases=(), logins=0, resident=(0, 0)):
    return {"measured": measured, "phases": [{"figures": part} for part in phases], "whole": {"logins_ok": logins},
            "server": {"resident_start_bytes": resident[0], "resident_end_bytes": resident[1]},
            "verdict": {"ok": True, "reasons": []}}
