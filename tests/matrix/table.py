"""What worked: client by transport by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tests.matrix.clients import CLIENTS, STEPS, TRANSPORTS, Client, Step
from tests.support.peers import Transport

Access = Literal["open", "token"]
TITLES: dict[Transport, str] = {"http": "Streamable HTTP", "sse": "SSE"}
HEAD = ("client", "transport", *STEPS, "with a token")


class Cells:
    """What was tried, and which steps of it passed."""

    def __init__(self) -> None:
        self._passed: dict[tuple[str, Transport, Access], set[Step]] = {}

    def begin(self, client: Client, transport: Transport, access: Access) -> None:
        """It is tried now."""
        self._passed[client.name, transport, access] = set()

    def passed(self, client: Client, transport: Transport, access: Access, step: Step) -> None:
        """This much of it worked."""
        self._passed[client.name, transport, access].add(step)

    @property
    def complete(self) -> bool:
        """Whether every client was tried in every way."""
        return len(self._passed) == len(CLIENTS) * len(TRANSPORTS) * 2

    def lines(self) -> Iterator[str]:
        """A Markdown table of what was tried."""
        yield f"| {' | '.join(HEAD)} |"
        yield f"|{'---|' * len(HEAD)}"
        for client in CLIENTS:
            for transport in TRANSPORTS:
                if any((client.name, transport, access) in self._passed for access in ("open", "token")):
                    yield f"| {client.title} | {TITLES[transport]} | {' | '.join(self._row(client, transport))} |"

    def _row(self, client: Client, transport: Transport) -> Iterator[str]:
        for step in STEPS:
            yield self._mark(client, transport, "open", {step}) if step in client.steps else "-"
        yield self._mark(client, transport, "token", set(client.steps))

    def _mark(self, client: Client, transport: Transport, access: Access, steps: set[Step]) -> str:
        passed = self._passed.get((client.name, transport, access))
        return "not tried" if passed is None else "yes" if steps <= passed else "**no**"
