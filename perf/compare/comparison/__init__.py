"""The comparison of Crosspoint with other servers on one core; see perf/compare/README.md for what is measured and how."""
