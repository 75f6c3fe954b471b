"""Asks the user of a client to open the page on which secrets are entered (MCP 2025-11-25, URL mode elicitation)."""

from __future__ import annotations

import secrets

from bridge.models.catalog.approvals import SecretTicket
from sidecar.calls.hub_caller import HubCaller
from sidecar.calls.sign_in_calls import ELICIT
from sidecar.features import input_requests


async def opened(caller: HubCaller, ticket: SecretTicket, server: str) -> bool:
    """Whether the user has agreed to open the page. False also for a client that cannot be asked in a call: one
    without URL elicitation, and each of the modern era; these get the link in the result."""
    session = caller.session
    if session.modern or input_requests.lacking(session.capabilities, ELICIT, {"mode": "url"}) is not None:
        return False
    message = f"The server {server} needs secrets. Enter them on this page of the hub."
    wanted = {"mode": "url", "url": ticket.url, "message": message, "elicitationId": secrets.token_hex(16)}
    result = (await session.ask(ELICIT, wanted)).get("result")
    return isinstance(result, dict) and result.get("action") == "accept"
