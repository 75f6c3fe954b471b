"""What worked: client by transport by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tests.matrix.clients import CLIENTS, STEPS, TRANSPORTS, Client, Step
from tests.support.peers import Transport

Access = Literal["open", "token"]
ACCESSES: tuple[Access, ...] = ("open", "token")
TITLES: dict[Transport, str] = {"http": "Streamable HTTP", "sse": "SSE"}
HEAD = ("client", "transport", "era", *STEPS, "with a token")


class Cells:
    """What was tried, and which steps of it passed."""

    def __init__(self) -> None:
        self._passed: dict[tuple[str, Transport, Access], set[Step]] = {}

    def begin(self, client: Client, transport: Transport) -> None:
        """It is tried now, with and without a token."""
        for access in ACCESSES:
            self._passed[client.name, transport, access] = set()

    def passed(self, client: Client, transport: Transport, access: Access, step: Step) -> None:
        """This much of it worked."""
        self._passed[client.name, transport, access].add(step)

    @property
    def tried(self) -> bool:
        """Whether any client was."""
        return bool(self._passed)

    @property
    def complete(self) -> bool:
        """Whether every client was tried in every way."""
        return len(self._passed) == len(CLIENTS) * len(TRANSPORTS) * len(ACCESSES)

    def lines(self) -> Iterator[str]:
        """A Markdown table of what was tried."""
        yield f"| {' | '.join(HEAD)} |"
        yield f"|{'---|' * len(HEAD)}"
        for client in CLIENTS:
            for transport in TRANSPORTS:
                if (client.name, transport, "open") in self._passed:
                    yield f"| {client.title} | {TITLES[transport]} | {' | '.join(self._row(client, transport))} |"

    def _row(self, client: Client, transport: Transport) -> Iterator[str]:
        yield client.eras[transport]
        for step in STEPS:
            yield self._mark(client, transport, "open", {step}) if step in client.steps else "-"
        yield self._mark(client, transport, "token", set(client.steps))

    def _mark(self, client: Client, transport: Transport, access: Access, steps: set[Step]) -> str:
        return "yes" if steps <= self._passed[client.name, transport, access] else "**no**"
