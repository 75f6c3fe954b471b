"""Servers that outlive a restart of the sidecar (ADR 34)."""
