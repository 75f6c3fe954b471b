"""Checks at the sidecar whether a server that was just added starts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bridge.client import BridgeClient
from bridge.errors import HubError
from bridge.models import ReadStatus, ServerStatus, SnapshotId, Status
from bridge.transport import Transport
from yamcp_ui_adapter.activation.errors import ServerNotStarting

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 90.0
"""Seconds to wait for the server; longer than its own time to start."""
WAITING_CODES = frozenset({"SERVER_VARIABLE_MISSING", "USER_CLAIM_MISSING", "SIGN_IN_REQUIRED"})
"""Reasons of a server that starts as soon as somebody gives what is missing."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found. `tools`: how many the server lists; None if it was not started. `note`: what to know of it."""

    tools: int | None = None
    note: str = ""


async def check(address: str, transport: Transport, key: str, snapshot: SnapshotId, expected: int | None) -> Checked:
    """Wait until a server has started, or cannot. `expected`: how many tools it had when the entry was checked.

    Raises:
        ServerNotStarting: it does not start.
    """
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), BridgeClient(address, transport=transport) as client:
            while True:
                status = await _status(client)
                found = _found(status, key, snapshot) if status else None
                if found is not None and (checked := judged(found, expected)) is not None:
                    return checked
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        return Checked(note=f"It was not checked: the sidecar told nothing of it within {PATIENCE_SECONDS:g} s.")


async def _status(client: BridgeClient) -> Status | None:
    try:
        return await client.request(ReadStatus(), timeout=5)
    except HubError:  # the sidecar is being started
        return None


def _found(status: Status, key: str, snapshot: SnapshotId) -> ServerStatus | None:
    if status.applied is None or snapshot.newer_than(status.applied):
        return None
    return next((each for each in status.servers if each.key == key), None)


def judged(server: ServerStatus, expected: int | None) -> Checked | None:
    """Return what a server's status says; None if that is not decided yet. Raises ServerNotStarting."""
    if server.state in ("ready", "degraded", "sleeping"):
        return Checked(server.tools, _note(server.tools, expected))
    if server.state == "stopped":
        return Checked(note="It was not started: no workspace that is switched on has it.")
    if server.reason is not None and (
        server.reason.code in WAITING_CODES or server.state in ("sign_in_required", "elsewhere")
    ):
        return Checked(note=f"It waits: {server.reason.message}")
    if server.state in ("backoff", "failed"):
        why = server.reason.message if server.reason else "It ended."
        said = f" It wrote: {server.stderr_line}" if server.stderr_line and server.stderr_line not in why else ""
        raise ServerNotStarting(f"The server {server.key!r} does not start: {why}{said}")
    return None


def _note(tools: int, expected: int | None) -> str:
    if tools == 0:
        return "It started, but lists no tools: ready is not configured, so check its settings."
    if expected is not None and tools < expected:
        return f"It lists {tools} tools; {expected} were there when the entry was checked, so check its settings."
    return ""
