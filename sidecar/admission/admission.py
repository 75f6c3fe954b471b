"""What each request of a client meets, whichever way it takes: gates, which may keep it waiting or refuse it, and
observers, which are told how it ended.

Registered where the hub is wired (`Hub.admission`, `app.py`), before requests are served. See docs/lifecycle.md.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any, Protocol

from sidecar.admission.context import CallContext
from sidecar.errors import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MessageInvalid,
    MethodUnknown,
    ParamsInvalid,
    SidecarError,
    TooManySessions,
)

log = logging.getLogger(__name__)

DECLINED = "declined"
"""The outcome for a gate whose call did not begin: it comes again on the waiting way, or another gate refused it."""
CANCELLED = "cancelled"
"""The outcome of a request whose client wants no answer any more."""
DISCONNECTED = "disconnected"
"""The outcome of a request whose session ended before the answer."""


class Gate(Protocol):
    """Decides when a call may go on: a limit of calls at once, a rate, a quota, a circuit breaker."""

    def try_enter(self, call: CallContext) -> bool:
        """Let a call in now, without waiting. False: it takes the waiting way, where `enter` decides."""

    async def enter(self, call: CallContext) -> None:
        """Let a call in, as soon as it may. Raises a SidecarError where it may not."""

    def leave(self, call: CallContext, outcome: str) -> None:
        """A call that was let in has ended. With `DECLINED` it did not begin: what was counted is taken back."""


class Observer(Protocol):
    """Is told of each request of a client, once. Called on the event loop: must neither block nor raise."""

    def ended(self, call: CallContext, outcome: str, seconds: float) -> None:
        """It has an answer, or needs none any more.

        `outcome`: `ok`, `tool_error` (the tool failed), `error` (the server answered with an error), `cancelled`,
        `disconnected`, or the code of the hub's error, such as `CALL_TIMEOUT`. `seconds` since it entered.
        """

    def refused(self, call: CallContext, error: SidecarError) -> None:
        """The hub answered it with an error, and no server was asked."""


class Admission:
    """The gates and observers of a hub."""

    __slots__ = ("gates", "observers")

    def __init__(self, gates: Iterable[Gate] = (), observers: Iterable[Observer] = ()) -> None:
        self.gates = tuple(gates)
        self.observers = tuple(observers)

    def add_gate(self, gate: Gate) -> None:
        """Have each request of a client pass a gate, behind those that there are."""
        self.gates = (*self.gates, gate)

    def add_observer(self, observer: Observer) -> None:
        """Have an observer told of each request of a client."""
        self.observers = (*self.observers, observer)

    def try_enter(self, call: CallContext) -> bool:
        """Pass all gates now, or none."""
        for passed, gate in enumerate(self.gates):
            if not gate.try_enter(call):
                self._leave(self.gates[:passed], call, DECLINED)
                return False
        return True

    async def enter(self, call: CallContext) -> None:
        """Pass all gates, one after the other. Raises the SidecarError of the first one that refuses."""
        for passed, gate in enumerate(self.gates):
            if not gate.try_enter(call):
                try:
                    await gate.enter(call)
                except BaseException:
                    self._leave(self.gates[:passed], call, DECLINED)
                    raise

    def decline(self, call: CallContext) -> None:
        """A call that passed `try_enter` was not begun."""
        self.left(call, DECLINED)

    def left(self, call: CallContext, outcome: str) -> None:
        """A call that passed the gates has left."""
        self._leave(self.gates, call, outcome)

    def ended(self, call: CallContext, outcome: str) -> None:
        """A request that passed the gates has ended."""
        if self.gates:
            self._leave(self.gates, call, outcome)
        seconds = time.perf_counter() - call.began
        for observer in self.observers:
            try:
                observer.ended(call, outcome, seconds)
            except Exception:
                log.exception("an observer failed")

    def turned_back(self, call: CallContext, outcome: str) -> None:
        """A request has ended that passed no gate: its client did not wait for them."""
        Admission((), self.observers).ended(call, outcome)

    def failed(self, call: CallContext, error: SidecarError) -> None:
        """The same, with an error of the hub: before any server was asked, it was refused."""
        if call.server:
            self.ended(call, error.code)
            return
        self._leave(self.gates, call, error.code)
        self.refused(call, error)

    def refused(self, call: CallContext, error: SidecarError) -> None:
        """A request was refused that passed no gate."""
        for observer in self.observers:
            try:
                observer.refused(call, error)
            except Exception:
                log.exception("an observer failed")

    @staticmethod
    def _leave(gates: tuple[Gate, ...], call: CallContext, outcome: str) -> None:
        for gate in reversed(gates):
            try:
                gate.leave(call, outcome)
            except Exception:
                log.exception("a gate failed")


def error_of(answer: dict[str, Any]) -> SidecarError:
    """The error for observers, of a JSON-RPC error that the hub answers with."""
    message, code, data = str(answer.get("message")), answer.get("code"), answer.get("data")
    if isinstance(data, dict) and data.get("code") == TooManySessions.code:
        return TooManySessions(message)
    kinds: dict[Any, type[SidecarError]] = {METHOD_NOT_FOUND: MethodUnknown, INVALID_PARAMS: ParamsInvalid}
    return kinds.get(code, MessageInvalid)(message)
