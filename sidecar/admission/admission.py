"""Gates and observers, which each request of a client passes on both ways (ADR 29).

Gates may delay or refuse a request. Observers are told how it ended.

Registered where the hub is wired (`Hub.admission`, `app.py`), before requests are served. See docs/lifecycle.md.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from bridge.keys import Principal
from sidecar.admission.context import CallContext, ClientSession
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
"""The outcome, for gates only, of a call that did not begin: it is repeated on the waiting way, or was refused."""
CANCELLED = "cancelled"
"""The outcome of a request that its client cancelled."""
DISCONNECTED = "disconnected"
"""The outcome of a request whose session ended before the answer."""


class Gate(Protocol):
    """Decides when a call may proceed: a concurrency limit, a rate limit, a quota, or a circuit breaker."""

    def try_enter(self, call: CallContext) -> bool:
        """Admit a call without waiting. False: the call takes the waiting way, where `enter` decides."""

    async def enter(self, call: CallContext) -> None:
        """Wait until the call may proceed. Raises a SidecarError to refuse it."""

    def leave(self, call: CallContext, outcome: str) -> None:
        """An admitted call has ended. With `DECLINED` it did not begin, so a gate that counts takes the count back."""


class Observer(Protocol):
    """Is told of each request of a client once. Called on the event loop: must neither block nor raise."""

    def ended(self, call: CallContext, outcome: str, seconds: float) -> None:
        """The request has been answered, or was cancelled.

        `outcome`: `ok`, `tool_error` (the tool failed), `error` (the server answered with an error), `cancelled`,
        `disconnected`, or the code of the hub's error, such as `CALL_TIMEOUT`. `seconds` is the time since it entered.
        """

    def refused(self, call: CallContext, error: SidecarError) -> None:
        """The hub answered the request with an error, and no server got it."""


class SessionObserver(Protocol):
    """Is told of the sessions of clients. Must neither block nor raise."""

    def session_began(self, session: ClientSession) -> None:
        """A client has opened a session, and said who it is."""

    def session_ended(self, session: ClientSession) -> None:
        """A session that began has ended."""


class Admission:
    """The gates and observers of a hub."""

    __slots__ = ("admit_session", "gates", "meter_of", "observers", "on_answer", "on_meters", "session_observers")

    def __init__(self, gates: Iterable[Gate] = (), observers: Iterable[Observer] = ()) -> None:
        self.gates = tuple(gates)
        self.observers = tuple(observers)
        self.session_observers: tuple[SessionObserver, ...] = ()
        self.admit_session: Callable[[Principal], None] = _admit
        """Called before a principal opens a session; raises a SidecarError if it has too many."""
        self.meter_of: Callable[[Principal], Callable[[int], None] | None] = _no_meter
        """The function that counts the bytes of a principal's requests and answers; None if nobody counts them."""
        self.on_meters: list[Callable[[], None]] = []
        """Called when `meter_of` may return others than before."""
        self.on_answer: Callable[[CallContext, Any], None] | None = None
        """Called with each result or error of a request, just before `ended`; None while nobody records any."""

    def add_gate(self, gate: Gate) -> None:
        """Add a gate behind the existing ones."""
        self.gates = (*self.gates, gate)

    def set_gate(self, gate: Gate, *, present: bool) -> None:
        """Add a gate behind the existing ones, or remove it. Requests that are in progress leave a gate that was added
        meanwhile without having entered it, and do not leave one that was removed."""
        others = tuple(each for each in self.gates if each is not gate)
        self.gates = (*others, gate) if present else others

    def add_observer(self, observer: Observer) -> None:
        """Add an observer."""
        self.observers = (*self.observers, observer)

    def session_began(self, session: ClientSession) -> None:
        """Tell the observers that a client opened a session."""
        for observer in self.session_observers:
            observer.session_began(session)

    def session_ended(self, session: ClientSession) -> None:
        """Tell the observers that a session ended."""
        for observer in self.session_observers:
            observer.session_ended(session)

    def try_enter(self, call: CallContext) -> bool:
        """Pass all gates without waiting, or none."""
        for passed, gate in enumerate(self.gates):
            if not gate.try_enter(call):
                self._leave(self.gates[:passed], call, DECLINED)
                return False
        return True

    async def enter(self, call: CallContext) -> None:
        """Pass all gates one after the other, waiting if necessary. Raises the SidecarError of a gate that refuses."""
        gates = self.gates  # of this moment: a gate may wait, and gates may be added and removed meanwhile
        for passed, gate in enumerate(gates):
            if not gate.try_enter(call):
                try:
                    await gate.enter(call)
                except BaseException:
                    self._leave(gates[:passed], call, DECLINED)
                    raise

    def decline(self, call: CallContext) -> None:
        """Leave all gates, since a call that passed `try_enter` did not begin."""
        self.left(call, DECLINED)

    def left(self, call: CallContext, outcome: str) -> None:
        """Leave all gates."""
        self._leave(self.gates, call, outcome)

    def ended(self, call: CallContext, outcome: str) -> None:
        """Leave all gates, and tell the observers that a request has ended."""
        if self.gates:
            self._leave(self.gates, call, outcome)
        seconds = time.perf_counter() - call.began
        for observer in self.observers:
            try:
                observer.ended(call, outcome, seconds)
            except Exception:
                log.exception("an observer failed")

    def turned_back(self, call: CallContext, outcome: str) -> None:
        """Tell the observers that a request was cancelled while it waited for the gates."""
        Admission((), self.observers).ended(call, outcome)

    def failed(self, call: CallContext, error: SidecarError) -> None:
        """Leave all gates, since a request failed with an error of the hub. Observers get it by `ended` if a server
        was chosen, else by `refused`."""
        if call.server:
            self.ended(call, error.code)
            return
        self._leave(self.gates, call, error.code)
        self.refused(call, error)

    def refused(self, call: CallContext, error: SidecarError) -> None:
        """Tell the observers that a request was refused."""
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


def _admit(principal: Principal) -> None:
    """The default of `Admission.admit_session`: no limit."""


def _no_meter(principal: Principal) -> None:
    """The default of `Admission.meter_of`: no limit."""


def error_of(answer: dict[str, Any]) -> SidecarError:
    """The SidecarError, for observers, that corresponds to a JSON-RPC error of the hub."""
    message, code, data = str(answer.get("message")), answer.get("code"), answer.get("data")
    if isinstance(data, dict) and data.get("code") == TooManySessions.code:
        return TooManySessions(message)
    kinds: dict[Any, type[SidecarError]] = {METHOD_NOT_FOUND: MethodUnknown, INVALID_PARAMS: ParamsInvalid}
    return kinds.get(code, MessageInvalid)(message)
