"""What holds the comparison together, without a server: `python3 -m unittest discover -t perf/compare -s perf/compare/tests`."""
