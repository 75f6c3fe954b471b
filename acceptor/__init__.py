"""The acceptor process: accepts the connections at the public port, and hands each to the sidecar or front (ADR 24)."""
