"""What every interop suite shares: servers to talk to, clients to talk with, and a stage to report from.

Invariants: everything binds and connects inside 127.0.0.0/8; every process that is started is ended by its own id;
everything written lies under the run's folder.
"""
