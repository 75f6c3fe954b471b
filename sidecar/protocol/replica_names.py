"""The name of a replica of the hub in the ids of its sessions, tasks and request states (docs/scaling.md).

A load balancer reads the name in `Mcp-Session-Id`, `session_id` or `Mcp-Name`, and sends the request to the replica
that has the session. A hub that is alone has no name (HUB_REPLICA), and its ids have no such part. Pure.
"""

from __future__ import annotations

SEPARATOR = "."
"""Ends the name. Names (`ServiceSettings.replica`), hexadecimal digits and base64url have no such character."""


def named(replica: str, own_id: str) -> str:
    """An id with the replica's name; `own_id` itself if the replica has none."""
    return f"{replica}{SEPARATOR}{own_id}" if replica else own_id


def split(full_id: str) -> tuple[str, str]:
    """The reverse of `named`: the replica's name, empty if there is none, and the rest. Ids that `named` does not
    make come back whole, so that each id has one spelling only: `.x` is no other form of `x`."""
    replica, separator, own_id = full_id.partition(SEPARATOR)
    return (replica, own_id) if replica and separator else ("", full_id)
