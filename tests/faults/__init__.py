"""Faults of servers, clients, files and processes, applied to a real hub under load; docs/reliability.md has a report.

`make test` runs them in a short form, `make soak` in a long one.
"""
