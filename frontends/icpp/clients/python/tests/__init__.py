"""Tests of the client; README.md says how to run them. What they provoke is not worth a line each."""

import logging

logging.disable(logging.CRITICAL)
