"""The form of calls in a batch for the spool (bridge/history/spool.py), which the recorder makes records of. Pure.

A batch has `senders`, a list of those who sent its requests (SENDER_FIELDS), and `calls`, a list of rows (ROW_FIELDS).
A row names its sender by its place in that list. An object may follow in it with what few calls have (`Extras`). This
form is made for the writer, which works beside the calls: what can be computed later is computed by the recorder.
"""

from __future__ import annotations

from typing import Any

from sidecar.admission.context import Client
from sidecar.protocol import replica_names

ROW_FIELDS = ("ended", "seconds", "sender", "workspace", "method", "server", "tool", "number", "era", "outcome")
SENDER_FIELDS = ("session", "principal", "transport", "correlation")
"""`correlation` is what stands before the number of the request in its id in the logs; empty if it has none."""

Row = tuple[Any, ...]
Extras = dict[str, Any]
"""Fields of `NewCall` (recorder/batch.py): `waited`, `code`, `address`, sizes and bodies; and `traceparent`."""

SHOWN_ID_CHARACTERS = 12
"""Characters of a session's id that name it to people: 48 of its 128 random bits. The whole id is for its client."""
LONGEST_NAME = 200
"""Characters that are kept of a name that a client chose: a method, a tool, the URI of a resource."""


def shown_id(session_id: str) -> str:
    """The id of a session in lists and records: without the name of its replica, which may be longer than that."""
    return replica_names.split(session_id)[1][:SHOWN_ID_CHARACTERS]


def sender_row(client: Client, era: str) -> tuple[str, str, str, str]:
    """A sender, in the order of SENDER_FIELDS. `era` is that of its first request in the batch."""
    session = shown_id(client.id) if _has_session(client, era) else ""
    return session, client.principal.name, client.transport, client.correlation(0)[:-1]


def _has_session(client: Client, era: str) -> bool:
    """Whether the client has a session, and not an object in the place of one."""
    return client.transport == "sse" or (client.transport == "http" and era == "legacy")
