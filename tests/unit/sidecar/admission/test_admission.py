"""Gates are passed all or none, and left once; observers are told once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from sidecar.admission.admission import Admission, error_of
from sidecar.admission.context import LOCAL, RequestContext, Visitor
from sidecar.errors import MessageInvalid, MethodUnknown, ParamsInvalid, ToolUnknown, TooManySessions
from sidecar.flood_errors import ServerBusy
from tests.support.admission import Door, Watcher


def entered(params: dict[str, Any] | None = None) -> RequestContext:
    """A request over the bridge."""
    return RequestContext(Visitor(), "tools/call", params or {}, "w", 1, time.perf_counter())


def test_all_gates_or_none() -> None:
    """Where a later gate is shut, those before it are left again, as if nothing had been."""
    doors, call = (Door(), Door(), Door()), entered()
    admission = Admission(doors)
    assert admission.try_enter(call)
    admission.ended(call, "ok")
    doors[1].shut = True
    assert not admission.try_enter(call)
    assert [dict(door.left) for door in doors] == [{"ok": 1, "declined": 1}, {"ok": 1}, {"ok": 1}]
    assert [door.inside for door in doors] == [[], [], []]


async def test_waiting_for_a_gate() -> None:
    """The gates before one that refuses are left; and those before one at which the client gave up."""
    doors, call = (Door(), Door()), entered()
    admission = Admission(doors)
    await admission.enter(call)
    admission.ended(call, "ok")
    doors[1].shut = True
    with pytest.raises(ServerBusy):
        await admission.enter(call)
    assert (doors[0].inside, doors[0].left["declined"], doors[1].turned_away) == ([], 1, 1)

    async def wait(_: object) -> None:
        await asyncio.Event().wait()

    doors[1].enter = wait  # type: ignore[method-assign]
    waiting = asyncio.create_task(admission.enter(call))
    await asyncio.sleep(0)
    assert doors[0].inside == [call]
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (doors[0].inside, doors[0].left["declined"]) == ([], 2)


def test_a_call_that_was_not_begun() -> None:
    """It has left each gate as `declined`, and no observer is told: it comes again."""
    door, watcher, call = Door(), Watcher(), entered()
    admission = Admission()
    admission.add_gate(door)
    admission.add_observer(watcher)
    assert admission.try_enter(call)
    admission.decline(call)
    assert (door.inside, dict(door.left), watcher.all) == ([], {"declined": 1}, [])


def test_errors_of_the_hub() -> None:
    """Before a server was asked they are refusals; afterwards outcomes."""
    door, watcher, call = Door(), Watcher(), entered()
    admission = Admission((door,), (watcher,))
    for server in ("", "a"):
        assert admission.try_enter(call)
        call.asks(server, 0.0)
        admission.failed(call, ToolUnknown("no such tool"))
    assert [(each.ending, each.refused) for each in watcher.take()] == [("TOOL_UNKNOWN", True), ("TOOL_UNKNOWN", False)]
    assert (door.inside, dict(door.left)) == ([], {"TOOL_UNKNOWN": 2})
    admission.turned_back(call, "cancelled")
    assert (watcher.endings(), dict(door.left)) == ({("cancelled", False): 1}, {"TOOL_UNKNOWN": 2})


def test_the_context() -> None:
    """Who and whence; one of several requests to servers has what becomes of it to itself."""
    call = entered({"name": "t", "_meta": {"traceparent": "00-1-2-01"}})
    assert (call.principal, call.transport, call.session, call.correlation) == (LOCAL, "bridge", "", "")
    assert (call.era, call.trace, entered({"_meta": 5}).trace) == ("legacy", "00-1-2-01", "")
    part = call.part("tasks/get")
    part.asks("a", 7.0)
    assert (part.server, part.deadline, part.method, part.workspace) == ("a", 7.0, "tasks/get", "w")
    assert (call.server, call.deadline == call.began) == ("", True)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"code": -32601, "message": "m"}, MethodUnknown),
        ({"code": -32602, "message": "m"}, ParamsInvalid),
        ({"code": -32020, "message": "m"}, MessageInvalid),
        (TooManySessions("m").rpc(), TooManySessions),
    ],
)
def test_errors_for_observers(answer: dict[str, Any], kind: type[Exception]) -> None:
    """What FastMCP and the checks of requests answer has a code, too."""
    assert type(error_of(answer)) is kind
