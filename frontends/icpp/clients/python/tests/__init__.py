"""Tests of the client; README.md says how to run them."""
