"""Tickets for secrets: each opens a page once, for ten minutes, for one principal. In memory only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bridge.keys import token_hash
from bridge.models.catalog.approvals import (
    SecretAsked,
)
from yamcp_ui_adapter.approvals.errors import TicketInvalid

LIFETIME_SECONDS = 600.0
MAX_TICKETS = 200
"""Tickets in memory, used ones included; the oldest goes."""
MAX_OF_PRINCIPAL = 10
"""Tickets of one principal; its oldest goes."""

Resume = Callable[[Mapping[str, str]], Awaitable[str]]
"""Goes on with the values, by the names of the secrets; returns the id of the activation, or an empty text."""
TicketState = Literal["waiting", "used", "expired"]


@dataclass(eq=False)
class Ticket:
    """What a ticket is for."""

    id: str
    principal: str
    workspace: str
    server: str
    package: str
    asked: tuple[SecretAsked, ...]
    resume: Resume = field(repr=False)
    expires: float
    used: bool = False
    job: str = ""


class Tickets:
    """The tickets of this process."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._tickets: dict[str, Ticket] = {}
        """By their hashes, oldest first."""

    def make(
        self,
        *,
        principal: str,
        workspace: str,
        server: str,
        package: str,
        asked: tuple[SecretAsked, ...],
        resume: Resume,
    ) -> tuple[str, Ticket]:
        """Return the secret of a new ticket, and the ticket."""
        own = [key for key, each in self._tickets.items() if each.principal == principal]
        for key in own[: max(0, len(own) - MAX_OF_PRINCIPAL + 1)]:
            del self._tickets[key]
        while len(self._tickets) >= MAX_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        secret = secrets.token_urlsafe(32)
        made = Ticket(
            f"t{secrets.token_hex(8)}",
            principal,
            workspace,
            server,
            package,
            asked,
            resume,
            self._now() + LIFETIME_SECONDS,
        )
        self._tickets[token_hash(secret)] = made
        return secret, made

    def open(self, secret: str, principal: str, admin: bool) -> Ticket:
        """Return the ticket that this principal may use. Raises TicketInvalid, which tells no reason."""
        found = self._tickets.get(token_hash(secret))
        if found is None or self._state(found) != "waiting" or not (admin or found.principal == principal):
            raise TicketInvalid("This link is unknown, was used, has expired, or is for another user of the hub.")
        return found

    def state(self, wanted: str, principal: str) -> tuple[TicketState, str] | None:
        """Return the state of a principal's ticket by its id, and its activation; None if there is none."""
        own = (each for each in self._tickets.values() if each.principal == principal)
        found = next((each for each in own if each.id == wanted), None)
        return None if found is None else (self._state(found), found.job)

    def _state(self, ticket: Ticket) -> TicketState:
        if ticket.used:
            return "used"
        return "expired" if self._now() >= ticket.expires else "waiting"
