"""The public port: accepts connections, and hands each to the process that serves it (ADR 24)."""
