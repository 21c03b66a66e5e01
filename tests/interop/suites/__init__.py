"""One module a suite, each with `run(server, only)`, which performs it and returns its exit status."""
