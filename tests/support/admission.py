"""An observer and a gate for tests, which remember what they were told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sidecar.admission.context import CallContext
from sidecar.errors import SidecarError
from sidecar.flood_errors import ServerBusy

SHUT = "The gate of this test is shut."


@dataclass(frozen=True)
class Seen:
    """What an observer was told of one request; `ending` is the outcome, or the code of the refusal."""

    ending: str
    refused: bool
    method: str
    server: str
    tool: str
    principal: str
    workspace: str
    session: str
    transport: str
    era: str
    correlation: str
    trace: str


class Watcher:
    """An observer."""

    def __init__(self) -> None:
        self.all: list[Seen] = []
        self.calls: list[CallContext] = []
        self.seconds: list[float] = []

    def ended(self, call: CallContext, outcome: str, seconds: float) -> None:
        """A request has ended."""
        self._see(call, outcome, refused=False)
        self.seconds.append(seconds)

    def refused(self, call: CallContext, error: SidecarError) -> None:
        """A request was refused."""
        self._see(call, error.code, refused=True)

    def _see(self, call: CallContext, ending: str, *, refused: bool) -> None:
        self.calls.append(call)
        where = {"server": call.server, "tool": call.tool, "principal": call.principal.name}
        whence: dict[str, Any] = {name: getattr(call, name) for name in ("workspace", "session", "transport", "era")}
        ids = {"correlation": call.correlation, "trace": call.trace}
        self.all.append(Seen(ending, refused, call.method, **where, **whence, **ids))

    def take(self) -> list[Seen]:
        """What came since the last look."""
        seen, self.all = self.all, []
        return seen

    def endings(self) -> Counter[tuple[str, bool]]:
        """How often requests ended how, and whether they were refused, since the last look."""
        return Counter((each.ending, each.refused) for each in self.take())


class Door:
    """A gate: open, or `shut`, when it refuses all that come."""

    def __init__(self) -> None:
        self.shut = False
        self.inside: list[CallContext] = []
        self.let_in = self.turned_away = 0
        self.left: Counter[str] = Counter()
        self.at: Counter[tuple[str, str]] = Counter()
        """By server and tool, as those that it let in or turned away had them."""

    def try_enter(self, call: CallContext) -> bool:
        """Let it in, if it is open."""
        if self.shut:
            return False
        assert not any(each is call for each in self.inside), "it is let in twice"
        self.inside.append(call)
        self.let_in += 1
        self.at[call.server, call.tool] += 1
        return True

    async def enter(self, call: CallContext) -> None:
        """Refuse it."""
        self.turned_away += 1
        self.at[call.server, call.tool] += 1
        raise ServerBusy(SHUT)

    def leave(self, call: CallContext, outcome: str) -> None:
        """It has left."""
        self.inside = [each for each in self.inside if each is not call]
        self.left[outcome] += 1
