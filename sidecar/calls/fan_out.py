"""Fan-out: several tool calls at a time under one deadline, each with an outcome of its own; partial results always."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.models import ServerSpec
from sidecar.calls.error_response import ErrorResponse
from sidecar.calls.hub_caller import HubCaller
from sidecar.calls.request import HUB_FAILED, HUB_INTERNAL
from sidecar.errors import CallTimeout, SidecarError
from sidecar.hub_tool_errors import FanOutTooLarge
from sidecar.protocol import codec
from sidecar.protocol.channel import Params

log = logging.getLogger(__name__)

Outcome = Literal["ok", "error", "timeout", "deadline", "refused", "too_large", "not_started", "skipped"]
"""`error`: the tool or its server failed; `timeout`: the limit of this call or its server passed; `deadline`: that of
all calls passed while it ran; `refused`: the hub did not send it; `not_started`: the deadline passed before its turn;
`skipped`: another call failed, and the caller wanted to stop then."""
MAX_RESULT_BYTES = 1 << 20
"""Bytes of all results together."""


@dataclass(slots=True)
class Planned:
    """One call of a fan-out."""

    name: str
    arguments: dict[str, Any]
    outcome: Outcome = "not_started"
    result: dict[str, Any] | None = None
    """The result of the tool, as in `tools/call`."""
    error: dict[str, Any] | None = None
    """Code, message and hint of the error, if there is no result."""
    seconds: float = 0.0
    progress: float = field(default=0.0, repr=False)
    """The finished share, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`at_once` calls run at a time, for `timeout` seconds in all and `each_timeout` each. With `stop_on_error`, none
    begins after one has failed."""

    at_once: int
    timeout: float
    each_timeout: float | None = None
    stop_on_error: bool = False


class FanOut:
    """The calls of one fan-out, which begin in their order."""

    def __init__(self, caller: HubCaller, calls: Sequence[Planned], limits: Limits) -> None:
        self.calls = calls
        self._caller = caller
        self._limits = limits
        self._all_places = asyncio.Semaphore(limits.at_once)
        self._places: dict[str, asyncio.Semaphore] = {}
        self._stopped = False
        self._bytes = 0
        self._reported = 0.0
        self._tell: Callable[[Params], None] | None = caller.progress()

    async def run(self) -> None:
        """Run all calls. When it is cancelled, or the deadline has passed, every open call is cancelled and awaited."""
        routes = (await self._caller.view()).tool_routes
        try:
            async with asyncio.timeout(self._limits.timeout), asyncio.TaskGroup() as tasks:
                for call in self.calls:
                    route = routes.get(call.name)
                    tasks.create_task(self._in_turn(call, self._places_of(route.offer.spec if route else None)))
        except TimeoutError:
            return

    def _places_of(self, spec: ServerSpec | None) -> asyncio.Semaphore:
        """The places of a server within this fan-out. A call takes its server's place first, and one of all calls
        then, so that calls that wait for a slow server do not hold up those of others."""
        key, most = (spec.key, spec.settings.max_inflight) if spec is not None else ("", self._limits.at_once)
        return self._places.setdefault(key, asyncio.Semaphore(most))

    async def _in_turn(self, call: Planned, places: asyncio.Semaphore) -> None:
        async with places, self._all_places:
            if self._stopped:
                call.outcome = "skipped"
                return
            await self._one(call)
            call.progress = 1.0
            self._report()
            self._stopped = self._stopped or (self._limits.stop_on_error and call.outcome != "ok")

    async def _one(self, call: Planned) -> None:
        clock = asyncio.get_running_loop().time
        began, call.outcome = clock(), "deadline"  # unless it ends otherwise
        try:
            async with asyncio.timeout(self._limits.each_timeout):
                result = await self._caller.call(call.name, call.arguments, self._progress_of(call))
        except TimeoutError:
            call.outcome = "timeout"
            call.error = _told(CallTimeout(f"No answer within {self._limits.each_timeout:g} s."))
        except ErrorResponse as response:
            call.outcome, call.error = "error", response.error
        except CallTimeout as error:
            call.outcome, call.error = "timeout", _told(error)
        except SidecarError as error:
            call.outcome, call.error = "refused", _told(error)
        except Exception:
            log.exception("a call of a fan-out failed in the hub", extra={"tool": call.name})
            call.outcome, call.error = "error", {"code": HUB_INTERNAL, "message": HUB_FAILED["message"]}
        else:
            self._keep(call, result)
        finally:
            call.seconds = round(clock() - began, 3)

    def _keep(self, call: Planned, result: dict[str, Any]) -> None:
        """Keep a result, if there is room for it."""
        size = len(codec.dumps(result))
        if self._bytes + size > MAX_RESULT_BYTES:
            text = f"The result has {size} bytes, and all together may have {MAX_RESULT_BYTES}."
            call.outcome, call.error = "too_large", _told(FanOutTooLarge(text))
            return
        self._bytes += size
        call.outcome, call.result = ("error" if result.get("isError") else "ok"), result

    # --- progress ------------------------------------------------------------------------------------------------

    def _progress_of(self, call: Planned) -> Callable[[Params], None] | None:
        """Takes the progress of one call, of which the client gets that of all calls."""
        if self._tell is None:
            return None

        def take(params: Params) -> None:
            done, total = params.get("progress"), params.get("total")
            if isinstance(done, int | float) and isinstance(total, int | float) and total > 0:
                call.progress = min(max(done / total, call.progress), 1.0)
                self._report()

        return take

    def _report(self) -> None:
        """Tell the client how many calls are finished, shares of calls included."""
        done = round(sum(each.progress for each in self.calls), 3)
        if self._tell is not None and done > self._reported:  # "MUST increase" (MCP, Progress)
            self._reported = done
            self._tell({"progress": done, "total": len(self.calls)})


def _told(error: SidecarError) -> dict[str, Any]:
    """An error of the hub as data."""
    return {"code": error.code, "message": error.message, "hint": error.advice}
