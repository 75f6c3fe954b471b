"""Asks the user of a client to open the page on which secrets are entered (URL mode elicitation).

A legacy client (MCP 2025-11-25) is asked in the middle of the call. A modern one (MCP 2026-07-28, Multi Round-Trip
Requests) gets an `input_required` result and repeats the call, which the hub's `requestState` binds to its arguments.
Clients without URL elicitation get the link in the result.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from bridge.models.catalog.approvals import SecretTicket
from sidecar.calls.hub_caller import HubCaller
from sidecar.calls.sign_in_calls import ELICIT
from sidecar.features import input_requests
from sidecar.hub_tool_errors import SecretsNeeded

MAX_WAITING = 200
"""Tickets that are remembered for calls that clients repeat; the oldest goes."""


class Asked(NamedTuple):
    """The server that a ticket is for, and the id of the ticket."""

    server: str
    ticket: str


class SecretPages:
    """The pages that users of modern clients were asked to open, by the calls that are repeated then."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, ...], Asked] = {}

    async def opened(self, caller: HubCaller, ticket: SecretTicket, server: str, call: str) -> bool:
        """Whether the user has agreed to open the page. False for a client that cannot be asked, or was asked before.

        `call` tells the call apart from others of the caller. Raises SecretsNeeded to ask a modern client.
        """
        session = caller.session
        if input_requests.lacking(session.capabilities, ELICIT, {"mode": "url"}) is not None or caller.repeats:
            return False
        message = f"The server {server} needs secrets. Enter them on this page of the hub."
        wanted = {"mode": "url", "url": ticket.url, "message": message, "elicitationId": secrets.token_hex(16)}
        if session.modern:
            self._waiting[_key(caller, call)] = Asked(server, ticket.id)
            while len(self._waiting) > MAX_WAITING:
                del self._waiting[next(iter(self._waiting))]
            raise SecretsNeeded(message, data={"elicitations": [wanted]})
        result = (await session.ask(ELICIT, wanted)).get("result")
        return isinstance(result, dict) and result.get("action") == "accept"

    def repeated(self, caller: HubCaller, call: str) -> Asked | None:
        """What a modern client repeats its call for, after its user has opened the page; None for other calls."""
        return self._waiting.pop(_key(caller, call), None) if caller.repeats else None


def _key(caller: HubCaller, call: str) -> tuple[str, ...]:
    return (caller.principal.id, caller.workspace.name, call)
